# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directory does a variable of the XDG specification name?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gpgshim
from gpgshim.system.places import xdg_directory


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/u"}, "/state"),
        ({"XDG_STATE_HOME": "", "HOME": "/home/u"}, "/home/u/.local/state"),
        ({"XDG_STATE_HOME": "state", "HOME": "/home/u"}, "/home/u/.local/state"),
        ({"XDG_STATE_HOME": "~/state", "HOME": "/home/u"}, "/home/u/.local/state"),
        ({"HOME": "/home/u"}, "/home/u/.local/state"),
    ],
)
def test_directory(environ: dict[str, str], directory: str) -> None:
    assert xdg_directory(environ, "XDG_STATE_HOME", ".local/state") == Path(directory)


def test_a_variable_without_a_default() -> None:
    environ = {"XDG_RUNTIME_DIR": "/run/user/1", "HOME": "/home/u"}
    assert xdg_directory(environ, "XDG_RUNTIME_DIR") == Path("/run/user/1")
    assert xdg_directory({**environ, "XDG_RUNTIME_DIR": "run"}, "XDG_RUNTIME_DIR") is None


def test_no_other_code_reads_such_a_variable() -> None:
    reads = re.compile(r"""(get\(|environ\[)["']XDG_""")
    package = Path(gpgshim.__file__).parent
    assert [str(file) for file in package.rglob("*.py") if reads.search(file.read_text())] == []
