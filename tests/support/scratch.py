# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scratch directories, processes and stand-ins, so that a test can run the real gpgshim."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import gpgshim
from gpgshim.core.codec import Record
from gpgshim.core.replay import replay
from gpgshim.core.transcript import Transcript, parse
from gpgshim.core.verdict import Verdict, judge_bytes
from gpgshim.system import places
from tests.support.homes import remove_tree

CHECKOUT = Path(gpgshim.__file__).parent.parent
GPG = shutil.which("gpg") or "/usr/bin/gpg"
PATIENCE = 120.0  #: seconds until a wait is a failure; no test comes near it on a busy machine

#: Prints as the real gpg where the option table comes from; signs nothing, and says that it ran.
STAND_IN = """\
#!/bin/sh
case "$1" in --version|--dump-option-table) exec {gpg} "$@";; esac
echo "$*" >>{root}/signed
"""

#: The same, with one more row in the option table.
UNKNOWN_COMMAND = """\
#!/bin/sh
case "$1" in
    --version) exec {gpg} "$@";;
    --dump-option-table) {gpg} "$@"; echo "{name}:599:128:@:"; exit;;
esac
echo "$*" >>{root}/signed
"""

#: `gpgshim run`, with the real dgit as its first word.
WITH_DGIT = """\
import functools, pathlib, sys
from gpgshim.cli import main as cli, running
running.Plan = functools.partial(running.Plan, dgit=pathlib.Path(sys.argv.pop(1)))
sys.exit(cli.main())
"""


def interpreters() -> dict[str, Path]:
    """Every Python from 3.11 on that is at hand, by version; ours is one."""
    found = {sys.version.split()[0]: Path(sys.executable)}
    beside = Path(sys.base_prefix).parent.glob("*/bin/python3.1[1-9]")
    on_path = (Path(each) for n in range(11, 20) if (each := shutil.which(f"python3.{n}")))
    for path in (Path("/usr/bin/python3"), *beside, *on_path):
        with contextlib.suppress(OSError):
            words = [str(path), "-c", "import sys; print(sys.version.split()[0])"]
            version = subprocess.run(words, capture_output=True, text=True).stdout.strip()
            if version and tuple(map(int, version.split(".")[:2])) >= (3, 11):
                found.setdefault(version, path)
    return dict(sorted(found.items()))


INTERPRETERS = interpreters()

#: An authority that refuses, for --commit.
REFUSE = "sh -c 'exit 77'"


class Done(NamedTuple):
    """How a program ended. `status` is the shell's way of saying it: 128 + N for signal N."""

    status: int
    out: str
    err: str


def message(err: str, who: str = "gpgshim") -> tuple[str, str]:
    """(text, hint) of the one message that `err` has, of `who`; the hint may be empty."""
    starts = (f"{who}: ", f"{who}: hint: ")
    lines = err.splitlines()
    assert 1 <= len(lines) <= 2 and err.endswith("\n"), err
    shown = [line.removeprefix(start) for line, start in zip(lines, starts, strict=False)]
    assert all(map(str.__ne__, shown, lines)), err
    return shown[0], shown[1] if shown[1:] else ""


class Key(NamedTuple):
    """A key without a passphrase, and the log of the agent that has it."""

    home: Path
    fingerprint: str

    def signings(self) -> int:
        """How many signatures were ever asked of the agent. It is the judge: gpg only says so."""
        return (self.home / "agent.log").read_text("utf-8", "replace").count("<- PKSIGN")


