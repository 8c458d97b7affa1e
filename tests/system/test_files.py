# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a file that we replace old or new, at every moment and after every error?"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from gpgshim.system.files import write_whole

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_its_content_is_on_disk_before_its_name(tmp_path: Path, mocker: MockerFixture) -> None:
    path = tmp_path / "file"
    order: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(fd: int) -> None:
        order.append(Path(f"/proc/self/fd/{fd}").readlink().name.split(".")[0])
        fsync(fd)

    def note_rename(old: Path, new: Path) -> None:
        order.append("rename")
        rename(old, new)

    mocker.patch("os.fsync", note_fsync)
    mocker.patch("os.rename", note_rename)
    write_whole(path, b"new")
    assert order == ["file", "rename", tmp_path.name]
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("call", ["open", "fchmod", "write", "fsync", "rename"])
def test_an_error_leaves_the_old_file(tmp_path: Path, mocker: MockerFixture, call: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    mocker.patch(f"os.{call}", side_effect=FULL)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    mocker.stopall()
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("before", "given", "after"), [
    (None, None, 0o600), (0o640, None, 0o640), (None, 0o644, 0o644), (0o600, 0o644, 0o644),
])  # fmt: skip
def test_its_mode(tmp_path: Path, before: int | None, given: int | None, after: int) -> None:
    path = tmp_path / "file"
    for mode in filter(None, [before]):
        path.touch()
        path.chmod(mode)
    write_whole(path, b"new", given)
    assert path.stat().st_mode & 0o777 == after
