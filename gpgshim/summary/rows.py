# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt as one row, for a person who supervises many jobs.

Rule 1: pure: a journal's bytes in, a row out. A file that is not a journal has a row too.
Rule 2: core/need.py decides which attempts need a person. All others are only for information.
Rule 3: the JSON form is stable: fields may be added; none is removed or changes its meaning.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from gpgshim.core.gate import Outcome, State
from gpgshim.core.need import Alarm, need_of
from gpgshim.core.records import Resolved
from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.core.verdict import judge_bytes
from gpgshim.summary.result import resolution
from gpgshim.summary.story import Story, tell

A, S, O = Alarm, State, Outcome  # noqa: E741 - the tables below are read by their columns

BYPASSED = "find what signed past the gate; ask the authority whether it has committed"
ASK = "ask the authority whether it has committed"
CHECK = "check what was published"

#: (the need, the durable state) -> what a person must do. A need has no other states.
DO: dict[tuple[Alarm, State], str] = {
    (A.BYPASSED, S.UNKNOWN): BYPASSED,
    (A.BYPASSED, S.COMMITTED): BYPASSED,  # it was reported late
    (A.UNGATED, S.UNKNOWN): "find what was signed past the gate, and check what was published",
    (A.UNKNOWN, S.UNKNOWN): ASK,
    (A.IRRECOVERABLE, S.COMMITTED): CHECK,
    (A.CRASHED, S.UNKNOWN): ASK,
    (A.CRASHED, S.COMMITTED): CHECK,
}
#: (state, outcome) -> further information, short enough for one line of a list.
SHORT: dict[tuple[State, Outcome], str] = {
    (S.UNCOMMITTED, O.UNSIGNED): "no request to commit was sent",
    (S.UNCOMMITTED, O.RETRIABLE): "no request to commit was sent",
    (S.UNCOMMITTED, O.IRRECOVERABLE): "no request to commit was sent, and it would fail again",
    (S.UNKNOWN, O.IRRECOVERABLE): "",  # DO says it
    (S.REFUSED, O.REFUSED): "the authority refused: it has not committed",
    (S.COMMITTED, O.UPLOADED): "",
    (S.COMMITTED, O.IRRECOVERABLE): "",
}
RESOLVED = "resolved as {result} by {who}"
OBSERVED = "it was not gated; it would have been"
NO_JOURNAL = "examine the file: it is not a journal, so the job counts as unknown"
UNREAD = "examine the file: it cannot be read, so the job counts as unknown"

UNDER_WAY = "under way"  #: used in place of an outcome
CRASHED = "its supervisor is gone"  #: it wrote no outcome; the outcome is derived


class AttemptRow(NamedTuple):
    """An attempt. `outcome` is None while it is under way, otherwise what is true of the job.

    `told` says whether the journal itself holds the outcome. `age` (since the attempt began),
    `lasted` and `retriable` are in seconds; None if unknown. `needs` says what a person must do,
    and `alarm` why; `words` gives further information, and `meaning` gives the same in full.
    `earlier` are the outcomes of the job's earlier attempts, the first one first. `resolved` is
    what a person has recorded after the attempt.
    """

    job: str
    attempt: int
    path: str
    under_way: bool
    state: State
    outcome: Outcome | None
    told: bool
    began: str | None
    age: float
    lasted: float | None
    retriable: float | None
    signatures: int
    needs: str
    words: str
    meaning: str
    earlier: tuple[str, ...] = ()
    resolved: Resolved | None = None
    alarm: Alarm | None = None

    @property
    def as_json(self) -> dict[str, object]:
        """The fields as `status --json` prints them. Times are in seconds; `null` if unknown."""
        return {
            "job": self.job,
            "attempt": self.attempt,
            "earlier": list(self.earlier),
            "journal": self.path,
            "under_way": self.under_way,
            "state": str(self.state),
            "outcome": self.outcome and str(self.outcome),
            "told": self.told,
            "started": self.began,
            "age": round(self.age, 3),
            "lasted": self.lasted and round(self.lasted, 3),
            "retriable": self.retriable and round(self.retriable, 3),
            "signatures": self.signatures,
            "needs": self.needs,
            "alarm": self.alarm and str(self.alarm),
            "meaning": self.meaning,
            "resolved": resolution(self.resolved),
        }


def row_of(
    job: str, attempt: int, path: str, data: bytes, under_way: bool, now: float, written: float
) -> AttemptRow:
    """The row of the journal whose bytes are `data`. Raises nothing.

    `now` and `written` (the file's last write) are in seconds since 1970. `under_way` says whether
    its supervisor is alive; if the outcome is on disk, the supervisor is only finishing.
    """
    try:
        story = tell(parse(data))
    except TranscriptError as error:
        verdict = judge_bytes(data)
        row = _unknown(
            job, attempt, path, under_way, max(0.0, now - written), NO_JOURNAL, str(error)
        )
        if resolved := verdict.resolved:
            row = row._replace(words=_how_resolved(resolved), resolved=resolved)
        need = need_of(verdict, under_way)
        return row._replace(alarm=need, needs=NO_JOURNAL if need else "")
    verdict = story.verdict
    under_way = under_way and not verdict.told
    began = _seconds_since_1970(story.head.get("started", ""))
    old = max(0.0, now - (written if began is None else began))
    need = need_of(verdict, under_way)
    lasted, retriable = story.seconds, story.retriable
    if under_way and began is not None:
        lasted = max(old, lasted or 0.0)
        retriable = lasted if story.no_return is None else retriable
    return AttemptRow(
        job,
        attempt,
        path,
        under_way,
        verdict.state,
        None if under_way else verdict.outcome,
        verdict.told,
        None if began is None else story.head["started"],
        old,
        lasted,
        retriable,
        story.signatures,
        DO[need, verdict.state] if need else "",
        _words(story, under_way),
        f"waits for {story.waits_for}" if under_way else verdict.meaning,
        resolved=verdict.resolved,
        alarm=need,
    )


def unread(job: str, attempt: int, path: str, why: str, now: float, written: float) -> AttemptRow:
    """The row of a journal that exists but cannot be read. Raises nothing."""
    return _unknown(job, attempt, path, False, max(0.0, now - written), UNREAD, why)


def _unknown(
    job: str, attempt: int, path: str, under_way: bool, age: float, needs: str, why: str
) -> AttemptRow:
    return AttemptRow(
        job, attempt, path, under_way, State.UNKNOWN, None if under_way else O.IRRECOVERABLE,
        False, None, age, None, None, 0, needs, why, why, alarm=A.UNKNOWN,
    )  # fmt: skip


def _words(story: Story, under_way: bool) -> str:
    if under_way:
        return f"waits for {story.waits_for}"
    verdict = story.verdict
    if verdict.would:
        short = f"{OBSERVED} {verdict.would}"
    elif verdict.refused:  # also in a journal of a version that said irrecoverable
        short = SHORT[State.REFUSED, O.REFUSED]
    else:
        short = SHORT[verdict.state, verdict.outcome]
    how = _how_resolved(verdict.resolved) if verdict.resolved else ""
    parts = (how, "" if verdict.told else CRASHED, short)
    return "; ".join(filter(None, parts))


def _how_resolved(resolved: Resolved) -> str:
    return RESOLVED.format_map(vars(resolved))


def _seconds_since_1970(started: str) -> float | None:
    try:
        return datetime.strptime(started, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
