# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the outcome of a job stay true if a clock jumps, or if the supervisor is stopped?"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.authority.authority import NoAuthority
from gpgshim.core.transcript import TranscriptError, parse_line
from gpgshim.gpgargs import optiontable
from gpgshim.history.journal import Journal
from gpgshim.supervisor import clients, optable, supervisor
from gpgshim.supervisor.requester import Inspector
from tests.support.scratch import (
    GPG,
    PATIENCE,
    Scratch,
    finish,
    hear,
    message,
    short_directory,
    wait_for,
)

DEADLINE = 5.0  # seconds, in which a busy machine stops the supervisor and runs the authority


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "T"


def test_an_answer_that_came_while_we_were_stopped_is_no_timeout(scratch: Scratch) -> None:
    asked = scratch.fifo("asked")
    commit = scratch.script("commit", f"#!/bin/sh\nread go <{scratch.fifo('go')}; echo >{asked}\n")
    process = scratch.start_run("gpg -s f", "--commit", commit, "--deadline", str(DEADLINE))
    scratch.wait_for_line("> commit-to-public-upload")
    began = time.monotonic()
    os.kill(process.pid, signal.SIGSTOP)
    wait_for(lambda: is_stopped(process.pid), "the stop")
    with open(scratch.root / "go", "w") as go:
        go.write("go\n")
    hear(asked)  # and then it exits 0
    assert time.monotonic() < began + DEADLINE, "the authority was not in time: a slow machine?"
    wait_for(lambda: time.monotonic() > began + DEADLINE + 0.5, "the deadline")
    os.kill(process.pid, signal.SIGCONT)
    assert finish(process).status == 0
    assert "% timeout" not in scratch.lines()
    assert scratch.verdict().outcome == "uploaded"


@pytest.fixture
def place() -> Iterator[Path]:
    directory = short_directory()
    (directory / "bin").mkdir()
    yield directory
    os.system(f"rm -r {directory}")


def test_a_question_that_came_while_we_were_stopped_is_heard(place: Path) -> None:
    """The clock says that the client's time is up, in the moment in which its question comes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        journal = Journal.create(place / "state", "j", {})
        calls: list[int] = []

        def clock() -> float:
            calls.append(1)
            if len(calls) == 1:
                return 0.0  # the client is accepted
            client.sendall(b"gpgshim/1 sign\n") if len(calls) == 2 else None
            return 2 * clients.PATIENCE

        inspector = Inspector(place, optiontable.load(optable.of(GPG, {})))
        served = supervisor.Supervisor(
            place, journal, NoAuthority(), 600.0, inspector, ends_told=True, clock=clock
        )
        client.connect(str(place / "socket"))
        ended = os.eventfd(1, os.EFD_CLOEXEC)
        tries: list[int] = []

        def end() -> None:
            # When the client has its answer, which it has after a few rounds of the loop.
            tries.append(1)
            if b"= go" in journal.read() or b"no question" in journal.read() or len(tries) > 999:
                served.unwatch(ended)
                served.finish("% exit 0")

        served.watch(ended, end)
        served.serve()
        assert client.recv(100) == b"gpgshim/1 go\n"
        served.shut()
        os.close(ended)


@pytest.mark.parametrize("value", ["nan", "NaN", "-nan", "inf", "1e999", "-1", "0"])
@pytest.mark.parametrize(
    "words",
    [["run", "--deadline={}", "--", "true"], ["supervise", "-D", "--deadline={}"],
     ["status", "--watch={}"]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_a_value_that_is_no_number(scratch: Scratch, words: list[str], value: str) -> None:
    done = scratch.gpgshim(*(word.format(value) for word in words))
    assert done.status == 64
    assert message(done.err)[0].endswith("; nothing was done")
    assert not any(scratch.state.iterdir())


@pytest.mark.parametrize("time", ["nan", "-nan", "inf", "1e999", "-1", "-1.000", ""])
def test_a_value_that_is_no_time(time: str) -> None:
    with pytest.raises(TranscriptError, match="is not a time"):
        parse_line(f"+{time} ! unknown")
