# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real gpg of a job: its path, and its option table."""

from __future__ import annotations

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
    # A wrapper that calls gpg by its name would find a stunt.
    search = places.without_stunts(environ.get("PATH", os.defpath))
    try:
        return optable.of(str(gpg), {**environ, "PATH": search})
    except optable.NoTable as error:
        raise Misconfigured(f"{gpg} cannot be used as the real gpg: {error}") from error
