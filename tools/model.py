# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does every order of events of all processes of a job keep the promises, with crashes?

This is a small explicit-state model checker. Run it: `python -m tools.model`.

Rule 1: the model decides nothing. Gate, outcomes, replies and verdicts come from the shipped code:
gate.STEPS, gate.OUTCOMES, o2m.REPLIES, o2m.amount_to, o2m.reply_lines, gate.exit_status and
verdict.judge_bytes. The model has the world around them, and the order of the supervisor's and
repos_server's actions. Each action before which a process can die is a transition.
Rule 2: the promises are facts of the world (the manager may have received the request; a gpg may
sign; these bytes survive), never states of the gate. So a spoilt table cannot spoil its check.
Rule 3: nothing is sampled. All states are visited; a state is a tuple, and is visited once.

The parties are: up to three stunts, supervisor, its watchdog, dgit with its stunt,
dgit-repos-server, manager, the disk, and an orphan of the attempt before.

These simplifications lose no possible sequence of events:

- Stunts in the same state are equal for every table and promise, so a world has the number of
  stunts in each state, not their identities (symmetry).
- A stunt has not been heard yet, waits, or is finished. The time of its start and of its request
  cannot be seen, so its request can arrive whenever the supervisor listens, also after the end of
  the job. The model allows more than can happen, and never less. A granted gpg may have signed at
  any later time (`granted` is a fact that stays), so its end changes nothing.
- The result of a supervisor's death depends only on the state in which it died, and is checked
  there: no later event changes a line, a fact or a message. So all worlds without a supervisor
  are one world.
- When only the outcome is still to be settled and reported, data that no process reads any more
  are removed (`tidy`).
- The orphan of the attempt before and this attempt do not affect each other, so their states form
  a product. The orphan is part of the small worlds, and not of the largest.

The disk keeps all synced bytes, any part of the bytes written later, and half a line. This is no
transition but a check of every state: `images` are the journals that a crash of the machine can
leave, and each of them must give a true outcome.

The orphan of the attempt before has that attempt's directory first on its PATH. So it sends its
request there: to a closed gate, or to no gate. It is never a client of this attempt. A spoilt shell
(`SPOILT`), in which both attempts share one directory, shows that this is necessary.

At last the product is spoilt in one place at a time (`mutants`). Each mutant must be found by a
promise here, or by a named test (`NAMED`). Mutants that change no behaviour are in `EQUIVALENT`,
with the reason.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import inspect
import io
import multiprocessing
import re
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import pairwise, permutations
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from gpgshim.core import gate, o2m
from gpgshim.core import verdict as verdicts
from gpgshim.core.gate import (
    ADMISSIONS,
    MEANINGS,
    OUTCOMES,
    REFUSALS,
    STEPS,
    TEMPFAIL,
    Admission,
    Audience,
    Effect,
    Ending,
    Event,
    Outcome,
    Refusal,
    State,
)
from gpgshim.core.o2m import REPLIES, Reply, Said
from gpgshim.core.transcript import TranscriptError, parse, parse_line
from gpgshim.core.verdict import ENDINGS, Verdict

S, V, F = State, Event, Effect


class Violation(Exception):
    """A promise is broken; the message begins with its number. `history` is how it came to that."""

    history: tuple[str, ...] = ()


class Setting(NamedTuple):
    """What is explored. `face` is "drs" (under oracled) or "run" (`gpgshim run`)."""

    face: str
    stunts: int
    stray: int = 0  # number of events that cannot happen, as from a faulty shell
    orphan: bool = True
    spoilt: str = ""  # the rule of SPOILT that the shell breaks
    disk: bool = True  # whether the disk can refuse; see ALONE


class World(NamedTuple):
    """One state. Letters: see `moves`."""

    # The supervisor's process.
    at: str = "serve"  # serve kill reply late settle tell done gone
    gate: State = S.UNCOMMITTED
    todo: tuple[str, ...] = ()  # what is left of the effects under way, and what comes after them
    unknown_command: bool = False  # whether they are the effects of such a request
    together: tuple[Event, ...] = ()  # questions that share a sync: noted, and not yet stepped
    unsynced: bool = False  # whether who asks is noted and not on disk
    asking: bool = False  # whether the authority's answer is waited for
    in_time: bool = False  # and no longer than until the job's last moment
    over: str = ""  # the line that ended the job
    amount: str = ""  # what d-r-s's last words came to
    reply: tuple[str, ...] = ()
    # The disk.
    lines: tuple[str, ...] = ("! uncommitted",)
    synced: int = 1
    torn: bool = False  # half a line that could not be taken back
    broken: bool = False  # nothing more is written
    # The other parties.
    stunts: str = ""  # a letter each, sorted
    job: str = "-"  # dgit and its stunt, or the command of `run`
    drs: str = "r"
    manager: str = "i"
    answer: str = ""  # on its way from the authority to us
    watchdog: bool = True
    orphan: str = "-"
    stray: int = 0
    # Facts that no party can read.
    wrote: str = (
        ""  # what d-r-s did say, or "nothing", or "half" of a report, or one that it belies
    )
    reached: bool = False
    heard: bool = False  # the authority may have heard the request
    yes: bool = False  # it was asked, and answered go-ahead
    denied: bool = False  # it was asked, and refused explicitly
    no: bool = False  # it answered anything else, or sent a line without a request
    failed: bool = False  # an effect could not be performed
    closed: bool = False  # the gate was closed
    granted: bool = False  # a stunt got the answer go
    bypassed: bool = False  # the job reports `uploaded`, and had no grant
    deaf: bool = False  # a request was refused, and the manager will receive nothing
    said_75: bool = False
    told: tuple[str, ...] = ()  # the lines that the manager received
    status: int = -1  # our own exit status
    said: str = ""  # the outcome that we said


HEAD = "job: j\n\n"
REPORTS = {
    said: f"message m\nemail reported -\n{said}\n".encode()
    for said in ("uploaded", "irrecoverable", "retriable")
}
WHOLE = ("message m", "email reported -")
#: What d-r-s may have written when it ends, and how it ends.
CRASHES = [
    (b"", "% exit 1"),
    (b"", "% exit 0"),
    (b"", "% signal 9"),
    (b"message m\n", "% exit 1"),
    (b"message m\n", "% exit 0"),
]

