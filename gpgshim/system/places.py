# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The locations of journals, jobs' directories and the real programs, and checks of them.

Rule 1: a path that another user controls, or could replace at any component, is refused. check_path
is the only check, for all our directories and files.
Rule 2: a stunt is never taken for the real program, under any name or link.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from gpgshim.system.errors import Misconfigured, Unable
from gpgshim.system.files import sync_directory
from gpgshim.system.ownprocess import check_proc

#: A text in every stunt, and in no real program: the import of its body.
#: The text of a stunt has one of these; the first is that of dgit-repos-server and of older stunts.
_STUNT = (b"from gpgshim.", b"gpgshim.stunts.")
#: A text in every program of wall.py, and in no other program of that size.
REFUSAL = b"gpgshim refuses: "

#: sun_path has 108 bytes, and the last one is a NUL.
LONGEST_SOCKET_PATH = 107
_MOST_LINKS = 40  #: symbolic links on one path, the same limit as the kernel's (path_resolution(7))

#: Hints for a directory that another user controls.
RUNTIME_HINT = (
    "unset XDG_RUNTIME_DIR, or set it to a directory of this user (`sudo -E` leaves the caller's)"
)
STATE_HINT = "set XDG_STATE_HOME to a directory of this user (`sudo -E` leaves the caller's HOME)"


def state_directory(environ: dict[str, str]) -> Path:
    """The directory of the journals: $STATE_DIRECTORY (from systemd), or below $XDG_STATE_HOME.

    Raises Misconfigured if the environment names no directory and the user has no home.
    """
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    base = xdg_directory(environ, "XDG_STATE_HOME", ".local/state")
    if base is None:
        raise Misconfigured(
            "there is no place for journals: HOME is not an absolute path, and user id"
            f" {os.getuid()} has no home in /etc/passwd",
            hint="set HOME or XDG_STATE_HOME",
        )
    return base / "gpgshim"


def xdg_directory(
    environ: Mapping[str, str], variable: str, below_home: str | None = None
) -> Path | None:
    """The directory that `variable` names, or `below_home` in the user's home; None without both.

    Source: the XDG Base Directory Specification. A variable that is empty or a relative path is
    ignored. doc/adr/0009 says why this is not a library's.
    """
    given = environ.get(variable, "")
    if given.startswith("/"):
        return Path(given)
    if below_home is None or (directory := home(environ)) is None:
        return None
    return Path(directory, below_home)


def home(environ: Mapping[str, str]) -> str | None:
    """The user's home: $HOME, or from the user database; None if neither is an absolute path."""
    given = environ.get("HOME", "")
    if not given.startswith("/"):
        import pwd

        try:
            given = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            return None
    return given if given.startswith("/") else None


def runtime_directory(environ: dict[str, str]) -> Path:
    """The base of jobs' directories: $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/gpgshim, or /tmp."""
    if given := environ.get("RUNTIME_DIRECTORY"):
        return Path(given.split(":")[0])
    base = xdg_directory(environ, "XDG_RUNTIME_DIR")
    return Path("/tmp") if base is None else base / "gpgshim"


def make_private(directory: Path, hint: str = "name another place") -> None:
    """Make `directory` and its missing parents, on disk; or check the existing directory.

    Raises Misconfigured if another user controls it (see check_path; `hint` is the advice), Unable
    if it cannot be made. A sticky directory that all users can write to, such as /tmp, passes: each
    name that we make in it is random.
    """
    check_path(directory, hint)  # nothing is made in a directory that another user controls
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
            f"{directory} cannot be made or examined: {error.strerror}",
            hint="repair that, or name another place (XDG_STATE_HOME, XDG_RUNTIME_DIR)",
        ) from error
    if not stat.S_ISDIR(info.st_mode):
        raise Misconfigured(f"{directory} is not a directory", hint=hint)
    check_path(directory, hint)


def own_user() -> int:
    """Our effective user id as the kernel reports it.

    Under fakeroot(1) and proot(1), the result of geteuid(2) is changed and not the kernel's.
    """
    one, other = socket.socketpair()
    with one, other:
        return user_of(one)


def is_trusted(owner: int) -> bool:
    """Whether `owner`, as stat(2) reports it, is root or this user.

    A tool that changes geteuid(2), such as fakeroot, usually changes stat(2) in the same way, so
    the two agree. It need not change both, so the kernel's own report counts too.
    """
    return owner in (0, os.geteuid()) or owner == own_user()


