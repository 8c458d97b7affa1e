"""What is true of a job after any crash, derived from its journal alone.

Rule 1: only the journal on disk decides, never the memory of a process.
Rule 2: in doubt, the state is `unknown`: a torn, invalid or missing journal never gives retriable.
Rule 3: `! unknown` is synced before the request leaves. So its absence from a complete journal
proves that no commitment was requested.
Rule 4: a meaning claims no more than the gate watched. A program that signs in another way than by
the gpg on the job's PATH is not seen.
"""

from __future__ import annotations

from typing import NamedTuple

from gpgshim.core.gate import DENIED, DURABLE, MEANINGS, OUTCOMES, Ending, Outcome, State
from gpgshim.core.transcript import OBSERVE, Line, Transcript, TranscriptError, parse


class Verdict(NamedTuple):
    """The verdict on a job.

    `state` is a durable state. `told` says whether the journal itself holds the outcome. `refused`
    says whether the authority refused explicitly, so that it has not committed. `bypassed` says
    whether a signature bypassed the gate and no commitment followed. `ungated` says whether a
    signature may have bypassed the gate because the stunts were removed. `would` is, for a job in
    observe mode, the outcome that a gate would have had. `asked` says whether a gpg asked the gate.
    `doubtful` says whether the journal is torn before its first request or cannot be read as a
    journal, so that it does not show what followed.
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
        """The explanation for a person, in one clause."""
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


#: Meaning of an unknown state after an explicit refusal. The authority heard the request, so the
#: job is not retriable.
REFUSED = (
    "the authority refused: it has not committed, and no gpg under the gate was allowed to sign"
)
#: Meaning if the journal does not show what followed.
DOUBTFUL = (
    "unknown: the journal is torn or cannot be read, so it does not show whether the authority"
    " heard that we commit; check with the authority what it believes"
)
#: Meaning if the gate granted nothing, and the job reports an upload.
BYPASSED = "unknown: a signature went round the gate; check with the authority what it believes"
#: Meaning if the stunts were removed, for example by a temporary file cleaner, and the job ran on.
UNGATED = (
    "unknown: the job's stunts were taken away while it ran, so its gpg may have been the real one;"
    " check what was published"
)
#: Meaning for a job in observe mode.
OBSERVED = "nothing was held or refused, and nothing is known"


#: The `%` words that end a job -> how it ended. `exit` and `said` depend on their argument.
ENDINGS = {
    "exit 0": Ending.WELL,
    "exit": Ending.TRANSIENT,  # the kind of failure is unknown; the caller limits the retries
    "signal": Ending.TRANSIENT,
    "no-start 71": Ending.TRANSIENT,  # the system had no process, memory or descriptor left
    "no-start": Ending.PERMANENT,  # the command does not exist, and a retry does not change this
    "end": Ending.UNREPORTED,
    "unkept": Ending.UNREPORTED,
    "said uploaded": Ending.WELL,
    "said retriable": Ending.TRANSIENT,
    "said irrecoverable": Ending.PERMANENT,
}

#: The sigils of the lines that a verdict depends on.
COUNT = ("!", "%", "<", "")
#: Lines of these sigils count too, but one each is enough: a job can ask thousands of times.
COUNT_ONCE = ("$", "?")


#: In observe mode the job kept its own exit status; under a gate, dgit would have exited 75.
WOULD_RETRY = ("%", "would 75")


def ending_of(line: Line) -> Ending | None:
    """How `line` ends the job; None if it does not."""
    if line.sigil != "%":
        return None
    return ENDINGS.get(line.text) or ENDINGS.get(line.text.partition(" ")[0])


def judge(transcript: Transcript) -> Verdict:
    """The verdict on a journal that could be read, complete or torn.

    Raises TranscriptError if its lines contradict each other.
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
        state = State.UNKNOWN  # a job that bypassed the gate is never called unsigned
    if ungated:
        state = State.UNKNOWN
    endings = [end for end in map(ending_of, transcript.lines) if end]
    ending = endings[-1] if endings else Ending.UNREPORTED
    outcome = OUTCOMES[state, ending]
    would = None
    if transcript.head.get("mode") == OBSERVE:
        excused = any((x.sigil, x.text) == WOULD_RETRY for x in transcript.lines)
        would = OUTCOMES[state, Ending.TRANSIENT if excused else ending]
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
    """The verdict on a journal's bytes. Raises TranscriptError if they are not a journal."""
    return judge(parse(data, keep=COUNT, keep_first=COUNT_ONCE))


def judge_bytes(data: bytes) -> Verdict:
    """The verdict on any bytes found in place of a journal. Total; raises nothing."""
    try:
        return judge_journal(data)
    except TranscriptError:
        outcome = OUTCOMES[State.UNKNOWN, Ending.UNREPORTED]
        return Verdict(State.UNKNOWN, Ending.UNREPORTED, outcome, told=False, doubtful=True)
