# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Continues in the background, after the caller has certainly got its line.

Rule 1: the background process writes the caller's line last. If the line cannot be written, no
supervisor remains.
Rule 2: the process that the caller started ends successfully only if the background process is
ready.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable

from gpgshim.cli import shellline
from gpgshim.system.descriptors import release_inherited
from gpgshim.system.errors import Unable

_READY = b"ready"


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
        null = os.open(os.devnull, os.O_RDWR)  # now, while an error still ends everything
        reader, writer = os.pipe2(os.O_CLOEXEC)
        child = os.fork()
    except OSError as error:
        undo()
        raise Unable(f"the supervisor cannot be started: {error.strerror}") from error
    if child:
        os.close(writer)
        _wait_until_ready(child, reader)
    os.close(reader)
    try:
        os.setsid()
        announce(line, prepare, undo)
    except BaseException as error:
        hint = getattr(error, "hint", "")
        os.write(writer, f"{error}\0{hint}".encode("utf-8", "backslashreplace"))
        os._exit(1)
    release_inherited()
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    with contextlib.suppress(OSError):  # the first process was killed; the shell has the line
        os.write(writer, _READY)
    os.close(writer)


def _wait_until_ready(child: int, reader: int) -> None:
    try:
        with open(reader, "rb") as pipe:
            said = pipe.read()
    except BaseException:
        os.kill(child, signal.SIGTERM)  # the caller will not learn of it
        raise
    if said == _READY:
        os._exit(0)
    seen, _, hint = said.decode().partition("\0")
    raise Unable(seen or "the supervisor ended before it was ready", hint=hint)
