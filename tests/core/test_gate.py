# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does every sequence of events keep the promises, with a crash or a failure at any step?

The gate's table is walked whole: from every world that can be reached, every event, with every
effect in turn failing (done or not done) and with a crash after every effect. Histories that lead
to the same world are followed once and counted all: the walk is a proof for each length it says.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from itertools import permutations, product
from typing import NamedTuple

import pytest
from pytest_mock import MockerFixture

from gpgshim.core import wire
from gpgshim.core.gate import (
    ADMISSIONS,
    CONTROLS,
    DURABLE,
    MEANINGS,
    NOT_PERMITTED,
    OUTCOMES,
    PERSON_NEEDED,
    REFUSALS,
    STATUSES,
    STEPS,
    TEMPFAIL,
    TEMPFAIL_TAKEN,
    Admission,
    Audience,
    Control,
    Effect,
    Ending,
    Event,
    Exit,
    Origin,
    Outcome,
    Refusal,
    Serves,
    State,
    exit_status,
)

LENGTH = 12
QUESTIONS = (Event.ASKED, Event.UNKNOWN_COMMAND)
ANSWERS = (Event.GO_AHEAD, Event.REFUSAL, Event.SILENCE)
CANNOT_FAIL = (Effect.STOP_ASKING, Effect.REFUSE)
INPUTS = [event for event in Event if event is not Event.FAILED]


class World(NamedTuple):
    """The relevant facts outside the gate."""

    gate: State
    disk: State = State.UNCOMMITTED  # the last durable word
    waiting: int = 0  # stunts: none, one, or more
    reached: bool = False  # the authority was found to be there
    heard: bool = False  # the authority may have heard the request to commit
    yes: bool = False  # it said go-ahead, and it had been asked
    no: bool = False  # it said anything else, or spoke out of turn
    failed: bool = False  # an effect could not be performed
    granted: bool = False  # a gpg may sign
    closed: bool = False  # the job is over
    bypassed: bool = False  # and then it turned out that a signature had gone round the gate
    late: bool = False  # of which the authority is being told
    awaits: bool = False  # an answer of the authority is awaited
    in_time: bool = False  # and no longer than until the job's last moment
    unsynced: bool = False  # a question is in the journal, and may not be on disk

    def check(self) -> None:
        """The promises of DESIGN that are about the gate; they hold at every instruction."""
        assert not self.granted or self.disk is State.COMMITTED, "1: a signature, not committed"
        for ending in Ending:
            outcome = OUTCOMES[self.disk, ending]
            assert not (self.heard and outcome is Outcome.RETRIABLE), "2: retriable, but heard"
            assert not (self.granted and outcome is Outcome.UNSIGNED), "2: unsigned, but granted"
        # `refused` needs the authority's explicit word, and no state on disk gives it.
        assert {OUTCOMES[State.REFUSED, ending] for ending in Ending} == {Outcome.REFUSED}
        assert Outcome.REFUSED not in {OUTCOMES[self.disk, ending] for ending in Ending}

    def check_at_rest(self) -> None:
        """Between two events the gate is in the one state that agrees with the facts."""
        self.check()
        assert self.gate is (
            State.LATE if self.late
            else State.CLOSED if self.closed
            else State.REFUSED if self.failed or self.no
            else State.COMMITTED if self.yes
            else State.UNKNOWN if self.heard
            else State.UNCOMMITTED
        )  # fmt: skip
        assert not self.waiting or self.gate is State.UNKNOWN, "waits for what cannot come"
        assert (self.disk is State.COMMITTED) == self.yes or self.failed
        assert self.heard or not self.late
        assert self.awaits == (
            self.heard and (self.late or not (self.yes or self.no or self.closed or self.failed))
        ), "an answer is awaited, and none counts; or the other way round"
        assert not self.awaits or self.in_time is not self.late, "the wrong time limit"


