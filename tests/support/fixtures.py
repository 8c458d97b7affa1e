# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded jobs, as parameters of a test."""

from __future__ import annotations

import pytest

from tests.support.scratch import CHECKOUT

FIXTURES = sorted((CHECKOUT / "fixtures").glob("**/jobs/*.txt"))
UPLOADS = sorted((CHECKOUT / "fixtures").glob("**/tag2upload/*.txt"))
FIXTURES += UPLOADS

each_fixture = pytest.mark.parametrize(
    "path", FIXTURES, ids=lambda path: str(path.relative_to(CHECKOUT / "fixtures").with_suffix(""))
)
