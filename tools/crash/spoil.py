# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fault that is put into a copy of the code, at a place that is found by name.

Rule 1: a place is a module, a function in it, and one node of that function's syntax tree: the call
of a name, the test of a name, a row of a table. Formatting, comments and neighbours do not matter.
Rule 2: the names must lead to exactly one place. If they lead to none or to several, LookupError is
raised, so that a renamed function cannot make a spoil vanish.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterator
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple


class At(Enum):
    """Which node of a function a spoil replaces; `name` is what it calls, tests, assigns, ..."""

    CALL = auto()  # the statement that calls `name`; with arguments: exactly this call
    TEST = auto()  # the condition of an `if` in which `name` occurs
    ASSIGNMENT = auto()  # the statement that assigns `name`
    HANDLER = auto()  # the body of the `except` that catches `name`
    ROW = auto()  # the value of a table's row; `name` is TABLE[KEY]
    START = auto()  # nothing: the new statements come first; `name` is empty


class Spoil(NamedTuple):
    """`new` replaces the named place. `function` is a qualified name; empty is the module."""

    module: str
    function: str
    at: At
    name: str
    new: str

    @property
    def file(self) -> Path:
        """The path below a checkout."""
        return Path(*self.module.split(".")).with_suffix(".py")

    def apply(self, text: str) -> str:
        """The spoilt source of the module. Raises LookupError."""
        tree = ast.parse(text)
        scope = _find_scope(tree, self.function)
        found = list(_FINDERS[self.at](scope, self.name))
        if len(found) != 1:
            raise LookupError(f"{self.module}, {self.function}: {self.name}: {len(found)} places")
        return _replace(text, found[0], self.new)


class _Range(NamedTuple):
    """A part of a source: whole lines, or from column to column. Lines count from 1."""

    line: int
    end_line: int  # line - 1 if nothing is replaced
    columns: tuple[int, int] | None = None  # in bytes


def _replace(text: str, place: _Range, new: str) -> str:
    lines = text.encode().splitlines(keepends=True)
    before, after = lines[: place.line - 1], lines[place.end_line :]
    if place.columns is None:
        indent = lines[place.line - 1].decode()
        indent = indent[: len(indent) - len(indent.lstrip())]
        middle = f"{textwrap.indent(new, indent)}\n".encode()
    else:
        start, end = place.columns
        middle = lines[place.line - 1][:start] + new.encode() + lines[place.end_line - 1][end:]
    return b"".join([*before, middle, *after]).decode()


def _find_scope(tree: ast.Module, qualified: str) -> ast.AST:
    scope: ast.AST = tree
    for name in filter(None, qualified.split(".")):
        inner = [
            node
            for node in ast.iter_child_nodes(scope)
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
        ]
        if len(inner) != 1:
            raise LookupError(f"{qualified}: {len(inner)} definitions of {name}")
        scope = inner[0]
    return scope


def _statement(node: ast.stmt) -> _Range:
    assert node.end_lineno is not None
    return _Range(node.lineno, node.end_lineno)


def _expression(node: ast.expr) -> _Range:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return _Range(node.lineno, node.end_lineno, (node.col_offset, node.end_col_offset))


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement without those of the statements in it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [each for each in ast.iter_child_nodes(node) if not isinstance(each, ast.stmt)]


def _calls(scope: ast.AST, name: str) -> Iterator[_Range]:
    for statement in ast.walk(scope):
        if isinstance(statement, ast.stmt) and any(
            isinstance(node, ast.Call) and name in (ast.unparse(node), ast.unparse(node.func))
            for node in _own_nodes(statement)
        ):
            yield _statement(statement)


def _tests(scope: ast.AST, name: str) -> Iterator[_Range]:
    for node in ast.walk(scope):
        if isinstance(node, ast.If) and any(
            isinstance(each, ast.expr) and ast.unparse(each) == name for each in ast.walk(node.test)
        ):
            yield _expression(node.test)


def _assignments(scope: ast.AST, name: str) -> Iterator[_Range]:
    for node in ast.walk(scope):
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        if isinstance(node, ast.stmt) and name in map(ast.unparse, targets):
            yield _statement(node)


def _handlers(scope: ast.AST, name: str) -> Iterator[_Range]:
    for node in ast.walk(scope):
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if name in map(ast.unparse, caught):
                yield _Range(node.body[0].lineno, _statement(node.body[-1]).end_line)


def _rows(scope: ast.AST, name: str) -> Iterator[_Range]:
    wanted = ast.parse(name, mode="eval").body
    assert isinstance(wanted, ast.Subscript)
    table, key = ast.unparse(wanted.value), ast.unparse(wanted.slice)
    for node in ast.walk(scope):
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        if table in map(ast.unparse, targets):  # also a word of an enum with the same name
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            if not isinstance(node.value, ast.Dict):
                continue
            for each, value in zip(node.value.keys, node.value.values, strict=True):
                if each is not None and ast.unparse(each) == key:
                    yield _expression(value)


def _starts(scope: ast.AST, _name: str) -> Iterator[_Range]:
    assert isinstance(scope, ast.FunctionDef)
    first = scope.body[1 if ast.get_docstring(scope) is not None else 0]
    yield _Range(first.lineno, first.lineno - 1)


_FINDERS: dict[At, Callable[[ast.AST, str], Iterator[_Range]]] = {
    At.CALL: _calls,
    At.TEST: _tests,
    At.ASSIGNMENT: _assignments,
    At.HANDLER: _handlers,
    At.ROW: _rows,
    At.START: _starts,
}
