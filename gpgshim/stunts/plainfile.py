# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads gpg's conf files, for the stunt, explain, classify, replay and doctor.

Rule 1: this runs in the stunt under `python3 -I -S`, so it imports one builtin module only.
Rule 2: only a plain file is opened. If we opened a pipe, gpg would later read a different one; a
device may have no end.
Rule 3: a read never blocks, and never returns more than LARGEST bytes. For any other file the
result is OSError, and decision then treats the content as unknown.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST = 1 << 27  #: bytes; a plain file under /proc can be larger than the memory

_S_IFMT, _S_IFREG = 0o170000, 0o100000  # inode(7): type mask, type of a plain file


def file_in(directory: str = "") -> Callable[[str], str | None]:
    """A reader of conf files for decision.read; relative paths are relative to `directory`.

    The default is our own working directory.
    """
    base = f"{directory.rstrip('/')}/" if directory else ""

    def file(path: str) -> str | None:
        return read(path if path[:1] == "/" else base + path)

    return file


def read(path: str) -> str | None:
    """The text of the conf file at `path` (surrogateescape); None if there is no such file.

    Raises OSError if it cannot be read, is not a plain file, or is larger than LARGEST.
    """
    if "\0" in path:
        raise OSError(22, "its name has a NUL in it")
    try:
        about = posix.stat(path)
        if about.st_mode & _S_IFMT != _S_IFREG:
            if about.st_rdev == posix.makedev(1, 3):  # /dev/null
                return ""
            raise OSError(22, "is not a plain file")
        if about.st_size > LARGEST:
            raise OSError(27, f"has more than {LARGEST} bytes")
        # A read of a plain file under /proc can block; O_NONBLOCK prevents this.
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        # Usually one piece: to concatenate many small pieces would cost quadratic time.
        pieces = []
        room = LARGEST + 1
        while room > 0 and (piece := posix.read(fd, min(max(about.st_size, 1 << 16), room))):
            pieces.append(piece)
            room -= len(piece)
        if room <= 0:
            raise OSError(27, f"has more than {LARGEST} bytes")
        return b"".join(pieces).decode("utf-8", "surrogateescape")
    except MemoryError:
        raise OSError(12, "is larger than the memory that there is") from None
    finally:
        posix.close(fd)


def identity(about: posix.stat_result) -> str:
    """A text that changes when a file is replaced or modified. Table.sources holds it."""
    what = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
    return "-".join(f"{number:016x}" for number in what)
