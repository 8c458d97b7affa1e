# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""tag2upload's oracle-to-manager protocol, version 9: the lines that concern a supervisor.

Rule 1: we read exactly one line, after our request, and no byte more. Further input belongs to the
worker.
Rule 2: `go-ahead` is the only positive answer. The protocol has no word for a refusal, so any other
line, or an end of file, leaves the commitment state unknown.
Rule 3: an outcome goes to the manager once, complete, and only as a row of REPLIES says.

Source: dgit-infrastructure 17.0, tag2upload-oracled and dgit-repos-server.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from gpgshim.core.gate import Event, Outcome, State

COMMIT_LINE = "commit-to-public-upload"
COMMIT = f"{COMMIT_LINE}\n".encode()
GO_AHEAD = b"go-ahead\n"

LONGEST_LINE = 4096  #: bytes, with the line feed; the expected lines are far shorter


def answer_to_commit(line: bytes) -> Event:
    """The gate's event for the manager's line (with its line feed). Total."""
    return Event.GO_AHEAD if line == GO_AHEAD else Event.SILENCE


_MESSAGE = "message "


def message_in(line: str) -> str:
    """The text of a line of the report that is its message; empty for any other line."""
    return line.removeprefix(_MESSAGE) if line.startswith(_MESSAGE) else ""


class Report(NamedTuple):
    """The final report of dgit-repos-server, three lines: the outcome of the job."""

    message: str
    email: str
    outcome: Outcome

    @property
    def lines(self) -> list[str]:
        """The three lines as they are sent, without line feeds."""
        return [f"{_MESSAGE}{self.message}", f"email {self.email}", str(self.outcome)]


#: The words that an `email` line can begin with: whether the user got the final mail.
EMAIL = ("reported", "unreported")

#: The outcomes that have a word in the protocol.
OUTCOMES = (Outcome.UPLOADED, Outcome.IRRECOVERABLE, Outcome.RETRIABLE)


class Said(StrEnum):
    """The report of a dgit-repos-server that has ended."""

    UPLOADED = "uploaded"
    IRRECOVERABLE = "irrecoverable"
    RETRIABLE = "retriable"
    NOTHING = "nothing"
    HALF = "half"  # incomplete, or contradicts the exit status: a mail may have been sent


def parse_report(data: bytes) -> Report | None:
    """The report of dgit-repos-server; None unless `data` is exactly one complete report."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not text.replace("\n", "").isprintable():
        return None
    message = lines[0].removeprefix(_MESSAGE)
    email = lines[1].removeprefix("email ")
    if message == lines[0] or email == lines[1] or email.partition(" ")[0] not in EMAIL:
        return None
    return Report(message, email, Outcome(lines[2])) if lines[2] in OUTCOMES else None


def amount_to(report: Report | None, data: bytes, exited_0: bool) -> Said:
    """Classify dgit-repos-server's output (`data`, parsed as `report`) and its exit status."""
    if report is not None and exited_0:
        return Said(report.outcome)
    return Said.HALF if data else Said.NOTHING


class Reply(StrEnum):
    """The treatment of a report after dgit-repos-server has ended and the gate is closed."""

    FORWARD = "forward"  # send it unchanged
    TELL_LATE = "tell-late"  # send the commitment first, late: a signature bypassed the gate
    CORRECT = "correct"  # send it as irrecoverable: there was a grant, so not retriable
    CRASHED = "crashed"  # send our own report: not committed, and the crash is unexplained
    DROP = "drop"  # send nothing, exit non-zero: the worker disconnects, the manager reports


S, D, R = State, Said, Reply

#: (durable state, report of dgit-repos-server) -> reply.
REPLIES: dict[tuple[State, Said], Reply] = {
    (S.UNCOMMITTED, D.UPLOADED): R.TELL_LATE,  # never hide a publication
    (S.UNCOMMITTED, D.IRRECOVERABLE): R.FORWARD,  # the tag was rejected, and the user got a mail
    (S.UNCOMMITTED, D.RETRIABLE): R.FORWARD,  # the purpose of this project
    (S.UNCOMMITTED, D.NOTHING): R.CRASHED,
    (S.UNCOMMITTED, D.HALF): R.DROP,  # an irrecoverable that was mailed never becomes retriable
    # The manager did not give a valid answer, so the state of the protocol is unknown.
    (S.UNKNOWN, D.UPLOADED): R.DROP,
    (S.UNKNOWN, D.IRRECOVERABLE): R.DROP,
    (S.UNKNOWN, D.RETRIABLE): R.DROP,
    (S.UNKNOWN, D.NOTHING): R.DROP,
    (S.UNKNOWN, D.HALF): R.DROP,
    (S.COMMITTED, D.UPLOADED): R.FORWARD,
    (S.COMMITTED, D.IRRECOVERABLE): R.FORWARD,
    (S.COMMITTED, D.RETRIABLE): R.CORRECT,
    (S.COMMITTED, D.NOTHING): R.DROP,
    (S.COMMITTED, D.HALF): R.DROP,
}


def is_dropped(state: State) -> bool:
    """Whether the manager hears nothing in this durable state, whatever the report says.

    If so, the uploader must hear nothing either. The manager acts on its own state, which we do
    not know, and a mail from us could contradict it. The unmodified dgit-repos-server also sends no
    mail here.
    """
    return all(REPLIES[state, said] is Reply.DROP for said in Said)


CRASH = Report(
    "processing crashed before the gate let any gpg sign", "unreported -", Outcome.RETRIABLE
)


def reply_lines(reply: Reply, report: Report | None) -> list[str]:
    """The lines of a reply, without line feeds; none for DROP.

    `report` must not be None where REPLIES needs a report.
    """
    if reply is Reply.CRASHED:
        report = CRASH
    elif reply is Reply.CORRECT and report is not None:
        report = report._replace(outcome=Outcome.IRRECOVERABLE)
    return [] if reply is Reply.DROP or report is None else report.lines
