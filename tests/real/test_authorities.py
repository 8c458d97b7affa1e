# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the two authorities of the documents work with a real gpg, and are they shown as they are?"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gpgshim.core.gate import Outcome
from tests.support.scratch import CHECKOUT, GPG, Done, Scratch, finish, wait_for

EXAMPLES = CHECKOUT / "debian/examples"
PAGE = (CHECKOUT / "doc/USES.md").read_text()
SIGN = "gpg --batch --yes -u $KEY -b f"


@pytest.fixture(autouse=True)
def file_to_sign(scratch: Scratch) -> None:
    (scratch.root / "f").write_text("hello\n")
    scratch.env |= {"KEY": scratch.key.fingerprint, "FREEZE": str(scratch.root / "freeze")}


@pytest.mark.parametrize("name", ["may-we", "wait-for-approval"])
def test_the_page_has_the_script(name: str) -> None:
    shown = re.search(rf"<!-- file: debian/examples/{name} -->\n```sh\n(.*?)```\n", PAGE, re.S)
    assert shown is not None
    first, spdx, licence, *rest = (EXAMPLES / name).read_text().splitlines(keepends=True)
    assert "SPDX" in spdx and "SPDX" in licence
    assert shown[1] == "".join([first, *rest])


def asked(scratch: Scratch, command: str, *words: str) -> Done:
    commit = " ".join([str(EXAMPLES / "may-we"), *words])
    return scratch.run(command, "--gpg", GPG, "--commit", commit)


def refusal(scratch: Scratch, done: Done) -> str:
    """The reason of the refusal, after which nothing was signed."""
    assert done.status == 77, done.err
    assert scratch.verdict().outcome is Outcome.REFUSED
    assert not (scratch.root / "f.sig").exists()
    (line,) = (line for line in scratch.lines() if line.startswith("< "))
    return line.removeprefix("< refused ")


def test_may_we_agrees(scratch: Scratch) -> None:
    done = asked(scratch, f"{SIGN} && gpg --verify f.sig f", scratch.key.fingerprint)
    assert done.status == 0
    assert f"may-we: j may sign with {scratch.key.fingerprint}" in done.err.splitlines()


def test_may_we_in_a_freeze(scratch: Scratch) -> None:
    (scratch.root / "freeze").write_text("the release team is away\n")
    done = asked(scratch, SIGN, scratch.key.fingerprint)
    assert refusal(scratch, done) == "there is a freeze: the release team is away"
    assert "the authority refused: there is a freeze: the release team" in done.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "words", "reason"),
    [
        ("gpg --batch -b f", ("K",), "not the release key: []"),
        ("gpg --batch -u x -b f", ("K",), "not the release key: ['x']"),
        ("gpg --batch --quick-add-uid K x", ("K",), "not a signature of data: change-key"),
        ("gpg --batch -b f", (), "usage: may-we KEY"),
    ],
)
def test_may_we_refuses(
    scratch: Scratch, command: str, words: tuple[str, ...], reason: str
) -> None:
    assert refusal(scratch, asked(scratch, command, *words)) == reason


class Waiting:
    """A job whose authority waits for a file; its name is that of the question without `.json`."""

    def __init__(self, scratch: Scratch, seconds: str = "600") -> None:
        self.scratch = scratch
        self.directory = scratch.root / "approvals"
        self.directory.mkdir(exist_ok=True)
        commit = f"{EXAMPLES / 'wait-for-approval'} {self.directory} {seconds}"
        self.process = scratch.start_run(SIGN, "--gpg", GPG, "--commit", commit)

    def question(self) -> Path:
        """The question, when it is there."""
        wait_for(lambda: any(self.directory.glob("*.json")), "the question")
        (path,) = self.directory.glob("*.json")
        return path

    def end(self) -> Done:
        done = finish(self.process)
        assert not list(self.directory.glob("*.json"))
        return done


def test_an_approval(scratch: Scratch) -> None:
    waiting = Waiting(scratch)
    question = waiting.question()
    assert question.name == "j.1.json"
    assert json.loads(question.read_text())["request"]["command"].endswith(" -b f")
    assert scratch.lines()[-1] == "> commit-to-public-upload"
    question.with_suffix(".yes").touch()
    assert waiting.end().status == 0
    assert scratch.call(GPG, "--verify", "f.sig", "f").status == 0


def test_a_disapproval(scratch: Scratch) -> None:
    waiting = Waiting(scratch)
    question = waiting.question()
    reason = question.with_suffix(".reason")
    reason.write_text("the changelog is wrong\nreally\n")
    reason.rename(question.with_suffix(".no"))
    assert refusal(scratch, waiting.end()) == "the changelog is wrong"


def test_no_approval_in_time(scratch: Scratch) -> None:
    assert refusal(scratch, Waiting(scratch, "1").end()) == "no answer in time"


def test_an_earlier_approval_does_not_count(scratch: Scratch) -> None:
    (scratch.root / "approvals").mkdir()
    (scratch.root / "approvals/j.1.yes").touch()
    assert refusal(scratch, Waiting(scratch, "1").end()) == "no answer in time"


def test_a_directory_that_is_not_there(scratch: Scratch) -> None:
    commit = f"{EXAMPLES / 'wait-for-approval'} {scratch.root}/nowhere"
    done = scratch.run(SIGN, "--gpg", GPG, "--commit", commit)
    assert done.status == 77
    assert scratch.verdict().outcome is Outcome.REFUSED
