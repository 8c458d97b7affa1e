# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""File descriptors: complete writes, files in memory, and the owner of a descriptor.

Rule 1: a short write is no error, and is continued.
Rule 2: descriptors 0, 1 and 2 are open in each of our programs. Otherwise the next opened file
would get the number, and output to stdout or stderr would go into that file.
Rule 3: all our own descriptors are close-on-exec (PEP 446), so a descriptor without that flag is
the caller's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError; then a part of it may be written."""
    while data:
        data = data[os.write(fd, data) :]


def open_standard() -> frozenset[int]:
    """Open /dev/null as each of 0, 1 and 2 that is closed; returns these. Raises OSError.

    They are close-on-exec: a program that we exec or start finds them closed, as we did.
    """
    closed = set()
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:  # open(2) returns the lowest free number
        closed.add(fd)
    os.close(fd)
    return frozenset(closed)


def redirect_to_null(*fds: int, inheritable: bool = True) -> None:
    """Have each of `fds`, which are of 0, 1 and 2, lead to /dev/null. Raises OSError."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in fds:
        os.dup2(null, fd, inheritable)
    os.close(null)


def release_inherited() -> None:
    """Close the caller's descriptors above 2, so that only a child that inherited them holds them.

    If we kept them open, then after the child closed its own, a reader of a pipe would not see the
    end of file, and a lock of flock(2) would not be released.
    """
    with contextlib.suppress(OSError):  # without /proc they stay open
        for each in map(int, os.listdir("/proc/self/fd")):
            with contextlib.suppress(OSError):  # the descriptor of this directory listing
                if each > 2 and os.get_inheritable(each):
                    os.close(each)


_NOEXEC_SEAL = 0x0008  #: MFD_NOEXEC_SEAL of Linux 6.3, which a hardened kernel demands
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def sealed_file(name: str, data: bytes) -> int:
    """A descriptor of a file in memory that holds `data` and cannot be changed. Raises OSError.

    `name` is only shown in /proc. Unlike a pipe the file takes any size, and a reader finds its
    end, however many processes have it.
    """
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        fd = os.memfd_create(name, flags | _NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:  # an older kernel
            raise
        fd = os.memfd_create(name, flags)
    try:
        write_all(fd, data)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        os.lseek(fd, 0, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd
