# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tools.place [--write] [NAME…]`: run the job in every place, or in some; or write the
table into SECURITY.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.support.homes import remove_tree
from tests.support.scratch import CHECKOUT, guarded, short_directory
from tools.place import enter
from tools.place.table import NOT_YET, PLACES
from tools.place.world import How, Place, Ran, Shared, run, show

BEGIN, END = "<!-- places: from `make places-table` -->\n", "<!-- end of places -->\n"
SECURITY = CHECKOUT / "SECURITY.md"
WORKERS = 2 * (os.cpu_count() or 1)


def reason_against(place: Place) -> tuple[str, str]:
    """A need of the place that this machine does not meet, and why; empty if it meets all."""
    needs = place.needs
    if place.how.user != How().user:
        needs = ("root", *needs)
    for need in needs:
        if why := enter.reason_against(need):
            return need, why
    return "", ""


def key(place: Place) -> str:
    """The unique name of a place."""
    return f"{place.group}: {place.name}"


def rows(places: Iterable[Place]) -> list[str]:
    """Rows of Markdown, by group."""
    lines = ["| place | the authority refuses | the authority agrees |", "| --- | --- | --- |"]
    group = ""
    for place in places:
        if place.group != group:
            group = place.group
            lines.append(f"| **{group}** | | |")
        lines.append(f"| {place.name} | {place.no} | {place.yes} |")
    return lines


def table() -> str:
    """The table, in Markdown; with a second one of what is not so yet."""
    lines = rows(place for place in PLACES if key(place) not in NOT_YET)
    if NOT_YET:
        lines += ["", "Not yet: here the results should be these, and are not.", ""]
        lines += rows(place for place in PLACES if key(place) in NOT_YET)
    return "\n".join(lines) + "\n"


def written(text: str) -> str:
    """The text of SECURITY.md with the table as it is now."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{SECURITY.name} has no markers for the table")
    return f"{before}{begin}\n{table()}\n{end}{after}"


def run_all(
    shared: Shared, places: Iterable[Place]
) -> Iterator[tuple[Place, bool, Ran, list[str]]]:
    """Run each place, both ways, several at once; what came of it, in their order."""
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [
            (place, yes, pool.submit(run, shared, place, yes))
            for place in places
            for yes in (False, True)
        ]
        for place, yes, future in futures:
            yield place, yes, *future.result()


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tools.place", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into SECURITY.md")
    parser.add_argument("-v", action="store_true", help="show what each run said")
    parser.add_argument("names", nargs="*", help="words in the names or groups of places")
    options = parser.parse_args()
    if options.write:
        SECURITY.write_text(written(SECURITY.read_text()))
        return 0
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the mounts are taken away
    chosen = [
        place
        for place in PLACES
        if not options.names or any(word in key(place) for word in options.names)
    ]
    root = short_directory()
    bad = count = 0
    try:
        there = [place for place in chosen if not any(reason_against(place))]
        with guarded(root):
            for place, yes, ran, found in run_all(Shared(root), there):
                count += 1
                column = "agrees" if yes else "refuses"
                bad += bool(found)
                verdict = "; ".join(found) or f"{ran.kind()}"
                mark = "FAULT" if found else "ok   "
                print(f"{mark} {key(place)}: {column}: {verdict}", flush=True)
                if options.v or found:
                    print("".join(f"      {line}\n" for line in show(ran).splitlines()))
    finally:
        remove_tree(root)
    for place in chosen:
        need, why = reason_against(place)
        if why:
            print(f"not run: {key(place)}: needs {need}: {why}")
    print(f"{len(there)} of {len(chosen)} places, {count} runs, {bad} with faults, "
          f"{time.monotonic() - began:.0f} s")  # fmt: skip
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
