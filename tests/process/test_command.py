# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the output of the authority's command seen, and does it never hold up the supervisor?"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.authority.output import Output
from gpgshim.core.answers import LONGEST_LINE
from gpgshim.core.gate import Outcome
from tests.support.scratch import Done, Scratch, finish

SIGN = "gpg -s f"


def asked(scratch: Scratch, script: str, *options: str | Path) -> Done:
    commit = scratch.script("commit", f"#!/bin/sh\n{script}\n")
    return scratch.run(SIGN, "--commit", commit, *options)


def test_its_output_is_seen(scratch: Scratch) -> None:
    done = asked(scratch, "echo to stdout; echo to stderr >&2; printf 'no end of line'")
    assert done.status == 0
    assert done.out == ""
    assert {"to stdout", "to stderr"} <= set(done.err.splitlines())
    assert "no end of line" in done.err


def test_its_output_is_seen_while_it_runs(scratch: Scratch) -> None:
    go = scratch.fifo("go")
    commit = scratch.script("commit", f"#!/bin/sh\necho waiting\nread x <{go}\n")
    process = scratch.start_run(SIGN, "--commit", commit)
    assert process.stderr is not None
    assert process.stderr.readline() == "waiting\n"
    go.write_text("go\n")
    assert finish(process).status == 0


def test_the_reason_of_a_refusal(scratch: Scratch) -> None:
    done = asked(scratch, "echo refused not on a Friday; exit 77")
    assert done.status == 77
    why = "the authority refused: not on a Friday"
    assert done.err.splitlines()[-1].count(f"; gpg was refused: {why}") == 1
    assert f"= no refused {why}" in scratch.lines()


def test_a_contradiction_is_neither(scratch: Scratch) -> None:
    done = asked(scratch, "echo refused not on a Friday")
    assert done.status == 2
    seen = "the authority's command exited with 0, but its last line says: refused not on a Friday"
    assert f"; gpg was refused: {seen}" in done.err.splitlines()[-1]
    assert scratch.verdict().outcome is Outcome.IRRECOVERABLE
    assert scratch.calls() == []


def test_a_traceback_is_no_refusal(scratch: Scratch) -> None:
    commit = scratch.script("commit", "#!/usr/bin/python3\nraise SystemError('no')\n")
    done = scratch.run(SIGN, "--commit", commit)
    assert done.status == 2
    assert "the authority's command ended with status 1" in done.err.splitlines()[-1]
    assert scratch.verdict().outcome is Outcome.IRRECOVERABLE


@pytest.mark.parametrize(
    "said",
    [
        "printf 'refused no'",  # incomplete
        f"printf 'refused %{LONGEST_LINE}d\\n' 0",  # too long
        "head -c 100000 /dev/urandom | tr -d '\\n'; echo",
    ],
)
def test_garbage_is_no_refusal(scratch: Scratch, said: str) -> None:
    done = asked(scratch, f"{said}; exit 1")
    assert done.status == 2
    assert "the authority's command ended with status 1" in done.err.splitlines()[-1]
    assert "< exit 1" in scratch.lines()


def test_garbage_on_one_line_of_the_journal(scratch: Scratch) -> None:
    done = asked(scratch, "printf 'refused \\033[31m\\001\\377\\n'; exit 77")
    assert done.status == 77
    assert "< refused \\x1b[31m\\x01\\xff" in scratch.lines()
    assert "\\x1b[31m\\x01\\xff" in done.err.splitlines()[-1]


def test_the_last_line_after_much_output(scratch: Scratch) -> None:
    lines = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"
    # A file takes everything at once; what a full pipe does not take at the end is left out.
    done = with_stderr(scratch, "2>err", f"{lines}; echo refused enough; exit 1")
    assert done.status == 77
    assert "< refused enough" in scratch.lines()
    assert (scratch.root / "err").read_text().count("line ") == 20000


def test_a_process_that_it_leaves_behind(scratch: Scratch) -> None:
    """Its end counts; the pipe stays open, and the process can print whatever it wants."""
    fifo = scratch.fifo("fifo")
    done = asked(scratch, f"(read x <{fifo}; echo refused) 2>/dev/null & echo go")
    assert done.status == 0
    fifo.write_text("end\n")


