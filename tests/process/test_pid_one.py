# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does gpgshim work as process 1, and not start if /proc belongs to another PID namespace?"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpgshim.core.gate import Outcome
from tests.support import skips
from tests.support.scratch import PATIENCE, Done, Scratch, finish, hear, message

RUN = f"{sys.executable} -m gpgshim"
#: A PID namespace of its own, whose first process is what follows.
UNSHARE = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--pid"]
CONTAINER = [*UNSHARE, "--fork", "--kill-child", "--mount-proc"]
#: The same, with the /proc of the namespace above.
STRANGE_PROC = [*UNSHARE, "--fork", "--kill-child"]


@pytest.fixture(autouse=True)
def need_unshare() -> None:
    tried = subprocess.run([*CONTAINER, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        skips.unless_allowed("a PID namespace", tried.stderr)


def start(scratch: Scratch, container: list[str], words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*container, *shlex.split(words)],
        env=scratch.env,
        cwd=scratch.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_in(scratch: Scratch, container: list[str], words: str) -> Done:
    return finish(start(scratch, container, words))


def options(scratch: Scratch) -> str:
    return f"--job j --gpg {scratch.stand_in()}"


def test_a_job_of_process_1_signs(scratch: Scratch) -> None:
    done = run_in(scratch, CONTAINER, f"{RUN} run {options(scratch)} --commit true -- gpg -s f")
    assert done.status == 0, done.err
    assert scratch.calls() == ["-s f"]
    assert scratch.verdict().outcome is Outcome.UPLOADED


@pytest.mark.parametrize("shape", ["sh -c 'gpg -s f; true'", "sh -c '(setsid gpg -s f); true'"])
def test_a_grandchild_of_process_1_signs(scratch: Scratch, shape: str) -> None:
    done = run_in(scratch, CONTAINER, f"{RUN} run {options(scratch)} -- {shape}")
    assert done.status == 0, done.err
    assert scratch.calls() == ["-s f"]


def test_an_orphan_that_process_1_inherits_signs(scratch: Scratch) -> None:
    adopted = "until read -r _ _ _ parent _ </proc/\\$\\$/stat && test \\$parent = 1; do :; done"
    command = f"sh -c '(setsid sh -c \"{adopted}; gpg -s f; echo >end\" &); read x <end'"
    scratch.fifo("end")
    done = run_in(scratch, CONTAINER, f"{RUN} run {options(scratch)} -- {command}")
    assert done.status == 0, done.err
    assert scratch.calls() == ["-s f"]


@pytest.mark.parametrize("status", [0, 3, 75])
def test_the_exit_status_of_process_1(scratch: Scratch, status: int) -> None:
    done = run_in(scratch, CONTAINER, f"{RUN} run {options(scratch)} -- sh -c 'exit {status}'")
    assert done.status == (75 if status else 0)


def test_a_process_that_the_gate_did_not_start_is_refused(scratch: Scratch) -> None:
    """A shell beside the job, whose parent is process 1 too, which is not the gate here."""
    script = (
        f"{RUN} run {options(scratch)} --commit true -- sh -c 'echo $PATH >path; read x <end' & "
        'gate=$!; read path <path; PATH=$path gpg -s f; echo "status $?"; echo >end; wait $gate'
    )
    scratch.fifo("path")
    scratch.fifo("end")
    done = run_in(scratch, CONTAINER, f"sh -c {shlex.quote(script)}")
    assert "status 2" in done.out, done.err
    assert "was not started by this gate's job" in done.err
    assert scratch.calls() == []


ZOMBIES = """\
import os, sys
for pid in filter(str.isdecimal, os.listdir("/proc")):
    try:
        stat = open(f"/proc/{pid}/stat").read()
    except OSError:
        continue
    if stat.rpartition(")")[2].split()[0] == "Z":
        print(stat)
"""


@pytest.mark.parametrize("verb", ["run", "supervise"])
def test_process_1_reaps_the_orphans_of_all(scratch: Scratch, verb: str) -> None:
    """Fifty orphans die while process 1 serves; none of them may stay a zombie."""
    look = scratch.script("zombies", f"#!{sys.executable}\n{ZOMBIES}")
    orphans = "for n in 1 2 3 4 5 6 7 8 9 10; do (true & true & true & true & true &); done"
    until = "n=0; while test $n -lt 500 && ./zombies | grep -q .; do n=$((n+1)); sleep 0.02; done"
    script = f"{orphans}; {until}; {look} >left"
    if verb == "run":
        words = f"{RUN} run {options(scratch)} -- sh -c {shlex.quote(script)}"
        assert run_in(scratch, CONTAINER, words).status == 0
    else:
        # The shell becomes the supervisor, and its children are then process 1's.
        told = f"{RUN} supervise -D {options(scratch)}"
        # Process 1 does not notice a signal before it has a handler.
        beside = f"({script}; while kill -TERM 1; do sleep 0.1; done) & exec {told}"
        done = run_in(scratch, CONTAINER, f"sh -c {shlex.quote(beside)}")
        assert done.status == 0, done.err
    assert (scratch.root / "left").read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_process_1_reaches_the_job(scratch: Scratch, number: signal.Signals) -> None:
    ready = scratch.fifo("ready")
    words = f"{RUN} run {options(scratch)} -- sh -c 'echo >ready; exec sleep 100'"
    process = start(scratch, CONTAINER, words)
    hear(ready)
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), number)
    process.communicate(timeout=PATIENCE)
    assert scratch.lines()[-2:] == [f"% signal {number.value}", "retriable"]


@pytest.mark.parametrize("verb", ["run", "supervise", "supervise -D"])
@pytest.mark.parametrize("gone", [False, True], ids=["of another namespace", "not mounted"])
def test_a_proc_of_another_namespace(scratch: Scratch, verb: str, gone: bool) -> None:
    command = "-- touch started" if verb == "run" else ""
    words = f"{RUN} {verb} {options(scratch)} --commit true {command}"
    container = STRANGE_PROC
    if gone:
        container = [*UNSHARE, "--mount", "--fork", "--kill-child"]
        words = f"sh -c {shlex.quote(f'mount -t tmpfs none /proc && exec {words}')}"
    done = run_in(scratch, container, words)
    assert done.status == 78, done.err
    ours = [f"{line}\n" for line in done.err.splitlines() if line.startswith("gpgshim: ")]
    seen, hint = message("".join(ours))
    assert "/proc" in seen and seen.endswith("; nothing was started")
    assert "mount" in hint
    assert done.out in ("", "false;\n")
    assert not (scratch.root / "started").exists()
    assert (scratch.journals(), scratch.jobs()) == ([], [])


def test_dgit_repos_server_where_proc_is_not_ours(scratch: Scratch) -> None:
    real = scratch.root / "real"
    real.mkdir()
    (real / "dgit-repos-server").write_text("#!/bin/sh\ntouch started\n")
    (real / "dgit-repos-server").chmod(0o755)
    job = ["sh", "--", "1", "url", "tag", "pkg", "tagger", "no"]
    words = ["--tag2upload12", "ssh", "h", "d", "v", "f", "r", "c", "60", "k", *job[1:]]
    stunt = Path(__file__).parents[2] / "bin/dgit-repos-server"
    process = subprocess.Popen(
        [*STRANGE_PROC, sys.executable, str(stunt), *words],
        env=scratch.env | {"PATH": f"{real}:{os.defpath}"},
        cwd=scratch.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    done = finish(process)
    assert (done.status, done.out) == (78, ""), done.err
    assert "/proc" in done.err and "nothing was started" in done.err
    assert not (scratch.root / "started").exists()
