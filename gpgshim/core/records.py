# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of record in a journal: each line is one record with named fields.

Rule 1: a kind is a class: the start of its line, its meaning, and its fields in the order of the
line. There is no other kind of line. lockrecords.py has those of the lock.
Rule 2: a cause is a word. Text for people is the last field. No code decides by such a text.

This is format 2. format1.py gives the same records for the journals of earlier versions. A version
that does not know a kind, also a note, takes the journal for unknown. CONTRIBUTING.md has the steps
for a new kind of line.
"""

# Without `from __future__ import annotations`: codec.py reads the annotations as types.

from gpgshim.core.codec import Code, Processes, Record, Text
from gpgshim.core.gate import Outcome, State
from gpgshim.core.lockrecords import AtAgent as AtAgent
from gpgshim.core.lockrecords import Forwarded as Forwarded
from gpgshim.core.lockrecords import OtherKey as OtherKey
from gpgshim.core.lockrecords import Passed as Passed
from gpgshim.core.lockrecords import Signed as Signed
from gpgshim.core.lockrecords import Unanswered as Unanswered
from gpgshim.core.lockrecords import Unlocked as Unlocked
from gpgshim.core.lockrecords import Unsigned as Unsigned
from gpgshim.core.terms import Cause as Cause
from gpgshim.core.terms import Delivery as Delivery
from gpgshim.core.terms import Killing as Killing
from gpgshim.core.terms import Resolution as Resolution
from gpgshim.core.terms import Source as Source
from gpgshim.core.terms import Unread as Unread

# The outcome, and the states.


class OutcomeIs(Record, start=""):
    """What is true of the job; the line is this word alone."""

    outcome: Outcome


class StateIs(Record, start="!"):
    """This state is on disk, and synced."""

    state: State


# Inputs.


class Request(Record):
    """A client asks for a gpg. `call` is its command line, quoted; long ones are cut."""

    call: Text


class SignRequest(Request, start="$"):
    """This gpg would sign."""


class UnknownRequest(Request, start="?"):
    """We do not know the command of this gpg."""


class Answer(Record):
    """The authority answered."""


class GoAhead(Answer, start="< go-ahead"):
    """It commits."""


class Refused(Answer, start="< refused"):
    """It refused: it has certainly not committed."""

    reason: Text


class AnswerExit(Answer, start="< exit"):
    """It is a command, and ended with an exit status that leaves the commitment unknown."""

    status: int


class AnswerSignal(Answer, start="< signal"):
    """It is a command, and was killed by this signal."""

    signal: int


class Contradicted(Answer, start="< contradicted"):
    """It is a command that exited with 0, though its last line is `refused REASON`."""

    reason: Text


class UnexpectedAnswer(Answer, start="< unexpected"):
    """It sent a line that has no meaning to us."""

    line: Text


class Exited(Record, start="% exit"):
    """The job ended with this exit status."""

    status: int


class Signalled(Record, start="% signal"):
    """The job was killed by this signal."""

    signal: int


class NotStarted(Record, start="% no-start"):
    """The job could not be started. `status` is env(1)'s, or 71: a retry may succeed."""

    status: int


class Ended(Record, start="% end"):
    """The job is over, and its exit status was not reported."""


class WatchdogEnded(Record, start="% watchdog-ended"):
    """The watchdog was killed: the job is over, and its report cannot be sent."""


class Reported(Record, start="% said"):
    """A line of dgit-repos-server's report. The last one is an outcome."""

    line: Text


class ReportIncomplete(Record, start="% half"):
    """That report is incomplete, or contradicts the exit status."""


class Bypassed(Record, start="% bypassed"):
    """The job reports an upload, but got no grant."""


class Ungated(Record, start="% ungated"):
    """The job's stunts were removed while it ran: its gpg may have been the real one."""


class GateClosed(Record, start="% close"):
    """A client or a signal closed the gate."""


class WouldExit(Record, start="% would"):
    """Only in observe mode: the stunt dgit would have exited with this status."""

    status: int


