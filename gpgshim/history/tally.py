# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of all jobs: each journal is counted once, after its job is over.

Rule 1: a removed journal does not decrease the numbers: the sums are kept in a file next to the
journals, with the name and time of each journal that was counted.
Rule 2: that file is written completely or not at all. If it is lost, the existing journals are
counted again; Prometheus treats that as a restart.
Rule 3: a textfile is written completely, by rename, and other users can read it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gpgshim.core.gate import Outcome
from gpgshim.core.need import need_of
from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.core.verdict import judge, judge_bytes
from gpgshim.history import settled
from gpgshim.history.jobs import Found, Listing, Progress, find, silent
from gpgshim.history.journal import read_content
from gpgshim.summary.metrics import (
    METRICS,
    Sums,
    count,
    count_resolutions,
    count_saved,
    nothing,
    render,
    resolutions_in,
)
from gpgshim.system.files import write_whole

_KEPT = ".metrics.json"
_FORMAT = 1


class Busy(OSError):
    """Another process is counting."""


class _Kept(NamedTuple):
    """The sums so far, and the journals in them: name -> time of its last write."""

    sums: Sums
    seen: dict[str, float]
    resolved: dict[str, int]  # name -> the number of its resolutions in the sums
    #: job -> its first retriable attempt, or SAVED; kept for as long as the job has a journal
    retried: dict[str, int]


class _Counted(NamedTuple):
    """A journal that was counted now. `outcome` is None if only resolutions were new."""

    resolutions: int
    outcome: Outcome | None
    is_settled: bool


def take_stock(directory: Path, wait: bool = True, progress: Progress = silent) -> Sums:
    """The metrics of all journals that are, or were, in `directory`.

    `progress` gets the number of jobs that were counted, and of all. Raises OSError if `directory`
    cannot be read or written; Busy if another process is counting and `wait` is false.
    """
    with _alone(directory, wait):
        stamp = settled.stamp_now()
        listing = Listing(directory)
        calm: set[str] = set()  # names of journals that were found to be settled
        kept = _read(directory / _KEPT)
        seen: dict[str, float] = {}
        resolved: dict[str, int] = {}
        retried: dict[str, int] = {}
        under_way = 0
        jobs = find(directory)
        for done, (job, attempts) in enumerate(jobs.items(), 1):
            progress(done, len(jobs))
            first = _first_retried(kept, job, attempts)
            began_anew = False
            for each in attempts:
                name = os.path.basename(each.path)
                if kept.seen.get(name) != each.written:
                    try:
                        content = read_content(each.path)
                    except OSError:
                        continue  # it was removed meanwhile, or cannot be read: not counted
                    if content.is_locked:
                        under_way += 1
                        continue
                    known = kept.resolved.get(name, 0) if name in kept.seen else None
                    number, outcome, is_settled = _count(kept.sums, content.data, known)
                    calm |= {name} if is_settled else set()
                    if outcome:
                        if known is not None and not began_anew:
                            first, began_anew = None, True  # another job of the same name
                        first = count_saved(kept.sums, outcome, each.attempt, first)
                else:
                    number = kept.resolved.get(name, 0)
                seen[name] = each.written
                if number:
                    resolved[name] = number
            if first is not None:
                retried[job] = first
        if seen != kept.seen:
            new = _Kept(kept.sums, seen, resolved, retried)._asdict()
            _write(directory / _KEPT, json.dumps({"format": _FORMAT, **new}), 0o600)
            listing.save(stamp, listing.new_of(calm))
    kept.sums["gpgshim_under_way"][""] = under_way
    return kept.sums


def _first_retried(kept: _Kept, job: str, attempts: list[Found]) -> int | None:
    first = kept.retried.get(job)
    if first is None or any(os.path.basename(each.path) in kept.seen for each in attempts):
        return first
    return None  # all journals of that job were removed, and this is another job of the same name


def _count(sums: Sums, data: bytes, known: int | None) -> _Counted:
    """Count an attempt, and its resolutions.

    `known` is the number of resolutions that a journal of this name had when it was counted. If it
    has more now, it is the same journal, because only a resolution changes it.
    """
    try:
        transcript = parse(data)
        verdict = judge(transcript)
    except TranscriptError:
        transcript, verdict = parse(b""), judge_bytes(data)
    resolved = resolutions_in(transcript) or [each for each in (verdict.resolved,) if each]
    if known is not None and len(resolved) > known:
        count_resolutions(sums, resolved[known:])
        return _Counted(len(resolved), None, is_settled=True)
    count_resolutions(sums, resolved)
    count(sums, transcript, verdict)
    return _Counted(len(resolved), verdict.outcome, need_of(verdict, under_way=False) is None)


def write_textfile(path: Path, sums: Sums) -> None:
    """Write `sums` for node_exporter's textfile collector. Raises OSError."""
    _write(path, render(sums), 0o644)


@contextlib.contextmanager
def _alone(directory: Path, wait: bool) -> Iterator[None]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    except BlockingIOError as error:
        raise Busy(error.errno, "another process is counting") from error
    finally:
        os.close(fd)


def _read(path: Path) -> _Kept:
    sums = nothing()
    try:
        kept: Any = json.loads(path.read_bytes())
        if kept["format"] != _FORMAT:
            return _Kept(sums, {}, {}, {})
        for name, numbers in kept["sums"].items():
            # A metric or a label that this version does not have is dropped.
            for value in METRICS[name].values if name in METRICS else ():
                sums[name][value] = float(numbers.get(value, 0))
        more = (dict(kept.get(name, {})) for name in ("resolved", "retried"))
        return _Kept(sums, dict(kept["seen"]), *more)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return _Kept(nothing(), {}, {}, {})


def _write(path: Path, text: str, mode: int) -> None:
    if path.is_symlink():  # in a directory that others can write to, it may lead anywhere
        raise OSError(errno.ELOOP, "it is a symbolic link; name the file itself")
    write_whole(path, text.encode(), mode)  # no temporary name ends in .prom
