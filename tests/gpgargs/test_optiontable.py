# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the text of an option table checked, and can a name reach nothing but its own row?"""

from __future__ import annotations

import pytest

from gpgshim.gpgargs import optiontable
from tests.support.gpgs import NEW


def test_load_names_the_fault() -> None:
    good = "\n".join(
        [optiontable.HEAD, "gpg: 2.4.9", "maker: gnupg", "rows: 2", "", "sign:115:128", "f:1:2", ""]
    )
    assert optiontable.load(good).rows() == [("sign", 115, 128), ("f", 1, 2)]
    for bad, said in (
        ("", "not an option table: it begins with ''"),
        ("hello", "begins with 'hello'"),
        (good.replace("table 1", "table 2"), "not an option table"),
        (good.replace("maker", "made by"), "not an option table"),
        (good.replace("rows: 2", "rows: 3"), "torn: 2 rows, not 3"),
        (good[:-1], "torn"),
        (good.replace("f:1:2", "f:1"), "torn"),
    ):
        with pytest.raises(ValueError, match=said):
            optiontable.load(bad)
    with pytest.raises(ValueError, match="not a row: 'f:1:x'"):
        optiontable.load(good.replace("f:1:2", "f:1:x")).rows()


def test_a_name_cannot_match_other_parts_of_the_table() -> None:
    for name in ("sign:115", "sign:115:128\nclear-sign", "\nsign", ":115:", ""):
        assert NEW.find(name) == "is not an option"
        assert NEW.named(name) is None
