# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory of earlier attempts, spoilt in one place at a time, and what finds each spoilt one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import ModuleType
from typing import Any

from gpgshim.core import memory
from gpgshim.core.memory import STARTS, Option, Standing, Start
from gpgshim.history import claim
from tools.model.fates import fails
from tools.model.lives import Stage
from tools.model.mutants import Mutant, mutants_of_table, spoilt
from tools.model.rivals import KINDS, Rules, walk
from tools.model.state import Violation

TRIES = tuple(kind for kind in KINDS if kind[1] == "run")
ALONE = tuple(kind for kind in TRIES if kind[0] is Option.NONE)
#: What is explored to judge mutants: first only by what comes of a decision, then by each decision.
JUDGES = (
    Rules(2, 0, power=False, kinds=TRIES, strict=False),
    Rules(2, 0),
    Rules(2, 1, power=False, kinds=TRIES),
    Rules(3, 1, power=False, kinds=ALONE),
)
#: What is explored in CI.
SMALL = (Rules(2, 0), Rules(2, 1, power=False, kinds=TRIES), Rules(3, 0, power=False, kinds=ALONE))
#: The largest worlds.
LARGE = (
    Rules(2, 1),
    Rules(2, 2, power=False, kinds=TRIES),
    Rules(3, 0, kinds=TRIES),
    Rules(3, 1, power=False, kinds=ALONE),
    Rules(3, 1, kinds=ALONE),
)

#: Clauses of memory.py and claim.py: (module, function, the clause, a wrong version of it).
CLAUSES = (
    (memory, "standing_of", "under_way and not verdict.told", "under_way"),
    (memory, "standing_of", "under_way and not verdict.told", "False"),
    (memory, "standing_of", "if verdict.would", "if False"),
    (memory, "standing_of", "_TOLD if verdict.told else _CRASHED", "_CRASHED"),
    (memory, "standing_of", "verdict.known", "verdict.state"),
    (memory, "standing_of", "if verdict.resolved:", "if False:"),
    (memory, "standing_of", "return S.UNREADABLE", "return S.RETRIABLE"),
    (memory, "standing_of", "if not verdict.readable", "if False"),
    (memory, "recall", "settles=False", "settles=True"),
    (memory, "recall", "settles=not SETTLES", "settles=SETTLES"),
    (claim, "that_stands", "if earlier.recalled.stands", "if False"),
    (claim, "that_stands", "recalled.standing is Standing.UNDER_WAY", "recalled.verdict is None"),
    (claim, "that_stands", "stands = stands or earlier", "stands = earlier"),
    (claim, "that_stands", "return stands or first", "return first"),
    (claim, "that_stands", "if earlier.recalled.settles", "if False"),
    (claim, "that_stands", "if earlier.recalled.settles", "if True"),
    (claim, "that_stands", "first = first or earlier", "first = earlier"),
    (claim, "decide", "start in (Start.STARTS, Start.OVERRIDES)", "start is Start.STARTS"),
    (claim, "decide", "earlier is None or start in", "start is not Start.SKIPPED or start in"),
    (claim, "decide", "if start is Start.SKIPPED", "if False"),
    (claim, "decide", "if start is Start.WARNS", "if False"),
    (claim, "head_of", "if start is Start.OVERRIDES", "if False"),
    (claim, "head_of", "if option is Option.WARN", "if False"),
    (claim, "head_of", "str(earlier)", "str(earlier + 1)"),
    (claim, "head_of", 'return {EARLIER: "none"}', "return {}"),
)
#: What only an earlier version can have left: no promise of the model is about it.
OLD = r"_TOLD\[refused, irrecoverable\].*|STARTS\[irrecoverable, refused, .*"
#: The tests that forbid a mutant which breaks no promise.
TESTS = ("tests/core/test_memory.py", "tests/history/test_claim.py")
EQUIVALENT = (
    (
        r"that_stands: `first = first or earlier`.*",
        "none of these attempts stands, and all of their rows are the same",
    ),
)