def user_of(end: socket.socket) -> int:
    """The user id of the process at the other end of a Unix socket, as the kernel reports it."""
    return peer_of(end)[1]


def peer_of(end: socket.socket) -> tuple[int, int]:
    """The process id and the user id of the process at the other end, as the kernel reports them.

    It is the process that has connected, or called listen(2).
    """
    # stunts/ask.py has this too: a stunt does not import this package.
    credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, user = credentials[:4], credentials[4:8]
    return int.from_bytes(pid, sys.byteorder), int.from_bytes(user, sys.byteorder)


def check_path(path: Path, hint: str = "name another place") -> None:
    """Raises Misconfigured if another user controls `path`, or could replace it.

    Every component is checked, and symbolic links are followed one by one. The owner must be root
    or this user. Other users must not be able to write to it, unless it is a sticky directory:
    there they cannot rename files of other users, and a symbolic link in it must be root's or ours.
    Missing components at the end are not checked. `hint` is the advice in the message. Raises
    Unable for a component that cannot be examined.
    """
    waiting = [*reversed(path.absolute().parts)]
    at = Path("/")
    links = 0
    in_sticky = False
    while waiting:
        below = at / waiting.pop()  # an absolute part replaces the path so far
        try:
            info = below.lstat()
            is_link = stat.S_ISLNK(info.st_mode)
            parts = [*reversed(Path(os.readlink(below)).parts)] if is_link else []
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unable(f"{below} cannot be examined: {error.strerror}") from error
        if not is_link:
            check_ours(below, info, path, hint)
            at = below
            in_sticky = bool(info.st_mode & stat.S_ISVTX)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise Unable(f"{path} has too many symbolic links in it")
        if in_sticky and not _is_ours_or_of_the_system(info.st_uid):
            raise Misconfigured(
                f"{below} is a symbolic link of user id {info.st_uid}, who can change its target",
                hint=hint,
            )
        waiting += parts


def check_ours(
    at: Path, info: os.stat_result, path: Path | None = None, hint: str = "name another place"
) -> None:
    """Raises Misconfigured if another user owns `at` or can write to it.

    `at` is `path` (default), or a directory above it. A sticky directory that all users can write
    to, such as /tmp, passes. A file or directory also passes if its group can write to it and has
    no members but root and us.
    """
    replace = f"replace {path}" if path not in (None, at) else ""
    if not _is_ours_or_of_the_system(info.st_uid):
        can = f", who can {replace}" if replace else ""
        raise Misconfigured(f"{at} belongs to user id {info.st_uid}{can}", hint=hint)
    if stat.S_ISDIR(info.st_mode) and info.st_mode & stat.S_ISVTX:
        return
    by_group = info.st_mode & stat.S_IWGRP and not _is_private_group(at, info.st_gid)
    if by_group or info.st_mode & stat.S_IWOTH:
        can = f", and so can {replace}" if replace else ""
        raise Misconfigured(
            f"others can write to {at} (mode {stat.S_IMODE(info.st_mode):04o}){can}",
            hint=f"`chmod go-w {at}`, or {hint}",
        )


def _is_ours_or_of_the_system(owner: int) -> bool:
    return is_trusted(owner) or (owner == _overflow_user() and not _is_mapped(owner))


def _overflow_user() -> int:
    """The user id that stat(2) reports for users outside of our user namespace.

    Raises Misconfigured without /proc, and Unable if it cannot be read there: then it is not known
    whether a user is outside.
    """
    path = Path("/proc/sys/kernel/overflowuid")
    try:
        return int(path.read_text())
    except OSError as error:
        check_proc()
        raise Unable(f"{path} cannot be read: {error.strerror}") from error


def _is_mapped(user: int) -> bool:
    """Whether `user` exists in our user namespace (user_namespaces(7)).

    In the user namespace of an ordinary user, root is not mapped, and root's directories have
    another owner. Raises Unable if that cannot be read.
    """
    path = Path("/proc/self/uid_map")
    try:
        rows = [[int(each) for each in row.split()] for row in path.read_text().splitlines()]
    except FileNotFoundError:
        return True  # a kernel without user namespaces
    except OSError as error:
        raise Unable(f"{path} cannot be read: {error.strerror}") from error
    return any(first <= user < first + count for first, _, count in rows)


