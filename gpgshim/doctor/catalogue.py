# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks of `gpgshim doctor`, in the order in which they are printed."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from gpgshim.doctor.checks import (
    debian,
    gnupg,
    host,
    lock,
    oracle,
    settings,
    shell,
    signers,
    stunts,
)
from gpgshim.doctor.checks.check import Check

GROUPS = (settings, gnupg, stunts, lock, debian, signers, shell, host, oracle)


def checks_of(group: ModuleType) -> list[Check[Any]]:
    """The checks of a module, in the order in which it defines them."""
    return [each for each in vars(group).values() if isinstance(each, Check)]


CHECKS = tuple(check for group in GROUPS for check in checks_of(group))
