# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does close find its job, give its result, and leave a shell that can be used?"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from gpgshim.cli.closing import without_job
from gpgshim.core.wire import BIN
from gpgshim.supervisor import leftovers
from tests.support.results import check
from tests.support.scratch import PATIENCE, Done, Scratch, finish, message, tell, wait_for


class Supervised(NamedTuple):
    """A job under `supervise`: its directory, and the line for the shell."""

    directory: Path
    line: str


def supervise(scratch: Scratch, name: str, *options: str) -> Supervised:
    done = scratch.gpgshim("supervise", "--gpg", scratch.stand_in(), "--job", name, *options)
    assert done.status == 0, done.err
    return Supervised(Path(done.out.removeprefix("PATH=").partition("/bin:")[0]), done.out)


def supervisors(job: Path) -> list[int]:
    """The supervisors of a job: their processes have its directory open, for its lock."""
    found = []
    for path in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if path.readlink() == job:
                found.append(int(path.parts[2]))
        except OSError:
            continue
    return found


def kill(job: Path) -> None:
    for pid in supervisors(job):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: supervisors(job) == [], "the end of the supervisor")


def in_shell(scratch: Scratch, script: str) -> Done:
    """Run a script whose first gpg on PATH is the stand-in."""
    path = scratch.root / "path"
    path.mkdir(exist_ok=True)
    gpg = path / "gpg"
    gpg.unlink(missing_ok=True)
    gpg.symlink_to(scratch.stand_in())
    done = subprocess.run(
        ["sh", "-c", f'gpgshim() {{ "$PYTHON" -m gpgshim "$@"; }}\n{script}'],
        env=scratch.env | {"PATH": f"{path}:{os.defpath}", "PYTHON": sys.executable},
        cwd=scratch.root,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return Done(done.returncode, done.stdout, done.stderr)


# By its name.


@pytest.mark.parametrize("name", ["rel-1.0", "rel-1.0.1"])
def test_by_name_whatever_the_environment_says(scratch: Scratch, name: str) -> None:
    job = supervise(scratch, "rel-1.0")
    subprocess.run([job.directory / "bin/gpg", "-s", "f"], env=scratch.env, check=True)
    elsewhere = {"XDG_RUNTIME_DIR": "/nonexistent", "PATH": os.defpath}
    done = scratch.gpgshim("close", "--status", "3", name, **elsewhere)
    assert (done.status, done.out) == (3, "irrecoverable\n")
    assert done.err == (
        "gpgshim: rel-1.0.1: irrecoverable: committed, and signatures may have been made; check"
        f" what was published; the job ended with status 3 [{scratch.journals()[0]}]\n"
    )


def test_a_name_without_a_journal(scratch: Scratch) -> None:
    done = scratch.gpgshim("close", "no-such-job")
    assert (done.status, done.out) == (64, "")
    assert message(done.err)[0].endswith("; nothing was closed")


def test_a_job_that_is_over(scratch: Scratch) -> None:
    supervise(scratch, "j")
    assert scratch.gpgshim("close", "j").status == 0
    for name in ("j", "j.1"):
        wait_for(lambda name=name: scratch.gpgshim("close", name).status == 78, "its end")  # type: ignore[misc]
        assert f"no attempt of {name} is under way" in scratch.gpgshim("close", name).err


def test_several_under_way(scratch: Scratch) -> None:
    for _ in range(2):
        supervise(scratch, "j", "--observe")
    done = scratch.gpgshim("close", "j")
    assert done.status == 64
    assert message(done.err)[0] == ("several attempts are under way: j.1, j.2; nothing was closed")
    assert scratch.gpgshim("close", "j.2").status == 0
    assert scratch.gpgshim("close", "j.1").status == 0


def test_a_name_that_means_two(scratch: Scratch) -> None:
    """The first attempt of `a` has the name of the job `a.1`."""
    one, other = supervise(scratch, "a"), supervise(scratch, "a.1")
    done = scratch.gpgshim("close", "a.1")
    assert done.status == 64
    assert "several attempts are under way: a.1, a.1.1" in done.err
    for job in (one, other):
        assert scratch.gpgshim("close", job.directory).status == 0


def test_a_directory_that_is_not_its_own_any_more(scratch: Scratch) -> None:
    job = supervise(scratch, "j")
    link = job.directory / "journal"
    target = link.readlink()
    link.unlink()
    link.symlink_to("/nonexistent/j.1")
    done = scratch.gpgshim("close", "j")
    assert done.status == 78
    assert f"j.1 is under way, but {job.directory} is not its directory any more" in done.err
    link.unlink()
    link.symlink_to(target)
    assert scratch.gpgshim("close", "j").status == 0


# Its result.


def test_the_result(scratch: Scratch) -> None:
    job = supervise(scratch, "j")
    words: list[str | Path] = [job.directory / "bin/gpg", "-b", "-u", "KEY", "f"]
    subprocess.run(words, env=scratch.env, check=True)
    done = scratch.gpgshim("close", "--status", "0", "--json", "--result", "r.json", "j")
    assert done.status == 0
    assert (scratch.root / "r.json").read_text() == done.out
    result = json.loads(done.out)
    check(result)
    assert (result["outcome"], result["under_way"], result["exit_status"]) == ("uploaded", False, 0)
    assert result["signatures"][0]["keys"] == ["KEY"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("--status 3", 75),
        ("--exit outcome --status 3", 75),
        ("--exit outcome --status 0", 0),
        ("--exit outcome", 75),
        ("", 0),
    ],
)
def test_the_exit_status(scratch: Scratch, words: str, status: int) -> None:
    supervise(scratch, "j")
    assert scratch.gpgshim("close", *words.split(), "j").status == status


