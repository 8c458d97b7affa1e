# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a place of another user told from one whose user is not known?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from gpgshim.system import places
from gpgshim.system.errors import Misconfigured


def of_another(path: Path) -> os.stat_result:
    """The status of `path`, as if another user owned it."""
    found = list(path.stat())
    found[4] = os.geteuid() + 1
    return os.stat_result(found)


def test_a_place_of_another_user(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="belongs to user id"):
        places.check_ours(tmp_path, of_another(tmp_path))


def test_without_proc_the_user_is_not_known(tmp_path: Path, mocker: MockerFixture) -> None:
    info = of_another(tmp_path)
    mocker.patch("pathlib.Path.read_text", side_effect=FileNotFoundError(2, "No such file"))
    with pytest.raises(Misconfigured, match="/proc is not mounted") as caught:
        places.check_ours(tmp_path, info)
    assert "mount -t proc" in (caught.value.hint or "")
