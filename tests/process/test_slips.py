# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an error in the command line give one message: its cause, what is true, and a hint?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import skips
from tests.support.scratch import PATIENCE, Scratch, message

FULL = Path("/dev/full")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["rnu", "--", "true"], 64, "there is no verb 'rnu'; nothing was done"),
        (["zzz"], 64, "hint: see `gpgshim --help`"),
        (["run", "--jbo", "x", "--", "true"], 64, "there is no option --jbo; nothing was done"),
        (["run", "--jbo", "x", "--", "true"], 64, "did you mean '--job'?"),
        (["rnu", "--", "true"], 64, "did you mean 'run'? Otherwise see `gpgshim --help`"),
        (["run", "--job", "x"], 64, "missing argument '-- COMMAND…'; nothing was done"),
        (["run", "--job", "a/b", "--", "true"], 64, "--job: 'a/b' cannot be a job's name"),
        (["run", "--job", "", "--", "true"], 64, "--job: a job's name has 1 to 120 characters"),
        (["supervise", "--job", "a b"], 64, "it may have letters, digits and ._+~,- only"),
        (
            ["run", "--gpg", "/nonexistent", "--", "true"],
            78,
            "the real gpg is set to /nonexistent, which is not",
        ),
        (
            ["run", "--gpg", "/bin/true", "--", "true"],
            78,
            "/bin/true cannot be used as the real gpg: not a gpg: ",
        ),
        (["status", "-n", "x"], 64, "invalid value for '-n': 'x' is not a valid whole number"),
        (["run", "--deadline", "x", "--", "true"], 64, "'x' is not a valid number; nothing"),
        (["run", "--deadline", "nan", "--", "true"], 64, "it is 'nan', and has to be more than 0"),
        (["run", "--deadline", "0", "--", "true"], 64, "and has to be more than 0 and at most 1"),
        (["run", "--retries", "1.5", "--", "true"], 64, "'1.5' is not a valid whole number; n"),
        (["status", "-n", "-1"], 64, "it is '-1', and has to be at least 0; nothing"),
        (["show", "--html"], 64, "hint: see `gpgshim show --help`"),
        (["close", "/nonexistent"], 78, "/nonexistent is not a job's directory"),
        (["close"], 64, "nothing was closed"),
        (["metrics", "--textfile", "x.txt"], 64, "x.txt: node_exporter reads only names that end"),
    ],
)
def test_slip(scratch: Scratch, words: list[str], status: int, said: str) -> None:
    done = scratch.gpgshim(*words)
    # A shell may evaluate what `supervise` prints, and what a misspelt `supervise` prints.
    for_shell = words[0] in ("supervise", "rnu", "zzz")
    assert (done.status, done.out) == (status, "false;\n" if for_shell else "")
    assert said in done.err
    assert all(message(done.err)[: 1 + ("hint: " in said)])
    assert not any(scratch.state.iterdir())  # no job was made of it


def test_no_words_at_all_are_a_call_for_help(scratch: Scratch) -> None:
    done = scratch.gpgshim()
    assert (done.status, done.err) == (0, "")
    assert done.out == scratch.gpgshim("--help").out
    assert "\n  run " in done.out


def test_options_after_the_command_belong_to_the_command(scratch: Scratch) -> None:
    done = scratch.gpgshim("run", "--gpg", scratch.stand_in(), "echo", "--job", "-x")
    assert (done.status, done.out) == (0, "--job -x\n")


def test_a_job_that_is_not_there(scratch: Scratch) -> None:
    state = scratch.state / "gpgshim"
    assert "hint: `gpgshim status --all` lists all jobs" in scratch.gpgshim("show", "hello").err
    scratch.gpgshim("run", "--job", "hello", "--gpg", scratch.stand_in(), "--", "true")
    said = f"there is no journal of a job 'helo' in {state}"
    assert message(scratch.gpgshim("show", "helo").err) == (said, "did you mean 'hello'?")
    done = scratch.gpgshim("show", "hello.9")
    assert (done.status, "a job 'hello.9' in" in done.err) == (64, True)
    assert "did you mean 'hello'?" in done.err
    (scratch.root / "page").write_text("")
    assert (
        "hint: to show the file of that name, write ./page\n" in scratch.gpgshim("show", "page").err
    )


def test_record_that_cannot_be_kept(scratch: Scratch) -> None:
    path = scratch.root / "none/x"
    done = scratch.run("true", "--record", path)
    assert f"--record {path} was not written: No such file or directory\n" in done.err


def test_an_unreadable_directory_is_not_an_empty_one(scratch: Scratch) -> None:
    scratch.state.mkdir(exist_ok=True)
    (scratch.state / "gpgshim").symlink_to("gpgshim")
    done = scratch.gpgshim("show", "hello")
    assert (done.status, "cannot be read: Too many levels" in done.err) == (74, True)


