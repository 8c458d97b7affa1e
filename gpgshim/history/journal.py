# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal: one file for each attempt, which a person can read while the job runs.

Rule 1: a journal appears complete: its head and first state are on disk before it has its name.
Rule 2: a line counts only after sync() has returned. After a failed sync nothing is written.
Rule 3: an incomplete write is rolled back, so only a crash leaves a torn line.
Rule 4: a journal is locked before it has its name, and as long as its supervisor lives. Only the
kernel releases the lock, so any process can tell a job under way from a crashed one.
Rule 5: a journal is written and read through one descriptor, never by its name. If its name does
not lead to that file any more (moved, removed, replaced, hidden by a mount), it counts as removed.
Rule 6: the attempts of a job are numbered 1, 2, 3 and so on without a gap, unless the job has a
marker (see marker()). So the newest is found in a few steps, however many journals there are.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gpgshim.core import names
from gpgshim.core.codec import Record, text_of
from gpgshim.core.gate import State
from gpgshim.core.records import StateIs
from gpgshim.core.transcript import FORMAT, format_head
from gpgshim.history import settled
from gpgshim.system.descriptors import write_all
from gpgshim.system.errors import NotStarted, Unable
from gpgshim.system.files import sync_directory
from gpgshim.system.places import STATE_HINT, make_private

TRY_AGAIN = "start the job again: then that attempt decides"

_AT_ONCE = 1 << 20  #: bytes per read

#: fcntl(2)'s struct flock: type, whence, start, length (0: all), process id (0 in OFD locks).
_FLOCK = "@hhqqi0q"
_LOCK = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_UNLOCK = struct.pack(_FLOCK, fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0)


class Lost(OSError):
    """The journal's name does not lead to the file that we write. The message says what was seen.

    Without its name no reader would find our file; a file under that name has other content.
    """


def attempts(directory: Path, job: str) -> list[int]:
    """The numbers of all attempts of `job` that have a name, in order. Raises OSError.

    This reads the whole directory. newest_attempt() does not.
    """
    found = map(names.split, os.listdir(directory))
    return sorted(number for each, number in found if number and each == job)


def marker(directory: Path, job: str) -> Path:
    """The path of an empty file which means that the attempt numbers of `job` may have gaps.

    Pruning makes it before it removes a journal of the job, and removes it a day or more later.
    """
    return directory / names.marker_of(job)


def newest_attempt(directory: Path, job: str) -> int:
    """The highest number of an attempt of `job`; 0 if it has none. Raises OSError.

    Without a marker this costs a few stats: two for each doubling of the number of attempts.
    """
    newest = _search(directory, job)
    # Checked after the search: pruning may begin meanwhile. Its marker then stays for a day.
    if not has_name(marker(directory, job)):
        return newest
    # If the first name is removed and the second is made during one listing, that listing can miss
    # both. The next listing then has the second name.
    before, now = None, attempts(directory, job)
    while now != before:
        before, now = now, attempts(directory, job)
    return now[-1] if now else 0


def _search(directory: Path, job: str) -> int:
    """The highest number of an attempt of `job`, if no number below it is free."""
    taken, free = 0, 1
    while is_taken(directory, job, free):
        taken, free = free, free * 2
    while free - taken > 1:
        middle = (taken + free) // 2
        if is_taken(directory, job, middle):
            taken = middle
        else:
            free = middle
    return taken


def is_taken(directory: Path, job: str, attempt: int) -> bool:
    """Whether the name of that attempt of `job` exists, whatever it leads to. Raises OSError."""
    return has_name(f"{directory}/{names.journal_of(job, attempt)}")


def has_name(path: Path | str) -> bool:
    """Whether the name `path` exists, whatever it leads to. Raises OSError if that is unknown.

    os.path.lexists() says no after any error. Then a journal that the disk does not give back would
    not stop a new attempt.
    """
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