def perform(world: World, effect: Effect) -> World:
    """`effect` done. Raises AssertionError where it is out of place."""
    match effect:
        case Effect.REACH:
            assert (world.waiting or world.late) and world.disk is State.UNCOMMITTED
            return world._replace(reached=True)
        case Effect.SYNC:
            assert world.unsynced and world.gate is State.COMMITTED, "a needless wait"
            return world._replace(unsynced=False)
        case Effect.WRITE_UNKNOWN:
            assert (world.waiting or world.late) and world.reached
            assert world.disk is State.UNCOMMITTED
            return world._replace(disk=State.UNKNOWN, unsynced=False)
        case Effect.SEND_COMMIT:
            assert world.reached and world.disk is State.UNKNOWN and not world.heard
            return world._replace(heard=True)
        case Effect.WAIT | Effect.WAIT_IN_TIME:
            assert world.heard and not world.awaits, "nobody was asked"
            return world._replace(awaits=True, in_time=effect is Effect.WAIT_IN_TIME)
        case Effect.STOP_ASKING:
            return world._replace(awaits=False)
        case Effect.WRITE_COMMITTED:
            assert world.yes and world.disk is State.UNKNOWN
            assert not world.closed or world.bypassed
            return world._replace(disk=State.COMMITTED, unsynced=False)
        case Effect.GRANT:
            assert not world.closed, "3: a grant after the gate has closed"
            assert not world.no and not world.failed, "6: a grant after a no"
            assert not world.unsynced, "a grant, and the disk does not have for what"
            return world._replace(waiting=0, granted=world.granted or world.waiting > 0)
        case Effect.REFUSE:
            assert world.gate not in (State.UNKNOWN, State.COMMITTED), "a needless no"
            assert not world.awaits or world.late, "a no, and a go-ahead may still come"
            return world._replace(waiting=0)


def failed(world: World, effect: Effect) -> set[World]:
    """What an effect that fails can leave: nothing done, all done, or a part of it."""
    if effect in CANNOT_FAIL:
        return set()  # a no that does not arrive is a no
    after = {world, perform(world, effect)}
    if effect is Effect.GRANT and world.waiting > 1:
        after.add(world._replace(waiting=1, granted=True))
    return after


def step(world: World, event: Event) -> set[World]:
    """All possible successors of `world`, checked wherever a crash could stop it."""
    after = set()
    if event in QUESTIONS:
        world = world._replace(waiting=min(2, world.waiting + 1), unsynced=True)
        if world.gate is not State.UNKNOWN or event is Event.ASKED:
            after |= fail(world)  # the question itself could not be noted
    if event in ANSWERS:
        world = world._replace(awaits=False)
    answered = event in ANSWERS or event is Event.TIMEOUT
    if event is Event.GIVE_UP:
        # A job that may have committed, or has a grant, goes on.
        goes_on = world.awaits or (world.yes and not world.failed)
        world = world._replace(closed=world.closed or not goes_on)
    elif event is Event.CLOSE:
        world = world._replace(closed=True)
    elif event is Event.BYPASSED and not world.late:
        # The shell gives this once, when o2m.REPLIES says so: nothing on disk, and it is over.
        if world.closed and (world.bypassed or world.disk is not State.UNCOMMITTED):
            return after
        world = world._replace(bypassed=world.closed, late=world.closed, reached=False)
    elif answered and world.late:
        yes = event is Event.GO_AHEAD
        world = world._replace(late=False, yes=yes, no=not yes)
    elif answered and not world.closed and not world.yes and not world.failed:
        yes = event is Event.GO_AHEAD and world.heard and not world.no
        world = world._replace(yes=yes, no=not yes)
    gate, effects = STEPS[world.gate, event]
    row = (world.gate, event)
    world = world._replace(gate=gate)
    for effect in effects:
        world.check()
        for broken in failed(world, effect):
            after |= fail(broken)
        done = perform(world, effect)
        if done != world:
            USED.add((row, effect))
        world = done
        world.check()
    return after | {world}


def fail(world: World) -> set[World]:
    gate, effects = STEPS[world.gate, Event.FAILED]
    row = (world.gate, Event.FAILED)
    world = world._replace(gate=gate, failed=True, late=False)
    for effect in effects:
        assert effect in CANNOT_FAIL
        done = perform(world, effect)
        if done != world:
            USED.add((row, effect))
        world = done
    return {world}


#: (row, effect) pairs that changed something in some world: an effect that never does is noise.
USED: set[tuple[tuple[State, Event], Effect]] = set()


