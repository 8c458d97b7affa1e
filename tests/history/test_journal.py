# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the journal have exactly the lines that it reported as written, although the disk fails?

These are tests of the journal alone. test_faults has whole jobs whose journal fails.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from gpgshim.core import records as r
from gpgshim.core.gate import Outcome, State
from gpgshim.core.transcript import parse
from gpgshim.core.verdict import judge_bytes
from gpgshim.history.journal import (
    Journal,
    Lost,
    is_under_way,
    marker,
    newest_attempt,
)
from gpgshim.system.errors import Unable
from tests.support.steps import calls

FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.create(tmp_path, "j", {}, clock=iter(range(100)).__next__)
    yield made
    made.close()


def text(journal: Journal) -> str:
    return journal.read().decode()


HEAD = "format: 2\njob: j\nattempt: 1\n\n! uncommitted\n"
SIGN = r.SignRequest("gpg -s")
CLIENT = r.Client(1, "/", ())
UNKNOWN, COMMITTED = r.StateIs(State.UNKNOWN), r.StateIs(State.COMMITTED)


def test_lines_and_times(journal: Journal) -> None:
    journal.note(SIGN)
    journal.sync(UNKNOWN)
    journal.note(r.OutcomeIs(Outcome.RETRIABLE))
    assert text(journal) == HEAD + "+1.000 $ gpg -s\n+2.000 ! unknown\n+3.000 retriable\n"
    assert [line.at for line in parse(journal.read()).lines] == [None, 1, 2, 3]


def test_it_appears_whole(tmp_path: Path, mocker: MockerFixture) -> None:
    # When it gets its name, it is on disk already, and the name is, before create returns.
    order: list[str] = []
    fsync, link = os.fsync, os.link

    def note_fsync(fd: int) -> None:
        order.append(os.readlink(f"/proc/self/fd/{fd}").rpartition("/")[2])
        fsync(fd)

    def note_link(old: Path, new: Path) -> None:
        assert judge_bytes(old.read_bytes()).state is State.UNCOMMITTED
        order.append("link")
        link(old, new)

    mocker.patch("os.fsync", note_fsync)
    mocker.patch("os.link", note_link)
    directory = tmp_path / "new/state"
    Journal.create(directory, "j", {}).close()
    made, linked, named = order[-3:]
    assert order[:-3] == [tmp_path.name, "new"]  # the names of the directories themselves
    assert made.startswith(".new.")
    assert (linked, named) == ("link", "state")


@pytest.mark.parametrize("call", ["os.fsync", "os.link", "os.write", "os.open", "os.unlink"])
def test_it_does_not_appear(tmp_path: Path, mocker: MockerFixture, call: str) -> None:
    mocker.patch(call, side_effect=FULL)
    with pytest.raises(Unable, match="No space left on device"):
        Journal.create(tmp_path, "j", {})
    mocker.stopall()
    for path in tmp_path.iterdir():
        # Where it got its name before the failure, it is one that says nothing was done.
        assert judge_bytes(path.read_bytes()).outcome == "retriable"
    for fd in Path("/proc/self/fd").iterdir():  # no descriptor has leaked
        with contextlib.suppress(FileNotFoundError):
            assert tmp_path not in fd.readlink().parents


def test_a_namesake_comes_first(tmp_path: Path, mocker: MockerFixture) -> None:
    link = os.link

    def steal(old: Path, new: Path) -> None:
        mocker.stopall()
        new.write_text("another's")
        link(old, new)

    mocker.patch("os.link", steal)
    journal = Journal.create(tmp_path, "j", {})
    assert journal.path.name == "j.2"
    assert parse(journal.read()).head["attempt"] == "2"
    assert (tmp_path / "j.1").read_text() == "another's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j.1", "j.2"]
    journal.close()


def test_a_new_journal_avoids_the_remains_of_a_crash(tmp_path: Path) -> None:
    (tmp_path / f".new.{os.getpid()}").write_text("half a hea")
    (tmp_path / "j.1").symlink_to("nonexistent")
    journal = Journal.create(tmp_path, "j", {})
    assert journal.path.name == "j.2"
    journal.close()


def test_failed_fsync_is_the_last_word(journal: Journal, mocker: MockerFixture) -> None:
    mocker.patch("os.fsync", side_effect=BROKEN)
    with pytest.raises(OSError, match="Input/output error"):
        journal.sync(UNKNOWN)
    mocker.stopall()
    # The kernel has forgotten what it could not write; a second fsync would say that all is well.
    for write in (journal.note, journal.sync):
        with pytest.raises(
            OSError, match=r"nothing more is written to .*: an earlier fsync failed"
        ):
            write(COMMITTED)
    assert "committed\n" not in text(journal).removeprefix(HEAD)
    assert judge_bytes(journal.read()).state is State.UNKNOWN


