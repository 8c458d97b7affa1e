# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does observe mode hold, refuse and claim nothing, and still record every request?

The processes are real. Each journal is replayed at the end of the test, as in all tests.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from gpgshim.authority.none import NoAuthority
from gpgshim.core import records as r
from gpgshim.core import wire
from gpgshim.core.codec import Record
from gpgshim.core.gate import OUTCOMES, Outcome, State
from gpgshim.core.replay import replay
from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.core.verdict import judge, judge_bytes
from gpgshim.history.journal import Journal
from gpgshim.stunts import ask
from gpgshim.supervisor import jobdir
from gpgshim.supervisor.mode import OBSERVE
from gpgshim.supervisor.processes import children_of
from gpgshim.supervisor.requester import Inspector
from gpgshim.supervisor.supervisor import Supervisor
from tests.support.scratch import GPG, PATIENCE, Scratch, finish, hear, is_alive, tell, wait_for
from tests.support.worker import (
    COMMIT,
    GO_AHEAD,
    HEARD_LOST,
    HEARD_PASSES,
    HEARD_UPLOADED,
    LOST,
    PASSES,
    SIGN,
    UPLOADED,
    Worker,
    by_dgit,
)
from tools.fuzz import LOADED

SIGNED = [
    "$ gpg -s f",
    "! unknown",
    "> commit-to-public-upload",
    "< go-ahead",
    "! committed",
    "= go",
]


@pytest.mark.parametrize(
    ("command", "status", "would"),
    [
        ("true", 0, Outcome.UNSIGNED),
        ("exit 3", 3, Outcome.RETRIABLE),
        ("exit 75", 75, Outcome.RETRIABLE),
        ("gpg -s f", 0, Outcome.UPLOADED),
        ("gpg -s f; exit 3", 3, Outcome.IRRECOVERABLE),
        ("gpg -s f; exit 75", 75, Outcome.IRRECOVERABLE),
        ("kill -KILL $$", 137, Outcome.RETRIABLE),
    ],
)
def test_the_status_is_the_command_s_own(
    scratch: Scratch, command: str, status: int, would: Outcome
) -> None:
    done = scratch.run(command, "--observe")
    assert done.status == status
    verdict = scratch.verdict()
    assert (verdict.outcome, verdict.would, verdict.told) == (Outcome.OBSERVED, would, True)
    assert done.err.count("\n") == 1
    assert f"nothing is known; the gate would have told {would}" in done.err
    assert scratch.journal().head["mode"] == "observe"
    assert scratch.jobs() == []


def clients(scratch: Scratch) -> list[r.Client]:
    return [note for note in scratch.notes() if isinstance(note, r.Client)]


def test_no_authority_is_asked_and_every_request_is_recorded(scratch: Scratch) -> None:
    done = scratch.run("gpg -s f; gpg --verify f; gpg -s f", "--observe", "--commit", "touch asked")
    assert done.status == 0
    assert not (scratch.root / "asked").exists()
    assert scratch.calls() == ["-s f", "--verify f", "-s f"]
    more = ["$ gpg -s f", "= go"]
    assert scratch.lines() == ["! uncommitted", *SIGNED, *more, "% exit 0", "observed"]
    assert scratch.journal().head["authority"] == "touch asked"
    assert any(each.name == "sh" for note in clients(scratch) for each in note.above)


def test_a_request_that_a_gate_would_refuse_is_granted(scratch: Scratch) -> None:
    gpg = scratch.gpg_with_command("bless-key")
    done = scratch.run("gpg --bless-key x", "--observe", "--gpg", gpg)
    assert done.status == 0
    assert scratch.calls() == ["--bless-key x"]
    assert scratch.lines()[1] == "? gpg --bless-key x"
    assert scratch.lines()[2].startswith("= no unknown-command before the commitment, ")


