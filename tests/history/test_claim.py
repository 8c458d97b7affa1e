# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does exactly one of the attempts of a job start, and does each see the ones before it?"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.core.gate import Outcome, State
from gpgshim.core.memory import Option, Standing
from gpgshim.history import claim
from gpgshim.history.journal import Journal, marker
from gpgshim.system.errors import AlreadyDone, NotStarted, Unable

RETRIABLE = (r.Exited(1), r.OutcomeIs(Outcome.RETRIABLE))
ASKED = (r.SignRequest("gpg -s"), r.StateIs(State.UNKNOWN))
COMMITTED = (*ASKED, r.GoAhead(), r.StateIs(State.COMMITTED), r.Granted())
UPLOADED = (*COMMITTED, r.Exited(0), r.OutcomeIs(Outcome.UPLOADED))


def attempt(directory: Path, *records: Record, option: Option = Option.NONE) -> Journal:
    """An attempt of the job j that is over."""
    journal = start(directory, option)
    journal.note(*records)
    journal.close()
    return journal


def start(directory: Path, option: Option = Option.NONE) -> Journal:
    with claim.begin(directory, "j", option) as beginning:
        return Journal.create(directory, "j", beginning.head, after=beginning.newest)


def head(journal: Journal) -> list[str]:
    return journal.path.read_text().partition("\n\n")[0].splitlines()[3:]


def test_the_first_attempt_starts(tmp_path: Path) -> None:
    assert head(start(tmp_path)) == ["earlier: none"]


def test_a_harmless_attempt_lets_the_next_one_start(tmp_path: Path) -> None:
    attempt(tmp_path, *RETRIABLE)
    attempt(tmp_path)  # it crashed at once
    assert start(tmp_path).path.name == "j.3"


def test_an_attempt_that_stands_stops_the_next_one(tmp_path: Path) -> None:
    attempt(tmp_path, *RETRIABLE)
    attempt(tmp_path, *COMMITTED, r.Exited(1), r.OutcomeIs(Outcome.IRRECOVERABLE))
    with pytest.raises(
        NotStarted, match=r"attempt j\.2 is irrecoverable: committed, .*/j\.2\]"
    ) as it:
        start(tmp_path)
    assert it.value.status == 77
    assert "gpgshim resolve j --as" in it.value.hint
    assert not (tmp_path / "j.3").exists()


def test_an_attempt_under_way_stops_even_again(tmp_path: Path) -> None:
    first = start(tmp_path)
    for option in (Option.NONE, Option.AGAIN, Option.SKIP_DONE):
        with pytest.raises(NotStarted, match=r"attempt j\.1 is under way"):
            start(tmp_path, option)
    first.close()
    assert start(tmp_path).path.name == "j.2"


def test_a_job_that_is_done(tmp_path: Path) -> None:
    attempt(tmp_path, *UPLOADED)
    with pytest.raises(NotStarted, match=r"attempt j\.1 is uploaded"):
        start(tmp_path)
    with pytest.raises(AlreadyDone, match=r"attempt j\.1 is uploaded") as done:
        start(tmp_path, Option.SKIP_DONE)
    assert done.value.status == 0
    assert head(start(tmp_path, Option.AGAIN)) == ["again: 1"]


def test_what_again_has_overridden_does_not_stand_any_more(tmp_path: Path) -> None:
    attempt(tmp_path, *ASKED)
    attempt(tmp_path, *RETRIABLE, option=Option.AGAIN)
    assert head(start(tmp_path)) == ["earlier: none"]


def test_an_attempt_that_was_only_warned_settles_nothing(tmp_path: Path) -> None:
    attempt(tmp_path, *ASKED)
    with claim.begin(tmp_path, "j", Option.WARN) as beginning:
        assert beginning.head == {}
        assert beginning.warning is not None
        assert "attempt j.1 is irrecoverable" in beginning.warning.seen
        second = Journal.create(tmp_path, "j", beginning.head)
    second.note(*RETRIABLE)
    second.close()
    with pytest.raises(NotStarted, match=r"attempt j\.1 is irrecoverable"):
        start(tmp_path)


def test_the_newest_of_several_attempts_that_stand_is_named(tmp_path: Path) -> None:
    attempt(tmp_path, *ASKED)
    attempt(tmp_path, *COMMITTED, option=Option.WARN)
    with pytest.raises(NotStarted, match=r"attempt j\.2 is irrecoverable"):
        start(tmp_path)


