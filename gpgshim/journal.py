"""The journal: one file an attempt, which a person can read while the job runs.

Rule 1: a journal appears whole: the head and the first state are on disk before it has its name.
Rule 2: sync() has returned, or the line does not count. After a failed sync nothing is written.
Rule 3: what could not be written whole is taken back: only a crash leaves a torn line.
Rule 4: a journal is locked before it has its name, and as long as its supervisor lives. The kernel
takes the lock away, and nobody else can: who looks can tell a job under way from a crashed one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

from gpgshim.descriptors import write_all
from gpgshim.errors import Misconfigured, Unable
from gpgshim.gate import State
from gpgshim.places import make_private, sync_directory
from gpgshim.transcript import Line, escape, format_head

_LONGEST_NAME = 120  #: bytes; a file name has 255, and a runtime directory's path has to fit 107

#: fcntl(2)'s struct flock: type, whence, start, length (0: all), process id (0 in OFD locks).
_FLOCK = "@hhqqi0q"
_LOCK = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def check_job_name(name: str) -> str:
    """`name`, if a job may be called so. Raises Misconfigured.

    A name becomes a file name and a line of a head, so it is made of letters, digits and `._+~,-`
    and begins with a letter or a digit.
    """
    if not name or len(name) > _LONGEST_NAME:
        raise Misconfigured(
            f"a job's name has 1 to {_LONGEST_NAME} characters, not {len(name)};"
            " nothing was started"
        )
    if not (
        name.isascii() and name[0].isalnum() and all(c.isalnum() or c in "._+~,-" for c in name)
    ):
        raise Misconfigured(
            f"{escape(name)!r} cannot be a job's name: letters, digits and ._+~,- only,"
            " a letter or a digit first; nothing was started"
        )
    return name


def next_attempt(directory: Path, job: str) -> int:
    """The number of the next attempt of `job`: there is no journal of it, and one of that before.

    A job with thousands of attempts costs a dozen looks more than one with one.
    """

    def is_taken(attempt: int) -> bool:
        return os.path.lexists(f"{directory}/{job}.{attempt}")

    taken, free = 0, 1
    while is_taken(free):
        taken, free = free, free * 2
    while free - taken > 1:
        middle = (taken + free) // 2
        taken, free = (middle, free) if is_taken(middle) else (taken, middle)
    return free


class Journal:
    """An attempt's open journal. `clock` gives seconds; they are written since `create`."""

    def __init__(self, path: Path, fd: int, clock: Callable[[], float]) -> None:
        self.path = path
        self._fd = fd
        self._clock = clock
        self._began = clock()
        self._length = os.fstat(fd).st_size
        self._broken = ""
        self._synced = self._length  # bytes that the disk has

    @classmethod
    def create(
        cls,
        directory: Path,
        job: str,
        head: dict[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> Journal:
        """Make the journal of the next attempt of `job`: `directory`/`job`.N, on disk, exclusive.

        `head` goes in after `job` and `attempt`. Raises Unable where that cannot be done, and
        Misconfigured where others can write to `directory`.
        """
        make_private(directory)
        try:
            # Not our process id: others may have the same in a container of their own.
            new = directory / f".new.{os.urandom(8).hex()}"
            while True:
                attempt = next_attempt(directory, job)
                path = directory / f"{job}.{attempt}"
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
                fd = os.open(new, flags, 0o600)
                try:
                    # An open file description's lock: a fork keeps it, and the last close ends it.
                    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _LOCK)
                    text = format_head({"job": job, "attempt": str(attempt), **head})
                    write_all(fd, f"{text}! {State.UNCOMMITTED}\n".encode("ascii"))
                    os.fsync(fd)
                    os.link(new, path)
                    os.unlink(new)
                    sync_directory(directory)
                except FileExistsError:  # another attempt has taken the number meanwhile
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
                f"cannot make the journal of job {job} in {directory}: {error.strerror};"
                " nothing was started"
            ) from error

    def note(self, *lines: str) -> None:
        """Append `lines`, each of which begins with its sigil, in one write.

        Raises OSError, and then none of them is there.
        """
        if self._broken:
            raise OSError(5, f"nothing more is written to {self.path}: {self._broken}")
        at = self._clock() - self._began
        data = "".join(f"{_line(line, at)}\n" for line in lines).encode("ascii")
        try:
            write_all(self._fd, data)
        except OSError:
            try:
                os.ftruncate(self._fd, self._length)
            except OSError as error:
                self._broken = f"half a line could not be taken back: {error.strerror}"
            raise
        self._length += len(data)

    def sync(self, line: str = "") -> None:
        """Append `line`, if there is one, and wait until the disk has all that was appended.

        Raises OSError, and then the disk may or may not have it.
        """
        if line:
            self.note(line)
        elif self._broken:
            raise OSError(5, f"nothing more is written to {self.path}: {self._broken}")
        if not os.fstat(self._fd).st_nlink:
            self._broken = "it has been removed"
            raise OSError(2, f"{self.path} has been removed: nobody would find what it says")
        if self._synced == self._length:
            return
        try:
            os.fsync(self._fd)
            self._synced = self._length
        except OSError as error:
            # The kernel forgets what it could not write; a second fsync would lie.
            self._broken = f"an earlier fsync failed: {error.strerror}"
            raise

    def read(self) -> bytes:
        """What the file holds now."""
        return self.path.read_bytes()

    def close(self) -> None:
        """Close the file. Nothing more can be appended."""
        self._broken = "it is closed"
        with contextlib.suppress(OSError):  # which closes all the same; what counts was synced
            os.close(self._fd)


def _line(line: str, at: float) -> Line:
    sigil, _, text = line.partition(" ")
    return Line(sigil, text, at) if text else Line("", sigil, at)


def is_under_way(path: Path | str) -> bool:
    """Whether the supervisor that writes the journal at `path` is alive. Raises OSError.

    It is asked of the kernel, without taking the lock: nobody is in a supervisor's way.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        wanted = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, wanted)
    finally:
        os.close(fd)
    return bool(struct.unpack(_FLOCK, found)[0] == fcntl.F_WRLCK)


def locked_inodes() -> set[int] | None:
    """Inode numbers of all files that somebody has locked so; None where that cannot be told."""
    try:
        with open("/proc/locks") as file:
            fields = [line.split() for line in file]
    except OSError:
        return None
    # proc_locks(5): `1: OFDLCK ADVISORY WRITE -1 fe:00:2146503 0 EOF`; `1: -> …` waits for one.
    return {int(each[5].rpartition(":")[2]) for each in fields if each[1:2] == ["OFDLCK"]}
