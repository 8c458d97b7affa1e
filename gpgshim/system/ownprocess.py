# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""This process as its caller started it: its environment, its umask, its /proc."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gpgshim.system.errors import Misconfigured


def caller_environ() -> dict[str, str]:
    """The environment from our caller. In a C locale, CPython itself sets LC_CTYPE (PEP 538)."""
    environ = {name: value for name, value in os.environ.items() if name}  # posix_spawn needs names
    with contextlib.suppress(OSError):
        given = Path("/proc/self/environ").read_bytes().split(b"\0")
        values = [os.fsdecode(entry[9:]) for entry in given if entry.startswith(b"LC_CTYPE=")]
        environ.pop("LC_CTYPE", None)
        if values:
            environ["LC_CTYPE"] = values[0]
    return environ


@contextlib.contextmanager
def own_umask() -> Iterator[None]:
    """Set our own umask: files that we make are for this user alone, and usable for us."""
    given = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(given)  # the job gets the caller's umask


def check_proc() -> None:
    """Raises Misconfigured unless /proc shows our own PID namespace.

    Clients are looked up there by process id, and so are remaining processes of a job. In the /proc
    of another namespace, our numbers belong to other processes.
    """
    try:
        status = Path("/proc/self/status").read_text("utf-8", "replace")
    except OSError as error:
        raise Misconfigured(
            f"/proc is not mounted, or does not show this process ({error.strerror})",
            hint="`mount -t proc proc /proc` in its PID namespace",
        ) from error
    # proc(5): our process id in each namespace, from that of /proc down to our own.
    shown = status.partition("\nNSpid:")[2].partition("\n")[0].split()
    shown = shown or status.partition("\nPid:")[2].partition("\n")[0].split()  # before Linux 4.1
    if shown != [str(os.getpid())]:
        raise Misconfigured(
            f"/proc belongs to another PID namespace: it calls this process {shown[0]}, which is"
            f" {os.getpid()} in its own",
            hint="`unshare --mount-proc`, or mount /proc anew",
        )


def who_we_are() -> tuple[str, str]:
    """The names of our user and of this host."""
    import pwd

    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return user, os.uname().nodename
