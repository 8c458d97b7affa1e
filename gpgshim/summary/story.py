# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of one job, from its journal: events, parties, times, and what could be undone.

Rule 1: pure: a transcript in, events out. The terminal, the page and the table use the same events.
Rule 2: `undo` is what would be true of the job if everything had stopped at that moment. It is a
row of UNDO, and claims no more than verdict.judge does for the journal so far.
Rule 3: names, command lines and notes are foreign text. They are shown, and decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.core.gate import Event, State
from gpgshim.core.inputs import event_of
from gpgshim.core.quoting import QuoteError, unquote
from gpgshim.core.transcript import Entry, Transcript
from gpgshim.core.verdict import Verdict, ending_of, judge
from gpgshim.core.wording import describe
from gpgshim.summary.events import ABOUT_REQUEST, DISPLAYS, ENDED, NOTED, Display, Kind, Party


class Undo(StrEnum):
    """What could still be undone."""

    RETRIABLE = "retriable"  # everything: no commitment was requested
    ASKING = "being asked"  # the authority may have heard the request, and has not answered
    UNKNOWN = "not known"  # it will not answer; or a signature bypassed the gate
    REFUSED = "refused"  # it refused: it has not committed, but it heard the request
    FINAL = "final"  # nothing: signatures may have been made


#: The explanation of each for a new reader.
MEANINGS = {
    Undo.RETRIABLE: "no request to commit was sent: if the job failed now, it could be tried again",
    Undo.ASKING: "the authority may have received the request: the job is not retriable",
    Undo.UNKNOWN: "the journal does not show it: ask the authority whether it has committed",
    Undo.REFUSED: "the authority has not committed, and the gate let no gpg sign",
    Undo.FINAL: "signatures may have been made, and cannot be undone",
}


class Heard(StrEnum):
    """The kinds of answer from the authority."""

    NOTHING = "nothing"  # so far
    REFUSAL = "refusal"
    SILENCE = "silence"  # and no answer will come


S, H = State, Heard

#: (durable state, the authority's answer in that state) -> what could still be undone.
UNDO: dict[tuple[State, Heard], Undo] = {
    (S.UNCOMMITTED, H.NOTHING): Undo.RETRIABLE,
    (S.UNCOMMITTED, H.REFUSAL): Undo.RETRIABLE,  # an answer without a request
    (S.UNCOMMITTED, H.SILENCE): Undo.RETRIABLE,
    (S.UNKNOWN, H.NOTHING): Undo.ASKING,
    (S.UNKNOWN, H.REFUSAL): Undo.REFUSED,
    (S.UNKNOWN, H.SILENCE): Undo.UNKNOWN,
    (S.COMMITTED, H.NOTHING): Undo.FINAL,
    (S.COMMITTED, H.REFUSAL): Undo.FINAL,
    (S.COMMITTED, H.SILENCE): Undo.FINAL,
}


