# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moves of all other parties: stunts, job, dgit-repos-server, authority, machine."""

from __future__ import annotations

from collections.abc import Iterator

from tools.model import lock
from tools.model.shell import drs_ends, row, supervise, turn
from tools.model.state import CRASHES, REPORTS, F, S, Setting, V, World


def moves(world: World, setting: Setting) -> Iterator[World]:
    """All possible next worlds.

    Stunts: i not heard yet, w waits, r done with. Job: - not started, r runs, R the same after its
    stunt asked whether to give up, c its stunt asks, k killed; else its exit status. d-r-s: r runs,
    e ended. Manager: i idle, h has the request, a has answered, x has hung up.
    """
    if world.at == "done":
        yield world._replace(at="gone")
        return
    if world.at != "gone":
        yield from supervise(world, setting)
        # kill -9, between any two instructions. Its watchdog, if it has one yet, then ends the job,
        # and if not, the stunts find a dead socket: to the promises it is all the same.
        yield world._replace(at="gone")
        if setting.spoilt == "a stunt takes a dead socket for a yes" and "w" in world.stunts:
            yield world._replace(granted=True)
        if setting.spoilt == "an agent starts at a dead socket" and "i" in world.held:
            yield world._replace(granted=True, made=world.made + 1)
        yield from lock.agent_moves(world)
        yield from job_moves(world, setting)
        yield from authority_moves(world, setting)
    yield from stunts_move(world)
    if world.orphan == "i":
        yield world._replace(orphan="s")
    elif world.orphan == "s":
        # A dead socket, or the old supervisor: it has told its outcome, so its gate is closed.
        yield world._replace(orphan="r")
        for event in (V.ASKED, V.UNKNOWN_COMMAND):
            _, effects = row(S.CLOSED, event)
            yield world._replace(orphan="g" if F.GRANT in effects else "r")


def stunts_move(world: World) -> Iterator[World]:
    if "w" in world.stunts:
        yield world._replace(stunts=turn(world.stunts, "w", "r"))  # it is killed as it waits
    yield from lock.clients_move(world)


def job_moves(world: World, setting: Setting) -> Iterator[World]:
    if setting.face == "run":
        if world.job == "-":
            yield world._replace(job="r")
            yield world._replace(job="-1")
        elif world.job == "r":
            for status in ("0", "1", "75", "9"):
                yield world._replace(job=status)
        return
    if world.watchdog:
        yield world._replace(watchdog=False)
    if world.job in ("r", "R"):
        yield world._replace(job="0")  # it went well; without a grant, a signature went round us
        if setting.spoilt == "dgit does not ask":
            yield world._replace(job="75", said_75=True)
        else:
            yield world._replace(job="c")
        yield world._replace(job="k")
    elif world.job == "c" and world.over:
        yield world._replace(job="1")  # it gets no answer, so the job is not called retriable
    if world.drs == "r":
        yield from drs_moves(world)


def drs_moves(world: World) -> Iterator[World]:
    if world.job == "-":
        yield world._replace(job="r")
        yield drs_ends(world, REPORTS["irrecoverable"], "% exit 0")  # it rejects the tag
    elif world.job in ("0", "1", "75"):
        for said in REPORTS.values():  # not what is due only: it need not be right, or honest
            yield drs_ends(world, said, "% exit 0")
            yield drs_ends(world, said, "% exit 1")
    else:
        yield drs_ends(world, REPORTS["irrecoverable"], "% exit 0")  # its alarm: dgit runs on
    for data, line in CRASHES:
        yield drs_ends(world, data, line)


def authority_moves(world: World, setting: Setting) -> Iterator[World]:
    if world.manager in "ih":
        yield world._replace(manager="x")
    if world.manager == "h":
        for word in ("go", "no", "other"):
            if word != "no" or setting.face == "run":
                yield world._replace(manager="a", answer=word)
            elif world.stray:  # o2m has no word for it
                yield world._replace(manager="a", answer=word, stray=world.stray - 1)
    elif world.manager == "i" and setting.face == "drs" and not world.answer and world.stray:
        yield world._replace(answer="other", stray=world.stray - 1)  # it was not asked
    elif world.manager == "a":
        yield world._replace(manager="x")
