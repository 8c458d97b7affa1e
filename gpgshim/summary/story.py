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

from gpgshim.core.gate import Event as GateEvent
from gpgshim.core.gate import State
from gpgshim.core.replay import event_of
from gpgshim.core.transcript import Line, Transcript, TranscriptError, unquote
from gpgshim.core.verdict import Verdict, ending_of, judge


class Undo(StrEnum):
    """What could still be undone."""

    RETRIABLE = "retriable"  # everything: no commitment was requested
    ASKING = "being asked"  # the authority may have heard the request, and has not answered
    UNKNOWN = "not known"  # it will not answer; or a signature bypassed the gate
    REFUSED = "refused"  # it refused: it has not committed, but it heard the request
    FINAL = "final"  # nothing: signatures may have been made


#: The explanation of each for a new reader.
MEANINGS = {
    Undo.RETRIABLE: "nobody was asked to commit: if the job failed now, it could be tried again",
    Undo.ASKING: "the authority may have heard: it is never called retriable again",
    Undo.UNKNOWN: "nobody can tell from here: ask the authority what it believes",
    Undo.REFUSED: "the authority has not committed, and the gate let no gpg sign",
    Undo.FINAL: "signatures may have been made, and are not taken back",
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


class Event(NamedTuple):
    """One event. `at` is in seconds since the job began; `to` is None without a recipient.

    `undo` holds from this event on. `number` is that of the gpg concerned, or 0. For an ASK,
    `notes` describe the client and its files, and `by` is the program that called gpg.
    """

    at: float | None
    kind: Kind
    who: Party
    to: Party | None
    what: str
    undo: Undo
    number: int = 0
    notes: tuple[str, ...] = ()
    by: str = ""


class Story(NamedTuple):
    """The story of one attempt. `names` has the parties that take part, in their order.

    `no_return` and `commitment` are the indices of the events from which on the job was not
    retriable, and final; None if that did not happen. `seconds` is its length, and `retriable` the
    time for which it was retriable; both are None if the journal has no times. `waits_for` is empty
    if there is an outcome. `bypassed` says whether a signature bypassed the gate.
    """

    head: dict[str, str]
    verdict: Verdict
    events: tuple[Event, ...]
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


P, K = Party, Kind

#: First words of a `%` line -> (kind, party, recipient, text). `{}` is the rest of the line.
WORLD: dict[str, tuple[Kind, Party, Party | None, str]] = {
    "exit": (K.WORLD, P.JOB, P.SUPERVISOR, "ended with status {}"),
    "signal": (K.WORLD, P.JOB, P.SUPERVISOR, "was killed by signal {}"),
    "no-start": (K.WORLD, P.SUPERVISOR, None, "the job could not be started (status {})"),
    "end": (K.WORLD, P.JOB, P.SUPERVISOR, "is over, and nobody said how it went"),
    "unkept": (K.WORLD, P.SUPERVISOR, None, "the keeper was killed: nobody would hear a report"),
    "said": (K.REPORT, P.JOB, P.SUPERVISOR, "(held) {}"),
    "half": (K.WORLD, P.SUPERVISOR, None, "that report is not whole, or belied by the exit status"),
    "bypassed": (K.WORLD, P.SUPERVISOR, None, "ALARM: a signature went round the gate"),
    "ungated": (K.WORLD, P.SUPERVISOR, None, "ALARM: the stunts were taken away while it ran"),
    "close": (K.WORLD, P.SUPERVISOR, None, "the gate is closed"),
    "would": (K.WORLD, P.DGIT, P.SUPERVISOR, "(only observed) would have exited with status {}"),
    "gone": (K.WORLD, P.GPG, None, "does not wait for its answer any more"),
    "timeout": (K.WORLD, P.SUPERVISOR, None, "the authority did not answer in time"),
    "eof": (K.WORLD, P.AUTHORITY, P.SUPERVISOR, "(hung up)"),
    "failed": (K.WORLD, P.SUPERVISOR, None, "cannot go on: {}"),
}

#: The authority's answer that an event of the gate stands for.
_HEARD = {
    GateEvent.REFUSAL: Heard.REFUSAL,
    GateEvent.SILENCE: Heard.SILENCE,
    GateEvent.FAILED: Heard.SILENCE,
    GateEvent.CLOSE: Heard.SILENCE,  # an answer after this grants nothing
}

LONGEST_NAME = 16  #: characters of a party's name
LONGEST_JOB = 1e9  #: seconds; a greater value is not taken as a time


def tell(transcript: Transcript) -> Story:
    """The story of a journal, complete or torn.

    Raises TranscriptError for a journal that contradicts itself.
    """
    verdict = judge(transcript)
    teller = _Teller(transcript)
    for line in transcript.lines:
        teller.take(line)
    if transcript.torn:
        teller.doubt("(the last line is torn: what it would have said is not known)")
    elif not transcript.lines:
        teller.doubt("(there is no event: what happened is not known)")
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
        sum(event.kind is Kind.ANSWER and event.what == "go" for event in events),
        teller.waits_for(),
        teller.bypassed,
    )


def _first(events: tuple[Event, ...], true: Callable[[Event], bool]) -> int | None:
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
    except TranscriptError:
        first = "the job"
    name = first.rpartition("/")[2] if first.isascii() and first.isprintable() else "the job"
    return "d-r-s" if name == "dgit-repos-server" else (name or "the job")[:LONGEST_NAME]


