# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt at a job: its set-up, its start, and its clean-up.

Rule 1: nothing is started before everything was checked that can be checked in advance.
Rule 2: if processes of the job are alive at its end, its stunts stay; otherwise its directory is
removed.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import math
import os
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gpgshim import __version__
from gpgshim.authority.authority import Authority
from gpgshim.core import names, wire
from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.core.gate import State
from gpgshim.core.memory import Option
from gpgshim.core.quoting import quote
from gpgshim.core.terms import Form
from gpgshim.core.transcript import AGENT, DIRECTORY, KEYS
from gpgshim.gpgargs import mask, optiontable
from gpgshim.history import claim
from gpgshim.history.journal import Journal
from gpgshim.supervisor import jobdir, leftovers, signals, wall
from gpgshim.supervisor.gatekeeper import NO_REPORT, Reporting
from gpgshim.supervisor.mode import HOLD, Mode
from gpgshim.supervisor.processes import (
    become_subreaper,
    kill_descendants,
    living_descendants,
    reap_orphans,
)
from gpgshim.supervisor.realgpg import Programs, find_programs
from gpgshim.supervisor.requester import Inspector
from gpgshim.supervisor.settlement import end_of
from gpgshim.supervisor.supervisor import Supervisor
from gpgshim.system import places
from gpgshim.system.errors import GpgshimError, Misconfigured, Unable
from gpgshim.system.ownprocess import caller_environ, check_proc, own_umask
from gpgshim.system.processes import DEFAULT_SIGNALS, die_with, spawn_after

if TYPE_CHECKING:
    from gpgshim.agentlock.sockets import Lock

SHELL = "/bin/sh"

#: The exit statuses of env(1) for a command that cannot be run, and sysexits' EX_OSERR for a
#: transient failure: there is no process, memory or descriptor left at this moment.
CANNOT_BE_RUN, NOT_FOUND, NOT_NOW = 126, 127, 71
NOT_STARTED = {
    errno.ENOENT: NOT_FOUND,
    **dict.fromkeys(
        (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY, errno.EINTR),
        NOT_NOW,
    ),
}


class Plan(NamedTuple):
    """The plan of an attempt."""

    job: str  #: its name
    authority: Authority
    called: str  #: the authority's name in the journal
    command: str | None  #: for the journal, without secrets; None if another process starts the job
    deadline: float  #: seconds for the authority's answer
    gpg: str | None = None  #: the real gpg; None for the first on PATH
    #: The real dgit. Without it the job has no stunt dgit, because that stunt closes the gate when
    #: dgit fails.
    dgit: Path | None = None
    mode: Mode = HOLD
    #: On the monotonic clock: the time when the stunt dgit gives up a job that is not committed.
    until: float | None = None
    #: On the same clock: a later answer of the authority counts only for a late commitment.
    latest: float = math.inf
    #: The job's stunts are at the same path as in its last attempt, unless another attempt of the
    #: job is running. This must not be used if every process of the user is served, or with
    #: `observe`: an orphan of an attempt with a gate would be let through.
    keeps_path: bool = False
    #: On the same clock: the time when a job that is not committed is given up and ended.
    ends: float = math.inf
    reporting: Reporting = NO_REPORT  #: where the reports of the job go
    #: What to do if an earlier attempt stands; None for a job whose name no later attempt knows.
    option: Option | None = None
    #: Called when the outcome is on disk, before it is reported. It raises nothing.
    settled: Callable[[Journal, optiontable.Table], object] = lambda _journal, _table: None
    lock_agent: Form | None = None  #: the form of the lock of gpg-agent, if it gets one
    #: Whether the commitment point is the first signature at the lock, and not the call of gpg.
    commit_at_agent: bool = False
    keys: Sequence[str] = ()  #: with it: fingerprints; only signatures by these keys count
    is_bound: bool = False  #: whether the kernel kills the job when we are killed


