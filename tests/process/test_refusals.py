# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the outcome's line say why a gpg was refused, if its caller hides gpg's own message?"""

from __future__ import annotations

from pathlib import Path

import pytest

from gpgshim.core import records as r
from tests.support.scratch import REFUSE, Scratch

SWALLOW = "2>/dev/null"  # as git does


def told(scratch: Scratch, command: str, *options: str | Path) -> str:
    done = scratch.run(f"{command} {SWALLOW}; exit 1", *options)
    assert "gpg: gpgshim refuses" not in done.err
    (line,) = done.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("commit", "why"),
    [
        (REFUSE, "the authority refused"),
        ("sh -c 'exit 3'", "the authority's command ended with status 3"),
        (
            "o2m:/nonexistent/m",
            "the supervisor cannot go on: the manager at /nonexistent/m: No such",
        ),
    ],
)
def test_the_line_names_the_cause_of_a_refusal(scratch: Scratch, commit: str, why: str) -> None:
    assert f"; gpg was refused: {why}" in told(scratch, "gpg -s f", "--commit", commit)


def test_each_cause_is_named_once(scratch: Scratch) -> None:
    line = told(scratch, f"gpg -s a {SWALLOW}; gpg -s b", "--commit", REFUSE)
    assert line.count("gpg was refused: the authority refused") == 1


def test_nothing_is_added_where_none_was_refused(scratch: Scratch) -> None:
    assert "refused" not in told(scratch, "true")
    assert "refused" not in told(scratch, "gpg -s f")


def test_a_stunt_that_refuses_by_itself(scratch: Scratch) -> None:
    """The job spoils what its stunt needs; the supervisor never gets a question."""
    spoil = 'JOB=${PATH%%/bin:*}; chmod u+w "$JOB"; rm -f "$JOB/table"'
    line = told(scratch, f"{spoil}; gpg -s f", "--commit", "true")
    assert "; gpg was refused: this gpg belongs to no job that is under way (" in line
    (note,) = [note for note in scratch.notes() if isinstance(note, r.GaveUp)]
    assert "this gpg belongs to no job that is under way" in note.reason
    assert scratch.calls() == []


def test_a_real_gpg_that_is_gone_when_it_is_granted(scratch: Scratch) -> None:
    line = told(scratch, "rm stand-in; gpg -s f", "--commit", "true")
    assert f"{scratch.root}/stand-in cannot be run: No such file or directory" in line
    assert any(isinstance(note, r.GaveUp) for note in scratch.notes())
