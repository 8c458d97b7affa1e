# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a command line of gpg tell what would be signed?"""

from __future__ import annotations

import shlex

import pytest

from gpgshim.gpgargs import commands
from gpgshim.gpgargs.signed import KINDS, Kind, Signed, what_is_signed
from tests.support.gpgs import NEW, TABLES, VERSIONS

pytestmark = pytest.mark.pure

K = Kind


def test_the_table_has_every_combination() -> None:
    assert KINDS.keys() == commands.SIGNS.keys() | {*commands.UNSETTLED}
    signing = {meaning for meaning, kind in KINDS.items() if kind is not K.UNKNOWN}
    assert signing == commands.SIGNS.keys()
    assert {*KINDS.values(), K.DETACHED} == {*Kind}


@pytest.mark.parametrize(
    ("line", "signed"),
    [
        ("-s f", Signed(K.INLINE, (), None, ("f",))),
        ("-bsau K", Signed(K.DETACHED, ("K",), None, ())),
        ("--det -u A -u B -o - a b", Signed(K.DETACHED, ("A", "B"), "-", ("a", "b"))),
        ("--default-key D --clearsign f", Signed(K.CLEARSIGN, ("D",), None, ("f",))),
        ("-u A --default-key D --clear-sign f", Signed(K.CLEARSIGN, ("A",), None, ("f",))),
        ("-s -b --clearsign f", Signed(K.CLEARSIGN, (), None, ("f",))),
        ("-se -r R f", Signed(K.SIGN_ENCRYPT, (), None, ("f",))),
        ("-sc f", Signed(K.SIGN_ENCRYPT, (), None, ("f",))),
        ("-b -e f", Signed(K.SIGN_ENCRYPT, (), None, ("f",))),
        ("-o a --output b -s f", Signed(K.INLINE, (), "b", ("f",))),
        ("--quick-gen-key ann", Signed(K.NEW_KEY, (), None, ("ann",))),
        ("--quick-add-uid K ann", Signed(K.CHANGE_KEY, (), None, ("K", "ann"))),
        ("-u A --quick-sign-key K", Signed(K.CERTIFY_KEY, ("A",), None, ("K",))),
        ("--gen-revoke K", Signed(K.REVOKE, (), None, ("K",))),
        ("--edit-key K sign", Signed(K.INTERACTIVE, (), None, ("K", "sign"))),
        ("-e f", Signed(K.UNKNOWN, (), None, ("f",))),
        ("f", Signed(K.UNKNOWN, (), None, ("f",))),
        ("", Signed(K.UNKNOWN, (), None, ())),
        ("-s --verify f", Signed(K.UNKNOWN, (), None, ("f",))),
        ("--version", Signed(K.UNKNOWN, (), None, ())),
        ("-s --bogus f", Signed(K.INLINE, (), None, ("f",))),
        ("-s -o", Signed(K.INLINE, (), None, ())),
    ],
)
def test_a_line(line: str, signed: Signed) -> None:
    assert what_is_signed(shlex.split(line), NEW) == signed


@pytest.mark.parametrize("version", VERSIONS)
def test_every_command_has_the_kind_of_its_meaning(version: str) -> None:
    for name, (meaning, _) in commands.COMMANDS.items():
        if TABLES[version].named(name):
            kind = what_is_signed([f"--{name}", "x"], TABLES[version]).kind
            expected = KINDS[meaning] if meaning else K.UNKNOWN
            assert kind is (K.DETACHED if name == "detach-sign" else expected), name


def test_a_command_of_a_later_gpg() -> None:
    from tests.support.gpgs import made

    table = made("2.9.0", more="bless:599:128")
    assert what_is_signed(["--bless", "x"], table).kind is K.UNKNOWN
    assert what_is_signed(["-s", "--bless", "x"], table).kind is K.UNKNOWN
