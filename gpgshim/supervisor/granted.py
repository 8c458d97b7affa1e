# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The granted gpgs that have not ended. A stunt keeps its process id when it becomes gpg.

Rule 1: a process is watched by a descriptor, because another process can get its id later.
"""

from __future__ import annotations

import os
import select

from gpgshim.core import records as r
from gpgshim.supervisor.entries import Entries
from gpgshim.supervisor.loop import Loop


class Granted:
    """Notes the end of each in the journal."""

    def __init__(self, loop: Loop, entries: Entries) -> None:
        self._loop = loop
        self._entries = entries
        self._gpgs: dict[int, int] = {}  # process id -> descriptor

    def watch(self, pid: int, number: int) -> None:
        """The stunt of process `pid`, which is alive because it waits for us, is granted.

        `number` is that of its request.
        """
        if pid in self._gpgs:
            return
        try:
            gpg = os.pidfd_open(pid)
        except OSError:
            return

        def ended() -> None:
            self._loop.unwatch(gpg)
            os.close(gpg)
            self._gpgs.pop(pid, None)
            self._entries.note(r.GpgEnded(number, pid))

        try:
            self._loop.watch(gpg, ended)
        except OSError:
            os.close(gpg)  # its end is not recorded; it still gets its answer
            return
        self._gpgs[pid] = gpg

    def has(self, pid: int) -> bool:
        """Whether process `pid` is a granted gpg that has not ended."""
        if pid not in self._gpgs:
            return False
        poll = select.poll()  # another process could have its id now
        poll.register(self._gpgs[pid], select.POLLIN)
        return not poll.poll(0)