def test_the_tables_are_total() -> None:
    assert set(STEPS) == set(product(State, Event))
    assert set(ADMISSIONS) == set(product(Serves, Origin))
    assert set(CONTROLS) == set(product(Serves, Origin))
    assert {*Control, wire.SIGN, wire.UNKNOWN_COMMAND} == set(wire.REQUESTS)
    assert set(REFUSALS) == set(Audience)
    # An explicit refusal after `unknown` has rows of its own.
    assert set(OUTCOMES) == set(product((*DURABLE, State.REFUSED), Ending))
    assert set(MEANINGS) == {(state, OUTCOMES[state, ending]) for state, ending in OUTCOMES}


def walk(length: int) -> list[tuple[int, int]]:
    """Follow every history of up to `length` events; (histories, worlds) for each length."""
    worlds = Counter({World(State.UNCOMMITTED): 1})
    counts = []
    USED.clear()
    for _ in range(length):
        after: Counter[World] = Counter()
        for world, histories in worlds.items():
            # A stunt that is killed while it waits is no event: it only waits no more.
            for waiting in range(world.waiting + 1):
                for event in INPUTS:
                    for then in step(world._replace(waiting=waiting), event):
                        then.check_at_rest()
                        after[then] += histories
        worlds = after
        counts.append((worlds.total(), len(worlds)))
    assert {(row, effect) for row, (_, effects) in STEPS.items() for effect in effects} == USED
    return counts


def test_every_history_keeps_the_promises() -> None:
    counts = walk(LENGTH)
    for length, (histories, worlds) in enumerate(counts, 1):
        print(f"length {length}: {histories} histories, {worlds} worlds")
    assert counts[-1][0] > len(INPUTS) ** LENGTH
    assert counts[-1][1] == counts[-2][1], "a longer history may lead to a world not seen here"


def mutants(after: State, effects: tuple[Effect, ...]) -> list[tuple[State, tuple[Effect, ...]]]:
    return [
        *((state, effects) for state in State if state is not after),
        *((after, order) for order in permutations(effects) if order != effects),
        *((after, effects[:at] + effects[at + 1 :]) for at in range(len(effects))),
        *((after, (*effects, extra)) for extra in Effect if extra not in effects),
    ]


def test_every_mutant_of_the_table_dies(mocker: MockerFixture) -> None:
    """Is the walk above able to fail? Every row spoilt in every small way must be noticed."""
    seen = 0
    for row, (after, effects) in list(STEPS.items()):
        for mutant in mutants(after, effects):
            mocker.patch.dict(STEPS, {row: mutant})
            with pytest.raises(AssertionError):
                walk(5)
            mocker.stopall()
            seen += 1
    print(f"{seen} mutants died")
    assert seen > 300


def admit(serves: Serves, origin: Origin) -> None:
    """Perform a row of ADMISSIONS. Raises AssertionError where a promise is broken."""
    belongs = origin is Origin.JOB or (origin is Origin.USER and serves is not Serves.JOB)
    done: list[Admission] = []
    for effect in ADMISSIONS[serves, origin]:
        if effect is Admission.ANSWER_EARLY:
            assert serves is Serves.OBSERVED, "1: it runs, and the gate has not decided"
            assert not done, "in observe mode no client waits for the disk"
        else:
            assert (effect is Admission.RECORD) == belongs, "4: a grant belongs to one attempt"
        done.append(effect)
    early = [Admission.ANSWER_EARLY] * (belongs and serves is Serves.OBSERVED)
    assert done == [*early, Admission.RECORD if belongs else Admission.TURN_AWAY]


def control(serves: Serves, origin: Origin) -> None:
    """Check a row of CONTROLS. Raises AssertionError if somebody has too much or too little."""
    may = CONTROLS[serves, origin]
    served = Admission.TURN_AWAY not in ADMISSIONS[serves, origin]
    assert (Control.END in may) == (origin is not Origin.FOREIGN), "`gpgshim close`, and its user"
    for word in (Control.CLOSE, Control.GIVE_UP, Control.GAVE_UP):
        assert (word in may) == served, "a stunt acts for its own job only"
    assert (Control.WOULD in may) == (served and serves is Serves.OBSERVED)
    assert len(may) == len(set(may))


