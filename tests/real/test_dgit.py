# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""When does the stunt dgit exit 75, and is its exit status otherwise that of dgit?

A stand-in for the real dgit does what the test's script says, with the stunt gpg first on its PATH.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from gpgshim.core.gate import Outcome
from gpgshim.supervisor import jobdir, optable
from tests.support.scratch import GPG, PATIENCE, REFUSE, Done, Scratch, finish, hear


def run(scratch: Scratch, script: str, command: str = "dgit rpush-source x", *more: str) -> Done:
    """A run of `command`, where the real dgit is `script`; its status is in `status`."""
    dgit = scratch.script("real-dgit", f"#!/bin/sh\nulimit -c 0\n{script}\n")
    return finish(scratch.start_with_dgit(dgit, f"{command}; echo $? >status", *more))


def status(scratch: Scratch) -> int:
    return int((scratch.root / "status").read_text())


ENDS = ("exit 255", "exit 1", "exit 75", "kill -TERM $$", "kill -KILL $$", "kill -SEGV $$")
PUSHES = ("push", "push-source", "push-built", "rpush", "rpush-source", "rpush-built")


@pytest.mark.parametrize(
    ("push", "end"),
    [*((push, "exit 255") for push in PUSHES), *(("rpush-source", end) for end in ENDS[1:])],
)
def test_failure_that_left_nothing(scratch: Scratch, push: str, end: str) -> None:
    run(scratch, f"gpg --verify f; {end}", f"dgit -wgf {push} HOST:DIR")
    assert status(scratch) == 75
    assert scratch.lines() == ["! uncommitted", "% close", "% exit 0", "unsigned"]


@pytest.mark.parametrize(
    ("commit", "end", "expected"),
    [
        ("true", "exit 0", 0),
        ("true", "exit 255", 255),
        ("true", "exit 1", 1),
        ("true", "exit 75", 70),  # no 75 after a request to commit
        ("true", "kill -TERM $$", 143),
        ("true", "kill -KILL $$", 137),
        ("true", "kill -SEGV $$", 139),
        (REFUSE, "exit 255", 255),
        (REFUSE, "exit 75", 70),
        ("sh -c 'exit 9'", "exit 255", 255),
        ("sh -c 'exit 9'", "exit 75", 70),
    ],
)
def test_the_exit_status_after_a_request(
    scratch: Scratch, commit: str, end: str, expected: int
) -> None:
    run(scratch, f"gpg -s f; {end}", "dgit rpush-source x", "--commit", commit)
    assert status(scratch) == expected
    assert scratch.calls() == ["-s f"] * (commit == "true")


def test_success_closes_nothing(scratch: Scratch) -> None:
    assert run(scratch, "exit 0", "dgit push-source && gpg -s f").status == 0
    assert status(scratch) == 0
    assert scratch.calls() == ["-s f"]
    assert "% close" not in scratch.lines()


@pytest.mark.parametrize("end", ["exit 75", "exit 255", "kill -TERM $$"])
@pytest.mark.parametrize("command", ["dgit", "dgit fetch sid", "dgit clone x", "dgit --version"])
def test_other_subcommands_are_not_touched(scratch: Scratch, command: str, end: str) -> None:
    run(scratch, end, f"{command}; echo $? >before; gpg -s f")
    expected = {"exit 75": "75", "exit 255": "255", "kill -TERM $$": "143"}[end]
    assert (scratch.root / "before").read_text() == f"{expected}\n"
    assert scratch.calls() == ["-s f"]


def test_gate_is_closed_behind_a_failure(scratch: Scratch) -> None:
    done = run(scratch, "exit 255", "dgit push-source; gpg -s f")
    assert status(scratch) == 2
    assert "the job is over" in done.err
    assert scratch.calls() == []


def test_authority_that_was_not_there_has_heard_nothing(scratch: Scratch) -> None:
    run(scratch, "gpg -s f; exit 255", "dgit push", "--commit", "o2m:/nonexistent/commit")
    assert status(scratch) == 75


def test_it_is_dgit_to_those_whom_it_starts(scratch: Scratch) -> None:
    # A script's argv[0] is its path; so the words are what can be seen here.
    script = 'printf "%s\\n" "$@" >words; exec grep -h . /dev/null'
    run(scratch, script, "dgit push '' 'a b' \"$(printf 'new\\nline \\377')\"")
    assert (scratch.root / "words").read_bytes() == b"push\n\na b\nnew\nline \xff\n"


def test_signals_are_as_its_caller_left_them(scratch: Scratch) -> None:
    script = "while read -r line; do echo $line; done </proc/$$/status >seen"
    for ignored, bits in (("", 0), ("PIPE", 1 << 12), ("XFSZ", 1 << 24), ("HUP", 1)):
        run(scratch, script, f"env {ignored and f'--ignore-signal={ignored}'} dgit clone x")
        (line,) = (x for x in (scratch.root / "seen").read_text().splitlines() if "SigIgn" in x)
        assert int(line.split()[1], 16) & ~(3 << 31) == bits, ignored
        assert status(scratch) == 0


