# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sequence diagram of one job: strips become shapes with positions.

Rule 1: pure: a story in, shapes out.
Rule 2: the strips are stacked from the top, each with the height of its type. Beside them is the
time bar, to scale; a thin line leads from each time on the bar to its event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from gpgshim.render.labels import centred, clock_label, event_labels, short_name
from gpgshim.render.scale import Scale, ticks
from gpgshim.render.sequence import (
    Across,
    Change,
    Message,
    Milestone,
    Moment,
    Pause,
    Strip,
    strips_of,
)
from gpgshim.render.shapes import (
    EVENTS,
    Arrow,
    Band,
    BarPart,
    Guide,
    Label,
    Lane,
    Lead,
    MilestoneLine,
    Point,
    Role,
    Run,
    Shape,
    Span,
    TickMark,
    TimeBar,
)
from gpgshim.summary.events import Party
from gpgshim.summary.story import Story, Undo

_TOP, _END = 40, 16  # pixels above and below the strips
_FIRST, _LAST = 26.0, 93.0  # the first and the last lane, in percent
_GAPS = (1.3, 1.1, 1.0, 1.0)  # distances between lanes: the first parties have longer names
#: Type of a strip -> its height in pixels.
HEIGHTS: dict[type, int] = {Across: 30, Change: 20, Pause: 30, Message: 38, Moment: 38}
_ARROW = 26  # from the top of a strip to its arrow or point, in pixels
_LINE = 24  # from the top of a strip to its line across
_TICK_EVERY = 44  # at least this many pixels
_PIECE = 160  # maximum height of a part that is not split between two sheets of paper


class Diagram(NamedTuple):
    """The shapes, in the order in which they are drawn, and what the page says about them.

    `pieces` are drawn one below the other; a page break falls between two pieces. `undos` are the
    bands, each once.
    """

    title: str
    description: str
    is_to_scale: bool
    shapes: tuple[Shape, ...]
    pieces: tuple[Span, ...]
    undos: tuple[Undo, ...]


class _Placed(NamedTuple):
    strip: Strip
    top: float

    @property
    def bottom(self) -> float:
        return self.top + HEIGHTS[type(self.strip)]

    @property
    def span(self) -> Span:
        return Span(self.top, self.bottom)


class _Frame(NamedTuple):
    """What the position of a shape depends on: the lanes, in percent, and the time scale."""

    lanes: dict[Party, float]
    scale: Scale | None
    height: float


def draw(story: Story, is_live: bool, end: float | None) -> Diagram:
    """The diagram of a story. `end` is the end of its time, in seconds; None without a scale."""
    strips = strips_of(story, is_live, end)
    tops = list(accumulate((HEIGHTS[type(strip)] for strip in strips), initial=_TOP))
    placed = [_Placed(strip, top) for strip, top in zip(strips, tops, strict=False)]
    bottom = tops[-1]
    scale = Scale(end, _TOP, bottom) if end else None  # also for a job without length
    frame = _Frame(_lanes(story), scale, bottom + _END)
    starts = _starts(placed)
    shapes = [
        *_bands(starts, frame),
        *_time_bar(placed, frame),
        *_lifelines(story, placed, frame),
        *_runs(placed, frame),
        *(shape for strip, top in placed for shape in _DRAW[type(strip)](strip, top, frame)),
        *_milestone_lines(placed, frame),
    ]
    return Diagram(
        f"Sequence diagram of {story.name}",
        _description(story),
        scale is not None,
        tuple(shapes),
        tuple(_pieces(placed, frame.height)),
        tuple(dict.fromkeys(start.undo for start in starts)),
    )


def _description(story: Story) -> str:
    last = f"The last state is: {story.events[-1].undo}." if story.events else ""
    return (
        f"{len(story.events)} events between {', '.join(story.names.values())}, from top to bottom."
        f" {last} The table below has the same events in words."
    )


def _lanes(story: Story) -> dict[Party, float]:
    gaps = [0.0, *_GAPS][: len(story.names)]
    places = [_FIRST + (_LAST - _FIRST) * each / sum(gaps) for each in accumulate(gaps)]
    return dict(zip(story.names, places, strict=True))


def _pieces(placed: list[_Placed], height: float) -> Iterator[Span]:
    # A piece can end after an event; what precedes an event belongs to it.
    ends = [each.bottom for each in placed if isinstance(each.strip, Message | Moment)]
    top: float = 0
    while top < height:
        fits = [y for y in ends if top < y <= top + _PIECE]
        bottom = fits[-1] if fits and height - top > _PIECE else height
        yield Span(top, bottom)
        top = bottom


