# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gatekeeper: it gives events to the gate, and performs the effects.

Rule 1: it decides nothing. Events go through gate.STEPS, and it performs the effects in order.
Rule 2: an effect that fails ends its row, and the gate gets FAILED. So a state is on disk before a
request or an answer is sent.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

from gpgshim.authority.authority import Answer, Authority, NotAsked
from gpgshim.core import o2m, wire
from gpgshim.core import records as r
from gpgshim.core.codec import Process
from gpgshim.core.gate import (
    REFUSALS,
    STEPS,
    Admission,
    Audience,
    Effect,
    Event,
    Refusal,
    State,
)
from gpgshim.core.inputs import EVENTS
from gpgshim.core.question import Occasion, Question
from gpgshim.core.wording import refusal_after
from gpgshim.supervisor.entrance import Refusals, Requester
from gpgshim.supervisor.entries import Entries, failure_of, reason_of
from gpgshim.supervisor.granted import Granted
from gpgshim.supervisor.loop import Loop
from gpgshim.supervisor.requests import Request

#: The answers of a closed gate, and of a gate that is closed while clients wait.
OVER = r.Denied(r.Cause.CLOSED, "the job is over")
CLOSED = r.Denied(r.Cause.CLOSED, "the gate is closed")


class Limits(NamedTuple):
    """The time limits of an authority's answer.

    `deadline` is in seconds from the request. `latest` is on the clock: a later answer counts only
    for a late commitment.
    """

    deadline: float
    latest: float = math.inf


class Reporting(Protocol):
    """The reports of the job to parties other than its gpgs."""

    def audience(self, state: Callable[[], State]) -> Audience:
        """The parties that will hear of a refusal; `state` gives the durable state."""

    def end_job(self) -> list[Process]:
        """Kill the processes of the job before they can report; the killed ones."""


class NoReport:
    """For a job that reports to no other party."""

    def audience(self, state: Callable[[], State]) -> Audience:
        return Audience.NOBODY

    def end_job(self) -> list[Process]:
        return []


NO_REPORT = NoReport()


class _Waiting(NamedTuple):
    """A client that waits for its answer; `number` is that of its request, from 1."""

    client: Requester
    number: int


