# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real dgit-repos-server of a job, and the two pipes to it.

Rule 1: it gets go-ahead at once, and its report is held until it has ended and the gate is closed.
Rule 2: the manager gets an outcome once, complete, and as o2m.REPLIES says, or nothing.
Rule 3: the uploader must not hear what the manager will not hear.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from gpgshim.authority.manager import Manager
from gpgshim.core import o2m
from gpgshim.core import records as r
from gpgshim.core.codec import Process, Record
from gpgshim.core.gate import Audience, State
from gpgshim.core.wording import names_of
from gpgshim.supervisor.attempt import Attempt
from gpgshim.supervisor.processes import kill_descendants, kill_once, living_descendants
from gpgshim.supervisor.settlement import Report
from gpgshim.system import log
from gpgshim.system.descriptors import write_all
from gpgshim.system.errors import GpgshimError, Unable
from gpgshim.system.log import LEVELS, Level
from gpgshim.system.processes import DEFAULT_SIGNALS

WHO = "dgit-repos-server: gpgshim"  #: the start of each of our messages
LONGEST_REPORT = 1 << 16  #: bytes; dgit-repos-server writes three short lines
LONGEST_NOTE = 1000  #: bytes of an invalid report that the journal shows


def say(text: str, level: Level = Level.ERROR, hint: str = "") -> None:
    """Write one line to stderr, which is oracled's journal; a hint is a second one."""
    log.say(text, level, WHO, hint)


def become(real: Path, words: list[str]) -> NoReturn:
    """Exec the real program. Raises Unable."""
    for number in DEFAULT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(real, ["dgit-repos-server", *words])
    except OSError as error:
        raise Unable(f"{real} cannot be run: {error.strerror}") from error


class ManagersReport:
    """dgit-repos-server mails the uploader, and the manager may get its report: a Reporting.

    `killed` has the processes of the job that were killed before they could report.
    """

    def __init__(self) -> None:
        self.killed: list[Process] = []

    def audience(self, state: Callable[[], State]) -> Audience:
        return Audience.UPLOADER if o2m.is_dropped(state()) else Audience.BOTH

    def end_job(self) -> list[Process]:
        killed = kill_once()
        self.killed += killed
        return killed


