# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The series of attempts of `run --retries`: each attempt has a process of its own.

Rule 1: core.retries decides what follows an attempt.
Rule 2: the first process only starts attempts and waits. It changes nothing of itself that an
attempt could inherit, so each attempt finds what the first one found. What an attempt leaves
running is no descendant of the next attempt, whose gate turns it away.
Rule 3: an attempt tells its outcome as its last act. Without that word, no attempt follows.
Rule 4: an attempt dies with the first process. Its stunts then refuse, as those of any supervisor
that was killed.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import time
from typing import NamedTuple

from gpgshim.core.gate import Exit, Outcome
from gpgshim.core.memory import Option
from gpgshim.core.retries import Follows, Limits, bound, follows, pause
from gpgshim.supervisor import signals
from gpgshim.supervisor.attempt import Plan
from gpgshim.supervisor.settlement import end_of
from gpgshim.system import kernel
from gpgshim.system.errors import SEE_STATUS, Unable
from gpgshim.system.log import Level, say


class Turn(NamedTuple):
    """An attempt of a series, in the process of this attempt."""

    number: int  #: in this series, from 1
    ends: float  #: on the monotonic clock: the time when a job that is not committed is given up
    pipe: int  #: to the first process

    def adapt(self, plan: Plan) -> Plan:
        """The plan of this attempt.

        --again overrides only what stood before the series. The attempts of a series know each
        other also if the job has no name.
        """
        option = plan.option or Option.NONE
        if option is Option.AGAIN and self.number > 1:
            option = Option.NONE
        return plan._replace(option=option, ends=self.ends)

    def tell(self, attempt: str, outcome: Outcome, signal: int) -> None:
        """Tell the first process the outcome of `attempt` (JOB.N), and the signal that ended it."""
        with contextlib.suppress(OSError):  # then no attempt follows
            os.write(self.pipe, f"{outcome} {signal} {attempt}".encode())


class _Told(NamedTuple):
    """What is known of an attempt after its end. `signal` is the first signal to us, or 0."""

    status: int
    signal: int
    outcome: Outcome | None = None
    attempt: str = ""


class Series:
    """The attempts of one call of `run`. Raises Unable if signals cannot be read."""

    def __init__(self, limits: Limits, total: float | None, exit_by: Exit) -> None:
        self._limits = limits
        self._exit_by = exit_by
        self._total = total  # for people: the seconds until limits.until
        self._given = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        ours = signals.ours()
        signal.pthread_sigmask(signal.SIG_BLOCK, ours)
        try:
            self._signals = kernel.signal_descriptor(ours)
        except OSError as error:
            raise Unable(f"no descriptor for signals: {error.strerror}") from error

    def run(self) -> Turn | int:
        """The exit status after the last attempt; in the process of an attempt, its turn.

        Raises Unable if no process can be started.
        """
        attempts = 0
        while True:
            attempts += 1
            ended = self._attempt(attempts)
            if isinstance(ended, Turn):
                return ended
            told, follow = self._wait_after(attempts, ended)
            if follow is not Follows.ATTEMPT:
                return self._conclude(told, follow, attempts)

    def _attempt(self, number: int) -> Turn | _Told:
        """Start an attempt and wait for its end; in its process, its turn."""
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        first = os.getpid()
        try:
            child = os.fork()
        except OSError as error:
            raise Unable(f"no process for attempt {number}: {error.strerror}") from error
        if not child:
            kernel.die_with_parent()
            if os.getppid() != first:
                os._exit(Unable.status)  # it died before that
            os.close(reader)
            os.close(self._signals)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._given)
            return Turn(number, self._limits.until, writer)
        os.close(writer)
        try:
            status, stop = self._wait_for(child)
            return _read(reader, number, status, stop)
        finally:
            os.close(reader)

    def _wait_for(self, child: int) -> tuple[int, int]:
        """(wait status of `child`, the first signal to us or 0); signals are passed on."""
        pidfd = os.pidfd_open(child)
        poll = select.poll()
        for fd in (self._signals, pidfd):
            poll.register(fd, select.POLLIN)
        stop = 0
        while True:
            ready = {fd for fd, _ in poll.poll()}
            for number, by_kernel in kernel.read_signals(self._signals):
                stop = stop or number
                if not (by_kernel and signals.is_shared(number, child)):
                    os.kill(child, number)  # it is not reaped yet
            if pidfd in ready:
                os.close(pidfd)
                return os.waitpid(child, 0)[1], stop

    def _wait_after(self, attempts: int, told: _Told) -> tuple[_Told, Follows]:
        """Wait until the next attempt may start; what is known then, and what follows."""
        seconds = pause(self._limits.wait, attempts, random.random())
        follow = self._follows(attempts, told, seconds)
        if follow is Follows.ATTEMPT:
            say(
                f"attempt {attempts + 1} of {self._limits.retries + 1} starts in {seconds:.0f} s,"
                f" because {told.attempt} is {told.outcome}",
                Level.NOTICE,
            )
            told = told._replace(signal=self._sleep(seconds))
            follow = self._follows(attempts, told, 0)  # we may have been stopped for longer
        return told, follow

    def _follows(self, attempts: int, told: _Told, seconds: float) -> Follows:
        start = time.monotonic() + seconds
        return follows(told.outcome, bound(self._limits, attempts, start, told.signal))

    def _sleep(self, seconds: float) -> int:
        """Wait; the first signal to us, or 0."""
        until = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._signals, select.POLLIN)
        while True:
            left = until - time.monotonic()
            poll.poll(max(0.0, left) * 1000)
            for number, _ in kernel.read_signals(self._signals):
                return number
            if left <= 0:
                return 0

    def _conclude(self, told: _Told, follow: Follows, attempts: int) -> int:
        """Say why no attempt follows, if the outcome does not say it; the exit status."""
        line = {
            Follows.STOPPED: "stopped by {signal}",
            Follows.NONE_LEFT: "attempt {attempts} was the last of {attempts}",
            Follows.TOO_LATE: "the next attempt would start after the {total:g} s of"
            " --deadline-total",
        }.get(follow)
        if line:
            why = line.format(
                signal=told.signal and signal.Signals(told.signal).name,
                attempts=attempts,
                total=self._total,
            )
            say(f"{why}: no further attempt; {told.attempt} is {told.outcome}", Level.NOTICE)
        by_signal = follow is Follows.STOPPED and self._exit_by is Exit.COMMAND
        return 128 + told.signal if by_signal else told.status


def _read(reader: int, number: int, status: int, stop: int) -> _Told:
    """The word of an attempt, and how its process ended."""
    words: list[str] = []
    with contextlib.suppress(BlockingIOError):  # it told nothing, and its own processes live on
        words = os.read(reader, 4096).decode().split(" ", 2)
    shown = end_of(status)[1]
    if os.WIFSIGNALED(status):
        seen = f"the process of attempt {number} was killed by signal {os.WTERMSIG(status)}"
        say(seen, hint=SEE_STATUS)
    if len(words) < 3 or os.WIFSIGNALED(status):
        return _Told(shown, stop)
    outcome, ended_by, attempt = words
    return _Told(shown, stop or int(ended_by), Outcome(outcome), attempt)
