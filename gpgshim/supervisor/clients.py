# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients: connections of stunts, or of any other process, to our socket.

Rule 1: the kernel identifies a client (SO_PEERCRED, /proc), never the client itself.
Rule 2: the tables ADMISSIONS and CONTROLS of gate.py decide what a client may send. A client that
they turn away is answered and noted in the journal, and nothing else happens.
Rule 3: a client sends one line, within PATIENCE. Further input or EOF means that it stopped
waiting.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gpgshim.core import records as r
from gpgshim.core import wire
from gpgshim.core.gate import Control
from gpgshim.supervisor.entrance import Admissions, Entrance, Refusals
from gpgshim.supervisor.entries import Entries
from gpgshim.supervisor.loop import Loop
from gpgshim.system.places import peer_of

PATIENCE = 10.0  #: seconds in which a client must send its one line
_BACKLOG = 4096  #: connections in the kernel's queue; the kernel limits this to somaxconn


class Client:
    """A connection. `until` is the time limit for its line; `left` is called when it is closed."""

    is_stunt = True  #: for entrance.Requester

    def __init__(self, peer: socket.socket, until: float, left: Callable[[Client], None]) -> None:
        self.peer = peer
        self.data = b""
        self.is_gone = False  # whether we have answered, and closed the connection
        self.has_asked = False  # whether it has sent a request for a gpg
        self.until = until
        self.pid, self.uid = peer_of(peer)
        self._left = left

    def answer(self, word: str, argument: str = "") -> None:
        """Send the one answer, and close the connection. Does nothing after the first answer."""
        if self.is_gone:
            return
        # A new connection's buffer has room for a line; a peer that is gone is ignored.
        with contextlib.suppress(OSError):
            self.peer.send(wire.encode(word, argument))
        self.drop()

    def drop(self) -> None:
        """Close the connection."""
        self.is_gone = True
        self._left(self)
        self.peer.close()


class Service(Protocol):
    """What a client's request leads to."""

    def ask(self, client: Client, word: str, admission: Admissions) -> None:
        """A client asks for a gpg; `word` is wire.SIGN or wire.UNKNOWN_COMMAND.

        `admission` has the effects that come before the gate's event.
        """

    def gone(self, client: Client) -> None:
        """A client that has asked stopped waiting for its answer."""

    def control(self, client: Client, word: Control, argument: str) -> None:
        """A client has sent one of the other requests, and may; this answers it."""


class Clients:
    """Listens at `path`.

    Raises OSError if the socket cannot be made.
    """

    def __init__(
        self,
        path: Path,
        loop: Loop,
        service: Service,
        entries: Entries,
        refusals: Refusals,
        entrance: Entrance,
    ) -> None:
        self._path = path
        self._loop = loop
        self._service = service
        self._entries = entries
        self._refusals = refusals
        self._entrance = entrance
        self._open: set[Client] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        self._listener.bind(os.fsencode(path))
        self._listener.listen(_BACKLOG)
        loop.watch(self._listener.fileno(), self._welcome, is_peer=True)

    def time_limits(self) -> list[float]:
        """On the clock: the times at which a client is late."""
        return [client.until for client in self._open if not client.has_asked]

    def look_at_the_clock(self, now: float) -> None:
        """Send late clients away, after a last look at their input."""
        for client in [each for each in self._open if not each.has_asked and each.until <= now]:
            self._hear(client)
            if client in self._open and not client.has_asked:
                self._entries.note(r.NoRequest(client.pid, int(PATIENCE)))
                client.answer(wire.NO, "no question came")

    def shut(self) -> None:
        """Remove the socket and close all connections."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        for client in list(self._open):
            client.drop()
        self._listener.close()

    def _welcome(self) -> None:
        # Accept all waiting clients: requests that arrive together are answered after one sync.
        for _ in range(_BACKLOG):
            try:
                peer, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                # Most likely no descriptor is left. The other clients wait in the kernel's queue.
                time.sleep(0.01)
                return
            try:
                peer.setblocking(False)
                client = Client(peer, self._loop.clock() + PATIENCE, self._left)
                self._watch(client)
            except OSError:
                peer.close()  # most likely too many are watched; no answer counts as a refusal
                return
            self._open.add(client)
            if self._entrance.is_foreign(client):
                self._ask(client)  # it is turned away before anything of it is read
            else:
                self._hear(client)

    def _watch(self, client: Client) -> None:
        self._loop.watch(client.peer.fileno(), lambda: self._hear(client), is_peer=True)

    def _left(self, client: Client) -> None:
        self._open.discard(client)
        self._loop.unwatch(client.peer.fileno())

    def _hear(self, client: Client) -> None:
        try:
            more = client.peer.recv(wire.LONGEST + 1)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if client.has_asked:
            # Further input or EOF means that the client stopped waiting; it may give a reason.
            self._service.gone(client)
            client.drop()
            with contextlib.suppress(wire.WireError):
                word, argument = wire.decode(more, wire.REQUESTS)
                if word == wire.GAVE_UP:
                    self._gave_up(client, argument)
            return
        client.data += more
        if more and b"\n" not in client.data and len(client.data) <= wire.LONGEST:
            return
        if not client.data:
            self._entries.note(r.ClientHungUp(client.pid))
            client.answer(wire.NO, "no question came")
            return
        try:
            word, argument = wire.decode(client.data, wire.REQUESTS)
        except wire.WireError as error:
            self._entries.note(r.Nonsense(client.pid, str(error)))
            client.answer(wire.NO, str(error))
            return
        if word in (wire.SIGN, wire.UNKNOWN_COMMAND):
            self._ask(client, word)
        elif not self._entrance.takes(client, word):
            why = f"this gate does not take {word!r} from process {client.pid}"
            self._entries.note(r.Nonsense(client.pid, why))
            client.answer(wire.NO, why)
        elif word == wire.GAVE_UP:
            self._gave_up(client, argument)
            client.answer(wire.NO, "it is written down")
        else:
            self._service.control(client, Control(word), argument)

    def _ask(self, client: Client, word: str = "") -> None:
        if admission := self._entrance.admit(client):
            client.has_asked = True
            self._service.ask(client, word, admission)

    def _gave_up(self, client: Client, why: str) -> None:
        """A stunt refused by itself, or stopped waiting, and gives the reason."""
        self._entries.note(r.GaveUp(client.pid, why))
        self._refusals.add(why)
