# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The finding of a check: what was found, and what to do about it.

Rule 1: MEND is for a fault that breaks one of our guarantees here, or makes a job fail: a signature
that would go past the gate, a gate that would refuse everything, an oracle that would get no jobs.
Rule 2: NOTE is for information that requires no change, and for a check that does not apply.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Result(StrEnum):
    """The result of a check, the worst last. The values are part of `--json`."""

    OK = "ok"
    NOTE = "note"  # for information, or the check does not apply here
    MEND = "mend"  # a fault to repair


class Finding(NamedTuple):
    """What a check found, one line each, and what to do about it, one line each."""

    result: Result
    found: tuple[str, ...]
    todo: tuple[str, ...] = ()


class Past(NamedTuple):
    """A known way past the gate: what was found, and what to do about it.

    The start of a job warns about it, so it is about this machine as it is, and never a guess.
    """

    found: str
    todo: str


def ok(*found: str) -> Finding:
    return Finding(Result.OK, found)


def note(*found: str) -> Finding:
    return Finding(Result.NOTE, found)


def fault(found: str, todo: str) -> Finding:
    return Finding(Result.MEND, (found,), (todo,))


def combine(findings: Iterable[Finding], otherwise: Finding) -> Finding:
    """One finding of several: the worst result, and all lines; `otherwise` if there are none.

    The lines of the worst result come first.
    """
    ranks = list(Result)
    several = sorted(findings, key=lambda each: -ranks.index(each.result))
    if not several:
        return otherwise
    found = tuple(line for each in several for line in each.found)
    todo = tuple(line for each in several for line in each.todo)
    return Finding(several[0].result, found, tuple(dict.fromkeys(todo)))
