# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts what a reviewer has to read before trusting gpgshim, for doc/REVIEW.md.

    python -m tools.review            what is missing in the page, or there in vain
    python -m tools.review --write    put the present numbers of lines into the page

Rule 1: the page is the list. It has the files in reading order, each with a sentence; this program
writes only its numbers.
Rule 2: the list is complete. Each module that the ROOTS of a claim import, directly or not, is in a
table of a claim, or in the last table, which says why it need not be read. A test checks that.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).parents[1]
PAGE = CHECKOUT / "doc/REVIEW.md"

#: The heading of a claim in the page -> the patterns of the files that keep the claim.
ROOTS = {
    "No signature without a commitment": (
        "bin/gpg", "gpgshim/stunts/gpg.py", "gpgshim/core/gate.py",
        "gpgshim/supervisor/gatekeeper.py", "gpgshim/authority/*.py",
    ),
    "No signature of gpg-agent without a commitment": (
        "gpgshim/agentlock/forms.py", "gpgshim/agentlock/keys.py", "gpgshim/agentlock/proxy.py",
        "gpgshim/supervisor/atagent.py",
    ),
    "`retriable` is never wrong": (
        "gpgshim/core/verdict.py", "gpgshim/supervisor/supervisor.py",
        "gpgshim/supervisor/settlement.py", "gpgshim/stunts/dgit.py",
    ),
}  # fmt: skip
#: The heading of the table of the modules that need not be read.
APART = "Imported there, but not part of a claim"

#: A row of a table: the pattern of its files in the text of a link, a number, and a sentence.
ROW = re.compile(r"^(\| \[`(?P<files>[^`]+)`\]\([^)]+\) \| )\d* ?(?P<rest>\| .+ \|)$", re.M)
#: The last row of a table.
SUM = re.compile(r"^\| together \| \d* ?\| \|$", re.M)


class Section(NamedTuple):
    """A part of the page, from a heading to the next, and the rows of its table."""

    text: str
    rows: list[re.Match[str]]


def files_of(pattern: str) -> list[Path]:
    """The files of a pattern below the checkout, in order."""
    return sorted(CHECKOUT.glob(pattern))


def lines_of(pattern: str) -> int:
    """The number of lines of all files of a pattern."""
    return sum(len(path.read_bytes().splitlines()) for path in files_of(pattern))


def imports_of(path: Path) -> Iterator[Path]:
    """The modules of gpgshim that a module imports when it runs, in functions too."""
    todo: list[ast.AST] = [ast.parse(path.read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            found = CHECKOUT.joinpath(*name.split(".")).with_suffix(".py")
            if name.startswith("gpgshim.") and found.exists():
                yield found


def closure(roots: tuple[str, ...]) -> set[Path]:
    """The files of these patterns, and every module of gpgshim that they need."""
    todo = [path for pattern in roots for path in files_of(pattern)]
    found: set[Path] = set()
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += imports_of(path)
    return found


def sections(text: str) -> dict[str, Section]:
    """The parts of the page, by heading."""
    parts = re.split(r"^## (.*)\n", text, flags=re.M)
    return {
        heading: Section(part, list(ROW.finditer(part)))
        for heading, part in zip(parts[1::2], parts[2::2], strict=True)
    }


def faults(text: str) -> Iterator[str]:
    """What is wrong with the list in the page."""
    found = sections(text)
    imported = {path for roots in ROOTS.values() for path in closure(roots)}
    rows = [row["files"] for section in found.values() for row in section.rows]
    listed = [path for files in rows for path in files_of(files)]
    for files in (*rows, *(root for roots in ROOTS.values() for root in roots)):
        if not files_of(files):
            yield f"no file is {files}"
    for row in found[APART].rows:
        if not imported & {*files_of(row["files"])}:
            yield f"not imported: {row['files']}"
    for path in sorted(imported - {*listed}):
        yield f"not in the page: {path.relative_to(CHECKOUT)}"
    for path in sorted({path for path in listed if listed.count(path) > 1}):
        yield f"in two rows: {path.relative_to(CHECKOUT)}"


def counted(text: str) -> str:
    """The page with the present numbers."""
    for section in sections(text).values():
        total = sum(lines_of(row["files"]) for row in section.rows)
        new = ROW.sub(lambda row: f"{row[1]}{lines_of(row['files'])} {row['rest']}", section.text)
        text = text.replace(section.text, SUM.sub(f"| together | {total} | |", new))
    return text


def main() -> None:
    """Print the faults, or write the numbers; exit 1 if there is a fault."""
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(counted(PAGE.read_text()))
    found = list(faults(PAGE.read_text()))
    print(*found, sep="\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
