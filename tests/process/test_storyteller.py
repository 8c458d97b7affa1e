# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does `gpgshim show` find the right journal, and show also a job that is still under way?"""

from __future__ import annotations

from tests.support.scratch import Scratch, hear, tell


def test_the_last_attempt_or_the_one_that_is_named(scratch: Scratch) -> None:
    scratch.run("exit 1")
    scratch.run("gpg -b f")
    for name, attempt in (("j", 2), ("j.2", 2), ("j.1", 1)):
        done = scratch.gpgshim("show", name)
        assert (done.status, done.err) == (0, "")
        assert f"   attempt  {attempt}\n" in done.out
        assert "  j      1  uncommitted  retriable" in done.out  # all of them are listed
        assert "  j      2  committed    uploaded" in done.out


def test_a_file(scratch: Scratch) -> None:
    scratch.run("exit 1")
    copy = scratch.root / "copy"
    copy.write_bytes(scratch.journals()[0].read_bytes())
    assert (
        "retriable: no gpg under the gate was called to sign" in scratch.gpgshim("show", copy).out
    )


def test_a_job_whose_name_ends_in_a_number(scratch: Scratch) -> None:
    scratch.gpgshim("run", "--job", "v1.2", "--gpg", scratch.stand_in(), "--", "true")
    assert "       job  v1.2\n" in scratch.gpgshim("show", "v1.2").out


def test_a_job_that_is_under_way(scratch: Scratch) -> None:
    go, there = scratch.fifo("go"), scratch.fifo("there")
    job = scratch.start_run(f"echo >{there}; read x <{go}")
    hear(there)
    out = scratch.gpgshim("show", "j").out
    said = "The job is under way, and waits for the job: no request to commit was sent yet.\n"
    assert said in out
    would_be = "retriable: no gpg under the gate was called to sign"
    assert f"If the job stopped now, its outcome would be\n{would_be}" in out
    tell(go)
    job.wait()
    assert "under way" not in scratch.gpgshim("show", "j").out


def test_a_missing_file_or_no_journal(scratch: Scratch) -> None:
    none = scratch.gpgshim("show", "none")
    assert (none.status, none.out) == (64, "")
    assert "there is no journal of a job 'none' in" in none.err
    assert scratch.gpgshim("show", "./none").status == 64
    (scratch.root / "junk").write_text("junk\n")
    junk = scratch.gpgshim("show", "./junk")
    assert (junk.status, junk.out) == (65, "")
    assert "the state of the job is unknown" in junk.err


def test_a_journal_that_contradicts_itself(scratch: Scratch) -> None:
    (scratch.root / "lies").write_text("job: j\n\n! uncommitted\n% exit 1\nuploaded\n")
    lies = scratch.gpgshim("show", "./lies")
    assert (lies.status, lies.out) == (65, "")
    assert "its outcome is retriable, but it says uploaded" in lies.err
