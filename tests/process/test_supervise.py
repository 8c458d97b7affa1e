# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a supervisor serve a job that another program started, until the job is closed?

`gpgshim supervise`, in the manner of ssh-agent, and `gpgshim close`, with real processes.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.core.gate import Outcome
from gpgshim.supervisor import hasher
from tests.support.scratch import PATIENCE, Done, Scratch, finish, wait_for


class Shell:
    """A shell that has eval'ed what `gpgshim supervise` printed."""

    def __init__(self, scratch: Scratch, line: str) -> None:
        self.scratch = scratch
        self.line = line
        self.job = Path(line.removeprefix("PATH=").partition("/bin:")[0])

    def __call__(self, script: str) -> Done:
        done = subprocess.run(
            ["sh", "-c", f'{self.line}\ngpgshim() {{ python3 -m gpgshim "$@"; }}\n{script}'],
            env=self.scratch.env | {"PATH": f"{Path(sys.executable).parent}:{os.defpath}"},
            cwd=self.scratch.root,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def shell(scratch: Scratch) -> Iterator[Shell]:
    done = scratch.gpgshim("supervise", *scratch.options())
    assert (done.status, done.err) == (0, "")
    shell = Shell(scratch, done.out)
    yield shell
    # It is no child of ours: its socket disappears when it ends.
    scratch.gpgshim("close", shell.job)
    assert not (shell.job / "socket").exists()


def test_line_to_eval(shell: Shell, scratch: Scratch) -> None:
    wall = shell('printf %s "${PATH#*:}"').out.partition(":")[0]
    assert shell.line == f"PATH={shell.job}/bin:{wall}:$PATH; export PATH;\n"
    assert Path(wall, "gpg").exists()
    assert [shell.job] == scratch.jobs()
    assert shell("command -v gpg").out == f"{shell.job}/bin/gpg\n"


def test_line_to_eval_where_it_cannot_start(scratch: Scratch) -> None:
    # eval of nothing would be true, and the job would go on with the real gpg.
    for words in (["--gpg", "/nonexistent"], ["--job", "no name"], ["--commit", "'"]):
        done = scratch.gpgshim("supervise", *words)
        assert (done.status, done.out) in ((78, "false;\n"), (64, "false;\n"))
        script = f'eval "{done.out}" && echo on'
        assert subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE).stdout == b""


@pytest.mark.parametrize(
    ("job", "close", "status", "outcome"),
    [
        ("true", "--status 0", 0, Outcome.UNSIGNED),
        ("exit 3", "--status 3", 75, Outcome.RETRIABLE),
        ("exit 75", "--status 75", 75, Outcome.RETRIABLE),
        ("true", "", 0, Outcome.RETRIABLE),  # the status is not reported: see gate.OUTCOMES
        ("gpg -s f", "--status 0", 0, Outcome.UPLOADED),
        ("gpg -s f", "--status 3", 3, Outcome.IRRECOVERABLE),
        ("gpg -s f", "--status 75", 70, Outcome.IRRECOVERABLE),
        ("gpg -s f", "", 0, Outcome.IRRECOVERABLE),
    ],
)
def test_close(
    shell: Shell, scratch: Scratch, job: str, close: str, status: int, outcome: Outcome
) -> None:
    shell(job)
    done = shell(f"gpgshim close {close}")
    assert done.status == status
    assert done.out == f"{outcome}\n"
    assert (scratch.verdict().outcome, scratch.verdict().told) == (outcome, True)


def test_after_the_close_nothing_is_granted(shell: Shell, scratch: Scratch) -> None:
    assert shell("gpg -s f && gpgshim close --status 0").status == 0
    done = shell("gpg -s f")
    assert done.status == 2
    assert "the job is over" in done.err
    assert shell("gpg --verify f").status == 0
    assert scratch.calls() == ["-s f", "--verify f"]


def test_the_stunts_stay_where_a_shell_has_exported_them(shell: Shell, scratch: Scratch) -> None:
    """No process has JOB/bin in the environment that it was started with, and a day has gone by."""
    assert shell("gpgshim close --status 0").status == 0
    days_ago = time.time() - 20 * 86400
    os.utime(shell.job, (days_ago, days_ago))
    assert scratch.run("true").status == 0  # which sweeps
    assert shell.job in scratch.jobs()
    done = shell("gpg -s f")
    assert (done.status, scratch.calls()) == (2, [])
    # After a month only programs that refuse are left.
    os.utime(shell.job, (1, 1))
    assert scratch.run("true").status == 0
    assert scratch.is_retired(shell.job)
    done = shell("gpg -s f")
    assert (done.status, scratch.calls()) == (2, [])
    # After a reboot no shell of before is there.
    (shell.job / "boot").write_text("another boot\n")
    os.utime(shell.job, (1, 1))
    assert scratch.run("true").status == 0
    assert not shell.job.exists()


def test_close_twice(shell: Shell, scratch: Scratch) -> None:
    assert shell("gpgshim close --status 0").status == 0
    done = shell("gpgshim close --status 0")
    assert done.status == 78
    assert "the job is over" in done.err
    assert "`gpgshim status` reads the job's journal" in done.err
    assert scratch.lines() == ["! uncommitted", "% exit 0", "unsigned"]


