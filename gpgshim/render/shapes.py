# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of a diagram: what `diagram` computes and `svg` prints.

Rule 1: horizontal positions are percentages of the width, so that a diagram fits a phone without
scaling. Vertical positions are pixels, from the top.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from gpgshim.render.sequence import Milestone
from gpgshim.summary.story import Undo

# Columns, in percent: the text of the ticks ends, the time bar, and the area of the events begins.
TICKS, BAR, BAR_END, EVENTS = 10.5, 11.5, 14.0, 19.0


class Width(StrEnum):
    """The pages on which a text is shown. The value is the CSS class."""

    ALL = ""
    NARROW = "narrow"
    WIDE = "wide"


class Anchor(StrEnum):
    """The part of a text that is at its position. The value is the CSS class."""

    START = ""
    MIDDLE = "middle"
    END = "end"


class Role(StrEnum):
    """The purpose of a text. The value is the CSS class."""

    EVENT = "event"
    STRONG = "event strong"
    CLOCK = "clock"
    CHANGE = "change"
    PAUSE = "pause"
    MILESTONE = "milestone"


class Span(NamedTuple):
    """From one pixel to another, downwards."""

    top: float
    bottom: float


class Band(NamedTuple):
    """The background of the events between which the same can be undone."""

    undo: Undo
    span: Span


class BarPart(NamedTuple):
    """The part of the time bar during which the same can be undone."""

    undo: Undo
    span: Span


class TimeBar(NamedTuple):
    """The outline of the time bar, and its head."""

    span: Span


class TickMark(NamedTuple):
    """A tick at the time bar, with its text."""

    y: float
    words: str


class Lead(NamedTuple):
    """A thin line from a time on the bar to its event."""

    bar_y: float
    y: float


class Lane(NamedTuple):
    """The lifeline of a party, dotted at `pauses`. `short` is its name on a narrow page."""

    x: float
    name: str
    short: str
    span: Span
    pauses: tuple[Span, ...]


class Run(NamedTuple):
    """The time for which a gpg with a grant was running."""

    x: float
    span: Span


class Arrow(NamedTuple):
    """A message between two lanes."""

    start: float
    end: float
    y: float
    is_answer: bool


class Point(NamedTuple):
    """An event of one lane: a square if it is on disk, and a circle otherwise."""

    x: float
    y: float
    is_on_disk: bool


class Guide(NamedTuple):
    """A dotted line from the left of the events to an arrow or a point."""

    x: float
    y: float


class Label(NamedTuple):
    """A text: `words`, which may be cut; `full` is the whole text. `shift` is in pixels."""

    role: Role
    x: float
    y: float
    words: str
    full: str = ""
    shift: float = 0
    anchor: Anchor = Anchor.START
    width: Width = Width.ALL


class MilestoneLine(NamedTuple):
    """A line across the whole diagram; `bar_y` is its time on the bar, None without a scale."""

    milestone: Milestone
    y: float
    bar_y: float | None


Shape = (
    Band
    | BarPart
    | TimeBar
    | TickMark
    | Lead
    | Lane
    | Run
    | Arrow
    | Point
    | Guide
    | Label
    | MilestoneLine
)