def test_an_attempt_under_way_is_not_hidden_by_a_later_one_that_is_over(tmp_path: Path) -> None:
    first = start(tmp_path)
    with claim.begin(tmp_path, "j", Option.WARN) as beginning:
        second = Journal.create(tmp_path, "j", beginning.head, after=beginning.newest)
    second.note(*ASKED)
    second.close()
    with pytest.raises(NotStarted, match=r"attempt j\.1 is under way"):
        start(tmp_path, Option.AGAIN)
    first.close()
    assert head(start(tmp_path, Option.AGAIN)) == ["again: 2"]


def test_the_search_ends_where_all_is_settled(tmp_path: Path, mocker: MockerFixture) -> None:
    for _ in range(20):
        attempt(tmp_path, *RETRIABLE)
    looked = mocker.spy(claim, "look")
    listed = mocker.spy(os, "listdir")
    start(tmp_path)
    assert (looked.call_count, listed.call_count) == (1, 0)


def test_a_journal_of_an_earlier_version_does_not_hide_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "j.1").write_text("job: j\n\n! uncommitted\n! unknown\n% exit 1\nirrecoverable\n")
    (tmp_path / "j.2").write_text("job: j\n\n! uncommitted\n% exit 1\nretriable\n")
    with pytest.raises(NotStarted, match=r"attempt j\.1 is irrecoverable"):
        start(tmp_path)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no journal\n"),
        lambda path: path.mkdir(),
        lambda path: os.mkfifo(path),
        lambda path: path.symlink_to("nowhere"),
    ],
)
def test_an_attempt_that_cannot_be_read_may_have_signed(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "j.1")
    with pytest.raises(NotStarted, match=r"attempt j\.1 is irrecoverable: unknown"):
        start(tmp_path)


@pytest.mark.parametrize("name", ["j.1", "j.2", ".pruned-j"])
def test_a_name_that_the_disk_does_not_give_back_is_not_free(
    tmp_path: Path, mocker: MockerFixture, name: str
) -> None:
    attempt(tmp_path, *ASKED)
    lstat = os.lstat

    def fail(path: Any) -> os.stat_result:
        if os.fspath(path) == str(tmp_path / name):
            raise OSError(5, "Input/output error")
        return lstat(path)

    mocker.patch("os.lstat", fail)
    with pytest.raises(Unable, match="cannot be found: Input/output error"):
        start(tmp_path)


def test_after_pruning_the_remaining_attempts_are_found(tmp_path: Path) -> None:
    attempt(tmp_path, *ASKED)
    attempt(tmp_path, *RETRIABLE, option=Option.WARN)
    attempt(tmp_path, *RETRIABLE, option=Option.WARN)
    marker(tmp_path, "j").touch()
    (tmp_path / "j.2").unlink()
    with pytest.raises(NotStarted, match=r"attempt j\.1 "):
        start(tmp_path)


def test_names_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with claim.hold(tmp_path, "j"), claim.hold(tmp_path, "k", patience=0):
        pass


def test_a_claim_that_is_held_for_too_long_stops_the_next_one(tmp_path: Path) -> None:
    with (
        claim.hold(tmp_path, "j"),
        pytest.raises(NotStarted, match="another process"),
        claim.begin(tmp_path, "j", Option.NONE, patience=0),
    ):
        pass
    with claim.hold(tmp_path, "j"), claim.begin(tmp_path, "j", Option.WARN, 0) as beginning:
        assert beginning.head == {}
        assert beginning.warning is not None


def test_an_attempt_without_a_claim_is_not_overlooked(tmp_path: Path) -> None:
    """The holder of the claim is stopped after its look. Another attempt warns, and starts."""
    attempt(tmp_path, *RETRIABLE)
    with (
        claim.begin(tmp_path, "j", Option.NONE) as ours,
        claim.begin(tmp_path, "j", Option.WARN, patience=0) as theirs,
    ):
        other = Journal.create(tmp_path, "j", theirs.head, after=theirs.newest)
        other.note(*COMMITTED)
        with pytest.raises(NotStarted, match=r"attempt j\.2 was started meanwhile") as error:
            Journal.create(tmp_path, "j", ours.head, after=ours.newest)
    assert error.value.hint
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["j.1", "j.2"]


