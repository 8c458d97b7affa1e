# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The points of a contest, and faults in the code that they must find.

The points are the calls from the claim on, to the one that writes `! unknown` or to the end. The
program is killed at each call that others can see. A rival starts at each call until the claim is
released. And each call fails.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools.crash.calls import CAN_TAMPER, FSYNC, WRITE, Call, is_private, name_of, normal
from tools.crash.contest import (
    AT_THE_CALL,
    RESOLVER,
    STARTER,
    Contest,
    ContestWorld,
    faults,
    faults_later,
)
from tools.crash.points import Point, Ran, Watched, failures
from tools.crash.spoil import At, Spoil
from tools.crash.tracer import Deed, Stuck, Target
from tools.crash.world import FACES, Base

_FCNTL, _LINK = 72, (86, 265)
AFTER_CLAIM = 8  #: calls after those that need the claim, in which it is released


class Met(NamedTuple):
    """A point of a contest. `in_claim` is as in ContestWorld.contest_with."""

    point: Point
    in_claim: bool


def watch(base: Base, contest: Contest) -> Watched:
    """The calls of the program, without a rival that starts; and what was wrong."""
    root = Path(tempfile.mkdtemp(prefix="c", dir=base.root))
    world = ContestWorld(base, root, contest)
    try:
        end = world.contest_with(None, Deed())
        wrong = faults(world, end, Deed())
    finally:
        shutil.rmtree(root, ignore_errors=True)
    target = target_of(contest)
    made = end.seen.calls[target]
    own = {target: start_up(made).start}
    places = (f"{root}/", f"{base.tools}/", "/proc/", "/dev/null", "/dev/tty")
    return Watched(contest, "signs", None, {target: made}, f"{root}/", own, places, wrong)


def target_of(contest: Contest) -> Target:
    """The program."""
    return Target(RESOLVER if contest is Contest.RESOLVE else STARTER, 1)


def relied_on(made: list[Call], contest: Contest) -> range:
    """The calls during which the program must hold the claim.

    They begin with its first look at a journal after it has the claim, and end when the new line or
    name is on disk.
    """
    names = [call.name.rpartition("/state/gpgshim/")[2] for call in made]
    claimed = next((at for at, name in enumerate(names) if name == ".claims"), 0)
    start = next(
        at for at, name in enumerate(names) if at >= claimed and re.fullmatch(r"j\.\d+", name)
    )
    if contest is Contest.RESOLVE:
        stop = max(
            at for at, call in enumerate(made) if call.number == FSYNC and names[at] == "j.1"
        )
    elif contest is Contest.BOTH:
        stop = next(
            at
            for at, call in enumerate(made)
            if call.number == FSYNC and call.name.endswith("/state/gpgshim") and at > start
        )
    else:
        stop = max(at for at, name in enumerate(names) if re.fullmatch(r"j\.\d+", name))
    return range(start, stop + 1)


def start_up(made: list[Call]) -> range:
    """From the first call that has to do with the claim to the one that writes `! unknown`."""
    first = next(at for at, call in enumerate(made) if "/state/gpgshim/" in call.name)
    asked = (at for at, call in enumerate(made) if b"! unknown" in call.data)
    return range(first, next(asked, len(made) - 1) + 1)


