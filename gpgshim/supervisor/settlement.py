# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settlement: the outcome of a job that is over, on disk.

Rule 1: the outcome is derived from the journal, read back; never from the memory of this process.
Rule 2: an outcome that a crash of the machine could change is not reported.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from gpgshim.core.gate import OUTCOMES, Outcome, State
from gpgshim.core.transcript import TranscriptError, parse_line
from gpgshim.core.verdict import Verdict, ending_of, judge_bytes, judge_journal
from gpgshim.history.journal import Journal, Lost
from gpgshim.system.errors import Fact, Unable


class Settlement:
    """Reads `journal` back. With `observes` the outcome is no row of OUTCOMES."""

    def __init__(self, journal: Journal, observes: bool) -> None:
        self._journal = journal
        self._observes = observes
        self._verdict: Verdict | None = None

    def settle(self, over: str) -> Verdict:
        """The outcome of the job that ended as the line `over` says, on disk.

        Raises Unable if the journal was removed or cannot be read back, and if the disk did not
        take the job's end and the outcome depends on it.
        """
        if self._verdict is None:
            seen = self._read_back()
            ending = ending_of(parse_line(over))
            assert ending is not None
            if not self._observes and OUTCOMES[seen.state, ending] is not seen.outcome:
                raise Unable(
                    f"{self._journal.path}: the line {over!r} could not be written,"
                    f" so the journal says: {seen.outcome}: {seen.meaning}"
                )
            failed = None
            if not seen.told:  # an earlier call may have written it, and failed to read it back
                try:
                    self._journal.sync(seen.outcome.value)
                except OSError as error:
                    failed = error
            # If the disk tore the last line, the journal's verdict is another one.
            verdict = self._read_back()
            if failed:
                self._check_the_disk(verdict, failed, over)
            self._verdict = verdict
        return self._verdict

    def durable_state(self) -> State:
        """The state that is on disk."""
        return self._read_verdict().state

    def now(self) -> Verdict:
        """The settled verdict, or what the journal says so far."""
        return self._verdict or self._read_verdict()

    def _check_the_disk(self, seen: Verdict, error: OSError, over: str) -> None:
        """Raises Unable if a crash of the machine could leave another outcome than the one seen.

        `irrecoverable` is allowed in any case: it claims nothing.
        """
        with contextlib.suppress(OSError):
            self._journal.sync()  # the job's end, if there is no room for the outcome
        on_disk = self._judge(self._journal.read_synced)
        if seen.outcome not in (on_disk.outcome, Outcome.IRRECOVERABLE):
            raise Unable(
                f"{self._journal.path}: the line {over!r} may not be on disk ({error.strerror}),"
                f" so the journal may say: {on_disk.outcome}: {on_disk.meaning}"
            ) from error

    def _read_verdict(self) -> Verdict:
        try:
            return self._read_back()
        except Unable:
            return judge_bytes(b"")  # it is gone, so nothing better can be proved

    def _read_back(self) -> Verdict:
        return self._judge(self._journal.read)

    def _judge(self, read: Callable[[], bytes]) -> Verdict:
        path = self._journal.path
        try:
            return judge_journal(read())
        except (Lost, TranscriptError) as error:
            now = judge_bytes(b"")
            raise Unable(
                f"{path} cannot be read back ({getattr(error, 'strerror', None) or error}):"
                f" {now.outcome}: {now.meaning}"
            ) from error
        except OSError as error:
            # Others may read the journal later, so we must not report an outcome that could differ.
            raise Unable(
                f"{path} cannot be read back ({error.strerror})",
                Fact.OUTCOME_UNKNOWN,
                hint=f"do not retry the job before `gpgshim show {path.name}` shows its outcome",
            ) from error


def exit_line(status: int) -> tuple[str, int]:
    """(journal line, exit status as a shell reports it) for a wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"% signal {number}", 128 + number
    number = os.WEXITSTATUS(status)
    return f"% exit {number}", number
