# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does gpgshim doctor find the faults of an oracle, and none in a good one?

The programs are Debian's, in the root that GPGSHIM_ROOT names, and oracled runs:
tools/world/doctored.py has the oracles, with one fault each.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import skips
from tools.world.doctored import ORACLES, UNTRIED
from tools.world.root import ROOT, enter, find_reason_against, how_to_build

why = find_reason_against()
skips.unless(not why, f"the root {ROOT} ({why})", how_to_build(ROOT))


def examine(name: str, world: Path) -> tuple[int, dict[str, Any]]:
    """The doctor's exit status and report, in the world of the oracle of this name."""
    world.mkdir()
    done = subprocess.run(
        enter(world, "tools.world.doctored", name, "--json"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout and not done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("name", ORACLES)
def test_oracle(name: str, tmp_path: Path) -> None:
    status, told = examine(name, tmp_path / "world")
    assert told["oracle"]
    to_mend = {each["name"]: each for each in told["checks"] if each["result"] == "mend"}
    wanted = ORACLES[name][1]
    assert set(to_mend) == set(wanted), json.dumps(to_mend, indent=1)
    for check, words in wanted.items():
        assert words in to_mend[check]["found"][0]
        assert to_mend[check]["todo"]
    assert status == (78 if to_mend else 0)
    assert told["result"] == ("mend" if to_mend else "ok")


@pytest.mark.quick
def test_a_good_oracle_passes_every_check_that_can_be_made(tmp_path: Path) -> None:
    _, told = examine("good", tmp_path / "world")
    assert told["environment"].startswith("tag2upload-oracled[")
    # The doctor's parent is Python, which ignores SIGPIPE; debuild and /etc/profile set PATH; there
    # is no rpm and no sudo. A lock needs /run/user/UID or a user namespace; there is neither here.
    results = {each["name"]: each["result"] for each in told["checks"]}
    notes = {name for name, result in results.items() if result != "ok"}
    assert notes == {"signals", "debuild", "login shells", "rpm", "sudo", "lock of gpg-agent"}


def test_a_version_that_was_not_tested_is_a_note(tmp_path: Path) -> None:
    _, told = examine("newer", tmp_path / "world")
    (versions,) = (each for each in told["checks"] if each["name"] == "versions")
    assert versions["result"] == "note" and UNTRIED in versions["found"][0]
