# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs that run a job under a gate: run, supervise."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

import click

from gpgshim.authority.authority import Authority
from gpgshim.authority.option import from_option
from gpgshim.cli import background, options
from gpgshim.cli.group import cli
from gpgshim.core import names
from gpgshim.core.gate import Exit, exit_status
from gpgshim.core.memory import Option
from gpgshim.core.quoting import quote
from gpgshim.core.retries import Limits
from gpgshim.core.terms import Form
from gpgshim.core.verdict import Verdict
from gpgshim.gpgargs import mask
from gpgshim.supervisor import config, followup
from gpgshim.supervisor.attempt import Attempt, Plan, made_up_name
from gpgshim.supervisor.signals import PASSED_ON
from gpgshim.system import log
from gpgshim.system.descriptors import redirect_to_null, release_inherited
from gpgshim.system.errors import (
    Misconfigured,
    Misused,
    Stands,
    Stopped,
    Unable,
    before_the_job,
)
from gpgshim.system.log import LEVELS, Level, say
from gpgshim.system.ownprocess import caller_environ

if TYPE_CHECKING:
    from gpgshim.cli.repeat import Series, Turn
    from gpgshim.history.resultfile import ResultFile

#: For a job without a name.
FORGOTTEN = "; without --job, no later run will know of this job"
WAIT = 60.0  #: seconds; the default of --wait


def report(attempt: Attempt, verdict: Verdict, has_name: bool) -> None:
    """The last line that a person sees."""
    journal = attempt.journal.path
    say(
        f"{journal.name}: {attempt.supervisor.described(verdict)}"
        f"{'' if has_name else FORGOTTEN} [{journal}]",
        LEVELS[verdict.outcome],
    )


def _stop_on(numbers: Sequence[signal.Signals]) -> None:
    """Have these signals raise Stopped, so that the set-up is undone."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(number)

    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


def _job_name(given: str | None) -> str:
    """The job's name: from --job, or a new one. Raises Misused."""
    if given is None:
        return made_up_name()
    if fault := names.fault_of(given):
        raise Misused(f"--job: {fault}")
    return given


def _option_of(job: str | None, again: bool, skip_done: bool) -> Option | None:
    """What to do if an earlier attempt stands; None for a job without a name. Raises Misused."""
    if again and skip_done:
        raise Misused("--again and --skip-done exclude each other")
    if job is None:
        if again or skip_done:
            given = "--again" if again else "--skip-done"
            raise Misused(f"{given} needs --job: a job without a name has no earlier attempt")
        return None
    return Option.AGAIN if again else Option.SKIP_DONE if skip_done else Option.NONE


def _series_of(
    retries: int | None, wait: float | None, total: float | None, exit_by: Exit
) -> Series | None:
    """The series of attempts; None if there is only one attempt. Raises Misused, Unable."""
    if retries is None:
        if wait is not None or total is not None:
            given = "--wait" if wait is not None else "--deadline-total"
            raise Misused(f"{given} needs --retries")
        return None
    from gpgshim.cli.repeat import Series  # imported here, because only --retries needs it

    until = math.inf if total is None else time.monotonic() + total
    return Series(Limits(retries, WAIT if wait is None else wait, until), total, exit_by)


def _locked(plan: Plan, now: config.Settings) -> Plan:
    """The plan, with the lock of gpg-agent that the settings want. Raises Misused."""
    if fault := now.fault_of_lock:
        raise Misused(fault)
    return plan._replace(**now.lock)


def _authority_of(now: config.Settings, job: str) -> Authority:
    # A GPGSHIM_JOB from our caller is another job's name.
    return from_option(now.commit, caller_environ() | {"GPGSHIM_JOB": job})


