# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does one place say what follows from an error, and one place which exit status it has?"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gpgshim
from gpgshim.system.errors import Fact

PACKAGE = Path(gpgshim.__file__).parent
ERRORS = PACKAGE / "system/errors.py"
MODULES = sorted(set(PACKAGE.rglob("*.py")) - {ERRORS})

#: The exit statuses of errors.
STATUSES = {64, 65, 74, 78}
EXITS = {"exit", "sys.exit", "os._exit", "posix._exit"}


def strings_of(tree: ast.AST) -> Iterator[str]:
    """All parts of strings in code, without docstrings."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_message_does_not_contain_its_consequence_or_hint(path: Path) -> None:
    texts = list(strings_of(ast.parse(path.read_text())))
    facts = [fact.value for fact in Fact]
    assert not [text for text in texts if any(fact in text for fact in facts)]
    log = path.name == "log.py"
    assert [text for text in texts if "hint:" in text] == ["hint: "] * log


def test_one_place_has_the_exit_status_of_an_error() -> None:
    """As `status = 74`, `return 74` or `exit(74)`, anywhere."""
    found = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Return)
        or (isinstance(node, ast.Assign) and "status" in ast.unparse(node.targets[0]).lower())
        or (isinstance(node, ast.Call) and ast.unparse(node.func) in EXITS)
        for value in (node.args if isinstance(node, ast.Call) else [node.value])
        if isinstance(value, ast.Constant) and value.value in STATUSES
    }
    assert found == set()
