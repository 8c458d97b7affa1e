# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's own directory: the stunts, and all files that they find next to themselves.

    JOB/bin/gpg, dgit, gpgconf    the stunts; JOB/bin goes first on the job's PATH; dgit only for
                                  a job under dgit-repos-server
    JOB/real/gpg and so on        links to the real programs
    JOB/table                     the real gpg's options
    JOB/until                     the time at which the stunt dgit gives up, if there is one
    JOB/observe                   exists in observe mode: the stunts hold and refuse nothing
    JOB/boot, JOB/orphans         boots in which a process may have JOB/bin on its PATH
    JOB/exported                  exists if a shell may have JOB/bin on its PATH
    JOB/wall                      a link to the directory after JOB/bin on the job's PATH (wall.py)
    JOB/journal                   a link to the attempt's journal
    JOB/gnupg, JOB/sockets        with a lock of gpg-agent: see the package agentlock
    JOB/at-agent                  exists if a stunt does not ask for a signature that the lock holds
    JOB/socket                    the supervisor's socket; removed when the supervisor ends
    JOB/code/gpg.TAG              the compiled code of the stunt gpg; the same for the others
    JOB/pyc/                      the compiled modules that CPython imports at its start

Rule 1: nothing in here changes after the job has started, so an upgrade of the package or of
python3 cannot give a job files of two versions.
Rule 2: every user who can reach the directory can run the stunts; a stunt of another user refuses.
Only the job's user can change anything in here, or connect to the socket.
Rule 3: the stunts stay while any process of the job may be alive (leftovers.py). Without them, an
orphan's PATH would lead it to the wall, and without the wall to the real gpg.
Rule 4: all attempts of a named job under `run` have their directory at the same path, because a
build tree keeps gpg's path from one attempt to the next. Each attempt puts a new directory there in
one step. Between attempts the programs there refuse.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import wire
from gpgshim.core.quoting import escape
from gpgshim.supervisor import leftovers, stuntcode
from gpgshim.supervisor.leftovers import RANDOM
from gpgshim.system.errors import Misconfigured, Unable
from gpgshim.system.places import LONGEST_SOCKET_PATH

#: Linux reads 256 bytes of a script's first line (BINPRM_BUF_SIZE), with its line feed.
LONGEST_SHEBANG = 255

_LONGEST_PREFIX = 24  #: bytes of the job's name at the start of its directory's name

#: Constants of renameat2(2).
_AT_FDCWD, _RENAME_NOREPLACE, _RENAME_EXCHANGE = -100, 1, 2


class Contents(NamedTuple):
    """The content of a job's directory.

    `table` is as optiontable.load reads it; `real` maps the stunts' names to the real programs;
    `until` is in seconds on the monotonic clock; `observe` makes the stunts hold and refuse
    nothing; `wall` is the directory after JOB/bin on the job's PATH.
    """

    table: str
    real: dict[str, Path]
    until: float | None = None
    observe: bool = False
    wall: Path | None = None


def make_for(base: Path, job: str, contents: Contents, keeps_path: bool) -> tuple[Path, int, bool]:
    """Make the directory of an attempt: its path, its lock, and whether its path is the shared one.

    With `keeps_path` it is at the path that all attempts of the job share, if possible. The lock is
    a descriptor, or -1. Raises as make() does.
    """
    place = make_at_its_path(base, job, contents) if keeps_path else None
    if place:
        return (*place, True)
    path, held = make(base, job, *contents), -1
    with contextlib.suppress(OSError):  # a file system without locks
        held = leftovers.hold(path)
    return path, held, False


def make(
    base: Path,
    job: str,
    table: str,
    real: dict[str, Path],
    until: float | None = None,
    observe: bool = False,
    wall: Path | None = None,
) -> Path:
    """Make a directory for an attempt of `job` under `base`; its path, which is unique.

    The arguments after `job` are the fields of Contents. Raises Misconfigured if a path is too long
    for a socket or a script, Unable if the disk refuses.
    """
    contents = Contents(table, real, until, observe, wall)
    with _unable(base, job):
        path = _make_directory(base, job[:_LONGEST_PREFIX])
        try:
            _fill(path, path, contents)
        except BaseException:
            remove(path)
            raise
    return path


