# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digests that signatures were made of, as gpg-agent got them.

Rule 1: gpg reads the signatures. With `--debug hashing` it leaves what it hashes as files, by
libgcrypt's gcry_md_debug: one file with the data, and for each signature one file with its trailer.
So text that was signed with other line ends, a clear signature, a compressed one and later versions
of OpenPGP need no code here, and no further library.
Rule 2: a digest counts only if gpg says that the signature is valid. Otherwise it is the digest of
other data.
Rule 3: gpg runs in a directory of its own, which is removed.

Seen on GnuPG 2.2.40 with libgcrypt 1.10.1, and on GnuPG 2.4.9 with libgcrypt 1.12.4.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from gpgshim.core.gitdata import split
from gpgshim.core.gpgoutput import (
    Check,
    Checked,
    has_no_signature,
    keys_in,
    signatures_in,
)
from gpgshim.core.quoting import escape
from gpgshim.summary.audit import Wanted
from gpgshim.system.errors import Malformed, Misconfigured, Misused, Unable

_DATA, _TRAILERS = "dbgmd-*.verify", "dbgmd-*.unknown"  #: the files that gpg leaves
_AT_ONCE = 1 << 20  #: bytes per read
_PROBE = 1 << 16  #: bytes that must fit beside the files of gpg

#: The numbers of hash algorithms in OpenPGP -> their names in hashlib.
HASHES = {
    "1": "md5",
    "2": "sha1",
    "3": "ripemd160",
    "8": "sha256",
    "9": "sha384",
    "10": "sha512",
    "11": "sha224",
    "12": "sha3_256",
    "14": "sha3_512",
}

#: Why the digest of a signature is not known.
FAULTS = {
    Check.BAD: "it is not of this data, or it was damaged",
    Check.NO_KEY: "gpg does not have its public key",
    Check.FAILED: "gpg cannot check it",
}


class Signature(NamedTuple):
    """One signature. `wanted` is None if its digest is not known, and `fault` then says why."""

    checked: Checked
    wanted: Wanted | None
    fault: str = ""


