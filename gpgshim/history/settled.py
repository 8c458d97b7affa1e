# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of settled journals: they need no person, and will need none, so none is read again.

Rule 1: the list names only journals that need no person. A journal that it does not name is read.
So a list that is lost, old or incomplete costs time, and hides nothing.
Rule 2: readers write the list, after they have read a journal that is over. No job waits for it.
Rule 3: the list has the name and the inode number of a journal, because both come with the names in
a directory. Among FEW journals the time of the last change is checked too.
Rule 4: a new attempt removes its own name from the list before its journal gets that name. So a
name that is used again, after its journal was removed, is not taken for the old one.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import names
from gpgshim.system.descriptors import write_all

FEW = 10_000  #: journals whose times are checked, which takes some hundredths of a second
#: Seconds. The kernel's times of files may be this much behind the clock. A journal that was
#: changed since then is read again.
MARGIN = 0.1

#: The first word and the last line of the file. The stamp and the number of jobs follow the word;
#: between these lines are a line for each journal, and a line with the times.
_FORMAT, _END = "settled-1", "end"


class Entry(NamedTuple):
    """A settled journal: "JOB.N INODE", and its last write in seconds since 1970."""

    line: str
    written: int  # more precise times are not needed


class Settled(NamedTuple):
    """The list, last written first. The journals were read after `stamp`, in ns since 1970."""

    stamp: int
    jobs: int  # the number of jobs
    lines: list[str]
    written: list[str]
    text: str  # of the file
    inode: int  # of the file; 0 if there is none

    def of_job(self, job: str) -> list[str]:
        """The lines of one job. This searches the text, which is faster than to split lines."""
        start = f"\n{job}."
        found = []
        at = self.text.find(start)
        while at >= 0:
            line = self.text[at + 1 : self.text.index("\n", at + 1)]
            if line.rpartition(".")[0] == job:
                found.append(line)
            at = self.text.find(start, at + 1)
        return found


EMPTY = Settled(0, 0, [], [], "", 0)


def load(directory: Path) -> Settled:
    """The list in `directory`; an empty one if there is none, or none that can be used."""
    try:
        with open(directory / names.SETTLED, "rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            text = file.read().decode("ascii", "replace")
    except OSError:
        return EMPTY
    first, *lines = text.split("\n")
    match first.split(" "):
        case [form, stamp, jobs] if form == _FORMAT and (stamp + jobs).isdecimal():
            if len(lines) > 2 and lines[-2:] == [_END, ""]:
                del lines[-2:]
                written = lines.pop().split()
                return Settled(int(stamp), int(jobs), lines, written, text, inode)
    return EMPTY._replace(inode=inode)  # of another version, or not complete


def stamp_now() -> int:
    """The stamp of journals that are read from now on."""
    return time.time_ns() - int(MARGIN * 1e9)


def is_worth_it(new: int, known: int) -> bool:
    """Whether to write the list for so many new entries; few of many are rather read again."""
    return new > known // 1000


def save(directory: Path, found: Settled, stamp: int, entries: list[Entry]) -> None:
    """Replace the list `found` by `entries`. Raises nothing.

    Nothing is written if we do not own the directory, or if the file is not `found` any more:
    another reader has written it. The file is not synced: after a crash it may be empty, or old.
    """
    path = directory / names.SETTLED
    new = directory / f"{names.NEW}{os.urandom(8).hex()}"
    entries.sort(key=lambda each: -each.written)
    times = " ".join(str(each.written) for each in entries)
    jobs = len({each.line.rpartition(".")[0] for each in entries})
    text = "\n".join(
        [f"{_FORMAT} {stamp} {jobs}", *(each.line for each in entries), times, _END, ""]
    )
    with contextlib.suppress(OSError):
        if os.stat(directory).st_uid != os.geteuid() or _inode_of(path) != found.inode:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(new, flags, 0o600)
        try:
            write_all(fd, text.encode("ascii"))
            os.rename(new, path)
        except BaseException:
            os.unlink(new)
            raise
        finally:
            os.close(fd)


def _inode_of(path: Path) -> int:
    try:
        return os.lstat(path).st_ino
    except FileNotFoundError:
        return 0


def forget(directory: Path, name: str) -> None:
    """Remove the journal `name` from the list, durably. Raises OSError.

    The entry is overwritten in place: no journal's name begins with `-`.
    """
    path = directory / names.SETTLED
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError:
        os.unlink(path)  # the directory is synced before the new attempt begins
        return
    with open(fd, "r+b", buffering=0) as file:
        at = file.read().find(f"\n{name} ".encode("ascii"))
        if at >= 0:
            os.pwrite(fd, b"-", at + 1)
            os.fsync(fd)
