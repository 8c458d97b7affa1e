# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does `gpgshim status` find each job that needs a person or is under way, and read few others?"""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from gpgshim.cli import status
from gpgshim.core import records as r
from gpgshim.core.gate import State
from gpgshim.history import journal, settled
from gpgshim.history.jobs import NEWEST, attempts_of, read_rows
from gpgshim.history.journal import Journal, is_under_way, locked_inodes
from gpgshim.history.resolve import resolve
from gpgshim.summary.rows import UNREAD
from gpgshim.system.errors import Unable
from tests.support.scratch import PATIENCE, Scratch, hear, tell, wait_for

TOLD = "job: j\nattempt: 1\n\n! uncommitted\n% exit 1\nretriable\n"
CRASHED = "job: j\nattempt: 1\n\n! uncommitted\n! unknown\n"


def write(directory: Path, name: str, age: float = 0, text: str = TOLD) -> None:
    path = directory / name
    path.write_text(text)
    os.utime(path, (2e9 - age, 2e9 - age))


def shown(directory: Path, newest: int | None = NEWEST) -> list[tuple[str, int]]:
    return [(row.job, row.attempt) for row in read_rows(directory, newest, 2e9)[0]]


# Who is under way.


def test_a_journal_is_under_way_as_long_as_its_supervisor_lives(tmp_path: Path) -> None:
    own = Journal.create(tmp_path, "j", {})
    assert is_under_way(own.path)
    assert own.path.stat().st_ino in (locked_inodes() or ())
    own.close()
    assert not is_under_way(own.path)


def test_a_child_without_a_supervisor_does_not_keep_it_so(scratch: Scratch) -> None:
    go, there = scratch.fifo("go"), scratch.fifo("there")
    job = scratch.start_run(f"echo >{there}; read x <{go}")
    hear(there)
    path = scratch.journals()[0]
    assert is_under_way(path)
    job.send_signal(signal.SIGKILL)
    job.wait()
    # A process that reads files, if it was being started, has the journal open for a moment more.
    wait_for(lambda: not is_under_way(path), "the end of the lock")
    tell(go)


def test_looking_at_a_journal_does_not_disturb_its_supervisor(tmp_path: Path) -> None:
    own = Journal.create(tmp_path, "j", {})
    for _ in range(3):
        assert is_under_way(own.path)
    own.sync(r.StateIs(State.UNKNOWN))
    own.close()
    assert not is_under_way(own.path)


def test_a_supervisor_in_the_background_is_seen(scratch: Scratch) -> None:
    gpg = scratch.stand_in()
    line = scratch.gpgshim("supervise", "--job", "back", "--gpg", gpg).out
    directory = line.removeprefix("PATH=").partition("/bin:")[0]
    assert "> back" in scratch.gpgshim("status").out
    scratch.gpgshim("close", directory)
    wait_for(lambda: "> back" not in scratch.gpgshim("status").out, "its end")


def test_a_job_under_way_is_never_too_old_to_be_seen(tmp_path: Path) -> None:
    own = Journal.create(tmp_path, "old", {})
    os.utime(own.path, (1e9, 1e9))
    for n in range(50):
        write(tmp_path, f"{n}.1", n)
    assert shown(tmp_path, 3) == [("old", 1), ("0", 1), ("1", 1), ("2", 1)]
    assert shown(tmp_path, 0) == [("old", 1)]
    own.close()
    assert shown(tmp_path, 3) == [("0", 1), ("1", 1), ("2", 1)]


def test_a_kernel_s_list_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(journal, "open", fail, raising=False)
    assert locked_inodes() is None


# Which rows.


def test_each_job_has_a_line_with_its_earlier_attempts(tmp_path: Path) -> None:
    write(tmp_path, "j.1", 9)
    write(tmp_path, "j.2", 8)
    write(tmp_path, "j.10", 7)
    (row,), number = read_rows(tmp_path, None, 2e9)
    assert (row.attempt, row.earlier, number) == (10, ("retriable", "retriable"), 1)


