# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is gpg's path the same in all attempts of a named job, and does it refuse between them?

cmake's find_program and autoconf keep gpg's absolute path in a build tree. The path must lead to
the gate of the next attempt too, and to no other program.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpgshim.core.gate import Outcome
from gpgshim.supervisor import jobdir, leftovers, wall
from tests.support import skips
from tests.support.scratch import GPG, PATIENCE, Scratch, finish, hear, tell

REMEMBER = "test -e gpg.path || command -v gpg >gpg.path"
USE = "$(cat gpg.path) -s f"


def path_of(scratch: Scratch) -> Path:
    """The path of gpg that the job remembered."""
    return Path((scratch.root / "gpg.path").read_text().strip())


def refused(path: Path, *words: str) -> str:
    """What the program at `path` says as it refuses."""
    done = subprocess.run([path, *words], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_the_path_of_the_first_attempt_is_the_gate_of_the_next(scratch: Scratch) -> None:
    assert scratch.run(f"{REMEMBER}; exit 3").status == 75
    path = path_of(scratch)
    done = scratch.run(f"test {path} = $(command -v gpg) && {USE}", "--commit", "true")
    assert done.status == 0, done.err
    assert scratch.calls() == ["-s f"]
    assert scratch.verdict().outcome is Outcome.UPLOADED
    assert "$ gpg -s f" in scratch.lines()


@pytest.mark.parametrize("tool", ["cmake", "autoconf"])
def test_a_build_tree_that_keeps_the_path(scratch: Scratch, tool: str) -> None:
    skips.unless_installed("test", shutil.which(tool))
    if tool == "cmake":
        (scratch.root / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.10)\nproject(p NONE)\nfind_program(GPG gpg)\n"
            "add_custom_target(sign COMMAND ${GPG} -s f)\n"
        )
        build = "mkdir -p b && cd b && cmake .. >/dev/null && make sign"
    else:
        (scratch.root / "configure.ac").write_text(
            "AC_INIT([p], [1])\nAC_PATH_PROG([GPG], [gpg])\nAC_CONFIG_FILES([sign])\nAC_OUTPUT\n"
        )
        (scratch.root / "sign.in").write_text("@GPG@ -s f\n")
        build = "test -e sign || { autoconf && ./configure; } >/dev/null && sh ./sign"
    first = scratch.run(f"({build}); exit 3", "--commit", "sh -c 'echo refused; exit 77'")
    assert first.status == 77, first.err
    assert scratch.calls() == []
    done = scratch.run(build, "--commit", "true", "--again")
    assert done.status == 0, done.err
    assert scratch.calls() == ["-s f"]


def test_between_attempts_it_refuses(scratch: Scratch) -> None:
    scratch.run(f"{REMEMBER}; exit 3")
    path = path_of(scratch)
    for words in (["-s", "f"], ["--version"]):
        assert refused(path, *words) == f"{wall.JOB_IS_OVER}\n"
    assert scratch.calls() == []
    assert sorted(os.listdir(path.parent.parent)) == ["bin", "journal"]


def test_another_job_has_another_path(scratch: Scratch) -> None:
    names = ["j", "k", "x" * 100 + "1", "x" * 100 + "2", "j.1", "2420"]
    for name in names:
        words: list[str | Path] = ["run", "--job", name, "--gpg", scratch.stand_in(), "--"]
        scratch.gpgshim(*words, "sh", "-c", "command -v gpg >>paths")
    assert len(set((scratch.root / "paths").read_text().split())) == len(names)


@pytest.mark.parametrize("how", ["no name", "supervise", "observe"])
def test_a_path_of_its_own_where_all_are_served_or_nothing_is_named(
    scratch: Scratch, how: str
) -> None:
    """An orphan of a gated attempt must not find the stunts of an attempt that only observes."""
    paths = []
    for _ in range(2):
        if how == "supervise":
            line = scratch.gpgshim("supervise", *scratch.options()).out
            paths.append(line.partition("=")[2].partition(":")[0])
            scratch.gpgshim("close", paths[-1].removesuffix("/bin"))
        else:
            gpg: list[str | Path] = ["--gpg", scratch.stand_in()]
            options = gpg if how == "no name" else scratch.options("--observe")
            done = scratch.gpgshim("run", *options, "--", "sh", "-c", "command -v gpg")
            paths.append(done.out)
    assert len(set(paths)) == 2


