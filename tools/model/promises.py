# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The promises, as checks of a world. They are facts of the world, never states of the gate."""

from __future__ import annotations

from gpgshim.core.gate import (
    NOT_PERMITTED,
    TEMPFAIL,
    Outcome,
)
from gpgshim.core.verdict import Verdict
from tools.model.shell import OWN, RUNS, waits
from tools.model.state import WHOLE, S, Violation, World, images, is_whole, read_back, verdict

WELL = ("% exit 0", "% said uploaded")
FINAL = ("% no-start 127", "% said irrecoverable")

NOTHING_DONE = (Outcome.RETRIABLE, Outcome.UNSIGNED)
image_cache: set[tuple[object, ...]] = set()


def check(world: World) -> None:
    """What holds in every state, between any two instructions. Raises Violation."""
    facts = (world.granted, world.heard, world.made, world.open)
    key = (world.lines, world.synced, world.torn, bool(world.said), facts)
    if key not in image_cache:
        for seen in images(world):
            if world.granted and seen.state is not S.COMMITTED:
                raise Violation("1: a gpg may sign, and a crash leaves no `committed`")
            if world.heard and seen.outcome in NOTHING_DONE:
                raise Violation(
                    f"2: the authority may have heard, and a crash leaves {seen.outcome}"
                )
            check_signatures(world, seen)
        if not is_whole(world.lines):
            raise Violation("5: a journal that contradicts itself")
        garbage = verdict(world.lines[: world.synced], b"\0\0\0\n")
        if garbage.outcome in NOTHING_DONE:
            raise Violation("2: a journal with NULs in it is called harmless")
        image_cache.add(key)
    # If a job reports `uploaded` later, the 75 of dgit does not count: it came before that.
    said_75 = world.said_75 and not world.bypassed
    if world.heard and (said_75 or world.status == TEMPFAIL or "retriable" in world.told):
        raise Violation("2: retriable was reported, and the authority may have got the request")
    if world.granted and (world.said_75 or world.status == TEMPFAIL or "retriable" in world.told):
        raise Violation("2: retriable was reported, and a gpg may sign")
    if world.deaf and world.drs == "r":
        raise Violation("7: the uploader may get an outcome that the manager will not get")
    if world.orphan == "g":
        raise Violation("3: an orphan of the attempt before was granted")
    if (world.told or world.said) and not world.closed:
        raise Violation("3: an outcome was reported, and the gate is open")
    if world.told and world.job in RUNS:
        raise Violation("3: the manager got an outcome, and the job runs")
    if world.told and not world.said and any(x.outcome != world.told[2] for x in images(world)):
        raise Violation("5: the manager got an outcome, and a crash leaves another one")
    if len(world.told) not in (0, 3):
        raise Violation("5: an outcome that is not whole, or not the only one")
    if "uploaded" in world.told and "! committed" not in world.lines:
        raise Violation("5: the manager got `uploaded`, and the job was never committed")


def check_signatures(world: World, seen: Verdict) -> None:
    """A journal that a crash can leave is right about the signatures of the agent."""
    if seen.signatures is None:
        if seen.readable:
            raise Violation("5: the journal does not count the signatures at the lock")
        return
    made, unknown, _ = seen.signatures
    if made > world.made:
        raise Violation("5: the journal has a signature that was not made")
    if world.made + world.open > made + unknown:
        raise Violation("1: the journal denies a signature that was or may be made")