#: How the processes could be wrong, which no table shows; and a world that notices it.
SPOILT_CLAIM: tuple[tuple[frozenset[str], Rules], ...] = tuple(
    (frozenset(rules), world)
    for rules, world in (
        ({"the look comes before the claim"}, JUDGES[2]),
        ({"the look comes before the claim", "the number is not compared"}, JUDGES[0]),
        ({"the claim is released before the journal has its name"}, JUDGES[2]),
        (
            {
                "the claim is released before the journal has its name",
                "the number is not compared",
            },
            JUDGES[0],
        ),
        ({"no claim is taken", "the number is not compared"}, JUDGES[0]),
        ({"the number is not compared"}, JUDGES[1]),
        ({"the journal is locked after the claim is released"}, JUDGES[0]),
        ({"the journal is read before its lock is looked at"}, JUDGES[0]),
        ({"the name is not synced"}, JUDGES[1]),
        ({"resolve takes no claim"}, JUDGES[2]),
        ({"resolve does not look at the lock"}, JUDGES[2]),
        ({"an old attempt is resolved as uploaded"}, Rules(3, 1, power=False, kinds=ALONE)),
        ({"a resolution is not synced"}, Rules(2, 1, kinds=ALONE)),
        ({"a torn line is completed by the resolution"}, Rules(2, 1, kinds=ALONE)),
    )
)

#: The tables that are spoilt row by row, and each module that looks rows of them up.
TABLES = (
    ("STARTS", (memory, claim)),
    ("_TOLD", (memory,)),
    ("_CRASHED", (memory,)),
    ("_RESOLVED", (memory,)),
)

Lives = tuple[list[Stage], dict[str, int]]
#: Rows of tables: (the name of the table, the row).
Rows = frozenset[tuple[str, Any]]


class _Noting(dict[Any, Any]):
    """A table that notes which of its rows are looked up."""

    def __init__(self, table: dict[Any, Any], name: str, rows: set[tuple[str, Any]]) -> None:
        super().__init__(table)
        self._name = name
        self._rows = rows

    def __getitem__(self, row: Any) -> Any:
        self._rows.add((self._name, row))
        return super().__getitem__(row)


def mutants() -> Iterator[Mutant]:
    """Each row, and each clause, spoilt in every small way."""
    yield from mutants_of_table(STARTS, "STARTS", Start)
    yield from mutants_of_table(memory._TOLD, "_TOLD", Standing)
    yield from mutants_of_table(memory._CRASHED, "_CRASHED", Standing)
    yield from mutants_of_table(memory._RESOLVED, "_RESOLVED", Standing)
    for settles in ({memory.EARLIER}, {memory.AGAIN}, set()):
        shown = f"SETTLES is {', '.join(settles) or 'empty'}"
        yield Mutant(shown, memory, "SETTLES", frozenset(settles))
    for module, name, old, new in CLAUSES:
        yield _mutant_of_clause(module, name, old, new)


def _mutant_of_clause(module: ModuleType, name: str, old: str, new: str) -> Mutant:
    function = getattr(module, name)
    source = inspect.getsource(function)
    assert source.count(old) == 1, (name, old)
    made: dict[str, Any] = {}
    exec(
        "from __future__ import annotations\n" + source.replace(old, new),
        function.__globals__,
        made,
    )
    return Mutant(f"{name}: `{old}` is `{new}`", module, name, made[name])


def rows_read(rules: Rules, lives: Lives) -> Rows:
    """The rows that the processes of this world look up. Raises Violation."""
    rows: set[tuple[str, Any]] = set()
    with ExitStack() as stack:
        for name, modules in TABLES:
            noting = _Noting(vars(memory)[name], name, rows)
            for module in modules:
                stack.enter_context(spoilt(Mutant(name, module, name, noting)))
        walk(*lives, rules)
    return frozenset(rows)


def _can_show(mutant: Mutant, rows: Rows) -> bool:
    """Whether a world that looks these rows up can differ, if the mutant is in it."""
    name = next((name for name, _ in TABLES if mutant.where is vars(memory)[name]), "")
    return not name or (name, mutant.what) in rows


def fate(mutant: Mutant, lives: Lives, read: Sequence[Rows]) -> str:
    """The promise or the test that kills it; "" where it lives. `read` is rows_read() of JUDGES."""
    with spoilt(mutant):
        if not re.fullmatch(OLD, mutant.name):
            for rules, rows in zip(JUDGES, read, strict=True):
                if _can_show(mutant, rows) and (broken := broken_by(rules, lives)):
                    return broken
        return next((test for test in TESTS if fails(test)), "")


def broken_by(rules: Rules, lives: Lives) -> str:
    """The promise that does not hold in this world, or ""."""
    try:
        walk(*lives, rules)
    except Violation as violation:
        return str(violation)
    return ""


def why_equivalent(name: str) -> str:
    """Why a mutant of this name lives by right; "" where it should not."""
    return next((why for pattern, why in EQUIVALENT if re.fullmatch(pattern, name)), "")


def spoilt_claim(spoils: frozenset[str], rules: Rules, lives: Lives) -> str:
    """The promise that the spoilt processes break, or ""."""
    return broken_by(rules._replace(spoilt=spoils), lives)
