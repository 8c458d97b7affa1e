# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of Debian's tools that prepare and sign an upload."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.finding import Finding, Past, combine, fault, note, ok

if TYPE_CHECKING:
    from gpgshim.doctor.checks.facts import Machine


class Dgit(NamedTuple):
    """The path of the real dgit, or ""."""

    oracle: bool
    path: str


def gather_dgit(machine: Machine) -> Dgit:
    return Dgit(machine.is_oracle, machine.dgit)


def diagnose_dgit(found: Dgit) -> Finding:
    if found.path:
        return ok(found.path)
    if found.oracle:
        return fault("there is no dgit on PATH", "install dgit")
    return note("there is no dgit")


DGIT = Check(
    "dgit",
    looks_at="the real dgit",
    why="dgit-repos-server runs the stunt dgit, which runs the real one",
    gather=gather_dgit,
    diagnose=diagnose_dgit,
)


class Variable(NamedTuple):
    """A variable in the conf files of devscripts: its value, and the last file that sets it."""

    value: str
    where: str


#: Reads a variable ($0) as devscripts do, with a shell (devscripts.conf(5)). Prints the last file
#: that sets it, and its value.
_OF_DEVSCRIPTS = """\
printf -v "$0" ''
for file in /etc/devscripts.conf ~/.devscripts; do
    before=${!0}
    [ -r $file ] && . $file >/dev/null
    [ "${!0}" = "$before" ] || where=$file
done
printf '%s\\0%s' "$where" "${!0}"
"""


def _variable(machine: Machine, name: str) -> Variable:
    where, _, value = machine.output("bash", "-c", _OF_DEVSCRIPTS, name).partition("\0")
    return Variable(value, where)


def gather_debsign(machine: Machine) -> Variable:
    return _variable(machine, "DEBSIGN_PROGRAM")


def past_debsign(found: Variable) -> list[Past]:
    """The setting that names another program than gpg."""
    if found.value in ("", "gpg"):
        return []
    return [
        Past(
            f"{found.where} sets DEBSIGN_PROGRAM={found.value}: debsign does not run the gpg on"
            " PATH",
            f"remove DEBSIGN_PROGRAM from {found.where}",
        )
    ]


def diagnose_debsign(found: Variable) -> Finding:
    several = [fault(*each) for each in past_debsign(found)]
    return combine(several, ok("debsign looks for gpg on PATH"))


DEBSIGN = Check(
    "debsign",
    looks_at="DEBSIGN_PROGRAM in /etc/devscripts.conf and ~/.devscripts",
    why="with another program, debsign signs past the gate",
    gather=gather_debsign,
    diagnose=diagnose_debsign,
    needs="debsign",
)


class Debuild(NamedTuple):
    """The variables that debuild keeps, and the command with which gbp builds ("" without gbp)."""

    kept: Variable
    builder: str


def gather_kept(machine: Machine) -> Variable:
    """The variables that debuild keeps."""
    return _variable(machine, "DEBUILD_PRESERVE_ENVVARS")


def gather_debuild(machine: Machine) -> Debuild:
    kept = gather_kept(machine)
    if not machine.find("gbp"):
        return Debuild(kept, "")
    # It prints `buildpackage.builder=VALUE`, older versions the value alone (gbp-config(1)).
    printed = machine.output("gbp", "config", "buildpackage.builder", here=True).strip()
    return Debuild(kept, printed.removeprefix("buildpackage.builder="))


def past_debuild(kept: Variable) -> list[Past]:
    """Whether debuild sets PATH itself. Source: debuild(1); both separators were tried."""
    if "PATH" in re.split(r"[,\s]+", kept.value):
        return []
    return [
        Past(
            "debuild sets PATH itself, so its signatures go past the gate",
            "in gated jobs: debuild --preserve-envvar=PATH",
        )
    ]


def diagnose_debuild(found: Debuild) -> Finding:
    several = [note(*each) for each in past_debuild(found.kept)]
    if not several:
        return ok(f"debuild keeps PATH, as {found.kept.where} says")
    if re.match(r"(\S*/)?debuild(?!.*(--preserve-envvar[= ]|-e)PATH)(\s|$)", found.builder):
        several.append(
            note(
                f"gbp buildpackage runs `{found.builder}`, so its signatures go past the gate",
                f"in gated jobs: --git-builder='{_keeping_path(found.builder)}'",
            )
        )
    return combine(several, several[0])


def _keeping_path(builder: str) -> str:
    program, space, options = builder.partition(" ")
    return f"{program} --preserve-envvar=PATH{space}{options}"


DEBUILD = Check(
    "debuild",
    looks_at="the PATH that debuild, and gbp buildpackage with it, gives to its programs",
    why="if debuild sets PATH itself, its signatures go past the gate",
    gather=gather_debuild,
    diagnose=diagnose_debuild,
    needs="debuild",
)