@pytest.mark.parametrize("written", range(12))
def test_half_a_line_is_taken_back(journal: Journal, mocker: MockerFixture, written: int) -> None:
    write = os.write
    mocker.patch(
        "os.write", side_effect=[write(journal._fd, b"+1.000 ! unknown\n"[:written]), FULL]
    )
    if not written:
        mocker.patch("os.write", side_effect=FULL)
    with pytest.raises(OSError, match="No space"):
        journal.sync(UNKNOWN)
    mocker.stopall()
    assert text(journal) == HEAD
    journal.note(r.Exited(1))  # there is room again
    assert judge_bytes(journal.read()).outcome == "retriable"


def test_short_writes_are_gone_on_with(journal: Journal, mocker: MockerFixture) -> None:
    write = os.write
    mocker.patch("os.write", lambda fd, data: write(fd, data[:1]))
    journal.sync(UNKNOWN)
    mocker.stopall()
    assert text(journal) == HEAD + "+1.000 ! unknown\n"


def test_half_a_line_that_stays(journal: Journal, mocker: MockerFixture) -> None:
    write = os.write
    mocker.patch("os.write", side_effect=[write(journal._fd, b"+1.0"), FULL])
    mocker.patch("os.ftruncate", side_effect=BROKEN)
    with pytest.raises(OSError, match="No space"):
        journal.note(SIGN)
    mocker.stopall()
    with pytest.raises(OSError, match="an incomplete line could not be removed"):
        journal.note(r.Exited(1))
    assert text(journal) == HEAD + "+1.0"
    assert judge_bytes(journal.read()).state is State.UNKNOWN


def test_closed(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, "j", {})
    journal.close()
    for write in (journal.note, journal.sync):
        with pytest.raises(OSError, match="it is closed"):
            write(r.Exited(1))
    assert text(journal) == HEAD


def test_head_is_escaped(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, "j", {"command": "a\n! committed\n\x1b[31m é \udcff"})
    assert parse(journal.read()).head["command"] == "a\\n! committed\\n\\x1b[31m \\xc3\\xa9 \\xff"
    assert judge_bytes(journal.read()).state is State.UNCOMMITTED
    journal.close()


def test_lines_that_belong_together_are_written_together(
    journal: Journal, mocker: MockerFixture
) -> None:
    write = mocker.patch("os.write", side_effect=os.write)
    journal.note(SIGN, CLIENT, r.Granted())
    assert write.call_count == 1
    assert text(journal) == HEAD + "+1.000 $ gpg -s\n+1.000 # client 1 /\n+1.000 = go\n"
    journal.note()
    assert text(journal).count("\n") == 8


@pytest.mark.parametrize("written", [0, 5, 16, 20, 30])
def test_lines_that_were_written_together_are_removed_together(
    journal: Journal, mocker: MockerFixture, written: int
) -> None:
    write = os.write
    lines = b"+1.000 $ gpg -s\n+1.000 # client 1 /\n"
    mocker.patch("os.write", side_effect=[write(journal._fd, lines[:written]) or 0, FULL])
    if not written:
        mocker.patch("os.write", side_effect=FULL)
    with pytest.raises(OSError, match="No space"):
        journal.note(SIGN, CLIENT)
    mocker.stopall()
    assert text(journal) == HEAD
    journal.note(r.Exited(1))
    assert judge_bytes(journal.read()).outcome == "retriable"


def test_another_with_our_process_id(tmp_path: Path, mocker: MockerFixture) -> None:
    # Two containers share the directory, and each has a process of that number.
    mocker.patch("os.getpid", return_value=7)
    link, others = os.link, list[Journal]()

    def come_between(old: Path, new: Path) -> None:
        mocker.patch("os.link", link)
        others.append(Journal.create(tmp_path, "j", {}))
        link(old, new)

    mocker.patch("os.link", come_between)
    ours = Journal.create(tmp_path, "j", {})
    (other,) = others
    ours.note(r.Note("ours"))
    other.note(r.Note("the other's"))
    assert (ours.path.name, other.path.name) == ("j.2", "j.1")
    assert "attempt: 2" in text(ours)
    assert text(ours).endswith("# note ours\n")
    assert "attempt: 1" in text(other)
    assert text(other).endswith("# note the other's\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j.1", "j.2"]
    ours.close()
    other.close()


OTHERS = ["j.02", "j.x", "jj.50", "j.5.50", "j"]  # names beside those of the attempts of `j`


@pytest.mark.parametrize("newest", [0, 1, 2, 3, 4, 7, 8, 9, 100])
@pytest.mark.parametrize("marked", [False, True])
def test_the_newest_attempt(tmp_path: Path, newest: int, marked: bool) -> None:
    for name in [*(f"j.{number}" for number in range(1, newest + 1)), *OTHERS]:
        (tmp_path / name).touch()
    marker(tmp_path, "other").touch()
    if marked:
        marker(tmp_path, "j").touch()
    assert newest_attempt(tmp_path, "j") == newest


