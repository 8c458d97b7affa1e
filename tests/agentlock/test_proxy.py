# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the proxy forward no command that the journal does not have, and does nothing stop it?

The loop is the supervisor's own; the daemon and the gate are stand-ins.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpgshim.agentlock import links
from gpgshim.agentlock.links import Held
from gpgshim.agentlock.proxy import MOST_AT_ONCE, Proxy
from gpgshim.agentlock.sockets import Listener, Lock, Service
from gpgshim.core import records as r
from gpgshim.core import wire
from gpgshim.core.codec import Record
from gpgshim.supervisor.loop import Loop
from tests.support.scratch import PATIENCE, short_directory

pytestmark = pytest.mark.starts

AGENT = Service("gpg-agent", is_agent=True)


class StandInGate:
    """Keeps the commands that wait, and the records."""

    def __init__(self) -> None:
        self.held: list[Held] = []
        self.left: list[Held] = []
        self.granted: set[int] = set()
        self.records: list[Record] = []
        self.syncs = 0
        self.on_sync: Callable[[], None] = lambda: None

    def ask(self, held: Held) -> None:
        self.held.append(held)

    def gone(self, held: Held) -> None:
        self.left.append(held)

    def is_granted(self, pid: int) -> bool:
        return pid in self.granted

    def note(self, *records: Record) -> None:
        self.records += records

    def sync(self, *records: Record) -> None:
        self.on_sync()
        self.syncs += 1
        self.records += records

    def failed(self, error: OSError) -> str:
        return f"the supervisor cannot go on: {error.strerror}"


class World:
    """A proxy in a loop, with a daemon at `agent`. `turn` gives the loop time."""

    def __init__(self, root: Path, service: Service, keys: frozenset[str] | None = None) -> None:
        self.gate = StandInGate()
        self.loop = Loop(time.monotonic)
        self.path, self.target = root / "S.ours", root / "S.real"
        self.agent = socket.socket(socket.AF_UNIX)
        self.agent.bind(os.fsencode(self.target))
        self.agent.listen(64)
        self.agent.settimeout(PATIENCE)
        ours = socket.socket(socket.AF_UNIX)
        ours.bind(os.fsencode(self.path))
        ours.listen(64)
        ours.setblocking(False)
        launcher = root / "gpgconf"
        launcher.write_text(f'#!/bin/sh\necho "$*" >>{root}/launched\n')
        launcher.chmod(0o755)
        self.launched = root / "launched"
        listener = Listener(ours, str(self.target), service)
        lock = Lock("/h", (listener,), launcher, {}, {}, keys=keys)
        self.proxy = Proxy(lock, self.loop, self.gate)

    def time_limit(self) -> float:
        return min([self.loop.clock() + 0.01, *self.proxy.time_limits()])

    def peers_are_heard(self) -> None:
        self.proxy.forward_together()

    def everything_is_heard(self) -> None:
        self.proxy.look_at_the_clock(self.loop.clock())
        self.proxy.forward_together()

    def until(self, true: Callable[[], object]) -> None:
        """Run the loop until `true`."""
        until = time.monotonic() + PATIENCE

        def done() -> bool:
            assert time.monotonic() < until
            return bool(true())

        self.loop.run(self, done)

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """A client, and the daemon's end of its connection."""
        client = socket.socket(socket.AF_UNIX)
        client.connect(os.fsencode(self.path))
        client.setblocking(False)
        return client, self.accept()

    def accept(self) -> socket.socket:
        """The daemon's end of the next connection."""
        self.agent.setblocking(False)
        daemon: list[socket.socket] = []

        def accepted() -> bool:
            with contextlib.suppress(BlockingIOError):
                daemon.append(self.agent.accept()[0])
            return bool(daemon)

        self.until(accepted)
        daemon[0].setblocking(False)
        return daemon[0]

    def read(self, end: socket.socket, count: int = 1) -> bytes:
        """So many lines, or all until the peer hangs up."""
        data = bytearray()

        def has_read() -> bool:
            with contextlib.suppress(BlockingIOError):
                more = end.recv(1 << 16)
                data.extend(more)
                return not more or data.count(b"\n") >= count
            return False

        self.until(has_read)
        return bytes(data)

    def sign(self) -> tuple[socket.socket, socket.socket]:
        """A connection with a command that signs, which waits."""
        client, daemon = self.connect()
        daemon.send(b"OK hello\n")
        assert self.read(client) == b"OK hello\n"
        count = len(self.gate.held)
        client.send(b"PKSIGN\n")
        self.until(lambda: len(self.gate.held) > count)
        return client, daemon

    def is_silent(self, end: socket.socket) -> bool:
        """Whether nothing was sent to `end`, in this process: what was sent is there at once."""
        try:
            return not end.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True


