# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""`--commit ask`: does a person see what is about to be signed, and does only `yes' go ahead?

Each job has a terminal of its own, as a person would: a pty whose other end is the test's.
"""

from __future__ import annotations

import contextlib
import os
import pty
import pwd
import signal
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.authority.terminal import PROMPT, Person
from gpgshim.core import records as r
from gpgshim.core.facts import MOST_LINES
from gpgshim.core.question import Occasion, Question
from tests.support.gpgs import NEW
from tests.support.scratch import Scratch, Terminal, message


@contextlib.contextmanager
def job(scratch: Scratch, command: str, *options: str | Path) -> Iterator[Terminal]:
    words = scratch.options("--commit", "ask", *options)
    gpgshim = [sys.executable, "-m", "gpgshim", "run", *words]
    made = Terminal(scratch, [*gpgshim, "--", "sh", "-c", command])
    try:
        yield made
    finally:
        if made.status is None:
            os.kill(made.pid, signal.SIGKILL)
            made.end()


SIGN = "gpg -s f"


def test_yes(scratch: Scratch) -> None:
    (scratch.root / "f").write_text("hello\n")
    with job(scratch, f"{SIGN} && {SIGN}") as terminal:
        terminal.hear(PROMPT)
        attempt, user, question, who, kind, digest = terminal.before.splitlines()[-6:]
        assert attempt == f"    job j, attempt 1 [{scratch.journals()[0]}]"
        assert user == f"    user {pwd.getpwuid(os.getuid()).pw_name} on {os.uname().nodename}"
        assert question == "    gpg -s f"
        assert f" in {scratch.root}, under sh[" in who
        assert kind == "    a signature packed together with its data, by gpg's default key"
        assert digest.startswith("    sha256 ") and digest.endswith(" f")
        assert scratch.calls() == []
        terminal.type("yes\n")
        assert terminal.end() == 0
    assert PROMPT not in terminal.said  # once is enough
    assert scratch.calls() == ["-s f", "-s f"]
    assert "< go-ahead" in scratch.lines()
    assert scratch.journal().head["authority"] == "ask"


@pytest.mark.parametrize(
    "typed", ["\n", "no\n", "y\n", "YES\n", "yes please\n", "\4", "yes\4\4no\n"]
)
def test_any_other_answer_is_a_refusal(scratch: Scratch, typed: str) -> None:
    with job(scratch, SIGN) as terminal:
        terminal.hear(PROMPT)
        terminal.type(typed)
        assert terminal.end() == 77
    assert "gpgshim refuses: the authority refused;" in terminal.said
    assert scratch.calls() == []
    assert "< refused" in scratch.lines()


def test_earlier_input_is_no_answer(scratch: Scratch) -> None:
    # `cat` has the terminal first. It does not read input that is meant for the next reader.
    with job(scratch, f"echo ready; while ! test -e go; do sleep 0.05; done; {SIGN}") as terminal:
        terminal.hear("ready\n")
        terminal.type("yes\n")
        terminal.hear("yes\n")  # the terminal's echo: it is in its queue
        (scratch.root / "go").touch()
        terminal.hear(PROMPT)
        terminal.type("no\n")  # had "yes" been taken, this would be too late
        assert terminal.end() == 77
    assert scratch.calls() == []


def test_half_a_word_is_waited_for(scratch: Scratch) -> None:
    with job(scratch, SIGN) as terminal:
        # A terminal whose lines are not put together by the kernel gives letter by letter.
        attributes = termios.tcgetattr(terminal.fd)
        attributes[3] &= ~termios.ICANON
        termios.tcsetattr(terminal.fd, termios.TCSANOW, attributes)
        terminal.hear(PROMPT)
        for letter in "yes\n":
            terminal.type(letter)
            terminal.hear("\n" if letter == "\n" else letter)
        assert terminal.end() == 0


def raw(terminal: Terminal) -> None:
    """No line discipline: Enter sends a carriage return, and ^C and ^D are characters."""
    attributes = termios.tcgetattr(terminal.fd)
    attributes[0] &= ~(termios.ICRNL | termios.INLCR | termios.IGNCR)
    attributes[3] &= ~(termios.ICANON | termios.ISIG)
    termios.tcsetattr(terminal.fd, termios.TCSANOW, attributes)


@pytest.mark.parametrize(
    ("typed", "status"),
    [("yes\r", 0), ("yes\r\n", 0), ("no\r", 77), ("\r", 77), ("\3", 77), ("ye\4", 77),
     ("yes\3", 77), ("yes\rno\r", 77)],
)  # fmt: skip
def test_a_raw_terminal(scratch: Scratch, typed: str, status: int) -> None:
    with job(scratch, SIGN) as terminal:
        raw(terminal)
        terminal.hear(PROMPT)
        terminal.type(typed)
        assert terminal.end() == status
    assert len(scratch.calls()) == (not status)


def test_letters_of_a_raw_terminal(scratch: Scratch) -> None:
    with job(scratch, SIGN) as terminal:
        raw(terminal)
        terminal.hear(PROMPT)
        for letter in "yes":
            terminal.type(letter)
            terminal.hear(letter)
        assert scratch.calls() == []
        terminal.type("\r")
        assert terminal.end() == 0


def test_terminal_that_goes_away(scratch: Scratch) -> None:
    with job(scratch, SIGN) as terminal:
        terminal.hear(PROMPT)
        os.close(terminal.fd)
        os.waitpid(terminal.pid, 0)
        terminal.status = 1
    assert scratch.calls() == []
    assert scratch.verdict().outcome == "refused"  # the person has certainly not said yes


def test_no_answer_in_time(scratch: Scratch) -> None:
    with job(scratch, SIGN, "--deadline", "0.3") as terminal:
        terminal.hear(PROMPT)
        assert terminal.end() == 2
    assert terminal.said.startswith("\n")  # the next message begins on a new line
    assert "% timeout" in scratch.lines()


def test_interrupted(scratch: Scratch) -> None:
    with job(scratch, SIGN) as terminal:
        terminal.hear(PROMPT)
        terminal.type("\3")
        assert terminal.end() == 130
    said = terminal.said.splitlines()
    assert said[0] in ("", "^C")
    assert said[-1].startswith("gpgshim: j.1: irrecoverable: ")
    assert scratch.calls() == []


def test_without_a_terminal_nothing_is_started(scratch: Scratch) -> None:
    done = scratch.run("touch started", "--commit", "ask")
    assert done.status == 78
    assert message(done.err) == (
        "--commit ask needs a terminal, and there is none (No such device or address);"
        " nothing was started",
        "start the job from a terminal, or name another authority",
    )
    assert not (scratch.root / "started").exists()
    assert scratch.journals() == scratch.jobs() == []
    assert scratch.run("true", "--commit", "ask", "--observe").status == 0  # it asks nobody


def test_from_the_background_is_retriable(scratch: Scratch) -> None:
    words = " ".join(map(str, scratch.options("--commit", "ask")))
    shell = f"{sys.executable} -m gpgshim run {words} -- {SIGN}"
    made = Terminal(scratch, ["/bin/sh", "-mc", f"{shell} & wait $!"])
    assert made.end() == 75
    assert "in the background of the terminal, and cannot ask" in made.said
    assert scratch.calls() == []


def test_a_supervisor_in_the_background_cannot(scratch: Scratch) -> None:
    done = scratch.gpgshim("supervise", "--commit", "ask")
    assert done.status == 78
    seen = "--commit ask needs a terminal; nothing was started"
    assert message(done.err) == (seen, "add --foreground")
    assert scratch.journals() == []


def test_a_long_question_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setattr("gpgshim.authority.terminal.TERMINAL", os.ttyname(theirs))
    monkeypatch.setattr("os.tcgetpgrp", lambda fd: os.getpgrp())
    person = Person()
    person.reach()
    records = [r.SignRequest("x" * 1000), *[r.FileDigest("y", "f")] * 50]
    person.ask(Question(Occasion("j", 1, "j.1", NEW), records, ["gpg", "-s"]))
    shown = os.read(ours, 65536).decode().splitlines()
    assert shown[1] == "    job j, attempt 1 [j.1]"
    assert shown[3] == f"    {'x' * 300}..."
    assert shown[-2] == f"    ... and {54 - MOST_LINES} more lines"
    assert len(shown) == MOST_LINES + 3  # and the lines before and after: one screen
    person.give_up()
    person.give_up()
    os.close(ours)
    os.close(theirs)
