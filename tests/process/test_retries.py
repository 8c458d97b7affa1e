# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does `run --retries` start a new attempt only while the job is retriable, each as the first?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gpgshim.authority.none import NoAuthority
from gpgshim.cli.repeat import Turn
from gpgshim.core import records as r
from gpgshim.core.gate import Outcome
from gpgshim.core.memory import Option
from gpgshim.core.transcript import parse
from gpgshim.supervisor.attempt import Plan
from tests.support.scratch import (
    PATIENCE,
    Scratch,
    Terminal,
    finish,
    hear,
    is_alive,
    tell,
    wait_for,
)

FAILS = "exit 3"
NO_WAIT = ("--retries", "2", "--wait", "0")
LONG_WAIT = ("--retries", "2", "--wait", "1000")

#: Fails twice, then signs.
THIRD_SIGNS = "echo x >>tries; [ $(wc -l <tries) = 3 ] && gpg -s f"


def outcomes(scratch: Scratch) -> list[Outcome]:
    return [scratch.verdict(at).outcome for at in range(len(scratch.journals()))]


def hear_wait(process: subprocess.Popen[str]) -> list[str]:
    """The lines of a run up to the one that announces the next attempt."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if " starts in " in line:
            return lines
    raise AssertionError(lines)


def test_it_fails_twice_and_then_signs(scratch: Scratch) -> None:
    done = scratch.run(THIRD_SIGNS, "--retries", "5", "--wait", "0")
    assert done.status == 0
    assert outcomes(scratch) == [Outcome.RETRIABLE, Outcome.RETRIABLE, Outcome.UPLOADED]
    assert [path.name for path in scratch.journals()] == ["j.1", "j.2", "j.3"]
    assert scratch.calls() == ["-s f"]
    said = [line for line in done.err.splitlines() if "starts in" in line]
    assert said == [
        "gpgshim: attempt 2 of 6 starts in 0 s, because j.1 is retriable",
        "gpgshim: attempt 3 of 6 starts in 0 s, because j.2 is retriable",
    ]
    assert scratch.jobs() == []


def test_the_last_attempt_fails_too(scratch: Scratch) -> None:
    done = scratch.run(FAILS, *NO_WAIT)
    assert done.status == 75
    assert outcomes(scratch) == [Outcome.RETRIABLE] * 3
    assert done.err.splitlines()[-1] == (
        "gpgshim: attempt 3 was the last of 3: no further attempt; j.3 is retriable"
    )


def test_without_a_name_the_attempts_share_one(scratch: Scratch) -> None:
    gpg = scratch.stand_in()
    done = scratch.gpgshim("run", "--gpg", gpg, *NO_WAIT, "--", "sh", "-c", FAILS)
    assert done.status == 75
    (name,) = {path.stem for path in scratch.journals()}
    assert [path.name for path in scratch.journals()] == [f"{name}.{n}" for n in (1, 2, 3)]
    assert "; without --job, no later run will know of this job [" in done.err
    assert list((scratch.runtime / "gpgshim").glob(f"{name}*")) == []


@pytest.mark.parametrize(
    ("command", "options", "status", "outcome"),
    [
        ("true", (), 0, Outcome.UNSIGNED),
        ("gpg -s f", (), 0, Outcome.UPLOADED),
        ("gpg -s f; exit 3", (), 3, Outcome.IRRECOVERABLE),
        ("gpg -s f; exit 75", (), 70, Outcome.IRRECOVERABLE),
        ("gpg -s f", ("--commit", "sh -c 'exit 77'"), 77, Outcome.REFUSED),
        ("gpg -s f; exit 3", ("--commit", "sh -c 'exit 9'"), 3, Outcome.IRRECOVERABLE),
        # The status is the job's own here, and 75 does not mean retriable.
        ("exit 75", ("--observe",), 75, Outcome.OBSERVED),
    ],
)
def test_no_other_outcome_is_followed(
    scratch: Scratch, command: str, options: tuple[str, ...], status: int, outcome: Outcome
) -> None:
    done = scratch.run(command, *NO_WAIT, *options)
    assert done.status == status
    assert outcomes(scratch) == [outcome]
    assert "attempt 2" not in done.err


def test_a_command_that_does_not_exist_ends_it(scratch: Scratch) -> None:
    done = scratch.gpgshim("run", *scratch.options(*NO_WAIT), "--", "./no-such-program")
    assert done.status == 127
    assert outcomes(scratch) == [Outcome.IRRECOVERABLE]


def test_a_journal_that_is_gone_ends_it(scratch: Scratch) -> None:
    done = scratch.run(f"rm {scratch.state}/gpgshim/j.1; {FAILS}", *NO_WAIT)
    assert done.status == 74
    assert scratch.journals() == []
    assert "starts in" not in done.err


def test_an_error_of_our_own_ends_it(scratch: Scratch) -> None:
    """In the second attempt: then the first outcome is not the last word."""
    block = scratch.runtime / "gpgshim"
    done = scratch.run(f"chmod 777 {block}; {FAILS}", *NO_WAIT)
    block.chmod(0o700)
    assert done.status == 78
    assert outcomes(scratch) == [Outcome.RETRIABLE]


def test_an_earlier_attempt_ends_it(scratch: Scratch) -> None:
    assert scratch.run("gpg -s f").status == 0
    assert scratch.run(FAILS, *NO_WAIT).status == 77
    assert scratch.run(FAILS, *NO_WAIT, "--skip-done").status == 0
    assert len(scratch.journals()) == 1


@pytest.mark.parametrize(
    ("given", "number", "expected"),
    [
        (None, 1, Option.NONE),
        (None, 2, Option.NONE),
        (Option.NONE, 2, Option.NONE),
        (Option.SKIP_DONE, 1, Option.SKIP_DONE),
        (Option.SKIP_DONE, 2, Option.SKIP_DONE),
        (Option.AGAIN, 1, Option.AGAIN),
        # Another caller may have uploaded the job meanwhile.
        (Option.AGAIN, 2, Option.NONE),
    ],
)
def test_again_overrides_once(given: Option | None, number: int, expected: Option) -> None:
    plan = Plan("j", NoAuthority(), "nobody", None, 1.0, option=given)
    assert Turn(number, 5.0, -1).adapt(plan) == plan._replace(option=expected, ends=5.0)


def test_again_with_retries(scratch: Scratch) -> None:
    assert scratch.run("gpg -s f").status == 0
    assert scratch.run(FAILS, "--again", *NO_WAIT).status == 75
    heads = [scratch.journal(at).head for at in range(1, 4)]
    assert [head.get("again") for head in heads] == ["1", None, None]
    assert [head.get("earlier") for head in heads] == [None, "none", "none"]


def test_the_record_is_of_the_last_attempt(scratch: Scratch) -> None:
    kept = scratch.root / "kept"
    assert scratch.run(THIRD_SIGNS, *NO_WAIT, "--record", kept).status == 0
    assert parse(kept.read_bytes()).head["attempt"] == "3"


# What an attempt finds.

#: Appends what it finds to the file `found`, and fails.
LOOK = """\
#!{python}
import json, os, resource, signal, sys
fds = dict()
for fd in os.listdir("/proc/self/fd"):
    try:
        fds[fd] = os.readlink(f"/proc/self/fd/{{fd}}")
    except OSError:
        pass  # of this listing
