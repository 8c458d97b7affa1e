# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the outcome true, wherever a process of ours is killed, and whichever of its calls fails?

A small part of `make crash`, by a seed that is printed; and the proof that it can fail.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support import skips
from tests.support.scratch import CHECKOUT, short_directory
from tools.crash import contestpoints
from tools.crash.__main__ import contests, crash, run_points, spoilt, spoilt_contest, work
from tools.crash.calls import CAN_TAMPER, FSYNC, Call
from tools.crash.points import Ran, Watched, failures, kills, power_cuts, watch
from tools.crash.spoils import SPOILS
from tools.crash.tracer import Target
from tools.crash.world import FACES, Base
from tools.place.__main__ import reason_against
from tools.place.table import PLACES

SEED = 20250711

needs_registers = pytest.mark.usefixtures("registers")


@pytest.fixture
def registers() -> None:
    skips.unless(CAN_TAMPER, "x86-64, whose registers are known", "make proof, on such a machine")


@pytest.fixture
def place() -> Iterator[Path]:
    root = short_directory()
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def base() -> Iterator[Base]:
    root = short_directory()
    yield Base(root, CHECKOUT)
    shutil.rmtree(root)


@cache
def seen(base: Base, face: str) -> Watched:
    """A job that signs, to which nothing was done."""
    return watch(base, face, "signs")


def options(face: str, fail: bool, sample: int, **more: object) -> argparse.Namespace:
    given = {"move": False, "every": False, "process": None, "place": None} | more
    return argparse.Namespace(face=face, fail=fail, sample=sample, seed=SEED, workers=2, **given)


