# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several attempts of one job at the same moment, and a person who resolves one of them.

Rule 1: the model decides nothing. memory.STARTS, memory.recall, claim.that_stands and claim.decide
are the shipped ones. The model has the order of the steps: the claim, the look, the new journal.
Rule 2: the life of an attempt after its start is that of the model of one attempt (lives.py).
Rule 3: a promise is a fact of the world: who was granted, what a person recorded, which process
lives. A fact is never the standing of an attempt, so a spoilt table cannot spoil its check.

Each process can be killed between any two steps, and the machine can lose its power once. A process
that is stopped makes no step while the others go on. So a waiting process may lose its patience
whenever another one holds the claim. Directory entries reach the disk in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from gpgshim.core.memory import Option, Standing
from gpgshim.core.transcript import OBSERVE
from tools.model.lives import Facts, Stage
from tools.model.recalls import Decision, Recalls
from tools.model.state import Violation

P = Option
#: What a try can be, and how its attempt then runs.
KINDS = (
    (P.NONE, "run"),
    (P.AGAIN, "run"),
    (P.SKIP_DONE, "run"),
    (P.WARN, "drs"),
    (P.WARN, OBSERVE),
)
RESULTS = ("retriable", "uploaded", "irrecoverable")


class Rules(NamedTuple):
    """What is explored. `spoilt` is the rule of SPOILT_CLAIM that the processes break."""

    tries: int = 2
    people: int = 1  # the number of resolutions
    power: bool = True  # whether the machine may lose its power
    kinds: tuple[tuple[Option, str], ...] = KINDS
    spoilt: frozenset[str] = frozenset()
    strict: bool = True  # whether each decision is checked, and not only what comes of it


class Try(NamedTuple):
    """A process that is to start an attempt.

    `at`: - not begun, w waits for the claim, h holds it, l has looked at the locks, d has decided,
    k has given its journal a name, n has that name on disk, r has released the claim and runs the
    job; x was not started, s was skipped, + is gone.
    """

    at: str = "-"
    option: Option = P.NONE
    face: str = ""
    locked: tuple[bool, ...] = ()  # what it saw of the locks
    read: tuple[tuple[int, str, str], ...] = ()  # what it read, if it reads too early
    newest: int = -1  # the newest attempt of its look; -1 without a look
    head: str = ""
    mine: int = 0  # the number of its attempt


class Person(NamedTuple):
    """`gpgshim resolve`. `at`: -, w and h as for a try, c has checked, y has written, and "ok"."""

    at: str = "-"
    number: int = 0
    result: str = ""


class Attempt(NamedTuple):
    """An attempt whose journal has a name."""

    stage: int
    head: str
    alive: bool = True  # its supervisor is, and so it holds the journal's lock
    locked: bool = True
    named: bool = False  # the name is on disk
    warns: bool = False  # it was started whatever stood
    past: int = 0  # the attempts before it that did not stand any more when it started: a bit each
    resolution: str = ""
    kept: str = ""  # the resolution that is on disk
    sure: str = ""  # the one that a person was told is recorded


#: The spoils of the order of two steps.
READ_FIRST = "the journal is read before its lock is looked at"


class World(NamedTuple):
    """One state."""

    tries: tuple[Try, ...]
    people: tuple[Person, ...]
    attempts: tuple[Attempt, ...] = ()  # the first has number 1
    power: bool = False  # whether the machine can still lose its power


HOLDS = "hldkn"
OVER = ("x", "s", "+", "ok")


def first(rules: Rules) -> World:
    return World((Try(),) * rules.tries, (Person(),) * rules.people, power=rules.power)