def test_an_orphan_of_a_job_that_is_over(scratch: Scratch) -> None:
    fifo, told = scratch.fifo("fifo"), scratch.fifo("told")
    orphan = f"cat {fifo}; gpg -s f; echo $? >{told}"
    done = finish(scratch.start_run(f"({orphan}) >/dev/null 2>&1 </dev/null & exit 3", "--observe"))
    assert done.status == 3
    tell(fifo)
    assert hear(told) == "0\n"
    assert scratch.calls() == ["-s f"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_supervisor_that_does_not_answer(scratch: Scratch, number: signal.Signals) -> None:
    fifo, told = scratch.fifo("fifo"), scratch.fifo("told")
    process = scratch.start_run(f"echo >{fifo}; cat {fifo}; gpg -s f; echo $? >{told}", "--observe")
    hear(fifo)
    process.send_signal(number)
    tell(fifo)
    assert hear(told) == "0\n"
    assert scratch.calls() == ["-s f"]
    process.kill()


def test_a_disk_that_takes_nothing_more(scratch: Scratch) -> None:
    fifo = scratch.fifo("fifo")
    process = scratch.start_run(f"echo >{fifo}; cat {fifo}; gpg -s f; exit 3", "--observe")
    hear(fifo)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
    tell(fifo)
    assert finish(process).status == 3
    assert scratch.calls() == ["-s f"]
    assert scratch.lines() == ["! uncommitted"]
    assert scratch.verdict().outcome is Outcome.OBSERVED


def test_no_gpg_waits_for_the_disk(scratch: Scratch, mocker: MockerFixture) -> None:
    """The disk is slower here than the stunt is patient: it takes nothing until gpg could run."""
    job = jobdir.make(scratch.runtime, "j", LOADED.text, {"gpg": Path(GPG)}, observe=True)
    journal = Journal.create(scratch.root / "journals", "j", {"mode": "observe"})
    answered = threading.Event()
    sync = journal.sync

    def slow(record: Record | None = None) -> None:
        assert answered.wait(5), "it waits for its answer, and that for the disk"
        sync(record)

    mocker.patch.object(journal, "sync", slow)
    supervisor = Supervisor(
        job,
        journal,
        NoAuthority(),
        9.0,
        Inspector(job, LOADED),
        starts_elsewhere=True,
        mode=OBSERVE,
    )
    answers = []

    def ask_for_it() -> None:
        answers.append(ask.ask(str(job), wire.SIGN))
        answered.set()
        answers.append(ask.ask(str(job), wire.END, "0"))

    thread = threading.Thread(target=ask_for_it, daemon=True)
    thread.start()
    try:
        supervisor.serve()
    finally:
        supervisor.shut()
    thread.join(PATIENCE)
    assert answers == [(wire.GO, ""), (wire.CLOSED, "committed observed")]


def test_no_observe_wins_over_a_file(scratch: Scratch) -> None:
    configure(scratch)
    assert scratch.run("exit 3").status == 3
    assert scratch.run("exit 3", "--no-observe").status == 75
    assert [scratch.verdict(at).outcome for at in (0, 1)] == [Outcome.OBSERVED, Outcome.RETRIABLE]


def configure(scratch: Scratch) -> None:
    scratch.configure("observe = true\n")


# The stunt dgit.


@pytest.mark.parametrize(
    ("script", "own", "would"),
    [
        ("exit 255", 255, Outcome.RETRIABLE),
        ("exit 75", 75, Outcome.RETRIABLE),
        ("kill -KILL $$", 137, Outcome.RETRIABLE),
        ("echo quilt fixup cannot be linear. >&2; exit 255", 255, Outcome.UNSIGNED),
        ("gpg -s f; exit 255", 255, Outcome.UPLOADED),
        ("gpg -s f; exit 75", 75, Outcome.UPLOADED),
        ("exit 0", 0, Outcome.UNSIGNED),
    ],
)
def test_dgit_ends_as_it_does(scratch: Scratch, script: str, own: int, would: Outcome) -> None:
    dgit = scratch.script("real-dgit", f"#!/bin/sh\n{script}\n")
    finish(scratch.start_with_dgit(dgit, "dgit push-source; echo $? >status", "--observe"))
    assert int((scratch.root / "status").read_text()) == own
    # The job itself succeeded. Its result after an exit 75 of dgit cannot be known.
    assert ("% would 75" in scratch.lines()) == (would is Outcome.RETRIABLE)
    assert scratch.verdict().would is would
    assert scratch.verdict().outcome is Outcome.OBSERVED


def test_only_an_observer_hears_what_would_have_been(scratch: Scratch) -> None:
    """A real gate does not take the word."""
    words = "import sys; from gpgshim.core import wire; from gpgshim.stunts import ask; "
    words += "print(ask.ask(sys.argv[1].removesuffix('/bin/gpg'), wire.WOULD, '75'))"
    done = scratch.run(f'python3 -c "{words}" $(command -v gpg)')
    assert done.out.startswith("('no', \"this gate does not take 'would' from process ")
    assert "% would 75" not in scratch.lines()


# supervise, and close.


@pytest.mark.parametrize(("own", "expected"), [("0", 0), ("3", 3), ("75", 75), ("", 0)])
def test_supervise(scratch: Scratch, own: str, expected: int) -> None:
    line = scratch.gpgshim("supervise", *scratch.options("--observe")).out
    job = line.removeprefix("PATH=").partition("/bin:")[0]
    subprocess.run([f"{job}/bin/gpg", "-s", "f"], check=True, cwd=scratch.root, env=scratch.env)
    done = scratch.gpgshim("close", *(["--status", own] if own else []), job)
    assert (done.status, done.out) == (expected, "observed\n")
    assert scratch.lines()[1:7] == SIGNED
    # A process that still has the PATH is not stopped either.
    subprocess.run([f"{job}/bin/gpg", "-s", "g"], check=True, cwd=scratch.root, env=scratch.env)
    assert scratch.calls() == ["-s f", "-s g"]


# Under dgit-repos-server: the manager receives the same lines as without gpgshim.


@pytest.fixture
def observed(worker: Worker, scratch: Scratch) -> Worker:
    configure(scratch)
    return worker


def test_the_request_to_commit_goes_first(observed: Worker, scratch: Scratch) -> None:
    observed.start(f"gpg -s f && {UPLOADED}")
    assert observed.hear() == COMMIT
    assert "$ gpg -s f" not in scratch.lines() if scratch.journals() else True
    observed.say(f"{GO_AHEAD}\nayt\n")
    assert observed.rest() == HEARD_UPLOADED
    assert observed.end() == 0
    assert scratch.calls() == ["-s f"]
    told = [f"> {line}" for line in HEARD_UPLOADED]
    said = [f"% said {line}" for line in HEARD_UPLOADED]
    assert scratch.lines() == ["! uncommitted", *SIGNED, *said, *told, "observed"]
    assert scratch.verdict().would is Outcome.UPLOADED


def test_a_manager_that_refuses_is_heard_by_dgit_repos_server(
    observed: Worker, scratch: Scratch
) -> None:
    observed.start(f"gpg -s f && {UPLOADED}")
    assert observed.hear() == COMMIT
    observed.say("protocol-violation no\n")
    assert observed.rest() == []
    assert observed.end() == 99  # its own, see DRS
    assert scratch.calls() == []
    assert scratch.verdict().outcome is Outcome.OBSERVED


def test_a_failure_that_a_gate_would_call_retriable(observed: Worker, scratch: Scratch) -> None:
    observed.install("exit 9", "dgit", "#!/bin/sh\n{script}\n")
    observed.start(by_dgit(PASSES, LOST))
    assert observed.hear() == COMMIT
    observed.say(f"{GO_AHEAD}\n")
    assert observed.rest() == HEARD_LOST  # as without us
    assert observed.end() == 0
    assert "% would 75" in scratch.lines()
    verdict = scratch.verdict()
    assert (verdict.outcome, verdict.would) == (Outcome.OBSERVED, Outcome.RETRIABLE)


def test_its_end_is_its_own(observed: Worker, scratch: Scratch) -> None:
    observed.start("gpg -s f; exit 7")
    assert observed.hear() == COMMIT
    observed.say(f"{GO_AHEAD}\n")
    assert observed.rest() == []
    assert observed.end() == 7
    assert scratch.verdict().would is Outcome.IRRECOVERABLE


def test_the_output_is_forwarded_unchanged(observed: Worker, scratch: Scratch) -> None:
    observed.start("printf 'one\\n'; await go; printf 'and two\\n'; exit 3")
    assert observed.hear() == COMMIT
    observed.say(f"{GO_AHEAD}\n")
    assert observed.hear() == "one"
    observed.touch("go")
    assert observed.rest() == ["and two"]
    assert observed.end() == 3


def test_a_bypass_is_seen(observed: Worker, scratch: Scratch) -> None:
    observed.start(UPLOADED)
    assert observed.hear() == COMMIT
    observed.say(f"{GO_AHEAD}\n")
    assert observed.rest() == HEARD_UPLOADED
    assert observed.end() == 0
    assert "ALARM: job j reports uploaded" in observed.err()
    assert "% bypassed" in scratch.lines()


def test_remaining_processes_of_the_job_are_not_killed(observed: Worker, scratch: Scratch) -> None:
    observed.start(f"(echo $$ >orphan; exec sleep 1000) >/dev/null 2>&1 & await orphan; {PASSES}")
    observed.say(f"{GO_AHEAD}\n")
    assert observed.hear() == COMMIT
    assert observed.rest() == HEARD_PASSES
    assert observed.end() == 0
    assert any(isinstance(note, r.LeftRunning) for note in scratch.notes())
    (orphan,) = (
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.read_bytes() == b"sleep\x001000\x00" and is_ours(path.parent, scratch)
    )
    assert is_alive(orphan)
    os.kill(orphan, signal.SIGKILL)


def is_ours(process: Path, scratch: Scratch) -> bool:
    return process.joinpath("cwd").resolve() == scratch.root


def test_a_manager_that_is_gone_is_noticed(observed: Worker, scratch: Scratch) -> None:
    # As without us, the next thing that it writes ends it.
    observed.start("await go; while :; do echo x || exit 5; done")
    assert observed.hear() == COMMIT
    observed.say(f"{GO_AHEAD}\n")
    os.close(observed._hear)
    observed.touch("go")
    assert observed.end() in (5, 128 + signal.SIGPIPE)
    observed._hear = os.open(os.devnull, os.O_RDONLY)


@pytest.mark.parametrize("victim", ["watchdog", "supervisor"])
def test_it_does_not_outlive_us(observed: Worker, scratch: Scratch, victim: str) -> None:
    observed.start("echo $$ >drs; await never")
    assert observed.hear() == COMMIT
    observed.say(f"{GO_AHEAD}\n")
    drs = int(observed.wait_for("drs"))
    (supervisor,) = children_of(observed.pid)
    os.kill(observed.pid if victim == "watchdog" else supervisor, signal.SIGKILL)
    assert observed.rest() == []
    wait_for(lambda: not is_alive(drs), "the end of dgit-repos-server")


@pytest.mark.parametrize("wrong", ["arguments", "state"])
def test_a_job_that_cannot_be_observed_runs_without_gpgshim(
    observed: Worker, scratch: Scratch, wrong: str
) -> None:
    words = None
    if wrong == "arguments":
        words = ["debian", "dir", "keyring,a", "--tag2upload12", "x"]
    else:
        scratch.env["XDG_STATE_HOME"] = str(scratch.stand_in())
    observed.start(f"gpg -s f && {UPLOADED}", words=words)
    assert observed.hear() == COMMIT
    observed.say(f"{GO_AHEAD}\n")
    assert observed.rest() == HEARD_UPLOADED
    assert observed.end() == 0
    assert scratch.calls() == ["-s f"]
    assert observed.err().count("\n") == 1
    assert "observe mode: " in observed.err()
    assert scratch.journals() == []
    scratch.env["XDG_STATE_HOME"] = str(scratch.state)


def test_without_the_setting_nothing_of_it(worker: Worker, scratch: Scratch) -> None:
    worker.start(f"{SIGN}{UPLOADED}")
    assert worker.hear() == COMMIT
    worker.say("protocol-violation no\n")
    assert worker.rest() == []
    assert worker.end() != 0
    assert scratch.calls() == []
    assert "mode" not in scratch.journal().head


# What its journal amounts to.

HEAD = "job: j\nauthority: o2m\nmode: observe\n\n"


@pytest.mark.parametrize("state", [State.UNCOMMITTED, State.UNKNOWN, State.COMMITTED])
@pytest.mark.parametrize("end", ["", "% exit 0\n", "% exit 1\n", "% would 75\n% exit 1\n", "% en"])
def test_no_observed_job_is_called_anything_else(state: State, end: str) -> None:
    states = ["! uncommitted", "! unknown", "! committed"]
    upto = states[: states.index(f"! {state}") + 1]
    text = HEAD + "".join(f"{each}\n" for each in upto) + end
    verdict = judge_bytes(text.encode())
    assert verdict.outcome is Outcome.OBSERVED
    assert verdict.would in OUTCOMES.values()
    if end.endswith("1\n"):
        for lie in Outcome:
            if lie is not Outcome.OBSERVED:
                with pytest.raises(TranscriptError, match="its outcome is observed"):
                    judge(parse(f"{text}{lie}\n".encode()))
                assert judge_bytes(f"{text}{lie}\n".encode()).outcome is Outcome.IRRECOVERABLE


def test_a_real_gate_s_journal_is_never_observed() -> None:
    text = "job: j\n\n! uncommitted\n% exit 1\nobserved\n"
    assert judge_bytes(text.encode()).outcome is Outcome.IRRECOVERABLE


@pytest.mark.parametrize("mode", ["", "Observe", "gate", "observe "])
def test_there_is_one_mode(mode: str) -> None:
    with pytest.raises(TranscriptError, match="mode"):
        parse(f"job: j\nmode: {mode}\n\n! uncommitted\n".encode())


def test_it_is_replayed_as_any_other() -> None:
    text = HEAD + "! uncommitted\n$ gpg -s f\n! unknown\n> commit-to-public-upload\n< go-ahead\n"
    text += "! committed\n= go\n% signal 9\nobserved\n"
    assert replay(parse(text.encode())) == []
    assert replay(parse(text.replace("= go\n", "").encode()))
