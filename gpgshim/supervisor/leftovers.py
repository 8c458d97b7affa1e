# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of attempts that are over: how long they stay, and what remains of them.

While a process of the job lives, its PATH leads to JOB/bin. No check of other processes can prove
that none lives, because a process can overwrite its own environment in /proc.

Rule 1: a directory stays until the next boot, unless its supervisor saw that no process of the job
was alive at the end. The kernel's boot id is in JOB/boot or in JOB/orphans.
Rule 2: a directory that stays can be reduced. After a day, if no process has it on its PATH in
/proc, and at the end of a named job's attempt, it is retired: its programs only refuse (wall.py),
and its other files are removed. Each program is replaced in one step, and is never missing.
Rule 3: a directory whose lock another process holds is not changed. A supervisor holds the lock of
its own directory (flock(2)) until it ends, and then the kernel releases the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from gpgshim.core import wire
from gpgshim.core.verdict import judge_bytes
from gpgshim.history.journal import read_plain
from gpgshim.supervisor import wall
from gpgshim.system.places import is_stunt, is_trusted

RANDOM = 6  #: random bytes, as hexadecimal digits, at the end of a directory's name
BOOT = "boot"  #: the boot of the attempt; removed if no process of it was alive at its end
ORPHANS = "orphans"  #: the boot of an earlier attempt at the same path that may have left processes
SHOWN = "exported"  #: exists if `supervise` printed the directory
CODE, PYC = "code", "pyc"  #: the stunts' compiled code; CPython's own modules
#: All names that can occur in a directory: see jobdir.
_ALL_THAT_IS_MADE = frozenset(
    (
        *(wire.BIN, wire.REAL, wire.TABLE, wire.UNTIL, wire.OBSERVE, wire.WALL, wire.SOCKET),
        *(wire.JOURNAL, wire.ALIAS, wire.SOCKETS, wire.AT_AGENT),
        *(CODE, PYC, SHOWN, BOOT, ORPHANS),
    )
)
_STAYS = frozenset((wire.BIN, wire.JOURNAL, BOOT, ORPHANS))  #: the names in a retired directory

DAY = 86400.0  #: seconds until an unused directory is retired or removed
#: The same for a directory that `supervise` printed: a shell may have it on its PATH. /proc does
#: not show this.
EXPORTED = 30 * DAY
MOST = 200  #: directories that one sweep retires or removes; every job starts a sweep


def boot_id() -> str:
    """The kernel's id of this boot; empty if it cannot be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return ""


def hold(path: Path) -> int:
    """Lock the directory `path` until the returned descriptor is closed. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(fd)
        raise
    return fd


def keep_whole(job: Path) -> None:
    """Keep `job` unchanged for EXPORTED, because a shell may have it on its PATH. Raises OSError.

    A shell that evals our output has JOB/bin on a PATH that no other process can see: its
    environment in /proc is the one that it was started with.
    """
    (job / SHOWN).touch()


def may_have_orphans(job: Path) -> bool:
    """Whether a process of an attempt in `job` may be alive. Raises OSError."""
    marks = [(job / name).read_text() for name in (BOOT, ORPHANS) if (job / name).exists()]
    this = boot_id()
    if not marks:  # an older version made it, or we retired it
        return is_stunt(job / wire.BIN / "gpg")
    return any(mark == this or not mark or not this for mark in marks)


def release_sockets(job: Path) -> None:
    """Remove the sockets of the lock, if the job in `job` had one, best effort."""
    if (job / wire.SOCKETS).is_dir():
        from gpgshim.agentlock import alias  # imported here: few jobs have a lock

        alias.release(job)


def retire(job: Path, nothing_is_alive: bool) -> None:
    """Leave only programs that refuse in the directory `job`. Raises OSError.

    `nothing_is_alive` says that the end of this attempt left no process; it says nothing about
    earlier attempts at this path.
    """
    import shutil

    programs = job / wire.BIN
    names = os.listdir(programs)
    wall.fill(programs, (name for name in names if name in wall.NAMES), wall.JOB_IS_OVER)
    for name in names:
        if name not in wall.NAMES:
            (programs / name).unlink()  # a process that was killed during this step left it
    if not nothing_is_alive and not any((job / name).exists() for name in (BOOT, ORPHANS)):
        (job / ORPHANS).write_text(boot_id())
    release_sockets(job)
    for name in os.listdir(job):
        path = job / name
        if name in _STAYS:
            continue
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()
    if nothing_is_alive:
        with contextlib.suppress(FileNotFoundError):
            (job / BOOT).unlink()


