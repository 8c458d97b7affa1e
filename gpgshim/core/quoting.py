# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text and words on one line of printable ASCII: escaped for people, or quoted as for a shell.

Rule 1: unquote() gives back what quote() got, whatever bytes it was, unless the line was cut.
Rule 2: text that quote() cannot have written is an error. Nothing is guessed.
"""

from __future__ import annotations

LONGEST_LINE = 1 << 16  #: bytes; a longer command line is cut, and says how many words are missing

_BARE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./_~^-")
_BARE_BYTES = bytes(_BARE)
_PLAIN = bytes([*_BARE, 0x20]).decode()  # what a line of words without quotes consists of
_ESCAPES = {0x0A: "\\n", 0x09: "\\t", 0x0D: "\\r", 0x27: "\\'", 0x5C: "\\\\"}
_UNESCAPES = {"n": "\n", "t": "\t", "r": "\r", "'": "'", "\\": "\\"}


class QuoteError(ValueError):
    """The text is not one that quote() writes. The message says what was seen."""


def escape(text: str) -> str:
    """`text` on one line of printable ASCII; accepts surrogateescape. Not reversible."""
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(b) if 0x20 <= b < 0x7F else _ESCAPES.get(b, f"\\x{b:02x}") for b in raw)


def quote(words: list[str]) -> str:
    """`words` in a form that a shell can read, cut at LONGEST_LINE. unquote() is the inverse."""
    done: list[str] = []
    room = LONGEST_LINE
    for word in words:
        text = _quote_word(word.encode("utf-8", "surrogateescape"))
        room -= len(text) + 1
        if room < 0:
            done.append(f"<+{len(words) - len(done)} words>")
            break
        done.append(text)
    return " ".join(done)


def is_cut(text: str) -> bool:
    """Whether quote() has left out words at the end of `text`."""
    return text.endswith(" words>")  # a word with these characters would be in quotes


def _quote_word(word: bytes) -> str:
    if word and not word.strip(_BARE_BYTES):
        return word.decode("ascii")
    if all(0x20 <= b < 0x7F and b != 0x27 for b in word):
        return f"'{word.decode('ascii')}'"
    return "$'" + "".join(
        chr(b) if 0x20 <= b < 0x7F and b not in _ESCAPES else _ESCAPES.get(b, f"\\x{b:02x}")
        for b in word
    ) + "'"  # fmt: skip


def unquote(text: str) -> list[str]:
    """The words that quote() got, without those that it cut off.

    Raises QuoteError for text that quote() cannot have written.
    """
    words = text.split(" ")
    if not text.strip(_PLAIN) and all(words):  # most lines have no quote, and are many
        return words
    words = []
    at = 0
    while at < len(text):
        if text.startswith("$'", at):
            word, at = _unescape(text, at + 2)
        elif text[at] == "'":
            end = text.find("'", at + 1)
            if end < 0:
                raise QuoteError(f"a quote is not closed in {text!r}")
            word, at = text[at + 1 : end], end + 1
        else:
            end = at
            while end < len(text) and ord(text[end]) in _BARE:
                end += 1
            if end == at:
                if words and text.startswith("<+", at) and text.endswith(" words>"):
                    return words
                raise QuoteError(f"{text[at]!r} is not quoted in {text!r}")
            word, at = text[at:end], end
        words.append(word)
        if at < len(text):
            if text[at] != " ":
                raise QuoteError(f"no space between words in {text!r}")
            at += 1
    return words


def _unescape(text: str, at: int) -> tuple[str, int]:
    raw = bytearray()
    while at < len(text) and text[at] != "'":
        if text[at] != "\\":
            raw += text[at].encode()
            at += 1
            continue
        code = text[at + 1 : at + 2]
        if code == "x":
            try:
                raw.append(int(text[at + 2 : at + 4], 16))
            except ValueError:
                raise QuoteError(f"\\x needs two hex digits in {text!r}") from None
            at += 4
        elif code in _UNESCAPES and code:
            raw += _UNESCAPES[code].encode()
            at += 2
        else:
            raise QuoteError(f"unknown escape \\{code} in {text!r}")
    if at >= len(text):
        raise QuoteError(f"a quote is not closed in {text!r}")
    return raw.decode("utf-8", "surrogateescape"), at + 1
