# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is only a retriable attempt followed by another one, within each limit, after a right pause?"""

from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.core.gate import Outcome
from gpgshim.core.retries import (
    BOUNDS,
    FOLLOWED,
    JITTER,
    LONGEST,
    Bound,
    Follows,
    Limits,
    bound,
    follows,
    pause,
)

OUTCOMES: tuple[Outcome | None, ...] = (*Outcome, None)
OTHERS = [each for each in OUTCOMES if each is not Outcome.RETRIABLE]
LIMITS = Limits(retries=2, wait=1, until=100)


def test_the_tables_are_total() -> None:
    assert set(FOLLOWED) == set(OUTCOMES)
    assert set(BOUNDS) == set(Bound)


@pytest.mark.parametrize(("outcome", "stop"), list(product(OTHERS, Bound)))
def test_no_other_outcome_is_followed(outcome: Outcome | None, stop: Bound) -> None:
    assert follows(outcome, stop) is Follows.NOTHING


def test_a_retriable_attempt_is_followed_within_the_limits() -> None:
    assert {stop: follows(Outcome.RETRIABLE, stop) for stop in Bound} == {
        Bound.SIGNAL: Follows.STOPPED,
        Bound.COUNT: Follows.NONE_LEFT,
        Bound.TIME: Follows.TOO_LATE,
        Bound.NONE: Follows.ATTEMPT,
    }


@pytest.mark.parametrize(
    ("attempts", "start", "signal", "expected"),
    [
        (1, 0, 0, Bound.NONE),
        (2, math.nextafter(100, 0), 0, Bound.NONE),
        (3, 0, 0, Bound.COUNT),  # two retries are three attempts
        (2, 100, 0, Bound.TIME),
        (3, 100, 0, Bound.COUNT),
        (3, 100, 15, Bound.SIGNAL),
        (1, 0, 2, Bound.SIGNAL),
    ],
)
def test_the_first_limit(attempts: int, start: float, signal: int, expected: Bound) -> None:
    assert bound(LIMITS, attempts, start, signal) is expected


def test_without_a_time_limit_no_time_is_too_late() -> None:
    assert bound(Limits(1, 1), 1, 1e300) is Bound.NONE


def test_the_pause_doubles_up_to_its_maximum() -> None:
    pauses = [pause(60, number, 0) for number in range(1, 9)]
    assert pauses == [60, 120, 240, 480, 960, 1920, LONGEST, LONGEST]


def test_a_long_wait_stays_as_it_is() -> None:
    assert {pause(2 * LONGEST, number, 0) for number in range(1, 5)} == {2 * LONGEST}


@given(st.floats(0, 1e6), st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_the_random_part_only_adds(wait: float, number: int, chance: float) -> None:
    least = pause(wait, number, 0)
    assert wait <= least <= pause(wait, number, chance) <= least * (1 + JITTER)


@given(st.floats(0, 1e6))
def test_no_pause_is_shorter_than_the_one_before(wait: float) -> None:
    pauses = [pause(wait, number, 0) for number in range(1, 30)]
    assert all(before <= after for before, after in pairwise(pauses))
