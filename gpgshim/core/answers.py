# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer of an authority that is a command: its end, and the last line that it printed.

Rule 1: ANSWERS is total, and only its first row is go-ahead.
Rule 2: only an explicit word is a refusal. A crashed interpreter exits with 1, so 1 is no word.
Rule 3: a line that is incomplete, or longer than LONGEST_LINE, has no meaning.
"""

from __future__ import annotations

from enum import StrEnum

from gpgshim.core import records as r
from gpgshim.core.gate import NOT_PERMITTED

LONGEST_LINE = 4096  #: bytes, without the line feed
_WORD = b"refused"


class End(StrEnum):
    """How the command ended."""

    ZERO = "exit 0"
    REFUSAL = "exit 77"
    OTHER = "any other exit status"
    SIGNAL = "a signal"


class Said(StrEnum):
    """The last line of its output."""

    REFUSED = "`refused` or `refused REASON`"
    OTHER = "any other line, or none"


#: (the end of the command, the last line that it printed) -> its answer.
ANSWERS: dict[tuple[End, Said], type[r.Answer]] = {
    (End.ZERO, Said.OTHER): r.GoAhead,
    (End.ZERO, Said.REFUSED): r.Contradicted,  # one of the two is false; it is not known which
    (End.REFUSAL, Said.OTHER): r.Refused,
    (End.REFUSAL, Said.REFUSED): r.Refused,
    (End.OTHER, Said.OTHER): r.AnswerExit,
    (End.OTHER, Said.REFUSED): r.Refused,  # `echo refused REASON; exit 1`
    (End.SIGNAL, Said.OTHER): r.AnswerSignal,
    (End.SIGNAL, Said.REFUSED): r.AnswerSignal,  # what it would have printed next is unknown
}


def of_exit(status: int, line: bytes) -> r.Answer:
    """The answer of a command that exited with `status`, and whose last line is `line`."""
    end = End.ZERO if not status else End.REFUSAL if status == NOT_PERMITTED else End.OTHER
    reason = reason_of(line)
    kind = ANSWERS[end, Said.OTHER if reason is None else Said.REFUSED]
    if kind is r.AnswerExit:
        return r.AnswerExit(status)
    return kind(*[reason or ""] * len(kind.fields))


def of_signal(number: int) -> r.AnswerSignal:
    """The answer of a command that a signal killed, whatever it printed: see ANSWERS."""
    return r.AnswerSignal(number)


def reason_of(line: bytes) -> str | None:
    """The reason in a line `refused REASON`; None if the line is not one."""
    word, _, reason = line.partition(b" ")
    return reason.decode("utf-8", "surrogateescape").strip() if word == _WORD else None


class LastLine:
    """The last line of an output that comes in parts. It keeps little of the output."""

    def __init__(self) -> None:
        self._complete = b""  # the last complete line
        self._begun = b""  # the line after it, as far as it goes

    def add(self, data: bytes) -> None:
        """The next part of the output."""
        *complete, begun = (self._begun + data).split(b"\n")
        if complete:
            self._complete = complete[-1][: LONGEST_LINE + 1]
        self._begun = begun[: LONGEST_LINE + 1]  # one byte more, so that it counts as too long

    @property
    def line(self) -> bytes:
        """The last line, without its line feed; empty if it is incomplete or too long."""
        if self._begun or len(self._complete) > LONGEST_LINE:
            return b""
        return self._complete
