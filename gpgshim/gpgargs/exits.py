# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options at which gpg exits before it runs a command: it prints something, or the value is wrong.

Rule 1: each rule has its letter: P3 and P4 for options that print and for words that are not in a
list, V for other values. The tables hold what gpg.c compares.
Rule 2: the values were tested with 2.2 and 2.4; of any other gpg only P3 and the lists of P4 count.

Source: src/argparse.c of libgpg-error 1.46 to 1.61, g10/gpg.c of GnuPG 2.2.40 and 2.4.9.
"""

from __future__ import annotations

from gpgshim.gpgargs.parser import SPACE, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpgshim.gpgargs.conffile import Doubt
    from gpgshim.gpgargs.optiontable import Table
    from gpgshim.gpgargs.parser import Option

#: P1: if one of these is anywhere among the options, gpg does nothing else.
AT_ONCE = ("help", "warranty", "dump-options", "dump-option-table")

_HELP = ("help", "full-help")
#: P4: with one of these values, gpg prints the possible values and exits.
LISTS = {
    "list-options": _HELP,
    "import-options": _HELP,
    "export-options": _HELP,
    "keyserver-options": _HELP,
    "verify-options": _HELP,
    "debug": ("help", "?"),
    "compatibility-flags": ("help", "?"),
}

#: P4: with a value that is none of these words, in any case, gpg exits.
CHOICES = {
    "compliance": "gnupg openpgp rfc4880bis rfc4880 rfc2440 pgp6 pgp7 pgp8 de-vs",
    "tofu-default-policy": "auto good unknown bad ask",
    "trust-model": "pgp classic always direct tofu tofu+pgp auto",
    "keyid-format": "short long 0xshort 0xlong none",
    "pinentry-mode": "ask default cancel error loopback",
    "request-origin": "none local remote browser",
    "force-ownertrust": "undefined never marginal full ultimate",
}

#: V: with a number that is not in the range, gpg exits, unless a later option corrects it. The
#: first item names the number: two options set the same one. s2k-mode is missing here, because
#: --openpgp and similar options correct it too.
RANGES = {
    "completes-needed": ("completes-needed", range(1, 1 << 31)),
    "marginals-needed": ("marginals-needed", range(2, 1 << 31)),
    "max-cert-depth": ("max-cert-depth", range(1, 256)),
    "default-cert-level": ("default-cert-level", range(4)),
    "default-cert-check-level": ("default-cert-level", range(4)),
    "min-cert-level": ("min-cert-level", range(1, 4)),
}

#: V: these options only print which other option replaces them, and are errors.
REPLACED = ("print-dane-records", "print-pka-records")


def exit_reason(options: Sequence[Option], table: Table, doubt: Doubt | None) -> str:
    """Why gpg exits while it evaluates these options; "" if it continues."""
    numbers: dict[str, Option] = {}
    for option in options:
        reason = option.fault or _exit_at(option, table)
        if reason:
            return reason
        if option.name in RANGES:
            numbers[RANGES[option.name][0]] = option
    for option in numbers.values():
        if option.where and doubt:
            continue  # a later file, which is not known, may correct it
        value = number(option.value or "", option.flags)
        if table.exact and value not in RANGES[option.name][1]:
            return f"V: {option.text} {option.value} is out of range"
    return ""


def _exit_at(option: Option, table: Table) -> str:
    """P3, P4, V: why gpg exits at this option; "" if it continues."""
    if option.name == "version":
        return f"P3: {option.text} prints and exits"
    value = option.value or ""
    if value.lstrip(SPACE) in LISTS.get(option.name, ()):
        return f"P4: {option.text} {value} prints and exits"
    if not table.exact:
        return ""
    if option.name in REPLACED:
        return f"V: {option.text} is an error"
    if option.name in CHOICES and value.lower() not in CHOICES[option.name].split():
        return f"P4: {option.text} does not accept {value!r}"
    return ""
