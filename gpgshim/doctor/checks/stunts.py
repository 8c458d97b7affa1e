"""Diagnoses stunts on PATH, and a trial job."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpgshim.doctor.checks.finding import Finding, all_of, mend, ok

if TYPE_CHECKING:
    from collections.abc import Sequence


class Stunt(NamedTuple):
    """A job's stunt on PATH.

    `job` is its job's directory, or ""; `served` says whether that job is under way.
    """

    path: str
    job: str
    served: bool


def stunts(found: Sequence[Stunt]) -> Finding:
    """The jobs' stunts on our PATH: outside of a job there must be none."""
    several = []
    for each in found:
        if each.served:
            several.append(
                mend(
                    f"{each.path}: this is inside a job ({each.job})",
                    "run gpgshim doctor outside of it: what is seen here is true of that job alone",
                )
            )
        elif each.job:
            several.append(
                mend(
                    f"{each.path}: its job is over, and every signature is refused",
                    f"take {each.job}/bin off PATH",
                )
            )
        else:
            several.append(
                mend(
                    f"{each.path} is a stunt in no job's directory: it can only fail",
                    f"take {each.path.rpartition('/')[0]} off PATH: a supervisor puts them there",
                )
            )
    return all_of(several, ok("no job's stunts on PATH"))


def trial_job(path: str, complaint: str) -> Finding:
    """Whether the stunt gpg of a job's directory under `path` became the real one."""
    if complaint:
        return mend(
            complaint, f"jobs cannot run like that; set XDG_RUNTIME_DIR to another than {path}"
        )
    return ok(f"a stunt gpg made in {path} became the real one")
