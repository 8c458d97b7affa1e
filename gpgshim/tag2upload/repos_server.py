# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stunt dgit-repos-server: it supervises one tag2upload job, and oracled starts it.

Rule 1: the real program's arguments, directory, environment and stderr are unchanged. Its stdin and
stdout are pipes to us: it gets go-ahead at once, and its report is held.
Rule 2: the commitment is requested from the manager at the first signature, and not before.
Rule 3: after dgit-repos-server has ended, the gate is closed and all remaining processes of the job
are killed. Only then does the manager get the outcome: once, complete, and as o2m.REPLIES says.
Rule 4: the supervisor has a watchdog, its parent process (`keeper` in the code). Each of the two
ends the job if the other is killed, because an unsupervised job must not run on into its own retry.
If both are killed at once, at least dgit-repos-server dies with them, and sends no mail.
Rule 5: the uploader must not hear what the manager will not hear: if the manager did not say
go-ahead, dgit-repos-server is killed before gpg is refused.

In observe mode (`observe` in the settings) only rule 4 holds. The real program has its own stdin,
and its output goes to the manager at once, beginning with its request to commit, as without
gpgshim. Remaining processes of the job are left alone. The journal records what a gate would have
done with a manager that says go-ahead. Our exit status is that of the real program. A job that
cannot be observed runs without gpgshim.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from gpgshim.authority.authority import DEFAULT_SIGNALS, Manager, Nobody
from gpgshim.core import o2m
from gpgshim.core.gate import State
from gpgshim.core.transcript import escape, quote
from gpgshim.core.verdict import Verdict
from gpgshim.gpgargs import mask
from gpgshim.supervisor import config, followup
from gpgshim.supervisor.attempt import Attempt
from gpgshim.supervisor.processes import (
    become_subreaper,
    kill_descendants,
    kill_once,
    living_descendants,
)
from gpgshim.system import log, places
from gpgshim.system.descriptors import open_standard, write_all
from gpgshim.system.errors import (
    Fact,
    GpgshimError,
    Malformed,
    Misconfigured,
    Unable,
    before_the_job,
)
from gpgshim.system.log import LEVELS, Level

MODE = "--tag2upload12"  #: the only calling convention that we know
#: The words after MODE.
ARGUMENTS = (
    "ssh", "host", "directory", "virt", "from", "reply-to", "copies", "timeout", "key",
    "--", "job", "url", "tag", "package", "tagger", "last-attempt-message",
)  # fmt: skip
WHO = "dgit-repos-server: gpgshim"  #: the start of each of our messages
LONGEST_REPORT = 1 << 16  #: bytes; dgit-repos-server writes three short lines
LONGEST_NOTE = 1000  #: bytes of an invalid report that the journal shows
#: The stunt dgit gives up before dgit-repos-server's alarm: earlier by this part of the time limit,
#: but by at most this many seconds. The remaining work, a mail, takes less time.
EARLIER, EARLIEST = 0.1, 30.0


def say(text: str, level: Level = Level.ERROR, hint: str = "") -> None:
    """Write one line to stderr, which is oracled's journal; a hint is a second one."""
    log.say(text, level, WHO, hint)


def main() -> NoReturn:
    """The program `dgit-repos-server`, as oracled starts it."""
    words = sys.argv[1:]
    try:
        closed = open_standard()
        real = find_real(os.environ.get("PATH", os.defpath))
        if MODE not in words:
            say(f"{quote(words[-1:])} is not {MODE}: {real} takes over, untouched", Level.NOTICE)
            become(real, words)
        # An invalid setting closes the worker's connection, as any other fault of the machine does.
        # The manager has heard no commitment and may hand out the job again, and oracled waits
        # before it starts another worker. Our own report `retriable` would be worse: the worker
        # would take the next job at once, and a faulty machine would use up the attempts of all
        # jobs. Running without the intended commit or time limit would be a guess.
        with before_the_job():
            settings = config.load(os.environ).settings
        try:
            arguments = read_arguments(words)
            check_manager(closed)
        except (Malformed, Misconfigured) as error:
            stand_aside(error, settings, real, words)
        become_subreaper()
        # If the caller left SIGCHLD ignored, we would not get the supervisor's exit status.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            keeper = os.pidfd_open(os.getpid())
            supervisor = os.fork()
        except OSError as error:
            raise Unable(
                f"there is no supervisor: {error.strerror}; nothing was started"
            ) from error
        status = keep(supervisor) if supervisor else serve(real, words, arguments, settings, keeper)
    except GpgshimError as error:
        log.report(error, who=WHO)
        status = error.status
    except OSError as error:
        say(f"{error.strerror}: {error.filename}; if a job was started, see `gpgshim status`")
        status = Unable.status
    except (ImportError, MemoryError) as error:  # Python's own errors, at any point of the run
        say(f"{type(error).__name__}: {error}; if a job has begun, its journal tells what is true")
        status = Unable.status
    sys.exit(status)