def read_callers(note: str) -> list[str]:
    """The programs that a client runs under, the nearest first, from its `pid …` note."""
    _, under, names = note.partition(", under ")
    return [each.rpartition("[")[0] for each in names.split(", ")] if under else []


class _Teller:
    """Builds a story, line by line."""

    def __init__(self, transcript: Transcript) -> None:
        self.events: list[Event] = []
        self.saw_dgit = False
        # Journal.create writes the first line without a time; the job's time begins there.
        self._start = 0.0 if any(line.at is not None for line in transcript.lines) else None
        self._disk = State.UNKNOWN  # until a line says otherwise
        self._heard = Heard.SILENCE
        # The time of the bypass is unknown, so from the beginning on nothing is certain.
        self.bypassed = any(
            (line.sigil, line.text) == ("%", "bypassed") for line in transcript.lines
        )
        self._ungated = any((x.sigil, x.text) == ("%", "ungated") for x in transcript.lines)
        self._asked = 0
        self._waiting: list[int] = []
        self._signing: set[int] = set()
        self._held = False  # whether there is a report that was not sent to the manager yet
        self._over = self._told = False
        self._noting = False  # whether a note would belong to the last event

    def take(self, line: Line) -> None:
        """Add one line."""
        if line.sigil == "#":
            self._noting = self._note(line)
            return
        self._noting = line.sigil in ("$", "?")
        self._hear(line)
        word, _, rest = line.text.partition(" ")
        if line.sigil in ("$", "?"):
            self._asked += 1
            self._waiting.append(self._asked)
            question = "may I sign?" if line.sigil == "$" else "may I? (who knows whether it signs)"
            what = f"{question} {line.text}"
            self._add(line, Kind.ASK, Party.GPG, Party.SUPERVISOR, what, self._asked)
        elif line.sigil == "=":
            number = self._waiting.pop(0) if self._waiting else 0
            self._signing |= {number} if word == "go" else set()
            what = f"no: {rest}" if word == "no" and rest else line.text
            self._add(line, Kind.ANSWER, Party.SUPERVISOR, Party.GPG, what, number)
        elif line.sigil == "!":
            self._add(line, Kind.DISK, Party.SUPERVISOR, None, f"on disk: {line.text}")
        elif line.sigil == ">":
            self._held = False
            self._add(line, Kind.MESSAGE, Party.SUPERVISOR, Party.AUTHORITY, line.text)
        elif line.sigil == "<":
            self._add(line, Kind.MESSAGE, Party.AUTHORITY, Party.SUPERVISOR, line.text)
        elif line.sigil == "%":
            self._world(line, word, rest)
        else:
            self._told = True
            self._add(line, Kind.OUTCOME, Party.SUPERVISOR, None, f"outcome: {line.text}")

    def doubt(self, what: str) -> None:
        """The journal ends at a point after which anything may have happened."""
        undo = Undo.UNKNOWN if self._undo() is Undo.RETRIABLE else self._undo()
        at = self.events[-1].at if self.events else None
        self.events.append(Event(at, Kind.NOTE, Party.SUPERVISOR, None, what, undo))

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
            return "the job: nobody was asked to commit yet"
        return "the job to go on, or to end"

    def _hear(self, line: Line) -> None:
        """Update the state and the authority's answer from `line`."""
        if line.sigil == "!":
            self._disk, self._heard = State(line.text), Heard.NOTHING
            return
        self._over = self._over or ending_of(line) is not None
        event = event_of(line)
        if event is GateEvent.CLOSE and self.bypassed:
            return  # the gate was closed before the late request to the authority
        if event in _HEARD and self._heard is Heard.NOTHING:
            self._heard = _HEARD[event]

    def _undo(self) -> Undo:
        undo = UNDO[self._disk, self._heard]
        unsure = self.bypassed or self._ungated
        return Undo.UNKNOWN if undo is Undo.RETRIABLE and unsure else undo

    def _add(
        self,
        line: Line,
        kind: Kind,
        who: Party,
        to: Party | None,
        what: str,
        number: int = 0,
    ) -> None:
        at = line.at if self.events or line.at is not None else self._start
        self.events.append(Event(at, kind, who, to, what, self._undo(), number))

    def _world(self, line: Line, word: str, rest: str) -> None:
        kind, who, to, text = WORLD[word]
        self.saw_dgit = self.saw_dgit or who is Party.DGIT
        number = int(rest) if word == "gone" and rest.isdecimal() and len(rest) < 9 else 0
        if number in self._waiting:
            self._waiting.remove(number)
        self._held = self._held or kind is Kind.REPORT
        self._add(line, kind, who, to, text.format(rest), number)

    def _note(self, line: Line) -> bool:
        """Add a note; whether the next note could belong to the same request."""
        words = line.text.split(" ")
        about = self._noting and words[0] in ("pid", "sha256")
        if about:
            last = self.events[-1]
            callers = read_callers(line.text) if words[0] == "pid" else []
            self.saw_dgit = self.saw_dgit or "dgit" in callers
            by = last.by or (callers[0] if callers else "")
            self.events[-1] = last._replace(notes=(*last.notes, line.text), by=by)
        elif (
            words[0] == "gpg"
            and words[-2:] == ["has", "ended"]
            and words[1].isdecimal()
            and len(words[1]) < 9
        ):
            self._signing.discard(int(words[1]))
            self._add(line, Kind.ENDED, Party.GPG, None, "has ended", int(words[1]))
        else:
            self._add(line, Kind.NOTE, Party.SUPERVISOR, None, f"({line.text})")
        return about
