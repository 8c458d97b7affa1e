# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an attempt need a person? `status`, the alarm, the metrics and the index ask this table.

Rule 1: NEEDS is total, and no other code decides. In doubt a person is needed.
Rule 2: a resolution ends the need: a person has looked.

An attempt that stops the next one (memory.STARTS) may still need no person: its caller knows
the reason. The rows say where the two tables differ.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from gpgshim.core.memory import Standing, standing_of
from gpgshim.core.verdict import Verdict, judge_bytes


class Alarm(StrEnum):
    """Why an attempt needs a person. The values are words of settings, metrics and results."""

    BYPASSED = "bypassed"  # the job reports an upload, and was granted nothing
    UNGATED = "ungated"  # its stunts, or the sockets of its lock, were removed while it ran
    UNKNOWN = "unknown"  # the authority may have committed, or the journal cannot be read
    IRRECOVERABLE = "irrecoverable"  # it has committed, and did not end well
    CRASHED = "crashed"  # its supervisor is gone, and a commitment may have been requested


class Past(StrEnum):
    """What the journal says of signatures past the gate."""

    NOTHING = "nothing"
    BYPASSED = "bypassed"
    UNGATED = "ungated"


class Row(NamedTuple):
    """The need of a standing, by Past."""

    nothing: Alarm | None
    bypassed: Alarm | None
    ungated: Alarm | None


S = Standing
BYPASSED, UNGATED = Alarm.BYPASSED, Alarm.UNGATED

#: The standing of an attempt -> its need. What went past the gate counts first, because the
#: authority and the outcome know nothing of it.
NEEDS: dict[Standing, Row] = {
    S.NONE: Row(None, None, None),  # there is no attempt
    # Its end is not known yet. But a signature past the gate was made already.
    S.UNDER_WAY: Row(None, BYPASSED, None),
    # No commitment was requested.
    S.RETRIABLE: Row(None, BYPASSED, UNGATED),
    S.UNSIGNED: Row(None, BYPASSED, UNGATED),
    S.CRASHED_EARLY: Row(None, BYPASSED, UNGATED),
    # It stops the next attempt, but nothing was done, and the caller knows the reason.
    S.PERMANENT: Row(None, BYPASSED, UNGATED),
    # It was not gated, so its missing stunts mean nothing.
    S.OBSERVED: Row(None, BYPASSED, None),
    # The authority has not committed, and knows the reason.
    S.REFUSED: Row(None, BYPASSED, UNGATED),
    # It stops the next attempt because an earlier version said so; its authority has refused.
    S.REFUSED_EARLIER: Row(None, BYPASSED, UNGATED),
    # It stops the next attempt, because the job is done.
    S.UPLOADED: Row(None, BYPASSED, UNGATED),
    S.UNKNOWN: Row(Alarm.UNKNOWN, BYPASSED, UNGATED),
    S.COMMITTED: Row(Alarm.IRRECOVERABLE, BYPASSED, UNGATED),
    S.CRASHED_LATE: Row(Alarm.CRASHED, BYPASSED, UNGATED),
    # Whether it crashed cannot be known either.
    S.UNREADABLE: Row(Alarm.UNKNOWN, BYPASSED, UNGATED),
    # A person has looked, whatever the result was.
    S.RESOLVED_RETRIABLE: Row(None, None, None),
    S.RESOLVED_UPLOADED: Row(None, None, None),
    S.RESOLVED_IRRECOVERABLE: Row(None, None, None),
}


def past_of(verdict: Verdict) -> Past:
    """What went past the gate; a signature that was reported comes before one that may be."""
    if verdict.signed_past:
        return Past.BYPASSED
    return Past.UNGATED if verdict.ungated else Past.NOTHING


def need_of(verdict: Verdict, under_way: bool) -> Alarm | None:
    """Why the attempt needs a person; None if it does not.

    `under_way` says whether its supervisor is alive.
    """
    row = NEEDS[standing_of(verdict, under_way)]
    return {
        Past.NOTHING: row.nothing,
        Past.BYPASSED: row.bypassed,
        Past.UNGATED: row.ungated,
    }[past_of(verdict)]


class Look(NamedTuple):
    """What the bytes of a journal say of the need for a person."""

    verdict: Verdict
    need: Alarm | None
    settled: bool  # no person is needed, and none will be: only a resolution can follow


def look(data: bytes, under_way: bool) -> Look:
    """The need of the attempt whose journal has these bytes. Raises nothing."""
    verdict = judge_bytes(data)
    need = need_of(verdict, under_way)
    return Look(verdict, need, settled=need is None and not under_way)
