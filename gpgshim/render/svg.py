# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes as SVG.

Rule 1: pure: shapes in, text out. PRINTERS has each shape.
Rule 2: `_element` escapes each text. Attributes are numbers and the names of classes; the style
sheet has their looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from gpgshim.render.shapes import (
    BAR,
    BAR_END,
    EVENTS,
    TICKS,
    Arrow,
    Band,
    BarPart,
    Guide,
    Label,
    Lane,
    Lead,
    MilestoneLine,
    Point,
    Run,
    Shape,
    Span,
    TickMark,
    TimeBar,
    Width,
)
from gpgshim.summary.story import Undo

#: What could be undone -> the last part of the CSS classes of its bands.
CLASSES = {
    Undo.RETRIABLE: "retriable",
    Undo.ASKING: "asking",
    Undo.UNKNOWN: "unknown",
    Undo.REFUSED: "refused",
    Undo.FINAL: "final",
}
_NAME_LETTER, _NAME_MARGIN = 6.7, 3  # width in pixels of a letter of a lane's name, and more


def print_shapes(shapes: Iterable[Shape]) -> str:
    """The elements of a diagram, in the order of the shapes."""
    return "\n".join(PRINTERS[type(shape)](shape) for shape in shapes)


def _element(tag: str, text: str = "", *children: str, **attributes: str | float) -> str:
    """An element. `children` are elements; attributes are ours. `class_` is the attribute class."""
    words = "".join(f' {name.rstrip("_")}="{value}"' for name, value in attributes.items())
    inside = escape(text) + "".join(children)
    return f"<{tag}{words}>{inside}</{tag}>" if inside else f"<{tag}{words}/>"


def _percent(number: float) -> str:
    return f"{round(number, 1):g}%"


def _pixels(number: float) -> str:
    return f"{round(number, 1):g}"


def _line(look: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return _element(
        "line",
        class_=look,
        x1=_percent(x1),
        y1=_pixels(y1),
        x2=_percent(x2),
        y2=_pixels(y2),
    )


def _rect(look: str, x: float, width: float, span: Span) -> str:
    return _element(
        "rect",
        class_=look,
        x=_percent(x),
        y=_pixels(span.top),
        width=_percent(width),
        height=_pixels(span.bottom - span.top),
    )


def _band(band: Band) -> str:
    return _rect(f"band {CLASSES[band.undo]}", EVENTS, 100 - EVENTS, band.span)


def _bar_part(part: BarPart) -> str:
    name = CLASSES[part.undo]
    return "".join(
        _rect(look, BAR, BAR_END - BAR, part.span)
        for look in (f"band {name}", f"pattern {name}-pattern")
    )


def _time_bar(bar: TimeBar) -> str:
    head = _element("text", "time", class_="clock middle", x=_percent(BAR), y=bar.span.top - 10)
    return head + _rect("time-bar", BAR, BAR_END - BAR, bar.span)


def _tick_mark(tick: TickMark) -> str:
    words = _element(
        "text",
        tick.words,
        class_="clock end tick",
        x=_percent(TICKS - 0.7),
        y=_pixels(tick.y + 3.5),
    )
    return _line("tick", TICKS, tick.y, BAR, tick.y) + words


def _lead(lead: Lead) -> str:
    return _line("lead", BAR_END, lead.bar_y, EVENTS, lead.y)


def _lane(lane: Lane) -> str:
    out = []
    y = lane.span.top
    for pause in (*lane.pauses, Span(lane.span.bottom, lane.span.bottom)):
        if pause.top > y:
            out.append(_line("lane", lane.x, y, lane.x, pause.top))
        if pause.bottom > pause.top:
            out.append(_line("lane paused", lane.x, pause.top, lane.x, pause.bottom))
        y = pause.bottom
    for shown, name in ((Width.NARROW, lane.short), (Width.WIDE, lane.name)):
        width = len(name) * _NAME_LETTER + _NAME_MARGIN
        box = _element("rect", class_="name", x=_pixels(-width / 2), y=0, width=_pixels(width))
        words = _element("text", name, class_="name", y=16)
        out.append(_element("svg", "", box, words, class_=shown, x=_percent(lane.x), y=8))
    return "".join(out)


def _run(run: Run) -> str:
    return _line("run", run.x, run.span.top, run.x, run.span.bottom)


def _arrow(arrow: Arrow) -> str:
    look = "arrow answer" if arrow.is_answer else "arrow"
    return _line(look, arrow.start, arrow.y, arrow.end, arrow.y)


def _point(point: Point) -> str:
    x, y = _percent(point.x), _pixels(point.y)
    if not point.is_on_disk:
        return _element("circle", class_="point", cx=x, cy=y, r=4)
    return _element("svg", "", _element("rect", class_="on-disk", x=-5, y=-5), x=x, y=y)


def _guide(guide: Guide) -> str:
    return _line("guide", EVENTS, guide.y, guide.x, guide.y)


def _label(label: Label) -> str:
    look = " ".join(each for each in (label.role, label.anchor, label.width) if each)
    shift = {"dx": _pixels(label.shift)} if label.shift else {}
    full = [_element("title", label.full)] if label.full not in ("", label.words) else []
    position = {"x": _percent(label.x), "y": _pixels(label.y), **shift}
    return _element("text", label.words, *full, class_=look, **position)


def _milestone_line(line: MilestoneLine) -> str:
    look = f"milestone-line {line.milestone}"
    across = _line(look, EVENTS, line.y, 100, line.y)
    if line.bar_y is None:
        return across
    lead = _line(f"{look} milestone-lead", BAR_END, line.bar_y, EVENTS, line.y)
    return across + lead + _line(look, TICKS, line.bar_y, BAR_END, line.bar_y)


#: Type of a shape -> the function that prints it.
PRINTERS: dict[type, Callable[[Any], str]] = {
    Band: _band,
    BarPart: _bar_part,
    TimeBar: _time_bar,
    TickMark: _tick_mark,
    Lead: _lead,
    Lane: _lane,
    Run: _run,
    Arrow: _arrow,
    Point: _point,
    Guide: _guide,
    Label: _label,
    MilestoneLine: _milestone_line,
}
