# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""If the journal of an attempt is moved or removed: is every request refused, and no job retriable?

Promises 1 and 2. The job itself takes the journal away, and perhaps another attempt takes the
number over. What follows the job (outcome, alarm, record) must not speak of the other journal.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support import skips
from tests.support.scratch import Done, Scratch

LOST = "was removed, moved or replaced: "

#: What is done to a journal J in the directory S, in shell words.
DEEDS = {
    "moved": 'mv "$J" elsewhere',
    "removed": 'rm "$J"',
    "replaced": 'cp "$J" copy; rm "$J"; cp copy "$J"',
    "renamed over": 'cp "$J" copy; mv copy "$J"',
    "symbolic link": 'mv "$J" elsewhere; ln -s "$PWD/elsewhere" "$J"',
    "directory moved": 'mv "$S" moved',
    "directory replaced": 'cp -r "$S" copy; mv "$S" moved; mv copy "$S"',
}


def run(scratch: Scratch, command: str, *options: str | Path, **more: str) -> Done:
    """A job "j" whose journal is $J, in $S; it does not end before `command` has."""
    scratch.differences_wanted = True
    commit = scratch.script("commit", "#!/bin/sh\necho asked >>asked\n")
    state = scratch.state / "gpgshim"
    more |= {"S": str(state), "J": str(state / "j.1")}
    return scratch.run(command, "--commit", commit, *options, **more)


def another(scratch: Scratch) -> str:
    """Shell words for a run of the same job name that no gate is round, under way for a while.

    It has begun when they are done, and it has ended when the fifo `done` was read.
    """
    (scratch.root / "bare").mkdir()
    (scratch.root / "bare/gpg").symlink_to(scratch.stand_in())
    os.mkfifo(scratch.root / "begun")
    os.mkfifo(scratch.root / "go")
    inner = f"{sys.executable} -m gpgshim run --job j --gpg {scratch.stand_in()} -- sh -c"
    path = f"{scratch.root}/bare:{os.defpath}"
    return f"(PATH={path} {inner} 'echo >begun; cat go; exit 1' >other 2>&1 &); cat begun"


@pytest.mark.parametrize("deed", DEEDS)
def test_before_the_question(scratch: Scratch, deed: str) -> None:
    done = run(scratch, f"{DEEDS[deed]}; gpg -b f; exit 3")
    assert done.status == 74
    assert LOST in done.err and "irrecoverable: unknown" in done.err
    assert "the job ended with status 3" in done.err
    assert "retriable" not in done.err
    assert scratch.calls() == []
    assert not (scratch.root / "asked").exists()


@pytest.mark.parametrize("deed", DEEDS)
def test_after_a_signature(scratch: Scratch, deed: str) -> None:
    done = run(scratch, f"gpg -b f; {DEEDS[deed]}; gpg -b again; exit 3")
    assert done.status == 74
    assert LOST in done.err and "irrecoverable: unknown" in done.err
    assert "allowed to sign" not in done.err  # it was
    assert scratch.calls() == ["-b f"]


@pytest.mark.parametrize("deed", DEEDS)
def test_of_a_job_that_asks_nothing(scratch: Scratch, deed: str) -> None:
    done = run(scratch, f"{DEEDS[deed]}; exit 3")
    assert done.status == 74
    assert LOST in done.err


@pytest.mark.parametrize("deed", ["moved", "removed"])
def test_another_attempt_takes_the_number(scratch: Scratch, deed: str) -> None:
    """Its journal is whole, and says retriable; the first attempt signed."""
    alarm = scratch.script("alarm", '#!/bin/sh\necho "$@" >>alarms\n')
    scratch.configure(f'alarm = "{alarm}"\n')
    command = f"gpg -b f; {DEEDS[deed]}; {another(scratch)}; exit 3"
    done = run(scratch, command, "--record", "kept")
    with open(scratch.root / "go", "w"):
        """The other may end."""
    assert done.status == 74
    assert LOST in done.err and "another file is in its place" in done.err
    assert "retriable" not in done.err
    assert scratch.calls() == ["-b f"]
    assert not (scratch.root / "kept").exists()
    # The alarm is about the job that was lost, not about the one that has its name now. It has
    # our stderr, and so has run when that has ended.
    assert (scratch.root / "alarms").read_text().startswith("unknown j.1 irrecoverable ")


def test_another_attempt_takes_the_number_before_the_question(scratch: Scratch) -> None:
    done = run(scratch, f"{DEEDS['moved']}; {another(scratch)}; gpg -b f; exit 3")
    with open(scratch.root / "go", "w"):
        """The other may end."""
    assert done.status == 74
    assert scratch.calls() == []
    assert not (scratch.root / "asked").exists()


def test_a_mount_over_it(scratch: Scratch) -> None:
    skips.unless_root("who can mount something")
    scratch.differences_wanted = True
    command = 'cp "$J" copy; mount --bind copy "$J" || exit 99; gpg -b f; exit 3'
    words = [sys.executable, "-m", "gpgshim", "run", *scratch.options("--commit", "true")]
    journal = scratch.state / "gpgshim/j.1"
    done = scratch.call("unshare", "-m", *words, "--", "sh", "-c", command, J=str(journal))
    if "ended with status 99" in done.err or done.status == 99:
        skips.unless_allowed("mount", done.err)
    assert done.status == 74
    assert LOST in done.err
    assert scratch.calls() == []
