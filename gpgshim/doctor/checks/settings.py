# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of gpgshim's settings, and of the programs, sockets and files that they name."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.finding import Finding, combine, fault, ok

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gpgshim.doctor.checks.facts import Machine


class SettingFault(NamedTuple):
    """A setting with an unusable value: its FILE:LINE, key and value, and the fault."""

    where: str
    key: str
    value: object
    fault: str


class Settings(NamedTuple):
    """The settings files, and whether each exists; the settings that cannot be used."""

    files: Mapping[str, bool]
    faults: Sequence[SettingFault] = ()


def gather(machine: Machine) -> Settings:
    loaded = machine.settings
    faults = [
        SettingFault(loaded.origins.get(key, ""), key.replace("_", "-"), value, found)
        for key, fault_of in _NAMING.items()
        if (value := getattr(loaded.settings, key)) and (found := fault_of(machine, value))
    ]
    return Settings({str(path): exists for path, exists in loaded.files.items()}, faults)


def _fault_of_command(machine: Machine, command: str) -> str:
    return machine.fault_of_program(shlex.split(command)[0])


def _fault_of_kinds(machine: Machine, _kinds: Sequence[str]) -> str:
    settings = machine.settings
    if "alarm_kinds" not in settings.origins or settings.settings.alarm:
        return ""
    return "it has no effect, because `alarm` is not set"


#: Setting -> the fault of the program, directory or socket that it names, or "". The real programs
#: (`gpg`, `dgit`) have checks of their own.
_NAMING: dict[str, Callable[[Machine, str], str]] = {
    "commit": lambda machine, commit: machine.fault_of_authority(commit),
    "alarm": _fault_of_command,
    "alarm_kinds": _fault_of_kinds,
    "metrics": lambda machine, file: machine.fault_of_textfile(file),
}


#: Setting -> the remedy, if it names nothing that could be installed or created.
_REMEDY = {"alarm-kinds": "set `alarm`"}


def diagnose(found: Settings) -> Finding:
    read = [path for path, exists in found.files.items() if exists]
    several = [
        fault(
            f"{each.where}: {each.key} = {each.value!r}: {each.fault}",
            f"{_REMEDY.get(each.key, 'install or create it')}, or change {each.key} in"
            f" {each.where.rpartition(':')[0]}",
        )
        for each in found.faults
    ]
    in_force = f"read: {' '.join(read)}" if read else "no file: the defaults are in force"
    return combine(several, ok(in_force))


SETTINGS = Check(
    "settings",
    looks_at="/etc/gpgshim/gpgshim.conf and the user's file",
    why="if a settings file is invalid, no job starts",
    gather=gather,
    diagnose=diagnose,
)