@pytest.mark.parametrize(("end", "expected"), [("exit 255", 75), ("gpg -s f; exit 7", 7)])
def test_caller_that_ignores_sigchld(scratch: Scratch, end: str, expected: int) -> None:
    done = run(scratch, end, "env --ignore-signal=CHLD dgit push-source")
    assert status(scratch) == expected
    assert "Traceback" not in done.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signal_is_passed_on(scratch: Scratch, number: signal.Signals) -> None:
    fifo = scratch.fifo("fifo")
    trap = f"trap 'exit 9' {number.name[3:]}; echo $PPID >{fifo}; while :; do sleep 0.1; done"
    dgit = scratch.script("real-dgit", f"#!/bin/sh\ngpg -s f; {trap}\n")
    process = scratch.start_with_dgit(dgit, "dgit push-source; echo $? >status")
    os.kill(int(hear(fifo)), number)
    finish(process)
    assert status(scratch) == 9


def job_of(scratch: Scratch, script: str) -> Path:
    """The directory of a job whose supervisor is gone."""
    real = {
        "gpg": scratch.stand_in(),
        "dgit": scratch.script("real-dgit", f"#!/bin/sh\n{script}\n"),
    }
    return jobdir.make(scratch.runtime, "j", optable.of(GPG, dict(os.environ)), real)


@pytest.mark.parametrize(("end", "expected"), [("exit 255", 255), ("exit 75", 70), ("exit 0", 0)])
def test_supervisor_that_is_gone(scratch: Scratch, end: str, expected: int) -> None:
    job = job_of(scratch, end)
    done = subprocess.run(
        [job / "bin/dgit", "push"],
        env=scratch.env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == expected
    assert done.stderr.count("\n") == bool(expected)
    assert ("the job is not reported as retriable" in done.stderr) == bool(expected)


def test_real_dgit_that_is_gone(scratch: Scratch) -> None:
    job = job_of(scratch, "exit 0")
    (scratch.root / "real-dgit").unlink()
    done = subprocess.run([job / "bin/dgit", "clone"], capture_output=True, text=True)
    assert done.returncode == 127
    assert "cannot be run" in done.stderr
    (job / "real/dgit").unlink()
    done = subprocess.run([job / "bin/dgit", "clone"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "belongs to no job" in done.stderr


@pytest.mark.parametrize("first", ["exit 255", "echo quilt fixup cannot be linear. >&2; exit 1"])
def test_several_dgits_in_one_job(scratch: Scratch, first: str) -> None:
    """A job that calls dgit again after a failure goes on, except under dgit-repos-server."""
    text = f"#!/bin/sh\ncase $* in *first) {first};; esac\ngpg -s f\n"
    (scratch.root / "path").mkdir()
    dgit = scratch.script("path/dgit", text)
    job = "dgit push-source first || dgit rpush-source second"
    path = f"{dgit.parent}:{os.defpath}"
    done = scratch.run(
        f"{job}; echo $? >status; test $(cat status) = 0", "--commit", "true", PATH=path
    )
    assert (done.status, status(scratch)) == (0, 0)
    assert scratch.verdict().outcome is Outcome.UPLOADED
    assert scratch.calls() == ["-s f"]
    options = scratch.options("--commit", "true", "--again")
    line = scratch.gpgshim("supervise", *options, PATH=path).out
    shell = subprocess.run(["sh", "-c", f"{line}{job}"], env=scratch.env | {"PATH": path})
    assert shell.returncode == 0
    assert scratch.gpgshim("close", "--status", "0", scratch.jobs()[0]).out == "uploaded\n"
    # Under dgit-repos-server the first failure is the end of the job.
    run(scratch, text, job, "--again")
    assert status(scratch) != 0
    assert "% close" in scratch.lines()


@pytest.mark.parametrize("end", ["exit 0", "exit 9", "exit 75", "kill -KILL $$"])
def test_dgit_under_run_is_the_real_one(scratch: Scratch, end: str) -> None:
    (scratch.root / "path").mkdir()
    dgit = scratch.script("path/dgit", f"#!/bin/sh\necho $PPID >parent; {end}\n")
    job = "command -v dgit >which; dgit push; echo $? >status; echo $$ >shell"
    assert scratch.run(job, PATH=f"{dgit.parent}:{os.defpath}").status == 0
    read = {
        name: (scratch.root / name).read_text().strip() for name in ("which", "parent", "shell")
    }
    assert read["which"] == str(dgit)
    assert read["parent"] == read["shell"]
    assert status(scratch) == {"exit 0": 0, "exit 9": 9, "exit 75": 75}.get(end, 137)


def test_a_machine_without_dgit(scratch: Scratch) -> None:
    bin = scratch.root / "path"
    bin.mkdir()
    for name in ("sh", "ls"):
        (bin / name).symlink_to(f"/bin/{name}")
    done = scratch.run('ls "${PATH%%:*}" >stunts', PATH=str(bin))
    assert done.status == 0
    assert (scratch.root / "stunts").read_text() == "gpg\n"
    assert scratch.verdict().outcome is Outcome.UNSIGNED
