# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of jobs, derived from their journals alone, in Prometheus' format.

Rule 1: pure: a transcript in, numbers out; numbers in, text out.
Rule 2: METRICS has every number. All exist from the start, at 0, so that a first alarm is an
increase.
Rule 3: a job in observe mode only adds to the metrics of observe mode, and to the alarm for a
signature that bypassed the gate: the gate held nothing and answered no client.

Source: Prometheus' text exposition format, version 0.0.4.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import NamedTuple

from gpgshim.core import records as r
from gpgshim.core.gate import Outcome, State
from gpgshim.core.need import Alarm, need_of
from gpgshim.core.transcript import Entry, Transcript
from gpgshim.core.verdict import Verdict


class Cause(StrEnum):
    """The cause of a refusal, as the metrics count it."""

    REFUSED = "refused"  # the authority's answer was not go-ahead
    SILENCE = "silence"  # the authority did not answer
    COMMAND = "command"  # gpg's command is unknown to us
    OVER = "over"  # the job is over, or its gate was closed
    FAILED = "failed"  # an error of the disk, or the authority could not be reached
    OTHER = "other"


#: The cause of a refusal in the journal -> as it is counted.
CAUSES = {
    r.Cause.REFUSED: Cause.REFUSED,
    r.Cause.UNEXPECTED: Cause.REFUSED,
    r.Cause.EOF: Cause.REFUSED,
    r.Cause.TIMEOUT: Cause.SILENCE,
    r.Cause.UNREADABLE: Cause.SILENCE,
    r.Cause.UNKNOWN_COMMAND: Cause.COMMAND,
    r.Cause.CLOSED: Cause.OVER,
    r.Cause.FAILED: Cause.FAILED,
    r.Cause.NOT_ASKED: Cause.OTHER,
    r.Cause.OTHER: Cause.OTHER,
}

COMMITTED = r.StateIs(State.COMMITTED)

#: Seconds from a job's start to its commitment: fast jobs, jobs that clone and build, hung jobs.
BUCKETS = ("1", "10", "60", "300", "1800", "7200", "+Inf")

#: metric -> label value -> number. The label value is empty for a metric without a label.
Sums = dict[str, dict[str, float]]


class Metric(NamedTuple):
    """One metric: its type, its label, the values of that label, and a description for people."""

    kind: str
    label: str
    values: tuple[str, ...]
    says: str


_ONE = ("",)

METRICS = {
    "gpgshim_attempts_total": Metric(
        "counter", "outcome", tuple(Outcome), "Attempts at jobs that are over, by their outcome."
    ),
    "gpgshim_uploads_saved_total": Metric(
        "counter", "", _ONE, "Jobs that were uploaded after a retriable attempt, each once."
    ),
    "gpgshim_grants_total": Metric("counter", "", _ONE, "Calls of gpg that were let through."),
    "gpgshim_refusals_total": Metric(
        "counter", "cause", tuple(Cause), "Calls of gpg that were refused, by cause."
    ),
    "gpgshim_gate_wait_seconds": Metric(
        "summary", "", ("sum", "count"), "How long calls of gpg waited for their answer."
    ),
    "gpgshim_commitment_seconds": Metric(
        "histogram", "le", (*BUCKETS, "sum"), "From the start of a job to its commitment."
    ),
    "gpgshim_alarms_total": Metric(
        "counter", "alarm", tuple(Alarm), "Attempts that need a person, by what happened."
    ),
    "gpgshim_observed_total": Metric(
        "counter",
        "would",
        tuple(each for each in Outcome if each is not Outcome.OBSERVED),
        "Attempts that were only observed, by the outcome that a gate would have told.",
    ),
    "gpgshim_crashed_total": Metric(
        "counter", "", _ONE, "Attempts whose supervisor did not live to write the outcome."
    ),
    "gpgshim_resolved_total": Metric(
        "counter", "as", tuple(r.Resolution), "Resolutions that persons recorded, by their result."
    ),
    "gpgshim_under_way": Metric("gauge", "", _ONE, "Attempts that are under way."),
}


def nothing() -> Sums:
    """Every number, at 0."""
    return {name: dict.fromkeys(metric.values, 0.0) for name, metric in METRICS.items()}


