# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which words make gpgconf print a program, and what does the stunt change in its output?"""

from __future__ import annotations

import shlex

import pytest

from gpgshim.stunts.gpgconf import Call, with_stunt

PRINTED = b"gpg:OpenPGP:/usr/bin/gpg\ngpgsm:S/MIME:/usr/bin/gpgsm\n"


@pytest.mark.parametrize(
    ("line", "names_a_program", "output"),
    [
        ("", True, None),  # gpgconf lists the components by default
        ("--list-components", True, None),
        ("--check-programs", True, None),
        ("--kill gpg-agent", False, None),
        ("--list-dirs", False, None),
        ("--kill --list-components", True, None),  # the last command is the one that runs
        ("--list-components --kill", False, None),
        ("--no-such-option --kill all", True, None),  # not understood, so nothing is assumed
        ("-o f --list-components", True, "f"),
        ("--output=f --output g", True, "g"),
        ("-- --kill", True, None),
    ],
)
def test_the_words_of_gpgconf(line: str, names_a_program: bool, output: str | None) -> None:
    call = Call(shlex.split(line))
    assert (call.names_a_program, call.output) == (names_a_program, output)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-o f --list-components", "-o f --list-components --output /x"),
        ("-o f -- g", "-o f --output /x -- g"),
        ("--check-options gpg", "--check-options --output /x gpg"),
    ],
)
def test_another_output_file_comes_last_among_the_options(line: str, expected: str) -> None:
    assert Call(shlex.split(line)).writing_to("/x") == shlex.split(expected)


def test_only_the_path_of_gpg_is_replaced_and_it_is_escaped() -> None:
    assert with_stunt(PRINTED, b"/a b/%,:x/gpg") == (
        b"gpg:OpenPGP:/a b/%25%2c%3ax/gpg\ngpgsm:S/MIME:/usr/bin/gpgsm\n"
    )


@pytest.mark.parametrize(
    "output", [b"", b"gpg-agent:A:/usr/bin/gpg-agent\n", b"gpg:OpenPGP\n", b"gpg:OpenPGP::1\n"]
)
def test_other_records_stay(output: bytes) -> None:
    assert with_stunt(output, b"/x") == output


def test_records_may_end_with_nul() -> None:
    assert with_stunt(b"gpg:O:/usr/bin/gpg\0gpg:O:/b\0", b"/x") == b"gpg:O:/x\0gpg:O:/x\0"
