# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate decides which gpg may sign and when, and states the outcome of the job.

Rule 1: every decision about a grant is a row of STEPS, ADMISSIONS, CONTROLS or REFUSALS, and every
outcome is a row of OUTCOMES. The tables are total. No other code decides about grants or outcomes.

Rule 2: an effect is data. The shell performs the effects of a row in order and stops at the first
effect that fails; then it gives the gate the event FAILED. So a state is on disk before a request
or an answer is sent, and a crash means only that the remaining effects did not happen.

Rule 3: this module does no I/O, reads no clock and imports nothing of the shell.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """The state of the gate. The first three are also the durable words of the journal."""

    UNCOMMITTED = "uncommitted"  # no gpg has asked yet
    UNKNOWN = "unknown"  # the authority is being asked
    COMMITTED = "committed"  # the authority answered go-ahead
    REFUSED = "refused"  # after one refusal, every request is refused
    CLOSED = "closed"  # the job is over
    LATE = "late"  # the gate tells the authority of a signature that bypassed it


#: The durable words. A job goes through them in this order and never back.
DURABLE = (State.UNCOMMITTED, State.UNKNOWN, State.COMMITTED)


class Event(StrEnum):
    """An event that the gate reacts to."""

    ASKED = "asked"  # a client asked for a gpg that would sign
    UNKNOWN_COMMAND = "unknown-command"  # a client asked for a gpg command that we do not know
    GO_AHEAD = "go-ahead"  # the authority granted the commitment
    REFUSAL = "refusal"  # the authority refused: it has certainly not committed
    SILENCE = "silence"  # no answer will come, or the answer has no meaning to us
    TIMEOUT = "timeout"  # no answer came in time, or it cannot be read
    FAILED = "failed"  # an effect could not be performed
    CLOSE = "close"  # the job is over, or the gate was closed on request
    GIVE_UP = "give-up"  # the job's time limit is near, and it asks to be closed
    BYPASSED = "bypassed"  # the closed job was granted nothing, and reports `uploaded`


class Effect(StrEnum):
    """An effect that the shell performs. A value with a sigil is also the line in the journal."""

    REACH = "reach"  # check that the authority can be reached, before anything is sent or written
    SYNC = "sync"  # have the client and its request on disk
    WRITE_UNKNOWN = "! unknown"
    SEND_COMMIT = "> commit-to-public-upload"
    WAIT = "wait"  # for the authority's answer, until its deadline
    WAIT_IN_TIME = "wait in time"  # the same, but no longer than until the job's last moment
    STOP_ASKING = "stop asking"  # do not wait for the authority's answer any more; cannot fail
    WRITE_COMMITTED = "! committed"
    GRANT = "= go"  # to all waiting clients
    REFUSE = "= no"  # to all waiting clients, as REFUSALS says; cannot fail


S, V, F = State, Event, Effect