class Rivals:
    """The moves of all processes of a job."""

    def __init__(self, stages: list[Stage], begin: dict[str, int], rules: Rules) -> None:
        self.stages = stages
        self.rules = rules
        self._begin = begin
        self.recalls = Recalls(stages)
        #: The stage of an attempt when its supervisor is dead.
        self._dead = self._number_dead()

    def _number_dead(self) -> list[int]:
        found: dict[tuple[str, bytes, Facts], int] = {}
        return [
            found.setdefault(
                (each.face, each.journal, each.facts._replace(ends=False, retriable=False)), at
            )
            for at, each in enumerate(self.stages)
        ]

    def moves(self, world: World) -> Iterator[World]:
        """All possible next worlds. Raises Violation."""
        self._check(world)
        for at, each in enumerate(world.tries):
            if at and each == world.tries[at - 1]:
                continue  # they are equal, and so are their moves
            yield from self._of_try(world, at, each)
            if each.at not in ("-", *OVER):
                yield self._killed(world, at)
        for at, person in enumerate(world.people):
            yield from self._of_person(world, at, person)
            if person.at not in ("-", *OVER):
                yield _person(world, at, person._replace(at="+"))
        if world.power and world.attempts:
            yield from self._power_cut(world)

    def tidy(self, world: World) -> World:
        """The same world without what no process and no promise can tell apart any more."""
        attempts = world.attempts
        if not world.power:  # what is on disk does not matter without a power cut
            attempts = tuple(
                each._replace(
                    stage=self._dead[each.stage] if not each.alive else each.stage,
                    named=True,
                    kept=each.resolution,
                    sure=each.sure if each.resolution not in RESULTS else "",
                )
                for each in attempts
            )
        tries = (
            Try("r", mine=each.mine) if each.at == "r" else Try("+") if each.at in OVER else each
            for each in world.tries
        )
        people = (Person("+") if each.at in OVER else each for each in world.people)
        return World(tuple(sorted(tries)), tuple(sorted(people)), attempts, world.power)

    def _is_spoilt(self, *rules: str) -> bool:
        return not self.rules.spoilt.isdisjoint(rules)

    # An attempt, from its start on.

    def _of_try(self, world: World, at: int, one: Try) -> Iterator[World]:
        match one.at:
            case "-":
                for option, face in self.rules.kinds:
                    yield _try(world, at, one._replace(at="w", option=option, face=face))
            case "w":
                yield from self._wait(world, at, one)
            case "h":
                yield _try(world, at, self._look(world, one, "h")._replace(at="l"))
            case "l":
                yield self._decide(world, at, one)
            case "d":
                yield self._link(world, at, one)
            case "k":
                yield self._synced(world, at, one)
            case "n":
                yield _try(world, at, one._replace(at="r"))
            case "r":
                yield from self._live(world, at, one)

    def _look(self, world: World, one: Try, at: str) -> Try:
        """The look at the locks, and too early at the journals, if that is spoilt."""
        if one.newest >= 0:
            return one  # it looked before
        early = self._is_spoilt(READ_FIRST) or at == "w"
        return one._replace(
            locked=tuple(each.locked for each in world.attempts),
            read=tuple(map(_read, world.attempts)) if early else (),
            newest=len(world.attempts),
        )

    def _wait(self, world: World, at: int, one: Try) -> Iterator[World]:
        if self._is_spoilt("the look comes before the claim") and one.newest < 0:
            yield _try(world, at, self._look(world, one, "w"))
        elif self._is_spoilt("no claim is taken") or not self._is_held(world):
            yield _try(world, at, one._replace(at="h"))
        elif one.option is P.WARN:
            yield _try(world, at, one._replace(at="d", newest=-1))  # it lost its patience
        else:
            yield _try(world, at, Try("x"))

    def _is_held(self, world: World) -> bool:
        holds = HOLDS
        if self._is_spoilt("the claim is released before the journal has its name"):
            holds = "hl"
        return any(each.at in holds for each in world.tries) or any(
            each.at in ("h", "c", "y") for each in world.people
        )

    def _decide(self, world: World, at: int, one: Try) -> World:
        """claim.begin, after the look at the locks: read, and decide."""
        read = one.read or tuple(map(_read, world.attempts))
        locks = one.locked
        if self._is_spoilt(READ_FIRST):
            locks = tuple(each.locked for each in world.attempts)
        seen = tuple((*each, locked) for each, locked in zip(read, locks, strict=False))
        decision = self.recalls.decide(seen, one.option)
        seen_by_it = world._replace(attempts=world.attempts[: one.newest])
        _, blocks = self.blocking(seen_by_it, one.locked)
        if self.rules.strict:
            _check_decision(one.option, decision, blocks)
        if decision.start:
            return _try(world, at, one._replace(at="d", head=decision.head, locked=(), read=()))
        return _try(world, at, Try("s" if decision.skipped else "x"))

    def _link(self, world: World, at: int, one: Try) -> World:
        """Journal.create: the new journal gets its name."""
        number = len(world.attempts) + 1
        if 0 <= one.newest < number - 1 and not self._is_spoilt("the number is not compared"):
            return _try(world, at, Try("x"))
        if self.rules.strict:
            self._check_start(world, one)
        bits = 0
        for earlier, each in enumerate(world.attempts):
            bits |= 0 if self._is_garbage(each) else each.past
            if each.resolution == "retriable" or (
                one.option is P.AGAIN and not self._is_under_way(each)
            ):
                bits |= 1 << earlier
        new = Attempt(
            self._begin[one.face],
            one.head,
            locked=not self._is_spoilt("the journal is locked after the claim is released"),
            warns=one.option is P.WARN,
            past=0 if one.option is P.WARN and not one.head else bits,
        )
        world = world._replace(attempts=(*world.attempts, new))
        return _try(world, at, one._replace(at="k", mine=number))

    def _check_start(self, world: World, one: Try) -> None:
        number, blocks = self.blocking(world, ())
        if one.option is P.WARN:
            if one.head:
                raise Violation("7: the head of an attempt that only warns settles something")
            return
        if one.option is P.AGAIN and blocks and blocks != "under way":
            if one.head != f"again {number}":
                raise Violation(f"7: --again overrides {number}, and the head says {one.head!r}")
        elif blocks:
            raise Violation(f"7: {one.option}, {blocks} stands, and it starts")
        elif one.head != "earlier":
            raise Violation(f"7: nothing stands, and the head says {one.head!r}")

    def _synced(self, world: World, at: int, one: Try) -> World:
        """sync_directory: this name is on disk, and all before it."""
        if not self._is_spoilt("the name is not synced"):
            named = (each._replace(named=True) for each in world.attempts[: one.mine])
            world = world._replace(attempts=(*named, *world.attempts[one.mine :]))
        return _try(world, at, one._replace(at="n"))

    def _live(self, world: World, at: int, one: Try) -> Iterator[World]:
        attempt = world.attempts[one.mine - 1]
        if not attempt.locked:
            yield _attempt(world, one.mine, locked=True)
        stage = self.stages[attempt.stage]
        for to in stage.next:
            yield _attempt(world, one.mine, stage=to)
        if stage.facts.ends:
            yield self._killed(world, at)

    def _killed(self, world: World, at: int) -> World:
        mine = world.tries[at].mine
        if mine:
            world = _attempt(world, mine, alive=False, locked=False)
        return _try(world, at, Try("+"))

    # A person.

    def _of_person(self, world: World, at: int, person: Person) -> Iterator[World]:
        match person.at:
            case "-":
                if world.attempts:
                    yield _person(world, at, person._replace(at="w"))
            case "w":
                if self._is_spoilt("resolve takes no claim") or not self._is_held(world):
                    yield _person(world, at, person._replace(at="h"))
                else:
                    yield _person(world, at, person._replace(at="+"))
            case "h":
                for number, result in product(range(1, len(world.attempts) + 1), RESULTS):
                    yield self._may_resolve(world, at, number, result)
            case "c":
                yield self._append(world, at, person)
            case "y":
                told = {"sure": person.result}
                if not self._is_spoilt("a resolution is not synced"):
                    told["kept"] = world.attempts[person.number - 1].resolution
                if person.result != "retriable" and not self.blocking(world, ())[0]:
                    raise Violation(f"9: resolved as {person.result}, and nothing stands")
                yield _person(_attempt(world, person.number, **told), at, Person("ok"))

    def _may_resolve(self, world: World, at: int, number: int, result: str) -> World:
        """resolve.resolve, before it writes."""
        attempt = world.attempts[number - 1]
        under_way = attempt.locked and not self._is_spoilt("resolve does not look at the lock")
        old = number < len(world.attempts) and result != "retriable"
        if under_way or (old and not self._is_spoilt("an old attempt is resolved as uploaded")):
            return _person(world, at, Person("+"))
        return _person(world, at, Person("c", number, result))

    def _append(self, world: World, at: int, person: Person) -> World:
        attempt = world.attempts[person.number - 1]
        if attempt.alive:
            raise Violation("9: a resolution of an attempt that is under way")
        torn = (
            not self.stages[attempt.stage].journal.endswith(b"\n") or attempt.resolution == "half"
        )
        lost = torn and self._is_spoilt("a torn line is completed by the resolution")
        world = _attempt(world, person.number, resolution="half" if lost else person.result)
        return _person(world, at, person._replace(at="y"))

    # The machine.

    def _power_cut(self, world: World) -> Iterator[World]:
        tries = tuple(each if each.at in ("-", *OVER) else Try("+") for each in world.tries)
        people = tuple(each if each.at in ("-", *OVER) else Person("+") for each in world.people)
        known = sum(each.named for each in world.attempts)
        for lost in world.attempts[known:]:
            if self.stages[lost.stage].facts.committed:
                raise Violation("2: a power cut takes the journal of a committed attempt")
        for kept in range(known, len(world.attempts) + 1):
            for attempts in product(*map(self._remains, world.attempts[:kept])):
                yield World(tries, people, attempts)

    def _remains(self, attempt: Attempt) -> Iterator[Attempt]:
        dead = attempt._replace(alive=False, locked=False, named=True)
        if attempt.resolution != attempt.kept:
            yield dead
            if attempt.kept:
                yield dead._replace(resolution=attempt.kept)
                return
            yield dead._replace(resolution="half")
        elif attempt.kept:
            yield dead  # a sync of the resolution has synced all lines before it
            return
        for stage in self.stages[attempt.stage].cuts or (attempt.stage,):
            yield dead._replace(stage=stage, resolution="")

    # Facts.

    def _is_under_way(self, attempt: Attempt) -> bool:
        return attempt.alive and not self.stages[attempt.stage].facts.told

    def _is_garbage(self, attempt: Attempt) -> bool:
        return b"\0" in self.stages[attempt.stage].journal

    def blocking(self, world: World, locked: tuple[bool, ...]) -> tuple[int, str]:
        """The attempt that is under way, or the newest that stands in fact, and why; or 0 and "".

        `locked` are those that were alive when a process looked at them.
        """
        past = 0
        found: list[tuple[int, str]] = []
        for number in range(len(world.attempts), 0, -1):
            attempt = world.attempts[number - 1]
            if past >> number - 1 & 1:
                continue
            was_alive = attempt.alive or locked[number - 1 : number] == (True,)
            if was_alive and not self.stages[attempt.stage].facts.told:
                return number, "under way"
            if blocks := self._blocks(attempt):
                found.append((number, blocks))
            if not self._is_garbage(attempt):
                past |= (1 << number - 1) - 1 if attempt.head else attempt.past
        return found[0] if found else (0, "")

    def _blocks(self, attempt: Attempt) -> str:
        """Whether an attempt that is over is done, or stands; or ""."""
        facts = self.stages[attempt.stage].facts
        resolution = attempt.resolution if attempt.resolution in RESULTS else attempt.sure
        if resolution in ("uploaded", "irrecoverable"):
            return "done" if resolution == "uploaded" else "stands"
        # Half a resolution tears the journal, which then does not show that no request to commit
        # followed. An observed attempt claims nothing, whatever its journal has.
        stage = self.stages[attempt.stage]
        is_torn = attempt.resolution == "half" and b"! unknown" not in stage.journal
        if resolution == "retriable" or (
            facts.harmless and (not is_torn or stage.face == "observe")
        ):
            return ""
        return "done" if facts.done else "stands"

    def _check(self, world: World) -> None:
        """The promises, in every state. Raises Violation."""
        runs = sum(self._is_under_way(each) and not each.warns for each in world.attempts)
        if runs > 1:
            raise Violation("7: two attempts of the job run at the same moment")
        for at, later in enumerate(world.attempts):
            if later.warns:
                continue  # the manager decides, or it claims nothing
            now = self.stages[later.stage].facts
            for number, earlier in enumerate(world.attempts[:at]):
                was = self.stages[earlier.stage].facts
                if later.past >> number & 1 or earlier.resolution == "retriable":
                    continue
                if now.granted and was.granted:
                    raise Violation("2: two attempts of the job were granted, and the first stands")
                if now.retriable and later.alive and was.committed:
                    raise Violation("2: 75, and an earlier attempt that stands may have committed")


