# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""`gpgshim show`: finds the journal of a name, and prints its story.

Rule 1: a file that cannot be parsed as a journal is not shown in part: the job is unknown, and the
message says so.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import names
from gpgshim.core.quoting import escape
from gpgshim.core.transcript import Transcript, TranscriptError, parse
from gpgshim.history.jobs import Found, attempts_of, read_row, row_from
from gpgshim.history.journal import has_name, read_content
from gpgshim.summary.rows import AttemptRow
from gpgshim.system import places
from gpgshim.system.errors import Fact, GpgshimError, Malformed, Misconfigured, Misused, Unable
from gpgshim.system.files import write_whole
from gpgshim.system.log import Level, say


class Told(NamedTuple):
    """A journal, whether its supervisor is alive, and the rows of all attempts of the job."""

    path: Path
    transcript: Transcript
    under_way: bool
    attempts: list[AttemptRow]


def as_text(job: str) -> str:
    """The story of `job` as text for our stdout. Raises Misused, Malformed."""
    from gpgshim.render.show import show
    from gpgshim.render.terminal import wants_colour

    told = find(job)
    width = shutil.get_terminal_size((100, 24)).columns
    colour = wants_colour(sys.stdout.isatty(), os.environ)
    try:
        return show(told.transcript, width, told.attempts, told.under_way, colour)
    except TranscriptError as error:
        raise _is_none(told.path, error) from None


def write_page(job: str, file: Path) -> None:
    """The story of `job` as a page in `file`, complete or not at all. Raises Misused, Malformed."""
    try:
        from gpgshim.render.page import job_page
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"a page needs Jinja2, but {sys.executable} has no module {error.name}",
            Fact.NOTHING_WRITTEN,
            hint="install python3-jinja2, or show the job without --html",
        ) from None

    told = find(job)
    now = datetime.now(UTC)
    try:
        text = job_page(told.transcript, told.attempts, told.under_way, now)
    except TranscriptError as error:
        raise _is_none(told.path, error) from None
    if str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        write_whole(file, text.encode("ascii"))
    except OSError as error:
        raise Unable(f"{file} cannot be written: {error.strerror}") from error


def find(job: str) -> Told:
    """The journal that `job` names: a path, JOB.N, or JOB's last. Raises Misused, Malformed."""
    attempts: list[Found] = []
    if "/" in job:
        path = Path(job)
    else:
        directory = places.state_directory(dict(os.environ))
        path = directory / job
        name, attempt = names.split(job)
        is_attempt = bool(attempt) and _has_name(path)
        if attempts := attempts_of(directory, job):
            if is_attempt:
                say(
                    f"{job} is the name of a job, which is shown, and of attempt {attempt} of the"
                    f" job {name}",
                    Level.NOTICE,
                    hint=f"`gpgshim show {path}` shows that attempt",
                )
            path = Path(attempts[-1].path)
        elif is_attempt:
            attempts = attempts_of(directory, name)
        else:
            raise _no_such(directory, job)
    try:
        content = read_content(path)
        transcript = parse(content.data)
        now = time.time()
        rows = [
            row_from(each, content, now) if each.path == str(path) else read_row(each, now)
            for each in attempts
        ]
        return Told(path, transcript, content.is_locked, rows)
    except OSError as error:
        raise Misused(f"{path} cannot be read: {error.strerror}") from None
    except TranscriptError as error:
        raise _is_none(path, error) from None


def _has_name(path: Path) -> bool:
    try:
        return has_name(path)
    except OSError as error:
        raise Misused(f"{path} cannot be read: {error.strerror}") from None


def _no_such(directory: Path, job: str) -> GpgshimError:
    import difflib

    try:
        jobs = {job for job, attempt in map(names.split, os.listdir(directory)) if attempt}
    except FileNotFoundError:
        jobs = set()
    except OSError as error:
        return Unable(f"the jobs in {directory} cannot be read: {error.strerror}")
    # A missing attempt of an existing job is the more likely mistake.
    near = [*({names.split(job)[0]} & jobs), *difflib.get_close_matches(job, jobs, n=1)]
    hint = f"did you mean {near[0]!r}?" if near else "`gpgshim status --all` lists all jobs"
    if os.path.isfile(job):
        hint = f"to show the file of that name, write ./{escape(job)}"
    return Misused(f"there is no journal of a job {escape(job)!r} in {directory}", hint=hint)


def _is_none(path: Path, error: TranscriptError) -> Malformed:
    return Malformed(f"{path} is not a journal: {error}", Fact.STATE_UNKNOWN)
