# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Skips a test that cannot run on this machine, with the reason and the command that helps.

Rule 1: a reason ends with a command, because the end of a test run lists what was skipped.
Rule 2: CI installs all of tools/packages, so there a missing package is a failure and no skip.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

AS_ROOT = "sudo make test"


def unless(have: object, need: str, command: str) -> None:
    """Skip the test, or the module, unless `have`: it needs `need`, and `command` runs it."""
    if not have:
        pytest.skip(f"needs {need}: {command}", allow_module_level=True)


def unless_root(why: str) -> None:
    """Skip it for an ordinary user; `why` is what only root can do."""
    unless(os.geteuid() == 0, f"root, {why}", AS_ROOT)


def unless_allowed(what: str, said: str) -> None:
    """Skip it where `what` was tried and failed, and `said` is how: in many a container."""
    why = said.strip().partition("\n")[0]
    unless(False, f"a machine that allows {what} ({why})", "make test, on such a one")


def line(group: str) -> str:
    """The line that installs the packages of a group."""
    words = [str(Path(__file__).parents[2] / "tools/needs"), "--line", group]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def unless_installed(group: str, *have: object) -> None:
    """Skip it unless the test has all of `have`, which come with the packages of `group`."""
    if not all(have):
        if "CI" in os.environ:
            pytest.fail(f"CI has to install what tools/packages names: {line(group)}")
        unless(False, f"Debian packages (group {group} of tools/packages)", line(group))
