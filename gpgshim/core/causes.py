# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an attempt has its outcome: one word for programs, and one clause for people.

Rule 1: the word is that of one record of the journal. RECORDS has the kinds of record that can be a
cause, and COUNTS says which of them is the cause, for each outcome. COUNTS is total.
Rule 2: nothing is decided by a cause. The outcome comes from gate.OUTCOMES alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from gpgshim.core import o2m
from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.core.gate import DURABLE, Outcome, State
from gpgshim.core.quoting import escape
from gpgshim.core.wording import NOT_GO_AHEAD


class Kind(StrEnum):
    """The kinds of cause."""

    BYPASSED = "bypassed"  # a signature was made past the gate
    UNGATED = "ungated"  # a signature may have been made past the gate
    REFUSAL = "refusal"  # the gate refused a gpg
    END = "end"  # how the job ended
    NONE = "none"  # the journal has none of these: the supervisor was killed


K, O = Kind, Outcome  # noqa: E741 - short names keep the rows of the tables below on one line


class Row(NamedTuple):
    """A kind of record as a cause: its word and its clause, in which a word in braces is a field.

    It counts only if its line comes while one of `states` is on disk.
    """

    kind: Kind
    word: str
    clause: str
    states: tuple[State, ...] = DURABLE


BEFORE = (State.UNCOMMITTED,)
UNTIL_GO_AHEAD = (State.UNCOMMITTED, State.UNKNOWN)

RECORDS: dict[type[Record], Row] = {
    r.Bypassed: Row(K.BYPASSED, "bypassed", "the job reports an upload, but had no grant"),
    r.Ungated: Row(K.UNGATED, "ungated", "the job's stunts were removed while it ran"),
    r.Unlocked: Row(K.UNGATED, "unlocked", "the sockets of the lock were removed while it ran"),
    # While the authority is asked it waits, and after that it is granted.
    r.UnknownRequest: Row(
        K.REFUSAL, "unknown-command", "gpgshim does not know the command of {call:.200}", BEFORE
    ),
    # After the go-ahead the authority's answers change nothing.
    r.Refused: Row(K.REFUSAL, "refused", "the authority refused", UNTIL_GO_AHEAD),  # its reason
    r.AnswerExit: Row(K.REFUSAL, "unexpected", NOT_GO_AHEAD[r.AnswerExit][1], UNTIL_GO_AHEAD),
    r.AnswerSignal: Row(K.REFUSAL, "unexpected", NOT_GO_AHEAD[r.AnswerSignal][1], UNTIL_GO_AHEAD),
    r.Contradicted: Row(K.REFUSAL, "unexpected", NOT_GO_AHEAD[r.Contradicted][1], UNTIL_GO_AHEAD),
    r.UnexpectedAnswer: Row(
        K.REFUSAL, "unexpected", NOT_GO_AHEAD[r.UnexpectedAnswer][1], UNTIL_GO_AHEAD
    ),
    r.HungUp: Row(K.REFUSAL, "eof", NOT_GO_AHEAD[r.HungUp][1], UNTIL_GO_AHEAD),
    r.TimedOut: Row(K.REFUSAL, "timeout", NOT_GO_AHEAD[r.TimedOut][1], UNTIL_GO_AHEAD),  # the time
    r.Failed: Row(K.REFUSAL, "failed:{cause}", "the supervisor cannot go on: {reason}"),
    r.Exited: Row(K.END, "exit", "the job ended with status {status}"),
    r.Signalled: Row(K.END, "signal", "the job was killed by signal {signal}"),
    r.NotStarted: Row(K.END, "no-start", "the job could not be started (status {status})"),
    r.Ended: Row(K.END, "no-status", "the job's exit status was not reported"),
    r.WatchdogEnded: Row(K.END, "watchdog-ended", "the watchdog was killed"),
    r.Reported: Row(K.END, "reported", "dgit-repos-server reported {line}"),  # its message
}

#: The word without any such record.
CRASHED = ("crashed", "the supervisor was killed, and nothing was recorded of the job's end")

#: Outcome -> the kinds of cause that count for it, the most important one first. NONE comes last.
COUNTS: dict[Outcome, tuple[Kind, ...]] = {
    # A refusal before the commitment did no harm. A bypass was reported to the authority late.
    O.UPLOADED: (K.BYPASSED, K.END, K.NONE),
    O.UNSIGNED: (K.REFUSAL, K.END, K.NONE),  # the job may not have noticed the refusal
    O.RETRIABLE: (K.REFUSAL, K.END, K.NONE),  # a refusal is why the job failed
    O.IRRECOVERABLE: (K.BYPASSED, K.UNGATED, K.REFUSAL, K.END, K.NONE),
    O.REFUSED: (K.REFUSAL, K.END, K.NONE),
    O.OBSERVED: (K.BYPASSED, K.END, K.NONE),  # nothing was refused
}


class Why(NamedTuple):
    """The cause of an outcome: `cause` is a word, `reason` a clause for people.

    `status` is the exit status of the job as a shell reports it; None if it is not known.
    """

    kind: Kind
    cause: str
    reason: str
    status: int | None = None

    def told(self, refusals: Iterable[str]) -> list[str]:
        """The clauses that the line with the outcome has after its meaning.

        `refusals` are the reasons that gpgs got, because some callers of gpg hide its messages.
        """
        if self.kind is Kind.REFUSAL:
            return [f"gpg was refused: {self.reason}"]
        why = escape("; ".join(each[:300] for each in refusals))
        ended_well = self.kind is Kind.END and self.status == 0  # the meaning says it
        return [self.reason] * (not ended_well) + [f"gpg was refused: {why}"] * bool(why)


#: For a file that is not a journal, or that contradicts itself.
UNREADABLE = Why(K.NONE, "unreadable", "the journal cannot be read")


def why(entries: Iterable[tuple[Record, float | None]], outcome: Outcome) -> Why:
    """The cause of `outcome`, from the records of its journal with their times, in their order.

    Of refusals, the first one before the job's end counts; of ends, the last one.
    """
    found: dict[Kind, Why] = {}
    status: int | None = None
    state, since, message, is_over = State.UNCOMMITTED, None, "", False
    for record, at in entries:
        match record:
            case r.StateIs():
                state, since = record.state, at
            case r.GateClosed():
                is_over = True
            case r.Reported(line=line) if line not in o2m.OUTCOMES:
                message = o2m.message_in(line) or message
                continue
        row = RECORDS.get(type(record))
        if row is None or state not in row.states:
            continue
        if row.kind is Kind.END:
            is_over, status = True, _status_of(record)
        elif row.kind in found or (is_over and row.kind is Kind.REFUSAL):
            continue
        fields = vars(record)
        clause = row.clause.format_map(fields) + _more(record, since, at, message)
        found[row.kind] = Why(row.kind, row.word.format_map(fields), clause)
    first = next((found[kind] for kind in COUNTS[outcome] if kind in found), Why(K.NONE, *CRASHED))
    return first._replace(status=status)


def _status_of(end: Record) -> int | None:
    match end:
        case r.Exited(status=status) | r.NotStarted(status=status):
            return status
        case r.Signalled(signal=signal):
            return 128 + signal
    return None


def _more(record: Record, since: float | None, at: float | None, message: str) -> str:
    """The part of a clause that a field alone does not give."""
    match record:
        case r.Refused(reason=reason) if reason:
            return f": {reason}"
        case r.TimedOut() if since is not None and at is not None:
            return f" ({max(0.0, at - since):.1f} s)"
        case r.Reported() if message:
            return f": {message}"
    return ""
