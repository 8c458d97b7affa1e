"""Who is asked for the commitment: nobody, a person, a command, or tag2upload's manager.

Rule 1: an authority is asked at most once, and only after reach() has found it there. What can be
found wrong before the job starts, check() finds.
Rule 2: one answer, whatever happens: go-ahead, refused (certainly not committed), or nobody knows.
Rule 3: nothing here waits. There is a descriptor to poll, and answer() when it is ready.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shlex
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from gpgshim.core import o2m
from gpgshim.core.gate import Event
from gpgshim.core.transcript import escape
from gpgshim.system.descriptors import write_all
from gpgshim.system.errors import GpgshimError, Misconfigured, Misused
from gpgshim.system.places import check_path, own_user, user_of

#: What CPython has changed of a child's signals and a child must not see.
DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD)

TERMINAL = "/dev/tty"
PROMPT = "gpgshim: commit, and sign? `yes' goes ahead, anything else refuses: "
#: Of the question, so many lines, and characters of each, are shown: a screen, and no more than a
#: terminal takes at once.
MOST_LINES, MOST_TEXT = 12, 300

#: What ends a person's answer: a line feed; in a raw terminal, where the kernel translates nothing,
#: a carriage return; and ^C and ^D, which refuse there too.
_ENDS = (b"\n", b"\r", b"\x03", b"\x04")

_CONNECT = 10.0  #: seconds that a manager's socket may take to let us in


class Answer(NamedTuple):
    """`line` is the journal's, sigil and all."""

    event: Event
    line: str


class NotAsked(OSError):
    """The authority could not be asked, and has certainly heard nothing. The message says why."""


class Authority(Protocol):
    """What the supervisor asks of an authority."""

    def check(self) -> None:
        """Before the job starts: is what asks it there? Raises Misconfigured."""

    def reach(self) -> None:
        """Make sure that it is there, without telling it anything. Raises OSError."""

    def ask(self, question: Sequence[str]) -> None:
        """Tell it; `question` are the journal's lines of who would sign what.

        Raises OSError, and then it may have heard all the same; NotAsked, and then it has not.
        """

    def fileno(self) -> int:
        """The descriptor that is readable when answer() has something to say; after ask()."""

    def answer(self) -> Answer | None:
        """Its answer; None where that is not complete yet."""

    def give_up(self) -> None:
        """Stop waiting for it, and end what was started to ask it. Raises nothing."""