@pytest.mark.parametrize(
    "words",
    [["status"], ["config"], ["metrics"], ["--version"], ["run", "--help"], ["show", "j"], []],
    ids=" ".join,
)
def test_a_full_disk_under_stdout(scratch: Scratch, words: list[str]) -> None:
    scratch.run("true")
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gpgshim", *words],
            env=scratch.env,
            cwd=scratch.root,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 74
    hint = "if a job was running, see `gpgshim status`"
    assert message(done.stderr) == ("stdout: No space left on device", hint)


@pytest.mark.parametrize("words", ["status", "config", "classify -- -s", "run -- true"])
def test_each_verb_with_a_closed_stdout(scratch: Scratch, words: str) -> None:
    done = scratch.call("sh", "-c", f"{sys.executable} -m gpgshim {words} >&-")
    assert done.status == 0
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("verb", "what", "status", "seen"),
    [
        ("show", "pipe", 64, "it is not a plain file"),
        ("show", "/dev/zero", 64, "it is not a plain file"),
        ("show", ".", 64, "Is a directory"),
        ("replay", "pipe", 65, "it is not a plain file"),
        ("replay", "/dev/zero", 65, "it is not a plain file"),
        ("replay", ".", 0, ""),  # a directory without journals
    ],
)
def test_a_file_that_is_not_plain_is_not_waited_for(
    scratch: Scratch, verb: str, what: str, status: int, seen: str
) -> None:
    path = scratch.fifo("pipe") if what == "pipe" else scratch.root / what
    done = scratch.gpgshim(verb, path)
    assert done.status == status
    assert "Traceback" not in done.err
    assert seen in done.err


@pytest.mark.parametrize(("verb", "status"), [("show", 64), ("replay", 65)])
def test_a_terminal_is_not_waited_for(scratch: Scratch, verb: str, status: int) -> None:
    """The test's process has none: it has a session of its own."""
    done = scratch.gpgshim(verb, "/dev/tty")
    assert (done.status, "No such device or address" in done.err) == (status, True)


def test_a_pipe_in_the_place_of_a_journal(scratch: Scratch) -> None:
    scratch.run("true")
    os.mkfifo(scratch.state / "gpgshim/j.2")
    done = scratch.gpgshim("show", "j")
    assert (done.status, "it is not a plain file" in done.err) == (64, True)
    assert scratch.gpgshim("status").status == 0
    assert scratch.gpgshim("metrics").status == 0
    assert scratch.gpgshim("replay", scratch.state / "gpgshim").status == 0
    (scratch.state / "gpgshim/j.2").unlink()


def head_of(shown: str) -> tuple[str, str]:
    """The job and the attempt that `gpgshim show` prints first."""
    head = dict(line.split(maxsplit=1) for line in shown.splitlines()[:4])
    return head["job"], head["attempt"]


def test_a_job_whose_name_is_as_an_attempt_s(scratch: Scratch) -> None:
    def run(job: str, command: str) -> None:
        words = ["--job", job, "--gpg", str(scratch.stand_in()), "--", "sh", "-c", command]
        scratch.gpgshim("run", *words)

    def shown(name: str | Path) -> tuple[str, str]:
        return head_of(scratch.gpgshim("show", name).out)

    run("rel-1.2", "exit 3")
    assert shown("rel-1.2") == ("rel-1.2", "1")
    run("rel-1.2", "gpg -s f")
    run("rel-1", "exit 3")
    run("rel-1", "exit 3")
    done = scratch.gpgshim("show", "rel-1.2")
    assert head_of(done.out) == ("rel-1.2", "2")
    path = scratch.state / "gpgshim/rel-1.2"
    assert message(done.err)[1] == f"`gpgshim show {path}` shows that attempt"
    assert shown(path) == ("rel-1", "2")
    assert shown("rel-1.1") == ("rel-1", "1")
    assert shown("rel-1.2.1") == ("rel-1.2", "1")


@pytest.mark.parametrize("home", [None, "", "~", "home"])
def test_a_user_without_a_home(scratch: Scratch, home: str | None) -> None:
    """No directory of the name `~` is made, nor one in the directory where we happen to be."""
    skips.unless_root("who can be another user")
    env = {name: value for name, value in scratch.env.items() if not name.startswith("XDG_")}
    env.pop("HOME")
    place = scratch.root / "place"
    place.mkdir()
    os.chmod(place, 0o777)
    os.chmod(scratch.root, 0o755)
    words = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", sys.executable]
    for verb in ("run --gpg /usr/bin/gpg -- true", "status", "supervise", "show j", "config"):
        done = subprocess.run(
            [*words, "-m", "gpgshim", *verb.split()],
            env=env | ({} if home is None else {"HOME": home}),
            cwd=place,
            capture_output=True,
            text=True,
        )
        if "No module named" in done.stderr or "Permission denied" in done.stderr:
            command = f"make test, after chmod a+x {Path.cwd()} and above"
            skips.unless(False, "a checkout that another user can read", command)
        assert done.returncode == (0 if verb == "config" else 78)
        # `run` may find before that this user cannot run our interpreter.
        wanted = "there is no place for journals: HOME" * (verb in ("status", "show j"))
        assert wanted in done.stderr
        assert "Traceback" not in done.stderr
        assert list(place.iterdir()) == []
