# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of the lock of gpg-agent: which of its forms are possible here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpgshim.core.terms import Form
from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.finding import Finding, Result, combine, note, ok

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpgshim.doctor.checks.facts import Machine


class Forms(NamedTuple):
    """The form that the settings want, if any, and why each form is not possible ("": it is)."""

    wanted: Form | None
    faults: Mapping[Form, str]


def gather(machine: Machine) -> Forms:
    wanted = machine.settings.settings.form
    return Forms(wanted, {form: machine.fault_of_lock(form) for form in Form})


def diagnose(forms: Forms) -> Finding:
    """A form that the settings want must be possible; the others are for information."""
    findings = []
    for form, why in forms.faults.items():
        seen = f"{form}: not possible: {why}" if why else f"{form}: possible"
        if why and form is forms.wanted:
            findings.append(Finding(Result.MEND, (f"lock-agent, {seen}",), _advice(forms)))
        else:
            findings.append(note(seen) if why else ok(seen))
    return combine(findings, ok())


def _advice(forms: Forms) -> tuple[str, ...]:
    possible = [form for form, why in forms.faults.items() if not why]
    return tuple(f'set lock-agent = "{form}", which is possible here' for form in possible) or (
        "repair that, or set lock-agent = false: with this setting no job starts",
    )


LOCK = Check(
    "lock of gpg-agent",
    looks_at="a trial of each form of --lock-agent",
    why="a job whose lock is not possible is not started",
    gather=gather,
    diagnose=diagnose,
)
