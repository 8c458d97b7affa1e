# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which alarms were raised. Each attempt's alarm is raised once, and in doubt once more.

Rule 1: an alarm is recorded after its command has succeeded, durably. So a crash in between, or a
command that fails, has the next reader raise it again.
Rule 2: a process that raises an alarm holds a lock of the attempt's byte of the file `.alarms`. So
of two readers at the same moment one raises it, and the other one leaves it to that one.
Rule 3: a record has the time of the journal's last write, because another attempt may get the same
name after pruning. An attempt that is over is changed by a resolution only, which ends its need.
Rule 4: the first line says since when alarms are recorded. An attempt that recorded its outcome
before that raised its own alarm, or none was wanted; a reader raises none for it.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import names
from gpgshim.core.need import Alarm
from gpgshim.history import claim
from gpgshim.history.journal import read_plain
from gpgshim.system.descriptors import write_all

_SINCE = "since"


class Raised(NamedTuple):
    """The records, and the time of the first one, in seconds since 1970."""

    since: float
    records: frozenset[tuple[str, int]]

    def has(self, name: str, written: int) -> bool:
        """Whether the alarm of the journal `name`, last written at `written` (ns), was raised."""
        return (name, written) in self.records


def read(directory: Path) -> Raised:
    """The records in `directory`. Raises OSError if they exist and cannot be read."""
    try:
        text = read_plain(directory / names.ALARMS).decode("ascii", "replace")
    except FileNotFoundError:
        return Raised(math.inf, frozenset())
    since = math.inf
    records = set()
    for line in text.splitlines():
        match line.split(" "):
            case [str(word), when] if word == _SINCE and when.isdecimal():
                since = min(since, int(when))
            case [name, written, kind] if written.isdecimal() and kind in set(Alarm):
                records.add((name, int(written)))
    return Raised(since, frozenset(records))


@contextlib.contextmanager
def alone(directory: Path, name: str, since: int) -> Iterator[bool]:
    """Whether this process alone may raise the alarm of the journal `name`. Raises OSError.

    Without a record so far, alarms are recorded `since` that time, in seconds since 1970.
    """
    path = directory / names.ALARMS
    fd = claim.lock(path, name)
    if fd is None:
        yield False
        return
    try:
        if not os.fstat(fd).st_size:
            _append(path, f"{_SINCE} {since}")
        yield True
    finally:
        claim.unlock(fd, name)


def record(directory: Path, name: str, written: int, kind: Alarm) -> None:
    """Record that the alarm was raised, and wait until that is on disk. Raises OSError."""
    _append(directory / names.ALARMS, f"{name} {written} {kind}")


def _append(path: Path, line: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        write_all(fd, f"\n{line}\n".encode("ascii"))  # after a torn line, if a crash left one
        os.fsync(fd)
    finally:
        os.close(fd)
