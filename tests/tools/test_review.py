# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does doc/REVIEW.md list every module that keeps a claim, with its present number of lines?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import review

TEXT = review.PAGE.read_text()


def without(name: str) -> str:
    """The page without the row of a file."""
    return re.sub(rf"^\| \[`{re.escape(name)}`\].*\n", "", TEXT, flags=re.MULTILINE)


def test_the_list_is_complete() -> None:
    """If not, add a row with a sentence to the page, or remove one."""
    assert list(review.faults(TEXT)) == []


def test_the_numbers_are_those_of_the_files() -> None:
    """If not: python -m tools.review --write."""
    assert review.counted(TEXT) == TEXT


@pytest.mark.parametrize(
    "name",
    [
        "gpgshim/core/gate.py",
        "gpgshim/stunts/ask.py",
        "gpgshim/core/verdict.py",
        "gpgshim/system/errors.py",
    ],
)
def test_a_missing_row_is_found(name: str) -> None:
    assert list(review.faults(without(name))) == [f"not in the page: {name}"]


def test_a_row_without_a_file_is_found() -> None:
    text = TEXT.replace("[`gpgshim/core/gate.py`]", "[`gpgshim/core/no-gate.py`]")
    assert "no file is gpgshim/core/no-gate.py" in review.faults(text)


def test_a_row_that_no_claim_needs_is_found() -> None:
    text = TEXT.replace("[`gpgshim/system/errors.py`]", "[`gpgshim/cli/status.py`]")
    assert "not imported: gpgshim/cli/status.py" in review.faults(text)


def test_a_pattern_counts_all_its_files() -> None:
    files = sorted(Path(review.CHECKOUT / "gpgshim/authority").glob("*.py"))
    lines = sum(len(file.read_text().splitlines()) for file in files)
    assert f"[`gpgshim/authority/*.py`](../gpgshim/authority) | {lines} |" in TEXT


def test_the_whole_of_the_imports_is_followed() -> None:
    found = review.closure(("gpgshim/stunts/gpg.py",))
    names = {path.stem for path in found}
    assert {"gpg", "ask", "wire", "decision", "commands", "parser", "process"} <= names