# Not _WORDS_OF_ANOTHER: a misspelt option of ours must not become the command.
@cli.command(cls=options.Starting, context_settings={"allow_interspersed_args": False})
@options.JOB
@options.COMMIT
@options.DEADLINE
@options.GPG
@options.LOCK_AGENT
@options.NO_LOCK_AGENT
@options.COMMIT_AT
@options.KEY
@options.OBSERVE
@options.AGAIN
@options.SKIP_DONE
@options.RETRIES
@options.WAIT
@options.TOTAL
@options.RESULT
@options.EXIT
@click.option(
    "--record",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Copy the journal to FILE, for a report of a fault or for a test.",
)
@click.argument(
    "command",
    nargs=-1,
    type=click.UNPROCESSED,
    required=True,
    metavar="-- COMMAND…",
    shell_complete=options.file,
)
def run(
    job: str | None,
    again: bool,
    skip_done: bool,
    retries: int | None,
    wait: float | None,
    total: float | None,
    result: Path | None,
    exit_by: str,
    record: Path | None,
    command: tuple[str, ...],
    **given: object,  # the options that are settings
) -> int:
    """Run COMMAND under a gate of its own.

    The exit status is COMMAND's own. It is 75 if COMMAND failed, no gpg under the gate was allowed
    to sign, and no request to commit was sent: the job can be tried again. 75 has no other meaning.
    It is 77 if the authority refused, or if nothing was started because an earlier attempt of the
    job NAME stands: it may have done something that cannot be undone. It is 128+N if signal N to
    gpgshim ended the job. gpgshim-run(1) lists all exit statuses. Settings can change the defaults
    of options: see `gpgshim config`.

    \b
    Example:
      gpgshim run --commit 'ssh manager commit 2420' -- dgit push-source
    """
    with before_the_job():
        now = options.settings_for(**given)
        name = _job_name(job)
        option = _option_of(job, again, skip_done)
        series = _series_of(retries, wait, total, Exit(exit_by))
        followup.load(now, record)
        file = _file_of(result)
    turn = series.run() if series else None
    if isinstance(turn, int):
        return turn
    with before_the_job(), followup.alarms_of_earlier(now), _looking(now, turn) as warn:
        authority = _authority_of(now, name)
        called = now.commit or "nobody"
        words = quote(mask.of_words(command))
        _stop_on(PASSED_ON)
        plan = Plan(name, authority, called, words, now.deadline, now.gpg, mode=now.mode)
        plan = _locked(plan, now)._replace(keeps_path=job is not None, option=option)
        attempt = _start(turn.adapt(plan) if turn else plan, file)
        _warn(attempt, warn)
    return _run(attempt, command, now, _Call(job is not None, record, turn, Exit(exit_by)))


class _Call(NamedTuple):
    """What a call of `run` wants beside the job."""

    has_name: bool  # whether later attempts will find this one
    record: Path | None
    turn: Turn | None  # in a series
    exit_by: Exit


def _run(attempt: Attempt, command: Sequence[str], now: config.Settings, call: _Call) -> int:
    """Run the job of an attempt, and report its outcome; the exit status."""
    try:
        try:
            attempt.start(list(command))
            _leave_to_the_job()
        except OSError as error:
            attempt.not_started(error)
            say(f"{quote([command[0]])} cannot be run: {error.strerror}")
        attempt.supervisor.serve()
        ended_by = attempt.signal_that_ended_it()
        verdict = attempt.supervisor.conclude().verdict
        report(attempt, verdict, call.has_name)
    except Stopped:
        attempt.give_up()
        raise
    except Unable as error:
        seen = f"the job ended with status {attempt.status}, but {error.seen}"
        raise Unable(seen, error.fact, hint=error.hint) from error
    finally:
        followup.tried("the end of the attempt", attempt.end)
        followup.follow(attempt.journal, now)
    if call.record:
        followup.keep(attempt.journal, call.record, f"{verdict.outcome}: {verdict.meaning}")
    followup.prune(attempt.journal, now)
    if call.turn:
        call.turn.tell(attempt.journal.path.name, verdict.outcome, ended_by)
    return exit_status(verdict.outcome, attempt.status, ended_by, call.exit_by)


def _file_of(result: Path | None) -> ResultFile | None:
    """The file of --result. Raises Misconfigured if it cannot be written."""
    if result is None:
        return None
    from gpgshim.history.resultfile import ResultFile  # only --result needs it

    return ResultFile(result)


def _start(plan: Plan, file: ResultFile | None) -> Attempt:
    """The attempt of `plan`, whose result is written to `file`, as is that of an earlier attempt.

    Raises the errors of Attempt.
    """
    if file is None:
        return Attempt(plan)
    try:
        return Attempt(plan._replace(settled=file.write))
    except Stands as stands:
        file.write_earlier(stands)
        raise