def points_of(watched: Watched, fail: bool) -> Iterator[Met]:
    """A kill at each call of start-up, and a rival at each call; or each call fails."""
    contest = Contest(watched.face)
    target = target_of(contest)
    made = watched.calls[target]
    try:
        relied = relied_on(made, contest)
    except (StopIteration, ValueError):
        relied = range(0)
    span = start_up(made)
    which: list[tuple[int, str, int]] = []
    count: Counter[tuple[int, str]] = Counter()
    for call in made:
        name = normal(call.name, watched.root.rstrip("/"))
        count[call.number, name] += 1
        which.append((call.number, name, count[call.number, name]))
    if fail:
        index = {each: at for at, each in enumerate(which)}
        for point in failures(watched._replace(face=FACES[0]), False):
            point = point._replace(face=contest)
            at = index[point.deed.number, point.deed.name, point.deed.at]
            if at in span:
                yield Met(point, at in relied)
        return
    for at in span:
        number, name, nth = which[at]
        shown = f"{name_of(number)} {name} {made[at].data[:30]!r}"
        for what in ("meet", "kill", "tear"):
            if what != "meet" and is_private(made[at]):
                continue
            # After the claim, the rival finds the attempt under way, whatever the call.
            if what == "meet" and (contest not in AT_THE_CALL or at > relied.stop + AFTER_CLAIM):
                continue
            if what == "tear" and not (CAN_TAMPER and number == WRITE and len(made[at].data) > 1):
                continue
            deed = Deed(what, nth, number, 0, name)
            yield Met(Point(contest, "signs", target, deed, shown), at in relied)


def power_cuts(watched: Watched) -> tuple[int, list[str]]:
    """What would be on disk if the power failed when the claim is released? Calls, and faults."""
    contest = Contest(watched.face)
    made = watched.calls[target_of(contest)]
    locks = [
        at
        for at, call in enumerate(made)
        if call.number == _FCNTL and call.name.endswith("/.claims") and call.arguments[1] != 1
    ]
    found = []
    synced = named = True
    for at, call in enumerate(made[: locks[-1]]):
        if "/state/gpgshim/" in call.name and call.number == WRITE:
            synced = False
        elif call.number in _LINK and "/state/gpgshim/j." in call.name:
            named = False
            if not synced:
                found.append(f"at {at}: the journal has a name, and it is not on disk")
        elif call.number == FSYNC:
            synced = synced or "/state/gpgshim/" in call.name
            named = named or call.name.endswith("/state/gpgshim")
    if not synced:
        found.append("the claim is released, and the line would not be on disk")
    if not named:
        found.append("the claim is released, and the journal's name would not be on disk")
    return len(made), found


def run_met(base: Base, met: Met) -> Ran:
    """One contest, in a world of its own."""
    point = met.point
    root = Path(tempfile.mkdtemp(prefix="c", dir=base.root))
    world = ContestWorld(base, root, Contest(point.face))
    try:
        end = world.contest_with(point.target, point.deed, met.in_claim)
        wrong = faults(world, end, point.deed)
        shown = "killed" if end.status is None else str(end.status)
        result = f"{shown}, the rival {end.rival}, {len(world.journals())} journals"
        wrong += faults_later(world)
        return Ran(point, end.seen.done, result, "made", wrong)
    except (Stuck, subprocess.TimeoutExpired) as error:
        return Ran(point, True, "stuck", "not made", [f"STUCK: {error}"])
    finally:
        shutil.rmtree(root, ignore_errors=True)


class Case(NamedTuple):
    """A fault: the change, the message of the check, and the points that find it.

    `how` is a deed, "fail" or "power"; `at` is a part of how these points are shown.
    """

    spoil: Spoil
    seen: str
    contest: Contest
    how: str = "meet"
    at: str = ""


_CLAIM, _RESOLVE = "gpgshim.history.claim", "gpgshim.history.resolve"
_MEMORY = "gpgshim.core.memory"
_NO_CLAIM = Spoil(_CLAIM, "hold", At.START, "", "yield\nreturn")
_FREE = "the claim is free while"

