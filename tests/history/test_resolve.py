# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a resolution on disk as a whole or not at all, after a supervisor that writes no more?"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from gpgshim.core import names
from gpgshim.core import records as r
from gpgshim.core.gate import Outcome
from gpgshim.core.records import Resolution
from gpgshim.core.verdict import judge_bytes
from gpgshim.history import resolve as module
from gpgshim.history.journal import Journal
from gpgshim.history.resolve import resolve
from gpgshim.system.errors import Fact, Misused, Unable

FULL = OSError(errno.ENOSPC, "No space left on device")


def attempt(directory: Path) -> Journal:
    journal = Journal.create(directory, "j", {})
    journal.note(r.Exited(1), r.OutcomeIs(Outcome.RETRIABLE))
    return journal


def test_a_supervisor_that_has_its_outcome_may_still_write(tmp_path: Path) -> None:
    journal = attempt(tmp_path)
    with pytest.raises(Misused, match="is under way"):
        resolve(tmp_path, "j", Resolution.UPLOADED, "x")
    journal.close()
    resolve(tmp_path, "j", Resolution.UPLOADED, "x")


def test_who_when_and_why(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch("gpgshim.history.resolve.os.uname").return_value.nodename = "build host"
    attempt(tmp_path).close()
    resolve(tmp_path, "j.1", Resolution.IRRECOVERABLE, "it is public: \u20ac\n")
    resolved = judge_bytes((tmp_path / "j.1").read_bytes()).resolved
    assert resolved is not None
    assert resolved.result is Resolution.IRRECOVERABLE
    assert resolved.who.endswith("@buildhost")
    assert resolved.when.endswith("Z")
    assert resolved.note == "it is public: \\xe2\\x82\\xac\\n"


@pytest.mark.parametrize("name", ["j", "j.1"])
def test_a_name_that_the_disk_does_not_give_back_is_not_absent(
    tmp_path: Path, mocker: MockerFixture, name: str
) -> None:
    attempt(tmp_path).close()
    mocker.patch(
        "gpgshim.history.journal.os.lstat", side_effect=OSError(errno.EIO, "Input/output error")
    )
    with pytest.raises(Unable, match=r"the attempts of job j in .* Input/output error") as caught:
        resolve(tmp_path, name, Resolution.RETRIABLE, "x")
    assert caught.value.fact is Fact.NOTHING_WRITTEN


def test_an_attempt_of_a_job_with_the_longest_name(tmp_path: Path) -> None:
    job = "j" * names.LONGEST_JOB
    Journal.create(tmp_path, job, {}).close()
    resolve(tmp_path, f"{job}.1", Resolution.RETRIABLE, "x")
    resolved = judge_bytes((tmp_path / f"{job}.1").read_bytes()).resolved
    assert resolved is not None
    assert resolved.result is Resolution.RETRIABLE


@pytest.mark.parametrize("torn", [False, True])
def test_a_full_disk_leaves_the_journal_as_it_was(
    tmp_path: Path, mocker: MockerFixture, torn: bool
) -> None:
    attempt(tmp_path).close()
    path = tmp_path / "j.1"
    if torn:
        path.write_bytes(path.read_bytes()[:-3])
    before = path.read_bytes()

    def half(fd: int, data: bytes) -> None:
        os.write(fd, data[: len(data) // 2])
        raise FULL

    mocker.patch.object(module, "write_all", half)
    with pytest.raises(Unable, match="No space left"):
        resolve(tmp_path, "j", Resolution.UPLOADED, "x")
    assert path.read_bytes() == before


def test_an_fsync_that_fails_is_no_success(tmp_path: Path, mocker: MockerFixture) -> None:
    attempt(tmp_path).close()
    mocker.patch("gpgshim.history.resolve.os.fsync", side_effect=FULL)
    with pytest.raises(Unable, match="cannot be resolved"):
        resolve(tmp_path, "j", Resolution.UPLOADED, "x")


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_only_a_plain_file_is_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "j.1"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        (tmp_path / "other").write_text("x\n")
        path.symlink_to("other")
    with pytest.raises(Unable, match="cannot be resolved"):
        resolve(tmp_path, "j", Resolution.RETRIABLE, "x")
