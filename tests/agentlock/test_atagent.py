# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a command at the lock decided like the request of a stunt, and on disk before it passes?

The supervisor with all its parts is the real one, in this process. Authority and agent are
stand-ins. tools/model changes the code in many places, and these tests find each change.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.agentlock.sockets import Listener, Lock, Service
from gpgshim.core import records as r
from gpgshim.core import wire
from gpgshim.core.codec import Record
from gpgshim.core.gate import State
from gpgshim.core.question import Question
from gpgshim.core.signatures import Signatures
from gpgshim.core.transcript import parse
from gpgshim.core.verdict import judge_bytes
from gpgshim.history.journal import Journal
from gpgshim.supervisor.entries import Entries
from gpgshim.supervisor.granted import Granted
from gpgshim.supervisor.hasher import Hasher
from gpgshim.supervisor.loop import Loop
from gpgshim.supervisor.requester import Inspector
from gpgshim.supervisor.supervisor import Supervisor
from tests.support.scratch import short_directory
from tools.fuzz import LOADED

pytestmark = pytest.mark.starts

PATIENCE = 20.0  #: seconds; a change of the code can make each test wait so long

GREETING = b"OK Pleased to meet you\n"
ADMITTED = (r.SignRequest, r.Client, r.AtAgent)


class Person:
    """An authority that answers `answer` when `decide` is called."""

    pid = 0

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self._event = os.eventfd(0, os.EFD_NONBLOCK)
        self._answer: r.Answer | None = None

    def check(self) -> None:
        """There is nothing to check."""

    def reach(self) -> None:
        """It is there."""

    def ask(self, question: Question) -> None:
        self.questions.append(question)

    def decide(self, answer: r.Answer) -> None:
        self._answer = answer
        os.eventfd_write(self._event, 1)

    def fileno(self) -> int:
        return self._event

    def answer(self) -> r.Answer | None:
        return self._answer

    def give_up(self) -> None:
        os.close(self._event)


class Stage:
    """A supervisor with a lock. The client is this process, as a program of the user."""

    def __init__(self, root: Path, starts_elsewhere: bool = True) -> None:
        self.journal = Journal.create(root / "state", "j", {"agent": "/h"})
        self.person = Person()
        self.real = socket.socket(socket.AF_UNIX)
        self.real.bind(os.fsencode(root / "real"))
        self.real.listen()
        self.real.settimeout(PATIENCE)
        self.path = root / "ours"
        ours = socket.socket(socket.AF_UNIX)
        ours.bind(os.fsencode(self.path))
        ours.listen()
        ours.setblocking(False)
        service = Service("gpg-agent", is_agent=True)
        listener = Listener(ours, str(root / "real"), service)
        lock = Lock("/h", (listener,), Path("/bin/false"), {}, {})
        self.supervisor = Supervisor(
            root,
            self.journal,
            self.person,
            PATIENCE,
            Inspector(root, LOADED),
            starts_elsewhere=starts_elsewhere,
            lock=lock,
        )
        self.loop = threading.Thread(target=self.supervisor.serve)
        self.heard: list[tuple[bytes, bytes]] = []  # a line, and what was on disk then
        self.agents: list[socket.socket] = []

    def serve_agent(self) -> None:
        """Answer OK to each line of one connection."""
        peer, _ = self.real.accept()
        self.agents.append(peer)
        peer.settimeout(PATIENCE)
        peer.send(GREETING)

        def serve() -> None:
            with peer, contextlib.suppress(OSError):
                for line in peer.makefile("rb"):
                    self.heard.append((line, self.journal.read_synced()))
                    peer.send(b"OK\n")

        threading.Thread(target=serve, daemon=True).start()

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE)
        client.connect(os.fsencode(self.path))
        self.serve_agent()
        assert line_of(client) == GREETING
        return client

    def records(self) -> list[Record]:
        return [record for record, _ in parse(self.journal.read()).read()]

    def kinds(self) -> list[type[Record]]:
        return [type(each) for each in self.records()]

    def ask(self, word: str) -> str:
        """The supervisor's answer to a stunt of this process."""
        with socket.socket(socket.AF_UNIX) as stunt:
            stunt.settimeout(PATIENCE)
            stunt.connect(os.fsencode(self.path.parent / wire.SOCKET))
            stunt.send(wire.encode(word))
            return wire.decode(line_of(stunt), wire.ANSWERS)[0]

    def wait_for(self, kind: type[Record]) -> None:
        """Until the journal has a record of this kind."""
        until = threading.Event()
        for _ in range(int(PATIENCE * 100)):
            if kind in self.kinds():
                return
            until.wait(0.01)
        raise AssertionError(self.kinds())

    def end(self) -> None:
        wake = os.eventfd(1)
        with contextlib.suppress(OSError):
            self.supervisor.watch(wake, lambda: self.supervisor.finish(r.Ended()))
        self.loop.join(PATIENCE)
        self.supervisor.shut()
        self.real.close()
        os.close(wake)


