"""Where things are: journals, jobs' directories, and the real programs.

Rule 1: a directory that anybody else can write is refused, not used with care.
Rule 2: a stunt is never taken for the real program, by whatever name or link it is found.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
from pathlib import Path

from gpgshim.errors import Misconfigured, Unable

#: What a stunt's text contains, and no real program's: the import of its body.
_STUNT = b"from gpgshim."


def state_directory(environ: dict[str, str]) -> Path:
    """Where journals are: $STATE_DIRECTORY as systemd gives it, else under $XDG_STATE_HOME."""
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    base = environ.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):  # the XDG specification: a relative path is to be ignored
        base = os.path.expanduser("~/.local/state")
    return Path(base, "gpgshim")


def runtime_directory(environ: dict[str, str]) -> Path:
    """Where jobs' directories are made: $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/gpgshim, or /tmp."""
    if given := environ.get("RUNTIME_DIRECTORY"):
        return Path(given.split(":")[0])
    base = environ.get("XDG_RUNTIME_DIR", "")
    return Path(base, "gpgshim") if base.startswith("/") else Path("/tmp")


def make_private(directory: Path) -> None:
    """Make `directory`, and what is missing above it, on disk; or check the one that is there.

    Raises Misconfigured where another user owns it or can write to it, Unable where it cannot
    be made. A sticky directory that all can write, such as /tmp, passes: what is made in it is
    made by mkdtemp.
    """
    try:
        missing = [directory]
        while not missing[-1].parent.exists():
            missing.append(missing[-1].parent)
        for each in reversed(missing):
            with contextlib.suppress(FileExistsError):
                each.mkdir(mode=0o700)
                sync_directory(each.parent)
        info = directory.stat()
    except OSError as error:
        raise Unable(
            f"{directory} cannot be made or looked at: {error.strerror}: mend that, or name another"
            " place (XDG_STATE_HOME, XDG_RUNTIME_DIR); nothing was started"
        ) from error
    if not stat.S_ISDIR(info.st_mode):
        raise Misconfigured(f"{directory} is not a directory; nothing was started")
    check_ours(directory, info)
    check_above(directory)


def own_user() -> int:
    """Our effective user id as the kernel reports it.

    geteuid(2) is not the kernel's word under fakeroot(1) and proot(1): both change its result.
    """
    one, other = socket.socketpair()
    with one, other:
        return user_of(one)


def is_trusted(owner: int) -> bool:
    """Whether `owner`, as stat(2) reports it, is root or this user.

    What changes geteuid(2), such as fakeroot, changes stat(2) alike, so that one agrees with the
    other; it need not change both, so the kernel's own word counts too.
    """
    return owner in (0, os.geteuid(), own_user())


def user_of(end: socket.socket) -> int:
    """The user id of the process at the other end of a Unix socket, as the kernel reports it."""
    credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], sys.byteorder)


def check_ours(path: Path, info: os.stat_result) -> None:
    """Raises Misconfigured where another user owns `path` or can write to it.

    A sticky directory that all can write, such as /tmp, passes.
    """
    if not is_trusted(info.st_uid):
        raise Misconfigured(f"{path} belongs to user id {info.st_uid}; nothing was started")
    sticky = stat.S_ISDIR(info.st_mode) and info.st_mode & stat.S_ISVTX
    if info.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        raise Misconfigured(
            f"others can write to {path} (mode {stat.S_IMODE(info.st_mode):04o}): `chmod go-w` it;"
            " nothing was started"
        )


def check_above(directory: Path) -> None:
    """Raises Misconfigured where everybody can put another directory in the place of this one."""
    for above in directory.resolve().parents:
        try:
            mode = above.stat().st_mode
        except OSError as error:
            raise Unable(
                f"{above} cannot be looked at: {error.strerror}; nothing was started"
            ) from error
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise Misconfigured(
                f"everybody can write to {above} (mode {stat.S_IMODE(mode):04o}), and so can put"
                f" another {directory.name} in its place; nothing was started"
            )


def sync_directory(directory: Path) -> None:
    """Wait until the names in `directory` are on disk. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_stunt(path: Path) -> bool:
    """Whether the program at `path` is a stunt of ours. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(1024)
    return head.startswith(b"#!") and _STUNT in head


def can_be_run(stunt: Path) -> bool:
    """Whether execvp(3) would run this stunt, and not step over it to the next program on PATH.

    It steps over what is not there or may not be run, and over what has such an interpreter.
    """
    try:
        with stunt.open("rb") as file:
            interpreter = file.readline(256)[2:].split()[0]
    except (OSError, IndexError):
        return False
    return os.access(stunt, os.X_OK) and os.access(interpreter, os.X_OK)


def _is_program(path: Path) -> bool:
    """Whether `path` can be run, as execvp(3) would see it. Raises OSError where that stops."""
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False  # all else may hide the one that would be run; the next is another program
    return is_file and os.access(path, os.X_OK)


def find_real(name: str, search: str, given: str | None = None) -> Path | None:
    """The absolute path of the real program `name`: `given`, or the first in `search` (a PATH).

    None where `search` has none. Raises Misconfigured where `given` is none, or where what was
    found is a stunt. A stunt that comes first is not stepped over: it is another job's gate, and
    going round it must be said aloud.
    """
    if given is not None:
        candidates = [Path(given)]
    else:
        candidates = [Path(each, name) for each in search.split(":") if each.startswith("/")]
    for path in candidates:
        try:
            if not _is_program(path):
                continue
            if is_stunt(path):
                raise Misconfigured(
                    f"{path} is a stunt, not the real {name}: name the real one with --{name};"
                    " nothing was started"
                )
        except OSError as error:
            raise Misconfigured(
                f"{path} cannot be read: {error.strerror}; nothing was started"
            ) from error
        return path.absolute()
    if given is not None:
        raise Misconfigured(
            f"{given} is not a program that can be run, and was given as the real {name};"
            " nothing was started"
        )
    return None
