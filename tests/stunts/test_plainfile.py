# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the reader of conf files read plain files only, up to a size, in linear time?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpgshim.gpgargs import conffile, decision
from gpgshim.stunts import plainfile
from tests.support.gpgs import NEW


def test_a_plain_file_is_read(tmp_path: Path) -> None:
    file = plainfile.file_in(str(tmp_path))
    (tmp_path / "a").write_bytes(b"x\r\n\xff")
    assert file("a") == file(str(tmp_path / "a")) == "x\r\n\udcff"
    assert file("none") is None
    assert file("a/b") is None
    assert file("/dev/null") == ""


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    file = plainfile.file_in(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    for path in ("pipe", ".", "/dev/zero", "/dev/tty"):
        with pytest.raises(OSError, match="is not a plain file"):
            file(path)
    reading = decision.read(["--options", "pipe", "f"], NEW, {"HOME": "/none"}, file)
    assert reading.doubt == "C1: pipe: is not a plain file"
    with pytest.raises(OSError, match="NUL"):
        file("a\0b")


def test_a_file_above_the_largest_size_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = tmp_path / "huge"
    huge.touch()
    os.truncate(huge, plainfile.LARGEST + 1)
    with pytest.raises(OSError, match="more than"):
        plainfile.read(str(huge))
    monkeypatch.setattr(plainfile, "LARGEST", 100)
    with pytest.raises(OSError, match="more than"):
        plainfile.read("/proc/self/status")  # stat(2) reports 0 bytes


def test_a_large_file_is_read_in_one_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To join many small pieces would cost quadratic time."""
    conf = tmp_path / "conf"
    conf.write_text("# a comment of an earlier administrator\n" * 2_000_000)
    sizes = []

    def read(fd: int, most: int) -> bytes:
        piece = os.read(fd, most)
        sizes.append(len(piece))
        return piece

    monkeypatch.setattr("posix.read", read)
    text = plainfile.read(str(conf))
    assert text is not None
    assert sizes == [len(text), 0]
    assert conffile.parse_text(text, str(conf), NEW) == []
