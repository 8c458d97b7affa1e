# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records that a person has looked at an attempt: a line at the end of its journal.

Rule 1: earlier bytes are never changed. A line that cannot be written whole is taken back.
Rule 2: an attempt that is under way cannot be resolved, and the claim to the job's name excludes an
attempt that starts meanwhile.
Rule 3: only the newest attempt can be resolved as uploaded or irrecoverable, because later attempts
are started without a look at those that are settled (core/memory.py, rule 3).
"""

from __future__ import annotations

import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from gpgshim.core import names
from gpgshim.core.codec import text_of
from gpgshim.core.quoting import escape
from gpgshim.core.records import Resolution, Resolved
from gpgshim.core.transcript import TORN
from gpgshim.history import claim
from gpgshim.history.journal import has_name, is_under_way, newest_attempt
from gpgshim.system.descriptors import write_all
from gpgshim.system.errors import Fact, Misused, Unable
from gpgshim.system.ownprocess import who_we_are


def resolve(directory: Path, name: str, result: Resolution, note: str) -> claim.Earlier:
    """Resolve the attempt `name`: JOB.N, or JOB for the attempt that stands, or the newest one.

    Returns the attempt as it was before. Raises Misused if there is no such attempt or it cannot be
    resolved in this way, and Unable if the line is not on disk.
    """
    job, number = _find(directory, name)
    with claim.hold(directory, job):
        try:
            newest = newest_attempt(directory, job)
            if number:
                earlier = claim.look(directory, job, number)
            else:
                earlier = claim.newest_that_stands(directory, job)
        except OSError as error:
            raise _unknown(directory, job, error) from error
        if earlier is None:
            raise _no_such(directory, name)
        if _is_locked(earlier.path):
            raise Misused(
                f"attempt {earlier.name} is under way [{earlier.path}]",
                Fact.NOTHING_WRITTEN,
                hint="resolve it when it is over",
            )
        if earlier.attempt < newest and result is not Resolution.RETRIABLE:
            last = names.journal_of(job, newest)
            raise Misused(
                f"{earlier.name} is not the newest attempt of the job",
                Fact.NOTHING_WRITTEN,
                hint=f"record what is true of the job with {last}",
            )
        _append(earlier.path, Resolved(result, _who(), _now(), note))
    return earlier


def _is_locked(path: Path) -> bool:
    # Also if its outcome is on disk: only the lock says that its supervisor writes no more.
    try:
        return is_under_way(path)
    except OSError:
        return False  # _append() says why it cannot be opened


def _find(directory: Path, name: str) -> tuple[str, int]:
    """The job that `name` names, and the number of the attempt, or 0."""
    job, number = names.split(name)
    try:
        if not names.fault_of(name) and newest_attempt(directory, name):
            return name, 0
        if number and not names.fault_of(job) and has_name(directory / name):
            return job, number
    except OSError as error:
        raise _unknown(directory, job, error) from error
    raise _no_such(directory, name)


def _unknown(directory: Path, job: str, error: OSError) -> Unable:
    return Unable(
        f"the attempts of job {job} in {directory} cannot be found: {error.strerror}",
        Fact.NOTHING_WRITTEN,
    )


def _no_such(directory: Path, name: str) -> Misused:
    return Misused(
        f"there is no journal of a job {escape(name)!r} in {directory}",
        Fact.NOTHING_WRITTEN,
        hint="`gpgshim status --all` lists all jobs",
    )


def _append(path: Path, resolved: Resolved) -> None:
    try:
        # O_NONBLOCK, because the name may lead to a named pipe.
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "it is not a plain file")
            is_complete = found.st_size and os.pread(fd, 1, found.st_size - 1) == b"\n"
            line = f"{text_of(resolved)}\n".encode("ascii")
            try:
                write_all(fd, line if is_complete else TORN + line)
            except OSError:
                os.ftruncate(fd, found.st_size)
                raise
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise Unable(
            f"{path} cannot be resolved: {error.strerror}",
            hint=f"`gpgshim show {path.name}` says whether it is resolved",
        ) from error


def _who() -> str:
    """USER@HOST, as one word."""
    user, host = who_we_are()
    return escape("".join(f"{user}@{host}".split())) or "?"


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
