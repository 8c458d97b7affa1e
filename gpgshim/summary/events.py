# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each kind of record is shown: what kind of event it is, between which parties, in what words.

Rule 1: DISPLAYS is total: it has a row for each kind of record that is no note. wording.py has
those of the notes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from gpgshim.core import records as r
from gpgshim.core.codec import Record


class Party(StrEnum):
    """The parties of an event, in the order of their columns in a diagram."""

    AUTHORITY = "authority"
    SUPERVISOR = "supervisor"
    JOB = "job"  # dgit-repos-server, or the command
    DGIT = "dgit"  # if it is known to take part, and is not the job itself
    GPG = "gpg"


class Kind(StrEnum):
    """The kind of an event."""

    ASK = "ask"  # gpg was called, and sends a request
    ANSWER = "answer"
    DISK = "disk"  # on disk, and synced
    MESSAGE = "message"  # between the authority and the supervisor
    REPORT = "report"  # the report of dgit-repos-server, which is held
    ENDED = "ended"  # a gpg has ended
    WORLD = "world"
    NOTE = "note"
    OUTCOME = "outcome"


P, K = Party, Kind


class Display(NamedTuple):
    """How a kind of record is shown: (kind, party, recipient, text). `{}` is a field."""

    kind: Kind
    who: Party
    to: Party | None
    text: str


DISPLAYS: dict[type[Record], Display] = {
    r.OutcomeIs: Display(K.OUTCOME, P.SUPERVISOR, None, "outcome: {outcome}"),
    r.StateIs: Display(K.DISK, P.SUPERVISOR, None, "on disk: {state}"),
    r.SignRequest: Display(K.ASK, P.GPG, P.SUPERVISOR, "may I sign? {call}"),
    r.UnknownRequest: Display(
        K.ASK, P.GPG, P.SUPERVISOR, "may I run? (an unknown command, which may sign) {call}"
    ),
    r.GoAhead: Display(K.MESSAGE, P.AUTHORITY, P.SUPERVISOR, "go-ahead"),
    r.Refused: Display(K.MESSAGE, P.AUTHORITY, P.SUPERVISOR, "refused {reason}"),
    r.AnswerExit: Display(K.MESSAGE, P.AUTHORITY, P.SUPERVISOR, "exit {status}"),
    r.AnswerSignal: Display(K.MESSAGE, P.AUTHORITY, P.SUPERVISOR, "signal {signal}"),
    r.Contradicted: Display(K.MESSAGE, P.AUTHORITY, P.SUPERVISOR, "exit 0, but refused {reason}"),
    r.UnexpectedAnswer: Display(K.MESSAGE, P.AUTHORITY, P.SUPERVISOR, "{line}"),
    r.Sent: Display(K.MESSAGE, P.SUPERVISOR, P.AUTHORITY, "{line}"),
    r.Granted: Display(K.ANSWER, P.SUPERVISOR, P.GPG, "go"),
    r.Denied: Display(K.ANSWER, P.SUPERVISOR, P.GPG, "no: {reason}"),
    r.Exited: Display(K.WORLD, P.JOB, P.SUPERVISOR, "ended with status {status}"),
    r.Signalled: Display(K.WORLD, P.JOB, P.SUPERVISOR, "was killed by signal {signal}"),
    r.NotStarted: Display(
        K.WORLD, P.SUPERVISOR, None, "the job could not be started (status {status})"
    ),
    r.Ended: Display(K.WORLD, P.JOB, P.SUPERVISOR, "is over, and its exit status was not reported"),
    r.WatchdogEnded: Display(
        K.WORLD, P.SUPERVISOR, None, "the watchdog was killed, so no report can be sent"
    ),
    r.Reported: Display(K.REPORT, P.JOB, P.SUPERVISOR, "(held) {line}"),
    r.ReportIncomplete: Display(
        K.WORLD, P.SUPERVISOR, None, "that report is incomplete, or contradicts the exit status"
    ),
    r.Bypassed: Display(K.WORLD, P.SUPERVISOR, None, "ALARM: a signature bypassed the gate"),
    r.Ungated: Display(K.WORLD, P.SUPERVISOR, None, "ALARM: the stunts were removed while it ran"),
    r.Unlocked: Display(
        K.WORLD, P.SUPERVISOR, None, "ALARM: the sockets of the lock were removed while it ran"
    ),
    r.GateClosed: Display(K.WORLD, P.SUPERVISOR, None, "the gate is closed"),
    r.WouldExit: Display(
        K.WORLD, P.DGIT, P.SUPERVISOR, "(only observed) would have exited with status {status}"
    ),
    r.Resolved: Display(K.WORLD, P.SUPERVISOR, None, "{who} resolved it as {result}: {note}"),
    r.ClientGone: Display(K.WORLD, P.GPG, None, "does not wait for its answer any more"),
    r.Forwarded: Display(
        K.WORLD,
        P.SUPERVISOR,
        None,
        "gpg-agent gets {command} {signature}: key {key}, pid {pid}",
    ),
    r.Signed: Display(K.WORLD, P.SUPERVISOR, None, "gpg-agent made signature {signature}"),
    r.Unsigned: Display(
        K.WORLD, P.SUPERVISOR, None, "gpg-agent did not make signature {signature}: {reason}"
    ),
    r.Unanswered: Display(
        K.WORLD, P.SUPERVISOR, None, "gpg-agent may have made signature {signature}"
    ),
    r.TimedOut: Display(K.WORLD, P.SUPERVISOR, None, "the authority did not answer in time"),
    r.HungUp: Display(K.WORLD, P.AUTHORITY, P.SUPERVISOR, "(closed the connection)"),
    r.Failed: Display(K.WORLD, P.SUPERVISOR, None, "cannot go on: {reason}"),
}

#: Notes about the request before them.
ABOUT_REQUEST = (
    r.Client,
    r.AtAgent,
    r.FileDigest,
    r.FileTooLarge,
    r.FilesLeftOut,
    r.FilesUnread,
    r.DataUnread,
    r.GitTag,
    r.GitCommit,
)

ENDED = Display(K.ENDED, P.GPG, None, "has ended")  #: the note GpgEnded
NOTED = Display(K.NOTE, P.SUPERVISOR, None, "")  #: all other notes
