# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks secrets in command lines before they are written or shown.

Rule 1: only the value is masked. gpg's words are classified in the same way with and without the
mask, so a replay of a journal makes the same decisions.
Rule 2: gpg's own words are parsed as gpg parses them. In any other text, every value that looks
like a secret is masked: masking too much does no harm there.
Rule 3: an empty value is not a secret, and is not masked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gpgshim.gpgargs import optiontable, parser

MASK = "********"

#: gpg's options whose value is a secret. Other options name a file or descriptor that holds one.
SECRETS = ("passphrase", "override-session-key")

#: Such an option as a word of its own; its value is the next word. Abbreviations that gpg finds
#: ambiguous are included, because a person may type one.
_OPTION = re.compile(
    r"--(?:passp(?:h(?:r(?:a(?:se?)?)?)?)?|override-session-(?:k(?:ey?)?)?|password)(?![\w-])"
)
#: The text before a value: `--passphrase=`, `--passphrase `, `"--passphrase", `.
_BEFORE_VALUE = re.compile(rf"""{_OPTION.pattern}(?:=|(?:\\*["'])?(?:\s*,\s*|\s+))""")
#: An assignment to a variable: `PASSPHRASE=`.
_VARIABLE = re.compile(r"(?<![\w-])\w*(?:passphrase|password)=", re.I)
#: The password in a URL: `https://user:x@host/`.
_URL = re.compile(r"""(://[^\s/:@"']*:)[^\s/@"']+(?=@)""")

_ENDS_WORD = " \t\n\r\v\f;&|<>()"  # these end a word of a shell outside of quotes


def of_gpg(words: Sequence[str], table: optiontable.Table) -> list[str]:
    """gpg's words (its argv without argv[0]), parsed as this gpg does, with its secrets masked."""
    shown = of_words(words)
    for one in parser.parse(words, table)[0]:
        if one.name in SECRETS and one.value:
            if words[one.at] == one.text:
                shown[one.at + 1] = MASK
            else:
                shown[one.at] = words[one.at].removesuffix(one.value) + MASK
    return shown


def of_words(words: Sequence[str]) -> list[str]:
    """The words of any command line, with every value masked that looks like a secret."""
    shown: list[str] = []
    is_value = False
    for word in words:
        shown.append(MASK if is_value and word and word[0] != "-" else of_text(word))
        is_value = _OPTION.fullmatch(word) is not None
    return shown


def of_text(text: str) -> str:
    """A text, such as a shell's, with every value masked that looks like a secret."""
    if "--" in text:
        text = _mask_values(text, _BEFORE_VALUE)
    if "=" in text:
        text = _mask_values(text, _VARIABLE)
    return _URL.sub(rf"\g<1>{MASK}", text) if "://" in text else text


def _mask_values(text: str, before: re.Pattern[str]) -> str:
    done = 0
    parts = []
    while found := before.search(text, done):
        begin = found.end()
        # In a list of a programming language, a comma also ends the value.
        end = _end_of_value(text, begin, _ENDS_WORD + "," * ("," in found[0]))
        value = text[begin:end].strip("\\\"'")
        if not value or (value[0] == "-" and text[begin - 1] != "="):
            end = begin  # the value is empty, or it is another option
        parts += [text[done:begin], MASK if end > begin else ""]
        done = end
    return "".join([*parts, text[done:]])


def _end_of_value(text: str, at: int, ends: str) -> int:
    """The end of the word that begins at `at`, by a shell's rules, or a later position.

    A character of `ends` outside of quotes ends the word.
    """
    while at < len(text) and text[at] not in ends:
        begin = at
        while text[at : at + 1] == "\\":
            at += 1
        if text[at : at + 1] in ("'", '"'):
            at = _end_of_quoted(text, at, at - begin)
        else:
            at += 1
    return min(at, len(text))


def _end_of_quoted(text: str, at: int, depth: int) -> int:
    """The end of a quoted part. Its opening quote is at `at`, after `depth` backslashes.

    A quote after more than `depth` backslashes is itself quoted and does not end the part. Without
    a closing quote, the part extends to the end of the text.
    """
    quote = text[at]
    while (at := text.find(quote, at + 1)) >= 0:
        before = at
        while before > 0 and text[before - 1] == "\\" and at - before <= depth:
            before -= 1
        if at - before <= depth:
            return at + 1
    return len(text)
