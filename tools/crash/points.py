# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The points of an undisturbed job at which something can be done to it.

A point is a process, one of its calls, and what happens at this call: a kill, half a write, an
error, a move of the journal. power_cuts() needs no further run: it examines what was synced.
"""

from __future__ import annotations

import os
import select
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gpgshim.core.gate import Outcome
from gpgshim.core.verdict import judge_bytes
from tools.crash.calls import (
    CAN_TAMPER,
    FAILS,
    FSYNC,
    FTRUNCATE,
    NEVER_FAIL,
    READ,
    RECVFROM,
    SENDTO,
    WRITE,
    Call,
    errors_of,
    is_private,
    name_of,
    normal,
)
from tools.crash.checks import faults, unreplayable
from tools.crash.locked import LOCKED, PKSIGN, ROLES
from tools.crash.standins import COMMIT
from tools.crash.tracer import ALL, Deed, Target
from tools.crash.world import JOBS, OTHERS, RUNS, Attempt, Base, World

GO = b"gpgshim/1 go"  #: how a grant begins
DIRECTORY = "WORLD/run/gpgshim/JOB/"  #: a job's own, as normal() has it
#: How the names of calls begin that have to do with the lock; all others fail without a lock too.
OF_LOCK = ("socket", "pipe", "WORLD/agents/", "WORLD/state/", f"{DIRECTORY}gnupg",
           f"{DIRECTORY}sockets", f"{DIRECTORY}at-agent")  # fmt: skip
BIND, FLOCK, ACCEPT = 49, 73, 288
BIRTHS = (56, 57, 58, 435)  #: clone, fork, vfork, clone3


class Point(NamedTuple):
    """One thing that is done to one job."""

    face: str
    job: str
    target: Target
    deed: Deed
    shown: str


class Ran(NamedTuple):
    """What came of a point."""

    point: Point
    done: bool
    end: str
    second: str
    faults: list[str]


class Watched(NamedTuple):
    """A job to which nothing was done."""

    face: str
    job: str
    attempt: Attempt | None  # None if there were two
    calls: dict[Target, list[Call]]
    root: str  # where it ran
    own: dict[Target, int]  # the index of each one's first call that has to do with this job
    places: tuple[str, ...]  # paths that are read, without modules and the directories above
    wrong: list[str]


def watch(base: Base, face: str, job: str, may_be_wrong: bool = False) -> Watched:
    """Run a job to its end, and record our calls. AssertionError if there are faults."""
    root = Path(tempfile.mkdtemp(dir=base.root))
    world = World(base, root, face, job)
    attempt = world.attempt(1, None, Deed())
    wrong = [*faults(attempt, face, ""), *unreplayable(attempt.journal)]
    if not may_be_wrong:
        assert not wrong, f"{face}, {job}, and nothing was done to it: {wrong}: {attempt.said}"
    calls = attempt.seen.calls
    own = {}
    for target, made in calls.items():
        # The watchdog's first is that it looks for the real program.
        theirs = (f"{root}/run/", f"{root}/state/", f"{base.tools}/")
        own[target] = next((n for n, call in enumerate(made) if call.name.startswith(theirs)), 0)
    shutil.rmtree(root)
    places = (f"{root}/", f"{base.tools}/", "/proc/", "/dev/null", "/dev/tty")
    return Watched(face, job, attempt, calls, f"{root}/", own, places, wrong)


def supervising(watched: Watched) -> list[Call]:
    """The calls of the processes that write the journal: of one, or of a daemon and its starter."""
    roles = ("starter", "newborn of starter", "supervisor")
    return [
        call
        for target, made in watched.calls.items()
        if target.role in roles and any("/state/gpgshim" in call.name for call in made)
        for call in made
    ]


def power_cuts(watched: Watched) -> tuple[int, list[str]]:
    """What would the disk hold, had the power failed at each of the supervisor's calls?

    Only what was synced counts, of the file and of its name. The number of points, and faults.
    """
    made = supervising(watched)
    journal = watched.attempt.journal if watched.attempt else None
    assert journal is not None
    length = synced = forwarded = 0
    named = asked = granted = False
    found = []
    for at, call in enumerate(made, 1):
        sends = call.number in (WRITE, SENDTO) and not call.name.startswith("/")
        asked = asked or (sends and call.data.startswith(COMMIT.encode()))
        # If the authority is a command, starting it is the request.
        asked = asked or (call.number in BIRTHS and COMMIT.encode() in journal[:length])
        granted = granted or (sends and call.data.startswith(GO))
        forwarded += sends and call.data.startswith(PKSIGN)
        if "/state/gpgshim" in call.name and call.result >= 0:
            if call.number == WRITE:
                length += call.result
            elif call.number == FTRUNCATE:
                length = call.arguments[1]
            elif call.number == FSYNC and call.name.endswith("/state/gpgshim"):
                named = named or length > 0
            elif call.number == FSYNC:
                synced = length
        verdict = judge_bytes(journal[:synced] if named else b"")
        lines = journal[:synced].split(b"\n")[:-1] if named else []
        states = [line.rpartition(b"! ")[2] for line in lines if b"! " in line]
        shown = f"power cut at the supervisor's call {at}, {name_of(call.number)}"
        if asked and b"unknown" not in states:
            found.append(f"{shown}: asked, and `! unknown` would not be on disk")
        if granted and b"committed" not in states:
            found.append(f"{shown}: granted, and `! committed` would not be on disk")
        if forwarded and b"committed" not in states:
            found.append(f"{shown}: forwarded, and `! committed` would not be on disk")
        if forwarded > sum(b" % forwarded " in line for line in lines):
            found.append(f"{shown}: forwarded, and `% forwarded` would not be on disk")
        if (asked or granted) and verdict.outcome is Outcome.RETRIABLE:
            found.append(f"{shown}: asked, and the disk would say retriable")
    assert length == len(journal), "not all writes to the journal were seen"
    return len(made), found


def phase(watched: Watched, target: Target) -> int:
    """Where the part begins that depends on what the job does: after its last birth."""
    made = watched.calls[target]
    return max((at for at, call in enumerate(made) if call.number in BIRTHS), default=0)


def can_be_half(call: Call) -> bool:
    """Whether it writes, and might write less: a pipe takes PIPE_BUF bytes whole, or not at all."""
    whole = call.name.startswith("pipe:") and call.result <= select.PIPE_BUF
    return CAN_TAMPER and call.number in (WRITE, SENDTO) and call.result > 1 and not whole


def parts(watched: Watched) -> Iterator[tuple[Target, int, list[Call]]]:
    """The processes of a job, each with all its calls, and the index of the first to be looked at.

    Points that are the same in several jobs are tried in one of them.
    """
    for target, made in watched.calls.items():
        if watched.face in LOCKED:
            if target.role in ROLES:
                yield target, of_lock(watched.face, target, made), made
        elif watched.job == JOBS[0]:
            yield target, 0, made
        elif target.role in ("supervisor", "stunt dgit", "newborn of starter"):
            yield target, phase(watched, target), made


def of_lock(face: str, target: Target, made: list[Call]) -> int:
    """Where the part of the supervisor begins that has to do with its lock.

    It holds its directory, and then makes the lock, which is the same for both faces. With
    --commit-at agent the first client is one of the lock.
    """
    if target.role != "supervisor":
        return 0
    if face == LOCKED[1]:
        return next(at for at, call in enumerate(made) if call.number == ACCEPT)
    binds = next(at for at, call in enumerate(made) if call.number == BIND)
    return max(at for at, call in enumerate(made[:binds]) if call.number == FLOCK)


def kills(watched: Watched, every: bool) -> Iterator[Point]:
    """Rule 1 and rule 2: a kill at each call, and one in the middle of each write.

    A call is known as in failures().
    """
    for target, start, made in parts(watched):
        count: Counter[tuple[int, str]] = Counter()
        for at, call in enumerate(made):
            name = normal(call.name, watched.root.rstrip("/"))
            count[call.number, name] += 1
            if at < start or (is_private(call) and not every):
                continue
            deed = Deed("kill", count[call.number, name], call.number, 0, name)
            if every:
                deed = Deed("kill", at + 1, ALL)
            shown = f"{name_of(call.number)} {name} {call.data[:30]!r}"
            yield Point(watched.face, watched.job, target, deed, shown)
            if can_be_half(call):
                deed = deed._replace(what="tear")
                yield Point(watched.face, watched.job, target, deed, f"half of {shown}")


def moves(watched: Watched, every: bool) -> Iterator[Point]:
    """The journal is moved away at each call of the supervisor."""
    for point in kills(watched, every):
        if point.target.role in ("supervisor", "newborn of starter") and point.deed.what == "kill":
            yield point._replace(deed=point.deed._replace(what="move"))


def one_of_each_class(errors: Sequence[int], turn: int) -> list[int]:
    """One of those of which CPython makes the same exception, another one each turn."""
    classes: dict[type[OSError], list[int]] = {}
    for each in errors:
        classes.setdefault(type(OSError(each, "")), []).append(each)
    return [members[turn % len(members)] for members in classes.values()]


def failures(watched: Watched, every: bool) -> Iterator[Point]:
    """Each call that concerns the job fails once: with each of its errors, or one in turn.

    A call is identified by its number, its file, and the number of such calls before it; so it
    is the same call in every run, also if a run makes other calls in between.

    If Python cannot load a module, the kind of the error does not matter. So each call that loads
    one fails with one error only, and so do calls for the directories above ours. The calls before
    the socket is bound are the same for each way to start a supervisor, and fail once.
    The jobs do the same until dgit fails, and while the job's directory is removed.
    """
    for target, begin, made in parts(watched):
        if target.role in OTHERS.values():
            continue
        granted = [at for at, call in enumerate(made) if call.data.startswith(GO)]
        is_repeated = begin and watched.face not in LOCKED
        start = max(begin, *granted) if is_repeated and granted else begin
        if watched.face not in RUNS:
            doors = (at for at, call in enumerate(made) if call.number == BIND)
            start = max(start, next(doors, 0))
        count: Counter[tuple[int, str]] = Counter()
        turn: Counter[int] = Counter()
        for at, call in enumerate(made):
            name = normal(call.name, watched.root.rstrip("/"))
            count[call.number, name] += 1
            if at < max(start, watched.own[target]) or (is_repeated and name.startswith(DIRECTORY)):
                continue
            if watched.face in LOCKED and name and not name.startswith(OF_LOCK) and not every:
                continue
            assert call.number in FAILS or call.number in NEVER_FAIL, f"call {call.number}: add it"
            errors = errors_of(call, watched.root)
            turn[call.number] += 1
            chosen = errors if every else one_of_each_class(errors, turn[call.number])
            loads = call.name.startswith("/") and not call.name.startswith(watched.places)
            if loads and not every:
                if count[call.number, name] > 1:
                    continue
                chosen = chosen[:1]
            which = Deed("fail", count[call.number, name], call.number, 0, name)
            deeds = [which._replace(error=each) for each in chosen]
            inside = call.name.startswith("/")
            if can_be_half(call):
                deeds.append(which._replace(what="short"))
                if inside and call.number == WRITE:
                    deeds += [which._replace(what="full"), which._replace(what="spell")]
            if call.number in (READ, RECVFROM) and call.result > 1 and not inside:
                deeds.append(which._replace(what="short"))
            for deed in deeds:
                error = f" = {os.strerror(deed.error)}" if deed.error else f" {deed.what}"
                shown = f"{name_of(call.number)}{error} {name} {call.data[:30]!r}"
                yield Point(watched.face, watched.job, target, deed, shown)


def resynced(calls: Iterable[Call]) -> list[str]:
    """After a failed fsync of a file: a second one, anything more written to it, or a grant?"""
    failed: set[str] = set()
    found = []
    for call in calls:
        if call.name in failed and call.result >= 0 and call.number in (FSYNC, WRITE):
            found.append(
                f"{name_of(call.number)} of {call.name} after a failed fsync: {call.data!r}"
            )
        if failed and call.data.startswith((GO, PKSIGN)):
            found.append(f"a grant after a failed fsync of {', '.join(failed)}")
        if call.number == FSYNC and call.result < 0 and not os.path.isdir(call.name):
            failed.add(call.name)
    return found
