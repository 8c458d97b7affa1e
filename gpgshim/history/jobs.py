# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs in a directory: their journals, the newest ones, and those under way.

Rule 1: the kernel tells whether a job is under way (journal.is_under_way). No such job can be
missed: its journal is locked, and the kernel lists all locks, whatever the age of the journal.
Rule 2: of many journals only a few are read: names and times are checked first, then the newest are
read.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import names
from gpgshim.history.journal import attempts as numbers_of
from gpgshim.history.journal import is_under_way, locked_inodes, read_plain
from gpgshim.summary.rows import AttemptRow, row_of, unread

#: The default number of jobs that are shown.
NEWEST = 20


class Found(NamedTuple):
    """An attempt's journal, and the time of its last write (seconds since 1970)."""

    job: str
    attempt: int
    directory: Path
    written: float
    locked: bool  # possibly: there is a lock on a file with that inode number

    @property
    def path(self) -> str:
        """The path of the journal."""
        return f"{self.directory}/{names.journal_of(self.job, self.attempt)}"


def find(directory: Path) -> dict[str, list[Found]]:
    """All journals in `directory`, by job, the first attempt first. Raises OSError."""
    inodes = locked_inodes()
    jobs: dict[str, list[Found]] = {}
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.scandir(fd) as entries:  # by descriptor, which is faster for many names
            for entry in entries:
                job, attempt = names.split(entry.name)
                if not attempt:
                    continue
                try:
                    info = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # it was pruned meanwhile
                if stat.S_ISREG(info.st_mode):
                    locked = inodes is None or info.st_ino in inodes
                    found = Found(job, attempt, directory, info.st_mtime, locked)
                    jobs.setdefault(job, []).append(found)
    finally:
        os.close(fd)
    for attempts in jobs.values():
        if len(attempts) > 1:
            attempts.sort(key=lambda each: each.attempt)
    return jobs


def read_row(found: Found, now: float) -> AttemptRow:
    """The row of a journal. Raises FileNotFoundError if it was removed."""
    try:
        # The lock is checked first: a supervisor that ends in between has written its outcome.
        under_way = is_under_way(found.path)
        data = read_plain(found.path)
    except FileNotFoundError:
        raise
    except OSError as error:  # the other journals can still be shown
        why = error.strerror or str(error)
        return unread(found.job, found.attempt, found.path, why, now, found.written)
    return row_of(found.job, found.attempt, found.path, data, under_way, now, found.written)


def read_rows(
    directory: Path, newest: int | None = NEWEST, now: float | None = None
) -> tuple[list[AttemptRow], int]:
    """Rows of the jobs under way and of the `newest` others (None: all); the number of all jobs.

    Each job has a row for its last attempt, and a row for each earlier attempt that is under way or
    needs a person. Jobs under way come first, then the others, last written first. Raises OSError.
    """
    now = time.time() if now is None else now
    jobs = find(directory)
    order = sorted(jobs.values(), key=_last_written, reverse=True)
    rows: list[AttemptRow] = []
    shown = 0
    for own in order:
        if newest is not None and shown >= newest and not any(each.locked for each in own):
            continue
        with contextlib.suppress(FileNotFoundError):  # it was pruned meanwhile
            attempts = [read_row(each, now) for each in own]
            *before, last = attempts
            is_busy = any(row.under_way for row in attempts)
            if newest is not None and shown >= newest and not is_busy:
                continue
            shown += not is_busy
            outcomes = tuple(str(row.outcome or "under way") for row in before)
            rows.append(last._replace(earlier=outcomes))
            rows += [row for row in reversed(before) if row.under_way or row.needs]
    rows.sort(key=lambda row: not row.under_way)  # stable
    return rows, len(jobs)


def _last_written(own: list[Found]) -> float:
    return own[0].written if len(own) == 1 else max(each.written for each in own)


def attempts_of(directory: Path, job: str) -> list[Found]:
    """The journals of one job, the first attempt first; empty if there are none."""
    found = []
    try:
        numbers = numbers_of(directory, job)
    except OSError:
        return []
    for attempt in numbers:
        with contextlib.suppress(OSError):
            written = os.stat(f"{directory}/{names.journal_of(job, attempt)}").st_mtime
            found.append(Found(job, attempt, directory, written, True))
    return found