class StoryEvent(NamedTuple):
    """One event. `record` is what the journal has of it. `at` is in seconds since the job began;
    `to` is None without a recipient.

    `undo` holds from this event on. `number` is that of the gpg concerned, or 0. For an ASK,
    `about` are the notes on the client and its files, and `by` is the program that called gpg.
    """

    record: Record
    at: float | None
    kind: Kind
    who: Party
    to: Party | None
    undo: Undo
    number: int = 0
    about: tuple[Record, ...] = ()
    by: str = ""

    @property
    def what(self) -> str:
        """The event in words."""
        record = self.record
        if isinstance(record, r.GpgEnded):
            return ENDED.text
        if record.is_note:
            return f"({describe(record)})"
        if isinstance(record, r.Denied) and not record.reason:
            return "no" if record.cause is r.Cause.OTHER else f"no: {record.cause}"
        return DISPLAYS[type(record)].text.format_map(vars(record)).strip()

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes in words."""
        return tuple(map(describe, self.about))


class Story(NamedTuple):
    """The story of one attempt. `names` has the parties that take part, in their order.

    `no_return` and `commitment` are the indices of the events from which on the job was not
    retriable, and final; None if that did not happen. `seconds` is its length, and `retriable` the
    time for which it was retriable; both are None if the journal has no times. `waits_for` is empty
    if there is an outcome. `bypassed` says whether a signature bypassed the gate.
    """

    head: dict[str, str]
    verdict: Verdict
    events: tuple[StoryEvent, ...]
    names: dict[Party, str]
    no_return: int | None
    commitment: int | None
    seconds: float | None
    retriable: float | None
    signatures: int
    waits_for: str
    bypassed: bool

    @property
    def name(self) -> str:
        """The name of the journal: JOB.N."""
        return f"{self.head.get('job', '?')}.{self.head.get('attempt', '?')}"

    @property
    def is_to_scale(self) -> bool:
        """Whether every event has a time, and the times never decrease."""
        times = [event.at for event in self.events if event.at is not None]
        return (
            len(times) == len(self.events) > 0
            and all(0 <= at < LONGEST_JOB for at in times)
            and times == sorted(times)
        )


#: The authority's answer that an event of the gate stands for.
_HEARD = {
    Event.REFUSAL: Heard.REFUSAL,
    Event.SILENCE: Heard.SILENCE,
    Event.TIMEOUT: Heard.SILENCE,
    Event.FAILED: Heard.SILENCE,
    Event.CLOSE: Heard.SILENCE,  # an answer after this grants nothing
}

LONGEST_NAME = 16  #: characters of a party's name
LONGEST_JOB = 1e9  #: seconds; a greater value is not taken as a time


def tell(transcript: Transcript) -> Story:
    """The story of a journal, complete or torn.

    Raises TranscriptError for a journal that contradicts itself.
    """
    verdict = judge(transcript)
    entries = transcript.read()
    teller = _Teller(entries)
    for entry in entries:
        teller.take(entry)
    if transcript.torn:
        teller.doubt("the last line is torn: what it would have said is not known")
    elif not transcript.lines:
        teller.doubt("there is no event: what happened is not known")
    names = _names(transcript.head, teller.saw_dgit)
    events = tuple(teller.events)
    if Party.DGIT not in names:  # dgit is the job itself
        events = tuple(
            event._replace(who=Party.JOB) if event.who is Party.DGIT else event for event in events
        )
    no_return = _first(events, lambda event: event.undo is not Undo.RETRIABLE)
    times = [event.at for event in events if event.at is not None]
    seconds = times[-1] if times else None
    return Story(
        transcript.head,
        verdict,
        events,
        names,
        no_return,
        _first(events, lambda event: event.undo is Undo.FINAL),
        seconds,
        seconds if no_return is None else events[no_return].at,
        teller.granted,
        teller.waits_for(),
        teller.bypassed,
    )


def _first(events: tuple[StoryEvent, ...], true: Callable[[StoryEvent], bool]) -> int | None:
    return next((n for n, event in enumerate(events) if true(event)), None)


def _names(head: dict[str, str], saw_dgit: bool) -> dict[Party, str]:
    authority = head.get("authority", "")
    names = {
        Party.AUTHORITY: "manager" if authority.startswith("o2m") else "authority",
        Party.SUPERVISOR: "supervisor",
        Party.JOB: job_name(head),
        Party.DGIT: "dgit",
        Party.GPG: "gpg",
    }
    if not saw_dgit or names[Party.JOB] == "dgit":
        del names[Party.DGIT]
    return names


def job_name(head: dict[str, str]) -> str:
    """The job's name as a party: d-r-s, or the name of the command."""
    try:
        first = (unquote(head.get("command", "")) or ["the job"])[0]
    except QuoteError:
        first = "the job"
    name = first.rpartition("/")[2] if first.isascii() and first.isprintable() else "the job"
    return "d-r-s" if name == "dgit-repos-server" else (name or "the job")[:LONGEST_NAME]


