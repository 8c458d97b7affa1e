"""The gate: who may sign, when, and what is true of the job afterwards.

Rule 1: every decision about a grant is a row of STEPS, every outcome a row of OUTCOMES. Both are
total. What does not fit a table is not decided here, and not decided anywhere else either.

Rule 2: an effect is data. The shell performs the effects of a row in their order and stops at the
first that fails, and then gives the gate FAILED. So "on disk" comes before "sent" and "said", and
a crash is nothing but "the rest of the effects did not happen".

Rule 3: no I/O, no clock, no imports of the shell.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """What the gate is doing. The first three are the durable words of the journal too."""

    UNCOMMITTED = "uncommitted"  # nobody has asked
    UNKNOWN = "unknown"  # the authority is being asked
    COMMITTED = "committed"  # it said go-ahead
    REFUSED = "refused"  # said no once, says no for ever
    CLOSED = "closed"  # the job is over
    LATE = "late"  # the authority is being told of a signature that went round us


#: The durable words, in the order in which a job goes through them, never back.
DURABLE = (State.UNCOMMITTED, State.UNKNOWN, State.COMMITTED)


class Event(StrEnum):
    """What can happen to the gate."""

    ASKED = "asked"  # gpg was called, and would sign
    DOUBTED = "doubted"  # gpg was called with a command that we do not know
    GO_AHEAD = "go-ahead"  # the authority's yes
    REFUSAL = "refusal"  # the authority's no: certainly not committed
    SILENCE = "silence"  # no answer will come, or none that we understand
    FAILED = "failed"  # an effect could not be performed
    CLOSE = "close"  # the job is over, or somebody says so
    BYPASSED = "bypassed"  # the closed job was never granted anything, and says `uploaded`


class Effect(StrEnum):
    """What the shell is to do. A value with a sigil is the effect's line in the journal."""

    REACH = "reach"  # make sure that the authority is there, before anything is said or written
    SYNC = "sync"  # have on disk who asks, and for what
    WRITE_UNKNOWN = "! unknown"
    SEND_COMMIT = "> commit-to-public-upload"
    WRITE_COMMITTED = "! committed"
    GRANT = "= go"  # to all who wait
    REFUSE = "= no"  # to all who wait

    @property
    def line(self) -> str:
        """The effect's line in the journal; empty where it has none."""
        return self.value if self.value[0] in "!>=" else ""


S, V, F = State, Event, Effect

