# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a file so that a reader finds the old content or the new one, also after a crash.

Rule 1: the new content is on disk before it has the file's name. The name is on disk at the end.
Rule 2: the temporary name is random, so no other user of the directory can take it in advance.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from gpgshim.system.descriptors import write_all


def write_whole(path: Path, data: bytes, mode: int | None = None) -> None:
    """Replace the file at `path`. Raises OSError; then the old file, or none, is there.

    Without a `mode` an existing file keeps its own, and a new file is for this user only.
    """
    new = path.with_name(f"{path.name}.{os.urandom(8).hex()}.new")
    if mode is None:
        mode = 0o600
        with contextlib.suppress(FileNotFoundError):
            mode = stat.S_IMODE(path.stat().st_mode)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(new, flags, 0o600)
    try:
        try:
            os.fchmod(fd, mode)
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    sync_directory(path.parent)


def make_room(path: Path) -> None:
    """Remove the file at `path`, if there is one, after a check that write_whole() can make it.

    Raises OSError; then nothing was changed.
    """
    new = path.with_name(f"{path.name}.{os.urandom(8).hex()}.new")
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC))
    os.unlink(new)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.EINVAL, "it exists, and is not a plain file")
        os.unlink(path)


def sync_directory(directory: Path) -> None:
    """Wait until the names in `directory` are on disk. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
