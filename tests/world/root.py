"""From outside the sid root: is there one, and have a scenario played in it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

SIDROOT = Path(__file__).with_name("sidroot")
LONGEST = 600  # seconds; a play ends by itself long before

Report = dict[str, Any]


def find_reason_against() -> str:
    """Why nothing can be played here; empty if all is well."""
    asked = subprocess.run([SIDROOT, "path"], capture_output=True, text=True, check=False)
    return asked.stderr.strip()


def play(name: str, mode: str, world: Path) -> Report:
    """Play one scenario in `world`, a directory that is made; the report. Raises RuntimeError."""
    world.mkdir(parents=True)
    done = subprocess.run(
        [SIDROOT, "enter", world, "env", "-C", "/checkout", "PYTHONDONTWRITEBYTECODE=1",
         "python3", "-m", "tests.world.play", name, mode],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{name} could not be played, {mode}:\n{done.stderr}")
    report: Report = json.loads((world / "report.json").read_text())
    return report
