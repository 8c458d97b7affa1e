# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for a terminal: cut to fit, and coloured; colour never carries information alone.

Rule 1: pure. The caller says whether there is a terminal, and how wide it is.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Colours by their meaning -> SGR parameters (ECMA-48).
CODES = {
    "good": "32",
    "wait": "33",
    "bad": "1;31",
    "loud": "1",
    "faint": "2",
}


def paint(text: str, code: str, colour: bool) -> str:
    """`text` in a colour of CODES, or unchanged if `colour` is false."""
    return f"\033[{CODES[code]}m{text}\033[0m" if colour and code else text


def wants_colour(is_terminal: bool, environ: Mapping[str, str]) -> bool:
    """Whether to use colour: only on a terminal, and not if NO_COLOR is set (no-color.org)."""
    return is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def cut(text: str, room: int) -> str:
    """`text` in at most `room` characters (10 or more).

    The middle is removed: a command's name is at the start, and its object is at the end.
    """
    if len(text) <= room:
        return text
    tail = room // 3
    return f"{text[: room - tail - 5]} ... {text[-tail:]}"


def duration(seconds: float | None) -> str:
    """A length of time, short: `0.235 s`, `41.2 s`, `12 min`, `5 h`, `3 d`; `-` for None."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.3f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return age(seconds)


def age(seconds: float) -> str:
    """A time in the past as a duration, without fractions: `7 s`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} d"
