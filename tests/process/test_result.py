# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does --result FILE tell a program what is true of the job, and is FILE never of another call?"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.results import check
from tests.support.scratch import PATIENCE, Scratch, finish, hear, message, tell

SIGN = "gpg -bu KEY f"


def found(scratch: Scratch, name: str = "result.json") -> dict[str, Any]:
    result: dict[str, Any] = json.loads((scratch.root / name).read_text())
    check(result)
    return result


@pytest.mark.parametrize(
    ("command", "options", "status", "by_outcome", "outcome", "cause"),
    [
        ("true", (), 0, 0, "unsigned", "exit"),
        (SIGN, (), 0, 0, "uploaded", "exit"),
        ("exit 3", (), 75, 75, "retriable", "exit"),
        ("kill -9 $$", (), 75, 75, "retriable", "signal"),
        (f"{SIGN}; exit 3", (), 3, 76, "irrecoverable", "exit"),
        (f"{SIGN}; exit 75", (), 70, 76, "irrecoverable", "exit"),
        (SIGN, ("--commit", "sh -c 'exit 77'"), 77, 77, "refused", "refused"),
        (SIGN, ("--commit", "sh -c 'exit 9'"), 2, 76, "irrecoverable", "unexpected"),
        (SIGN, ("--commit", "o2m:/nonexistent"), 75, 75, "retriable", "failed:enoent"),
        (f"{SIGN}; exit 3", ("--observe",), 3, 3, "observed", "exit"),
    ],
)
def test_the_result_and_both_exit_statuses(
    scratch: Scratch,
    command: str,
    options: tuple[str, ...],
    status: int,
    by_outcome: int,
    outcome: str,
    cause: str,
) -> None:
    assert scratch.run(command, "--result", "result.json", *options).status == status
    result = found(scratch)
    assert (result["outcome"], result["cause"]) == (outcome, cause)
    assert (result["job"], result["attempt"]) == ("j", 1)
    assert result["journal"] == str(scratch.journals()[0])
    assert (result["told"], result["not_started"]) == (True, None)
    again = scratch.run(
        command, "--again", "--exit", "outcome", "--result", "result.json", *options
    )
    assert again.status == by_outcome
    assert found(scratch)["attempt"] == 2


def test_the_signature(scratch: Scratch) -> None:
    (scratch.root / "f").write_text("to be signed\n")
    scratch.run(SIGN, "--result", "result.json")
    (signature,) = found(scratch)["signatures"]
    assert signature["command"] == "gpg -bu KEY f"
    assert (signature["keys"], signature["granted"]) == (["KEY"], True)
    (file,) = signature["files"]
    assert file["name"] == "f"
    assert len(file["sha256"]) == 64
    assert found(scratch)["started"] <= signature["at"] <= found(scratch)["not_retriable_since"]


def test_a_command_that_cannot_be_started(scratch: Scratch) -> None:
    words = scratch.options("--result", "result.json")
    assert scratch.gpgshim("run", *words, "--", "./no-such-program").status == 127
    assert (found(scratch)["cause"], found(scratch)["exit_status"]) == ("no-start", 127)


def test_it_is_there_before_the_outcome_is_reported(scratch: Scratch) -> None:
    """The supervisor stops as soon as it has written the line with the outcome."""
    words = scratch.options("--result", "result.json")
    command: list[str | Path] = [
        "strace",
        "-qq",
        "-e",
        "trace=rename,write",
        "-o",
        scratch.root / "trace",
    ]
    command += [sys.executable, "-m", "gpgshim", "run", *words, "--", "sh", "-c", "exit 3"]
    assert scratch.call(*command).status == 75
    calls = (scratch.root / "trace").read_text().splitlines()
    (renamed,) = [at for at, line in enumerate(calls) if "result.json" in line]
    (told,) = [at for at, line in enumerate(calls) if "retriable: no gpg" in line]
    (on_disk,) = [at for at, line in enumerate(calls) if line.count("retriable\\n") == 1]
    assert on_disk < renamed < told


# An earlier attempt that stands.


@pytest.mark.parametrize(
    ("verb", "option", "status"),
    [
        ("run", "", 77),
        ("run", "--skip-done", 0),
        ("run", "--exit=outcome", 77),
        ("supervise", "", 77),
        ("supervise", "--skip-done", 0),
    ],
)
def test_an_earlier_attempt_that_stands(
    scratch: Scratch, verb: str, option: str, status: int
) -> None:
    scratch.run(SIGN)
    command = ["--", "true"] if verb == "run" else []
    words = scratch.options("--result", "result.json")
    assert scratch.gpgshim(verb, *words, *option.split(), *command).status == status
    result = found(scratch)
    assert (result["attempt"], result["outcome"]) == (1, "uploaded")
    assert "attempt j.1 is uploaded" in result["not_started"]
    assert len(scratch.journals()) == 1