class Attempt:
    """The attempt of a job, as `plan` says.

    The constructor raises the errors of its steps, and then removes everything that it made.
    """

    @own_umask()
    def __init__(self, plan: Plan) -> None:
        check_proc()
        plan = plan.mode.adapt(plan)
        plan.authority.check()
        load_for_job()
        if plan.command is not None:
            become_subreaper()
        # If the caller left SIGCHLD ignored, the kernel would discard exit statuses.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        environ = caller_environ()
        started = datetime.now(UTC)
        if fault := names.fault_of(plan.job):
            raise Misconfigured(fault)
        self.job = plan.job
        self.authority = plan.authority
        self._ends = plan.ends
        self.child = 0
        self.status = 0  # the job's exit status, as a shell reports it, after it has ended
        self._pidfd = self._signals = -1
        self._mask: set[int | signal.Signals] | None = None  # the caller's, while ours differs
        #: The earlier attempt that stands, if this one was started all the same.
        self.warning: GpgshimError | None = None
        self._first_signal = 0
        programs = find_programs(environ, plan.gpg, plan.dgit)
        base = places.runtime_directory(environ)
        places.make_private(base, places.RUNTIME_HINT)
        leftovers.sweep(base)
        wall_directory = wall.stand(programs.real, base)
        contents = jobdir.Contents(
            programs.text, programs.real, plan.until, not plan.mode.stunts_wait, wall_directory
        )
        # `_held` is a descriptor that holds the directory's lock.
        self.directory, self._held, self._is_at_its_path = jobdir.make_for(
            base, self.job, contents, plan.keeps_path
        )
        lock = None
        try:
            lock = _lock_of(plan, self.directory, programs, environ)
            self.journal, self.supervisor = self._begin(plan, programs, started, environ, lock)
        except BaseException:
            if lock:
                lock.close()
            self._leave()
            raise
        #: Gets the record of the job's end.
        self._ended: Callable[[Record], None] = self.supervisor.finish
        #: The directories before the rest of the job's PATH.
        self.gate = f"{self.directory}/{wire.BIN}:{wall_directory}"
        behind = wall.without_shorter(environ.get("PATH", os.defpath), wall_directory)
        #: The variables of the job that are not those of its caller, beside PATH.
        self.variables = lock.variables if lock else {}
        self._spawn = _spawner(plan, lock)
        self.environ = environ | dict(self.variables) | {"PATH": f"{self.gate}:{behind}"}

    def _begin(
        self,
        plan: Plan,
        programs: Programs,
        started: datetime,
        environ: dict[str, str],
        lock: Lock | None,
    ) -> tuple[Journal, Supervisor]:
        """Make the journal, and listen for clients."""
        if plan.command is None:
            leftovers.keep_whole(self.directory)
        head = {
            "gpg": f"{programs.real['gpg']} {programs.table.version}",
            "authority": mask.of_text(plan.called),
            **({} if plan.command is None else {"command": plan.command}),
            "started": f"{started:%Y-%m-%dT%H:%M:%SZ}",
            "gpgshim": __version__,
            DIRECTORY: quote([str(self.directory)]),
            **({"agent": lock.home} if lock else {}),
            **({"commit-at": AGENT} if plan.commit_at_agent else {}),
            **({KEYS: " ".join(plan.keys)} if plan.keys else {}),
            **plan.mode.head,
        }
        state = places.state_directory(environ)
        beginning = claim.Beginning({})
        with contextlib.ExitStack() as stack:
            if plan.option is not None:
                beginning = stack.enter_context(claim.begin(state, self.job, plan.option))
                head |= beginning.head
                self.warning = beginning.warning
            journal = Journal.create(state, self.job, head, after=beginning.newest)
        jobdir.link_journal(self.directory, journal.path)
        supervisor = Supervisor(
            self.directory,
            journal,
            plan.authority,
            plan.deadline,
            Inspector(self.directory, programs.table),
            starts_elsewhere=plan.command is None,
            mode=plan.mode,
            latest=plan.latest,
            reporting=plan.reporting,
            settled=lambda: plan.settled(journal, programs.table),
            earlier=beginning.earlier and beginning.earlier.before(),
            lock=lock,
        )
        return journal, supervisor

    def start(
        self,
        words: list[str],
        file_actions: Sequence[tuple[int, ...]] = (),
        ended: Callable[[Record], None] | None = None,
    ) -> None:
        """Start the job as our child, with the caller's signals, and watch for its end.

        `ended` gets the record of the end; by default it finishes the job. Raises OSError if the
        job cannot be started.
        """
        import shutil

        self._ended = ended or self._ended
        found = shutil.which(words[0], path=self.environ["PATH"])
        if found is None and "/" not in words[0]:
            raise FileNotFoundError(2, os.strerror(2))
        # Signals are caught before there is a child, so that none can get lost.
        self._signals, self._mask = signals.block_ours()
        about = {
            "setsigdef": DEFAULT_SIGNALS,
            "setsigmask": self._mask,
            "file_actions": file_actions,
        }
        program = found or words[0]
        try:
            self.child = self._spawn(program, words, self.environ, **about)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            # Run a script without `#!` by sh, as shells and execvp(3) do.
            words = [SHELL, program, *words[1:]]
            self.child = self._spawn(SHELL, words, self.environ, **about)
        try:
            self._pidfd = os.pidfd_open(self.child)
            self.supervisor.watch(self._pidfd, self._child_ended)
            self.supervisor.watch(self._signals, self._signalled)
            self.supervisor.call_at(self._ends, self._out_of_time)
        except OSError:
            # A job that we cannot watch must not run, because we report it as not started.
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            kill_descendants()
            raise

    def not_started(self, error: OSError) -> None:
        """The job could not be started; this ends it."""
        self.status = NOT_STARTED.get(error.errno or 0, CANNOT_BE_RUN)
        self.supervisor.finish(r.NotStarted(self.status))

    def end_on_signals(self) -> None:
        """Have a signal to us end a job that another process starts. Raises OSError."""
        self._signals = signals.wake_on((*signals.PASSED_ON, signal.SIGCHLD))
        self.supervisor.watch(self._signals, self._end_on_signal)
        self._reap()

    def _end_on_signal(self) -> None:
        for number in os.read(self._signals, 4096):
            if number == signal.SIGCHLD:
                self._reap()  # as process 1 of a container we inherit every orphan in it
            else:
                self.supervisor.finish(r.Ended())
                return

    def _reap(self) -> None:
        reap_orphans({self.child, self.authority.pid})

    def _child_ended(self) -> None:
        pid, status = os.waitpid(self.child, os.WNOHANG)
        if pid:
            self.supervisor.unwatch(self._pidfd)
            end, self.status = end_of(status)
            self._ended(end)

    def signal_that_ended_it(self) -> int:
        """The number of the first signal to us, or 0; after the job is over.

        A ^C at the terminal can end the job before we have read our own signal.
        """
        with contextlib.suppress(OSError):
            self._signalled()
        return self._first_signal

    def _signalled(self) -> None:
        from gpgshim.system import kernel

        for number, by_kernel in kernel.read_signals(self._signals):
            if number == signal.SIGCHLD:
                self._reap()
                continue
            self._first_signal = self._first_signal or number
            if self.supervisor.over:
                continue
            has_it = by_kernel and signals.is_shared(number, self.child)
            way = r.Delivery.SHARED if has_it else r.Delivery.PASSED_ON
            received = r.SignalReceived(signal.Signals(number).name, way)
            self.supervisor.entries.note(received, r.GateClosed())
            self.supervisor.close()
            if not has_it:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.child, number)

    def _out_of_time(self) -> None:
        """Close the gate, unless the job may have committed; then end the job, as by a signal."""
        self.supervisor.entries.note(r.OutOfTime())
        self.supervisor.give_up()
        if self.supervisor.settlement.durable_state() is State.UNCOMMITTED:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGTERM)

    def abandon(self) -> None:
        """Leave only the journal of an attempt whose job cannot be started any more."""
        self.give_up()
        self.supervisor.shut()
        self._leave()

    def give_up(self) -> None:
        """End a job that will not be started; no more can be said about it."""
        with contextlib.suppress(Unable, OSError):
            self.supervisor.finish(r.Ended())
            self.supervisor.conclude()

    def _leave(self) -> None:
        """Remove the job's directory; at a stable path, leave programs there that refuse."""
        if self._is_at_its_path:
            with own_umask(), contextlib.suppress(OSError, ImportError):  # then it stays as it is
                leftovers.retire(self.directory, nothing_is_alive=True)
        else:
            jobdir.remove(self.directory)

    def end(self) -> None:
        """Remove the socket, and also the directory unless a process of the job is alive."""
        self.supervisor.shut()
        if self._mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        reap_orphans(set())
        if not living_descendants():
            self._leave()


