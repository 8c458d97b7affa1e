# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does gpgshim doctor read the files of environment.d as systemd's user manager does?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpgshim.tag2upload import oracle
from tests.support import skips

FILE = """\
# a comment
PATH=${HOME}/gpgshim:$PATH
WORDS="two words"
QUOTED="a\\"b \\\\ ` 5$"
CONTINUED=one\\
,two
DEFAULT=${UNSET:-given}
"""


def test_a_file_of_the_user(tmp_path: Path) -> None:
    skips.unless_installed("test", os.access(oracle.GENERATOR, os.X_OK))
    directory = tmp_path / ".config/environment.d"
    directory.mkdir(parents=True)
    (directory / "50-gpgshim.conf").write_text(FILE)
    found = oracle.environment_d({"HOME": str(tmp_path), "PATH": "/usr/bin"})
    expected = {
        "PATH": f"{tmp_path}/gpgshim:/usr/bin",
        "WORDS": "two words",
        "QUOTED": 'a"b \\ ` 5$',
        "CONTINUED": "one,two",
        "DEFAULT": "given",
    }
    assert {name: found[name] for name in expected} == expected


def test_without_systemd_no_variable_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "GENERATOR", "/nonexistent")
    assert oracle.environment_d({"HOME": "/", "PATH": "/usr/bin"}) == {}
