# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is each module, class and function of the package small enough to be read at once?"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gpgshim

PACKAGE = Path(gpgshim.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = {ast.Module: 400, ast.ClassDef: 250, ast.FunctionDef: 60}
MOST_BRANCHES = 15  #: of a function: if, for, while, except, case


def branches(function: ast.FunctionDef) -> int:
    kinds = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.match_case)
    return sum(isinstance(node, kinds) for node in ast.walk(function))


def offences(name: str, text: str) -> Iterator[str]:
    """What is too long in a module, each as `MODULE.NAME: how long`."""
    tree = ast.parse(text)
    if (lines := text.count("\n")) > MOST_LINES[ast.Module]:
        yield f"{name}: {lines} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            if lines > MOST_LINES[type(node)]:
                yield f"{name}.{node.name}: {lines} lines"
        if isinstance(node, ast.FunctionDef) and branches(node) > MOST_BRANCHES:
            yield f"{name}.{node.name}: {branches(node)} branches"


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_small(path: Path) -> None:
    assert list(offences(name_of(path), path.read_text())) == []


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("x = 1\n" * 401, ["m: 401 lines"]),
        ("x = 1\n" * 400, []),
        ("class C:\n" + "    x = 1\n" * 250, ["m.C: 251 lines"]),
        ("class C:\n" + "    x = 1\n" * 249, []),
        ("def f():\n" + "    x = 1\n" * 60, ["m.f: 61 lines"]),
        ("def f():\n" + "    x = 1\n" * 59, []),
        ("def f():\n" + "    if x: x = 1\n" * 16, ["m.f: 16 branches"]),
        ("def f():\n" + "    for y in x: x = 1\n" * 15, []),
    ],
)
def test_each_limit_is_seen(text: str, seen: list[str]) -> None:
    assert list(offences("m", text)) == seen