def _check_decision(option: Option, decision: Decision, blocks: str) -> None:
    """Whether `option` is served as DESIGN's table says, if `blocks` is what stands in fact."""
    stands = blocks or "nothing"
    if decision.start:
        if option is P.WARN and decision.warns != bool(blocks):
            raise Violation(f"7: {'a' if decision.warns else 'no'} warning, and {stands} stands")
    elif decision.skipped:
        if option is not P.SKIP_DONE or blocks != "done":
            raise Violation(f"8: exit 0 without an attempt, and {stands} stands")
    elif option is P.WARN or not blocks:
        raise Violation(f"7: {option}, {stands} stands, and 77")
    elif (option is P.AGAIN and blocks != "under way") or (
        option is P.SKIP_DONE and blocks == "done"
    ):
        raise Violation(f"7: {option}, the job is {blocks}, and 77")


def _read(attempt: Attempt) -> tuple[int, str, str]:
    """What a process reads of an attempt, without its lock."""
    return attempt.stage, attempt.head.partition(" ")[0], attempt.resolution


def _try(world: World, at: int, new: Try) -> World:
    return world._replace(tries=(*world.tries[:at], new, *world.tries[at + 1 :]))


def _person(world: World, at: int, new: Person) -> World:
    return world._replace(people=(*world.people[:at], new, *world.people[at + 1 :]))


