# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets of the lock. The job's GNUPGHOME is JOB/gnupg, a symbolic link to the caller's home.

GnuPG makes the name of a home's socket directory from the name of the home, so JOB/gnupg has a
socket directory of its own, /run/user/UID/gnupg/d.HASH. All files of the home, and the locks on
them, are the same ones. We listen at each socket in that directory.

Rule 1: gpgconf says where the sockets are, for the caller's home and for JOB/gnupg.
Rule 2: no process can create anything in our socket directory (mode 0500). Otherwise gpg would
start an agent of its own there after our end, and would sign.
Rule 3: JOB/gnupg is made last, and removed first. Without it no program can use the directory.
Rule 4: the directory stays as long as JOB/gnupg, with sockets at which nobody listens.

    JOB/gnupg      the link to the home
    JOB/sockets    a link to the socket directory of JOB/gnupg
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from gpgshim.core import wire
from gpgshim.core.quoting import escape
from gpgshim.system.errors import Misconfigured, Unable
from gpgshim.system.places import is_trusted

SECONDS = 30.0  #: time for gpgconf to answer
_BACKLOG = 4096  #: connections in the kernel's queue; the kernel limits this to somaxconn
_PROBE = ".gpgshim"  #: a name in the socket directory that must be impossible to create

HINT = "use another user with a login session, or run the job without --lock-agent"


class Service(NamedTuple):
    """A daemon of GnuPG behind a socket. `is_agent`: its commands may sign, so they are read."""

    daemon: str
    is_agent: bool = False


#: The name of a socket, as gpgconf has it -> the service behind it.
SERVICES = {
    "agent-socket": Service("gpg-agent", is_agent=True),
    "agent-extra-socket": Service("gpg-agent", is_agent=True),  # for remote machines
    "agent-browser-socket": Service("gpg-agent", is_agent=True),  # for browsers
    "agent-ssh-socket": Service("gpg-agent"),  # the protocol of ssh-agent, which is another one
    "dirmngr-socket": Service("dirmngr"),
    "keyboxd-socket": Service("keyboxd"),  # from GnuPG 2.4 on
}


class Listener(NamedTuple):
    """A socket of ours, and the path of the real one."""

    socket: socket.socket
    target: str
    service: Service


class Lock(NamedTuple):
    """The lock of one attempt. `environ` is the caller's environment, with the real home.

    `keys` are the keygrips of the keys whose signatures wait; None for all keys.
    """

    home: str
    alias: Path
    listeners: tuple[Listener, ...]
    gpgconf: Path
    environ: Mapping[str, str]
    keys: frozenset[str] | None = None


def set_up(job: Path, gpgconf: Path | None, environ: Mapping[str, str]) -> Lock:
    """Make the sockets of the job with the directory `job`, and listen at them.

    The umask must be our own. Raises Misconfigured if this machine cannot have a lock.
    """
    if gpgconf is None:
        raise Misconfigured("--lock-agent needs gpgconf, and there is none on PATH")
    real = directories(gpgconf, environ)
    home = real["homedir"]
    if not os.path.isdir(home):
        raise Misconfigured(
            f"--lock-agent: there is no {escape(home)}", hint="run `gpg -k` once, which makes it"
        )
    alias = job / wire.ALIAS
    listeners: list[Listener] = []
    try:
        ours = directories(gpgconf, {**environ, "GNUPGHOME": str(alias)})
        directory = Path(ours["agent-socket"]).parent
        (job / wire.SOCKETS).symlink_to(directory)
        _check(directory, alias, home, real["agent-socket"])
        directory.chmod(0o700)
        for name, service in SERVICES.items():
            if name in ours:
                listener = _listen(Path(ours[name]), directory)
                listeners.append(Listener(listener, real[name], service))
        directory.chmod(0o500)
        _check_mode(directory)
        alias.symlink_to(home)
    except BaseException as error:
        for each in listeners:
            each.socket.close()
        release(job)
        if isinstance(error, OSError):
            raise Unable(f"--lock-agent: {error.filename}: {error.strerror}") from error
        raise
    return Lock(home, alias, tuple(listeners), gpgconf, environ)


def directories(gpgconf: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """gpgconf's list of directories and sockets, by name. Raises Misconfigured."""
    import subprocess  # imported here: only a job with a lock needs it

    try:
        done = subprocess.run(
            [gpgconf, "--list-dirs"],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Misconfigured(f"--lock-agent: {gpgconf} --list-dirs failed: {error}") from error
    lines = os.fsdecode(done.stdout).splitlines()
    pairs = (line.partition(":")[::2] for line in lines)
    found = {name: unquote(value, errors="surrogateescape") for name, value in pairs}
    if not {"homedir", "agent-socket"} <= found.keys():
        raise Misconfigured(f"--lock-agent: {gpgconf} --list-dirs names no socket of gpg-agent")
    return found


def _check(directory: Path, alias: Path, home: str, real: str) -> None:
    """Raises Misconfigured if `directory` cannot hold our sockets, and OSError."""
    if directory in (alias, Path(real).parent):
        raise Misconfigured(
            f"--lock-agent: gpg-agent has its sockets in {escape(home)} itself, because"
            f" /run/user/{os.getuid()} does not exist or is not of this user",
            hint="log in as this user, or `loginctl enable-linger`",
        )
    info = directory.lstat()
    is_ours = stat.S_ISDIR(info.st_mode) and is_trusted(info.st_uid)
    if not is_ours or info.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Misconfigured(f"--lock-agent: others can use {directory}, gpg-agent's directory")


def _listen(path: Path, directory: Path) -> socket.socket:
    if path.parent != directory:
        raise Misconfigured(f"--lock-agent: the socket {path} is not in {directory}")
    with contextlib.suppress(FileNotFoundError):
        path.unlink()  # of an attempt with the same directory that was killed
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.bind(os.fsencode(path))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _check_mode(directory: Path) -> None:
    """Raises Misconfigured if files can be created in `directory`, whose mode is 0500."""
    try:
        (directory / _PROBE).mkdir()
    except PermissionError:
        return
    (directory / _PROBE).rmdir()
    raise Misconfigured(
        f"--lock-agent: this user can create files in {directory} although its mode is 0500, as"
        " root can, so a gpg could start an agent of its own there",
        hint=HINT,
    )


def release(job: Path) -> None:
    """Remove JOB/gnupg, the sockets of the job, and their directory, best effort."""
    with contextlib.suppress(OSError):
        (job / wire.ALIAS).unlink()
    with contextlib.suppress(OSError):
        _remove(Path(os.readlink(job / wire.SOCKETS)))
        (job / wire.SOCKETS).unlink()


def _remove(directory: Path) -> None:
    """Remove a socket directory. Raises OSError."""
    if not re.fullmatch(r"d\.[a-z0-9]{24}", directory.name) or directory.is_symlink():
        return  # not of GnuPG
    directory.chmod(0o700)
    for each in directory.iterdir():
        if stat.S_ISSOCK(each.lstat().st_mode):
            each.unlink()
    directory.rmdir()