SPOILS = {
    "an attempt takes no claim": Case(_NO_CLAIM, _FREE, Contest.BOTH, at="/.new."),
    "a resolution takes no claim": Case(_NO_CLAIM, _FREE, Contest.RESOLVE, at="/j.1"),
    "the claim is released before the journal has its name": Case(
        Spoil(
            "gpgshim.supervisor.attempt",
            "Attempt._begin",
            At.CALL,
            "contextlib.ExitStack",
            """\
if plan.option is not None:
    with claim.begin(state, self.job, plan.option) as beginning:
        head |= beginning.head
    newest = beginning.newest
journal = Journal.create(state, self.job, head, after=newest)""",
        ),
        _FREE,
        Contest.BOTH,
        at="/.new.",
    ),
    "a journal is not locked": Case(
        Spoil("gpgshim.history.journal", "Journal.create", At.CALL, "fcntl.fcntl", "pass"),
        "has a name, and no lock",
        Contest.BOTH,
        at="/.claims",
    ),
    "the name is not on disk when the claim is released": Case(
        Spoil("gpgshim.history.journal", "Journal.create", At.CALL, "sync_directory", "pass"),
        "the journal's name would not be on disk",
        Contest.BOTH,
        "power",
    ),
    "nothing is on disk when the journal gets its name": Case(
        Spoil("gpgshim.history.journal", "Journal.create", At.CALL, "os.fsync", "pass"),
        "the journal has a name, and it is not on disk",
        Contest.BOTH,
        "power",
    ),
    "an attempt under way does not stop the next one": Case(
        Spoil(_MEMORY, "", At.ROW, "STARTS[S.UNDER_WAY, P.NONE]", "D.STARTS"),
        "it STARTED",
        Contest.BESIDE,
    ),
    "an attempt that committed does not stop the next one": Case(
        Spoil(_MEMORY, "", At.ROW, "STARTS[S.COMMITTED, P.NONE]", "D.STARTS"),
        "it STARTED",
        Contest.AFTER,
    ),
    "an attempt that is not started has another exit status": Case(
        Spoil("gpgshim.system.errors", "NotStarted", At.ASSIGNMENT, "status", "status = 69"),
        "69, not 77",
        Contest.AFTER,
    ),
    "a crash before the request stops the next attempt": Case(
        Spoil(_MEMORY, "", At.ROW, "STARTS[S.CRASHED_EARLY, P.NONE]", "D.NOT_STARTED"),
        "nothing stands, and the rival did not start",
        Contest.BOTH,
        "kill",
        at="unlink",
    ),
    "no attempt waits for the claim": Case(
        Spoil(_CLAIM, "", At.ASSIGNMENT, "PATIENCE", "PATIENCE = 0.0"),
        "nothing stands, and the rival did not start",
        Contest.BOTH,
        "kill",
        at="/.new.",
    ),
    "a resolution is not synced": Case(
        Spoil(_RESOLVE, "_append", At.CALL, "os.fsync", "pass"),
        "the line would not be on disk",
        Contest.RESOLVE,
        "power",
    ),
    "half a resolution stays": Case(
        Spoil(_RESOLVE, "_append", At.CALL, "os.ftruncate", "pass"),
        "half a line remains",
        Contest.RESOLVE,
        "fail",
        at="full",
    ),
    "a resolution does not let the next attempt start": Case(
        Spoil(_MEMORY, "", At.ROW, "_RESOLVED[Resolution.RETRIABLE]", "S.RESOLVED_UPLOADED"),
        "resolved later",
        Contest.AFTER,
        "kill",
        at="/bin/",
    ),
    "a resolution that was not written is reported": Case(
        Spoil(_RESOLVE, "_append", At.CALL, "write_all", "pass"),
        "exit 0, and it is not resolved",
        Contest.RESOLVE,
    ),
    "a resolution begins the journal anew": Case(
        Spoil(_RESOLVE, "_append", At.CALL, "write_all", "os.ftruncate(fd, 0)"),
        "earlier lines were changed",
        Contest.RESOLVE,
    ),
}


def points_for(case: Case, watched: Watched) -> list[Met]:
    """The points that are to find a fault, from the end: the later calls matter more."""
    return [
        met
        for met in points_of(watched, case.how == "fail")
        if case.how in ("fail", met.point.deed.what) and case.at in met.point.shown
    ][::-1]
