# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event loop: one place waits for everything at once.

Rule 1: a slow, silent or broken peer delays no other peer.
Rule 2: in each round the peers (clients, new connections, the authority) go before everything else.
A client may have asked before the job ended, even if both are ready now. Its answer must come
before the job's end in the journal.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable
from typing import NamedTuple, Protocol


class Round(Protocol):
    """The work of a round, beside the descriptors."""

    def time_limit(self) -> float | None:
        """On the clock: the time at which a round must begin; None if there is no time limit."""

    def peers_are_heard(self) -> None:
        """All peers that were ready have been handled, and nothing else."""

    def everything_is_heard(self) -> None:
        """All descriptors that were ready have been handled."""


class _Watch(NamedTuple):
    handle: Callable[[], None]
    is_peer: bool


class Loop:
    """`clock` gives seconds. Raises OSError."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._selector = selectors.DefaultSelector()
        self._keys: dict[int, selectors.SelectorKey] = {}  # by descriptor; the selector's are slow

    def watch(self, fd: int, handle: Callable[[], None], is_peer: bool = False) -> None:
        """Call `handle` whenever `fd` is readable, until it is unwatched. Raises OSError."""
        watch = _Watch(handle, is_peer)
        self._keys[fd] = self._selector.register(fd, selectors.EVENT_READ, watch)

    def wait_for(self, fd: int, *, reads: bool, writes: bool) -> None:
        """Call the handler of the watched `fd` whenever it is readable, writable, or either."""
        wanted = selectors.EVENT_READ * reads | selectors.EVENT_WRITE * writes
        self._keys[fd] = self._selector.modify(fd, wanted, self._keys[fd].data)

    def unwatch(self, fd: int) -> None:
        """Do not watch `fd` any more. Raises KeyError, or ValueError, if it is not watched."""
        self._selector.unregister(fd)
        del self._keys[fd]

    def run(self, work: Round, done: Callable[[], bool]) -> None:
        """Go round until `done` says so."""
        while not done():
            ready = [key for key, _ in self._selector.select(self._time_left(work.time_limit()))]
            for key in ready:
                if key.data.is_peer:
                    self._handle(key)
            work.peers_are_heard()
            for key in ready:
                if not key.data.is_peer and not done():
                    self._handle(key)
            work.everything_is_heard()

    def close(self) -> None:
        """Watch nothing any more."""
        self._selector.close()

    def _time_left(self, limit: float | None) -> float | None:
        return None if limit is None else max(0.0, limit - self.clock())

    def _handle(self, key: selectors.SelectorKey) -> None:
        # If it was closed meanwhile, a new descriptor with its number may not be ready.
        if self._keys.get(key.fd) is key:
            key.data.handle()