#: (state, event) -> (next state, effects to be performed in this order).
STEPS: dict[tuple[State, Event], tuple[State, tuple[Effect, ...]]] = {
    # The first request is the commitment point. REACH comes first: an authority that cannot be
    # reached has heard nothing, and the job can still be retried.
    # An answer after the job's last moment would come too late for the job.
    (S.UNCOMMITTED, V.ASKED): (
        S.UNKNOWN,
        (F.REACH, F.WRITE_UNKNOWN, F.SEND_COMMIT, F.WAIT_IN_TIME),
    ),
    (S.UNCOMMITTED, V.UNKNOWN_COMMAND): (S.UNCOMMITTED, (F.REFUSE,)),  # not worth a commitment
    (S.UNCOMMITTED, V.GO_AHEAD): (S.REFUSED, ()),  # an answer without a request is an error
    (S.UNCOMMITTED, V.REFUSAL): (S.REFUSED, ()),
    (S.UNCOMMITTED, V.SILENCE): (S.REFUSED, ()),  # it left before it heard anything: retriable
    (S.UNCOMMITTED, V.TIMEOUT): (S.REFUSED, ()),  # a time limit without a request is an error
    (S.UNCOMMITTED, V.FAILED): (S.REFUSED, (F.REFUSE,)),  # the request could not be recorded
    (S.UNCOMMITTED, V.CLOSE): (S.CLOSED, ()),
    (S.UNCOMMITTED, V.GIVE_UP): (S.CLOSED, ()),  # no commitment was requested: retriable
    # While the authority is being asked, all clients wait for its one answer.
    (S.UNKNOWN, V.ASKED): (S.UNKNOWN, ()),
    (S.UNKNOWN, V.UNKNOWN_COMMAND): (S.UNKNOWN, ()),
    (S.UNKNOWN, V.GO_AHEAD): (S.COMMITTED, (F.WRITE_COMMITTED, F.GRANT)),
    (S.UNKNOWN, V.REFUSAL): (S.REFUSED, (F.REFUSE,)),
    (S.UNKNOWN, V.SILENCE): (S.REFUSED, (F.REFUSE,)),
    (S.UNKNOWN, V.TIMEOUT): (S.REFUSED, (F.STOP_ASKING, F.REFUSE)),
    (S.UNKNOWN, V.FAILED): (S.REFUSED, (F.STOP_ASKING, F.REFUSE)),
    (S.UNKNOWN, V.CLOSE): (S.CLOSED, (F.STOP_ASKING, F.REFUSE)),  # a later answer grants nothing
    (S.UNKNOWN, V.GIVE_UP): (S.UNKNOWN, ()),  # it may have committed: the job keeps its gate
    # After the commitment no client waits, and an unknown command can do no further harm.
    (S.COMMITTED, V.ASKED): (S.COMMITTED, (F.SYNC, F.GRANT)),
    (S.COMMITTED, V.UNKNOWN_COMMAND): (S.COMMITTED, (F.SYNC, F.GRANT)),
    (S.COMMITTED, V.GO_AHEAD): (S.COMMITTED, ()),
    (S.COMMITTED, V.REFUSAL): (S.COMMITTED, ()),  # too late: gpg may have signed
    (S.COMMITTED, V.SILENCE): (S.COMMITTED, ()),  # no further answer is expected
    (S.COMMITTED, V.TIMEOUT): (S.COMMITTED, ()),  # the answer was in time
    (S.COMMITTED, V.FAILED): (S.REFUSED, (F.REFUSE,)),
    (S.COMMITTED, V.CLOSE): (S.CLOSED, ()),
    (S.COMMITTED, V.GIVE_UP): (S.COMMITTED, ()),  # it is not retriable: let it do its work
    # After one refusal, every request is refused.
    (S.REFUSED, V.ASKED): (S.REFUSED, (F.REFUSE,)),
    (S.REFUSED, V.UNKNOWN_COMMAND): (S.REFUSED, (F.REFUSE,)),
    (S.REFUSED, V.GO_AHEAD): (S.REFUSED, ()),
    (S.REFUSED, V.REFUSAL): (S.REFUSED, ()),
    (S.REFUSED, V.SILENCE): (S.REFUSED, ()),
    (S.REFUSED, V.TIMEOUT): (S.REFUSED, ()),
    (S.REFUSED, V.FAILED): (S.REFUSED, (F.REFUSE,)),
    (S.REFUSED, V.CLOSE): (S.CLOSED, ()),
    (S.REFUSED, V.GIVE_UP): (S.CLOSED, ()),  # nothing will be granted to it
    # The job is over. A client that asks now is an orphan of the job.
    (S.CLOSED, V.ASKED): (S.CLOSED, (F.REFUSE,)),
    (S.CLOSED, V.UNKNOWN_COMMAND): (S.CLOSED, (F.REFUSE,)),
    (S.CLOSED, V.GO_AHEAD): (S.CLOSED, ()),
    (S.CLOSED, V.REFUSAL): (S.CLOSED, ()),
    (S.CLOSED, V.SILENCE): (S.CLOSED, ()),
    (S.CLOSED, V.TIMEOUT): (S.CLOSED, ()),
    (S.CLOSED, V.FAILED): (S.CLOSED, (F.REFUSE,)),
    (S.CLOSED, V.CLOSE): (S.CLOSED, ()),
    (S.CLOSED, V.GIVE_UP): (S.CLOSED, ()),
    # A publication is never hidden: the authority hears of it late, and no client gets a grant.
    (S.UNCOMMITTED, V.BYPASSED): (S.UNCOMMITTED, ()),  # only a job that is over can report it
    (S.UNKNOWN, V.BYPASSED): (S.UNKNOWN, ()),
    (S.COMMITTED, V.BYPASSED): (S.COMMITTED, ()),
    (S.REFUSED, V.BYPASSED): (S.REFUSED, ()),
    # The job is over, so its last moment does not matter.
    (S.CLOSED, V.BYPASSED): (S.LATE, (F.REACH, F.WRITE_UNKNOWN, F.SEND_COMMIT, F.WAIT)),
    (S.LATE, V.ASKED): (S.LATE, (F.REFUSE,)),
    (S.LATE, V.UNKNOWN_COMMAND): (S.LATE, (F.REFUSE,)),
    (S.LATE, V.GO_AHEAD): (S.CLOSED, (F.WRITE_COMMITTED,)),
    (S.LATE, V.REFUSAL): (S.CLOSED, ()),
    (S.LATE, V.SILENCE): (S.CLOSED, ()),
    (S.LATE, V.TIMEOUT): (S.CLOSED, (F.STOP_ASKING,)),
    (S.LATE, V.FAILED): (S.CLOSED, (F.STOP_ASKING, F.REFUSE)),
    (S.LATE, V.CLOSE): (S.LATE, ()),  # the gate is already closed
    (S.LATE, V.GIVE_UP): (S.LATE, ()),  # the same
    (S.LATE, V.BYPASSED): (S.LATE, ()),
}


