# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The authority for the commitment: none, a person, a command, or tag2upload's manager.

Rule 1: an authority gets at most one request, and only after reach() found that it can get one.
check() detects before the start of the job what can be detected then.
Rule 2: there is exactly one answer: go-ahead, refused (certainly not committed), or unknown.
Rule 3: nothing here blocks. There is a descriptor to poll, and answer() when it is readable.
"""

from __future__ import annotations

from typing import Protocol

from gpgshim.core import records as r
from gpgshim.core.question import Question

Answer = r.Answer | r.HungUp  #: what the journal has of it; inputs.event_of() gives the event


class NotAsked(OSError):
    """The authority could not be asked and has heard nothing. The message gives the reason."""


class Authority(Protocol):
    """The operations that the supervisor needs of an authority."""

    @property
    def pid(self) -> int:
        """The process that was started to ask it, for which answer() waits; 0 if there is none."""

    def check(self) -> None:
        """Before the job starts: check that the means to ask exist. Raises Misconfigured."""

    def reach(self) -> None:
        """Check that the authority can be reached, without a request. Raises OSError."""

    def ask(self, question: Question) -> None:
        """Send the request; `question` says who wants to sign what.

        Raises NotAsked if the authority has certainly heard nothing. After any other OSError it may
        have heard the request.
        """

    def fileno(self) -> int:
        """After ask(): a descriptor that is readable when answer() has a result."""

    def answer(self) -> Answer | None:
        """Its answer; None if the answer is not complete yet."""

    def give_up(self) -> None:
        """Stop waiting for it, and end any process that was started to ask it. Raises nothing."""
