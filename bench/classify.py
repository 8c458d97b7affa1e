#!/usr/bin/env python3
"""What does classification add to a gpg call? Measured side by side, turn by turn.

    bench/classify.py [ROUNDS]

Rule 1: what is compared runs in turns in the same minutes, so that a busy machine is busy for all.
Rule 2: the number that counts is the ratio; milliseconds are of this machine, and of this day.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gpgshim import jobdir

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "gpgshim" / "tables" / "gpg-2.4.9"
CALLS = {
    "a signature (debsign)": (
        "--no-auto-check-trustdb --local-user K --clearsign --openpgp --personal-digest-preferences"
        " SHA512 --list-options no-show-policy-urls --armor --textmode --output A.asc A"
    ),
    "a verification (git)": "--keyid-format=long --status-fd=1 --verify F -",
    "an abbreviation (oracled)": "--list-secret --with-colons",
}
# As in a job: the stunts' code is compiled, in the job's directory.
JOB = jobdir.make(Path(tempfile.mkdtemp()), "bench", "", {"gpg": Path("/bin/true")})
START = [os.path.realpath(sys.executable), f"-ISBXpycache_prefix={JOB}/pyc", "-c"]
# A stunt that classifies nothing has the package and a module in it (wire, as small as they come);
# one that does imports argv and commands, loads the table and reads besides.
STUNT = f"""
import __future__, sys
sys.path.insert(0, {str(JOB)!r})
import gpgshim.wire
"""
INSIDE = f"""{STUNT}
import time
began = time.perf_counter()
from gpgshim import argv
imported = time.perf_counter()
text = open({str(TABLE)!r}).read()
opened = time.perf_counter()
table = argv.load(text)
argv.read(%r, table, {{"HOME": "/nonexistent"}}, lambda path: None)
print(imported - began, time.perf_counter() - opened)
"""


def timed(command: list[str]) -> tuple[float, str]:
    """Seconds until `command` has ended, and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return time.perf_counter() - began, done.stdout


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    gpg = shutil.which("gpg")
    commands = {"a stunt without": [*START, STUNT]}
    commands |= {name: [*START, INSIDE % (line.split(),)] for name, line in CALLS.items()}
    if gpg:
        commands["gpg --version"] = [gpg, "--version"]
    wall: dict[str, list[float]] = {name: [] for name in commands}
    inner: dict[str, list[list[float]]] = {name: [] for name in CALLS}
    for _ in range(rounds):
        for name, command in commands.items():
            seconds, printed = timed(command)
            wall[name].append(seconds)
            if name in inner:
                inner[name].append([float(word) for word in printed.split()])
    base = statistics.median(wall["a stunt without"])
    print(f"{rounds} rounds, medians  {'whole':>9} {'ratio':>6} {'import':>10} {'load, read':>11}")
    for name, times in wall.items():
        whole = statistics.median(times)
        row = f"{name:25} {whole * 1e3:7.2f} ms {whole / base:6.2f}"
        if name in inner:
            first, second = (statistics.median(column) for column in zip(*inner[name], strict=True))
            row += f" {first * 1e3:7.3f} ms {second * 1e3:8.3f} ms"
        print(row)
    shutil.rmtree(JOB.parent)


if __name__ == "__main__":
    main()
