# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of routes, and the tables made from them. Pure.

Rule 1: the word of a cell follows from what was observed, by the table WORDS.
Rule 2: fixtures/bypass has one file for each series of gpg, written by a run. The tables of the
documents are made from these files alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from tests.support.scratch import CHECKOUT
from tools.bypass.routes import FORMS, ROUTES, Form, Reach

FIXTURES = CHECKOUT / "fixtures/bypass"
RETRIABLE = 75  #: the exit status of `gpgshim run`
_BETWEEN = " | "


class Word(StrEnum):
    """The result of a route in a form of the gate."""

    HELD = "held"
    SEEN = "seen"
    NOT_SEEN = "not seen"
    FAILS = "fails"
    UNCLEAR = "unclear"  # the two jobs differ, and not by the answer of the authority: run it again


class Facts(NamedTuple):
    """What was observed of one job, which runs the route and then exits 3.

    `signed`: the signature is there, and is good. `asked`: whether the authority got a request
    `before` the signature was there, or `after`, or `never`. `reported`: whether the journal has a
    line about it other than a request.
    """

    signed: bool
    asked: str
    reported: bool
    status: int
    outcome: str


class Cell(NamedTuple):
    """The two jobs of a route in a form: the authority refuses, and it agrees."""

    refused: Facts
    granted: Facts

    @property
    def word(self) -> Word:
        """The row of WORDS."""
        asked = self.refused.asked != "never"
        return WORDS[self.refused.signed, self.granted.signed, asked, self.refused.reported]


#: (signed if refused, signed if granted, a request if refused, reported if refused) -> the word.
WORDS = {
    (False, True, True, False): Word.HELD,  # it signs only with a grant
    (
        False,
        True,
        True,
        True,
    ): Word.HELD,  # and the journal notes something, such as a key that left
    (False, True, False, False): Word.UNCLEAR,  # no request was refused, and it did not sign
    (False, True, False, True): Word.UNCLEAR,  # the same
    (True, True, False, False): Word.NOT_SEEN,  # it signs without a grant, and no line says so
    (True, True, False, True): Word.SEEN,  # it signs without a grant, and the journal says so
    (True, True, True, False): Word.SEEN,  # it signs although a request was refused: see faults_of
    (True, True, True, True): Word.SEEN,  # the same
    (True, False, False, False): Word.UNCLEAR,  # it signs only if refused
    (True, False, False, True): Word.UNCLEAR,  # the same
    (True, False, True, False): Word.UNCLEAR,  # the same
    (True, False, True, True): Word.UNCLEAR,  # the same
    (False, False, False, False): Word.FAILS,  # it cannot sign this way, with a grant or without
    (False, False, False, True): Word.FAILS,  # the same
    (False, False, True, False): Word.FAILS,  # it sends a request, and fails also with a grant
    (False, False, True, True): Word.FAILS,  # the same
}


def faults_of(reach: Reach, form: Form, cell: Cell) -> Iterator[str]:
    """What must not be; most of it where `form` claims to watch `reach`."""
    if cell.word is Word.UNCLEAR:
        yield "it is unclear"
    if cell.refused.signed and cell.refused.asked != "never":
        yield "a request was refused, and there is a signature"
    if reach not in form.watches:
        return
    if cell.word not in (Word.HELD, Word.FAILS):
        yield f"it is {cell.word}"
    for facts in cell:
        if facts.signed and facts.status == RETRIABLE:
            yield "a signature, and the job is called retriable"
    if cell.granted.signed and cell.granted.asked != "before":
        yield f"the request came {cell.granted.asked}"


#: Of one series of gpg: the name of a route -> its cell by form, or why it was not tried.
Results = Mapping[str, Mapping[str, Cell] | str]


def written(head: Mapping[str, str], results: Results) -> str:
    """The text of a fixture: a head, and a line for each job or for a route that was not tried."""
    lines = [f"{name}: {value}" for name, value in head.items()]
    lines.append("")
    for name, cells in results.items():
        if isinstance(cells, str):
            lines.append(_BETWEEN.join([name, "not tried", cells]))
            continue
        for form, cell in cells.items():
            for authority, facts in zip(("refuses", "agrees"), cell, strict=True):
                lines.append(_BETWEEN.join([name, form, authority, *_text(facts)]))
    return "\n".join(lines) + "\n"