def test_no_shared_path_where_others_can_write(scratch: Scratch) -> None:
    scratch.runtime.chmod(0o1777)
    for _ in range(2):
        scratch.run("command -v gpg >>paths; exit 3", RUNTIME_DIRECTORY=str(scratch.runtime))
    assert len(set((scratch.root / "paths").read_text().split())) == 2


def test_an_orphan_of_an_earlier_attempt_gets_nothing(scratch: Scratch) -> None:
    go, said = scratch.fifo("go"), scratch.fifo("said")
    orphan = f"(setsid sh -c 'read x <{go}; gpg -s orphan 2>{said}' >/dev/null 2>&1 &)"
    assert scratch.run(f"{REMEMBER}; {orphan}; exit 3").status == 75
    end = scratch.fifo("end")
    ready = scratch.fifo("ready")
    second = scratch.start_run(f"{USE} && echo >{ready}; read x <{end}", "--commit", "true")
    hear(ready)  # its gate is open
    tell(go)
    assert "was not started by this gate's job" in hear(said)
    end.write_text("\n")
    assert finish(second).status == 0
    assert scratch.calls() == ["-s f"]


def test_two_attempts_at_once(scratch: Scratch) -> None:
    """The second has a path of its own, and the first goes on as it was."""
    ready, end = scratch.fifo("ready"), scratch.fifo("end")
    look = 'cd "${PATH%%/bin:*}" && find . -type f -exec cksum {} + | sort'
    first = scratch.start_run(
        f"({look}) >one; {REMEMBER}; echo >{ready}; read x <{end}; ({look}) >two"
    )
    hear(ready)
    # Only in observe mode does a second attempt of a job start while the first is under way.
    second = scratch.run("command -v gpg >other; exit 3", "--observe")
    assert second.status == 3, second.err
    end.write_text("\n")
    assert finish(first).status == 0
    assert (scratch.root / "one").read_text() == (scratch.root / "two").read_text() != ""
    assert (scratch.root / "other").read_text().strip() != str(path_of(scratch))


def test_a_crowd_of_attempts(scratch: Scratch) -> None:
    crowd = [
        scratch.start_run(f"{REMEMBER}; command -v gpg; gpg -s f", "--commit", "true")
        for _ in range(6)
    ]
    done = [finish(each) for each in crowd]
    # One is started, and none of the others disturbs its directory.
    assert sorted(each.status for each in done) == [0] + [77] * 5
    assert len(scratch.calls()) == 1
    assert scratch.jobs() == []


def test_an_attempt_after_one_that_was_killed(scratch: Scratch) -> None:
    """The killed attempt and its orphans do not disturb the next attempt, and get no grant."""
    ready, go, said = (scratch.fifo(name) for name in ("ready", "go", "said"))
    command = f"{REMEMBER}; echo >{ready}; read x <{go}; gpg -s orphan 2>{said}; exit 3"
    first = scratch.start_run(command)
    hear(ready)
    os.kill(first.pid, signal.SIGKILL)
    first.wait(PATIENCE)
    assert "refuses" in refused(path_of(scratch), "-s", "f")
    done = scratch.run(f"test $(cat gpg.path) = $(command -v gpg) && {USE}", "--commit", "true")
    assert done.status == 0, done.err
    tell(go)
    assert "refuses" in hear(said)
    assert scratch.calls() == ["-s f"]
    # What may still be alive keeps the place until the next boot.
    directory = path_of(scratch).parent.parent
    assert (directory / "orphans").exists()
    os.utime(directory, (1, 1))
    scratch.gpgshim("run", "--job", "k", "--gpg", scratch.stand_in(), "--", "true")
    assert "refuses" in refused(path_of(scratch), "-s", "f")


