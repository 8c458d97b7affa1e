# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is each recorded call of gpg by a real program read correctly, with the options of each gpg?"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from gpgshim.gpgargs import decision
from tests.support.gpgs import TABLES, VERSIONS, read

CALLERS = Path(__file__).parents[2] / "fixtures" / "callers"
HOW = {"recorded", "read in source"}
# The programs that must be recorded: if a file is removed, the test fails.
WANTED = (
    "aptly debsign dgit dgit-repos-server dpkg duplicity git gpgme makepkg maven-gpg-plugin mutt "
    "pass python-gnupg reprepro rpmsign tag2upload-oracled twine"
)


class Call(NamedTuple):
    verdict: str
    words: list[str]


def parse(path: Path) -> tuple[dict[str, str], list[Call]]:
    """The head of a caller's file, and its calls. ValueError at a line that is neither."""
    head, _, body = path.read_text().partition("\n\n")
    calls = []
    for line in body.splitlines():
        if line and not line.startswith("#"):
            verdict, name, *words = shlex.split(line)
            if name != "gpg":
                raise ValueError(f"{path.name}: {line}")
            calls.append(Call(verdict, words))
    return dict(line.split(": ", 1) for line in head.splitlines()), calls


FILES = sorted(CALLERS.glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_names_its_caller(path: Path) -> None:
    head, calls = parse(path)
    assert head.keys() - {"from"} == {"caller", "how", "version"}
    assert head["how"] in HOW
    assert all(head.values())
    assert head["how"] == "recorded" or head["from"]
    assert calls
    assert {call.verdict for call in calls} <= {
        decision.SIGN,
        decision.PASS,
        decision.UNKNOWN_COMMAND,
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recorded_call_gets_its_verdict(path: Path, version: str) -> None:
    for verdict, words in parse(path)[1]:
        reading = read(words, TABLES[version])
        assert reading.verdict == verdict, f"{shlex.join(words)}: {reading.reason}"


def test_no_caller_is_missing() -> None:
    assert set(WANTED.split()) <= {parse(path)[0]["caller"] for path in FILES}


def test_the_recorded_calls_have_both_verdicts() -> None:
    said = [call.verdict for path in FILES for call in parse(path)[1]]
    assert said.count(decision.SIGN) > 50
    assert said.count(decision.PASS) > 50
