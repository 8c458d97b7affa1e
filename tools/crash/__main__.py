# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the points, runs them on all cores, and prints the counts. See the package's docstring."""

from __future__ import annotations

import argparse
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context
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
from tools.crash.spoils import SPOILS, Case
from tools.crash.tracer import ALL, Deed, Stuck, Target
from tools.crash.world import (
    COMMIT,
    FACES,
    JOBS,
    OTHERS,
    Attempt,
    Base,
    World,
    end_of,
    faults,
    run_point,
    unreplayable,
)
from tools.place.__main__ import key, reason_against
from tools.place.table import PLACES
from tools.place.world import How

CHECKOUT = Path(__file__).resolve().parent.parent.parent
GO = b"gpgshim/1 go"  #: how a grant begins
DIRECTORY = "WORLD/run/gpgshim/JOB/"  #: a job's own, as normal() has it
BIND = 49
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
    attempt: Attempt
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
    journal = watched.attempt.journal
    assert journal is not None
    length = synced = 0
    named = asked = granted = False
    found = []
    for at, call in enumerate(made, 1):
        sends = call.number in (WRITE, SENDTO) and not call.name.startswith("/")
        asked = asked or (sends and call.data.startswith(COMMIT.encode()))
        # If the authority is a command, starting it is the request.
        asked = asked or (call.number in BIRTHS and COMMIT.encode() in journal[:length])
        granted = granted or (sends and call.data.startswith(GO))
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
        if watched.job == JOBS[0]:
            yield target, 0, made
        elif target.role in ("supervisor", "stunt dgit", "newborn of starter"):
            yield target, phase(watched, target), made


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
        start = max(begin, *granted) if begin and granted else begin
        if watched.face != FACES[0]:
            doors = (at for at, call in enumerate(made) if call.number == BIND)
            start = max(start, next(doors, 0))
        count: Counter[tuple[int, str]] = Counter()
        turn: Counter[int] = Counter()
        for at, call in enumerate(made):
            name = normal(call.name, watched.root.rstrip("/"))
            count[call.number, name] += 1
            if at < max(start, watched.own[target]) or (begin and name.startswith(DIRECTORY)):
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
        if failed and call.data.startswith(GO):
            found.append(f"a grant after a failed fsync of {', '.join(failed)}")
        if call.number == FSYNC and call.result < 0 and not os.path.isdir(call.name):
            failed.add(call.name)
    return found


_BASE: list[Base] = []  #: a worker's


def work(point: Point) -> Ran:
    """Run one point, in a worker."""
    base = _BASE[0]
    root = Path(tempfile.mkdtemp(prefix="w", dir=base.root))
    first, wrong, second = run_point(base, root, point.face, point.job, point.target, point.deed)
    if point.deed.what in ("fail", "full", "short", "spell"):
        wrong = [*wrong, *resynced(first.seen.calls.get(point.target, []))]
    return Ran(point, first.seen.done, end_of(first), second, wrong)


def prepare(base: Base) -> None:
    """Make this process a worker, with a lower priority than other programs."""
    _BASE.append(base)
    os.nice(5)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they are for the one who counts


def run_points(base: Base, points: list[Point], workers: int) -> Iterator[Ran]:
    """Run all points; what came of them, as they come."""
    pool = ProcessPoolExecutor(workers, get_context("fork"), prepare, (base,))
    with pool:
        try:
            yield from pool.map(work, points, chunksize=2)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def beyond(base: Base, watched: Watched) -> Iterator[Ran]:
    """The calls after the last that was seen, until one survives: a run may make a few more."""
    _BASE[:] = [base]
    for target, made in watched.calls.items():
        at, done = sum(not is_private(call) for call in made), True
        while done:
            at += 1
            point = Point(watched.face, watched.job, target, Deed("kill", at), "beyond")
            ran = work(point)
            done = ran.done
            yield ran


def until_interrupted(found: Iterable[Ran]) -> Iterator[Ran]:
    """Yield all of `found`. An interrupt ends that, and the counts so far are printed."""
    try:
        yield from found
    except KeyboardInterrupt:
        print("INTERRUPTED: not all points were made")


def report(found: Iterable[Ran], calls: dict[tuple[str, str, Target], int]) -> tuple[int, int]:
    """Print a table of what came of all points; how many there were, and how many had faults."""
    kinds: dict[tuple[str, str, str], Counter[str]] = {}
    seconds: Counter[str] = Counter()
    deeds: Counter[str] = Counter()
    total = bad = 0
    for number, ran in enumerate(until_interrupted(found), 1):
        point = ran.point
        if number % 500 == 0:
            print(f"  {number} points so far, {bad} with faults", flush=True)
        total += ran.done
        seconds[ran.second] += 1
        deeds[point.deed.what] += ran.done
        row = kinds.setdefault((point.face, point.job, str(point.target)), Counter())
        row[ran.end if ran.done else "(survived)"] += 1
        if ran.faults:
            bad += 1
            deed = f"{point.deed.what} at {point.deed.at}"
            for each in ran.faults:
                where = f"{point.face}, {point.job}, {point.target}, {deed}, {point.shown}"
                print(f"FAULT {where}: {each}")
            sys.stdout.flush()
    for (face, job, name), row in kinds.items():
        number = next((n for (f, j, t), n in calls.items() if (f, j, str(t)) == (face, job, name)))
        print(f"{face:12} {job:6} {name:18} {number:5} calls  {sum(row.values()):5} points")
        for kind, count in row.most_common():
            print(f"{'':40} {count:5}  {kind}")
    print("second attempts:", ", ".join(f"{n} {what}" for what, n in seconds.most_common()))
    print("done:", ", ".join(f"{n} {what}" for what, n in deeds.most_common()))
    return total, bad