@pytest.mark.parametrize("face", FACES)
def test_killed(place: Path, face: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert crash(place, options(face, fail=False, sample=16)) == 0, capsys.readouterr().out


@needs_registers
@pytest.mark.parametrize("face", FACES)
def test_call_fails(place: Path, face: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert crash(place, options(face, fail=True, sample=10)) == 0, capsys.readouterr().out


@needs_registers
@pytest.mark.parametrize("face", ["run", "supervise"])
def test_journal_is_moved(place: Path, face: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = options(face, fail=False, sample=16, move=True)
    assert crash(place, asked) == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", ["an ordinary user", "gpgshim is PID 1", "0, 1, 2"])
@pytest.mark.parametrize("fail", [False, True], ids=["killed", "call fails"])
def test_in_a_place(place: Path, name: str, fail: bool, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = (each for each in PLACES if each.name == name)
    need, why = reason_against(row)
    if why:
        skips.unless_allowed(need, why)
    asked = options("run", fail=fail, sample=6, place=name)
    assert crash(place, asked) == 0, capsys.readouterr().out


@needs_registers
@pytest.mark.parametrize("fail", [False, True], ids=["killed", "call fails"])
def test_a_rival_wants_the_same_job(
    place: Path, fail: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert contests(place, options("run", fail=fail, sample=24)) == 0, capsys.readouterr().out


#: face, process, and what its calls are that fail: each has been a fault once.
FOUND = [
    ("run", "supervisor", "epoll_create1 "),  # a traceback, in place of a line
    ("run", "supervisor", "epoll_ctl "),  # a job that could not be watched ran on
    # ENOMEM once ended the supervisor: it was not caught while gpg was asked for its options.
    ("run", "supervisor", "poll = Cannot allocate memory"),
    ("run", "supervisor", "close = Input/output error WORLD/state/"),
    ("run", "supervisor", "prlimit64 "),
    ("repos-server", "stunt dgit", "clone "),
    ("repos-server", "stunt dgit", "pidfd_open "),  # the stunt died, and dgit ran on
    ("repos-server", "stunt dgit", "environ b"),
    ("repos-server", "watchdog", "clone "),
    ("repos-server", "watchdog", "pidfd_open "),
    ("repos-server", "supervisor", "epoll_ctl "),
    ("repos-server", "supervisor", "pipe2 "),
    ("repos-server", "supervisor", "b'go-ahead"),  # dgit-repos-server waited for ever
    ("supervise", "starter", "clone "),
    ("supervise", "newborn of starter", " /dev/null b"),
    # The outcome was written twice, and an irrecoverable job was closed with status 0.
    ("supervise", "newborn of starter", "pread64 Input/output error WORLD/state/gpgshim/"),
    ("supervise", "newborn of starter", "write spell % exit"),
]


def fail_at(base: Base, face: str, role: str, text: str) -> list[Ran]:
    """The result of a run for each call of `role` with `text`, when that call fails."""
    points = [
        point
        for point in failures(seen(base, face), False)
        if point.target.role == role and all(word in point.shown for word in text.split())
    ]
    return list(run_points(base, points, 2, work))


@needs_registers
@pytest.mark.parametrize(("face", "role", "text"), FOUND)
def test_an_earlier_fault_is_not_back(base: Base, face: str, role: str, text: str) -> None:
    found = fail_at(base, face, role, text)
    assert found
    assert [(ran.point.shown, ran.faults) for ran in found if ran.faults] == []


#: The end of an attempt whose supervisor was killed after the commitment.
DEAD = "committed, irrecoverable (not written)"

#: The rows of the tables in INTERNALS.md: who dies, at which call (a regular expression; the call's
#: data has times in it, so a number alone says nothing), and what is then true of the job.
ROWS = [
    ("run", "stunt gpg 1", "connect ", {"uncommitted, retriable"}),
    # The request remains sent; the answer may come before or after dgit has seen its gpg die.
    # A supervisor that is slower than the end of the job finds no process of it, and sends nothing.
    (
        "run",
        "stunt gpg 1",
        "recvfrom ",
        {"uncommitted, retriable", "unknown, irrecoverable", "committed, irrecoverable"},
    ),
    ("run", "stunt gpg 1", "execve ", {"committed, irrecoverable"}),
    ("run", "real gpg 3", "wait4 ", {"committed, irrecoverable"}),
    ("run", "supervisor 1", "! unknown", {"uncommitted, retriable (not written)"}),
    ("run", "supervisor 1", "half of .*! unknown", {"unknown, irrecoverable (not written)"}),
    ("run", "supervisor 1", "> commit", {"unknown, irrecoverable (not written)"}),
    ("run", "supervisor 1", "= go", {"committed, irrecoverable (not written)"}),
    ("run", "supervisor 1", "/state/.* uploaded", {"committed, uploaded (not written)"}),
    ("repos-server", "supervisor 1", "= go", {"committed, irrecoverable (not written)"}),
    ("repos-server", "watchdog 1", "wait4 ", {"uncommitted, retriable", "not begun"}),
    ("repos-server", "job 1", "b'message", {"committed, irrecoverable"}),
    ("supervise", "authority 1", "openat .*/heard/", {"unknown, irrecoverable"}),
    # The table of the lock: the command has no record; half of one; a record; an answer.
    ("locked", "supervisor 1", "% forwarded 1 ", {DEAD}),
    ("locked", "supervisor 1", "half of .*% forwarded 1 ", {DEAD}),
    ("locked", "supervisor 1", "sendto .*PKSIGN", {f"{DEAD}, 0 made, 1 unknown",
                                                 f"{DEAD}, 1 made, 1 unknown"}),
    ("locked", "supervisor 1", "% signed 1\\b", {f"{DEAD}, 0 made, 1 unknown"}),
    ("locked", "supervisor 1", "chmod ", {"not begun", "committed, uploaded, 2 made, 0 unknown"}),
    ("at-agent", "supervisor 1", "! unknown", {"uncommitted, retriable (not written)"}),
    ("at-agent", "supervisor 1", "! committed", {"unknown, irrecoverable (not written)"}),
    ("at-agent", "supervisor 1", "= go", {DEAD, f"{DEAD}, 1 made, 0 unknown"}),
]  # fmt: skip


@needs_registers
@pytest.mark.parametrize(("face", "who", "words", "ends"), ROWS)
def test_what_a_crash_leaves(base: Base, face: str, who: str, words: str, ends: set[str]) -> None:
    points = [
        point
        for point in kills(seen(base, face), False)
        if str(point.target) == who
        and point.deed.what == ("tear" if words.startswith("half ") else "kill")
        and re.search(words, point.shown)
    ]
    found = list(run_points(base, points, 2, work))
    assert found
    assert [(ran.point.shown, ran.faults) for ran in found if ran.faults] == []
    assert {ran.end for ran in found} <= ends


@needs_registers
def test_an_fsync_that_fails_is_the_last(base: Base) -> None:
    # work() looks at what the supervisor does to the file after that: see spoils.py.
    found = fail_at(base, "run", "supervisor", "fsync ")
    assert all(ran.done for ran in found)
    assert [(ran.point.shown, ran.faults) for ran in found if ran.faults] == []
    assert [ran.end for ran in found] == [
        "not begun",  # the directories, and the journal before it has its name
        "not begun",
        "not begun",
        "uncommitted, retriable (not written)",  # its name; nothing is started
        "unknown, irrecoverable (not written)",  # from here on all are refused
        "committed, irrecoverable (not written)",
        "committed, irrecoverable (not written)",  # before the second grant
        "committed, uploaded",  # the outcome itself, which follows from the rest
    ]


def test_each_spoil_is_one_place_and_a_program() -> None:
    cases = [(name, case.spoil) for name, case in SPOILS.items()]
    cases += [(name, case.spoil) for name, case in contestpoints.SPOILS.items()]
    for name, spoil in cases:
        text = (CHECKOUT / spoil.file).read_text()
        changed = spoil.apply(text)
        assert changed != text, name
        compile(changed, name, "exec")


@needs_registers
@pytest.mark.parametrize(
    "name",
    [
        "no fsync",
        "no fsync of the journal's name",
        "send before unknown is written",
        "a journal that was moved away counts",
        "a command is forwarded before it is synced",
        "a command passes without a grant",
        "an agent starts at our sockets",
    ],
)
def test_spoilt_code_is_seen(place: Path, name: str) -> None:
    assert spoilt(name, SPOILS[name], place, 2)


@needs_registers
@pytest.mark.parametrize(
    "name",
    [
        "a resolution takes no claim",
        "the claim is released before the journal has its name",
        "the name is not on disk when the claim is released",
        "an attempt under way does not stop the next one",
        "half a resolution stays",
    ],
)
def test_spoilt_code_is_seen_by_a_rival(place: Path, name: str) -> None:
    assert spoilt_contest(name, place, 2)


@needs_registers
def test_each_sync_that_is_counted_on_was_made(place: Path) -> None:
    watched = watch(Base(place, CHECKOUT), "run", "signs")
    made = watched.calls[Target("supervisor", 1)]
    count, found = power_cuts(watched)
    assert (count, found) == (len(made), [])

    def without_sync_after(line: bytes) -> list[Call]:
        written = next(at for at, call in enumerate(made) if call.data.endswith(line))
        gone = next(at for at in range(written, len(made)) if made[at].number == FSYNC)
        return made[:gone] + made[gone + 1 :]

    for line in (b"! unknown\n", b"! committed\n"):
        watched.calls[Target("supervisor", 1)] = without_sync_after(line)
        assert power_cuts(watched)[1]


@needs_registers
def test_each_sync_of_the_lock_was_made(place: Path) -> None:
    """Without the sync of a command's record, a power cut could hide a signature."""
    watched = watch(Base(place, CHECKOUT), "at-agent", "signs")
    made = watched.calls[Target("supervisor", 1)]
    count, found = power_cuts(watched)
    assert (count, found) == (len(made), [])
    written = next(at for at, call in enumerate(made) if b" % forwarded 1 " in call.data)
    gone = next(at for at in range(written, len(made)) if made[at].number == FSYNC)
    watched.calls[Target("supervisor", 1)] = made[:gone] + made[gone + 1 :]
    assert "`% forwarded` would not be on disk" in power_cuts(watched)[1][0]
