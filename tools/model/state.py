# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world of the model: everything that the parties of a job know, have written and have sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gpgshim.core import verdict as verdicts
from gpgshim.core.gate import (
    Effect,
    Event,
    State,
)
from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.core.verdict import Verdict

S, V, F = State, Event, Effect


class Violation(Exception):
    """A promise is broken; the message begins with its number. `history` is how it came to that."""

    history: tuple[str, ...] = ()


class Setting(NamedTuple):
    """What is explored. `face` is "drs" (under oracled) or "run" (`gpgshim run`)."""

    face: str
    stunts: int
    stray: int = 0  # number of events that cannot happen, as from a faulty shell
    orphan: bool = True
    spoilt: str = ""  # the rule of SPOILT that the shell breaks
    disk: bool = True  # whether the disk can refuse; see ALONE
    held: int = 0  # commands past PATH that sign, at a lock of gpg-agent; 0 is no lock


class World(NamedTuple):
    """One state. Letters: see `moves`."""

    # The supervisor's process.
    at: str = "serve"  # serve kill reply late settle tell done gone
    gate: State = S.UNCOMMITTED
    todo: tuple[str, ...] = ()  # what is left of the effects under way, and what comes after them
    unknown_command: bool = False  # whether they are the effects of such a request
    together: tuple[Event, ...] = ()  # questions that share a sync: noted, and not yet stepped
    unsynced: bool = False  # whether who asks is noted and not on disk
    asking: bool = False  # whether the authority's answer is waited for
    in_time: bool = False  # and no longer than until the job's last moment
    over: str = ""  # the line that ended the job
    amount: str = ""  # what d-r-s's last words came to
    reply: tuple[str, ...] = ()
    # The disk.
    lines: tuple[str, ...] = ("! uncommitted",)
    synced: int = 1
    torn: bool = False  # half a line that could not be taken back
    broken: bool = False  # nothing more is written
    # The other parties.
    stunts: str = ""  # a letter each, sorted
    held: tuple[str, ...] = ()  # the commands at the lock, sorted: see lock.py
    numbers: int = 0  # of the records of forwarded commands
    job: str = "-"  # dgit and its stunt, or the command of `run`
    drs: str = "r"
    manager: str = "i"
    answer: str = ""  # on its way from the authority to us
    watchdog: bool = True
    orphan: str = "-"
    stray: int = 0
    # Facts that no party can read.
    wrote: str = (
        ""  # what d-r-s did say, or "nothing", or "half" of a report, or one that it belies
    )
    reached: bool = False
    heard: bool = False  # the authority may have heard the request
    yes: bool = False  # it was asked, and answered go-ahead
    denied: bool = False  # it was asked, and refused explicitly
    no: bool = False  # it answered anything else, or sent a line without a request
    failed: bool = False  # an effect could not be performed
    closed: bool = False  # the gate was closed
    granted: bool = False  # a stunt got the answer go, or the agent got a command
    made: int = 0  # signatures that the agent has made
    open: int = 0  # commands that the agent has got, and for which it may yet make one
    bypassed: bool = False  # the job reports `uploaded`, and had no grant
    deaf: bool = False  # a request was refused, and the manager will receive nothing
    said_75: bool = False
    told: tuple[str, ...] = ()  # the lines that the manager received
    status: int = -1  # our own exit status
    said: str = ""  # the outcome that we said


HEAD = "format: 2\njob: j\nagent: /h\n\n"
REPORTS = {
    said: f"message m\nemail reported -\n{said}\n".encode()
    for said in ("uploaded", "irrecoverable", "retriable")
}
WHOLE = ("message m", "email reported -")
#: What d-r-s may have written when it ends, and how it ends.
CRASHES = [
    (b"", "% exit 1"),
    (b"", "% exit 0"),
    (b"", "% signal 9"),
    (b"message m\n", "% exit 1"),
    (b"message m\n", "% exit 0"),
]

verdict_cache: dict[tuple[tuple[str, ...], bytes], Verdict] = {}


def verdict(lines: tuple[str, ...], tail: bytes = b"") -> Verdict:
    """What the shipped judge says of a journal of these lines, with `tail` after them."""
    found = verdict_cache.get((lines, tail))
    if found is None:
        data = (HEAD + "".join(f"{line}\n" for line in lines)).encode() + tail
        found = verdict_cache[lines, tail] = verdicts.judge_bytes(data)
    return found


def is_whole(lines: tuple[str, ...]) -> bool:
    """Whether a journal of these lines is one."""
    try:
        verdicts.judge(parse((HEAD + "".join(f"{line}\n" for line in lines)).encode()))
    except TranscriptError:
        return False
    return True


HALF = b"+1.000 ! "


def read_back(world: World) -> Verdict:
    """The verdict of a journal that is read while the machine is up."""
    return verdict(world.lines, HALF if world.torn else b"")


def images(world: World) -> Iterator[Verdict]:
    """The verdicts on all journals that a crash of the machine can leave here."""
    for length in range(world.synced, len(world.lines) + 1):
        yield verdict(world.lines[:length])
        if length < len(world.lines) or world.torn or not world.said:
            yield verdict(world.lines[:length], HALF)
