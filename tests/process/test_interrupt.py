# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an interrupt reach the job once, and do our own programs end without a traceback?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpgshim.core import records as r
from gpgshim.supervisor import optable
from tests.support.scratch import (
    GPG,
    INTERPRETERS,
    PATIENCE,
    Scratch,
    Terminal,
    finish,
    hear,
    make_job,
)

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
    assert "= no closed the job is over" in scratch.lines()
    return int((scratch.root / "count").read_text())


@pytest.mark.parametrize("typed", ["\x03", "\x1c"], ids=["^C", "^4"])
@pytest.mark.parametrize(
    ("before", "how"),
    [("", r.Delivery.SHARED), ("os.setpgid(0, 0)", r.Delivery.PASSED_ON)],
    ids=["our group", "its own group"],
)
def test_a_key_reaches_the_job_once(
    scratch: Scratch, typed: str, before: str, how: r.Delivery
) -> None:
    job = counter(scratch, before)
    words = [sys.executable, "-m", "gpgshim", "run", *scratch.options(), "--", job]
    terminal = Terminal(scratch, words)
    hear(scratch.root / "ready")
    terminal.type(typed)
    assert terminal.end() == 0
    assert count(scratch) == 1
    got = [note for note in scratch.notes() if isinstance(note, r.SignalReceived)]
    assert [note.delivery for note in got] == [how]


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
    """gpgshim leads the session here, so the kernel signals gpgshim alone."""
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
    got = [note.signal for note in scratch.notes() if isinstance(note, r.SignalReceived)]
    assert got == ["SIGTERM"]


def test_a_job_and_an_authority_start_with_no_blocked_signal(scratch: Scratch) -> None:
    look = scratch.script("look", "#!/bin/sh\ngrep Sig /proc/self/status >>seen\n")
    assert scratch.run(f"{look}; gpg -s f", "--commit", look).status == 0
    masks = [x.split()[1] for x in (scratch.root / "seen").read_text().splitlines() if "Blk" in x]
    assert [int(mask, 16) for mask in masks] == [0, 0]


# An interrupt during start-up, and at the end, shows no traceback and is not lost.


def trace(scratch: Scratch, words: list[str | Path]) -> list[tuple[str, str, int]]:
    """The system calls of a program, by line: its name, and how many of that name there were."""
    file = scratch.root / "trace"
    subprocess.run(
        ["strace", "-qq", "-o", file, *words],
        env=scratch.env,
        cwd=scratch.root,
        stdin=subprocess.DEVNULL,  # as in interrupt(): what is there makes a difference
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
    )
    seen: dict[str, int] = {}
    calls = []
    for line in file.read_text("utf-8", "replace").splitlines():
        name, bracket, _ = line.partition("(")
        if bracket and name.isidentifier():
            seen[name] = seen.get(name, 0) + 1
            calls.append((line, name, seen[name]))
    return calls


def interrupt(scratch: Scratch, words: list[str | Path], name: str, number: int) -> tuple[int, str]:
    """The end of a program that gets SIGINT at one of its calls, and what it said on stderr."""
    inject = f"inject={name}:signal=INT:when={number}"
    done = subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", inject, *words],
        env=scratch.env,
        cwd=scratch.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("version", "words"),
    [
        *((version, "gpg --version") for version in INTERPRETERS),
        (sys.version.split()[0], "gpgconf --list-dirs"),
        (sys.version.split()[0], "dgit clone"),
    ],
)
def test_a_stunt_is_killed_by_it(scratch: Scratch, version: str, words: str) -> None:
    """At each of its calls, from the first that is ours to the exec of the real program."""
    table = optable.of(GPG, scratch.env)
    job = make_job(INTERPRETERS[version], scratch.root, table, Path("/bin/true"))
    name, *rest = words.split()
    stunt: list[str | Path] = [job / "bin" / name, *rest]
    calls = trace(scratch, stunt)
    begin = next(at for at, call in enumerate(calls) if f"{job}/pyc" in call[0])
    end = next(at for at, call in enumerate(calls) if at and call[1] == "execve")
    assert end - begin > 50
    for line, call, number in calls[begin:end]:
        assert interrupt(scratch, stunt, call, number) == (-signal.SIGINT, ""), line


@pytest.mark.parametrize(
    ("verb", "usual"),
    [("status", 0), ("show j", 0), ("run --job k -- true", 0), ("supervise --bad", 64)],
)
def test_a_verb_ends_quietly(scratch: Scratch, verb: str, usual: int) -> None:
    """Once the import of our own code has begun; Python handles earlier interrupts itself.

    The verb ends by the interrupt, or with its `usual` status if the work is done already.
    """
    assert scratch.run("true").status == 0
    words: list[str | Path] = [sys.executable, "-m", "gpgshim", *verb.split()]
    calls = [call for call in trace(scratch, words) if call[1] != "exit_group"]
    own = next(at for at, call in enumerate(calls) if "/gpgshim/cli/main.py" in call[0])
    assert len(calls) - own > 40
    for line, call, number in calls[own :: max(1, (len(calls) - own) // 40)]:
        status, said = interrupt(scratch, words, call, number)
        assert status in (usual, 128 + signal.SIGINT, -signal.SIGINT), line
        assert "Traceback" not in said and "Exception ignored" not in said, (line, said)
        messages = [each for each in said.splitlines() if "gpgshim: hint: " not in each]
        assert len(messages) <= 1, (line, said)
