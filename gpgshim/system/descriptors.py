"""File descriptors: whole writes, and whose descriptor is whose.

Rule 1: a short write is no error, and is gone on with.
Rule 2: 0, 1 and 2 are open in every program of ours. Otherwise the next file that is opened takes
the number, and what is written to stdout or stderr goes into it.
Rule 3: every descriptor of ours is close-on-exec (PEP 446), so one that is not is the caller's.
"""

from __future__ import annotations

import contextlib
import os


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError, and then a part of it may be written."""
    while data:
        data = data[os.write(fd, data) :]


def open_standard() -> frozenset[int]:
    """Open /dev/null on whichever of 0, 1 and 2 is closed; those that were. Raises OSError.

    They are close-on-exec: a program that we become, or start, finds them closed as we did.
    """
    closed = set()
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:  # the lowest number that is free
        closed.add(fd)
    os.close(fd)
    return frozenset(closed)


def release_inherited() -> None:
    """Close the caller's descriptors above 2: a child that has them decides how long they live.

    As long as we had them too, no reader of a pipe would see its end, and no lock of flock(2) would
    be released, when that child closes its own.
    """
    with contextlib.suppress(OSError):  # without /proc they stay open
        for each in map(int, os.listdir("/proc/self/fd")):
            with contextlib.suppress(OSError):  # the one that this list was read from
                if each > 2 and os.get_inheritable(each):
                    os.close(each)