class Resolved(Record, start="% resolved"):
    """After the attempt: a person has looked, and says what is true of the job.

    `who` is USER@HOST, `when` is UTC, and `note` is the person's reason.
    """

    result: Resolution
    who: Code
    when: Code
    note: Text


class ClientGone(Record, start="% gone"):
    """The client of this request (from 1) does not wait for its answer any more."""

    request: int


class TimedOut(Record, start="% timeout"):
    """The authority did not answer in time."""


class HungUp(Record, start="% eof"):
    """The authority closed the connection."""


class Failed(Record, start="% failed"):
    """An effect could not be performed. `cause` is the error's name, such as enospc."""

    cause: Code
    reason: Text


# Outputs.


class Sent(Record, start=">"):
    """A line to the authority."""

    line: Text


class Granted(Record, start="= go"):
    """The oldest request that waits was granted."""


class Denied(Record, start="= no"):
    """The oldest request that waits was refused."""

    cause: Cause
    reason: Text


# Notes.


class Client(Record, start="# client"):
    """The process that sent the request before. `above` are its ancestors, the nearest first.

    `directory` is its working directory; empty if it is not known.
    """

    pid: int
    directory: str
    above: Processes


STDIN = "-"  #: the name of a file that is a client's stdin


class FileDigest(Record, start="# sha256"):
    """A file that this request would sign, and its SHA-256; `-` is its stdin."""

    digest: str
    file: str


class FileTooLarge(Record, start="# too-large"):
    """A file that was not read, because it is too large."""

    file: str


class FilesLeftOut(Record, start="# more-files"):
    """So many more files were not read."""

    count: int


class FilesUnread(Record, start="# unread"):
    """The files of this request were not read."""

    cause: Unread
    reason: Text


class DataUnread(Record, start="# stdin"):
    """This request would sign its stdin, and the data is not known."""

    source: Source


class GitTag(Record, start="# git-tag"):
    """The data of this request is a tag object of git, for the object with this hash."""

    object: Code
    kind: Code
    tag: Text


class GitCommit(Record, start="# git-commit"):
    """The data of this request is a commit object of git. `subject` begins its message."""

    tree: Code
    subject: Text


class Withdrawn(Record, start="# withdrawn"):
    """A client was gone before its files were read; its request did not reach the gate."""

    pid: int
    call: Text


class GpgEnded(Record, start="# ended"):
    """The gpg of this granted request has ended."""

    request: int
    pid: int


class ClientHungUp(Record, start="# hung-up"):
    """A client closed the connection before its request: it gave up, or was killed."""

    pid: int


class NoRequest(Record, start="# no-request"):
    """A client sent no request within so many seconds."""

    pid: int
    seconds: int


class Nonsense(Record, start="# nonsense"):
    """A client does not follow the protocol."""

    pid: int
    reason: Text


class GaveUp(Record, start="# gave-up"):
    """A stunt refused by itself, or stopped waiting, for this reason."""

    pid: int
    reason: Text


class ForeignUser(Record, start="# foreign-user"):
    """A process of another user was refused."""

    user: int
    pid: int


class ForeignProcess(Record, start="# foreign-process"):
    """A process that does not belong to the job was refused."""

    pid: int


class NotAsked(Record, start="# not-asked"):
    """The authority could not be asked, and has heard nothing."""

    reason: Text


class SignalReceived(Record, start="# signal"):
    """We got this signal."""

    signal: str
    delivery: Delivery


class OutOfTime(Record, start="# out-of-time"):
    """The time for all attempts of a series is over (run --deadline-total)."""


class InvalidReport(Record, start="# wrote"):
    """What dgit-repos-server wrote in place of a report."""

    text: Text


class Killed(Record, start="# killed"):
    """Processes of the job were killed."""

    cause: Killing
    processes: Processes


class LeftRunning(Record, start="# left-running"):
    """Only in observe mode: these processes would have been killed, because the job is over."""

    processes: Processes


class Note(Record, start="# note"):
    """Any other text for people; also a line of format 1 that is not in format1.NOTES."""

    text: Text
