# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are the requested keys those that gpg would read from its command line?"""

from __future__ import annotations

import shlex

import pytest

from gpgshim.gpgargs.optiontable import Table
from gpgshim.gpgargs.signers import keys_of
from tests.support.gpgs import TABLES


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("-s f", []),
        ("-u A -s f", ["A"]),
        ("-bu A f", ["A"]),
        ("-bsuA f", ["A"]),
        ("--local-user=A --local-u B -s f", ["A", "B"]),
        ("--default-key A -s f", ["A"]),
        ("--default-key A -u B -s f", ["B"]),
        ("--comment -u A -s f", []),  # `A` is a file, and gpg stops to read options there
        ("-s f -u A", []),
        ("-s -u", []),
        ("-s -- -u A", []),
        ("--clearsign -u 'Ann <ann@example.org>' f", ["Ann <ann@example.org>"]),
    ],
)
def test_the_keys(table: Table, line: str, keys: list[str]) -> None:
    assert keys_of(shlex.split(line), table) == keys
