# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs checks on a machine, all or some of them.

Rule 1: this module imports no check, so a program can run some of them without loading the others.
Rule 2: a check that raises an error has not passed, and does not stop the others.
Rule 3: a fault that several checks meet is reported by the first of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpgshim.doctor.checks.facts import NoAnswer
from gpgshim.doctor.checks.finding import Finding, Result, fault, note
from gpgshim.gpgargs import mask
from gpgshim.system.errors import GpgshimError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpgshim.doctor.checks.check import Check
    from gpgshim.doctor.checks.facts import Machine


def examine(machine: Machine, checks: Sequence[Check[Any]]) -> Iterator[tuple[Check[Any], Finding]]:
    """Run the checks, and yield each with its finding. Raises nothing."""
    reported_by: dict[str, str] = {}  # what was seen -> the first check that met it
    for check in checks:
        try:
            finding = check.examine(machine)
        except GpgshimError as error:
            first = reported_by.setdefault(error.seen, check.name)
            if first == check.name:
                finding = fault(error.seen, error.hint or _rerun(check))
            else:
                finding = note(f"not examined, because of the fault that `{first}` found")
        except NoAnswer as error:
            finding = fault(str(error), f"run {error.program} to see its message")
        except ImportError as error:
            finding = fault(f"{error.name} is not installed", f"install python3-{error.name}")
        # An error in one check must not stop the others.
        except Exception as error:
            seen = str(error).strip().split("\n")[0] or type(error).__name__
            finding = fault(f"this check failed: {seen}", f"examine it yourself: {check.looks_at}")
        yield check, _masked(finding)


def _rerun(check: Check[Any]) -> str:
    return f"repair that, and run gpgshim doctor again, which could not examine {check.looks_at}"


def _masked(finding: Finding) -> Finding:
    # The findings show settings of other programs, which may be complete command lines.
    return Finding(
        finding.result,
        tuple(map(mask.of_text, finding.found)),
        tuple(map(mask.of_text, finding.todo)),
    )


def count_faults(findings: Sequence[Finding]) -> int:
    return sum(finding.result is Result.MEND for finding in findings)
