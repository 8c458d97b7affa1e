# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the alarm call a person when one is needed, and does no other program wait for it?

The jobs are real, and so is the alarm command, which records its arguments and environment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpgshim.core.need import Alarm as Kind
from gpgshim.supervisor import alarm as alarms
from gpgshim.supervisor.config import Settings
from tests.support.results import check
from tests.support.scratch import PATIENCE, REFUSE, Scratch, hear, is_alive, tell, wait_for
from tests.support.worker import COMMIT, FATAL, HEARD_UPLOADED, UPLOADED, Worker

SIGN = "gpg -s f"
NOBODY_KNOWS = ("--commit", "sh -c 'exit 9'")
ALARM = """\
#!{python}
import json, os, signal, sys
given = {{name: value for name, value in os.environ.items() if name.startswith("GPGSHIM_")}}
blocked = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))
group = os.getpgrp() == os.getpid()
fds = [os.readlink(f"/proc/self/fd/{{fd}}") for fd in (0, 1, 2)]
result = json.load(sys.stdin)
seen = [sys.argv[1:], given, blocked, group, os.environ["PATH"], fds, result]
with open("{root}/alarm.new", "w") as file:
    json.dump(seen, file)
os.rename("{root}/alarm.new", "{root}/alarm")
"""


class Alarm:
    """The arguments and the environment of the alarm command."""

    def __init__(self, path: Path) -> None:
        import json

        wait_for(path.exists, "the alarm")
        self.words, self.given, self.blocked, self.group, self.path, self.fds, self.result = (
            json.loads(path.read_text())
        )
        check(self.result)
        assert [self.result["alarm"], self.result["journal"]] == [
            self.given["GPGSHIM_ALARM"],
            self.given["GPGSHIM_JOURNAL"],
        ]


def configure(scratch: Scratch, text: str = "") -> None:
    """A file of settings with the alarm above, or with `text`."""
    script = scratch.script("call", ALARM.format(python=sys.executable, root=scratch.root))
    scratch.configure(text or f"alarm = \"{script} 'a b'\"\n")


def test_an_unknown_outcome(scratch: Scratch) -> None:
    configure(scratch)
    done = scratch.run(SIGN, *NOBODY_KNOWS)
    assert done.status == 2
    alarm = Alarm(scratch.root / "alarm")
    meaning = scratch.verdict().meaning
    assert alarm.words == ["a b", "unknown", "j.1", "irrecoverable", meaning]
    assert alarm.given == {
        "GPGSHIM_ALARM": "unknown",
        "GPGSHIM_JOB": "j",
        "GPGSHIM_ATTEMPT": "1",
        "GPGSHIM_OUTCOME": "irrecoverable",
        "GPGSHIM_MEANING": meaning,
        "GPGSHIM_JOURNAL": str(scratch.journals()[0]),
    }
    assert alarm.group is True
    assert alarm.path == os.defpath  # not the job's


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("true", ()),
        ("exit 3", ()),
        (SIGN, ()),
        (SIGN, ("--commit", REFUSE)),
        (SIGN, ("--commit", "o2m:/nonexistent/x")),
        (SIGN, ("--observe", *NOBODY_KNOWS)),
    ],
)
def test_no_alarm_without_need(scratch: Scratch, command: str, options: tuple[str, ...]) -> None:
    configure(scratch)
    scratch.run(command, *options)  # returns when no process has its stderr open any more
    assert not (scratch.root / "alarm").exists()


def test_a_job_that_fails_after_its_signature(scratch: Scratch) -> None:
    configure(scratch)
    scratch.run(f"{SIGN}; exit 3")
    assert Alarm(scratch.root / "alarm").words[1:4] == ["irrecoverable", "j.1", "irrecoverable"]


def test_under_supervise(scratch: Scratch) -> None:
    configure(scratch)
    line = scratch.gpgshim("supervise", *scratch.options(*NOBODY_KNOWS)).out
    job = line.removeprefix("PATH=").partition("/bin:")[0]
    subprocess.run([f"{job}/bin/gpg", "-s", "f"], cwd=scratch.root, env=scratch.env)
    assert scratch.gpgshim("close", "--status", "2", job).status == 2
    assert Alarm(scratch.root / "alarm").words[1:3] == ["unknown", "j.1"]


