# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the outcome of a job stay true if a clock jumps, or if the supervisor is stopped?"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpgshim.authority.authority import Authority
from gpgshim.authority.manager import Manager
from gpgshim.authority.none import NoAuthority
from gpgshim.core import records as r
from gpgshim.core.transcript import TranscriptError, parse_line
from gpgshim.gpgargs import optiontable
from gpgshim.history.journal import Journal
from gpgshim.supervisor import clients, optable, supervisor
from gpgshim.supervisor.requester import Inspector
from tests.support.scratch import (
    GPG,
    PATIENCE,
    Scratch,
    message,
    short_directory,
)

DEADLINE = 60.0  # seconds on a clock of the test's own: nothing here takes as long


@pytest.fixture
def place() -> Iterator[Path]:
    directory = short_directory()
    (directory / "bin").mkdir()
    yield directory
    os.system(f"rm -r {directory}")


def serve_one(
    place: Path,
    client: socket.socket,
    authority: Authority,
    clock: Callable[[], float],
    question: bytes = b"",
) -> bytes:
    """Serve `client`, which asks `question`, until it is answered; journal and answer."""
    client.settimeout(PATIENCE)
    journal = Journal.create(place / "state", "j", {})
    inspector = Inspector(place, optiontable.load(optable.of(GPG, {})))
    served = supervisor.Supervisor(
        place, journal, authority, DEADLINE, inspector, starts_elsewhere=True, clock=clock
    )
    client.connect(str(place / "socket"))
    client.sendall(question)
    always = os.eventfd(1, os.EFD_CLOEXEC)

    def end() -> None:
        if select.select([client], [], [], 0)[0]:
            served.unwatch(always)
            served.finish(r.Exited(0))

    served.watch(always, end)
    served.serve()
    served.shut()
    os.close(always)
    return journal.read() + client.recv(100)


def test_an_answer_that_came_while_we_were_stopped_is_no_timeout(place: Path) -> None:
    """By the clock the authority's time is up, in the moment in which its answer comes."""
    manager, its = socket.socketpair()
    calls: list[int] = []  # since the manager was asked; the first sets the time limit

    def clock() -> float:
        if select.select([manager], [], [], 0)[0]:
            calls.append(1)
        if len(calls) == 2:
            manager.sendall(b"go-ahead\n")
        return 2 * DEADLINE if len(calls) >= 2 else 0.0

    with manager, its, socket.socket(socket.AF_UNIX) as client:
        authority = Manager(its.fileno(), its.fileno())
        said = serve_one(place, client, authority, clock, b"gpgshim/1 sign\n")
    assert b"% timeout" not in said
    assert said.endswith(b"gpgshim/1 go\n")


def test_a_question_that_came_while_we_were_stopped_is_heard(place: Path) -> None:
    """By the clock the client's time is up, in the moment in which its question comes."""
    calls: list[int] = []

    with socket.socket(socket.AF_UNIX) as client:

        def clock() -> float:
            calls.append(1)
            if len(calls) == 1:
                return 0.0  # the client is accepted
            client.sendall(b"gpgshim/1 sign\n") if len(calls) == 2 else None
            return 2 * clients.PATIENCE

        assert serve_one(place, client, NoAuthority(), clock).endswith(b"gpgshim/1 go\n")


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