def check_at_rest(world: World) -> None:
    """While the supervisor waits: the gate's state is true, and no stunt waits for ever."""
    if waits(world) and world.gate is not S.UNKNOWN:
        raise Violation("4: a stunt waits for an answer that will not come")
    if world.gate in (S.UNKNOWN, S.LATE) and not world.asking:
        raise Violation("4: the supervisor waits for an answer without a request")
    if (world.gate in (S.CLOSED, S.LATE)) != world.closed:
        raise Violation("3: the gate's state is wrong: closed")
    if world.asking and world.gate not in (S.UNKNOWN, S.LATE):
        raise Violation("4: the authority was asked, and the gate does not wait for its answer")
    if world.asking and world.in_time is (world.gate is S.LATE):
        raise Violation("5: an answer after the last moment counts for a late commitment only")
    if world.failed:
        if world.gate in (S.UNCOMMITTED, S.UNKNOWN, S.COMMITTED):
            raise Violation("6: the gate goes on after a failure")
        return
    if world.yes and not world.closed and world.gate is not S.COMMITTED:
        raise Violation("4: the authority said yes, and the gate has forgotten it")
    if world.reached and not world.heard:
        raise Violation("6: the authority was reached, and not asked")
    if "! unknown" in world.lines and not world.heard:
        raise Violation("6: `unknown` was written, and no request was sent")
    if "! committed" in world.lines and not world.yes:
        raise Violation("6: `committed` was written, and there was no go-ahead")
    if world.yes and "! committed" not in world.lines:
        raise Violation("6: the authority said go-ahead, and `committed` was not written")


def check_end(world: World) -> None:
    """After the supervisor has ended by itself: it reported the outcome of the journal."""
    now = read_back(world)
    if not world.said:
        return  # the disk did not take how the job ended: it exits 74 and says no outcome
    if now.refused and not world.denied:
        raise Violation("5: the journal says that the authority refused, and it did not")
    if world.said != now.outcome:
        raise Violation("5: the journal has another outcome than the report")
    # If the disk did not take the outcome, a crash may also lose the job's ending. The journal then
    # claims less than was reported, and never more (see check).
    took = world.said in world.lines and not world.broken
    if took and any(seen.outcome != world.said for seen in images(world)):
        raise Violation("5: after a crash the journal has another outcome than the report")
    if "% bypassed" in world.lines and world.said in NOTHING_DONE:
        raise Violation("5: a job that signed past the gate is called harmless")
    tried = "! unknown" in world.lines or world.torn or world.bypassed
    well, final = world.over in WELL, world.over in FINAL
    if tried or world.granted:
        denied = "< refused" in world.lines and not world.bypassed
        true = "uploaded" if well and world.yes else "refused" if denied else "irrecoverable"
    else:
        true = "unsigned" if well else "irrecoverable" if final else "retriable"
    # A manager cannot refuse, so no real journal has a refusal and lacks the bypass before it.
    lost = world.bypassed and "< refused" in world.lines and "% bypassed" not in world.lines
    if world.said != true and not world.failed and not world.broken and not lost:
        raise Violation(f"5: the outcome is {true}, and {world.said} was reported")
    if world.over and world.job in OWN and not world.wrote:
        own = OWN[world.job]
        if (world.status == TEMPFAIL) != (world.said == "retriable"):
            raise Violation("2: 75 means retriable, and nothing else")
        if (world.status == NOT_PERMITTED) != (world.said == "refused"):
            raise Violation("2: 77 means that the authority refused")
        ours = world.said in ("retriable", "refused")
        if not ours and world.status != (70 if own == TEMPFAIL else own):
            raise Violation("4: the job's exit status is not its own")
        return
    if world.status < 0 or not world.wrote or not world.watchdog:
        return
    if world.torn and not world.told:
        return  # what a torn line took with it is not told
    # What the manager is owed: d-r-s's report, made true, where there is one and it can be used.
    state = verdict(world.lines).state
    if state is S.UNKNOWN or world.wrote == "half" or (world.bypassed and not world.yes):
        owed = ""
    elif world.wrote == "nothing":
        owed = "retriable" if state is S.UNCOMMITTED else ""
    else:
        owed = world.said
    if world.told[2:] != ((owed,) if owed else ()) and not (
        world.manager == "x" and not world.told
    ):
        raise Violation(f"5: the manager is owed {owed or 'nothing'}, and heard {world.told}")
    if world.told and world.wrote != "nothing" and world.told[:2] != WHOLE:
        raise Violation("5: the manager was not told d-r-s's own words")
