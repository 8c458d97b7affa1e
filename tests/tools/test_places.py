# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the table of places total, is it in SECURITY.md, and can its checks fail?

`make places` runs the job in each place: tools/place.
"""

from __future__ import annotations

import pytest

from gpgshim.core.verdict import judge_bytes
from tools.place import enter
from tools.place.__main__ import SECURITY, key, written
from tools.place.table import NOT_YET, PLACES
from tools.place.world import LINES, Cell, Kind, Place, Ran, faults

HEAD = """\
job: j
attempt: 1
gpg: /usr/bin/gpg 2.4.9
authority: true
command: gpg -b f
started: 2026-11-24T07:28:53Z
gpgshim: 0.1.0

! uncommitted
"""
ASKED = HEAD + "+0.1 $ gpg -b f\n+0.1 ! unknown\n+0.1 > commit-to-public-upload\n"
REFUSED = ASKED + "+0.2 < refused\n+0.2 = no no\n+0.3 % exit 3\n+0.3 irrecoverable\n"
GRANTED = ASKED + "+0.2 < go-ahead\n+0.2 ! committed\n+0.2 = go\n+0.3 % exit 0\n+0.3 uploaded\n"
RETRIABLE = HEAD + "+0.3 % exit 3\n+0.3 retriable\n"
NARROW = "gpgshim: j.1: no gpg under the gate was called to sign\n"


def ran(journal: str | None, status: int, signed: int, err: str = "", **more: object) -> Ran:
    data = None if journal is None else journal.encode()
    verdict = judge_bytes(data or b"")
    it = Ran(status, "", err, True, signed, data, verdict, [])
    return it._replace(**more)  # type: ignore[arg-type]


def test_each_place_has_a_name_of_its_own() -> None:
    names = [key(place) for place in PLACES]
    assert len(set(names)) == len(names)
    assert set(NOT_YET) <= set(names)
    assert not [name for name in names if "|" in name]


@pytest.mark.parametrize("place", PLACES, ids=key)
def test_each_place_has_both_results(place: Place) -> None:
    """The kinds are those that a column can have, and what is not started says why."""
    assert place.no.kind is not Kind.GRANTED
    assert place.yes.kind is not Kind.REFUSED
    for cell in (place.no, place.yes):
        assert bool(cell.says) == (cell.kind is Kind.NOT_STARTED)
    assert (place.no.kind is Kind.NOT_STARTED) == (place.yes.kind is Kind.NOT_STARTED)
    assert (place.no.kind in (Kind.PAST, Kind.SEEN)) == (place.yes.kind in (Kind.PAST, Kind.SEEN))


def test_each_need_can_be_named() -> None:
    for place in PLACES:
        for need in place.needs:
            assert need in enter.PROBES or " " not in need


def test_every_group_stands_together() -> None:
    groups = [place.group for place in PLACES]
    changes = [one for one, before in zip(groups, ["", *groups], strict=False) if one != before]
    assert len(changes) == len(set(groups))


def test_security_has_the_table() -> None:
    text = SECURITY.read_text()
    assert text == written(text), "make places-table"


RIGHT = {
    "refused": (ran(REFUSED, 3, 0), Cell(Kind.REFUSED)),
    "granted": (ran(GRANTED, 0, 1), Cell(Kind.GRANTED)),
    "blocked": (ran(RETRIABLE, 75, 0, NARROW), Cell(Kind.BLOCKED)),
    "past": (ran(RETRIABLE, 75, 1, NARROW), Cell(Kind.PAST)),
    "not started": (ran(None, 78, 0, "gpgshim: why", began=False), Cell(Kind.NOT_STARTED, "why")),
    "untold": (ran(GRANTED[:-9], 74, 1), Cell(Kind.UNTOLD)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_correct_result_has_no_faults(name: str) -> None:
    it, cell = RIGHT[name]
    assert faults(it, cell) == []


WRONG = {
    "signed without a commitment": (ran(REFUSED, 3, 1), Cell(Kind.REFUSED), "signed without"),
    "75 after a signature": (ran(RETRIABLE, 75, 1, NARROW), Cell(Kind.REFUSED), "ended with 75"),
    "no signature": (ran(GRANTED, 0, 0), Cell(Kind.GRANTED), "came to blocked"),
    "granted, and not the job's end": (ran(GRANTED, 1, 1), Cell(Kind.GRANTED), "came to granted,"),
    "a wide claim": (ran(RETRIABLE, 75, 1, "nothing was signed"), Cell(Kind.PAST), "claims more"),
    "a traceback": (ran(REFUSED, 3, 0, "Traceback (most"), Cell(Kind.REFUSED), "a traceback"),
    "many lines": (ran(REFUSED, 3, 0, "x\n" * (LINES + 1)), Cell(Kind.REFUSED), "lines on stderr"),
    "what the authority printed": (
        ran(REFUSED + "hello\n", 3, 0), Cell(Kind.REFUSED), "the authority printed",
    ),
    "a journal that contradicts itself": (
        ran(HEAD + "+0.1 $ gpg -b f\n+0.1 = go\n", 3, 0), Cell(Kind.BLOCKED), "replay",
    ),
    "left behind": (ran(REFUSED, 3, 0, left=["mount x"]), Cell(Kind.REFUSED), "left behind"),
    "another status": (ran(None, 1, 0, began=False), Cell(Kind.NOT_STARTED), "ended with 1"),
    "another message": (
        ran(None, 78, 0, "gpgshim: what", began=False), Cell(Kind.NOT_STARTED, "why"), "'why'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_result_has_a_fault(name: str) -> None:
    it, cell, words = WRONG[name]
    assert [each for each in faults(it, cell) if words in each]
