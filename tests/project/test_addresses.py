# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do pyproject.toml and Debian's files agree with each other, and with the repository?"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
CONTROL = dict(
    re.findall(r"^([A-Z][\w-]+): (.+)$", (CHECKOUT / "debian/control").read_text(), re.MULTILINE)
)
COPYRIGHT = (CHECKOUT / "debian/copyright").read_text()


def test_the_authors() -> None:
    (author,) = PROJECT["authors"]
    assert CONTROL["Maintainer"] == f"{author['name']} <{author['email']}>"
    assert re.search(rf"^Copyright: \d+ {re.escape(author['name'])}$", COPYRIGHT, re.MULTILINE)


def test_the_licence() -> None:
    assert re.search(rf"^License: {re.escape(PROJECT['license'])}$", COPYRIGHT, re.MULTILINE)


def test_the_addresses() -> None:
    urls = PROJECT["urls"]
    assert urls["Homepage"] == CONTROL["Homepage"]
    assert urls["Repository"] == CONTROL["Vcs-Git"]
    assert urls["Issues"] == f"https://bugs.debian.org/src:{CONTROL['Source']}"


def test_each_python_that_works_is_a_classifier() -> None:
    oldest = int(PROJECT["requires-python"].removeprefix(">=3."))
    listed = re.findall(r":: 3\.(\d+)", "\n".join(PROJECT["classifiers"]))
    assert [int(each) for each in listed] == list(range(oldest, oldest + len(listed)))


def test_the_build_runs_tests_that_exist() -> None:
    paths = re.findall(r"\{dir\}/(\S+)", (CHECKOUT / "debian/rules").read_text())
    assert paths and [path for path in paths if not any((CHECKOUT / path).glob("*.py"))] == []