def test_one_that_closes_its_output(scratch: Scratch) -> None:
    go = scratch.fifo("go")
    commit = scratch.script("commit", f"#!/bin/sh\nexec >&- 2>&-\nread x <{go}\n")
    process = scratch.start_run(SIGN, "--commit", commit)
    go.write_text("go\n")
    assert finish(process).status == 0


def test_output_that_nobody_reads(scratch: Scratch) -> None:
    """The supervisor keeps its time limit, even if its stderr takes nothing."""
    commit = scratch.script("commit", "#!/bin/sh\nexec yes\n")
    process = scratch.start_run(SIGN, "--commit", commit, "--deadline", "1")
    scratch.wait_for_line("% timeout")  # its stderr is a pipe that is not read yet
    done = finish(process)
    assert done.status == 2
    assert scratch.verdict().outcome is Outcome.IRRECOVERABLE


def with_stderr(scratch: Scratch, redirection: str, script: str, *options: str) -> Done:
    commit = scratch.script("commit", f"#!/bin/sh\n{script}\n")
    words = [sys.executable, "-m", "gpgshim", "run", *scratch.options("--commit", commit, *options)]
    return scratch.call("sh", "-c", f'exec "$@" {redirection}', "sh", *words, "--", *SIGN.split())


def test_output_without_end(scratch: Scratch) -> None:
    done = with_stderr(scratch, "2>/dev/null", "exec yes", "--deadline", "0.5")
    assert done.status == 2
    assert "% timeout" in scratch.lines()


def test_stderr_that_is_closed(scratch: Scratch) -> None:
    done = with_stderr(scratch, "2>&-", "echo hello; echo refused no; exit 77")
    assert done.status == 77
    assert "< refused no" in scratch.lines()


def test_stderr_that_is_a_file(scratch: Scratch) -> None:
    assert with_stderr(scratch, "2>err", "echo hello; echo bye >&2").status == 0
    first, second, *_ = (scratch.root / "err").read_text().splitlines()
    assert {first, second} == {"hello", "bye"}  # stdout is passed on, so it may come later


class Pipes:
    """An Output with pipes: `writer` is the command's stdout, and `shown` is what stderr got."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reader, self.writer = os.pipe()
        self.reader = reader
        self.shown, stderr = os.pipe()
        self.stderr = stderr
        monkeypatch.setattr("gpgshim.authority.output._STDERR", stderr)
        self.epoll = select.epoll()
        self.output = Output(reader, self.epoll)

    def has_work(self) -> bool:
        return bool(self.epoll.poll(0))


@pytest.fixture
def pipes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipes]:
    made = Pipes(monkeypatch)
    yield made
    made.epoll.close()
    for fd in (made.reader, made.writer, made.shown, made.stderr):
        with contextlib.suppress(OSError):
            os.close(fd)


def test_a_closed_output_is_no_work(pipes: Pipes) -> None:
    os.write(pipes.writer, b"a\n")
    os.close(pipes.writer)
    assert pipes.has_work()
    pipes.output.pass_on()
    assert not pipes.has_work()
    assert os.read(pipes.shown, 100) == b"a\n"
    assert pipes.output.end() == b"a"


def test_a_full_stderr_is_waited_for(pipes: Pipes) -> None:
    os.set_blocking(pipes.stderr, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(pipes.stderr, b"x" * 4096):
            pass
    os.set_blocking(pipes.stderr, True)
    os.write(pipes.writer, b"a\n")
    pipes.output.pass_on()
    os.write(pipes.writer, b"b\n")
    assert not pipes.has_work()  # although there is output
    while os.read(pipes.shown, 1 << 16)[-1:] == b"x" and not pipes.has_work():
        pass
    assert pipes.has_work()
    pipes.output.pass_on()
    assert os.read(pipes.shown, 1 << 16).endswith(b"a\nb\n")
    assert not pipes.has_work()
    os.write(pipes.writer, b"c\n")
    assert pipes.has_work()


def test_a_stderr_that_is_gone_is_not_waited_for(pipes: Pipes) -> None:
    os.close(pipes.shown)
    os.write(pipes.writer, b"a\nb\n")
    pipes.output.pass_on()
    assert not pipes.has_work()
    os.write(pipes.writer, b"c\n")
    assert pipes.has_work()
    assert pipes.output.end() == b"c"