status = open("/proc/self/status").read().splitlines()
with open("found", "a") as file:
    print(json.dumps([
        dict(os.environ), fds,
        [line for line in status if line.startswith(("SigBlk", "SigIgn", "SigCgt"))],
        os.umask(0), resource.getrlimit(resource.RLIMIT_NOFILE), os.getcwd(), os.getpgrp(),
        os.getsid(0), open(f"/proc/{{os.getppid()}}/task/{{os.getppid()}}/children").read().split()
        == [str(os.getpid())],
    ]), file=file)
sys.exit(3)
"""


def test_each_attempt_finds_what_the_first_one_found(scratch: Scratch) -> None:
    job = scratch.script("look", LOOK.format(python=sys.executable))

    def prepare() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        os.umask(0o027)

    reader, writer = os.pipe()
    words = [sys.executable, "-m", "gpgshim", "run", *scratch.options(*NO_WAIT), "--", job]
    done = subprocess.run(
        [*map(str, words)],
        env=scratch.env,
        cwd=scratch.root,
        preexec_fn=prepare,
        pass_fds=[writer],
        timeout=PATIENCE,
    )
    os.close(reader)
    os.close(writer)
    assert done.returncode == 75
    found: list[list[Any]] = [
        json.loads(line) for line in (scratch.root / "found").read_text().splitlines()
    ]
    assert len(found) == 3
    assert found[1] == found[0]
    assert found[2] == found[0]
    assert str(writer) in found[0][1]
    assert found[0][3] == 0o027


def test_an_orphan_of_an_attempt_gets_nothing_from_the_next(scratch: Scratch) -> None:
    """It asks while the second attempt runs, whose stunts are at the same path."""
    scratch.fifo("go")
    orphan = "read x <go; gpg -s orphan; echo $? >answer"
    second = "echo x >go; until [ -s answer ]; do sleep 0.01; done"
    command = (
        f"echo x >>tries; if [ $(wc -l <tries) = 1 ]; then (setsid sh -c '{orphan}') & exit 3;"
        f" else {second}; exit 3; fi"
    )
    done = scratch.run(command, "--retries", "1", "--wait", "0")
    assert done.status == 75
    assert (scratch.root / "answer").read_text() != "0\n"
    assert scratch.calls() == []
    assert outcomes(scratch) == [Outcome.RETRIABLE] * 2
    assert any(isinstance(note, r.ForeignProcess) for note in scratch.notes())


# Signals.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_the_wait(scratch: Scratch, number: signal.Signals) -> None:
    process = scratch.start_run(FAILS, *LONG_WAIT)
    first, announced = hear_wait(process)
    assert first.startswith("gpgshim: j.1: retriable: ")
    assert announced.endswith(", because j.1 is retriable\n")
    process.send_signal(number)
    done = finish(process)
    assert done.status == 128 + number
    assert done.err == f"gpgshim: stopped by {number.name}: no further attempt; j.1 is retriable\n"
    assert outcomes(scratch) == [Outcome.RETRIABLE]


def test_the_outcome_alone_decides_if_the_caller_wants_that(scratch: Scratch) -> None:
    process = scratch.start_run(FAILS, *LONG_WAIT, "--exit", "outcome")
    hear_wait(process)
    process.terminate()
    assert finish(process).status == 75


def test_control_c_ends_the_wait(scratch: Scratch) -> None:
    words = ["run", *scratch.options(*LONG_WAIT), "--", "sh", "-c", FAILS]
    terminal = Terminal(scratch, [sys.executable, "-m", "gpgshim", *words])
    terminal.hear(" starts in ")
    terminal.type("\x03")
    assert terminal.end() == 128 + signal.SIGINT
    assert "gpgshim: stopped by SIGINT: no further attempt; j.1 is retriable\n" in terminal.said
    assert len(scratch.journals()) == 1


#: Counts SIGINT and SIGTERM until its gate is closed, and asks then, so that the answer comes after
#: everything that the supervisor passes on.
COUNTS = """\
n=0
trap 'n=$((n+1))' INT TERM
echo up >ready
until grep -q '^+[0-9.]* % close' state/gpgshim/j.1; do sleep 0.01; done
setsid gpg -s f
echo $n >count
exit 3
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_an_attempt_reaches_it_once_and_ends_the_series(
    scratch: Scratch, number: signal.Signals
) -> None:
    ready = scratch.fifo("ready")
    process = scratch.start_run(COUNTS, *NO_WAIT)
    hear(ready)
    process.send_signal(number)
    done = finish(process)
    assert done.status == 128 + number
    assert (scratch.root / "count").read_text() == "1\n"
    assert f"gpgshim: stopped by {number.name}: no further attempt; j.1 is retriable\n" in done.err
    assert outcomes(scratch) == [Outcome.RETRIABLE]