_verdicts: dict[tuple[tuple[str, ...], bytes], Verdict] = {}


def verdict(lines: tuple[str, ...], tail: bytes = b"") -> Verdict:
    """What the shipped judge says of a journal of these lines, with `tail` after them."""
    found = _verdicts.get((lines, tail))
    if found is None:
        data = (HEAD + "".join(f"{line}\n" for line in lines)).encode() + tail
        found = _verdicts[lines, tail] = verdicts.judge_bytes(data)
    return found


def is_whole(lines: tuple[str, ...]) -> bool:
    """Whether a journal of these lines is one."""
    try:
        verdicts.judge(parse((HEAD + "".join(f"{line}\n" for line in lines)).encode()))
    except TranscriptError:
        return False
    return True


HALF = b"+1.000 ! "


def read_back(world: World) -> Verdict:
    """The verdict of a journal that is read while the machine is up."""
    return verdict(world.lines, HALF if world.torn else b"")


def images(world: World) -> Iterator[Verdict]:
    """The verdicts on all journals that a crash of the machine can leave here."""
    for length in range(world.synced, len(world.lines) + 1):
        yield verdict(world.lines[:length])
        if length < len(world.lines) or world.torn or not world.said:
            yield verdict(world.lines[:length], HALF)


# --- the promises -----------------------------------------------------------------------------

#: How a job ends that did all it was for, and one that would fail again: facts, not ENDINGS.
WELL = ("% exit 0", "% said uploaded")
FINAL = ("% no-start 127", "% said irrecoverable")

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
        if not is_whole(world.lines):
            raise Violation("5: a journal that contradicts itself")
        garbage = verdict(world.lines[: world.synced], b"\0\0\0\n")
        if garbage.outcome in NOTHING_DONE:
            raise Violation("2: a journal with NULs in it is called harmless")
        _imaged.add(key)
    # If a job reports `uploaded` later, the 75 of dgit does not count: it came before that.
    said_75 = world.said_75 and not world.bypassed
    if world.heard and (said_75 or world.status == TEMPFAIL or "retriable" in world.told):
        raise Violation("2: retriable was reported, and the authority may have got the request")
    if world.granted and (world.said_75 or world.status == TEMPFAIL or "retriable" in world.told):
        raise Violation("2: retriable was reported, and a gpg may sign")
    if world.deaf and world.drs == "r":
        raise Violation("7: the uploader may get an outcome that the manager will not get")
    if world.orphan == "g":
        raise Violation("3: an orphan of the attempt before was granted")
    if (world.told or world.said) and not world.closed:
        raise Violation("3: an outcome was reported, and the gate is open")
    if world.told and world.job in RUNS:
        raise Violation("3: the manager got an outcome, and the job runs")
    if world.told and not world.said and any(x.outcome != world.told[2] for x in images(world)):
        raise Violation("5: the manager got an outcome, and a crash leaves another one")
    if len(world.told) not in (0, 3):
        raise Violation("5: an outcome that is not whole, or not the only one")
    if "uploaded" in world.told and "! committed" not in world.lines:
        raise Violation("5: the manager got `uploaded`, and the job was never committed")


def check_at_rest(world: World) -> None:
    """While the supervisor waits: the gate's state is true, and no stunt waits for ever."""
    if "w" in world.stunts and world.gate is not S.UNKNOWN:
        raise Violation("4: a stunt waits for an answer that will not come")
    if world.gate in (S.UNKNOWN, S.LATE) and not world.asking:
        raise Violation("4: the supervisor waits for an answer without a request")
    if (world.gate in (S.CLOSED, S.LATE)) != world.closed:
        raise Violation("3: the gate's state is wrong: closed")
    if world.asking and world.gate not in (S.UNKNOWN, S.LATE):
        raise Violation("4: the authority was asked, and the gate does not wait for its answer")
    if world.asking and world.in_time is (world.gate is S.LATE):
        raise Violation("5: an answer after the last moment counts for a late commitment only")
    if world.failed:
        if world.gate in (S.UNCOMMITTED, S.UNKNOWN, S.COMMITTED):
            raise Violation("6: the gate goes on after a failure")
        return
    if world.yes and not world.closed and world.gate is not S.COMMITTED:
        raise Violation("4: the authority said yes, and the gate has forgotten it")
    if world.reached and not world.heard:
        raise Violation("6: the authority was reached, and not asked")
    if "! unknown" in world.lines and not world.heard:
        raise Violation("6: `unknown` was written, and no request was sent")
    if "! committed" in world.lines and not world.yes:
        raise Violation("6: `committed` was written, and there was no go-ahead")
    if world.yes and "! committed" not in world.lines:
        raise Violation("6: the authority said go-ahead, and `committed` was not written")


def check_end(world: World) -> None:
    """After the supervisor has ended by itself: it reported the outcome of the journal."""
    now = read_back(world)
    if not world.said:
        return  # the disk did not take how the job ended: it exits 74 and says no outcome
    if now.refused and not world.denied:
        raise Violation("5: the journal says that the authority refused, and it did not")
    if world.said != now.outcome:
        raise Violation("5: the journal has another outcome than the report")
    # If the disk did not take the outcome, a crash may also lose the job's ending. The journal then
    # claims less than was reported, and never more (see check).
    took = world.said in world.lines and not world.broken
    if took and any(seen.outcome != world.said for seen in images(world)):
        raise Violation("5: after a crash the journal has another outcome than the report")
    if "% bypassed" in world.lines and world.said in NOTHING_DONE:
        raise Violation("5: a job that signed past the gate is called harmless")
    tried = "! unknown" in world.lines or world.torn or world.bypassed
    well, final = world.over in WELL, world.over in FINAL
    if tried or world.granted:
        true = "uploaded" if well and world.yes else "irrecoverable"
    else:
        true = "unsigned" if well else "irrecoverable" if final else "retriable"
    if world.said != true and not world.failed and not world.broken:
        raise Violation(f"5: the outcome is {true}, and {world.said} was reported")
    if world.over and world.job in OWN and not world.wrote:
        own = OWN[world.job]
        if (world.status == TEMPFAIL) != (world.said == "retriable"):
            raise Violation("2: 75 means retriable, and nothing else")
        if world.said != "retriable" and world.status != (70 if own == TEMPFAIL else own):
            raise Violation("4: the job's exit status is not its own")
        return
    if world.status < 0 or not world.wrote or not world.watchdog:
        return
    if world.torn and not world.told:
        return  # what a torn line took with it is not told
    # What the manager is owed: d-r-s's report, made true, where there is one and it can be used.
    state = verdict(world.lines).state
    if state is S.UNKNOWN or world.wrote == "half" or (world.bypassed and not world.yes):
        owed = ""
    elif world.wrote == "nothing":
        owed = "retriable" if state is S.UNCOMMITTED else ""
    else:
        owed = world.said
    if world.told[2:] != ((owed,) if owed else ()) and not (
        world.manager == "x" and not world.told
    ):
        raise Violation(f"5: the manager is owed {owed or 'nothing'}, and heard {world.told}")
    if world.told and world.wrote != "nothing" and world.told[:2] != WHOLE:
        raise Violation("5: the manager was not told d-r-s's own words")


