# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for known ways past the gate when a job starts, and warns about them.

Rule 1: doctor's own checks look, in the directory and the environment of the job. Only the checks
that take some milliseconds are made, and only if their program is on PATH.
Rule 2: a process of its own looks, while the job is set up. The job starts SECONDS after the start
of that process at the latest, whatever git or rpm do.
Rule 3: a warning changes nothing of the job. A check that fails warns of nothing.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gpgshim.system import places
from gpgshim.system.log import Level, say
from gpgshim.system.processes import start_process

if TYPE_CHECKING:
    from gpgshim.doctor.checks.facts import Machine
    from gpgshim.doctor.checks.finding import Past

SECONDS = 3.0  #: a job waits no longer for the warnings, from the start of its set-up


class Way(NamedTuple):
    """A part of a check: how it gathers facts, and which of them lead past the gate."""

    gather: Callable[[Machine], Any]
    past: Callable[[Any], Sequence[Past]]


#: A name of config.WARNINGS -> the program without which there is nothing to look for.
NEEDS = {"git": "git", "debsign": "debsign", "debuild": "debuild", "rpm": "rpm"}


def ways() -> dict[str, Way]:
    """The ways by the names of config.WARNINGS. The checks are imported here."""
    from gpgshim.doctor.checks import debian, signers

    return {
        "git": Way(signers.gather_git, signers.past_git),
        "debsign": Way(debian.gather_debsign, debian.past_debsign),
        # Without the part about gbp, which takes most of a second.
        "debuild": Way(debian.gather_kept, debian.past_debuild),
        "rpm": Way(signers.gather_rpm, signers.past_rpm),
    }


class Look:
    """A look for the ways with these names, by a process that has started."""

    def __init__(self, names: Sequence[str], environ: Mapping[str, str]) -> None:
        self._until = time.monotonic() + SECONDS
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            self._pid = start_process(lambda: _look(names, environ, writer))
        except OSError:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)
        with contextlib.suppress(OSError):  # it has done this itself, or has ended
            os.setpgid(self._pid, self._pid)

    def warn(self) -> None:
        """Wait for the end of the look, and print a warning for each way that it found.

        It may be called once.
        """
        told, in_time = self._hear()
        parts = told.decode("utf-8", "surrogateescape").split("\0")
        for found, todo in zip(parts[:-1:2], parts[1::2], strict=False):
            say(f"way past the gate: {found}", Level.WARNING, hint=todo)
        if not in_time:
            say(
                f"the look for ways past the gate took longer than {SECONDS:g} s, and was ended",
                Level.WARNING,
                hint="`gpgshim doctor` takes its time; the setting `warn` leaves out programs",
            )

    def end(self) -> None:
        """End the process, if it has not ended. It may be called twice."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, os.WNOHANG)  # it may hang in a file system
            self._pid = 0
            os.close(self._reader)

    def _hear(self) -> tuple[bytes, bool]:
        """Everything that the process has found, and whether it has ended in time."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        told = b""
        while poll.poll(max(0.0, self._until - time.monotonic()) * 1000):
            more = os.read(self._reader, 1 << 16)
            if not more:
                os.waitpid(self._pid, 0)  # it ends now
                self._pid = 0
                os.close(self._reader)
                return told, True
            told += more
        self.end()
        return told, False


@contextlib.contextmanager
def looking(names: Sequence[str], environ: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """Look for the ways with these names while the body runs.

    The body gets a function that waits for the end of the look and prints the warnings.
    """
    search = environ.get("PATH", os.defpath)
    there = [name for name in names if places.find_program(NEEDS[name], search)]
    look = None
    if there:
        # Without a free process or descriptor, the set-up of the job reports that.
        with contextlib.suppress(OSError):
            look = Look(there, environ)
    try:
        yield look.warn if look else lambda: None
    finally:
        if look:
            look.end()


def _look(names: Sequence[str], environ: Mapping[str, str], writer: int) -> None:
    os.setpgid(0, 0)  # so that programs that hang are ended too
    signal.alarm(int(SECONDS) + 1)  # if our parent is killed
    from gpgshim.doctor.machine import Machine

    machine = Machine(environ=environ)
    all_ways = ways()
    for name in names:
        way = all_ways[name]
        with contextlib.suppress(Exception):
            for found, todo in way.past(way.gather(machine)):
                os.write(writer, f"{found}\0{todo}\0".encode("utf-8", "surrogateescape"))
