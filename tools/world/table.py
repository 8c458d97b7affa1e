# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of what comes of each scenario, from the reports of real runs: Markdown.

`python -m tools.world.table DIRECTORY` writes the tables into TAG2UPLOAD.md, each between the two
lines that say so. DIRECTORY/ROOT has the reports of one root, as GPGSHIM_E2E_REPORTS named it.

1. The cells are those of the first root of ROOTS that has reports.
2. Below a table there is a line for each root: versions, numbers of runs, and each cell that
   differs from the table.
3. A table stays as it is if no run of its modes has a report.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gpgshim.core.verdict import judge
from tools.world.root import ROOTS
from tools.world.scenarios import AT_AGENT, LOCKED, LOCKS, SCENARIOS, read_journals

PAGE = Path(__file__).parents[2] / "TAG2UPLOAD.md"


class Table(NamedTuple):
    """A table of the page: its name there, its modes, and whether it has every scenario."""

    name: str
    modes: tuple[str, ...]
    is_whole: bool = True

    @property
    def begin(self) -> str:
        """The line before it."""
        return f"<!-- the {self.name}: written by `python -m tools.world.table`, from here -->\n"

    @property
    def head(self) -> str:
        """Its first two lines."""
        columns = [f"{SHOWN.get(x, x)}: {column}" for x in self.modes for column in MODES[x]]
        return f"| what happens | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}\n"


RESULTS = Table("table", ("stock", "gated"))
#: Only the scenarios that were played with the lock are shown.
WITH_THE_LOCK = Table("table of the lock", LOCKS, is_whole=False)
END = "<!-- to here -->\n"


def describe_manager(report: Mapping[str, Any]) -> str:
    """What it got: each job's attempts in their order."""
    jobs = []
    for job in report["jobs"]:
        attempts = [
            ("**C** " if attempt["committed"] else "") + (attempt["outcome"] or "unfinished")
            for attempt in job["attempts"]
        ]
        jobs.append(", then ".join(attempts))
    return " / ".join(sorted(jobs))


def describe_mails(report: Mapping[str, Any]) -> str:
    """The mails to the uploader. The list gets a copy, and each attempt's start and failure."""
    told = [mail["status"] for mail in report["mails"] if "uploader@" in mail["to"]]
    failed = sum(
        mail["status"] not in ("starting", "uploaded") and "uploader@" not in mail["to"]
        for mail in report["mails"]
    )
    words = ", ".join(sorted(told)) or "nothing"
    return words + (f" (list: {failed} failed)" if failed else "")


def describe_world(report: Mapping[str, Any]) -> str:
    """What was signed, and what can be seen from outside."""
    places = [what for what, things in (("git", "refs"), ("queue", "queue")) if report[things]]
    return f"{report['signed']}, {' and '.join(places) or 'no'}"


def describe_journals(report: Mapping[str, Any]) -> str:
    """The durable state and the outcome of each attempt; in brackets where it has to be derived."""
    jobs: dict[str, list[str]] = {}
    for name, journal in sorted(read_journals(report).items()):
        verdict = judge(journal)
        outcome = verdict.outcome if verdict.told else f"({verdict.outcome})"
        late = any(line.text == "bypassed" for line in journal.lines)
        cell = f"{verdict.state}: {outcome}" + (", bypassed" if late else "")
        jobs.setdefault(name.partition(".")[0], []).append(cell)
    # Which of two jobs meets the failure is chance: their order must not depend on it.
    return "; ".join(sorted(map("; ".join, jobs.values()), reverse=True))


COLUMNS = {
    "manager": describe_manager,
    "uploader": describe_mails,
    "signed, public": describe_world,
}
#: Mode -> its columns.
MODES = {
    "stock": COLUMNS,
    **dict.fromkeys(("gated", *LOCKS), COLUMNS | {"journal": describe_journals}),
}
#: Mode -> its name in the head of a table, if it is another.
SHOWN = {LOCKED: "lock", AT_AGENT: "lock, commit-at agent"}
Cells = dict[tuple[str, str], list[str]]


def read_cells(directory: Path, modes: Iterable[str]) -> tuple[Cells, list[str]]:
    """The cells of each scenario and mode that has a report in `directory`, and the versions."""
    cells: Cells = {}
    versions: list[str] = []
    for name in SCENARIOS:
        for mode in modes:
            path = directory / f"{name}.{mode}.json"
            if path.exists():
                report = json.loads(path.read_text())
                cells[name, mode] = [each(report) for each in MODES[mode].values()]
                versions = [" ".join(line.split("\t")) for line in report["versions"]]
    return cells, versions


def write_table(directory: Path, table: Table = RESULTS) -> str:
    """The rows of a table; a mode without a report is `-`. Empty if there are no reports."""
    played = {
        root: seen for root in ROOTS if (seen := read_cells(directory / root, table.modes))[0]
    }
    if not played:
        return ""
    lines = [table.head]
    shown = next(iter(played.values()))[0]
    names = {name for name, _ in shown}
    for name, row in SCENARIOS.items():
        if not table.is_whole and name not in names:
            continue
        line = [f"{row.story} (`{name}`)"]
        for mode in table.modes:
            line += shown.get((name, mode), ["-"] * len(MODES[mode]))
        lines.append(f"| {' | '.join(line)} |\n")
    for root, (cells, versions) in played.items():
        count = Counter(mode for _, mode in cells)
        runs = " and ".join(f"{count[mode]} {mode}" for mode in table.modes)
        differ = [
            f"`{name}`, {mode}: {' | '.join(each)}"
            for (name, mode), each in cells.items()
            if each != shown.get((name, mode))
        ]
        lines.append(
            f"\n{root} ({', '.join(versions)}): {runs}"
            f" runs. Differs from the table: {'; '.join(differ) or 'nothing'}.\n"
        )
    return "".join(lines)


def insert(page: str, rows: str, table: Table = RESULTS) -> str:
    """`page` with these rows between the lines of `table`. Raises ValueError without the lines."""
    before, begin, rest = page.partition(table.begin)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} does not have the lines between which the table goes")
    return f"{before}{begin}\n{rows}\n{end}{after}"


def main() -> None:
    """Write each table that has reports."""
    for table in (RESULTS, WITH_THE_LOCK):
        if rows := write_table(Path(sys.argv[1]), table):
            PAGE.write_text(insert(PAGE.read_text(), rows, table))


if __name__ == "__main__":
    main()
