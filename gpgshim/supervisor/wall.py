# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wall: for every name of a job's stunts, a program that only refuses.

A shell that cannot execute a program continues along PATH: dash, busybox sh, zsh and Python's
subprocess do so after any error of execve(2), and execvp(3) after some. A stunt is a script, and
its execve fails in more cases than the real program's does: the interpreter's name takes room among
the arguments (E2BIG), another user may not enter its directory (EACCES), and a mount namespace may
hide it (ENOENT). The wall's directory comes after the stunts on PATH, so a shell that steps over a
stunt finds the wall, and not the real gpg.

Rule 1: we never remove a wall. It stays until the next boot, so no process that once had it on its
PATH can reach the real gpg.
Rule 2: every user can enter it, and only its owner can change it. It holds nothing else.
Rule 3: its path is as short as possible. execve(2) counts the path among the arguments: a real gpg
with a shorter path would still fit in cases where the wall does not.
Rule 4: this kernel executes the program by itself; the program needs no library, no interpreter and
almost no memory. If such a file cannot be executed (another processor, noexec), the name is a
symbolic link to false(1).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import string
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from gpgshim.system import places
from gpgshim.system.errors import GpgshimError, Unable
from gpgshim.system.places import check_ours, is_trusted

#: Directories for a wall: only root can write in /run, all users in /tmp. Both outlive every job.
PLACES = (Path("/run"), Path("/tmp"))

STUNT_CANNOT_RUN = (
    "gpgshim refuses: this job's stunt cannot be executed here (the arguments are too long, its"
    " directory is hidden or gone, or this is another user); nothing was signed by this program"
)
JOB_IS_OVER = (
    "gpgshim refuses: no attempt of this job is under way; nothing was signed by this program"
)

NAMES = ("gpg", "dgit", "gpgconf")  #: all names of stunts

_REFUSED = 2  #: gpg's own exit status for a failure
_FALSE = ("/usr/bin/false", "/bin/false")
_KEEP = ".keep"  #: see _keep_from_cleaners

# write(2, text, length); exit_group(2). The text is directly after the code. <L> is its length.
_X86_64 = (
    b"\xbf\x02\x00\x00\x00"  # mov edi, 2
    b"\x48\x8d\x35\x1a\x00\x00\x00"  # lea rsi, [rip + 26]
    b"\xba%b"  # mov edx, <L>
    b"\xb8\x01\x00\x00\x00"  # mov eax, 1 (write)
    b"\x0f\x05"  # syscall
    b"\xbf\x02\x00\x00\x00"  # mov edi, 2
    b"\xb8\xe7\x00\x00\x00"  # mov eax, 231 (exit_group)
    b"\x0f\x05"  # syscall
    b"\x0f\x0b"  # ud2
)
_AARCH64 = (
    b"\x40\x00\x80\xd2"  # mov x0, #2
    b"\x01\x01\x00\x10"  # adr x1, . + 32
    b"%b"  # mov x2, #<L>
    b"\x08\x08\x80\xd2"  # mov x8, #64 (write)
    b"\x01\x00\x00\xd4"  # svc #0
    b"\x40\x00\x80\xd2"  # mov x0, #2
    b"\xc8\x0b\x80\xd2"  # mov x8, #94 (exit_group)
    b"\x01\x00\x00\xd4"  # svc #0
    b"\x00\x00\x00\x00"  # udf #0
)


def program(text: str, machine: str) -> bytes | None:
    """An executable file that writes `text` as a line to stderr, and exits with 2.

    None for a `machine` (a name of uname(2)) for which we have no code.
    """
    line = f"{text}\n".encode()
    if machine == "x86_64":
        number, code = 62, _X86_64 % struct.pack("<I", len(line))
    elif machine == "aarch64":
        number, code = 183, _AARCH64 % struct.pack("<I", 0xD2800002 | len(line) << 5)
    else:
        return None
    # elf(5): the file header, one program header, the code and the text.
    head, segment, base = 64, 56, 0x400000
    size = head + segment + len(code) + len(line)
    return (
        struct.pack(
            "<4s5B7xHHIQQQIHHHHHH",
            *(b"\x7fELF", 2, 1, 1, 0, 0),  # 64 bits, little-endian
            *(2, number, 1, base + head + segment, head, 0, 0),  # an executable; its entry point
            *(head, segment, 1, 0, 0, 0),
        )
        # Readable and executable; 64 KiB is the largest page size.
        + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000)
        + code
        + line
    )


def is_refusal(path: Path) -> bool:
    """Whether the file at `path` is one of these programs. Raises OSError."""
    return (path.is_symlink() and os.readlink(path) in _FALSE) or places.is_refusal(path)


def is_part(path: Path) -> bool:
    """Whether the program at `path` is one of a wall. Raises OSError."""
    return _refuses(path)


def fill(directory: Path, names: Iterable[str], text: str) -> None:
    """Put a program that refuses with `text` under each of `names`, replacing existing files.

    Each name is replaced in one step, and is never missing. Raises OSError.
    """
    first: Path | None = None
    for name in names:
        new = directory / f".{name}.{os.urandom(4).hex()}"
        try:
            if first is None:
                _write(new, text)
                first = directory / name
            else:
                try:
                    os.link(first, new, follow_symlinks=False)
                except OSError:  # a file system without hard links
                    _write(new, text)
            os.rename(new, directory / name)
        except BaseException:
            with contextlib.suppress(OSError):
                new.unlink()
            raise


