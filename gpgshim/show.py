"""One job's story, for a person, from its journal.

Rule 1: pure: a transcript in, text out.
Rule 2: the reader is told when the job could still be retried, and from when on it could not.
"""

from __future__ import annotations

from gpgshim.gate import State
from gpgshim.transcript import Line, Transcript
from gpgshim.verdict import judge

#: Sigils -> who is speaking.
SPEAKERS = {
    "$": "gpg asks",
    "?": "gpg asks",
    "<": "authority",
    "%": "world",
    ">": "we tell it",
    "!": "on disk",
    "=": "we answer",
    "#": "",
    "": "outcome",
}

_NO_RETURN = "no return"


def show(transcript: Transcript, width: int = 100) -> str:
    """The head, then a line an event, then what is true of the job. `width` is in columns.

    Raises TranscriptError for a transcript that contradicts itself.
    """
    verdict = judge(transcript)
    out = [f"{key:>10}  {value}" for key, value in transcript.head.items()]
    out.append("")
    for line in transcript.lines:
        out.append(_event(line, width))
        if line.sigil == "!" and line.text == State.UNKNOWN:
            out.append(f"{'':>10}  {f' {_NO_RETURN} ':-^{width - 12}}")
    if transcript.torn:
        out.append(f"{'':>10}  (the last line is torn)")
    out.append("")
    if not verdict.told:
        out.append(
            f"{'':>10}  The journal does not hold the outcome; what it holds amounts to this:"
        )
    out.append(f"{verdict.outcome:>10}: {verdict.meaning}.".lstrip())
    out.append(f"{_how_long(transcript)}")
    return "\n".join(out) + "\n"


def _event(line: Line, width: int) -> str:
    clock = "" if line.at is None else f"{line.at:.3f} s"
    text = line.text
    room = max(20, width - 24)
    if len(text) > room:
        # What a command is stands first, and what it is about stands last: the middle goes.
        tail = room // 3
        text = f"{text[: room - tail - 3]}...{text[-tail:]}"
    return f"{clock:>10}  {SPEAKERS[line.sigil]:<10}  {text}"


def _how_long(transcript: Transcript) -> str:
    last = transcript.lines[-1].at if transcript.lines else None
    asked = next((x for x in transcript.lines if (x.sigil, x.text) == ("!", State.UNKNOWN)), None)
    if asked is None:
        return f"It could be retried at any moment of its {_seconds(last)}."
    return (
        f"It could be retried for its first {_seconds(asked.at)}; after that,"
        " when the authority was told, it could not."
    )


def _seconds(at: float | None) -> str:
    return "untold time" if at is None else f"{at:.3f} s"
