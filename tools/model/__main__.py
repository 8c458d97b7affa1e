# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program: explores all settings, then all mutants, and prints what was found."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tools.model import fates, rivalfates
from tools.model.fates import SPOILT, Graphs, spoilt_shell
from tools.model.lives import lives
from tools.model.mutants import Mutant, mutants
from tools.model.rivals import Rules, walk
from tools.model.walk import LOCKED, ONE_HELD, OTHERS, ROWS, WHOLE_WORLD, report

#: Inherited by the forked workers: the graphs are too large to be sent.
_forked: list[Callable[[int], str]] = []


def in_parallel(work: Callable[[int], str], count: int) -> list[str]:
    """`work` of each number below `count`; done by as many processes as there are processors."""
    _forked[:] = [work]
    with multiprocessing.get_context("fork").Pool() as pool:
        return pool.map(_work, range(count), chunksize=4)


def _work(at: int) -> str:
    return _forked[0](at)


def judged(
    made: Sequence[Mutant], fate: Callable[[Mutant], str], why_equivalent: Callable[[str], str]
) -> bool:
    """Find and print the fate of each mutant. Whether each one has the expected fate."""
    found = in_parallel(lambda at: fate(made[at]), len(made))
    fates_of = dict(zip((mutant.name for mutant in made), found, strict=True))
    killers = Counter(why for why in found if why)
    living = {name: why_equivalent(name) for name, killer in fates_of.items() if not killer}
    print(f"{len(fates_of)} mutants: {killers.total()} killed, by")
    for killer, count in sorted(killers.items()):
        print(f"{count:7} {killer}")
    print(f"{sum(map(bool, living.values())):7} cannot be told from what ships:")
    for name, why in living.items():
        print(f"        {name}: {why or 'ALIVE'}")
    wrong = [name for name, killer in fates_of.items() if killer and why_equivalent(name)]
    for name in wrong:
        print(f"WRONG   {name} is called equivalent, and is killed: {fates_of[name]}")
    return all(living.values()) and not wrong


def noticed(spoilt: dict[str, str], what: str) -> bool:
    """Print which promise each spoilt rule breaks. Whether each one breaks one."""
    print(f"{len(spoilt)} {what}, {sum(map(bool, spoilt.values()))} noticed:")
    for rule, why in spoilt.items():
        print(f"        {rule}: {why or 'NOT NOTICED'}")
    return all(spoilt.values())


def explore_attempt() -> bool:
    """One attempt: all states, all mutants of its tables, and all spoilt shells."""
    for setting in (*WHOLE_WORLD, *LOCKED):
        report(setting)
    others = (*OTHERS, ONE_HELD)
    known = {setting: report(setting) for setting in dict.fromkeys((*ROWS, *others))}
    graphs = Graphs(tuple(known[each] for each in ROWS), tuple(known[each] for each in others))
    killed = judged(
        list(mutants()), lambda mutant: fates.fate(mutant, graphs), fates.why_equivalent
    )
    return noticed({rule: spoilt_shell(face, rule) for face, rule in SPOILT}, "shells") and killed


def report_rivals(rules: Rules, known: rivalfates.Lives) -> None:
    """Explore several attempts of a job, and print what was seen."""
    began = time.process_time()
    seen = walk(*known, rules)
    print(
        f"{rules.tries} attempts, {rules.people} resolutions, {len(rules.kinds)} kinds"
        f"{', a power cut' if rules.power else ''}: {seen.states} states, {seen.moves} moves,"
        f" {seen.depth} deep, {seen.ends} ends ({time.process_time() - began:.0f} s)",
        flush=True,
    )


def explore_rivals() -> bool:
    """Several attempts of a job: all states, all mutants of the memory, all wrong claims."""
    known = lives(disk=False)
    print(f"the life of one attempt, as others see it: {len(known[0])} stages")
    for rules in rivalfates.LARGE:
        report_rivals(rules, known)
    refusing = lives(disk=True)
    print(f"the same, with a disk that refuses: {len(refusing[0])} stages")
    report_rivals(rivalfates.SMALL[0], refusing)
    read = [rivalfates.rows_read(rules, known) for rules in rivalfates.JUDGES]
    killed = judged(
        list(rivalfates.mutants()),
        lambda mutant: rivalfates.fate(mutant, known, read),
        rivalfates.why_equivalent,
    )
    spoilt = {
        ", ".join(sorted(spoils)): rivalfates.spoilt_claim(spoils, rules, known)
        for spoils, rules in rivalfates.SPOILT_CLAIM
    }
    return noticed(spoilt, "wrong claims") and killed


PARTS = {"attempt": explore_attempt, "rivals": explore_rivals}


def main() -> int:
    """Explore everything, then everything spoilt; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.model",
        description="Explore all states of a job's processes, and spoil each row of the tables.",
        epilog="Exit status 0: no promise is broken, and each spoilt row is found.",
    )
    parser.add_argument(
        "part",
        nargs="?",
        choices=PARTS,
        help="one attempt, or several attempts of one job at the same moment; default: both",
    )
    part = parser.parse_args().part
    done = [run() for name, run in PARTS.items() if part in (None, name)]
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