class Gatekeeper:
    """Holds the gate's state; others only read it. `audience` gives the audience of a refusal."""

    def __init__(
        self,
        entries: Entries,
        authority: Authority,
        loop: Loop,
        limits: Limits,
        occasion: Occasion,
        refusals: Refusals,
        audience: Callable[[], Audience],
        end_job: Callable[[], list[Process]],
    ) -> None:
        self.state = State.UNCOMMITTED
        self._entries = entries
        self._authority = authority
        self._loop = loop
        self._limits = limits
        self._refusals = refusals
        self._audience = audience
        self._kill = end_job
        self._why: r.Denied | None = None  # the answer to all requests, once all are refused
        self._waiting: list[_Waiting] = []  # in the order of requests and answers
        self._numbers = 0
        self._question = Question(occasion)  # that of the last request
        self._together: list[Event] = []  # requests in the journal that the gate has not got yet
        self._until: float | None = None  # the authority's time limit, while it has to answer
        self.gpgs = Granted(loop, entries)
        self._perform = {
            Effect.REACH: authority.reach,
            Effect.SYNC: entries.sync,
            Effect.WRITE_UNKNOWN: lambda: entries.sync(r.StateIs(State.UNKNOWN)),
            Effect.SEND_COMMIT: self._send_commit,
            Effect.WAIT: self._wait,
            Effect.WAIT_IN_TIME: lambda: self._wait(limits.latest),
            Effect.STOP_ASKING: self._stop_asking,
            Effect.WRITE_COMMITTED: lambda: entries.sync(r.StateIs(State.COMMITTED)),
            Effect.GRANT: self._grant,
            Effect.REFUSE: self._refuse,
        }
        self._perform_admission = {
            # The command line and the files were read first.
            Admission.ANSWER_EARLY: lambda request: request.client.answer(wire.GO),
            Admission.RECORD: self._record,
        }
        self._perform_refusal = {
            Refusal.END_JOB: self._end_job,
            Refusal.ANSWER: self._answer_no,
        }

    # Events.

    def step(self, event: Event) -> None:
        """Give the gate an event, and perform its effects."""
        self.state, effects = STEPS[self.state, event]
        for effect in effects:
            try:
                self._perform[effect]()
            except NotAsked as error:
                self._not_asked(error)
                return
            except OSError as error:
                self._fail(error)
                return

    def take(self, request: Request) -> None:
        """Write down a request whose files are read, and give it to the gate."""
        self._numbers += 1
        self._waiting.append(_Waiting(request.client, self._numbers))
        try:
            for effect in request.admission:
                self._perform_admission[effect](request)
        except OSError as error:
            self._fail(error)
            return
        event = EVENTS[type(request.record)]
        if self.state is State.UNCOMMITTED and event is Event.UNKNOWN_COMMAND:
            self._why = r.Denied(
                r.Cause.UNKNOWN_COMMAND,
                f"before the commitment, {request.record.call[:200]} is not a command that we know",
            )
            self.step(event)
            self._why = None  # this reason was for this request only
            return
        if self.state is State.COMMITTED:
            self._together.append(event)
        else:
            self.step(event)
        if Admission.ANSWER_EARLY in request.admission:
            self._hear_authority()  # the answer of NoAuthority; it must come before gpg continues

    def _record(self, request: Request) -> None:
        records = [request.record, request.about, *(request.files or ())]
        self._question = Question(self._question.occasion, records, request.words)
        self._entries.write(*records)

    def step_together(self) -> None:
        """Give the gate the requests that have come since.

        After the commitment, requests that came together share one sync of the disk: the first step
        answers all waiting clients, and then no event is left to be performed.
        """
        together, self._together = self._together, []
        for event in together:
            if self._waiting:
                self.step(event)

    def gone(self, client: Requester) -> None:
        """A client that has asked stopped waiting for its answer."""
        for each in [each for each in self._waiting if each.client is client]:
            self._waiting.remove(each)
            self._entries.note(r.ClientGone(each.number))

    @property
    def is_closed(self) -> bool:
        """Whether the gate grants nothing any more, and will not."""
        return self.state in (State.CLOSED, State.LATE)

    def time_limits(self) -> list[float]:
        """On the clock: the time at which the authority is late, if it is being asked."""
        return [] if self._until is None else [self._until]

    def look_at_the_clock(self, now: float) -> None:
        """Do not wait for a late authority any more, after a last look at its answer."""
        if self._until is not None and self._until <= now:
            self._hear_authority()
        if self._until is not None and self._until <= now:
            self._time_out(r.TimedOut())

    def fail(self, error: OSError) -> r.Denied:
        """An effect outside of the rows could not be performed; the answer to its client."""
        self._fail(error)
        return self._why or CLOSED

    def _fail(self, error: OSError) -> None:
        failed = failure_of(error)
        self._entries.note(failed)
        self._why = self._why or r.Denied(
            r.Cause.FAILED, f"the supervisor cannot go on: {failed.reason}"
        )
        self.state, effects = STEPS[self.state, Event.FAILED]
        for effect in effects:
            self._perform[effect]()  # these effects cannot fail: see test_gate

    # The authority.

    def _send_commit(self) -> None:
        self._entries.write(r.Sent(o2m.COMMIT_LINE))
        self._authority.ask(self._question)

    def _not_asked(self, error: NotAsked) -> None:
        # `! unknown` stays on disk, but the authority has not committed: it is a refusal.
        why = r.NotAsked(reason_of(error))
        self._entries.note(why)
        self._answered(r.Refused(""), refusal_after(why))

    def _wait(self, latest: float = math.inf) -> None:
        self._loop.watch(self._authority.fileno(), self._hear_authority, is_peer=True)
        self._until = min(self._loop.clock() + self._limits.deadline, latest)

    def _hear_authority(self) -> None:
        if self._until is None:
            return
        try:
            answer = self._authority.answer()
        except OSError as error:  # its answer is unknown
            self._time_out(failure_of(error))
            return
        if answer is not None:
            self._answered(answer)

    def _answered(self, answer: Answer, why: r.Denied | None = None) -> None:
        self._stop_waiting()
        self._entries.note(answer)
        if not isinstance(answer, r.GoAhead):
            self._why = why or refusal_after(answer)
        self.step(EVENTS[type(answer)])

    def _time_out(self, why: r.TimedOut | r.Failed) -> None:
        """The authority will not answer."""
        self._entries.note(why)
        self._why = refusal_after(why)
        self.step(Event.TIMEOUT)

    def _stop_asking(self) -> None:
        if self._until is not None:
            self._stop_waiting()
            self._authority.give_up()

    def _stop_waiting(self) -> None:
        if self._until is not None:
            self._until = None
            with contextlib.suppress(KeyError, ValueError):
                self._loop.unwatch(self._authority.fileno())

    # Answers to clients.

    def _grant(self) -> None:
        self._entries.write(*[r.Granted()] * len(self._waiting))
        granted, self._waiting = self._waiting, []
        for each in granted:
            if each.client.is_stunt:
                self.gpgs.watch(each.client.pid, each.number)
            each.client.answer(wire.GO)

    def _refuse(self) -> None:
        for effect in REFUSALS[self._audience()]:
            self._perform_refusal[effect]()

    def _end_job(self) -> None:
        if killed := self._kill():
            self._entries.note(r.Killed(r.Killing.DROPPED, tuple(killed)))

    def _answer_no(self) -> None:
        while self._waiting:
            client = self._waiting.pop(0).client
            why = OVER if self.is_closed else self._why or CLOSED
            self._entries.note(why)
            self._refusals.add(why.reason)
            client.answer(wire.NO, why.reason)