@pytest.fixture
def root() -> Iterator[Path]:
    import shutil

    path = short_directory()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def world(root: Path) -> Iterator[World]:
    world = World(root, AGENT)
    yield world
    world.proxy.shut()
    world.loop.close()
    world.agent.close()


def kinds(world: World) -> list[type[Record]]:
    return [type(each) for each in world.gate.records]


def test_a_command_is_synced_before_it_is_forwarded(world: World) -> None:
    client, daemon = world.sign()
    seen: list[bool] = []
    world.gate.on_sync = lambda: seen.append(world.is_silent(daemon))
    assert world.is_silent(daemon)
    world.gate.held[0].answer(wire.GO)
    assert world.read(daemon) == b"PKSIGN\n"
    assert seen == [True] and kinds(world) == [r.Forwarded]
    daemon.send(b"D x\nOK\n")
    assert world.read(client, 2) == b"D x\nOK\n"
    assert world.gate.records[-1] == r.Signed(1)


def test_without_a_sync_nothing_is_forwarded(world: World) -> None:
    client, daemon = world.sign()

    def fail() -> None:
        raise OSError(5, "Input/output error")

    world.gate.on_sync = fail
    world.gate.held[0].answer(wire.GO)
    answer = world.read(client)
    assert answer == (
        b"ERR 67109115 Forbidden <gpgshim: the supervisor cannot go on: Input/output error>\n"
    )
    assert world.is_silent(daemon) and world.gate.records == []


def test_a_refusal_reaches_the_client_alone(world: World) -> None:
    client, daemon = world.sign()
    world.gate.held[0].answer(wire.NO, "the authority refused")
    assert world.read(client) == b"ERR 67109115 Forbidden <gpgshim: the authority refused>\n"
    assert world.is_silent(daemon) and world.gate.records == []
    client.send(b"NOP\n")
    assert world.read(daemon) == b"NOP\n"


def test_a_granted_process_passes_without_a_request(world: World) -> None:
    world.gate.granted.add(os.getpid())
    client, daemon = world.connect()
    daemon.send(b"OK\n")
    world.read(client)
    client.send(b"PKSIGN\n")
    assert world.read(daemon) == b"PKSIGN\n"
    assert world.gate.held == [] and kinds(world) == [r.Forwarded]


@pytest.mark.parametrize(
    ("answer", "record"),
    [
        (b"OK\n", r.Signed(1)),
        (b"ERR 99 No key\n", r.Unsigned(1, 99, "No key")),
        (b"", r.Unanswered(1)),
    ],
)
def test_the_answer_is_noted(world: World, answer: bytes, record: Record) -> None:
    client, daemon = world.sign()
    world.gate.held[0].answer(wire.GO)
    world.read(daemon)
    daemon.send(answer) if answer else daemon.close()
    assert world.read(client) == answer
    assert world.gate.records[1:] == [record]


def test_a_client_that_goes_withdraws_its_request(world: World) -> None:
    client, daemon = world.sign()
    client.close()
    world.until(lambda: world.gate.left)
    assert world.gate.left == world.gate.held
    world.gate.held[0].answer(wire.GO)  # too late
    assert world.read(daemon) == b"" and world.gate.records == []


