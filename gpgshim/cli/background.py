# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Continues in the background, after the caller has certainly got its line.

Rule 1: the background process writes the caller's line last. If the line cannot be written, no
supervisor remains.
Rule 2: the process that the caller started ends successfully only if that has succeeded.
"""

from __future__ import annotations

from collections.abc import Callable

from gpgshim.cli import shellline
from gpgshim.system.errors import Unable
from gpgshim.system.processes import daemonise


def announce(line: str, prepare: Callable[[], None], undo: Callable[[], None]) -> None:
    """Call `prepare`, then give `line` to the caller's shell. Raises Unable, after `undo`."""
    try:
        try:
            prepare()
        except OSError as error:
            raise Unable(f"the supervisor cannot be started: {error.strerror}") from error
        try:
            shellline.give(line)
        except OSError as error:
            seen = f"the line for the shell cannot be written to stdout: {error.strerror}"
            raise Unable(seen) from error
    except BaseException:
        undo()
        raise


def go(line: str, prepare: Callable[[], None], undo: Callable[[], None]) -> None:
    """As announce(), in a new process, in which this returns; the caller's process exits with 0.

    Raises Unable in the process that the caller started; the new process has ended by then.
    """
    try:
        daemonise(lambda: announce(line, prepare, undo))
    except OSError as error:
        undo()
        raise Unable(f"the supervisor cannot be started: {error.strerror}") from error