def make_at_its_path(base: Path, job: str, contents: Contents) -> tuple[Path, int] | None:
    """Make the directory of an attempt at the path that all attempts of the named `job` share.

    The path, and a descriptor that holds its lock. None if another attempt holds the lock, if other
    users can write to `base` and so could create the path that a build tree remembers, or if the
    file system cannot exchange two directories. Raises as make() does.
    """
    path = base / f"{job[:_LONGEST_PREFIX]}.{_number_of(job):0{2 * RANDOM}x}"
    with _unable(base, job):
        if base.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return None
        new = _make_directory(base, job[:_LONGEST_PREFIX])
        held = -1
        try:
            _fill(new, path, contents)
            held = leftovers.hold(new)
            if _put_in_place(new, path):
                return path, held
        except BaseException:
            _close(held)
            remove(new)
            raise
        _close(held)
        remove(new)
    return None


def _put_in_place(new: Path, path: Path) -> bool:
    """Move `new` to `path` in one step, and remove the directory that was there.

    The result says whether it was done. The old directory is locked meanwhile, so this never
    happens while an attempt runs, nor twice at once.
    """
    while True:
        try:
            held = leftovers.hold(path)
        except FileNotFoundError:
            if _rename(new, path, _RENAME_NOREPLACE):
                return True
            if not os.path.lexists(path):
                return False
            continue  # another process was faster
        except OSError:
            return False  # its lock is held, or it is not a directory of ours
        try:
            if not os.path.samestat(os.fstat(held), path.lstat()):
                continue  # another process has replaced it meanwhile
            if not leftovers.is_ours(path):
                return False
            # At this path the lock of the new attempt has the same socket directory. A later sweep
            # of what remains of the old attempt must not remove its sockets.
            leftovers.release_sockets(path)
            if leftovers.may_have_orphans(path):
                (new / leftovers.ORPHANS).write_text(leftovers.boot_id())
            if not _rename(new, path, _RENAME_EXCHANGE):
                return False
            remove(new)  # after the exchange, this is the old directory
            return True
        except FileNotFoundError:
            continue  # another process removed it
        finally:
            os.close(held)


def _rename(old: Path, new: Path, flag: int) -> bool:
    """renameat2(2), which Python does not have; whether it succeeded."""
    try:
        import ctypes

        rename = ctypes.CDLL(None).renameat2
    except (ImportError, OSError, AttributeError):
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), flag) == 0)


def _number_of(job: str) -> int:
    # FNV-1a. Not a digest: hashlib takes longer to load than everything else here. If two names
    # have the same number, two jobs share one path: never at once, and each gets its own grants.
    number = 0xCBF29CE484222325
    for byte in job.encode():
        number = (number ^ byte) * 0x100000001B3 % (1 << 64)
    return number % (1 << 8 * RANDOM)


def link_journal(path: Path, journal: Path) -> None:
    """Link the attempt's journal in its directory `path`. Raises Unable."""
    try:
        (path / wire.JOURNAL).symlink_to(journal.absolute())
    except OSError as error:
        raise Unable(f"cannot make {path}/{wire.JOURNAL}: {error.strerror}") from error


def remove(path: Path) -> None:
    """Remove a job's directory, best effort."""
    # A directory that cannot be removed now is swept later. rmtree raises an error of fstat even
    # with ignore_errors, and its import can fail after an upgrade of python3.
    with contextlib.suppress(OSError, ImportError):
        import shutil

        leftovers.release_sockets(path)
        shutil.rmtree(path, ignore_errors=True)


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)