def test_an_earlier_attempt_that_needs_a_person_is_not_hidden(tmp_path: Path) -> None:
    write(tmp_path, "j.1", 9, CRASHED)
    write(tmp_path, "j.2", 8)
    assert shown(tmp_path) == [("j", 2), ("j", 1)]


def test_two_attempts_at_once(tmp_path: Path) -> None:
    first = Journal.create(tmp_path, "j", {})
    second = Journal.create(tmp_path, "j", {})
    rows = read_rows(tmp_path, 0)[0]
    assert [(row.attempt, row.under_way) for row in rows] == [(2, True), (1, True)]
    assert rows[0].earlier == ("under way",)
    first.close()
    second.close()


def test_other_files_are_no_journals(tmp_path: Path) -> None:
    write(tmp_path, "j.1")
    for name in ("README", ".new.12", ".pruned", "j.x", "j.0", "j.01", "j.9999999999", "-j.1"):
        write(tmp_path, name)
    (tmp_path / "dir.1").mkdir()
    (tmp_path / "link.1").symlink_to(tmp_path / "j.1")
    os.mkfifo(tmp_path / "fifo.1")  # a process that opens it waits
    assert shown(tmp_path, None) == [("j", 1)]


def test_one_that_is_pruned_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.1", 1)
    write(tmp_path, "b.1", 2)
    real = journal.read_content

    def read(path: Path | str) -> journal.Content:
        (tmp_path / "a.1").unlink(missing_ok=True)
        return real(path)

    monkeypatch.setattr("gpgshim.history.jobs.read_content", read)
    assert shown(tmp_path) == [("b", 1)]


def test_attempts_of_a_job(tmp_path: Path) -> None:
    write(tmp_path, "j.2")
    write(tmp_path, "j.1")
    write(tmp_path, "k.1")
    assert [each.attempt for each in attempts_of(tmp_path, "j")] == [1, 2]
    assert attempts_of(tmp_path, "none") == attempts_of(tmp_path / "none", "j") == []


