# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a place of another user told from one whose user is not known?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from gpgshim.system import places
from gpgshim.system.errors import Misconfigured, Unable


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


@pytest.mark.parametrize("name", ["/proc/sys/kernel/overflowuid", "/proc/self/uid_map"])
def test_a_file_of_proc_that_cannot_be_read(
    tmp_path: Path, mocker: MockerFixture, name: str
) -> None:
    """The owner is the overflow user, who may be root outside of our namespace."""
    overflow = int(Path("/proc/sys/kernel/overflowuid").read_text())
    info = os.stat_result([*tmp_path.stat()[:4], overflow, *tmp_path.stat()[5:]])
    read = Path.read_text

    def fail(path: Path, *more: str) -> str:
        if str(path) == name:
            raise OSError(5, "Input/output error")
        return read(path, *more)

    mocker.patch("pathlib.Path.read_text", fail)
    with pytest.raises(Unable, match=f"{name} cannot be read: Input/output error"):
        places.check_ours(tmp_path, info)