@contextlib.contextmanager
def _looking(now: config.Settings, turn: Turn | None = None) -> Iterator[Callable[[], None]]:
    """See ways.looking; only the first attempt of a series looks for ways past the gate."""
    if now.warn and (turn is None or turn.number == 1):
        from gpgshim.doctor import ways  # imported here, because the settings may not want it

        with ways.looking(now.warn, caller_environ()) as warn:
            yield warn
    else:
        yield lambda: None


def _warn(attempt: Attempt, of_ways: Callable[[], None]) -> None:
    """Print the warnings about an attempt that is set up."""
    if attempt.warning:
        log.report(attempt.warning, Level.WARNING)
    try:
        of_ways()
    except Stopped:
        attempt.abandon()
        raise


def _leave_to_the_job() -> None:
    """Release the caller's descriptors that the job has too, except stderr. Raises nothing.

    If the job closes a pipe or the file of a lock, our copy must not keep it open.
    """
    release_inherited()
    with contextlib.suppress(OSError):  # if no descriptor is free, ours stay open
        redirect_to_null(0, 1, inheritable=False)


@cli.command(cls=options.Starting)
@options.JOB
@options.COMMIT
@options.DEADLINE
@options.GPG
@options.LOCK_AGENT
@options.NO_LOCK_AGENT
@options.COMMIT_AT
@options.KEY
@options.OBSERVE
@options.AGAIN
@options.SKIP_DONE
@options.RESULT
@click.option(
    "-D", "--foreground", is_flag=True, help="Stay in the foreground, for systemd (Type=notify)."
)
@click.pass_obj
def supervise(
    closed: frozenset[int],
    /,
    job: str | None,
    again: bool,
    skip_done: bool,
    result: Path | None,
    foreground: bool,
    **given: object,
) -> int:
    """Supervise a job that another program starts.

    Print a line that puts the stunts on PATH, and go into the background until `gpgshim close`. If
    the supervisor does not start, for any reason, print `false;` instead.

    \b
    Example:
      line=$(gpgshim supervise --commit 'ask-the-release-team') && eval "$line" && make release
      eval "$(gpgshim close --line --status $?)"
    """
    with before_the_job(), contextlib.ExitStack() as stack:
        if 1 in closed:
            raise Misused("stdout is closed, so the line for the shell cannot be printed")
        now = options.settings_for(**given)
        if now.commit == "ask" and not foreground:
            raise Misconfigured("--commit ask needs a terminal", hint="add --foreground")
        if now.form is Form.NAMESPACE and not now.observe:
            raise Misconfigured(
                "--lock-agent=namespace: a shell that evals a line cannot enter a namespace",
                hint="use `gpgshim run`, or --lock-agent=alias",
            )
        warn = stack.enter_context(_looking(now))
        name = _job_name(job)
        option = _option_of(job, again, skip_done)
        authority = _authority_of(now, name)
        asked = now.commit or "nobody"
        followup.load(now)
        file = _file_of(result)
        _stop_on(PASSED_ON)
        plan = Plan(name, authority, asked, None, now.deadline, now.gpg, mode=now.mode)
        with followup.alarms_of_earlier(now):
            attempt = _start(_locked(plan, now)._replace(option=option), file)
        _warn(attempt, warn)
        supervisor = attempt.supervisor
        announce = background.announce if foreground else background.go
        line = f"PATH={shlex.quote(attempt.gate)}:$PATH; export PATH;" + "".join(
            f" {name}={shlex.quote(value)}; export {name};"
            for name, value in attempt.variables.items()
        )
        announce(line, attempt.end_on_signals, attempt.abandon)
    _tell_systemd()
    try:
        supervisor.serve()
        report(attempt, supervisor.conclude().verdict, job is not None)
    finally:
        # The caller's shell keeps our PATH, so the stunts stay, and report that the job is over.
        followup.tried("the end of the attempt", supervisor.shut)
        followup.follow(attempt.journal, now)
    followup.prune(attempt.journal, now, waited_for=False)
    return 0


def _tell_systemd() -> None:
    # sd_notify(3): one datagram; an address that begins with @ is in the abstract namespace.
    if address := os.environ.get("NOTIFY_SOCKET"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            peer.connect("\0" + address[1:] if address[0] == "@" else address)
            peer.send(f"READY=1\nMAINPID={os.getpid()}\n".encode())
