"""Does every interleaving of all that takes part in a job keep the promises, crashes included?

A small explicit-state checker. Run it: `python -m tests.model`.

Rule 1: it decides nothing. Gate, outcomes, replies and verdicts are gate.STEPS, gate.OUTCOMES,
o2m.REPLIES, o2m.amount_to, o2m.reply_lines, gate.exit_status and verdict.judge_bytes: the ones that
ship. What is written here is the world round them, and the shell's order of things (Supervisor's
and repos_server's), each instruction between which something can die being a transition.
Rule 2: the promises are put as facts of the world (the manager may have heard; a gpg may sign;
these bytes survive), never as states of the gate, so that a spoilt table cannot spoil its judge.
Rule 3: no sampling. All states are visited; a state is a tuple, and seen once.

Who takes part: up to three stunts, supervisor, its keeper, dgit with its stunt, dgit-repos-server,
manager, the disk, and an orphan of the attempt before. Two stunts in the same state are the same to
every table and promise, so a world holds how many there are of each kind, not which (symmetry).

The disk keeps what was synced, any part of what was written after that, and half a line. That is
not one more transition but a question about every state: `images` are the journals that a crash of
the machine can leave there, and each of them has to tell the truth.

The orphan of the attempt before has the private directory of that attempt first on its PATH. So it
asks there: a closed gate, or no gate. It is never one of the askers of this attempt. What that
directory is worth is shown by a spoilt shell (`SPOILT`) in which both attempts share one.
"""

from __future__ import annotations

import gc
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

from gpgshim import o2m
from gpgshim.gate import (
    OUTCOMES,
    STEPS,
    TEMPFAIL,
    Effect,
    Ending,
    Event,
    Outcome,
    State,
    exit_status,
)
from gpgshim.o2m import REPLIES, Reply, Said
from gpgshim.transcript import parse_line
from gpgshim.verdict import Verdict, ending_of, judge_bytes

S, V, F = State, Event, Effect


class Violation(Exception):
    """A promise is broken; the message begins with its number. `history` is how it came to that."""

    history: tuple[str, ...] = ()


class Setting(NamedTuple):
    """What is explored. `face` is "drs" (under oracled) or "run" (`gpgshim run`)."""

    face: str
    stunts: int
    stray: int = 0  # so many events that nobody expects: a shell that gives the gate nonsense
    orphan: bool = True
    spoilt: str = ""  # the rule of SPOILT that the shell breaks


class World(NamedTuple):
    """One state. Letters: see `moves`."""

    # The supervisor's process.
    at: str = "serve"  # serve kill reply late settle tell done gone
    gate: State = S.UNCOMMITTED
    todo: tuple[str, ...] = ()  # what is left of the effects under way, and what comes after them
    doubted: bool = False  # whether they are the effects of a question about a strange command
    together: tuple[Event, ...] = ()  # questions that share a sync: noted, and not yet stepped
    unsynced: bool = False  # whether who asks is noted and not on disk
    asking: bool = False  # whether the authority's answer is waited for
    over: str = ""  # the line that ended the job
    amount: str = ""  # what d-r-s's last words came to
    reply: tuple[str, ...] = ()
    # The disk.
    lines: tuple[str, ...] = ("! uncommitted",)
    synced: int = 1
    torn: bool = False  # half a line that could not be taken back
    broken: bool = False  # nothing more is written
    # Everybody else.
    stunts: str = ""  # a letter each, sorted
    job: str = "-"  # dgit and its stunt, or the command of `run`
    drs: str = "r"
    manager: str = "i"
    answer: str = ""  # on its way from the authority to us
    keeper: bool = True
    orphan: str = "-"
    stray: int = 0
    # Facts, which nobody in the world can read.
    reached: bool = False
    heard: bool = False  # the authority may have heard the request
    yes: bool = False  # it was asked, and said go-ahead
    no: bool = False  # it said anything else, or spoke when it was not asked
    failed: bool = False  # an effect could not be performed
    closed: bool = False  # the gate was closed
    granted: bool = False  # a stunt was told go
    bypassed: bool = False  # the job says `uploaded`, and was granted nothing
    deaf: bool = False  # the job was told no, and the manager will be told nothing
    said_75: bool = False
    told: tuple[str, ...] = ()  # what the manager was sent
    status: int = -1  # our own exit status
    said: str = ""  # the outcome that we said


HEAD = "job: j\n\n"
REPORTS = {
    said: f"message m\nemail reported -\n{said}\n".encode()
    for said in ("uploaded", "irrecoverable", "retriable")
}
WHOLE = ("message m", "email reported -")
#: What d-r-s may have written when it ends, and how it ends.
CRASHES = [(b"", "% exit 1"), (b"", "% exit 0"), (b"", "% signal 9"), (b"message m\n", "% exit 1")]

