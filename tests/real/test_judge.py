# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the real gpg do what our reading says, on generated command lines?

`make judge SEED=… N=…` tries as many as one likes. Here: a few, always the same, on this machine's
gpg and on that of each Debian root; and all the lines that the other tests claim to have been seen
on gpg.
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from pathlib import Path

import pytest

from gpgshim.gpgargs import decision, optiontable
from gpgshim.supervisor import optable
from tests.support import skips
from tests.support.commandlines import CASES, LINES
from tools import judge
from tools.world.root import ROOTS, ask, how_to_build

N = 2000
MACHINE = "machine"


def given(root: str, *words: str) -> list[str]:
    """The judge's options for this root; skips, loudly, where it cannot sit."""
    if root == MACHINE:
        skips.unless(Path("/usr/bin/gpg").exists(), "/usr/bin/gpg", "apt-get install gpg")
        return [f"--root={'/' if os.geteuid() == 0 else ''}", *words]
    skips.unless_root(f"who can enter {root}")
    try:
        return [f"--root={ask('path', root)}", *words]
    except RuntimeError as problem:
        skips.unless(False, f"the root {root} ({problem})", how_to_build(root))
        raise


@pytest.mark.parametrize("root", [MACHINE, *ROOTS])
def test_no_disagreement_on_generated_command_lines(root: str) -> None:
    results = judge.hold(judge.options(given(root, "--seed=3", f"--n={N}")))
    assert [result["shown"] for result in results if "shown" in result] == []
    counts = Counter(result["finding"] for result in results)
    assert counts["signed"] > N / 10
    assert counts["passed"] > N / 10
    excused = sum(count for finding, count in counts.items() if finding.startswith("excused"))
    assert excused < N / 10


@pytest.mark.parametrize("root", [MACHINE, *ROOTS])
def test_the_real_gpg_agrees_with_the_cases_of_the_pure_tests(root: str) -> None:
    lines = [judge.Case(shlex.split(line[3:].replace("K", judge.KEY)), {}, {}) for line in CASES]
    lines += [
        judge.Case(shlex.split(line.replace("X", judge.KEY)), {}, {".gnupg/gpg.conf": conf})
        for conf, line, _, _ in LINES
    ]
    results = judge.hold(judge.options(given(root)), lines)
    assert len(results) == len(lines)
    assert [result["shown"] for result in results if "shown" in result] == []


def test_a_disagreement_is_seen() -> None:
    """The rules of the judge: agreement, accepted differences, and disagreement."""

    def found(words: list[str], signed: bool, said: str = "", status: int | str = 0) -> str:
        table = optiontable.load((optable.SHIPPED / "gpg-2.4.9").read_text())
        conf = {"/h/.gnupg/gpg.conf": "[if x]"} if "doubt" in words else {}
        reading = decision.read(words, table, {"HOME": "/h"}, conf.get)
        return judge.find(reading, judge.Trial(signed, status, said))

    assert found(["-s"], True) == "signed"
    assert found(["-k"], False) == "passed"
    assert found(["-k"], True) == "DISAGREE: signed, and was not asked"
    assert found(["-s"], False) == "DISAGREE: asked, and had no need"
    assert found(["-s"], False, "gpg: no default secret key: No secret key\n").startswith("excused")
    for said in ("gpg: conflicting commands\n", "usage: gpg [options]\n", "gpg: invalid option\n"):
        assert found(["-s"], False, said + "gpg: No secret key\n").startswith("DISAGREE")
    assert found(["-s"], False, status="timeout") == "excused: out of time"
    assert found(["doubt"], False) == "asked in doubt"
    assert found(["doubt"], True) == "signed"
    assert found(["--edit-key", "x"], False).startswith("excused")


def test_a_case_is_its_seed_and_number() -> None:
    rows = optiontable.load((optable.SHIPPED / "gpg-2.4.9").read_text()).rows()
    once, again = (
        [judge.case(1, number, rows, "2.4.9", True) for number in range(50)] for _ in range(2)
    )
    assert once == again
    assert once != [judge.case(2, number, rows, "2.4.9", True) for number in range(50)]


def test_nothing_is_run_as_root() -> None:
    skips.unless_root("who may not run them")
    with pytest.raises(PermissionError, match="never run as root"):
        judge.hold(judge.options(["--root="]))