def _write(path: Path, text: str) -> None:
    data = program(text, os.uname().machine)
    if data is not None:
        path.write_bytes(data)
        path.chmod(0o755)
        if _runs(path):
            _keep_from_cleaners(path)
            return
        path.unlink()
    for false in _FALSE:
        if os.access(false, os.X_OK):
            path.symlink_to(false)
            return
    raise OSError(8, f"no program that refuses can be executed from {path.parent}")


def _runs(path: Path) -> bool:
    # access(2) is not enough: the machine may allow only the programs of a list.
    if not os.access(path, os.X_OK):
        return False
    try:
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            silent = ((os.POSIX_SPAWN_DUP2, null, 2),)
            child = os.posix_spawn(path, [str(path)], {}, file_actions=silent)
        finally:
            os.close(null)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _REFUSED
    except OSError:
        return False


def _keep_from_cleaners(path: Path) -> None:
    # The XDG Base Directory Specification: cleaners must not remove a file with this bit, and so
    # not its directory either. Otherwise another user could take the directory's name.
    path.chmod(stat.S_IMODE(path.stat().st_mode) | stat.S_ISVTX)


def stand(names: Iterable[str], spare: Path) -> Path:
    """The wall with these names; it is made if there is none.

    `spare` is the directory for it if no directory for all users can be used. Raises Unable.
    """
    wanted = frozenset(names)
    problems = []
    for place in (*PLACES, spare):
        try:
            info = place.stat()
            check_ours(place, info)
            if place == spare or info.st_mode & stat.S_IXOTH:
                return _stand_in(place, wanted)
        except OSError as error:
            problems.append(f"{place}: {error.strerror}")
        except GpgshimError:
            continue  # other users could replace a directory there
    raise Unable(
        f"the wall, a directory of programs that refuse, cannot be made: {'; '.join(problems)}"
    ) from None


def _stand_in(place: Path, names: frozenset[str]) -> Path:
    """The wall in `place`, made if there is none. Raises OSError if none can be made."""
    for name in _short_names():
        path = place / name
        if _stands(path, names):
            return path
        if not os.path.lexists(path) and _build(path, names):
            return path
    raise OSError(17, "all names are taken")


def _short_names() -> Iterator[str]:
    letters = string.digits + string.ascii_lowercase
    for length in (1, 2):
        for each in itertools.product(letters, repeat=length):
            yield "g" + "".join(each)


def _build(path: Path, names: frozenset[str]) -> bool:
    """Make the wall at `path`; whether it now exists. Raises OSError if it cannot be made."""
    new = path.parent / f".gpgshim.{os.urandom(6).hex()}"
    new.mkdir(mode=0o700)
    try:
        fill(new, sorted(names), STUNT_CANNOT_RUN)
        if any(each.is_symlink() for each in new.iterdir()):
            (new / _KEEP).touch(mode=0o644)
            _keep_from_cleaners(new / _KEEP)
        new.chmod(0o755)
        os.rename(new, path)
    except BaseException as error:
        import shutil

        shutil.rmtree(new, ignore_errors=True)
        if isinstance(error, OSError) and os.path.lexists(path):
            return _stands(path, names)  # another process was faster, perhaps a job of this user
        raise
    return True


def _stands(path: Path, names: frozenset[str]) -> bool:
    """Whether `path` is a complete wall that only this user or root can change."""
    try:
        info = path.lstat()
        return (
            stat.S_ISDIR(info.st_mode)
            and is_trusted(info.st_uid)
            and stat.S_IMODE(info.st_mode) == 0o755
            and frozenset(os.listdir(path)) - {_KEEP} == names
            and all(_refuses(path / name) for name in names)
        )
    except OSError:
        return False


def _refuses(path: Path) -> bool:
    if path.is_symlink():
        return os.readlink(path) in _FALSE and os.access(path, os.X_OK)
    whole = path.read_bytes() == program(STUNT_CANNOT_RUN, os.uname().machine)
    return whole and os.access(path, os.X_OK)


def without_shorter(search: str, wall: Path) -> str:
    """The PATH `search`, without second, shorter names of its directories.

    A name is removed if it is shorter than the wall's path. On Debian, /bin is a link to /usr/bin,
    and PATH often names both. execve(2) counts the length of a program's path: with arguments of
    just the right length, /bin/gpg fits where neither the wall's gpg nor /usr/bin/gpg does. No
    program is lost: the first name leads to the same files.
    """
    kept: list[str] = []
    seen: set[tuple[int, int]] = set()
    for entry in search.split(":"):
        try:
            found = os.stat(entry) if entry.startswith("/") else None
        except OSError:
            found = None
        if found is not None:
            if (found.st_dev, found.st_ino) in seen and len(entry) < len(str(wall)):
                continue
            seen.add((found.st_dev, found.st_ino))
        kept.append(entry)
    return ":".join(kept)
