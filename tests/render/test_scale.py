# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the time scale of a diagram have round ticks with a unit, and place each time?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.render.scale import Scale, choose_step, clock, ticks


@pytest.mark.parametrize(
    ("end", "most", "step"),
    [
        (10.6, 28, 0.5),
        (0.01, 10, 0.001),
        (0.0001, 10, 0.001),
        (100, 10, 10),
        (290, 10, 50),
        (301, 10, 60),
        (7200, 20, 600),
        (86400 * 3, 20, 21600),
        (86400 * 100, 20, 86400 * 8),
        (5, 0, 5),
    ],
)
def test_steps_are_round_numbers(end: float, most: int, step: float) -> None:
    assert choose_step(end, most) == pytest.approx(step)


@pytest.mark.parametrize(
    ("end", "most", "words"),
    [
        (0.003, 3, ["0.000", "0.001", "0.002", "0.003"]),
        (0.03, 3, ["0.00", "0.01", "0.02", "0.03"]),
        (0.3, 3, ["0.0", "0.1", "0.2", "0.3"]),
        (3.0, 3, ["0", "1", "2", "3"]),
        (7200.0, 4, ["0 m", "30 m", "60 m", "90 m", "120 m"]),
        (36000.0, 5, ["0 h", "2 h", "4 h", "6 h", "8 h", "10 h"]),
        (864000.0, 5, ["0 d", "2 d", "4 d", "6 d", "8 d", "10 d"]),
    ],
)
def test_ticks_have_their_unit(end: float, most: int, words: list[str]) -> None:
    assert [tick.words for tick in ticks(end, most)] == words


@given(st.floats(0.001, 1e9), st.integers(1, 100))
def test_ticks_are_within_the_scale_and_not_too_many(end: float, most: int) -> None:
    times = [tick.seconds for tick in ticks(end, most)]
    assert times[0] == 0 and times == sorted(times)
    assert times[-1] <= end * (1 + 1e-6) + 1e-3
    assert len(times) <= most + 1


def test_a_time_has_its_place() -> None:
    scale = Scale(10, 100, 300)
    assert [scale.place(seconds) for seconds in (0, 2.5, 10, 11)] == [100, 150, 300, 300]


def test_a_clock_has_as_many_digits_as_fit() -> None:
    assert [clock(seconds) for seconds in (0, 1.25, 999.9994, 1000.4)] == [
        "0.000",
        "1.250",
        "999.999",
        "1000",
    ]
