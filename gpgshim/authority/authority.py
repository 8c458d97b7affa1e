# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The authority for the commitment: none, a person, a command, or tag2upload's manager.

Rule 1: an authority gets at most one request, and only after reach() found that it can get one.
check() detects before the start of the job what can be detected then.
Rule 2: there is exactly one answer: go-ahead, refused (certainly not committed), or unknown.
Rule 3: nothing here blocks. There is a descriptor to poll, and answer() when it is readable.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shlex
import signal
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from gpgshim.core import o2m
from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.core.gate import Event
from gpgshim.core.quoting import escape
from gpgshim.core.wording import describe
from gpgshim.system.descriptors import write_all
from gpgshim.system.errors import GpgshimError, Misconfigured, Misused
from gpgshim.system.places import check_path, own_user, user_of
from gpgshim.system.processes import DEFAULT_SIGNALS

TERMINAL = "/dev/tty"
PROMPT = "gpgshim: commit and sign? Type `yes' to agree; any other answer refuses: "
#: The number of lines of the question that are shown, and of characters in each: one screen, and no
#: more than a terminal takes in one write.
MOST_LINES, MOST_TEXT = 12, 300

#: The end of a person's answer: a line feed; in a raw terminal, where the kernel translates
#: nothing, a carriage return; and ^C and ^D, which refuse there too.
_ENDS = (b"\n", b"\r", b"\x03", b"\x04")

_CONNECT = 10.0  #: seconds that the connection to a manager's socket may take


Answer = r.Answer | r.HungUp  #: what the journal has of it; inputs.event_of() gives the event


class NotAsked(OSError):
    """The authority could not be asked and has heard nothing. The message gives the reason."""


class Authority(Protocol):
    """The operations that the supervisor needs of an authority."""

    @property
    def pid(self) -> int:
        """The process that was started to ask it, for which answer() waits; 0 if there is none."""

    def check(self) -> None:
        """Before the job starts: check that the means to ask exist. Raises Misconfigured."""

    def reach(self) -> None:
        """Check that the authority can be reached, without a request. Raises OSError."""

    def ask(self, question: Sequence[Record]) -> None:
        """Send the request; `question` is what the journal has of the client and its request.

        Raises NotAsked if the authority has certainly heard nothing. After any other OSError it may
        have heard the request.
        """

    def fileno(self) -> int:
        """After ask(): a descriptor that is readable when answer() has a result."""

    def answer(self) -> Answer | None:
        """Its answer; None if the answer is not complete yet."""

    def give_up(self) -> None:
        """Stop waiting for it, and end any process that was started to ask it. Raises nothing."""


class NoAuthority:
    """For a job without --commit: go-ahead at once. The job only wants a journal."""

    pid = 0

    def __init__(self) -> None:
        self._fd = -1

    def check(self) -> None:
        """There is nothing to check."""

    reach = check

    def ask(self, question: Sequence[Record]) -> None:
        self._fd = os.eventfd(1, os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._fd

    def answer(self) -> Answer:
        os.close(self._fd)
        return r.GoAhead()

    def give_up(self) -> None:
        """There is nothing to end."""


class Person:
    """The person at the terminal: `yes` is go-ahead, any other line refuses.

    The data to be signed is shown first. The terminal is opened anew, so that our settings do not
    affect other users of it.
    """

    pid = 0

    def __init__(self) -> None:
        import termios  # noqa: F401 - imported before the job starts, if it will ask

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

    def ask(self, question: Sequence[Record]) -> None:
        import termios

        termios.tcflush(self._fd, termios.TCIFLUSH)  # input typed before the question is no answer
        texts = [x.call if isinstance(x, r.Request) else describe(x) for x in question]
        cut = [text[:MOST_TEXT] + "..." * (len(text) > MOST_TEXT) for text in texts[:MOST_LINES]]
        if len(texts) > MOST_LINES:
            cut.append(f"... and {len(texts) - MOST_LINES} more lines")
        shown = "".join(f"    {text}\n" for text in cut)
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


class Command:
    """A command: exit 0 is go-ahead, 1 is refused, any other end leaves the commitment unknown.

    It runs in its own process group, with `environ`, with /dev/null as stdin and our stderr as
    stdout.
    """

    def __init__(self, words: list[str], environ: dict[str, str]) -> None:
        self._words = words
        self._environ = environ
        self._program = ""
        self.pid = 0
        self._fd = -1

    def check(self) -> None:
        _, fault = self._find()
        if fault:
            raise Misconfigured(f"the command of --commit cannot be executed: {escape(fault)}")

    def reach(self) -> None:
        self._program, fault = self._find()
        if fault:
            raise OSError(errno.ENOENT, fault)

    def _find(self) -> tuple[str, str]:
        from gpgshim.system import runnable  # imported here: only a job with a command needs it

        return runnable.find(self._words[0], self._environ.get("PATH", os.defpath))

    def ask(self, question: Sequence[Record]) -> None:
        try:
            self.pid = os.posix_spawn(
                self._program,
                self._words,
                self._environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, 2, 1),
                    (os.POSIX_SPAWN_DUP2, 2, 2),  # open, even if our caller had closed it
                ],
                setpgroup=0,
                setsigmask=(),  # our mask has signals that the supervisor reads from a descriptor
                setsigdef=DEFAULT_SIGNALS,
            )
        except OSError as error:
            # posix_spawn(3) reports this error if the program was not executed; none of it ran.
            why = f"{self._program} cannot be run: {error.strerror}"
            raise NotAsked(error.errno, why) from error
        self._fd = os.pidfd_open(self.pid)

    def fileno(self) -> int:
        return self._fd

    def answer(self) -> Answer | None:
        done = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG)
        if done is None:
            return None
        os.close(self._fd)
        self.pid = 0
        if done.si_code != os.CLD_EXITED:
            return r.AnswerSignal(done.si_status)
        if done.si_status == 0:
            return r.GoAhead()
        if done.si_status == 1:
            return r.Refused("")
        return r.AnswerExit(done.si_status)

    def give_up(self) -> None:
        if self.pid:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            if self._fd >= 0:  # there is no descriptor if ask() failed half way
                os.close(self._fd)
            self.pid = 0


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

    def ask(self, question: Sequence[Record]) -> None:
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


def from_option(commit: str | None, environ: dict[str, str]) -> Authority:
    """The authority that `--commit` names. Raises Misused for an invalid value.

    `environ` is the environment of a command.
    """
    if commit is None:
        return NoAuthority()
    if commit == "ask":
        return Person()
    kind, colon, path = commit.partition(":")
    if colon and kind == "o2m":
        if not path or len(os.fsencode(path)) > 107 or "\0" in path:
            raise Misused(f"--commit {escape(commit)!r}: a socket's path has 1 to 107 bytes")
        return ManagerAt(os.path.abspath(path))
    try:
        words = shlex.split(commit)
    except ValueError as error:
        raise Misused(f"--commit {escape(commit)!r}: {error}") from None
    if not words:
        raise Misused("--commit: the command is empty")
    return Command(words, environ)
