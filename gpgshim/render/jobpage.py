# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that the page of one job shows; `templates/job.html` has its words and its structure.

Rule 1: pure: a transcript in, values out. A value is plain text, never markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from gpgshim.core.transcript import Transcript
from gpgshim.render.diagram import Diagram, draw
from gpgshim.render.scale import clock
from gpgshim.render.sentences import conclude, no_return, party_name
from gpgshim.render.svg import CLASSES
from gpgshim.render.terminal import age, duration
from gpgshim.summary.rows import UNDER_WAY, AttemptRow
from gpgshim.summary.story import MEANINGS, Story, StoryEvent, Undo, tell


class Attempt(NamedTuple):
    """One attempt in the list of all attempts of the job. `retriable` is empty if it is unknown.

    `needs` says what a person must do, or how a person has resolved the attempt.
    """

    number: int
    is_this: bool
    outcome: str
    needs: str
    began: str
    retriable: str
    signatures: int


class EventRow(NamedTuple):
    """A row of the table of events. `receiver` is empty if there is none."""

    clock: str
    sender: str
    receiver: str
    words: str
    notes: tuple[str, ...]


class RowGroup(NamedTuple):
    """The events between which the same can be undone. `milestones` begin here."""

    look: str
    undo: str
    meaning: str
    milestones: tuple[str, ...]
    rows: list[EventRow]


class Key(NamedTuple):
    """An entry of the legend."""

    look: str
    undo: str
    meaning: str


class JobPage(NamedTuple):
    """All values. `made` is the time of creation, or empty; `is_live` if the job is under way."""

    name: str
    state: str
    is_live: bool
    conclusion: list[str]
    made: str
    facts: dict[str, str]
    attempts: list[Attempt]
    diagram: Diagram
    legend: list[Key]
    groups: list[RowGroup]


def describe(
    transcript: Transcript, attempts: Sequence[AttemptRow], under_way: bool, now: datetime | None
) -> JobPage:
    """The values for a transcript. The parameters are those of page.job_page."""
    story = tell(transcript)
    is_live = under_way and not story.verdict.told
    diagram = draw(story, is_live, _end(story, is_live, now))
    return JobPage(
        story.name,
        UNDER_WAY if is_live else str(story.verdict.outcome),
        is_live,
        conclude(story, is_live),
        f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if now else "",
        _facts(story, is_live),
        [_attempt(row, story) for row in attempts],
        diagram,
        [Key(CLASSES[undo], undo, MEANINGS[undo]) for undo in diagram.undos],
        _groups(story),
    )


def _end(story: Story, is_live: bool, now: datetime | None) -> float | None:
    """The end of the diagram's time, in seconds since the job began; None if it is not to scale."""
    if not story.is_to_scale or story.seconds is None:
        return None
    if is_live and now is not None:
        try:
            began = datetime.strptime(story.head.get("started", ""), "%Y-%m-%dT%H:%M:%SZ")
        except ValueError:
            return story.seconds
        return max(story.seconds, (now - began.replace(tzinfo=UTC)).total_seconds())
    return story.seconds


def _facts(story: Story, is_live: bool) -> dict[str, str]:
    facts = dict(story.head)
    if story.seconds is not None and not is_live:
        facts["took"] = duration(story.seconds)
    return {**facts, "signatures": str(story.signatures)}


def _attempt(row: AttemptRow, story: Story) -> Attempt:
    return Attempt(
        row.attempt,
        str(row.attempt) == story.head.get("attempt"),
        str(row.outcome or UNDER_WAY),
        row.needs or (f"resolved as {row.resolved.result}" if row.resolved else ""),
        row.began.replace("T", " ") if row.began else f"{age(row.age)} ago",
        "" if row.retriable is None else duration(row.retriable),
        row.signatures,
    )


def _groups(story: Story) -> list[RowGroup]:
    groups: list[RowGroup] = []
    last: Undo | None = None
    for number, event in enumerate(story.events):
        if event.undo is not last:
            milestones = [no_return(story)] if number == story.no_return else []
            milestones += ["committed"] if number == story.commitment else []
            look, meaning = CLASSES[event.undo], MEANINGS[event.undo]
            groups.append(RowGroup(look, event.undo, meaning, tuple(milestones), []))
            last = event.undo
        groups[-1].rows.append(_event_row(story, event))
    return groups


def _event_row(story: Story, event: StoryEvent) -> EventRow:
    return EventRow(
        "" if event.at is None else clock(event.at),
        party_name(story, event.who, event.number),
        "" if event.to is None else party_name(story, event.to, event.number),
        event.what,
        event.notes,
    )
