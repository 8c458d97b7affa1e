# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does no document, help text or message claim of a job that nothing was signed?

The gate watches the gpgs that PATH led to it. A program can sign in other ways.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: The changelog names the claim of an earlier version.
FILES = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("doc/*.md"), *ROOT.glob("doc/man/*")} - {ROOT / "CHANGELOG.md"}
    | {*ROOT.glob("gpgshim/**/*.py"), *ROOT.glob("gpgshim/render/templates/*")}
)

#: Of one call of gpg, the stunt or the wall may say it.
TOO_WIDE = re.compile(
    r"\bnothing (?:was|is|has been|were|can be|could be) signed\b"
    r"(?! by this (?:gpg|program))",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_claims_that_nothing_was_signed(path: Path) -> None:
    text = re.sub(r'[\s"#]+', " ", path.read_text())
    assert [match[0] for match in TOO_WIDE.finditer(text)] == []


@pytest.mark.parametrize(
    ("text", "wide"),
    [
        ("retriable: nothing was signed", True),
        ("Nothing has been signed", True),
        ("nothing was signed by this gpg", False),
        ("no gpg under the gate was called to sign", False),
    ],
)
def test_each_claim_is_seen(text: str, wide: bool) -> None:
    assert bool(TOO_WIDE.search(text)) is wide
