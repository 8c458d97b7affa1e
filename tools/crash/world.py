# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole job in a scratch world: our sockets, pipes, files and processes are real, and other
programs are stand-ins.

A stand-in records what it sees at once: the gpg copies the journal when it makes a signature, the
manager when it receives a line.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from gpgshim.core.verdict import Verdict, judge_bytes
from gpgshim.system.places import is_stunt
from gpgshim.tag2upload.repos_server import ARGUMENTS, MODE
from tools.crash import locked
from tools.crash.locked import AS_A_USER, LOCKED, Agent, Made
from tools.crash.spoil import At, Spoil
from tools.crash.standins import (
    AUTHORITY,
    COMMIT,
    DGIT,
    GPG,
    LATER,
    OPERATOR,
    REPOS_SERVER,
    RIVAL,
    SCRIPT,
)
from tools.crash.tracer import Deed, Seen, Target, Tracer
from tools.place.world import How, as_user, compile_all, copy_package, give, usable_python

JOBS = ("signs", "early", "late")
FACES = ("run", "repos-server", "supervise", *LOCKED)
RUNS = ("run", *LOCKED)  #: the faces of `gpgshim run`
#: The stand-ins that are killed too, and their roles. Their calls are not made to fail.
OTHERS = {
    "gpg": "real gpg",
    "client": "real gpg",  # with a lock
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
        outside = place.outside.replace("'", " ").split() if place else ()
        for name in {"cat", "mv", "mkdir", "sha1sum", *outside}:
            if "/" not in name and (found := shutil.which(name)):
                (self.tools / name).symlink_to(found)
        gpg = shutil.which("gpg") or "/usr/bin/gpg"
        for name, text in (
            ("gpg", GPG.format(gpg=gpg)),
            ("dgit", DGIT),
            ("gpgconf", locked.GPGCONF),
            ("client", locked.CLIENT),
            ("script", SCRIPT),
            ("rival", RIVAL),
            ("later", LATER),
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
        elif face in RUNS:
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
    made: list[Made]  # by the agent, with a lock
    own: str  # the agents of its own that the job started
    holes: list[str]  # where it could have started one, after its end


def first_role(face: str) -> str:
    """The role of the caller's own child; "" if it is no process of ours."""
    return {"repos-server": "watchdog", "supervise": ""}.get(face, "supervisor")


def jobs_of(face: str) -> tuple[str, ...]:
    """The jobs of a face. The end of a job does not depend on the lock."""
    return JOBS[:1] if face in LOCKED else JOBS


class World:
    """A job's own world, under `base`; it goes when the job has been looked at."""

    def __init__(self, base: Base, root: Path, face: str, job: str) -> None:
        self.base = base
        self.root = root
        self.face = face
        self.job = job
        for name in ("run", "state", "home/.gnupg", "signed", "heard", "moved", "agents"):
            (root / name).mkdir(mode=0o700, parents=True)
        os.mkfifo(root / "launch")
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
            # With a lock, the second signature is made past PATH.
            "CLIENT": str(base.tools / "client") if face in LOCKED else "",
            "PAST": f"{base.tools}/" if face in LOCKED else "",
        }

    def words(self) -> list[str]:
        """The program, as its user or oracled starts it, in the place."""
        place = self.base.place
        if place is None:
            return [*(AS_A_USER if self.is_wrapped else ()), *self.program()]
        outside = place.outside.replace("{root}", str(self.root))
        outside = outside.replace("{shared}", str(self.base.root))
        enter = ["/bin/sh", "-c", f'exec {outside} "$@"', "sh"]
        return [*as_user(self.base.user), *enter, *self.program()]

    @property
    def is_wrapped(self) -> bool:
        """Whether another program starts ours."""
        return self.base.place is not None or (self.face in LOCKED and os.geteuid() == 0)

    def program(self) -> list[str]:
        """The program alone."""
        if self.face == "supervise":
            return [str(self.base.tools / "operator")]
        if self.face in RUNS:
            # A second attempt is that of a person who has looked: a first one that stands is known.
            words = [self.base.python, "-m", "gpgshim", "run", "--job", "j", "--again"]
            words += ["--commit", f"o2m:{self.root}/manager"]
            words += ["--lock-agent"] if self.face in LOCKED else []
            words += ["--commit-at", "agent"] if self.face == "at-agent" else []
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
        first = "" if self.is_wrapped else first_role(self.face)
        tracer = Tracer(first, FORKS, self.role_of, target, deed)
        errors = self.root / f"stderr.{number}"
        manager = Manager(self, number, self.face)
        agent = Agent(self.root, self.newest)
        with errors.open("wb") as stderr:
            tracer.start(self.words(), environ, self.root, (*manager.fds, stderr.fileno()))
            manager.start()
            agent.start()
            try:
                seen = tracer.follow()
            finally:
                agent.end()
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
            [
                *(path.read_bytes() for path in sorted((self.root / "signed").glob(f"{number}.*"))),
                *(each.journal for each in agent.made),
            ],
            agent.made,
            own.read_text() if (own := self.root / "own").exists() else "",
            locked.holes(self.root / "run", self.root / "agents"),
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
        sockets = locked.left(self.root / "run", self.root / "agents")
        return [*(path.name for path in whole if path.stat().st_mtime < today), *sockets]
