# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays a transcript against the tables: would today's gate have acted in the same way?

Rule 1: input lines are fed to the gate, and output lines are compared. Notes and times are ignored.
Rule 2: only a `% failed` line cuts the effects short. A transcript that simply ends is a crash.
Rule 3: a request is an input of the gate. Whether gpg's command line needed a request is decided by
the reader of command lines, which the caller passes (`reread`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from gpgshim.core import o2m
from gpgshim.core import records as r
from gpgshim.core.codec import Record, text_of
from gpgshim.core.gate import STEPS, Effect, Event, State
from gpgshim.core.inputs import event_of
from gpgshim.core.quoting import QuoteError, unquote
from gpgshim.core.transcript import Transcript, TranscriptError
from gpgshim.core.verdict import ending_of, judge
from gpgshim.gpgargs import decision

#: The endings after which the supervisor of dgit-repos-server sends the manager nothing.
SENDS_NOTHING = (r.WatchdogEnded, r.NotStarted)


class Due(NamedTuple):
    """An output that is due: its text in a difference, and whether a record is that output."""

    shown: str
    fits: Callable[[Record], bool]


def _exactly(record: Record) -> Due:
    return Due(text_of(record), record.__eq__)


GRANT = _exactly(r.Granted())
REFUSE = Due(r.Denied.start, lambda found: isinstance(found, r.Denied))  # for whatever cause
#: Our own message in place of dgit-repos-server's, which versions of gpgshim word differently.
OWN_MESSAGE = Due(
    "> message", lambda found: isinstance(found, r.Sent) and found.line.split(" ")[0] == "message"
)

#: Effects -> the output; an effect that is not here writes nothing.
OUTPUTS = {
    Effect.WRITE_UNKNOWN: _exactly(r.StateIs(State.UNKNOWN)),
    Effect.SEND_COMMIT: _exactly(r.Sent(o2m.COMMIT_LINE)),
    Effect.WRITE_COMMITTED: _exactly(r.StateIs(State.COMMITTED)),
    Effect.GRANT: GRANT,
    Effect.REFUSE: REFUSE,
}


_OUTCOMES = {str(each): o2m.Said(each) for each in o2m.OUTCOMES}


def replay(transcript: Transcript) -> list[str]:
    """The differences, one clause each; empty if today's gate acts as the transcript says."""
    player = _Player(o2m_job=transcript.head.get("authority") == "o2m")
    for line, (record, _) in zip(transcript.lines, transcript.read(), strict=True):
        player.take(record, str(line._replace(at=None)))
    try:
        judge(transcript)
    except TranscriptError as error:
        player.differences.append(str(error))
    return player.differences


#: The verdict on a command line that each kind of request stands for.
READINGS = {r.SignRequest: decision.SIGN, r.UnknownRequest: decision.UNKNOWN_COMMAND}


def reread(transcript: Transcript, read: Callable[[list[str], str], decision.Reading]) -> list[str]:
    """The requests of the transcript that `read` classifies differently, one clause each.

    `read` gets gpg's words and its working directory, which is empty if it is not known. A request
    whose words were cut or could not be read is left out, and so is one that the lock of gpg-agent
    held: gpg was running already.
    """
    differences = []
    records = [record for record, _ in transcript.read(("$", "?", "#"))]
    for at, request in enumerate(records):
        after = records[at + 1 : at + 3]
        if isinstance(request, r.Request) and (words := _words_of(request)):
            if any(isinstance(note, r.AtAgent) for note in after):
                continue
            reading = read(words, _where(after))
            if reading.verdict != READINGS[type(request)]:
                differences.append(
                    f"{text_of(request):.200} was taken for {READINGS[type(request)]},"
                    f" and is {reading.verdict}: {reading.reason}"
                )
    return differences


def _where(after: list[Record]) -> str:
    """The working directory of the client that sent the request before `after`."""
    return after[0].directory if after and isinstance(after[0], r.Client) else ""


def _words_of(request: r.Request) -> list[str]:
    """gpg's words after its name; empty if the record does not hold all of them."""
    if request.call.endswith(" words>"):
        return []
    try:
        name, *words = unquote(request.call)
    except QuoteError:
        return []
    return words if name == "gpg" else []


class _Player:
    """The state of a replay."""

    def __init__(self, o2m_job: bool) -> None:
        self.differences: list[str] = []
        self.state = State.UNCOMMITTED
        self.disk = State.UNKNOWN
        self.waiting = 0
        self.due = deque([_exactly(r.StateIs(State.UNCOMMITTED))])
        self.report_due: deque[Due] = deque()  # after the answers to clients that ask meanwhile
        self.o2m_job = o2m_job  # whether a report is due at the end
        self.said: list[str] = []
        self.half = False  # whether dgit-repos-server's report is incomplete
        self.reply: o2m.Reply | None = None

    def take(self, record: Record, line: str) -> None:
        """Feed one record; `line` is its text in the transcript."""
        event = event_of(record)
        match record:
            case r.Reported(line=said):
                self.said.append(said)
            case r.ReportIncomplete():
                self.half = True
            case r.ClientGone():
                self.waiting -= 1
            case r.Sent() | r.StateIs() | r.Granted() | r.Denied():
                self.compare(record, line)
            case r.OutcomeIs() if self.due or self.report_due:
                self.differ(line)
            case r.Forwarded() if self.due:  # gpg-agent gets a command after its grant
                self.differ(line)
        if event is not None:
            self.happen(record, event, line)

    def happen(self, record: Record, event: Event, line: str) -> None:
        if event in (Event.ASKED, Event.UNKNOWN_COMMAND) and {*self.due} <= {GRANT, REFUSE}:
            pass  # several clients can ask before the first is answered
        else:
            if (self.due or self.report_due) and event is not Event.FAILED:
                self.differ(line)
            self.due.clear()
            self.report_due.clear()
        self.waiting += event in (Event.ASKED, Event.UNKNOWN_COMMAND)
        was_late = self.state is State.LATE
        self.state, effects = STEPS[self.state, event]
        for effect in effects:
            if effect in (Effect.GRANT, Effect.REFUSE):
                self.due.extend([OUTPUTS[effect]] * self.waiting)
                self.waiting = 0
            elif effect in OUTPUTS:
                self.due.append(OUTPUTS[effect])
        if self.o2m_job and ending_of(record) and not isinstance(record, SENDS_NOTHING):
            self.reply = o2m.REPLIES[self.disk, self.amount()]
            self.report(late=False)
        elif was_late and event is Event.GO_AHEAD:
            self.report(late=True)

    def amount(self) -> o2m.Said:
        if self.half:
            return o2m.Said.HALF
        return _OUTCOMES.get(self.said[-1], o2m.Said.HALF) if self.said else o2m.Said.NOTHING

    def report(self, late: bool) -> None:
        """A report is due now, unless the authority must be told of a signature first."""
        if self.reply is not None and (self.reply is o2m.Reply.TELL_LATE) is late:
            report = o2m.parse_report("".join(f"{each}\n" for each in self.said).encode())
            lines = o2m.reply_lines(self.reply, report)
            self.report_due.extend(_exactly(r.Sent(each)) for each in lines)
            if self.reply is o2m.Reply.CRASHED:
                self.report_due[0] = OWN_MESSAGE

    def compare(self, record: Record, line: str) -> None:
        due = self.due or self.report_due
        wanted = due.popleft() if due else Due("nothing", lambda _: False)
        if not wanted.fits(record):
            self.differences.append(f"{line!r} stands where {wanted.shown!r} was due")
        if isinstance(record, r.StateIs):
            self.disk = record.state

    def differ(self, line: str) -> None:
        due = self.due or self.report_due
        self.differences.append(f"{line!r} comes where {due[0].shown!r} was due")