class Scratch:
    """One test's own world: short paths, private directories, nothing of the user's."""

    def __init__(self, root: Path, key: Key) -> None:
        self.root = root
        self.key = key
        self.state = root / "state"
        self.runtime = root / "run"
        self.signed = root / "signed"
        self.differences_wanted = False  # set where a journal is meant to be other than the tables
        for name in ("run", "state", "home"):
            (root / name).mkdir(0o700)
        self.env = {
            "PATH": os.defpath,
            "HOME": str(root / "home"),
            "GNUPGHOME": str(key.home),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "XDG_STATE_HOME": str(self.state),
            "PYTHONPATH": str(CHECKOUT),
            "LC_CTYPE": "C.UTF-8",
        }
        self._started: list[subprocess.Popen[str]] = []
        self.conf = root / "home/.config/gpgshim/gpgshim.conf"
        self.configure()

    def configure(self, text: str = "") -> None:
        """The user's settings. Without a warning: it would be about the test machine's programs."""
        self.conf.parent.mkdir(0o700, parents=True, exist_ok=True)
        self.conf.write_text(f"{text}warn = []\n")

    def start(self, *words: str | Path, **more: str) -> subprocess.Popen[str]:
        """Start `gpgshim words…` with `more` in the environment; it is ended with the test."""
        return self._start([sys.executable, "-m", "gpgshim", *words], more)

    def call(self, *words: str | Path, **more: str) -> Done:
        """Run any program to its end, in the same environment."""
        return finish(self._start(words, more))

    def _start(self, words: Sequence[str | Path], more: dict[str, str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            words,
            env=self.env | more,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def gpgshim(self, *words: str | Path, **more: str) -> Done:
        """Run `gpgshim words…` to its end."""
        return finish(self.start(*words, **more))

    def run(self, command: str, *options: str | Path, **more: str) -> Done:
        """`gpgshim run` of a shell command, as job "j", with the stand-in for the real gpg."""
        return self.gpgshim("run", *self.options(*options), "--", "sh", "-c", command, **more)

    def start_run(self, command: str, *options: str | Path) -> subprocess.Popen[str]:
        """The same, under way."""
        return self.start("run", *self.options(*options), "--", "sh", "-c", command)

    def start_with_dgit(self, dgit: Path, command: str, *options: str) -> subprocess.Popen[str]:
        """The same, where the job has a stunt dgit, as under dgit-repos-server, for this one."""
        words = ["run", *self.options(*options), "--", "sh", "-c", command]
        return self._start([sys.executable, "-c", WITH_DGIT, dgit, *words], {})

    def options(self, *options: str | Path) -> list[str | Path]:
        """`options`, after those that a run of job "j" with the stand-in has."""
        gpg: list[str | Path] = [] if "--gpg" in options else ["--gpg", self.stand_in()]
        return ["--job", "j", *gpg, *options]

    def stand_in(self) -> Path:
        """The stand-in gpg. It records its arguments in `signed`."""
        return self.script("stand-in", STAND_IN.format(gpg=GPG, root=self.root))

    def gpg_with_command(self, name: str) -> Path:
        """A stand-in gpg whose option table has a command `name` that gpgshim does not know."""
        return self.script("gpg-next", UNKNOWN_COMMAND.format(gpg=GPG, root=self.root, name=name))

    def script(self, name: str, text: str) -> Path:
        """An executable file."""
        path = self.root / name
        if not path.exists():
            path.write_text(text)
            path.chmod(0o755)
        return path

    def fifo(self, name: str) -> Path:
        """A named pipe: a process that opens it waits for the other end."""
        path = self.root / name
        os.mkfifo(path)
        return path

    def journals(self) -> list[Path]:
        """All journals, the oldest first."""
        found = (self.state / "gpgshim").glob("[!.]*")
        return sorted(found, key=lambda path: (path.stem, int(path.suffix[1:])))

    def journal(self, at: int = -1) -> Transcript:
        """A journal; by default the newest."""
        return parse(self.journals()[at].read_bytes())

    def verdict(self, at: int = -1) -> Verdict:
        """What is true of the job, by its journal."""
        return judge_bytes(self.journals()[at].read_bytes())

    def lines(self, at: int = -1) -> list[str]:
        """A journal's lines without times and notes."""
        return [str(x._replace(at=None)) for x in self.journal(at).lines if x.sigil != "#"]

    def notes(self, at: int = -1) -> list[Record]:
        """A journal's notes."""
        return [note for note, _ in self.journal(at).read(("#",))]

    def calls(self) -> list[str]:
        """The arguments of the stand-in gpg, a line for each call."""
        return (
            self.signed.read_text("utf-8", "replace").splitlines() if self.signed.exists() else []
        )

    def jobs(self) -> list[Path]:
        """The jobs' directories that are there, without those whose programs only refuse."""
        found = (self.runtime / "gpgshim").glob("*")
        return sorted(path for path in found if not self.is_retired(path))

    def is_retired(self, job: Path) -> bool:
        """Whether this job's directory is what an attempt leaves of it: programs that refuse."""
        programs = list((job / "bin").glob("*"))
        others = {path.name for path in job.glob("*")} - {"bin", "journal", "boot", "orphans"}
        return bool(programs) and not others and all(map(places.is_refusal, programs))

    def wait_for_line(self, line: str) -> None:
        """Return when the newest journal has `line`."""

        def there() -> bool:
            return bool(self.journals()) and line in self.lines()

        wait_for(there, line)

    def end(self) -> None:
        """End what was started, replay every journal that was made, and remove it all."""
        for process in self._started:
            # What a job has left alive is in its session, and goes with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with process:
                """Its pipes are closed, and its status is taken."""
        try:
            for path in self.journals():
                if not self.differences_wanted:
                    assert replay(parse(path.read_bytes())) == [], path.read_text()
        finally:
            remove_tree(self.root)


class Terminal:
    """A job in a session of its own, whose terminal we hold the other end of."""

    def __init__(self, scratch: Scratch, command: list[str | Path]) -> None:
        self.said = ""
        self.status: int | None = None
        self.pid, self.fd = pty.fork()
        if not self.pid:
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)  # as after a login
            os.chdir(scratch.root)
            os.execve(command[0], list(map(str, command)), scratch.env)

    def hear(self, text: str) -> None:
        """Return when the job has said `text` since the last time."""
        until = time.monotonic() + PATIENCE
        while text not in self.said:
            left = until - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], self.said
            self.said += os.read(self.fd, 4096).decode("utf-8", "replace").replace("\r\n", "\n")
        self.before, _, self.said = self.said.partition(text)

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> int:
        """The exit status; `said` then has the whole output."""
        if self.status is None:
            with contextlib.suppress(OSError):  # EIO: no process has the terminal any more
                while select.select([self.fd], [], [], PATIENCE)[0]:
                    more = os.read(self.fd, 4096)
                    self.said += more.decode("utf-8", "replace").replace("\r\n", "\n")
            os.close(self.fd)  # a job that still has the terminal hears that it is gone
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status