def refuse(audience: Audience) -> None:
    """Perform a row of REFUSALS. Raises AssertionError where a promise is broken."""
    can_report, answered = True, False
    for effect in REFUSALS[audience]:
        if effect is Refusal.END_JOB:
            assert audience is Audience.UPLOADER, "a job is ended that could have reported"
            assert can_report, "it is ended already"
            can_report = False
        else:
            assert not answered
            assert audience is not Audience.UPLOADER or not can_report, (
                "7: the uploader may hear of it, and the manager will not"
            )
            answered = True
    assert answered, "a client waits for ever"


def orders(effects: type[StrEnum]) -> list[tuple[StrEnum, ...]]:
    """All sequences of some of these effects."""
    return [order for length in range(len(effects) + 1) for order in permutations(effects, length)]


@pytest.mark.parametrize(("serves", "origin"), [*product(Serves, Origin)])
def test_admissions(mocker: MockerFixture, serves: Serves, origin: Origin) -> None:
    """Each row keeps the promises, and no other row in its place does."""
    admit(serves, origin)
    shipped = ADMISSIONS[serves, origin]
    for other in orders(Admission):
        if other != shipped:
            mocker.patch.dict(ADMISSIONS, {(serves, origin): other})
            with pytest.raises(AssertionError):
                admit(serves, origin)


@pytest.mark.parametrize(("serves", "origin"), [*product(Serves, Origin)])
def test_controls(mocker: MockerFixture, serves: Serves, origin: Origin) -> None:
    """Each row is as it has to be, and with one word more or less it is not."""
    control(serves, origin)
    shipped = CONTROLS[serves, origin]
    for word in Control:
        other = tuple(each for each in shipped if each is not word)
        mocker.patch.dict(
            CONTROLS, {(serves, origin): other if word in shipped else (*shipped, word)}
        )
        with pytest.raises(AssertionError):
            control(serves, origin)


@pytest.mark.parametrize("audience", Audience)
def test_refusals(mocker: MockerFixture, audience: Audience) -> None:
    """Each row keeps the promises, and no other row in its place does."""
    refuse(audience)
    shipped = REFUSALS[audience]
    for other in orders(Refusal):
        if other != shipped:
            mocker.patch.dict(REFUSALS, {audience: other})
            with pytest.raises(AssertionError):
                refuse(audience)


@pytest.mark.parametrize("outcome", Outcome)
def test_75_is_retriable_and_nothing_else(outcome: Outcome) -> None:
    for own in range(256):
        status = exit_status(outcome, own)
        if outcome is Outcome.OBSERVED:
            assert status == own  # observe mode changes nothing
            continue
        assert (status == TEMPFAIL) == (outcome is Outcome.RETRIABLE)
        if outcome is Outcome.REFUSED:
            assert status == NOT_PERMITTED
        elif outcome is not Outcome.RETRIABLE:
            assert status == (TEMPFAIL_TAKEN if own == TEMPFAIL else own)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_signal_that_ended_the_job_gives_the_status(outcome: Outcome) -> None:
    for own in range(256):
        status = exit_status(outcome, own, signal=2)
        if own == 0 or outcome is Outcome.OBSERVED:
            assert status == exit_status(outcome, own)  # the job ended well all the same
        else:
            assert status == 128 + 2


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("signal", [0, 2])
def test_a_status_by_the_outcome_alone(outcome: Outcome, signal: int) -> None:
    assert set(STATUSES) == set(Outcome)
    for own in range(256):
        status = exit_status(outcome, own, signal, Exit.OUTCOME)
        if outcome is Outcome.OBSERVED:
            assert status == own  # observe mode changes nothing
            continue
        assert (status == TEMPFAIL) == (outcome is Outcome.RETRIABLE)
        assert (status == PERSON_NEEDED) == (outcome is Outcome.IRRECOVERABLE)
        assert (status == NOT_PERMITTED) == (outcome is Outcome.REFUSED)
        assert (status == 0) == (outcome in (Outcome.UPLOADED, Outcome.UNSIGNED))
