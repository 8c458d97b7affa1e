# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""`gpgshim status`: an overview of all jobs, once or repeatedly.

Rule 1: a terminal is redrawn in place, by three control sequences. Any other output gets each
overview after the last, complete, in one write.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

from gpgshim.history.jobs import read_rows
from gpgshim.render.table import table
from gpgshim.render.terminal import cut, paint, wants_colour
from gpgshim.summary.rows import AttemptRow
from gpgshim.system.errors import Unable

JSON_VERSION = 1  #: the version of --json; it grows when a field is removed or changes its meaning

_HOME, _END_OF_LINE, _BELOW = "\033[H", "\033[K", "\033[J"  # home; clear line, screen; ECMA-48


def look(directory: Path, newest: int | None, as_json: bool) -> str:
    """One overview, with its line feed. Raises Unable."""
    try:
        rows, jobs = read_rows(directory, newest)
    except FileNotFoundError:
        rows, jobs = [], 0  # no job ran so far
    except OSError as error:
        raise Unable(f"the jobs in {directory} cannot be read: {error.strerror}") from error
    if as_json:
        return json.dumps(
            {
                "version": JSON_VERSION,
                "directory": str(directory),
                "jobs_in_all": jobs,
                "rows": [row.as_json for row in rows],
            }
        ) + "\n"  # fmt: skip
    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size((100, 24)).columns if is_terminal else None
    colour = wants_colour(is_terminal, os.environ)
    lines = [*table(rows, width, colour), ""] if rows else []
    return "\n".join([*lines, paint(summary(rows, jobs, directory), "loud", colour)]) + "\n"


def summary(rows: list[AttemptRow], jobs: int, directory: Path) -> str:
    """The last line: the number of jobs, and of those that need a person."""
    if not jobs:
        return f"There are no jobs in {directory}."
    under_way = sum(row.under_way for row in rows)
    needs = len({row.job for row in rows if row.needs})
    shown = len({row.job for row in rows})
    return (
        f"{under_way} under way, {needs} {'needs' if needs == 1 else 'need'} a person"
        f" (of {shown} jobs shown, {jobs} in all)."
    )


def watch(directory: Path, newest: int | None, as_json: bool, seconds: float) -> None:
    """Print an overview every `seconds`, until an interrupt."""
    redraw = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not as_json
    while True:
        began = time.monotonic()
        picture = look(directory, newest, as_json)
        if redraw:
            picture = fit(picture, shutil.get_terminal_size((100, 24)).lines)
        sys.stdout.write(picture)
        sys.stdout.flush()
        time.sleep(max(0.0, began + seconds - time.monotonic()))


def fit(picture: str, height: int) -> str:
    """The output that draws `picture` over the last one, on a terminal of `height` lines."""
    lines = picture.splitlines()
    if len(lines) > height - 1:  # the cursor is on the last line of a terminal
        left_out = len(lines) - height + 3
        lines = [*lines[: height - 3], cut(f"... and {left_out - 1} lines more", 60), lines[-1]]
    return _HOME + "".join(f"{line}{_END_OF_LINE}\n" for line in lines) + _BELOW
