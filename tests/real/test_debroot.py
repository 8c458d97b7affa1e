# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do all Debian roots use one list of packages, and is it reported why a root is unusable?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import skips
from tools.world import root
from tools.world.root import DEBROOT, ROOT, ROOTS, ask, find_reason_against, how_to_build


def call(*words: str, roots: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DEBROOT, *words],
        env=os.environ | {"GPGSHIM_ROOTS": str(roots)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_roots_are_those_of_the_table() -> None:
    assert ask("list").split() == list(ROOTS)
    assert ROOT in ROOTS


@pytest.mark.parametrize("verb", ["path", "versions", "enter", "boot"])
def test_a_root_that_was_not_built_names_the_command(verb: str, tmp_path: Path) -> None:
    if verb == "boot":
        skips.unless_root("who can make a cgroup")
    done = call(verb, "sid", str(tmp_path), "true", roots=tmp_path)
    assert done.returncode == 1
    assert f"no root at {tmp_path}/sid" in done.stderr
    assert "debroot build sid" in done.stderr


@pytest.mark.parametrize("name", ["", "s", "sid ", "si.", "bookworm"])
def test_a_name_that_is_no_root_is_refused(name: str, tmp_path: Path) -> None:
    done = call("path", name, roots=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"there is no root '{name}'; there are: {' '.join(ROOTS)}" in done.stderr


def test_a_root_of_another_recipe_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "sid/etc").mkdir(parents=True)
    (tmp_path / "sid/etc/gpgshim-root").write_text("1 another\n")
    assert "of another recipe" in call("path", "sid", roots=tmp_path).stderr


@pytest.mark.parametrize("name", ROOTS)
def test_a_root_has_its_own_name_and_versions(name: str) -> None:
    why = find_reason_against(name)
    skips.unless(not why, f"the root {name} ({why})", how_to_build(name))
    versions = dict(line.split("\t") for line in ask("versions", name).splitlines())
    # What production runs: Debian stable, with dgit from backports.
    assert ("~bpo" in versions["dgit"]) == (name == "trixie")
    assert versions["dgit"] == versions["dgit-infrastructure"] == versions["git-debpush"]
    assert re.match(r"2\.[24]\.", versions["gpg"])
    assert Path(ask("path", name), "etc/gpgshim-root.name").read_text() == f"{name}\n"


def test_the_default_root_is_that_of_production() -> None:
    words = [sys.executable, "-c", "from tools.world.root import ROOT; print(ROOT)"]
    env = {name: value for name, value in os.environ.items() if name != "GPGSHIM_ROOT"}
    where = Path(root.__file__).parents[2]
    done = subprocess.run(words, cwd=where, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "trixie\n"
