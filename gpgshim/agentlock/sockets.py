# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets of GnuPG's daemons, and ours in front of them. forms.py has the forms of the lock.

Rule 1: gpgconf says where the sockets of a home are.

    JOB/sockets/    what leads the job to our sockets: see alias.py and namespace.py
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from gpgshim.core.quoting import escape
from gpgshim.system.errors import Misconfigured
from gpgshim.system.places import LONGEST_SOCKET_PATH

SECONDS = 30.0  #: time for gpgconf to answer
_BACKLOG = 4096  #: connections in the kernel's queue; the kernel limits this to somaxconn


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

    `variables` are set for the job. `enter` is called in the process that becomes the job. `keys`
    are the keygrips of the keys whose signatures wait; None for all keys. `held` is what this
    attempt holds as long as it listens.
    """

    home: str
    listeners: tuple[Listener, ...]
    gpgconf: Path
    environ: Mapping[str, str]
    variables: Mapping[str, str]
    enter: Callable[[], None] | None = None
    keys: frozenset[str] | None = None
    held: contextlib.ExitStack | None = None

    def close(self) -> None:
        """Listen no more."""
        for each in self.listeners:
            each.socket.close()
        if self.held:
            self.held.close()


def real_sockets(gpgconf: Path | None, environ: Mapping[str, str]) -> tuple[Path, dict[str, str]]:
    """gpgconf, and its list for the caller's home, which exists. Raises Misconfigured."""
    if gpgconf is None:
        raise Misconfigured("there is no gpgconf on PATH")
    real = directories(gpgconf, environ)
    home = real["homedir"]
    if not os.path.isdir(home):
        raise Misconfigured(f"there is no {escape(home)}", hint="run `gpg -k` once, which makes it")
    return gpgconf, real


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
        raise Misconfigured(f"{gpgconf} --list-dirs failed: {error}") from error
    lines = os.fsdecode(done.stdout).splitlines()
    pairs = (line.partition(":")[::2] for line in lines)
    found = {name: unquote(value, errors="surrogateescape") for name, value in pairs}
    if not {"homedir", "agent-socket"} <= found.keys():
        raise Misconfigured(f"{gpgconf} --list-dirs names no socket of gpg-agent")
    return found


def listen(path: Path) -> socket.socket:
    """A socket of ours at `path`. Raises OSError; Misconfigured if the path is too long."""
    length = len(os.fsencode(path))
    if length > LONGEST_SOCKET_PATH:
        raise Misconfigured(
            f"{path} has {length} bytes; the limit is {LONGEST_SOCKET_PATH}",
            hint="set XDG_RUNTIME_DIR to a shorter path",
        )
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