# Which journals are read.


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the journals that were read, in order."""
    names: list[str] = []
    real = journal.read_content

    def note_and_read(path: Path | str) -> journal.Content:
        names.append(Path(path).name)
        return real(path)

    monkeypatch.setattr("gpgshim.history.jobs.read_content", note_and_read)
    return names


def write_old(directory: Path, number: int) -> None:
    for n in range(number):
        write(directory, f"{n}.1", n)
    let_the_clock_pass()


def let_the_clock_pass() -> None:
    """Wait until files that were changed before count as older than a list written from now on."""
    until = time.time() + 2 * settled.MARGIN
    wait_for(lambda: time.time() > until, "the time")


def test_settled_journals_are_read_once_and_then_only_the_newest(
    tmp_path: Path, read: list[str]
) -> None:
    write_old(tmp_path, 300)
    assert len(read_rows(tmp_path, 7)[0]) == 7
    assert sorted(read) == sorted(f"{n}.1" for n in range(300))
    read.clear()
    rows, number = read_rows(tmp_path, 7)
    assert (len(rows), number) == (7, 300)
    assert read == [f"{n}.1" for n in range(7)]


@pytest.mark.parametrize("few", [0, settled.FEW])
@pytest.mark.parametrize("text", [CRASHED, "nonsense\n", CRASHED[:-5]])
def test_a_job_that_needs_a_person_is_never_too_old_to_be_seen(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch, few: int, text: str
) -> None:
    monkeypatch.setattr(settled, "FEW", few)
    write_old(tmp_path, 50)
    assert shown(tmp_path, 0) == []
    write(tmp_path, "old.1", 1e9, text)
    write(tmp_path, "old.2", 1e9)
    for _ in range(3):
        read.clear()
        assert shown(tmp_path, 2) == [("0", 1), ("1", 1), ("old", 2), ("old", 1)]
        assert len(read) <= 4
    resolve(tmp_path, "old.1", r.Resolution.RETRIABLE, "looked")
    assert shown(tmp_path, 2) == [("0", 1), ("1", 1)]


def test_no_journal_is_read_twice(tmp_path: Path, read: list[str]) -> None:
    for n in range(5):
        write(tmp_path, f"j.{n + 1}", n, CRASHED if n == 2 else TOLD)
        write(tmp_path, f"k{n}.1", n, CRASHED if n == 2 else TOLD)
    for newest in (0, 1, NEWEST, None):
        read.clear()
        read_rows(tmp_path, newest)
        assert sorted(read) == sorted(set(read))


@pytest.mark.parametrize("how", ["write", "replace", "touch"])
def test_a_journal_that_was_changed_is_read_again(
    tmp_path: Path, read: list[str], how: str
) -> None:
    write_old(tmp_path, 5)
    read_rows(tmp_path, 0)
    before = (tmp_path / "3.1").stat()
    if how == "replace":
        write(tmp_path, "new", 3, CRASHED)
        (tmp_path / "new").rename(tmp_path / "3.1")
    else:
        (tmp_path / "3.1").write_text(CRASHED if how == "write" else TOLD)
        os.utime(tmp_path / "3.1", ns=(before.st_atime_ns, before.st_mtime_ns))
    read.clear()
    assert shown(tmp_path, 0) == ([] if how == "touch" else [("3", 1)])
    assert read == ["3.1"]


def test_among_many_the_file_itself_counts(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settled, "FEW", 0)
    write_old(tmp_path, 5)
    read_rows(tmp_path, 0)
    write(tmp_path, "new", 3, CRASHED)
    (tmp_path / "new").rename(tmp_path / "3.1")
    read.clear()
    assert (shown(tmp_path, 0), read) == ([("3", 1)], ["3.1"])


def test_a_name_that_is_used_again_is_not_taken_for_the_old_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settled, "FEW", 0)
    write_old(tmp_path, 5)
    write(tmp_path, "j.1")
    read_rows(tmp_path, 0)
    (tmp_path / "j.1").unlink()
    own = Journal.create(tmp_path, "j", {})
    # The kernel may give the new file the number of the old one.
    listed = tmp_path / ".settled"
    inode = own.path.stat().st_ino
    text = re.sub(r"\n(.)\.1 \d+", rf"\n\1.1 {inode}", listed.read_text())
    listed.write_text(text)
    assert f"-.1 {inode}" in text
    own.sync(r.StateIs(State.UNKNOWN))
    own.close()
    assert shown(tmp_path, 0) == [("j", 1)]


def test_a_list_that_cannot_be_opened_is_removed_by_a_new_attempt(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("x")
    (tmp_path / ".settled").symlink_to(target)
    Journal.create(tmp_path, "j", {}).close()
    assert not os.path.lexists(tmp_path / ".settled") and target.read_text() == "x"


@pytest.mark.parametrize("spoil", ["", "cut", "x", "other"])
def test_a_spoilt_list_costs_only_time(tmp_path: Path, read: list[str], spoil: str) -> None:
    write_old(tmp_path, 9)
    read_rows(tmp_path, 0)
    listed = tmp_path / ".settled"
    text = listed.read_text()
    listed.write_text(
        {"": "", "cut": text[:-9], "x": "x" + text, "other": text.replace("-1 ", "-0 ", 1)}[spoil]
    )
    write(tmp_path, "old.1", 1e9, CRASHED)
    for expected in (10, 1):
        read.clear()
        assert shown(tmp_path, 0) == [("old", 1)]
        assert len(read) == expected


def test_a_directory_of_another_user_is_only_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_old(tmp_path, 3)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert len(shown(tmp_path)) == 3
    assert not (tmp_path / ".settled").exists()


# What is printed.


def test_the_whole_of_it(scratch: Scratch) -> None:
    assert scratch.gpgshim("status").out.startswith("There are no jobs in ")
    go, there = scratch.fifo("go"), scratch.fifo("there")
    scratch.run("exit 1")
    scratch.run("gpg -b f; exit 3")
    scratch.start_run(f"echo >{there}; read x <{go}", "--again")
    hear(there)
    done = scratch.gpgshim("status")
    assert (done.status, done.err) == (0, "")
    head, own, crashed, empty, summary = done.out.splitlines()
    assert head.split() == ["JOB", "ATT", "STATE", "OUTCOME", "AGE", "RETRIABLE", "SIG"]
    assert own.startswith("> j      3  uncommitted  under way")
    assert own.endswith("before: retriable, irrecoverable")
    assert crashed.startswith("! j      2  committed    irrecoverable")
    assert crashed.endswith("  1  check what was published")
    assert (empty, summary) == ("", "1 under way, 1 needs a person (of 1 jobs shown, 1 in all).")
    told = json.loads(scratch.gpgshim("status", "--json").out)
    assert told["version"] == 1 and told["jobs_in_all"] == 1
    assert told["directory"] == str(scratch.state / "gpgshim")
    assert [(each["attempt"], each["under_way"]) for each in told["rows"]] == [
        (3, True),
        (2, False),
    ]
    tell(go)


def test_watching_on_a_pipe_prints_whole_pictures(scratch: Scratch) -> None:
    scratch.run("exit 1")
    watching = scratch.start("status", "--watch", "0.1")
    assert watching.stdout is not None
    lines = [watching.stdout.readline() for _ in range(12)]
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=PATIENCE)
    assert [line.split()[:1] for line in lines] == [["JOB"], ["j"], [], ["0"]] * 3
    assert not any("\033" in line for line in lines)


def test_a_terminal_is_redrawn_in_place() -> None:
    drawn = status.fit("a\nb\n", 24)
    assert drawn == "\033[Ha\033[K\nb\033[K\n\033[J"
    drawn = status.fit("".join(f"{n}\n" for n in range(50)), 10)
    assert drawn.count("\n") == 9
    assert "... and 42 lines more" in drawn and "49\033[K\n" in drawn


def test_watching_goes_on_at_its_pace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        status.watch(tmp_path, None, True, 5, status.Alarms(tmp_path))
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert all(4 < each <= 5 for each in slept)


def test_options_that_contradict_each_other(scratch: Scratch) -> None:
    assert scratch.gpgshim("status", "-n", "1", "--all").status == 64


def test_a_directory_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unable, match="cannot be read"):
        status.look(tmp_path / "file", None, False)


def test_a_journal_that_cannot_be_read_does_not_hide_the_others(
    scratch: Scratch, mocker: MockerFixture
) -> None:
    scratch.run("exit 1")
    directory = scratch.state / "gpgshim"
    shutil.copy(directory / "j.1", directory / "mine.1")
    real = journal.read_content

    def read(path: Path | str) -> journal.Content:  # root, whom tests may run as, can read all
        if Path(path).name == "j.1":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path)

    mocker.patch("gpgshim.history.jobs.read_content", read)
    said = status.look(directory, None, False)
    assert "! j " in said and UNREAD in said and "Permission denied" in said
    assert "  mine " in said


def test_watching_on_a_terminal_redraws_and_leaves_it_as_it_was(scratch: Scratch) -> None:
    scratch.run("exit 1")
    ours, its = pty.openpty()
    words = [sys.executable, "-m", "gpgshim", "status", "--watch", "0.1"]
    env = scratch.env | {"TERM": "xterm"}
    with subprocess.Popen(words, env=env, stdin=its, stdout=its, stderr=its) as watching:
        said = b""
        while said.count(b"\033[J") < 3:
            said += os.read(ours, 4096)
        watching.send_signal(signal.SIGINT)
        watching.wait(PATIENCE)
    os.close(its)
    os.close(ours)
    assert watching.returncode == -signal.SIGINT  # a shell that waits for it sees 130, and ends too
    pictures = said.split(b"\033[H")[1:]
    assert len(pictures) >= 3 and b"\033[?" not in said  # no other screen, no hidden cursor
    assert all(b"0 under way, 0 need a person" in picture for picture in pictures[:3])
