# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""No authority: every request is granted."""

from __future__ import annotations

import os

from gpgshim.authority.authority import Answer
from gpgshim.core import records as r
from gpgshim.core.question import Question


class NoAuthority:
    """For a job without --commit: go-ahead at once. The job only wants a journal."""

    pid = 0

    def __init__(self) -> None:
        self._fd = -1

    def check(self) -> None:
        """There is nothing to check."""

    reach = check

    def ask(self, question: Question) -> None:
        self._fd = os.eventfd(1, os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._fd

    def answer(self) -> Answer:
        os.close(self._fd)
        return r.GoAhead()

    def give_up(self) -> None:
        """There is nothing to end."""