def count(sums: Sums, transcript: Transcript, verdict: Verdict) -> None:
    """Add the numbers of one attempt that is over. `verdict` is that of its journal."""
    sums["gpgshim_attempts_total"][verdict.outcome] += 1
    sums["gpgshim_crashed_total"][""] += not verdict.told
    if alarm := need_of(verdict, under_way=False):
        sums["gpgshim_alarms_total"][alarm] += 1
    if verdict.would:
        sums["gpgshim_observed_total"][verdict.would] += 1
    else:
        entries = transcript.read(("$", "?", "=", "!", "%"))
        _count_answers(sums, entries)
        if not verdict.signed_past:  # its commitment was only reported to the authority late
            _count_commitment(sums, entries)


#: In place of the number of a job's first retriable attempt, once its upload is counted as saved.
SAVED = 0


def count_saved(sums: Sums, outcome: Outcome, attempt: int, first: int | None) -> int | None:
    """Count the upload of a job that an earlier attempt left retriable, once for each job.

    `first` is the number of the job's first retriable attempt so far, SAVED, or None. Returns the
    same with this attempt.
    """
    if first == SAVED:
        return SAVED
    if outcome is Outcome.RETRIABLE:
        return min(first or attempt, attempt)
    if outcome is Outcome.UPLOADED and first is not None and first < attempt:
        sums["gpgshim_uploads_saved_total"][""] += 1
        return SAVED
    return first


def resolutions_in(transcript: Transcript) -> list[r.Resolved]:
    """The resolutions of an attempt, in their order."""
    records = (record for record, _ in transcript.read(("%",)))
    return [record for record in records if isinstance(record, r.Resolved)]


def count_resolutions(sums: Sums, resolved: list[r.Resolved]) -> None:
    """Add resolutions that were not counted before."""
    for each in resolved:
        sums["gpgshim_resolved_total"][each.result] += 1


def _count_answers(sums: Sums, entries: list[Entry]) -> None:
    waiting: deque[tuple[int, float | None]] = deque()  # (number of the request, its time)
    asked = 0
    for record, at in entries:
        match record:
            case r.Request():
                asked += 1
                waiting.append((asked, at))
            case r.ClientGone(request=gone):
                waiting = deque(each for each in waiting if each[0] != gone)
            case r.Granted():
                sums["gpgshim_grants_total"][""] += 1
                _count_wait(sums, waiting, at)
            case r.Denied(cause=cause):
                sums["gpgshim_refusals_total"][CAUSES[cause]] += 1
                _count_wait(sums, waiting, at)


def _count_wait(sums: Sums, waiting: deque[tuple[int, float | None]], at: float | None) -> None:
    """Count how long the request that was answered at `at` has waited; it is removed."""
    since = waiting.popleft()[1] if waiting else None
    if since is not None and at is not None:
        sums["gpgshim_gate_wait_seconds"]["sum"] += at - since
        sums["gpgshim_gate_wait_seconds"]["count"] += 1


def _count_commitment(sums: Sums, entries: list[Entry]) -> None:
    for record, at in entries:
        if record == COMMITTED and at is not None:
            sums["gpgshim_commitment_seconds"]["sum"] += at
            for bucket in BUCKETS:
                sums["gpgshim_commitment_seconds"][bucket] += at <= float(bucket)


def render(sums: Sums) -> str:
    """`sums` in Prometheus' text format."""
    out = []
    for name, metric in METRICS.items():
        out.append(f"# HELP {name} {metric.says}")
        out.append(f"# TYPE {name} {metric.kind}")
        for value, number in sums[name].items():
            out.append(f"{_sample(name, metric, value)} {number:.15g}")
        if metric.kind == "histogram":
            out.append(f"{name}_count {sums[name]['+Inf']:.15g}")
    return "\n".join([*out, ""])


def _sample(name: str, metric: Metric, value: str) -> str:
    if value in ("sum", "count"):
        return f"{name}_{value}"
    suffix = "_bucket" if metric.kind == "histogram" else ""
    return f'{name}{suffix}{{{metric.label}="{value}"}}' if metric.label else name