def _text(facts: Facts) -> list[str]:
    signed = "signed" if facts.signed else "no signature"
    reported = "reported" if facts.reported else "not reported"
    return [signed, facts.asked, reported, str(facts.status), facts.outcome]


def read(text: str) -> tuple[dict[str, str], Results]:
    """The head and the results of a fixture."""
    head, _, body = text.partition("\n\n")
    results: dict[str, dict[str, Cell] | str] = {}
    refused: Facts | None = None
    for line in body.splitlines():
        name, form, *rest = line.split(_BETWEEN)
        if form == "not tried":
            results[name] = rest[0]
            continue
        authority, signed, asked, reported, status, outcome = rest
        facts = Facts(signed == "signed", asked, reported == "reported", int(status), outcome)
        if authority == "refuses":
            refused = facts
        else:
            assert refused is not None
            cells = results.setdefault(name, {})
            assert isinstance(cells, dict)
            cells[form] = Cell(refused, facts)
    return dict(line.split(": ", 1) for line in head.splitlines()), results


def fixtures() -> dict[str, tuple[dict[str, str], Results]]:
    """The head and the results by series of gpg, the oldest first."""
    return {path.stem: read(path.read_text()) for path in sorted(FIXTURES.glob("*.txt"))}


def fixture_of(series: str) -> Path:
    """The file of a series of gpg, such as `2.4`."""
    return FIXTURES / f"{series}.txt"


# The documents.


def shown(name: str, form: str, with_status: bool) -> str:
    """A cell of a table: the word, by series of gpg if they differ."""
    words: dict[str, str] = {}
    for series, (_, results) in fixtures().items():
        cells = results.get(name, "")
        if not isinstance(cells, str) and form in cells:
            cell = cells[form]
            words[series] = f"{cell.word}{f', {cell.refused.status}' if with_status else ''}"
    if len(set(words.values())) <= 1:
        return next(iter(words.values()), "")
    return "; ".join(f"gpg {series}: {word}" for series, word in words.items())


def reason_against(name: str) -> str:
    """Why a route was tried with no gpg; empty if it was tried with one."""
    tries = [results.get(name, "") for _, results in fixtures().values()]
    return "" if any(not isinstance(each, str) for each in tries) else str(tries[-1])


def whole_table() -> str:
    """The table of SECURITY.md: each route, in each form, with the exit status if refused."""
    lines = [f"| way | {' | '.join(form.title for form in FORMS.values())} |"]
    lines.append("| --- |" + " --- |" * len(FORMS))
    for reach in Reach:
        lines.append(f"| **{reach}** |" + " |" * len(FORMS))
        for name, route in ROUTES.items():
            if route.reach is reach:
                lines.append(f"| {name} | {' | '.join(_cells_of(name))} |")
    return "\n".join(lines) + "\n"


def _cells_of(name: str) -> list[str]:
    if why := reason_against(name):
        return [f"not tried: {why}", *[""] * (len(FORMS) - 1)]
    return [shown(name, form, with_status=True) for form in FORMS]


def short_table() -> str:
    """The table of README.md: the routes with the same words share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for name in ROUTES:
        if not reason_against(name):
            words = tuple(shown(name, form, with_status=False) for form in FORMS)
            rows.setdefault(words, []).append(name)
    lines = [f"| a signature by | {' | '.join(form.title for form in FORMS.values())} |"]
    lines.append("| --- |" + " --- |" * len(FORMS))
    lines += [f"| {'; '.join(names)} | {' | '.join(words)} |" for words, names in rows.items()]
    return "\n".join(lines) + "\n"


#: A document -> its table.
PAGES = {CHECKOUT / "SECURITY.md": whole_table, CHECKOUT / "README.md": short_table}
BEGIN = "<!-- bypass: from `python -m tools.bypass --write` -->\n"
END = "<!-- end of bypass -->\n"


def pages() -> Iterator[tuple[Path, str]]:
    """Each document, and its text with the present table."""
    for path, table in PAGES.items():
        before, begin, rest = path.read_text().partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise ValueError(f"{path.name} has no markers for the table")
        yield path, f"{before}{begin}\n{table()}\n{end}{after}"
