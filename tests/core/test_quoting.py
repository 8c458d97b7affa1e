# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do words and texts come back from one printable line, and is anything else refused?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.core.quoting import LONGEST_LINE, QuoteError, escape, quote, unquote

words = st.lists(st.binary(max_size=12).map(lambda b: b.decode("utf-8", "surrogateescape")))


@given(words)
def test_words_come_back(given_words: list[str]) -> None:
    text = quote(given_words)
    assert text.isascii() and (text.isprintable() or not text)
    # Surrogates that utf-8 can decode come back as what they stand for: compare the bytes.
    back = [word.encode("utf-8", "surrogateescape") for word in unquote(text)]
    assert back == [word.encode("utf-8", "surrogateescape") for word in given_words]


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--output", "--output"),
        ("SHA512 SHA384", "'SHA512 SHA384'"),
        ("", "''"),
        ("it's", "$'it\\'s'"),
        ("a\nb\t\r\\", "$'a\\nb\\t\\r\\\\'"),
        ("\xfc", "$'\\xc3\\xbc'"),
        ("\udcff", "$'\\xff'"),
    ],
)
def test_a_word_reads_as_in_a_shell(word: str, text: str) -> None:
    assert quote([word]) == text
    assert unquote(text) == [word]


def test_a_long_command_line_is_cut_and_says_so() -> None:
    text = quote(["gpg", *["-b"] * 100_000])
    assert len(text) < LONGEST_LINE + 40
    assert text.endswith(" words>")
    kept = unquote(text)
    assert text.endswith(f"<+{100_001 - len(kept)} words>")


@pytest.mark.parametrize(
    "text",
    [
        "'open",
        "$'open",
        "$'\\x",
        "$'\\xzz'",
        "$'\\q'",
        "a'b'",
        "a;b",
        "<+3 words>",
        "a <+3 words",
        "$'\\",
    ],
)
def test_text_that_quote_cannot_write_is_an_error(text: str) -> None:
    with pytest.raises(QuoteError):
        unquote(text)


@given(st.text(max_size=40))
def test_escaped_text_is_one_printable_line(text: str) -> None:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return  # a lone high surrogate stands for no bytes, so no peer can have sent it
    assert escape(text).isascii() and (escape(text).isprintable() or not text)
