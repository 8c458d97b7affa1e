# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are old journals removed, except those that a person must look at?"""

from __future__ import annotations

import itertools
import os
import select
import signal
from ast import literal_eval
from collections.abc import Callable
from pathlib import Path

import pytest

from gpgshim.core.memory import Recalled, recall
from gpgshim.history import prune as module
from gpgshim.history.jobs import find
from gpgshim.history.journal import Journal, marker, newest_attempt
from gpgshim.history.prune import EVERY, prune, prune_if_due
from tests.support.steps import Stopped, calls, with_another

NOW = 2e9
DAY = 86400.0
TOLD = "job: j\n\n! uncommitted\n% exit 1\nretriable\n"
UNTOLD = "job: j\n\n! uncommitted\n! unknown\n"


def write(directory: Path, name: str, days: float, text: str = TOLD) -> None:
    path = directory / name
    path.write_text(text)
    os.utime(path, (NOW - days * DAY, NOW - days * DAY))


def left(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if not path.name.startswith(".")}


@pytest.fixture
def all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few jobs, more than one may go."""
    monkeypatch.setattr(module, "SHARE", 1)


def look(directory: Path, days_ago: float) -> None:
    """A look that many days ago, at which nothing was removed."""
    stamp = directory / ".pruned"
    stamp.touch()
    os.utime(stamp, (NOW - days_ago * DAY, NOW - days_ago * DAY))


@pytest.mark.usefixtures("all_at_once")
def test_by_age(tmp_path: Path) -> None:
    write(tmp_path, "old.1", 10)
    write(tmp_path, "young.1", 1)
    assert prune(tmp_path, NOW, days=5) == 1
    assert left(tmp_path) == {"young.1"}


@pytest.mark.usefixtures("all_at_once")
def test_by_count(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path, f"job{number}.1", number)
    assert prune(tmp_path, NOW, days=100, jobs=4) == 2
    assert left(tmp_path) == {"job0.1", "job1.1", "job2.1", "job3.1"}


@pytest.mark.parametrize("text", [UNTOLD, TOLD[:-4], "", "nonsense", UNTOLD + "uploaded\n"])
def test_never_one_without_an_outcome_that_is_borne_out(tmp_path: Path, text: str) -> None:
    write(tmp_path, "job.1", 1000, text)
    assert prune(tmp_path, NOW, days=5, jobs=0) == 0
    assert left(tmp_path) == {"job.1"}


def test_never_an_attempt_that_stops_a_new_one(tmp_path: Path) -> None:
    """Without its journal, the job would start again."""
    done = "job: j\nearlier: none\n\n! uncommitted\n! unknown\n< go-ahead\n! committed\n"
    write(tmp_path, "uploaded.1", 1000, done + "% exit 0\nuploaded\n")
    write(tmp_path, "broken.1", 1000, done + "% exit 1\nirrecoverable\n")
    looked = "% resolved retriable a@b 2026-01-01T00:00:00Z the archive does not have it\n"
    write(tmp_path, "resolved.1", 1000, done + "% exit 1\nirrecoverable\n" + looked)
    for _ in range(3):  # one run removes at most one of these
        prune(tmp_path, NOW, days=5, jobs=1)
    assert left(tmp_path) == {"uploaded.1", "broken.1"}


def test_the_journals_of_a_job_are_removed_together(tmp_path: Path) -> None:
    write(tmp_path, "a.1", 1000)
    write(tmp_path, "a.2", 1)
    write(tmp_path, "b.1", 1000)
    write(tmp_path, "b.2", 1000, UNTOLD)
    write(tmp_path, "c.1", 1000)
    write(tmp_path, "c.2", 999)
    assert prune(tmp_path, NOW, days=5) == 2
    assert left(tmp_path) == {"a.1", "a.2", "b.1", "b.2"}


def test_nothing_else_is_touched(tmp_path: Path) -> None:
    for name in ("README", "job", "job.x", ".new.12"):
        write(tmp_path, name, 1000)
    (tmp_path / "dir.1").mkdir()
    (tmp_path / "link.1").symlink_to(tmp_path / "README")
    assert prune(tmp_path, NOW, days=5) == 0
    assert left(tmp_path) == {"README", "job", "job.x", "dir.1", "link.1"}


def test_once_a_day(tmp_path: Path) -> None:
    write(tmp_path, "a.1", 1000)
    look(tmp_path, 1)
    assert prune_if_due(tmp_path, NOW) == 1
    write(tmp_path, "b.1", 1000)
    assert prune_if_due(tmp_path, NOW + EVERY - 1) == 0
    assert prune_if_due(tmp_path, NOW + EVERY + 1) == 1


@pytest.mark.parametrize("days_ago", [None, -3650, -1, 31, 3650])
def test_a_clock_is_believed_when_a_later_day_confirms_it(
    tmp_path: Path, days_ago: float | None
) -> None:
    """A first look, one by a clock that jumped, or one after that by a clock that is right again"""
    write(tmp_path, "a.1", 1000)
    if days_ago is not None:
        look(tmp_path, days_ago)
    assert prune_if_due(tmp_path, NOW) == 0
    assert prune_if_due(tmp_path, NOW + EVERY - 1) == 0
    assert prune_if_due(tmp_path, NOW + EVERY + 1) == 1


def test_a_clock_ten_years_ahead_for_one_job_removes_nothing(tmp_path: Path) -> None:
    for number in range(50):
        write(tmp_path, f"a{number}.1", number)
    look(tmp_path, 1)
    assert prune_if_due(tmp_path, NOW + 3650 * DAY) == 0
    assert prune_if_due(tmp_path, NOW + 60) == 0  # and the next job, by a clock that is right
    assert len(left(tmp_path)) == 50


def test_a_clock_that_stays_wrong_removes_a_part_a_day(tmp_path: Path) -> None:
    for number in range(50):
        write(tmp_path, f"a{number}.1", number)
    prune_if_due(tmp_path, NOW + 3650 * DAY)
    counts = []
    for day in range(1, 5):
        prune_if_due(tmp_path, NOW + (3650 + day) * DAY)
        counts.append(len(left(tmp_path)))
    assert counts == [45, 41, 37, 34]
    assert "a49.1" not in left(tmp_path)  # the oldest go first
    assert "a0.1" in left(tmp_path)


# Attempts that start meanwhile.


def write_two(directory: Path) -> None:
    """The old attempts of a job that is due, and nothing else."""
    for path in directory.iterdir():
        path.unlink()
    write(directory, "j.1", 1000)
    write(directory, "j.2", 1000)


def create(directory: Path) -> Journal:
    return Journal.create(directory, "j", {})


def let_go(*journals: Journal) -> None:
    for each in journals:
        each.close()
        os.close(each._fd)  # it would be open until we end


def steps(what: Callable[[], object], of: set[str]) -> list[int]:
    """The numbers of those system calls of `what`, and one that stands for its end."""
    names = calls(what)
    return [*(number for number, name in enumerate(names) if name in of), len(names)]


def check_two(directory: Path, made: list[Journal]) -> None:
    """Check that the next number comes after those of these attempts, which began together."""
    for each in made:
        each.check_name()
    numbers = sorted(int(each.path.name.removeprefix("j.")) for each in made)
    # With 1 and 3, say, each would be the newest attempt for itself, and both would run.
    assert numbers[1] == numbers[0] + 1
    assert newest_attempt(directory, "j") == numbers[1]
    assert left(directory) - {each.path.name for each in made} <= {"j.1", "j.2"}
    after = create(directory)
    assert after.path.name == f"j.{numbers[1] + 1}"
    let_go(*made, after)


@pytest.mark.parametrize("order", [1, -1])
def test_two_attempts_start_while_their_job_is_pruned(tmp_path: Path, order: int) -> None:
    """One is stopped before each call that looks at a name or changes one, and goes on before each
    of the pruning's.

    The other one starts at that moment, after the first has gone on (order 1) or before it.
    """
    write_two(tmp_path)
    looks = {"lstat", "listdir", "link", "unlink"}
    stops = steps(lambda: let_go(create(tmp_path)), looks)
    write_two(tmp_path)
    moments = steps(lambda: prune(tmp_path, NOW), {*looks, "scandir", "utime", "fsync"})
    assert len(stops) > 6 and len(moments) > 6
    for stops_at, goes_on_at in itertools.product(stops, moments):
        write_two(tmp_path)
        first = Stopped(lambda: create(tmp_path), stops_at)
        made: list[Journal] = []

        def start_both(first: Stopped[Journal] = first, made: list[Journal] = made) -> None:
            starts: list[Callable[[], Journal]] = [first.finish, lambda: create(tmp_path)]
            made += [start() for start in starts[::order]]

        with_another(lambda: prune(tmp_path, NOW), goes_on_at, start_both)
        check_two(tmp_path, made)


def test_one_attempt_starts_at_any_moment_of_the_pruning(tmp_path: Path) -> None:
    """Is it numbered from the newest that was there, and is nothing else shown for a job?"""
    write_two(tmp_path)
    seen = set()
    for step in range(len(calls(lambda: prune(tmp_path, NOW))) + 1):
        write_two(tmp_path)
        made: list[Journal] = []

        def start(made: list[Journal] = made) -> None:
            made.append(create(tmp_path))

        with_another(lambda: prune(tmp_path, NOW), step, start)
        seen.add((made[0].path.name, *sorted(left(tmp_path))))
        assert list(find(tmp_path)) == ["j"]
        made.append(create(tmp_path))
        assert made[1].path.name == f"j.{newest_attempt(tmp_path, 'j')}"
        let_go(*made)
    assert seen == {
        ("j.3", "j.1", "j.2", "j.3"),  # the pruning saw it
        ("j.3", "j.3"),  # or looked before it was there
        ("j.1", "j.1"),  # it started afterwards
    }


def test_the_marker_stays_while_there_is_a_gap(tmp_path: Path) -> None:
    write(tmp_path, "j.3", 0, UNTOLD)
    assert prune(tmp_path, NOW) == 0  # whatever made the gap
    for day in (1, 2, 30):
        assert prune(tmp_path, NOW + day * EVERY) == 0
        assert newest_attempt(tmp_path, "j") == 3


@pytest.mark.parametrize("again", [0, 1, 2])
def test_the_marker_goes_a_day_later_where_there_is_no_gap(tmp_path: Path, again: int) -> None:
    write(tmp_path, "j.1", 1000)
    assert prune(tmp_path, NOW) == 1
    for number in range(1, again + 1):
        write(tmp_path, f"j.{number}", 0)
    assert prune(tmp_path, NOW + EVERY - 1) == 0
    assert marker(tmp_path, "j").exists()
    assert prune(tmp_path, NOW + EVERY) == 0
    assert not marker(tmp_path, "j").exists()


def test_a_marker_that_a_clock_ahead_has_made_does_not_stay(tmp_path: Path) -> None:
    write(tmp_path, "j.1", 1000)
    assert prune(tmp_path, NOW + 3650 * DAY) == 1
    assert prune(tmp_path, NOW) == 0
    assert not marker(tmp_path, "j").exists()


def test_nothing_is_removed_that_cannot_be_marked(tmp_path: Path) -> None:
    write(tmp_path, "j.1", 1000)
    marker(tmp_path, "j").symlink_to("/nowhere/else")
    assert prune(tmp_path, NOW) == 0
    assert left(tmp_path) == {"j.1"}


def test_nothing_is_removed_before_the_markers_are_on_disk(tmp_path: Path) -> None:
    write_two(tmp_path)
    seen = calls(lambda: prune(tmp_path, NOW))
    assert seen.index("utime") < seen.index("fsync") < seen.index("unlink")


def test_a_later_attempt_that_is_there_by_now_keeps_the_earlier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "j.1", 1000)

    def start_another(data: bytes, under_way: bool) -> Recalled:
        (tmp_path / "j.2").write_text(UNTOLD)
        return recall(data, under_way)

    monkeypatch.setattr(module, "recall", start_another)
    assert prune(tmp_path, NOW) == 0
    assert left(tmp_path) == {"j.1", "j.2"}


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_crash_while_pruning_leaves_the_highest_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    for number in (1, 2, 3):
        write(tmp_path, f"j.{number}", 1000)
    unlink, seen = os.unlink, list[os.DirEntry[str]]()

    def fail(path: os.DirEntry[str]) -> None:
        seen.append(path)
        if len(seen) >= fails_at:
            raise OSError(5, "Input/output error")
        unlink(path)

    monkeypatch.setattr("os.unlink", fail)
    prune(tmp_path, NOW)
    monkeypatch.setattr("os.unlink", unlink)
    assert left(tmp_path) == {f"j.{number}" for number in range(fails_at, 4)}
    Journal.create(tmp_path, "j", {}).close()
    assert "j.4" in left(tmp_path)


def test_a_missing_directory_is_no_fault(tmp_path: Path) -> None:
    assert prune_if_due(tmp_path / "none", NOW) == 0


@pytest.mark.starts
@pytest.mark.usefixtures("all_at_once")
def test_many_journals_are_pruned_by_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEW", 5)
    for number in range(6):
        write(tmp_path, f"a{number}.1", 1000)
    look(tmp_path, 1)
    told, really = tmp_path / "told", prune
    os.mkfifo(told)
    held, given = os.pipe()
    os.set_inheritable(given, True)

    def slowly(directory: Path, *rest: float) -> int:
        signal.alarm(60)  # until the test opens the other end, this waits
        descriptors = [os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)]
        others = [fd for fd in range(3, 64) if os.path.lexists(f"/proc/self/fd/{fd}")]
        told.write_text(repr((os.getpid(), os.getsid(0), descriptors, others)))
        return really(directory, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "prune", slowly)
    assert prune_if_due(tmp_path, NOW) == 0
    os.close(given)
    # No other process has the descriptor open, so a program that reads it to the end does not wait.
    assert select.select([held], [], [], 20)[0]
    assert os.read(held, 1) == b""
    os.close(held)
    assert len(left(tmp_path)) == 7
    pid, session, descriptors, others = literal_eval(told.read_text())
    assert (session, descriptors, others) == (pid, [os.devnull] * 3, [])
    assert os.waitpid(pid, 0)[1] == 0
    assert left(tmp_path) == {"told"}


@pytest.mark.usefixtures("all_at_once")
def test_many_journals_are_pruned_at_once_if_no_job_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEW", 5)
    for number in range(6):
        write(tmp_path, f"a{number}.1", 1000)
    look(tmp_path, 1)
    assert prune_if_due(tmp_path, NOW, waited_for=False) == 6
