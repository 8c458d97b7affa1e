# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the table of dgit's own tests agree with their results, and does it keep its promise?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.world import dgit_tests
from tools.world.dgit_tests import MISSING, OWN, PAGE, Result, command, describe, find_missing

#: These call dgit several times in one job, or have tag2upload-oracled run jobs.
MUST_PASS = {
    "rpush",
    "rpush-source",
    "defdistro-rpush",
    "t2u-plain",
    "t2u-apifail",
    "t2u-baredebian",
}


def read_rows() -> list[list[str]]:
    """The cells of each row of the table that is kept."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_each_test_that_passes_plain_passes_under_the_gate() -> None:
    rows = read_rows()
    assert len(rows) > 100
    passing = {name for name, plain, *_ in rows if plain.startswith("passes")}
    gated = {name for name, _, gated, _ in rows if gated.startswith("passes")}
    assert passing == gated
    assert passing >= MUST_PASS


def test_a_test_that_the_root_cannot_run_is_known_by_its_restrictions() -> None:
    assert find_missing("#!/bin/bash\nt-restrict x-dgit-git-only\n. tests/lib\n")
    assert not find_missing("t-restrict x-dgit-skip-suite,buster\n")
    assert all(find_missing(f"t-restrict {word}\n") == [need] for word, need in MISSING.items())


def test_both_runs_of_a_test_run_the_same_words() -> None:
    words = command("quilt", "", "gated")
    assert words[-1] == command("quilt", "", "plain")[-1] == "tests/tests/quilt"
    assert "gpgshim" in words and "gpgshim" not in command("quilt", "", "plain")
    script = dgit_tests.OWN_HEAD + OWN["t2u-plain"]
    assert f"PATH={dgit_tests.DEPLOYED}:/usr/bin:/bin" in command("t2u-plain", script, "gated")


def test_a_row_has_the_results_of_both_runs() -> None:
    plain, gated = Result("passes", 3, 0), Result("fails", 4, 2)
    assert describe({"plain": plain, "gated": gated}) == "passes, 3 s | fails, 4 s | 2"
    assert describe({"plain": Result("fails", 3, 0)}) == "fails, 3 s |  | "
    assert describe({}).count("|") == describe(None).count("|") == 2


def test_a_source_that_is_not_dgits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dgit_tests, "BUILD", tmp_path)
    (tmp_path / f"dgit_{dgit_tests.VERSION}.tar.gz").write_bytes(b"other")
    with pytest.raises(ValueError, match=re.escape("remove the file")):
        dgit_tests.fetch()
