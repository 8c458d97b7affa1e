# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work after a job is over: the alarm if a person is needed, and the metrics.

Rule 1: nothing waits for this work, and an error in it changes nothing: the outcome is on disk and
reported. A separate process does it, and prints one line for each error.
Rule 2: that process keeps no descriptor of the job or its caller except stderr. A caller that reads
stderr to its end also waits for an alarm command, alarm.SECONDS at most. After `status` and
`metrics`, which others run again and again, it does not keep stderr either. Under
dgit-repos-server, stdin and stdout are the manager's pipes, and are closed here. Signals that the
worker had blocked are unblocked for the alarm command.
Rule 3: the alarm of the job is derived from its journal, read through its writer's descriptor.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gpgshim.history.journal import Journal
from gpgshim.summary.rows import AttemptRow
from gpgshim.supervisor import alarm
from gpgshim.supervisor.config import Settings
from gpgshim.system.log import say
from gpgshim.system.processes import detach, start_process


def follow(journal: Journal, settings: Settings) -> None:
    """Start the work that `settings` want after the job of `journal` is over. Raises nothing.

    The journal may be closed, but must be ours: it is read through its descriptor.
    """
    if not settings.alarm and not settings.metrics:
        return
    try:
        start_process(lambda: _alone(journal, settings))
    except OSError as error:
        say(f"{journal.path.name}: no process for the alarm and the metrics: {error.strerror}")


def _alone(journal: Journal, settings: Settings) -> None:
    path = journal.path
    try:
        try:
            data, written = journal.read(), os.lstat(path).st_mtime_ns
        except OSError:  # it was removed or replaced; another file there is not this job's journal
            data, written = alarm.GONE, 0
        detach(stderr=True)
        if settings.alarm:
            alarm.raise_own(alarm.Missing(path, written), data, settings)
        if settings.metrics:
            write_metrics(path.parent, Path(settings.metrics))
        if settings.alarm:
            alarm.raise_missing(path.parent, settings, but=path.name)
    except BaseException as error:
        say(f"{path.name}: alarm and metrics: {error!r}")


def write_metrics(directory: Path, path: Path) -> None:
    """Count new journals in `directory`, and write the textfile. Errors are printed."""
    from gpgshim.history import tally  # imported here, because only metrics need it

    try:
        os.nice(10)
        tally.write_textfile(path, tally.take_stock(directory, wait=False))
    except tally.Busy:
        pass  # its numbers lack this job; the next run includes it
    except OSError as error:
        say(f"the metrics cannot be written to {path}: {error.strerror}")


def raise_alarms(
    directory: Path, settings: Settings, rows: Iterable[AttemptRow] | None = None
) -> None:
    """Have a process raise the alarms that are missing in `directory`. Nothing waits for it.

    If a reader has `rows` with all attempts that need a person, it starts that process only if an
    alarm is missing. Errors are printed; this raises nothing.
    """
    if not settings.alarm:
        return
    try:
        if rows is not None and not alarm.missing_of(directory, settings, rows):
            return
        start_process(lambda: _raise_alone(directory, settings))
    except OSError as error:
        say(f"no process for the alarms in {directory}: {error.strerror}")


def _raise_alone(directory: Path, settings: Settings) -> None:
    detach()
    alarm.raise_missing(directory, settings)