#: (state, event) -> the next state, and what is to be done, in this order.
STEPS: dict[tuple[State, Event], tuple[State, tuple[Effect, ...]]] = {
    # The first question is the commitment point. REACH stands first: an authority that is not
    # there has heard nothing, and the job can still be retried.
    (S.UNCOMMITTED, V.ASKED): (S.UNKNOWN, (F.REACH, F.WRITE_UNKNOWN, F.SEND_COMMIT)),
    (S.UNCOMMITTED, V.DOUBTED): (S.UNCOMMITTED, (F.REFUSE,)),  # not worth a commitment
    (S.UNCOMMITTED, V.GO_AHEAD): (S.REFUSED, ()),  # nobody asked: it talks of something else
    (S.UNCOMMITTED, V.REFUSAL): (S.REFUSED, ()),
    (S.UNCOMMITTED, V.SILENCE): (S.REFUSED, ()),  # gone before it heard anything: retriable
    (S.UNCOMMITTED, V.FAILED): (S.REFUSED, (F.REFUSE,)),  # the question could not be noted
    (S.UNCOMMITTED, V.CLOSE): (S.CLOSED, ()),
    # While the authority is being asked, all wait for the one answer.
    (S.UNKNOWN, V.ASKED): (S.UNKNOWN, ()),
    (S.UNKNOWN, V.DOUBTED): (S.UNKNOWN, ()),
    (S.UNKNOWN, V.GO_AHEAD): (S.COMMITTED, (F.WRITE_COMMITTED, F.GRANT)),
    (S.UNKNOWN, V.REFUSAL): (S.REFUSED, (F.REFUSE,)),
    (S.UNKNOWN, V.SILENCE): (S.REFUSED, (F.REFUSE,)),
    (S.UNKNOWN, V.FAILED): (S.REFUSED, (F.REFUSE,)),
    (S.UNKNOWN, V.CLOSE): (S.CLOSED, (F.REFUSE,)),  # an answer that comes now grants nothing
    # After the commitment, nobody waits, and a command that we do not know does no more harm.
    (S.COMMITTED, V.ASKED): (S.COMMITTED, (F.SYNC, F.GRANT)),
    (S.COMMITTED, V.DOUBTED): (S.COMMITTED, (F.SYNC, F.GRANT)),
    (S.COMMITTED, V.GO_AHEAD): (S.COMMITTED, ()),
    (S.COMMITTED, V.REFUSAL): (S.COMMITTED, ()),  # too late: gpg may have signed
    (S.COMMITTED, V.SILENCE): (S.COMMITTED, ()),  # it has no more to say to us
    (S.COMMITTED, V.FAILED): (S.REFUSED, (F.REFUSE,)),
    (S.COMMITTED, V.CLOSE): (S.CLOSED, ()),
    # No once is no for ever.
    (S.REFUSED, V.ASKED): (S.REFUSED, (F.REFUSE,)),
    (S.REFUSED, V.DOUBTED): (S.REFUSED, (F.REFUSE,)),
    (S.REFUSED, V.GO_AHEAD): (S.REFUSED, ()),
    (S.REFUSED, V.REFUSAL): (S.REFUSED, ()),
    (S.REFUSED, V.SILENCE): (S.REFUSED, ()),
    (S.REFUSED, V.FAILED): (S.REFUSED, (F.REFUSE,)),
    (S.REFUSED, V.CLOSE): (S.CLOSED, ()),
    # The job is over; who asks now is its orphan.
    (S.CLOSED, V.ASKED): (S.CLOSED, (F.REFUSE,)),
    (S.CLOSED, V.DOUBTED): (S.CLOSED, (F.REFUSE,)),
    (S.CLOSED, V.GO_AHEAD): (S.CLOSED, ()),
    (S.CLOSED, V.REFUSAL): (S.CLOSED, ()),
    (S.CLOSED, V.SILENCE): (S.CLOSED, ()),
    (S.CLOSED, V.FAILED): (S.CLOSED, (F.REFUSE,)),
    (S.CLOSED, V.CLOSE): (S.CLOSED, ()),
    # A publication is never hidden: the authority hears of it late, and nobody is granted anything.
    (S.UNCOMMITTED, V.BYPASSED): (S.UNCOMMITTED, ()),  # only a job that is over can say it
    (S.UNKNOWN, V.BYPASSED): (S.UNKNOWN, ()),
    (S.COMMITTED, V.BYPASSED): (S.COMMITTED, ()),
    (S.REFUSED, V.BYPASSED): (S.REFUSED, ()),
    (S.CLOSED, V.BYPASSED): (S.LATE, (F.REACH, F.WRITE_UNKNOWN, F.SEND_COMMIT)),
    (S.LATE, V.ASKED): (S.LATE, (F.REFUSE,)),
    (S.LATE, V.DOUBTED): (S.LATE, (F.REFUSE,)),
    (S.LATE, V.GO_AHEAD): (S.CLOSED, (F.WRITE_COMMITTED,)),
    (S.LATE, V.REFUSAL): (S.CLOSED, ()),
    (S.LATE, V.SILENCE): (S.CLOSED, ()),
    (S.LATE, V.FAILED): (S.CLOSED, (F.REFUSE,)),
    (S.LATE, V.CLOSE): (S.LATE, ()),  # it is closed
    (S.LATE, V.BYPASSED): (S.LATE, ()),
}


class Ending(StrEnum):
    """How the job ended, as far as anybody told us."""

    WELL = "well"  # it says that it did all it was for
    PASSING = "passing"  # it failed, and may do better next time
    FINAL = "final"  # it failed, and will fail again
    UNTOLD = "untold"  # nobody said: it crashed, or we did