def test_control_c_in_an_attempt_reaches_it_once_and_ends_the_series(scratch: Scratch) -> None:
    """The first process is stopped until the attempt has handled ^C, so that both signals count."""
    ready = scratch.fifo("ready")
    command = "trap : INT; trap 'exit 3' TERM; echo up >ready; while :; do sleep 0.01; done"
    words = ["run", *scratch.options(*NO_WAIT), "--", "sh", "-c", command]
    terminal = Terminal(scratch, [sys.executable, "-m", "gpgshim", *words])
    hear(ready)
    os.kill(terminal.pid, signal.SIGSTOP)
    terminal.type("\x03")
    scratch.wait_for_line("% close")
    os.kill(terminal.pid, signal.SIGTERM)
    os.kill(terminal.pid, signal.SIGCONT)
    assert terminal.end() == 128 + signal.SIGINT
    got = [note for note in scratch.notes() if isinstance(note, r.SignalReceived)]
    assert [(note.signal, note.delivery) for note in got] == [
        ("SIGINT", r.Delivery.SHARED),
        ("SIGTERM", r.Delivery.PASSED_ON),
    ]
    assert "gpgshim: stopped by SIGINT: no further attempt; j.1 is retriable\n" in terminal.said
    assert len(scratch.journals()) == 1


