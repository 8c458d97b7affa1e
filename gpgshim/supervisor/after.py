# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work after a job is over: an alarm if a person must act, and the metrics.

Rule 1: nothing waits for this work, and an error in it changes nothing: the outcome is on disk and
reported. A separate process does it, and prints one line for each error.
Rule 2: that process keeps no descriptor of the job or its caller except stderr. A caller that reads
stderr to its end also waits for an alarm command, SECONDS at most. Under dgit-repos-server, stdin
and stdout are the manager's pipes, and are closed here. Signals that the worker had blocked are
unblocked for the alarm command, which runs in its own process group, with the environment that we
got, and is killed after SECONDS.
Rule 3: the alarm is derived from the journal, read through its writer's descriptor. A job whose
supervisor was killed raises no alarm: `gpgshim status` and the metrics report it.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
from pathlib import Path

from gpgshim.core import names
from gpgshim.core.need import Alarm, look
from gpgshim.history.journal import Journal
from gpgshim.supervisor.config import Settings
from gpgshim.system.log import say
from gpgshim.system.ownprocess import caller_environ
from gpgshim.system.processes import DEFAULT_SIGNALS, detach, start_process

SECONDS = 30.0  #: an alarm command that takes longer is killed

#: Used in place of the outcome's meaning, which says less.
BYPASSED = "a signature was made past the gate: the job reports an upload, but had no grant"


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
            data = journal.read()
        except OSError:  # it was removed or replaced; another file there is not this job's journal
            data = b""
        detach(stderr=True)
        if settings.alarm:
            raise_alarm(path, data, settings.alarm)
        if settings.metrics:
            write_metrics(path.parent, Path(settings.metrics))
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


def raise_alarm(journal: Path, data: bytes, command: str, seconds: float = SECONDS) -> None:
    """Run `command` if the job whose journal holds `data` needs a person. Errors are printed.

    The command gets the kind of alarm, the attempt's name (JOB.N), its outcome and the meaning of
    that, as words after its own, and in GPGSHIM_ALARM, GPGSHIM_JOB, GPGSHIM_ATTEMPT,
    GPGSHIM_OUTCOME, GPGSHIM_MEANING and GPGSHIM_JOURNAL.
    """
    verdict, alarm, _ = look(data, under_way=False)
    if alarm is None:
        return
    meaning = BYPASSED if alarm is Alarm.BYPASSED else verdict.meaning
    job, attempt = names.split(journal.name)
    environ = caller_environ() | {
        "GPGSHIM_ALARM": str(alarm),
        "GPGSHIM_JOB": job,
        "GPGSHIM_ATTEMPT": str(attempt),
        "GPGSHIM_OUTCOME": str(verdict.outcome),
        "GPGSHIM_MEANING": meaning,
        "GPGSHIM_JOURNAL": str(journal),
    }
    words = [*shlex.split(command), str(alarm), journal.name, str(verdict.outcome), meaning]
    if fault := run(words, environ, seconds):
        say(f"{journal.name}: the alarm command {words[0]} {fault}")


def run(words: list[str], environ: dict[str, str], seconds: float) -> str:
    """Run a command for at most `seconds`; the error in words, or ""."""
    program = shutil.which(words[0], path=environ.get("PATH", os.defpath))
    if program is None:
        return "is not on PATH"
    try:
        pid = os.posix_spawn(
            program,
            words,
            environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, 2, fd) for fd in (1, 2)],
            setpgroup=0,
            setsigmask=(),
            setsigdef=DEFAULT_SIGNALS,
        )
    except OSError as error:
        return f"cannot be run: {error.strerror}"
    poll = select.poll()
    poll.register(os.pidfd_open(pid), select.POLLIN)
    in_time = bool(poll.poll(seconds * 1000))
    if not in_time:
        os.killpg(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not in_time:
        return f"took longer than {seconds:g} s, and was killed"
    return "" if status == 0 else f"ended with status {status}"
