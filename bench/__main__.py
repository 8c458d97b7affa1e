"""`make bench`: all that is measured, in one run, into bench/RESULTS.md."""

from __future__ import annotations

import argparse
import sys

from bench import classify, commit, load, results, startup, world

BENCHMARKS = (startup, classify, commit, load)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--runs", type=int, default=200, help="of each program")
    options = parser.parse_args()
    tables = [results.machine(world.find_python(), world.GPG)]
    for each in BENCHMARKS:
        for table in each.tables(options.runs):
            print(results.markdown(table), end="\n\n", file=sys.stderr, flush=True)
            tables.append(table)
    results.write(world.ROOT / "bench/RESULTS.md", tables)


if __name__ == "__main__":
    main()
