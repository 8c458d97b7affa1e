# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a check: how it gathers facts, and how it diagnoses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from gpgshim.doctor.checks.finding import Finding, note

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpgshim.doctor.checks.facts import Machine

Facts = TypeVar("Facts")


class Check(NamedTuple, Generic[Facts]):
    """A check. `name`, `looks_at` and `why` are for people, and part of `--json`.

    `needs` is a program: without it on PATH, the check does not apply. `oracle` says that it
    applies to tag2upload's oracle only.
    """

    name: str
    looks_at: str
    why: str
    gather: Callable[[Machine], Facts]
    diagnose: Callable[[Facts], Finding]
    needs: str = ""
    oracle: bool = False

    def examine(self, machine: Machine) -> Finding:
        """The finding on this machine. Raises the errors of `gather`."""
        if self.oracle and not machine.is_oracle:
            return note("not an oracle: there is no dgit-infrastructure")
        if self.needs and not machine.find(self.needs):
            return note(f"there is no {self.needs}")
        return self.diagnose(self.gather(machine))
