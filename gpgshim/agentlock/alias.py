# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alias form of the lock. The job's GNUPGHOME is JOB/gnupg, a symbolic link to the home.

GnuPG makes the name of a home's socket directory from the name of the home, so JOB/gnupg has a
socket directory of its own, /run/user/UID/gnupg/d.HASH. All files of the home, and the locks on
them, are the same ones. We listen at each socket in that directory.

Rule 1: no process can create anything in our socket directory (mode 0500). Otherwise gpg would
start an agent of its own there after our end, and would sign.
Rule 2: JOB/gnupg is made last, and removed first. Without it no program can use the directory.
Rule 3: the directory stays as long as JOB/gnupg, with sockets at which nobody listens.

gpg 2.2 with the name of the home in --homedir, and another one in GNUPGHOME, looks for sockets in a
third directory, where no agent ever is. We listen there too. All attempts with this home have the
same third directory, so the first one holds its lock, and the others do without.

    JOB/gnupg          the link to the home
    JOB/sockets/own    a link to the socket directory of JOB/gnupg
    JOB/sockets/third  a link to the third directory, if this attempt holds it
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

from gpgshim.agentlock.sockets import SERVICES, Listener, Lock, directories, listen, real_sockets
from gpgshim.core import wire
from gpgshim.core.quoting import escape
from gpgshim.system.errors import Misconfigured, Unable
from gpgshim.system.places import is_trusted

OWN, THIRD = "own", "third"
_PROBE = ".gpgshim"  #: a name in the socket directory that must be impossible to create


def set_up(job: Path, gpgconf: Path | None, environ: Mapping[str, str]) -> Lock:
    """Make the sockets of the job with the directory `job`, and listen at them.

    The umask must be our own. Raises Misconfigured if this machine cannot have a lock.
    """
    gpgconf, real = real_sockets(gpgconf, environ)
    home = real["homedir"]
    alias = job / wire.ALIAS
    lock = Lock(home, (), gpgconf, environ, {"GNUPGHOME": str(alias)})
    try:
        directory = _directory_of(gpgconf, {**environ, "GNUPGHOME": str(alias)})
        (job / wire.SOCKETS).mkdir()
        (job / wire.SOCKETS / OWN).symlink_to(directory)
        _check(directory, alias, home, real["agent-socket"])
        lock = lock._replace(listeners=_listen_in(directory, real))
        _check_mode(directory)
        third = _directory_of(gpgconf, {**environ, "GNUPGHOME": home, "HOME": "/"})
        if third != Path(real["agent-socket"]).parent and (held := _hold(third)):
            lock = lock._replace(held=held)
            (job / wire.SOCKETS / THIRD).symlink_to(third)
            lock = lock._replace(listeners=(*lock.listeners, *_listen_in(third, real)))
        alias.symlink_to(home)
    except BaseException as error:
        lock.close()
        release(job)
        if isinstance(error, OSError):
            where = f"{error.filename}: " if error.filename else ""
            raise Unable(f"{where}{error.strerror}") from error
        raise
    return lock


def _directory_of(gpgconf: Path, environ: Mapping[str, str]) -> Path:
    """The socket directory in this environment, which gpgconf makes. Raises Misconfigured."""
    return Path(directories(gpgconf, environ)["agent-socket"]).parent


def _listen_in(directory: Path, real: Mapping[str, str]) -> tuple[Listener, ...]:
    """Listen at the sockets in `directory`, in front of the real ones. Raises OSError."""
    listeners: list[Listener] = []
    _set_mode(directory, 0o700)
    try:
        for name, service in SERVICES.items():
            if name in real:
                ours = listen(directory / Path(real[name]).name)
                listeners.append(Listener(ours, real[name], service))
        _set_mode(directory, 0o500)
    except BaseException:
        for each in listeners:
            each.socket.close()
        raise
    return tuple(listeners)


def _set_mode(directory: Path, mode: int) -> None:
    """Raises Misconfigured if the file system does not take the mode."""
    try:
        directory.chmod(mode)
        found = stat.S_IMODE(directory.stat().st_mode)
        why = f"it stays {found:04o}" if found != mode else ""
    except OSError as error:
        why = str(error.strerror)
    if why:
        raise Misconfigured(
            f"the mode of {directory} cannot be set to {mode:04o}: {why}",
            hint=f"use another file system for /run/user/{os.getuid()}, or run the job without"
            " --lock-agent",
        )


def _hold(directory: Path) -> contextlib.ExitStack | None:
    """Lock a directory until the result is closed; None if it has a lock, or an agent is there."""
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    held = contextlib.ExitStack()
    held.callback(os.close, fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.connect(os.fsencode(directory / "S.gpg-agent"))
    except (FileNotFoundError, ConnectionRefusedError):
        return held
    except OSError:
        pass
    held.close()
    return None


def _check(directory: Path, alias: Path, home: str, real: str) -> None:
    """Raises Misconfigured if `directory` cannot hold our sockets, and OSError."""
    if directory in (alias, Path(real).parent):
        raise Misconfigured(
            f"gpg-agent has its sockets in {escape(home)} itself, because"
            f" /run/user/{os.getuid()} does not exist or is not of this user",
            hint="log in as this user, or `loginctl enable-linger`",
        )
    info = directory.lstat()
    is_ours = stat.S_ISDIR(info.st_mode) and is_trusted(info.st_uid)
    if not is_ours or info.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Misconfigured(f"others can use {directory}, gpg-agent's directory")


def _check_mode(directory: Path) -> None:
    """Raises Misconfigured if files can be created in `directory`, whose mode is 0500."""
    try:
        (directory / _PROBE).mkdir()
    except PermissionError:
        return
    (directory / _PROBE).rmdir()
    raise Misconfigured(
        f"this user can create files in {directory} although its mode is 0500, as"
        " root can, so a gpg could start an agent of its own there",
        hint="use a user other than root, or run the job without --lock-agent",
    )


def release(job: Path) -> None:
    """Remove JOB/gnupg, the sockets of the job, and their directory, best effort."""
    with contextlib.suppress(OSError):
        (job / wire.ALIAS).unlink(missing_ok=True)  # if this fails, the sockets stay: see rule 3
        for link in (job / wire.SOCKETS).iterdir():
            if link.is_symlink():
                with contextlib.suppress(OSError):
                    _release(link.readlink(), link.name)
                link.unlink()
        (job / wire.SOCKETS).rmdir()


def _release(directory: Path, name: str) -> None:
    """Remove a socket directory, unless another attempt holds it. Raises OSError."""
    if held := _hold(directory) if name == THIRD else contextlib.ExitStack():
        with held:
            _remove(directory)


def _remove(directory: Path) -> None:
    """Remove a socket directory. Raises OSError."""
    if not re.fullmatch(r"d\.[a-z0-9]{24}", directory.name) or directory.is_symlink():
        return  # not of GnuPG
    with contextlib.suppress(OSError):  # a file system without modes
        directory.chmod(0o700)
    for each in directory.iterdir():
        if stat.S_ISSOCK(each.lstat().st_mode):
            each.unlink()
    directory.rmdir()
