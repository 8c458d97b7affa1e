# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux system calls that Python does not have: prctl, signalfd, tee, unshare and mount.

Rule 1: ctypes takes milliseconds to load, so only a program that starts a job imports this module.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SPLICE_F_NONBLOCK = 2
_SIGSET = 128  #: bytes of a sigset_t, in glibc and in musl
_SIGINFO = 128  #: bytes of a struct signalfd_siginfo

#: Flags of unshare(2) and of mount(2).
NEW_MOUNTS, NEW_USER = 0x00020000, 0x10000000
READ_ONLY, NO_SUID, NO_DEVICES, BIND, RECURSIVE = 1, 2, 4, 4096, 16384
SLAVE = 1 << 19  # mounts of the outer namespace are seen here, and ours are not seen there

_libc = ctypes.CDLL(None, use_errno=True)


class Signal(NamedTuple):
    """A received signal; `by_kernel` says that no process sent it, but for example the terminal."""

    number: int
    by_kernel: bool


def become_subreaper() -> None:
    """Have the orphans among our descendants reparented to us, not to init. Raises OSError."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def die_with_parent() -> None:
    """Have the kernel kill us when our parent dies. Raises OSError."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def signal_descriptor(numbers: Iterable[int]) -> int:
    """A descriptor from which blocked signals can be read. Raises OSError."""
    wanted = ctypes.create_string_buffer(_SIGSET)
    _libc.sigemptyset(wanted)
    for number in numbers:
        _libc.sigaddset(wanted, number)
    fd: int = _check(_libc.signalfd(-1, wanted, os.O_CLOEXEC | os.O_NONBLOCK))
    return fd


def read_signals(fd: int) -> list[Signal]:
    """All pending signals of `fd`, a descriptor from signal_descriptor()."""
    try:
        data = os.read(fd, 64 * _SIGINFO)
    except BlockingIOError:
        return []
    # signalfd(2): ssi_signo, ssi_errno, ssi_code; sigaction(2): a code above 0 means the kernel.
    return [
        Signal(number, code > 0)
        for at in range(0, len(data), _SIGINFO)
        for number, _, code in [struct.unpack_from("=Iii", data, at)]
    ]


def tee(pipe: int, writer: int, most: int) -> int:
    """Copy at most `most` bytes from one pipe into another, and leave them in the first.

    Returns the number of bytes. Raises OSError; BlockingIOError if nothing can be copied now.
    """
    return _check(_libc.tee(pipe, writer, ctypes.c_size_t(most), _SPLICE_F_NONBLOCK))


def unshare(flags: int, what: str) -> None:
    """Leave namespaces for new ones. Raises OSError with the name `what`."""
    with _naming(what):
        _check(_libc.unshare(flags))


def mount(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    flags: int,
    kind: str = "",
    options: str = "",
) -> None:
    """mount(2). Raises OSError with the name of `target`."""
    words = [os.fsencode(each) for each in (source, target, kind)]
    with _naming(os.fspath(target)):
        _check(_libc.mount(*words, ctypes.c_ulong(flags), options.encode()))


def readable(fd: int) -> int:
    """The number of bytes in a pipe. Raises OSError."""
    (number,) = struct.unpack("=i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))
    return int(number)


@contextlib.contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename = what
        raise


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
