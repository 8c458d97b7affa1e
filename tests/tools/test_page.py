# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does TAG2UPLOAD.md show what the scenarios and the recorded journals say?

The table is made from reports that are not kept; this holds it to what is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.core.transcript import parse
from gpgshim.core.verdict import judge
from tests.support.scratch import CHECKOUT
from tools.world.scenarios import LOCKS, SCENARIOS, Scenario, Want
from tools.world.table import END, PAGE, RESULTS, WITH_THE_LOCK, Table, insert


def read_rows(table: Table) -> Iterator[list[str]]:
    rows = PAGE.read_text().partition(table.begin)[2].partition(END)[0]
    for line in rows.splitlines():
        if line.startswith("| ") and not line.startswith(("| what happens", "| --- ")):
            yield [cell.strip() for cell in line.strip("|\n").split(" | ")]


def say_manager(want: Want) -> str:
    jobs = want.attempts.split(" | ")
    return " / ".join(job.replace(" ", ", then ").replace("+", "**C** ") for job in jobs)


def say_journal(path: Path) -> str:
    data = path.read_bytes()
    verdict = judge(parse(data))
    outcome = str(verdict.outcome) if verdict.told else f"({verdict.outcome})"
    return f"{verdict.state}: {outcome}" + ", bypassed" * (b"\n% bypassed\n" in data)


def rows_of(table: Table) -> dict[str, list[str]]:
    return {row[0].rpartition("`")[0].rpartition("`")[2]: row for row in read_rows(table)}


ROWS = rows_of(RESULTS)
LOCKED_ROWS = rows_of(WITH_THE_LOCK)

#: The recorded uploads: of each format of a journal in which they were recorded.
RECORDINGS = sorted((CHECKOUT / "fixtures").glob("**/tag2upload"))
each_scenario = pytest.mark.parametrize("row", SCENARIOS.values(), ids=lambda row: row.name)


def test_table_has_the_scenarios_in_their_order() -> None:
    assert list(ROWS) == list(SCENARIOS)


@each_scenario
def test_row_is_the_scenario(row: Scenario) -> None:
    what, stock, _, _, gated, _, _, _ = ROWS[row.name]
    assert what == f"{row.story} (`{row.name}`)"
    assert stock == ("-" if row.stock is None else say_manager(row.stock))
    assert gated == say_manager(row.gated)


@each_scenario
@pytest.mark.parametrize("directory", RECORDINGS, ids=lambda path: path.parent.name)
def test_row_is_what_the_journals_say(directory: Path, row: Scenario) -> None:
    paths = sorted(directory.glob(f"{row.name}.txt")) + sorted(
        directory.glob(f"{row.name}.[0-9].txt")
    )
    recorded = [say_journal(path) for path in paths]
    # Jobs that run at the same moment are recorded in the order of their beginning.
    in_order = sorted if " | " in row.gated.attempts else list
    assert in_order(recorded) == in_order(ROWS[row.name][7].split("; "))


def test_the_rows_that_the_lock_changes_were_played_with_it() -> None:
    differ = {
        name for name, row in SCENARIOS.items() if any(row.want(x) != row.gated for x in LOCKS)
    }
    assert differ <= set(LOCKED_ROWS)
    assert list(LOCKED_ROWS) == [name for name in SCENARIOS if name in LOCKED_ROWS]


@pytest.mark.parametrize("name", LOCKED_ROWS)
def test_row_of_the_lock_is_the_scenario(name: str) -> None:
    what, *cells = LOCKED_ROWS[name]
    assert what == f"{SCENARIOS[name].story} (`{name}`)"
    for mode, manager in zip(LOCKS, cells[::4], strict=True):
        want = SCENARIOS[name].want(mode)
        assert want is not None and manager in ("-", say_manager(want))


def test_table_is_put_between_its_lines() -> None:
    begin = RESULTS.begin
    page = f"before\n{begin}old\n{END}after\n"
    assert insert(page, "new\n") == f"before\n{begin}\nnew\n\n{END}after\n"
    with pytest.raises(ValueError, match="does not have the lines"):
        insert("before\nafter\n", "new\n")
