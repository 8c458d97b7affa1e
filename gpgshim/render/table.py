# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attempts as the lines of a table, for a terminal.

Rule 1: pure: rows in, text out. A row that needs a person has room to say so at every width.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpgshim.core.gate import Outcome
from gpgshim.core.quoting import escape
from gpgshim.render.terminal import age, cut, duration, paint
from gpgshim.summary.rows import UNDER_WAY, AttemptRow

#: Column heads, and whether the column is right-aligned; the last column takes the rest.
COLUMNS = (
    ("JOB", False),
    ("ATT", True),
    ("STATE", False),
    ("OUTCOME", False),
    ("AGE", True),
    ("RETRIABLE", True),
    ("SIG", True),
    ("", False),
)
#: Column -> the least width at which it is shown, so that the last column has room.
WIDE_ONLY = {"STATE": 90, "RETRIABLE": 110, "SIG": 110}
NARROW = 110  #: columns; in a narrower table, names are cut shorter
LONGEST_JOB_NAME = 32  #: characters of a name, if the width is limited
LONGEST_NARROW = 18


def table(rows: Sequence[AttemptRow], width: int | None, colour: bool = False) -> list[str]:
    """The lines of a table, its head first. `width` is in columns; None means no limit.

    A row that needs a person begins with `!`, a row under way with `>`.
    """
    shown = [
        n for n, (head, _) in enumerate(COLUMNS) if width is None or width >= WIDE_ONLY.get(head, 0)
    ]
    columns = [COLUMNS[n] for n in shown]
    every = [[head for head, _ in COLUMNS], *(_cells(row, width) for row in rows)]
    cells = [[line[n] for n in shown] for line in every]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns) - 1)]
    lines = []
    for row, line in zip([None, *rows], cells, strict=True):
        fields = [
            text.rjust(wide) if right else text.ljust(wide)
            for text, wide, (_, right) in zip(line, widths, columns, strict=False)
        ]
        room = None if width is None else max(10, width - sum(widths) - 2 * len(widths) - 2)
        words = line[-1] if room is None else cut(line[-1], room)
        paints = [_paints(row)[n] for n in shown]
        start = [paint(text, code, colour) for text, code in zip(fields, paints, strict=False)]
        text = "  ".join([*start, paint(words, paints[-1], colour)])
        lines.append(f"{_mark(row)} {text}".rstrip())
    return lines


def _mark(row: AttemptRow | None) -> str:
    if row is None:
        return " "
    return "!" if row.needs else ">" if row.under_way else " "


def _cells(row: AttemptRow, width: int | None) -> list[str]:
    job = escape(row.job)
    if width is not None:
        job = cut(job, LONGEST_NARROW if width < NARROW else LONGEST_JOB_NAME)
    words = "; ".join(each for each in (row.needs, row.words, _earlier(row)) if each)
    return [
        job,
        str(row.attempt),
        str(row.state),
        UNDER_WAY if row.outcome is None else str(row.outcome),
        age(row.age),
        duration(row.retriable),
        str(row.signatures),
        words,
    ]


def _earlier(row: AttemptRow) -> str:
    return f"before: {', '.join(row.earlier)}" if row.earlier else ""


def _paints(row: AttemptRow | None) -> list[str]:
    if row is None:
        return ["faint"] * len(COLUMNS)
    if row.outcome is None:
        outcome = "loud"
    elif row.needs:
        outcome = "bad"
    else:
        outcome = "good" if row.outcome in (Outcome.UPLOADED, Outcome.UNSIGNED) else "wait"
    return ["loud", "", "", outcome, "", "", "", "bad" if row.needs else "faint"]
