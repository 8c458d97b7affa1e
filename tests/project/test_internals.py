# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the tests exist that INTERNALS.md names, and does its diagram agree with the tables?"""

from __future__ import annotations

import re

from tests.support.scratch import CHECKOUT
from tools import states


def test_each_named_test_is_there() -> None:
    text = (CHECKOUT / "INTERNALS.md").read_text()
    named = re.findall(r"`(tests/\w[\w/]*\.py)(?:::(\w+))?`", text)
    assert len(named) > 8
    for path, test in named:
        text = (CHECKOUT / path).read_text()
        assert not test or f"def {test}(" in text, f"{path}::{test}"


def test_each_row_of_the_table_of_crashes_is_seen_by_one() -> None:
    text = (CHECKOUT / "INTERNALS.md").read_text()
    rows = [int(number) for number in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]
    seen = text.partition("\nSeen: ")[2].partition("\n\n")[0]
    spans = re.findall(r"\b(\d+)(?: to (\d+))?\b(?! to)", re.sub(r"`[^`]*`", "", seen))
    shown = {n for first, last in spans for n in range(int(first), int(last or first) + 1)}
    assert rows == list(range(1, len(rows) + 1))
    assert shown == set(rows)


def test_the_diagram_is_that_of_the_table() -> None:
    """If not: python -m tools.states --write."""
    assert states.parts(states.PAGE.read_text())[1] == states.diagram()
