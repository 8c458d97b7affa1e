# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One signing job in one place: the files that it needs, its run, and what is true afterwards.

Rule 1: the log of gpg-agent says whether a signature was made, and the journal on disk says whether
the job was committed. No message counts.
Rule 2: the agent and the judge are outside the place, so nothing in the place can change them.
Rule 3: all mounts, processes and files of a run are gone when the run is over.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from gpgshim.core.replay import replay
from gpgshim.core.transcript import Transcript, TranscriptError, parse
from gpgshim.core.verdict import Verdict, judge_bytes
from tests.support.scratch import CHECKOUT, GPG, INTERPRETERS

NOBODY = 65534
ROOT = 0
LONGEST = 60.0  #: seconds until a run is stuck
LINES = 8

#: How a shell calls gpg for the job's signature.
SIGN = "gpg --batch --yes -o {root}/work/f.sig -b {root}/work/f"
#: What an outcome says of a job in which no gpg asked.
NARROW = "no gpg under the gate was called to sign"
#: No text of ours may say this when there is a signature; of one call it may be said.
WIDE = re.compile("nothing was signed(?! by this (gpg|program))")
#: The warnings at the start of a job, which are about this machine's programs, and not the place.
WARNINGS = re.compile(r"^gpgshim: way past the gate: .*\ngpgshim: hint: .*\n", re.MULTILINE)


class Kind(StrEnum):
    """What one run came to."""

    GRANTED = "granted"  # committed, then signed; exit 0, uploaded
    REFUSED = "refused"  # the authority was asked and refused; no signature
    BLOCKED = "blocked"  # gpg did not sign, and no authority was asked
    NOT_STARTED = "not started"  # gpgshim did not start the job
    PAST = "past the gate"  # signed without a question; the outcome claims no more than was watched
    SEEN = "past the gate, noticed"  # the same, but the outcome says that this may have happened
    UNTOLD = "granted, outcome unknown"  # committed, then signed; the journal is no longer there


class Cell(NamedTuple):
    """The expected result of a run; a message of ours contains `says`."""

    kind: Kind
    says: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.says}" if self.says else str(self.kind)


class How(NamedTuple):
    """How a place is entered. Each text may use {root}, {run}, {state}, {keys} and {python}."""

    outside: str = ""  # shell words before gpgshim
    inside: str = ""  # shell words before the job's shell
    sign: str = SIGN  # the job's command that signs
    env: dict[str, str | None] = {}  # noqa: RUF012
    options: str = ""  # more options of `gpgshim run`
    yes: str = "exit 0"  # the authority, as a shell script, after it has printed two lines
    no: str = "exit 77"
    user: int = NOBODY  # who runs gpgshim, where root runs the tests
    keys_of: int | None = None  # whose the key is; by default the user's
    own_package: bool = False  # a copy that the job can change
    python: str = ""  # the name of a copy of the interpreter, which the job can change
    lines: int = LINES  # more than so many lines on stderr are too many
    may_outlive: bool = False  # a process of the job may end after the job, and its stunts stay
    no_python: bool = False  # Python itself cannot start, and says so in its own words
    notes_lost: bool = False  # the disk does not take all of the journal, so it cannot be replayed


ORDINARY = How()


