"""Masks secrets in command lines, before anything of them is written down or shown.

Rule 1: the value alone is masked. gpg's words are read in the same way with the mask as without it,
so a journal is replayed with the same decisions.
Rule 2: gpg's own words are read as gpg reads them. In all other text every value is masked that
looks like a secret: to mask too much does no harm there.
Rule 3: an empty value is no secret, and stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gpgshim.gpgargs import argv

MASK = "********"

#: gpg's options whose value is a secret. Others name a file or a descriptor that holds it.
SECRETS = ("passphrase", "override-session-key")

#: Such an option by itself; its value is the next word. An abbreviation that gpg finds ambiguous is
#: here too: a person may type one.
_OPTION = re.compile(
    r"--(?:passp(?:h(?:r(?:a(?:se?)?)?)?)?|override-session-(?:k(?:ey?)?)?|password)(?![\w-])"
)
#: What stands before a value in a text: `--passphrase=`, `--passphrase `, `"--passphrase", `.
_BEFORE_VALUE = re.compile(rf"""{_OPTION.pattern}(?:=|(?:\\*["'])?(?:\s*,\s*|\s+))""")
#: A variable that is set: `PASSPHRASE=`.
_VARIABLE = re.compile(r"(?<![\w-])\w*(?:passphrase|password)=", re.I)
#: The password in a URL: `https://user:x@host/`.
_URL = re.compile(r"""(://[^\s/:@"']*:)[^\s/@"']+(?=@)""")

_ENDS_WORD = " \t\n\r\v\f;&|<>()"  # where a shell's word ends, outside of quotes


def of_gpg(words: Sequence[str], table: argv.Table) -> list[str]:
    """gpg's words (its argv without argv[0]), as this gpg reads them, with its secrets masked."""
    shown = of_words(words)
    for one in argv.take(words, table)[0]:
        if one.name in SECRETS and one.value:
            if words[one.at] == one.text:
                shown[one.at + 1] = MASK
            else:
                shown[one.at] = words[one.at].removesuffix(one.value) + MASK
    return shown


def of_words(words: Sequence[str]) -> list[str]:
    """The words of any command line, with all masked that looks like a secret."""
    shown: list[str] = []
    is_value = False
    for word in words:
        shown.append(MASK if is_value and word and word[0] != "-" else of_text(word))
        is_value = _OPTION.fullmatch(word) is not None
    return shown


def of_text(text: str) -> str:
    """A text, such as a shell's, with all masked that looks like a secret."""
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
        # In a list of a language's, a comma ends the value too.
        end = _end_of_value(text, begin, _ENDS_WORD + "," * ("," in found[0]))
        value = text[begin:end].strip("\\\"'")
        if not value or (value[0] == "-" and text[begin - 1] != "="):
            end = begin  # it is empty, or another option
        parts += [text[done:begin], MASK if end > begin else ""]
        done = end
    return "".join([*parts, text[done:]])


def _end_of_value(text: str, at: int, ends: str) -> int:
    """Where a word ends that begins at `at`, as a shell would have it, or later.

    One of `ends` outside of quotes ends it.
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
    """Where the quoted part ends whose quote, at `at`, stands behind `depth` backslashes.

    A quote behind more of them does not end it: it is quoted itself. Without an end it is all.
    """
    quote = text[at]
    while (at := text.find(quote, at + 1)) >= 0:
        before = at
        while before > 0 and text[before - 1] == "\\" and at - before <= depth:
            before -= 1
        if at - before <= depth:
            return at + 1
    return len(text)
