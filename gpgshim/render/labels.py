# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of a diagram: where each stands, and how much of it fits.

Rule 1: pure.
Rule 2: a text is made for a narrow page and for a wide page; the style sheet shows one of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from gpgshim.render.scale import clock
from gpgshim.render.shapes import EVENTS, Anchor, Label, Role, Width
from gpgshim.render.terminal import cut

#: Pixels of the narrowest diagram that must be readable, and of a wide one.
NARROW, WIDE = 343, 656
_LETTER = 7.3  # width in pixels of one letter, in the typeface of the labels
_LONGEST_NAME = 10  # characters of a party's name, on a narrow page
_CLOCK = 50  # width in pixels of an event's time before its label
_LABEL = 19  # from the top of a strip to the base line of its label, in pixels
_LEFT = EVENTS + 1
_CENTRE = (EVENTS + 100) / 2


def short_name(name: str) -> str:
    """A party's name on a narrow page."""
    return cut(name, _LONGEST_NAME)


def event_labels(
    words: str, is_strong: bool, top: float, middle: float, is_moment: bool
) -> Iterator[Label]:
    """The label of an event: on a narrow page at the left, on a wide page above its arrow.

    `top` is that of the strip. `middle` is that of the arrow, in percent; a moment has its point
    there.
    """
    role = Role.STRONG if is_strong else Role.EVENT
    y = top + _LABEL
    room = int((NARROW * (100 - _LEFT) / 100 - _CLOCK) / _LETTER)
    yield Label(role, _LEFT, y, cut(words, room), words, _CLOCK, Anchor.START, Width.NARROW)
    before = middle - _LEFT - _CLOCK * 100 / WIDE  # percent of the width between clock and middle
    room = _letters(2 * min(before, 100 - middle))
    x, shift, anchor = middle, 0, Anchor.MIDDLE
    if len(words) > room and is_moment:
        room = _letters(before)
        x, shift, anchor = middle, -12, Anchor.END
    if len(words) > room:
        room = int((WIDE * (100 - _LEFT) / 100 - _CLOCK) / _LETTER)
        x, shift, anchor = _LEFT, _CLOCK, Anchor.START
    yield Label(role, x, y, cut(words, room), words, shift, anchor, Width.WIDE)


def _letters(percent: float) -> int:
    return int(percent * WIDE / 100 / _LETTER)


def clock_label(at: float, top: float) -> Label:
    """The time of an event, before its label."""
    return Label(Role.CLOCK, _LEFT, top + _LABEL, clock(at))


def centred(role: Role, words: str, y: float) -> Iterator[Label]:
    """A text in the middle of the events; one label is enough if all of it fits a narrow page."""
    rooms = {
        width: int(pixels * (100 - EVENTS) / 100 / _LETTER)
        for width, pixels in ((Width.NARROW, NARROW), (Width.WIDE, WIDE))
    }
    if len(words) <= rooms[Width.NARROW]:
        yield Label(role, _CENTRE, y, words, words, 0, Anchor.MIDDLE)
        return
    for width, room in rooms.items():
        yield Label(role, _CENTRE, y, cut(words, room), words, 0, Anchor.MIDDLE, width)
