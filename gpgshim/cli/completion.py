# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell completion of a word.

Rule 1: names that cannot be looked up are not offered, without a message: a shell cannot use one.
"""

from __future__ import annotations

import contextlib
import os

from click.shell_completion import CompletionItem

from gpgshim.core import names
from gpgshim.system import places
from gpgshim.system.errors import GpgshimError


def of_file(begun: str) -> list[CompletionItem]:
    """All files that begin with `begun`; the shell itself finds them."""
    return [CompletionItem(begun, type="file")]


def of_job(begun: str) -> list[CompletionItem]:
    """The jobs that have a journal and begin with `begun`; files, if `begun` has a slash."""
    if "/" in begun:
        return of_file(begun)
    found: list[str] = []
    with contextlib.suppress(OSError, GpgshimError):
        found = os.listdir(places.state_directory(dict(os.environ)))
    jobs = {job for job, attempt in map(names.split, found) if attempt}
    return [CompletionItem(job) for job in sorted(jobs) if job.startswith(begun)]
