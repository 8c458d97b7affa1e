# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps after a job's outcome was printed: alarm, metrics, fixture, pruning.

Rule 1: nothing here changes the outcome or an exit status. An error is one line on stderr.
Rule 2: the modules are imported before the job starts, because the package may be upgraded or
removed before the job ends.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from gpgshim.core.transcript import TranscriptError
from gpgshim.history.journal import Journal
from gpgshim.history.prune import prune_if_due
from gpgshim.supervisor.config import Settings
from gpgshim.system.errors import AlreadyDone, NotStarted, Unable
from gpgshim.system.log import say
from gpgshim.system.places import state_directory


def load(settings: Settings, record: Path | None = None) -> None:
    """Import what these settings need later. Raises Unable."""
    try:
        if settings.alarm or settings.metrics:
            from gpgshim.supervisor import after  # noqa: F401

            datetime.strptime("1970", "%Y")  # it imports a module at its first call
        if settings.metrics:
            from gpgshim.history import tally  # noqa: F401
        if record:
            from gpgshim.history import recorded  # noqa: F401
    except (ImportError, OSError) as error:
        raise Unable(str(error)) from error


def tried(what: str, step: Callable[[], object]) -> None:
    """Run `step`; if it fails, print a line and continue."""
    try:
        step()
    except Exception as error:  # any error: the outcome is on disk, and stays valid
        text = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        say(f"{what}: {text}; this does not change the outcome of the job")


def follow(journal: Journal, settings: Settings) -> None:
    """Raise the alarm and count the job, if these settings want that."""
    if settings.alarm or settings.metrics:
        from gpgshim.supervisor import after

        tried(f"{journal.path.name}: alarm and metrics", lambda: after.follow(journal, settings))


@contextlib.contextmanager
def alarms_of_earlier(settings: Settings) -> Iterator[None]:
    """If an earlier attempt does not let a new one start, raise the alarms that are missing."""
    try:
        yield
    except (NotStarted, AlreadyDone):
        if settings.alarm:
            from gpgshim.supervisor import after

            directory = state_directory(dict(os.environ))
            tried("alarms", lambda: after.raise_alarms(directory, settings))
        raise


def keep(journal: Journal, path: Path, shows: str) -> None:
    """Write the journal to `path` as a fixture."""
    from gpgshim.history import recorded

    def step() -> None:
        try:
            recorded.keep(journal.read(), path, shows)
        except (OSError, TranscriptError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            say(f"--record {path} was not written: {why}", hint=f"the journal is {journal.path}")

    tried(f"--record {path}", step)


def prune(journal: Journal, settings: Settings, waited_for: bool = True) -> None:
    """Remove old journals; `waited_for` says whether a caller waits for this process to end."""
    directory = journal.path.parent
    tried(
        f"old journals in {directory}",
        lambda: prune_if_due(
            directory,
            days=settings.keep_days,
            jobs=settings.keep_jobs,
            waited_for=waited_for,
        ),
    )
