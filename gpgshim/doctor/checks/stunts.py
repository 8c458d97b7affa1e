# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of stunts on PATH, and of a trial job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.finding import Finding, combine, fault, ok

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpgshim.doctor.checks.facts import Machine, Stunt, TrialJob


def gather_stunts(machine: Machine) -> Sequence[Stunt]:
    return machine.stunts


def diagnose_stunts(found: Sequence[Stunt]) -> Finding:
    """The stunts of jobs on our PATH: outside a job there must be none."""
    return combine(map(_diagnose_stunt, found), ok("no stunt of a job on PATH"))


def _diagnose_stunt(stunt: Stunt) -> Finding:
    if stunt.served:
        return fault(
            f"{stunt.path}: gpgshim doctor runs inside a job ({stunt.job})",
            "run gpgshim doctor outside the job: its findings hold for that job alone",
        )
    if stunt.job:
        return fault(
            f"{stunt.path}: its job is over, so every signature is refused",
            f"take {stunt.job}/bin off PATH",
        )
    return fault(
        f"{stunt.path} is a stunt outside a job's directory: it can only fail",
        f"take {stunt.path.rpartition('/')[0]} off PATH: a supervisor puts stunts on PATH",
    )


STUNTS = Check(
    "stunts",
    looks_at="stunts gpg, dgit and gpgconf on PATH",
    why="a stunt belongs to a job; elsewhere it refuses",
    gather=gather_stunts,
    diagnose=diagnose_stunts,
)


def gather_trial(machine: Machine) -> TrialJob:
    return machine.try_job()


def diagnose_trial(found: TrialJob) -> Finding:
    if found.same:
        return ok(f"a stunt gpg in {found.base} became the real gpg")
    if found.error:
        seen = f"a stunt in {found.base} cannot be executed: {found.error} (noexec?)"
    elif found.how:
        seen = f"a stunt in {found.base} fails: {found.how}"
    else:
        seen = f"a stunt in {found.base} did not become the real gpg"
    return fault(
        seen, f"jobs cannot run like that; set XDG_RUNTIME_DIR to a place other than {found.base}"
    )


TRIAL_JOB = Check(
    "trial job",
    looks_at="a job's directory, and its stunt, run",
    why="a program steps over a stunt that cannot be executed, to the real gpg",
    gather=gather_trial,
    diagnose=diagnose_trial,
)