class World:
    """The files of one run. `number` makes its name short and unique."""

    def __init__(self, shared: Shared, number: int, how: How) -> None:
        self.shared = shared
        self.how = how
        self.root = shared.root / str(number)
        self.user = how.user if os.geteuid() == 0 else os.geteuid()
        self.keys_of = self.user if how.keys_of is None else how.keys_of
        self.root.mkdir(0o755)
        for name in ("run", "state", "home", "work"):
            (self.root / name).mkdir(0o700)
        (self.root / "work").chmod(0o755)
        (self.root / "work/f").write_text("x\n")
        self.run = self._directory("XDG_RUNTIME_DIR", "run")
        self.state = self._directory("XDG_STATE_HOME", "state")
        self.keys = self.root / "keys"
        self.python = shared.python
        self.package = shared.package
        shutil.copytree(shared.keys, self.keys, ignore=shutil.ignore_patterns("S.*", ".#*"))
        conf = f"debug ipc\nlog-file {self.keys}/agent.log\n"
        (self.keys / "gpg-agent.conf").write_text(conf)
        (self.keys / "agent.log").touch()
        for answer, end in (("yes", how.yes), ("no", how.no)):
            script = self.root / answer
            says = f": >{self.root}/work/asked; echo hello; echo hello >&2"
            script.write_text(f"#!/bin/sh\n{says}\n{self.fill(end)}\n")
            script.chmod(0o755)
        if how.own_package:
            self.package = self.root / "package"
            shutil.copytree(shared.package, self.package)
        if how.python:
            self.python = self.root / how.python
            self.python.parent.mkdir(0o700, exist_ok=True)
            shutil.copy(shared.python, self.python)
        os.mkfifo(self.root / "go", 0o600)
        self.give(self.root, self.user)
        self.give(self.keys, self.keys_of)
        self.env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.root / "home"),
            "GNUPGHOME": str(self.keys),
            "XDG_RUNTIME_DIR": str(self.root / "run"),
            "XDG_STATE_HOME": str(self.root / "state"),
            "XDG_CACHE_HOME": str(self.root / "home"),
            "LC_CTYPE": "C.UTF-8",
            "WORLD": f"{self.root}/",
        }

    def _directory(self, variable: str, name: str) -> Path:
        """Where this variable leads to, which a place may have set."""
        given = self.how.env.get(variable)
        return Path(given.replace("{root}", str(self.root))) if given else self.root / name

    def give(self, top: Path, user: int) -> None:
        """Give all of a tree to `user`."""
        give(top, user)

    def fill(self, text: str) -> str:
        """A text with its places filled in."""
        places = {
            "root": self.root,
            "run": self.run,
            "state": self.state,
            "keys": self.keys,
            "python": self.shared.python,
            "package": self.package,
            "caller": self.shared.root / "caller.py",
            "shared": self.shared.root,
            "user": self.user,
        }
        return re.sub(r"\{(\w+)\}", lambda found: str(places[found[1]]), text)

    def start_agent(self) -> None:
        """Start the judge; it runs outside the place."""
        words = ["gpg-connect-agent", "--homedir", str(self.keys), "/bye"]
        env = {"PATH": self.env["PATH"], "HOME": str(self.keys), "WORLD": self.env["WORLD"]}
        subprocess.run(
            [*as_user(self.keys_of), *words],
            env=env, check=True, capture_output=True, timeout=LONGEST,
        )  # fmt: skip

    def signings(self) -> int:
        """The number of requests for a signature to the agent."""
        return (self.keys / "agent.log").read_text("utf-8", "replace").count("<- PKSIGN")

    def journal(self) -> bytes | None:
        """The bytes of the job's journal, wherever the job has moved it; None if it is removed."""
        # A FUSE file system may show a file as it was; its files are behind it as they are.
        behind = self.root / "state.behind"
        state = behind if behind.exists() else self.state
        found = [
            path for place in (self.root, state / "gpgshim") for path in place.glob("j.[0-9]*")
        ]
        assert len(found) < 2, found
        return found[0].read_bytes() if found else None

    def began(self) -> bool:
        """Whether the job has begun."""
        return (self.root / "work/began").exists()

    def asked(self) -> bool:
        """Whether the authority was asked."""
        return (self.root / "work/asked").exists()

    def processes(self) -> list[tuple[int, str]]:
        """The processes of this run that are alive, the agent excepted: ids and command lines."""
        mark = f"WORLD={self.root}/".encode()
        found = []
        for each in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if mark in Path(f"/proc/{each}/environ").read_bytes().split(b"\0"):
                    words = Path(f"/proc/{each}/cmdline").read_bytes().replace(b"\0", b" ")
                    found.append((int(each), words.decode("utf-8", "replace").strip()))
        return found

    def end(self) -> None:
        """Kill the agent and every other process with our mark, and remove the files."""
        for _ in range(1000):
            alive = self.processes()
            for pid, _words in alive:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if not alive:
                break
            time.sleep(0.01)
        for path in self.root.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_dir() and not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(self.root, ignore_errors=True)


def usable_python() -> Path:
    """An interpreter that every user can run; ours, where it is one."""
    ours = Path(sys.executable).resolve()
    for path in (ours, *(each.resolve() for each in INTERPRETERS.values())):
        if can_be_entered(path):
            return path
    raise LookupError(f"other users cannot run {ours}: apt-get install python3 (3.11 or later)")


