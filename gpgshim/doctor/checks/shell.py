"""Diagnoses login shells, sudo and sandboxes, which change PATH or hide directories."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpgshim.doctor.checks.finding import Finding, note, ok

if TYPE_CHECKING:
    from collections.abc import Sequence


def path_resets(file: str, text: str) -> list[str]:
    """FILE:LINE of each line of a shell's `file` that sets PATH without its former value."""
    return [
        f"{file}:{number}"
        for number, line in enumerate(text.splitlines(), 1)
        if (found := re.match(r"\s*(?:export\s+)?PATH=(.*)", line))
        and not re.search(r"\$\{?PATH\b", found[1])
    ]


def logins(resets: Sequence[str]) -> Finding:
    """Where login shells set PATH without its former value, FILE:LINE each."""
    if not resets:
        return ok("no profile sets PATH without its former value")
    return note(
        f"{', '.join(resets)}: PATH is set anew: `bash -l` and `su -` in a job lead past the gate",
        "in gated jobs: shells that are no login shells",
    )


def sudo(said: str | None) -> Finding:
    """The output of `sudo -V` for root, in English; None for an ordinary user."""
    if said is None:
        return note("only root can see whether sudo sets PATH anew (secure_path); Debian's does")
    found = re.search(r"^Value to override user's \$PATH with: (.*)$", said, re.MULTILINE)
    if not found:
        return ok("sudo keeps PATH")
    return note(
        f"sudo sets PATH to {found[1]}: what a job signs through it goes past the gate",
        "in gated jobs: no sudo; to sign as root, sudo gpgshim run ...",
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


def sandboxes(found: Sequence[str], runtime: str) -> Finding:
    """Programs that can hide `runtime`, the directory of the jobs' directories."""
    if not found:
        return ok(f"none of {' '.join(SANDBOXES)}")
    return note(
        f"{' '.join(found)}: where they hide {runtime}, the PATH of a job leads to the real gpg",
        "in gated jobs: run gpgshim inside of the sandbox, or bind that directory into it",
    )
