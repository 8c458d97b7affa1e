"""Replays a transcript against the tables: would today's gate have done the same?

Rule 1: input lines are fed to the gate, output lines are compared; notes and times are not.
Rule 2: an effect is cut short only by a `% failed` line. A transcript that just ends is a crash.
"""

from __future__ import annotations

from collections import deque

from gpgshim.gate import STEPS, Effect, Event, State
from gpgshim.transcript import Line, Transcript, TranscriptError
from gpgshim.verdict import ending_of, judge

#: Input lines -> events. A `<` line that is not here is an answer that nobody understands.
EVENTS = {
    ("$", ""): Event.ASKED,
    ("?", ""): Event.DOUBTED,
    ("<", "go-ahead"): Event.GO_AHEAD,
    ("<", "refused"): Event.REFUSAL,
    ("<", ""): Event.SILENCE,
    ("%", "timeout"): Event.SILENCE,
    ("%", "eof"): Event.SILENCE,
    ("%", "failed"): Event.FAILED,
    ("%", "close"): Event.CLOSE,
}


def event_of(line: Line) -> Event | None:
    """The gate's event that an input line stands for; None for outputs, notes and `% gone`."""
    if ending_of(line):
        return Event.CLOSE
    key = (line.sigil, line.text if line.sigil == "<" else line.text.partition(" ")[0])
    return EVENTS.get(key) or EVENTS.get((line.sigil, ""))


def replay(transcript: Transcript) -> list[str]:
    """The differences, one clause each; empty where today's gate does what the transcript says."""
    differences: list[str] = []
    state = State.UNCOMMITTED
    waiting = 0
    due = deque(["! uncommitted"])
    for line in transcript.lines:
        event = event_of(line)
        found = str(line._replace(at=None))
        if event is not None:
            if due and event is not Event.FAILED:
                differences.append(f"{found!r} comes where {due[0]!r} was due")
            due.clear()
            waiting += event in (Event.ASKED, Event.DOUBTED)
            state, effects = STEPS[state, event]
            for effect in effects:
                if effect in (Effect.GRANT, Effect.REFUSE):
                    due.extend([effect.value] * waiting)
                    waiting = 0
                elif effect.value:
                    due.append(effect.value)
        elif line.text.startswith("gone ") and line.sigil == "%":
            waiting -= 1
        elif not line.sigil and due:
            differences.append(f"{found!r} comes where {due[0]!r} was due")
        elif line.sigil in (">", "!", "="):
            wanted = due.popleft() if due else "nothing"
            if found != wanted and not (wanted == "= no" and found.startswith("= no ")):
                differences.append(f"{found!r} stands where {wanted!r} was due")
    try:
        judge(transcript)
    except TranscriptError as error:
        differences.append(str(error))
    return differences