class Gpg(NamedTuple):
    """The gpg that reads signatures, and its environment."""

    path: Path
    environ: Mapping[str, str]

    def run(self, words: list[str | Path], where: Path | None = None) -> str:
        """The stdout of a call. Raises Misconfigured."""
        try:
            done = subprocess.run(
                [self.path, "--batch", "--no-tty", *words],
                env=self.environ,
                cwd=where,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise Misconfigured(f"{self.path} cannot be run: {error.strerror}") from error
        return done.stdout.decode("utf-8", "replace")


def read(gpg: Gpg, file: Path, data: Path | None) -> list[Signature]:
    """The signatures in `file`, which are of `data` if they are detached.

    Raises Misused if `data` does not fit them, Malformed, Misconfigured and Unable.
    """
    for each in (file, data):
        if each:
            _check_readable(each)
    shown = escape(str(file))
    found = _read_once(gpg, shown, file, None)
    if found and data:
        raise Misused(f"{shown} has its data in it, so no other FILE was signed by it")
    if found:
        return found
    if data is None:
        raise Misused(
            f"{shown} is a detached signature, whose digest is not known without its data",
            hint=f"name the signed file: `gpgshim audit --signature {shown} FILE`",
        )
    return _with_data(gpg, shown, file, data)


def read_object(gpg: Gpg, name: str) -> list[Signature]:
    """The signatures of the tag or the commit `name` of git, in the repository of our directory.

    Raises Misused, Malformed, Misconfigured and Unable.
    """
    payload, signature = split(_object(gpg, name))
    shown = escape(name)
    if not signature:
        raise Malformed(f"the tag or commit {shown} has no OpenPGP signature")
    with _scratch() as directory:
        file, data = directory / "signature", directory / "data"
        file.write_bytes(signature)
        data.write_bytes(payload)
        return _with_data(gpg, shown, file, data)


def _object(gpg: Gpg, name: str) -> bytes:
    """A tag or a commit of git. Raises Misused, Misconfigured."""
    words = ["git", "cat-file", "--batch"]
    try:
        done = subprocess.run(words, env=gpg.environ, input=os.fsencode(name), capture_output=True)
    except OSError as error:
        raise Misconfigured(f"git cannot be run: {error.strerror}") from error
    if done.returncode:
        raise Misused(f"git cannot read {escape(name)}: {escape(os.fsdecode(done.stderr.strip()))}")
    first, _, data = done.stdout.partition(b"\n")
    match first.split(b" "):
        case [_, b"tag" | b"commit", _]:
            return data[:-1]
    raise Misused(f"{escape(name)} is no tag or commit of this repository")


def _with_data(gpg: Gpg, shown: str, file: Path, data: Path) -> list[Signature]:
    found = _read_once(gpg, shown, file, data)
    if not found:
        raise Malformed(f"{shown} has no signature of a file")
    return found


def _check_readable(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        raise Misused(f"{escape(str(path))} cannot be read: {error.strerror}") from error


def _read_once(gpg: Gpg, shown: str, file: Path, data: Path | None) -> list[Signature]:
    """The signatures in `file`, which messages call `shown`; none if they need other data."""
    words: list[str | Path] = ["--status-fd", "1", "--debug", "hashing", "--no-auto-key-retrieve"]
    words += ["--no-auto-check-trustdb", "--trust-model", "always", "--verify", file.absolute()]
    if data:
        words.append(data.absolute())
    with _scratch() as where:
        status = gpg.run(words, where)
        _check_room(where)
        checked = signatures_in(status)
        hashed = sorted(where.glob(_DATA))
        if not checked:
            if has_no_signature(status) or not hashed:
                raise Malformed(f"{shown} has no signature that gpg can read")
            return []
        trailers = sorted(where.glob(_TRAILERS))
        if len(trailers) != len(checked):
            raise Unable(f"{gpg.path} does not leave what it hashes, with --debug hashing")
        return [
            _signature(gpg, each, hashed[0], trailer)
            for each, trailer in zip(checked, trailers, strict=True)
        ]


def _signature(gpg: Gpg, checked: Checked, hashed: Path, trailer: Path) -> Signature:
    if checked.check is not Check.VALID:
        return Signature(checked, None, FAULTS[checked.check])
    if checked.algorithm not in HASHES:
        return Signature(checked, None, f"its hash algorithm {checked.algorithm} is not known")
    digest = hashlib.new(HASHES[checked.algorithm], usedforsecurity=False)
    for path in (hashed, trailer):
        with open(path, "rb") as file:
            while part := file.read(_AT_ONCE):
                digest.update(part)
    key = keygrip_of(gpg, checked.key)
    if key is None:
        return Signature(checked, None, f"gpg does not list its key {checked.key}")
    return Signature(checked, Wanted(key, checked.algorithm, digest.hexdigest().upper()))


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A directory for temporary files, which is removed. Raises Unable, also for its files."""
    try:
        with tempfile.TemporaryDirectory(prefix="gpgshim.") as name:
            yield Path(name)
    except OSError as error:
        raise Unable(
            f"there is no room for temporary files: {error.strerror}",
            hint="set TMPDIR to another directory",
        ) from error


def _check_room(where: Path) -> None:
    """Raises OSError if the directory is full: libgcrypt does not report a write that failed."""
    with open(where / "probe", "wb") as file:
        file.write(bytes(_PROBE))
        file.flush()
        os.fsync(file.fileno())


def keygrip_of(gpg: Gpg, fingerprint: str) -> str | None:
    """The keygrip of the key or subkey with this fingerprint; None if gpg does not list it."""
    listing = gpg.run(["--with-colons", "--with-keygrip", "--list-keys", "--", fingerprint])
    grips = (each.keygrips.get(fingerprint) for each in keys_in(listing))
    return next((each for each in grips if each), None)
