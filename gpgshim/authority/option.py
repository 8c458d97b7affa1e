# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The authority that `--commit` names.

Rule 1: only the module of that authority is imported, before the job starts.
"""

from __future__ import annotations

import os
import shlex

from gpgshim.authority.authority import Authority
from gpgshim.core.quoting import escape
from gpgshim.system.errors import Misused, Unable


def from_option(commit: str | None, environ: dict[str, str]) -> Authority:
    """The authority that `--commit` names. Raises Misused for an invalid value, and
    Unable if the machine has no socket for it.

    `environ` is the environment of a command.
    """
    if commit is None:
        from gpgshim.authority.none import NoAuthority

        return NoAuthority()
    if commit == "ask":
        from gpgshim.authority.terminal import Person

        return Person()
    kind, colon, path = commit.partition(":")
    if colon and kind == "o2m":
        from gpgshim.authority.manager import ManagerAt

        if not path or len(os.fsencode(path)) > 107 or "\0" in path:
            raise Misused(f"--commit {escape(commit)!r}: a socket's path has 1 to 107 bytes")
        try:
            return ManagerAt(os.path.abspath(path))
        except OSError as error:  # the working directory was removed; no socket can be had
            raise Unable(
                f"--commit {escape(commit)!r} cannot be used: {error.strerror}",
                hint="is the working directory still there? are there enough descriptors?",
            ) from error
    try:
        words = shlex.split(commit)
    except ValueError as error:
        raise Misused(f"--commit {escape(commit)!r}: {error}") from None
    if not words:
        raise Misused("--commit: the command is empty")
    from gpgshim.authority.command import Command

    return Command(words, environ)