class Outcome(StrEnum):
    """What is true of the job: the last line of a journal. Three of the words are o2m's own."""

    UPLOADED = "uploaded"  # committed, and the job ended well
    IRRECOVERABLE = "irrecoverable"  # something may have been done that cannot be taken back
    RETRIABLE = "retriable"  # nobody was asked to commit: the same job can be tried again
    UNSIGNED = "unsigned"  # the job ended well, and nobody was asked to commit
    OBSERVED = "observed"  # nothing was held or refused, so nothing is claimed: verdict's, no row's


O, E = Outcome, Ending  # noqa: E741 - the table below is read by its columns

#: (durable state, how the job ended) -> its outcome.
OUTCOMES: dict[tuple[State, Ending], Outcome] = {
    (S.UNCOMMITTED, E.WELL): O.UNSIGNED,
    (S.UNCOMMITTED, E.PASSING): O.RETRIABLE,
    (S.UNCOMMITTED, E.FINAL): O.IRRECOVERABLE,  # not committed, but trying again is no use
    (S.UNCOMMITTED, E.UNTOLD): O.RETRIABLE,
    (S.UNKNOWN, E.WELL): O.IRRECOVERABLE,  # it did not see that it was refused
    (S.UNKNOWN, E.PASSING): O.IRRECOVERABLE,
    (S.UNKNOWN, E.FINAL): O.IRRECOVERABLE,
    (S.UNKNOWN, E.UNTOLD): O.IRRECOVERABLE,
    (S.COMMITTED, E.WELL): O.UPLOADED,
    (S.COMMITTED, E.PASSING): O.IRRECOVERABLE,
    (S.COMMITTED, E.FINAL): O.IRRECOVERABLE,
    (S.COMMITTED, E.UNTOLD): O.IRRECOVERABLE,
}

#: (durable state, outcome) -> what a person should know; only the pairs that OUTCOMES can give.
#: No text claims more than the gate watches: what the gpgs did that PATH led to the gate.
MEANINGS: dict[tuple[State, Outcome], str] = {
    (S.UNCOMMITTED, O.UNSIGNED): (
        "no gpg under the gate was asked to sign, and nobody was asked to commit"
    ),
    (S.UNCOMMITTED, O.RETRIABLE): (
        "no gpg under the gate was asked to sign, and nobody was asked to commit"
    ),
    (S.UNCOMMITTED, O.IRRECOVERABLE): (
        "no gpg under the gate was asked to sign, and nobody was asked to commit,"
        " but the same would happen again"
    ),
    (S.UNKNOWN, O.IRRECOVERABLE): (
        "unknown: no gpg under the gate was allowed to sign, but the authority may have heard that"
        " we commit; check with the authority what it believes"
    ),
    (S.COMMITTED, O.UPLOADED): "committed, and the job ended well",
    (S.COMMITTED, O.IRRECOVERABLE): (
        "committed, and signatures may have been made; check what was published"
    ),
}

#: The same for an uncommitted job in which a gpg asked, and was refused or died before its answer.
DENIED: dict[Outcome, str] = {
    O.UNSIGNED: "no gpg under the gate was allowed to sign, and nobody was asked to commit",
    O.RETRIABLE: "no gpg under the gate was allowed to sign, and nobody was asked to commit",
    O.IRRECOVERABLE: (
        "no gpg under the gate was allowed to sign, and nobody was asked to commit,"
        " but the same would happen again"
    ),
}

TEMPFAIL = 75  #: sysexits' EX_TEMPFAIL. It means `retriable`, and nothing else, ever.
TEMPFAIL_TAKEN = 70  #: sysexits' EX_SOFTWARE, for a job that itself exits 75 and is not retriable.


def exit_status(outcome: Outcome, own: int) -> int:
    """The exit status of `run`: the job's own (0 to 255), and 75 for `retriable` only."""
    if outcome is Outcome.RETRIABLE:
        return TEMPFAIL
    return TEMPFAIL_TAKEN if own == TEMPFAIL else own
