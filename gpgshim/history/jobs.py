# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs in a directory: their journals, the newest ones, and those under way.

Rule 1: the kernel tells whether a job is under way (journal.Content.is_locked).
Rule 2: of many journals only a few are read: those of the newest jobs, and those that are not in
the list of settled journals (settled.py). So no job that is under way or needs a person is missed.
Rule 3: no journal is read twice.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Collection, Container
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import names
from gpgshim.core.need import look
from gpgshim.history import settled
from gpgshim.history.journal import Content, locked_inodes, read_content
from gpgshim.history.journal import attempts as numbers_of
from gpgshim.summary.rows import AttemptRow, row_of, unread

#: The default number of jobs that are shown.
NEWEST = 20

SEVERAL = 50  #: jobs, for which it is faster to search the list than to split each of its lines

#: Gets the number of steps that are done, and the number of all steps.
Progress = Callable[[int, int], None]


def silent(_done: int, _of: int) -> None:
    """For a caller that shows no progress."""


class Found(NamedTuple):
    """An attempt's journal, and the time of its last write (seconds since 1970)."""

    job: str
    attempt: int
    directory: Path
    written: float
    locked: bool = True  # possibly: there is a lock on a file with that inode number
    line: str = ""  # in the list of settled journals, if it is not there

    @property
    def is_new(self) -> bool:
        """Whether it is not in the list of settled journals."""
        return bool(self.line)

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
    return row_from(found, _read(found), now)


def _read(found: Found) -> Content | str:
    """The journal, or why it cannot be read. Raises FileNotFoundError if it was removed."""
    try:
        return read_content(found.path)
    except FileNotFoundError:
        raise
    except OSError as error:  # the other journals can still be shown
        return error.strerror or str(error)


def row_from(found: Found, content: Content | str, now: float) -> AttemptRow:
    """The row of a journal that was read, or could not be read for that reason."""
    if isinstance(content, str):
        return unread(found.job, found.attempt, found.path, content, now, found.written)
    data, is_locked = content.data, content.is_locked
    return row_of(found.job, found.attempt, found.path, data, is_locked, now, found.written)


def read_rows(
    directory: Path,
    newest: int | None = NEWEST,
    now: float | None = None,
    progress: Progress = silent,
) -> tuple[list[AttemptRow], int]:
    """Rows of the jobs under way, of those that need a person, and of the `newest` others.

    Also returns the number of all jobs. `newest` may be None, for all. A job has a row for its last
    attempt, and one for each earlier attempt that is under way or needs a person. Jobs under way
    come first, then the others, last written first. Raises OSError.
    """
    reader = _Reader(time.time() if now is None else now)
    stamp = settled.stamp_now()
    listing = Listing(directory)
    jobs = listing.candidates(newest)
    rows: list[AttemptRow] = []
    shown = 0
    for number, own in enumerate(jobs, 1):
        is_wanted = newest is None or shown < newest
        if attempts := reader.rows_of(own, is_wanted):
            *before, last = attempts
            shown += not any(row.under_way for row in attempts)
            outcomes = tuple(str(row.outcome or "under way") for row in before)
            rows.append(last._replace(earlier=outcomes))
            rows += [row for row in reversed(before) if row.under_way or row.needs]
        progress(number, len(jobs))
    listing.save(stamp, reader.settled)
    rows.sort(key=lambda row: not row.under_way)  # stable
    return rows, listing.jobs


_Contents = dict[int, tuple[Found, Content | str]]  # by attempt


class _Reader:
    """Reads journals, each once. `settled` has those that were found to be settled."""

    def __init__(self, now: float) -> None:
        self.settled: list[Found] = []
        self._now = now

    def rows_of(self, own: list[Found], is_wanted: bool) -> list[AttemptRow]:
        """The rows of a job: of all attempts, or none if it is not wanted and needs no person."""
        contents: _Contents = {}
        for each in own:
            if is_wanted or each.is_new:
                self._read(each, contents)
        if not is_wanted:
            if all(self._is_settled(*each) for each in contents.values()):
                self.settled += [each for each, _ in contents.values()]
                return []
            for each in own:
                if not each.is_new:
                    self._read(each, contents)
        rows = []
        for number in sorted(contents):
            found, content = contents[number]
            rows.append(row_from(found, content, self._now))
            is_over = isinstance(content, Content) and not content.is_locked
            if found.is_new and is_over and rows[-1].alarm is None:
                self.settled.append(found)
        return rows

    @staticmethod
    def _read(found: Found, contents: _Contents) -> None:
        with contextlib.suppress(FileNotFoundError):  # it was pruned meanwhile
            contents[found.attempt] = found, _read(found)

    @staticmethod
    def _is_settled(_found: Found, content: Content | str) -> bool:
        return isinstance(content, Content) and look(content.data, content.is_locked).settled


