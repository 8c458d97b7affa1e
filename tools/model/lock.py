# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of gpg-agent: its commands that sign, from the client to the agent's answer.

A command at the lock is one more kind of client of the gate (atagent.AgentGate); what comes after
the grant is links.AgentLink and proxy.Proxy.forward_together. The letters of World.held:

    i   its process has not sent it
    g   its process was granted as a stunt, and has not sent it
    w   it waits for the gate
    n   it passes when the journal has it
    fN  the agent has it, as signature N, and has not decided
    FN  the agent has made the signature, and has not answered
    EN  the agent has not made it, and has not answered
    d   it is over

With --commit-at agent the stunts do not ask: then all clients are of the lock.
"""

from __future__ import annotations

from collections.abc import Iterator

from tools.model.state import World

LETTERS = "fFE"  #: of the commands that the agent has


def turned(world: World, old: str, new: str) -> World:
    """One command in the state `old` gets into the state `new`."""
    held = list(world.held)
    held.remove(old)
    return world._replace(held=tuple(sorted((*held, new))))


def all_turned(world: World, old: str, new: str) -> World:
    """The same for all of them."""
    while old in world.held:
        world = turned(world, old, new)
    return world


def records_of(world: World) -> tuple[World, tuple[str, ...]]:
    """proxy.forward_together: the commands with their numbers, and their records."""
    lines = []
    while "n" in world.held:
        world = world._replace(numbers=world.numbers + 1)
        lines.append(f"% forwarded {world.numbers} 1 - - - PKSIGN")
        world = turned(world, "n", f"n{world.numbers}")
    return world, tuple(lines)


def batch(world: World) -> list[str]:
    """The commands that pass together."""
    return [each for each in world.held if each[0] == "n" and each != "n"]


def forwarded(world: World) -> World:
    """The agent has the commands whose records are on disk. It may sign at any later time."""
    for each in batch(world):
        world = turned(world, each, f"f{each[1:]}")._replace(open=world.open + 1)
    return world


def refused(world: World) -> World:
    """The commands whose records could not be written are refused."""
    for each in batch(world):
        world = turned(world, each, "d")
    return world


def agent_moves(world: World) -> Iterator[World]:
    """The agent makes a signature, or does not."""
    for each in set(world.held):
        if each[0] == "f":
            decided = world._replace(open=world.open - 1)
            yield turned(decided._replace(made=world.made + 1), each, f"F{each[1:]}")
            yield turned(decided, each, f"E{each[1:]}")


def heard(world: World, spoilt: str) -> Iterator[tuple[World, str]]:
    """(what comes next, the record that is noted) for each answer of the agent, or its end."""
    for each in set(world.held):
        letter, number = each[0], each[1:]
        if letter == "F":
            word = (
                "unsigned {} 1 -" if spoilt == "the agent's answers are mixed up" else "signed {}"
            )
            yield turned(world, each, "d"), f"% {word.format(number)}"
        elif letter == "E":
            yield turned(world, each, "d"), f"% unsigned {number} 99 no key"
        if letter in LETTERS and number:
            lost = spoilt == "a command without an answer counts as not performed"
            word = "unsigned {} 1 -" if lost else "unanswered {}"
            yield turned(world, each, "d"), f"% {word.format(number)}"


def clients_move(world: World) -> Iterator[World]:
    """A client is killed while its command waits; a granted gpg ends before it signs."""
    for each in {"w", "n", "g"} & set(world.held):
        yield turned(world, each, "d")
