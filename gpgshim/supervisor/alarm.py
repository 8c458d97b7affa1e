# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alarm: a command of the settings is run for each attempt that needs a person.

Rule 1: core/need.py decides which attempts need a person. The setting alarm-kinds selects kinds.
Rule 2: a job raises its own alarm when it is over. The next reader (status, metrics, another job)
raises those that are missing: the supervisor was killed, or the process that raised the alarm.
Rule 3: history/raised.py has each alarm raised once. A process looks again before it raises one,
because another process may have raised it meanwhile, or a person has resolved the attempt.
Rule 4: the command gets the result of the attempt as JSON on stdin. It runs in its own process
group, with the environment that we got, and is killed after SECONDS.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import names
from gpgshim.core.need import Alarm, look
from gpgshim.history import raised
from gpgshim.history.jobs import read_rows
from gpgshim.history.journal import read_content
from gpgshim.summary.result import result_of
from gpgshim.summary.rows import AttemptRow
from gpgshim.supervisor.config import Settings
from gpgshim.system.descriptors import sealed_file
from gpgshim.system.log import say
from gpgshim.system.ownprocess import caller_environ
from gpgshim.system.processes import DEFAULT_SIGNALS

SECONDS = 30.0  #: an alarm command that takes longer is killed

#: Used in place of the outcome's meaning, which says less.
BYPASSED = "a signature was made past the gate: the job reports an upload, but had no grant"


#: In place of a journal that was removed or cannot be read: it is none, so its state is unknown.
GONE = b"gone\n"


class Missing(NamedTuple):
    """A journal whose alarm was not raised, and its last write in ns."""

    path: Path
    written: int


def missing_of(directory: Path, settings: Settings, rows: Iterable[AttemptRow]) -> list[Missing]:
    """The attempts of `rows` whose alarm is wanted, and was not raised. Raises OSError."""
    wanted = [row for row in rows if row.alarm in settings.alarm_kinds and not row.under_way]
    if not (settings.alarm and wanted):
        return []
    known = raised.read(directory)
    found = []
    for row in wanted:
        try:
            info = os.lstat(row.path)
        except FileNotFoundError:
            continue  # it was pruned meanwhile
        path = Path(row.path)
        is_old = row.told and info.st_mtime < known.since
        if not is_old and not known.has(path.name, info.st_mtime_ns):
            found.append(Missing(path, info.st_mtime_ns))
    return found


def raise_missing(directory: Path, settings: Settings, but: str = "") -> None:
    """Raise each alarm of `directory` that is missing, `but` that one. Errors are printed."""
    try:
        rows, _ = read_rows(directory, 0)
        missing = missing_of(directory, settings, rows)
    except OSError as error:
        say(f"the jobs in {directory} cannot be read for their alarms: {error.strerror}")
        return
    raise_all([each for each in missing if each.path.name != but], settings)


def raise_all(missing: Iterable[Missing], settings: Settings) -> None:
    """Raise these alarms, one after the other. Errors are printed."""
    for each in missing:
        try:
            content = read_content(each.path)
        except FileNotFoundError:
            continue  # it was pruned meanwhile
        except OSError:
            data, is_over = GONE, True
        else:
            data, is_over = content.data, not content.is_locked
        if is_over:
            try:
                raise_once(each, data, settings, since=int(time.time()))
            except OSError as error:  # without a record, each reader would raise it
                say(f"{each.path.name}: its alarm cannot be recorded: {error.strerror}")


def raise_own(one: Missing, data: bytes, settings: Settings) -> None:
    """Raise the alarm of our own attempt, also if it cannot be recorded. Errors are printed."""
    try:
        # The clock may show the next second by now, and then our attempt would count as earlier.
        raise_once(one, data, settings, since=one.written // 10**9)
    except OSError:
        kind = look(data, under_way=False).need
        if kind and settings.alarm:
            call(settings.alarm, one.path, data, kind)


def raise_once(one: Missing, data: bytes, settings: Settings, since: int) -> None:
    """Raise the alarm of the attempt whose journal holds `data`, and record it.

    `since` is as in raised.alone().

    Nothing is done if no person is needed, if the kind is not wanted, if the alarm was raised, or
    if another process raises it now. Raises OSError if nothing was done because the alarm could not
    be recorded; other errors are printed.
    """
    kind = look(data, under_way=False).need
    if kind is None or kind not in settings.alarm_kinds or settings.alarm is None:
        return
    directory, name = one.path.parent, one.path.name
    with raised.alone(directory, name, since) as is_alone:
        if not is_alone or raised.read(directory).has(name, one.written):
            return
        if not call(settings.alarm, one.path, data, kind):
            return
        try:
            raised.record(directory, name, one.written, kind)
        except OSError as error:
            say(f"{name}: its alarm was raised, and is not recorded: {error.strerror}")


def call(command: str, journal: Path, data: bytes, kind: Alarm, seconds: float = SECONDS) -> bool:
    """Run the alarm's command; whether it succeeded. An error is printed.

    The command gets the kind of alarm, the attempt's name (JOB.N), its outcome and the meaning of
    that, as words after its own, and in GPGSHIM_ALARM, GPGSHIM_JOB, GPGSHIM_ATTEMPT,
    GPGSHIM_OUTCOME, GPGSHIM_MEANING and GPGSHIM_JOURNAL.
    """
    verdict = look(data, under_way=False).verdict
    meaning = BYPASSED if kind is Alarm.BYPASSED else verdict.meaning
    job, attempt = names.split(journal.name)
    environ = caller_environ() | {
        "GPGSHIM_ALARM": str(kind),
        "GPGSHIM_JOB": job,
        "GPGSHIM_ATTEMPT": str(attempt),
        "GPGSHIM_OUTCOME": str(verdict.outcome),
        "GPGSHIM_MEANING": meaning,
        "GPGSHIM_JOURNAL": str(journal),
    }
    words = [*shlex.split(command), str(kind), journal.name, str(verdict.outcome), meaning]
    result = result_of(job, attempt, str(journal), data)
    fault = run(words, environ, json.dumps(result).encode() + b"\n", seconds)
    if fault:
        say(f"{journal.name}: the alarm command {words[0]} {fault}")
    return not fault


def run(words: list[str], environ: dict[str, str], stdin: bytes, seconds: float) -> str:
    """Run a command for at most `seconds`; the error in words, or ""."""
    program = shutil.which(words[0], path=environ.get("PATH", os.defpath))
    if program is None:
        return "is not on PATH"
    # A file in memory: a command that does not read its stdin must not stop us, as a pipe would.
    given = sealed_file("result", stdin)
    try:
        pid = os.posix_spawn(
            program,
            words,
            environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, given, 0),
                *[(os.POSIX_SPAWN_DUP2, 2, fd) for fd in (1, 2)],
            ],
            setpgroup=0,
            setsigmask=(),
            setsigdef=DEFAULT_SIGNALS,
        )
    except OSError as error:
        return f"cannot be run: {error.strerror}"
    finally:
        os.close(given)
    poll = select.poll()
    poll.register(os.pidfd_open(pid), select.POLLIN)
    in_time = bool(poll.poll(seconds * 1000))
    if not in_time:
        os.killpg(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not in_time:
        return f"took longer than {seconds:g} s, and was killed"
    return "" if status == 0 else f"ended with status {status}"
