# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole job in a scratch world: our sockets, pipes, files and processes are real, and other
programs are stand-ins. And the checks of the job afterwards, whatever was done to it.

Rule 1: a stand-in records what it sees at once: the gpg copies the journal when it makes a
signature, the manager when it receives a line.
Rule 2: faults() does not know what was done to the job, only to which process.
Rule 3: the second attempt is also a check of the first: nothing may prevent it.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from gpgshim.core.gate import TEMPFAIL, Outcome, State
from gpgshim.core.replay import replay
from gpgshim.core.transcript import Line, TranscriptError, parse
from gpgshim.core.verdict import Verdict, judge, judge_bytes
from gpgshim.system.places import is_stunt
from gpgshim.tag2upload.repos_server import ARGUMENTS, MODE
from tools.crash.calls import normal
from tools.crash.spoil import At, Spoil
from tools.crash.tracer import Deed, Seen, Stuck, Target, Tracer
from tools.place.world import How, as_user, compile_all, copy_package, give, usable_python

COMMIT = "commit-to-public-upload"

#: The signature is made by the rename: one that is killed before that has made none.
GPG = """\
#!/bin/sh
case "$1" in --version|--dump-option-table) exec {gpg} "$@";; esac
for journal in "$WORLD"/moved/* "$WORLD"/state/gpgshim/[!.]*; do
    test ! -e "$journal" || last=$journal
done
cat "$last" >"$WORLD/signed/new.$$" && exec mv "$WORLD/signed/new.$$" "$WORLD/signed/$ATTEMPT.$$"
"""

GPGCONF = """\
#!/bin/sh
echo 'gpg:OpenPGP:/usr/bin/gpg'
"""

#: gpgme would look for gpg by way of gpgconf; one of the faces does.
DGIT = """\
#!/bin/sh
case $WITH_GPGCONF in ?*) gpgconf --list-components >/dev/null || exit 254;; esac
case $JOB in early) echo 'gave HTTP code 500' >&2; exit 255;; esac
gpg --detach-sign a || exit 255
gpg --clearsign b || exit 255
case $JOB in late) exit 255;; esac
"""

JOB = """\
dgit rpush-source HOST:DIR
status=$?
"""

SCRIPT = f"""\
#!/bin/sh
{JOB}exit $status
"""

#: A person or a script that starts the daemon, does the job and reports its end; once more if that
#: gave no outcome. After a failed start it ends the remaining processes.
OPERATOR = """\
#!/bin/sh
line=$("$PYTHON" -m gpgshim supervise --job j --commit authority) || {
    status=$?
    for job in "$WORLD"/run/gpgshim/*/socket; do
        test -e "$job" && "$PYTHON" -m gpgshim close "${job%/socket}" >/dev/null 2>&1
    done
    exit $status
}
eval "$line"
script
status=$?
outcome=$("$PYTHON" -m gpgshim close --status $status)
closed=$?
case $outcome in ?*) exit $closed;; esac
"$PYTHON" -m gpgshim close --status $status >/dev/null
"""

#: It answers go-ahead, and records the time of the request.
AUTHORITY = """\
#!/bin/sh
for journal in "$WORLD"/moved/* "$WORLD"/state/gpgshim/[!.]*; do
    test ! -e "$journal" || last=$journal
done
exec cat "$last" >"$WORLD/heard/$ATTEMPT.$$"
"""

#: When the stunt dgit has failed and closed the gate, another signature is as an orphan's.
REPOS_SERVER = f"""\
#!/bin/sh
echo commit-to-public-upload
read -r answer || exit 1
{JOB}case $JOB in early) gpg --detach-sign again;; esac
case $status in
0) printf 'message done\\nemail reported id\\nuploaded\\n';;
75) printf 'message again\\nemail unreported id\\nretriable\\n';;
*) printf 'message failed\\nemail reported id\\nirrecoverable\\n';;
esac
"""

