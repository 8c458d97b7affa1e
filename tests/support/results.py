# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of a result, and a check of a result by it."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from gpgshim.summary import result
from tests.support.scratch import CHECKOUT

SCHEMA: dict[str, Any] = json.loads((CHECKOUT / "gpgshim/summary/result.schema.json").read_text())
Draft202012Validator.check_schema(SCHEMA)
_VALIDATOR = Draft202012Validator(SCHEMA)


def check(found: dict[str, Any]) -> None:
    """Does a result, as its readers get it, have the form of the schema?"""
    assert found["version"] == result.VERSION
    _VALIDATOR.validate(json.loads(json.dumps(found)))
