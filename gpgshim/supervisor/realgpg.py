# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real programs of a job: their paths, and the option table of its gpg.

Rule 1: the stunts of a job that is over are passed over, and a line says so. Any other stunt is
another job's gate, and nothing is started.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gpgshim.gpgargs import optiontable
from gpgshim.supervisor import optable
from gpgshim.supervisor.leftovers import ClosedJobs
from gpgshim.system import places
from gpgshim.system.errors import Misconfigured
from gpgshim.system.log import Level, say


def find_gpg(search: str, given: str | None, closed: ClosedJobs | None = None) -> Path:
    """The real gpg: `given`, or the first on the PATH `search`. Raises Misconfigured.

    `closed` gets the jobs whose stunts were passed over, because the jobs are over.
    """
    found = places.find_real("gpg", search, given, closed or ClosedJobs())
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


class Programs(NamedTuple):
    """The real programs by name, and gpg's option table, as text and loaded."""

    real: dict[str, Path]
    text: str
    table: optiontable.Table


def find_programs(environ: Mapping[str, str], gpg: str | None, dgit: Path | None) -> Programs:
    """The real programs for a job with `environ`; `gpg` and `dgit` if they are given.

    Raises Misconfigured.
    """
    search = environ.get("PATH", os.defpath)
    closed = ClosedJobs()
    real = {"gpg": find_gpg(search, gpg, closed)}
    if closed.passed:
        say(
            f"the stunts of {' and '.join(closed.passed)} are still on PATH, and the job is over;"
            f" the real gpg after them is {real['gpg']}",
            Level.NOTICE,
            hint=f"this takes them off: `PATH={shlex.quote(places.without_stunts(search))}`",
        )
    if gpgconf := places.find_real("gpgconf", search, may_pass=ClosedJobs()):
        real["gpgconf"] = gpgconf
    if dgit:
        real["dgit"] = dgit
    text = table_of(real["gpg"], environ)
    return Programs(real, text, optiontable.load(text))
