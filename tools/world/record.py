# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records the transcripts in fixtures/tag2upload: the journals of real gated runs in a root.

`python -m tools.world.record DIRECTORY [SCENARIO…]`, where DIRECTORY is what GPGSHIM_E2E_REPORTS
named. A scenario with one attempt is NAME.txt; with more, NAME.N.txt, in the order of job, attempt.
Only what differs from one run to the next is replaced: see PASSING. Times are left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpgshim.core.transcript import FORMAT, OF_ONE_RUN, Transcript
from tools.record import without_pids
from tools.world.scenarios import SCENARIOS, read_journals

FIXTURES = Path(__file__).parents[2] / "fixtures" / "tag2upload"

#: Text that differs from one run to the next: (pattern, replacement).
PASSING = (
    (r"/tmp/[\w.-]+", "@TMP@"),
    (r"/world\b", "@WORLD@"),
    (r"<[\w.]+@oracle>", "@ID@"),
    (r"(?<=127\.0\.0\.1:)\d+", "@PORT@"),
    (r"\b[0-9a-f]{64}\b", "@SHA256@"),
    (r"\b[0-9A-F]{40}\b", "@KEY@"),
    (r"\b[1-9]\d*(?= @KEY@ -- )", "@LIMIT@"),
)


def list_journals(report: Mapping[str, Any]) -> dict[str, Transcript]:
    """A report's journals as fixtures, by file name without its ending."""
    name = str(report["scenario"])
    journals = read_journals(report)
    versions = ", ".join(
        " ".join(line.split("\t")) for line in report["versions"] if line.startswith("dgit-infra")
    )
    found = {}
    for number, key in enumerate(sorted(journals), 1):
        several = len(journals) > 1
        job, _, attempt = key.partition(".")
        which = f" (job {job}, attempt {attempt})" if several else ""
        head = {
            "shows": SCENARIOS[name].story + which,
            "recorded": f"python -m tools.world.record, in the {report['root']} root, {versions}",
        }
        found[f"{name}.{number}" if several else name] = clean(journals[key], head)
    return found


def clean(journal: Transcript, head: dict[str, str]) -> Transcript:
    """`journal` without what differs from one run to the next, with `head` before its own."""

    def plain(text: str) -> str:
        for pattern, become in PASSING:
            text = re.sub(pattern, become, text)
        return text

    own = {key: plain(value) for key, value in journal.head.items() if key not in OF_ONE_RUN}
    lines = tuple(line._replace(text=plain(line.text), at=None) for line in without_pids(journal))
    return journal._replace(head={"format": FORMAT} | head | own, lines=lines)


def main() -> None:
    """Record the named scenarios, or all. Journals without a scenario are removed."""
    reports, *names = sys.argv[1:]
    FIXTURES.mkdir(exist_ok=True)
    written = set()
    for name in names or SCENARIOS:
        report = json.loads(Path(reports, f"{name}.gated.json").read_text())
        for each, transcript in list_journals(report).items():
            (FIXTURES / f"{each}.txt").write_text(str(transcript))
            written.add(f"{each}.txt")
    for path in FIXTURES.glob("*.txt"):
        if path.name not in written and (not names or path.name.partition(".")[0] in names):
            path.unlink()
    print(f"{len(written)} journals recorded")


if __name__ == "__main__":
    main()
