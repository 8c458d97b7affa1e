# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""tag2upload's manager."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Iterable
from pathlib import Path

from gpgshim.authority.authority import Answer
from gpgshim.core import o2m
from gpgshim.core import records as r
from gpgshim.core.gate import Event
from gpgshim.core.question import Question
from gpgshim.core.quoting import escape
from gpgshim.system.descriptors import write_all
from gpgshim.system.errors import GpgshimError
from gpgshim.system.places import check_path, own_user, user_of

_CONNECT = 10.0  #: seconds that the connection to a manager's socket may take


class Manager:
    """tag2upload's manager, behind two descriptors that are shared with other processes.

    They are not made non-blocking, because that would also change them for oracled's worker.
    """

    pid = 0

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer = writer
        self._line = b""

    def check(self) -> None:
        """Nothing is checked: the descriptors are open, or the socket is connected when needed."""

    def reach(self) -> None:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        poll.register(self._writer, 0)
        for fd, seen in poll.poll(0):
            if fd == self._reader and not seen & select.POLLHUP:
                raise OSError(errno.EPROTO, "the manager sent a line before the request")
            raise OSError(errno.EPIPE, "the manager has hung up")

    def ask(self, question: Question) -> None:
        write_all(self._writer, o2m.COMMIT)

    def fileno(self) -> int:
        return self._reader

    def answer(self) -> Answer | None:
        poll = select.poll()  # not select(2), which cannot watch a descriptor above 1023
        poll.register(self._reader, select.POLLIN)
        while not self._line.endswith(b"\n") and len(self._line) < o2m.LONGEST_LINE:
            try:
                if not poll.poll(0):
                    return None
            except OSError:
                return None  # most likely no memory is left; the data can be read later
            try:
                byte = os.read(self._reader, 1)  # o2m's rule 1: never read ahead
            except OSError:
                byte = b""
            if not byte:
                return r.HungUp()
            self._line += byte
        if o2m.answer_to_commit(self._line) is Event.GO_AHEAD:
            return r.GoAhead()
        line = self._line.removesuffix(b"\n").decode("utf-8", "surrogateescape")
        return r.UnexpectedAnswer(escape(line))

    def give_up(self) -> None:
        """The descriptors belong to other processes too, and stay open."""

    def send(self, lines: Iterable[str]) -> None:
        """Send complete lines, in one write if the pipe allows it. Raises OSError."""
        write_all(self._writer, "".join(f"{line}\n" for line in lines).encode())


class ManagerAt(Manager):
    """A manager that listens at the Unix socket `path`; reach() connects to it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        super().__init__(self._peer.fileno(), self._peer.fileno())

    def check(self) -> None:
        check_path(Path(self.path).parent, "name a socket in a directory of this user")

    def reach(self) -> None:
        try:
            self.check()
            self._peer.settimeout(_CONNECT)
            self._peer.connect(self.path)
            self._peer.setblocking(True)
        except GpgshimError as error:
            raise OSError(errno.EPERM, f"the manager at {self.path}: {error.seen}") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"the manager at {self.path}: {reason}") from error
        if (user := user_of(self._peer)) not in (0, own_user()):
            # A go-ahead from another user is no commitment.
            raise OSError(
                errno.EPERM,
                f"the socket {self.path} is served by user id {user}, not by us or root",
            )
        super().reach()

    def give_up(self) -> None:
        self._peer.close()