def _is_private_group(at: Path, group: int) -> bool:
    """Whether `group` has no members but root and us, and `at` has no access list (ACL).

    Only /etc/passwd and /etc/group are read: a name service can hang, and may not list all its
    users.
    """
    try:
        os.getxattr(at, "system.posix_acl_access")
        return False  # with an ACL, the group bits are only the upper limit of its entries
    except OSError:
        pass
    try:
        users = [row.split(":") for row in Path("/etc/passwd").read_text().splitlines()]
        groups = [row.split(":") for row in Path("/etc/group").read_text().splitlines()]
        ours = {row[0] for row in users if is_trusted(int(row[2]))}
        primary = {row[0] for row in users if int(row[3]) == group}
        members = [{*row[3].split(",")} - {""} for row in groups if int(row[2]) == group]
    except (OSError, ValueError, IndexError):
        return False
    return bool(members) and set().union(primary, *members) <= ours


def is_stunt(path: Path) -> bool:
    """Whether the program at `path` is one of our stunts. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(1024)
    return head.startswith(b"#!") and any(mark in head for mark in _STUNT)


def is_refusal(path: Path) -> bool:
    """Whether the program at `path` only refuses (wall.py). Raises OSError."""
    with path.open("rb") as file:
        head = file.read(1024)
    return head.startswith(b"\x7fELF") and REFUSAL in head


def can_be_run(stunt: Path) -> bool:
    """Whether execvp(3) would run this stunt, and not step over it to the next program on PATH.

    execvp steps over a file that is missing or not executable, or whose interpreter is.
    """
    try:
        with stunt.open("rb") as file:
            interpreter = file.readline(256)[2:].split()[0]
    except (OSError, IndexError):
        return False
    return os.access(stunt, os.X_OK) and os.access(interpreter, os.X_OK)


def _is_program(path: Path) -> bool:
    """Whether execvp(3) would run `path`. Raises OSError for errors at which its search stops."""
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False  # any other error may hide the program that would be run: stop the search
    return is_file and os.access(path, os.X_OK)


def _hint_for_stunt(name: str, search: str, given: str | None) -> str:
    """What to do about a stunt in the place of the real program `name`."""
    if given is not None:
        return f"name the real one with --{name}"
    rest = shlex.quote(without_stunts(search))
    return (
        f"if the job of this stunt is over, take it off PATH: `PATH={rest}`;"
        f" otherwise name the real {name} with --{name}"
    )


def without_stunts(search: str) -> str:
    """The PATH `search` without the directories that jobs put on it: of stunts, and walls."""

    def has_stunts(directory: str) -> bool:
        gpg = Path(directory, "gpg")
        try:
            return _is_program(gpg) and (is_stunt(gpg) or is_refusal(gpg))
        except (OSError, ValueError):  # ValueError: a NUL
            return False

    return ":".join(each for each in search.split(":") if not has_stunts(each))


def candidates(name: str, search: str) -> list[Path]:
    """The paths at which the program `name` may be, by the PATH `search`, in its order.

    A directory with a relative path is not searched: it depends on the directory of the process.
    """
    return [Path(each, name) for each in search.split(":") if each.startswith("/")]


def find_program(name: str, search: str) -> Path | None:
    """The first executable `name` on the PATH `search`, a stunt or not."""
    paths = candidates(name, search)
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def find_real(
    name: str,
    search: str,
    given: str | None = None,
    may_pass: Callable[[Path], bool] = lambda _path: False,
) -> Path | None:
    """The absolute path of the real program `name`: `given`, or the first in `search` (a PATH).

    None if `search` has none. Raises Misconfigured if `given` cannot be run, or if the program that
    was found is a stunt. A stunt is not skipped: it is another job's gate, and bypassing that gate
    must be an explicit choice. `may_pass` names the exceptions on PATH.
    """
    for path in candidates(name, search) if given is None else [Path(given)]:
        try:
            if not _is_program(path):
                continue
            if is_stunt(path) or is_refusal(path):
                if given is None and may_pass(path):
                    continue
                raise Misconfigured(
                    f"{path} is a stunt, not the real {name}",
                    hint=_hint_for_stunt(name, search, given),
                )
        except OSError as error:
            raise Misconfigured(f"{path} cannot be read: {error.strerror}") from error
        return path.absolute()
    if given is not None:
        raise Misconfigured(
            f"the real {name} is set to {given}, which is not a program that can be executed"
        )
    return None
