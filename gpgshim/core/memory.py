# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""May a new attempt of a job start? The earlier attempts of the job decide, and a person's options.

Rule 1: STARTS is total, and no other code decides. An attempt that cannot be judged counts as one
that may have signed.
Rule 2: an attempt that is under way decides, or else the newest that stands. An attempt stands if a
repetition of the job could repeat something that cannot be undone. A person ends that by a
resolution, or by --again.
Rule 3: a head with a key of SETTLES says that no attempt before it stands any more. So a reader
needs no earlier journal, however many attempts there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from gpgshim.core.gate import Outcome, State
from gpgshim.core.records import Resolution
from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.core.verdict import COUNT, COUNT_ONCE, Verdict, judge, judge_bytes


class Standing(StrEnum):
    """The meaning of an attempt for the next attempt of its job. The values are for people."""

    NONE = "none"  # there is no attempt that stands
    UNDER_WAY = "under way"  # its supervisor is alive, and has written no outcome
    RETRIABLE = "retriable"
    UNSIGNED = "unsigned"
    OBSERVED = "observed"
    REFUSED = "refused"
    CRASHED_EARLY = "crashed before the request to commit"
    UPLOADED = "uploaded"
    PERMANENT = "irrecoverable, uncommitted"  # nothing was committed, but it would fail again
    UNKNOWN = "irrecoverable, unknown"  # the authority may have received the request
    REFUSED_EARLIER = "irrecoverable, refused"  # as an earlier version told a refusal
    COMMITTED = "irrecoverable, committed"
    CRASHED_LATE = "crashed after the request to commit"
    UNREADABLE = "unreadable"
    RESOLVED_RETRIABLE = "resolved as retriable"
    RESOLVED_UPLOADED = "resolved as uploaded"
    RESOLVED_IRRECOVERABLE = "resolved as irrecoverable"


class Option(StrEnum):
    """What the caller wants if an earlier attempt stands."""

    NONE = "none"  # no new attempt
    AGAIN = "--again"  # a new attempt all the same; the journal records it
    SKIP_DONE = "--skip-done"  # success without an attempt, if the job is done
    WARN = "warn"  # observe mode refuses nothing, and under tag2upload the manager decides


class Start(StrEnum):
    """The decision."""

    STARTS = "starts"
    OVERRIDES = "overrides"  # it starts, and the attempt that stood does not stand any more
    WARNS = "warns"  # it starts, with a warning, and the attempt still stands
    NOT_STARTED = "not-started"  # exit status gate.NOT_PERMITTED
    SKIPPED = "skipped"  # exit status 0


S, P, D = Standing, Option, Start

