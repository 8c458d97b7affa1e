# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One end of a connection through the lock: a non-blocking socket, and the bytes due to it.

Rule 1: nothing here blocks. Bytes that the socket does not take now are sent later, in order.
Rule 2: an end whose peer does not read is not filled without limit: see has_room.
Rule 3: the loop is called only if something changes: a signature has about 20 messages each way.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol

AT_ONCE = 1 << 16  #: bytes that are read at a time, and about the most that wait to be sent
#: What a channel waits for: whether it reads, and whether it writes.
NOTHING, READS = (False, False), (True, False)
_MOST_DESCRIPTORS = 8  #: that one message can carry


class Loop(Protocol):
    """The part of the supervisor's event loop that the lock uses."""

    clock: Callable[[], float]

    def watch(self, fd: int, handle: Callable[[], None], is_peer: bool = False) -> None:
        """Call `handle` whenever `fd` is readable, until it is unwatched. Raises OSError."""

    def unwatch(self, fd: int) -> None:
        """Do not watch `fd` any more."""

    def wait_for(self, fd: int, *, reads: bool, writes: bool) -> None:
        """Call the handler of the watched `fd` whenever it is readable, writable, or either."""


class Owner(Protocol):
    """The connection of a channel."""

    def heard(self, channel: Channel, data: bytes, descriptors: list[int]) -> None:
        """The peer has sent `data`, and with it `descriptors`, which are ours now."""

    def at_end(self, channel: Channel) -> None:
        """The peer sends nothing more, but may still read."""

    def broken(self, channel: Channel) -> None:
        """The peer is gone."""

    def sent(self, channel: Channel) -> None:
        """Bytes were sent that had to wait."""


class Channel:
    """Watches `end`, a connected socket that does not block.

    Without `takes_descriptors`, the kernel closes those that the peer sends. Raises OSError if the
    socket cannot be watched.
    """

    def __init__(
        self, loop: Loop, end: socket.socket, owner: Owner, takes_descriptors: bool
    ) -> None:
        self._loop = loop
        self._end = end
        self._owner = owner
        self._takes_descriptors = takes_descriptors
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._size = 0  # the unsent bytes
        self._is_open = True
        self._reads = True  # whether the owner wants to hear the peer
        self._is_at_end = False  # whether the peer sends nothing more
        self._finishes = False  # whether the peer gets an end of file after the unsent bytes
        self._watched = NOTHING
        self._watch()

    @property
    def has_room(self) -> bool:
        """Whether few bytes wait to be sent."""
        return self._size < AT_ONCE

    @property
    def is_flushed(self) -> bool:
        """Whether no bytes wait to be sent."""
        return not self._unsent

    def read_if(self, wanted: bool) -> None:
        """Hear the peer from now on, or not."""
        if wanted is not self._reads:
            self._reads = wanted
            self._update()

    def send(self, data: bytes, descriptors: list[int] | None = None) -> None:
        """Send `data`, now or later. Does nothing if the peer is gone."""
        if data and self._is_open:
            self._unsent.append((data, descriptors or []))
            self._size += len(data)
            self._flush()

    def finish(self) -> None:
        """Send an end of file after all bytes."""
        self._finishes = True
        self._flush()

    def close(self) -> None:
        """Close the socket. Bytes that were not sent are lost."""
        if self._watched != NOTHING:
            self._loop.unwatch(self._end.fileno())
            self._watched = NOTHING
        for _, descriptors in self._unsent:
            _close(descriptors)
        self._unsent.clear()
        self._is_open = False
        self._end.close()

    def _handle(self) -> None:
        if self._unsent:
            self._flush()
            if not self._unsent and self._is_open:
                self._owner.sent(self)
        if self._is_open and self._reads and not self._is_at_end:
            self._read()

    def _read(self) -> None:
        try:
            data, descriptors = self._receive()
        except BlockingIOError:
            return
        except OSError:
            self._owner.broken(self)
            return
        if data:
            self._owner.heard(self, data, descriptors)
        elif self._is_hung_up():
            self._owner.broken(self)
        else:
            self._is_at_end = True
            self._update()
            self._owner.at_end(self)

    def _receive(self) -> tuple[bytes, list[int]]:
        if not self._takes_descriptors:
            return self._end.recv(AT_ONCE), []
        flags = socket.MSG_CMSG_CLOEXEC
        data, descriptors, _, _ = socket.recv_fds(self._end, AT_ONCE, _MOST_DESCRIPTORS, flags)
        return data, descriptors

    def _is_hung_up(self) -> bool:
        """Whether the peer has closed its socket, and not only shut down one direction."""
        poll = select.poll()
        poll.register(self._end, 0)
        return any(seen & (select.POLLHUP | select.POLLERR) for _, seen in poll.poll(0))

    def _flush(self) -> None:
        try:
            while self._unsent:
                data, descriptors = self._unsent[0]
                sent = (
                    socket.send_fds(self._end, [data], descriptors)
                    if descriptors
                    else self._end.send(data)
                )
                _close(descriptors)
                self._unsent.popleft()
                self._size -= sent
                if sent < len(data):
                    self._unsent.appendleft((data[sent:], []))
            if self._finishes:
                self._finishes = False
                self._end.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            self._owner.broken(self)
            return
        self._update()

    def _update(self) -> None:
        if self._is_open:
            try:
                self._watch()
            except OSError:  # most likely too many descriptors are watched
                self._owner.broken(self)

    def _watch(self) -> None:
        wanted = self._reads and not self._is_at_end, bool(self._unsent)
        if wanted == self._watched:
            return
        fd = self._end.fileno()
        if wanted == NOTHING:
            self._loop.unwatch(fd)
        else:
            if self._watched == NOTHING:
                self._loop.watch(fd, self._handle, is_peer=True)
                self._watched = READS
            if wanted != self._watched:
                reads, writes = wanted
                self._loop.wait_for(fd, reads=reads, writes=writes)
        self._watched = wanted


def _close(descriptors: list[int]) -> None:
    for each in descriptors:
        with contextlib.suppress(OSError):
            os.close(each)
