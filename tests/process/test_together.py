# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do simultaneous requests share one sync of the disk, and is it before every answer?

The supervisor's loop runs in the test itself, with real sockets and a real journal.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from gpgshim.authority.none import NoAuthority
from gpgshim.core import records as r
from gpgshim.core import wire
from gpgshim.core.gate import Event
from gpgshim.gpgargs import optiontable
from gpgshim.history.journal import Journal
from gpgshim.supervisor import optable
from gpgshim.supervisor.requester import Inspector
from gpgshim.supervisor.supervisor import Supervisor
from tests.support.scratch import GPG, short_directory

PEERS = 40


class Committed:
    """A supervisor after its commitment, which ends when it has once looked who is there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "state").mkdir(mode=0o700)
        self.journal = Journal.create(root / "state", "j", {})
        inspector = Inspector(root, optiontable.load(optable.of(GPG, dict(os.environ))))
        self.supervisor = Supervisor(root, self.journal, NoAuthority(), 10, inspector)
        # An earlier request, whose client is gone, and its answer.
        self.supervisor.gatekeeper.step(Event.ASKED)
        self.supervisor.gatekeeper.step(Event.GO_AHEAD)
        at_once = os.eventfd(1)
        self.supervisor.watch(at_once, lambda: self.supervisor.finish(r.Exited(0)))

    def serve(self, peers: list[socket.socket], words: list[str]) -> None:
        for peer, word in zip(peers, words, strict=True):
            peer.setblocking(False)
            peer.connect(f"{self.root}/socket")
            peer.send(wire.encode(word))
        self.supervisor.serve()

    def text(self) -> str:
        return self.journal.read().decode()


@pytest.fixture
def gate() -> Iterator[Committed]:
    root = short_directory()
    made = Committed(root)
    yield made
    made.supervisor.shut()
    shutil.rmtree(root)


@pytest.mark.parametrize("word", [wire.SIGN, wire.UNKNOWN_COMMAND, "both"])
def test_one_sync_for_all(gate: Committed, mocker: MockerFixture, word: str) -> None:
    words = [wire.SIGN, wire.UNKNOWN_COMMAND] * (PEERS // 2) if word == "both" else [word] * PEERS
    fsync, seen = os.fsync, []

    def look(fd: int) -> None:
        seen.append((answers(peers), gate.text().count("# client "), gate.text().count("= go")))
        fsync(fd)

    with ExitStack() as stack:
        peers = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in words]
        mocker.patch("os.fsync", look)
        gate.serve(peers, words)
        mocker.stopall()
        # At the sync of the disk all requests were written, and no client had got an answer.
        assert seen == [([b""] * PEERS, PEERS, 0)]
        assert answers(peers) == [wire.encode(wire.GO)] * PEERS
    assert gate.text().count("= go") == PEERS


def test_sync_that_fails_refuses_all(gate: Committed, mocker: MockerFixture) -> None:
    mocker.patch("os.fsync", side_effect=OSError(5, "Input/output error"))
    with ExitStack() as stack:
        peers = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(PEERS)]
        gate.serve(peers, [wire.SIGN] * PEERS)
        no = wire.encode(wire.NO, "the supervisor cannot go on: Input/output error")
        assert answers(peers) == [no] * PEERS
    assert "= go" not in gate.text()


def test_grants_that_cannot_be_noted_are_not_given(gate: Committed, mocker: MockerFixture) -> None:
    write = os.write

    def fail(fd: int, data: bytes) -> int:
        if b" = go\n" in data:
            write(fd, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return write(fd, data)

    mocker.patch("os.write", fail)
    with ExitStack() as stack:
        peers = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(PEERS)]
        gate.serve(peers, [wire.SIGN] * PEERS)
        assert {answer.split()[1] for answer in answers(peers)} == {b"no"}
    assert "= go" not in gate.text()
    assert gate.text().count("= no") == PEERS


def answers(peers: list[socket.socket]) -> list[bytes]:
    """What has been said to each so far; it stays to be read."""
    said = []
    for peer in peers:
        try:
            said.append(peer.recv(wire.LONGEST, socket.MSG_PEEK))
        except BlockingIOError:
            said.append(b"")
    return said
