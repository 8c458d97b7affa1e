# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mode of an attempt: whether its gate holds the job, or only observes it.

Rule 1: the settings choose the mode once, and the parts of an attempt get it as an object. No other
code asks which mode it is.
Rule 2: observe mode holds nothing, refuses nothing, asks no authority and claims nothing. The
journal says what a gate would have done.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from gpgshim.authority.none import NoAuthority
from gpgshim.core.gate import OUTCOMES, Ending, Outcome, Serves, State
from gpgshim.core.memory import Option
from gpgshim.core.transcript import OBSERVE as HEAD_OBSERVE
from gpgshim.supervisor.gatekeeper import NO_REPORT

if TYPE_CHECKING:
    from gpgshim.supervisor.attempt import Plan


class Mode:
    """A gate that holds its job."""

    head: ClassVar[Mapping[str, str]] = {}  #: lines of the journal's head
    stunts_wait = True  #: whether a stunt needs a grant; JOB/observe tells it otherwise

    def adapt(self, plan: Plan) -> Plan:
        """The plan of an attempt in this mode."""
        return plan

    def serves(self, starts_elsewhere: bool) -> Serves:
        """The clients that are served; `starts_elsewhere`: another process starts the job."""
        return Serves.USER if starts_elsewhere else Serves.JOB

    def outcome(self, state: State, ending: Ending) -> Outcome:
        """The outcome of a job in this durable state."""
        return OUTCOMES[state, ending]


class _Observe(Mode):
    """A gate that only observes its job."""

    head: ClassVar[Mapping[str, str]] = {"mode": HEAD_OBSERVE}
    stunts_wait = False

    def adapt(self, plan: Plan) -> Plan:
        # NoAuthority's go-ahead comes at once. A path that a later attempt uses again would let an
        # orphan of an attempt with a gate through.
        return plan._replace(
            authority=NoAuthority(),
            until=None,
            latest=math.inf,
            ends=math.inf,
            reporting=NO_REPORT,
            keeps_path=False,
            option=plan.option and Option.WARN,
            lock_agent=None,
            commit_at_agent=False,
            keys=(),
        )

    def serves(self, starts_elsewhere: bool) -> Serves:
        return Serves.OBSERVED

    def outcome(self, state: State, ending: Ending) -> Outcome:
        return Outcome.OBSERVED


HOLD = Mode()
OBSERVE = _Observe()