def test_close_at_the_same_moment(shell: Shell, scratch: Scratch) -> None:
    processes = [scratch.start("close", "--status", "1", shell.job) for _ in range(4)]
    # Clients that are connected get the same answer; later clients find that the job is over.
    statuses = [finish(process).status for process in processes]
    assert 75 in statuses
    assert set(statuses) <= {75, 78}
    assert scratch.lines() == ["! uncommitted", "% exit 1", "retriable"]


def test_close_with_no_job(scratch: Scratch) -> None:
    done = scratch.gpgshim("close")
    assert done.status == 64
    assert "no job's stunts are on PATH" in done.err
    for path in (scratch.root, scratch.root / "nonexistent"):
        done = scratch.gpgshim("close", "--status", "1", path)
        assert done.status == 78
        assert "Traceback" not in done.err


@pytest.mark.parametrize("status", ["-1", "256", "x", ""])
def test_close_with_an_invalid_status(shell: Shell, scratch: Scratch, status: str) -> None:
    assert scratch.gpgshim("close", "--status", status, shell.job).status == 64
    assert shell("gpg -s f").status == 0


def test_close_within_run_ends_nothing(scratch: Scratch) -> None:
    # `run` knows by itself when its job is over; the gate is closed all the same.
    command = 'python3 -m gpgshim close "${0%/bin/gpg}"; gpg -s f; exit 4'
    env = {"PATH": f"{Path(sys.executable).parent}:{os.defpath}"}
    done = scratch.run(f'set -- "$(command -v gpg)"; exec sh -c \'{command}\' "$1"', **env)
    assert done.status == 75
    lines = ["% close", "$ gpg -s f", "= no closed the job is over", "% exit 4", "retriable"]
    assert scratch.lines() == ["! uncommitted", *lines]


def test_the_supervisor_is_no_child_of_the_shell(scratch: Scratch, shell: Shell) -> None:
    # A shell that evaluates the output reads to the end of the pipe, so no process may hold it
    # open; `shell` shows that. The supervisor outlives the session that started it.
    assert shell("gpg -s f").status == 0
    found = supervisors(scratch)
    assert len(found) == 1
    fields = (found[0].parent / "stat").read_text().rpartition(")")[2].split()
    assert fields[3] == found[0].parent.name  # its own session
    for fd in (0, 1, 2):
        assert os.readlink(found[0].parent / f"fd/{fd}") == "/dev/null"


def supervisors(scratch: Scratch) -> list[Path]:
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if names(path, scratch)]


def names(path: Path, scratch: Scratch) -> bool:
    try:
        data = path.read_bytes()
        if (path.parent / "comm").read_text() == f"{hasher.NAME}\n":
            return False  # its helper, which has the same command line
    except OSError:
        return False
    return b"supervise" in data and os.fsencode(scratch.root) in data


# In the foreground, as a service.


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_tells_systemd_when_it_is_ready(scratch: Scratch, abstract: bool) -> None:
    path = f"{scratch.root}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(PATIENCE)
        systemd.bind("\0" + path if abstract else path)
        address = "@" + path if abstract else path
        process = scratch.start("supervise", "-D", *scratch.options(), NOTIFY_SOCKET=address)
        assert systemd.recv(1000) == f"READY=1\nMAINPID={process.pid}\n".encode()
    # It is: the job can be ended at once.
    (job,) = scratch.jobs()
    assert scratch.gpgshim("close", "--status", "0", job).out == "unsigned\n"
    done = finish(process)
    assert done.status == 0
    assert re.fullmatch(rf"PATH={re.escape(str(job))}/bin:/[\w/]+:\$PATH; export PATH;\n", done.out)
    assert "j.1: unsigned" in done.err


def test_a_missing_notify_socket_is_ignored(scratch: Scratch) -> None:
    process = scratch.start("supervise", "-D", *scratch.options(), NOTIFY_SOCKET="/nonexistent")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("PATH=")
    (job,) = scratch.jobs()
    assert scratch.gpgshim("close", "--status", "0", job).out == "unsigned\n"
    assert finish(process).status == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_a_signal_ends_it(scratch: Scratch, number: signal.Signals, signed: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(PATIENCE)
        systemd.bind(f"{scratch.root}/notify")
        process = scratch.start(
            "supervise", "-D", *scratch.options(), NOTIFY_SOCKET=f"{scratch.root}/notify"
        )
        systemd.recv(1000)
    (job,) = scratch.jobs()
    if signed:
        subprocess.run([job / "bin/gpg", "-s", "f"], env=scratch.env, check=True)
    process.send_signal(number)
    done = finish(process)
    outcome = Outcome.IRRECOVERABLE if signed else Outcome.RETRIABLE
    assert done.status == 0
    assert f"j.1: {outcome}" in done.err
    assert scratch.lines()[-2:] == ["% end", outcome]
    assert subprocess.run([job / "bin/gpg", "-s"], capture_output=True).returncode == 2


def test_killed_in_the_background(scratch: Scratch, shell: Shell) -> None:
    # Its helper has the same command line until it has taken its own name.
    wait_for(lambda: len(supervisors(scratch)) == 1, "one supervisor")
    (found,) = supervisors(scratch)
    os.kill(int(found.parent.name), signal.SIGKILL)
    wait_for(lambda: not names(found, scratch), "its end")
    done = shell("gpg -s f")
    assert done.status == 2
    assert "Connection refused" in done.err
    assert scratch.verdict().outcome is Outcome.RETRIABLE
    (shell.job / "socket").unlink()
