# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes old journals of jobs that are over and have an outcome, and nothing else.

Rule 1: a journal without its outcome stays at any age, until a person has resolved it. So does an
attempt that gpgshim itself started by the job's name, as long as it stops a new attempt: with its
journal the name would be forgotten, and the job could be done twice.
Rule 2: a job's journals are removed together or not at all, the lowest number first. After a crash
half way, the remaining journals still end with the job's newest attempt.
Rule 3: before any of them is removed, the job's marker is on disk, because a later attempt that
starts meanwhile may remain alone (journal.marker). A marker is removed when it is a day old and the
job's numbers have no gap. A job with a gap gets a marker, whatever caused the gap.
Rule 4: no job waits for pruning: it is done at most once a day, by a job that is already over, and
in a large directory by a separate process that nothing waits for.
Rule 5: the clock is not trusted at once. Nothing is removed unless the last run was between a day
and TRUSTED ago; otherwise this run is only recorded, and a run on a later day must confirm it. One
run removes at most one job in SHARE, so a clock that is wrong for days does not cost the whole
history.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from gpgshim.core import names
from gpgshim.core.memory import Recalled, is_needed, recall
from gpgshim.history.journal import is_taken, marker
from gpgshim.system.files import sync_directory
from gpgshim.system.processes import detach, start_process

DAYS = 180  #: an older job is removed
JOBS = 20_000  #: of the younger jobs, this many of the newest are kept
EVERY = 86400.0  #: seconds between two runs

TRUSTED = 30 * EVERY  #: seconds; a clock that is further ahead may have jumped
SHARE = 10  #: one run removes at most this part of all jobs, but at least one job

FEW = 1000  #: names in a directory for which a few milliseconds are enough

_STAMP = ".pruned"


def prune_if_due(
    directory: Path,
    now: float | None = None,
    days: float = DAYS,
    jobs: int = JOBS,
    waited_for: bool = True,
) -> int:
    """Run prune(), unless it ran in the last day, or so long ago that the clock may have jumped.

    Returns the number of removed journals; raises nothing. If `waited_for` says that a caller waits
    for this process, and there are more than FEW names, a separate process does the work, and the
    result is 0.
    """
    now = time.time() if now is None else now
    stamp = directory / _STAMP
    last = None
    with contextlib.suppress(OSError):
        last = stamp.stat().st_mtime
    if last is not None and 0 <= now - last < EVERY:
        return 0
    with contextlib.suppress(OSError):
        stamp.touch()
        os.utime(stamp, (now, now))
        if last is None or not EVERY <= now - last <= TRUSTED:
            return 0
        if waited_for and _has_many(directory):
            start_process(lambda: _prune_alone(directory, now, days, jobs))
        else:
            return prune(directory, now, days, jobs)
    return 0


def _has_many(directory: Path) -> bool:
    with os.scandir(directory) as entries:
        return any(number > FEW for number, _ in enumerate(entries, 1))


def _prune_alone(directory: Path, now: float, days: float, jobs: int) -> None:
    detach()
    os.nice(10)
    prune(directory, now, days, jobs)


def prune(directory: Path, now: float, days: float = DAYS, jobs: int = JOBS) -> int:
    """Remove the journals of jobs older than `days`, and of those beyond the newest `jobs`.

    The oldest are removed first, and at most one job in SHARE. `now` is in seconds since 1970. The
    age of a job is that of its youngest journal. Returns the number of removed journals. Raises
    OSError if `directory` cannot be read, or its markers cannot be put on disk.
    """
    by_job, marked = _look(directory)
    ages = {job: max(_written(each) for each in own.values()) for job, own in by_job.items()}
    newest_first = sorted(by_job, key=lambda each: -ages[each])
    due: list[str] = []
    for rank, job in reversed(list(enumerate(newest_first, 1))):
        if rank <= jobs and now - ages[job] < days * 86400:
            continue
        if len(due) >= max(1, len(by_job) // SHARE):
            break
        if _may_go(by_job[job]) and _mark(directory, job, now):
            due.append(job)
    _keep_markers(directory, by_job, marked - set(due), now)
    if due:
        sync_directory(directory)
    return sum(_remove(directory, job, by_job[job]) for job in due)


_Own = dict[int, "os.DirEntry[str]"]  #: the journals of one job, by attempt


def _look(directory: Path) -> tuple[dict[str, _Own], set[str]]:
    """The journals in `directory`, by job, and the jobs with a marker. Raises OSError."""
    by_job: dict[str, _Own] = {}
    marked: set[str] = set()
    with os.scandir(directory) as entries:
        for entry in entries:
            if job := names.marked_by(entry.name):
                marked.add(job)
                continue
            job, attempt = names.split(entry.name)
            if attempt and entry.is_file(follow_symlinks=False):
                by_job.setdefault(job, {})[attempt] = entry
    return by_job, marked


def _may_go(own: _Own) -> bool:
    """Whether all of these journals can be read, and none is needed any more (rule 1)."""
    found: list[Recalled] = []
    try:
        for number in sorted(own, reverse=True):
            found.append(recall(Path(own[number]).read_bytes(), under_way=False))
    except OSError:
        return False
    is_told = all(each.verdict.told or each.verdict.resolved for each in found)
    return is_told and not is_needed(found)


def _mark(directory: Path, job: str, now: float) -> bool:
    """Make the marker of `job`, with the time `now`; whether this succeeded."""
    try:
        marker(directory, job).touch(mode=0o600)
        os.utime(marker(directory, job), (now, now))
    except OSError:
        return False
    return True


def _keep_markers(directory: Path, by_job: dict[str, _Own], marked: set[str], now: float) -> None:
    """Mark the jobs with a gap, and remove old markers of the `marked` jobs without a gap."""
    for job, own in by_job.items():
        if max(own) != len(own) and job not in marked:
            _mark(directory, job, now)
    for job in marked:
        own = by_job.get(job, {})
        with contextlib.suppress(OSError):
            # Only now: another run may have marked and pruned the job before our listing.
            age = now - marker(directory, job).stat(follow_symlinks=False).st_mtime
            if max(own, default=0) == len(own) and not 0 <= age < EVERY:
                marker(directory, job).unlink()


def _remove(directory: Path, job: str, own: _Own) -> int:
    """Remove all journals of `job`, unless it now has a later attempt; the number removed."""
    removed = 0
    with contextlib.suppress(OSError):
        if not is_taken(directory, job, max(own) + 1):
            for number in sorted(own):
                os.unlink(own[number])
                removed += 1
    return removed


def _written(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except OSError:
        return 0.0  # it was removed meanwhile, and cannot be read either