class Serves(StrEnum):
    """The clients that a gate serves. The option --observe of each verb is OBSERVED."""

    JOB = "job"  # the processes of the job that we started: `run`, and dgit-repos-server
    USER = "user"  # all processes of the user: `supervise`, whose job another process starts
    OBSERVED = "observed"  # all processes of the user, and none is held


class Origin(StrEnum):
    """A client's origin, as the kernel reports it."""

    JOB = "job"  # it descends from us
    USER = "user"  # another process of the user
    FOREIGN = "foreign"  # a process of another user


class Admission(StrEnum):
    """An effect of a new request. After RECORD the request is an event of the gate."""

    ANSWER_EARLY = "answer early"  # let the client run its gpg
    RECORD = "record"  # write the client and its request to the journal
    TURN_AWAY = "turn away"  # refuse this request only


A, M = Origin, Admission

#: (the clients that the gate serves, the client's origin) -> effects, to be performed in order.
ADMISSIONS: dict[tuple[Serves, Origin], tuple[Admission, ...]] = {
    (Serves.JOB, A.JOB): (M.RECORD,),  # the gate decides
    (Serves.JOB, A.USER): (M.TURN_AWAY,),  # a stunt that was called by hand or by another job
    (Serves.JOB, A.FOREIGN): (M.TURN_AWAY,),  # another user's signature is not this job's
    (Serves.USER, A.JOB): (M.RECORD,),
    (Serves.USER, A.USER): (M.RECORD,),  # the job and other processes cannot be told apart
    (Serves.USER, A.FOREIGN): (M.TURN_AWAY,),
    # In observe mode no client waits for the disk or for a decision: it is answered first.
    (Serves.OBSERVED, A.JOB): (M.ANSWER_EARLY, M.RECORD),
    (Serves.OBSERVED, A.USER): (M.ANSWER_EARLY, M.RECORD),
    (Serves.OBSERVED, A.FOREIGN): (M.TURN_AWAY,),  # its gpg runs after any answer
}


class Control(StrEnum):
    """A request of a client that asks for no gpg. The values are the words of wire.py."""

    CLOSE = "close"  # close the gate; the stunt dgit sends it after dgit failed
    GIVE_UP = "give-up"  # close it unless a gpg has asked; the stunt dgit, near its time limit
    END = "end"  # `gpgshim close`: the job is over, or is to get no further grant
    WOULD = "would"  # record the exit status that the stunt dgit would have had
    GAVE_UP = "gave-up"  # record why a stunt refused by itself


C = Control

#: (the clients that the gate serves, the client's origin) -> what it may send; the gate turns away
#: anything else. No such request leads to a grant.
CONTROLS: dict[tuple[Serves, Origin], tuple[Control, ...]] = {
    (Serves.JOB, A.JOB): (C.CLOSE, C.GIVE_UP, C.END, C.GAVE_UP),
    (Serves.JOB, A.USER): (C.END,),  # a person may close any gate; a stunt called by hand may not
    (Serves.JOB, A.FOREIGN): (),  # nothing of it is read
    (Serves.USER, A.JOB): (C.CLOSE, C.GIVE_UP, C.END, C.GAVE_UP),
    (Serves.USER, A.USER): (C.CLOSE, C.GIVE_UP, C.END, C.GAVE_UP),  # it may be of the job
    (Serves.USER, A.FOREIGN): (),
    (Serves.OBSERVED, A.JOB): (C.CLOSE, C.GIVE_UP, C.END, C.WOULD, C.GAVE_UP),
    (Serves.OBSERVED, A.USER): (C.CLOSE, C.GIVE_UP, C.END, C.WOULD, C.GAVE_UP),  # the same
    (Serves.OBSERVED, A.FOREIGN): (),
}


