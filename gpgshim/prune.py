"""Removes old journals: of jobs that are over and told, and of nothing else.

Rule 1: a journal without its outcome stays, however old: somebody has to look at it.
Rule 2: a job's journals go together or not at all, so that attempts keep their numbers.
Rule 3: no job waits for this: it is done at most once a day, by a job that is already over, and
where there is much to be looked at, by a process that nobody waits for.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NoReturn

from gpgshim.verdict import judge_bytes

DAYS = 180  #: an older job is removed
JOBS = 20_000  #: of younger ones, the newest so many are kept
EVERY = 86400.0  #: seconds between two looks

FEW = 1000  #: names in the directory; a few milliseconds are enough for so many

_STAMP = ".pruned"


def prune_if_due(
    directory: Path,
    now: float | None = None,
    days: float = DAYS,
    jobs: int = JOBS,
    waited_for: bool = True,
) -> int:
    """prune(), unless it was done in the last day. Raises nothing; how many were removed.

    Where `waited_for` says that somebody waits for this process to end, and there are more than
    FEW names, a process of its own goes on with it, and none are removed yet.
    """
    now = time.time() if now is None else now
    stamp = directory / _STAMP
    with contextlib.suppress(OSError):
        if 0 <= now - stamp.stat().st_mtime < EVERY:  # a clock that was wrong may have left it
            return 0
    with contextlib.suppress(OSError):
        stamp.touch()
        os.utime(stamp, (now, now))
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
