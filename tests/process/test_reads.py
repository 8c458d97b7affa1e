# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does each verb open each journal at most once, and show on a terminal how far it is?"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from gpgshim.cli import progress
from tests.support.scratch import CHECKOUT, Scratch, Terminal

HEAD = (
    "format: 2\njob: {job}\nattempt: {attempt}\ngpg: /g 2.4\nauthority: nobody\n"
    "earlier: none\n\n! uncommitted\n"
)
RETRIABLE = HEAD + "% exit 1\nretriable\n"
CRASHED = HEAD + "$ gpg -s\n# client 1 / 2/sh\n! unknown\n> commit-to-public-upload\n"
JOBS = {"a.1": RETRIABLE, "a.2": RETRIABLE, "a.3": CRASHED, "b.1": RETRIABLE, "c.1": CRASHED}

#: A verb -> the journals that it has to read.
VERBS: dict[tuple[str, ...], set[str]] = {
    ("status",): set(JOBS),
    ("status", "--all", "--json"): set(JOBS),
    ("status", "-n", "0"): set(JOBS),
    ("status", "--check"): set(JOBS),
    ("show", "a"): {"a.1", "a.2", "a.3"},
    ("show", "a.2"): {"a.1", "a.2", "a.3"},
    ("metrics",): set(JOBS),
    ("replay", "{directory}", "{directory}/a.1"): set(JOBS),
    ("run", "--job", "a", "--", "true"): {"a.3"},
    ("run", "--job", "b", "--", "true"): {"b.1"},
    ("supervise", "--job", "a"): {"a.3"},
}


@pytest.fixture
def directory(scratch: Scratch) -> Path:
    scratch.differences_wanted = True  # no gpg is named as these journals name it
    path = scratch.state / "gpgshim"
    path.mkdir(0o700)
    for name, text in JOBS.items():
        job, _, attempt = name.rpartition(".")
        (path / name).write_text(text.format(job=job, attempt=attempt))
    return path


def opened(scratch: Scratch, directory: Path, *words: str) -> Counter[str]:
    """The names of the journals that a verb and its processes opened, each with the number."""
    log = scratch.root / "strace.out"
    gpgshim = [sys.executable, "-m", "gpgshim", *words]
    scratch.call("strace", "-f", "-qq", "-e", "trace=open,openat", "-o", log, *gpgshim)
    found = re.findall(rf'"{directory}/([abc]\.\d)"(.*)', log.read_text("utf-8", "replace"))
    return Counter(name for name, rest in found if " = -1 E" not in rest)


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_journal_is_opened_twice(
    scratch: Scratch, directory: Path, words: tuple[str, ...]
) -> None:
    given = [word.format(directory=directory) for word in words]
    found = opened(scratch, directory, *given)
    assert found == Counter(VERBS[words])


def test_settled_journals_are_not_opened_again(scratch: Scratch, directory: Path) -> None:
    for verb in ("status", "metrics"):
        opened(scratch, directory, verb)
    assert opened(scratch, directory, "status", "--check").keys() == {"a.3", "c.1"} | {
        "a.1",
        "a.2",
    }  # the row of a job has the outcomes of its earlier attempts
    assert not opened(scratch, directory, "metrics")


# Progress.

#: Runs `gpgshim`, and shows the progress at once.
AT_ONCE = """\
import sys
from gpgshim.cli import main as cli, progress
progress.DELAY = progress.EVERY = 0.0
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("status", "--all"), "jobs read: 3 of 3"),
        (("metrics",), "jobs counted: 3 of 3"),
        (("replay", "{directory}"), "journals replayed: 4 of 5"),
    ],
)
def test_progress_is_shown_on_a_terminal_only(
    scratch: Scratch, directory: Path, words: tuple[str, ...], what: str
) -> None:
    given = [word.format(directory=directory) for word in words]
    command: list[str | Path] = [sys.executable, "-c", AT_ONCE, *given]
    assert what not in scratch.call(*command).err
    scratch.env |= {"TERM": "dumb", "PYTHONPATH": str(CHECKOUT)}
    dumb = Terminal(scratch, command)
    dumb.end()
    assert what not in dumb.said
    scratch.env |= {"TERM": "xterm"}
    shown = Terminal(scratch, command)
    shown.end()
    assert f"\r{what}\033[K" in shown.said
    assert "\r\033[K" in shown.said  # and it is removed
    assert not re.search(r"\033\[\d", shown.said.partition("\r\033[K")[0])  # it has no colour


def test_a_quick_verb_shows_no_progress(scratch: Scratch, directory: Path) -> None:
    assert progress.DELAY > 0
    scratch.env |= {"TERM": "xterm"}
    words: list[str | Path] = [sys.executable, "-c", AT_ONCE.replace("0.0", "1e6"), "status"]
    quick = Terminal(scratch, words)
    quick.end()
    assert "jobs read" not in quick.said and "a " in quick.said
