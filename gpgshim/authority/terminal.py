# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The person at the terminal."""

from __future__ import annotations

import contextlib
import errno
import os

from gpgshim.authority.authority import Answer
from gpgshim.core import facts, o2m
from gpgshim.core import records as r
from gpgshim.core.question import Question, Who
from gpgshim.system.descriptors import write_all
from gpgshim.system.errors import Misconfigured
from gpgshim.system.ownprocess import who_we_are

TERMINAL = "/dev/tty"
PROMPT = "gpgshim: commit and sign? Type `yes' to agree; any other answer refuses: "
#: The end of a person's answer: a line feed; in a raw terminal, where the kernel translates
#: nothing, a carriage return; and ^C and ^D, which refuse there too.
_ENDS = (b"\n", b"\r", b"\x03", b"\x04")


class Person:
    """The person at the terminal: `yes` is go-ahead, any other line refuses.

    The data to be signed is shown first. The terminal is opened anew, so that our settings do not
    affect other users of it.
    """

    pid = 0

    def __init__(self) -> None:
        import termios  # noqa: F401 - imported before the job starts, if it will ask

        self._who = Who(*who_we_are())
        self._fd = -1
        self._line = b""
        self._in_line = False  # whether the cursor is after our prompt

    def check(self) -> None:
        try:
            os.close(self._open())
        except OSError as error:
            raise Misconfigured(
                f"--commit ask needs a terminal, and there is none ({error.strerror})",
                hint="start the job from a terminal, or name another authority",
            ) from None

    @staticmethod
    def _open() -> int:
        return os.open(TERMINAL, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)

    def reach(self) -> None:
        try:
            self._fd = self._open()
            in_foreground = os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError as error:
            raise OSError(
                error.errno, f"there is no terminal to ask at ({error.strerror})"
            ) from None
        if not in_foreground:
            raise OSError(errno.EIO, "we are in the background of the terminal, and cannot ask")

    def ask(self, question: Question) -> None:
        import termios

        termios.tcflush(self._fd, termios.TCIFLUSH)  # input typed before the question is no answer
        lines = facts.lines_of(question, self._who)
        shown = "".join(f"    {line}\n" for line in lines)
        self._in_line = True
        write_all(self._fd, f"gpgshim: the first signature of this job:\n{shown}{PROMPT}".encode())

    def fileno(self) -> int:
        return self._fd

    def answer(self) -> Answer | None:
        try:
            more = os.read(self._fd, o2m.LONGEST_LINE)
        except BlockingIOError:
            return None
        except OSError:
            return r.HungUp()  # the terminal is gone
        self._line += more
        if more and not any(end in self._line for end in _ENDS):
            return None
        self._in_line &= not more
        self._end_line()
        if self._line.strip(b" \t") in (b"yes\n", b"yes\r", b"yes\r\n"):
            return r.GoAhead()
        return r.Refused("")

    def give_up(self) -> None:
        if self._fd >= 0:
            self._end_line()
            os.close(self._fd)
            self._fd = -1

    def _end_line(self) -> None:
        if self._in_line:
            with contextlib.suppress(OSError):
                os.write(self._fd, b"\n")
        self._in_line = False
