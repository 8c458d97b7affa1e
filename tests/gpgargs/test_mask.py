# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is each secret in a command line masked, and is the masked line still read in the same way?"""

from __future__ import annotations

import itertools
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.gpgargs import decision, mask, optiontable
from tests.support.gpgs import HOME, NEW, TABLES

SECRET = "hunter2"

#: What gpg itself takes for an option with a secret.
TAKEN = [
    f"--passphrase {SECRET} -s f",
    f"--passphrase={SECRET} -s f",
    f"-s --passphrase={SECRET} f",
    f"--override-session-key {SECRET} -d f",
    f"--override-session-key={SECRET} -d f",
    f"-u --passphrase --passphrase={SECRET} f",
    f"-bsau K --passphrase {SECRET} f",
]
#: What gpg refuses, or takes for file names, but a person meant so.
MEANT = [
    f"--passphras {SECRET} -s f",
    f"--passp={SECRET} -s f",
    f"--override-session-k {SECRET} f",
    f"-s f --passphrase {SECRET}",
    f"f --passphrase={SECRET}",
    f"--keyserver https://user:{SECRET}@host/ -s f",
    f"--bogus --passphrase {SECRET}",
    f"--set-notation a=--passphrase={SECRET}",
]
STAY = [
    "--passphrase -s f",
    "--passphrase",
    "--passphrase= -s f",
    "--passphrase-fd 3 -s f",
    "--passphrase-file file -s f",
    "--passphrase-repeat 1 f",
    "--passwd alice",
    "--pinentry-mode loopback -s f",
    "-u alice@example.org -s f",
    "--override-session-key-fd 3 f",
]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("line", TAKEN + MEANT)
def test_a_secret_is_masked(line: str, table: optiontable.Table) -> None:
    words = line.split()
    shown = mask.of_gpg(words, table)
    assert shown == [word.replace(SECRET, mask.MASK) for word in words]


@pytest.mark.parametrize("line", STAY)
def test_other_text_is_not_masked(line: str) -> None:
    assert mask.of_gpg(line.split(), NEW) == line.split()
    assert mask.of_gpg(["--passphrase", "", "-s"], NEW) == ["--passphrase", "", "-s"]


def test_each_option_that_holds_a_secret_is_known() -> None:
    """A new one would have such a name, and a value that is neither a file nor a descriptor."""
    for table in TABLES.values():
        found = {
            name
            for name, _, flags in table.rows()
            if flags & optiontable.TYPE == 2
            and any(part in name for part in ("pass", "session-key", "pin", "secret"))
            and not name.endswith("-file")
        }
        # Names of a mode, a key, a program and a keyring.
        others = {"pinentry-mode", "try-secret-key", "secret-keyring", "pinentry-program"}
        assert set(mask.SECRETS) <= found <= {*mask.SECRETS, *others}


WORDS = st.lists(
    st.sampled_from(
        [
            *("--passphrase", "--passphrase=x", "--passphrase=-s", "--passphrase=", "--passp"),
            *("--override-session-key", "--status-fd", "1", "-s", "-u", "f", "--verify", "-", "--"),
            *("--homedir", "--batch", "--options", "-sbu", "-ubs", "PASSPHRASE=x", "-b", ""),
        ]
    ),
    max_size=7,
)


@given(WORDS)
def test_the_decision_is_the_same(words: list[str]) -> None:
    """So a journal is replayed as its job was decided."""

    def read(given: list[str]) -> tuple[str, int | None, int, list[str]]:
        reading = decision.read(given, NEW, {"HOME": HOME}, lambda _: None)
        names = [one.name for one in reading.options]
        return reading.verdict, reading.status_fd, len(reading.files), names

    shown = mask.of_gpg(words, NEW)
    assert read(shown) == read(words)
    assert mask.of_gpg(shown, NEW) == shown


#: Around a secret, as shells and other languages quote it; what of it must be left afterwards.
TEXTS = [
    "gpg --passphrase {} -s f",
    "gpg --passphrase={} -s f",
    "gpg --passphrase '{} x' -s f",
    'gpg --passphrase "{} x" -s f',
    'gpg --passphrase "a\\" {} x" -s f',
    "gpg --passphrase a\\ {} -s f",
    "gpg --passphrase 'a'\"{}\"'b c' -s f",
    'sh -c "gpg --passphrase \\"a {} b\\" -s f"',
    'sh -c "sh -c \\"gpg --passphrase \\\\\\"a {} b\\\\\\" -s f\\""',
    "['gpg', '--passphrase', 'a {} b', '-s f']",
    '["gpg","--passphrase","a \\" {} b","-s f"]',
    "gpg --passphrase\t{}\n-s f",
    "gpg --passphrase '{} and no end",
    "gpg --passphrase {}\\",
    "gpg --passphras {}; -s f",
    "PASSPHRASE={} make; -s f",
    "export GPG_PASSWORD='a {}'; -s f",
    "git push https://me:{}@host/x; -s f",
    "tool --password {} -s f",
    "--passphrase --passphrase {}; -s f",
    "x=$(gpg --passphrase {}) -s f",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_in_a_text_is_masked(text: str) -> None:
    shown = mask.of_text(text.format(SECRET))
    assert SECRET not in shown
    assert mask.MASK in shown
    assert ("-s f" in shown) == ("-s f" in text)
    assert shown.startswith(text.partition("--pass")[0][:5])


@pytest.mark.parametrize(
    "text",
    [
        "gpg --passphrase '' -s f",
        "gpg --passphrase -s f",
        "gpg --passphrase '-s' f",
        "gpg --passphrase-fd 0 <<<x",
        "gpg --passphrase",
        "x --passphrase=",
        "a=b --c=d https://host/x",
        "my--passwordless x",
        "https://user@host/",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert mask.of_text(text) == text


def test_words_of_another_program() -> None:
    words = ["sh", "-c", f"gpg --passphrase {SECRET}", "--passphrase", SECRET, "-u", "--passphrase"]
    shown = mask.of_words(words)
    assert SECRET not in "".join(shown)
    assert len(shown) == len(words)


PIECES = ["--passphrase", " ", "=", "\\", '"', "'", "x", "://", "@", ":", "password=", "\n"]


def lines_run(text: str) -> int:
    """The number of Python lines that mask.of_text runs for `text`."""
    count = 0

    def trace(_frame: FrameType, event: str, _value: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        mask.of_text(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("pieces", list(itertools.permutations(PIECES, 2)))
def test_it_takes_linear_time(pieces: tuple[str, str]) -> None:
    """Twice the text costs twice the work; quadratic work would be four times as much."""
    for begin, piece in (("--passphrase ", "".join(pieces)), pieces):
        once, twice = (lines_run(begin + piece * number) for number in (500, 1000))
        assert twice <= 2.2 * once + 20
