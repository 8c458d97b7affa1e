"""What is true of a job, from its journal alone, after any crash.

Rule 1: what is on disk decides, never what somebody remembers.
Rule 2: in doubt, `unknown`: a torn, strange or missing journal is never a reason to say retriable.
Rule 3: `! unknown` is synced before the request leaves, so its absence from a whole journal proves
that nobody was asked.
Rule 4: a meaning claims no more than the gate watched. A program that signs by another way than the
gpg on the job's PATH is not seen.
"""

from __future__ import annotations

from typing import NamedTuple

from gpgshim.core.gate import DENIED, DURABLE, MEANINGS, OUTCOMES, Ending, Outcome, State
from gpgshim.core.transcript import OBSERVE, Line, Transcript, TranscriptError, parse


class Verdict(NamedTuple):
    """`state` is a durable one; `told` is whether the journal itself holds the outcome.

    `refused` is whether the authority said no in so many words: it has not committed. `bypassed` is
    whether a signature went round the gate, and no commitment followed; `ungated` whether one may
    have, because the stunts were taken away. `would` is the outcome that
    a gate would have told, of a job that had one which only looked on. `asked` is whether a gpg
    asked the gate. `doubtful` is whether the journal is torn before its first question, or cannot
    be read as one, so that it does not show what followed.
    """

    state: State
    ending: Ending
    outcome: Outcome
    told: bool
    refused: bool = False
    bypassed: bool = False
    would: Outcome | None = None
    ungated: bool = False
    asked: bool = False
    doubtful: bool = False

    @property
    def meaning(self) -> str:
        """What a person should know, in one clause."""
        if self.would:
            return f"{OBSERVED}; the gate would have told {self.would}"
        if self.bypassed:
            return BYPASSED
        if self.ungated:
            return UNGATED
        if self.doubtful:
            return DOUBTFUL
        if self.refused:
            return REFUSED
        if self.asked and self.state is State.UNCOMMITTED:
            return DENIED[self.outcome]
        return MEANINGS[self.state, self.outcome]


#: The meaning of an unknown state that is none: it was asked, so it is not called retriable.
REFUSED = (
    "the authority refused: it has not committed, and no gpg under the gate was allowed to sign"
)
#: Another: the journal does not show what followed.
DOUBTFUL = (
    "unknown: the journal is torn or cannot be read, so it does not show whether the authority"
    " heard that we commit; check with the authority what it believes"
)
#: Another: the gate saw nothing, and the job says that it uploaded.
BYPASSED = "unknown: a signature went round the gate; check with the authority what it believes"
#: Another: what cleans directories up took the stunts away, and the job ran on.
UNGATED = (
    "unknown: the job's stunts were taken away while it ran, so its gpg may have been the real one;"
    " check what was published"
)
#: Of a job that had a gate which only looked on.
OBSERVED = "nothing was held or refused, and nothing is known"


#: The world's words that end a job -> how it ended. `exit` and `said` look at their argument.
ENDINGS = {
    "exit 0": Ending.WELL,
    "exit": Ending.PASSING,  # nobody knows better: the next attempt is bounded by who makes it
    "signal": Ending.PASSING,
    "no-start 71": Ending.PASSING,  # there was no process, memory or descriptor to be had
    "no-start": Ending.FINAL,  # there is no such command, and there will not be
    "end": Ending.UNTOLD,
    "unkept": Ending.UNTOLD,
    "said uploaded": Ending.WELL,
    "said retriable": Ending.PASSING,
    "said irrecoverable": Ending.FINAL,
}

#: The sigils of the lines that a verdict depends on.
COUNT = ("!", "%", "<", "")
#: Likewise, but one line of each is enough: a job can ask thousands of times.
COUNT_ONCE = ("$", "?")


#: The job ended as it did without us; with us, dgit-repos-server would have heard this of dgit.
WOULD_RETRY = ("%", "would 75")


def ending_of(line: Line) -> Ending | None:
    """How `line` ends the job; None where it does not."""
    if line.sigil != "%":
        return None
    return ENDINGS.get(line.text) or ENDINGS.get(line.text.partition(" ")[0])


def judge(transcript: Transcript) -> Verdict:
    """The verdict of a journal that could be read, whole or torn.

    Raises TranscriptError where its lines contradict each other.
    """
    states = [State(line.text) for line in transcript.lines if line.sigil == "!"]
    if states != list(DURABLE[: len(states)]):
        raise TranscriptError(f"states out of order: {', '.join(states)}")
    state = states[-1] if states else State.UNKNOWN
    bypassed = Line("%", "bypassed") in (line._replace(at=None) for line in transcript.lines)
    ungated = state is State.UNCOMMITTED and any(
        (line.sigil, line.text) == ("%", "ungated") for line in transcript.lines
    )
    doubtful = not states or (transcript.torn and state is State.UNCOMMITTED)
    if (transcript.torn or bypassed) and state is State.UNCOMMITTED:
        state = State.UNKNOWN  # a job that went round the gate is never called unsigned
    if ungated:
        state = State.UNKNOWN
    endings = [end for end in map(ending_of, transcript.lines) if end]
    ending = endings[-1] if endings else Ending.UNTOLD
    outcome = OUTCOMES[state, ending]
    would = None
    if transcript.head.get("mode") == OBSERVE:
        excused = any((x.sigil, x.text) == WOULD_RETRY for x in transcript.lines)
        would = OUTCOMES[state, Ending.PASSING if excused else ending]
        outcome = Outcome.OBSERVED
    told = [line.text for line in transcript.lines if not line.sigil]
    if told and not transcript.torn and told != [outcome]:
        raise TranscriptError(f"its outcome is {outcome}, but it says {', '.join(told)}")
    refused = state is State.UNKNOWN and Line("<", "refused") in (
        line._replace(at=None) for line in transcript.lines
    )
    bypassed = bypassed and state is State.UNKNOWN
    asked = any(line.sigil in COUNT_ONCE for line in transcript.lines)
    return Verdict(
        state, ending, outcome, bool(told), refused, bypassed, would, ungated, asked, doubtful
    )


def judge_journal(data: bytes) -> Verdict:
    """The verdict of a journal's bytes. Raises TranscriptError where they are not a journal's."""
    return judge(parse(data, keep=COUNT, keep_first=COUNT_ONCE))


def judge_bytes(data: bytes) -> Verdict:
    """The verdict of whatever lies where a journal should: total, raises nothing."""
    try:
        return judge_journal(data)
    except TranscriptError:
        outcome = OUTCOMES[State.UNKNOWN, Ending.UNTOLD]
        return Verdict(State.UNKNOWN, Ending.UNTOLD, outcome, told=False, doubtful=True)
