# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines that gpg prints for programs: its status lines on signatures, and its lists of keys.

Rule 1: pure: text in, values out. A line of any other kind is skipped, as GnuPG's doc/DETAILS wants
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

STATUS = "[GNUPG:] "  #: the beginning of a status line

_NO_PUBLIC_KEY = "9"  #: in the field for the reason of ERRSIG: GPG_ERR_NO_PUBKEY


class Check(StrEnum):
    """What gpg found out about a signature."""

    VALID = "valid"
    BAD = "bad"  # it is not of this data, or was damaged
    NO_KEY = "no-key"  # its public key is not there
    FAILED = "failed"  # it could not be checked


class Checked(NamedTuple):
    """A signature that gpg has checked, in the order of the file.

    `key` is the fingerprint of the key that made it, or only the key's id if the check is not
    VALID; `algorithm` is the number of its hash algorithm in OpenPGP, and `made` its time, in
    seconds since 1970, each empty or 0 if it is not known.
    """

    check: Check
    key: str = ""
    algorithm: str = ""
    made: int = 0


def signatures_in(status: str) -> list[Checked]:
    """The signatures in the status lines of `gpg --verify`."""
    found: list[Checked] = []
    for word, fields in _status_lines(status):
        if word == "NEWSIG":
            found.append(Checked(Check.FAILED))
        elif found and (checked := _checked(word, fields)):
            found[-1] = checked
    return found


def has_no_signature(status: str) -> bool:
    """Whether `gpg --verify` has found that its input is no OpenPGP data."""
    return any(word == "NODATA" for word, _ in _status_lines(status))


def _status_lines(status: str) -> Iterator[tuple[str, list[str]]]:
    for line in status.splitlines():
        if line.startswith(STATUS):
            word, *fields = line.removeprefix(STATUS).split(" ")
            yield word, fields


def _checked(word: str, fields: list[str]) -> Checked | None:
    """The signature of a status line; None if the line says nothing about it."""
    match word, fields:
        case "VALIDSIG", [key, _, made, _, _, _, _, algorithm, *_]:
            return Checked(Check.VALID, key, algorithm, _number(made))
        case "BADSIG", [key, *_]:
            return Checked(Check.BAD, key)
        case "ERRSIG", [key, _, algorithm, _, made, reason, *_]:
            check = Check.NO_KEY if reason == _NO_PUBLIC_KEY else Check.FAILED
            return Checked(check, key, algorithm, _number(made))
    return None


def _number(text: str) -> int:
    """A time in seconds. gpg can also write it as in ISO 8601, but does not in these lines."""
    return int(text) if text.isascii() and text.isdecimal() else 0


class ListedKey(NamedTuple):
    """A primary key with its subkeys: fingerprint -> keygrip, the primary key first."""

    keygrips: dict[str, str]


def keys_in(listing: str) -> list[ListedKey]:
    """The keys in the output of `gpg --with-colons --with-keygrip --list-keys`."""
    found: list[ListedKey] = []
    fingerprint = ""
    for line in listing.splitlines():
        fields = line.split(":")
        kind, value = fields[0], fields[9] if len(fields) > 9 else ""
        if kind == "pub":
            found.append(ListedKey({}))
        elif kind == "fpr":
            fingerprint = value
        elif kind == "grp" and found and fingerprint:
            found[-1].keygrips[fingerprint] = value
    return found
