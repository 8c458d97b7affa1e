# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are gpg's status lines and its lists of keys read? tests/real/test_audit.py has those of gpg."""

from __future__ import annotations

import pytest

from gpgshim.core.gpgoutput import (
    Check,
    Checked,
    has_no_signature,
    keys_in,
    signatures_in,
)

pytestmark = pytest.mark.pure

FPR = "F8FECAB2750D522996AEA266FDE442B220DE7CCF"
VALID = f"""\
[GNUPG:] NEWSIG a@x
[GNUPG:] KEY_CONSIDERED {FPR} 0
[GNUPG:] SIG_ID bsN2NKgp1qweFHq+3f22yoiVkn4 2026-11-26 1795676358
[GNUPG:] GOODSIG FDE442B220DE7CCF A <a@x>
[GNUPG:] VALIDSIG {FPR} 2026-11-26 1795676358 0 4 0 22 8 00 {FPR}
[GNUPG:] TRUST_ULTIMATE 0 pgp
"""
BAD = "[GNUPG:] NEWSIG\n[GNUPG:] BADSIG FDE442B220DE7CCF A <a@x>\n"
NO_KEY = f"[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG FDE442B220DE7CCF 22 8 00 1795676358 9 {FPR}\n"
FAILED = "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG FDE442B220DE7CCF 22 8 00 20261126T000000 4 -\n"


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("", []),
        (VALID, [Checked(Check.VALID, FPR, "8", 1795676358)]),
        (BAD, [Checked(Check.BAD, "FDE442B220DE7CCF")]),
        (NO_KEY, [Checked(Check.NO_KEY, "FDE442B220DE7CCF", "8", 1795676358)]),
        (FAILED, [Checked(Check.FAILED, "FDE442B220DE7CCF", "8")]),
        ("[GNUPG:] NEWSIG\n", [Checked(Check.FAILED)]),
        (VALID + BAD, [Checked(Check.VALID, FPR, "8", 1795676358),
                       Checked(Check.BAD, "FDE442B220DE7CCF")]),
        # A line before the first signature, and a line that is cut, say nothing.
        (BAD.partition("\n")[2], []),
        ("[GNUPG:] NEWSIG\n[GNUPG:] VALIDSIG\n", [Checked(Check.FAILED)]),
        (VALID.replace("[GNUPG:]", "gpg:"), []),
    ],
)  # fmt: skip
def test_signatures(status: str, found: list[Checked]) -> None:
    assert signatures_in(status) == found
    assert not has_no_signature(status)


def test_a_file_without_a_signature() -> None:
    assert has_no_signature("[GNUPG:] NODATA 1\n")


LISTING = f"""\
tru::1:1795676358:0:3:1:5
pub:u:255:22:FDE442B220DE7CCF:1795676358:::u:::scSC:::::ed25519:::0:
fpr:::::::::{FPR}:
grp:::::::::3570D3D50EA8C10F7339D99E0C81AA5AA84BEF28:
uid:u::::1795676358::X::A <a@x>::::::::::0:
sub:u:255:22:0000000000000001:1795676358::::::s:::::ed25519::
fpr:::::::::{"1" * 40}:
grp:::::::::{"A" * 40}:
pub:u:2048:1:43C7C02DFFA07AE4:1795676358:::u:::scSC::::::23::0:
fpr:::::::::{"2" * 40}:
grp:::::::::{"B" * 40}:
"""


def test_keys() -> None:
    first, second = keys_in(LISTING)
    grip = "3570D3D50EA8C10F7339D99E0C81AA5AA84BEF28"
    assert first.keygrips == {FPR: grip, "1" * 40: "A" * 40}
    assert second.keygrips == {"2" * 40: "B" * 40}
    assert keys_in("grp:::::::::AB:\n") == keys_in("") == []
