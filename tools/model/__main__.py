# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tools.model`: explore all settings, then all mutants and spoilt shells."""

from __future__ import annotations

import multiprocessing
import sys
from collections import Counter

from tools.model.fates import SPOILT, Graphs, fate, spoilt_shell, why_equivalent
from tools.model.mutants import Mutant, mutants
from tools.model.walk import OTHERS, ROWS, WHOLE_WORLD, report

#: Inherited by the forked workers: the graphs are too large to be sent.
_forked: list[tuple[list[Mutant], Graphs]] = []


def fates_of_all(graphs: Graphs) -> dict[str, str]:
    """Each mutant's fate, by its name; found by as many processes as there are processors."""
    made = list(mutants())
    _forked[:] = [(made, graphs)]
    with multiprocessing.get_context("fork").Pool() as pool:
        found = pool.map(_fate_of, range(len(made)), chunksize=4)
    return {mutant.name: why for mutant, why in zip(made, found, strict=True)}


def _fate_of(at: int) -> str:
    made, graphs = _forked[0]
    return fate(made[at], graphs)


def main() -> int:
    """Explore everything, then everything spoilt; the exit status."""
    for setting in WHOLE_WORLD:
        report(setting)
    known = {setting: report(setting) for setting in dict.fromkeys((*ROWS, *OTHERS))}
    graphs = Graphs(tuple(known[each] for each in ROWS), tuple(known[each] for each in OTHERS))
    fates = fates_of_all(graphs)
    killers = Counter(why for why in fates.values() if why)
    living = {name: why_equivalent(name) for name, killer in fates.items() if not killer}
    print(f"{len(fates)} mutants: {killers.total()} killed, by")
    for killer, count in sorted(killers.items()):
        print(f"{count:7} {killer}")
    print(f"{sum(map(bool, living.values())):7} cannot be told from what ships:")
    for name, why in living.items():
        print(f"        {name}: {why or 'ALIVE'}")
    wrong = [name for name, killer in fates.items() if killer and why_equivalent(name)]
    for name in wrong:
        print(f"WRONG   {name} is called equivalent, and is killed: {fates[name]}")
    shells = {rule: spoilt_shell(face, rule) for face, rule in SPOILT}
    print(f"{len(shells)} spoilt shells, {sum(map(bool, shells.values()))} noticed:")
    for rule, why in shells.items():
        print(f"        {rule}: {why or 'NOT NOTICED'}")
    return 0 if all((*living.values(), *shells.values())) and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