# --- the shell --------------------------------------------------------------------------------

#: From here on only the disk, the outcome and its receivers matter.
ENDS = ("settle", "tell", "done")
RUNS = ("r", "R", "c")  # a job that runs
AFTER = ("answer", "gave up")  # what of `todo` is no effect, and stays when one fails


def turn(stunts: str, old: str, new: str) -> str:
    """One stunt of kind `old` becomes one of kind `new`."""
    return "".join(sorted(stunts.replace(old, new, 1)))


#: The rows of the tables that were used since this set was emptied.
_used: set[object] = set()


def row(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """A row of STEPS."""
    _used.add((state, event))
    return STEPS[state, event]


def step(world: World, event: Event) -> World:
    """Gatekeeper.step: the row's effects stand in front of what is yet to be done."""
    state, effects = row(world.gate, event)
    return world._replace(
        gate=state, todo=(*effects, *world.todo), unknown_command=event is V.UNKNOWN_COMMAND
    )


def fail(world: World, setting: Setting) -> World:
    """Gatekeeper._fail."""
    state, effects = row(world.gate, V.FAILED)
    if set(effects) - {F.STOP_ASKING, F.REFUSE}:
        raise Violation("6: after a failure the shell can do nothing but refuse")
    goes_on = setting.spoilt == "the effects go on after one that failed"
    todo = tuple(each for each in world.todo if each in AFTER or goes_on)
    world = world._replace(gate=state, failed=True, todo=todo)
    for effect in effects:
        world = refused(world) if effect is F.REFUSE else stop_asking(world)
    return world


def stop_asking(world: World) -> World:
    """Gatekeeper._stop_asking."""
    return world._replace(asking=False, in_time=False)


def refused(world: World, lives_on: bool = False) -> World:
    """Gatekeeper._refuse, with relay.ManagersReport; but a d-r-s may `lives_on`."""
    audience = Audience.NOBODY
    if world.drs in "re" and not world.over:
        state = read_back(world).state
        _used.update((state, said) for said in Said)
        audience = Audience.UPLOADER if o2m.is_dropped(state) else Audience.BOTH
        if world.heard and "! committed" not in world.lines:
            world = world._replace(deaf=True)
    _used.add(audience)
    is_answered = False
    for effect in REFUSALS[audience]:
        if effect is Refusal.ANSWER:
            if world.deaf and world.drs == "r" and not lives_on:
                raise Violation("7: the uploader may be told what the manager will not hear")
            if "w" in world.stunts and world.asking and world.gate is not S.LATE:
                raise Violation("6: a no, and a go-ahead may still come")
            is_answered = True
            world = world._replace(stunts=none_waits(world.stunts))
        elif audience is not Audience.UPLOADER:
            raise Violation("7: a job is ended whose report would have been heard")
        elif not lives_on:
            world = world._replace(job="k" if world.job in RUNS else world.job)
            if world.drs == "r":
                world = drs_ends(world, b"", "% signal 9")
    if "w" in world.stunts and not is_answered:
        raise Violation("4: a stunt waits for what will not come")
    return world


def none_waits(stunts: str) -> str:
    """All who wait have had their no, or are killed."""
    return "".join(sorted(stunts.replace("w", "r")))


def appended(world: World, line: str, setting: Setting) -> Iterator[tuple[World, bool]]:
    """Journal._append: (what becomes of it, whether the line is there)."""
    if not world.broken:
        yield world._replace(lines=(*world.lines, line)), True
    if setting.disk:
        if not world.broken:
            yield world._replace(torn=True, broken=True), False
        yield world, False


def close(world: World, setting: Setting) -> World:
    """Supervisor.close."""
    if world.gate is S.LATE and setting.spoilt == "a close ends the late commitment":
        world = stop_asking(world)
    return step(world._replace(closed=True), V.CLOSE)


def perform(world: World, setting: Setting) -> Iterator[World]:
    """The next of `todo`, done or failed."""
    effect, rest = world.todo[0], world.todo[1:]
    after = world._replace(todo=rest)
    match effect:
        case F.REACH:
            if world.heard or (len(world.lines) > 1 and any(x[0] == "!" for x in world.lines[1:])):
                raise Violation("6: an authority that was asked is reached again")
            after = after._replace(reached=True)
            if setting.face == "run" or world.manager != "i" or world.answer:
                yield fail(after, setting)
            if setting.face == "run" or (world.manager == "i" and not world.answer):
                yield after
        case F.WRITE_UNKNOWN | F.WRITE_COMMITTED:
            for then, there in appended(world, effect, setting):
                if not there:
                    yield fail(then, setting)
                elif setting.spoilt == "the disk is synced after the next effect":
                    yield then._replace(todo=(*rest[:1], "sync", *rest[1:]))
                elif setting.spoilt == "the disk is not synced":
                    yield then._replace(todo=rest)
                else:
                    yield then._replace(todo=("sync", *rest))
        case "sync":
            yield after._replace(synced=len(world.lines), unsynced=False)
            bad = after._replace(broken=True)
            if setting.spoilt == "a failed sync is taken for one":
                yield bad
            elif setting.disk:
                yield fail(bad, setting)
        case F.SEND_COMMIT:
            if not world.reached or world.heard:
                raise Violation("6: the authority is asked twice, or was not reached")
            if setting.disk:
                yield fail(after, setting)  # `>` could not be noted
            sent = after._replace(heard=True)
            yield fail(sent, setting)
            if world.manager != "x":
                yield sent._replace(manager="h")
        case F.WAIT | F.WAIT_IN_TIME:
            if not world.heard or world.asking:
                raise Violation("6: an answer is waited for, and nobody was asked for it")
            yield after._replace(asking=True, in_time=effect is F.WAIT_IN_TIME)
        case F.STOP_ASKING:
            yield stop_asking(after)
        case F.GRANT:
            if "w" in world.stunts:
                if setting.disk:
                    yield fail(after, setting)  # `= go` could not be noted
                if world.closed:
                    raise Violation("3: a grant after the gate was closed")
                if world.no or world.failed:
                    raise Violation("6: a grant after a no")
                if world.unsynced:
                    raise Violation("1: a grant, and who asked for it is not on disk")
                yield world._replace(stunts=turn(world.stunts, "w", "r"), granted=True)
            else:
                yield after
        case F.REFUSE:
            if "w" in world.stunts:
                unknown_command = world.unknown_command and not world.heard
                if not (world.closed or world.no or world.failed or unknown_command):
                    raise Violation("6: a no without a cause")
            yield refused(after, setting.spoilt == "the job is not killed for a silent manager")
        case "gave up":  # the stunt dgit is answered, and kills dgit if the gate is closed
            is_closed = world.gate in (S.CLOSED, S.LATE)
            if is_closed and read_back(world).state is S.UNCOMMITTED:
                yield after._replace(job="75", said_75=True)
            else:
                yield after._replace(job="R")
        case _:  # the stunt dgit is answered, and says how it ends
            yield after._replace(job="1")
            harmless = read_back(world).state is S.UNCOMMITTED
            if harmless or setting.spoilt == "dgit takes any answer for a yes":
                yield after._replace(job="75", said_75=True)


def tidy(world: World) -> World:
    """The same world without data that no party can read any more: fewer states, none of them lost.

    A grant or a refusal without a waiting stunt does nothing. After the death of the supervisor the
    other parties can only notice it: its memory and its unsent messages are lost.
    """
    # No input is read before all of `todo` is done; its first answer goes to all waiting stunts.
    # A refusal can still end a d-r-s that lives: see refused.
    todo: tuple[str, ...] = ()
    idle = {F.GRANT, F.REFUSE} if "w" not in world.stunts else set()
    if world.drs == "r":
        idle.discard(F.REFUSE)
    for each in world.todo:
        if each not in idle:
            todo = (*todo, each)
        if each is F.REFUSE or (each is F.GRANT and world.drs != "r"):
            idle = {F.GRANT, F.REFUSE}
        elif each is F.GRANT:
            idle.add(F.GRANT)
    if todo != world.todo:
        world = world._replace(todo=todo)
    if world.unknown_command and not todo:
        world = world._replace(unknown_command=False)
    if world.at == "gone":
        # A fact at its death stays true, and was checked then: see `check`.
        return World(at="gone", drs="-", job="-", orphan=world.orphan)
    if world.at in ENDS:
        world = world._replace(
            gate=S.CLOSED, together=(), unsynced=False, asking=False, in_time=False, answer="",
            stray=0, reached=False, no=False, deaf=False, drs="-", stunts="",
            manager="x" if world.manager == "x" else "i",
            job=world.job if world.drs == "-" or world.job in RUNS else "k",
        )  # fmt: skip
    return world


def answered(world: World, event: Event, said: bool = False) -> World:
    """Gatekeeper._answered and _time_out; `said` is whether the answer was go-ahead."""
    yes = said and world.heard and not world.no and not world.failed
    if world.gate is S.LATE:
        world = world._replace(yes=said)
    elif not world.closed:
        world = world._replace(yes=world.yes or yes, no=world.no or not (world.yes or yes))
    if event is not V.TIMEOUT:
        world = stop_asking(world)
    return step(world._replace(answer=""), event)


#: The event for each exit of a command: see authority.Command.answer.
ANSWERS = {"go": V.GO_AHEAD, "no": V.REFUSAL, "other": V.SILENCE}
#: The manager's lines.
LINES = {"go": o2m.GO_AHEAD, "other": b"protocol-violation what\n"}


def event_of(answer: str, setting: Setting) -> Event:
    """The gate's event for an answer of the authority."""
    in_o2m = setting.face == "drs" and answer in LINES
    return o2m.answer_to_commit(LINES[answer]) if in_o2m else ANSWERS[answer]


def listen(world: World, setting: Setting) -> Iterator[World]:
    """The event loop: the possible next events, when nothing else is to be done."""
    for event in (V.ASKED, V.UNKNOWN_COMMAND):
        if "i" in world.stunts:
            asked = world._replace(stunts=turn(world.stunts, "i", "w"))
            if setting.disk:
                yield fail(asked, setting)  # `$` could not be noted
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
            event = event_of(world.answer, setting)
            said = world.answer == "go"
            told = world._replace(denied=world.denied or world.answer == "no")
            if event is V.REFUSAL:
                for noted, _ in appended(told, "< refused", setting):
                    yield answered(noted, event, said)
            else:
                yield answered(told, event, said)
        elif world.manager == "x":
            yield answered(world, V.SILENCE)
        yield answered(world, V.TIMEOUT)
    if world.job == "c":
        if setting.spoilt == "dgit's question leaves the gate open":
            yield world._replace(todo=("answer",))
        else:
            yield close(world._replace(todo=("answer",)), setting)
    if world.job == "r" and setting.face == "drs":
        yield give_up(world._replace(job="R", todo=("gave up",)))
    if world.stray and (setting.face == "run" or world.at == "late"):
        left = world._replace(stray=world.stray - 1)
        yield give_up(left)
        yield close(left, setting)  # by a signal, or by anybody who can reach the socket
        if not world.asking:
            for event in (*ANSWERS.values(), V.TIMEOUT):
                yield answered(left, event)
        if world.gate is not S.CLOSED:
            yield step(left, V.BYPASSED)


def give_up(world: World) -> World:
    """The job's time limit is near, and the stunt dgit asks once whether the gate can be closed."""
    goes_on = world.asking or (world.yes and not world.failed)
    return step(world._replace(closed=world.closed or not goes_on), V.GIVE_UP)


def finish(world: World, line: str, setting: Setting) -> Iterator[World]:
    """Supervisor.finish: note how the job ended (or do not), and close."""
    for noted, _ in appended(world, line, setting):
        over = noted._replace(over=line)
        stays = setting.spoilt == "the gate stays open when the job is over"
        yield over if stays else close(over, setting)


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
        if not world.watchdog:
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
            # kill_descendants. A process that a person starts later is no descendant.
            lives = setting.spoilt == "the remaining processes are not killed"
            yield world._replace(
                stunts=none_waits(world.stunts),
                job="k" if world.job in RUNS and not lives else world.job,
                drs="e",
                at="reply" if world.watchdog and world.amount else "settle",
                reply=(),
            )
        case "reply":
            entry = (read_back(world).state, Said(world.amount))
            _used.add(entry)
            reply = REPLIES[entry]
            if reply is Reply.TELL_LATE:
                if world.wrote != "uploaded":
                    raise Violation("6: a late request without a report of an upload")
                late = world._replace(at="late", bypassed=True, reached=False)
                for noted, _ in appended(late, "% bypassed", setting):
                    yield step(noted, V.BYPASSED)
            else:
                yield replied(world, reply)
        case "late":
            if world.gate is not S.LATE:
                reply = Reply.TELL_LATE
                committed = read_back(world).state is S.COMMITTED
                if not committed and setting.spoilt != "uploaded is sent without a go-ahead":
                    reply = Reply.DROP
                yield replied(world, reply)
                return
            yield from listen(world, setting)
        case "settle":
            first = setting.spoilt == "the manager gets the outcome before it is on disk"
            if first and world.reply and world.manager != "x":
                yield world._replace(told=world.reply, reply=())
            else:
                yield from settle(world, setting)
        case "tell":
            yield from tell(world, setting)


def replied(world: World, reply: Reply) -> World:
    report = o2m.parse_report(REPORTS.get(world.amount, b""))
    return world._replace(at="settle", reply=tuple(o2m.reply_lines(reply, report)))


def settle(world: World, setting: Setting) -> Iterator[World]:
    """Settlement.settle."""
    seen = read_back(world)
    ending = verdicts.ending_of(parse_line(world.over))
    assert ending is not None
    if OUTCOMES[seen.state, ending] is not seen.outcome:
        if setting.spoilt == "the outcome is remembered":
            yield world._replace(at="tell", said=str(OUTCOMES[seen.state, ending]))
        else:
            yield world._replace(at="done", status=74)
        return
    for noted, there in appended(world, str(seen.outcome), setting):
        now = noted._replace(at="tell", said=str(read_back(noted).outcome))
        if there and setting.spoilt != "the outcome is not synced":
            yield now._replace(synced=len(noted.lines))
            if setting.disk:
                yield now._replace(broken=True)
        else:
            yield now


LOST = "an outcome that the journal lost is sent"
#: A job's exit status, as a shell has it.
OWN = {"0": 0, "1": 1, "75": 75, "9": 137, "-1": 127}


def tell(world: World, setting: Setting) -> Iterator[World]:
    """Manager.tell, or the exit status of `run`."""
    done = world._replace(at="done")
    if setting.face == "run":
        own = OWN[world.job]
        yield done._replace(status=gate.exit_status(Outcome(world.said), own))
    elif (
        not world.reply
        or not world.watchdog
        or world.manager == "x"
        or (world.reply[-1] != world.said and setting.spoilt != LOST and setting.disk)
    ):
        yield done._replace(status=74)
    else:
        yield done._replace(status=0, told=world.told + world.reply)


# --- the world --------------------------------------------------------------------------------


def moves(world: World, setting: Setting) -> Iterator[World]:
    """All possible next worlds.

    Stunts: i not heard yet, w waits, r done with. Job: - not started, r runs, R the same after its
    stunt asked whether to give up, c its stunt asks, k killed; else its exit status. d-r-s: r runs,
    e ended. Manager: i idle, h has the request, a has answered, x has hung up.
    """
    if world.at == "done":
        yield world._replace(at="gone")
        return
    if world.at != "gone":
        yield from supervise(world, setting)
        # kill -9, between any two instructions. Its watchdog, if it has one yet, then ends the job,
        # and if not, the stunts find a dead socket: to the promises it is all the same.
        yield world._replace(at="gone")
        if setting.spoilt == "a stunt takes a dead socket for a yes" and "w" in world.stunts:
            yield world._replace(granted=True)
        yield from job_moves(world, setting)
        yield from authority_moves(world, setting)
    yield from stunts_move(world)
    if world.orphan == "i":
        yield world._replace(orphan="s")
    elif world.orphan == "s":
        # A dead socket, or the old supervisor: it has told its outcome, so its gate is closed.
        yield world._replace(orphan="r")
        for event in (V.ASKED, V.UNKNOWN_COMMAND):
            _, effects = row(S.CLOSED, event)
            yield world._replace(orphan="g" if F.GRANT in effects else "r")


def stunts_move(world: World) -> Iterator[World]:
    if "w" in world.stunts:
        yield world._replace(stunts=turn(world.stunts, "w", "r"))  # it is killed as it waits


def job_moves(world: World, setting: Setting) -> Iterator[World]:
    if setting.face == "run":
        if world.job == "-":
            yield world._replace(job="r")
            yield world._replace(job="-1")
        elif world.job == "r":
            for status in ("0", "1", "75", "9"):
                yield world._replace(job=status)
        return
    if world.watchdog:
        yield world._replace(watchdog=False)
    if world.job in ("r", "R"):
        yield world._replace(job="0")  # it went well; without a grant, a signature went round us
        if setting.spoilt == "dgit does not ask":
            yield world._replace(job="75", said_75=True)
        else:
            yield world._replace(job="c")
        yield world._replace(job="k")
    elif world.job == "c" and world.over:
        yield world._replace(job="1")  # it gets no answer, so the job is not called retriable
    if world.drs == "r":
        yield from drs_moves(world)


def drs_moves(world: World) -> Iterator[World]:
    if world.job == "-":
        yield world._replace(job="r")
        yield drs_ends(world, REPORTS["irrecoverable"], "% exit 0")  # it rejects the tag
    elif world.job in ("0", "1", "75"):
        for said in REPORTS.values():  # not what is due only: it need not be right, or honest
            yield drs_ends(world, said, "% exit 0")
            yield drs_ends(world, said, "% exit 1")
    else:
        yield drs_ends(world, REPORTS["irrecoverable"], "% exit 0")  # its alarm: dgit runs on
    for data, line in CRASHES:
        yield drs_ends(world, data, line)


def drs_ends(world: World, data: bytes, line: str) -> World:
    """_Server._ended: what was written, and the exit, become an amount and a line."""
    ended = line
    report = o2m.parse_report(data)
    amount = o2m.amount_to(report, data, line == "% exit 0")
    if report is not None and line == "% exit 0":
        line = f"% said {report.outcome}"
    elif line == "% exit 0":
        line = "% end"
    told = {report: said for said, report in REPORTS.items()}.get(data, "half")
    wrote = "nothing" if not data else told if ended == "% exit 0" else "half"
    return world._replace(drs="e", amount=str(amount), reply=(line,), wrote=wrote)


def authority_moves(world: World, setting: Setting) -> Iterator[World]:
    if world.manager in "ih":
        yield world._replace(manager="x")
    if world.manager == "h":
        for word in ("go", "no", "other"):
            if word != "no" or setting.face == "run":
                yield world._replace(manager="a", answer=word)
            elif world.stray:  # o2m has no word for it
                yield world._replace(manager="a", answer=word, stray=world.stray - 1)
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

    In a graph without a cycle, in which only end states have no successor, every sequence of events
    ends, whatever the order and the speed of the parties.
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
    """What ships, with one thing in it changed. `row` is a row of STEPS or REPLIES, or None."""

    name: str
    where: Any  # a table, or a module
    what: Any  # its row, or the name that is in it
    value: Any
    row: Any = None


def mutants() -> Iterator[Mutant]:
    """Every row of every table that decides, and every answer of every function beside them, spoilt
    in every small way."""
    yield from mutants_of_steps()
    yield from mutants_of_table(REPLIES, "REPLIES", Reply, walked=True)
    yield from mutants_of_orders(REFUSALS, "REFUSALS", Refusal, walked=True)
    yield from mutants_of_orders(ADMISSIONS, "ADMISSIONS", Admission)
    yield from mutants_of_table(OUTCOMES, "OUTCOMES", Outcome)
    yield from mutants_of_table(ENDINGS, "ENDINGS", Ending)
    yield from mutants_of_functions()
    yield from mutants_of_judge()
    yield from mutants_of_meanings()


def mutants_of_steps() -> Iterator[Mutant]:
    """Another next state, an effect less, one more, any two the other way round."""
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
        yield from (Mutant(f"{name} {what}", STEPS, key, value, key) for value, what in values)


def mutants_of_table(
    table: dict[Any, Any], name: str, words: type[StrEnum], walked: bool = False
) -> Iterator[Mutant]:
    """Another word in each row."""
    for row, value in table.items():
        at = ", ".join(row) if isinstance(row, tuple) else getattr(row, "__name__", row)
        for other in words:
            if other is not value:
                yield Mutant(f"{name}[{at}] is {other}", table, row, other, row if walked else None)


def mutants_of_orders(
    table: dict[Any, Any], name: str, words: type[StrEnum], walked: bool = False
) -> Iterator[Mutant]:
    """Another sequence of effects in each row."""
    for row, value in table.items():
        at = row if isinstance(row, str) else ", ".join(row)
        for length in range(len(words) + 1):
            for other in permutations(words, length):
                if other != value:
                    shown = ", ".join(other) or "nothing"
                    yield Mutant(
                        f"{name}[{at}] is {shown}", table, row, other, row if walked else None
                    )


class Lie(NamedTuple):
    """A function that ships, but for one kind of arguments."""

    function: Callable[..., Any]
    kind: Callable[..., Any]
    wrong: Any  # the kind of arguments for which it lies
    value: Any  # what it says then: that, or what that makes of the arguments

    def __call__(self, *arguments: Any) -> Any:
        if self.kind(*arguments) != self.wrong:
            return self.function(*arguments)
        return self.value(*arguments) if callable(self.value) else self.value


def lies(
    module: ModuleType, name: str, kind: Callable[..., Any], arguments: list[Any], others: list[Any]
) -> Iterator[Mutant]:
    """For each of `arguments`, each of `others` that the function does not say anyway."""
    function = getattr(module, name)
    for each in arguments:
        true, wrong = function(*each), kind(*each)
        shown = ", ".join(map(str, wrong))
        for value in others:
            said = value(*each) if callable(value) else value
            if said != true:
                what = f"{name}({shown}) is {value.__name__ if callable(value) else value}"
                yield Mutant(what, module, name, Lie(function, kind, wrong, value))


def mutants_of_functions() -> Iterator[Mutant]:
    """What o2m and gate have in functions: each kind of argument, each other answer."""
    yield from lies(
        o2m,
        "answer_to_commit",
        lambda line: ("go-ahead" if line == o2m.GO_AHEAD else "anything else",),
        [(line,) for line in LINES.values()],
        [V.GO_AHEAD, V.REFUSAL, V.SILENCE],
    )
    said = [(o2m.parse_report(data), data) for data in (*REPORTS.values(), b"message m\n", b"")]
    yield from lies(
        o2m,
        "amount_to",
        lambda report, data, well: (report and report.outcome, len(data) > 0, well),
        [(*each, well) for each in said for well in (True, False)],
        list(Said),
    )

    reports = {Said(report.outcome): report for report, _ in said if report}

    def nothing(reply: Reply, report: o2m.Report | None) -> list[str]:
        return []

    def as_it_is(reply: Reply, report: o2m.Report | None) -> list[str]:
        return report.lines if report else []

    def irrecoverable(reply: Reply, report: o2m.Report | None) -> list[str]:
        return report._replace(outcome=Outcome.IRRECOVERABLE).lines if report else []

    def our_own(reply: Reply, report: o2m.Report | None) -> list[str]:
        return o2m.CRASH.lines

    yield from lies(
        o2m,
        "reply_lines",
        lambda reply, report: (reply, report and report.outcome),
        list({(reply, reports.get(each)) for (_, each), reply in REPLIES.items()}),
        [nothing, as_it_is, irrecoverable, our_own],
    )
    yield from lies(
        gate,
        "exit_status",
        lambda outcome, own: (outcome, own),
        [(outcome, own) for outcome in Outcome for own in OWN.values()],
        [0, 1, gate.TEMPFAIL_TAKEN, TEMPFAIL],
    )
    for outcome in (Outcome.UPLOADED, Outcome.IRRECOVERABLE):
        wrong = o2m.CRASH._replace(outcome=outcome)
        yield Mutant(f"CRASH is {outcome}", o2m, "CRASH", wrong)


#: Clauses of verdict: (function, the clause, a wrong version of it).
CLAUSES = (
    ("_last_state", "found != list(DURABLE[: len(found)])", "False"),
    ("_last_state", "found[-1]", "found[0]"),
    ("judge", "State.UNKNOWN if on_disk is None or", "State.UNCOMMITTED if on_disk is None or"),
    ("judge", "unsure = transcript.torn or", "unsure ="),
    ("judge", "torn or r.Bypassed in seen or", "torn or"),
    ("judge", "r.Bypassed in seen or r.Ungated in seen", "r.Bypassed in seen"),
    ("judge", "(uncommitted and unsure)", "(not uncommitted and unsure)"),
    ("judge", "uncommitted = on_disk is State.UNCOMMITTED", "uncommitted = True"),
    ("_last_ending", "endings[-1]", "endings[0]"),
    ("_last_ending", "else Ending.UNREPORTED", "else Ending.WELL"),
    ("_last_ending", "else Ending.UNREPORTED", "else Ending.PERMANENT"),
    ("judge", "told and not transcript.torn and", "told and"),
    ("judge", "told != [outcome]", "False"),
    ("judge", "bool(told)", "True"),
    ("judge", "bool(told)", "False"),
    ("judge", "refused=state is State.UNKNOWN and", "refused="),
    ("judge", "refused=state is State.UNKNOWN and", "refused=not"),
    (
        "judge",
        "bypassed=state is State.UNKNOWN and r.Bypassed in seen",
        "bypassed=r.Bypassed in seen",
    ),
    ("judge", "bypassed=state is State.UNKNOWN and r.Bypassed in seen", "bypassed=False"),
    ("judge", "doubtful=on_disk is None or", "doubtful="),
    ("judge", "(uncommitted and transcript.torn)", "(uncommitted and not transcript.torn)"),
    ("judge", "(uncommitted and transcript.torn)", "transcript.torn"),
    ("judge", "ungated=uncommitted and", "ungated="),
    ("judge", "asked=r.SignRequest in", "asked=r.SignRequest not in"),
    ("judge_bytes", "Verdict(State.UNKNOWN, Ending", "Verdict(State.UNCOMMITTED, Ending"),
    ("judge_bytes", "doubtful=True", "doubtful=False"),
    ("judge_bytes", "OUTCOMES[State.UNKNOWN,", "OUTCOMES[State.UNCOMMITTED,"),
    ("judge_bytes", "told=False", "told=True"),
    ("ending_of", "ENDINGS.get(record) or", ""),
)


def mutants_of_judge() -> Iterator[Mutant]:
    """verdict.py, a clause of it changed."""
    for name, old, new in CLAUSES:
        source = inspect.getsource(getattr(verdicts, name))
        assert source.count(old) == 1, old
        made: dict[str, Any] = {}
        exec(
            "from __future__ import annotations\n" + source.replace(old, new), vars(verdicts), made
        )
        shown = f"{name}: `{old.strip()}` is `{new.strip()}`"
        yield Mutant(shown, verdicts, name, made[name])


def mutants_of_meanings() -> Iterator[Mutant]:
    """Each meaning another's. Only people read them."""
    for row, text in MEANINGS.items():
        for other, said in MEANINGS.items():
            if said != text:
                shown = f"MEANINGS[{', '.join(row)}] is that of {', '.join(other)}"
                yield Mutant(shown, MEANINGS, row, said)


@contextmanager
def spoilt(mutant: Mutant) -> Iterator[None]:
    """What ships, with one thing in it changed."""
    where: Any = mutant.where if isinstance(mutant.where, dict) else vars(mutant.where)
    was = where[mutant.what]
    where[mutant.what] = mutant.value
    try:
        yield
    finally:
        where[mutant.what] = was


NOISE = r"STEPS.* with (SYNC|STOP_ASKING|GRANT|REFUSE) as effect \d"
STATUS = r"exit_status.*"
CLIENTS = r"ADMISSIONS.*"
#: Mutants that keep all promises, but that a test forbids: (their names, the tests).
NAMED = (
    # An additional sync, or an answer without a client: all stays true, but the test forbids it.
    (NOISE, "tests/core/test_gate.py::test_every_history_keeps_the_promises"),
    (STATUS, "tests/core/test_gate.py::test_75_is_retriable_and_nothing_else"),
    # All clients of the model are of the job.
    (CLIENTS, "tests/core/test_gate.py::test_admissions"),
    (r"REFUSALS.*", "tests/core/test_gate.py::test_refusals"),
    (r"MEANINGS.*|judge.*|ending_of.*|_last_.*", "tests/core/test_verdict.py"),
    (r"ENDINGS.*", "tests/core/test_verdict.py::test_the_lines_on_disk_decide"),
)

#: The mutants that no promise and no test tells from what ships, and why there is nothing to tell.
EQUIVALENT = (
    (
        r"ENDINGS\[(Exited|Signalled|NotStarted\(71\)|Reported\('retriable'\))\] is unreported"
        r"|ENDINGS\[(Ended|WatchdogEnded)\] is transient",
        "OUTCOMES has the same for both, whatever the state",
    ),
    (
        r"REPLIES\[(uncommitted|committed), irrecoverable\] is correct",
        "correcting what is irrecoverable leaves it as it is",
    ),
    (
        r"REPLIES\[(uncommitted, half|committed, (half|nothing))\] is (forward|correct)",
        "without a report there is nothing to forward: no line, as for drop",
    ),
)


class Graphs(NamedTuple):
    """The graphs for a mutant: `rows` if its row is known, otherwise `others`."""

    rows: tuple[Graph, ...]
    others: tuple[Graph, ...]


def fate(mutant: Mutant, graphs: Graphs) -> str:
    """The promise or the test that kills it; "" where it lives."""
    with spoilt(mutant):
        # A walk through all changed states takes long, and finds no more than the test.
        if re.fullmatch(f"{NOISE}|{STATUS}|{CLIENTS}", mutant.name):
            return of_test(mutant) or of_promise(mutant, graphs)
        return of_promise(mutant, graphs) or of_test(mutant)


def of_promise(mutant: Mutant, graphs: Graphs) -> str:
    """The promise that it breaks, or ""."""
    try:
        if mutant.row is not None:
            for graph in graphs.rows:
                changes(graph, mutant.row)
        elif mutant.where is not MEANINGS:
            for graph in graphs.others:
                explore(graph.setting)
    except Violation as violation:
        return str(violation)
    return ""


def of_test(mutant: Mutant) -> str:
    """The test that fails with it, or ""."""
    named = [test for pattern, test in NAMED if re.fullmatch(pattern, mutant.name)]
    return next((test for test in named if fails(test)), "")


def fails(test: str) -> bool:
    """Whether a test fails here and now, in this process, with what is spoilt in it."""
    path, _, name = test.partition("::")
    module = path.removesuffix(".py").replace("/", ".")
    found = getattr(importlib.import_module(module), name) if name else None
    if found is not None and not hasattr(found, "pytestmark"):
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                found()
            except AssertionError:
                return True
        return False
    sys.modules.pop(module, None)  # it is to import what is spoilt
    with contextlib.redirect_stdout(io.StringIO()):
        status = pytest.main(["-qx", "--no-header", "-p", "no:cacheprovider", test])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"{test} could not be run: {status}")
    return status is pytest.ExitCode.TESTS_FAILED