#: (the newest attempt that stands, the option) -> the decision.
STARTS: dict[tuple[Standing, Option], Start] = {
    # Nothing of the job was done that a repetition could repeat.
    (S.NONE, P.NONE): D.STARTS,
    (S.NONE, P.AGAIN): D.STARTS,  # there is nothing to override
    (S.NONE, P.SKIP_DONE): D.STARTS,  # the job is not done
    (S.NONE, P.WARN): D.STARTS,
    # Two attempts at once could both sign, so not even --again starts the second one.
    (S.UNDER_WAY, P.NONE): D.NOT_STARTED,
    (S.UNDER_WAY, P.AGAIN): D.NOT_STARTED,
    (S.UNDER_WAY, P.SKIP_DONE): D.NOT_STARTED,  # it is not done yet
    (S.UNDER_WAY, P.WARN): D.WARNS,
    # No commitment was requested.
    (S.RETRIABLE, P.NONE): D.STARTS,
    (S.RETRIABLE, P.AGAIN): D.STARTS,
    (S.RETRIABLE, P.SKIP_DONE): D.STARTS,
    (S.RETRIABLE, P.WARN): D.STARTS,
    # The job ended well without a signature. It may be a step that never signs.
    (S.UNSIGNED, P.NONE): D.STARTS,
    (S.UNSIGNED, P.AGAIN): D.STARTS,
    (S.UNSIGNED, P.SKIP_DONE): D.STARTS,  # nothing was uploaded
    (S.UNSIGNED, P.WARN): D.STARTS,
    # Observe mode claims nothing, and a trial of gpgshim must not stop the job later.
    (S.OBSERVED, P.NONE): D.STARTS,
    (S.OBSERVED, P.AGAIN): D.STARTS,
    (S.OBSERVED, P.SKIP_DONE): D.STARTS,
    (S.OBSERVED, P.WARN): D.STARTS,
    # The authority has certainly not committed. The next attempt asks it again.
    (S.REFUSED, P.NONE): D.STARTS,
    (S.REFUSED, P.AGAIN): D.STARTS,
    (S.REFUSED, P.SKIP_DONE): D.STARTS,
    (S.REFUSED, P.WARN): D.STARTS,
    # Its journal is complete, and has no request to commit.
    (S.CRASHED_EARLY, P.NONE): D.STARTS,
    (S.CRASHED_EARLY, P.AGAIN): D.STARTS,
    (S.CRASHED_EARLY, P.SKIP_DONE): D.STARTS,
    (S.CRASHED_EARLY, P.WARN): D.STARTS,
    # A name that is used for two releases must not be skipped silently.
    (S.UPLOADED, P.NONE): D.NOT_STARTED,
    (S.UPLOADED, P.AGAIN): D.OVERRIDES,
    (S.UPLOADED, P.SKIP_DONE): D.SKIPPED,
    (S.UPLOADED, P.WARN): D.WARNS,
    # It would fail again until a person has repaired the cause.
    (S.PERMANENT, P.NONE): D.NOT_STARTED,
    (S.PERMANENT, P.AGAIN): D.OVERRIDES,
    (S.PERMANENT, P.SKIP_DONE): D.NOT_STARTED,
    (S.PERMANENT, P.WARN): D.WARNS,
    # The authority may have committed, and a second commitment may do harm.
    (S.UNKNOWN, P.NONE): D.NOT_STARTED,
    (S.UNKNOWN, P.AGAIN): D.OVERRIDES,
    (S.UNKNOWN, P.SKIP_DONE): D.NOT_STARTED,
    (S.UNKNOWN, P.WARN): D.WARNS,
    # The authority has not committed, but what an earlier version told still holds.
    (S.REFUSED_EARLIER, P.NONE): D.NOT_STARTED,
    (S.REFUSED_EARLIER, P.AGAIN): D.OVERRIDES,
    (S.REFUSED_EARLIER, P.SKIP_DONE): D.NOT_STARTED,
    (S.REFUSED_EARLIER, P.WARN): D.WARNS,
    # Signatures may be public.
    (S.COMMITTED, P.NONE): D.NOT_STARTED,
    (S.COMMITTED, P.AGAIN): D.OVERRIDES,
    (S.COMMITTED, P.SKIP_DONE): D.NOT_STARTED,
    (S.COMMITTED, P.WARN): D.WARNS,
    # As for the states that its journal has, and its job may still run.
    (S.CRASHED_LATE, P.NONE): D.NOT_STARTED,
    (S.CRASHED_LATE, P.AGAIN): D.OVERRIDES,
    (S.CRASHED_LATE, P.SKIP_DONE): D.NOT_STARTED,
    (S.CRASHED_LATE, P.WARN): D.WARNS,
    # It may have signed.
    (S.UNREADABLE, P.NONE): D.NOT_STARTED,
    (S.UNREADABLE, P.AGAIN): D.OVERRIDES,
    (S.UNREADABLE, P.SKIP_DONE): D.NOT_STARTED,
    (S.UNREADABLE, P.WARN): D.WARNS,
    # A person has looked, and takes the responsibility.
    (S.RESOLVED_RETRIABLE, P.NONE): D.STARTS,
    (S.RESOLVED_RETRIABLE, P.AGAIN): D.STARTS,
    (S.RESOLVED_RETRIABLE, P.SKIP_DONE): D.STARTS,
    (S.RESOLVED_RETRIABLE, P.WARN): D.STARTS,
    # The same as `uploaded`.
    (S.RESOLVED_UPLOADED, P.NONE): D.NOT_STARTED,
    (S.RESOLVED_UPLOADED, P.AGAIN): D.OVERRIDES,
    (S.RESOLVED_UPLOADED, P.SKIP_DONE): D.SKIPPED,
    (S.RESOLVED_UPLOADED, P.WARN): D.WARNS,
    # A person has looked: the job cannot be repeated under this name.
    (S.RESOLVED_IRRECOVERABLE, P.NONE): D.NOT_STARTED,
    (S.RESOLVED_IRRECOVERABLE, P.AGAIN): D.OVERRIDES,
    (S.RESOLVED_IRRECOVERABLE, P.SKIP_DONE): D.NOT_STARTED,
    (S.RESOLVED_IRRECOVERABLE, P.WARN): D.WARNS,
}

_RESOLVE = "`gpgshim resolve {job} --as retriable|uploaded|irrecoverable --note TEXT`"

#: A standing that does not let every attempt start -> the hint. `{job}` and `{attempt}` (JOB.N).
HINTS: dict[Standing, str] = {
    S.UNDER_WAY: "wait for its end; `gpgshim show {attempt}` shows what it waits for",
    S.UPLOADED: "use a new name for a new release; --skip-done makes this a success, and --again"
    " starts the job again",
    S.PERMANENT: "repair the cause, and start the job with --again",
    S.UNKNOWN: f"ask the authority whether it has committed, then {_RESOLVE}, or --again",
    S.REFUSED_EARLIER: f"the authority refused, so {_RESOLVE}, or --again",
    S.COMMITTED: f"check what was published, then {_RESOLVE}, or --again",
    S.CRASHED_LATE: f"check whether its job still runs and what was published, then {_RESOLVE},"
    " or --again",
    S.UNREADABLE: f"examine the file, and check what was published, then {_RESOLVE}, or --again",
    S.RESOLVED_UPLOADED: "use a new name for a new release; --skip-done makes this a success, and"
    " --again starts the job again",
    S.RESOLVED_IRRECOVERABLE: "use a new name, or start the job with --again",
}

