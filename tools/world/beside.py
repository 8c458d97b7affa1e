# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One scenario without us and with us: the two conversations with the manager, side by side.

`python -m tools.world.beside [SCENARIO]`; by default the archive fails once, in an early query.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import textwrap
from itertools import zip_longest
from pathlib import Path

from tools.world.root import Player, Report, find_reason_against
from tools.world.scenarios import SCENARIOS

WIDTH = 58


def list_conversation(report: Report) -> list[str]:
    """What the manager and the oracle said about the jobs, and the mails, folded to WIDTH."""
    lines = []
    for job in report["jobs"]:
        for number, attempt in enumerate(job["attempts"], 1):
            lines.append(f"--- job {job['id']}, attempt {number}")
            lines += attempt["transcript"]
    lines.append("--- mails")
    lines += [f"{mail['to']}: {mail['status']}" for mail in report["mails"]]
    lines.append(f"--- {report['signed']} signatures; {', '.join(report['queue']) or 'no upload'}")
    return [
        piece
        for line in lines
        for piece in textwrap.wrap(line, WIDTH, subsequent_indent="    ") or [""]
    ]


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "archive-503-02"
    if why := find_reason_against():
        sys.exit(why)
    print(f"{name}: {SCENARIOS[name].story}\n")
    top = Path(tempfile.mkdtemp(prefix="beside."))
    player = Player(top)
    columns = []
    for mode in ("stock", "gated"):
        print(f"playing it {mode}...", file=sys.stderr)
        columns.append([mode.upper(), "", *list_conversation(player.play(name, mode))])
    for left, right in zip_longest(*columns, fillvalue=""):
        print(f"{left:{WIDTH}}  {right}".rstrip())
    # An agent that ends removes its own sockets, so a name may be gone already.
    shutil.rmtree(top, ignore_errors=True)


if __name__ == "__main__":
    main()
