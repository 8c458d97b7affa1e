"""Diagnoses the settings of gpgshim."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpgshim.doctor.checks.finding import Finding, all_of, mend, ok

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SettingFault(NamedTuple):
    """A setting with an unusable value: its FILE:LINE, key and value, and the fault."""

    where: str
    key: str
    value: str
    fault: str


def settings(files: Mapping[str, bool], faults: Sequence[SettingFault] = ()) -> Finding:
    """The settings files, and whether each exists; an invalid file does not reach this function."""
    read = [path for path, there in files.items() if there]
    several = [
        mend(
            f"{each.where}: {each.key} = {each.value!r}: {each.fault}",
            f"install or make it, or change {each.key} in {each.where.rpartition(':')[0]}",
        )
        for each in faults
    ]
    understood = f"understood: {' '.join(read)}" if read else "no file: the defaults are in force"
    return all_of(several, ok(understood))