#: The jobs of the stand-in for dgit: it signs twice, fails before that, or fails after it.
JOBS = ("signs", "early", "late")
FACES = ("run", "repos-server", "supervise")
#: The stand-ins that are killed too, and their roles. Their calls are not made to fail.
OTHERS = {
    "gpg": "real gpg",
    "gpgconf": "real gpgconf",
    "dgit": "real dgit",
    "script": "job",
    "dgit-repos-server": "job",
    "authority": "authority",
}
#: Whose death may leave orphans, which `gpgshim run` does not kill.
OF_THE_JOB = ("stunt dgit", "newborn of dgit", "newborn", "real dgit", "job", "starter")
#: Whose child's role is what, until it becomes another program.
FORKS = {
    "watchdog": "supervisor",
    "supervisor": "newborn",
    "starter": "newborn of starter",  # gpg, twice; gpgconf; and the daemon
    "newborn of starter": "newborn",
    "stunt dgit": "newborn of dgit",
    "stunt gpgconf": "newborn of gpgconf",
}


#: The machine has one wall, which the first job of a boot makes. Each world makes its own instead,
#: in its runtime directory, so that making the wall is also killed, and also fails.
OWN_WALL = Spoil(
    "gpgshim.supervisor.wall", "", At.ASSIGNMENT, "PLACES", "PLACES: tuple[Path, ...] = ()"
)


class Base:
    """Shared by all worlds: a copy of the code, which does not change, and stand-ins."""

    def __init__(
        self, root: Path, checkout: Path, spoil: Spoil | None = None, place: How | None = None
    ) -> None:
        self.root = root
        self.code = root / "code"
        self.tools = root / "tools"
        self.place = place  # where every program of ours runs; None is here
        self.user = os.geteuid() if place is None or os.geteuid() else place.user
        self.python = sys.executable if place is None else str(usable_python())
        if place is None:
            for name in ("gpgshim", "bin"):
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(checkout / name, self.code / name, ignore=ignored)
        else:
            root.chmod(0o755)
            copy_package(self.code)
        for each in (OWN_WALL, spoil):
            if each is not None:
                file = self.code / each.file
                file.write_text(each.apply(file.read_text()))
        compile_all(Path(self.python), self.code)
        self.tools.mkdir()
        # The programs that the job and the place need; no other gpg is on their PATH.
        for name in {"cat", "mv", *(place.outside.replace("'", " ").split() if place else ())}:
            if "/" not in name and (found := shutil.which(name)):
                (self.tools / name).symlink_to(found)
        gpg = shutil.which("gpg") or "/usr/bin/gpg"
        for name, text in (
            ("gpg", GPG.format(gpg=gpg)),
            ("dgit", DGIT),
            ("gpgconf", GPGCONF),
            ("script", SCRIPT),
            ("operator", OPERATOR),
            ("authority", AUTHORITY),
            ("dgit-repos-server", REPOS_SERVER),
        ):
            (self.tools / name).write_text(text)
            (self.tools / name).chmod(0o755)


class Manager:
    """A manager that says go-ahead, and writes down what it heard, and what was on disk then.

    For `gpgshim supervise` it is a command that does the same.
    """

    def __init__(self, world: World, attempt: int, face: str) -> None:
        self._world = world
        self._attempt = attempt
        self.heard: list[tuple[str, bytes]] = []
        self.fds: tuple[int, int] = (-1, -1)  # the job's stdin and stdout
        self._stop, self._told_to_stop = os.pipe()
        self._ours: list[int] = []
        self._listener: socket.socket | None = None
        if face == "supervise":
            null = os.open(os.devnull, os.O_RDWR)
            self.fds = (null, null)
        elif face == "run":
            self._listener = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(world.root / "manager")
            self._listener.bind(str(world.root / "manager"))
            (world.root / "manager").chmod(0o777)  # the world is the user's alone
            self._listener.listen()
            null = os.open(os.devnull, os.O_RDWR)
            self.fds = (null, null)
        else:
            its_stdin, to_it = os.pipe()
            from_it, its_stdout = os.pipe()
            self.fds = (its_stdin, its_stdout)
            self._ours = [from_it, to_it]
        self._thread = threading.Thread(target=self._serve)

    def start(self) -> None:
        """Listen from now on; after the fork of the job, because a thread does not survive that."""
        for fd in set(self.fds):
            os.close(fd)
        self._thread.start()

    def end(self) -> None:
        """All other processes have ended: read the remaining input, and stop."""
        os.close(self._told_to_stop)
        self._thread.join()
        for fd in (self._stop, *self._ours):
            os.close(fd)
        if self._listener is not None:
            self._listener.close()
        found = sorted((self._world.root / "heard").glob(f"{self._attempt}.*"))
        # An empty one is of a command that was killed when it had been asked.
        self.heard += [(COMMIT, path.read_bytes() or self._world.newest()) for path in found]

    def _serve(self) -> None:
        if self._listener is None:
            return self._talk(*self._ours) if self._ours else None
        door = self._listener.fileno()
        while door in select.select([door, self._stop], [], [])[0]:
            peer, _ = self._listener.accept()
            with peer:
                self._talk(peer.fileno(), peer.fileno())
        return None

    def _talk(self, reader: int, writer: int) -> None:
        line = b""
        while True:
            if reader not in select.select([reader, self._stop], [], [])[0]:
                break
            try:
                byte = os.read(reader, 1)
            except OSError:
                break
            if not byte:
                break
            line += byte
            if byte != b"\n":
                continue
            text, line = line[:-1].decode("utf-8", "replace"), b""
            self.heard.append((text, self._world.newest()))
            if text == COMMIT:
                with contextlib.suppress(OSError):
                    os.write(writer, b"go-ahead\n")
        if line:
            self.heard.append((f"half a line: {line!r}", self._world.newest()))


