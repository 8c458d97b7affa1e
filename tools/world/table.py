# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of what comes of each scenario, from the reports of real runs: Markdown.

`python -m tools.world.table DIRECTORY` writes it into TAG2UPLOAD.md, between the two lines that say
so. DIRECTORY/ROOT has the reports of one root, as GPGSHIM_E2E_REPORTS named it.

1. The cells are those of the first root of ROOTS that has reports.
2. Below the table there is a line for each root: versions, numbers of runs, and each cell that
   differs from the table.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpgshim.core.verdict import judge
from tools.world.root import ROOTS
from tools.world.scenarios import SCENARIOS, read_journals

PAGE = Path(__file__).parents[2] / "TAG2UPLOAD.md"
BEGIN = "<!-- the table: written by `python -m tools.world.table`, from here -->\n"
END = "<!-- to here -->\n"
HEAD = (
    "| what happens | stock: manager | stock: uploader | stock: signed, public"
    " | gated: manager | gated: uploader | gated: signed, public | gated: journal |\n"
    f"|{' --- |' * 8}\n"
)


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


MODES = {
    "stock": (describe_manager, describe_mails, describe_world),
    "gated": (describe_manager, describe_mails, describe_world, describe_journals),
}
Cells = dict[tuple[str, str], list[str]]


def read_cells(directory: Path) -> tuple[Cells, list[str]]:
    """The cells of each scenario and mode that has a report in `directory`, and the versions."""
    cells: Cells = {}
    versions: list[str] = []
    for name in SCENARIOS:
        for mode, describe in MODES.items():
            path = directory / f"{name}.{mode}.json"
            if path.exists():
                report = json.loads(path.read_text())
                cells[name, mode] = [each(report) for each in describe]
                versions = [" ".join(line.split("\t")) for line in report["versions"]]
    return cells, versions


def write_table(directory: Path) -> str:
    """Write a row for each scenario that has a report; a mode without one is `-`."""
    lines = [HEAD]
    played = {root: seen for root in ROOTS if (seen := read_cells(directory / root))[0]}
    shown = next(iter(played.values()))[0]
    for name, row in SCENARIOS.items():
        line = [f"{row.story} (`{name}`)"]
        for mode, describe in MODES.items():
            line += shown.get((name, mode), ["-"] * len(describe))
        lines.append(f"| {' | '.join(line)} |\n")
    for root, (cells, versions) in played.items():
        count = Counter(mode for _, mode in cells)
        differ = [
            f"`{name}`, {mode}: {' | '.join(each)}"
            for (name, mode), each in cells.items()
            if each != shown.get((name, mode))
        ]
        lines.append(
            f"\n{root} ({', '.join(versions)}): {count['stock']} stock and {count['gated']} gated"
            f" runs. Differs from the table: {'; '.join(differ) or 'nothing'}.\n"
        )
    return "".join(lines)


def insert(page: str, table: str) -> str:
    """`page` with `table` between its two lines. Raises ValueError where they are not there."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} does not have the lines between which the table goes")
    return f"{before}{begin}\n{table}\n{end}{after}"


if __name__ == "__main__":
    PAGE.write_text(insert(PAGE.read_text(), write_table(Path(sys.argv[1]))))
