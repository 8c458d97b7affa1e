# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a spoil change exactly the named place, however the code is formatted?"""

from __future__ import annotations

import ast

import pytest

from tools.crash.spoil import At, Spoil

CODE = '''\
TABLE: dict[tuple[str, int], int] = {
    ("ä", 1): 1,  # a row
    ("ä", 2): max(
        2, 3
    ),
}


class File:
    """A file."""

    def write(self, data: bytes) -> None:
        """Write it."""
        if self.closed and (
            not data
        ):
            return
        try:
            sync(  # as far as the disk
                self.fd
            )
            self.size = 1
        except (OSError, ValueError):
            self.broken = True
            raise


def write(data: bytes) -> None:
    sync(3)
'''


def spoilt(function: str, at: At, name: str, new: str) -> str:
    return Spoil("m", function, at, name, new).apply(CODE)


@pytest.mark.parametrize(
    ("function", "at", "name", "new", "before", "after"),
    [
        ("", At.ROW, "TABLE['ä', 2]", "3", "max(\n        2, 3\n    )", "3"),
        ("", At.ROW, 'TABLE["ä", 1]', "3", ': 1,', ": 3,"),
        (
            "File.write", At.CALL, "sync", "pass",
            "sync(  # as far as the disk\n                self.fd\n            )", "pass",
        ),
        ("write", At.CALL, "sync", "a()\nb()", "sync(3)", "a()\n    b()"),
        (
            "File.write", At.TEST, "self.closed", "True",
            "self.closed and (\n            not data\n        )", "True",
        ),
        ("File.write", At.ASSIGNMENT, "self.size", "pass", "self.size = 1", "pass"),
        (
            "File.write", At.HANDLER, "ValueError", "pass",
            "self.broken = True\n            raise", "pass",
        ),
        ("File.write", At.START, "", "x()", '"""Write it."""\n', '"""Write it."""\n        x()\n'),
        ("write", At.START, "", "x()", "    sync(3)", "    x()\n    sync(3)"),
    ],
)  # fmt: skip
def test_the_named_place_alone_changes(
    function: str, at: At, name: str, new: str, before: str, after: str
) -> None:
    head, found, tail = CODE.rpartition(before) if function == "write" else CODE.partition(before)
    assert found
    changed = spoilt(function, at, name, new)
    assert changed == head + after + tail
    ast.parse(changed)


@pytest.mark.parametrize(
    ("function", "at", "name"),
    [
        ("File.read", At.START, ""),  # no such function
        ("File.write", At.CALL, "fsync"),  # no such call
        ("", At.CALL, "sync"),  # two calls: a function has to be named
        ("File.write", At.CALL, "sync(4)"),
        ("File.write", At.TEST, "open"),
        ("File.write", At.ASSIGNMENT, "size"),
        ("File.write", At.HANDLER, "KeyError"),
        ("", At.ROW, "TABLE['ä', 3]"),
        ("", At.ROW, "ROWS['ä', 1]"),
    ],
)
def test_no_place_and_two_places_are_errors(function: str, at: At, name: str) -> None:
    with pytest.raises(LookupError):
        spoilt(function, at, name, "pass")