class Nobody:
    """No --commit was given: go-ahead, at once. The journal is all that this job wants."""

    def __init__(self) -> None:
        self._fd = -1

    def check(self) -> None:
        """There is nobody to be found."""

    reach = check

    def ask(self, question: Sequence[str]) -> None:
        self._fd = os.eventfd(1, os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._fd

    def answer(self) -> Answer:
        os.close(self._fd)
        return Answer(Event.GO_AHEAD, "< go-ahead")

    def give_up(self) -> None:
        """Nothing was started."""


class Person:
    """Whoever sits at the terminal: `yes` is go-ahead, any other line is refused.

    What is about to be signed is shown first. The terminal is opened anew, so that nobody else's
    use of it is changed by ours.
    """

    def __init__(self) -> None:
        import termios  # noqa: F401 - only a job that asks a person pays for it, and before it starts

        self._fd = -1
        self._line = b""
        self._in_line = False  # behind our prompt, where the next that is said would stand

    def check(self) -> None:
        """A terminal can come and go: it is looked for when it is needed."""

    def reach(self) -> None:
        try:
            self._fd = os.open(TERMINAL, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            in_foreground = os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError as error:
            raise OSError(
                error.errno, f"there is no terminal to ask at ({error.strerror})"
            ) from None
        if not in_foreground:
            raise OSError(errno.EIO, "we are in the background of the terminal, and cannot ask")

    def ask(self, question: Sequence[str]) -> None:
        import termios

        termios.tcflush(self._fd, termios.TCIFLUSH)  # what was typed before is no answer
        texts = [line.partition(" ")[2] for line in question]
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
            return Answer(Event.SILENCE, "% eof")  # the terminal is gone
        self._line += more
        if more and not any(end in self._line for end in _ENDS):
            return None
        self._in_line &= not more
        self._end_line()
        if self._line.strip(b" \t") in (b"yes\n", b"yes\r", b"yes\r\n"):
            return Answer(Event.GO_AHEAD, "< go-ahead")
        return Answer(Event.REFUSAL, "< refused")

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
    """A command: exit 0 is go-ahead, 1 is refused, all else is nobody knows.

    It runs in a process group of its own, with /dev/null for its stdin and stderr for its stdout,
    and with `environ`.
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
            raise Misconfigured(
                f"the command that is asked to commit cannot be run: {escape(fault)};"
                " nothing was started"
            )

    def reach(self) -> None:
        self._program, fault = self._find()
        if fault:
            raise OSError(errno.ENOENT, fault)

    def _find(self) -> tuple[str, str]:
        from gpgshim.system import runnable  # only a job that has a command pays for it

        return runnable.find(self._words[0], self._environ.get("PATH", os.defpath))

    def ask(self, question: Sequence[str]) -> None:
        try:
            self.pid = os.posix_spawn(
                self._program,
                self._words,
                self._environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, 2, 1),
                    (os.POSIX_SPAWN_DUP2, 2, 2),  # open, also where our caller had closed it
                ],
                setpgroup=0,
                setsigmask=(),  # ours has what the supervisor reads from a descriptor
                setsigdef=DEFAULT_SIGNALS,
            )
        except OSError as error:
            # posix_spawn(3) says so where the program was not executed; nothing of it ran.
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
            return Answer(Event.SILENCE, f"< signal {done.si_status}")
        if done.si_status == 0:
            return Answer(Event.GO_AHEAD, "< go-ahead")
        if done.si_status == 1:
            return Answer(Event.REFUSAL, "< refused")
        return Answer(Event.SILENCE, f"< exit {done.si_status}")

    def give_up(self) -> None:
        if self.pid:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            if self._fd >= 0:  # it is not there where ask() failed half way
                os.close(self._fd)
            self.pid = 0


class Manager:
    """tag2upload's manager, at the other end of two descriptors that are not ours alone.

    They are not made non-blocking, because that would change them for oracled's worker too.
    """

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer = writer
        self._line = b""

    def check(self) -> None:
        """Its descriptors are given, or it is called when it is needed."""

    def reach(self) -> None:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        poll.register(self._writer, 0)
        for fd, seen in poll.poll(0):
            if fd == self._reader and not seen & select.POLLHUP:
                raise OSError(errno.EPROTO, "the manager speaks, and was not asked")
            raise OSError(errno.EPIPE, "the manager has hung up")

    def ask(self, question: Sequence[str]) -> None:
        write_all(self._writer, o2m.COMMIT)

    def fileno(self) -> int:
        return self._reader

    def answer(self) -> Answer | None:
        poll = select.poll()  # not select(2), which cannot look at a descriptor above 1023
        poll.register(self._reader, select.POLLIN)
        while not self._line.endswith(b"\n") and len(self._line) < o2m.LONGEST_LINE:
            try:
                if not poll.poll(0):
                    return None
            except OSError:
                return None  # no memory, most likely; what is there will be there
            try:
                byte = os.read(self._reader, 1)  # o2m's rule 1: never ahead
            except OSError:
                byte = b""
            if not byte:
                return Answer(Event.SILENCE, "% eof")
            self._line += byte
        said = escape(self._line.removesuffix(b"\n").decode("utf-8", "surrogateescape"))
        return Answer(o2m.answer_to_commit(self._line), f"< {said or '(an empty line)'}")

    def give_up(self) -> None:
        """The descriptors are somebody else's."""

    def tell(self, lines: list[str]) -> None:
        """Send whole lines, in one write if the pipe lets us. Raises OSError."""
        write_all(self._writer, "".join(f"{line}\n" for line in lines).encode())


class ManagerAt(Manager):
    """A manager that listens at a Unix socket; it is called when it is needed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        super().__init__(self._peer.fileno(), self._peer.fileno())

    def check(self) -> None:
        check_path(Path(self._path).parent, "name a socket in a directory of this user")

    def reach(self) -> None:
        try:
            self.check()
            self._peer.settimeout(_CONNECT)
            self._peer.connect(self._path)
            self._peer.setblocking(True)
        except GpgshimError as error:
            reason = str(error).removesuffix("; nothing was started")
            raise OSError(errno.EPERM, f"the manager at {self._path}: {reason}") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"the manager at {self._path}: {reason}") from error
        if (user := user_of(self._peer)) not in (0, own_user()):
            # Another user's yes is no commitment.
            raise OSError(
                errno.EPERM,
                f"the socket {self._path} is served by user id {user}, not by us or root",
            )
        super().reach()

    def give_up(self) -> None:
        self._peer.close()


def from_option(commit: str | None, environ: dict[str, str]) -> Authority:
    """The authority that `--commit` names. Raises Misused for a value that names none.

    `environ` is a command's environment.
    """
    if commit is None:
        return Nobody()
    if commit == "ask":
        return Person()
    kind, colon, path = commit.partition(":")
    if colon and kind == "o2m":
        if not path or len(os.fsencode(path)) > 107 or "\0" in path:
            raise Misused(
                f"--commit {escape(commit)!r}: a socket's path has 1 to 107 bytes;"
                " nothing was started"
            )
        return ManagerAt(os.path.abspath(path))
    try:
        words = shlex.split(commit)
    except ValueError as error:
        raise Misused(f"--commit {escape(commit)!r}: {error}; nothing was started") from None
    if not words:
        raise Misused("--commit: the command is empty; nothing was started")
    return Command(words, environ)
