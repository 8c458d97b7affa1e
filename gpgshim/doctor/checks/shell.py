# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of login shells, sudo and sandboxes: they set PATH, or hide directories."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.finding import Finding, note, ok

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpgshim.doctor.checks.facts import Machine


def gather_profiles(machine: Machine) -> list[str]:
    """Where login shells set PATH without its former value, FILE:LINE each."""
    home = machine.environ.get("HOME", "/nonexistent")
    files = ["/etc/profile", *machine.files("/etc/profile.d", ".sh")]
    files += [f"{home}/{name}" for name in (".bash_profile", ".bash_login", ".profile")]
    found: list[str] = []
    for file in files:
        with suppress(OSError):  # the shell cannot read it either
            found += path_resets(file, machine.text(file))
    return found


def path_resets(file: str, text: str) -> list[str]:
    """FILE:LINE of each line of a shell's `file` that sets PATH without its former value."""
    return [
        f"{file}:{number}"
        for number, line in enumerate(text.splitlines(), 1)
        if (found := re.match(r"\s*(?:export\s+)?PATH=(.*)", line))
        and not re.search(r"\$\{?PATH\b", found[1])
    ]


def diagnose_profiles(resets: Sequence[str]) -> Finding:
    if not resets:
        return ok("no profile sets PATH without its former value")
    return note(
        f"{', '.join(resets)}: PATH is set without its former value: signatures from `bash -l` and"
        " `su -` in a job go past the gate",
        "in gated jobs: do not use login shells",
    )


LOGIN_SHELLS = Check(
    "login shells",
    looks_at="where /etc/profile and the user's profiles set PATH",
    why="signatures from a login shell of a job go past the gate",
    gather=gather_profiles,
    diagnose=diagnose_profiles,
)


def gather_sudo(machine: Machine) -> str | None:
    """The settings of sudo, in English; None for an ordinary user.

    An ordinary user would need `sudo -l`, which sudo may report to root by mail.
    """
    return machine.output("env", "LC_ALL=C", "sudo", "-V") if machine.is_root else None


def diagnose_sudo(settings: str | None) -> Finding:
    if settings is None:
        return note("only root can see whether sudo sets PATH (secure_path); by default it does")
    # `sudo -V` of root prints the defaults, a line each; source: sudo_defs_table in sudo 1.9.
    found = re.search(r"^Value to override user's \$PATH with: (.*)$", settings, re.MULTILINE)
    if not found:
        return ok("sudo keeps PATH")
    return note(
        f"sudo sets PATH to {found[1]}: signatures that a job makes through sudo go past the gate",
        "in gated jobs: do not use sudo; to sign as root, use sudo gpgshim run ...",
    )


SUDO = Check(
    "sudo",
    looks_at="the PATH that sudo gives to its programs (secure_path)",
    why="signatures that a job makes through sudo go past the gate",
    gather=gather_sudo,
    diagnose=diagnose_sudo,
    needs="sudo",
)

#: Programs that start others in their own mount namespace or root directory.
SANDBOXES = (
    "bwrap",
    "cowbuilder",
    "docker",
    "firejail",
    "mock",
    "pbuilder",
    "podman",
    "sbuild",
    "schroot",
    "systemd-nspawn",
)


class Sandboxes(NamedTuple):
    """Programs that can hide `runtime`, the directory of the jobs' directories."""

    found: Sequence[str]
    runtime: str


def gather_sandboxes(machine: Machine) -> Sandboxes:
    found = [path for name in SANDBOXES if (path := machine.find(name))]
    return Sandboxes(found, machine.runtime_directory)


def diagnose_sandboxes(sandboxes: Sandboxes) -> Finding:
    found, runtime = sandboxes
    if not found:
        return ok(f"none of {' '.join(SANDBOXES)}")
    return note(
        f"{' '.join(found)}: if the sandbox hides {runtime}, a job's PATH leads to the real gpg",
        "in gated jobs: run gpgshim inside the sandbox, or bind that directory into it",
    )


SANDBOX_PROGRAMS = Check(
    "sandboxes",
    looks_at="programs on PATH that can hide a job's directory from the programs that they start",
    why="PATH then leads to the real gpg",
    gather=gather_sandboxes,
    diagnose=diagnose_sandboxes,
)
