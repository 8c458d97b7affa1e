"""Removes old journals: of jobs that are over and told, and of nothing else.

Rule 1: a journal without its outcome stays, however old: somebody has to look at it.
Rule 2: a job's journals go together or not at all, so that attempts keep their numbers.
Rule 3: no job waits for this: it is done at most once a day, by a job that is already over.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from gpgshim.verdict import judge_bytes

DAYS = 180  #: an older job is removed
JOBS = 20_000  #: of younger ones, the newest so many are kept
EVERY = 86400.0  #: seconds between two looks

_STAMP = ".pruned"


def prune_if_due(
    directory: Path, now: float | None = None, days: float = DAYS, jobs: int = JOBS
) -> int:
    """prune(), unless it was done in the last day. Raises nothing; how many were removed."""
    now = time.time() if now is None else now
    stamp = directory / _STAMP
    with contextlib.suppress(OSError):
        if now - stamp.stat().st_mtime < EVERY:
            return 0
    with contextlib.suppress(OSError):
        stamp.touch()
        os.utime(stamp, (now, now))
        return prune(directory, now, days, jobs)
    return 0


def prune(directory: Path, now: float, days: float = DAYS, jobs: int = JOBS) -> int:
    """Remove the journals of jobs older than `days`, and of those beyond the newest `jobs`.

    `now` is in seconds since 1970; a job is as old as its youngest journal. How many were removed.
    Raises OSError where `directory` cannot be read.
    """
    by_job: dict[str, list[os.DirEntry[str]]] = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            name, _, attempt = entry.name.rpartition(".")
            is_ours = name[:1].isalnum() and attempt.isdecimal()
            if is_ours and entry.is_file(follow_symlinks=False):
                by_job.setdefault(name, []).append(entry)
    ages = {job: max(each.stat().st_mtime for each in own) for job, own in by_job.items()}
    removed = 0
    for rank, job in enumerate(sorted(by_job, key=lambda each: -ages[each]), 1):
        if rank <= jobs and now - ages[job] < days * 86400:
            continue
        with contextlib.suppress(OSError):
            if all(judge_bytes(Path(each).read_bytes()).told for each in by_job[job]):
                for each in by_job[job]:
                    os.unlink(each)
                    removed += 1
    return removed
