# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of gpg-agent as a part of the supervisor: its commands that sign are requests.

Rule 1: a command that the lock holds goes the way of a stunt's request: the entrance, the requests,
the gatekeeper. No table has a row for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.supervisor.entrance import Entrance
from gpgshim.supervisor.entries import Entries
from gpgshim.supervisor.gatekeeper import Gatekeeper
from gpgshim.supervisor.requests import Requests

if TYPE_CHECKING:
    from gpgshim.agentlock.links import Held


class AgentGate:
    """For links.Gate."""

    def __init__(
        self, entrance: Entrance, requests: Requests, gatekeeper: Gatekeeper, entries: Entries
    ) -> None:
        self._entrance = entrance
        self._requests = requests
        self._gatekeeper = gatekeeper
        self._entries = entries

    def ask(self, held: Held) -> None:
        """A command waits for its answer."""
        name, _, key, algorithm, digest = held.command
        if admission := self._entrance.admit(held):
            self._requests.add_held(held, r.AtAgent(key, algorithm, digest, name), admission)

    def gone(self, held: Held) -> None:
        """The client of a command does not wait any more."""
        self._gatekeeper.gone(held)
        self._requests.gone(held)

    def is_granted(self, pid: int) -> bool:
        """Whether a process was granted as a stunt, and is alive."""
        return self._gatekeeper.gpgs.has(pid)

    def note(self, *records: Record) -> None:
        """Write records, best effort."""
        self._entries.note(*records)

    def sync(self, *records: Record) -> None:
        """Have records on disk. Raises OSError."""
        self._entries.write(*records)
        self._entries.sync()

    def failed(self, error: OSError) -> str:
        """The journal cannot be written: nothing more is granted. The reason for a refusal."""
        return self._gatekeeper.fail(error).reason


class NoLock:
    """For an attempt without a lock."""

    def is_whole(self) -> bool:
        """There is nothing that could be removed."""
        return True

    def time_limits(self) -> list[float]:
        return []

    def look_at_the_clock(self, now: float) -> None:
        """There is no connection."""

    def forward_together(self) -> None:
        """There is no command."""

    def shut(self) -> None:
        """There is no socket."""
