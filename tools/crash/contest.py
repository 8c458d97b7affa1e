# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two programs that want the same job: a start or a resolution, and a rival attempt.

Rule 1: the program is stopped at one of its calls. The rival is started then, and goes as far as
it can: to its end, or until it waits for the claim. Only then the deed is done: the program is
killed, its call fails, or it goes on.
Rule 2: the journals say what is expected: whether an attempt may start (claim.newest_that_stands).
The checks are that only such an attempt started, and that it did start.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from gpgshim.core.memory import STARTS, Option, Start, recall
from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.core.verdict import judge
from gpgshim.history import claim
from gpgshim.history.journal import is_under_way
from gpgshim.system.errors import NotStarted
from tools.crash.checks import remains_of, tracebacks
from tools.crash.tracer import Deed, Seen, Stuck, Target, Tracer
from tools.crash.world import FORKS, Base, World

_IN_OPEN = 0x20
_libc = ctypes.CDLL(None, use_errno=True)
PATIENCE = 60.0  #: seconds until a rival that does not end is a fault


class Contest(StrEnum):
    """What the program does, and what is there before it. The values are also faces of points."""

    BOTH = "start, and a rival starts"  # nothing is there
    BESIDE = "start, and a rival runs"
    AFTER = "start, and an attempt stands"
    RESOLVE = "resolve, and a rival starts"  # an attempt stands


#: The contests in which the rival starts when the program is stopped.
AT_THE_CALL = (Contest.BOTH, Contest.RESOLVE)
RESOLVER, STARTER = "resolver", "supervisor"

#: A job that failed after its signature; the first attempt of AFTER and RESOLVE.
STANDS = b"""\
format: 2
job: j
attempt: 1
gpg: /usr/bin/gpg 2.4.7
authority: authority
command: script
started: 2026-11-26T00:00:00Z
gpgshim: 0.1.0
earlier: none

! uncommitted
+0.100 $ gpg --detach-sign a
+0.101 ! unknown
+0.102 > commit-to-public-upload
+0.103 < go-ahead
+0.104 ! committed
+0.105 = go
+0.200 % exit 255
+0.201 irrecoverable
"""


class End(NamedTuple):
    """What a contest left. `status` is None for a program that was killed."""

    status: int | None
    said: str
    rival: int | None  # its exit status; None if it was not started
    rival_said: str
    seen: Seen


class _Rival:
    """A rival attempt, which is no child of ours: the tracer waits for all of our children."""

    def __init__(self, world: ContestWorld) -> None:
        self._status = world.root / "rival.status"
        self._opened = _watch_opens(world.state / ".claims")
        script = '"$@" </dev/null >/dev/null 2>"$0.err"; echo $? >"$0.new"; mv "$0.new" "$0"'
        words = ["/bin/sh", "-c", script, str(self._status), *world.run_words("rival")]
        environ = world.environ | {"ATTEMPT": "2", "JOB": "signs"}
        reader, writer = os.pipe()
        middle = os.fork()
        if not middle:
            with contextlib.suppress(BaseException):
                os.setsid()
                os.chdir(world.root)
                os.write(writer, str(os.posix_spawn(words[0], words, environ)).encode())
            os._exit(0)
        os.waitpid(middle, 0)
        os.close(writer)
        with open(reader, "rb") as pipe:
            self._pid = int(pipe.read())
        self._pidfd = os.pidfd_open(self._pid)

    def is_over(self, seconds: float, *fds: int) -> bool:
        """Whether it has ended, after at most so many seconds, or when one of `fds` is ready."""
        return self._pidfd in select.select([self._pidfd, *fds], [], [], seconds)[0]

    def go_as_far_as_it_can(self, claim_is_held: bool) -> None:
        """Wait until it has ended, or has tried to get a claim that is held."""
        self.is_over(PATIENCE, *([self._opened] if claim_is_held else []))

    def end(self) -> tuple[int, str]:
        """Its exit status and its messages. Raises Stuck."""
        is_over = self.is_over(PATIENCE)
        os.close(self._pidfd)
        os.close(self._opened)
        if not is_over:
            os.kill(self._pid, signal.SIGKILL)
            raise Stuck("the rival does not end")
        said = Path(f"{self._status}.err").read_text("utf-8", "replace")
        return int(self._status.read_text()), said


