# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a failure called permanent only if a row of the table says so?"""

from __future__ import annotations

from pathlib import Path

import pytest

from gpgshim.core.failures import ROWS, is_transient
from tools.world.failures import CASES

SAID = Path(__file__).parents[2] / "fixtures/failures"  # `python -m tools.world.failures`

BUG_1125487 = b"""\
dgit: error: fetch of https://api.ftp-master.debian.org/dsc_in_suite/sid/x gave HTTP code 500
! Push failed, while checking state of the archive.
! You can retry the push, after fixing the problem, if you like.
"""


def test_the_failure_of_1125487_is_transient() -> None:
    assert is_transient(BUG_1125487)


@pytest.mark.parametrize("text", [b"", b"\n", b"dgit: error: the moon is full\n", b"\xff\x00\n"])
def test_an_unknown_failure_is_transient(text: bytes) -> None:
    assert is_transient(text)


@pytest.mark.parametrize(("saying", "passes"), ROWS)
def test_every_row_is_reached(saying: bytes, passes: bool) -> None:
    assert (
        is_transient(b"before\nxx " + saying + b" yy\n! Push failed, before we got started.\n")
        is passes
    )


def test_the_last_matching_line_decides() -> None:
    for_good = b"quilt fixup cannot be linear.\n"
    assert is_transient(for_good + BUG_1125487)
    assert not is_transient(BUG_1125487 + for_good)


def test_no_row_hides_another() -> None:
    for saying, passes in ROWS:
        assert [p for s, p in ROWS if s in saying] == [passes]


def read_transcript(path: Path) -> tuple[dict[str, str], bytes]:
    """The head of a recorded message, and the message."""
    head, _, said = path.read_bytes().partition(b"\n\n")
    return dict(line.split(": ", 1) for line in head.decode().splitlines()), said


TRANSCRIPTS = {
    head["row"].encode(): (head, said)
    for head, said in map(read_transcript, sorted(SAID.glob("*.txt")))
}


def test_every_row_has_a_transcript_and_no_other_has() -> None:
    assert sorted(TRANSCRIPTS) == sorted(saying for saying, _ in ROWS)
    assert sorted(saying.encode() for saying in CASES) == sorted(TRANSCRIPTS)
    assert len(list(SAID.glob("*.txt"))) == len(ROWS)


@pytest.mark.parametrize(("saying", "passes"), ROWS)
def test_each_recorded_failure_matches_its_row(saying: bytes, passes: bool) -> None:
    head, said = TRANSCRIPTS[saying]
    assert head["status"] not in ("", "0")
    assert head["said by"].split()[0] in ("dgit", "ssh", "curl", "git")
    assert is_transient(said) is passes
    # It is this row that says so: its line alone decides, even after one that says the opposite.
    line = next(line for line in said.split(b"\n") if saying in line)
    other = next(each for each, answer in ROWS if answer is not passes)
    assert is_transient(other + b"\n" + line) is passes
