# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the model of simultaneous attempts find no fault, and a fault in each spoilt version?

All of it is `python -m tools.model rivals`; here is as much as CI has time for.
"""

from __future__ import annotations

import re

import pytest

from gpgshim.core.memory import Standing
from tools.model.lives import lives
from tools.model.mutants import spoilt
from tools.model.rivalfates import (
    EQUIVALENT,
    JUDGES,
    SMALL,
    SPOILT_CLAIM,
    Lives,
    fate,
    mutants,
    rows_read,
    spoilt_claim,
    why_equivalent,
)
from tools.model.rivals import Rules, walk
from tools.model.state import Violation


@pytest.fixture(scope="module")
def known() -> Lives:
    return lives(disk=False)


def test_what_ships_keeps_the_promises(known: Lives) -> None:
    met: set[Standing] = set()
    for rules in SMALL:
        seen = walk(*known, rules)
        print(rules, seen)
        assert seen.states > 10_000
        assert seen.ends > 500
        met |= seen.standings
    # REFUSED_EARLIER is what only an earlier version left.
    assert met == set(Standing) - {Standing.NONE, Standing.REFUSED_EARLIER}


ALL = list(mutants())


def test_no_mutant_is_made_twice() -> None:
    assert len({mutant.name for mutant in ALL}) == len(ALL) > 500
    for mutant in ALL:
        with spoilt(mutant):
            where = mutant.where if isinstance(mutant.where, dict) else vars(mutant.where)
            assert where[mutant.what] is mutant.value


#: The rest is `make model`.
SOME = [*ALL[7::83], *ALL[-4:]]


def test_every_mutant_is_found(known: Lives) -> None:
    read = [rows_read(rules, known) for rules in JUDGES]
    alive = {mutant.name for mutant in SOME if not fate(mutant, known, read)}
    assert alive == {mutant.name for mutant in SOME if why_equivalent(mutant.name)}


@pytest.mark.parametrize(("pattern", "why"), EQUIVALENT)
def test_each_equivalent_mutant_exists(pattern: str, why: str) -> None:
    assert [mutant for mutant in ALL if re.fullmatch(pattern, mutant.name)], pattern


@pytest.mark.parametrize(
    ("spoils", "rules"), SPOILT_CLAIM, ids=[", ".join(sorted(each)) for each, _ in SPOILT_CLAIM]
)
def test_a_wrong_claim_is_found(known: Lives, spoils: frozenset[str], rules: Rules) -> None:
    assert spoilt_claim(spoils, rules, known)


def test_the_shortest_history_of_a_fault(known: Lives) -> None:
    wrong = JUDGES[0]._replace(
        spoilt=frozenset(["no claim is taken", "the number is not compared"])
    )
    with pytest.raises(Violation, match=r"^7: two attempts of the job run") as caught:
        walk(*known, wrong)
    assert len(caught.value.history) == 11  # both look, before one of them has a journal
