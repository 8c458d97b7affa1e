# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a command line read as gpg reads it? One row for each rule and each special case."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.gpgargs import decision, exits, optiontable
from tests.support.commandlines import CASES
from tests.support.gpgs import IS_NEW, NEW, OLD, TABLES, USER_CONF, VERSIONS, made, read

LETTERS = {decision.SIGN: "S", decision.PASS: "-", decision.UNKNOWN_COMMAND: "R"}


@pytest.mark.parametrize("line", CASES)
def test_command_line(line: str) -> None:
    expected, words = line[:2], line[3:]
    for version in VERSIONS:
        reading = read(words, TABLES[version])
        assert LETTERS[reading.verdict] == expected[IS_NEW[version]], (version, reading.reason)


@pytest.mark.parametrize("name", sorted(set(exits.LISTS) | set(exits.CHOICES) | set(exits.RANGES)))
def test_each_option_with_a_value_rule_takes_a_value(name: str) -> None:
    rows = [row for table in TABLES.values() if (row := table.named(name))]
    assert rows
    assert all(row[2] & optiontable.TYPE for row in rows)


def test_an_unlisted_command_is_unknown() -> None:
    table = made("2.4.9", more="new-command:999:128")
    for line in ("--new-command f", "--new-com", "-s --new-command", "--new-command --verify"):
        assert read(line, table).verdict == decision.UNKNOWN_COMMAND
    assert "new-command" in read("--new-comm", table).reason
    assert read("--new-command --bogus", table).verdict == decision.PASS
    assert read("--new-command --help", table).verdict == decision.PASS


def test_a_newer_gpg_is_not_expected_to_exit_at_a_value() -> None:
    table = made("2.6.1")
    for line in (
        "--compliance=new -s",
        "-s f f",
        "--multifile -s f",
        "--completes-needed 0 -s",
        "--quick-add-uid K",
        "--gen-key f",
        "--print-dane-records -s",
    ):
        assert read(line, NEW).verdict == decision.PASS
        assert read(line, table).verdict == decision.SIGN
    assert read("--list-options help -s", table).verdict == decision.PASS


def test_only_plain_calls_of_sequoias_gpg_pass() -> None:
    table = made("2.4.9", optiontable.CHAMELEON)
    for line in ("--verify f", "--list-keys --with-colons", "--version", "--help", "-s --help"):
        assert read(line, table).verdict == decision.PASS, line
    for line in (
        "f",
        "--bogus",
        "--verify --bogus",
        "-s -e -s",
        "--verify -s",
        "-e -r K f",
        "-s f",
    ):
        assert read(line, table).verdict == decision.SIGN, line
    in_doubt: dict[str, str | OSError] = {USER_CONF: "[if x]"}
    assert read("--verify f", NEW, in_doubt).verdict == decision.PASS
    assert read("--verify f", table, in_doubt).verdict == decision.SIGN


@pytest.mark.parametrize(
    ("line", "fd"),
    [
        ("--status-fd 1 -s", 1),
        ("--status-fd=1 --status-fd=2x -s", 2),
        ("-s", None),
        ("--status-fd -1 -s", None),
        ("--status-fd x -s", 0),
        ("--status-fd --sign -s", 0),
        ("--status-fd 3 --bogus", 3),
        ("--status-f 3 -s", None),
        ("--status-fd=3 --status-fd= -s", 3),
        ("--status-fd 3 --status-fd", 3),
    ],
)
def test_status_fd_is_the_last_as_gpg_reads_it(line: str, fd: int | None) -> None:
    assert read(line).status_fd == fd


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("--det f", "T2: --det is detach-sign: signs data, detached"),
        ("--clearsign f", "T2: --clearsign: signs data, in clear text"),
        ("-bsau K", "T6: -s is sign: signs data"),
        ("--sig f", "T2: --sig is ambiguous"),
        ("--bogus=1 f", "T2: --bogus is not an option"),
        ("--verify f", "T2: --verify: verifies with public keys"),
        ("-k", "T6: -k is list-keys: reads public keys"),
        ("-s --verify", "T2: --verify: verifies with public keys"),
        ("-s --clearsign -e", "M1: -e conflicts with clear-sign"),
        ("--multifile -sc f", "T6: -s is sign: signs data (M1: sign symmetric)"),
        ("--multifile -s f", "M3: sign does not work with --multifile"),
        ("f", "M2: no command that signs"),
        ("-s?", "P1: -? ends gpg at once"),
    ],
)
def test_a_reason_names_rule_and_word(line: str, reason: str) -> None:
    assert read(line).reason == reason


def test_numbers_of_every_type_have_their_range() -> None:
    table = made("2.4.9", more="a-long:998:3")
    assert read("--a-long -9223372036854775808 -s", table).verdict == decision.SIGN
    assert read("--a-long 9223372036854775808 -s", table).verdict == decision.PASS


WORD = st.one_of(
    st.text(
        alphabet=st.characters(exclude_characters="\0", exclude_categories=()), max_size=12
    ),
    st.sampled_from(["--sign", "-s", "--", "-", "", "--status-fd", "-u", "--passphrase", "--opt"]),
    st.builds(lambda name, cut: "--" + name[:cut], st.sampled_from(NEW.rows()).map(lambda r: r[0]),
              st.integers(1, 30)),
)  # fmt: skip
CONF = st.one_of(
    st.none(),
    st.text(max_size=60),
    st.lists(st.one_of(WORD.map(lambda word: word.lstrip("-")), st.just("[if $a"))).map("\n".join),
)


@given(st.lists(WORD, max_size=8), st.sampled_from([OLD, NEW, made("2.7")]), CONF, CONF)
def test_any_words_are_read(
    words: list[str], table: optiontable.Table, system: str | None, user: str | None
) -> None:
    files: dict[str, str | OSError] = {}
    if system is not None:
        files[optiontable.SYSTEM_CONF] = system
    if user is not None:
        files["/home/u/.gnupg/gpg.conf"] = user
    reading = read(words, table, files)
    assert reading.verdict in (decision.SIGN, decision.PASS, decision.UNKNOWN_COMMAND)
    assert reading.reason
    if reading.status_fd is not None:
        assert reading.status_fd >= 0


@given(st.lists(WORD, max_size=6))
def test_help_as_the_first_word_always_passes(words: list[str]) -> None:
    assert read(["--help", *words]).verdict == decision.PASS


@given(st.lists(st.text(max_size=5), max_size=3))
def test_a_plain_signature_signs_for_any_names_of_files(names: list[str]) -> None:
    assert read(["-b", "--", *names]).verdict == decision.SIGN


def test_the_longest_words_are_read() -> None:
    """As long as Linux lets a word be (128 KiB)."""
    assert read(["-" + "a" * 130_000 + "s"]).verdict == decision.SIGN
    assert read(["--status-fd", "0" * 130_000, "-s"]).verdict == decision.SIGN
    assert read(["--status-fd", "9" * 130_000, "-s"]).verdict == decision.PASS


@pytest.mark.starts
def test_reading_imports_no_other_modules() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(Path(decision.__file__).parents[2])!r})\n"
        "before = set(sys.modules)\n"
        "import gpgshim.gpgargs.decision\n"
        "print(*sys.modules.keys() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    names = ("commands", "conffile", "decision", "exits", "optiontable", "parser")
    ours = {"gpgshim", "gpgshim.gpgargs", *(f"gpgshim.gpgargs.{name}" for name in names)}
    assert set(done.stdout.split()) - {"__future__"} == ours
