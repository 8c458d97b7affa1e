# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal's entries: one method for each kind of line that a supervisor writes.

Rule 1: this is the only place where a supervisor's lines get their text.
Rule 2: a line that an effect relies on raises OSError if it was not written. All other lines are
best effort: their loss changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from gpgshim.core.gate import Effect, Event
from gpgshim.core.transcript import escape
from gpgshim.history.journal import Journal


class Entries:
    """Writes to `journal`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    # Effects rely on these. They raise OSError.

    def request(self, event: Event, call: str, notes: Iterable[str]) -> list[str]:
        """A request for gpg's command line `call`, and the notes about it; the lines."""
        lines = [f"{'$' if event is Event.ASKED else '?'} {call}", *notes]
        self._journal.note(*lines)
        return lines

    def state(self, effect: Effect) -> None:
        """A new durable state, on disk."""
        self._journal.sync(effect.value)

    def sync(self) -> None:
        """Have all entries on disk."""
        self._journal.sync()

    def commit_sent(self) -> None:
        self._journal.note(Effect.SEND_COMMIT.value)

    def granted(self, number: int) -> None:
        """So many clients were granted."""
        self._journal.note(*[Effect.GRANT.value] * number)

    # The gate.

    def refused(self, why: str) -> None:
        self.note(f"{Effect.REFUSE.value} {escape(why)}")

    def failed(self, error: OSError) -> None:
        """An effect could not be performed."""
        self.note(f"% failed {text_of(error)}")

    def answer(self, line: str) -> None:
        """The authority's answer, or why there is none."""
        self.note(line)

    def timeout(self) -> None:
        self.note("% timeout")

    def not_asked(self, error: OSError) -> None:
        """The authority could not be asked, and has heard nothing."""
        self.note(f"# it was not asked: {text_of(error)}")

    def close(self) -> None:
        self.note("% close")

    def ungated(self) -> None:
        """The stunts were removed, so PATH has led the job to the real gpg since."""
        self.note("% ungated")

    def bypassed(self) -> None:
        self.note("% bypassed")

    def would(self, status: int) -> None:
        self.note(f"% would {status}")

    # Clients.

    def foreign_user(self, user: int, pid: int) -> None:
        self.note(f"# user id {user} (pid {pid}) is not ours, and was sent away")

    def foreign_process(self, pid: int) -> None:
        self.note(f"# pid {pid} is no process of this job, and was sent away")

    def silent_client(self, pid: int, seconds: float) -> None:
        self.note(f"# pid {pid} sent no question within {seconds:g} s")

    def hung_up(self, pid: int) -> None:
        self.note(f"# pid {pid} hung up before it asked: it gave up, or was killed")

    def malformed(self, pid: int, error: Exception) -> None:
        self.note(f"# pid {pid} made no sense: {escape(str(error))}")

    def gave_up(self, pid: int, why: str) -> None:
        self.note(f"# pid {pid} gave up: {escape(why)}")

    def gone(self, number: int) -> None:
        """The client of that request stopped waiting for its answer."""
        self.note(f"% gone {number}")

    def gone_early(self, pid: int, call: str) -> None:
        self.note(f"# pid {pid} was gone before its files were read: {call}")

    def gpg_ended(self, number: int, pid: int) -> None:
        self.note(f"# gpg {number} (pid {pid}) has ended")

    # The job.

    def over(self, line: str) -> None:
        """The end of the job."""
        self.note(line)

    def signal(self, name: str, job_has_it: bool) -> None:
        """A signal to us, which closes the gate."""
        does = "the job got it too" if job_has_it else "pass it on"
        self.note(f"# we got {name}, and {does}", "% close")

    def said(self, lines: Sequence[str]) -> None:
        """dgit-repos-server's report, without the line that ends the job."""
        for each in lines:
            self.note(said(each))

    def half(self, wrote: str) -> None:
        """dgit-repos-server's output is no report."""
        self.note(f"# it wrote: {escape(wrote)}")
        self.note("% half")

    def killed(self, processes: Iterable[str]) -> None:
        self.note(f"# killed, because the job is over: {escape(', '.join(processes))}")

    def killed_unheard(self, processes: Iterable[str]) -> None:
        if names := escape(", ".join(processes)):
            self.note(f"# killed, because the manager will be told nothing: {names}")

    def not_killed(self, processes: Iterable[str]) -> None:
        """In observe mode."""
        names = escape(", ".join(processes))
        self.note(f"# would have been killed, the job is over: {names}")

    def reply(self, lines: Iterable[str]) -> None:
        """The report to the manager."""
        for each in lines:
            self.note(f"> {escape(each)}")

    def note(self, *lines: str) -> None:
        """Write lines, best effort."""
        with contextlib.suppress(OSError):
            self._journal.note(*lines)


def said(line: str) -> str:
    """The entry for a line of dgit-repos-server's report."""
    return f"% said {escape(line)}"


def text_of(error: OSError) -> str:
    """The cause of an error, on one line."""
    return escape(error.strerror or str(error))