def test_a_job_does_not_wait_for_its_alarm(scratch: Scratch) -> None:
    fifo = scratch.fifo("fifo")
    script = scratch.script("hang", f"#!/bin/sh\necho $$ >{fifo}; exec sleep 1000\n")
    configure(scratch, f'alarm = "{script}"\n')
    process = scratch.start_run(SIGN, *NOBODY_KNOWS)
    assert process.wait(PATIENCE) == 2
    alarm = int(hear(fifo))
    assert is_alive(alarm)
    os.killpg(alarm, signal.SIGKILL)  # else it would be in 30 seconds
    wait_for(lambda: not is_alive(alarm), "the end of the alarm")


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("false", "the alarm command false ended with status 1"),
        ("/nonexistent/x", "the alarm command /nonexistent/x is not on PATH"),
        ("{root}/bad", "the alarm command {root}/bad cannot be run: Exec format error"),
        ("sh -c 'kill -9 $$'", "the alarm command sh ended with status -9"),
    ],
)
def test_an_alarm_that_fails_is_one_line(scratch: Scratch, command: str, fault: str) -> None:
    scratch.script("bad", "no program\n")
    configure(scratch, f'alarm = "{command.format(root=scratch.root)}"\n')
    done = scratch.run("gpg -s f 2>/dev/null", *NOBODY_KNOWS)
    assert done.status == 2
    assert f"gpgshim: j.1: {fault.format(root=scratch.root)}\n" in done.err
    assert done.err.count("\n") == 2


def test_an_alarm_that_hangs_is_killed_with_all_that_it_started(
    scratch: Scratch, capfd: pytest.CaptureFixture[str]
) -> None:
    fifo = scratch.fifo("fifo")
    scratch.run(SIGN, *NOBODY_KNOWS)
    script = scratch.script("hang", f"#!/bin/sh\nsleep 1000 >{fifo} & exec sleep 1000\n")
    hearing = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    (path,) = scratch.journals()
    assert not alarms.call(str(script), path, path.read_bytes(), Kind.UNKNOWN, seconds=0.5)
    os.set_blocking(hearing, True)
    assert os.read(hearing, 1) == b""  # the other end is closed everywhere
    os.close(hearing)
    assert "took longer than 0.5 s, and was killed\n" in capfd.readouterr().err


def test_an_unreadable_journal_is_an_alarm(scratch: Scratch) -> None:
    configure(scratch)
    settings = Settings(alarm=str(scratch.root / "call"))
    alarms.raise_once(alarms.Missing(scratch.root / "j.7", 0), b"nonsense\n", settings, since=0)
    assert Alarm(scratch.root / "alarm").words[:3] == ["unknown", "j.7", "irrecoverable"]


# Under dgit-repos-server.


def test_a_signature_past_the_gate(worker: Worker, scratch: Scratch) -> None:
    """The worker's signals are blocked. Its pipes are closed while the alarm command still runs."""
    configure(scratch)
    fifo = scratch.fifo("fifo")
    text = (scratch.root / "call").read_text()
    (scratch.root / "call").write_text(f"{text}open('{fifo}').read()\n")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FATAL)
    try:
        worker.start(UPLOADED)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED  # to the end of the pipe
    assert worker.end() == 0
    alarm = Alarm(scratch.root / "alarm")
    assert alarm.words[1:] == ["bypassed", "j.1", "uploaded", alarms.BYPASSED]
    assert alarm.blocked == []
    assert alarm.fds == ["/memfd:result (deleted)", str(worker.stderr), str(worker.stderr)]
    tell(fifo)


def test_a_manager_that_hung_up_is_no_alarm(worker: Worker, scratch: Scratch) -> None:
    configure(scratch)
    worker.start(f"{SIGN}; exit 9")
    assert worker.hear() == COMMIT
    worker.hang_up()
    assert worker.end() != 0
    assert Alarm(scratch.root / "alarm").words[1:4] == ["unknown", "j.1", "irrecoverable"]


# The numbers.


def test_textfile_after_each_job(scratch: Scratch) -> None:
    path = scratch.root / "gpgshim.prom"
    configure(scratch, f'metrics = "{path}"\n')
    for number in (1, 2):
        assert scratch.run("exit 3").status == 75
        assert f'outcome="retriable"}} {number}\n' in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o644


def test_textfile_that_cannot_be_written(scratch: Scratch) -> None:
    configure(scratch, 'metrics = "/nonexistent/x.prom"\n')
    done = scratch.run("exit 3")
    assert done.status == 75
    assert "the metrics cannot be written to /nonexistent/x.prom: No such file" in done.err
    assert done.err.count("\n") == 2


def test_textfile_under_dgit_repos_server(worker: Worker, scratch: Scratch) -> None:
    path = scratch.root / "gpgshim.prom"
    configure(scratch, f'metrics = "{path}"\n')
    worker.start(f"{SIGN} && {UPLOADED}")
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED
    assert worker.end() == 0
    wait_for(path.exists, "the textfile")
    assert 'outcome="uploaded"} 1\n' in path.read_text()


def test_without_settings_there_is_no_cost(scratch: Scratch) -> None:
    words = (
        "import sys; from gpgshim.cli import main; from gpgshim.tag2upload import repos_server; "
    )
    words += "unwanted = {'gpgshim.supervisor.after', 'gpgshim.history.tally', 'json'}; "
    words += "print((unwanted | {'gpgshim.summary.metrics'}) & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", words], env=scratch.env, capture_output=True, text=True
    )
    assert done.stdout == "set()\n"