class Attempt(NamedTuple):
    """What one attempt at the job left behind."""

    seen: Seen
    heard: list[tuple[str, bytes]]
    said: str
    journal: bytes | None
    name: str
    verdict: Verdict
    signed: list[bytes]


class World:
    """A job's own world, under `base`; it goes when the job has been looked at."""

    def __init__(self, base: Base, root: Path, face: str, job: str) -> None:
        self.base = base
        self.root = root
        self.face = face
        self.job = job
        for name in ("run", "state", "home", "signed", "heard", "moved"):
            (root / name).mkdir(mode=0o700, parents=True)
        give(root, base.user)
        self.environ = {
            "PATH": str(base.tools),
            "HOME": str(root / "home"),
            "XDG_RUNTIME_DIR": str(root / "run"),
            "XDG_STATE_HOME": str(root / "state"),
            "PYTHONPATH": str(base.code),
            "PYTHONNOUSERSITE": "1",
            "WORLD": str(root),
            "WITH_GPGCONF": "yes" if face == "supervise" else "",
            "PYTHON": base.python,
        }

    def words(self) -> list[str]:
        """The program, as its user or oracled starts it, in the place."""
        place = self.base.place
        if place is None:
            return self.program()
        outside = place.outside.replace("{root}", str(self.root))
        outside = outside.replace("{shared}", str(self.base.root))
        enter = ["/bin/sh", "-c", f'exec {outside} "$@"', "sh"]
        return [*as_user(self.base.user), *enter, *self.program()]

    def program(self) -> list[str]:
        """The program alone."""
        if self.face == "supervise":
            return [str(self.base.tools / "operator")]
        if self.face == "run":
            words = [self.base.python, "-m", "gpgshim", "run", "--job", "j"]
            words += ["--commit", f"o2m:{self.root}/manager"]
            return [*words, "--", "script"]
        values = {"timeout": "3600", "job": "j", "--": "--", "last-attempt-message": ""}
        server = self.base.code / "bin/dgit-repos-server"
        arguments = [values.get(name, name) for name in ARGUMENTS]
        return [self.base.python, "-I", str(server), MODE, *arguments]

    def journals(self) -> list[Path]:
        """All journals, the oldest first."""
        found = (self.root / "state/gpgshim").glob("[!.]*")
        return sorted(found, key=lambda path: int(path.suffix[1:]))

    def newest(self) -> bytes:
        """What the newest journal holds now."""
        while True:
            found = [*(self.root / "moved").iterdir(), *self.journals()]
            with contextlib.suppress(FileNotFoundError):  # it is being moved away
                return found[-1].read_bytes() if found else b""

    def role_of(self, words: list[str]) -> str:
        """Which program a process is; "" for those of no interest."""
        for name in ("gpg", "dgit", "gpgconf"):
            if words[2:3] and words[2].startswith(f"{self.root}/run/") and (
                words[2].endswith(f"/bin/{name}")
            ):  # fmt: skip
                return f"stunt {name}"
        if len(words) > 1 and words[1].startswith(f"{self.base.tools}/"):
            return OTHERS.get(words[1].rpartition("/")[2], "")
        if words == self.program():
            return first_role(self.face)
        if words[1:3] == ["-m", "gpgshim"]:
            return {"supervise": "starter", "close": "closer"}.get(words[3], "")
        return ""

    def attempt(self, number: int, target: Target | None, deed: Deed) -> Attempt:
        """One attempt, with `deed` done to `target`; with neither, all of ours are watched."""
        before = len(self.journals())
        job = self.job if number == 1 else JOBS[0]
        environ = self.environ | {"ATTEMPT": str(number), "JOB": job}
        first = first_role(self.face) if self.base.place is None else ""
        tracer = Tracer(first, FORKS, self.role_of, target, deed)
        errors = self.root / f"stderr.{number}"
        manager = Manager(self, number, self.face)
        with errors.open("wb") as stderr:
            tracer.start(self.words(), environ, self.root, (*manager.fds, stderr.fileno()))
            manager.start()
            try:
                seen = tracer.follow()
            finally:
                manager.end()
        made = self.journals()[before:]
        assert len(made) <= 1, f"one attempt made {len(made)} journals"
        made += [path for path in (self.root / "moved").iterdir() if seen.moved is not None]
        data = made[0].read_bytes() if made else None
        counts = data or b""
        if seen.moved is not None:
            # A journal that was moved away before it had an outcome counts as removed.
            counts = seen.moved if judge_bytes(seen.moved).told else b""
        return Attempt(
            seen,
            manager.heard,
            errors.read_text("utf-8", "replace"),
            data,
            made[0].name if made else "",
            judge_bytes(counts),
            [path.read_bytes() for path in sorted((self.root / "signed").glob(f"{number}.*"))],
        )

    def age(self) -> None:
        """Make everything in the runtime directory two days old, so that it may be removed."""
        long_ago = time.time() - 2 * 86400
        for path in (self.root / "run/gpgshim").glob("*"):
            os.utime(path, (long_ago, long_ago))

    def left(self) -> list[str]:
        """Jobs' directories that are two days old, and should have been swept.

        Those that a shell may have on its PATH stay until the next boot; so do directories that are
        half made or half removed, because they may belong to another program.
        """
        made = (self.root / "run/gpgshim").glob("*")
        found = [path for path in made if not (path / "exported").exists()]
        today = time.time() - 86400
        whole = [x for x in found if (x / "bin/gpg").exists() and is_stunt(x / "bin/gpg")]
        return [path.name for path in whole if path.stat().st_mtime < today]


