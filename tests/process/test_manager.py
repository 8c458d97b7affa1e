# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the stand-in for the manager as strict as the protocol? If not, it would hide faults."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scratch import PATIENCE, short_directory
from tools.world.manager import STEPS, Act, Job, Manager, Misdeed, Phase, judge

OUTCOMES = ("uploaded", "irrecoverable", "retriable")


@pytest.fixture
def place() -> Iterator[Path]:
    root = short_directory()
    yield root
    shutil.rmtree(root)


class Oracle:
    """An oracle's end of the line, one line at a time."""

    def __init__(self, place: Path) -> None:
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(PATIENCE)
        line.connect(str(place / "s"))
        self._file = line.makefile("rwb")

    def hear(self) -> str:
        return self._file.readline().decode().rstrip("\n")

    def say(self, *lines: str) -> None:
        self._file.write("".join(line + "\n" for line in lines).encode())
        self._file.flush()

    def take_job(self) -> list[str]:
        """Greet, and read a job to its end."""
        assert self.hear() == "t2u-manager-ready"
        self.say("t2u-oracle-version 9", "worker-id builder,1,w0 testing")
        return self.read_job()

    def read_job(self) -> list[str]:
        heard = [self.hear(), self.hear()]
        length = int(heard[1].removeprefix("data-block "))
        heard.append(self._file.read(length).decode())
        while not heard[-1].startswith("user-email "):
            heard.append(self.hear())
        if " last-attempt " in heard[0]:
            heard.append(self.hear())
        return heard


def make_job(attempts: int = 1) -> Job:
    return Job(
        "1", "probe", "http://forge/probe.git", b"object x\n\ntext", "u@example.org", attempts
    )


def test_job_is_written_as_the_oracle_reads_it(place: Path) -> None:
    with Manager(place / "s") as manager:
        manager.submit(make_job())
        assert Oracle(place).take_job() == [
            "job 1 last-attempt probe http://forge/probe.git",
            "data-block 14",
            "object x\n\ntext",
            "data-end",
            "user-email u@example.org",
            "last-attempt-message This was the last attempt.",
        ]


def test_retriable_is_retried_once_more(place: Path) -> None:
    with Manager(place / "s") as manager:
        manager.submit(make_job(attempts=2))
        oracle = Oracle(place)
        assert oracle.take_job()[0].startswith("job 1 not-last-attempt ")
        oracle.say("message m", "email unreported -", "retriable")
        assert oracle.read_job()[0].startswith("job 1 last-attempt ")
        oracle.say("commit-to-public-upload")
        assert oracle.hear() == "go-ahead"
        oracle.say("message m", "email reported <1>", "uploaded")
        assert manager.wait_until(lambda it: bool(it.finished), 10)
        (job,) = manager.finished
        assert [(it.outcome, it.committed) for it in job.attempts] == [
            ("retriable", False),
            ("uploaded", True),
        ]


@pytest.mark.parametrize("committed", [False, True])
def test_lost_job_is_retried_only_if_uncommitted(place: Path, committed: bool) -> None:
    with Manager(place / "s") as manager:
        manager.submit(make_job(attempts=2))
        oracle = Oracle(place)
        oracle.take_job()
        if committed:
            oracle.say("commit-to-public-upload")
            assert oracle.hear() == "go-ahead"
        oracle._file.close()
        assert manager.wait_until(lambda it: bool(it.ended), 10)
        assert [it.outcome for it in manager.ended] == ["lost"]
        assert bool(manager.finished) is committed


@pytest.mark.parametrize(
    "line",
    ["uploaded", "go-ahead", "", "commit-to-public-uploads", "email reported <1>", "ack"],
)
def test_an_unexpected_line_is_a_violation(place: Path, line: str) -> None:
    with Manager(place / "s") as manager:
        manager.submit(make_job())
        oracle = Oracle(place)
        oracle.take_job()
        oracle.say(line)
        assert oracle.hear().startswith("protocol-violation ")
        assert oracle.hear() == ""
        assert manager.wait_until(lambda it: bool(it.finished), 10)


@pytest.mark.parametrize(
    ("misdeed", "heard"),
    [
        (Misdeed.HANG_UP, [""]),
        (Misdeed.GARBAGE, ["go-ahead, make my day"]),
        (Misdeed.VIOLATION, ["protocol-violation by schedule", ""]),
    ],
)
def test_misdeed_takes_the_place_of_the_word(
    place: Path, misdeed: Misdeed, heard: list[str]
) -> None:
    with Manager(place / "s", {"go-ahead": misdeed}) as manager:
        manager.submit(make_job())
        oracle = Oracle(place)
        oracle.take_job()
        oracle.say("commit-to-public-upload")
        assert [oracle.hear() for _ in heard] == heard


def test_silence_is_no_answer(place: Path) -> None:
    with Manager(place / "s", {"go-ahead": Misdeed.SILENCE}) as manager:
        manager.submit(make_job())
        oracle = Oracle(place)
        oracle.take_job()
        oracle.say("commit-to-public-upload")
        assert manager.wait_until(
            lambda it: it.transcript[-1].text == "silence, in place of go-ahead", 10
        )
        # It is on the line still: it hears what comes next.
        oracle.say("message m", "email unreported -", "irrecoverable")
        assert manager.wait_until(lambda it: bool(it.finished), 10)


def test_transcript_has_both_sides_in_order(place: Path) -> None:
    with Manager(place / "s") as manager:
        oracle = Oracle(place)
        oracle.hear()
        oracle.say("t2u-oracle-version 9", "worker-id builder,1,w0 testing")
        manager.order("ayt")
        assert oracle.hear() == "ayt"
        oracle.say("software-versions x", "ack")
        manager.order("restart-worker")
        assert oracle.hear() == "restart-worker"
        assert [f"{line.mark} {line.text}" for line in manager.transcript] == [
            "< t2u-manager-ready",
            "> t2u-oracle-version 9",
            "> worker-id builder,1,w0 testing",
            "< ayt",
            "> software-versions x",
            "> ack",
            "< restart-worker",
        ]


def test_no_outcome_without_message_and_email() -> None:
    ends = {phase for (phase, _), (_, act) in STEPS.items() if act is Act.END_JOB}
    assert ends == {Phase.REPORTED}
    assert [judge(phase, word) for phase in Phase if phase not in ends for word in OUTCOMES] == (
        [None] * (len(Phase) - 1) * len(OUTCOMES)
    )
