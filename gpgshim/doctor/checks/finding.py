"""The result of a check: what it found, and what to do about it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Result(StrEnum):
    """The result of a check, the worst last."""

    OK = "ok"
    NOTE = "note"  # for information, or the check does not apply here
    MEND = "mend"


class Finding(NamedTuple):
    """The facts that a check found, one line each, and what to do about them, one line each."""

    result: Result
    found: tuple[str, ...]
    todo: tuple[str, ...] = ()


def ok(*found: str) -> Finding:
    return Finding(Result.OK, found)


def note(*found: str) -> Finding:
    return Finding(Result.NOTE, found)


def mend(found: str, todo: str) -> Finding:
    return Finding(Result.MEND, (found,), (todo,))


def all_of(findings: Iterable[Finding], otherwise: Finding) -> Finding:
    """Combine several findings: the worst result, all lines; `otherwise` if there are none.

    Faults that must be repaired come first.
    """
    ranks = list(Result)
    several = sorted(findings, key=lambda each: -ranks.index(each.result))
    if not several:
        return otherwise
    found = tuple(line for each in several for line in each.found)
    todo = tuple(line for each in several for line in each.todo)
    return Finding(several[0].result, found, tuple(dict.fromkeys(todo)))
