# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one attempt, as the other attempts of its job can see it.

The walk of one attempt (walk.py) has all its states. Another attempt sees only the journal and its
lock. So here all states with the same journal, as memory.py reads it, and the same facts are one
stage. A stage leads to all stages to which one of its states leads. So there are more lives than an
attempt can have, and never fewer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from gpgshim.core.gate import TEMPFAIL, Outcome
from gpgshim.core.transcript import OBSERVE, TORN
from gpgshim.core.verdict import judge_bytes
from tools.model.promises import FINAL, WELL
from tools.model.state import HALF, Setting, World
from tools.model.walk import Graph, explore

#: The ways to run an attempt. Under "drs" and in observe mode an attempt only warns.
FACES = ("run", "drs", OBSERVE)
#: The heads that an attempt can have: it was not started by memory.STARTS, or by which row.
HEADS = {"": "", "earlier": "earlier: none\n", "again": "again: 1\n"}

#: The resolutions of an attempt; "half" is one that a power cut has torn.
RESOLUTIONS = ("", "retriable", "uploaded", "irrecoverable", "half")
_BY = "ann@example.org 2026-11-26T00:00:00Z looked"


class Facts(NamedTuple):
    """What is true of the attempt in a stage, by what was sent and what is in the journal."""

    granted: bool = False  # a gpg may sign
    committed: bool = False  # the authority may have received the request, and has not refused it
    told: bool = False  # the outcome is in the journal
    retriable: bool = False  # this was reported
    harmless: bool = False  # a complete journal shows that a repetition repeats nothing
    done: bool = False  # it shows that the job was uploaded
    ends: bool = False  # its supervisor has done everything


class Stage(NamedTuple):
    """`journal` is one of those of the stage, without the head.

    A power cut makes one of `cuts` of it. A stage that only a power cut makes has no cuts.
    """

    face: str
    journal: bytes
    facts: Facts
    next: frozenset[int]
    cuts: frozenset[int]


def journal_of(stage: Stage, head: str, resolution: str) -> bytes:
    """The bytes of the journal of an attempt in this stage."""
    mode = f"mode: {OBSERVE}\n" if stage.face == OBSERVE else ""
    data = f"format: 2\njob: j\nattempt: 2\n{mode}{HEADS[head]}\n".encode() + stage.journal
    if not resolution:
        return data
    torn = TORN if not data.endswith(b"\n") else b""
    if resolution == "half":
        return data + torn + b"% resolved retr"
    return data + torn + f"% resolved {resolution} {_BY}\n".encode()


def lives(disk: bool) -> tuple[list[Stage], dict[str, int]]:
    """All stages, and the first one of each way to run an attempt.

    `disk` says whether the disk can refuse in the life of an attempt of `run`.
    """
    stages: list[Stage] = []
    first = {}
    for face in FACES:
        refuses = disk and face == "run"
        setting = Setting("drs" if face == "drs" else "run", 1, orphan=False, disk=refuses)
        first[face] = len(stages)
        stages += _stages_of(face, explore(setting), len(stages))
    return stages, first


def _stages_of(face: str, graph: Graph, start: int) -> list[Stage]:
    """The stages of one way to run an attempt. The number of the first one is `start`."""
    number: dict[object, int] = {}
    found: list[tuple[bytes, Facts]] = []

    def stage_of(world: World, journal: bytes, is_cut: bool) -> int:
        if face == OBSERVE:
            journal = re.sub(rb"(?m)^[a-z]+$", Outcome.OBSERVED.encode(), journal)
        facts = _facts(face, world, journal)
        if is_cut:
            facts = facts._replace(ends=False, retriable=False)
        at = number.setdefault((_as_read(face, journal), facts), start + len(found))
        if at == start + len(found):
            found.append((journal, facts))
        return at

    def now(world: World) -> int:
        return stage_of(world, _bytes_of(world.lines, HALF if world.torn else b""), False)

    cuts: dict[int, set[int]] = {}
    following: dict[int, set[int]] = {}
    for at, world in enumerate(graph.order):
        if world.at == "gone":
            continue  # a dead supervisor changes nothing more
        stage = now(world)
        cuts.setdefault(stage, set()).update(stage_of(world, cut, True) for cut in _images(world))
        worlds = (graph.order[to] for to in graph.edges[graph.begins[at] : graph.begins[at + 1]])
        new = following.setdefault(stage, set())
        new.update(now(each) for each in worlds if each.at != "gone")
        new.discard(stage)
    return [
        Stage(face, journal, facts, frozenset(following.get(at, ())), frozenset(cuts.get(at, ())))
        for at, (journal, facts) in enumerate(found, start)
    ]


@cache
def _as_read(face: str, journal: bytes) -> object:
    """What memory.py can tell apart in a journal."""
    mode = f"mode: {OBSERVE}\n" if face == OBSERVE else ""
    verdict = judge_bytes(f"job: j\n{mode}\n".encode() + journal)
    if face == OBSERVE:
        return verdict.told, b"\0" in journal
    return verdict.known, verdict.outcome, verdict.told, b"\0" in journal


def _bytes_of(lines: tuple[str, ...], tail: bytes = b"") -> bytes:
    return "".join(f"{line}\n" for line in lines).encode() + tail


def _images(world: World) -> Iterator[bytes]:
    """The journals that a power cut can leave: as state.images, and one with a block of NULs."""
    for length in range(world.synced, len(world.lines) + 1):
        yield _bytes_of(world.lines[:length])
        if length < len(world.lines) or world.torn or not world.said:
            yield _bytes_of(world.lines[:length], HALF)
            yield _bytes_of(world.lines[:length], b"\0\0\0\n")


def _facts(face: str, world: World, journal: bytes) -> Facts:
    *lines, rest = journal.decode().split("\n")
    nul = b"\0" in journal
    whole = not rest and not nul
    told = bool(lines) and lines[-1] in set(Outcome)
    if face == OBSERVE:  # it holds no gpg, and asks no authority
        return Facts(told=told, harmless=not nul, ends=world.at == "done")
    past = "% bypassed" in lines
    refused = "< refused" in lines and not past
    final = any(line in FINAL for line in lines)
    asked = "! unknown" in lines
    return Facts(
        granted=world.granted,
        committed=world.granted or (world.heard and not world.denied),
        told=told,
        retriable=world.status == TEMPFAIL,
        harmless=not nul and not past and (refused if asked else whole and not final),
        done=not nul and "! committed" in lines and any(x in WELL for x in lines),
        ends=world.at == "done",
    )
