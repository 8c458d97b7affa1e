# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a named job start again only if no earlier attempt stands, and what does its caller hear?"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from gpgshim.core.gate import Outcome
from tests.support.scratch import (
    REFUSE,
    Done,
    Scratch,
    Terminal,
    finish,
    hear,
    message,
    tell,
    wait_for,
)

SIGN = "gpg -s f"
FAILS = "exit 3"
SIGNS_AND_FAILS = f"{SIGN}; exit 3"


def outcomes(scratch: Scratch) -> list[Outcome]:
    return [scratch.verdict(at).outcome for at in range(len(scratch.journals()))]


def test_the_sequence_of_a_retried_release(scratch: Scratch) -> None:
    assert scratch.run(FAILS).status == 75
    assert scratch.run(SIGNS_AND_FAILS).status == 3
    for _ in range(2):
        third = scratch.run(FAILS)
        assert third.status == 77
        journal = scratch.journals()[1]
        assert message(third.err)[0] == (
            "attempt j.2 is irrecoverable: committed, and signatures may have been made; check what"
            f" was published [{journal}]; nothing was started"
        )
        assert "gpgshim resolve j --as" in (message(third.err)[1] or "")
    assert scratch.calls() == ["-s f"]
    assert outcomes(scratch) == [Outcome.RETRIABLE, Outcome.IRRECOVERABLE]
    assert scratch.jobs() == []


@pytest.mark.parametrize(
    ("first", "options", "status"),
    [
        ("true", (), 0),
        (FAILS, (), 75),
        (SIGN, ("--commit", REFUSE), 77),
        (f"{SIGN}; true", ("--commit", REFUSE), 77),  # it does not notice the refusal
        (SIGNS_AND_FAILS, ("--observe",), 3),
    ],
)
def test_after_these_the_job_starts_again(
    scratch: Scratch, first: str, options: tuple[str, ...], status: int
) -> None:
    assert scratch.run(first, *options).status == status
    assert scratch.run("echo started").out == "started\n"
    assert scratch.journal().head["earlier"] == "none"


@pytest.mark.parametrize(
    ("first", "options"),
    [
        (SIGN, ()),
        (SIGNS_AND_FAILS, ()),
        (SIGN, ("--commit", "sh -c 'exit 9'")),
        ("./no-such-program", ()),
    ],
)
def test_after_these_the_job_does_not_start_again(
    scratch: Scratch, first: str, options: tuple[str, ...]
) -> None:
    if first.startswith("./"):
        scratch.gpgshim("run", *scratch.options(*options), "--", first)
    else:
        scratch.run(first, *options)
    done = scratch.run("echo started")
    assert (done.status, done.out) == (77, "")
    assert "attempt j.1 is " in done.err
    assert len(scratch.journals()) == 1


def test_again_is_recorded(scratch: Scratch) -> None:
    scratch.run(SIGNS_AND_FAILS)
    assert scratch.run(FAILS, "--again").status == 75
    assert scratch.journal().head["again"] == "1"
    assert scratch.run("true").status == 0  # the person has decided about attempt 1


def test_skip_done(scratch: Scratch) -> None:
    scratch.run(SIGN)
    done = scratch.run("echo started", "--skip-done")
    assert (done.status, done.out) == (0, "")
    assert message(done.err)[0] == (
        "the job is done: attempt j.1 is uploaded: committed, and the job ended well"
        f" [{scratch.journals()[0]}]; nothing was started"
    )
    assert len(scratch.journals()) == 1


def test_skip_done_skips_only_what_is_done(scratch: Scratch) -> None:
    assert scratch.run(FAILS, "--skip-done").status == 75
    assert scratch.run(SIGNS_AND_FAILS, "--skip-done").status == 3
    assert scratch.run("true", "--skip-done").status == 77


def test_an_attempt_under_way(scratch: Scratch) -> None:
    fifo = scratch.fifo("go")
    first = scratch.start_run("read x <go; exit 3")
    scratch.wait_for_line("! uncommitted")
    for option in ("--again", "--skip-done"):
        done = scratch.run("true", option)
        assert done.status == 77
        assert "attempt j.1 is under way" in done.err
    tell(fifo)
    assert finish(first).status == 75
    assert scratch.run("true").status == 0


def test_two_at_the_same_moment(scratch: Scratch) -> None:
    """Each of them waits in its job, so that both would run if both had started."""
    fifo = scratch.fifo("started")
    both = [scratch.start_run("echo x >started; sleep 1000") for _ in range(2)]
    assert hear(fifo) == "x\n"
    wait_for(lambda: any(each.poll() is not None for each in both), "the end of one attempt")
    (loser,) = [each for each in both if each.poll() is not None]
    done = finish(loser)
    assert done.status == 77
    assert "attempt j.1 is under way" in done.err
    assert len(scratch.journals()) == 1