def why_equivalent(name: str) -> str:
    """Why a mutant of this name lives by right; "" where it should not."""
    return next((why for pattern, why in EQUIVALENT if re.fullmatch(pattern, name)), "")


def changes(graph: Graph, used: object) -> None:
    """Walk what is other than in `graph` now that row `used` is.

    A state that does not use the row keeps its successors. So only states that use it, and new
    states, are examined again. Raises Violation.
    """
    setting = graph.setting
    users = set(graph.users.get(used, ()))
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
        else:
            found = look(at, setting)
        for each in found:
            to = graph.number.get(each)
            if to is not None:
                ready.append(to)
            elif each not in fresh:
                fresh[each] = None
                ready.append(each)


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
    ("drs", LOST),
    ("drs", "the job is not killed for a silent manager"),
    ("drs", "uploaded is sent without a go-ahead"),
    ("run", "the effects go on after one that failed"),
    ("run", "the gate stays open when the job is over"),
    ("run", "a stunt takes a dead socket for a yes"),
    ("drs", "the remaining processes are not killed"),
    ("drs", "the manager gets the outcome before it is on disk"),
)


def spoilt_shell(face: str, rule: str) -> str:
    """The promise that a spoilt shell breaks, or ""."""
    for disk in (True, False):
        try:
            stunts = 2 if "open" in rule else 1
            explore(Setting(face, stunts, 1, orphan="share" in rule, spoilt=rule, disk=disk))
        except Violation as violation:
            return str(violation)
    return ""


