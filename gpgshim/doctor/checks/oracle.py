# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of gpgshim's deployment on tag2upload's oracle."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from gpgshim.core import o2m
from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.finding import Finding, combine, fault, note, ok

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpgshim.doctor.checks.facts import Machine
    from gpgshim.tag2upload.oracle import Deployment, Unit
    from gpgshim.tag2upload.rehearsal import Rehearsal

#: Versions of dgit-infrastructure that `make e2e` ran with; a backport counts as its original.
TRIED_DGIT = ("17.0", "17.1")
O2M_VERSION = "9"


class Versions(NamedTuple):
    """oracled's version, the version of o2m that it speaks, and whether d-r-s knows our mode.

    `missing` is a program without which nothing is known, or "".
    """

    missing: str
    dgit: str = ""
    protocol: str = ""
    mode: bool = False


def gather_versions(machine: Machine) -> Versions:
    if not machine.oracled:
        return Versions("tag2upload-oracled")
    if not machine.server:
        return Versions("dgit-repos-server")
    return read_versions(machine.text(machine.oracled), machine.text(machine.server))


def read_versions(oracled: str, server: str) -> Versions:
    """The versions from the text of the two perl programs of dgit-infrastructure 17.0.

    The text is read because oracled sends its protocol version to a manager only.
    """
    version = re.search(r'\$our_version\s*=[^;\n"]*"([^"\n]+)"', oracled)
    protocol = re.search(r"t2u-oracle-version (\d+)", oracled)
    mode = "sub mode_tag2upload12" in server
    return Versions("", version[1] if version else "", protocol[1] if protocol else "", mode)


def diagnose_versions(found: Versions) -> Finding:
    missing, dgit, protocol, mode = found
    if missing:
        return fault(f"there is no {missing}", "install dgit-infrastructure")
    if protocol != O2M_VERSION:
        return fault(
            f"tag2upload-oracled {dgit} speaks version {protocol or '?'} of its protocol,"
            f" and gpgshim {O2M_VERSION}",
            "install a gpgshim for that version; until then remove the stunt from the oracle's"
            " PATH",
        )
    if not mode:
        return fault(
            f"dgit-repos-server {dgit} does not know --tag2upload12, so its jobs are not gated",
            "install a gpgshim for that version",
        )
    if dgit.partition("~bpo")[0] not in TRIED_DGIT:
        return note(
            f"dgit-infrastructure {dgit or 'of an unknown version'}, with which gpgshim was not"
            f" tested (but with {', '.join(TRIED_DGIT)}); it speaks the same protocol"
        )
    return ok(f"dgit-infrastructure {dgit}, protocol version {protocol}")


VERSIONS = Check(
    "versions",
    looks_at="the versions of oracled, of its protocol and of dgit-repos-server",
    why="with an unknown protocol, jobs are not gated",
    gather=gather_versions,
    diagnose=diagnose_versions,
    oracle=True,
)


def gather_rehearsal(machine: Machine) -> Rehearsal | None:
    return machine.rehearse() if machine.server else None


def diagnose_rehearsal(found: Rehearsal | None) -> Finding:
    """The result of a dgit-repos-server whose dgit exits 75; None without dgit-repos-server."""
    if found is None:
        return fault("there is no dgit-repos-server", "install dgit-infrastructure")
    todo = "do not rely on retries: every failure is final, as it is without gpgshim"
    report = o2m.parse_report(found.output)
    if not found.reached:
        return fault(
            f"dgit-repos-server did not run dgit, so nothing is known: {found.complaint}",
            "check whether dgit-infrastructure is completely installed, in a version that gpgshim"
            " knows",
        )
    if found.status is None:
        return fault(f"dgit-repos-server did not end when dgit exited 75: {found.complaint}", todo)
    if found.status != 0 or report is None:
        return fault(
            f"dgit-repos-server ended with status {found.status}, without a complete report, when"
            f" dgit exited 75: {found.complaint}",
            todo,
        )
    email = report.email.partition(" ")[0]  # o2m: `email reported|unreported MESSAGE-ID`
    seen = f"when dgit exits 75, dgit-repos-server reports: email {email}, {report.outcome}"
    if (report.outcome, email) != ("retriable", "unreported"):
        return fault(seen, todo)
    return ok(seen)


RETRIABLE = Check(
    "retriable",
    looks_at="the installed dgit-repos-server, run with a dgit that exits 75",
    why="perl's use of errno decides whether it reports retriable, and retries depend on that",
    gather=gather_rehearsal,
    diagnose=diagnose_rehearsal,
    oracle=True,
)


def gather_deployments(machine: Machine) -> list[Deployment]:
    return [machine.deployment(source) for source in machine.sources]


def diagnose_deployments(found: Sequence[Deployment]) -> Finding:
    """Whether the stunt dgit-repos-server, and no other program, comes before Debian's."""
    return combine(
        (finding for each in found for finding in (*_job_stunts(each), _diagnose_deployment(each))),
        fault(
            "the environment of the oracle is unknown: this user runs no tag2upload-oracled, has no"
            " user manager that answers, and sets no PATH in environment.d",
            "run gpgshim doctor as the oracle's user; gpgshim-tag2upload(7) describes the"
            " deployment",
        ),
    )


