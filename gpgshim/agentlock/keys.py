# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of --key. gpg-agent knows a key by its keygrip only, and the real gpg names it.

Rule 1: a fingerprint means the primary key and all its subkeys, whichever of them it is of.
Rule 2: a fingerprint that names no key, or several, is an error before the job starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from gpgshim.core.gpgoutput import ListedKey, keys_in
from gpgshim.system import places
from gpgshim.system.errors import Misconfigured

SECONDS = 30.0  #: time for gpg to list a key


def keygrips(gpg: Path, environ: Mapping[str, str], fingerprints: Iterable[str]) -> frozenset[str]:
    """The keygrips of the keys with these fingerprints. Raises Misconfigured."""
    found: set[str] = set()
    for each in fingerprints:
        found.update(_key_of(gpg, environ, each).keygrips.values())
    return frozenset(found)


def _key_of(gpg: Path, environ: Mapping[str, str], fingerprint: str) -> ListedKey:
    import subprocess  # imported here: only a job with --key needs it

    words = ["--batch", "--no-tty", "--with-colons", "--with-keygrip", "--list-keys", "--"]
    # A wrapper that calls gpg by its name would find a stunt.
    search = places.without_stunts(environ.get("PATH", os.defpath))
    try:
        done = subprocess.run(
            [gpg, *words, fingerprint],
            env={**environ, "PATH": search},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Misconfigured(f"--key {fingerprint}: {gpg} cannot list it: {error}") from error
    listed = keys_in(done.stdout.decode("utf-8", "replace"))
    found = [each for each in listed if fingerprint in each.keygrips]
    if len(found) > 1:
        primary = ", ".join(next(iter(each.keygrips)) for each in found)
        raise Misconfigured(
            f"--key {fingerprint} is ambiguous: it is a subkey of {primary}",
            hint="name the primary key",
        )
    if not found:
        raise Misconfigured(
            f"--key {fingerprint}: there is no such key in the home of this job",
            hint="`gpg --list-keys --with-subkey-fingerprint` lists the keys",
        )
    return found[0]