#: `gpgshim run`, with a rival at the moment when the journal is made.
RIVAL = """\
import sys
from gpgshim.cli import main as cli
from gpgshim.history import claim
from gpgshim.history.journal import Journal
from gpgshim.system.errors import NotStarted
create = Journal.create
def with_rival(directory, job, head, **more):
    try:
        with claim.hold(directory, job, patience=0):
            sys.exit("a rival could look and start")
    except NotStarted:
        return create(directory, job, head, **more)
Journal.create = with_rival
sys.exit(cli.main())
"""


def test_no_rival_looks_before_the_journal_is_made(scratch: Scratch) -> None:
    words = ["run", *scratch.options(), "--", "sh", "-c", FAILS]
    done = scratch.call(sys.executable, "-c", RIVAL, *words)
    assert done.status == 75, done.err


def test_a_killed_supervisor_before_the_request(scratch: Scratch) -> None:
    first = scratch.start_run("sleep 1000")
    scratch.wait_for_line("! uncommitted")
    first.kill()
    first.wait()  # its job lives on
    assert scratch.run("true").status == 0


def test_a_killed_supervisor_after_the_request(scratch: Scratch) -> None:
    first = scratch.start_run(f"{SIGN}; sleep 1000", "--commit", "sleep 1000")
    scratch.wait_for_line("> commit-to-public-upload")
    first.kill()
    first.wait()  # its job lives on
    done = scratch.run("true")
    assert done.status == 77
    assert "attempt j.1 is irrecoverable: unknown: " in done.err


def test_a_job_without_a_name(scratch: Scratch) -> None:
    for _ in range(2):
        done = scratch.gpgshim(
            "run", "--gpg", scratch.stand_in(), "--", "sh", "-c", SIGNS_AND_FAILS
        )
        assert done.status == 3
        assert "; without --job, no later run will know of this job [" in done.err
    assert not {"earlier", "again"} & set(scratch.journal().head)
    for option in ("--again", "--skip-done"):
        done = scratch.gpgshim("run", option, "--", "true")
        assert done.status == 64
        assert f"{option} needs --job" in done.err


def test_observe_mode_only_warns(scratch: Scratch) -> None:
    scratch.run(SIGNS_AND_FAILS)
    done = scratch.run("echo started", "--observe")
    assert (done.status, done.out) == (0, "started\n")
    assert "attempt j.1 is irrecoverable" in done.err
    assert scratch.run("true").status == 77  # attempt 1 still stands


def test_supervise(scratch: Scratch) -> None:
    scratch.run(SIGN)
    done = scratch.gpgshim("supervise", *scratch.options())
    assert (done.status, done.out) == (77, "false;\n")
    assert "attempt j.1 is uploaded" in done.err
    # Nothing may run without a gate, so a shell gets `false;` also if the job is done.
    done = scratch.gpgshim("supervise", *scratch.options("--skip-done"))
    assert (done.status, done.out) == (0, "false;\n")
    assert "the job is done" in done.err
    done = scratch.gpgshim("supervise", *scratch.options("--again"))
    assert done.status == 0
    scratch.gpgshim("close", *scratch.jobs())
    assert scratch.journal().head["again"] == "1"


# The signals to gpgshim.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("before", [":", SIGN])
def test_a_signal_that_ends_the_job(scratch: Scratch, number: int, before: str) -> None:
    fifo = scratch.fifo("ready")
    wait = "while :; do sleep 0.1; done"  # a shell runs its trap between two commands
    job = scratch.start_run(f"trap 'exit 7' INT TERM; {before}; : >ready; {wait}")
    hear(fifo)
    os.killpg(job.pid, number)
    done = finish(job)
    assert done.status == 128 + number
    expected = Outcome.IRRECOVERABLE if before == SIGN else Outcome.RETRIABLE
    assert scratch.verdict().outcome is expected


def test_a_signal_that_does_not_end_the_job(scratch: Scratch) -> None:
    fifo = scratch.fifo("ready")
    job = scratch.start_run(f"trap '{SIGN}; exit 0' TERM; : >ready; while :; do sleep 0.1; done")
    hear(fifo)
    os.kill(job.pid, signal.SIGTERM)
    done = finish(job)
    assert done.status == 0


def test_control_c_ends_the_loop(scratch: Scratch) -> None:
    """The loop of the documents: a 75 starts the job again, and nothing else does."""
    words = " ".join(map(str, scratch.options()))
    # Not a shell, which can lose a ^C while it starts a program.
    job = f"{sys.executable} -c 'import time; print(1000 * 7, flush=True); time.sleep(1000)'"
    loop = f"while {sys.executable} -m gpgshim run {words} -- {job}; test $? = 75; do :; done"
    terminal = Terminal(scratch, ["/bin/sh", "-c", f"trap : INT; {loop}; echo over"])
    terminal.hear("7000\n")
    terminal.type("\3")
    terminal.hear("over\n")
    assert terminal.end() == 0
    assert len(scratch.journals()) == 1
    assert outcomes(scratch) == [Outcome.RETRIABLE]