def spoilt(name: str, case: Case, root: Path, workers: int) -> bool:
    """Whether the harness sees a spoil. It stops at the first point that does."""
    base = Base(root, CHECKOUT, case.spoil)
    try:
        watched = watch(base, case.face, case.job, may_be_wrong=True)
        found = [each for each in watched.wrong if case.seen in each]
    except Stuck as error:
        found = [f"STUCK: {error}"]
    if found:
        print(f"seen  {name}: {case.face}, {case.job}, nothing was done to it: {found[0][:100]}")
        return case.seen in found[0]
    if case.how == "power":
        cuts = [each for each in power_cuts(watched)[1] if case.seen in each]
        print(f"{'seen ' if cuts else 'MISSED'} {name}: {cuts[:1]}")
        return bool(cuts)
    make = {"kill": kills, "fail": failures, "move": moves}[case.how]
    points = [p for p in make(watched, False) if p.target.role == case.role and case.at in p.shown]
    if case.how == "fail":
        points = [p for p in points if p.deed.number in (WRITE, FSYNC)]
    tried = 0
    # From the end: the interesting calls of a job come after the start of Python.
    for ran in run_points(base, points[::-1], workers):
        tried += 1
        if fault := next((each for each in ran.faults if case.seen in each), ""):
            point = ran.point
            where = f"{point.target}, {point.deed.what} at {point.deed.at}, {point.shown}"
            print(f"seen  {name}: {where}: {fault[:100]}")
            return True
    print(f"MISSED {name}: {tried} points")
    return False


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tools.crash", description=__doc__)
    parser.add_argument("--process", help="supervisor, watchdog, stunt gpg, stunt dgit, newborn")
    parser.add_argument("--face", choices=FACES, help="who starts a supervisor")
    parser.add_argument("--fail", action="store_true", help="calls fail, instead of processes")
    parser.add_argument("--move", action="store_true", help="the journal is moved, instead")
    parser.add_argument("--every", action="store_true", help="leave out nothing that is the same")
    parser.add_argument("--sample", type=int, metavar="N", help="N points of each kind, by --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--place", metavar="NAME", help="where: a place of tools/place/table.py")
    parser.add_argument("--spoil", metavar="NAME", help="spoil the code, and see whether it shows")
    options = parser.parse_args()
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.default_int_handler)
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    root = Path(tempfile.mkdtemp(prefix="crash.", dir=shared)).resolve()
    began = time.monotonic()
    try:
        if options.spoil:
            names = list(SPOILS) if options.spoil == "all" else [options.spoil]
            seen = []
            for number, name in enumerate(names):
                (root / str(number)).mkdir()
                seen.append(spoilt(name, SPOILS[name], root / str(number), options.workers))
            print(f"{sum(seen)} of {len(seen)} spoils seen in {time.monotonic() - began:.0f} s")
            return 0 if all(seen) else 1
        return crash(root, options)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def how_to_enter(name: str | None) -> How | None:
    """How a place of tools/place is entered. Raises LookupError where it takes more than words."""
    if name is None:
        return None
    for place in PLACES:
        if name in (place.name, key(place)):
            if place.around or place.during or place.how.inside:
                raise LookupError(f"{name}: it takes more than words to enter")
            need, why = reason_against(place)
            if why:
                raise LookupError(f"{name}: needs {need}: {why}")
            return place.how
    raise LookupError(f"{name}: no such place; tools/place/table.py has them")


def crash(root: Path, options: argparse.Namespace) -> int:
    """Run the tests that the options select, and print the result."""
    began = time.monotonic()
    base = Base(root, CHECKOUT, place=how_to_enter(options.place))
    points: list[Point] = []
    calls: dict[tuple[str, str, Target], int] = {}
    bad = cuts = 0
    watches = []
    for face in FACES if options.face is None else [options.face]:
        for job in JOBS:
            watched = watch(base, face, job)
            watches.append(watched)
            calls |= {(face, job, target): len(made) for target, made in watched.calls.items()}
            if CAN_TAMPER and not (options.fail or options.move):
                count, found = power_cuts(watched)
                cuts += count
                bad += len(found)
                print("".join(f"FAULT {each}\n" for each in found), end="")
            if options.move:
                points += moves(watched, options.every)
            elif options.fail:
                points += failures(watched, options.every)
            else:
                points += kills(watched, options.every)
    if options.process:
        points = [p for p in points if p.target.role == options.process]
    if options.sample:
        points = random.Random(options.seed).sample(points, min(options.sample, len(points)))
        print(f"a sample, by seed {options.seed}")
    results = run_points(base, points, options.workers)
    if not options.fail and not options.move and not options.sample and not options.process:
        rest = (beyond(base, watched) for watched in watches if watched.job == "signs")
        results = chain(results, chain.from_iterable(rest))
    print(f"{len(points)} points", flush=True)
    total, wrong = report(results, calls)
    bad += wrong
    print(f"{total} points, {cuts} power cuts, {bad} faults, {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
