# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections through the lock: a client at one end, the real daemon at the other.

Rule 1: a connection decides nothing. A command that signs is a request for the gate, unless its
process was granted as a stunt.
Rule 2: all other bytes pass as they are, in both directions.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from gpgshim.agentlock import assuan
from gpgshim.agentlock.assuan import Command, Conversation, Treatment, Violation
from gpgshim.agentlock.channel import AT_ONCE, Channel, Loop
from gpgshim.agentlock.sockets import Listener
from gpgshim.core import records as r
from gpgshim.core import wire
from gpgshim.core.codec import Record
from gpgshim.system.places import peer_of


class Gate(Protocol):
    """The supervisor, as the proxy needs it."""

    def ask(self, held: Held) -> None:
        """A command waits for `held.answer()`, which can come at once."""

    def gone(self, held: Held) -> None:
        """Its client does not wait any more."""

    def is_granted(self, pid: int) -> bool:
        """Whether this process was granted as a stunt, and is alive."""

    def note(self, *records: Record) -> None:
        """Write records to the journal, best effort."""

    def sync(self, *records: Record) -> None:
        """Have these records on disk. Raises OSError."""

    def failed(self, error: OSError) -> str:
        """The journal cannot be written, so nothing more is granted; the reason for a refusal."""


class Held:
    """A command that waits for the gate: one more kind of client.

    `pid` and `uid` are of the process that has connected, as the kernel reports them.
    """

    is_stunt = False  #: whether its process becomes gpg after the answer

    def __init__(
        self, pid: int, uid: int, command: Command, answered: Callable[[bool, str], None]
    ) -> None:
        self.pid = pid
        self.uid = uid
        self.command = command
        self._answered = answered

    def answer(self, word: str, argument: str = "") -> None:
        """Let the command pass (wire.GO), or refuse it; `argument` is the reason."""
        self._answered(word == wire.GO, argument)


class Registry(Protocol):
    """The proxy, as its connections need it."""

    loop: Loop
    gate: Gate
    keys: frozenset[str] | None  #: those whose signatures wait; None for all

    def forward(self, link: AgentLink) -> None:
        """The next command of `link` passes when the journal has it."""

    def answered(self, link: AgentLink) -> None:
        """The agent has answered the command of `link`, or will not."""

    def closed(self, link: Link) -> None:
        """A connection has ended."""


class Link:
    """A client's connection, and ours to the real daemon. All bytes pass as they are."""

    takes_descriptors = True  #: whether the two may send each other descriptors

    def __init__(self, proxy: Registry, client: socket.socket, listener: Listener) -> None:
        self._proxy = proxy
        self.listener = listener
        client.setblocking(False)
        self._end: socket.socket | None = client  # until there is a connection to the daemon
        self._client: Channel | None = None
        self._daemon: Channel | None = None
        self.is_open = True
        self._is_ending = False  # whether the daemon is gone, and the client gets its last bytes
        self.was_launched = False  # whether the daemon was started for this connection

    def connected(self, daemon: socket.socket) -> None:
        """There is a connection to the daemon. Raises OSError."""
        assert self._end is not None
        end, self._end = self._end, None
        self._client = Channel(self._proxy.loop, end, self, self.takes_descriptors)
        self._daemon = Channel(self._proxy.loop, daemon, self, self.takes_descriptors)

    def heard(self, channel: Channel, data: bytes, descriptors: list[int]) -> None:
        """For channel.Owner."""
        assert self._client and self._daemon
        if channel is self._client:
            self._from_client(data, descriptors)
        else:
            self._from_daemon(data, descriptors)
        self._regulate()

    def sent(self, channel: Channel) -> None:
        """For channel.Owner."""
        if self._is_ending:
            self.close()
        else:
            self._regulate()

    def at_end(self, channel: Channel) -> None:
        """For channel.Owner."""
        assert self._client and self._daemon
        (self._daemon if channel is self._client else self._client).finish()

    def broken(self, channel: Channel) -> None:
        """For channel.Owner."""
        if channel is self._daemon and self._client and not self._client.is_flushed:
            self._is_ending = True
            self._daemon.close()
        else:
            self.close()

    def close(self) -> None:
        """End both connections."""
        self.drop()

    def drop(self) -> None:
        """End both connections, without a note in the journal."""
        if self.is_open:
            self.is_open = False
            self._proxy.closed(self)
            for each in (self._end, self._client, self._daemon):
                if each:
                    each.close()

    def _from_client(self, data: bytes, descriptors: list[int]) -> None:
        assert self._daemon
        self._daemon.send(data, descriptors)

    def _from_daemon(self, data: bytes, descriptors: list[int]) -> None:
        assert self._client
        self._client.send(data, descriptors)

    def _wants_client(self) -> bool:
        """Whether bytes of the client have a use now."""
        assert self._daemon
        return self._daemon.has_room

    def _regulate(self) -> None:
        if self.is_open:
            assert self._client and self._daemon
            self._client.read_if(self._wants_client())
            self._daemon.read_if(self._client.has_room)


