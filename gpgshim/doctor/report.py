# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `gpgshim doctor`: examines the machine as it is, and reports the findings on stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from gpgshim import __version__
from gpgshim.core.quoting import escape
from gpgshim.doctor.catalogue import CHECKS
from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.finding import Finding, Result
from gpgshim.doctor.examination import count_faults, examine
from gpgshim.doctor.machine import Machine
from gpgshim.system.errors import Misconfigured

#: Result -> its mark, and how that is styled on a terminal.
MARKS: dict[Result, tuple[str, dict[str, Any]]] = {
    Result.OK: ("ok", {"fg": "green"}),
    Result.NOTE: ("-", {"dim": True}),
    Result.MEND: ("mend", {"fg": "red", "bold": True}),
}
_WIDTH = max(len(check.name) for check in CHECKS)


def main(gpg: str | None, in_json: bool) -> int:
    """Examine the machine, and report on stdout; the exit status, 0 or 78."""
    machine = Machine(gpg)
    results = []
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    if not in_json:
        click.echo(f"gpgshim {__version__}; jobs have the environment of {escape(machine.seen_as)}")
    for check, finding in examine(machine, CHECKS):
        results.append((check, finding))
        if not in_json:
            click.echo(lines_of(check, finding, colour))
    faults = count_faults([finding for _, finding in results])
    if in_json:
        click.echo(as_json(machine, results))
    else:
        click.echo(f"{faults or 'nothing'} to mend, of {len(results)} checks")
    return Misconfigured.status if faults else 0


def lines_of(check: Check[Any], finding: Finding, colour: bool) -> str:
    """A check in lines for people: the mark, its name, and its findings; then what to do."""
    mark, style = MARKS[finding.result]
    mark = f"{mark:4}"
    if colour:
        mark = click.style(mark, **style)
    margin = " " * (_WIDTH + 8)
    first, *rest = map(escape, finding.found)
    lines = [f"{mark}  {check.name:{_WIDTH}}  {first}", *(margin + line for line in rest)]
    if finding.result is Result.MEND:
        lines.append(f"{margin}why: {check.why}")
    lines += [f"{margin}do:  {escape(line)}" for line in finding.todo]
    return "\n".join(lines)


def as_json(machine: Machine, results: Sequence[tuple[Check[Any], Finding]]) -> str:
    """All findings as JSON. Existing fields stay, and more may be added:

    {"doctor": 1, "gpgshim": VERSION, "oracle": BOOL, "environment": WHOSE, "result": R, "checks":
    [{"name", "looks_at", "why", "result": R, "found": [LINE...], "todo": [LINE...]}...]}.
    R is "ok", "note" or "mend"; the R of the whole is "ok" or "mend".
    """
    checks = [
        {
            "name": check.name,
            "looks_at": check.looks_at,
            "why": check.why,
            "result": finding.result,
            "found": finding.found,
            "todo": finding.todo,
        }
        for check, finding in results
    ]
    has_fault = count_faults([finding for _, finding in results])
    whole = {
        "doctor": 1,
        "gpgshim": __version__,
        "oracle": machine.is_oracle,
        "environment": machine.seen_as,
        "result": Result.MEND if has_fault else Result.OK,
        "checks": checks,
    }
    return json.dumps(whole, indent=1)
