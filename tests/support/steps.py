# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs code of ours step by step. A step ends before each system call.

Rule 1: nothing is replaced. The interpreter itself reports the next call of a function of `posix`.
Rule 2: nothing waits for a time to pass: stopped code continues when the test says so.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE = 60.0  #: seconds after which a test is taken for hung


def watched(what: Callable[[], T], before: Callable[[str], None]) -> T:
    """Do `what`, and call `before` with the name of each function of `posix` that it calls."""

    def hook(_frame: FrameType, event: str, function: object) -> None:
        if event == "c_call" and getattr(function, "__module__", "") == "posix":
            name = getattr(function, "__name__", "")
            if name != "fspath":  # which asks the kernel nothing
                sys.setprofile(None)
                before(name)
                sys.setprofile(hook)

    sys.setprofile(hook)
    try:
        return what()
    finally:
        sys.setprofile(None)


def calls(what: Callable[[], object]) -> list[str]:
    """The functions of `posix` that `what` calls."""
    seen: list[str] = []
    watched(what, seen.append)
    return seen


def with_another(what: Callable[[], T], step: int, another: Callable[[], object]) -> T:
    """Do `what`, and `another` before its system call number `step`, or else after all of it."""
    count = 0

    def before(_name: str) -> None:
        nonlocal count
        if count == step:
            another()
        count += 1

    done = watched(what, before)
    if count <= step:
        another()
    return done


class Stopped(Generic[T]):
    """`what`, which stands before its system call number `step`, or is done, until finish()."""

    def __init__(self, what: Callable[[], T], step: int) -> None:
        self._stands, self._goes_on = threading.Event(), threading.Event()
        self._made: list[T] = []
        self._thread = threading.Thread(target=self._run, args=(what, step), daemon=True)
        self._thread.start()
        assert self._stands.wait(PATIENCE)

    def _run(self, what: Callable[[], T], step: int) -> None:
        try:
            self._made.append(with_another(what, step, self._stop))
        finally:
            self._stands.set()

    def _stop(self) -> None:
        self._stands.set()
        assert self._goes_on.wait(PATIENCE)

    def finish(self) -> T:
        """The result, at each call."""
        self._goes_on.set()
        self._thread.join(PATIENCE)
        return self._made[0]