def _attempt(world: World, number: int, **values: object) -> World:
    new = world.attempts[number - 1]._replace(**values)  # type: ignore[arg-type]
    attempts = (*world.attempts[: number - 1], new, *world.attempts[number:])
    return world._replace(attempts=attempts)


class Walk(NamedTuple):
    """What was visited."""

    states: int
    moves: int
    depth: int
    ends: int  # states in which nothing can happen any more
    standings: frozenset[Standing]  # of the attempts that others looked at


def walk(stages: list[Stage], begin: dict[str, int], rules: Rules) -> Walk:
    """Visit all states. Raises Violation, whose history is the shortest one."""
    rivals = Rivals(stages, begin, rules)
    level = [first(rules)]
    parents: dict[World, World | None] = {level[0]: None}
    moves = depth = ends = 0
    while level:
        following: list[World] = []
        for world in level:
            try:
                found = {rivals.tidy(each) for each in rivals.moves(world)}
                if not found and any(each.at not in OVER for each in world.tries):
                    raise Violation("4: nothing can happen any more, and it is not over")
            except Violation as violation:
                violation.history = _history(parents, world)
                raise
            moves += len(found)
            ends += not found
            for new in found:
                if new not in parents:
                    parents[new] = world
                    following.append(new)
        depth += 1
        level = following
    return Walk(len(parents), moves, depth, ends, rivals.recalls.standings())


def _history(parents: dict[World, World | None], world: World | None) -> tuple[str, ...]:
    path: list[str] = []
    while world is not None:
        people = [f"{each.at}{each.number or ''}{each.result[:1]}" for each in world.people]
        tries = [f"{each.at}:{each.option}:{each.head}" for each in world.tries]
        path.append(f"{tries} {people} {[tuple(each) for each in world.attempts]}")
        world = parents[world]
    return tuple(reversed(path))
