# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes what GnuPG makes outside of a temporary home.

Where /run/user/UID exists, gpg, gpgconf and gpg-agent make /run/user/UID/gnupg/d.HASH for each home
that they are given. Its agent and that directory outlive the home.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

ZBASE32 = "ybndrfg8ejkmcpqxot1uwisza345h769"


def socket_directory(home: Path) -> Path:
    """The directory of the sockets of `home`, if /run/user/UID exists (GnuPG's homedir.c)."""
    number = int.from_bytes(hashlib.sha1(os.fsencode(home)).digest()[:15], "big")
    word = "".join(ZBASE32[number >> shift & 31] for shift in range(115, -1, -5))
    return Path(f"/run/user/{os.getuid()}/gnupg/d.{word}")


def release_homes(root: Path) -> None:
    """End the agents of all homes at and below `root`, and remove their socket directories."""
    for directory, _, names in os.walk(root):
        if "S.gpg-agent" in names or socket_directory(Path(directory)).exists():
            for words in (["--kill", "all"], ["--remove-socketdir"]):
                subprocess.run(
                    ["gpgconf", "--homedir", directory, *words], check=False, capture_output=True
                )
            with contextlib.suppress(OSError):
                socket_directory(Path(directory)).rmdir()


def remove_tree(root: Path) -> None:
    """Remove a temporary directory, with all that belongs to the homes in it."""
    release_homes(root)
    shutil.rmtree(root, ignore_errors=True)
