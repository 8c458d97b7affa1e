# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes below ours: which there are, and how they are ended.

Rule 1: a job's processes are our descendants: we are a subreaper, so orphans are reparented to us.
Rule 2: SIGKILL only, because a process may block every other signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from gpgshim.core.codec import Process
from gpgshim.supervisor import hasher
from gpgshim.system.errors import Unable

#: Programs that serve the user, not the job, and may outlive the job. None can get a grant. Our own
#: reader of files is one of them.
SERVERS = frozenset(("gpg-agent", "scdaemon", "keyboxd", "dirmngr", hasher.NAME))


def become_subreaper() -> None:
    """Have the job's orphans reparented to us, not to init. Raises Unable."""
    try:
        from gpgshim.system import kernel

        kernel.become_subreaper()
    except (ImportError, OSError, AttributeError) as error:  # AttributeError: without __init__.py
        reason = getattr(error, "strerror", None) or error
        raise Unable(f"cannot become a subreaper: {reason}") from error


def living_descendants() -> list[Process]:
    """All processes that descend from us, except SERVERS."""
    return [each for each in _descendants(os.getpid()) if each.name not in SERVERS]


def kill_descendants() -> list[Process]:
    """Kill all processes that descend from us, except SERVERS; the killed ones.

    It uses SIGKILL, because a process may block other signals. It repeats until no process is left:
    a process that forks while it is being killed leaves an orphan, which is reparented to us, a
    subreaper.
    """
    killed: list[Process] = []
    while victims := kill_once():
        killed += [each for each in victims if each not in killed]
        for each in victims:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(each.pid, 0)
    return killed


def kill_once() -> list[Process]:
    """Kill the processes that exist at this moment, without waiting; the killed ones.

    A parent is killed before its child, so it cannot report the child's death.
    """
    victims = living_descendants()
    for each in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each.pid, signal.SIGKILL)
    return victims


def reap_orphans(known: set[int]) -> None:
    """Reap the job's dead orphans, but not the processes in `known`, for which other code waits."""
    for pid in children_of(os.getpid()):
        if pid not in known:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def children_of(pid: int) -> Iterator[int]:
    """The process ids of `pid`'s children, with the dead ones that are not reaped."""
    with contextlib.suppress(OSError):
        for each in Path(f"/proc/{pid}/task").iterdir():
            yield from map(int, (each / "children").read_text().split())


def _descendants(pid: int) -> Iterator[Process]:
    for child in children_of(pid):
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{child}/comm").read_text().strip()
            yield Process(child, name)
            yield from _descendants(child)
