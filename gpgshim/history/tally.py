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
from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.core.verdict import judge, judge_bytes
from gpgshim.history.jobs import Found, find
from gpgshim.history.journal import is_under_way, read_plain
from gpgshim.summary.metrics import (
    METRICS,
    Sums,
    count,
    count_resolutions,
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


def take_stock(directory: Path, wait: bool = True) -> Sums:
    """The metrics of all journals that are, or were, in `directory`.

    Raises OSError if it cannot be read or written; Busy if another process is counting and `wait`
    is false.
    """
    with _alone(directory, wait):
        kept = _read(directory / _KEPT)
        seen: dict[str, float] = {}
        resolved: dict[str, int] = {}
        under_way = 0
        for attempts in find(directory).values():
            for each in attempts:
                name = os.path.basename(each.path)
                if kept.seen.get(name) != each.written:
                    try:
                        if each.locked and is_under_way(each.path):
                            under_way += 1
                            continue
                        known = kept.resolved.get(name, 0) if name in kept.seen else None
                        number = _count(kept.sums, each, attempts, known)
                    except OSError:
                        continue  # it was removed meanwhile, or cannot be read: not counted
                else:
                    number = kept.resolved.get(name, 0)
                seen[name] = each.written
                if number:
                    resolved[name] = number
        if seen != kept.seen:
            new = {"format": _FORMAT, "sums": kept.sums, "seen": seen, "resolved": resolved}
            text = json.dumps(new)
            _write(directory / _KEPT, text, 0o600)
    kept.sums["gpgshim_under_way"][""] = under_way
    return kept.sums


def _count(sums: Sums, found: Found, attempts: list[Found], known: int | None) -> int:
    """Count an attempt, and its resolutions; the number of its resolutions.

    `known` is the number of resolutions that a journal of this name had when it was counted. If it
    has more now, it is the same journal, because only a resolution changes it.
    """
    data = read_plain(found.path)
    try:
        transcript = parse(data)
        verdict = judge(transcript)
    except TranscriptError:
        transcript, verdict = parse(b""), judge_bytes(data)
    resolved = resolutions_in(transcript) or [each for each in (verdict.resolved,) if each]
    if known is not None and len(resolved) > known:
        count_resolutions(sums, resolved[known:])
        return len(resolved)
    count_resolutions(sums, resolved)
    count(sums, transcript, verdict)
    if verdict.outcome is Outcome.UPLOADED and any(
        judge_bytes(read_plain(each.path)).outcome is Outcome.RETRIABLE
        for each in attempts
        if each.attempt < found.attempt
    ):
        sums["gpgshim_uploads_saved_total"][""] += 1
    return len(resolved)


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
            return _Kept(sums, {}, {})
        for name, numbers in kept["sums"].items():
            # A metric or a label that this version does not have is dropped.
            for value in METRICS[name].values if name in METRICS else ():
                sums[name][value] = float(numbers.get(value, 0))
        return _Kept(sums, dict(kept["seen"]), dict(kept.get("resolved", {})))
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return _Kept(nothing(), {}, {})


def _write(path: Path, text: str, mode: int) -> None:
    if path.is_symlink():  # in a directory that others can write to, it may lead anywhere
        raise OSError(errno.ELOOP, "it is a symbolic link; name the file itself")
    write_whole(path, text.encode(), mode)  # no temporary name ends in .prom