def line_of(client: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n") and (more := client.recv(1)):
        data += more
    return data


@pytest.fixture
def root() -> Iterator[Path]:
    path = short_directory()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def stage(root: Path) -> Iterator[Stage]:
    stage = Stage(root)
    stage.loop.start()
    yield stage
    stage.end()


def sign(client: socket.socket) -> None:
    client.send(b"SETHASH 8 ABCD\n")
    assert line_of(client) == b"OK\n"
    client.send(b"PKSIGN\n")


def test_it_is_a_request_and_passes_after_the_commitment(stage: Stage) -> None:
    client = stage.connect()
    sign(client)
    stage.wait_for(r.Sent)
    assert stage.kinds()[:5] == [r.StateIs, *ADMITTED, r.StateIs]
    assert r.AtAgent("-", "8", "ABCD", "PKSIGN") in stage.person.questions[0].records
    assert [line for line, _ in stage.heard] == [b"SETHASH 8 ABCD\n"]
    stage.person.decide(r.GoAhead())
    assert line_of(client) == b"OK\n"
    line, disk = stage.heard[-1]
    seen = [type(record) for record, _ in parse(disk).read()]
    assert line == b"PKSIGN\n" and seen[-2:] == [r.Granted, r.Forwarded]
    assert judge_bytes(disk).state is State.COMMITTED
    assert stage.records()[-1] == r.Signed(1)


def test_a_refusal_is_the_answer(stage: Stage) -> None:
    client = stage.connect()
    sign(client)
    stage.wait_for(r.Sent)
    stage.person.decide(r.Refused("not today"))
    assert line_of(client) == (
        b"ERR 67109115 Forbidden <gpgshim: the authority refused: not today>\n"
    )
    assert [line for line, _ in stage.heard] == [b"SETHASH 8 ABCD\n"]
    assert stage.records()[-1] == r.Denied(r.Cause.REFUSED, "the authority refused: not today")


def test_a_client_that_goes_does_not_wait_any_more(stage: Stage) -> None:
    client = stage.connect()
    sign(client)
    stage.wait_for(r.Sent)
    client.close()
    stage.wait_for(r.ClientGone)
    stage.person.decide(r.GoAhead())
    stage.wait_for(r.GoAhead)
    assert r.Granted not in stage.kinds()


def test_a_command_that_can_be_abused_is_noted(stage: Stage) -> None:
    client = stage.connect()
    client.send(b"EXPORT_KEY x\n")
    assert line_of(client) == b"OK\n"
    assert stage.records()[-1] == r.Passed(os.getpid(), "EXPORT_KEY")


def test_a_process_that_was_granted_passes(stage: Stage) -> None:
    stage.supervisor.gatekeeper.gpgs.watch(os.getpid(), 1)
    for state in (State.UNKNOWN, State.COMMITTED):
        stage.supervisor.entries.sync(r.StateIs(state))
    client = stage.connect()
    sign(client)
    assert line_of(client) == b"OK\n"
    assert stage.person.questions == []
    assert stage.kinds()[3:] == [r.Forwarded, r.Signed]


def test_without_a_record_nothing_passes_and_nothing_more_is_granted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = stage.connect()
    sign(client)
    stage.wait_for(r.Sent)
    fsync = os.fsync

    def fail(fd: int) -> None:
        if r.Forwarded in stage.kinds():
            raise OSError(errno.EIO, "Input/output error")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", fail)
    stage.person.decide(r.GoAhead())
    assert b"ERR 67109115 " in line_of(client)
    assert [line for line, _ in stage.heard] == [b"SETHASH 8 ABCD\n"]
    assert stage.supervisor.gatekeeper.state is State.REFUSED
    sign(client)
    assert b"ERR 67109115 " in line_of(client)


def test_after_a_full_disk_nothing_more_is_granted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = stage.connect()
    sign(client)
    stage.wait_for(r.Sent)
    note = Journal.note

    def full(journal: Journal, *records: Record) -> None:
        if any(isinstance(each, r.Forwarded) for each in records):
            raise OSError(errno.ENOSPC, "No space left on device")
        note(journal, *records)

    monkeypatch.setattr(Journal, "note", full)
    stage.person.decide(r.GoAhead())
    assert b"ERR 67109115 " in line_of(client)
    assert stage.records()[-1] == r.Failed("enospc", "No space left on device")
    assert judge_bytes(stage.journal.read()).signatures == Signatures(0, 0)


def test_a_process_of_no_job_is_turned_away(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` serves only the processes that it has started."""
    stage = Stage(root, starts_elsewhere=False)
    monkeypatch.setattr(Inspector, "is_of_job", lambda *_: False)
    stage.loop.start()
    client = stage.connect()
    sign(client)
    assert line_of(client).endswith(b" was not started by this gate's job>\n")
    assert stage.kinds()[1:] == [r.ForeignProcess] and stage.person.questions == []
    stage.end()


def test_a_process_of_no_job_cannot_close_the_gate(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(root, starts_elsewhere=False)
    monkeypatch.setattr(Inspector, "is_of_job", lambda *_: False)
    stage.loop.start()
    assert stage.ask(wire.CLOSE) == wire.NO
    assert stage.kinds()[1:] == [r.Nonsense]
    monkeypatch.setattr(Inspector, "is_of_job", lambda *_: True)
    assert stage.ask(wire.CLOSE) == wire.CLOSED
    stage.end()


def test_the_origin_of_a_client_is_not_looked_for_in_vain(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`supervise` serves all processes of the user alike."""

    def forbidden(*_: object) -> bool:
        raise AssertionError

    monkeypatch.setattr(Inspector, "is_of_job", forbidden)
    client = stage.connect()
    sign(client)
    stage.wait_for(r.Sent)
    stage.person.decide(r.GoAhead())
    assert line_of(client) == b"OK\n"


def test_a_command_behind_a_request_that_is_not_ready_is_withdrawn(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Inspector, "has_files", lambda *_: True)
    monkeypatch.setattr(Hasher, "ask", lambda *_: None)
    client = stage.connect()
    with socket.socket(socket.AF_UNIX) as stunt:
        stunt.connect(os.fsencode(stage.path.parent / wire.SOCKET))
        stunt.send(wire.encode(wire.SIGN))
        sign(client)
        client.send(b"NOP\n")  # it is not taken before the command before it
        client.close()
        stage.wait_for(r.Withdrawn)


def test_a_granted_process_that_has_ended_is_none(tmp_path: Path) -> None:
    """Another process can have its id before its end was noticed."""
    loop = Loop(lambda: 0.0)
    granted = Granted(loop, Entries(Journal.create(tmp_path, "j", {})))
    child = subprocess.Popen(["sleep", "600"])
    assert not granted.has(child.pid)
    granted.watch(child.pid, 1)
    assert granted.has(child.pid)
    child.kill()
    child.wait()
    assert not granted.has(child.pid)
    loop.close()


def test_another_user_is_turned_away(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    user = os.getuid() + 1
    monkeypatch.setattr("gpgshim.agentlock.links.peer_of", lambda _: (os.getpid(), user))
    client = stage.connect()
    sign(client)
    assert line_of(client).endswith(f"this gate does not serve user id {user}>\n".encode())
    assert stage.kinds()[1:] == [r.ForeignUser] and stage.person.questions == []
