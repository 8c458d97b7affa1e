# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts about a directory that may not exist yet; nothing is made."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from gpgshim.doctor.checks.facts import Place
from gpgshim.system import places
from gpgshim.system.errors import GpgshimError


def examine(path: Path) -> Place:
    """The facts about `path`. Its disk is that of its nearest existing parent."""
    existing = next(each for each in (path, *path.parents) if each.exists())
    fault = hint = ""
    try:
        places.check_path(path)
        fault = _fault(path, existing)
    except GpgshimError as error:
        fault, hint = error.seen, error.hint
    disk = os.statvfs(existing)
    names = disk.f_favail if disk.f_files else None
    free = disk.f_bavail * disk.f_frsize
    return Place(str(path), existing == path, fault, hint, _kind_of_disk(existing), free, names)


def _fault(path: Path, existing: Path) -> str:
    if existing == path and not path.is_dir():
        return f"{path} is not a directory"
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return ""
    if existing == path:
        return f"this user cannot write to {path}"
    return f"{path} cannot be created: this user cannot write to {existing}"


def _kind_of_disk(path: Path) -> str:
    """The type of the file system, by proc_pid_mountinfo(5); "" if unknown."""
    number = path.stat().st_dev
    wanted = f"{os.major(number)}:{os.minor(number)}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
            before, _, after = line.partition(" - ")
            if before.split()[2] == wanted:
                return after.split()[0]
    return ""