class Journal:
    """An attempt's open journal. `clock` gives seconds; times are relative to `create`."""

    def __init__(self, path: Path, fd: int, clock: Callable[[], float]) -> None:
        self.path = path
        self._fd = fd
        self._clock = clock
        self._began = clock()
        self._latest = 0.0  # time of the last line, in seconds since then
        found = os.fstat(fd)
        self._file = found.st_dev, found.st_ino
        self._length = found.st_size
        self._broken = ""
        self._lost = ""  # what was seen in its place, if it is lost
        self._synced = self._length  # bytes that are certainly on disk

    @classmethod
    def create(
        cls,
        directory: Path,
        job: str,
        head: dict[str, str],
        clock: Callable[[], float] = time.monotonic,
        after: int | None = None,
    ) -> Journal:
        """Make the journal of the next attempt of `job`: `directory`/`job`.N, on disk, exclusively.

        `head` comes after `job` and `attempt`. Raises Unable if that fails, Misconfigured if other
        users can write to `directory`, and NotStarted if there is an attempt later than `after`.
        """
        make_private(directory, STATE_HINT)
        try:
            # Not our process id: a process in another container may have the same.
            new = directory / f"{names.NEW}{os.urandom(8).hex()}"
            while True:
                attempt = newest_attempt(directory, job) + 1
                if after is not None and attempt > after + 1:
                    overtaken = names.journal_of(job, attempt - 1)
                    raise NotStarted(f"attempt {overtaken} was started meanwhile", hint=TRY_AGAIN)
                path = directory / names.journal_of(job, attempt)
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
                fd = os.open(new, flags, 0o600)
                try:
                    # A lock of the open file description: a fork keeps it, the last close ends it.
                    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _LOCK)
                    own = {"format": FORMAT, "job": job, "attempt": str(attempt)}
                    first = text_of(StateIs(State.UNCOMMITTED))
                    write_all(fd, f"{format_head(own | head)}{first}\n".encode("ascii"))
                    os.fsync(fd)
                    settled.forget(directory, path.name)
                    os.link(new, path)
                    if attempt > 1 and not is_taken(directory, job, attempt - 1):
                        # It was pruned meanwhile, so other attempts may begin at 1 again.
                        os.unlink(path)
                        raise FileExistsError(errno.EEXIST, "the attempts before it are gone")
                    os.unlink(new)
                    sync_directory(directory)
                except FileExistsError:  # the number is not the next one any more
                    os.close(fd)
                    os.unlink(new)
                    continue
                except BaseException:
                    os.close(fd)
                    with contextlib.suppress(OSError):
                        os.unlink(new)
                    raise
                return cls(path, fd, clock)
        except OSError as error:
            raise Unable(
                f"cannot make the journal of job {job} in {directory}: {error.strerror}"
            ) from error

    def note(self, *records: Record) -> None:
        """Append a line for each record, in one write.

        Raises OSError; then none of the lines is in the file.
        """
        if self._broken:
            raise OSError(5, f"nothing more is written to {self.path}: {self._broken}")
        # If the clock steps back, the last time is repeated: the times in a journal never decrease.
        at = self._latest = max(self._latest, self._clock() - self._began)
        data = "".join(f"+{at:.3f} {text_of(each)}\n" for each in records).encode("ascii")
        try:
            write_all(self._fd, data)
        except OSError:
            try:
                os.ftruncate(self._fd, self._length)
            except OSError as error:
                self._broken = f"an incomplete line could not be removed: {error.strerror}"
            raise
        self._length += len(data)

    def sync(self, record: Record | None = None) -> None:
        """Append `record`, if there is one, and wait until all lines are on disk.

        Raises OSError; then its line may or may not be on disk. Raises Lost if no reader would find
        it.
        """
        self.check_name()
        if record:
            self.note(record)
        elif self._broken:
            raise OSError(5, f"nothing more is written to {self.path}: {self._broken}")
        if self._synced == self._length:
            return
        try:
            os.fsync(self._fd)
            self._synced = self._length
        except OSError as error:
            # The kernel forgets the data that it could not write; a second fsync would lie.
            self._broken = f"an earlier fsync failed: {error.strerror}"
            raise
        self.check_name()  # a sync may take long, and the next step relies on the name

    def check_name(self) -> None:
        """Raises Lost if our name does not lead to our file, or did not at an earlier check."""
        try:
            found = os.lstat(self.path)
            seen = "" if self._is_ours(found) else "another file is in its place"
        except (FileNotFoundError, NotADirectoryError):
            seen = "it does not exist any more"
        if seen:
            self._lost = self._lost or f"{self.path} was removed, moved or replaced: {seen}"
        if self._lost:
            self._broken = self._broken or self._lost
            raise Lost(errno.ENOENT, self._lost)

    def _is_ours(self, found: os.stat_result) -> bool:
        return stat.S_ISREG(found.st_mode) and self._file == (found.st_dev, found.st_ino)

    def read(self) -> bytes:
        """The content of the file, also after close(). Raises OSError, and Lost as sync() does."""
        self.check_name()
        parts = []
        at = 0
        while part := os.pread(self._fd, _AT_ONCE, at):
            parts.append(part)
            at += len(part)
        return b"".join(parts)

    def read_synced(self) -> bytes:
        """The part of the content that is certainly on disk. Raises as read() does."""
        return self.read()[: self._synced]

    def close(self) -> None:
        """Release the lock. Nothing more can be appended; the file can be read until we end."""
        self._broken = "it is closed"
        try:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _UNLOCK)
        except OSError:
            with contextlib.suppress(OSError):  # closing also releases the lock
                os.close(self._fd)


class Content(NamedTuple):
    """A journal as it was read. `is_locked` says whether the supervisor that writes it is alive."""

    data: bytes
    is_locked: bool
    inode: int
    written: float  # its last write, in seconds since 1970


def read_content(path: Path | str) -> Content:
    """Read a plain file and its lock. Raises OSError, also for a file of another kind.

    A read of a named pipe would block, and a device may have no end.
    """
    with _open_plain(path) as file:
        found = os.fstat(file.fileno())
        # The lock is checked first: a supervisor that ends in between has written its outcome.
        is_locked = _is_locked(file.fileno())
        return Content(file.read(), is_locked, found.st_ino, found.st_mtime)


def read_plain(path: Path | str) -> bytes:
    """The content of a plain file. Raises OSError, also for a file of another kind."""
    with _open_plain(path) as file:
        return file.read()


def _open_plain(path: Path | str) -> BinaryIO:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    file = open(fd, "rb")  # noqa: SIM115 - the caller closes it
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "it is not a plain file")


def is_under_way(path: Path | str) -> bool:
    """Whether the supervisor that writes the journal at `path` is alive. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return _is_locked(fd)
    finally:
        os.close(fd)


def _is_locked(fd: int) -> bool:
    # F_OFD_GETLK reads the state of the lock without taking it, so no supervisor is disturbed.
    wanted = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
    found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, wanted)
    return bool(struct.unpack(_FLOCK, found)[0] == fcntl.F_WRLCK)


def locked_inodes() -> set[int] | None:
    """Inode numbers of all files with such a lock; None if that is unknown."""
    try:
        with open("/proc/locks") as file:
            fields = [line.split() for line in file]
    except OSError:
        return None
    # proc_locks(5): `1: OFDLCK ADVISORY WRITE -1 fe:00:2146503 0 EOF`; `1: -> …` waits for one.
    return {int(each[5].rpartition(":")[2]) for each in fields if each[1:2] == ["OFDLCK"]}
