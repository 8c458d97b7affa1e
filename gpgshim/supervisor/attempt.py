"""One attempt at a job: set up, started, and taken down.

Rule 1: nothing is started before all that can be found wrong has been looked for.
Rule 2: what the job leaves alive keeps its stunts; what is gone takes its directory with it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gpgshim import __version__
from gpgshim.authority.authority import DEFAULT_SIGNALS, Authority
from gpgshim.core.transcript import OBSERVE
from gpgshim.gpgargs import argv, mask
from gpgshim.history.journal import Journal, check_job_name
from gpgshim.supervisor import hasher, jobdir, leftovers, optable, wall
from gpgshim.supervisor.audit import Witness
from gpgshim.supervisor.supervisor import Supervisor, exit_line
from gpgshim.system import places
from gpgshim.system.errors import Misconfigured, Unable

#: Signals to us that are meant for the job too.
PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)

#: Programs that serve the user, not the job, and outlive it by right. None can get a grant.
#: Our own reader of files is another.
SERVERS = frozenset(("gpg-agent", "scdaemon", "keyboxd", "dirmngr", hasher.NAME))

SHELL = "/bin/sh"

#: The exit statuses of env(1) for a command that cannot be run, and sysexits' EX_OSERR for one that
#: may be the next time: there are no more processes, no memory or no descriptors at this moment.
CANNOT_BE_RUN, NOT_FOUND, NOT_NOW = 126, 127, 71
NOT_STARTED = {
    errno.ENOENT: NOT_FOUND,
    **dict.fromkeys(
        (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY, errno.EINTR),
        NOT_NOW,
    ),
}


@contextlib.contextmanager
def own_umask() -> Iterator[None]:
    """Whatever the caller's umask is, what we make is ours alone, and we can use it."""
    given = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(given)  # which the job shall have


