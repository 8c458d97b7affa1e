# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much time does a stunt add to a call of gpg, compared with simpler wrappers?

Rule 1: a ratio is a median divided by that of the row with 1.00, the least that this Python can do.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from pathlib import Path

from bench import timing, world
from bench.results import SPREAD, Table, markdown, spread
from gpgshim.core import wire
from gpgshim.stunts import ask

BARE = "python3 -I -S, only execs"
OURS = "gpgshim"


def compare(here: world.World, job: Path, call: list[str], runs: int) -> dict[str, timing.Times]:
    """The times of the real gpg, each wrapper and the stunt of `job` with these arguments."""
    programs = {"gpg": world.GPG, **here.wrappers, OURS: job / "bin/gpg"}
    commands = {name: [str(program), *call] for name, program in programs.items()}
    return timing.in_turns(commands, runs, here.environ)


def ratio(one: list[float], other: list[float]) -> float:
    return statistics.median(one) / statistics.median(other)


def to_table(title: str, text: str, took: dict[str, timing.Times]) -> Table:
    rows = []
    for name, times in took.items():
        wall = ratio(times.wall, took[BARE].wall)
        processor = statistics.median(times.processor)
        of_processor = ratio(times.processor, took[BARE].processor)
        row = (*spread(times.wall), f"{wall:.2f}", f"{1e3 * processor:.2f}", f"{of_processor:.2f}")
        rows.append((name, *row))
    return Table(title, text, ("", *SPREAD, "ratio", "processor, ms", "ratio"), rows)


def tables(runs: int) -> Iterator[Table]:
    """Three calls that do not sign, and one that signs in a job that has committed."""
    with world.world() as here, here.job() as job:
        here.make_keys(others=199)
        here.answer()
        data, signature = str(here.data), f"{here.data}.sig"
        for call in (["--version"], ["--verify", signature, data]):
            yield to_table(f"gpg {call[0]}", "", compare(here, job, call, runs))
        took = compare(here, job, ["--list-keys"], max(runs // 5, 1))  # gpg itself takes long
        yield to_table("gpg --list-keys, 200 keys", "", took)
        if ask.ask(str(job), wire.SIGN)[0] != wire.GO:
            raise SystemExit("bench: the supervisor does not grant")
        call = ["--batch", "--local-user", "signer", "--output", "-", "--detach-sign", data]
        took = compare(here, job, call, runs)
        gpg, bare, ours = (statistics.median(took[name].wall) for name in ("gpg", BARE, OURS))
        text = (
            "After the commitment. The wrappers that can ask a socket do, and it says go at once."
            f" Without gpg's own time, ours takes {(ours - gpg) / (bare - gpg):.2f} of bare"
            " Python's."
        )
        yield to_table("gpg --detach-sign, ed25519", text, took)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/startup")
    parser.add_argument("--runs", type=int, default=200, help="of each program")
    parser.add_argument("--python", type=Path, help="the interpreter that is measured")
    options = parser.parse_args()
    with world.world(options.python) as here, here.job() as job:
        took = compare(here, job, ["--version"], options.runs)
    print(markdown(to_table("gpg --version", "", took)))
    print(f"\nratio of ours to bare Python: {ratio(took[OURS].wall, took[BARE].wall):.3f}")


if __name__ == "__main__":
    main()
