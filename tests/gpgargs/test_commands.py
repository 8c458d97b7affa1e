# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is every command of every gpg listed, with one meaning, and every pair of commands settled?"""

from __future__ import annotations

import pytest

from gpgshim.gpgargs import commands, exits, optiontable
from tests.support.gpgs import TABLES, VERSIONS, read


@pytest.mark.parametrize("version", VERSIONS)
def test_every_command_of_gpg_is_listed(version: str) -> None:
    in_gpg = {name for name, _, flags in TABLES[version].rows() if flags & optiontable.COMMAND}
    aside = {*exits.AT_ONCE, "version", *commands.NO_COMMAND}
    assert in_gpg - aside <= commands.COMMANDS.keys()


def test_every_listed_command_is_in_some_gpg() -> None:
    in_gpg = {name for table in TABLES.values() for name, _, _ in table.rows()}
    gone = {"list-trust-path"}  # in gpg's switch, but in no table
    assert commands.COMMANDS.keys() - in_gpg == gone


@pytest.mark.parametrize("version", VERSIONS)
def test_names_of_one_number_are_one_command(version: str) -> None:
    by_number: dict[int, set[str]] = {}
    for name, number, flags in TABLES[version].rows():
        if flags & optiontable.COMMAND and name in commands.COMMANDS:
            by_number.setdefault(number, set()).add(commands.COMMANDS[name][0])
    assert all(len(meanings) == 1 for meanings in by_number.values())


def test_every_command_of_every_table_has_a_meaning() -> None:
    alone = {meaning for meaning, _ in commands.COMMANDS.values()} - {commands.NEVER}
    together = set(commands.COMBINATIONS.values())
    idle = {"encrypt", "symmetric", "encrypt symmetric"}
    assert alone | together == commands.SIGNS.keys() | idle
    assert {there for there, _ in commands.COMBINATIONS} <= alone | together
    assert {new for _, new in commands.COMBINATIONS} <= alone
    assert {*commands.NOT_MULTIFILE, *commands.PARAMETERS, *commands.NEW_KEYS} <= alone | together
    assert all(least <= most for least, most in commands.SIGNS.values())
    assert {*commands.UNSETTLED} - {""} <= alone | together


@pytest.mark.parametrize("there", sorted({a for a, _ in commands.COMBINATIONS} | {"encrypt"}))
@pytest.mark.parametrize("new", sorted(n for n, (m, _) in commands.COMMANDS.items() if m))
def test_every_pair_of_commands_is_a_combination_or_a_conflict(there: str, new: str) -> None:
    first = {"sign encrypt": "-s -e", "sign symmetric": "-s -c", "encrypt symmetric": "-e -c"}
    line = f"{first.get(there, '--' + there)} --{new}"
    meaning = commands.COMMANDS[new][0]
    conflict = meaning != there and (there, meaning) not in commands.COMBINATIONS
    assert ("conflicts" in read(line).reason) == conflict