# gpgshim resolve.


def resolve(scratch: Scratch, name: str, result: str, note: str = "looked at it") -> Done:
    return scratch.gpgshim("resolve", name, "--as", result, "--note", note)


def test_resolved_as_retriable(scratch: Scratch) -> None:
    scratch.run(SIGNS_AND_FAILS)
    before = scratch.journals()[0].read_bytes()
    done = scratch.gpgshim("resolve", "j", "--as", "retriable", "--note", "the archive has nothing")
    assert (done.status, done.out) == (0, "")
    assert message(done.err)[0] == f"j.1 is resolved as retriable [{scratch.journals()[0]}]"
    after = scratch.journals()[0].read_bytes()
    assert after.startswith(before)
    (line,) = after.removeprefix(before).decode().splitlines()
    assert line.startswith("% resolved retriable ") and line.endswith(" the archive has nothing")
    assert scratch.run(FAILS).status == 75


def test_resolved_as_uploaded(scratch: Scratch) -> None:
    scratch.run(SIGNS_AND_FAILS)
    resolve(scratch, "j.1", "uploaded")
    assert scratch.run("true", "--skip-done").status == 0
    done = scratch.run("true")
    assert done.status == 77
    assert "attempt j.1 was resolved as uploaded by " in done.err
    assert len(scratch.journals()) == 1


def test_status_show_and_metrics_know_of_it(scratch: Scratch) -> None:
    scratch.run(SIGNS_AND_FAILS)

    def row() -> dict[str, object]:
        found: dict[str, object] = json.loads(scratch.gpgshim("status", "--json").out)["rows"][0]
        return found

    def count(name: str) -> float:
        sums = json.loads(scratch.gpgshim("metrics", "--json").out)
        return float(sum(sums[name].values()))

    assert row()["needs"]
    assert (count("gpgshim_attempts_total"), count("gpgshim_resolved_total")) == (1, 0)
    resolve(scratch, "j", "irrecoverable", "it is public")
    assert not row()["needs"]
    assert row()["resolved"]
    assert "it is public" in scratch.gpgshim("show", "j").out
    assert "resolved as irrecoverable" in scratch.gpgshim("status").out
    resolve(scratch, "j", "uploaded", "and complete")
    for _ in range(2):
        assert (count("gpgshim_attempts_total"), count("gpgshim_resolved_total")) == (1, 2)


def test_what_cannot_be_resolved(scratch: Scratch) -> None:
    assert (
        "there is no journal of a job"
        in scratch.gpgshim("resolve", "nobody", "--as", "retriable", "--note", "x").err
    )
    fifo = scratch.fifo("go")
    job = scratch.start_run("read x <go; exit 3")
    scratch.wait_for_line("! uncommitted")
    before = scratch.journals()[0].read_bytes()
    for name in ("j", "j.1"):
        done = scratch.gpgshim("resolve", name, "--as", "retriable", "--note", "x")
        assert done.status == 64
        assert "attempt j.1 is under way" in done.err
    assert scratch.journals()[0].read_bytes() == before
    (scratch.state / "elsewhere.1").write_text("nonsense\n")
    done = scratch.gpgshim("resolve", "../elsewhere", "--as", "retriable", "--note", "x")
    assert (done.status, "there is no journal" in done.err) == (64, True)
    tell(fifo)
    finish(job)
    assert scratch.gpgshim("resolve", "j", "--as", "retriable", "--note", " ").status == 64
    scratch.run("true")
    done = scratch.gpgshim("resolve", "j.1", "--as", "uploaded", "--note", "x")
    assert done.status == 64
    assert message(done.err)[0] == ("j.1 is not the newest attempt of the job; nothing was written")
    assert scratch.gpgshim("resolve", "j.1", "--as", "retriable", "--note", "x").status == 0


@pytest.mark.parametrize("data", [b"", b"nonsense\n", b"job: j\n\n! uncommitted\n! unk"])
def test_a_damaged_journal_can_be_resolved(scratch: Scratch, data: bytes) -> None:
    scratch.differences_wanted = True
    directory = scratch.state / "gpgshim"
    directory.mkdir(mode=0o700)
    Path(directory, "j.1").write_bytes(data)
    assert scratch.run("true").status == 77
    resolve(scratch, "j", "retriable")
    assert Path(directory, "j.1").read_bytes().startswith(data)
    done = scratch.run("true")
    assert done.status == 0, done.err
    Path(directory, "j.1").unlink()
