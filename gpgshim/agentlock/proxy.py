# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy at the sockets of the lock, in the supervisor's event loop.

Rule 1: a command that signs is in the journal, synced, before the agent gets it.
Rule 2: nothing here blocks, whatever the daemon does.
Rule 3: the real daemon is started by gpgconf, with the caller's environment, never by our name of
the home: two agents must not serve one home.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time

from gpgshim.agentlock.channel import Loop
from gpgshim.agentlock.links import AgentLink, Gate, Link
from gpgshim.agentlock.sockets import Listener, Lock
from gpgshim.system.processes import DEFAULT_SIGNALS

#: Of the commands that waited for the gate, the agent has at most so many at once: after hundreds
#: at once, gpg-agent answers "Cannot allocate memory".
MOST_AT_ONCE = 8
RETRY = 0.02  #: seconds until a connection to a daemon is tried again, if its queue was full

_ABSENT = (errno.ENOENT, errno.ECONNREFUSED)  # no daemon listens there


def place_of(end: socket.socket) -> tuple[int, int] | None:
    """The identity of the file at the path to which `end` was bound; None if there is none."""
    try:
        found = os.lstat(end.getsockname())
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Proxy:
    """Serves the sockets of `lock` in `loop`."""

    def __init__(self, lock: Lock, loop: Loop, gate: Gate) -> None:
        self.loop = loop
        self.gate = gate
        self.keys = lock.keys
        self._lock = lock
        self._links: set[Link] = set()
        self._waiting: list[Link] = []  # for a connection to their daemon
        self._retry: float | None = None  # on the clock: the time of the next try to connect
        self._launches: dict[str, int] = {}  # daemons that are being started: name -> descriptor
        self._next: list[AgentLink] = []  # whose commands pass when the journal has them
        self._numbers = 0  # of signatures
        self._pending = 0  # commands that waited for the gate, and that the agent has now
        self._places = [place_of(each.socket) for each in lock.listeners]
        for listener in lock.listeners:
            self._watch(listener)

    def is_whole(self) -> bool:
        """Whether all our sockets are where the programs of the job look for them."""
        return self._places == [place_of(each.socket) for each in self._lock.listeners]

    def time_limits(self) -> list[float]:
        """On the clock: the time at which a connection is tried again."""
        return [] if self._retry is None else [self._retry]

    def look_at_the_clock(self, now: float) -> None:
        """Try again the connections whose daemon had a full queue."""
        if self._retry is not None and self._retry <= now:
            self._retry = None
            self._connect_waiting()

    def forward(self, link: AgentLink) -> None:
        """The command of `link` passes with the next forward_together()."""
        self._next.append(link)

    def forward_together(self) -> None:
        """Pass the commands that have come since. They share one sync of the disk."""
        while batch := self._batch():
            records = []
            for link in batch:
                self._numbers += 1
                records.append(link.record(self._numbers))
            try:
                self.gate.sync(*records)
            except OSError as error:
                why = self.gate.failed(error)
                for link in batch:
                    self._pending -= link.waited
                    link.waited = False
                    link.refuse(why)
                continue
            for link in batch:
                link.forward()

    def _batch(self) -> list[AgentLink]:
        """Take the commands that can pass now out of the queue."""
        batch, rest = [], []
        for link in self._next:
            if not link.is_open:
                continue
            if link.waited and self._pending >= MOST_AT_ONCE:
                rest.append(link)
                continue
            self._pending += link.waited
            batch.append(link)
        self._next = rest
        return batch

    def answered(self, link: AgentLink) -> None:
        """The agent has answered the command of `link`, or will not."""
        self._pending -= link.waited
        link.waited = False

    def closed(self, link: Link) -> None:
        """A connection has ended."""
        self._links.discard(link)
        if link in self._waiting:
            self._waiting.remove(link)

    def shut(self) -> None:
        """Close everything. The sockets stay, and nobody listens at them.

        The outcome is on disk, and no record follows it: without its answer, a command counts as
        one that gpg-agent may have performed.
        """
        self._lock.close()
        for link in list(self._links):
            link.drop()

    def _watch(self, listener: Listener) -> None:
        fd = listener.socket.fileno()
        self.loop.watch(fd, lambda: self._welcome(listener), is_peer=True)

    def _welcome(self, listener: Listener) -> None:
        kind = AgentLink if listener.service.is_agent else Link
        while True:
            try:
                client, _ = listener.socket.accept()
            except BlockingIOError:
                break
            except OSError:
                # Most likely no descriptor is left. The other clients wait in the kernel's queue.
                time.sleep(0.01)
                break
            try:
                link = kind(self, client, listener)
            except OSError:  # the kernel does not say whose it is
                client.close()
                continue
            self._links.add(link)
            self._connect(link)

    def _connect(self, link: Link) -> None:
        """Connect to the daemon of `link`, or have it wait. Never blocks."""
        try:
            daemon = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError:  # most likely no descriptor is left
            self._wait(link)
            return
        daemon.setblocking(False)
        try:
            daemon.connect(os.fsencode(link.listener.target))
        except BlockingIOError:
            daemon.close()
            self._wait(link)
            return
        except OSError as error:
            daemon.close()
            if error.errno in _ABSENT and not link.was_launched:
                link.was_launched = True
                self._waiting.append(link)
                self._launch(link.listener.service.daemon)
            else:
                link.close()  # as if the daemon had ended
            return
        try:
            link.connected(daemon)
        except OSError:  # most likely too many descriptors are watched
            link.close()

    def _wait(self, link: Link) -> None:
        """Connect `link` later."""
        self._waiting.append(link)
        self._retry = self._retry or self.loop.clock() + RETRY

    def _connect_waiting(self) -> None:
        """Connect the links that wait, and whose daemon is not being started."""
        waiting, self._waiting = self._waiting, []
        for link in waiting:
            if link.listener.service.daemon in self._launches:
                self._waiting.append(link)
            else:
                self._connect(link)

    def _launch(self, daemon: str) -> None:
        if daemon in self._launches:
            return
        words = [str(self._lock.gpgconf), "--launch", daemon]
        null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
        try:
            pid = os.posix_spawn(
                words[0],
                words,
                self._lock.environ,
                file_actions=null,
                setpgroup=0,
                setsigmask=(),
                setsigdef=DEFAULT_SIGNALS,
            )
            fd = os.pidfd_open(pid)
            try:
                self.loop.watch(fd, lambda: self._launched(daemon, pid))
            except OSError:
                os.close(fd)
                raise
        except OSError:
            self._retry = self._retry or self.loop.clock() + RETRY  # then the link is closed
            return
        self._launches[daemon] = fd

    def _launched(self, daemon: str, pid: int) -> None:
        fd = self._launches.pop(daemon)
        self.loop.unwatch(fd)
        os.close(fd)
        with contextlib.suppress(ChildProcessError):  # reaped with the job's orphans
            os.waitpid(pid, os.WNOHANG)
        self._connect_waiting()