class Attempt:
    """The attempt of `job`, a name, under `authority`.

    `called` is what the journal calls the authority, `command` what it says of the job, without
    secrets; None is a job that somebody else starts. `deadline` is in seconds, `gpg` is a path or
    None for the first on PATH. `dgit` is the real dgit; a job has a stunt of that name only if it
    is given, because that stunt closes the gate when dgit fails. `until` (seconds on the monotonic
    clock) is when it gives up what has not been committed. Raises the errors of what it sets up,
    and then nothing is left of it.

    With `keeps_path` the job's stunts are at the path that they had in its last attempt, unless
    another attempt of it is under way. Where everybody is served, as with `observe`, that must not
    be: an orphan of an attempt with a gate would be let through.

    With `observe` nothing is held and nothing is refused: the authority has to be Nobody, whose
    go-ahead comes at once, and the journal, marked as such, tells what a gate would have done.
    None of the promises hold for such a job, and none is claimed of it: its outcome is `observed`.
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
        # With SIGCHLD ignored, as a caller may leave it, the kernel would throw statuses away.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        environ = caller_environ()
        now = datetime.now(UTC)
        self.job = check_job_name(job)
        search = environ.get("PATH", os.defpath)
        real = {"gpg": find_gpg(search, gpg)}
        if gpgconf := places.find_real("gpgconf", search):
            real["gpgconf"] = gpgconf
        if dgit:
            real["dgit"] = dgit
        text = table_of(real["gpg"], environ)
        table = argv.load(text)
        base = places.runtime_directory(environ)
        places.make_private(base, places.RUNTIME_HINT)
        leftovers.sweep(base)
        wall_directory = wall.stand(real, base)
        self.authority = authority
        self.child = 0
        self.status = 0  # the job's own exit status, as a shell has it, once it has ended
        self._signals = -1
        self._mask: set[int | signal.Signals] | None = None  # the caller's, while ours is another
        contents = jobdir.Contents(text, real, until, observe, wall_directory)
        place = jobdir.make_at_its_path(base, self.job, contents) if keeps_path else None
        self._is_at_its_path = place is not None
        self._held = -1  # a descriptor that holds the directory's lock
        if place:
            self.directory, self._held = place
        else:
            self.directory = jobdir.make(base, self.job, *contents)
            with contextlib.suppress(OSError):  # a file system that has no locks
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
        #: What stands before the rest of the job's PATH.
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
        """Start the job as our child, with signals as they were, and watch for its end.

        `ended` is given the journal's line for that; by default it finishes the job. `spawn` is
        called as posix_spawn is. Raises OSError where the job cannot be started.
        """
        import shutil

        self._ended = ended or self.supervisor.finish
        found = shutil.which(words[0], path=self.environ["PATH"])
        if found is None and "/" not in words[0]:
            raise FileNotFoundError(2, os.strerror(2))
        # Caught before there is a child, so that none of them can get lost.
        self._signals = self._catch_signals()
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
            # A script without `#!` is run by sh, as shells and execvp(3) do.
            words = [SHELL, program, *words[1:]]
            self.child = spawn(SHELL, words, self.environ, **about)
        try:
            self._pidfd = os.pidfd_open(self.child)
            self.supervisor.watch(self._pidfd, self._child_ended)
            self.supervisor.watch(self._signals, self._signalled)
        except OSError:
            # A job that we cannot watch must not run: we would call it not started.
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            kill_descendants()
            raise

    def _catch_signals(self) -> int:
        """Block the signals that are meant for us; a descriptor from which they can be read.

        A signal that our caller has blocked or ignored stays as it is.
        """
        from gpgshim.system import kernel

        given = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._mask = given
        ours = [
            number
            for number in PASSED_ON
            if number not in given and signal.getsignal(number) is not signal.SIG_IGN
        ]
        for number in ours:
            signal.signal(number, lambda _number, _frame: None)  # when they are unblocked again
        signal.pthread_sigmask(signal.SIG_BLOCK, (*ours, signal.SIGCHLD))
        return kernel.signal_descriptor((*ours, signal.SIGCHLD))

    def not_started(self, error: OSError) -> None:
        """The job could not be started: that is its end."""
        self.status = NOT_STARTED.get(error.errno or 0, CANNOT_BE_RUN)
        self.supervisor.finish(f"% no-start {self.status}")

    def end_on_signals(self) -> None:
        """For a job that somebody else starts: a signal to us ends it. Raises OSError."""
        self._signals = wake_on_signals((*PASSED_ON, signal.SIGCHLD))
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
        """Whether the terminal's signal to us went to the job too. Raises ProcessLookupError.

        ^C goes to the foreground process group. The hang-up goes to the leader of the session, and
        to the group when that has ended.
        """
        leads = number == signal.SIGHUP and os.getsid(0) == os.getpid()
        return os.getpgid(self.child) == os.getpgrp() and not leads

    def abandon(self) -> None:
        """Leave nothing but the journal of an attempt whose job nobody can start any more."""
        self.give_up()
        self.supervisor.shut()
        self._leave()

    def give_up(self) -> None:
        """The job is not going to be started: that is its end, and nobody can say more of it."""
        with contextlib.suppress(Unable, OSError):
            self.supervisor.finish("% end")
            self.supervisor.settle()

    def _leave(self) -> None:
        """Take away what nothing of the job can need any more; at a path of its own, all of it."""
        if self._is_at_its_path:
            with own_umask(), contextlib.suppress(OSError, ImportError):  # then it stays as it is
                leftovers.retire(self.directory, nothing_is_alive=True)
        else:
            jobdir.remove(self.directory)

    def end(self) -> None:
        """Take the socket away, and the directory too unless something of the job is alive."""
        self.supervisor.shut()
        if self._mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        reap_orphans(set())
        if all(name in SERVERS for _, name in _descendants(os.getpid())):
            self._leave()


def load_for_job() -> None:
    """Import what a job will need, as the package may be upgraded or removed meanwhile.

    Raises Unable.
    """
    try:
        import hashlib  # noqa: F401
        import shutil  # noqa: F401
    except (ImportError, OSError) as error:
        raise Unable(f"{error}; nothing was started") from error


def made_up_name() -> str:
    """A name for a job that was given none."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}"


def living_descendants() -> list[str]:
    """Every process that comes from us, SERVERS excepted: `name[pid]` each."""
    return [f"{name}[{pid}]" for pid, name in _descendants(os.getpid()) if name not in SERVERS]


def kill_descendants() -> list[str]:
    """Kill every process that comes from us, SERVERS excepted; what they were, `name[pid]` each.

    SIGKILL, because the signals that can be blocked may be. It goes on until nobody is left: what
    forks while it is being killed leaves an orphan, which comes to us, a subreaper.
    """
    killed: list[str] = []
    while victims := kill_once():
        for pid, name in victims:
            if f"{name}[{pid}]" not in killed:
                killed.append(f"{name}[{pid}]")
        for pid, _ in victims:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
    return killed


