# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are the tables of the routes past PATH those of the runs, and is no claim wider than these?"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tools.bypass import results
from tools.bypass.results import WORDS, Cell, Facts, Results, Word, faults_of, read, written
from tools.bypass.routes import FORMS, ROUTES, Form, Reach

HELD = Facts(signed=False, asked="before", reported=False, status=77, outcome="refused")
GRANTED = Facts(signed=True, asked="before", reported=True, status=3, outcome="irrecoverable")
MISSED = Facts(signed=True, asked="never", reported=False, status=75, outcome="retriable")
WATCHED = Form("a form", (), frozenset({Reach.HOME}))


@pytest.mark.parametrize(
    ("path", "text"), [*results.pages()], ids=lambda each: getattr(each, "name", "")
)
def test_the_tables_are_those_of_the_runs(path: Path, text: str) -> None:
    assert path.read_text() == text, "python -m tools.bypass --tables"


@pytest.mark.parametrize("series", results.fixtures())
def test_each_run_has_each_route_in_each_form(series: str) -> None:
    head, found = results.fixtures()[series]
    assert head["gpg"].startswith(f"{series}.")
    assert list(found) == list(ROUTES)
    assert all(isinstance(cells, str) or list(cells) == list(FORMS) for cells in found.values())


@pytest.mark.parametrize("series", results.fixtures())
def test_no_form_misses_what_it_watches(series: str) -> None:
    _, found = results.fixtures()[series]
    cells = {name: cells for name, cells in found.items() if not isinstance(cells, str)}
    faults = [
        (name, form, fault)
        for name, by_form in cells.items()
        for form, cell in by_form.items()
        for fault in faults_of(ROUTES[name].reach, FORMS[form], cell)
    ]
    assert not faults


def test_each_form_watches_more_than_the_one_before() -> None:
    watched = [form.watches for form in FORMS.values()]
    assert all(one < next_ for one, next_ in itertools.pairwise(watched))


@pytest.mark.parametrize("row", [*itertools.product([False, True], repeat=4)])
def test_each_row_has_a_word(row: tuple[bool, bool, bool, bool]) -> None:
    refused, granted, asked, reported = row
    facts = Facts(refused, "before" if asked else "never", reported, 3, "")
    cell = Cell(facts, GRANTED._replace(signed=granted))
    assert cell.word is WORDS[row]
    assert (cell.word is Word.HELD) is (granted and asked and not refused)
    assert (cell.word is Word.FAILS) is not (granted or refused)


@pytest.mark.parametrize(
    ("cell", "faults"),
    [
        (Cell(HELD, GRANTED), 0),
        (Cell(HELD, GRANTED._replace(signed=False)), 0),
        (Cell(MISSED, GRANTED), 2),  # it signs, and the job is called retriable
        (Cell(MISSED._replace(status=3), GRANTED), 1),
        (Cell(HELD, MISSED), 2),  # granted without a request, and retriable
        (Cell(HELD, GRANTED._replace(asked="after")), 1),
    ],
)
def test_a_fault_is_noticed_where_the_form_watches(cell: Cell, faults: int) -> None:
    assert len(list(faults_of(Reach.HOME, WATCHED, cell))) == faults
    assert not list(faults_of(Reach.OTHER, WATCHED, cell))


@pytest.mark.parametrize(
    "cell",
    [
        Cell(HELD._replace(signed=True), GRANTED),  # a signature although it was refused
        Cell(HELD._replace(asked="never", status=75), GRANTED),  # it failed for another reason
    ],
)
def test_some_faults_are_faults_everywhere(cell: Cell) -> None:
    assert len(list(faults_of(Reach.OTHER, WATCHED, cell))) == 1


def test_what_is_written_can_be_read() -> None:
    head = {"gpg": "2.4.9"}
    found: Results = {
        "one": {"path": Cell(MISSED, MISSED), "alias": Cell(HELD, GRANTED)},
        "two": "no two",
    }
    assert read(written(head, found)) == (head, found)