class _Teller:
    """Builds a story, record by record."""

    def __init__(self, entries: list[Entry]) -> None:
        self.events: list[StoryEvent] = []
        self.saw_dgit = False
        self.granted = 0
        # Journal.create writes the first line without a time; the job's time begins there.
        self._start = 0.0 if any(at is not None for _, at in entries) else None
        self._disk = State.UNKNOWN  # until a record says otherwise
        self._heard = Heard.SILENCE
        # The time of the bypass is unknown, so from the beginning on nothing is certain.
        self.bypassed = any(isinstance(record, r.Bypassed) for record, _ in entries)
        self._ungated = any(isinstance(record, (r.Ungated, r.Unlocked)) for record, _ in entries)
        self._asked = 0
        self._waiting: list[int] = []
        self._signing: set[int] = set()
        self._at_agent: set[int] = set()  # requests that the lock of gpg-agent holds
        self._held = False  # whether there is a report that was not sent to the manager yet
        self._over = self._told = False
        self._noting = False  # whether a note would belong to the last event

    def take(self, entry: Entry) -> None:
        """Add one record."""
        record, at = entry
        if record.is_note:
            self._note(record, at)
            return
        self._noting = isinstance(record, r.Request)
        self._hear(record)
        number = self._count(record)
        display = DISPLAYS[type(record)]
        self.saw_dgit = self.saw_dgit or display.who is Party.DGIT
        self._add(record, at, display, number)

    def _count(self, record: Record) -> int:
        """Update what is under way from `record`; the number of the gpg concerned, or 0."""
        match record:
            case r.Request():
                self._asked += 1
                self._waiting.append(self._asked)
                return self._asked
            case r.Granted() | r.Denied():
                number = self._waiting.pop(0) if self._waiting else 0
                if isinstance(record, r.Granted):
                    self.granted += 1
                    if number not in self._at_agent:
                        self._signing.add(number)
                return number
            case r.ClientGone(request=number):
                if number in self._waiting:
                    self._waiting.remove(number)
                return number
            case r.Reported():
                self._held = True
            case r.Sent():
                self._held = False
            case r.OutcomeIs():
                self._told = True
        return 0

    def doubt(self, what: str) -> None:
        """The journal ends at a point after which anything may have happened."""
        undo = Undo.UNKNOWN if self._undo() is Undo.RETRIABLE else self._undo()
        at = self.events[-1].at if self.events else None
        self.events.append(StoryEvent(r.Note(what), at, Kind.NOTE, Party.SUPERVISOR, None, undo))

    def waits_for(self) -> str:
        """The event that a job under way waits for, as far as its journal shows."""
        if self._told:
            return ""
        if self._held:
            return "what is left of it to end: its report is held"
        if self._undo() is Undo.ASKING:
            gpgs = f"{len(self._waiting)} gpg" + ("" if len(self._waiting) == 1 else "s")
            return f"the authority's answer ({gpgs})"
        if self._over:
            return "its outcome to be written"
        if self._signing:
            gpgs = ", ".join(f"gpg {number}" for number in sorted(self._signing))
            return f"{gpgs}, which may sign"
        if self._undo() is Undo.RETRIABLE:
            return "the job: no request to commit was sent yet"
        return "the job to go on, or to end"

    def _hear(self, record: Record) -> None:
        """Update the state and the authority's answer from `record`."""
        if isinstance(record, r.StateIs):
            self._disk, self._heard = record.state, Heard.NOTHING
            return
        self._over = self._over or ending_of(record) is not None
        event = event_of(record)
        if event is Event.CLOSE and self.bypassed:
            return  # the gate was closed before the late request to the authority
        if event in _HEARD and self._heard is Heard.NOTHING:
            self._heard = _HEARD[event]

    def _undo(self) -> Undo:
        undo = UNDO[self._disk, self._heard]
        unsure = self.bypassed or self._ungated
        return Undo.UNKNOWN if undo in (Undo.RETRIABLE, Undo.REFUSED) and unsure else undo

    def _add(self, record: Record, at: float | None, display: Display, number: int = 0) -> None:
        if at is None and not self.events:
            at = self._start
        elif isinstance(record, r.Resolved):  # it has its own time, which is not of the attempt
            at = self.events[-1].at
        kind, who, to, _ = display
        self.events.append(StoryEvent(record, at, kind, who, to, self._undo(), number))

    def _note(self, note: Record, at: float | None) -> None:
        if self._noting and isinstance(note, ABOUT_REQUEST):
            last = self.events[-1]
            by = last.by
            if isinstance(note, r.AtAgent):
                self._at_agent.add(last.number)
            if isinstance(note, r.Client):
                names = [each.name for each in note.above]
                self.saw_dgit = self.saw_dgit or "dgit" in names
                by = names[0] if names else ""
            self.events[-1] = last._replace(about=(*last.about, note), by=by)
            return
        self._noting = False
        if isinstance(note, r.GpgEnded):
            self._signing.discard(note.request)
            self._add(note, at, ENDED, note.request)
        else:
            self._add(note, at, NOTED)
