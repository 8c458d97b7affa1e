# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the words of gpg's command line into options and files, as gpg's own parser does.

Rule 1: each step here is a step of that parser, and names its rule: T1 to T9.
Rule 2: a word that gpg rejects is an option with a `fault`; parsing continues after it.
Rule 3: a stunt imports this under `python3 -I -S`: no imports that cost time, no I/O.

Source: src/argparse.c of libgpg-error 1.46 to 1.61, g10/gpg.c of GnuPG 2.2.40 and 2.4.9.
"""

from __future__ import annotations

from gpgshim.gpgargs.optiontable import (
    CONFFILE,
    INT,
    LONG,
    OBSOLETE,
    OPTIONAL,
    PREFIX,
    TYPE,
    ULONG,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpgshim.gpgargs.optiontable import Row, Table

SPACE = " \t\n\v\f\r"
HUGE = 1 << 65


class Option:
    """One option or command as gpg parses it.

    `where` is "" for the command line, otherwise FILE:LINE of a conf file. `at` is the index of its
    word on the command line. `text` is the part of the word that names it (`--det`, `-b`). `name`
    is its long name in the table, or "". `flags` are the flags of that row. `value` is its
    argument. `fault` is gpg's complaint, or "".
    """

    __slots__ = ("at", "fault", "flags", "name", "text", "value", "where")

    def __init__(
        self,
        text: str,
        name: str = "",
        flags: int = 0,
        value: str | None = None,
        fault: str = "",
        where: str = "",
    ) -> None:
        self.text = text
        self.name = name
        self.flags = flags
        self.value = value
        self.fault = fault
        self.where = where
        self.at = -1


def number(text: str, flags: int = 0) -> int:
    """As C's strtol: white space, a sign, digits. Text after them is ignored; no digits give 0."""
    text = text.lstrip(SPACE)
    sign = -1 if text[:1] == "-" else 1
    text = text[1:] if text[:1] in ("-", "+") else text
    base, digits = 10, "0123456789"
    if flags & PREFIX and text[:2] in ("0x", "0X"):
        base, digits, text = 16, "0123456789abcdef", text[2:].lower()
    elif flags & PREFIX and text[:1] == "0":
        base, digits = 8, "01234567"
    total = 0
    for digit in text:
        if digit not in digits or total > HUGE:
            break
        total = total * base + digits.index(digit)
    return sign * total


def number_fits(flags: int, value: str) -> bool:
    """T8: whether gpg accepts this value for a number of this type."""
    kind = flags & TYPE
    if kind == INT:
        return -(1 << 31) <= number(value, flags) < 1 << 31
    if kind == LONG:
        return -(1 << 63) <= number(value, flags) < 1 << 63
    if kind == ULONG:
        return not value.lstrip(SPACE).startswith("-") and number(value, flags) < 1 << 64
    return True


def with_argument(
    text: str, row: Row, inline: str | None, after: Sequence[str]
) -> tuple[Option, int]:
    """The option `row` with its argument (T3 to T5), and how many words of `after` it uses."""
    name, _, flags = row
    one = Option(text, name, flags)
    if flags & OBSOLETE:
        one.fault = f"T9: {text} is obsolete, which is an error on the command line"
    if not flags & TYPE:
        if inline is not None and flags & CONFFILE:
            one.fault = f"T3: {text} takes no value"
        return one, 0
    used = 0 if inline is not None else 1
    value = inline or None if not used else (after[0] if after else None)
    if flags & OPTIONAL and (value is None or (used and value.startswith("-"))):
        return one, 0
    if value is None:
        one.fault = f"T4: {text} needs an argument"
        return one, 0
    one.value = value
    if not number_fits(flags, value):
        one.fault = f"T8: {text} does not accept {value!r}"
    return one, used


def long_option(word: str, after: Sequence[str], table: Table) -> tuple[list[Option], int]:
    """T2: `--name` or `--name=value`, and how many words of `after` it uses."""
    name, equals, inline = word[2:].partition("=")
    row = table.find(name)
    if isinstance(row, str):
        return [Option(f"--{name}", fault=f"T2: --{name} {row}")], 0
    one, used = with_argument(f"--{name}", row, inline if equals else None, after)
    return [one], used


def cluster(word: str, after: Sequence[str], table: Table) -> tuple[list[Option], int]:
    """T6, T7: `-abc`, letter by letter, until one takes the rest or the next word as argument."""
    options: list[Option] = []
    for at, letter in enumerate(word[1:], 2):
        row = table.letter(letter)
        if row is not None:
            takes = row[2] & TYPE
            rest = word[at:] if takes and at < len(word) else None
            one, used = with_argument(f"-{letter}", row, rest, after)
            options.append(one)
            if takes:
                return options, used
        elif letter in "h?":
            options.append(Option(f"-{letter}", "help"))
        else:
            options.append(Option(f"-{letter}", fault=f"T6: -{letter} is not an option"))
    return options, 0


def parse(words: Sequence[str], table: Table) -> tuple[list[Option], Sequence[str]]:
    """The options of a command line in gpg's order, faults included, and the words after them."""
    options: list[Option] = []
    at = 0
    while at < len(words) and len(words[at]) > 1 and words[at][0] == "-":  # T1
        word = words[at]
        at += 1
        if word == "--":
            break
        kind = long_option if word[1] == "-" else cluster
        found, used = kind(word, words[at : at + 1], table)
        for one in found:
            one.at = at - 1
        options += found
        at += used
    return options, words[at:]