#: The shell looks once more at what it is about to tell, for the sake of a disk that tore a line;
#: that would hide many a wrong row. Here the disk takes all, and each row is to be right by itself.
ALONE = Setting("drs", 1, 1, orphan=False, disk=False)
#: What is explored to judge mutants.
ROWS = (Setting("run", 3, 2, orphan=False), ALONE, Setting("drs", 1, 1, orphan=False))
OTHERS = (Setting("run", 1, 2, orphan=False), *ROWS[1:])
#: The largest settings, which are explored too.
WHOLE_WORLD = (
    Setting("run", 3, 2),
    Setting("drs", 1, 0),
    Setting("drs", 3, 1, orphan=False),
)


def report(setting: Setting) -> Graph:
    """Explore, and print what was seen."""
    began = time.process_time()
    graph = explore(setting)
    longest = longest_history(graph)
    print(
        f"{setting.face}, {setting.stunts} stunts, {setting.stray} stray events"
        f"{', an orphan' if setting.orphan else ''}: {len(graph.order)} states,"
        f" {len(graph.edges)} moves, {graph.depth} deep, the longest history {longest} moves"
        f" ({time.process_time() - began:.0f} s)",
        flush=True,
    )
    return graph


#: Inherited by the forked workers: the graphs are too large to be sent.
_forked: list[tuple[list[Mutant], Graphs]] = []


