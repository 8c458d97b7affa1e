# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is true of a job after any crash, derived from its journal alone.

Rule 1: only the journal on disk decides, never the memory of a process.
Rule 2: in doubt, the state is `unknown`: a torn, invalid or missing journal never gives retriable.
Rule 3: `! unknown` is synced before the request leaves. So its absence from a complete journal
proves that no commitment was requested.
Rule 4: a meaning claims no more than the gate watched. A program that signs in another way than by
the gpg on the job's PATH is not seen, except that a lock of gpg-agent counts its signatures.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gpgshim.core import records as r
from gpgshim.core.causes import UNREADABLE, Why, why
from gpgshim.core.codec import Record, RecordError, read
from gpgshim.core.gate import (
    AT_AGENT,
    DENIED,
    DURABLE,
    MEANINGS,
    OUTCOMES,
    Ending,
    Outcome,
    State,
)
from gpgshim.core.signatures import Signatures, count
from gpgshim.core.transcript import (
    KEYS,
    OBSERVE,
    Transcript,
    TranscriptError,
    parse,
    parse_line,
)


class Verdict(NamedTuple):
    """The verdict on a job.

    `state` is a durable state. `told` says whether the journal itself holds the outcome. `refused`
    says whether the authority refused explicitly, so that it has not committed. `bypassed` says
    whether a signature bypassed the gate and no commitment followed, and `signed_past` whether one
    bypassed it, whatever followed. `ungated` says whether a signature may have bypassed the gate
    because the stunts, or the sockets of the lock, were removed; `unlocked`, whether it was these.
    `would` is, for a job in observe mode, the outcome that a gate
    would have had. `asked` says whether a gpg asked the gate. `doubtful` says whether the journal
    is torn before its first request or cannot be read as a journal, so that it does not show what
    followed; `readable` says whether it can be read as a journal. `resolved` is what a person has
    recorded after the attempt; it changes nothing of what the journal says of the attempt itself.
    `why` is the cause of the outcome. `signatures` are those of gpg-agent, for a job whose lock was
    whole.
    `at_agent` says whether the commitment point was at gpg-agent, so that stunts did not ask.
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
    resolved: r.Resolved | None = None
    why: Why = UNREADABLE
    signed_past: bool = False
    readable: bool = True
    signatures: Signatures | None = None
    at_agent: bool = False
    unlocked: bool = False

    @property
    def known(self) -> State:
        """The state as the rows of OUTCOMES have it: an explicit refusal is State.REFUSED."""
        return State.REFUSED if self.refused else self.state

    @property
    def meaning(self) -> str:
        """The explanation for a person, in one clause."""
        if self.would:
            return f"{OBSERVED}; the gate would have told {self.would}"
        if self.bypassed:
            return BYPASSED
        if self.ungated:
            return UNLOCKED if self.unlocked else UNGATED
        if self.doubtful:
            return DOUBTFUL
        if self.signatures is None:
            return self._meaning_of_state
        if self.state is State.COMMITTED and self.outcome is Outcome.IRRECOVERABLE:
            check = "; check what was published" if self.signatures.may_exist else ""
            return f"{self.state}, and {self.signatures.text}{check}"
        return f"{self._meaning_of_state}; {self.signatures.text}"

    @property
    def _meaning_of_state(self) -> str:
        if self.at_agent:
            return AT_AGENT[self.known, self.outcome]
        if self.refused:
            return MEANINGS[State.REFUSED, Outcome.REFUSED]
        if self.asked and self.state is State.UNCOMMITTED:
            return DENIED[self.outcome]
        return MEANINGS[self.state, self.outcome]


#: Meaning if the journal does not show what followed.
DOUBTFUL = (
    "unknown: the journal is torn or cannot be read, so it does not show whether the authority"
    " received the request to commit; ask the authority whether it has committed"
)
#: Meaning if the gate granted nothing, and the job reports an upload.
BYPASSED = "unknown: a signature was made past the gate; ask the authority whether it has committed"
#: Meaning if the stunts were removed, for example by a temporary file cleaner, and the job ran on.
UNGATED = (
    "unknown: the job's stunts were removed while it ran, so its gpg may have been the real one;"
    " check what was published"
)
#: Meaning if the sockets of the lock were removed, for example with /run/user/UID at a logout.
UNLOCKED = (
    "unknown: the sockets of the lock were removed while the job ran, so gpg-agent may have made"
    " signatures past the lock; check what was published"
)
#: Meaning for a job in observe mode.
OBSERVED = "nothing was held or refused, and nothing is known"


#: The records that end a job -> how it ended. A record with its fields comes before its kind.
ENDINGS: dict[Record | type[Record], Ending] = {
    r.Exited(0): Ending.WELL,
    r.Exited: Ending.TRANSIENT,  # the kind of failure is unknown; the caller limits the retries
    r.Signalled: Ending.TRANSIENT,
    r.NotStarted(71): Ending.TRANSIENT,  # the system had no process, memory or descriptor left
    r.NotStarted: Ending.PERMANENT,  # the command does not exist, and a retry does not change this
    r.Ended: Ending.UNREPORTED,
    r.WatchdogEnded: Ending.UNREPORTED,
    r.Reported(str(Outcome.UPLOADED)): Ending.WELL,
    r.Reported(str(Outcome.RETRIABLE)): Ending.TRANSIENT,
    r.Reported(str(Outcome.IRRECOVERABLE)): Ending.PERMANENT,
}

_ENDS = {type(each) if isinstance(each, Record) else each for each in ENDINGS}

#: The sigils of the lines that a verdict depends on.
COUNT = ("!", "%", "<", "")
#: Lines of these sigils count too, but one each is enough: a job can ask thousands of times.
COUNT_ONCE = ("$", "?")

#: In observe mode the job kept its own exit status; under a gate, dgit would have exited 75.
WOULD_RETRY = r.WouldExit(75)


def ending_of(record: Record) -> Ending | None:
    """How `record` ends the job; None if it does not."""
    if type(record) not in _ENDS:  # most records are of no such kind
        return None
    return ENDINGS.get(record) or ENDINGS.get(type(record))


def judge(transcript: Transcript) -> Verdict:
    """The verdict on a journal that could be read, complete or torn.

    Raises TranscriptError if its lines contradict each other.
    """
    entries = transcript.read((*COUNT, *COUNT_ONCE))
    records = [record for record, _ in entries]
    seen = _by_kind(records)
    on_disk = _last_state(seen.get(r.StateIs, []))
    if _signs_too_early(records):
        raise TranscriptError("gpg-agent got a command that signs before the commitment")
    # A crash that tore the journal may have torn `! unknown`. And a job that bypassed the gate, or
    # whose stunts were removed, is never called harmless.
    uncommitted = on_disk is State.UNCOMMITTED
    unlocked = r.Unlocked in seen
    ungated = r.Ungated in seen or unlocked
    past_the_gate = r.Bypassed in seen or ungated
    unsure = transcript.torn or past_the_gate
    state = State.UNKNOWN if on_disk is None or (uncommitted and unsure) else on_disk
    ending = _last_ending(records)
    refused = state is State.UNKNOWN and r.Refused in seen and not past_the_gate
    outcome = OUTCOMES[State.REFUSED if refused else state, ending]
    would = None
    if transcript.head.get("mode") == OBSERVE:
        excused = WOULD_RETRY in seen.get(r.WouldExit, [])
        would = OUTCOMES[state, Ending.TRANSIENT] if excused else outcome
        outcome = Outcome.OBSERVED
    told = [each.outcome for each in seen.get(r.OutcomeIs, [])]
    if outcome is Outcome.REFUSED and told == [Outcome.IRRECOVERABLE]:
        outcome = Outcome.IRRECOVERABLE  # an earlier version, which had no word for a refusal
    if told and not transcript.torn and told != [outcome]:
        raise TranscriptError(f"its outcome is {outcome}, but it says {', '.join(told)}")
    return Verdict(
        state,
        ending,
        outcome,
        told=bool(told),
        refused=refused,
        bypassed=state is State.UNKNOWN and r.Bypassed in seen,
        would=would,
        ungated=on_disk is not State.COMMITTED and ungated,
        asked=r.SignRequest in seen or r.UnknownRequest in seen,
        doubtful=on_disk is None or (uncommitted and transcript.torn),
        resolved=seen[r.Resolved][-1] if r.Resolved in seen else None,
        why=why(entries, outcome),
        signed_past=r.Bypassed in seen,
        signatures=_signatures_of(transcript, seen) if not unlocked else None,
        at_agent="commit-at" in transcript.head,
        unlocked=unlocked,
    )


def _signatures_of(
    transcript: Transcript, seen: dict[type[Record], list[Any]]
) -> Signatures | None:
    """The signatures of gpg-agent; None without its lock."""
    return count(seen, KEYS in transcript.head) if "agent" in transcript.head else None


def _by_kind(records: list[Record]) -> dict[type[Record], list[Any]]:
    """The records that count, by their kind, each kind in the order of the journal."""
    seen: dict[type[Record], list[Any]] = {}
    for record in records:
        seen.setdefault(type(record), []).append(record)
    return seen


def _signs_too_early(records: list[Record]) -> bool:
    """Whether the journal contradicts the rule that a signature comes after `! committed`."""
    committed = r.StateIs(State.COMMITTED)
    first = next((x for x in records if type(x) is r.Forwarded or x == committed), committed)
    return first != committed


def _last_state(states: list[r.StateIs]) -> State | None:
    """The state that is on disk; None without one. Raises TranscriptError."""
    found = [each.state for each in states]
    if found != list(DURABLE[: len(found)]):
        raise TranscriptError(f"states out of order: {', '.join(found)}")
    return found[-1] if found else None


def _last_ending(records: list[Record]) -> Ending:
    """How the job ended: its last record that is an ending counts."""
    endings = [ending for ending in map(ending_of, records) if ending]
    return endings[-1] if endings else Ending.UNREPORTED


def judge_journal(data: bytes) -> Verdict:
    """The verdict on a journal's bytes. Raises TranscriptError if they are not a journal."""
    return judge(parse(data, keep=COUNT, keep_first=COUNT_ONCE))


def judge_bytes(data: bytes) -> Verdict:
    """The verdict on any bytes found in place of a journal. Total; raises nothing."""
    try:
        return judge_journal(data)
    except TranscriptError:
        outcome = OUTCOMES[State.UNKNOWN, Ending.UNREPORTED]
        resolved = resolution_of(data)
        return Verdict(
            State.UNKNOWN,
            Ending.UNREPORTED,
            outcome,
            told=False,
            doubtful=True,
            resolved=resolved,
            readable=False,
        )


def resolution_of(data: bytes) -> r.Resolved | None:
    """The resolution in the last line of any file; None if that line is none."""
    start = data.rfind(b"\n", 0, -1) + 1
    try:
        line = parse_line(data[start:].decode("ascii").removesuffix("\n"))
        record = read(line.sigil, line.text)
    except (UnicodeDecodeError, TranscriptError, RecordError):
        return None
    return record if data.endswith(b"\n") and isinstance(record, r.Resolved) else None