def sweep(base: Path) -> None:
    """Retire or remove directories of earlier attempts under `base` that are not needed any more.

    These are our own directories that are a day old, that no supervisor holds, and that no process
    has in its environment. A directory stays if this is unknown or if it cannot be removed.
    """
    environments: list[bytes] = []
    for number, path in enumerate(_old_directories(base)):
        if number >= MOST:
            break
        environments = environments or list(_environments())
        with contextlib.suppress(OSError, ImportError):
            if is_ours(path) and not is_served(path):
                _sweep(path, environments)


def _sweep(path: Path, environments: list[bytes]) -> None:
    held = hold(path)
    try:
        wanted = os.fsencode(path / wire.BIN)
        if any(wanted in each for each in environments):
            return
        if not may_have_orphans(path):
            import shutil

            release_sockets(path)
            shutil.rmtree(path)
        elif set(os.listdir(path)) <= _STAYS and not is_stunt(path / wire.BIN / "gpg"):
            return  # it is retired, and stays until the next boot
        elif not (path / SHOWN).exists() or _is_older(path, EXPORTED):
            retire(path, nothing_is_alive=False)
    finally:
        os.close(held)


def _is_older(path: Path, seconds: float) -> bool:
    return path.stat().st_mtime < time.time() - seconds


def _old_directories(base: Path) -> Iterator[Path]:
    """Directories named as ours and unchanged for a day. Cheap, because there may be thousands."""
    long_ago = time.time() - DAY
    with contextlib.suppress(OSError), os.scandir(base) as entries:
        for entry in entries:
            _, dot, suffix = entry.name.rpartition(".")
            if dot and len(suffix) == 2 * RANDOM and set(suffix) <= set("0123456789abcdef"):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < long_ago:
                        yield Path(entry.path)


def is_ours(path: Path) -> bool:
    """Whether jobdir made `path`, by all its properties: `base` may be /tmp, with others' files."""
    try:
        found = path.lstat()
        gpg = path / wire.BIN / "gpg"
        return (
            stat.S_ISDIR(found.st_mode)
            and stat.S_IMODE(found.st_mode) in (0o700, 0o711)
            and is_trusted(found.st_uid)
            and set(os.listdir(path)) <= _ALL_THAT_IS_MADE
            and (wall.is_refusal(gpg) or is_stunt(gpg))
        )
    except OSError:
        return False


def closed_attempt(job: Path) -> str:
    """The attempt (JOB.N) of the directory `job` if it is over; empty if it is not, or unknown.

    It is over if its journal has its outcome: then its gate is closed and grants nothing more.
    """
    try:
        journal = Path(os.readlink(job / wire.JOURNAL))
        is_over = is_ours(job) and judge_bytes(read_plain(journal)).told
    except OSError:
        return ""
    return journal.name if is_over else ""


class ClosedJobs:
    """The stunts and walls that a search for a real program may pass over, in the order of PATH.

    A call says whether it may pass over the program at a path, which is a stunt or only refuses.
    These are the stunts of a job that is over, and after each of them one wall. A wall without such
    a stunt before it may protect a job whose directory is hidden here.
    """

    def __init__(self) -> None:
        self.passed: list[str] = []  #: the attempts whose stunts were passed over
        self._wall_follows = False

    def __call__(self, path: Path) -> bool:
        if self._wall_follows and wall.is_part(path):
            self._wall_follows = False
            return True
        attempt = closed_attempt(path.parent.parent) if path.parent.name == wire.BIN else ""
        self._wall_follows = bool(attempt)
        if attempt and attempt not in self.passed:
            self.passed.append(attempt)
        return bool(attempt)


def is_served(job: Path) -> bool:
    """Whether the job of this directory has its supervisor. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        try:
            peer.connect(os.fsencode(job / wire.SOCKET))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True


def _environments() -> Iterator[bytes]:
    for each in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # of another user, or the process has ended
            yield each.read_bytes()