@contextlib.contextmanager
def _unable(base: Path, job: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unable(
            f"cannot make a directory for job {job} in {base}: {error.strerror}"
        ) from error


def _fill(at: Path, path: Path, contents: Contents) -> None:
    """Write all files of a job's directory into `at`, for a directory that will be at `path`."""
    given = os.umask(0o022)  # other users may read everything, and connect to nothing
    try:
        _check_path(path)
        for name in (leftovers.CODE, wire.BIN, wire.REAL):
            (at / name).mkdir()
        (at / leftovers.BOOT).write_text(leftovers.boot_id())
        (at / wire.TABLE).write_text(contents.table, "utf-8", "surrogateescape")
        if contents.until is not None:
            (at / wire.UNTIL).write_text(f"{contents.until:.3f}\n")
        if contents.observe:
            (at / wire.OBSERVE).touch()
        if contents.wall is not None:
            (at / wire.WALL).symlink_to(contents.wall)
        for name, program in contents.real.items():
            (at / wire.REAL / name).symlink_to(program)
            _write_stunt(at, path, name)
        stuntcode.write_prelude(at)
        at.chmod(0o711)
    finally:
        os.umask(given)


def _make_directory(base: Path, prefix: str) -> Path:
    # As tempfile.mkdtemp, whose import would take longer than making the whole directory.
    while True:
        path = base / f"{prefix}.{os.urandom(RANDOM).hex()}"
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            return path


def _interpreter() -> str:
    # Not sys.executable, which depends on argv[0] and PATH and may be another interpreter. Not a
    # virtual environment's link either, which would search for its pyvenv.cfg at every start.
    return os.path.realpath("/proc/self/exe")


def _shebang(path: Path) -> bytes:
    return f"#!{_interpreter()} -ISBXpycache_prefix={path}/pyc\n".encode()


def _check_path(path: Path) -> None:
    if ":" in str(path) or "\n" in str(path):
        # PATH would be split there, and the next gpg on PATH is the real one.
        raise Misconfigured(
            f"{escape(str(path))} has a colon or a line feed in it, and cannot be on PATH",
            hint="set XDG_RUNTIME_DIR to another directory",
        )
    if any("\udc80" <= letter <= "\udcff" for letter in str(path)):
        # The path is in the stunts' first line, which Python reads as UTF-8.
        raise Misconfigured(
            f"{escape(str(path))} is not UTF-8",
            hint="set XDG_RUNTIME_DIR to another directory",
        )
    socket = len(os.fsencode(path / wire.SOCKET))
    if socket > LONGEST_SOCKET_PATH:
        raise Misconfigured(
            f"{path}/{wire.SOCKET} has {socket} bytes; the limit is {LONGEST_SOCKET_PATH}",
            hint="set XDG_RUNTIME_DIR to a shorter path",
        )
    if not os.access(_interpreter(), os.X_OK):
        # execvp(3) steps over a script without its interpreter, to the real gpg.
        raise Misconfigured(
            f"there is no {_interpreter()} that could execute a stunt (is /proc mounted?)"
        )
    line = _shebang(path)
    if len(line) > LONGEST_SHEBANG or _interpreter().split() != [_interpreter()]:
        raise Misconfigured(
            f"{_interpreter()!r} is too long for a script's first line, or has a space in it"
        )


def stunt_template(name: str) -> Path:
    """The text of the stunt `name`: next to the package in a checkout, in it if installed."""
    package = Path(__file__).parents[1]
    inside = package / "bin" / name
    return inside if inside.exists() else package.parent / "bin" / name


def _write_stunt(at: Path, path: Path, name: str) -> None:
    body = stunt_template(name).read_bytes().partition(b"\n")[2]
    stunt = at / wire.BIN / name
    stunt.write_bytes(_shebang(path) + body)
    stunt.chmod(0o755)
    if not os.access(stunt, os.X_OK):
        # execvp(3) steps over a file that it may not run, and the next gpg on PATH is the real one.
        raise Misconfigured(
            f"no program can be executed from {path} (is it mounted noexec?)",
            hint="set XDG_RUNTIME_DIR to another directory",
        )
    stuntcode.write_code(at / leftovers.CODE, name)
