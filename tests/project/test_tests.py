# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can each test file be read, run and removed without another test file?

What several files need is in tests/support/. tests/ may use tools/, because the programs there are
tested too; of tests/, tools/ may use only tests/support/.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
TESTS = sorted(CHECKOUT.glob("tests/**/*.py"))
TOOLS = sorted(CHECKOUT.glob("tools/**/*.py"))
#: A directory without pure tests of its own package. Each other one has a package's name.
OTHERS = {"process", "real", "place", "proof", "project", "support", "tools"}


def imported(path: Path) -> set[str]:
    """The modules below `tests` that this file imports, by their dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "tests"}


@pytest.mark.parametrize("path", TESTS + TOOLS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_file_imports_no_test(path: Path) -> None:
    assert {name for name in imported(path) if not name.startswith("tests.support.")} == set()


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_file_is_in_a_directory_that_says_what_it_tests(path: Path) -> None:
    directory = path.relative_to(CHECKOUT / "tests").parts[0]
    packages = {each.parent.name for each in (CHECKOUT / "gpgshim").glob("*/__init__.py")}
    assert directory in packages | OTHERS | {"__init__.py", "conftest.py"}
