# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor: it serves one attempt of one job. Its parts are

- loop.py, which waits for everything at once;
- clients.py and requests.py, the clients and their requests until these reach the gate;
- gatekeeper.py, which gives events to the gate and performs the effects;
- settlement.py, which derives the outcome from the journal;
- entries.py, the lines in the journal;
- atagent.py and the package agentlock, the lock of gpg-agent, if the attempt has one.

Rule 1: a part gets what it needs through its constructor, and sets nothing of another part.
"""

from __future__ import annotations

import contextlib
import math
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gpgshim.authority.authority import Authority
from gpgshim.core import names, wire
from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.core.gate import TEMPFAIL, Audience, Control, Event, State
from gpgshim.core.question import Before, Occasion
from gpgshim.core.verdict import Verdict
from gpgshim.history.journal import Journal
from gpgshim.supervisor.atagent import AgentGate, NoLock
from gpgshim.supervisor.clients import Client, Clients
from gpgshim.supervisor.entrance import Admissions, Entrance, Refusals
from gpgshim.supervisor.entries import Entries
from gpgshim.supervisor.gatekeeper import NO_REPORT, Gatekeeper, Limits, Reporting
from gpgshim.supervisor.loop import Loop
from gpgshim.supervisor.mode import HOLD, Mode
from gpgshim.supervisor.requester import Inspector
from gpgshim.supervisor.requests import Requests
from gpgshim.supervisor.settlement import Reply, Report, Settlement
from gpgshim.system.errors import Unable
from gpgshim.system.places import can_be_run

if TYPE_CHECKING:
    from gpgshim.agentlock.proxy import Proxy
    from gpgshim.agentlock.sockets import Lock


class Supervisor:
    """Serves `job`, a directory that jobdir made, until the job is over.

    `deadline` is in seconds, for the authority's answer; `clock` gives seconds; an answer after
    `latest`, on the clock, counts only for a late commitment. With `starts_elsewhere`, another
    process starts the job, and a client may report that it is over; otherwise only a watched
    descriptor does. `mode` says whether the gate holds the job. `reporting` says where the reports
    of the job go. `settled` is called when the outcome is on disk, before it is reported; it raises
    nothing. `earlier` is the attempt that decided that this one may start. `lock` is the lock of
    gpg-agent, if there is one. Raises Unable if the socket cannot be made.
    """

    def __init__(
        self,
        job: Path,
        journal: Journal,
        authority: Authority,
        deadline: float,
        inspector: Inspector,
        *,
        starts_elsewhere: bool = False,
        mode: Mode = HOLD,
        clock: Callable[[], float] = time.monotonic,
        latest: float = math.inf,
        reporting: Reporting = NO_REPORT,
        settled: Callable[[], object] = lambda: None,
        earlier: Before | None = None,
        lock: Lock | None = None,
    ) -> None:
        self.over: Record | None = None  # how the job ended, once it is over
        self.entries = Entries(journal)
        self.settlement = Settlement(journal, self.entries, mode, settled)
        self._journal = journal
        path = journal.path
        self._authority = authority
        self._starts_elsewhere = starts_elsewhere
        self._mode = mode
        self._stunt = job / wire.BIN / "gpg"
        self._had_stunts = can_be_run(self._stunt)
        self._reporting = reporting
        self._refusals = Refusals()
        self._calls: list[tuple[float, Callable[[], None]]] = []  # on the clock, what to call
        serves = mode.serves(starts_elsewhere)
        try:
            entrance = Entrance(serves, self.entries, self._refusals, inspector)
            self._loop = Loop(clock)
            self.gatekeeper = Gatekeeper(
                self.entries,
                authority,
                self._loop,
                Limits(deadline, latest),
                Occasion(*names.split(path.name), str(path), inspector.table, earlier),
                self._refusals,
                self._audience,
                reporting.end_job,
            )
            self._requests = Requests(self._loop, inspector, self.entries, self.gatekeeper.take)
            self._clients = Clients(
                job / wire.SOCKET,
                self._loop,
                self,
                self.entries,
                self._refusals,
                entrance,
            )
            gate = AgentGate(entrance, self._requests, self.gatekeeper, self.entries)
            self._lock: Proxy | NoLock = _proxy_of(lock, self._loop, gate)
        except OSError as error:
            raise Unable(f"cannot listen at {job}/{wire.SOCKET}: {error.strerror}") from error

    # The event loop.

    def watch(self, fd: int, handle: Callable[[], None]) -> None:
        """Call `handle` whenever `fd` is readable, until it is unwatched."""
        self._loop.watch(fd, handle)

    def unwatch(self, fd: int) -> None:
        """Do not watch `fd` any more."""
        self._loop.unwatch(fd)

    def call_at(self, at: float, handle: Callable[[], None]) -> None:
        """Call `handle` once, at `at` on the clock, unless the job is over before."""
        if at < math.inf:
            self._calls.append((at, handle))

    def serve(self) -> None:
        """Run until something calls finish()."""
        _raise_descriptor_limit()
        self._requests.start()
        self._loop.run(self, lambda: self.over is not None)

    def commit_late(self) -> None:
        """The closed job reports `uploaded`, but got no grant: tell the authority, and wait."""
        self.entries.note(r.Bypassed())
        self.gatekeeper.step(Event.BYPASSED)
        self._loop.run(self, lambda: self.gatekeeper.state is not State.LATE)

    def time_limit(self) -> float | None:
        """For loop.Round."""
        parts = (self._clients, self._requests, self.gatekeeper, self._lock)
        limits = [limit for part in parts for limit in part.time_limits()]
        calls = [] if self.over else [at for at, _ in self._calls]
        return min(limits + calls, default=None)

    def peers_are_heard(self) -> None:
        """For loop.Round."""
        self.gatekeeper.step_together()
        self._lock.forward_together()

    def everything_is_heard(self) -> None:
        """For loop.Round."""
        # We may have been stopped for longer than the time limits. Input that arrived meanwhile may
        # have come in time, and is read before a client or the authority counts as late.
        now = self._loop.clock()
        self._clients.look_at_the_clock(now)
        self._requests.look_at_the_clock(now)
        self.gatekeeper.look_at_the_clock(now)
        self._lock.look_at_the_clock(now)
        # Last: if the job ended while files were read, no commitment is requested for it.
        self._requests.put_ready()
        self.gatekeeper.step_together()
        self._lock.forward_together()
        if self.over is None:
            due = [handle for at, handle in self._calls if at <= now]
            self._calls = [call for call in self._calls if call[0] > now]
            for handle in due:
                handle()

    # The clients' requests.

    def ask(self, client: Client, word: str, admission: Admissions) -> None:
        """For clients.Service."""
        self._requests.add(client, word, admission)

    def gone(self, client: Client) -> None:
        """For clients.Service."""
        self.gatekeeper.gone(client)
        self._requests.gone(client)

    def control(self, client: Client, word: Control, argument: str) -> None:
        """For clients.Service."""
        if word is Control.END and self._starts_elsewhere:
            if self.over is None:  # several clients may report the end at once; the first counts
                self.finish(r.Exited(int(argument)) if argument.isdecimal() else r.Ended())
            try:
                self.conclude()
            except Unable as error:
                client.answer(wire.NO, str(error))
                return
        elif word is Control.WOULD:
            if argument == str(TEMPFAIL):
                self.entries.note(r.WouldExit(TEMPFAIL))
        elif word is Control.GIVE_UP:
            if not self.give_up():
                client.answer(wire.OPEN)
                return
        else:
            self.entries.note(r.GateClosed())
            self.close()
        verdict = self.settlement.verdict()
        client.answer(wire.CLOSED, f"{verdict.state} {verdict.outcome}")

    def _audience(self) -> Audience:
        if self.over is not None:
            return Audience.NOBODY
        return self._reporting.audience(self.settlement.durable_state)

    # The end of the job.

    def close(self) -> None:
        """Close the gate: from now on it grants nothing. The job may continue."""
        if not self.gatekeeper.is_closed:
            self._look_for_our_files()
        self.gatekeeper.step(Event.CLOSE)
        self._requests.stop_reading()

    def give_up(self) -> bool:
        """Close the gate unless there is or may be a grant; whether it is closed."""
        was_closed = self.gatekeeper.is_closed
        self.gatekeeper.step(Event.GIVE_UP)
        if self.gatekeeper.is_closed and not was_closed:
            self.entries.note(r.GateClosed())
            self._look_for_our_files()
            self._requests.stop_reading()
        return self.gatekeeper.is_closed

    def _look_for_our_files(self) -> None:
        if self._had_stunts and not can_be_run(self._stunt):
            # The stunts were removed, so PATH has led the job to the real gpg since.
            self.entries.note(r.Ungated())
        if not self._lock.is_whole():
            # As at the last logout, with /run/user/UID. Programs of the job then start an agent.
            self.entries.note(r.Unlocked())

    def finish(self, end: Record) -> None:
        """End the job, as `end` reports: close the gate, and let serve() return."""
        self.entries.note(end)
        self.over = end
        self.close()

    def conclude(self, report: Report | None = None) -> Reply:
        """Settle the outcome of the finished job. Raises Unable: see Settlement."""
        assert self.over is not None
        return self.settlement.conclude(self.over, report)

    def described(self, verdict: Verdict) -> str:
        """The verdict on this attempt, in the line that reports it."""
        clauses = verdict.why.told(self._refusals.causes)
        return "; ".join((f"{verdict.outcome}: {verdict.meaning}", *clauses))

    def shut(self) -> None:
        """Remove the socket and close everything. The stunts then report that the job is over."""
        self._clients.shut()
        self._lock.shut()
        self._requests.stop()
        self._loop.close()
        self._authority.give_up()
        self._journal.close()


def _proxy_of(lock: Lock | None, loop: Loop, gate: AgentGate) -> Proxy | NoLock:
    """The proxy at the sockets of `lock`. Raises OSError if they cannot be watched."""
    if lock is None:
        return NoLock()
    from gpgshim.agentlock.proxy import Proxy  # imported here: few attempts have a lock

    return Proxy(lock, loop, gate)


def _raise_descriptor_limit() -> None:
    # Only for us: the job was started before this, with its caller's limits.
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
