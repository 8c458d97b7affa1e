# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded jobs, as parameters of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.scratch import CHECKOUT

FIXTURES = sorted((CHECKOUT / "fixtures").glob("**/jobs/*.txt"))
UPLOADS = sorted((CHECKOUT / "fixtures").glob("**/tag2upload/*.txt"))
FIXTURES += UPLOADS
#: Jobs with a lock of gpg-agent. Their requests are of other programs than the stunts.
LOCKED = sorted((CHECKOUT / "fixtures").glob("locked/*.txt"))


def _each(paths: list[Path]) -> pytest.MarkDecorator:
    top = CHECKOUT / "fixtures"
    ids = [str(path.relative_to(top).with_suffix("")) for path in paths]
    return pytest.mark.parametrize("path", paths, ids=ids)


each_fixture = _each(FIXTURES + LOCKED)
each_played = _each(FIXTURES)  # those that tests/support/stage.py can play
