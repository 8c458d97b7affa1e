# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event of the gate that each input of a journal is.

Rule 1: the supervisor and a replay use the same table, so that a journal has the events of its job.
"""

from __future__ import annotations

from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.core.gate import Event
from gpgshim.core.verdict import ending_of

#: Input records -> events. A record that ends the job (verdict.ENDINGS) is CLOSE too.
EVENTS: dict[type[Record], Event] = {
    r.SignRequest: Event.ASKED,
    r.UnknownRequest: Event.UNKNOWN_COMMAND,
    r.GoAhead: Event.GO_AHEAD,
    r.Refused: Event.REFUSAL,
    r.AnswerExit: Event.SILENCE,
    r.AnswerSignal: Event.SILENCE,
    r.Contradicted: Event.SILENCE,
    r.UnexpectedAnswer: Event.SILENCE,
    r.TimedOut: Event.TIMEOUT,
    r.HungUp: Event.SILENCE,
    r.Failed: Event.FAILED,
    r.GateClosed: Event.CLOSE,
    r.Bypassed: Event.BYPASSED,
}


def event_of(record: Record) -> Event | None:
    """The gate's event of an input; None for outputs, notes and `% gone`."""
    return Event.CLOSE if ending_of(record) else EVENTS.get(type(record))
