# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys that a command line of gpg requests for its signatures.

Rule 1: this is information for people. No decision depends on it.
Rule 2: conf files are not read, and the name of a key is not looked up in the keyring.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpgshim.gpgargs import parser
from gpgshim.gpgargs.optiontable import Table


def keys_of(words: Sequence[str], table: Table) -> list[str]:
    """The keys as gpg's words (its argv without argv[0]) name them; none for the default key.

    gpg makes one signature with each --local-user. --default-key counts only without one.
    """
    named: dict[str, list[str]] = {"local-user": [], "default-key": []}
    for one in parser.parse(words, table)[0]:
        if one.name in named and one.value is not None:
            named[one.name].append(one.value)
    return named["local-user"] or named["default-key"]
