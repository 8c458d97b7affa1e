"""Removes old journals: of jobs that are over and told, and of nothing else.

Rule 1: a journal without its outcome stays, however old: somebody has to look at it.
Rule 2: a job's journals go together or not at all, the lowest number first: after a crash half way,
those that are left still end with the job's newest attempt.
Rule 3: before any of them goes, the job has its marker on disk, because a later attempt that starts
meanwhile may be left alone (journal.marker). A marker goes when it is a day old and the job's
numbers have no gap; a job with a gap gets one, whatever made the gap.
Rule 4: no job waits for this: it is done at most once a day, by a job that is already over, and
where there is much to be looked at, by a process that nobody waits for.
Rule 5: a clock is not believed at once. Nothing is removed unless the last look was between a day
and TRUSTED ago; else this look is only noted, and a later day has to confirm it. And one look
removes one job in SHARE at most: a clock that is wrong for days does not cost the whole history.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from gpgshim.core.verdict import judge_bytes
from gpgshim.history.journal import is_attempt, is_taken, marker
from gpgshim.system.places import sync_directory

DAYS = 180  #: an older job is removed
JOBS = 20_000  #: of younger ones, the newest so many are kept
EVERY = 86400.0  #: seconds between two looks

TRUSTED = 30 * EVERY  #: seconds; a clock that is further ahead than this may have jumped
SHARE = 10  #: one look removes this part of all jobs at most, but at least one job

FEW = 1000  #: names in the directory; a few milliseconds are enough for so many

_STAMP = ".pruned"


def prune_if_due(
    directory: Path,
    now: float | None = None,
    days: float = DAYS,
    jobs: int = JOBS,
    waited_for: bool = True,
) -> int:
    """prune(), unless it was done in the last day, or so long ago that the clock may have jumped.

    Raises nothing; how many were removed. Where `waited_for` says that somebody waits for this
    process to end, and there are more than FEW names, a process of its own goes on with it, and
    none are removed yet.
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
            if os.fork() == 0:
                _prune_alone(directory, now, days, jobs)
        else:
            return prune(directory, now, days, jobs)
    return 0


def _has_many(directory: Path) -> bool:
    with os.scandir(directory) as entries:
        return any(number > FEW for number, _ in enumerate(entries, 1))


def _prune_alone(directory: Path, now: float, days: float, jobs: int) -> NoReturn:
    # It holds nothing that is the caller's: no pipe that is read to its end, no lock, no terminal.
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.nice(10)
        prune(directory, now, days, jobs)
    finally:
        os._exit(0)


def prune(directory: Path, now: float, days: float = DAYS, jobs: int = JOBS) -> int:
    """Remove the journals of jobs older than `days`, and of those beyond the newest `jobs`.

    The oldest go first, and no more than one job in SHARE. `now` is in seconds since 1970; a job is
    as old as its youngest journal. How many journals were removed. Raises OSError where `directory`
    cannot be read, or its markers cannot be put on disk.
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
        if _is_told(by_job[job].values()) and _mark(directory, job, now):
            due.append(job)
    _keep_markers(directory, by_job, marked - set(due), now)
    if due:
        sync_directory(directory)
    return sum(_remove(directory, job, by_job[job]) for job in due)


_Own = dict[int, "os.DirEntry[str]"]  #: the journals of one job, by attempt


def _look(directory: Path) -> tuple[dict[str, _Own], set[str]]:
    """The journals in `directory`, by job, and the jobs that have a marker. Raises OSError."""
    by_job: dict[str, _Own] = {}
    marked: set[str] = set()
    start = marker(directory, "").name
    with os.scandir(directory) as entries:
        for entry in entries:
            name, _, attempt = entry.name.rpartition(".")
            if entry.name.startswith(start):
                marked.add(entry.name[len(start) :])
                continue
            is_ours = name[:1].isalnum() and is_attempt(attempt)
            if is_ours and entry.is_file(follow_symlinks=False):
                by_job.setdefault(name, {})[int(attempt)] = entry
    return by_job, marked


def _is_told(own: Iterable[os.DirEntry[str]]) -> bool:
    """Whether all of these journals can be read, and each says how its attempt ended."""
    try:
        return all(judge_bytes(Path(each).read_bytes()).told for each in own)
    except OSError:
        return False


def _mark(directory: Path, job: str, now: float) -> bool:
    """Make the marker of `job`, as old as `now`; whether that could be done."""
    try:
        marker(directory, job).touch(mode=0o600)
        os.utime(marker(directory, job), (now, now))
    except OSError:
        return False
    return True


def _keep_markers(directory: Path, by_job: dict[str, _Own], marked: set[str], now: float) -> None:
    """Mark the jobs that have a gap, and remove the `marked` jobs' old markers where none is."""
    for job, own in by_job.items():
        if max(own) != len(own) and job not in marked:
            _mark(directory, job, now)
    for job in marked:
        own = by_job.get(job, {})
        with contextlib.suppress(OSError):
            # Only now: another pruning may have marked it, and emptied it, before we looked.
            age = now - marker(directory, job).stat(follow_symlinks=False).st_mtime
            if max(own, default=0) == len(own) and not 0 <= age < EVERY:
                marker(directory, job).unlink()


def _remove(directory: Path, job: str, own: _Own) -> int:
    """Remove all journals of `job`, unless it has a later attempt by now; how many went."""
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
        return 0.0  # removed meanwhile, and not to be read either