def _job_stunts(found: Deployment) -> list[Finding]:
    return [
        fault(
            f"{found.source}: {stunt} is on PATH: oracled itself would run it, to test its key",
            f"remove {stunt.rpartition('/')[0]} from the oracle's PATH",
        )
        for stunt in found.job_stunts
    ]


def _diagnose_deployment(found: Deployment) -> Finding:
    source, program = found.source, found.program
    if program is None:
        return fault(
            f"{source}: there is no dgit-repos-server on PATH",
            "correct PATH; see gpgshim-tag2upload(7)",
        )
    if not found.is_stunt and found.by_variable:
        return fault(
            f"{source}: DGIT_REPOS_SERVER_TEST names {program}, which is not gpgshim's: jobs are"
            " not gated",
            "unset DGIT_REPOS_SERVER_TEST",
        )
    if not found.is_stunt:
        return fault(
            f"{source}: PATH leads to {program}, which is not gpgshim's: jobs are not gated",
            "put a directory with a link to gpgshim's dgit-repos-server first on PATH in"
            " ~/.config/environment.d/50-gpgshim.conf; then systemctl --user daemon-reexec,"
            " and restart tag2upload-oracled",
        )
    if found.complaint or found.real is None:
        why = found.complaint or "there is no real dgit-repos-server behind it"
        return fault(
            f"{source}: {program} does not run: {why}",
            "link to the program that was installed with gpgshim; install dgit-infrastructure",
        )
    if found.beside and not found.by_variable:
        directory = program.rpartition("/")[0]
        return fault(
            f"{source}: {directory} also holds {' '.join(found.beside)}",
            f"leave dgit-repos-server alone in {directory}, which comes first on PATH",
        )
    return ok(f"{source}: {program}, before {found.real}")


DEPLOYMENT = Check(
    "deployment",
    looks_at="the PATH of oracled, and DGIT_REPOS_SERVER_TEST",
    why="our dgit-repos-server must come before Debian's, and no stunt gpg",
    gather=gather_deployments,
    diagnose=diagnose_deployments,
    oracle=True,
)


class Variables(NamedTuple):
    """The environment of a job, and its source."""

    source: str
    environ: Mapping[str, str]


#: Variables that lead a job to another program, and how.
VARIABLES = {
    "DGIT_DRS_DGIT": "dgit-repos-server runs this program, and not the dgit on PATH",
    "DGIT_SSH": "dgit adds its words to the ssh that dgit-repos-server names",
}


def gather_variables(machine: Machine) -> list[Variables]:
    own = Variables("this process", machine.own_environ)
    return [Variables(each.name, each.environ) for each in machine.sources] or [own]


def diagnose_variables(found: Sequence[Variables]) -> Finding:
    """Variables in a job's environment that must not be there."""
    several = [
        fault(f"{source}: {name}={environ[name]}: {effect}", f"unset {name} for the oracle")
        for source, environ in found
        for name, effect in VARIABLES.items()
        if name in environ and not _is_harmless(name, environ[name])
    ]
    sources = ", ".join(each.source for each in found)
    return combine(several, ok(f"{sources}: {' and '.join(VARIABLES)} do no harm"))


def _is_harmless(name: str, value: str) -> bool:
    # A DGIT_SSH of one word is replaced completely (parseopts_cmd_opts_resolve in dgit 17.0).
    return value == "dgit" if name == "DGIT_DRS_DGIT" else len(value.split()) == 1


ENVIRONMENT = Check(
    "environment",
    looks_at="variables of oracled that lead its jobs to other programs",
    why="a job that does not look for dgit on PATH has no stunt dgit",
    gather=gather_variables,
    diagnose=diagnose_variables,
    oracle=True,
)


def gather_unit(machine: Machine) -> Unit:
    return machine.unit()


def diagnose_unit(found: Unit) -> Finding:
    """The facts by which oracled decides whether it is `production`, or `testing` without jobs."""
    if found.forced:
        return ok(f"{found.fragment}: --force-production, so oracled reports `production`")
    several = []
    if not found.fragment:
        several.append(
            fault(
                f"{found.source}: there is no tag2upload-oracled.service",
                "install dgit-infrastructure",
            )
        )
    elif not found.fragment.startswith(("/lib/", "/usr/lib/")):
        several.append(
            fault(
                f"{found.source}: the unit is {found.fragment}, so oracled reports `testing`",
                f"remove {found.fragment}, so that Debian's own unit is used",
            )
        )
    several += [
        fault(
            f"{found.source}: the unit has the drop-in {each}, so oracled reports `testing`",
            f"remove {each}; set variables in environment.d instead",
        )
        for each in found.drop_ins
    ]
    return combine(several, ok(f"{found.source}: {found.fragment}, without drop-ins"))


UNIT = Check(
    "unit",
    looks_at="the file and the drop-ins of tag2upload-oracled.service",
    why="if the unit is not Debian's own, oracled reports `testing`, and gets no jobs",
    gather=gather_unit,
    diagnose=diagnose_unit,
    oracle=True,
)