#: Waits for the end of who started it, however that comes, and kills what has the word in its
#: environment; at most so many times, for what it may not kill.
GUARD = """\
import os, signal, sys
sys.stdin.read()
for _ in range(1000):
    found = False
    for each in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{each}/environ", "rb") as file:
                if os.fsencode(sys.argv[1]) in file.read():
                    found = True
                    os.kill(int(each), signal.SIGKILL)
        except OSError:
            pass
    if not found:
        break
"""


@contextlib.contextmanager
def guarded(root: Path) -> Iterator[None]:
    """What has `root` in its environment ends with us, killed or not: jobs' orphans live long."""
    with subprocess.Popen(
        [sys.executable, "-ISc", GUARD, f"{root}/"],
        stdin=subprocess.PIPE,
        env={},
        start_new_session=True,
    ):
        yield


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for the end of a process, and take what it said."""
    out, err = process.communicate(timeout=PATIENCE)
    status = process.returncode
    return Done(status if status >= 0 else 128 - status, out, err)


def wait_for(true: Callable[[], bool], what: str) -> None:
    """Return when `true` is true. Only for events that cannot be waited for."""
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until, f"{what}: did not come"
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(") ")[2][0] != "Z"


def hear(fifo: Path) -> str:
    """Everything that the next writer of a named pipe writes. It is a failure if none comes."""
    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        said = b""
        while True:
            assert select.select([fd], [], [], PATIENCE)[0], f"no process writes to {fifo.name}"
            with contextlib.suppress(BlockingIOError):
                more = os.read(fd, 4096)
                said += more
                if not more:
                    return said.decode()
    finally:
        os.close(fd)


def tell(fifo: Path) -> None:
    """Let the reader of a named pipe go on. One that never comes is a failure."""

    def is_read() -> bool:
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    wait_for(is_read, f"a reader of {fifo.name}")


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A Unix socket of our own at `path`, for the part of an authority or of a supervisor."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(PATIENCE)
        yield listener


def accept(listener: socket.socket) -> socket.socket:
    """The next peer of `listener`."""
    peer, _ = listener.accept()
    peer.settimeout(PATIENCE)
    return peer


def read_line(peer: socket.socket) -> bytes:
    """A line, and not a byte more; less where the peer hangs up."""
    line = b""
    while not line.endswith(b"\n"):
        byte = peer.recv(1)
        if not byte:
            break
        line += byte
    return line


def short_directory() -> Path:
    """A new directory whose path leaves room for a socket's."""
    return Path(tempfile.mkdtemp(prefix="gs.")).resolve()


def make_job(python: Path, base: Path, table: str, real: Path) -> Path:
    """A job's directory as that interpreter makes it, with `real` for all real programs."""
    (base / "table").write_text(table)
    words = """\
import sys
from pathlib import Path
from gpgshim.supervisor import jobdir
base, real = map(Path, sys.argv[1:])
reals = dict.fromkeys(("gpg", "dgit", "gpgconf"), real)
print(jobdir.make(base, "j", (base / "table").read_text(), reals))
"""
    env = {"PYTHONPATH": str(CHECKOUT)}
    made = subprocess.run(
        [python, "-B", "-c", words, base, real], env=env, check=True, capture_output=True, text=True
    )
    return Path(made.stdout.strip())
