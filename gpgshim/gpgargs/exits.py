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

# P4, V: option values that make gpg exit. First, a request for a list of the possible values;
HELP = ("help", "full-help")
LISTS = {
    "list-options": HELP,
    "import-options": HELP,
    "export-options": HELP,
    "keyserver-options": HELP,
    "verify-options": HELP,
    "debug": ("help", "?"),
    "compatibility-flags": ("help", "?"),
}
# then, a word that is none of these (in any case);
CHOICES = {
    "compliance": "gnupg openpgp rfc4880bis rfc4880 rfc2440 pgp6 pgp7 pgp8 de-vs",
    "tofu-default-policy": "auto good unknown bad ask",
    "trust-model": "pgp classic always direct tofu tofu+pgp auto",
    "keyid-format": "short long 0xshort 0xlong none",
    "pinentry-mode": "ask default cancel error loopback",
    "request-origin": "none local remote browser",
    "force-ownertrust": "undefined never marginal full ultimate",
}
# then, a number out of range, unless a later option corrects it (the first item names which).
# s2k-mode is missing here, because --openpgp and similar options correct it too.
RANGES = {
    "completes-needed": ("completes-needed", range(1, 1 << 31)),
    "marginals-needed": ("marginals-needed", range(2, 1 << 31)),
    "max-cert-depth": ("max-cert-depth", range(1, 256)),
    "default-cert-level": ("default-cert-level", range(4)),
    "default-cert-check-level": ("default-cert-level", range(4)),
    "min-cert-level": ("min-cert-level", range(1, 4)),
}
# Last, options that only print which other option to use.
GONE = ("print-dane-records", "print-pka-records")


def exit_at(one: Option, table: Table) -> str:
    """P3, P4: why gpg exits at this option, or "" if it continues."""
    if one.name == "version":
        return f"P3: {one.text} prints and exits"
    value = one.value or ""
    if value.lstrip(SPACE) in LISTS.get(one.name, ()):
        return f"P4: {one.text} {value} prints and exits"
    if not table.exact:
        return ""
    if one.name in GONE:
        return f"V: {one.text} is an error"
    if one.name in CHOICES and value.lower() not in CHOICES[one.name].split():
        return f"P4: {one.text} does not know {value!r}"
    return ""


def exit_reason(options: Sequence[Option], table: Table, doubt: Doubt | None) -> str:
    """Why gpg exits while it parses its options, or ""."""
    numbers: dict[str, Option] = {}
    for one in options:
        end = one.fault or exit_at(one, table)
        if end:
            return end
        if one.name in RANGES:
            numbers[RANGES[one.name][0]] = one
    for one in numbers.values():
        if one.where and doubt:
            continue  # a later file may correct it
        if table.exact and number(one.value or "", one.flags) not in RANGES[one.name][1]:
            return f"V: {one.text} is out of range with {one.value}"
    return ""
