# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settlement: the outcome of a job that is over, on disk.

Rule 1: the outcome is derived from the journal, read back; never from the memory of this process.
Rule 2: the outcome is on disk before it is reported.
Rule 3: an outcome that a crash of the machine could change is not reported.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import NamedTuple

from gpgshim.core import o2m
from gpgshim.core import records as r
from gpgshim.core.codec import Record, text_of
from gpgshim.core.gate import Outcome, State
from gpgshim.core.transcript import TranscriptError
from gpgshim.core.verdict import Verdict, ending_of, judge_bytes, judge_journal
from gpgshim.history.journal import Journal, Lost
from gpgshim.supervisor.entries import Entries
from gpgshim.supervisor.mode import Mode
from gpgshim.system.errors import Fact, Unable


class Report(NamedTuple):
    """The report of dgit-repos-server on a job that is over."""

    said: o2m.Said  # what its output and its exit status amount to
    whole: o2m.Report | None  # its three lines, if they are one complete report
    commit_late: Callable[[], None]  # have the authority commit, because a signature went round us


class Reply(NamedTuple):
    """The verdict on a job that is over, and the report to the manager."""

    verdict: Verdict
    treatment: o2m.Reply | None = None  # of the report; None for a job without one
    lines: tuple[str, ...] = ()  # for the manager; none if it gets nothing


class Settlement:
    """Reads `journal` back. `settled` is called when the outcome is on disk, and not reported."""

    def __init__(
        self,
        journal: Journal,
        entries: Entries,
        mode: Mode,
        settled: Callable[[], object] = lambda: None,
    ) -> None:
        self._settled = settled
        self._journal = journal
        self._entries = entries
        self._mode = mode
        self._reply: Reply | None = None

    def conclude(self, over: Record, report: Report | None = None) -> Reply:
        """Settle the outcome of the job that ended as `over` says.

        When this returns, the outcome is on disk, and may be reported. Raises Unable if the
        journal was removed or cannot be read back, and if the disk did not take the job's end and
        the outcome depends on it.
        """
        if self._reply:  # a client has asked for it before
            return self._reply
        seen = self._read_back()
        treatment = o2m.REPLIES[seen.state, report.said] if report else None
        if report and treatment is o2m.Reply.TELL_LATE:
            report.commit_late()
            seen = self._read_back()
            if seen.state is not State.COMMITTED:
                treatment = o2m.Reply.DROP
        self._check_the_end(seen, over)
        lines = o2m.reply_lines(treatment, report.whole) if report and treatment else []
        self._entries.note(*map(r.Sent, lines))
        verdict = self._write_outcome(seen, over)
        if lines and lines[-1] != verdict.outcome:
            lines = []  # the disk tore the last line, and the manager must not hear another outcome
        self._reply = Reply(verdict, treatment, tuple(lines))
        self._settled()
        return self._reply

    def durable_state(self) -> State:
        """The state that is on disk."""
        return self.verdict().state

    def verdict(self) -> Verdict:
        """The verdict of the conclusion; before that, the one on the journal so far."""
        if self._reply:
            return self._reply.verdict
        try:
            return self._read_back()
        except Unable:
            return judge_bytes(b"")  # it is gone, so nothing better can be proved

    def _check_the_end(self, seen: Verdict, over: Record) -> None:
        ending = ending_of(over)
        assert ending is not None
        if self._mode.outcome(seen.known, ending) is not seen.outcome:
            raise Unable(
                f"{self._journal.path}: the line {text_of(over)!r} could not be written,"
                f" so the journal says: {seen.outcome}: {seen.meaning}"
            )

    def _write_outcome(self, seen: Verdict, over: Record) -> Verdict:
        """Have the outcome on disk; the verdict, which is another one if the disk tore the line."""
        if seen.told:  # an earlier call wrote it, and could not go on
            return seen
        try:
            self._journal.sync(r.OutcomeIs(seen.outcome))
        except OSError as error:
            verdict = self._read_back()
            self._check_the_disk(verdict, error, over)
            return verdict
        return seen._replace(told=True)

    def _check_the_disk(self, seen: Verdict, error: OSError, over: Record) -> None:
        """Raises Unable if a crash of the machine could leave another outcome than the one seen.

        `irrecoverable` is allowed in any case: it claims nothing.
        """
        with contextlib.suppress(OSError):
            self._journal.sync()  # the job's end, if there is no room for the outcome
        on_disk = self._judge(self._journal.read_synced)
        if seen.outcome not in (on_disk.outcome, Outcome.IRRECOVERABLE):
            raise Unable(
                f"{self._journal.path}: the line {text_of(over)!r} may not be on disk"
                f" ({error.strerror}), so the journal may say: {on_disk.outcome}: {on_disk.meaning}"
            ) from error

    def _read_back(self) -> Verdict:
        return self._judge(self._journal.read)

    def _judge(self, read: Callable[[], bytes]) -> Verdict:
        path = self._journal.path
        try:
            return judge_journal(read())
        except (Lost, TranscriptError) as error:
            unknown = judge_bytes(b"")
            raise Unable(
                f"{path} cannot be read back ({getattr(error, 'strerror', None) or error}):"
                f" {unknown.outcome}: {unknown.meaning}"
            ) from error
        except OSError as error:
            # Others may read the journal later, so we must not report an outcome that could differ.
            raise Unable(
                f"{path} cannot be read back ({error.strerror})",
                Fact.OUTCOME_UNKNOWN,
                hint=f"do not retry the job before `gpgshim show {path.name}` shows its outcome",
            ) from error


def end_of(status: int) -> tuple[Record, int]:
    """(record of the job's end, exit status as a shell reports it) for a wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return r.Signalled(number), 128 + number
    number = os.WEXITSTATUS(status)
    return r.Exited(number), number