def test_a_file_that_cannot_be_written(scratch: Scratch) -> None:
    supervise(scratch, "j")
    done = scratch.gpgshim("close", "--result", "no/such/file", "j")
    assert done.status == 78
    assert message(done.err)[0].endswith("No such file or directory; nothing was closed")
    assert scratch.gpgshim("close", "j").status == 0


def test_the_gate_of_run(scratch: Scratch) -> None:
    """`run` knows by itself when its job is over: it goes on, and nothing is granted to it."""
    fifo = scratch.fifo("go")
    process = scratch.start_run("read x <go; gpg -s f; exit 4")
    scratch.wait_for_line("! uncommitted")
    result = json.loads(scratch.gpgshim("close", "--json", "j").out)
    check(result)
    assert (result["under_way"], result["outcome"]) == (True, None)
    tell(fifo)
    assert finish(process).status == 75
    assert scratch.calls() == []


# A line for the shell.


def test_the_line_takes_the_stunts_off(scratch: Scratch) -> None:
    script = """\
before=$PATH
line=$(gpgshim supervise --job j) && eval "$line" && gpg -s f
test "$PATH" != "$before" || exit 9
eval "$(gpgshim close --line --status $?)"
echo "$?"
test "$PATH" = "$before" && gpg -s g
"""
    done = in_shell(scratch, script)
    assert (done.status, done.out) == (0, "0\n")
    assert scratch.calls() == ["-s f", "-s g"]
    assert scratch.lines()[-2:] == ["% exit 0", "uploaded"]


def test_the_line_has_the_exit_status(scratch: Scratch) -> None:
    script = """\
line=$(gpgshim supervise --job j) && eval "$line" && (exit 3)
eval "$(gpgshim close --line --status $?)"
"""
    assert in_shell(scratch, script).status == 75


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("close --line", 64),
        ("close --line no-such-job", 64),
        ("close --line /nonexistent", 78),
        ("close --line --json", 64),
        ("close --line --status x", 64),
        ("close --line --no-such-option", 64),
        ("close --line --help", 0),
    ],
)
def test_the_line_where_nothing_is_closed(scratch: Scratch, words: str, status: int) -> None:
    done = scratch.gpgshim(*words.split())
    assert done.status == status
    lines = [line for line in done.out.splitlines() if not line.startswith("#")]
    assert lines == ["false;"]


def test_the_line_where_there_is_no_room_for_it(scratch: Scratch) -> None:
    job = supervise(scratch, "j")
    words = f'exec "$PYTHON" -m gpgshim close --line "{job.directory}" >/dev/full'
    done = in_shell(scratch, words)
    assert done.status == 74


@pytest.mark.parametrize(
    ("search", "rest"),
    [
        ("J/bin:W:/usr/bin", "/usr/bin"),
        ("/bin:J/bin:W:/usr/bin", "/bin:/usr/bin"),
        ("J/bin:W:J/bin:W:/usr/bin", "/usr/bin"),
        ("J/bin:/usr/bin:W", "/usr/bin:W"),  # this wall is another job's
        ("K/bin:W:J/bin:W:/usr/bin", "K/bin:W:/usr/bin"),
        ("/usr/bin", "/usr/bin"),
        ("J/bin", ""),
        ("J/bin:W::.", ":."),
    ],
)
def test_the_path_without_a_job(scratch: Scratch, search: str, rest: str) -> None:
    job = supervise(scratch, "j")
    wall = str((job.directory / "wall").readlink())

    def real(text: str) -> str:
        return text.replace("J/", f"{job.directory}/").replace("W", wall)

    assert without_job(real(search), job.directory) == real(rest)
    assert scratch.gpgshim("close", "j").status == 0


