# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows on a terminal how far a verb is that reads many journals.

Rule 1: it is one line on stderr, only if stderr is a terminal that can redraw it. It is removed at
the end, so nothing of it stays in the output.
Rule 2: a verb that takes less than DELAY shows nothing.
"""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType

DELAY = 0.5  #: seconds until the line is shown
EVERY = 0.1  #: seconds between two states of it

_START, _END_OF_LINE = "\r", "\033[K"  # ECMA-48: clear the rest of the line


class Progress:
    """Shows a line while the `with` block runs. It is called with what is done, and of how much."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shows = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._next = time.monotonic() + DELAY
        self._is_shown = False

    def __call__(self, done: int, of: int) -> None:
        if not self._shows or (now := time.monotonic()) < self._next:
            return
        self._next = now + EVERY
        self._is_shown = True
        self._write(f"{self._what}: {done:,} of {of:,}")

    def clear(self) -> None:
        """Remove the line, because other output follows."""
        if self._is_shown:
            self._write("")
            self._is_shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.clear()

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(f"{_START}{text}{_END_OF_LINE}")
        sys.stderr.flush()
