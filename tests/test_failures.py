"""Is a failure called final only where something says that it is?"""

from __future__ import annotations

import pytest

from gpgshim.failures import ROWS, may_pass

BUG_1125487 = b"""\
dgit: error: fetch of https://api.ftp-master.debian.org/dsc_in_suite/sid/x gave HTTP code 500
! Push failed, while checking state of the archive.
! You can retry the push, after fixing the problem, if you like.
"""


def test_the_bug_may_pass() -> None:
    assert may_pass(BUG_1125487)


@pytest.mark.parametrize("text", [b"", b"\n", b"dgit: error: the moon is full\n", b"\xff\x00\n"])
def test_what_nobody_knows_may_pass(text: bytes) -> None:
    assert may_pass(text)


@pytest.mark.parametrize(("saying", "passes"), ROWS)
def test_every_row_is_reached(saying: bytes, passes: bool) -> None:
    assert (
        may_pass(b"before\nxx " + saying + b" yy\n! Push failed, before we got started.\n")
        is passes
    )


def test_the_last_that_says_anything_decides() -> None:
    for_good = b"quilt fixup cannot be linear.\n"
    assert may_pass(for_good + BUG_1125487)
    assert not may_pass(BUG_1125487 + for_good)


def test_no_row_hides_another() -> None:
    for saying, passes in ROWS:
        assert [p for s, p in ROWS if s in saying] == [passes]