# A shell that still has the stunts of a closed job.


@pytest.mark.parametrize("verb", ["run", "supervise"])
def test_the_stunts_of_a_closed_job_are_passed_over(scratch: Scratch, verb: str) -> None:
    second = {
        "run": "gpgshim run --job two -- gpg -s g",
        "supervise": 'line=$(gpgshim supervise --job two) && eval "$line" && gpg -s g\n'
        "gpgshim close --status $?",
    }[verb]
    script = f"""\
line=$(gpgshim supervise --job one) && eval "$line" && gpg -s f
gpgshim close --status $? >closed 2>&1
{second}
"""
    done = in_shell(scratch, script)
    assert done.status == 0, done.err
    assert scratch.calls() == ["-s f", "-s g"]
    assert [scratch.verdict(at).outcome for at in (0, 1)] == ["uploaded", "uploaded"]
    told, hint, *_ = done.err.splitlines()
    gpg = f"{scratch.root}/path/gpg"
    assert told == (
        "gpgshim: the stunts of one.1 are still on PATH, and the job is over; the real gpg after"
        f" them is {gpg}"
    )
    assert hint == (f"gpgshim: hint: this takes them off: `PATH={scratch.root}/path:{os.defpath}`")


def second_run(scratch: Scratch, line: str) -> Done:
    return in_shell(scratch, f"{line}\ngpgshim run --job two -- touch started")


def assert_refused(scratch: Scratch, done: Done) -> None:
    assert done.status == 78
    assert "is a stunt, not the real gpg; nothing was started" in done.err
    assert not (scratch.root / "started").exists()


def test_the_stunts_of_an_open_job_are_not(scratch: Scratch) -> None:
    job = supervise(scratch, "one")
    assert_refused(scratch, second_run(scratch, job.line))
    assert scratch.gpgshim("close", "one").status == 0
    assert second_run(scratch, job.line).status == 0


def test_the_stunts_of_an_open_job_behind_a_closed_one_are_not(scratch: Scratch) -> None:
    open_one, closed = supervise(scratch, "open"), supervise(scratch, "closed")
    assert scratch.gpgshim("close", "closed").status == 0
    assert_refused(scratch, second_run(scratch, open_one.line + closed.line))
    assert_refused(scratch, second_run(scratch, closed.line + open_one.line))
    assert scratch.gpgshim("close", "open").status == 0


def test_the_stunts_of_a_crashed_job_are_not(scratch: Scratch) -> None:
    job = supervise(scratch, "one")
    kill(job.directory)
    assert_refused(scratch, second_run(scratch, job.line))


@pytest.mark.parametrize("spoil", ["journal is gone", "link is gone", "mode", "a file more"])
def test_the_stunts_of_a_job_that_may_be_open_are_not(scratch: Scratch, spoil: str) -> None:
    job = supervise(scratch, "one")
    assert scratch.gpgshim("close", "one").status == 0
    {
        "journal is gone": lambda: scratch.journals()[0].unlink(),
        "link is gone": lambda: (job.directory / "journal").unlink(),
        "mode": lambda: job.directory.chmod(0o777),
        "a file more": lambda: (job.directory / "x").touch(),
    }[spoil]()
    assert_refused(scratch, second_run(scratch, job.line))


def test_a_wall_alone_is_not(scratch: Scratch) -> None:
    """The directory of the job whose wall this is may be hidden here."""
    job = supervise(scratch, "one")
    wall = (job.directory / "wall").readlink()
    assert scratch.gpgshim("close", "one").status == 0
    assert_refused(scratch, second_run(scratch, f"PATH={wall}:$PATH"))
    shutil.rmtree(job.directory / BIN)
    assert_refused(scratch, second_run(scratch, job.line))


def test_a_retired_directory_of_a_closed_job(scratch: Scratch) -> None:
    job = supervise(scratch, "one")
    assert scratch.gpgshim("close", "one").status == 0
    wait_for(lambda: supervisors(job.directory) == [], "the end of the supervisor")
    leftovers.retire(job.directory, nothing_is_alive=False)
    assert scratch.is_retired(job.directory)
    assert second_run(scratch, job.line).status == 0


def test_a_gpg_that_is_named_must_be_the_real_one(scratch: Scratch) -> None:
    job = supervise(scratch, "one")
    assert scratch.gpgshim("close", "one").status == 0
    done = scratch.gpgshim("run", "--gpg", job.directory / "bin/gpg", "--", "touch", "started")
    assert_refused(scratch, done)
