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
from typing import NamedTuple

from gpgshim.cli.options import settings_for
from gpgshim.cli.progress import Progress
from gpgshim.core.quoting import escape
from gpgshim.history.jobs import read_rows
from gpgshim.render.table import table
from gpgshim.render.terminal import cut, paint, wants_colour
from gpgshim.summary.rows import AttemptRow
from gpgshim.supervisor.config import Settings
from gpgshim.system import log
from gpgshim.system.errors import GpgshimError, Unable

JSON_VERSION = 1  #: the version of --json; it grows when a field is removed or changes its meaning

_HOME, _END_OF_LINE, _BELOW = "\033[H", "\033[K", "\033[J"  # home; clear line, screen; ECMA-48


class Overview(NamedTuple):
    """The rows that are shown, and the number of all jobs."""

    rows: list[AttemptRow]
    jobs: int


def read(directory: Path, newest: int | None) -> Overview:
    """Read the journals; on a terminal the progress is shown. Raises Unable."""
    try:
        with Progress("jobs read") as progress:
            return Overview(*read_rows(directory, newest, progress=progress))
    except FileNotFoundError:
        return Overview([], 0)  # no job ran so far
    except OSError as error:
        raise Unable(f"the jobs in {directory} cannot be read: {error.strerror}") from error


def picture(directory: Path, seen: Overview, as_json: bool) -> str:
    """An overview as text, with its line feed."""
    rows, jobs = seen
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


def look(directory: Path, newest: int | None, as_json: bool) -> str:
    """One overview as text. Raises Unable."""
    return picture(directory, read(directory, newest), as_json)


def check(directory: Path, as_json: bool, alarms: Alarms) -> bool:
    """Print the attempts that need a person; whether there are any. Raises Unable."""
    seen = read(directory, 0)
    seen = seen._replace(rows=[row for row in seen.rows if row.needs])
    if as_json:
        sys.stdout.write(picture(directory, seen, as_json))
    else:
        for row in seen.rows:
            print(escape(f"{row.job}.{row.attempt}: {row.alarm}: {row.needs} [{row.path}]"))
    sys.stdout.flush()
    alarms.raise_missing(seen.rows)
    return bool(seen.rows)


class Alarms:
    """Raises the alarms that are missing, if the settings want that; each once in this process.

    A fault of the settings is one warning: it does not stop an overview.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._tried: set[str] = set()
        try:
            self._settings = settings_for()
        except GpgshimError as error:
            log.report(error, log.Level.WARNING)
            self._settings = Settings()

    def raise_all(self) -> None:
        """Have a process look for attempts that need a person, and raise what is missing."""
        if self._settings.alarm:
            from gpgshim.supervisor import after

            after.raise_alarms(self._directory, self._settings)

    def raise_missing(self, rows: list[AttemptRow]) -> None:
        """Have a process raise those of `rows`, which has all attempts that need a person."""
        if not self._settings.alarm:
            return
        from gpgshim.supervisor import after

        untried = [row for row in rows if row.alarm and row.path not in self._tried]
        self._tried |= {row.path for row in untried if not row.under_way}
        after.raise_alarms(self._directory, self._settings, untried)


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


def watch(
    directory: Path, newest: int | None, as_json: bool, seconds: float, alarms: Alarms
) -> None:
    """Print an overview every `seconds`, until an interrupt."""
    redraw = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not as_json
    while True:
        began = time.monotonic()
        seen = read(directory, newest)
        text = picture(directory, seen, as_json)
        if redraw:
            text = fit(text, shutil.get_terminal_size((100, 24)).lines)
        sys.stdout.write(text)
        sys.stdout.flush()
        alarms.raise_missing(seen.rows)
        time.sleep(max(0.0, began + seconds - time.monotonic()))


def fit(text: str, height: int) -> str:
    """The output that draws `text` over the last one, on a terminal of `height` lines."""
    lines = text.splitlines()
    if len(lines) > height - 1:  # the cursor is on the last line of a terminal
        left_out = len(lines) - height + 3
        lines = [*lines[: height - 3], cut(f"... and {left_out - 1} lines more", 60), lines[-1]]
    return _HOME + "".join(f"{line}{_END_OF_LINE}\n" for line in lines) + _BELOW
