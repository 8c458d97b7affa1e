# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the first lines of each source file say whose it is, and under which licence?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
TOPS = (".ci", "bench", "bin", "debian", "fixtures", "gpgshim", "tests", "tools")
SUFFIXES = {".css", ".html", ".j2", ".js", ".py", ".sh"}  # beside every file that begins with #!


def is_source(path: Path) -> bool:
    if path.suffix in SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(2) == b"#!"


SOURCES = [
    CHECKOUT / "Makefile",
    *(
        path
        for top in TOPS
        for path in sorted((CHECKOUT / top).rglob("*"))
        if path.is_file() and is_source(path)
    ),
]


def wanted() -> list[str]:
    """The two lines, without the marks of a comment, as debian/copyright has the facts."""
    text = (CHECKOUT / "debian/copyright").read_text()
    (holder,) = re.findall(r"^Copyright: (.+)$", text, re.MULTILINE)
    licence = re.findall(r"^License: (.+)$", text, re.MULTILINE)[0]
    return [f"SPDX-FileCopyrightText: {holder}", f"SPDX-License-Identifier: {licence}"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_the_first_lines(path: Path) -> None:
    """If not, put the two lines at the beginning, or after the line that begins with #!."""
    lines = path.read_text().splitlines()
    head = lines[1:3] if lines[0].startswith("#!") else lines[:2]
    assert [line.strip("#/*{}<!->. ") for line in head] == wanted()