def test_after_another_python_or_package(scratch: Scratch) -> None:
    """A directory of an older version is replaced completely."""
    scratch.run(f"{REMEMBER}; exit 3")
    directory = path_of(scratch).parent.parent
    (directory / "code").mkdir()
    (directory / "code/gpg.cpython-39").write_text("an older one")
    (directory / "bin/gpg").unlink()
    (directory / "bin/gpg").write_text(
        "#!/usr/bin/python3.9 -IS\nfrom gpgshim.stunts.shim import gpg\n"
    )
    (directory / "bin/gpg").chmod(0o755)
    done = scratch.run(USE, "--commit", "true")
    assert (done.status, scratch.calls()) == (0, ["-s f"]), done.err
    assert sorted(os.listdir(directory / "bin")) >= ["gpg"]


@pytest.mark.parametrize("what", ["a file", "a link", "somebody's work"])
def test_a_foreign_file_at_the_path_is_left_alone(scratch: Scratch, what: str) -> None:
    scratch.run(f"{REMEMBER}; exit 3")
    directory = path_of(scratch).parent.parent
    shutil.rmtree(directory)
    if what == "a file":
        directory.write_text("text")
    elif what == "a link":
        directory.symlink_to(scratch.root)
    else:
        (directory / "thesis").mkdir(parents=True)
    done = scratch.run("gpg -s f", "--commit", "true")
    assert (done.status, scratch.calls()) == (0, ["-s f"]), done.err
    assert os.path.lexists(directory) and not (directory / "bin/gpg").exists()


# A file system that cannot exchange, and kills.


def test_where_directories_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    contents = jobdir.Contents("", {"gpg": Path(GPG)})
    made = jobdir.make_at_its_path(tmp_path, "j", contents)
    assert made is not None
    os.close(made[1])
    monkeypatch.setattr(jobdir, "_rename", lambda *_: False)
    assert jobdir.make_at_its_path(tmp_path, "j", contents) is None
    assert os.listdir(tmp_path) == [made[0].name]


#: Prints a dot before each call of the kernel that changes a name, and stops for good at the N-th.
STOPPED = """\
import ctypes, os, shutil, sys
from pathlib import Path
from gpgshim.supervisor import jobdir, leftovers
base, gpg, at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
calls = 0
def count(event, _):
    global calls
    if event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "open",
                 "ctypes.dlsym", "os.chmod", "os.posix_spawn"):
        calls += 1
        if calls == at:
            os._exit(99)
os.umask(0o077)
sys.addaudithook(count)
place = jobdir.make_at_its_path(base, "j", jobdir.Contents("", {"gpg": gpg}))
leftovers.retire(place[0], True)
"""


def test_killed_at_any_moment_the_program_is_there_and_the_next_attempt_too(tmp_path: Path) -> None:
    """Whatever the killed attempt did to the directory, its gpg exists, and refuses."""
    tmp_path.chmod(0o700)
    contents = jobdir.Contents("", {"gpg": Path(GPG)})
    made = jobdir.make_at_its_path(tmp_path, "j", contents)
    assert made is not None
    path, held = made
    os.close(held)
    words = [sys.executable, "-c", STOPPED, str(tmp_path), GPG]
    at, status = 0, 99
    while status == 99:
        at += 1
        # From a directory that is whole, and from one that is retired.
        if at % 2:
            leftovers.retire(path, nothing_is_alive=False)
        status = subprocess.run([*words, str(at)], timeout=PATIENCE, check=False).returncode
        done = subprocess.run([path / "bin/gpg", "-s", "f"], capture_output=True, check=False)
        assert done.returncode == 2, at
        assert re.search(rb"refuses|belongs to no job", done.stderr), (at, done.stderr)
        again = jobdir.make_at_its_path(tmp_path, "j", contents)
        assert again is not None and again[0] == path, at
        os.close(again[1])
    assert status == 0
    assert at > 30