class Relay:
    """The real dgit-repos-server of `attempt`, and the two pipes to it.

    `watchdog` is a pidfd of our watchdog.
    """

    def __init__(
        self, attempt: Attempt, manager: Manager, watchdog: int, reporting: ManagersReport
    ) -> None:
        self.attempt = attempt
        self.supervisor = attempt.supervisor
        self.manager = manager
        self._watchdog = watchdog
        self._reporting = reporting
        self._to_it = self._from_it = -1
        self._said = b""  # its output, without its request to commit
        self._has_go_ahead = False
        self._is_watched = True  # whether our watchdog is alive
        self._report: o2m.Report | None = None
        self._amount = o2m.Said.NOTHING

    @staticmethod
    def stand_aside(error: GpgshimError, real: Path, words: list[str]) -> NoReturn:
        """The job cannot be supervised, because of `error`."""
        raise error

    def run(self, words: list[str]) -> int:
        """Run the real program; 0 if the manager got the outcome. Raises Unable."""
        try:
            its_stdin, self._to_it = os.pipe2(os.O_CLOEXEC)
            self._from_it, its_stdout = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self._from_it, False)
            pipes = [
                (os.POSIX_SPAWN_DUP2, self.stdin_for_it(its_stdin), 0),
                (os.POSIX_SPAWN_DUP2, its_stdout, 1),
            ]
            self.supervisor.watch(self._watchdog, self._lose_watchdog)
            self.supervisor.watch(self._from_it, self._hear)
            self.attempt.start(words, pipes, self._ended)
        except OSError as error:
            self.attempt.not_started(error)
            self.supervisor.conclude()
            raise Unable(f"{words[0]} cannot be run: {error.strerror}") from error
        os.close(its_stdin)
        os.close(its_stdout)
        self.supervisor.serve()
        self.end_the_rest()
        return self._conclude() if self._is_watched else self._abandon()

    def stdin_for_it(self, ours: int) -> int:
        """The descriptor that dgit-repos-server reads; `ours` is the pipe's."""
        return ours

    def handle_output(self, data: bytes) -> None:
        """Handle output of dgit-repos-server as it arrives: here it is only held."""

    def end_the_rest(self) -> None:
        """Kill all remaining processes of the job."""
        killed = [each for each in kill_descendants() if each not in self._reporting.killed]
        if killed:
            self.supervisor.entries.note(r.Killed(r.Killing.OVER, tuple(killed)))
            say(f"job {self.attempt.job} is over; killed: {names_of(killed)}", Level.NOTICE)

    def _lose_watchdog(self) -> None:
        # The worker has seen it die, and drops the connection, so our report would be lost.
        self.supervisor.unwatch(self._watchdog)  # it would stay readable
        if self.supervisor.over is None:
            self._is_watched = False
            self.supervisor.finish(r.WatchdogEnded())

    def _abandon(self) -> int:
        verdict = self.supervisor.conclude().verdict
        raise Unable(f"job {self.attempt.job}: our watchdog was killed: {verdict.meaning}")

    def _hear(self) -> None:
        """Read dgit-repos-server's output; its first line is the early request to commit."""
        while self._from_it >= 0:
            try:
                data = os.read(self._from_it, LONGEST_REPORT)
            except BlockingIOError:
                break
            if not data:
                self.supervisor.unwatch(self._from_it)
                break
            self.handle_output(data)
            # Longer output is no report, but must be read too, or the job would hang.
            self._said = (self._said + data)[: LONGEST_REPORT + 1]
        if not self._has_go_ahead and self._said.startswith(o2m.COMMIT):
            self._has_go_ahead = True
            self._said = self._said.removeprefix(o2m.COMMIT)
            try:
                write_all(self._to_it, o2m.GO_AHEAD)
            except OSError:
                os.close(self._to_it)  # it is dead, or it takes the end of file as the answer

    def _ended(self, end: Record) -> None:
        """dgit-repos-server has ended: derive the job's ending from its report and exit status."""
        self._hear_the_rest()
        too_long = len(self._said) > LONGEST_REPORT
        self._report = None if too_long else o2m.parse_report(self._said)
        exited_0 = end == r.Exited(0)
        self._amount = o2m.amount_to(self._report, self._said, exited_0)
        if self._report is not None and exited_0:
            *first, end = map(r.Reported, self._report.lines)
            self.supervisor.entries.note(*first)
        else:
            if self._amount is o2m.Said.HALF:
                wrote = self._said[:LONGEST_NOTE].decode("utf-8", "replace")
                self.supervisor.entries.note(r.InvalidReport(wrote), r.ReportIncomplete())
            if exited_0:
                end = r.Ended()  # exit 0 without a report
        self.supervisor.finish(end)

    def _hear_the_rest(self) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._hear()

    def _conclude(self) -> int:
        report = Report(self._amount, self._report, self._commit_late)
        reply = self.supervisor.conclude(report)
        verdict = reply.verdict
        say(
            f"job {self.attempt.job}: {reply.treatment}: {self.supervisor.described(verdict)}"
            f" [{self.attempt.journal.path}]",
            LEVELS[verdict.outcome],
        )
        return self.send(reply.lines)

    def _commit_late(self) -> None:
        say(
            f"ALARM: job {self.attempt.job} reports {self._amount}, but had no grant:"
            " a signature was made past the gate",
            Level.ALERT,
        )
        self.supervisor.commit_late()

    def send(self, lines: Sequence[str]) -> int:
        """Send the manager `lines`. Raises Unable."""
        if not lines:
            raise Unable(
                f"job {self.attempt.job}: no outcome is sent to the manager",
                hint=f"`gpgshim show {self.attempt.job}` shows what is known",
            )
        try:
            self.manager.send(lines)
        except OSError as error:
            raise Unable(
                f"job {self.attempt.job}: the outcome did not reach the manager: {error.strerror}"
            ) from error
        return 0


class Observer(Relay):
    """The same in observe mode."""

    @staticmethod
    def stand_aside(error: GpgshimError, real: Path, words: list[str]) -> NoReturn:
        """Run the job without supervision."""
        say(f"{error}; observe mode: running {real} without gpgshim", Level.WARNING, error.hint)
        become(real, words)

    def stdin_for_it(self, ours: int) -> int:
        return 0

    def handle_output(self, data: bytes) -> None:
        try:
            write_all(1, data)
        except OSError:
            # The manager is gone. As without us, dgit-repos-server must get a broken pipe.
            self.supervisor.unwatch(self._from_it)
            os.close(self._from_it)
            self._from_it = -1

    def end_the_rest(self) -> None:
        if not self._is_watched:
            super().end_the_rest()
        elif left := living_descendants():
            self.supervisor.entries.note(r.LeftRunning(tuple(left)))

    def send(self, lines: Sequence[str]) -> int:
        return self.attempt.status  # the manager has already got dgit-repos-server's whole output
