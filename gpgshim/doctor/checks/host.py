# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of this process and of this machine: signals, and our directories."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.finding import Finding, combine, fault, note, ok

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpgshim.doctor.checks.facts import Machine, Place, Process

#: The signals that dgit refuses to start without (check_env_sanity in dgit 17.0).
NEEDED = ("SIGPIPE", "SIGCHLD")

#: Programs whose children inherit ignored signals; others may reset the signals for children.
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "busybox", "tag2upload-oracled")


class Inherited(NamedTuple):
    """The signals that a process `who` has blocked, and those that the process `parent` ignores.

    None for a process that cannot be examined.
    """

    who: str
    itself: Process | None
    parent: Process | None


def gather_signals(machine: Machine) -> list[Inherited]:
    # Our own ignored signals are not visible any more: CPython ignores SIGPIPE at its start.
    ours = Inherited("this process", machine.process(machine.pid), machine.process(machine.parent))
    oracles = [
        _inherited(source.name, machine.process(source.pid))
        for source in machine.sources
        if source.pid is not None
    ]
    return [ours, *oracles]


def _inherited(name: str, process: Process | None) -> Inherited:
    """The signals of a process that starts jobs; the kernel's name of it may be cut or perl's."""
    parent = None if process is None else process._replace(name=name)
    return Inherited(name, process, parent)


def diagnose_signals(found: Sequence[Inherited]) -> Finding:
    several = [each for one in found for each in (*_blocked(one), *_ignored(one))]
    names = ", ".join(each.who for each in found)
    return combine(several, ok(f"{names}: no signal that dgit needs is blocked or ignored"))


def _blocked(found: Inherited) -> list[Finding]:
    if found.itself is None:
        return [note(f"it cannot be seen which signals {found.who} has blocked")]
    several = []
    if harmful := [name for name in found.itself.blocked if name in NEEDED]:
        several.append(
            fault(
                f"{found.who} has {' and '.join(harmful)} blocked: dgit refuses to start like that",
                "start it from a process without blocked signals, such as a new login;"
                " env --block-signal shows the blocked signals",
            )
        )
    if rest := [name for name in found.itself.blocked if name not in NEEDED]:
        several.append(note(f"{found.who} has {' '.join(rest)} blocked, and so have its jobs"))
    return several


def _ignored(found: Inherited) -> list[Finding]:
    if found.parent is None:
        return [note(f"it cannot be seen which signals the parent of {found.who} ignores")]
    harmful = [name for name in found.parent.ignored if name in NEEDED]
    if not harmful:
        return []
    seen = f"{found.parent.name} ignores {' and '.join(harmful)}"
    if found.parent.name.partition("[")[0] in SHELLS:
        return [
            fault(
                f"{seen}, and so do the programs that it starts: dgit refuses to start like that",
                "gpgshim run resets both for its job; elsewhere: env --default-signal=PIPE,CHLD",
            )
        ]
    return [
        note(
            f"{seen}; it cannot be seen whether the programs that it starts do so too."
            " gpgshim run resets both for its job"
        )
    ]


SIGNALS = Check(
    "signals",
    looks_at="signals that are blocked or ignored here",
    why="dgit does not start without SIGPIPE and SIGCHLD",
    gather=gather_signals,
    diagnose=diagnose_signals,
)

LEAST_FREE = 64 << 20  #: bytes: some thousand journals, so that no job stops for lack of space
LEAST_NAMES = 1000  #: inodes
IN_MEMORY = ("tmpfs", "ramfs")  #: file systems that do not survive a crash of the machine


def gather_state(machine: Machine) -> Place:
    return machine.place(machine.state_directory)


def diagnose_state(place: Place) -> Finding:
    """The directory of the journals, which must survive a crash."""
    several = [diagnose_place(place)]
    if place.kind in IN_MEMORY:
        several.append(
            fault(
                f"{place.path} is in memory: a crash of the machine destroys the journals",
                "set XDG_STATE_HOME to a directory on a disk",
            )
        )
    return combine(several, several[0])


def diagnose_place(place: Place) -> Finding:
    if place.fault:
        repair = f"give {place.path} to this user alone, with mode 0700"
        return fault(place.fault, place.hint or repair)
    free = f"{place.free >> 20} MiB free"
    if place.free < LEAST_FREE or (place.names is not None and place.names < LEAST_NAMES):
        names = "" if place.names is None else f", room for {place.names} files"
        return fault(
            f"{place.path}: {free}{names}; a job whose journal cannot be written is refused",
            "make room there",
        )
    return ok(f"{place.path}{'' if place.exists else ', which will be created'}; {free}")


STATE_DIRECTORY = Check(
    "state directory",
    looks_at="the directory of the journals: its owner, mode and disk",
    why="without a journal no job runs",
    gather=gather_state,
    diagnose=diagnose_state,
)


def gather_runtime(machine: Machine) -> Place:
    return machine.place(machine.runtime_directory)


RUNTIME_DIRECTORY = Check(
    "runtime directory",
    looks_at="the directory in which jobs have theirs: its owner, mode and disk",
    why="without it no job runs",
    gather=gather_runtime,
    diagnose=diagnose_place,
)
