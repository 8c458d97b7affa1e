# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entrance to the gate: which clients are served, by gate.ADMISSIONS and gate.CONTROLS.

Rule 1: the kernel identifies a client, never the client itself.
Rule 2: a client that does not belong to the job is answered, and nothing else happens.
"""

from __future__ import annotations

from typing import Protocol

from gpgshim.core import records as r
from gpgshim.core import wire
from gpgshim.core.gate import ADMISSIONS, CONTROLS, Admission, Origin, Serves
from gpgshim.supervisor.entries import Entries
from gpgshim.supervisor.requester import Inspector
from gpgshim.system.places import own_user

Admissions = tuple[Admission, ...]  #: the effects of a new request

MOST_REFUSALS = 3  #: causes that are kept for the outcome's line; the journal has all of them


class Requester(Protocol):
    """A process that waits for the gate's answer: a stunt, or one whose command the lock holds.

    `is_stunt` says whether the process becomes gpg when it is granted.
    """

    pid: int
    uid: int
    is_stunt: bool

    def answer(self, word: str, argument: str = "") -> None:
        """Give the one answer: wire.GO, or wire.NO with the reason."""


class Refusals:
    """Why gpgs were refused, each cause once, for the outcome's line.

    The caller of gpg may hide gpg's messages, as git does.
    """

    def __init__(self) -> None:
        self.causes: list[str] = []

    def add(self, why: str) -> None:
        """Keep the reason of a refusal."""
        if why not in self.causes and len(self.causes) < MOST_REFUSALS:
            self.causes.append(why)


class Entrance:
    """For the clients that the gate `serves`."""

    def __init__(
        self, serves: Serves, entries: Entries, refusals: Refusals, inspector: Inspector
    ) -> None:
        self._serves = serves
        self._entries = entries
        self._refusals = refusals
        self._inspector = inspector
        self._user = own_user()
        # To find a client's ancestors takes several reads of /proc.
        self._tells_apart = any(
            table[serves, Origin.JOB] != table[serves, Origin.USER]
            for table in (ADMISSIONS, CONTROLS)
        )

    def is_foreign(self, client: Requester) -> bool:
        """Whether the client is a process of another user."""
        return client.uid != self._user

    def takes(self, client: Requester, word: str) -> bool:
        """Whether the gate takes the request `word` from the client, by gate.CONTROLS."""
        return word in CONTROLS[self._serves, self._origin(client)]

    def admit(self, client: Requester) -> Admissions:
        """The effects of a request of `client`; none if it was turned away, with an answer."""
        origin = self._origin(client)
        admission = ADMISSIONS[self._serves, origin]
        if Admission.TURN_AWAY not in admission:
            return admission
        if origin is Origin.FOREIGN:
            why = f"this gate does not serve user id {client.uid}"
            self._entries.note(r.ForeignUser(client.uid, client.pid))
            self._refusals.add(why)
        else:
            why = f"process {client.pid} was not started by this gate's job"
            self._entries.note(r.ForeignProcess(client.pid))
        client.answer(wire.NO, why)
        return ()

    def _origin(self, client: Requester) -> Origin:
        if self.is_foreign(client):
            return Origin.FOREIGN
        if not self._tells_apart:
            return Origin.USER
        return Origin.JOB if self._inspector.is_of_job(client.pid) else Origin.USER