def end_of(attempt: Attempt) -> str:
    """What an attempt came to, in a word or two."""
    if attempt.journal is None:
        return "not begun"
    verdict = attempt.verdict
    return f"{verdict.state}, {verdict.outcome}{'' if verdict.told else ' (not written)'}"


def lines_of(journal: bytes) -> list[Line]:
    """The lines of a journal, a torn one left out; none of what is no journal."""
    with contextlib.suppress(TranscriptError):
        return list(parse(journal).lines)
    return []


def has(journal: bytes, state: State) -> bool:
    """Whether a journal holds this state, in a line that is whole."""
    return any((line.sigil, line.text) == ("!", state) for line in lines_of(journal))


def faults(attempt: Attempt, face: str, killed: str) -> list[str]:
    """What is wrong with an attempt in which the process `killed` (a role, or "") was killed."""
    found: list[str] = []
    seen, verdict, journal = attempt.seen, attempt.verdict, attempt.journal

    def wrong(true: object, what: str) -> None:
        if true:
            found.append(what)

    asked = [on_disk for line, on_disk in attempt.heard if line == COMMIT]
    # Promise 1, by what the gpg itself saw.
    wrong(any(not has(each, State.COMMITTED) for each in attempt.signed), "SIGNED UNCOMMITTED")
    wrong(attempt.signed and not asked, "SIGNED, and the manager has not heard")
    wrong(any(not has(each, State.UNKNOWN) for each in asked), "ASKED before `! unknown`")
    wrong(len(asked) > 1, "the manager got two requests")
    grants = sum((line.sigil, line.text) == ("=", "go") for line in lines_of(journal or b""))
    wrong(len(attempt.signed) > grants, f"{len(attempt.signed)} SIGNED, {grants} granted")
    early = seen.moved is not None and not has(seen.moved, State.COMMITTED)
    wrong(early and attempt.signed, "SIGNED, and the journal was moved before `! committed`")
    # Promise 2: by us, by the stunt dgit, to the manager, and by the journal.
    mine = seen.status if not killed or killed != first_role(face) else None
    if asked or attempt.signed:
        wrong(mine == TEMPFAIL, "75 after the manager had heard")
        wrong(verdict.outcome is Outcome.RETRIABLE, "the journal says retriable after commit")
        wrong(any(line == "retriable" for line, _ in attempt.heard), "RETRIABLE after commit")
        for target, status in seen.ends:
            wrong(target.role == "stunt dgit" and status == TEMPFAIL, "dgit says 75 after commit")
    lost = seen.moved is not None  # perhaps after its outcome was written, and before it was read
    # Promise 5: one outcome, the journal's.
    if journal is not None:
        try:
            judge(parse(journal))
        except TranscriptError as error:
            wrong(True, f"the journal does not read: {error}")
        outcomes = [line.text for line in lines_of(journal) if not line.sigil]
        wrong(len(outcomes) > 1, f"outcomes in the journal: {outcomes}")
    if face == "supervise":
        retriable = journal is not None and verdict.outcome is Outcome.RETRIABLE
        said = re.findall(r"^gpgshim: (\w+) \((\w+)\)$", attempt.said, re.MULTILINE)
        wrong(len(said) > 1, "the outcome is reported twice")
        # An outcome that the disk did not take is still reported if it is certain.
        wrong(said and said[0] != (verdict.outcome, verdict.state), f"said {said}, not {verdict}")
        wrong(mine == TEMPFAIL and not retriable, f"75, and it is {verdict.outcome}")
        wrong(retriable and said and not lost and mine != TEMPFAIL, f"{mine}, not 75")
        wrong(mine == 0 and verdict.outcome is not Outcome.UPLOADED, f"0, and {verdict}")
    elif face == "run":
        said = [x for x in attempt.said.splitlines() if x.startswith(f"gpgshim: {attempt.name}: ")]
        wrong(len(said) > 1, "the outcome is reported twice")
        # A supervisor that cannot read the journal back reports `unknown`, not what it remembers.
        doubts = said and ": irrecoverable: unknown: " in said[0]
        wrong(
            said and not doubts and f": {verdict.outcome}: " not in said[0],
            f"said {said}, not {verdict}",
        )
        if mine is not None:
            retriable = journal is not None and verdict.outcome is Outcome.RETRIABLE
            wrong(mine == TEMPFAIL and not retriable, f"75, and it is {verdict.outcome}")
            wrong(retriable and said and not lost and mine != TEMPFAIL, f"{mine}, not 75")
            # main() takes an uncaught OSError for one of stdout, but `run` writes nothing there.
            wrong("gpgshim: stdout: " in attempt.said, f"an uncaught error: {attempt.said}")
            wrong(mine == 0 and verdict.outcome is not Outcome.UPLOADED, f"0, and {verdict}")
    else:
        told = [line for line, _ in attempt.heard if line != COMMIT]
        wrong(len(told) not in (0, 3), f"half a report: {told}")
        if len(told) == 3:
            wrong(told[2] != verdict.outcome, f"the manager heard {told[2]}, and it is {verdict}")
        wrong(mine == 0 and len(told) != 3, "exit 0, and the manager heard no outcome")
        signs = {"stunt gpg", "real gpg"} & set(seen.late)
        wrong(signs and attempt.signed, "a job ran on to its signature without its watchdog")
    # No process may remain when the caller continues with the next job.
    wrong(left_running(attempt, face, killed), f"left running: {seen.alive}")
    found += tracebacks(attempt.said)
    return found


