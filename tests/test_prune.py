"""Are old journals removed, and only those that nobody has to look at?"""

from __future__ import annotations

import os
import select
import signal
from ast import literal_eval
from pathlib import Path

import pytest

from gpgshim.core.verdict import Verdict, judge_bytes
from gpgshim.history import prune as module
from gpgshim.history.journal import Journal
from gpgshim.history.prune import EVERY, prune, prune_if_due

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


def test_a_job_goes_whole_or_not_at_all(tmp_path: Path) -> None:
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


def test_a_later_attempt_that_starts_meanwhile_keeps_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "j.1", 1000)
    write(tmp_path, "j.2", 1000)
    unlink, made = os.unlink, list[Journal]()

    def start_another(path: os.DirEntry[str]) -> None:
        monkeypatch.setattr("os.unlink", unlink)
        made.append(Journal.create(tmp_path, "j", {}))
        unlink(path)

    monkeypatch.setattr("os.unlink", start_another)
    assert prune(tmp_path, NOW) == 2
    assert left(tmp_path) == {"j.3"}
    made.append(Journal.create(tmp_path, "j", {}))
    assert left(tmp_path) == {"j.3", "j.4"}
    for journal in made:
        journal.close()


def test_a_later_attempt_that_is_there_by_now_keeps_the_earlier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "j.1", 1000)

    def start_another(data: bytes) -> Verdict:
        (tmp_path / "j.2").write_text(UNTOLD)
        return judge_bytes(data)

    monkeypatch.setattr(module, "judge_bytes", start_another)
    assert prune(tmp_path, NOW) == 0
    assert left(tmp_path) == {"j.1", "j.2"}


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_what_a_crash_half_way_leaves_has_the_highest_number(
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


def test_a_directory_that_is_not_there_is_no_matter(tmp_path: Path) -> None:
    assert prune_if_due(tmp_path / "none", NOW) == 0


@pytest.mark.usefixtures("all_at_once")
def test_many_are_left_to_a_process_that_nobody_waits_for(
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
    # Nobody else has it: whoever reads what we write to its end is not kept waiting.
    assert select.select([held], [], [], 20)[0]
    assert os.read(held, 1) == b""
    os.close(held)
    assert len(left(tmp_path)) == 7
    pid, session, descriptors, others = literal_eval(told.read_text())
    assert (session, descriptors, others) == (pid, [os.devnull] * 3, [])
    assert os.waitpid(pid, 0)[1] == 0
    assert left(tmp_path) == {"told"}


@pytest.mark.usefixtures("all_at_once")
def test_many_where_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", 5)
    for number in range(6):
        write(tmp_path, f"a{number}.1", 1000)
    look(tmp_path, 1)
    assert prune_if_due(tmp_path, NOW, waited_for=False) == 6
