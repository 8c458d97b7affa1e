"""The table of what comes of each scenario, from the reports of real runs: Markdown on stdout.

`python -m tests.world.table DIRECTORY`, where DIRECTORY is what GPGSHIM_E2E_REPORTS named.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.world.scenarios import SCENARIOS, Want, summarise


def describe(got: Want) -> str:
    """Say it in a cell."""
    jobs = [
        job.replace(" ", ", then ").replace("+", "committed: ") for job in got.attempts.split(" | ")
    ]
    parts = [" / ".join(jobs)]
    parts.append(f"{got.signed} signed" if got.signed else "nothing signed")
    if got.published:
        parts.append("in " + got.published.replace(" ", " and "))
    parts.append(f"uploader told {got.told}" if got.told else "uploader told nothing")
    return "; ".join(parts)


def write_table(directory: Path) -> str:
    """Write a row for each scenario that has a report; a mode without one is `-`."""
    lines = ["| what happens | stock | gated |", "| --- | --- | --- |"]
    for name, row in SCENARIOS.items():
        cells = []
        for mode in ("stock", "gated"):
            path = directory / f"{name}.{mode}.json"
            cells.append(
                describe(summarise(json.loads(path.read_text()))) if path.exists() else "-"
            )
        if cells != ["-", "-"]:
            lines.append(f"| {row.story} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(write_table(Path(sys.argv[1])))