def check_manager(closed: frozenset[int]) -> None:
    """Raises Misconfigured if stdin or stdout was closed: they are the manager's pipes."""
    if closed & {0, 1}:
        raise Misconfigured(
            "stdin or stdout is closed, so there is no manager; nothing was started"
        )


def keep(supervisor: int) -> int:
    """Wait for the supervisor, and end its job if it was killed; its exit status. Raises Unable."""
    status = os.waitstatus_to_exitcode(os.waitpid(supervisor, 0)[1])
    if status >= 0:
        return status
    killed = kill_descendants()
    raise Unable(
        f"the supervisor was killed by signal {-status}; what was left of its job has been ended:"
        f" {', '.join(killed) or 'nothing'}; its journal tells what is true of it"
    )


def serve(
    real: Path,
    words: list[str],
    arguments: dict[str, str],
    settings: config.Settings,
    keeper: int,
) -> int:
    """Supervise the job that `words` describe; 0 if the manager got its outcome.

    `arguments` are the words after MODE by name; `keeper` is a pidfd of the watchdog.
    """
    manager = Manager(0, 1)
    followup.load(settings)
    limit, now = int(arguments["timeout"]), time.monotonic()
    try:
        attempt = Attempt(
            arguments["job"],
            Nobody() if settings.observe else manager,
            "o2m",
            quote(mask.of_words(["dgit-repos-server", *words])),
            settings.deadline,
            settings.gpg,
            places.find_real("dgit", os.environ.get("PATH", os.defpath), settings.dgit),
            settings.observe,
            None if settings.observe else give_up_at(limit, now),
        )
        if not settings.observe:
            attempt.supervisor.latest = answer_by(limit, now)
    except GpgshimError as error:
        error.imply(Fact.NOTHING_STARTED)
        stand_aside(error, settings, real, words)
    server = _Observer if settings.observe else _Server
    try:
        return server(attempt, manager, keeper).run([str(real), *words])
    finally:
        followup.tried("the end of the attempt", attempt.end)
        followup.follow(attempt.journal, settings)
        followup.prune(attempt.journal, settings)


def read_arguments(words: list[str]) -> dict[str, str]:
    """ARGUMENTS by name. Raises Malformed if their number or their order is wrong."""
    given = words[words.index(MODE) + 1 :]
    found = dict(zip(ARGUMENTS, given, strict=False))
    if len(given) != len(ARGUMENTS) or found["--"] != "--" or not found["timeout"].isdecimal():
        raise Malformed(
            f"{MODE} is followed by {quote(mask.of_words(given))}, which is not how"
            " tag2upload-oracled 17.0 calls it; nothing was started"
        )
    return found


def give_up_at(limit: int, now: float) -> float | None:
    """The time at which the stunt dgit gives up, for a limit in seconds; None for 0 (no limit)."""
    return now + limit - min(limit * EARLIER, EARLIEST) if limit else None


def answer_by(limit: int, now: float) -> float:
    """The time after which the manager's answer is too late: half way from there to the alarm.

    At its alarm, dgit-repos-server would tell the uploader an outcome that the manager never hears.
    """
    until = give_up_at(limit, now)
    return math.inf if until is None else (until + now + limit) / 2


def find_real(search: str) -> Path:
    """The first dgit-repos-server on the PATH `search` that is no stunt. Raises Misconfigured."""
    for each in search.split(":"):
        path = Path(each, "dgit-repos-server")
        with contextlib.suppress(OSError):
            # This stunt is on the same PATH, perhaps under more than one name.
            if each.startswith("/") and os.access(path, os.X_OK) and not places.is_stunt(path):
                return path
    raise Misconfigured(
        f"there is no real dgit-repos-server on PATH ({search}): install dgit-infrastructure;"
        " nothing was started"
    )