class AgentLink(Link):
    """A connection to gpg-agent: a command that signs waits."""

    takes_descriptors = False  # the agent takes none from its clients, and sends none

    def __init__(self, proxy: Registry, client: socket.socket, listener: Listener) -> None:
        super().__init__(proxy, client, listener)
        self.pid, self.uid = peer_of(client)
        self.waited = False  # whether the gate was asked about the command that passes now
        self._conversation = Conversation()
        self._held: Held | None = None  # a command that waits for the gate
        self._next: Command | None = None  # a command that passes when the journal has it
        self._number = 0  # of the signature that the agent has not answered
        self._is_at_end = False  # whether the client sends nothing more
        self._takes = False  # whether _take() is under way

    def record(self, number: int) -> Record:
        """The record of the command that passes next, as signature `number`."""
        assert self._next
        _, _, key, algorithm, digest = self._next
        self._number = number
        return r.Forwarded(number, self.pid, key, algorithm, digest, self._next.name)

    def forward(self) -> None:
        """The journal has the command: the agent gets it."""
        assert self._next and self._daemon
        command, self._next = self._next, None
        self._conversation.passes(command)
        self._daemon.send(command.raw)
        if self.is_open:
            self._take()

    def refuse(self, why: str) -> None:
        """The client gets a refusal in place of the agent's answer."""
        self._held = self._next = None
        self._number = 0
        if self.is_open:
            assert self._client
            self._client.send(assuan.refusal(why))
            self._take()

    def at_end(self, channel: Channel) -> None:
        if channel is self._daemon:
            super().at_end(channel)
        else:
            self._is_at_end = True
            self._take()

    def close(self) -> None:
        if self.is_open and self._held:
            self._proxy.gate.gone(self._held)
        if self.is_open and self._number and not self._next:
            self._proxy.gate.note(r.Unanswered(self._number))
            self._proxy.answered(self)
        super().close()

    def _from_client(self, data: bytes, descriptors: list[int]) -> None:
        self._conversation.hear_client(data)
        self._take()

    def _from_daemon(self, data: bytes, descriptors: list[int]) -> None:
        answer = self._conversation.hear_agent(data)
        if answer and self._number:
            number, self._number = self._number, 0
            self._proxy.gate.note(
                r.Unsigned(number, answer.code, answer.text) if answer.code else r.Signed(number)
            )
            self._proxy.answered(self)
        super()._from_daemon(data, descriptors)
        if self.is_open and self._conversation.unread:
            self._take()

    def _wants_client(self) -> bool:
        return self._conversation.unread < AT_ONCE and super()._wants_client()

    def _take(self) -> None:
        """Pass what passes, up to a command that waits."""
        if self._takes:
            return
        self._takes = True
        try:
            while self.is_open and not self._held and not self._next and self._take_one():
                pass
        except Violation as error:
            self._proxy.gate.note(r.Nonsense(self.pid, str(error)))
            self.close()
        finally:
            self._takes = False
        if self.is_open and self._is_at_end and not self._waits:
            assert self._daemon
            self._daemon.finish()
        self._regulate()

    @property
    def _waits(self) -> bool:
        """Whether a command of the client waits: for the gate, the journal, or the agent."""
        return bool(self._held or self._next or self._conversation.has_line)

    def _take_one(self) -> bool:
        assert self._daemon
        passed, command = self._conversation.take()
        self._daemon.send(passed)
        if command is None or not self.is_open:
            return False
        if command.treatment is Treatment.NOTE:
            self._pass_now(command, r.Passed(self.pid, command.name))
        elif self._proxy.keys is not None and not command.may_use(self._proxy.keys):
            name, _, key, algorithm, digest = command
            self._pass_now(command, r.OtherKey(self.pid, key, algorithm, digest, name))
        elif self._proxy.gate.is_granted(self.pid):
            self._pass_next(command)
        else:
            self.waited = True
            self._held = Held(self.pid, self.uid, command, self._answered)
            self._proxy.gate.ask(self._held)
        return True

    def _pass_now(self, command: Command, note: Record) -> None:
        assert self._daemon
        self._proxy.gate.note(note)
        self._conversation.passes(command)
        self._daemon.send(command.raw)

    def _answered(self, go: bool, why: str) -> None:
        held, self._held = self._held, None
        if not self.is_open or held is None:
            return
        if go:
            self._pass_next(held.command)
        else:
            self.waited = False
            self.refuse(why)

    def _pass_next(self, command: Command) -> None:
        self._next = command
        self._proxy.forward(self)