def test_a_claim_on_a_file_that_was_removed_is_none(tmp_path: Path, mocker: MockerFixture) -> None:
    lock = fcntl.fcntl
    removed: list[Path] = []

    def remove_first(fd: int, *wanted: Any) -> Any:
        if not removed:
            removed.append(tmp_path / ".claims")
            removed[0].unlink()
        return lock(fd, *wanted)

    mocker.patch("gpgshim.history.claim.fcntl.fcntl", remove_first)
    with (
        claim.hold(tmp_path, "j"),
        pytest.raises(NotStarted),
        claim.hold(tmp_path, "j", patience=0),
    ):
        pass


@pytest.mark.parametrize("call", ["os.close", "fcntl.fcntl"])
def test_an_error_at_the_end_of_a_claim_changes_nothing(
    tmp_path: Path, mocker: MockerFixture, call: str
) -> None:
    with claim.hold(tmp_path, "j"):
        mocker.patch(f"gpgshim.history.claim.{call}", side_effect=OSError(5, "EIO"))
    mocker.stopall()
    with claim.hold(tmp_path, "j", patience=0):
        """It is released: by its own call, or with the descriptor."""


def test_a_file_of_claims_that_cannot_be_looked_at_is_not_held_by_another(
    tmp_path: Path, mocker: MockerFixture
) -> None:
    mocker.patch(
        "gpgshim.history.claim.os.lstat", side_effect=PermissionError(13, "Permission denied")
    )
    with pytest.raises(Unable, match="cannot lock"), claim.hold(tmp_path, "j", patience=0):
        pass
    mocker.stopall()
    with claim.hold(tmp_path, "j", patience=0):
        """The claim is free."""


def test_a_hash_function_that_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("hashlib.blake2b")
    # The program reports an ImportError in one line: see cli/main.py.
    with pytest.raises(ImportError), claim.hold(tmp_path, "j", patience=0):
        pass


def test_a_claim_cannot_be_a_link(tmp_path: Path) -> None:
    (tmp_path / ".claims").symlink_to("elsewhere")
    with pytest.raises(Unable, match="cannot lock"), claim.hold(tmp_path, "j"):
        pass


@pytest.mark.starts
@pytest.mark.parametrize("where", ["before", "after"])
def test_a_crash_of_the_holder_leaves_no_claim(tmp_path: Path, where: str) -> None:
    """`where` is the moment of the crash: before the journal has its name, or after."""
    code = """
import os, signal, sys
from pathlib import Path
from gpgshim.core.memory import Option
from gpgshim.history import claim
from gpgshim.history.journal import Journal
directory = Path(sys.argv[1])
with claim.begin(directory, "j", Option.NONE) as beginning:
    if sys.argv[2] == "after":
        Journal.create(directory, "j", beginning.head)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    words = [sys.executable, "-c", code, str(tmp_path), where]
    child = os.posix_spawn(sys.executable, words, os.environ)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    earlier = claim.newest_that_stands(tmp_path, "j")
    assert (earlier and earlier.recalled.standing) == (
        None if where == "before" else Standing.CRASHED_EARLY
    )
    assert start(tmp_path).path.name == ("j.1" if where == "before" else "j.2")


@pytest.mark.starts
def test_of_many_attempts_at_once_one_starts(tmp_path: Path) -> None:
    go_reader, go_writer = os.pipe()
    out_reader, out_writer = os.pipe()
    children = []
    for _ in range(12):
        child = os.fork()
        if child == 0:
            os.close(go_writer)
            os.read(go_reader, 1)  # until all are there
            try:
                journal = start(tmp_path)
                os.write(out_writer, b"+")
            except NotStarted:
                os.write(out_writer, b"-")
            os.close(out_writer)
            os.close(out_reader)
            os.read(go_reader, 1)
            signal.pause()  # the attempt is under way
            os._exit(len(str(journal)))
        children.append(child)
    os.close(go_reader)
    os.close(go_writer)
    os.close(out_writer)
    with open(out_reader, "rb") as pipe:
        answers = pipe.read()
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert sorted(answers) == sorted(b"+" + b"-" * 11)
    assert [path.name for path in tmp_path.glob("j.*")] == ["j.1"]