def stand_aside(
    error: GpgshimError, settings: config.Settings, real: Path, words: list[str]
) -> NoReturn:
    """In observe mode, run the job without supervision. Raises `error` in any other mode."""
    if not settings.observe:
        raise error
    say(f"{error}; observe mode: {real} takes over, untouched", Level.WARNING, error.hint)
    become(real, words)


def become(real: Path, words: list[str]) -> NoReturn:
    """Exec the real program. Raises Unable."""
    for number in DEFAULT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(real, ["dgit-repos-server", *words])
    except OSError as error:
        raise Unable(f"{real} cannot be run: {error.strerror}") from error


def spawn_bound(
    path: str,
    words: list[str],
    environ: dict[str, str],
    *,
    setsigdef: Sequence[signal.Signals],
    setsigmask: Iterable[int],
    file_actions: Sequence[tuple[int, int, int]],
) -> int:
    """As os.posix_spawn, but the kernel kills the child when we are killed.

    The child's own children survive if our watchdog is killed too, but only the child sends mails.
    `file_actions` are dup2s. Raises OSError if the program cannot be run.
    """
    from gpgshim.system import kernel

    parent = os.getpid()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if not child:
        try:
            kernel.die_with_parent()
            if os.getppid() != parent:
                raise OSError(errno.ESRCH, "our parent is gone")
            for number in setsigdef:
                signal.signal(number, signal.SIG_DFL)
            for _, fd, to in file_actions:
                os.dup2(fd, to)
            signal.pthread_sigmask(signal.SIG_SETMASK, setsigmask)
            os.execve(path, words, environ)
        except OSError as error:
            os.write(writer, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(writer)
    with open(reader, "rb") as failed:
        why = failed.read()
    if why:
        os.waitpid(child, 0)
        raise OSError(int(why), os.strerror(int(why)))
    return child


class _Server:
    """The real dgit-repos-server and the two pipes to it."""

    def __init__(self, attempt: Attempt, manager: Manager, keeper: int) -> None:
        self.attempt = attempt
        self.supervisor = attempt.supervisor
        self.manager = manager
        self._said = b""  # its output, without its request to commit
        self._told = False  # whether it has got its go-ahead
        self._kept = True  # whether our watchdog is alive
        self._unheard: list[str] = []  # processes that were killed before they could report
        self._keeper = keeper

    def run(self, words: list[str]) -> int:
        self.supervisor.refusing = self.end_unheard
        try:
            its_stdin, self._to_it = os.pipe2(os.O_CLOEXEC)
            self._from_it, its_stdout = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self._from_it, False)
            pipes = [
                (os.POSIX_SPAWN_DUP2, self.stdin_for_it(its_stdin), 0),
                (os.POSIX_SPAWN_DUP2, its_stdout, 1),
            ]
            self.supervisor.watch(self._keeper, self._lose_keeper)
            self.supervisor.watch(self._from_it, self._hear)
            self.attempt.start(words, pipes, self._ended, spawn_bound)
        except OSError as error:
            self.attempt.not_started(error)
            self.supervisor.settle()
            raise Unable(f"{words[0]} cannot be run: {error.strerror}") from error
        os.close(its_stdin)
        os.close(its_stdout)
        self.supervisor.serve()
        self.end_the_rest()
        return self._reply() if self._kept else self._abandon()

    def stdin_for_it(self, ours: int) -> int:
        """The descriptor that dgit-repos-server reads; `ours` is the pipe's."""
        return ours

    def pass_on(self, data: bytes) -> None:
        """Handle output of dgit-repos-server as it arrives: here it is only held."""

    def end_the_rest(self) -> None:
        """Kill all remaining processes of the job."""
        killed = [each for each in kill_descendants() if each not in self._unheard]
        if killed:
            self._note([f"# killed, because the job is over: {escape(', '.join(killed))}"])
            still = f"and this was still running: {', '.join(killed)}"
            say(f"job {self.attempt.job} is over, {still}", Level.NOTICE)

    def end_unheard(self) -> None:
        """The job will fail. If the manager hears nothing of it, the uploader must not either."""
        if not self.supervisor.over and o2m.is_dropped(self.supervisor.durable_state()):
            self._unheard = [f"{name}[{pid}]" for pid, name in kill_once()]
            killed = escape(", ".join(self._unheard))
            self._note([f"# killed, because the manager will be told nothing: {killed}"])

    def _lose_keeper(self) -> None:
        # The worker has seen it die, and drops the connection, so our report would be lost.
        self.supervisor.unwatch(self._keeper)  # it would stay readable
        if not self.supervisor.over:
            self._kept = False
            self.supervisor.finish("% unkept")

    def _abandon(self) -> int:
        verdict = self.supervisor.settle()
        raise Unable(f"job {self.attempt.job}: our keeper was killed: {verdict.meaning}")

    def _hear(self) -> None:
        """Read dgit-repos-server's output; its first line is the early request to commit."""
        while self._from_it >= 0:
            try:
                data = os.read(self._from_it, LONGEST_REPORT)
            except BlockingIOError:
                break
            if not data:
                self.supervisor.unwatch(self._from_it)
                break
            self.pass_on(data)
            # Longer output is no report, but must be read too, or the job would hang.
            self._said = (self._said + data)[: LONGEST_REPORT + 1]
        if not self._told and self._said.startswith(o2m.COMMIT):
            self._told = True
            self._said = self._said.removeprefix(o2m.COMMIT)
            try:
                write_all(self._to_it, o2m.GO_AHEAD)
            except OSError:
                os.close(self._to_it)  # it is dead, or it takes the end of file as the answer

    def _ended(self, line: str) -> None:
        """dgit-repos-server has ended: derive the job's ending from its report and exit status."""
        self._hear_the_rest()
        too_long = len(self._said) > LONGEST_REPORT
        self.report = None if too_long else o2m.parse_report(self._said)
        self.amount = o2m.amount_to(self.report, self._said, line == "% exit 0")
        if self.report is not None and line == "% exit 0":
            *first, line = [f"% said {escape(each)}" for each in self.report.lines]
            self._note(first)
        else:
            if self.amount is o2m.Said.HALF:
                wrote = self._said[:LONGEST_NOTE].decode("utf-8", "replace")
                self._note([f"# it wrote: {escape(wrote)}", "% half"])
            if line == "% exit 0":
                line = "% end"  # exit 0 without a report
        self.supervisor.finish(line)

    def _hear_the_rest(self) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._hear()

    def _note(self, lines: list[str]) -> None:
        for line in lines:
            with contextlib.suppress(OSError):
                self.attempt.journal.note(line)

    def _reply(self) -> int:
        state = self.supervisor.durable_state()
        reply = o2m.REPLIES[state, self.amount]
        if reply is o2m.Reply.TELL_LATE:
            say(
                f"ALARM: job {self.attempt.job} says {self.amount}, and no signature of it was"
                " granted: one went round the gate",
                Level.ALERT,
            )
            self.supervisor.tell_late()
            if self.supervisor.durable_state() is not State.COMMITTED:
                reply = o2m.Reply.DROP
        lines = o2m.reply_lines(reply, self.report)
        self._note([f"> {escape(line)}" for line in lines])
        verdict = self.supervisor.settle()
        say(
            f"job {self.attempt.job}: {reply}: {verdict.outcome}: {verdict.meaning}"
            f"{self.supervisor.about_refusals()} [{self.attempt.journal.path}]",
            LEVELS[verdict.outcome],
        )
        return self.tell(lines, verdict)

    def tell(self, lines: list[str], verdict: Verdict) -> int:
        """Send the manager `lines`, unless the journal contradicts them. Raises Unable."""
        if not lines or lines[-1] != verdict.outcome:  # a torn last line may change the outcome
            raise Unable(f"job {self.attempt.job}: the manager is told no outcome, and has to look")
        try:
            self.manager.tell(lines)
        except OSError as error:
            raise Unable(
                f"job {self.attempt.job}: the manager did not take its outcome: {error.strerror}"
            ) from error
        return 0


class _Observer(_Server):
    """The same in observe mode."""

    def stdin_for_it(self, ours: int) -> int:
        return 0

    def pass_on(self, data: bytes) -> None:
        try:
            write_all(1, data)
        except OSError:
            # The manager is gone. As without us, dgit-repos-server must get a broken pipe.
            self.supervisor.unwatch(self._from_it)
            os.close(self._from_it)
            self._from_it = -1

    def end_unheard(self) -> None:
        """In observe mode the manager hears everything at once."""

    def end_the_rest(self) -> None:
        if not self._kept:
            super().end_the_rest()
        elif left := living_descendants():
            self._note([f"# would have been killed, the job is over: {escape(', '.join(left))}"])

    def tell(self, lines: list[str], verdict: Verdict) -> int:
        return self.attempt.status  # the manager has already got dgit-repos-server's whole output
