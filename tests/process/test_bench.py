# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the benchmarks run, and print what they measured? No test here judges a time."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest

from bench import classify, commit, lock, results, timing
from bench.results import Table
from tests.support import skips
from tests.support.scratch import CHECKOUT


def test_startup_ends_with_the_ratio() -> None:
    command = [str(CHECKOUT / "bench/startup"), "--runs", "5"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 1 + 5 + 1  # head, rule; gpg, the wrappers, ours
    label, _, ratio = done.stdout.splitlines()[-1].partition(": ")
    assert label == "ratio of ours to bare Python"
    assert float(ratio) > 0


@pytest.mark.parametrize("tables", [classify.tables, commit.tables])
def test_rows_have_a_time_each(tables: Callable[[int], Iterator[Table]]) -> None:
    for table in tables(5):
        assert all(len(row) == len(table.head) and float(row[1]) > 0 for row in table.rows)


def test_the_lock_has_a_time_each() -> None:
    skips.unless_root("makes a session of an ordinary user")
    table = lock.table_of(lock.figures(lock.here, 5))
    assert len(table.rows) == len(lock.COMMANDS) + len(lock.ALGORITHMS)
    assert all(len(row) == len(table.head) and float(row[1]) > 0 for row in table.rows)


def test_without_hyperfine() -> None:
    (times,) = timing.without({"true": ["/bin/true"]}, {})
    assert len(times.wall) == len(times.processor) == timing.IN_A_TURN
    with pytest.raises(SystemExit, match="wait status 256"):
        timing.once(["/bin/false"], {})


def test_markdown() -> None:
    table = Table("Title", "What it is.", ("", "ms"), [("one", "1.00"), ("another", "10.00")])
    assert (
        results.markdown(table)
        == """\
### Title

What it is.

|         |    ms |
| ------- | ----: |
| one     |  1.00 |
| another | 10.00 |"""
    )