def test_a_client_that_goes_after_its_grant_has_no_record(world: World) -> None:
    client, daemon = world.sign()
    world.gate.held[0].answer(wire.GO)
    client.close()
    assert world.read(daemon) == b"" and world.gate.records == []


def test_commands_that_waited_reach_the_agent_a_few_at_a_time(world: World) -> None:
    pairs = [world.sign() for _ in range(MOST_AT_ONCE + 3)]
    for held in world.gate.held:
        held.answer(wire.GO)
    for _, daemon in pairs[:MOST_AT_ONCE]:
        assert world.read(daemon) == b"PKSIGN\n"
    assert world.gate.syncs == 1  # they share it
    assert all(world.is_silent(daemon) for _, daemon in pairs[MOST_AT_ONCE:])
    for _, daemon in pairs[:3]:
        daemon.send(b"OK\n")
    for _, daemon in pairs[MOST_AT_ONCE:]:
        assert world.read(daemon) == b"PKSIGN\n"


@pytest.mark.parametrize("name", ["PKDECRYPT", "EXPORT_KEY"])
def test_a_command_that_can_be_abused_is_noted(world: World, name: str) -> None:
    client, daemon = world.connect()
    client.send(f"{name}\n".encode())
    assert world.read(daemon) == f"{name}\n".encode()
    assert world.gate.records == [r.Passed(os.getpid(), name)]


def test_a_daemon_that_is_not_there_is_launched_once(world: World) -> None:
    world.agent.close()
    world.target.unlink()
    client = socket.socket(socket.AF_UNIX)
    client.connect(os.fsencode(world.path))
    client.setblocking(False)
    assert world.read(client) == b""  # it did not come: as if it had ended
    assert world.launched.read_text() == "--launch gpg-agent\n"


def test_a_daemon_with_a_full_queue_is_tried_again(world: World) -> None:
    world.agent.listen(0)
    first = socket.socket(socket.AF_UNIX)
    first.connect(os.fsencode(world.target))  # fills the queue
    client = socket.socket(socket.AF_UNIX)
    client.connect(os.fsencode(world.path))
    world.until(world.proxy.time_limits)
    world.agent.accept()[0].close()
    world.agent.setblocking(False)
    client.setblocking(False)
    daemon: list[socket.socket] = []

    def accepted() -> bool:
        with contextlib.suppress(BlockingIOError):
            daemon.append(world.agent.accept()[0])
        return bool(daemon)

    world.until(accepted)
    daemon[0].send(b"OK\n")
    assert world.read(client) == b"OK\n"


@contextlib.contextmanager
def one_descriptor_left() -> Iterator[None]:
    """This process can open one more descriptor."""
    free = [os.dup(0), os.dup(0)]
    for each in free:
        os.close(each)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[1], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_client_waits_while_no_descriptor_is_left(world: World) -> None:
    client = socket.socket(socket.AF_UNIX)
    client.connect(os.fsencode(world.path))
    client.setblocking(False)
    with one_descriptor_left():  # for the client, and none for the daemon
        world.until(world.proxy.time_limits)
    daemon = world.accept()
    daemon.send(b"OK\n")
    assert world.read(client) == b"OK\n"


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_connection_that_cannot_be_watched_ends_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, its_daemon = world.connect()
    with monkeypatch.context() as patch:
        patch.setattr(world.loop, "watch", no_room)
        client = socket.socket(socket.AF_UNIX)
        client.connect(os.fsencode(world.path))
        client.setblocking(False)
        assert world.read(client) == b""
    its_daemon.send(b"OK\n")
    assert world.read(other) == b"OK\n"


def test_a_connection_whose_watch_cannot_change_ends_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _client, daemon = world.connect()
    other, its_daemon = world.connect()

    def has_ended() -> bool:
        """Fill the client's buffer, so that the proxy waits until there is room."""
        try:
            daemon.send(b"D x\n" * 10_000)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return False

    with monkeypatch.context() as patch:
        patch.setattr(world.loop, "wait_for", no_room)
        world.until(has_ended)
    its_daemon.send(b"OK\n")
    assert world.read(other) == b"OK\n"


