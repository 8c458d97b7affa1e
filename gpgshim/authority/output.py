# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of a command: passed on to our stderr, and its last line kept.

Rule 1: nothing here blocks. While stderr takes nothing, the output is not read either, so the
command waits and the supervisor does not.
Rule 2: the end of the command counts, and not the end of its output: a process that the command has
left in the background may keep the pipe open for ever.
"""

from __future__ import annotations

import fcntl
import os
import select

from gpgshim.core.answers import LastLine

_STDERR = 2
_AT_ONCE = 4096  #: bytes; a pipe that poll(2) calls writable takes so many without blocking
_STEPS = 64  #: reads in a row, so that a command that prints without end delays no other peer


class Output:
    """Reads `reader`, its end of a pipe. `epoll` becomes readable when pass_on() can go on."""

    def __init__(self, reader: int, epoll: select.epoll) -> None:
        self._reader = reader
        self._epoll = epoll
        self._watched = -1  # the descriptor that pass_on() waits for; -1 for none
        self._last = LastLine()
        self._unsent = b""
        os.set_blocking(reader, False)
        self._watch(reader, select.EPOLLIN)

    def pass_on(self) -> None:
        """Pass the output on, as far as that is possible now. Raises OSError."""
        for _ in range(_STEPS):
            if not self._send():
                self._watch(_STDERR, select.EPOLLOUT)
                return
            data = self._read()
            if not data:
                # None: nothing is there yet. Empty: the pipe was closed, and nothing will come.
                self._watch(self._reader if data is None else -1, select.EPOLLIN)
                return

    def end(self) -> bytes:
        """The command has ended: its last line. Raises OSError.

        The rest of its output is passed on, except what stderr does not take now.
        """
        left = fcntl.fcntl(self._reader, fcntl.F_GETPIPE_SZ)  # it wrote no more before its end
        while left > 0:
            self._send()
            left -= len(data := self._read() or b"")
            if not data:
                break
        self._send()
        return self._last.line

    def _read(self) -> bytes | None:
        try:
            self._unsent = os.read(self._reader, _AT_ONCE)
        except BlockingIOError:
            return None
        self._last.add(self._unsent)
        return self._unsent

    def _send(self) -> bool:
        """Pass on what was read last; False if stderr takes nothing now."""
        if not self._unsent:
            return True
        poll = select.poll()
        poll.register(_STDERR, select.POLLOUT)
        if not poll.poll(0):
            return False
        try:
            self._unsent = self._unsent[os.write(_STDERR, self._unsent) :]
        except BlockingIOError:
            return False
        except OSError:
            self._unsent = b""  # stderr has no reader any more; the command must not wait for one
        return not self._unsent

    def _watch(self, fd: int, events: int) -> None:
        if fd == self._watched:
            return
        if self._watched >= 0:
            self._epoll.unregister(self._watched)
        if fd >= 0:
            self._epoll.register(fd, events)
        self._watched = fd