def copy_package(to: Path) -> None:
    """Put the checkout's code, and the modules that it needs, where every user can read them."""
    for name in ("gpgshim", "bin"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / name, to / name, ignore=ignored)
    for name in ("click", "gnupg"):
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        origin = Path(spec.origin)
        if origin.name == "__init__.py":
            shutil.copytree(origin.parent, to / name)
        else:
            shutil.copy(origin, to / origin.name)
    for path in (to, *to.rglob("*")):
        path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.is_dir() else 0))


def compile_all(python: Path, package: Path) -> None:
    """Compile a package once: other users cannot write its bytecode."""
    subprocess.run([python, "-m", "compileall", "-q", package], check=True, capture_output=True)


def as_user(user: int) -> list[str]:
    """The words that run a program as `user`."""
    if user == os.geteuid():
        return []
    ids = ["--reuid", str(user), "--regid", str(user), "--clear-groups"]
    return [shutil.which("setpriv") or "setpriv", *ids]


def give(top: Path, user: int) -> None:
    """Give all of a tree to `user`."""
    if os.geteuid() == 0:
        for path in (top, *top.rglob("*")):
            os.chown(path, user, user, follow_symlinks=False)


class Shared:
    """The things that all runs of a session share: a key to copy, the code, an interpreter."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.chmod(0o755)
        self.python = usable_python()
        self.package = root / "package"
        copy_package(self.package)
        launcher = self.package / "launch.py"
        launcher.write_text(
            "import sys\nfrom gpgshim.__main__ import main\nsys.argv[0] = 'gpgshim'\nmain()\n"
        )
        compile_all(self.python, self.package)
        shutil.copy(Path(__file__).with_name("caller.py"), root / "caller.py")
        (root / "caller.py").chmod(0o644)
        self.keys = root / "keys"
        self.keys.mkdir(0o700)
        # A key that is old enough for every clock.
        words = ["--batch", "--quiet", "--passphrase", "", "--faked-system-time", "20100101T000000"]
        words += ["--quick-gen-key", "Oracle <o@example.org>", "ed25519", "sign", "never"]
        env = {"PATH": os.defpath, "GNUPGHOME": str(self.keys), "HOME": str(root)}
        subprocess.run([GPG, *words], env=env, check=True, capture_output=True)
        subprocess.run(["gpgconf", "--homedir", self.keys, "--kill", "all"], env=env, check=False)
        listed = subprocess.run(
            [GPG, "--with-colons", "--list-secret-keys"], env=env, check=True, capture_output=True
        ).stdout.decode()
        self.fingerprint = next(x.split(":")[9] for x in listed.splitlines() if x.startswith("fpr"))
        subprocess.run(["gpgconf", "--homedir", self.keys, "--kill", "all"], env=env, check=False)
        self._numbers = iter(range(1, 1 << 30))
        self._lock = threading.Lock()

    def world(self, how: How) -> World:
        """A new world."""
        with self._lock:
            number = next(self._numbers)
        return World(self, number, how)


#: Changes a world while the `with` lasts: mounts a file system, for instance.
Around = Callable[[World], AbstractContextManager[object]]
#: Does something to a job that runs: it is called when the job has been started.
During = Callable[[World, "subprocess.Popen[bytes]"], None]


class Place(NamedTuple):
    """A row of the table."""

    group: str
    name: str
    how: How = ORDINARY
    no: Cell = Cell(Kind.REFUSED)  # the authority says no, and the job fails
    yes: Cell = Cell(Kind.GRANTED)  # the authority says yes
    around: tuple[Around, ...] = ()
    during: During | None = None
    needs: tuple[str, ...] = ()
    what: str = ""  # shown in the table, where the name does not say it all


class Ran(NamedTuple):
    """How a run ended. `status` is as a shell has it."""

    status: int
    out: str
    err: str
    began: bool
    signed: int
    journal: bytes | None
    verdict: Verdict
    left: list[str]
    asked: bool = False  # whether the authority says so

    @property
    def lines(self) -> list[str]:
        """The journal's lines without their times."""
        return [re.sub(r"^\+[\d.]+ ", "", x) for x in self.text.splitlines()]

    @property
    def text(self) -> str:
        return (self.journal or b"").decode("utf-8", "replace")

    def kind(self) -> Kind:
        """What it came to."""
        if not self.began and not self.signed:
            return Kind.NOT_STARTED
        committed = "! committed" in self.lines
        if self.journal is None and self.asked:
            return Kind.UNTOLD if self.signed else Kind.REFUSED
        if self.signed:
            if committed:
                there = self.verdict.outcome == "uploaded" and self.status == 0
                return Kind.GRANTED if there else Kind.UNTOLD
            return Kind.SEEN if self.verdict.outcome == "irrecoverable" else Kind.PAST
        return Kind.REFUSED if "< refused" in self.lines else Kind.BLOCKED


