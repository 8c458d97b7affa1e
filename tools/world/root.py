# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""From outside a Debian root: find it, see whether it can be used, and play a scenario in it.

`debroot` has the table of the roots. GPGSHIM_ROOT names the one that is used (default:
trixie, which is what production runs).
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

from tools.world.scenarios import SCENARIOS

DEBROOT = Path(__file__).with_name("debroot")
ROOTS = ("trixie", "sid")
ROOT = os.environ.get("GPGSHIM_ROOT") or "trixie"
LONGEST = 3600  # seconds; a play ends by itself long before

Report = dict[str, Any]


def ask(*words: str) -> str:
    """What `debroot WORDS` prints. Raises RuntimeError with its message where it fails."""
    asked = subprocess.run([DEBROOT, *words], capture_output=True, text=True, check=False)
    if asked.returncode:
        raise RuntimeError(asked.stderr.strip() or f"debroot {words[0]}: {asked.returncode}")
    return asked.stdout.strip()


def how_to_build(root: str) -> str:
    """The command that builds this root and runs the tests that need it."""
    return f"tools/world/debroot build {root} && make test"


def find_reason_against(root: str = ROOT) -> str:
    """Why nothing can be played in this root; empty if all is well."""
    with tempfile.TemporaryDirectory() as world:
        try:
            ask("path", root)
            ask("enter", root, world, "true")
        except RuntimeError as problem:
            return str(problem)
    return ""


def enter(world: Path | str, *module: str, verb: str = "enter") -> list[str | Path]:
    """The command that runs a Python module of this checkout in the root, in `world`."""
    return [
        DEBROOT, verb, ROOT, world, "env", "-C", "/checkout", "PYTHONDONTWRITEBYTECODE=1",
        "python3", "-m", *module,
    ]  # fmt: skip


def play(name: str, mode: str, world: Path, pace: float) -> Report:
    """Play one scenario in `world`, a directory that is made; the report. Raises RuntimeError.

    `pace` is how many seconds a job takes here.
    """
    world.mkdir(parents=True)
    done = subprocess.run(
        enter(world, "tools.world.play", name, mode, str(pace)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name} could not be played, {mode}:\n{done.stderr}")
    report: Report = json.loads((world / "report.json").read_text())
    return report


class Player:
    """Plays one scenario after the other, or several at once, and knows how fast jobs are here."""

    FIRST = 60.0  # seconds, until a job has been seen
    TRIES = 3

    def __init__(self, top: Path) -> None:
        self._top = top
        self._took: deque[float] = deque(maxlen=4)  # by the last jobs that nothing held up

    def play(self, name: str, mode: str) -> Report:
        """Play one; the report. Raises RuntimeError.

        A time limit is worth so many jobs, by those that were seen last. Where the job did not
        come to the scenario's moment in time, nothing was shown: it is played again, with more.
        """
        limited = bool(SCENARIOS[name].limit)
        if limited and not self._took:
            self._play("success", "stock", f"pace-for-{mode}-{name}", self.FIRST)
        pace = max(self._took, default=self.FIRST)
        for again in range(self.TRIES):
            report = self._play(name, mode, f"{mode}-{name}.{again}", pace * 2**again)
            if report["reached"] or not limited:
                break
        return report

    def _play(self, name: str, mode: str, place: str, pace: float) -> Report:
        report = play(name, mode, self._top / place, pace)
        if not SCENARIOS[name].moment:
            self._took.extend(measure(report))
        return report


def measure(report: Report) -> list[float]:
    """How many seconds each attempt took that uploaded."""
    return [
        float(attempt["transcript"][-1].split()[0]) - float(attempt["transcript"][0].split()[0])
        for job in report["jobs"]
        for attempt in job["attempts"]
        if attempt["outcome"] == "uploaded"
    ]