def unreplayable(journal: bytes | None) -> list[str]:
    """Whether the tables would do again what a journal says, such as not to grant after the end."""
    try:
        transcript = None if journal is None else parse(journal)
    except TranscriptError:
        return []  # which faults() has found
    return [f"replay: {each}" for each in (replay(transcript) if transcript else [])]


def left_running(attempt: Attempt, face: str, killed: str) -> bool:
    """Whether a process remained that should not, when the caller's own child had ended.

    `gpgshim run` does not kill the orphans of a killed job, but its gate refuses them. The tracer
    checks that all processes end.
    """
    orphans = face != "repos-server" and killed in OF_THE_JOB
    ended = attempt.seen.status if not killed or killed != first_role(face) else None
    alive = [x for x in attempt.seen.alive if "gpgshim supervise" not in x]  # it has just answered
    return ended is not None and bool(alive) and not orphans


def tracebacks(said: str) -> list[str]:
    """Tracebacks from our functions, which are unexpected errors.

    If a module could not be imported, Python reports that; none of our functions had begun.
    """
    found = []
    for text in said.split("Traceback (most recent call last):\n")[1:]:
        frames = re.findall(r'^  File "(.*)", line (\d+), in (.*)$', text, re.MULTILINE)
        error = next((x for x in text.splitlines() if x[:1].strip()), "")
        ours = [each for each in frames if "gpgshim" in each[0] and each[2] != "<module>"]
        if ours:
            path, line, function = ours[-1]
            found.append(f"a traceback: {path.rpartition('/')[2]}:{line} in {function}: {error}")
    return found


