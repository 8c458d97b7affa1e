# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""In every place where a job can run: is a signature committed or refused, and the outcome true?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import skips
from tools.place import enter
from tools.place.__main__ import key, reason_against
from tools.place.table import NOT_YET, PLACES
from tools.place.world import Place, Result, show

Runs = Callable[[Place, bool], Result]


def skip_unless_it_is_here(place: Place) -> None:
    need, why = reason_against(place)
    if need == "root":
        skips.unless_root("who can be another user")
    elif need and need not in enter.PROBES:
        skips.unless_installed("places", False)
    elif need:
        skips.unless_allowed(need, why)


@pytest.mark.parametrize("yes", [False, True], ids=["refuses", "agrees"])
@pytest.mark.parametrize("place", [x for x in PLACES if key(x) not in NOT_YET], ids=key)
def test_place(runs: Runs, place: Place, yes: bool) -> None:
    skip_unless_it_is_here(place)
    ran, wrong = runs(place, yes)
    assert not wrong, show(ran)


if NOT_YET:  # without a row pytest would call it skipped

    @pytest.mark.xfail(strict=True, raises=AssertionError, reason="not yet")
    @pytest.mark.parametrize("place", [x for x in PLACES if key(x) in NOT_YET], ids=key)
    def test_not_yet(runs: Runs, place: Place) -> None:
        skip_unless_it_is_here(place)
        assert not [*runs(place, False)[1], *runs(place, True)[1]]
