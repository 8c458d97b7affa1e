# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The namespace form of the lock: the job has a mount namespace of its own (mount_namespaces(7)).

In it, JOB/sockets is bound over each socket directory of the home, and the home has no private
keys. The supervisor and the real gpg-agent stay outside. GNUPGHOME does not change.

Rule 1: an agent that a program starts in the namespace finds no private key, so it signs nothing.
Rule 2: nothing of the host changes. The kernel removes the namespace with its last process.
Rule 3: everything is tried in a process of its own, before the job starts.
Rule 4: an ordinary user has a user namespace too, in which only this user and group exist.

If /run/user/UID does not exist, GnuPG has the sockets in the home, where a bind over a socket ends
when the agent is restarted. In the namespace we mount a /run/user that has such a directory, and
GnuPG uses it. It has the directories of the other users too, and for an ordinary user one for
user id 0, which is our user for programs under fakeroot(1).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import NamedTuple

from gpgshim.agentlock.sockets import SERVICES, Listener, Lock, directories, listen, real_sockets
from gpgshim.core import wire
from gpgshim.system.errors import Misconfigured, Unable
from gpgshim.system.ownprocess import own_umask

KEYS = "private-keys-v1.d"  #: the directory of gpg-agent's keys, in a home
USERS = Path("/run/user")
GNUPG = "gnupg"  #: GnuPG's directory in /run/user/UID; for another home it has a directory d.HASH

HINT = "allow this user to create namespaces, or run the job without --lock-agent"


class Namespace(NamedTuple):
    """The namespace of one job.

    `sockets` is our directory. `places` are the socket directories of the home, relative to
    /run/user/UID. `keys` is the directory of the private keys. `inside` are paths of sockets in
    the home itself, at which an agent may listen.
    """

    sockets: Path
    places: tuple[str, ...]
    keys: Path
    inside: tuple[Path, ...]

    def enter(self) -> None:
        """Move this process into a new namespace, for the job. Raises OSError."""
        from gpgshim.system import kernel

        with own_umask():
            user, _ = _ids()
            _separate()
            own = _cover_users(user, with_ours=True)
            others = _hold(own / GNUPG, self.places) if GNUPG in self.places else {}
            for place in self.places:
                (own / place).mkdir(0o700, parents=True, exist_ok=True)
                kernel.mount(self.sockets, own / place, kernel.BIND)
            _bind_again(own / GNUPG, others)
            for path in self.inside:
                with contextlib.suppress(FileNotFoundError):  # the agent has ended meanwhile
                    kernel.mount(self.sockets / path.name, path, kernel.BIND)
            flags = kernel.READ_ONLY | kernel.NO_SUID | kernel.NO_DEVICES
            kernel.mount("tmpfs", self.keys, flags, "tmpfs", "mode=0700,size=4k")
            if user:
                (USERS / "0").mkdir(0o700)
                kernel.mount(own, USERS / "0", kernel.BIND | kernel.RECURSIVE)
        _renew_directory()

    def check(self) -> str:
        """Raises OSError if the job could reach the real agent or its keys. For _try()."""
        self.enter()
        user, _ = _ids()
        for place in self.places:
            if not os.path.samefile(USERS / str(user) / place, self.sockets):
                raise OSError(f"{USERS}/{user}/{place} is not ours")
        if os.listdir(self.keys):
            raise OSError(f"{self.keys} is not empty")
        return ""


def set_up(job: Path, gpgconf: Path | None, environ: Mapping[str, str]) -> Lock:
    """Listen in the directory `job`, for a job in a namespace.

    The umask must be our own. Raises Misconfigured if there can be no namespace.
    """
    gpgconf, real = real_sockets(gpgconf, environ)
    home = Path(real["homedir"])
    if not USERS.is_dir():
        raise Misconfigured(
            f"there is no {USERS}, where GnuPG looks for sockets", hint=f"as root: mkdir {USERS}"
        )
    ours = job / wire.SOCKETS
    listeners: list[Listener] = []
    try:
        (home / KEYS).mkdir(0o700, exist_ok=True)  # as gpg-agent does
        places = _survey(gpgconf, environ, home)
        ours.mkdir(0o700)
        for name, service in SERVICES.items():
            if name in real:
                path = Path(real[name])
                listeners.append(Listener(listen(ours / path.name), str(path), service))
        inside = tuple(
            path for name in sorted(os.listdir(ours)) if (path := home / name).is_socket()
        )
        namespace = Namespace(ours, places, home / KEYS, inside)
        _try(namespace.check)
    except BaseException as error:
        for each in listeners:
            each.socket.close()
        if isinstance(error, OSError):
            raise Unable(f"{error.filename}: {error.strerror}") from error
        raise
    return Lock(str(home), tuple(listeners), gpgconf, environ, {}, namespace.enter)


