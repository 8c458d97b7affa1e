# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data that a gpg would sign: digests of plain files and of pipes, and whether it is git's.

Rule 1: nothing is consumed or changed: gpg reads the same data later, from the same place.
Rule 2: a file may be on a disk that does not answer, so only hasher.py's process calls this.
Rule 3: of a pipe, the data counts only if it is complete: its writer has closed it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import stat
from collections.abc import Iterator
from typing import NamedTuple

from gpgshim.core import gitdata
from gpgshim.core import records as r
from gpgshim.core.codec import Record

#: For one request, at most this many files and bytes are hashed, because the client waits.
MOST_FILES, MOST_BYTES = 100, 64 << 20
_AT_ONCE = 1 << 18  #: bytes that are read and hashed at a time
_PATIENCE = 0.1  #: seconds for the writer of a pipe, for example git, to finish


class Digest(NamedTuple):
    """The SHA-256 of some data, in hex; the number of bytes that were read; the first bytes.

    The SHA-256 is empty if there is too much data.
    """

    sha256: str
    size: int
    head: bytes = b""


def digests(paths: dict[str, str]) -> Iterator[Record]:
    """Notes on each plain file that can be read; the keys of `paths` are the files' names."""
    room = MOST_BYTES
    for called, path in paths.items():
        # Ignore a failing import: python3 may have been upgraded since we started.
        with contextlib.suppress(OSError, ValueError, ImportError):
            # Plain files only: if we opened a pipe, gpg would later open a different one.
            if stat.S_ISREG(os.stat(path).st_mode):
                found = hash_file(path, room)
                room -= found.size
                yield from _notes(called, found)


def of_stdin(pid: int) -> Iterator[Record]:
    """Notes on the data that process `pid` would read from its stdin."""
    path = f"/proc/{pid}/fd/0"
    source = r.Source.OTHER
    with contextlib.suppress(OSError, ValueError, ImportError):
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            yield from _notes(r.STDIN, hash_file(path, MOST_BYTES, _position(pid)))
            return
        if stat.S_ISFIFO(mode):
            source = r.Source.PIPE
            if (data := whole_pipe(path)) is not None:
                yield from _notes(r.STDIN, _digest(data))
                return
        elif stat.S_ISSOCK(mode):
            source = r.Source.SOCKET
        elif os.readlink(path).startswith(("/dev/pts/", "/dev/tty")):
            source = r.Source.TERMINAL
    yield r.DataUnread(source)


def _notes(called: str, found: Digest) -> Iterator[Record]:
    if not found.sha256:
        yield r.FileTooLarge(called)
        return
    yield r.FileDigest(found.sha256, called)
    if git := gitdata.record_of(found.head):
        yield git


def _position(pid: int) -> int:
    """How far process `pid` has read its stdin (proc(5)). Raises OSError, ValueError."""
    with open(f"/proc/{pid}/fdinfo/0") as file:
        return int(file.readline().removeprefix("pos:"))


def _digest(data: bytes) -> Digest:
    from hashlib import sha256  # loaded by now: see attempt.load_for_job

    return Digest(sha256(data).hexdigest(), len(data), data[: gitdata.MOST])


def hash_file(path: str, most: int, start: int = 0) -> Digest:
    """The digest of the file at `path`, from the byte `start` on.

    With more than `most` bytes, reading stops. Raises OSError; ValueError for a path with a NUL in
    it; ImportError.
    """
    from hashlib import sha256

    hashed = sha256()
    head = b""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if os.fstat(fd).st_size - start > most:
            return Digest("", 0)
        os.lseek(fd, start, os.SEEK_SET)
        read = 0
        while more := os.read(fd, _AT_ONCE):
            head = head or more[: gitdata.MOST]
            read += len(more)
            if read > most:
                return Digest("", read)  # the file grows while we read it
            hashed.update(more)
        return Digest(hashed.hexdigest(), read, head)
    finally:
        os.close(fd)


def whole_pipe(path: str) -> bytes | None:
    """The data in the pipe at `path`, without taking it out; None if it is not complete.

    Raises OSError, ImportError.
    """
    from gpgshim.system import kernel  # ctypes, which only a job with a pipe needs

    pipe = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        poll = select.poll()
        poll.register(pipe, 0)  # for POLLHUP: no process has it open for writing any more
        if not poll.poll(_PATIENCE * 1000):
            return None
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with open(reader, "rb") as ours, open(writer, "wb"):
            size = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, size)
            copied = kernel.tee(pipe, writer, size) if kernel.readable(pipe) else 0
            if copied != kernel.readable(pipe):
                return None
            return ours.read(copied) if copied else b""
    finally:
        os.close(pipe)