#: How a job ended, and what is wrong with that.
Result = tuple[Ran, list[str]]


def run(shared: Shared, place: Place, yes: bool) -> Result:
    """Run the job once in `place`; how it ended, and what is wrong with that."""
    world = shared.world(place.how)
    try:
        before = mounts(world)
        with contextlib.ExitStack() as stack:
            world.start_agent()
            for around in place.around:
                stack.enter_context(around(world))
            plant_history(world)
            planted = not history_is_gone(world)
            status, out, err, stuck = run_in(world, place, yes)
            left = [f"process {words}" for words in wait_for_the_rest(world)]
            journal = world.journal()
            signed = world.signings()
            if not place.how.may_outlive:
                left += [f"{path}" for path in leftovers(world)]
            if late := late_signatures(world):
                stuck.append(f"{late} signatures when the job was over")
            if planted and history_is_gone(world):
                stuck.append("an earlier job's journal was taken away")
        left += [f"mount {each}" for each in sorted(mounts(world) - before)]
        began = world.began()
        verdict = judge_bytes(journal or b"")
        ran = Ran(status, out, err, began, signed, journal, verdict, left, world.asked())
        cell = place.yes if yes else place.no
        found = faults(ran, cell, place.how)
        return ran, [*stuck, *found]
    finally:
        world.end()


def plant_history(world: World) -> None:
    """Put an earlier job's journal beside this one's: nothing may take it away."""
    directory = world.state / "gpgshim"
    with contextlib.suppress(OSError):
        directory.mkdir(0o700)
        if os.geteuid() == 0:
            os.chown(directory, world.state.stat().st_uid, -1)
        old = directory / "old.1"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        old.write_text(
            f"job: old\nattempt: 1\ngpg: /usr/bin/gpg 2.4.9\nauthority: nobody\n"
            f"command: true\nstarted: {now}\ngpgshim: 0.1.0\n\n! uncommitted\n+0.1 % exit 0\n"
            "+0.1 unsigned\n"
        )
        if os.geteuid() == 0:
            os.chown(old, world.state.stat().st_uid, -1)


def history_is_gone(world: World) -> bool:
    """Whether the earlier job's journal was taken away."""
    old = world.state / "gpgshim/old.1"
    return old.parent.is_dir() and not old.exists()


def run_in(world: World, place: Place, yes: bool) -> tuple[int, str, str, list[str]]:
    """Start gpgshim in the place, and wait for its end; status, stdout, stderr, faults."""
    how = world.how
    text = f": >{world.root}/work/began; {world.fill(how.sign)}; " + (
        "exit $?" if yes else "exit 3"
    )
    inside = f"{world.fill(how.inside)} " if how.inside else ""
    words = [str(world.python), str(world.package / "launch.py"), "run", "--job", "j"]
    words += ["--commit", str(world.root / ("yes" if yes else "no"))]
    script = (
        f'exec {world.fill(how.outside)} "$@" {world.fill(how.options)} -- {inside} sh -c "$JOB"'
    )
    # $JOB is the harness's own, and is not left to the job.
    script = script.replace('"$JOB"', "'" + text.replace("'", "'\\''") + "'")
    env = dict(world.env)
    for name, value in how.env.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = world.fill(value)
    words = [*as_user(world.user), "/bin/sh", "-c", script, "sh", *words]
    found = []
    files = [world.root / name for name in ("out", "err")]
    with files[0].open("wb") as out, files[1].open("wb") as err:
        process = subprocess.Popen(
            words, env=env, cwd=world.root / "work", stdin=subprocess.DEVNULL, stdout=out,
            stderr=err, start_new_session=True,
        )  # fmt: skip
        try:
            if place.during:
                place.during(world, process)
            status = process.wait(LONGEST)
        except (subprocess.TimeoutExpired, AssertionError) as error:
            found.append(f"stuck: {error}")
            os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
    said = [path.read_text("utf-8", "backslashreplace") for path in files]
    return status if status >= 0 else 128 - status, said[0], said[1], found