def test_a_signal_to_the_process_of_an_attempt_ends_the_series(scratch: Scratch) -> None:
    done = scratch.run("kill -TERM $PPID; exec sleep 1000", *NO_WAIT)
    assert done.status == 128 + signal.SIGTERM
    assert len(scratch.journals()) == 1


def test_an_attempt_whose_process_is_killed_ends_the_series(scratch: Scratch) -> None:
    done = scratch.run("kill -KILL $PPID; exit 3", *NO_WAIT)
    assert done.status == 128 + signal.SIGKILL
    assert done.err == (
        "gpgshim: the process of attempt 1 was killed by signal 9\n"
        "gpgshim: hint: if a job was running, see `gpgshim status`\n"
    )
    assert len(scratch.journals()) == 1


def test_an_attempt_dies_with_the_first_process(scratch: Scratch) -> None:
    pids = scratch.fifo("pids")
    scratch.fifo("go")
    process = scratch.start_run("echo $PPID >pids; read x <go", *NO_WAIT)
    supervisor = int(hear(pids))
    assert supervisor != process.pid
    process.kill()
    wait_for(lambda: not is_alive(supervisor), "the end of the supervisor")


# --deadline-total.

#: `gpgshim run` whose supervisor sees the clock jump by a day when the file `late` exists.
JUMPING_CLOCK = """\
import functools, os, sys, time
from gpgshim.cli import main as cli
from gpgshim.supervisor import attempt
def clock():
    return time.monotonic() + (86400 if os.path.exists("late") else 0)
attempt.Supervisor = functools.partial(attempt.Supervisor, clock=clock)
sys.exit(cli.main())
"""


def run_with_jumping_clock(scratch: Scratch, command: str) -> int:
    limits = ("--retries", "2", "--wait", "0", "--deadline-total", "36000")
    words = ["run", *scratch.options(*limits), "--", "sh", "-c", command]
    return scratch.call(sys.executable, "-c", JUMPING_CLOCK, *words).status


def test_no_attempt_starts_after_the_limit(scratch: Scratch) -> None:
    done = scratch.run(FAILS, *LONG_WAIT, "--deadline-total", "900")
    assert done.status == 75
    assert done.err.splitlines()[-1] == (
        "gpgshim: the next attempt would start after the 900 s of --deadline-total: no further"
        " attempt; j.1 is retriable"
    )
    assert "starts in" not in done.err
    assert len(scratch.journals()) == 1


def test_an_uncommitted_attempt_is_ended_at_the_limit(scratch: Scratch) -> None:
    done = scratch.run("exec sleep 1000", *NO_WAIT, "--deadline-total", "0.1")
    assert done.status == 75
    assert scratch.lines() == ["! uncommitted", "% close", "% signal 15", "retriable"]
    assert scratch.notes() == [r.OutOfTime()]
    assert len(scratch.journals()) == 1


def test_an_attempt_that_goes_on_after_the_limit_cannot_sign(scratch: Scratch) -> None:
    fifo = scratch.fifo("go")
    options = (*NO_WAIT, "--deadline-total", "0.1")
    process = scratch.start_run("trap '' TERM; read x <go; gpg -s f; exit 3", *options)
    scratch.wait_for_line("% close")
    tell(fifo)
    assert finish(process).status == 75
    assert scratch.calls() == []
    assert outcomes(scratch) == [Outcome.RETRIABLE]


@pytest.mark.parametrize(
    ("command", "status", "outcome"),
    [
        # The second gpg makes the supervisor look at its clock.
        ("gpg -s f; >late; gpg -s g", 0, Outcome.UPLOADED),
        ("gpg -s f; >late; gpg -s g; exit 3", 3, Outcome.IRRECOVERABLE),
    ],
)
def test_a_committed_attempt_is_left_alone_at_the_limit(
    scratch: Scratch, command: str, status: int, outcome: Outcome
) -> None:
    assert run_with_jumping_clock(scratch, command) == status
    assert scratch.calls() == ["-s f", "-s g"]
    assert r.OutOfTime() in scratch.notes()
    assert outcomes(scratch) == [outcome]


@pytest.mark.parametrize("option", ["--wait", "--deadline-total"])
def test_options_that_need_retries(scratch: Scratch, option: str) -> None:
    done = scratch.run("true", option, "5")
    assert done.status == 64
    assert done.err == f"gpgshim: {option} needs --retries; nothing was started\n"
    assert Path(scratch.state / "gpgshim").exists() is False
