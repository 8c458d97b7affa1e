# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is exactly the data of git recognised? tests/real/test_git.py has what a real git signs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.core import records as r
from gpgshim.core.codec import Record, read, text_of
from gpgshim.core.gitdata import record_of, split

pytestmark = pytest.mark.pure

A, B = b"a" * 40, b"b" * 64
WHO = b"A B <a@b> 1 +0000\n"
TAG = b"object %b\ntype commit\ntag v1\ntagger %b\nmessage\n" % (A, WHO)
COMMIT = b"tree %b\nparent %b\nparent %b\nauthor %bcommitter %b\nSubject\n\nBody\n" % (
    A, A, A, WHO, WHO
)  # fmt: skip


@pytest.mark.parametrize(
    ("data", "record"),
    [
        (TAG, r.GitTag("a" * 40, "commit", "v1")),
        (TAG.replace(A, B), r.GitTag("b" * 64, "commit", "v1")),
        (TAG.replace(b"commit", b"tag"), r.GitTag("a" * 40, "tag", "v1")),
        (TAG.replace(b"v1", b"v\xff 1"), r.GitTag("a" * 40, "commit", "v\udcff 1")),
        (TAG.replace(b"message\n", b""), r.GitTag("a" * 40, "commit", "v1")),
        (COMMIT, r.GitCommit("a" * 40, "Subject")),
        (COMMIT.replace(b"\n\nS", b"\nencoding x\nx a\n b\n\nS"), r.GitCommit("a" * 40, "Subject")),
        (COMMIT.replace(b"parent %b\n" % A, b""), r.GitCommit("a" * 40, "Subject")),
        (COMMIT.replace(b"Subject", b""), r.GitCommit("a" * 40, "")),
        (b"", None),
        (b"\n" + TAG, None),
        (TAG.replace(A, A[1:]), None),
        (TAG.replace(A, A.upper()), None),
        (TAG.replace(b"commit", b"branch"), None),
        (TAG.replace(b"tagger", b"tager"), None),
        (TAG.replace(b"v1", b"v\0001"), None),
        (COMMIT.replace(b"author", b"author\n"), None),
        (b"-----BEGIN PGP SIGNED MESSAGE-----\n", None),
    ],
)
def test_data(data: bytes, record: Record | None) -> None:
    assert record_of(data) == record


@given(st.binary(), st.integers(0, len(TAG)))
def test_any_name_is_one_line_of_the_journal(more: bytes, at: int) -> None:
    record = record_of(TAG[:at] + more + TAG[at:])
    if record is not None:
        line = text_of(record)
        assert "\n" not in line and line.isascii()
        assert type(read(*line.split(" ", 1))) is type(record)


SIGNATURE = b"-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
IN_HEADER = b"gpgsig " + SIGNATURE.replace(b"\n", b"\n ")[:-1]
SSH = b"-----BEGIN SSH SIGNATURE-----\nabc\n-----END SSH SIGNATURE-----\n"


def with_header(lines: bytes) -> bytes:
    return COMMIT.replace(b"\n\n", lines, 1)


@pytest.mark.parametrize(
    ("data", "payload", "signature"),
    [
        (TAG + SIGNATURE, TAG, SIGNATURE),
        (TAG + SIGNATURE + SIGNATURE, TAG + SIGNATURE, SIGNATURE),  # the last one is git's
        (TAG, TAG, b""),
        (TAG + b" " + SIGNATURE, TAG + b" " + SIGNATURE, b""),
        (with_header(b"\n" + IN_HEADER + b"\n"), COMMIT, SIGNATURE),
        (
            with_header(b"\nmergetag x\n a\n" + IN_HEADER + b"other x\n\n"),
            with_header(b"\nmergetag x\n a\nother x\n\n"),
            SIGNATURE,
        ),
        (
            with_header(b"\n" + IN_HEADER.replace(b"gpgsig", b"gpgsig-sha256") + b"\n"),
            COMMIT,
            SIGNATURE,
        ),
        (COMMIT, COMMIT, b""),
        (with_header(b"\ngpgsig " + SSH.replace(b"\n", b"\n ")[:-1] + b"\n"), COMMIT, b""),
        (b"", b"", b""),
    ],
)  # fmt: skip
def test_a_signature_is_split_off(data: bytes, payload: bytes, signature: bytes) -> None:
    assert split(data) == (payload, signature)
