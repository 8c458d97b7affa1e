# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is each log message one line, and does the system's journal get its priority?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpgshim.core.gate import Outcome
from gpgshim.system.log import LEVELS, Level, say
from tests.support.scratch import Scratch


def said(scratch: Scratch, command: str, stream: str, *options: str) -> str:
    """What `gpgshim run` writes to a stderr that is, or is not, what $JOURNAL_STREAM says."""
    path = scratch.root / "journal"
    with path.open("w") as file:
        about = os.fstat(file.fileno())
        given = stream.format(about.st_dev, about.st_ino, about.st_ino + 1)
        words = [*scratch.options(*options), "--", "sh", "-c", command]
        subprocess.run(
            [sys.executable, "-m", "gpgshim", "run", *words],
            env=scratch.env | {"JOURNAL_STREAM": given},
            cwd=scratch.root,
            stderr=file,
        )
    return path.read_text()


@pytest.mark.parametrize(
    ("command", "level"),
    [("true", 6), ("gpg -s f", 6), ("exit 3", 5), ("gpg -s f; exit 3", 4)],
)
def test_a_message_to_the_journal_has_a_priority(
    scratch: Scratch, command: str, level: int
) -> None:
    text = said(scratch, command, "{}:{}")
    assert text.startswith(f"<{level}>gpgshim: j.1: ")
    assert text.count("\n") == 1


@pytest.mark.parametrize("stream", ["", "{0}:{2}", "0:{1}", "{}", "x"])
def test_a_message_elsewhere_has_no_priority(scratch: Scratch, stream: str) -> None:
    assert said(scratch, "true", stream).startswith("gpgshim: j.1: ")


def test_an_error_has_the_priority_of_an_error(scratch: Scratch) -> None:
    assert said(scratch, "true", "{}:{}", "--commit", "").startswith("<3>gpgshim: --commit")


def test_one_line_in_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda fd, data: writes.append(data))
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    say("a\nb \udcff", Level.ALERT, "x")
    assert writes == [b"x: a\\nb \\xff\n"]


def test_a_closed_stderr_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    words = [
        sys.executable,
        "-c",
        "import os; os.close(2); from gpgshim.system.log import say; say('x')",
    ]
    assert subprocess.run(words).returncode == 0


def test_every_outcome_has_a_level() -> None:
    assert set(LEVELS) == set(Outcome)