class Listing:
    """The journals in a directory, and which of them are settled. Raises OSError.

    Only the names are read, and the times of the others. `jobs` is the number of all jobs.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._list = settled.load(directory)
        with os.scandir(directory) as entries:
            found = {f"{entry.name} {entry.inode()}" for entry in entries}
        # Lines are "JOB.N INODE". There may be 100,000, so no function is called for each of them.
        lines = self._list.lines
        new = found.difference(lines)
        if len(found) <= settled.FEW:
            new |= {line for line in found - new if not self._is_unchanged(line)}
        is_whole = len(found) - len(new) == len(lines)
        #: The lines of the settled journals, in the order of the list.
        self._settled = lines if is_whole else [x for x in lines if x in found and x not in new]
        self._new: dict[str, list[Found]] = {}
        for line in new:
            self._add(line)
        jobs = self._list.jobs if is_whole else len({x.rpartition(".")[0] for x in self._settled})
        known = {line.rpartition(".")[0] for line in self._lines_of(self._new)}
        self.jobs = jobs + len(self._new.keys() - known)

    def _lines_of(self, jobs: Collection[str]) -> list[str]:
        """The lines of the settled journals of these jobs."""
        if len(jobs) > SEVERAL or self._settled is not self._list.lines:
            return [line for line in self._settled if line.rpartition(".")[0] in jobs]
        return [line for job in jobs for line in self._list.of_job(job)]

    def _stat(self, line: str) -> os.stat_result:
        return os.lstat(f"{self._directory}/{line.rpartition(' ')[0]}")

    def _is_unchanged(self, line: str) -> bool:
        try:
            return self._stat(line).st_ctime_ns < self._list.stamp
        except OSError:
            return False  # it was pruned meanwhile

    def _add(self, line: str) -> None:
        job, attempt = names.split(line.rpartition(" ")[0])
        if not attempt:
            return
        with contextlib.suppress(OSError):  # it was pruned meanwhile
            info = self._stat(line)
            if stat.S_ISREG(info.st_mode):
                found = Found(job, attempt, self._directory, info.st_mtime, line=line)
                self._new.setdefault(job, []).append(found)

    def candidates(self, newest: int | None) -> list[list[Found]]:
        """The attempts of the jobs with new journals, and of the `newest` other jobs (None: all).

        The job that was written last comes first, and the first attempt of a job.
        """
        jobs = dict.fromkeys(self._new)
        others = 0
        for line in self._settled:
            if newest is not None and others >= newest:
                break
            if (job := line.rpartition(".")[0]) not in jobs:
                jobs[job] = None
                others += 1
        own = {job: list(self._new.get(job, ())) for job in jobs}
        for line in self._lines_of(own):
            with contextlib.suppress(OSError):
                found = self._found(line)
                own[found.job].append(found)
        for attempts in own.values():
            attempts.sort(key=lambda each: each.attempt)
        return sorted(filter(None, own.values()), key=_last_written, reverse=True)

    def _found(self, line: str) -> Found:
        job, attempt = names.split(line.rpartition(" ")[0])
        return Found(job, attempt, self._directory, self._stat(line).st_mtime)

    def new_of(self, wanted: Container[str]) -> list[Found]:
        """The journals with these names that are not in the list."""
        every = (each for own in self._new.values() for each in own)
        return [each for each in every if os.path.basename(each.path) in wanted]

    def save(self, stamp: int, found: list[Found]) -> None:
        """Add these journals to the list; they were read after `stamp`. Raises nothing."""
        if settled.is_worth_it(len(found), len(self._settled)):
            is_kept = set(self._settled)
            kept = zip(self._list.lines, self._list.written, strict=False)
            entries = [
                settled.Entry(line, int(written)) for line, written in kept if line in is_kept
            ]
            entries += [settled.Entry(each.line, int(each.written)) for each in found]
            settled.save(self._directory, self._list, stamp, entries)


def _last_written(own: list[Found]) -> float:
    return max(each.written for each in own)


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
