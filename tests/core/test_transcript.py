# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the parser of journals return what was written, and refuse everything else?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.core.transcript import (
    HEAD_KEYS,
    Line,
    Transcript,
    TranscriptError,
    format_head,
    parse,
    parse_line,
)

DESIGN = b"""\
job: 2420
gpg: /usr/bin/gpg 2.4.9

$ gpg --detach-sign --armor -u 52400D7C @TMP@/tag.tmp
! uncommitted
+1.250 > commit-to-public-upload
% exit 0
# pid 3
uploaded
"""


def test_the_example_of_the_design() -> None:
    transcript = parse(DESIGN)
    assert transcript.head == {"job": "2420", "gpg": "/usr/bin/gpg 2.4.9"}
    assert transcript.lines[2] == Line(">", "commit-to-public-upload", 1.25)
    assert transcript.lines[-1] == Line("", "uploaded")
    assert not transcript.torn
    assert str(transcript).encode() == DESIGN


@pytest.mark.parametrize("cut", range(len(DESIGN)))
def test_a_cut_anywhere_is_torn_or_shorter(cut: int) -> None:
    whole, left = parse(DESIGN), parse(DESIGN[:cut])
    in_body = cut > DESIGN.index(b"\n\n") + 1
    assert left.torn == (not in_body or DESIGN[cut - 1 : cut] != b"\n")
    assert whole.lines[: len(left.lines)] == left.lines


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (b"jab: 1\n\n", "line 1: unknown head key in 'jab: 1'"),
        (b"job:1\n\n", "line 1: unknown head key in 'job:1'"),
        (b"job: 1\njob: 2\n\n", "line 2: head key 'job' comes twice"),
        (b"job: 1\n\n& x\n", "line 3: unknown sigil or outcome in '& x'"),
        (b"job: 1\n\ndone\n", "line 3: unknown sigil or outcome in 'done'"),
        (b"job: 1\n\n$\n", "line 3: unknown sigil or outcome in '$'"),
        (b"job: 1\n\n! closed\n", "line 3: 'closed' is not a state on disk, in '! closed'"),
        (b"job: 1\n\n% ended\n", "line 3: unknown word after '%' in '% ended'"),
        (b"job: 1\n\n= yes\n", "line 3: unknown word after '=' in '= yes'"),
        (b"job: 1\n\n+x $ gpg\n", "line 3: '+x' is not a time"),
        (b"job: \xff\n\n", "line 1: not ASCII"),
        (b"job: \x01\n\n", "line 1: not printable"),
    ],
)
def test_an_error_names_the_line_and_what_was_seen(text: bytes, seen: str) -> None:
    with pytest.raises(TranscriptError) as caught:
        parse(text)
    assert str(caught.value).startswith(seen)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for text in (data, DESIGN + data):
        try:
            parse(text)
        except TranscriptError as error:
            assert str(error).isprintable()


def test_a_head_is_of_known_keys() -> None:
    assert format_head(dict.fromkeys(HEAD_KEYS, "x\ny")).count("\n") == len(HEAD_KEYS) + 1
    with pytest.raises(TranscriptError, match="unknown head key 'jab'"):
        format_head({"jab": "1"})


def test_a_line_without_text() -> None:
    assert parse_line("< ") == Line("<", "")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (b"job: 1\nformat: 2\n\n", "line 2: head key 'format' is not the first"),
        (b"format: 3\n\n", "line 1: unknown format '3'"),
        (b"format: 1\n\n", "line 1: unknown format '1'"),
        (b"format: 2\njob: 1\n\n% unkept\n", "line 4: unknown word after '%' in '% unkept'"),
        (b"format: 2\njob: 1\n\n= no because\n", "line 4: 'because' is not a valid Cause"),
        (b"job: 1\n\n% watchdog-ended\n", "line 3: unknown word after '%'"),
    ],
)
def test_a_journal_says_its_format_first_and_follows_it(text: bytes, seen: str) -> None:
    with pytest.raises(TranscriptError) as caught:
        parse(text)
    assert str(caught.value).startswith(seen)


def test_lines_that_were_not_parsed_may_be_no_records() -> None:
    transcript = Transcript({"format": "2"}, (Line("%", "ended"),), torn=False)
    with pytest.raises(TranscriptError, match="unknown word after '%'"):
        transcript.read()
