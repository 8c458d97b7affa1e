# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strips of a job's sequence diagram, from top to bottom, without positions.

Rule 1: pure: a story in, strips out. `diagram` gives the strips positions, `svg` prints them.
Rule 2: a strip has all the text that it shows. Only this module reads the events of a diagram.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from gpgshim.core import records as r
from gpgshim.render.sentences import is_request_seen
from gpgshim.render.terminal import duration
from gpgshim.summary.events import Kind, Party
from gpgshim.summary.story import Story, StoryEvent, Undo

#: If a story has more events, the diagram omits some, and says where.
MOST_EVENTS = 160
#: A pause is a strip if it is at least this part of the whole time, and this many seconds.
PAUSE_PART, PAUSE_SECONDS = 0.04, 0.5


class Milestone(StrEnum):
    """The moments that have a line across the whole diagram. The value is the CSS class."""

    NO_RETURN = "no-return"
    COMMITTED = "committed"
    NOW = "now"  # of a job under way


class Across(NamedTuple):
    """A line across the diagram, with its text; `at` is in seconds."""

    milestone: Milestone
    words: str
    at: float


class Change(NamedTuple):
    """From here on, and from the time `at` on, `undo` says what can be undone."""

    undo: Undo
    at: float


class Pause(NamedTuple):
    """A time without events, or events that are omitted."""

    words: str


class Message(NamedTuple):
    """A message from one party to another; with a number, the grant of this gpg."""

    sender: Party
    receiver: Party
    words: str
    at: float | None
    is_strong: bool = False
    is_answer: bool = False
    grants: int | None = None


class Moment(NamedTuple):
    """An event of one party; with a number, the end of this gpg."""

    party: Party
    words: str
    at: float | None
    is_strong: bool
    is_on_disk: bool
    ends: int | None


Strip = Across | Change | Pause | Message | Moment

#: Kinds of events whose text is bold.
_STRONG = (Kind.DISK, Kind.OUTCOME, Kind.MESSAGE)
_ON_DISK = (Kind.DISK, Kind.OUTCOME)
_ANSWERS = (Kind.ANSWER, Kind.REPORT)


def strips_of(story: Story, is_live: bool, end: float | None) -> list[Strip]:
    """The strips. `end` is the end of the time scale, in seconds; None if there is no scale."""
    strips: list[Strip] = []
    before: StoryEvent | None = None
    undo: Undo | None = None
    for number, event in _choose(story):
        if event is None:
            strips.append(Pause(f"{number} events omitted: see the table"))
            continue
        if before is not None and before.at is not None and event.at is not None:
            strips += _pause(before.at, event.at, end, PAUSE_PART)
        if event.undo is not undo:
            strips += _change(story, number, event)
            undo = event.undo
        strips += _strips_of_event(story, event)
        before = event
    if is_live:
        if before is not None and before.at is not None and end is not None:
            strips += _pause(before.at, end, end, 0)
        strips.append(Across(Milestone.NOW, f"now: waits for {story.waits_for}", end or 0.0))
    return strips


def _choose(story: Story) -> Iterator[tuple[int, StoryEvent | None]]:
    """(index, event) of each event to draw; (number, None) for a group of omitted events."""
    events = story.events
    shown = set(range(len(events)))
    if len(events) > MOST_EVENTS:
        shown = set(range(MOST_EVENTS * 2 // 3))
        shown |= set(range(len(events) - MOST_EVENTS // 3, len(events)))
        for number in (story.no_return, story.commitment):
            if number is not None:
                shown |= set(range(number - 3, number + 4))
    omitted = 0
    for number, event in enumerate(events):
        if number not in shown:
            omitted += 1
            continue
        if omitted:
            yield omitted, None
            omitted = 0
        yield number, event


def _pause(since: float, until: float, end: float | None, part: float) -> list[Strip]:
    seconds = until - since
    if end is None or seconds < max(PAUSE_SECONDS, end * part):
        return []
    return [Pause(f"no event for {duration(seconds)}")]


def _change(story: Story, number: int, event: StoryEvent) -> list[Strip]:
    at = event.at or 0.0
    strips: list[Strip] = []
    if number == story.no_return:
        is_seen = is_request_seen(story)
        words = "point of no return" if is_seen else "from here on the state is not known"
        strips.append(Across(Milestone.NO_RETURN, words, at))
    if number == story.commitment:
        strips.append(Across(Milestone.COMMITTED, "committed", at))
    return [*strips, Change(event.undo, at)]


def _strips_of_event(story: Story, event: StoryEvent) -> list[Strip]:
    gpg = f"gpg {event.number}" if event.number else "gpg"
    is_strong = event.kind in _STRONG
    if isinstance(event.record, r.Request):
        caller = Party.DGIT if Party.DGIT in story.names else Party.JOB
        asks = "may I sign?" if isinstance(event.record, r.SignRequest) else "may I run?"
        by = event.by or "unknown program"
        return [
            Message(caller, Party.GPG, f"{by}: {event.record.call}", event.at),
            Message(Party.GPG, Party.SUPERVISOR, f"{gpg}: {asks}", event.at),
        ]
    if event.to is not None:
        is_grant = isinstance(event.record, r.Granted)
        words = f"{gpg}: {event.what}" if event.kind is Kind.ANSWER else event.what
        return [
            Message(
                event.who,
                event.to,
                words,
                event.at,
                is_strong,
                is_answer=event.kind in _ANSWERS,
                grants=event.number if is_grant else None,
            )
        ]
    words = f"{gpg} {event.what}" if event.who is Party.GPG else event.what
    is_end = event.kind is Kind.ENDED
    return [
        Moment(
            event.who,
            words,
            event.at,
            is_strong,
            event.kind in _ON_DISK,
            event.number if is_end else None,
        )
    ]
