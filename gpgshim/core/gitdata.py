# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data that git has signed: a tag object or a commit object, without its signature.

Rule 1: what record_of() recognises is information for people, and decides nothing.
Rule 2: data that does not begin exactly as git writes it is not recognised.
Rule 3: gpg checks each signature that split() has found, so a wrong division gives no answer.
"""

from __future__ import annotations

import re

from gpgshim.core import records as r

MOST = 4096  #: bytes of the data that are looked at

_HASH = rb"[0-9a-f]{40}(?:[0-9a-f]{24})?"  # SHA-1 or SHA-256
_TAG = re.compile(
    rb"object (%b)\ntype (commit|tree|blob|tag)\ntag ([^\n\0]+)\ntagger [^\n\0]+\n\n" % _HASH
)
_COMMIT = re.compile(
    rb"tree (%b)\n(?:parent %b\n)*author [^\n\0]+\ncommitter [^\n\0]+\n"
    rb"(?:[a-z][^\n\0]*\n(?: [^\n\0]*\n)*)*\n([^\n\0]*)" % (_HASH, _HASH)
)

#: The header with a signature, in a repository with SHA-1 or SHA-256, and the lines that go on.
_IN_HEADER = re.compile(rb"^gpgsig(?:-sha256)? (-----BEGIN PGP [^\n]*(?:\n [^\n]*)*)", re.MULTILINE)
_OF_HEADER = re.compile(rb"^gpgsig(?:-sha256)? [^\n]*\n(?: [^\n]*\n)*", re.MULTILINE)
_AT_END = re.compile(rb"^-----BEGIN PGP (?:SIGNATURE|MESSAGE)-----", re.MULTILINE)


def record_of(data: bytes) -> r.GitTag | r.GitCommit | None:
    """The tag or commit that `data` is, or begins with; None for any other data."""
    if found := _TAG.match(data):
        return r.GitTag(*(_text(each) for each in found.groups()))
    if found := _COMMIT.match(data):
        return r.GitCommit(*(_text(each) for each in found.groups()))
    return None


def split(data: bytes) -> tuple[bytes, bytes]:
    """(the signed data, the signature) of a tag or a commit; the signature is empty without one.

    A commit has its signature in its header, a tag at its end, as git's parse_signed_commit and
    parse_signature read them.
    """
    header, blank, body = data.partition(b"\n\n")
    signature = b"".join(found + b"\n" for found in _IN_HEADER.findall(header))
    signature = signature.replace(b"\n ", b"\n")
    header = _OF_HEADER.sub(b"", header + b"\n")[:-1]
    starts = [found.start() for found in _AT_END.finditer(body)] if not signature else []
    if starts:
        body, signature = body[: starts[-1]], body[starts[-1] :]
    return header + blank + body, signature


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