def first_role(face: str) -> str:
    """The role of the caller's own child; "" if it is no process of ours."""
    return {"run": "supervisor", "repos-server": "watchdog", "supervise": ""}[face]


def faults_of_next(world: World, first: Attempt, number: int) -> tuple[list[str], Attempt]:
    """The faults of attempt `number`, which is not disturbed, and the attempt."""
    attempt = world.attempt(number, Target("nobody", 1), Deed())
    found = [*faults(attempt, world.face, "")]
    if attempt.seen.status != 0 or attempt.verdict.outcome is not Outcome.UPLOADED:
        found.append(f"{attempt.seen.status}, {end_of(attempt)}: {attempt.said}")
    if len(attempt.signed) != 2:
        found.append(f"{len(attempt.signed)} signatures")
    kept = first.journal is not None and first.seen.moved is None
    if len(world.journals()) != kept + number - 1:
        found.append(f"journals: {world.journals()}")
    return [f"attempt {number}: {each}" for each in found], attempt


#: Remains that a second attempt has been made upon, and how it went; of this process.
_TRIED: dict[str, tuple[list[str], str]] = {}


def remains_of(root: Path) -> str:
    """The files that an attempt left, without differences between two equal runs."""
    found = []
    for top in ("run", "state"):
        for path in sorted((root / top).rglob("*")):
            kind = "/" if path.is_dir() else "=" if path.is_socket() else ""
            name = normal(str(path), str(root))
            text = ""
            if top == "state" and path.is_file():
                data = path.read_text("utf-8", "replace").replace(str(root), "")
                text = re.sub(r"(?m)^\+[\d.]+|\[\d+\]|\bpid \d+|^started: .*$", "", data)
            size = path.stat().st_size if path.is_file() and not text else 0
            found.append(f"{name}{kind} {size} {text}")
    return "\n".join(found)


def run_point(
    base: Base, root: Path, face: str, job: str, target: Target | None, deed: Deed
) -> tuple[Attempt, list[str], str]:
    """Do `deed` to `target` in a world of its own; the attempt, what is wrong, how a second went.

    The second attempt is made at once, and in any case: an operator who has asked the manager may
    want it. A third, days later, takes away what was left. They depend on nothing but what the
    first has left, so the same remains are tried once.
    """
    world = World(base, root, face, job)
    try:
        first = world.attempt(1, target, deed)
        killed = target.role if target and deed.what in ("kill", "tear") and first.seen.done else ""
        found = faults(first, face, killed)
        if deed.what in ("", "kill", "tear"):  # where calls fail, notes may be missing
            found += unreplayable(first.journal)
        remains = f"{face}\n{remains_of(root)}"
        if remains not in _TRIED:
            wrong, second = faults_of_next(world, first, 2)
            world.age()
            wrong += faults_of_next(world, first, 3)[0]
            if world.left():
                wrong.append(f"never taken away: {world.left()}")
            _TRIED[remains] = (wrong, end_of(second))
        wrong, end = _TRIED[remains]
        return first, found + wrong, end
    except Stuck as error:
        nothing = Seen(-1, True, {}, [], [], [])
        lost = Attempt(nothing, [], "", None, "", judge_bytes(b""), [])
        return lost, [f"STUCK: {error}"], "not made"
    finally:
        shutil.rmtree(root, ignore_errors=True)