#: The standing of an attempt whose journal has an outcome, by verdict.Verdict.known and outcome.
_TOLD: dict[tuple[State, Outcome], Standing] = {
    (State.UNCOMMITTED, Outcome.UNSIGNED): S.UNSIGNED,
    (State.UNCOMMITTED, Outcome.RETRIABLE): S.RETRIABLE,
    (State.UNCOMMITTED, Outcome.IRRECOVERABLE): S.PERMANENT,
    (State.UNKNOWN, Outcome.IRRECOVERABLE): S.UNKNOWN,
    (State.REFUSED, Outcome.REFUSED): S.REFUSED,
    (State.REFUSED, Outcome.IRRECOVERABLE): S.REFUSED_EARLIER,
    (State.COMMITTED, Outcome.UPLOADED): S.UPLOADED,
    (State.COMMITTED, Outcome.IRRECOVERABLE): S.COMMITTED,
}
#: The same without an outcome: its supervisor was killed.
_CRASHED: dict[tuple[State, Outcome], Standing] = {
    (State.UNCOMMITTED, Outcome.UNSIGNED): S.CRASHED_EARLY,
    (State.UNCOMMITTED, Outcome.RETRIABLE): S.CRASHED_EARLY,
    (State.UNCOMMITTED, Outcome.IRRECOVERABLE): S.PERMANENT,
    (State.UNKNOWN, Outcome.IRRECOVERABLE): S.CRASHED_LATE,
    (State.REFUSED, Outcome.REFUSED): S.REFUSED,  # the refusal was the last answer
    (State.COMMITTED, Outcome.UPLOADED): S.UPLOADED,  # the job has ended well
    (State.COMMITTED, Outcome.IRRECOVERABLE): S.CRASHED_LATE,
}
_RESOLVED = {
    Resolution.RETRIABLE: S.RESOLVED_RETRIABLE,
    Resolution.UPLOADED: S.RESOLVED_UPLOADED,
    Resolution.IRRECOVERABLE: S.RESOLVED_IRRECOVERABLE,
}

#: The head keys of an attempt that was started by STARTS: no attempt before it stands.
EARLIER, AGAIN = "earlier", "again"
SETTLES = frozenset({EARLIER, AGAIN})


class Recalled(NamedTuple):
    """An earlier attempt. `settles` says whether no attempt before it stands (rule 3)."""

    standing: Standing
    verdict: Verdict
    settles: bool

    @property
    def stands(self) -> bool:
        """Whether it stops a new attempt without an option."""
        return STARTS[self.standing, Option.NONE] is not Start.STARTS


def recall(data: bytes, under_way: bool) -> Recalled:
    """What the bytes of a journal say of its attempt. Raises nothing.

    `under_way` says whether its supervisor is alive.
    """
    try:
        transcript = parse(data, keep=COUNT, keep_first=COUNT_ONCE)
        verdict = judge(transcript)
    except TranscriptError:
        verdict = judge_bytes(data)
        return Recalled(standing_of(verdict, under_way), verdict, settles=False)
    return Recalled(
        standing_of(verdict, under_way),
        verdict,
        settles=not SETTLES.isdisjoint(transcript.head),
    )


def described(recalled: Recalled) -> str:
    """An earlier attempt in a clause, after its name."""
    verdict = recalled.verdict
    if recalled.standing is Standing.UNDER_WAY:
        return "is under way"
    if resolved := verdict.resolved:
        return f"was resolved as {resolved.result} by {resolved.who}: {resolved.note}"
    return f"is {verdict.outcome}: {verdict.meaning}"


def standing_of(verdict: Verdict, under_way: bool) -> Standing:
    """The standing of an attempt. `under_way` says whether its supervisor is alive."""
    if under_way and not verdict.told:
        return S.UNDER_WAY
    if verdict.resolved:
        return _RESOLVED[verdict.resolved.result]
    if not verdict.readable:
        return S.UNREADABLE
    if verdict.would:
        return S.OBSERVED
    table = _TOLD if verdict.told else _CRASHED
    return table[verdict.known, verdict.outcome]


def head_of(earlier: int, start: Start, option: Option) -> dict[str, str]:
    """The head of a new attempt that starts; `earlier` is the attempt that stood, or 0."""
    if option is Option.WARN:
        return {}  # this table does not decide about the job
    if start is Start.OVERRIDES:
        return {AGAIN: str(earlier)}
    return {EARLIER: "none"}


def is_needed(newest_first: Iterable[Recalled]) -> bool:
    """Whether these journals, which are all of a job, must be kept for its next attempt.

    STARTS wrote into the heads of some attempts that no earlier one stands. The newest of these
    attempts counts: the journals are needed if it still stands, an uploaded one too.
    """
    return next((each.stands for each in newest_first if each.settles), False)