def kill_once() -> list[tuple[int, str]]:
    """Kill what there is at this moment, and wait for nobody; process ids and names.

    A parent dies before its child: it can say nothing of that one's death.
    """
    victims = [each for each in _descendants(os.getpid()) if each[1] not in SERVERS]
    for pid, _ in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return victims


def caller_environ() -> dict[str, str]:
    """Our environment as we were given it: in a C locale, CPython sets LC_CTYPE (PEP 538)."""
    environ = {name: value for name, value in os.environ.items() if name}  # posix_spawn wants one
    with contextlib.suppress(OSError):
        given = Path("/proc/self/environ").read_bytes().split(b"\0")
        values = [os.fsdecode(entry[9:]) for entry in given if entry.startswith(b"LC_CTYPE=")]
        environ.pop("LC_CTYPE", None)
        if values:
            environ["LC_CTYPE"] = values[0]
    return environ


def check_proc() -> None:
    """Raises Misconfigured unless /proc shows our own PID namespace.

    Who asks is looked up there by process id, and so is what is left of a job. In the /proc of
    another namespace, our numbers are those of other processes.
    """
    try:
        status = Path("/proc/self/status").read_text("utf-8", "replace")
    except OSError as error:
        raise Misconfigured(
            f"/proc is not mounted, or does not show this process ({error.strerror}):"
            " `mount -t proc proc /proc` in its PID namespace; nothing was started"
        ) from error
    # proc(5): our process id in each namespace, from that of /proc down to our own.
    shown = status.partition("\nNSpid:")[2].partition("\n")[0].split()
    shown = shown or status.partition("\nPid:")[2].partition("\n")[0].split()  # before Linux 4.1
    if shown != [str(os.getpid())]:
        raise Misconfigured(
            f"/proc belongs to another PID namespace: it calls this process {shown[0]}, which is"
            f" {os.getpid()} in its own: `unshare --mount-proc`, or mount /proc anew;"
            " nothing was started"
        )


def find_gpg(search: str, given: str | None) -> Path:
    """The real gpg: `given`, or the first on the PATH `search`. Raises Misconfigured."""
    found = places.find_real("gpg", search, given)
    if found is None:
        raise Misconfigured(
            f"there is no gpg on PATH ({search}): install gnupg, or name it with --gpg;"
            " nothing was started"
        )
    return found


def table_of(gpg: Path, environ: Mapping[str, str]) -> str:
    """The option table of the gpg at this path, asked with `environ`. Raises Misconfigured."""
    try:
        return optable.of(str(gpg), {**environ, "PATH": without_stunts(environ)})
    except optable.NoTable as error:
        where = "" if str(gpg) in str(error) else f"{gpg}: "
        raise Misconfigured(f"{where}{error}; nothing was started") from error


def without_stunts(environ: Mapping[str, str]) -> str:
    """The PATH of `environ` less the directories whose gpg is a stunt: a wrapper would find it."""

    def has_stunt(directory: str) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return places.is_stunt(Path(directory, "gpg"))
        return False

    search = environ.get("PATH", os.defpath).split(":")
    return ":".join(each for each in search if not has_stunt(each))


def become_subreaper() -> None:
    """Have the job's orphans come to us, not to init. Raises Unable."""
    try:
        from gpgshim.system import kernel

        kernel.become_subreaper()
    except (ImportError, OSError, AttributeError) as error:  # a package without its __init__.py
        reason = getattr(error, "strerror", None) or error
        raise Unable(f"cannot become a subreaper: {reason}; nothing was started") from error


def wake_on_signals(numbers: Sequence[signal.Signals]) -> int:
    """Catch `numbers`; a descriptor from which their bytes can be read, one a signal."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)
    return reader


def reap_orphans(known: set[int]) -> None:
    """Take the statuses of the job's dead orphans; those of `known` are for somebody else."""
    for pid in children_of(os.getpid()):
        if pid not in known:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def children_of(pid: int) -> Iterator[int]:
    """The process ids of `pid`'s children, the dead that nobody has waited for included."""
    with contextlib.suppress(OSError):
        for each in Path(f"/proc/{pid}/task").iterdir():
            yield from map(int, (each / "children").read_text().split())


def _descendants(pid: int) -> Iterator[tuple[int, str]]:
    for child in children_of(pid):
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{child}/comm").read_text().strip()
            yield child, name
            yield from _descendants(child)
