# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk: visits every state that a setting has, and checks the promises in each."""

from __future__ import annotations

import gc
import time
from array import array
from itertools import pairwise
from typing import NamedTuple

from tools.model.moves import moves
from tools.model.promises import check, check_at_rest, check_end, image_cache
from tools.model.shell import rows_used, tidy
from tools.model.state import Setting, Violation, World, verdict_cache

#: The shell looks once more at what it is about to tell, for the sake of a disk that tore a line;
#: that would hide many a wrong row. Here the disk takes all, and each row is to be right by itself.
ALONE = Setting("drs", 1, 1, orphan=False, disk=False)
#: What is explored to judge mutants.
ROWS = (Setting("run", 3, 2, orphan=False), ALONE, Setting("drs", 1, 1, orphan=False))
OTHERS = (Setting("run", 1, 2, orphan=False), *ROWS[1:])
#: With a lock of gpg-agent. The smaller one judges mutants of what is said of signatures.
ONE_HELD = Setting("run", 0, 0, orphan=False, held=1)
#: With a lock of gpg-agent: a stunt and a program past PATH; with --commit-at agent, two programs.
LOCKED = (
    Setting("run", 1, 1, orphan=False, held=1),
    Setting("run", 0, 1, orphan=False, held=2),
    Setting("drs", 1, 0, orphan=False, held=1),
)
#: The largest settings, which are explored too.
WHOLE_WORLD = (
    Setting("run", 3, 2),
    Setting("drs", 1, 0),
    Setting("drs", 3, 1, orphan=False),
)


class Graph(NamedTuple):
    """All states, in the order in which they were found, and the moves between them."""

    setting: Setting
    number: dict[World, int]
    order: list[World]
    parents: array[int]  # state -> the one from which it was first found
    edges: array[int]
    begins: array[int]  # state -> where its edges begin
    depth: int  # the longest of the shortest ways
    users: dict[object, list[int]]  # row of a table -> the states that look at it


def first(setting: Setting) -> World:
    return World(
        stunts="i" * setting.stunts,
        held=("i",) * setting.held,
        drs="r" if setting.face == "drs" else "-",
        orphan="i" if setting.orphan else "-",
        stray=setting.stray,
    )


def look(world: World, setting: Setting) -> set[World]:
    """Check one state, and find what can come after it. Raises Violation."""
    check(world)
    if not world.todo and not world.together and world.at in ("serve", "late"):
        check_at_rest(world)
    elif world.at == "done":
        check_end(world)
    found = {tidy(each) for each in moves(world, setting)}
    if not found and (world.at != "gone" or set(world.stunts) & set("sdwg")):
        raise Violation("4: nothing can happen any more, and it is not over")
    return found


def explore(setting: Setting) -> Graph:
    """Visit all states. Raises Violation."""
    verdict_cache.clear()
    image_cache.clear()
    start = first(setting)
    number = {start: 0}
    order = [start]
    parents, edges, begins = array("I", [0]), array("I"), array("Q", [0])
    users: dict[object, list[int]] = {}
    level, depth, at = 1, 0, 0
    gc.disable()  # there is no garbage here, and much to look through for it
    try:
        while at < len(order):
            if at == level:
                level, depth = len(order), depth + 1
            rows_used.clear()
            try:
                found = look(order[at], setting)
            except Violation as violation:
                violation.history = history(order, parents, at)
                raise
            for each in found:
                to = number.setdefault(each, len(order))
                if to == len(order):
                    order.append(each)
                    parents.append(at)
                edges.append(to)
            for used in rows_used:
                users.setdefault(used, []).append(at)
            begins.append(len(edges))
            at += 1
    finally:
        gc.enable()
    return Graph(setting, number, order, parents, edges, begins, depth, users)


def history(order: list[World], parents: array[int], at: int) -> tuple[str, ...]:
    """The shortest history that leads to state `at`: what changed, move by move."""
    path = [at]
    while path[-1]:
        path.append(parents[path[-1]])
    worlds = [order[each] for each in reversed(path)]
    return tuple(
        ", ".join(
            f"{name} {value!s}"
            for name, value, before in zip(World._fields, now, was, strict=True)
            if value != before
        )
        for was, now in pairwise(worlds)
    )


def longest_history(graph: Graph) -> int:
    """How many moves the longest history has. Violation where one goes on for ever.

    In a graph without a cycle, in which only end states have no successor, every sequence of events
    ends, whatever the order and the speed of the parties.
    """
    edges, begins = graph.edges, graph.begins
    count = len(graph.order)
    into = array("I", bytes(4 * count))
    for each in edges:
        into[each] += 1
    length = array("I", bytes(4 * count))
    ready = [0]
    done = 0
    while ready:
        one = ready.pop()
        done += 1
        for at in range(begins[one], begins[one + 1]):
            to = edges[at]
            length[to] = max(length[to], length[one] + 1)
            into[to] -= 1
            if not into[to]:
                ready.append(to)
    if done != count:
        raise Violation("4: a job can go round in circles")
    return max(length)


def changes(graph: Graph, used: object) -> None:
    """Walk what is other than in `graph` now that row `used` is.

    A state that does not use the row keeps its successors. So only states that use it, and new
    states, are examined again. Raises Violation.
    """
    setting = graph.setting
    users = set(graph.users.get(used, ()))
    known = bytearray(len(graph.order))
    fresh: dict[World, None] = {}
    # Where the row is used for the first time, its mutant is used too: death is near there.
    ready: list[int | World] = [0, *(each for each in users if is_first(each, users, graph))]
    while ready:
        at = ready.pop()
        if isinstance(at, int):
            if known[at]:
                continue
            known[at] = 1
            now = graph.edges[graph.begins[at] : graph.begins[at + 1]]
            if at not in users:
                ready.extend(to for to in now if not known[to])
                continue
            found = look(graph.order[at], setting)
        else:
            found = look(at, setting)
        for each in found:
            to = graph.number.get(each)
            if to is not None:
                ready.append(to)
            elif each not in fresh:
                fresh[each] = None
                ready.append(each)


def is_first(state: int, users: set[int], graph: Graph) -> bool:
    """Whether `state` can be come to without any other of `users`."""
    while state:
        state = graph.parents[state]
        if state in users:
            return False
    return True


def report(setting: Setting) -> Graph:
    """Explore, and print what was seen."""
    began = time.process_time()
    graph = explore(setting)
    longest = longest_history(graph)
    print(
        f"{setting.face}, {setting.stunts} stunts, {setting.stray} stray events"
        f"{f', {setting.held} commands at the lock' if setting.held else ''}"
        f"{', an orphan' if setting.orphan else ''}: {len(graph.order)} states,"
        f" {len(graph.edges)} moves, {graph.depth} deep, the longest history {longest} moves"
        f" ({time.process_time() - began:.0f} s)",
        flush=True,
    )
    return graph