_verdicts: dict[tuple[tuple[str, ...], bytes], Verdict] = {}


def verdict(lines: tuple[str, ...], tail: bytes = b"") -> Verdict:
    """What the shipped judge says of a journal of these lines, with `tail` after them."""
    found = _verdicts.get((lines, tail))
    if found is None:
        data = (HEAD + "".join(f"{line}\n" for line in lines)).encode() + tail
        found = _verdicts[lines, tail] = judge_bytes(data)
    return found


HALF = b"+1.000 ! "


def read_back(world: World) -> Verdict:
    """What the supervisor, or anybody, reads while the machine is up."""
    return verdict(world.lines, HALF if world.torn else b"")


def images(world: World) -> Iterator[Verdict]:
    """The verdicts on all journals that a crash of the machine can leave here."""
    for length in range(world.synced, len(world.lines) + 1):
        yield verdict(world.lines[:length])
        if length < len(world.lines) or world.torn or not world.said:
            yield verdict(world.lines[:length], HALF)


# --- the promises -----------------------------------------------------------------------------

NOTHING_DONE = (Outcome.RETRIABLE, Outcome.UNSIGNED)
_imaged: set[tuple[object, ...]] = set()


def check(world: World) -> None:
    """What holds in every state, between any two instructions. Raises Violation."""
    key = (world.lines, world.synced, world.torn, bool(world.said), world.granted, world.heard)
    if key not in _imaged:
        for seen in images(world):
            if world.granted and seen.state is not S.COMMITTED:
                raise Violation("1: a gpg may sign, and a crash leaves no `committed`")
            if world.heard and seen.outcome in NOTHING_DONE:
                raise Violation(
                    f"2: the authority may have heard, and a crash leaves {seen.outcome}"
                )
        garbage = verdict(world.lines[: world.synced], b"\0\0\0\n")
        if garbage.outcome in NOTHING_DONE:
            raise Violation("2: a journal with NULs in it is called harmless")
        _imaged.add(key)
    if world.heard and (world.said_75 or world.status == TEMPFAIL or "retriable" in world.told):
        raise Violation("2: retriable was said, and the authority may have heard")
    if world.granted and (world.said_75 or world.status == TEMPFAIL or "retriable" in world.told):
        raise Violation("2: retriable was said, and a gpg may sign")
    if world.deaf and world.drs == "r":
        raise Violation("7: the uploader may be told what the manager will not hear")
    if world.orphan == "g":
        raise Violation("3: an orphan of the attempt before was granted")
    if len(world.told) not in (0, 3):
        raise Violation("5: an outcome that is not whole, or not the only one")
    if "uploaded" in world.told and "! committed" not in world.lines:
        raise Violation("5: `uploaded` was told, and it was never committed")


def check_at_rest(world: World) -> None:
    """What holds when the supervisor waits: the gate's word is true, and nobody waits in vain."""
    if "w" in world.stunts and world.gate is not S.UNKNOWN:
        raise Violation("4: a stunt waits for what will not come")
    if world.gate in (S.UNKNOWN, S.LATE) and not world.asking:
        raise Violation("4: we wait for an answer that nobody was asked for")
    if (world.gate in (S.CLOSED, S.LATE)) != world.closed:
        raise Violation("3: the gate's word is not true: closed")
    if world.failed:
        if world.gate in (S.UNCOMMITTED, S.UNKNOWN, S.COMMITTED):
            raise Violation("6: the gate goes on after a failure")
        return
    if world.reached and not world.heard:
        raise Violation("6: the authority was looked for, and not asked")
    if "! unknown" in world.lines and not world.heard:
        raise Violation("6: a commitment was noted, and nobody was asked for it")
    if "! committed" in world.lines and not world.yes:
        raise Violation("6: `committed` was noted, and nobody said so")
    if world.yes and "! committed" not in world.lines:
        raise Violation("6: the authority said yes, and the disk does not")


