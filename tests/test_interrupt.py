"""Does an interrupt reach the job once, and end our own programs without a traceback?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scratch import PATIENCE, Scratch, Terminal, finish, hear

#: Counts a signal. After the first it asks for a signature, which is refused when the gate is
#: closed; by then the supervisor has passed on what it wants to pass on.
COUNT = """\
#!{python}
import os, pathlib, signal, subprocess, time
{before}
count = 0
def note(number, frame):
    global count
    count += 1
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, note)
open("ready", "w").close()
while not count:
    time.sleep(0.01)
while "% close" not in pathlib.Path("{journal}").read_text():
    time.sleep(0.01)
subprocess.run(["gpg", "-s", "f"], stderr=subprocess.DEVNULL, start_new_session=True)
pathlib.Path("count").write_text(str(count))
"""


def counter(scratch: Scratch, before: str = "") -> Path:
    journal = scratch.state / "gpgshim/j.1"
    scratch.fifo("ready")
    text = COUNT.format(python=sys.executable, before=before, journal=journal)
    return scratch.script("job", text)


def count(scratch: Scratch) -> int:
    assert "= no the job is over" in scratch.lines()
    return int((scratch.root / "count").read_text())


@pytest.mark.parametrize("typed", ["\x03", "\x1c"], ids=["^C", "^4"])
@pytest.mark.parametrize(
    ("before", "seen"),
    [("", "the job got it too"), ("os.setpgid(0, 0)", "pass it on")],
    ids=["our group", "its own group"],
)
def test_a_key_reaches_the_job_once(scratch: Scratch, typed: str, before: str, seen: str) -> None:
    job = counter(scratch, before)
    words = [sys.executable, "-m", "gpgshim", "run", *scratch.options(), "--", job]
    terminal = Terminal(scratch, words)
    hear(scratch.root / "ready")
    terminal.type(typed)
    assert terminal.end() == 0
    assert count(scratch) == 1
    assert [note for note in scratch.notes() if note.endswith(seen)] != []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_us_alone_reaches_the_job_once(
    scratch: Scratch, number: signal.Signals
) -> None:
    process = scratch.start("run", *scratch.options(), "--", counter(scratch))
    hear(scratch.root / "ready")
    process.send_signal(number)
    assert finish(process).status == 0
    assert count(scratch) == 1


def test_a_hang_up_reaches_the_job(scratch: Scratch) -> None:
    """We lead the session here, and the kernel tells nobody else."""
    job = counter(scratch)
    words = [sys.executable, "-m", "gpgshim", "run", *scratch.options(), "--", job]
    terminal = Terminal(scratch, words)
    hear(scratch.root / "ready")
    os.close(terminal.fd)
    os.waitpid(terminal.pid, 0)
    assert count(scratch) == 1


def test_signals_that_the_caller_ignores_or_blocks_stay_so(scratch: Scratch) -> None:
    """As under nohup(1), and as oracled's worker has them."""
    job = counter(scratch)
    fatal = (signal.SIGINT, signal.SIGHUP)

    def prepare() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])

    process = subprocess.Popen(
        [sys.executable, "-m", "gpgshim", "run", *map(str, scratch.options()), "--", str(job)],
        env=scratch.env,
        cwd=scratch.root,
        preexec_fn=prepare,
    )
    hear(scratch.root / "ready")
    for number in fatal:
        process.send_signal(number)
    process.terminate()  # the only one that counts
    assert process.wait(PATIENCE) == 0
    assert count(scratch) == 1
    assert [note.split()[2] for note in scratch.notes() if "we got" in note] == ["SIGTERM,"]


def test_what_a_job_and_an_authority_start_with(scratch: Scratch) -> None:
    look = scratch.script("look", "#!/bin/sh\ngrep Sig /proc/self/status >>seen\n")
    assert scratch.run(f"{look}; gpg -s f", "--commit", look).status == 0
    masks = [x.split()[1] for x in (scratch.root / "seen").read_text().splitlines() if "Blk" in x]
    assert [int(mask, 16) for mask in masks] == [0, 0]


# Before and after: whatever an interrupt meets, no traceback is shown.


def interrupted_at(words: list[str], scratch: Scratch, number: int) -> tuple[int, str]:
    """The end of a program that gets SIGINT at its system call of this number, and what it said."""
    done = subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", f"inject=all:signal=INT:when={number}", *words],
        env=scratch.env,
        cwd=scratch.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout + done.stderr