@pytest.mark.parametrize("taken", [[3], [1, 7], [2, 10, 9], [4, 5], [64]])
def test_the_newest_attempt_of_a_job_with_a_marker(tmp_path: Path, taken: list[int]) -> None:
    for name in [*(f"j.{number}" for number in taken), *OTHERS]:
        (tmp_path / name).touch()
    marker(tmp_path, "j").touch()
    assert newest_attempt(tmp_path, "j") == max(taken)
    made = Journal.create(tmp_path, "j", {})
    assert made.path.name == f"j.{max(taken) + 1}"
    made.close()


def test_no_directory_is_listed_unless_there_is_a_marker(tmp_path: Path) -> None:
    """Does numbering cost the same among many journals? Among 100,000, bench/load.py tells."""
    for number in range(1, 1001):
        (tmp_path / f"j.{number}").touch()
    lists = {"listdir", "scandir"}
    seen = calls(lambda: Journal.create(tmp_path, "j", {}).close())
    assert not lists & set(seen)
    assert seen.count("lstat") < 25
    marker(tmp_path, "j").touch()
    assert lists & set(calls(lambda: Journal.create(tmp_path, "j", {}).close()))
    assert newest_attempt(tmp_path, "j") == 1002


# The name of a journal, and the file that is written.


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def replace(path: Path) -> None:
    text = path.read_text()
    path.unlink()
    path.write_text(text)


def rename_over(path: Path) -> None:
    path.with_name("other").write_text("another's")
    path.with_name("other").rename(path)


def link_to_itself(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def move_the_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def replace_the_directory(path: Path) -> None:
    move_the_directory(path)
    path.parent.mkdir()
    (path.parent / path.name).write_text("another's")


def put_a_file_in_place_of_the_directory(path: Path) -> None:
    move_the_directory(path)
    path.parent.touch()


LOSSES: list[Callable[[Path], object]] = [
    Path.unlink,
    move,
    replace,
    rename_over,
    link_to_itself,
    move_the_directory,
    replace_the_directory,
    put_a_file_in_place_of_the_directory,
]


@pytest.fixture
def named(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.create(tmp_path / "state", "j", {})
    yield made
    made.close()


@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: lose.__name__)
def test_a_journal_whose_name_leads_elsewhere_is_lost(
    named: Journal, lose: Callable[[Path], object]
) -> None:
    named.note(SIGN)
    lose(named.path)
    for use in (named.read, named.sync, lambda: named.sync(UNKNOWN)):
        with pytest.raises(Lost, match=r"j\.1 was removed, moved or replaced: "):
            use()
    with pytest.raises(OSError, match="nothing more is written"):
        named.note(r.Exited(1))


def test_a_journal_that_was_lost_stays_lost(named: Journal) -> None:
    # Another attempt may have taken its number while it was away.
    away = named.path.with_name("away")
    named.path.rename(away)
    with pytest.raises(Lost):
        named.sync(UNKNOWN)
    away.rename(named.path)
    for use in (named.read, named.sync):
        with pytest.raises(Lost):
            use()
    assert b"unknown" not in away.with_name("j.1").read_bytes()


def test_a_journal_that_is_lost_while_the_disk_is_waited_for(
    named: Journal, mocker: MockerFixture
) -> None:
    fsync = os.fsync

    def lose_it_meanwhile(fd: int) -> None:
        fsync(fd)
        move(named.path)

    mocker.patch("os.fsync", lose_it_meanwhile)
    with pytest.raises(Lost):
        named.sync(UNKNOWN)


def test_a_journal_whose_name_cannot_be_looked_at_is_not_lost(
    named: Journal, mocker: MockerFixture
) -> None:
    mocker.patch("os.lstat", side_effect=BROKEN)
    with pytest.raises(OSError, match="Input/output error"):
        named.read()
    mocker.stopall()
    assert judge_bytes(named.read()).outcome == "retriable"


def test_it_can_be_read_when_it_is_closed_and_is_not_locked(named: Journal) -> None:
    assert is_under_way(named.path)
    named.close()
    assert not is_under_way(named.path)
    assert named.read() == named.path.read_bytes()


def test_a_clock_that_steps_back_does_not_take_the_journal_with_it(tmp_path: Path) -> None:
    journal = Journal.create(
        tmp_path, "j", {}, clock=iter([100.0, 102.0, 99.0, 50.0, 103.0]).__next__
    )
    for record in (SIGN, UNKNOWN, COMMITTED, r.Exited(0)):
        journal.note(record)
    assert [line.at for line in parse(journal.read()).lines] == [None, 2, 2, 2, 3]
    journal.close()
