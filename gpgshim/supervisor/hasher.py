# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the files that are to be signed, in a separate process.

Rule 1: a file system may never answer: a stopped FUSE daemon, a lost server. A process that waits
for it cannot be killed, so that process must not be the supervisor.
Rule 2: this process is not part of the job. It has its own name (NAME), no descriptor but its end
of a socket and /dev/null, and its own session. It ends when the supervisor has ended.
Rule 3: requests are answered in order. If one takes too long, the process is killed, and a new
process serves the requests after it.
Rule 4: both processes do a dry run after the fork, while the job starts. Memory that they share is
copied when one of them first uses it, and otherwise the first request would wait for that.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
from collections.abc import Callable, Iterable

from gpgshim.core import codec
from gpgshim.core.codec import Record
from gpgshim.system.processes import detach, start_process

NAME = "gpgshim-hasher"  #: the name of the process in /proc/PID/comm

_REQUEST = struct.Struct("=II")  # the number of the request, and the process id that it is about
_ANSWER = struct.Struct("=II")  # the number of the request, and the size of its lines in bytes
_READY = b"r"
_AT_ONCE = 1 << 14  #: bytes per read; to allocate a megabyte takes longer than to read
_START = 1.0  #: seconds in which the process must be ready


class Hasher:
    """`look` gives the notes about a process id; it is called in the other process.

    `practise` does a dry run of a request; it is called in the other process, and by start().
    """

    def __init__(
        self, look: Callable[[int], Iterable[Record]], practise: Callable[[], None] = lambda: None
    ) -> None:
        self._look = look
        self._practise = practise
        self._peer: socket.socket | None = None
        self._process = -1  # a pidfd
        self._data = b""

    def start(self) -> int:
        """Start the process. The result is readable when read() has data. Raises OSError."""
        self.end()
        ours, its = socket.socketpair()
        with its:
            pid = start_process(lambda: _serve(its, self._look, self._practise))
        try:
            self._process = os.pidfd_open(pid)
            # Before it has its name, it would count as a process of the job.
            poll = select.poll()  # not select(2), which cannot watch a descriptor above 1023
            poll.register(ours, select.POLLIN)
            if not poll.poll(_START * 1000) or ours.recv(1) != _READY:
                raise OSError(3, "it did not start")
            ours.setblocking(False)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            ours.close()
            raise
        self._peer = ours
        self._practise()
        return ours.fileno()

    def ask(self, number: int, pid: int) -> None:
        """Request a read of the files of process `pid`. Raises OSError if that cannot be sent."""
        if self._peer is None:
            raise OSError(32, "no process that reads files is running")
        if self._peer.send(_REQUEST.pack(number, pid)) != _REQUEST.size:
            raise OSError(11, "too many requests are waiting")

    def read(self) -> list[tuple[int, list[Record]]] | None:
        """(number, notes) of the answers so far; None if the process has ended."""
        assert self._peer is not None
        try:
            more = self._peer.recv(_AT_ONCE)
        except BlockingIOError:
            return []
        except OSError:
            more = b""
        if not more:
            return None
        self._data += more
        answers = []
        while len(self._data) >= _ANSWER.size:
            number, length = _ANSWER.unpack_from(self._data)
            end = _ANSWER.size + length
            if len(self._data) < end:
                break
            lines = self._data[_ANSWER.size : end].decode("ascii").splitlines()
            answers.append((number, [codec.read(*line.split(" ", 1)) for line in lines]))
            self._data = self._data[end:]
        return answers

    def end(self) -> None:
        """Kill the process without waiting for its death. Raises nothing."""
        self._data = b""
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        if self._process >= 0:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)
            os.close(self._process)
            self._process = -1


def _serve(
    peer: socket.socket, look: Callable[[int], Iterable[Record]], practise: Callable[[], None]
) -> None:
    """The work of the other process."""
    detach(peer.fileno())  # from the session too: ^C is for the job only
    with open("/proc/self/comm", "w") as comm:
        comm.write(NAME)
    peer.sendall(_READY)
    practise()
    while len(request := peer.recv(_REQUEST.size, socket.MSG_WAITALL)) == _REQUEST.size:
        number, pid = _REQUEST.unpack(request)
        lines = "\n".join(map(codec.text_of, look(pid))).encode("ascii")
        peer.sendall(_ANSWER.pack(number, len(lines)) + lines)
