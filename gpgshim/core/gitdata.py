# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognises the data that git has signed: a tag object or a commit object, without its signature.

Rule 1: this is information for people, and decides nothing.
Rule 2: data that does not begin exactly as git writes it is not recognised.
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


def record_of(data: bytes) -> r.GitTag | r.GitCommit | None:
    """The tag or commit that `data` is, or begins with; None for any other data."""
    if found := _TAG.match(data):
        return r.GitTag(*(_text(each) for each in found.groups()))
    if found := _COMMIT.match(data):
        return r.GitCommit(*(_text(each) for each in found.groups()))
    return None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
