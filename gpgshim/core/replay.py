"""Replays a transcript against the tables: would today's gate have acted in the same way?

Rule 1: input lines are fed to the gate, and output lines are compared. Notes and times are ignored.
Rule 2: only a `% failed` line cuts the effects short. A transcript that simply ends is a crash.
Rule 3: a request is an input of the gate. Whether gpg's command line needed a request is decided by
the reader of command lines, which the caller passes (`reread`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gpgshim.core import o2m
from gpgshim.core.gate import STEPS, Effect, Event, State
from gpgshim.core.transcript import Line, Transcript, TranscriptError, unquote
from gpgshim.core.verdict import ending_of, judge
from gpgshim.gpgargs import decision

#: Input lines -> events. Any other `<` line is an answer without a meaning to the gate.
EVENTS = {
    ("$", ""): Event.ASKED,
    ("?", ""): Event.UNKNOWN_COMMAND,
    ("<", "go-ahead"): Event.GO_AHEAD,
    ("<", "refused"): Event.REFUSAL,
    ("<", ""): Event.SILENCE,
    ("%", "timeout"): Event.SILENCE,
    ("%", "eof"): Event.SILENCE,
    ("%", "failed"): Event.FAILED,
    ("%", "close"): Event.CLOSE,
    ("%", "bypassed"): Event.BYPASSED,
}


ANSWERS = {Effect.GRANT.line, Effect.REFUSE.line}

#: The `%` words after which the supervisor of dgit-repos-server sends the manager nothing.
SENDS_NOTHING = ("unkept", "no-start")


def event_of(line: Line) -> Event | None:
    """The gate's event of an input line; None for outputs, notes and `% gone`."""
    if ending_of(line):
        return Event.CLOSE
    key = (line.sigil, line.text if line.sigil == "<" else line.text.partition(" ")[0])
    return EVENTS.get(key) or EVENTS.get((line.sigil, ""))


def replay(transcript: Transcript) -> list[str]:
    """The differences, one clause each; empty if today's gate acts as the transcript says."""
    player = _Player(o2m_job=transcript.head.get("authority") == "o2m")
    for line in transcript.lines:
        player.take(line._replace(at=None))
    try:
        judge(transcript)
    except TranscriptError as error:
        player.differences.append(str(error))
    return player.differences


#: The verdict on a command line that each sigil of a request stands for.
READINGS = {"$": decision.SIGN, "?": decision.UNKNOWN_COMMAND}


def reread(transcript: Transcript, read: Callable[[list[str], str], decision.Reading]) -> list[str]:
    """The requests of the transcript that `read` classifies differently, one clause each.

    `read` gets gpg's words and its working directory, which is empty if it is not known. A request
    whose words were cut or could not be read is left out.
    """
    differences = []
    for at, line in enumerate(transcript.lines):
        words = _words_of(line)
        if words:
            reading = read(words, _where(transcript.lines[at + 1 : at + 2]))
            if reading.verdict != READINGS[line.sigil]:
                differences.append(
                    f"{line._replace(at=None)!s:.200} was taken for {READINGS[line.sigil]},"
                    f" and is {reading.verdict}: {reading.reason}"
                )
    return differences


def _where(after: tuple[Line, ...]) -> str:
    """The directory in the note after a request (audit.Witness.describe), if it is unescaped."""
    for line in after:
        about, _, where = line.text.partition(" in ")
        if line.sigil == "#" and about.startswith("pid ") and "\\" not in where:
            return where.partition(", under ")[0]
    return ""


def _words_of(line: Line) -> list[str]:
    """gpg's words after its name; empty if `line` is no request or does not hold all of them."""
    if line.sigil not in READINGS or line.text.endswith(" words>"):
        return []
    try:
        name, *words = unquote(line.text)
    except (TranscriptError, ValueError):
        return []
    return words if name == "gpg" else []


#: A line that is due, and its wording in an earlier version, whose journals stay valid.
FORMER_WORDS = (f"> message {o2m.CRASH.message}", f"> message {o2m.FORMER_CRASH_MESSAGE}")


class _Player:
    """The state of a replay."""

    def __init__(self, o2m_job: bool) -> None:
        self.differences: list[str] = []
        self.state = State.UNCOMMITTED
        self.disk = State.UNKNOWN
        self.waiting = 0
        self.due = deque(["! uncommitted"])
        self.report_due: deque[str] = deque()  # after the answers to clients that ask meanwhile
        self.o2m_job = o2m_job  # whether a report is due at the end
        self.said: list[str] = []
        self.reply: o2m.Reply | None = None

    def take(self, line: Line) -> None:
        event = event_of(line)
        word, _, text = line.text.partition(" ")
        if line.sigil == "%" and word == "said":
            self.said.append(text)
        if event is not None:
            self.happen(line, event)
        elif line.sigil == "%" and word == "gone":
            self.waiting -= 1
        elif line.sigil == "%" and word == "half":
            self.said = [word]
        elif line.sigil in (">", "!", "="):
            self.compare(line)
        elif not line.sigil and (self.due or self.report_due):
            self.differ(line)

    def happen(self, line: Line, event: Event) -> None:
        if event in (Event.ASKED, Event.UNKNOWN_COMMAND) and set(self.due) <= ANSWERS:
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
                self.due.extend([effect.line] * self.waiting)
                self.waiting = 0
            elif effect.line:
                self.due.append(effect.line)
        if ending_of(line) and self.o2m_job and line.text.partition(" ")[0] not in SENDS_NOTHING:
            self.reply = o2m.REPLIES[self.disk, self.amount()]
            self.report(late=False)
        elif was_late and event is Event.GO_AHEAD:
            self.report(late=True)

    def amount(self) -> o2m.Said:
        return o2m.Said(self.said[-1]) if self.said else o2m.Said.NOTHING

    def report(self, late: bool) -> None:
        """A report is due now, unless the authority must be told of a signature first."""
        if self.reply is not None and (self.reply is o2m.Reply.TELL_LATE) is late:
            report = o2m.parse_report("".join(f"{each}\n" for each in self.said).encode())
            self.report_due.extend(f"> {each}" for each in o2m.reply_lines(self.reply, report))

    def compare(self, line: Line) -> None:
        found = str(line)
        due = self.due or self.report_due
        wanted = due.popleft() if due else "nothing"
        is_same = found == wanted or (wanted == "= no" and found.startswith("= no "))
        if not is_same and (wanted, found) != FORMER_WORDS:
            self.differences.append(f"{found!r} stands where {wanted!r} was due")
        if line.sigil == "!":
            self.disk = State(line.text)

    def differ(self, line: Line) -> None:
        due = self.due or self.report_due
        self.differences.append(f"{str(line)!r} comes where {due[0]!r} was due")