def test_a_daemon_whose_start_cannot_be_watched_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.agent.close()
    world.target.unlink()
    client = socket.socket(socket.AF_UNIX)
    client.connect(os.fsencode(world.path))
    client.setblocking(False)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(world.loop, "watch", fail)
    assert world.read(client) == b""


def test_a_client_that_the_kernel_does_not_name_is_not_served(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = socket.socket(socket.AF_UNIX)
    client.connect(os.fsencode(world.path))
    client.setblocking(False)

    def fail(_: socket.socket) -> tuple[int, int]:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(links, "peer_of", fail)
    assert world.read(client) == b""


def test_no_record_follows_the_outcome(world: World) -> None:
    """The attempt ends while the agent works: the command's own record says enough."""
    _, daemon = world.sign()
    world.gate.held[0].answer(wire.GO)
    world.read(daemon)
    world.proxy.shut()
    assert kinds(world) == [r.Forwarded]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_socket_that_was_removed_is_missed(world: World, replaced: bool) -> None:
    assert world.proxy.is_whole()
    world.path.rename(world.path.with_name("away"))
    if replaced:
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(os.fsencode(world.path))
    assert not world.proxy.is_whole()


def test_all_bytes_arrive_however_slowly_they_are_read(world: World) -> None:
    client, daemon = world.connect()
    data = b"".join(b"D %d\n" % number for number in range(400_000))
    sent = full = 0

    def send() -> bool:
        """Send some bytes; whether all buffers are full, or all was sent."""
        nonlocal sent, full
        try:
            sent += daemon.send(data[sent : sent + (1 << 16)])
            full = 0
        except BlockingIOError:
            full += 1
        return full > 20 or sent == len(data)

    world.until(send)
    assert sent < len(data)  # the proxy does not take everything
    got = bytearray()

    def has_got() -> bool:
        send()
        with contextlib.suppress(BlockingIOError):
            got.extend(client.recv(1 << 16))
        return len(got) == len(data)

    world.until(has_got)
    assert bytes(got) == data


def test_the_last_bytes_of_a_daemon_arrive(world: World) -> None:
    client, daemon = world.connect()
    data = b"D x\n" * 40_000
    daemon.setblocking(True)
    daemon.send(data)
    daemon.close()
    assert world.read(client, 40_000 + 1) == data


def test_a_client_that_ends_its_input_gets_its_answers(world: World) -> None:
    client, daemon = world.connect()
    client.send(b"NOP\n")
    client.shutdown(socket.SHUT_WR)
    assert world.read(daemon, 2) == b"NOP\n"  # and the end
    daemon.send(b"OK\nOK\n")
    daemon.close()
    assert world.read(client, 3) == b"OK\nOK\n"


def test_a_command_waits_also_if_its_client_ends_its_input(world: World) -> None:
    client, daemon = world.connect()
    client.send(b"NOP\nPKSIGN\n")
    client.shutdown(socket.SHUT_WR)
    assert world.read(daemon) == b"NOP\n"
    daemon.send(b"OK hello\nOK\n")
    world.until(lambda: world.gate.held)
    world.gate.held[0].answer(wire.GO)
    assert world.read(daemon, 2) == b"PKSIGN\n"  # and the end
    daemon.send(b"OK\n")
    daemon.close()
    assert world.read(client, 4) == b"OK hello\nOK\nOK\n"


def test_a_client_that_sent_too_much_while_it_waited_is_heard_again(world: World) -> None:
    client, daemon = world.sign()
    data = b"#" * 900 + b"\n"
    sent = full = 0

    def is_full() -> bool:
        nonlocal sent, full
        try:
            sent += client.send(data * 100)
            full = 0
        except BlockingIOError:
            full += 1
        return full > 20

    world.until(is_full)
    world.gate.held[0].answer(wire.NO, "no")
    got = bytearray()

    def has_got() -> bool:
        with contextlib.suppress(BlockingIOError):
            got.extend(daemon.recv(1 << 16))
        return len(got) > sent - len(data)  # half a line waits for its end

    world.until(has_got)


def test_descriptors_pass_to_a_daemon_that_is_no_agent(root: Path) -> None:
    """keyboxd's clients send the descriptor of a pipe."""
    world = World(root, Service("keyboxd"))
    client, daemon = world.connect()
    reader, writer = os.pipe()
    socket.send_fds(client, [b"PKSIGN\n"], [writer])
    got: list[int] = []

    def received() -> bool:
        with contextlib.suppress(BlockingIOError):
            data, descriptors, _, _ = socket.recv_fds(daemon, 100, 4)
            assert data == b"PKSIGN\n"  # no command of an agent
            got.extend(descriptors)
        return bool(got)

    world.until(received)
    os.write(got[0], b"x")
    assert os.read(reader, 1) == b"x"
    world.proxy.shut()


# The keys of --key.

GRIP, OTHER = "A" * 40, "B" * 40


@pytest.fixture
def keyed(root: Path) -> Iterator[World]:
    world = World(root, AGENT, frozenset({GRIP}))
    yield world
    world.proxy.shut()
    world.loop.close()
    world.agent.close()


def ask(world: World, *lines: str) -> tuple[socket.socket, socket.socket]:
    """A connection whose agent has answered all lines, and that has sent PKSIGN then."""
    client, daemon = world.connect()
    daemon.send(b"OK hello\n")
    assert world.read(client) == b"OK hello\n"
    for line in lines:
        client.send(f"{line}\n".encode())
        assert world.read(daemon) == f"{line}\n".encode()
        daemon.send(b"OK\n")
        assert world.read(client) == b"OK\n"
    return client, daemon


def test_another_key_signs_without_a_request_and_is_noted(keyed: World) -> None:
    client, daemon = ask(keyed, f"SIGKEY {OTHER}", "SETHASH 8 CD")
    client.send(b"PKSIGN\n")
    assert keyed.read(daemon) == b"PKSIGN\n"
    daemon.send(b"D x\nOK\n")
    assert keyed.read(client, 2) == b"D x\nOK\n"
    assert keyed.gate.held == [] and keyed.gate.syncs == 0
    assert keyed.gate.records == [r.OtherKey(os.getpid(), OTHER, "8", "CD", "PKSIGN")]


def test_a_counted_key_waits_after_another_key_has_signed(keyed: World) -> None:
    client, daemon = ask(keyed, f"SIGKEY {OTHER}", "SETHASH 8 CD", "PKSIGN", f"SIGKEY {GRIP}")
    client.send(b"PKSIGN\n")
    keyed.until(lambda: keyed.gate.held)
    keyed.gate.held[0].answer(wire.GO)
    assert keyed.read(daemon) == b"PKSIGN\n"
    daemon.send(b"OK\n")
    assert keyed.read(client) == b"OK\n"
    assert kinds(keyed) == [r.OtherKey, r.Forwarded, r.Signed]


@pytest.mark.parametrize(
    "lines",
    [
        (f"SIGKEY {GRIP}", "PKSIGN"),
        ("PKSIGN",),  # no key is known
        (f"SIGKEY {OTHER}", "SCD PKSIGN"),  # a card has its own keys
        (f"SIGKEY {OTHER}", "RESET", "PKSIGN"),
        (f"SIGKEY {GRIP}", f"SIGKEY --x {OTHER}", "PKSIGN"),  # the agent keeps the first
    ],
)
def test_a_key_that_counts_or_may_count_waits(keyed: World, lines: tuple[str, ...]) -> None:
    client, daemon = ask(keyed, *lines[:-1])
    client.send(f"{lines[-1]}\n".encode())
    keyed.until(lambda: keyed.gate.held)
    assert keyed.is_silent(daemon)
