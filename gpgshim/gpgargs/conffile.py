"""Reads gpg's conf files, for the stunt, explain, classify, replay and doctor alike.

Rule 1: it runs in the stunt under `python3 -I -S`: a builtin module, no more.
Rule 2: nothing is opened but a plain file. A pipe that was so much as opened here would be another
one when gpg comes, and a device may never end.
Rule 3: it never waits, and never reads more than LARGEST bytes. What cannot be read so raises
OSError, and argv then does not claim to know what the file says.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST = 1 << 27  #: bytes; under /proc a plain file can have more than any memory

_S_IFMT, _S_IFREG = 0o170000, 0o100000  # inode(7): the kind of a file, and a plain one


def file_in(directory: str = "") -> Callable[[str], str | None]:
    """Reads conf files for argv.read, as a gpg would whose working directory is this one.

    The default is our own working directory.
    """
    base = f"{directory.rstrip('/')}/" if directory else ""

    def file(path: str) -> str | None:
        return read(path if path[:1] == "/" else base + path)

    return file


def read(path: str) -> str | None:
    """The text of the conf file at `path` (surrogateescape); None where there is none.

    Raises OSError where it cannot be read, is no plain file, or is larger than LARGEST.
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
        # A plain file under /proc can make its reader wait: O_NONBLOCK is for that.
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        # One piece, most often: pieces that are put together one by one cost quadratic time.
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
    """A text that changes when a file is replaced or written to; argv.Table.sources holds it."""
    what = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
    return "-".join(f"{number:016x}" for number in what)