class Audience(StrEnum):
    """The parties that hear of a refusal, because the job will fail, beside the client."""

    NOBODY = "nobody"  # the job reports to no other party, or it is over
    BOTH = "both"  # dgit-repos-server's report goes to the uploader and to the manager
    UPLOADER = "uploader"  # the same, but the manager will get nothing: see o2m.is_dropped


class Refusal(StrEnum):
    """An effect of REFUSE."""

    END_JOB = "end job"  # kill the job's processes
    ANSWER = "answer"  # send the refusal to all waiting clients


#: Audience of a refusal -> effects, to be performed in order.
REFUSALS: dict[Audience, tuple[Refusal, ...]] = {
    Audience.NOBODY: (Refusal.ANSWER,),
    Audience.BOTH: (Refusal.ANSWER,),  # the job fails by itself, and its report is true
    # The manager acts on its own state, which we do not know, and a mail could contradict it. So
    # the job must not learn of the refusal.
    Audience.UPLOADER: (Refusal.END_JOB, Refusal.ANSWER),
}


class Ending(StrEnum):
    """How the job ended, as far as it was reported."""

    WELL = "well"  # the job reports that it did everything it was for
    TRANSIENT = "transient"  # it failed: another try may succeed
    PERMANENT = "permanent"  # it failed: another try will fail again
    UNREPORTED = "unreported"  # nothing was reported: the job crashed, or our process did


class Outcome(StrEnum):
    """What is true of the job: the last line of a journal. Three of the words are o2m's own."""

    UPLOADED = "uploaded"  # committed, and the job ended well
    IRRECOVERABLE = "irrecoverable"  # the job may have done something that cannot be undone
    RETRIABLE = "retriable"  # no commitment was requested: the same job can be retried
    UNSIGNED = "unsigned"  # the job ended well, and no commitment was requested
    REFUSED = "refused"  # the authority refused: it has certainly not committed
    OBSERVED = "observed"  # in observe mode, which claims nothing; not in OUTCOMES


O, E = Outcome, Ending  # noqa: E741 - short names keep the rows of the table below on one line

#: (durable state, how the job ended) -> outcome. REFUSED here is no state on disk: the disk has
#: `unknown`, and after it the authority's explicit refusal.
OUTCOMES: dict[tuple[State, Ending], Outcome] = {
    (S.UNCOMMITTED, E.WELL): O.UNSIGNED,
    (S.UNCOMMITTED, E.TRANSIENT): O.RETRIABLE,
    (S.UNCOMMITTED, E.PERMANENT): O.IRRECOVERABLE,  # not committed, but a retry would fail again
    (S.UNCOMMITTED, E.UNREPORTED): O.RETRIABLE,
    (S.UNKNOWN, E.WELL): O.IRRECOVERABLE,  # the job did not notice that it was refused
    (S.UNKNOWN, E.TRANSIENT): O.IRRECOVERABLE,
    (S.UNKNOWN, E.PERMANENT): O.IRRECOVERABLE,
    (S.UNKNOWN, E.UNREPORTED): O.IRRECOVERABLE,
    (S.REFUSED, E.WELL): O.REFUSED,  # the job did not notice it
    (S.REFUSED, E.TRANSIENT): O.REFUSED,
    (S.REFUSED, E.PERMANENT): O.REFUSED,  # the authority's word weighs more than the job's
    (S.REFUSED, E.UNREPORTED): O.REFUSED,
    (S.COMMITTED, E.WELL): O.UPLOADED,
    (S.COMMITTED, E.TRANSIENT): O.IRRECOVERABLE,
    (S.COMMITTED, E.PERMANENT): O.IRRECOVERABLE,
    (S.COMMITTED, E.UNREPORTED): O.IRRECOVERABLE,
}

