# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real gpg of a job: its path, and its option table."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from gpgshim.supervisor import optable
from gpgshim.system import places
from gpgshim.system.errors import Misconfigured


def find_gpg(search: str, given: str | None) -> Path:
    """The real gpg: `given`, or the first on the PATH `search`. Raises Misconfigured."""
    found = places.find_real("gpg", search, given)
    if found is None:
        raise Misconfigured(
            f"there is no gpg on PATH ({search})", hint="install gnupg, or name it with --gpg"
        )
    return found


def table_of(gpg: Path, environ: Mapping[str, str]) -> str:
    """The option table of the gpg at this path; gpg runs with `environ`. Raises Misconfigured."""
    try:
        return optable.of(str(gpg), {**environ, "PATH": without_stunts(environ)})
    except optable.NoTable as error:
        where = "" if str(gpg) in str(error) else f"{gpg}: "
        raise Misconfigured(f"{where}{error}") from error


def without_stunts(environ: Mapping[str, str]) -> str:
    """The PATH of `environ` without stunts' directories: a wrapper would find the stunts."""

    def has_stunt(directory: str) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return places.is_stunt(Path(directory, "gpg"))
        return False

    search = environ.get("PATH", os.defpath).split(":")
    return ":".join(each for each in search if not has_stunt(each))
