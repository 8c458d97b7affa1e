# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the points, runs them on all cores, and prints the counts. See the package's docstring."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from tools.crash import contestpoints
from tools.crash.calls import (
    CAN_TAMPER,
    FSYNC,
    WRITE,
    is_private,
)
from tools.crash.checks import end_of, run_point
from tools.crash.contest import Contest
from tools.crash.contestpoints import Met, run_met
from tools.crash.points import (
    Point,
    Ran,
    Watched,
    failures,
    kills,
    moves,
    power_cuts,
    resynced,
    watch,
)
from tools.crash.spoils import SPOILS, Case
from tools.crash.tracer import Deed, Stuck, Target
from tools.crash.world import FACES, Base, jobs_of
from tools.place.__main__ import key, reason_against
from tools.place.table import PLACES
from tools.place.world import How

CHECKOUT = Path(__file__).resolve().parent.parent.parent

_BASE: list[Base] = []  #: a worker's
Each = TypeVar("Each", Point, Met)


def work(point: Point) -> Ran:
    """Run one point, in a worker."""
    base = _BASE[0]
    root = Path(tempfile.mkdtemp(prefix="w", dir=base.root))
    first, wrong, second = run_point(base, root, point.face, point.job, point.target, point.deed)
    if point.deed.what in ("fail", "full", "short", "spell"):
        wrong = [*wrong, *resynced(first.seen.calls.get(point.target, []))]
    return Ran(point, first.seen.done, end_of(first), second, wrong)


def work_contest(met: Met) -> Ran:
    """The same, with a rival."""
    return run_met(_BASE[0], met)


def prepare(base: Base) -> None:
    """Make this process a worker, with a lower priority than other programs."""
    _BASE.append(base)
    os.nice(5)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they are for the one who counts


def run_points(
    base: Base, points: list[Each], workers: int, run: Callable[[Each], Ran]
) -> Iterator[Ran]:
    """Run all points; what came of them, as they come."""
    pool = ProcessPoolExecutor(workers, get_context("fork"), prepare, (base,))
    with pool:
        try:
            yield from pool.map(run, points, chunksize=2)
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
    for ran in run_points(base, points[::-1], workers, work):
        tried += 1
        if fault := next((each for each in ran.faults if case.seen in each), ""):
            point = ran.point
            where = f"{point.target}, {point.deed.what} at {point.deed.at}, {point.shown}"
            print(f"seen  {name}: {where}: {fault[:100]}")
            return True
    print(f"MISSED {name}: {tried} points")
    return False


def spoilt_contest(name: str, root: Path, workers: int) -> bool:
    """The same for a spoil of contestpoints.py."""
    case = contestpoints.SPOILS[name]
    base = Base(root, CHECKOUT, case.spoil)
    watched = contestpoints.watch(base, case.contest)
    found = [(each, "nothing was done to it") for each in watched.wrong if case.seen in each]
    if case.how == "power":
        cuts = contestpoints.power_cuts(watched)[1]
        found += [(each, "power cuts") for each in cuts if case.seen in each]
    elif not found:
        points = contestpoints.points_for(case, watched)
        for ran in run_points(base, points, workers, work_contest):
            where = f"{ran.point.deed.what} at {ran.point.shown}"
            found += [(each, where) for each in ran.faults if case.seen in each]
            if found:
                break
    for fault, where in found[:1]:
        print(f"seen  {name}: {case.contest}, {where}: {fault[:100]}")
    if not found:
        print(f"MISSED {name}")
    return bool(found)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tools.crash", description=__doc__)
    parser.add_argument("--process", help="supervisor, watchdog, stunt gpg, stunt dgit, newborn")
    parser.add_argument("--face", choices=FACES, help="who starts a supervisor")
    parser.add_argument("--fail", action="store_true", help="calls fail, instead of processes")
    parser.add_argument("--move", action="store_true", help="the journal is moved, instead")
    parser.add_argument("--contest", action="store_true", help="a rival wants the same job")
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
            names = [*SPOILS, *contestpoints.SPOILS]
            seen = []
            for number, name in enumerate(names if options.spoil == "all" else [options.spoil]):
                (root / str(number)).mkdir()
                if name in SPOILS:
                    seen.append(spoilt(name, SPOILS[name], root / str(number), options.workers))
                else:
                    seen.append(spoilt_contest(name, root / str(number), options.workers))
            print(f"{sum(seen)} of {len(seen)} spoils seen in {time.monotonic() - began:.0f} s")
            return 0 if all(seen) else 1
        return contests(root, options) if options.contest else crash(root, options)
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
        for job in jobs_of(face):
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
    results = run_points(base, points, options.workers, work)
    if not options.fail and not options.move and not options.sample and not options.process:
        rest = (beyond(base, watched) for watched in watches if watched.job == "signs")
        results = chain(results, chain.from_iterable(rest))
    print(f"{len(points)} points", flush=True)
    total, wrong = report(results, calls)
    bad += wrong
    print(f"{total} points, {cuts} power cuts, {bad} faults, {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


def contests(root: Path, options: argparse.Namespace) -> int:
    """Run the contests of two programs for one job, and print the result."""
    began = time.monotonic()
    base = Base(root, CHECKOUT)
    points: list[Met] = []
    calls: dict[tuple[str, str, Target], int] = {}
    bad = cuts = 0
    for contest in Contest:
        watched = contestpoints.watch(base, contest)
        assert not watched.wrong, f"{contest}, and nothing was done to it: {watched.wrong}"
        calls |= {(contest, "signs", target): len(n) for target, n in watched.calls.items()}
        if not options.fail:
            count, found = contestpoints.power_cuts(watched)
            cuts += count
            bad += len(found)
            print("".join(f"FAULT {each}\n" for each in found), end="")
        points += contestpoints.points_of(watched, options.fail)
    if options.sample:
        points = random.Random(options.seed).sample(points, min(options.sample, len(points)))
        print(f"a sample, by seed {options.seed}")
    print(f"{len(points)} points", flush=True)
    total, wrong = report(run_points(base, points, options.workers, work_contest), calls)
    bad += wrong
    print(f"{total} points, {cuts} power cuts, {bad} faults, {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
