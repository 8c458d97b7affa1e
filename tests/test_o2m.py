"""Is there exactly one yes in what a manager can say?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim import o2m
from gpgshim.gate import Event


def test_go_ahead_is_the_only_yes() -> None:
    assert o2m.COMMIT == b"commit-to-public-upload\n"
    assert o2m.answer_to_commit(b"go-ahead\n") is Event.GO_AHEAD


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"go-ahead", b"go-ahead\r\n", b" go-ahead\n", b"Go-Ahead\n", b"go-ahead now\n",
     b"protocol-violation no\n", b"ayt\n", b"go-ahead\n\n"],
)  # fmt: skip
def test_what_is_nearly_yes_is_not(line: bytes) -> None:
    assert o2m.answer_to_commit(line) is Event.SILENCE


@given(st.binary(max_size=30))
def test_all_else_is_nobody_knows(line: bytes) -> None:
    assert (o2m.answer_to_commit(line) is Event.GO_AHEAD) == (line == b"go-ahead\n")
