"""Removes old journals: of jobs that are over and told, and of nothing else.

Rule 1: a journal without its outcome stays, however old: somebody has to look at it.
Rule 2: a job's journals go together or not at all, the lowest number first: whatever comes in
between, the highest number stays to the last, and later attempts are numbered from it.
Rule 3: no job waits for this: it is done at most once a day, by a job that is already over, and
where there is much to be looked at, by a process that nobody waits for.
Rule 4: a clock is not believed at once. Nothing is removed unless the last look was between a day
and TRUSTED ago; else this look is only noted, and a later day has to confirm it. And one look
removes one job in SHARE at most: a clock that is wrong for days does not cost the whole history.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NoReturn

from gpgshim.core.verdict import judge_bytes
from gpgshim.history.journal import is_attempt

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
    cannot be read.
    """
    by_job: dict[str, dict[int, os.DirEntry[str]]] = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            name, _, attempt = entry.name.rpartition(".")
            is_ours = name[:1].isalnum() and is_attempt(attempt)
            if is_ours and entry.is_file(follow_symlinks=False):
                by_job.setdefault(name, {})[int(attempt)] = entry
    ages = {job: max(_written(each) for each in own.values()) for job, own in by_job.items()}
    newest_first = sorted(by_job, key=lambda each: -ages[each])
    removed = jobs_removed = 0
    for rank, job in reversed(list(enumerate(newest_first, 1))):
        if rank <= jobs and now - ages[job] < days * 86400:
            continue
        if jobs_removed >= max(1, len(by_job) // SHARE):
            break
        own = by_job[job]
        with contextlib.suppress(OSError):
            if all(judge_bytes(Path(each).read_bytes()).told for each in own.values()):
                later = directory / f"{job}.{max(own) + 1}"
                if later.exists():
                    continue  # it was made since we looked, and is of a job that is not over
                for number in sorted(own):
                    os.unlink(own[number])
                    removed += 1
                jobs_removed += 1
    return removed


def _written(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except OSError:
        return 0.0  # removed meanwhile, and not to be read either
