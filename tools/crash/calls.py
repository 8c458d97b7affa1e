# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system calls of x86-64 that our processes make: their effects, and how they can fail.

Rule 1: a call is private if no other process can find out whether it was made, after its process is
dead. Death closes descriptors, so opening for reading, closing and duplicating are private. A wait
is not private, because the other processes continue meanwhile. A call that is not in PRIVATE is
not private.
Rule 2: an error is in FAILS if a kernel, a disk, a peer or a limit can plausibly cause it. An error
that a correct kernel never reports (EFAULT, EBADF of an open file) is not in FAILS.
"""

from __future__ import annotations

import errno
import os
import platform
import re
from typing import NamedTuple

#: Whether the numbers below are this machine's. Elsewhere every call is a point of its own, and
#: only kills are made: registers can only be written where we know their places.
CAN_TAMPER = platform.machine() == "x86_64"

READ, WRITE, CLOSE, SENDTO, RECVFROM, FSYNC, FTRUNCATE = 0, 1, 3, 44, 45, 74, 77
_IOCTL, _FCNTL, _OPENAT, _PRLIMIT = 16, 72, 257, 302
_F_SETFL = 4
_CLOEXEC_IOCTLS = (0x5401, 0x5450, 0x5451)  # TCGETS, FIONCLEX, FIOCLEX

#: Calls with a descriptor that says what they are about, and which argument it is.
WITH_FD = dict.fromkeys(
    (READ, WRITE, CLOSE, 5, 8, _IOCTL, 17, SENDTO, RECVFROM, 49, 50, 55, _FCNTL, FSYNC, FTRUNCATE,
     91, 217, 288, 46, 47, 48), 0
) | {9: 4}  # fmt: skip
#: Calls that name a file, and which argument does; of two names, the new one.
WITH_PATH = {
    4: 0, 6: 0, 21: 0, 59: 0, 76: 0, 82: 1, 83: 0, 84: 0, 86: 1, 87: 0, 88: 1, 89: 0, 90: 0,
    _OPENAT: 1, 258: 1, 262: 1, 263: 1, 264: 3, 265: 3, 266: 2, 267: 1, 268: 1, 269: 1, 280: 1,
    332: 1, 439: 1,
}  # fmt: skip
AT_CALLS = 257  #: from here on, a path has its directory's descriptor in the argument before


class Call(NamedTuple):
    """A system call. `name` is the file, pipe or socket that it is about, `data` what it writes."""

    number: int
    arguments: tuple[int, ...]
    result: int
    name: str
    data: bytes


def normal(name: str, world: str) -> str:
    """A name without what differs between two runs of the same job in the directory `world`."""
    name = name.replace(world, "WORLD")
    name = re.sub(r"/j\.[0-9a-f]{12}(?=/|$)", "/JOB", name)
    name = re.sub(r"/d\.[0-9a-f]{24}(?=/|$)", "/d.HASH", name)
    name = re.sub(r"(?<=\.new\.)[0-9a-f]{16}", "", name)
    name = re.sub(r"/\.(gpgshim|gpgconf|gpg|dgit)\.[0-9a-f]{8,12}", r"/.\1.", name)
    name = re.sub(r"(?<=/proc/)\d+|(?<=/task/)\d+", "PID", name)
    name = re.sub(r"(?<=^WORLD/heard/).*|(?<=^WORLD/signed/).*", "", name)
    return re.sub(r":\[\d+\]$", "", name)


#: Calls that are private whatever their arguments are.
PRIVATE = {
    3: "close",
    4: "stat",
    5: "fstat",
    6: "lstat",
    8: "lseek",
    9: "mmap",  # none of our processes makes a shared mapping
    10: "mprotect",
    11: "munmap",
    12: "brk",
    13: "rt_sigaction",
    14: "rt_sigprocmask",
    15: "rt_sigreturn",
    17: "pread64",
    21: "access",
    25: "mremap",
    28: "madvise",
    32: "dup",
    33: "dup2",
    39: "getpid",
    41: "socket",
    51: "getsockname",
    55: "getsockopt",
    63: "uname",
    79: "getcwd",
    89: "readlink",
    95: "umask",
    97: "getrlimit",
    99: "sysinfo",
    102: "getuid",
    104: "getgid",
    107: "geteuid",
    108: "getegid",
    110: "getppid",
    131: "sigaltstack",
    157: "prctl",
    158: "arch_prctl",
    186: "gettid",
    202: "futex",  # one thread each
    204: "sched_getaffinity",
    217: "getdents64",
    218: "set_tid_address",
    228: "clock_gettime",
    233: "epoll_ctl",
    262: "newfstatat",
    267: "readlinkat",
    269: "faccessat",
    273: "set_robust_list",
    291: "epoll_create1",
    292: "dup3",
    293: "pipe2",
    318: "getrandom",
    332: "statx",
    334: "rseq",
    434: "pidfd_open",
    436: "close_range",
    439: "faccessat2",
}


def is_private(call: Call) -> bool:
    """Rule 1."""
    if not CAN_TAMPER:
        return False
    if call.number in PRIVATE:
        return True
    first, second, third = call.arguments[:3]
    if call.number == READ:  # of a file; of a pipe or a socket it takes something away
        return call.name.startswith("/") and not call.name.startswith(("/dev/tty", "/dev/pts/"))
    if call.number == _OPENAT:
        return not third & (os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_RDWR)
    if call.number == _FCNTL:
        return second != _F_SETFL
    if call.number == _IOCTL:
        return second in _CLOEXEC_IOCTLS
    return call.number == _PRLIMIT and first == 0


E = errno

#: number -> (name, the errors that it is made to give). Every call is made to fail once with each.
FAILS: dict[int, tuple[str, tuple[int, ...]]] = {
    0: ("read", (E.EIO, E.EINTR)),
    1: ("write", (E.ENOSPC, E.EIO, E.EPIPE, E.EINTR, E.EDQUOT)),
    3: ("close", (E.EIO,)),  # of a file on disk; see errors_of
    5: ("fstat", (E.EIO, E.ENOMEM)),
    7: ("poll", (E.ENOMEM, E.EINTR)),
    8: ("lseek", (E.EINVAL,)),
    9: ("mmap", (E.ENOMEM,)),
    11: ("munmap", (E.ENOMEM,)),
    12: ("brk", (E.ENOMEM,)),
    17: ("pread64", (E.EIO,)),
    21: ("access", (E.EACCES,)),
    23: ("select", (E.ENOMEM, E.EINTR)),
    41: ("socket", (E.EMFILE, E.ENOMEM, E.EACCES)),
    42: ("connect", (E.ECONNREFUSED, E.EAGAIN, E.EACCES, E.EINTR)),
    44: ("sendto", (E.EPIPE, E.ECONNRESET, E.ENOMEM, E.EINTR)),
    45: ("recvfrom", (E.ECONNRESET, E.ENOMEM, E.EINTR)),
    46: ("sendmsg", (E.EPIPE, E.ECONNRESET, E.ENOMEM, E.EINTR)),
    47: ("recvmsg", (E.ECONNRESET, E.ENOMEM, E.EINTR)),
    48: ("shutdown", (E.ENOTCONN,)),
    49: ("bind", (E.EACCES, E.ENOSPC, E.EADDRINUSE)),
    50: ("listen", (E.EADDRINUSE, E.ENOMEM)),
    53: ("socketpair", (E.EMFILE, E.ENOMEM)),
    55: ("getsockopt", (E.ENOMEM,)),
    56: ("clone", (E.EAGAIN, E.ENOMEM)),
    57: ("fork", (E.EAGAIN, E.ENOMEM)),
    58: ("vfork", (E.EAGAIN, E.ENOMEM)),
    59: ("execve", (E.ENOMEM, E.EACCES, E.ENOENT)),
    61: ("wait4", (E.EINTR,)),
    62: ("kill", (E.ESRCH, E.EPERM)),
    72: ("fcntl", (E.ENOMEM,)),
    73: ("flock", (E.ENOLCK, E.EINTR)),
    74: ("fsync", (E.EIO, E.ENOSPC)),
    76: ("truncate", (E.EIO,)),
    77: ("ftruncate", (E.EIO, E.EINTR)),
    79: ("getcwd", (E.ENOENT,)),
    82: ("rename", (E.EIO, E.ENOSPC, E.EACCES)),
    83: ("mkdir", (E.EIO, E.ENOSPC, E.EACCES)),
    84: ("rmdir", (E.EIO, E.EACCES, E.EBUSY)),
    86: ("link", (E.EIO, E.ENOSPC, E.EPERM)),
    87: ("unlink", (E.EIO, E.EACCES)),
    88: ("symlink", (E.EIO, E.ENOSPC)),
    89: ("readlink", (E.EACCES, E.ENOENT)),
    90: ("chmod", (E.EIO, E.EPERM)),
    91: ("fchmod", (E.EIO, E.EPERM)),
    157: ("prctl", (E.EINVAL,)),
    217: ("getdents64", (E.EIO, E.ENOENT)),
    232: ("epoll_wait", (E.EINTR,)),
    233: ("epoll_ctl", (E.ENOMEM, E.ENOSPC)),
    247: ("waitid", (E.EINTR,)),
    257: ("openat", (E.EMFILE, E.EACCES, E.ENOSPC, E.ENOENT, E.EIO)),
    258: ("mkdirat", (E.EIO, E.ENOSPC)),
    262: ("newfstatat", (E.EIO, E.EACCES, E.ENOMEM)),
    263: ("unlinkat", (E.EIO, E.EACCES)),
    264: ("renameat", (E.EIO, E.ENOSPC)),
    265: ("linkat", (E.EIO, E.ENOSPC, E.EPERM)),
    266: ("symlinkat", (E.EIO, E.ENOSPC)),
    267: ("readlinkat", (E.EACCES, E.ENOENT)),
    268: ("fchmodat", (E.EIO, E.EPERM)),
    269: ("faccessat", (E.EACCES,)),
    270: ("pselect6", (E.ENOMEM, E.EINTR)),
    280: ("utimensat", (E.EACCES, E.EIO)),
    281: ("epoll_pwait", (E.EINTR,)),
    288: ("accept4", (E.EMFILE, E.ENFILE, E.ECONNABORTED, E.EINTR)),
    289: ("signalfd4", (E.EMFILE, E.ENOMEM)),
    291: ("epoll_create1", (E.EMFILE, E.ENOMEM)),
    292: ("dup3", (E.EMFILE, E.EBUSY)),
    293: ("pipe2", (E.EMFILE, E.ENFILE)),
    302: ("prlimit64", (E.EPERM,)),
    316: ("renameat2", (E.EIO, E.ENOSPC)),
    318: ("getrandom", (E.EINTR,)),
    319: ("memfd_create", (E.EMFILE, E.ENOMEM)),
    332: ("statx", (E.EIO, E.EACCES)),
    424: ("pidfd_send_signal", (E.ESRCH, E.EPERM)),
    434: ("pidfd_open", (E.EMFILE, E.ENOMEM)),
    435: ("clone3", (E.EAGAIN, E.ENOMEM)),
    439: ("faccessat2", (E.EACCES,)),
}

#: Signals' bookkeeping, the loader's and libc's own: no kernel refuses these to a living process.
NEVER_FAIL = frozenset(
    (10, 13, 14, 15, 16, 24, 25, 28, 33, 39, 51, 60, 63, 95, 96, 97, 99, 102, 104, 107, 108,
     109, 110, 112, 131, 158, 186, 202, 204, 218, 228, 230, 231, 273, 334, 436)
)  # fmt: skip


#: The errors of a pipe or a socket; FAILS has those of a file.
STREAMS = {READ: (E.ECONNRESET, E.EINTR), WRITE: (E.EPIPE, E.EINTR, E.ECONNRESET)}


def errors_of(call: Call, world: str) -> tuple[int, ...]:
    """The errors that this call is made to give, for a job in the directory `world`. Rule 2."""
    if call.number == CLOSE and not call.name.startswith(world):
        return ()  # only a disk is still at work at close()
    if call.number in STREAMS and not call.name.startswith("/"):
        errors = STREAMS[call.number]
        is_socket = call.name.startswith("socket:")
        if len(call.data) == 1:
            return ()  # a signal's number, to a pipe that its writer reads
        return tuple(each for each in errors if is_socket or each != E.ECONNRESET)
    return FAILS[call.number][1] if call.number in FAILS else ()


def name_of(number: int) -> str:
    """For people."""
    return FAILS[number][0] if number in FAILS else PRIVATE.get(number, f"call {number}")
