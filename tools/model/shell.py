# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor, its watchdog and repos_server: the order of their actions, as the product has it.

Each action before which a process can die is a transition. The tables decide what is done.
"""

from __future__ import annotations

from collections.abc import Iterator

from gpgshim.core import codec, gate, o2m
from gpgshim.core import verdict as verdicts
from gpgshim.core.gate import (
    OUTCOMES,
    REFUSALS,
    STEPS,
    Audience,
    Effect,
    Event,
    Outcome,
    Refusal,
    State,
)
from gpgshim.core.o2m import REPLIES, Reply, Said
from tools.model import lock
from tools.model.state import REPORTS, F, S, Setting, V, Violation, World, read_back

ENDS = ("settle", "tell", "done")
RUNS = ("r", "R", "c")  # a job that runs
AFTER = ("answer", "gave up")  # what of `todo` is no effect, and stays when one fails


def turn(stunts: str, old: str, new: str) -> str:
    """One stunt of kind `old` becomes one of kind `new`."""
    return "".join(sorted(stunts.replace(old, new, 1)))


#: The rows of the tables that were used since this set was emptied.
rows_used: set[object] = set()


def row(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """A row of STEPS."""
    rows_used.add((state, event))
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
    world = lock.refused(world._replace(gate=state, failed=True, todo=todo))
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
        rows_used.update((state, said) for said in Said)
        audience = Audience.UPLOADER if o2m.is_dropped(state) else Audience.BOTH
        if world.heard and "! committed" not in world.lines:
            world = world._replace(deaf=True)
    rows_used.add(audience)
    is_answered = False
    for effect in REFUSALS[audience]:
        if effect is Refusal.ANSWER:
            if world.deaf and world.drs == "r" and not lives_on:
                raise Violation("7: the uploader may be told what the manager will not hear")
            if waits(world) and world.asking and world.gate is not S.LATE:
                raise Violation("6: a no, and a go-ahead may still come")
            is_answered = True
            world = none_waits(world)
        elif audience is not Audience.UPLOADER:
            raise Violation("7: a job is ended whose report would have been heard")
        elif not lives_on:
            world = world._replace(job="k" if world.job in RUNS else world.job)
            if world.drs == "r":
                world = drs_ends(world, b"", "% signal 9")
    if waits(world) and not is_answered:
        raise Violation("4: a stunt waits for what will not come")
    return world


def waits(world: World) -> bool:
    """Whether a client waits for the gate's answer."""
    return "w" in world.stunts or "w" in world.held


def none_waits(world: World) -> World:
    """All who wait have had their no, or are killed."""
    stunts = "".join(sorted(world.stunts.replace("w", "r")))
    return lock.all_turned(world._replace(stunts=stunts), "w", "d")


def granted(world: World, setting: Setting) -> World:
    """One who waits has had its go. With a lock, a granted gpg has yet to reach the agent."""
    if "w" not in world.stunts:
        return lock.turned(world, "w", "n")
    world = world._replace(stunts=turn(world.stunts, "w", "r"), granted=True)
    return world._replace(held=tuple(sorted((*world.held, "g")))) if setting.held else world


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
            if waits(world):
                if setting.disk:
                    yield fail(after, setting)  # `= go` could not be noted
                if world.closed:
                    raise Violation("3: a grant after the gate was closed")
                if world.no or world.failed:
                    raise Violation("6: a grant after a no")
                if world.unsynced:
                    raise Violation("1: a grant, and who asked for it is not on disk")
                yield granted(world, setting)
            else:
                yield after
        case F.REFUSE:
            if waits(world):
                unknown_command = world.unknown_command and not world.heard
                if not (world.closed or world.no or world.failed or unknown_command):
                    raise Violation("6: a no without a cause")
            yield refused(after, setting.spoilt == "the job is not killed for a silent manager")
        case "forward":  # proxy.forward_together
            yield from forward(after, setting)
        case "lock sync":
            forwards = ("forwarded", *rest)
            yield world._replace(synced=len(world.lines), unsynced=False, todo=forwards)
            if setting.disk:
                yield fail(after._replace(broken=True), setting)
        case "forwarded":
            yield lock.forwarded(after)._replace(granted=True)
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
    idle = {F.GRANT, F.REFUSE} if not waits(world) else set()
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
            stray=0, reached=False, no=False, deaf=False, drs="-", stunts="", held=(),
            manager="x" if world.manager == "x" else "i",
            job=world.job if world.drs == "-" or world.job in RUNS else "k",
        )  # fmt: skip
    return world


def forward(world: World, setting: Setting) -> Iterator[World]:
    """The commands that pass get their records, in one write."""
    if setting.spoilt == "a command is forwarded before it is in the journal":
        world = lock.forwarded(lock.records_of(world)[0])._replace(granted=True)
        yield world
        return
    world, lines = lock.records_of(world)
    if not world.broken:
        then = world._replace(lines=world.lines + lines)
        early = setting.spoilt == "a command is forwarded before it is synced"
        sync = ("forwarded",) if early else ("lock sync",)
        yield then._replace(todo=(*sync, *world.todo))
    if setting.disk:
        torn = world._replace(torn=True, broken=True)
        for bad in (world,) if world.broken else (world, torn):
            if setting.spoilt == "a command is forwarded without its record":
                yield lock.forwarded(bad)._replace(granted=True)
            else:
                yield fail(bad, setting)


def at_the_lock(world: World, setting: Setting) -> Iterator[World]:
    """The clients of the lock, and the agent's answers."""
    if "i" in world.held:
        asked = lock.turned(world, "i", "w")
        if setting.spoilt == "a command passes without a grant":
            yield lock.turned(world, "i", "n")
        if setting.disk:
            yield fail(asked, setting)  # `$` could not be noted
        asked = asked._replace(unsynced=True)
        if world.gate is S.COMMITTED:
            yield asked._replace(together=tuple(sorted((*world.together, V.ASKED))))
        else:
            yield step(asked, V.ASKED)
    if "g" in world.held:
        yield lock.turned(world, "g", "n")
    if "n" in world.held and not world.together:
        yield world._replace(todo=("forward",))
    for then, line in lock.heard(world, setting.spoilt):
        for noted, _ in appended(then, line, setting):
            yield noted


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


#: The event for each exit of a command: see command.Command.answer.
ANSWERS = {"go": V.GO_AHEAD, "no": V.REFUSAL, "other": V.SILENCE}
#: The manager's lines. Its protocol has no word for a refusal; the gate's table has a row for it.
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
    yield from at_the_lock(world, setting)
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
    if world.together or "n" in world.held:
        return  # what is watched comes after those who ask
    if setting.face == "drs":
        if not world.watchdog:
            yield from finish(world, "% watchdog-ended", setting)
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
            ended = lock.all_turned(lock.all_turned(none_waits(world), "i", "d"), "g", "d")
            yield ended._replace(
                job="k" if world.job in RUNS and not lives else world.job,
                drs="e",
                at="reply" if world.watchdog and world.amount else "settle",
                reply=(),
            )
        case "reply":
            entry = (read_back(world).state, Said(world.amount))
            rows_used.add(entry)
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


def settle(world: World, setting: Setting) -> Iterator[World]:
    """Settlement.settle."""
    seen = read_back(world)
    ending = verdicts.ending_of(codec.read(*world.over.split(" ", 1)))
    assert ending is not None
    if OUTCOMES[seen.known, ending] is not seen.outcome:
        if setting.spoilt == "the outcome is remembered":
            yield world._replace(at="tell", said=str(OUTCOMES[seen.known, ending]))
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