def fates_of_all(graphs: Graphs) -> dict[str, str]:
    """Each mutant's fate, by its name; found by as many processes as there are processors."""
    made = list(mutants())
    _forked[:] = [(made, graphs)]
    with multiprocessing.get_context("fork").Pool() as pool:
        found = pool.map(_fate_of, range(len(made)), chunksize=4)
    return {mutant.name: why for mutant, why in zip(made, found, strict=True)}


def _fate_of(at: int) -> str:
    made, graphs = _forked[0]
    return fate(made[at], graphs)


def main() -> int:
    """Explore everything, then everything spoilt; the exit status."""
    for setting in WHOLE_WORLD:
        report(setting)
    known = {setting: report(setting) for setting in dict.fromkeys((*ROWS, *OTHERS))}
    graphs = Graphs(tuple(known[each] for each in ROWS), tuple(known[each] for each in OTHERS))
    fates = fates_of_all(graphs)
    killers = Counter(why for why in fates.values() if why)
    living = {name: why_equivalent(name) for name, killer in fates.items() if not killer}
    print(f"{len(fates)} mutants: {killers.total()} killed, by")
    for killer, count in sorted(killers.items()):
        print(f"{count:7} {killer}")
    print(f"{sum(map(bool, living.values())):7} cannot be told from what ships:")
    for name, why in living.items():
        print(f"        {name}: {why or 'ALIVE'}")
    wrong = [name for name, killer in fates.items() if killer and why_equivalent(name)]
    for name in wrong:
        print(f"WRONG   {name} is called equivalent, and is killed: {fates[name]}")
    shells = {rule: spoilt_shell(face, rule) for face, rule in SPOILT}
    print(f"{len(shells)} spoilt shells, {sum(map(bool, shells.values()))} noticed:")
    for rule, why in shells.items():
        print(f"        {rule}: {why or 'NOT NOTICED'}")
    return 0 if all((*living.values(), *shells.values())) and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