def _survey(gpgconf: Path, environ: Mapping[str, str], home: Path) -> tuple[str, ...]:
    """The socket directories of `home` in the namespace, relative to /run/user/UID.

    A home can have several names, and GnuPG treats that of the user's own home in another way, so
    we also look with another HOME. Raises Misconfigured.
    """

    def look() -> str:
        user, _ = _ids()
        with own_umask():
            _separate()
            own = _cover_users(user, with_ours=False)
        without = {name: value for name, value in environ.items() if name != "GNUPGHOME"}
        named = [{**without, "GNUPGHOME": name} for name in {str(home), os.path.realpath(home)}]
        found = set()
        for each in (environ, without, *named, *({**given, "HOME": "/"} for given in named)):
            listed = directories(gpgconf, each)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samefile(listed["homedir"], home):
                    found.add(os.path.relpath(Path(listed["agent-socket"]).parent, own))
        return "\0".join(sorted(found))  # `gnupg` comes before the directories in it

    places = tuple(_try(look).split("\0"))
    if any(place.split("/")[0] != GNUPG for place in places):
        raise Misconfigured(
            f"gpg-agent has its sockets in {home} itself, also with a"
            f" {USERS}/{os.getuid()} of this user"
        )
    return places


def _try(work: Callable[[], str]) -> str:
    """Do `work` in a process of its own; its result. Raises Misconfigured with its error."""
    import signal

    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if not child:
        said = "-it ended"
        try:
            said = f"+{work()}"
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            said = f"-{where}{error.strerror or error}"
        except Misconfigured as error:
            said = f"-{error.seen}"
        finally:
            os.write(writer, os.fsencode(said))
            os._exit(0)
    os.close(writer)
    try:
        with open(reader, "rb") as pipe:
            said = os.fsdecode(pipe.read())
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.waitpid(child, 0)
    if said[:1] != "+":
        raise Misconfigured(
            f"no namespace for the job: {said[1:] or 'it ended'}",
            hint=HINT,
        )
    return said[1:]


def _ids() -> tuple[int, int]:
    """The effective ids of the user and of the group, as the kernel reports them (proc(5))."""
    status = Path("/proc/self/status").read_text("utf-8", "replace")
    lines = dict(line.partition(":")[::2] for line in status.splitlines())
    return int(lines["Uid"].split()[1]), int(lines["Gid"].split()[1])


def _separate() -> None:
    """Move this process into a new mount namespace. Raises OSError.

    Without the right to do so, into a new user namespace too, unless we are root: in such a
    namespace root would be an ordinary user.
    """
    from gpgshim.system import kernel

    user, group = _ids()
    try:
        kernel.unshare(kernel.NEW_MOUNTS, "a mount namespace")
    except PermissionError:
        if not user:
            raise
        kernel.unshare(kernel.NEW_USER | kernel.NEW_MOUNTS, "a user namespace")
        for name, text in (
            ("setgroups", "deny"),  # user_namespaces(7): before gid_map
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            Path("/proc/self", name).write_text(text)
    kernel.mount("none", "/", kernel.SLAVE | kernel.RECURSIVE)


def _cover_users(user: int, *, with_ours: bool) -> Path:
    """Mount a /run/user with the same directories, and one for us; its path.

    With `with_ours` it is the same one as before, if there is one.
    """
    from gpgshim.system import kernel

    left_out = ["0"] if user else []  # of the real root, whose directory this user cannot use
    held = _hold(USERS, left_out if with_ours else [*left_out, str(user)])
    flags = kernel.NO_SUID | kernel.NO_DEVICES
    kernel.mount("tmpfs", USERS, flags, "tmpfs", "mode=0755,size=16m")
    _bind_again(USERS, held)
    own = USERS / str(user)
    own.mkdir(0o700, exist_ok=True)
    return own


def _hold(directory: Path, left_out: Container[str]) -> dict[str, int]:
    """A descriptor of each directory in `directory`, which is about to be covered, by name.

    `left_out` are names, or names after `gnupg/`.
    """
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        names = [each.name for each in os.scandir(directory) if each.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return {}
    wanted = [x for x in names if x not in left_out and f"{GNUPG}/{x}" not in left_out]
    return {name: os.open(directory / name, flags) for name in wanted}


def _bind_again(directory: Path, held: Mapping[str, int]) -> None:
    """Bind the directories of _hold() at the same names in another `directory`."""
    from gpgshim.system import kernel

    for name, fd in held.items():
        (directory / name).mkdir(0o700, exist_ok=True)
        kernel.mount(f"/proc/self/fd/{fd}", directory / name, kernel.BIND | kernel.RECURSIVE)
        os.close(fd)


def _renew_directory() -> None:
    """Enter the working directory by its name, so that `..` does not lead below a mount of ours."""
    with contextlib.suppress(OSError):
        before, name = os.stat("."), os.getcwd()
        if os.path.samestat(before, os.stat(name)):
            os.chdir(name)