class _Start(NamedTuple):
    """The start of a band: pixels, and seconds."""

    undo: Undo
    top: float
    at: float


def _starts(placed: list[_Placed]) -> list[_Start]:
    starts = []
    line = None  # a line across, just before
    for each in placed:
        if isinstance(each.strip, Change):
            starts.append(_Start(each.strip.undo, line or each.top, each.strip.at))
        line = each.top + _LINE if isinstance(each.strip, Across) else None
    return starts


def _bands(starts: list[_Start], frame: _Frame) -> Iterator[Shape]:
    end = frame.scale.end if frame.scale else 0.0
    for start, following in pairwise([*starts, _Start(Undo.FINAL, frame.height, end)]):
        yield Band(start.undo, Span(start.top, following.top))
        if frame.scale:
            top, bottom = frame.scale.place(start.at), frame.scale.place(following.at)
            yield BarPart(start.undo, Span(top, max(top + 1.0, bottom)))


def _time_bar(placed: list[_Placed], frame: _Frame) -> Iterator[Shape]:
    scale = frame.scale
    if scale is None:
        return
    yield TimeBar(Span(scale.top, scale.bottom))
    for tick in ticks(scale.end, int((scale.bottom - scale.top) / _TICK_EVERY)):
        yield TickMark(scale.place(tick.seconds), tick.words)
    for strip, top in placed:
        if isinstance(strip, Message | Moment) and strip.at is not None:
            yield Lead(scale.place(strip.at), top + _ARROW)


def _lifelines(story: Story, placed: list[_Placed], frame: _Frame) -> Iterator[Shape]:
    pauses = tuple(each.span for each in placed if _is_pause(each.strip))
    for party, x in frame.lanes.items():
        name = story.names[party]
        yield Lane(x, name, short_name(name), Span(_TOP - 8, frame.height), pauses)


def _is_pause(strip: Strip) -> bool:
    return isinstance(strip, Pause) or (
        isinstance(strip, Across) and strip.milestone is Milestone.NOW
    )


def _runs(placed: list[_Placed], frame: _Frame) -> Iterator[Shape]:
    x = frame.lanes[Party.GPG]
    running: dict[int, float] = {}
    for strip, top in placed:
        if isinstance(strip, Message) and strip.grants is not None:
            running[strip.grants] = top + _ARROW
        elif isinstance(strip, Moment) and strip.ends in running:
            yield Run(x, Span(running.pop(strip.ends), top + _ARROW))
    for top in running.values():
        yield Run(x, Span(top, frame.height - _END))


def _message(strip: Message, top: float, frame: _Frame) -> Iterator[Shape]:
    start, end = frame.lanes[strip.sender], frame.lanes[strip.receiver]
    yield from event_labels(strip.words, strip.is_strong, top, (start + end) / 2, False)
    yield from _beside(strip.at, top, min(start, end), frame)
    yield Arrow(start, end, top + _ARROW, strip.is_answer)


def _moment(strip: Moment, top: float, frame: _Frame) -> Iterator[Shape]:
    x = frame.lanes[strip.party]
    yield from event_labels(strip.words, strip.is_strong, top, x, True)
    yield from _beside(strip.at, top, x, frame)
    yield Point(x, top + _ARROW, strip.is_on_disk)


def _beside(at: float | None, top: float, x: float, frame: _Frame) -> Iterator[Shape]:
    if at is not None:
        yield clock_label(at, top)
        if frame.scale:
            yield Guide(x, top + _ARROW)


def _change(strip: Change, top: float, frame: _Frame) -> Iterator[Shape]:
    yield Label(Role.CHANGE, EVENTS + 1, top + 14, strip.undo)


def _pause(strip: Pause, top: float, frame: _Frame) -> Iterator[Shape]:
    yield from centred(Role.PAUSE, strip.words, top + 19)


def _across(strip: Across, top: float, frame: _Frame) -> Iterator[Shape]:
    role = Role.PAUSE if strip.milestone is Milestone.NOW else Role.MILESTONE
    yield from centred(role, strip.words, top + 18)


#: Type of a strip -> the shapes in its area, without those that lead to the time bar.
_DRAW: dict[type, Callable[[Any, float, _Frame], Iterator[Shape]]] = {
    Across: _across,
    Change: _change,
    Message: _message,
    Moment: _moment,
    Pause: _pause,
}


def _milestone_lines(placed: list[_Placed], frame: _Frame) -> Iterator[Shape]:
    for strip, top in placed:
        if isinstance(strip, Across):
            bar_y = frame.scale.place(strip.at) if frame.scale else None
            yield MilestoneLine(strip.milestone, top + _LINE, bar_y)
