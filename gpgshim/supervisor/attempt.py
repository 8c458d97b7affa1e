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
import os
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gpgshim import __version__
from gpgshim.authority.authority import DEFAULT_SIGNALS, Authority
from gpgshim.core import names
from gpgshim.core.transcript import OBSERVE
from gpgshim.gpgargs import mask, optiontable
from gpgshim.history.journal import Journal
from gpgshim.supervisor import jobdir, leftovers, signals, wall
from gpgshim.supervisor.audit import Witness
from gpgshim.supervisor.processes import (
    become_subreaper,
    kill_descendants,
    living_descendants,
    reap_orphans,
)
from gpgshim.supervisor.realgpg import find_gpg, table_of
from gpgshim.supervisor.supervisor import Supervisor, exit_line
from gpgshim.system import places
from gpgshim.system.errors import Misconfigured, Unable
from gpgshim.system.ownprocess import caller_environ, check_proc, own_umask

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


class Attempt:
    """The attempt of `job`, a name, under `authority`.

    `called` is the authority's name in the journal. `command` is the job's command line in the
    journal, without secrets; None if another process starts the job. `deadline` is in seconds.
    `gpg` is a path, or None for the first gpg on PATH. `dgit` is the real dgit, or None; without it
    the job has no stunt dgit, because that stunt closes the gate when dgit fails. `until` (seconds
    on the monotonic clock) is the time at which the stunt dgit gives up a job that is not
    committed. The constructor raises the errors of its steps, and then removes everything that it
    made.

    With `keeps_path` the job's stunts are at the same path as in its last attempt, unless another
    attempt of the job is running. This must not be used if every process of the user is served, or
    with `observe`: an orphan of an attempt with a gate would be let through.

    With `observe` nothing is held and nothing is refused. The authority must be Nobody, whose
    go-ahead comes at once. The journal is marked, and records what a gate would have done. None of
    the guarantees hold for such a job, and none is claimed: its outcome is `observed`.
    """

    @own_umask()
    def __init__(
        self,
        job: str,
        authority: Authority,
        called: str,
        command: str | None,
        deadline: float,
        gpg: str | None = None,
        dgit: Path | None = None,
        observe: bool = False,
        until: float | None = None,
        keeps_path: bool = False,
    ) -> None:
        check_proc()
        authority.check()
        load_for_job()
        if command is not None:
            become_subreaper()
        # If the caller left SIGCHLD ignored, the kernel would discard exit statuses.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        environ = caller_environ()
        now = datetime.now(UTC)
        if fault := names.fault_of(job):
            raise Misconfigured(fault)
        self.job = job
        search = environ.get("PATH", os.defpath)
        real = {"gpg": find_gpg(search, gpg)}
        if gpgconf := places.find_real("gpgconf", search):
            real["gpgconf"] = gpgconf
        if dgit:
            real["dgit"] = dgit
        text = table_of(real["gpg"], environ)
        table = optiontable.load(text)
        base = places.runtime_directory(environ)
        places.make_private(base, places.RUNTIME_HINT)
        leftovers.sweep(base)
        wall_directory = wall.stand(real, base)
        self.authority = authority
        self.child = 0
        self.status = 0  # the job's exit status, as a shell reports it, after it has ended
        self._signals = -1
        self._mask: set[int | signal.Signals] | None = None  # the caller's, while ours differs
        contents = jobdir.Contents(text, real, until, observe, wall_directory)
        place = jobdir.make_at_its_path(base, self.job, contents) if keeps_path else None
        self._is_at_its_path = place is not None
        self._held = -1  # a descriptor that holds the directory's lock
        if place:
            self.directory, self._held = place
        else:
            self.directory = jobdir.make(base, self.job, *contents)
            with contextlib.suppress(OSError):  # a file system without locks
                self._held = leftovers.hold(self.directory)
        try:
            if command is None:
                leftovers.keep_whole(self.directory)
            head = {
                "gpg": f"{real['gpg']} {table.version}",
                "authority": mask.of_text(called),
                **({} if command is None else {"command": command}),
                "started": f"{now:%Y-%m-%dT%H:%M:%SZ}",
                "gpgshim": __version__,
                **({"mode": OBSERVE} if observe else {}),
            }
            self.journal = Journal.create(places.state_directory(environ), self.job, head)
            witness = Witness(self.directory, table)
            self.supervisor = Supervisor(
                self.directory,
                self.journal,
                authority,
                deadline,
                witness,
                ends_told=command is None,
                observes=observe,
            )
        except BaseException:
            self._leave()
            raise
        #: The directories before the rest of the job's PATH.
        self.gate = f"{self.directory}/bin:{wall_directory}"
        behind = wall.without_shorter(search, wall_directory)
        self.environ = environ | {"PATH": f"{self.gate}:{behind}"}

    def start(
        self,
        words: list[str],
        file_actions: Sequence[tuple[int, ...]] = (),
        ended: Callable[[str], None] | None = None,
        spawn: Callable[..., int] = os.posix_spawn,
    ) -> None:
        """Start the job as our child, with the caller's signals, and watch for its end.

        `ended` gets the journal's line for the end; by default it finishes the job. `spawn` is
        called as posix_spawn is. Raises OSError if the job cannot be started.
        """
        import shutil

        self._ended = ended or self.supervisor.finish
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
            self.child = spawn(program, words, self.environ, **about)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            # Run a script without `#!` by sh, as shells and execvp(3) do.
            words = [SHELL, program, *words[1:]]
            self.child = spawn(SHELL, words, self.environ, **about)
        try:
            self._pidfd = os.pidfd_open(self.child)
            self.supervisor.watch(self._pidfd, self._child_ended)
            self.supervisor.watch(self._signals, self._signalled)
        except OSError:
            # A job that we cannot watch must not run, because we report it as not started.
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            kill_descendants()
            raise

    def not_started(self, error: OSError) -> None:
        """The job could not be started; this ends it."""
        self.status = NOT_STARTED.get(error.errno or 0, CANNOT_BE_RUN)
        self.supervisor.finish(f"% no-start {self.status}")

    def end_on_signals(self) -> None:
        """Have a signal to us end a job that another process starts. Raises OSError."""
        self._signals = signals.wake_on((*signals.PASSED_ON, signal.SIGCHLD))
        self.supervisor.watch(self._signals, self._end_if_told)
        self._reap()

    def _end_if_told(self) -> None:
        for number in os.read(self._signals, 4096):
            if number == signal.SIGCHLD:
                self._reap()  # as process 1 of a container we inherit every orphan in it
            else:
                self.supervisor.finish("% end")
                return

    def _reap(self) -> None:
        reap_orphans({self.child, getattr(self.authority, "pid", 0)})

    def _child_ended(self) -> None:
        pid, status = os.waitpid(self.child, os.WNOHANG)
        if pid:
            self.supervisor.unwatch(self._pidfd)
            line, self.status = exit_line(status)
            self._ended(line)

    def _signalled(self) -> None:
        from gpgshim.system import kernel

        for number, by_kernel in kernel.read_signals(self._signals):
            if number == signal.SIGCHLD:
                self._reap()
                continue
            name = signal.Signals(number).name
            with contextlib.suppress(OSError, ProcessLookupError):
                has_it = by_kernel and self._shares_terminal_signal(number)
                does = "the job got it too" if has_it else "pass it on"
                self.journal.note(f"# we got {name}, and {does}", "% close")
            self.supervisor.close()
            if not has_it:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.child, number)

    def _shares_terminal_signal(self, number: int) -> bool:
        """Whether the terminal sent its signal to the job too. Raises ProcessLookupError.

        ^C goes to the foreground process group. The hang-up goes to the leader of the session, and
        to the group when the leader has ended.
        """
        leads = number == signal.SIGHUP and os.getsid(0) == os.getpid()
        return os.getpgid(self.child) == os.getpgrp() and not leads

    def abandon(self) -> None:
        """Leave only the journal of an attempt whose job cannot be started any more."""
        self.give_up()
        self.supervisor.shut()
        self._leave()

    def give_up(self) -> None:
        """End a job that will not be started; no more can be said about it."""
        with contextlib.suppress(Unable, OSError):
            self.supervisor.finish("% end")
            self.supervisor.settle()

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


def load_for_job() -> None:
    """Import what a job will need: the package may be upgraded or removed while the job runs.

    Raises Unable.
    """
    try:
        import hashlib  # noqa: F401
        import shutil  # noqa: F401
    except (ImportError, OSError) as error:
        raise Unable(f"{error}; nothing was started") from error


def made_up_name() -> str:
    """A name for a job without a given name."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}"