def check_end(world: World) -> None:
    """What holds when the supervisor has ended by itself: it said what the journal says."""
    now = read_back(world)
    if not world.said:
        return  # the disk did not take how the job ended: it exits 74 and says no outcome
    if world.said != now.outcome:
        raise Violation("5: the journal does not say what was said")
    # Where the disk refused the outcome itself, what a crash leaves may lack how the job ended; it
    # is then less than was said, and never more (see check).
    took = world.said in world.lines and not world.broken
    if took and any(seen.outcome != world.said for seen in images(world)):
        raise Violation("5: after a crash the journal does not say what was said")
    if "% bypassed" in world.lines and world.said in NOTHING_DONE:
        raise Violation("5: a job that went round the gate is called harmless")
    tried = "! unknown" in world.lines or world.torn or world.bypassed
    ending = ending_of(parse_line(world.over))
    if tried or world.granted:
        true = "uploaded" if ending is Ending.WELL and world.yes else "irrecoverable"
    else:
        true = {Ending.WELL: "unsigned", Ending.FINAL: "irrecoverable"}.get(
            ending or Ending.UNTOLD, "retriable"
        )
    if world.said != true and not world.failed and not world.broken:
        raise Violation(f"5: what is true is {true}, and {world.said} was said")
    if world.status < 0 or not world.amount or not world.keeper:
        return
    if world.torn and not world.told:
        return  # what a torn line took with it is not told
    # What the manager is owed: d-r-s's report, made true, where there is one and it can be used.
    state = verdict(world.lines).state
    if state is S.UNKNOWN or world.amount == Said.HALF or (world.bypassed and not world.yes):
        owed = ""
    elif world.amount == Said.NOTHING:
        owed = "retriable" if state is S.UNCOMMITTED else ""
    else:
        owed = world.said
    if world.told[2:] != ((owed,) if owed else ()) and not (
        world.manager == "x" and not world.told
    ):
        raise Violation(f"5: the manager is owed {owed or 'nothing'}, and heard {world.told}")
    if world.told and world.amount != Said.NOTHING and world.told[:2] != WHOLE:
        raise Violation("5: the manager was not told d-r-s's own words")


# --- the shell --------------------------------------------------------------------------------

AFTER = ("answer",)  # what of `todo` is no effect, and stays when one fails


def turn(stunts: str, old: str, new: str) -> str:
    """One stunt of kind `old` becomes one of kind `new`."""
    return "".join(sorted(stunts.replace(old, new, 1)))


#: The rows of the tables that were looked at since somebody emptied this.
_used: set[object] = set()


