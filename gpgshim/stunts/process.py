# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that all stunts share: read the caller's words, become the real program, report, die.

Rule 1: the real program gets argv, descriptors, environment and signals as the caller left them.
Rule 2: this runs under `python3 -I -S`: only builtin modules, and no others of the stunts.
"""

from __future__ import annotations

import encodings
import posix
import sys

from gpgshim.gpgargs.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal  # has the same names, but costs the stunt much more time
    from typing import NoReturn
else:
    import _signal


def caller_words() -> list[bytes]:
    """Our words after argv[0], byte for byte: in some locales sys.argv has lost bytes."""
    count = len(sys.argv) - 1
    try:
        return read_bytes("/proc/self/cmdline").split(b"\0")[:-1][-count:] if count else []
    except OSError:
        encoding = sys.getfilesystemencoding()
        return [word.encode(encoding, "surrogateescape") for word in sys.argv[1:]]


def become(real: str, words: list[bytes]) -> NoReturn:
    """Exec `real` as if the caller had done it. `words` is its argv. Raises OSError."""
    undo_start_up()
    posix.execv(real, words)


def undo_start_up() -> None:
    """Restore what CPython changed at its start: two signals, and in some cases LC_CTYPE.

    CPython ignores SIGPIPE and SIGXFSZ, and exec would pass this on. The prelude of stuntcode has
    recorded the caller's state. CPython also sets LC_CTYPE in a C locale (PEP 538). Without /proc
    the caller's LC_CTYPE is not known. Then LC_CTYPE stays, because gpg must run: the job may be
    committed.
    """
    status: bytes = getattr(encodings, "caller_status", b"")
    ignored = int(status.partition(b"SigIgn:\t")[2][:16] or b"0", 16)
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        if not ignored >> (number - 1) & 1:
            _signal.signal(number, _signal.SIG_DFL)
    if posix.environ.get(b"LC_CTYPE") in (b"C.UTF-8", b"C.utf8", b"UTF-8"):
        try:
            before = read_text("/proc/self/environ").split("\0")
        except OSError:
            return
        values = [entry[9:] for entry in before if entry.startswith("LC_CTYPE=")]
        if values:
            posix.putenv(b"LC_CTYPE", values[0].encode("utf-8", "surrogateescape"))
        else:
            posix.unsetenv(b"LC_CTYPE")


def real_program(job: str, name: str) -> str:
    """The real program of the stunt `name` (not gpg). If there is none, print a line and exit."""
    try:
        # wire.REAL, which the stunt gpgconf does not load.
        return posix.readlink(f"{job}/real/{name}")
    except OSError as error:
        say(f"{name}: gpgshim: this {name} belongs to no job that is under way ({error})")
        posix._exit(2)


def run_in_our_place(real: str, name: str, words: list[bytes]) -> NoReturn:
    """Exec the real program of the stunt `name`. If that fails, print a line and exit."""
    try:
        posix.execv(real, [name.encode(), *words])
    except OSError as error:
        say(f"{name}: gpgshim: {real} cannot be run: {error.strerror}")
    posix._exit(127)


def is_open(fd: int) -> bool:
    """Whether descriptor `fd` is open."""
    try:
        posix.fstat(fd)
    except OSError:
        return False
    return True


def die_if_killed(status: int) -> None:
    """If this wait status says that the real program was killed by a signal, die of the same."""
    if posix.WIFSIGNALED(status):
        number = posix.WTERMSIG(status)
        if number != _signal.SIGKILL:
            _signal.signal(number, _signal.SIG_DFL)
        posix.kill(posix.getpid(), number)
        posix._exit(128 + number)  # the signal is blocked: use a shell's status for it


def say(text: str) -> None:
    """Write one line to stderr, in one write, escaped. It is lost if there is no stderr."""
    try:
        posix.write(2, f"{printable(text)}\n".encode())
    except OSError:
        pass


def read_text(path: str) -> str:
    """The content of the file at `path` (surrogateescape). Raises OSError."""
    return read_bytes(path).decode("utf-8", "surrogateescape")


def read_bytes(path: str) -> bytes:
    """The content of the file at `path`. Raises OSError."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        data = b""
        while more := posix.read(fd, 1 << 16):
            data += more
    finally:
        posix.close(fd)
    return data
