# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: runs all benchmarks and writes bench/RESULTS.md.

    python -m bench [--runs N] [startup] [classify] [commit] [lock] [load]

If benchmarks are named, only these are run, and their tables are only printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from types import ModuleType

from bench import classify, commit, load, lock, results, startup, world

BENCHMARKS = (startup, classify, commit, lock, load)


def measure(benchmarks: Iterable[ModuleType], runs: int) -> Iterator[results.Table]:
    """The machine, and then the tables of the benchmarks."""
    yield results.machine(world.find_python(), world.GPG)
    for each in benchmarks:
        yield from each.tables(runs)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--runs", type=int, default=200, help="of each program")
    names = {each.__name__.partition(".")[2]: each for each in BENCHMARKS}
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names)}")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    tables = []
    for table in measure([names[name] for name in options.names or names], options.runs):
        print(results.markdown(table), end="\n\n", flush=True)
        tables.append(table)
    if not options.names:
        results.write(world.ROOT / "bench/RESULTS.md", tables)


if __name__ == "__main__":
    main()