def test_an_earlier_attempt_that_is_under_way(scratch: Scratch) -> None:
    fifo = scratch.fifo("go")
    first = scratch.start_run("read x <go; exit 3")
    scratch.wait_for_line("! uncommitted")
    assert scratch.run("true", "--result", "result.json").status == 77
    result = found(scratch)
    assert (result["under_way"], result["outcome"]) == (True, None)
    assert "is under way" in result["not_started"]
    tell(fifo)
    assert finish(first).status == 75


# FILE cannot be written, or is an old one.


@pytest.mark.parametrize("verb", ["run", "supervise"])
@pytest.mark.parametrize(
    "place", ["no-such/result.json", "directory", "/dev/null", "fifo", "x" * 300, "/proc/x"]
)
def test_a_file_that_cannot_be_written(scratch: Scratch, verb: str, place: str) -> None:
    scratch.fifo("fifo")
    (scratch.root / "directory").mkdir()
    words = scratch.options("--result", place)
    done = scratch.gpgshim(verb, *words, *(["--", "touch", "started"] if verb == "run" else []))
    assert done.status == 78
    seen, _ = message(done.err)
    assert seen.startswith("--result ") and seen.endswith("; nothing was started")
    assert not (scratch.root / "started").exists()
    assert scratch.journals() == []
    assert Path("/dev/null").is_char_device()


def test_a_file_that_cannot_be_written_any_more(scratch: Scratch) -> None:
    (scratch.root / "place").mkdir()
    done = scratch.run("rm -r place; exit 3", "--result", "place/result.json")
    assert done.status == 75
    told = done.err.splitlines()
    assert told[0] == (
        f"gpgshim: --result {scratch.root}/place/result.json was not written:"
        " No such file or directory"
    )
    assert told[1] == f"gpgshim: hint: the journal is {scratch.journals()[0]}"
    assert "retriable: " in told[2]


def test_an_old_file_is_removed_before_the_job_starts(scratch: Scratch) -> None:
    (scratch.root / "result.json").write_text("old")
    assert scratch.run("test ! -e result.json", "--result", "result.json").status == 0
    assert found(scratch)["outcome"] == "unsigned"


def test_a_killed_gpgshim_leaves_no_result(scratch: Scratch) -> None:
    (scratch.root / "result.json").write_text("old")
    fifo = scratch.fifo("started")
    process = scratch.start_run("echo x >started; sleep 1000", "--result", "result.json")
    assert hear(fifo) == "x\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait(PATIENCE) == -signal.SIGKILL
    assert not (scratch.root / "result.json").exists()


def test_it_is_for_this_user_only(scratch: Scratch) -> None:
    scratch.run("true", "--result", "result.json")
    assert (scratch.root / "result.json").stat().st_mode & 0o777 == 0o600


# supervise.


@pytest.mark.parametrize("option", ["", "--foreground"])
def test_supervise_has_written_it_when_close_returns(scratch: Scratch, option: str) -> None:
    words = ["supervise", *scratch.options("--result", "result.json"), *option.split()]
    process = scratch.start(*words)
    assert process.stdout is not None
    line = process.stdout.readline()
    job = Path(line.removeprefix("PATH=").partition("/bin:")[0])
    scratch.call(job / "bin/gpg", "-b", "-u", "KEY", "f")
    assert scratch.gpgshim("close", "--status", "3", job).status == 3
    result = found(scratch)
    assert (result["outcome"], result["exit_status"]) == ("irrecoverable", 3)
    assert result["signatures"][0]["keys"] == ["KEY"]
    assert finish(process).status == 0


def test_a_signal_with_exit_outcome(scratch: Scratch) -> None:
    """^C in a loop is for --exit command: here the outcome alone counts."""
    fifo = scratch.fifo("started")
    words = ("--exit", "outcome", "--result", "result.json")
    process = scratch.start_run("echo x >started; exec sleep 1000", *words)
    assert hear(fifo) == "x\n"
    process.send_signal(signal.SIGTERM)
    assert finish(process).status == 75
    assert (found(scratch)["cause"], found(scratch)["exit_status"]) == ("signal", 128 + 15)


def test_each_word_of_exit(scratch: Scratch) -> None:
    assert scratch.run("exit 3", "--exit", "command").status == 75
    assert scratch.run("true", "--exit", "x").status == os.EX_USAGE