def _watch_opens(path: Path) -> int:
    """A descriptor that is readable as soon as a process opens `path`: inotify(7)."""
    path.touch(mode=0o600)
    fd: int = _libc.inotify_init1(os.O_CLOEXEC)
    if fd < 0 or _libc.inotify_add_watch(fd, os.fsencode(path), _IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    return fd


class ContestWorld(World):
    """The world of one contest."""

    def __init__(self, base: Base, root: Path, contest: Contest) -> None:
        super().__init__(base, root, "run", "signs")
        self.contest = contest
        self.state = root / "state" / "gpgshim"
        self.at_the_call: list[str] = []  # what was wrong when the program was stopped
        self.stood: bool | None = None  # whether an attempt stood when the rival had ended
        self._rival: _Rival | None = None
        self.state.mkdir(mode=0o700)
        if contest in (Contest.AFTER, Contest.RESOLVE):
            (self.state / "j.1").write_bytes(STANDS)
            (self.state / "j.1").chmod(0o600)
        os.mkfifo(root / "go")

    def run_words(self, job: str, *options: str) -> list[str]:
        """An attempt of the job j, by the command `job`."""
        words = [self.base.python, "-m", "gpgshim", "run", "--job", "j", *options]
        return [*words, "--commit", "authority", "--", job]

    def program(self) -> list[str]:
        """The program that the deed is done to."""
        if self.contest is Contest.RESOLVE:
            words = [self.base.python, "-m", "gpgshim", "resolve", "j", "--as", "retriable"]
            return [*words, "--note", "the archive does not have it"]
        return self.run_words("script")

    def role_of(self, words: list[str]) -> str:
        """Only the program itself is of interest."""
        return ""

    def contest_with(self, target: Target | None, deed: Deed, in_claim: bool = False) -> End:
        """Run the program and the rival, with `deed` done to the program; what they left.

        `in_claim` says whether the program must hold the claim at that call. Raises Stuck.
        """
        role = RESOLVER if self.contest is Contest.RESOLVE else STARTER
        if self.contest is Contest.BESIDE:
            self._rival = self._running_rival()

        def met() -> None:
            is_held = not self.claim_is_free()
            if in_claim and not is_held:
                self.at_the_call.append("the claim is free while the program relies on it")
            for path in self.journals()[self._given() :]:
                # The program lives, and so does a rival that runs.
                if _owner(path) == "script" and not is_under_way(path):
                    self.at_the_call.append(f"{path.name} has a name, and no lock")
            if self.contest in AT_THE_CALL:
                self._rival = _Rival(self)
                self._rival.go_as_far_as_it_can(is_held)
                if not is_held:
                    theirs = [path for path in self.journals() if _owner(path) != "rival"]
                    self.stood = any(recall(path.read_bytes(), False).stands for path in theirs)

        tracer = Tracer(role, FORKS, self.role_of, target, deed, met)
        environ = self.environ | {"ATTEMPT": "1", "JOB": "signs"}
        errors = self.root / "stderr"
        with errors.open("wb") as stderr, open(os.devnull, "r+b") as null:
            fds = (null.fileno(), null.fileno(), stderr.fileno())
            tracer.start(self.words(), environ, self.root, fds)
            seen = tracer.follow()
        rival, rival_said = None, ""
        if self._rival is not None:
            if self.contest is Contest.BESIDE:
                self.let_go()
            rival, rival_said = self._rival.end()
        said = errors.read_text("utf-8", "replace")
        return End(seen.status if seen.status >= 0 else None, said, rival, rival_said, seen)

    def _given(self) -> int:
        """How many journals there were before the contest."""
        return int(self.contest in (Contest.AFTER, Contest.RESOLVE))

    def _running_rival(self) -> _Rival:
        (self.root / "waits").touch()
        rival = _Rival(self)
        while not (self.root / "runs").exists():
            if rival.is_over(0.01):
                raise Stuck("the rival did not start")
        return rival

    def let_go(self) -> None:
        """Let the job of the rival go on."""
        with open(self.root / "go", "wb") as fifo:
            fifo.write(b"go\n")

    def claim_is_free(self) -> bool:
        """Whether no process holds the claim to the job's name."""
        try:
            with claim.hold(self.state, "j", patience=0):
                return True
        except NotStarted:
            return False

    def run_alone(self, number: int, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a program of ours undisturbed."""
        environ = self.environ | {"ATTEMPT": str(number), "JOB": "signs"}
        return subprocess.run(
            words,
            cwd=self.root,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def signed(self, number: int) -> int:
        """How many signatures the jobs with ATTEMPT `number` made."""
        return len(list((self.root / "signed").glob(f"{number}.*")))


def _owner(path: Path) -> str:
    """The job of an attempt: script, rival or later; "" if its journal has no such line."""
    found = re.search(rb"^command: (\w+)$", path.read_bytes(), re.MULTILINE)
    return found[1].decode() if found else ""


def faults(world: ContestWorld, end: End, deed: Deed) -> list[str]:
    """What is wrong with the program and its rival."""
    found = list(world.at_the_call)

    def wrong(true: object, what: str) -> None:
        if true:
            found.append(what)

    given = world._given()
    journals = {_owner(path): path for path in world.journals()[given:]}
    for path in world.journals():
        try:
            judge(parse(path.read_bytes()))
        except TranscriptError as error:
            wrong(deed.what != "tear", f"{path.name} does not read: {error}")
    numbers = [int(path.suffix[1:]) for path in world.journals()]
    wrong(numbers != list(range(1, len(numbers) + 1)), f"the numbers {numbers}")
    ours, theirs = journals.get("script"), journals.get("rival")
    wrong(world.signed(1) and world.signed(2), "both SIGNED")
    wrong(world.signed(1) and not ours, "SIGNED without a journal")
    wrong(world.signed(2) and not theirs, "the rival SIGNED without a journal")
    quiet = deed.what in ("", "meet")
    if world.contest in (Contest.BESIDE, Contest.AFTER):
        wrong(ours, "it STARTED, and an attempt stands")
        wrong(end.status in (0, 75), f"{end.status}, and nothing was started")
        wrong(quiet and end.status != 77, f"{end.status}, not 77: {end.said}")
    if world.contest is Contest.BESIDE:
        wrong(end.rival != 0 or world.signed(2) != 2, f"the rival: {end.rival}: {end.rival_said}")
    if world.contest is Contest.BOTH:
        wrong(quiet and not ours and not theirs, f"none started: {end.said}{end.rival_said}")
        wrong(quiet and ours and theirs and world.signed(1) == world.signed(2), "two started")
        wrong(end.status == 0 and world.signed(1) != 2, f"0, and {world.signed(1)} signatures")
    first = world.state / "j.1"
    if given:
        wrong(not first.read_bytes().startswith(STANDS), "earlier lines were changed")
    if world.contest is Contest.RESOLVE:
        added = first.read_bytes()[len(STANDS) :]
        whole = re.fullmatch(rb"% resolved retriable .*\n", added)
        wrong(added and not whole and deed.what != "tear", f"half a line remains: {added!r}")
        wrong(end.status == 0 and not whole, "exit 0, and it is not resolved")
        wrong(quiet and end.status != 0, f"{end.status}: {end.said}")
    found += _faults_of_rival(world, end, ours, theirs)
    wrong(not world.claim_is_free(), "the claim is not free")
    wrong(end.status is not None and end.seen.alive, f"left running: {end.seen.alive}")
    return found + tracebacks(end.said) + tracebacks(end.rival_said)


def _faults_of_rival(
    world: ContestWorld, end: End, ours: Path | None, theirs: Path | None
) -> Iterator[str]:
    """Whether the rival started exactly if it might."""
    if end.rival is None or world.contest is Contest.BESIDE:
        return
    before = [path for path in world.journals() if path != theirs]
    if theirs is not None:
        # An attempt that came later had seen this one.
        before = [path for path in before if int(path.suffix[1:]) < int(theirs.suffix[1:])]
        if end.rival != 0 or world.signed(2) != 2:
            yield f"the rival: {end.rival}: {end.rival_said}"
    elif end.rival != NotStarted.status:
        yield f"the rival was not started: {end.rival}: {end.rival_said}"
    elif ours is not None and "is under way" in end.rival_said:
        return  # and so it was then
    stands = [each for each in before if recall(each.read_bytes(), under_way=False).stands]
    if theirs is not None and stands:
        yield f"the rival STARTED, and {stands[0].name} stands"
    if theirs is None and not (stands if world.stood is None else world.stood):
        yield f"nothing stands, and the rival did not start: {end.rival_said}"


#: Remains upon which later programs were tried, and what was wrong; of this process.
_TRIED: dict[str, list[str]] = {}


def faults_later(world: ContestWorld) -> list[str]:
    """Whether a later attempt starts exactly if it may, and an attempt that stands is resolved."""
    remains = f"{world.contest}\n{remains_of(world.root)}"
    if remains in _TRIED:
        return _TRIED[remains]
    found = []
    earlier = claim.newest_that_stands(world.state, "j")
    starts = earlier is None or STARTS[earlier.recalled.standing, Option.NONE] is Start.STARTS
    done = world.run_alone(3, world.run_words("later"))
    expected = 0 if starts else NotStarted.status
    if done.returncode != expected:
        found.append(f"a later attempt: {done.returncode}, not {expected}: {done.stderr}")
    if (world.signed(3) == 2) is not starts:
        found.append(f"a later attempt: {world.signed(3)} signatures")
    if not starts:
        words = [world.base.python, "-m", "gpgshim", "resolve", "j", "--as", "retriable"]
        resolved = world.run_alone(4, [*words, "--note", "it can be repeated"])
        again = world.run_alone(5, world.run_words("later"))
        if (resolved.returncode, again.returncode, world.signed(5)) != (0, 0, 2):
            found.append(
                f"resolved later: {resolved.returncode}: {resolved.stderr};"
                f" then {again.returncode}: {again.stderr}"
            )
    _TRIED[remains] = found
    return found
