# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a benchmark, and RESULTS.md: the tables in Markdown, and the machine.

Rule 1: times are of one machine and one day. The ratios of programs that ran in turns matter.
Rule 2: a benchmark is a module with `tables()`; __main__ has the list of them.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple


class Table(NamedTuple):
    """A heading, a paragraph (may be empty), the names of the columns, and the rows."""

    title: str
    text: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def spread(seconds: Sequence[float]) -> list[str]:
    """The cells of a row of times: median, 10th and 90th percentile, in ms."""
    ordered = sorted(seconds)
    tenth, ninetieth = (ordered[int(len(ordered) * part)] for part in (0.1, 0.9))
    return [f"{1e3 * each:.2f}" for each in (statistics.median(ordered), tenth, ninetieth)]


#: sched(7). A process with priority over all others runs almost as on an idle machine.
SCHEDULERS = {
    os.SCHED_OTHER: "as all others",
    os.SCHED_FIFO: "ahead of all others (SCHED_FIFO)",
    os.SCHED_RR: "ahead of all others (SCHED_RR)",
    os.SCHED_BATCH: "after others (SCHED_BATCH)",
    os.SCHED_IDLE: "after all others (SCHED_IDLE)",
}
SPREAD = ("median, ms", "10 %", "90 %")


def markdown(table: Table) -> str:
    """The table as Markdown, with aligned columns, so that it can be read as text."""
    rows = [table.head, *table.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(cells)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    body = "\n".join(map(line, [table.head, rule, *table.rows]))
    return "\n\n".join(filter(None, [f"### {table.title}", table.text, body]))


def machine(python: Path, gpg: str) -> Table:
    """The machine and the versions of the programs."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = cpuinfo.partition("model name\t: ")[2].partition("\n")[0] or platform.machine()
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    programs = [[str(python), "--version"], [gpg, "--version"], ["perl", "-e", "print $^V"]]
    programs += [["hyperfine", "--version"]] if shutil.which("hyperfine") else []
    click = [
        str(python),
        "-c",
        "import click.core, importlib.metadata as m; print(m.version('click'))",
    ]
    return Table(
        "The machine",
        "",
        ("", ""),
        [
            ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
            ("processors", f"{len(os.sched_getaffinity(0))} of {model}"),
            ("load when it began", f"{os.getloadavg()[0]:.1f}"),
            ("we ran", SCHEDULERS[os.sched_getscheduler(0)]),
            ("system", f"{system}, Linux {platform.release()}"),
            ("file system of the journals", file_system(Path.cwd())),
            *((Path(words[0]).name, said(words)) for words in programs),
            ("click", said(click)),
        ],
    )


def file_system(path: Path) -> str:
    return said(["findmnt", "--noheadings", "--output=FSTYPE", "--target", str(path)])


def said(words: list[str]) -> str:
    """The first line of a program's output."""
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return done.stdout.strip().partition("\n")[0]


def write(path: Path, tables: Iterable[Table]) -> None:
    """Write RESULTS.md, when all tables are complete."""
    text = "\n\n".join(map(markdown, tables))
    path.write_text(
        f"# Results of `make bench`\n\nWhat is measured, and why: README.md.\n\n{text}\n"
    )
