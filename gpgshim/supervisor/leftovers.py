"""Jobs' directories whose attempt is over: how long they stay, and what is left of them.

While a process of the job lives, its PATH leads to JOB/bin. No look at other processes can tell
for certain that none lives: the environment in /proc can be overwritten by the process itself.

Rule 1: a directory stays until the next boot, unless its supervisor saw that nothing of the job
was alive at the end. The kernel's boot id is in JOB/boot, or in JOB/orphans.
Rule 2: what stays need not stay whole. After a day, if no process has it on its PATH in /proc, and
at the end of a named job's attempt, it is retired: its programs only refuse (wall.py), and the rest
is gone. Each program is replaced in one step, and at no moment missing.
Rule 3: nothing is done to a directory whose lock another process holds. A supervisor holds the
lock of its own (flock(2) on the directory) until it ends, and the kernel takes it away.
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

from gpgshim.supervisor import wall
from gpgshim.system.places import is_stunt, is_trusted

RANDOM = 6  #: bytes, as hexadecimal digits, at the end of a directory's name
#: All names that there can be in one: see jobdir.
_ALL_THAT_IS_MADE = frozenset(
    (
        *("bin", "real", "table", "until", "observe", "exported", "socket", "code", "pyc", "wall"),
        *("boot", "orphans"),
    )
)
BOOT = "boot"  #: the boot in which the attempt began; gone when nothing of it was alive at its end
ORPHANS = "orphans"  #: the boot in which an earlier attempt at the same path may have left some
_STAYS = frozenset(("bin", BOOT, ORPHANS))  #: what a retired directory has

DAY = 86400.0  #: seconds until an unused directory is retired or removed
#: The same for one that a shell has on its PATH: `supervise` printed it. /proc does not show that.
EXPORTED = 30 * DAY
MOST = 200  #: directories that one sweep retires or removes; each job sweeps


def boot_id() -> str:
    """What the kernel calls this boot; empty where that cannot be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return ""


def hold(path: Path) -> int:
    """Lock the directory `path`, until the descriptor is closed. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(fd)
        raise
    return fd


def keep_whole(job: Path) -> None:
    """Have `job` kept as it is for EXPORTED: a shell may have it on its PATH. Raises OSError.

    A shell that evals what we print has JOB/bin on a PATH that nobody else can see: its environment
    in /proc is the one that it was started with.
    """
    (job / "exported").touch()


def may_have_orphans(job: Path) -> bool:
    """Whether a process of an attempt in `job` may be alive. Raises OSError."""
    marks = [(job / name).read_text() for name in (BOOT, ORPHANS) if (job / name).exists()]
    this = boot_id()
    if not marks:  # made by an older version, or retired by us
        return is_stunt(job / "bin/gpg")
    return any(mark == this or not mark or not this for mark in marks)


def retire(job: Path, nothing_is_alive: bool) -> None:
    """Leave programs that refuse, and nothing else, in the directory `job`. Raises OSError.

    `nothing_is_alive` is whether the end of this attempt left no process; of earlier attempts at
    this path it says nothing.
    """
    import shutil

    programs = job / "bin"
    names = os.listdir(programs)
    wall.fill(programs, (name for name in names if name in wall.NAMES), wall.JOB_IS_OVER)
    for name in names:
        if name not in wall.NAMES:
            (programs / name).unlink()  # left by one that was killed as it did this
    if not nothing_is_alive and not any((job / name).exists() for name in (BOOT, ORPHANS)):
        (job / ORPHANS).write_text(boot_id())
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
    """Retire or remove what attempts before us left under `base`, where nothing needs it any more.

    That is: our own directories, a day old, which no supervisor holds, and no process has in its
    environment. What cannot be told or removed stays.
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
        wanted = os.fsencode(path / "bin")
        if any(wanted in each for each in environments):
            return
        if not may_have_orphans(path):
            import shutil

            shutil.rmtree(path)
        elif set(os.listdir(path)) <= _STAYS and not is_stunt(path / "bin/gpg"):
            return  # it is retired, and stays until the next boot
        elif not (path / "exported").exists() or _is_older(path, EXPORTED):
            retire(path, nothing_is_alive=False)
    finally:
        os.close(held)


def _is_older(path: Path, seconds: float) -> bool:
    return path.stat().st_mtime < time.time() - seconds


def _old_directories(base: Path) -> Iterator[Path]:
    """What has a name as ours, and has not changed for a day: cheap, there may be thousands."""
    long_ago = time.time() - DAY
    with contextlib.suppress(OSError), os.scandir(base) as entries:
        for entry in entries:
            _, dot, suffix = entry.name.rpartition(".")
            if dot and len(suffix) == 2 * RANDOM and set(suffix) <= set("0123456789abcdef"):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < long_ago:
                        yield Path(entry.path)


def is_ours(path: Path) -> bool:
    """Whether `path` is what jobdir makes, by all of it: `base` may be /tmp, with others' work."""
    try:
        found = path.lstat()
        gpg = path / "bin/gpg"
        return (
            stat.S_ISDIR(found.st_mode)
            and stat.S_IMODE(found.st_mode) in (0o700, 0o711)
            and is_trusted(found.st_uid)
            and set(os.listdir(path)) <= _ALL_THAT_IS_MADE
            and (wall.is_refusal(gpg) or is_stunt(gpg))
        )
    except OSError:
        return False


def is_served(job: Path) -> bool:
    """Whether the job whose directory this is has its supervisor. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        try:
            peer.connect(os.fsencode(job / "socket"))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True


def _environments() -> Iterator[bytes]:
    for each in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # another user's, or gone
            yield each.read_bytes()