def wait_for_the_rest(world: World) -> list[str]:
    """Wait a moment for what is just ending; what is alive then, the agent excepted."""
    until = time.monotonic() + 5
    while True:
        alive = [
            words for _, words in world.processes()
            if not re.search(r"gpg-agent|^bindfs|keyboxd|scdaemon", words)
        ]  # fmt: skip
        if not alive or time.monotonic() > until:
            return alive
        time.sleep(0.02)


def leftovers(world: World) -> Iterator[Path]:
    """The files of ours that should not be there any more.

    A named job keeps one directory, in which the programs refuse.
    """
    for top in (world.run, world.run / "gpgshim"):
        with contextlib.suppress(OSError):
            found = [path for path in top.iterdir() if re.search(r"\.[0-9a-f]{12}$", path.name)]
            yield from found[1:]
            yield from (path / "socket" for path in found if (path / "socket").exists())
    yield from (world.root / "work").glob("~*")


def late_signatures(world: World) -> int:
    """How many signatures are made by the job's stunt when the job is over: there must be none."""
    before = world.signings()
    for gpg in world.run.glob("**/bin/gpg"):
        words = [*as_user(world.user), str(gpg), "--batch", "--yes", "-o", "/dev/null", "-b"]
        with contextlib.suppress(OSError):
            subprocess.run(
                [*words, str(world.root / "work/f")],
                env=world.env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
                timeout=LONGEST,
            )  # fmt: skip
    return world.signings() - before


def mounts(world: World) -> set[str]:
    """The mount points in this world."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {line.split()[4] for line in lines if line.split()[4].startswith(f"{world.root}/")}


def faults(ran: Ran, cell: Cell, how: How = ORDINARY) -> list[str]:
    """What is wrong with a run: the invariants first, whatever the row says; then its cell."""
    found = []
    kind = ran.kind()
    past = cell.kind in (Kind.PAST, Kind.SEEN)
    committed = "! committed" in ran.lines or (cell.kind is kind is Kind.UNTOLD)
    if ran.signed and not committed and not past:
        found.append("signed without `! committed`")
    if ran.signed and (ran.status == 75 or ran.verdict.outcome == "retriable") and not past:
        found.append(f"signed, and it ended with {ran.status}, {ran.verdict.outcome}")
    if kind is Kind.PAST and NARROW not in ran.err:
        found.append(f"the outcome claims more than was watched: {NARROW!r} is missing")
    if ran.signed and WIDE.search(ran.err):
        found.append("it says that nothing was signed")
    ours = ("Traceback", "Exception ignored", "Fatal Python")
    if not how.no_python and any(each in ran.err for each in ours):
        found.append("a traceback")
    told = [x for x in WARNINGS.sub("", ran.err).splitlines() if x != "hello"]
    if len(told) > how.lines:
        found.append(f"{len(told)} lines on stderr")
    if "hello" in ran.text:
        found.append("the journal has what the authority printed")
    if ran.journal is not None and not how.notes_lost:
        found += unreadable(ran.journal)
    if kind is Kind.NOT_STARTED and ran.status not in (64, 65, 74, 78, 126):
        found.append(f"not started, and it ended with {ran.status}")
    found += [f"left behind: {each}" for each in ran.left]
    if kind is not cell.kind:
        found.append(f"it came to {kind!s}, and not to {cell.kind!s}")
    elif cell.says and cell.says not in ran.err:
        found.append(f"no message says {cell.says!r}")
    return found


def unreadable(journal: bytes) -> list[str]:
    """What is wrong with a journal: it cannot be read, or the tables would do otherwise."""
    try:
        transcript: Transcript = parse(journal)
    except TranscriptError as error:
        return [f"the journal: {error}"]
    return [f"replay: {each}" for each in replay(transcript)]


def show(ran: Ran) -> str:
    """A run, for a person who looks for the fault."""
    return f"exit {ran.status}, {ran.signed} signatures, {ran.verdict}\n{ran.err}\n{ran.text}"


def can_be_entered(path: Path) -> bool:
    """Whether every user can pass through all directories down to `path`."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in path.parents)
