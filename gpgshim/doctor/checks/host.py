"""Diagnoses signals and the directories of the state and of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpgshim.doctor.checks.finding import Finding, all_of, mend, note, ok

if TYPE_CHECKING:
    from collections.abc import Sequence


#: The signals that dgit refuses to start without (check_env_sanity in dgit 17.0).
NEEDED = ("SIGPIPE", "SIGCHLD")


#: Programs whose children inherit ignored signals; others may reset the signals for children.
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "busybox", "tag2upload-oracled")


def signals(who: str, blocked: Sequence[str], parent: str, ignored: Sequence[str]) -> Finding:
    """Signals that `who` inherited as blocked, and signals that the program `parent` ignores."""
    several = []
    if harmful := [name for name in blocked if name in NEEDED]:
        several.append(
            mend(
                f"{who} has {' and '.join(harmful)} blocked: dgit refuses to start like that",
                "start it from where they are not: env --block-signal shows what is blocked"
                " and a new login has nothing blocked",
            )
        )
    if rest := [name for name in blocked if name not in NEEDED]:
        several.append(note(f"{who} has {' '.join(rest)} blocked, and so have its jobs"))
    if harmful := [name for name in ignored if name in NEEDED]:
        what = f"{parent} ignores {' and '.join(harmful)}"
        if parent.partition("[")[0] in SHELLS:
            several.append(
                mend(
                    f"{what}, and so does what it starts: dgit refuses to start like that",
                    "gpgshim run does that itself; elsewhere: env --default-signal=PIPE,CHLD",
                )
            )
        else:
            several.append(
                note(
                    f"{what}; whether what it starts does too cannot be seen."
                    " gpgshim run puts it right for its job"
                )
            )
    return all_of(several, ok(f"nothing that {who} needs is ignored or blocked"))


class Place(NamedTuple):
    """One of our directories.

    `fault` is why it cannot be used, or "". `exists` says whether it exists. `free` is in bytes,
    and `names` in inodes, None if the disk does not count them.
    """

    path: str
    exists: bool
    fault: str
    volatile: bool
    free: int
    names: int | None


LEAST_FREE = 64 << 20  #: bytes: some thousand journals, so that no job stops for lack of space


LEAST_NAMES = 1000


def state_directory(place: Place) -> Finding:
    """The directory of the journals, which must survive a crash."""
    several = [_room(place)]
    if place.volatile:
        several.append(
            mend(
                f"{place.path} is in memory: a crash of the machine takes the journals with it",
                "set XDG_STATE_HOME to a directory on a disk",
            )
        )
    return all_of(several, several[0])


def runtime_directory(place: Place) -> Finding:
    """The directory of the jobs' directories."""
    return _room(place)


def _room(place: Place) -> Finding:
    if place.fault:
        return mend(place.fault, f"put {place.path} right: it has to be this user's own, mode 0700")
    free = f"{place.free >> 20} MiB free"
    if place.free < LEAST_FREE or (place.names is not None and place.names < LEAST_NAMES):
        names = "" if place.names is None else f", room for {place.names} files"
        return mend(
            f"{place.path}: {free}{names}; a job whose journal cannot be written is refused",
            "make room there",
        )
    return ok(f"{place.path}{'' if place.exists else ', which will be made'}; {free}")
