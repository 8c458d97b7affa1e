# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One job's story as text, for a terminal.

Rule 1: pure: a transcript in, printable ASCII out, whatever text the journal contains.
Rule 2: next to each event a word, not only a colour, says what could still be undone then.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from gpgshim.core.transcript import Transcript
from gpgshim.render.sentences import COMMITMENT, conclude, no_return, who
from gpgshim.render.table import table
from gpgshim.render.terminal import cut, paint
from gpgshim.summary.events import Kind
from gpgshim.summary.rows import AttemptRow
from gpgshim.summary.story import Story, StoryEvent, Undo, tell

#: What could be undone -> its mark below the first line with the word, and its colour.
MARKS = {
    Undo.RETRIABLE: ("|", "good"),
    Undo.ASKING: ("?", "wait"),
    Undo.UNKNOWN: ("~", "bad"),
    Undo.REFUSED: ("x", "wait"),
    Undo.FINAL: ("#", "bad"),
}

_CLOCK, _GUTTER, _WHO = 10, 11, 24  # columns; the text of the event takes the rest
_MOST_LINES = 8  # lines for the text of one event
_LEAST = 72  # the least width in columns, however narrow the terminal is


def show(
    transcript: Transcript,
    width: int = 100,
    attempts: Sequence[AttemptRow] = (),
    under_way: bool = False,
    colour: bool = False,
) -> str:
    """The head, the job's attempts, one line for each event, and what is true of the job.

    `width` is in columns. `attempts` are the rows of all attempts of the job, if they are to be
    shown; `under_way` says whether the supervisor is alive. Raises TranscriptError for a transcript
    that contradicts itself.
    """
    story = tell(transcript)
    width = max(width, _LEAST)
    out = [f"{key:>10}  {cut(value, width - 12)}" for key, value in story.head.items()]
    if len(attempts) > 1:
        out += ["", *table(attempts, width, colour)]
    out.append("")
    last: Undo | None = None
    for number, event in enumerate(story.events):
        if number == story.no_return:
            out.append(_line_across(no_return(story), "-", width, "wait", colour))
        if number == story.commitment:
            out.append(_line_across(COMMITMENT, "=", width, "bad", colour))
        out += _event(story, event, event.undo is not last, width, colour)
        last = event.undo
    out.append("")
    out += conclude(story, under_way)
    return "\n".join(out) + "\n"


def _event(story: Story, event: StoryEvent, is_news: bool, width: int, colour: bool) -> list[str]:
    mark, code = MARKS[event.undo]
    gutter = paint(f"{event.undo if is_news else mark:<{_GUTTER}}", code, colour)
    clock = "" if event.at is None else f"{event.at:.3f} s"
    room = width - _CLOCK - _GUTTER - _WHO - 6
    # A command line is cut in its middle, which matters least; other texts are shown in full.
    lines = 2 if event.kind is Kind.ASK else _MOST_LINES
    first, *more = _wrap(cut(event.what, lines * room - room // 2), room)
    loud = "loud" if event.kind in _LOUD else ""
    party = cut(who(story, event), _WHO)
    out = [f"{clock:>{_CLOCK}}  {gutter}  {party:<{_WHO}}  {paint(first, loud, colour)}"]
    gutter = paint(f"{mark:<{_GUTTER}}", code, colour)
    beside = f"{'':>{_CLOCK}}  {gutter}  "
    out += [f"{beside}{'':<{_WHO}}  {paint(text, loud, colour)}" for text in more]
    room += _WHO
    out += [f"{beside}  {paint(cut(note, room), 'faint', colour)}" for note in event.notes]
    return out


def _wrap(text: str, room: int) -> list[str]:
    return wrap(text, room, break_on_hyphens=False) or [""]


_LOUD = (Kind.DISK, Kind.OUTCOME)


def _line_across(text: str, rule: str, width: int, code: str, colour: bool) -> str:
    room = width - _CLOCK - 2
    return f"{'':>{_CLOCK}}  {paint(f' {cut(text, room - 4)} '.center(room, rule), code, colour)}"
