"""Diagnoses the deployment on the oracle of tag2upload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpgshim.core import o2m
from gpgshim.doctor.checks.finding import Finding, all_of, mend, note, ok

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpgshim.tag2upload.oracle import Deployment, Unit


#: Versions of dgit-infrastructure that `make e2e` ran with; a backport counts as its original.
TRIED_DGIT = ("17.0", "17.1")


O2M_VERSION = "9"


def versions(dgit: str, protocol: str, mode: bool) -> Finding:
    """oracled's version, the version of o2m that it speaks, and whether d-r-s knows our mode."""
    if protocol != O2M_VERSION:
        return mend(
            f"tag2upload-oracled {dgit} speaks version {protocol or '?'} of its protocol,"
            f" and gpgshim {O2M_VERSION}",
            "install a gpgshim for it; until then take the stunt out of the oracle's PATH",
        )
    if not mode:
        return mend(
            f"dgit-repos-server {dgit} does not know --tag2upload12: its jobs are not gated",
            "install a gpgshim for it",
        )
    if dgit.partition("~bpo")[0] not in TRIED_DGIT:
        return note(
            f"dgit-infrastructure {dgit or 'of an unknown version'}, which gpgshim was not tried"
            f" with (but {', '.join(TRIED_DGIT)}); it speaks the same protocol"
        )
    return ok(f"dgit-infrastructure {dgit}, protocol version {protocol}")


def rehearsal(reached: bool, said: bytes, status: int | None, complaint: str) -> Finding:
    """The result of a dgit-repos-server whose dgit exits 75: see gpgshim.tag2upload.rehearsal."""
    todo = "do not rely on retries: without it every failure is final, as it is without gpgshim"
    report = o2m.parse_report(said)
    if not reached:
        return mend(
            f"dgit-repos-server did not come to run dgit, and nothing is known: {complaint}",
            "see whether dgit-infrastructure is installed whole, and of a version that is known",
        )
    if status != 0 or report is None:
        how = "did not end" if status is None else f"ended with {status}, and no whole report"
        return mend(f"dgit-repos-server {how} when dgit exited 75: {complaint}", todo)
    told = f"email {report.email.partition(' ')[0]}, {report.outcome}"
    if (report.outcome, report.email.partition(" ")[0]) != ("retriable", "unreported"):
        return mend(f"when dgit exits 75, dgit-repos-server says: {told}", todo)
    return ok(f"when dgit exits 75, dgit-repos-server says: {told}")


def deployment(found: Deployment) -> Finding:
    """Whether the stunt dgit-repos-server, and no other program, comes before Debian's."""
    source, program = found.source, found.program
    several = [
        mend(
            f"{source}: {gate} is on PATH: oracled's own probe of its key would meet it",
            f"take {gate.rpartition('/')[0]} off the oracle's PATH",
        )
        for gate in found.gates
    ]
    if program is None:
        several.append(
            mend(
                f"{source}: there is no dgit-repos-server on PATH",
                "mend PATH; see gpgshim-tag2upload(7)",
            )
        )
    elif not found.stunt:
        named = "DGIT_REPOS_SERVER_TEST names" if found.by_variable else "PATH leads to"
        several.append(
            mend(
                f"{source}: {named} {program}, which is not ours: jobs are not gated",
                "unset DGIT_REPOS_SERVER_TEST"
                if found.by_variable
                else "put a directory with a link to gpgshim's dgit-repos-server first on PATH in"
                " ~/.config/environment.d/50-gpgshim.conf; then systemctl --user daemon-reexec,"
                " and restart tag2upload-oracled",
            )
        )
    elif found.complaint or found.real is None:
        several.append(
            mend(
                f"{source}: {program} does not run: {found.complaint or 'no real one behind it'}",
                "link to the one that was installed with gpgshim; install dgit-infrastructure",
            )
        )
    elif found.beside and not found.by_variable:
        directory = program.rpartition("/")[0]
        several.append(
            mend(
                f"{source}: beside dgit-repos-server {directory} holds {' '.join(found.beside)}",
                f"leave nothing else in {directory}: it comes before all of PATH",
            )
        )
    else:
        several.append(ok(f"{source}: {program}, before {found.real}"))
    return all_of(several, several[0])


def unit(found: Unit) -> Finding:
    """The facts by which oracled decides whether it is `production`, or `testing` without jobs."""
    if found.forced:
        return ok(f"{found.fragment}: --force-production, so it takes itself for production")
    several = []
    if not found.fragment:
        several.append(
            mend(
                f"{found.source}: there is no tag2upload-oracled.service",
                "install dgit-infrastructure",
            )
        )
    elif not found.fragment.startswith(("/lib/", "/usr/lib/")):
        several.append(
            mend(
                f"{found.source}: the unit is {found.fragment}: oracled calls itself `testing`",
                f"remove {found.fragment}, so that Debian's own is used",
            )
        )
    several += [
        mend(
            f"{found.source}: the unit has the drop-in {each}: oracled calls itself `testing`",
            f"remove {each}; environment.d can set what it sets",
        )
        for each in found.drop_ins
    ]
    return all_of(several, ok(f"{found.source}: {found.fragment}, without drop-ins"))


#: Variables that lead a job to another program, and how.
VARIABLES = {
    "DGIT_DRS_DGIT": "dgit-repos-server runs this, and not the dgit that is on PATH",
    "DGIT_SSH": "dgit puts its words after the ssh that dgit-repos-server names",
}


def variables(source: str, environ: Mapping[str, str]) -> Finding:
    """Variables in a job's environment that must not be there."""
    several = [
        mend(f"{source}: {name}={environ[name]}: {what}", f"unset {name} for the oracle")
        for name, what in VARIABLES.items()
        if name in environ and not _is_harmless(name, environ[name])
    ]
    return all_of(several, ok(f"{source}: nothing in {' or '.join(VARIABLES)}"))


def _is_harmless(name: str, value: str) -> bool:
    # A DGIT_SSH of one word is replaced completely (parseopts_cmd_opts_resolve in dgit 17.0).
    return value == "dgit" if name == "DGIT_DRS_DGIT" else len(value.split()) == 1
