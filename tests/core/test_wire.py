# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do a stunt and a supervisor read each other's line, and refuse everything else?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.core import wire

WORDS = wire.REQUESTS + wire.ANSWERS


@given(
    st.sampled_from(WORDS), st.text(st.characters(max_codepoint=126, min_codepoint=33), max_size=30)
)
def test_a_line_comes_back(word: str, argument: str) -> None:
    assert wire.decode(wire.encode(word, argument), WORDS) == (word, argument)


@pytest.mark.parametrize("argument", ["a\nb", "\0", "\x1b[31m", "\xfc", "\udcff", "x" * 9000])
def test_any_argument_makes_one_line(argument: str) -> None:
    data = wire.encode(wire.NO, argument)
    assert data.count(b"\n") == 1 and data.endswith(b"\n") and len(data) <= wire.LONGEST
    assert wire.decode(data, wire.ANSWERS)[0] == wire.NO


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"", "it sent nothing"),
        (b"gpgshim/1 go", "bytes that are not one line"),
        (b"gpgshim/1 go\ngpgshim/1 go\n", "bytes that are not one line"),
        (b"gpgshim/1 " + b"x" * wire.LONGEST + b"\n", "bytes that are not one line"),
        (b"gpgshim/1 \xff\n", "not ASCII"),
        (b"gpgshim/2 go\n", "its protocol is 'gpgshim/2', not gpgshim/1"),
        (b"GET / HTTP/1.0\n", "its protocol is 'GET', not gpgshim/1"),
        (b"gpgshim/1 gone\n", "sent 'gone', not one of go, no, closed, open"),
        (b"gpgshim/1\n", "sent '', not one of go, no, closed, open"),
        (b"\n", "its protocol is '', not gpgshim/1"),
    ],
)
def test_every_other_line_is_an_error_that_shows_it(data: bytes, seen: str) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.decode(data, wire.ANSWERS)
    assert seen in str(caught.value)


@given(st.binary(max_size=80))
def test_only_go_is_go(data: bytes) -> None:
    try:
        word, _ = wire.decode(data, wire.ANSWERS)
    except wire.WireError:
        return
    assert data.startswith(b"gpgshim/1 " + word.encode())
