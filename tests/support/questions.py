# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of a question to an authority, and a check of a question by it."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from gpgshim.core import facts
from tests.support.scratch import CHECKOUT

SCHEMA: dict[str, Any] = json.loads((CHECKOUT / "gpgshim/core/question.schema.json").read_text())
Draft202012Validator.check_schema(SCHEMA)
_VALIDATOR = Draft202012Validator(SCHEMA)


def read(text: str | bytes) -> dict[str, Any]:
    """A question as a command gets it. Has it the form of the schema, on one line of ASCII?"""
    data = text.encode() if isinstance(text, str) else text
    assert data.endswith(b"\n") and data.count(b"\n") == 1 and data.isascii()
    found: dict[str, Any] = json.loads(data)
    assert found["version"] == facts.VERSION
    _VALIDATOR.validate(found)
    return found
