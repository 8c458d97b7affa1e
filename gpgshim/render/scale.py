# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time scale of a diagram: seconds to pixels, the ticks, and times as text.

Rule 1: pure.
"""

from __future__ import annotations

from typing import NamedTuple

#: Steps between ticks, in seconds; these also in powers of ten, up to 30 seconds.
_SHORT_STEPS = (1, 2, 5)
_LONG_STEPS = (60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400)
#: The least step that has this unit -> its length in seconds, and its name.
_UNITS = {86400: (86400, "d"), 3600: (3600, "h"), 60: (60, "m")}


class Scale(NamedTuple):
    """`end` seconds, between the pixels `top` and `bottom`."""

    end: float
    top: float
    bottom: float

    def place(self, seconds: float) -> float:
        """The pixel of a time; a time after the end is at the end."""
        return self.top + (self.bottom - self.top) * min(1.0, seconds / self.end)


class Tick(NamedTuple):
    """A time with its text on the scale."""

    seconds: float
    words: str


def ticks(end: float, most: int) -> list[Tick]:
    """The ticks of a scale of `end` seconds; about `most` of them at most."""
    step = choose_step(end, most)
    times = [number * step for number in range(int(end / step + 1e-6) + 1)]
    return [Tick(time, _words(time, step)) for time in times]


def choose_step(end: float, most: int) -> float:
    """The seconds between ticks, for a scale of `end` seconds with at most about `most` of them."""
    wanted = end / max(1, most)
    if wanted > 30:
        days = 86400.0
        while days < wanted:
            days *= 2
        return next((each for each in map(float, _LONG_STEPS) if each >= wanted), days)
    power = 0.001
    while power * 10 < wanted:
        power *= 10
    return next((power * each for each in _SHORT_STEPS if power * each >= wanted), power * 10)


def _words(seconds: float, step: float) -> str:
    for least, (length, unit) in _UNITS.items():
        if step >= least:
            return f"{seconds / length:.0f} {unit}"
    digits = 0 if step >= 1 else 1 if step >= 0.1 else 2 if step >= 0.01 else 3
    return f"{seconds:.{digits}f}"


def clock(seconds: float) -> str:
    """The time of an event, in seconds: three digits after the point if there is room."""
    return f"{seconds:.3f}" if seconds < 1000 else f"{seconds:.0f}"
