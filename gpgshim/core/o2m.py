"""tag2upload's oracle-to-manager protocol, version 9: the lines that a supervisor meets.

Rule 1: exactly one line is read, after we have asked, and not a byte more: the next belongs to the
worker.
Rule 2: `go-ahead` is the only yes. The protocol has no word for no, so all else, and an end of
file, means that nobody knows.
Rule 3: an outcome goes to the manager once, whole, and only as a row of REPLIES says.

Source: dgit-infrastructure 17.0, tag2upload-oracled and dgit-repos-server.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from gpgshim.core.gate import Event, Outcome, State

COMMIT = b"commit-to-public-upload\n"
GO_AHEAD = b"go-ahead\n"

LONGEST_LINE = 4096  #: bytes, line feed included; the lines we wait for are far shorter


def answer_to_commit(line: bytes) -> Event:
    """What the manager's line, line feed included, means for the gate. Total."""
    return Event.GO_AHEAD if line == GO_AHEAD else Event.SILENCE


class Report(NamedTuple):
    """The three lines with which dgit-repos-server ends: what became of the job."""

    message: str
    email: str
    outcome: Outcome

    @property
    def lines(self) -> list[str]:
        """As they go over the wire, without line feeds."""
        return [f"message {self.message}", f"email {self.email}", str(self.outcome)]


#: What an `email` line can begin with: has the user had the final mail?
EMAIL = ("reported", "unreported")

#: The outcomes that the protocol has words for.
OUTCOMES = (Outcome.UPLOADED, Outcome.IRRECOVERABLE, Outcome.RETRIABLE)


class Said(StrEnum):
    """What dgit-repos-server has written, when it is gone."""

    UPLOADED = "uploaded"
    IRRECOVERABLE = "irrecoverable"
    RETRIABLE = "retriable"
    NOTHING = "nothing"
    HALF = "half"  # no whole report, or one that its exit status belies: the user may have a mail


def parse_report(data: bytes) -> Report | None:
    """The report that dgit-repos-server wrote; None for anything but one, whole."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not text.replace("\n", "").isprintable():
        return None
    message = lines[0].removeprefix("message ")
    email = lines[1].removeprefix("email ")
    if message == lines[0] or email == lines[1] or email.partition(" ")[0] not in EMAIL:
        return None
    return Report(message, email, Outcome(lines[2])) if lines[2] in OUTCOMES else None


def amount_to(report: Report | None, data: bytes, exited_0: bool) -> Said:
    """What dgit-repos-server's last words (`data`, read as `report`) and its exit amount to."""
    if report is not None and exited_0:
        return Said(report.outcome)
    return Said.HALF if data else Said.NOTHING


class Reply(StrEnum):
    """What becomes of a report, once dgit-repos-server is gone and the gate is closed."""

    FORWARD = "forward"  # as it is
    TELL_LATE = "tell-late"  # commit first, late: a signature went round the gate
    CORRECT = "correct"  # as irrecoverable: something was granted, so it cannot be retriable
    CRASHED = "crashed"  # our own: not committed, and the reason of its death is not known
    DROP = "drop"  # nothing: exit non-zero, the worker drops the connection, the manager reports


S, D, R = State, Said, Reply

#: (durable state, what was said) -> the reply.
REPLIES: dict[tuple[State, Said], Reply] = {
    (S.UNCOMMITTED, D.UPLOADED): R.TELL_LATE,  # never hide a publication
    (S.UNCOMMITTED, D.IRRECOVERABLE): R.FORWARD,  # it rejected the tag, and the user has its mail
    (S.UNCOMMITTED, D.RETRIABLE): R.FORWARD,  # what all this is for
    (S.UNCOMMITTED, D.NOTHING): R.CRASHED,
    (S.UNCOMMITTED, D.HALF): R.DROP,  # an irrecoverable that was mailed never becomes retriable
    # The manager did not answer as it should: where the protocol stands, nobody can say.
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
    """Whether the manager will be told nothing in this durable state, whatever is said.

    Then the uploader is to be told nothing either. The manager will act on what it believes, which
    we do not know: a mail from us could say the opposite. Stock's, too, dies without one.
    """
    return all(REPLIES[state, said] is Reply.DROP for said in Said)


CRASH = Report(
    "processing crashed before the gate let any gpg sign", "unreported -", Outcome.RETRIABLE
)
#: The same message in journals of earlier versions; it claimed more than the gate had watched.
FORMER_CRASH_MESSAGE = "processing crashed before any signature was made"


def reply_lines(reply: Reply, report: Report | None) -> list[str]:
    """The lines, without line feeds, with which a reply ends; none for DROP.

    `report` is not None where the reply needs one, by REPLIES.
    """
    if reply is Reply.CRASHED:
        report = CRASH
    elif reply is Reply.CORRECT and report is not None:
        report = report._replace(outcome=Outcome.IRRECOVERABLE)
    return [] if reply is Reply.DROP or report is None else report.lines