#: (state as in OUTCOMES, outcome) -> the explanation for a person. It has only the pairs that
#: OUTCOMES can give. A text claims no more than the gate watches: the gpgs that PATH led to it.
MEANINGS: dict[tuple[State, Outcome], str] = {
    (S.UNCOMMITTED, O.UNSIGNED): (
        "no gpg under the gate was called to sign, and no request to commit was sent"
    ),
    (S.UNCOMMITTED, O.RETRIABLE): (
        "no gpg under the gate was called to sign, and no request to commit was sent"
    ),
    (S.UNCOMMITTED, O.IRRECOVERABLE): (
        "no gpg under the gate was called to sign, and no request to commit was sent,"
        " but it would fail again"
    ),
    (S.UNKNOWN, O.IRRECOVERABLE): (
        "unknown: no gpg under the gate was allowed to sign, but the authority may have received"
        " the request to commit; ask the authority whether it has committed"
    ),
    (S.REFUSED, O.REFUSED): (
        "the authority refused: it has not committed, and no gpg under the gate was allowed to sign"
    ),
    (S.COMMITTED, O.UPLOADED): "committed, and the job ended well",
    (S.COMMITTED, O.IRRECOVERABLE): (
        "committed, and signatures may have been made; check what was published"
    ),
}

#: The same, for an uncommitted job whose gpg was refused or died before it got its answer.
DENIED: dict[Outcome, str] = {
    O.UNSIGNED: "no gpg under the gate was allowed to sign, and no request to commit was sent",
    O.RETRIABLE: "no gpg under the gate was allowed to sign, and no request to commit was sent",
    O.IRRECOVERABLE: (
        "no gpg under the gate was allowed to sign, and no request to commit was sent,"
        " but it would fail again"
    ),
}

#: As MEANINGS, for a job whose commitment point is at gpg-agent: its stunts let each gpg run.
AT_AGENT: dict[tuple[State, Outcome], str] = {
    (S.UNCOMMITTED, O.UNSIGNED): "no request to commit was sent",
    (S.UNCOMMITTED, O.RETRIABLE): "no request to commit was sent",
    (S.UNCOMMITTED, O.IRRECOVERABLE): "no request to commit was sent, but it would fail again",
    (S.UNKNOWN, O.IRRECOVERABLE): (
        "unknown: the authority may have received the request to commit;"
        " ask the authority whether it has committed"
    ),
    (S.REFUSED, O.REFUSED): "the authority refused: it has not committed",
    (S.COMMITTED, O.UPLOADED): MEANINGS[S.COMMITTED, O.UPLOADED],
    (S.COMMITTED, O.IRRECOVERABLE): MEANINGS[S.COMMITTED, O.IRRECOVERABLE],
}

TEMPFAIL = 75  #: sysexits' EX_TEMPFAIL. It always means `retriable`, and nothing else.
TEMPFAIL_TAKEN = 70  #: sysexits' EX_SOFTWARE, for a job that itself exits 75 and is not retriable.

#: sysexits' EX_PROTOCOL, only with Exit.OUTCOME: a person has to look.
PERSON_NEEDED = 76
#: sysexits' EX_NOPERM: the authority refused, or an earlier attempt does not let the job start.
NOT_PERMITTED = 77


class Exit(StrEnum):
    """What the exit status of `run` depends on."""

    COMMAND = "command"  # the command's own, unless the outcome has one of its own
    OUTCOME = "outcome"  # the outcome alone


#: Outcome -> the exit status with Exit.OUTCOME; None for the command's own.
STATUSES: dict[Outcome, int | None] = {
    O.UPLOADED: 0,
    O.UNSIGNED: 0,  # the job ended well, and had nothing to sign
    O.RETRIABLE: TEMPFAIL,
    O.IRRECOVERABLE: PERSON_NEEDED,
    O.REFUSED: NOT_PERMITTED,
    O.OBSERVED: None,  # observe mode changes nothing
}


def exit_status(outcome: Outcome, own: int, signal: int = 0, by: Exit = Exit.COMMAND) -> int:
    """The exit status of `run`, for the job's own (0 to 255). 75 is for `retriable` only.

    In observe mode it is always the job's own. `signal` is the number of a signal to gpgshim, or 0.
    If the job did not end well after it, the signal ended the job: the status is the one of a
    program that the signal killed. So ^C ends a loop that runs a job again after a 75. With
    Exit.OUTCOME, neither the job's own status nor a signal counts.
    """
    if by is Exit.OUTCOME:
        status = STATUSES[outcome]
        return own if status is None else status
    if outcome is Outcome.OBSERVED:
        return own
    if signal and own:
        return 128 + signal
    if outcome is Outcome.REFUSED:
        return NOT_PERMITTED
    if outcome is Outcome.RETRIABLE:
        return TEMPFAIL
    return TEMPFAIL_TAKEN if own == TEMPFAIL else own