def row(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """A row of STEPS."""
    _used.add((state, event))
    return STEPS[state, event]


def step(world: World, event: Event) -> World:
    """Supervisor.step: the row's effects stand in front of what is yet to be done."""
    state, effects = row(world.gate, event)
    return world._replace(gate=state, todo=(*effects, *world.todo), doubted=event is V.DOUBTED)


def fail(world: World) -> World:
    """Supervisor._fail."""
    state, effects = row(world.gate, V.FAILED)
    if any(effect is not F.REFUSE for effect in effects):
        raise Violation("6: after a failure the shell can do nothing but refuse")
    todo = tuple(each for each in world.todo if each in AFTER)
    world = world._replace(gate=state, failed=True, todo=todo)
    return refused(world) if effects else world


def refused(world: World, lives_on: bool = False) -> World:
    """Supervisor._refuse, and what repos_server does before it: unless its d-r-s `lives_on`."""
    if world.drs in "re" and not world.over:
        state = read_back(world).state
        _used.update((state, said) for said in Said)
        if o2m.is_dropped(state) and not lives_on:
            job = "k" if world.job in "rc" else world.job
            world = world._replace(job=job, stunts=killed(world.stunts))
            if world.drs == "r":
                world = drs_ends(world, b"", "% signal 9")
        if world.heard and "! committed" not in world.lines:
            world = world._replace(deaf=True)
    return world._replace(stunts="".join(sorted(world.stunts.replace("w", "r"))))


def appended(world: World, line: str) -> Iterator[tuple[World, bool]]:
    """Journal._append: (what becomes of it, whether the line is there)."""
    if not world.broken:
        yield world._replace(lines=(*world.lines, line)), True
        yield world._replace(torn=True, broken=True), False
    yield world, False


def close(world: World, setting: Setting) -> World:
    """Supervisor.close: an answer that comes after it is not looked at, a late one excepted."""
    if world.gate is not S.LATE or setting.spoilt == "a close ends the late commitment":
        world = world._replace(asking=False)
    return step(world._replace(closed=True), V.CLOSE)


def perform(world: World, setting: Setting) -> Iterator[World]:
    """The next of `todo`, done or failed."""
    effect, rest = world.todo[0], world.todo[1:]
    after = world._replace(todo=rest)
    match effect:
        case F.REACH:
            if world.heard or (len(world.lines) > 1 and any(x[0] == "!" for x in world.lines[1:])):
                raise Violation("6: an authority that was asked is looked for again")
            after = after._replace(reached=True)
            if setting.face == "run" or world.manager != "i" or world.answer:
                yield fail(after)
            if setting.face == "run" or (world.manager == "i" and not world.answer):
                yield after
        case F.WRITE_UNKNOWN | F.WRITE_COMMITTED:
            for then, there in appended(world, effect):
                if not there:
                    yield fail(then)
                elif setting.spoilt == "the disk is synced after the next effect":
                    yield then._replace(todo=(*rest[:1], "sync", *rest[1:]))
                elif setting.spoilt == "the disk is not synced":
                    yield then._replace(todo=rest)
                else:
                    yield then._replace(todo=("sync", *rest))
        case "sync":
            yield after._replace(synced=len(world.lines), unsynced=False)
            bad = after._replace(broken=True)
            yield bad if setting.spoilt == "a failed sync is taken for one" else fail(bad)
        case F.SEND_COMMIT:
            if not world.reached or world.heard:
                raise Violation("6: the authority is asked twice, or was not looked for")
            yield fail(after)  # `>` could not be noted
            sent = after._replace(heard=True)
            yield fail(sent)
            if world.manager != "x":
                yield sent._replace(manager="h", asking=True)
        case F.GRANT:
            if "w" in world.stunts:
                yield fail(after)  # `= go` could not be noted
                if world.closed:
                    raise Violation("3: a grant after the gate was closed")
                if world.no or world.failed:
                    raise Violation("6: a grant after a no")
                if world.unsynced:
                    raise Violation("1: a grant, and who asked for it is not on disk")
                yield world._replace(stunts=turn(world.stunts, "w", "g"), granted=True)
            else:
                yield after
        case F.REFUSE:
            if "w" in world.stunts:
                doubted = world.doubted and not world.heard
                if not (world.closed or world.no or world.failed or doubted):
                    raise Violation("6: a no without a cause")
            yield refused(after, setting.spoilt == "the job lives on, and nobody is told")
        case _:  # the stunt dgit is answered, and says how it ends
            yield after._replace(job="1")
            harmless = read_back(world).state is S.UNCOMMITTED
            if harmless or setting.spoilt == "dgit takes any answer for a yes":
                yield after._replace(job="75", said_75=True)


def tidy(world: World) -> World:
    """The same world, less what nobody can read any more: fewer states, none of them lost.

    A grant or a refusal where nobody waits does nothing. And once the supervisor is gone, all that
    is left to happen is that the others see it: what it had in its memory, or was yet to be sent,
    is nobody's.
    """
    todo = world.todo
    idle = (F.GRANT,) if world.drs == "r" else (F.GRANT, F.REFUSE)  # see refused
    while todo and todo[0] in idle and "w" not in world.stunts:
        todo = todo[1:]
    if todo is not world.todo:
        world = world._replace(todo=todo)
    if world.doubted and not todo:
        world = world._replace(doubted=False)
    if world.at == "gone":
        world = world._replace(
            gate=S.CLOSED, todo=(), together=(), unsynced=False, doubted=False, asking=False,
            over="", amount="", reply=(),
            drs="-", manager="-", answer="", stray=0, reached=False, yes=False, no=False,
            failed=False, closed=True, bypassed=False, deaf=False,
            broken=False, keeper=True, job="-" if world.job == "-" else "k",
        )  # fmt: skip
    return world


def answered(world: World, event: Event) -> World:
    """Supervisor._answered and authority_is_silent, for an answer or none."""
    yes = event is V.GO_AHEAD and world.heard and not world.no and not world.failed
    if world.gate is S.LATE:
        world = world._replace(yes=event is V.GO_AHEAD)
    elif not world.closed:
        world = world._replace(yes=world.yes or yes, no=world.no or not (world.yes or yes))
    return step(world._replace(asking=False, answer=""), event)


ANSWERS = {"go": V.GO_AHEAD, "no": V.REFUSAL, "other": V.SILENCE}


def listen(world: World, setting: Setting) -> Iterator[World]:
    """Supervisor._loop: what it can take up next, when it has nothing else to do."""
    for kind, event in (("s", V.ASKED), ("d", V.DOUBTED)):
        if kind in world.stunts:
            asked = world._replace(stunts=turn(world.stunts, kind, "w"))
            yield fail(asked)  # `$` could not be noted
            asked = asked._replace(unsynced=True)
            if world.gate is S.COMMITTED:
                yield asked._replace(together=tuple(sorted((*world.together, event))))
            else:
                yield step(asked, event)
    if world.together:
        yield step(world._replace(together=world.together[1:]), world.together[0])
    if world.orphan == "s" and setting.spoilt == "two attempts share a directory":
        _, effects = row(world.gate, V.ASKED)
        yield world._replace(orphan="g" if F.GRANT in effects else "r")
    if world.asking:
        if world.answer:
            event = ANSWERS[world.answer]
            after = answered(world, event)
            if event is V.REFUSAL:
                for noted, _ in appended(world, "< refused"):
                    yield answered(noted, event)
            else:
                yield after
        elif world.manager == "x":
            yield answered(world, V.SILENCE)
        yield answered(world, V.SILENCE)  # its time is up
    if world.job == "c":
        if setting.spoilt == "dgit's question leaves the gate open":
            yield world._replace(todo=("answer",))
        else:
            yield close(world._replace(todo=("answer",)), setting)
    if world.stray and (setting.face == "run" or world.at == "late"):
        left = world._replace(stray=world.stray - 1)
        yield close(left, setting)  # by a signal, or by anybody who can reach the socket
        if not world.asking:
            for event in ANSWERS.values():
                yield answered(left, event)
        if world.gate is not S.CLOSED:
            yield step(left, V.BYPASSED)


def finish(world: World, line: str, setting: Setting) -> Iterator[World]:
    """Supervisor.finish: note how the job ended (or do not), and close."""
    for noted, _ in appended(world, line):
        yield close(noted._replace(over=line), setting)


def serve(world: World, setting: Setting) -> Iterator[World]:
    """Supervisor.serve, with what repos_server and `run` watch beside."""
    if world.over:
        after = "kill" if setting.face == "drs" else "settle"
        yield world._replace(at=after)
        return
    yield from listen(world, setting)
    if world.together:
        return  # what is watched comes after those who ask
    if setting.face == "drs":
        if not world.keeper:
            yield from finish(world, "% unkept", setting)
        if world.drs == "e":
            yield from finish(world, world.reply[0], setting)
    elif world.job not in ("r", "-"):
        line = {"9": "% signal 9", "-1": "% no-start 127"}.get(world.job, f"% exit {world.job}")
        yield from finish(world, line, setting)


def supervise(world: World, setting: Setting) -> Iterator[World]:
    """Everything that the supervisor's process can do next."""
    if world.todo:
        yield from perform(world, setting)
        return
    match world.at:
        case "serve":
            yield from serve(world, setting)
        case "kill":
            # kill_descendants. Who is started by hand after it is no descendant.
            gone = world._replace(stunts=killed(world.stunts), job=world.job.replace("r", "k"))
            yield gone._replace(
                job="k" if gone.job == "c" else gone.job,
                at="reply" if world.keeper and world.amount else "settle",
                reply=(),
            )
        case "reply":
            entry = (read_back(world).state, Said(world.amount))
            _used.add(entry)
            reply = REPLIES[entry]
            if reply is Reply.TELL_LATE:
                late = world._replace(at="late", bypassed=True, reached=False)
                for noted, _ in appended(late, "% bypassed"):
                    yield step(noted, V.BYPASSED)
            else:
                yield replied(world, reply)
        case "late":
            if world.gate is not S.LATE:
                reply = Reply.TELL_LATE
                committed = read_back(world).state is S.COMMITTED
                if not committed and setting.spoilt != "uploaded is told without a go-ahead":
                    reply = Reply.DROP
                yield replied(world, reply)
                return
            yield from listen(world, setting)
        case "settle":
            yield from settle(world, setting)
        case "tell":
            yield from tell(world, setting)


def killed(stunts: str) -> str:
    return "".join(sorted("i" if each == "i" else "r" for each in stunts))


def replied(world: World, reply: Reply) -> World:
    report = o2m.parse_report(REPORTS.get(world.amount, b""))
    return world._replace(at="settle", reply=tuple(o2m.reply_lines(reply, report)))


def settle(world: World, setting: Setting) -> Iterator[World]:
    """Supervisor.settle."""
    seen = read_back(world)
    ending = ending_of(parse_line(world.over))
    assert ending is not None
    if OUTCOMES[seen.state, ending] is not seen.outcome:
        if setting.spoilt == "the outcome is remembered":
            yield world._replace(at="tell", said=str(OUTCOMES[seen.state, ending]))
        else:
            yield world._replace(at="done", status=74)
        return
    for noted, there in appended(world, str(seen.outcome)):
        now = noted._replace(at="tell", said=str(read_back(noted).outcome))
        if there and setting.spoilt != "the outcome is not synced":
            yield now._replace(synced=len(noted.lines))
            yield now._replace(broken=True)
        else:
            yield now


def tell(world: World, setting: Setting) -> Iterator[World]:
    """Manager.tell, or the exit status of `run`."""
    done = world._replace(at="done")
    if setting.face == "run":
        own = {"9": 137, "-1": 127}.get(world.job) or int(world.job)
        yield done._replace(status=exit_status(Outcome(world.said), own))
    elif (
        not world.reply
        or not world.keeper
        or world.manager == "x"
        or (world.reply[-1] != world.said and setting.spoilt != "what the journal lost is told")
    ):
        yield done._replace(status=74)
    else:
        yield done._replace(status=0, told=world.told + world.reply)


# --- the world --------------------------------------------------------------------------------


def moves(world: World, setting: Setting) -> Iterator[World]:
    """All that can happen next.

    Stunts: i not called, s sent `sign`, d sent `doubt`, w heard, g told go, r refused or
    gone. Job: - not started, r runs, c its stunt asks, k killed; else its exit status. d-r-s: r
    runs, e ended. Manager: i idle, h has the request, a has answered, x has hung up.
    """
    if world.at == "done":
        yield world._replace(at="gone")
        return
    if world.at != "gone":
        yield from supervise(world, setting)
        # kill -9, between any two instructions. Its keeper, if it has one yet, then ends the job,
        # and if not, the stunts find a dead socket: to the promises it is all the same.
        yield world._replace(at="gone")
        yield from job_moves(world, setting)
        yield from authority_moves(world, setting)
    yield from stunts_move(world)
    if world.orphan == "i":
        yield world._replace(orphan="s")
    elif world.orphan == "s":
        # A dead socket, or the old supervisor: it has told its outcome, so its gate is closed.
        yield world._replace(orphan="r")
        for event in (V.ASKED, V.DOUBTED):
            _, effects = row(S.CLOSED, event)
            yield world._replace(orphan="g" if F.GRANT in effects else "r")


def stunts_move(world: World) -> Iterator[World]:
    stunts = world.stunts
    if "i" in stunts and world.job in "rk":
        yield world._replace(stunts=turn(stunts, "i", "s"))
        yield world._replace(stunts=turn(stunts, "i", "d"))
    for kind in "sdw":
        # It is killed; or its supervisor is gone, or does not look any more, and hangs up on it.
        if kind in stunts:
            yield world._replace(stunts=turn(stunts, kind, "r"))
    if "g" in stunts:
        yield world._replace(stunts=turn(stunts, "g", "r"))  # it has signed, or died: nobody knows


def job_moves(world: World, setting: Setting) -> Iterator[World]:
    if setting.face == "run":
        if world.job == "-":
            yield world._replace(job="r")
            yield world._replace(job="-1")
        elif world.job == "r":
            for status in ("0", "1", "75", "9"):
                yield world._replace(job=status)
        return
    if world.keeper:
        yield world._replace(keeper=False)
    if world.job == "r":
        yield world._replace(job="0")  # it went well; without a grant, a signature went round us
        if setting.spoilt == "dgit does not ask":
            yield world._replace(job="75", said_75=True)
        else:
            yield world._replace(job="c")
        yield world._replace(job="k")
    elif world.job == "c" and world.over:
        yield world._replace(job="1")  # nobody answers it: it is not called retriable
    if world.drs == "r":
        yield from drs_moves(world)


def drs_moves(world: World) -> Iterator[World]:
    if world.job == "-":
        yield world._replace(job="r")
        yield drs_ends(world, REPORTS["irrecoverable"], "% exit 0")  # it rejects the tag
    elif world.job in ("0", "1", "75"):
        said = {"0": "uploaded", "75": "retriable"}.get(world.job, "irrecoverable")
        yield drs_ends(world, REPORTS[said], "% exit 0")
        yield drs_ends(world, REPORTS[said], "% exit 1")
    else:
        yield drs_ends(world, REPORTS["irrecoverable"], "% exit 0")  # its alarm: dgit runs on
    for data, line in CRASHES:
        yield drs_ends(world, data, line)


def drs_ends(world: World, data: bytes, line: str) -> World:
    """_Server._ended: what was written, and the exit, become an amount and a line."""
    report = o2m.parse_report(data)
    amount = o2m.amount_to(report, data, line == "% exit 0")
    if report is not None and line == "% exit 0":
        line = f"% said {report.outcome}"
    elif line == "% exit 0":
        line = "% end"
    return world._replace(drs="e", amount=str(amount), reply=(line,))


def authority_moves(world: World, setting: Setting) -> Iterator[World]:
    if world.manager in "ih":
        yield world._replace(manager="x")
    if world.manager == "h":
        words = ("go", "no", "other") if setting.face == "run" else ("go", "other")
        for word in words:
            yield world._replace(manager="a", answer=word)
    elif world.manager == "i" and setting.face == "drs" and not world.answer and world.stray:
        yield world._replace(answer="other", stray=world.stray - 1)  # it was not asked
    elif world.manager == "a":
        yield world._replace(manager="x")


# --- the walk ---------------------------------------------------------------------------------


class Graph(NamedTuple):
    """All states, in the order in which they were found, and the moves between them."""

    setting: Setting
    number: dict[World, int]
    order: list[World]
    parents: array[int]  # state -> the one from which it was first found
    edges: array[int]
    begins: array[int]  # state -> where its edges begin
    depth: int  # the longest of the shortest ways
    users: dict[object, list[int]]  # row of a table -> the states that look at it


def first(setting: Setting) -> World:
    return World(
        stunts="i" * setting.stunts,
        drs="r" if setting.face == "drs" else "-",
        orphan="i" if setting.orphan else "-",
        stray=setting.stray,
    )


def look(world: World, setting: Setting) -> set[World]:
    """Check one state, and find what can come after it. Raises Violation."""
    check(world)
    if not world.todo and not world.together and world.at in ("serve", "late"):
        check_at_rest(world)
    elif world.at == "done":
        check_end(world)
    found = {tidy(each) for each in moves(world, setting)}
    if not found and (world.at != "gone" or set(world.stunts) & set("sdwg")):
        raise Violation("4: nothing can happen any more, and it is not over")
    return found


def explore(setting: Setting) -> Graph:
    """Visit all states. Raises Violation."""
    _verdicts.clear()
    _imaged.clear()
    start = first(setting)
    number = {start: 0}
    order = [start]
    parents, edges, begins = array("I", [0]), array("I"), array("Q", [0])
    users: dict[object, list[int]] = {}
    level, depth, at = 1, 0, 0
    gc.disable()  # there is no garbage here, and much to look through for it
    try:
        while at < len(order):
            if at == level:
                level, depth = len(order), depth + 1
            _used.clear()
            try:
                found = look(order[at], setting)
            except Violation as violation:
                violation.history = history(order, parents, at)
                raise
            for each in found:
                to = number.setdefault(each, len(order))
                if to == len(order):
                    order.append(each)
                    parents.append(at)
                edges.append(to)
            for used in _used:
                users.setdefault(used, []).append(at)
            begins.append(len(edges))
            at += 1
    finally:
        gc.enable()
    return Graph(setting, number, order, parents, edges, begins, depth, users)


def history(order: list[World], parents: array[int], at: int) -> tuple[str, ...]:
    """The shortest history that leads to state `at`: what changed, move by move."""
    path = [at]
    while path[-1]:
        path.append(parents[path[-1]])
    worlds = [order[each] for each in reversed(path)]
    return tuple(
        ", ".join(
            f"{name} {value!s}"
            for name, value, before in zip(World._fields, now, was, strict=True)
            if value != before
        )
        for was, now in pairwise(worlds)
    )


def longest_history(graph: Graph) -> int:
    """How many moves the longest history has. Violation where one goes on for ever.

    In a graph without a cycle, in which only ends have no way on, every history ends, whoever is
    slow, and whatever comes first.
    """
    edges, begins = graph.edges, graph.begins
    count = len(graph.order)
    into = array("I", bytes(4 * count))
    for each in edges:
        into[each] += 1
    length = array("I", bytes(4 * count))
    ready = [0]
    done = 0
    while ready:
        one = ready.pop()
        done += 1
        for at in range(begins[one], begins[one + 1]):
            to = edges[at]
            length[to] = max(length[to], length[one] + 1)
            into[to] -= 1
            if not into[to]:
                ready.append(to)
    if done != count:
        raise Violation("4: a job can go round in circles")
    return max(length)


# --- spoilt on purpose ------------------------------------------------------------------------


class Mutant(NamedTuple):
    """A row of a table, changed."""

    table: dict[Any, Any]
    row: Any
    value: Any
    name: str


def mutants() -> Iterator[Mutant]:
    """Every row spoilt in every small way: another next state, an effect less, one more, and any
    two effects the other way round; every outcome and every reply another."""
    for key, (state, effects) in STEPS.items():
        name = f"STEPS[{key[0]}, {key[1]}]"
        values = [((other, effects), f"goes to {other}") for other in State if other is not state]
        for at, effect in enumerate(effects):
            values.append(((state, effects[:at] + effects[at + 1 :]), f"without {effect.name}"))
            for to in range(at + 1, len(effects)):
                order = list(effects)
                order[at], order[to] = order[to], order[at]
                swapped = f"{effect.name} and {effects[to].name} change places"
                values.append(((state, tuple(order)), swapped))
        for extra in Effect:
            for at in range(len(effects) + 1):
                if extra not in effects:
                    longer = (*effects[:at], extra, *effects[at:])
                    values.append(((state, longer), f"with {extra.name} as effect {at + 1}"))
        yield from (Mutant(STEPS, key, value, f"{name} {what}") for value, what in values)
    for table, name, words in ((OUTCOMES, "OUTCOMES", Outcome), (REPLIES, "REPLIES", Reply)):
        for entry, value in table.items():
            for other in words:
                if other is not value:
                    what = f"{name}[{entry[0]}, {entry[1]}] is {other}"
                    yield Mutant(table, entry, other, what)


@contextmanager
def spoilt(mutant: Mutant) -> Iterator[None]:
    """The table that ships, with one row of it changed."""
    was = mutant.table[mutant.row]
    mutant.table[mutant.row] = mutant.value
    try:
        yield
    finally:
        mutant.table[mutant.row] = was


SAME = "the same states and the same moves"
#: One more sync makes nothing untrue: it costs time, and where it fails we refuse.
HARMLESS = "one sync more than need be"


def fate(mutant: Mutant, graphs: list[Graph]) -> str:
    """The promise that kills it, or "" where none does; SAME where it changes nothing at all."""
    if " with SYNC " in mutant.name:
        return HARMLESS
    same = True
    for graph in graphs:
        with spoilt(mutant):
            try:
                if mutant.table is OUTCOMES:
                    explore(graph.setting)
                    same = False
                else:
                    same = not changes(graph, mutant.row) and same
            except Violation as violation:
                return str(violation)
    return SAME if same else ""


def changes(graph: Graph, used: object) -> bool:
    """Walk what is other than in `graph` now that row `used` is; whether anything is.

    A state that does not look at the row leads where it led. So only those that do, and what has
    never been seen, are looked at again. Raises Violation.
    """
    setting = graph.setting
    users = set(graph.users.get(used, ()))
    differs = False
    known = bytearray(len(graph.order))
    fresh: dict[World, None] = {}
    # Where the row is used for the first time, its mutant is used too: death is near there.
    ready: list[int | World] = [0, *(each for each in users if is_first(each, users, graph))]
    while ready:
        at = ready.pop()
        if isinstance(at, int):
            if known[at]:
                continue
            known[at] = 1
            now = graph.edges[graph.begins[at] : graph.begins[at + 1]]
            if at not in users:
                ready.extend(to for to in now if not known[to])
                continue
            found = look(graph.order[at], setting)
            differs = differs or {graph.order[to] for to in now} != found
        else:
            found = look(at, setting)
            differs = True
        for each in found:
            to = graph.number.get(each)
            if to is not None:
                ready.append(to)
            elif each not in fresh:
                fresh[each] = None
                ready.append(each)
    return differs


def is_first(state: int, users: set[int], graph: Graph) -> bool:
    """Whether `state` can be come to without any other of `users`."""
    while state:
        state = graph.parents[state]
        if state in users:
            return False
    return True


#: How the shell could be wrong, which no table shows. Each has to be noticed too.
SPOILT = (
    ("run", "the disk is synced after the next effect"),
    ("run", "the disk is not synced"),
    ("run", "a failed sync is taken for one"),
    ("run", "the outcome is not synced"),
    ("run", "the outcome is remembered"),
    ("drs", "dgit takes any answer for a yes"),
    ("drs", "dgit's question leaves the gate open"),
    ("drs", "dgit does not ask"),
    ("drs", "two attempts share a directory"),
    ("drs", "a close ends the late commitment"),
    ("drs", "what the journal lost is told"),
    ("drs", "the job lives on, and nobody is told"),
    ("drs", "uploaded is told without a go-ahead"),
)


def spoilt_shell(face: str, rule: str) -> str:
    """The promise that a spoilt shell breaks, or ""."""
    try:
        explore(Setting(face, 2 if "open" in rule else 1, 1, orphan="share" in rule, spoilt=rule))
    except Violation as violation:
        return str(violation)
    return ""


#: What is explored to judge mutants: small, and both faces.
SMALL = (Setting("run", 2, 1, orphan=False), Setting("drs", 1, 1, orphan=False))
#: What is explored besides: all that there is.
WHOLE_WORLD = (
    Setting("run", 3, 2),
    Setting("drs", 1, 1),
    Setting("drs", 3, 0, orphan=False),
)


def report(setting: Setting) -> Graph:
    """Explore, and print what was seen."""
    began = time.monotonic()
    graph = explore(setting)
    longest = longest_history(graph)
    print(
        f"{setting.face}, {setting.stunts} stunts, {setting.stray} stray events"
        f"{', an orphan' if setting.orphan else ''}: {len(graph.order)} states,"
        f" {len(graph.edges)} moves, {graph.depth} deep, the longest history {longest} moves"
        f" ({time.monotonic() - began:.0f} s)",
        flush=True,
    )
    return graph


def main() -> int:
    """Explore everything, then everything spoilt; the exit status."""
    graphs = [report(setting) for setting in SMALL]
    fates = {mutant.name: fate(mutant, graphs) for mutant in mutants()}
    equal = [name for name, why in fates.items() if why in (SAME, HARMLESS)]
    alive = [name for name, why in fates.items() if not why]
    print(
        f"{len(fates)} mutants: {len(fates) - len(equal) - len(alive)} killed, by the promise that"
    )
    killers = Counter(why for why in fates.values() if why and why not in (SAME, HARMLESS))
    for why, count in sorted(killers.items()):
        print(f"{count:7} {why}")
    print(f"{len(equal):7} change nothing that counts ({SAME}, or {HARMLESS}):")
    for name in equal:
        print(f"        {name}")
    for name in alive:
        print(f"ALIVE   {name}")
    shells = {rule: spoilt_shell(face, rule) for face, rule in SPOILT}
    print(f"{len(shells)} spoilt shells:")
    for rule, why in shells.items():
        print(f"        {rule}: {why or 'NOT NOTICED'}")
    del graphs
    for setting in WHOLE_WORLD:
        report(setting)
    return 1 if alive or not all(shells.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