def _lock_of(plan: Plan, job: Path, programs: Programs, environ: dict[str, str]) -> Lock | None:
    """The lock of gpg-agent, if there must be one. Raises Misconfigured."""
    if plan.lock_agent is None:
        return None
    from gpgshim.agentlock import forms, keys  # imported here: few jobs have a lock

    grips = keys.keygrips(programs.real["gpg"], environ, plan.keys) if plan.keys else None
    lock = forms.set_up(plan.lock_agent, job, programs.real.get("gpgconf"), environ)
    lock = lock._replace(keys=grips)
    if plan.commit_at_agent:
        (job / wire.AT_AGENT).write_text(wire.EVERY_CALL if lock.enter else "")
    return lock


def _spawner(plan: Plan, lock: Lock | None) -> Callable[..., int]:
    """The function that starts the job: posix_spawn, or one that is called in the same way."""
    steps = [lock.enter] if lock and lock.enter else []
    if plan.is_bound:
        steps.append(functools.partial(die_with, os.getpid()))
    return functools.partial(spawn_after, steps) if steps else os.posix_spawn


def load_for_job() -> None:
    """Import what a job will need: the package may be upgraded or removed while the job runs.

    Raises Unable.
    """
    try:
        import shutil  # noqa: F401
        from hashlib import sha256  # noqa: F401
    except (ImportError, OSError) as error:
        raise Unable(str(error)) from error


def made_up_name() -> str:
    """A name for a job without a given name."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}"
