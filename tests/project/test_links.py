# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does each file exist that a document names or links to, and each name of the code?"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
TOPS = ("bench", "bin", "debian", "doc", "fixtures", "gpgshim", "tests", "tools")
PAGES = [
    page
    for pattern in ("*.md", *(f"{top}/**/*.md" for top in TOPS))
    for page in sorted(CHECKOUT.glob(pattern))
]
MODULES: dict[str, str] = {}  # two packages may have a module of the same name
for path in (CHECKOUT / "gpgshim").rglob("*.py"):
    MODULES[path.stem] = MODULES.get(path.stem, "") + path.read_text()
FILES = {path.name for top in TOPS for path in (CHECKOUT / top).rglob("*")}

#: A path of ours in backticks, and the test or the name that follows it.
PATH = re.compile(rf"`((?:{'|'.join(TOPS)})/[\w./{{}},*-]*)(?:::(\w+))?`")
#: A module's file without its directory, and a name with its module in front.
FILE = re.compile(r"`(\w+\.py)`")
NAME = re.compile(r"`(\w+)\.(\w+)(?:\.(\w+))?(?:\(\))?`")
#: Other words with a dot between them: foreign modules, git's settings, pyproject's sections.
OTHERS = {*sys.stdlib_module_names, "NAME", "click", "gnupg", "gpg", "pyproject", "tool"}
#: The target of a link into this repository, and its anchor.
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))


def alternatives(path: str) -> list[str]:
    """The paths that `path` stands for: it may have one part in braces, as in a shell."""
    before, brace, rest = path.partition("{")
    inside, _, after = rest.partition("}")
    return [before + each + after for each in inside.split(",")] if brace else [path]


def is_in(module: str, name: str) -> bool:
    """Whether the package or the module has this name."""
    if module == "gpgshim":
        return name in FILES or name in MODULES
    return bool(re.search(rf"\b{name}\b", MODULES.get(module, "")))


@pages
def test_each_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    paths = [(path, name) for found, name in PATH.findall(text) for path in alternatives(found)]
    assert [path for path, _ in paths if not any(CHECKOUT.glob(path))] == []
    assert [
        f"{path}::{name}"
        for path, name in paths
        if name and not re.search(rf"\b{name}\b", (CHECKOUT / path).read_text())
    ] == []
    assert set(FILE.findall(text)) - FILES == set()


@pages
def test_each_name_of_the_code_that_a_page_names_exists(page: Path) -> None:
    assert [
        f"{module}.{name}"
        for module, *names in NAME.findall(page.read_text())
        if module not in OTHERS
        for name in filter(None, names)
        if f"{module}.{name}" not in FILES and not is_in(module, name)
    ] == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and GitLab make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each).strip().lower().replace(" ", "-") for each in headings}


@pages
def test_each_file_and_heading_that_a_page_links_to_exists(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"
