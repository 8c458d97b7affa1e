# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that the checks examine, as a protocol, and the facts that it returns.

Rule 1: Machine is the only way from a check to the machine. gpgshim.doctor.machine implements it.
Rule 2: a method returns what it found, or raises an error. The diagnosis is made by the check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpgshim.core.terms import Form
    from gpgshim.gpgargs.optiontable import Table
    from gpgshim.supervisor.config import Loaded
    from gpgshim.tag2upload.oracle import Deployment, Source, Unit
    from gpgshim.tag2upload.rehearsal import Rehearsal


class NoAnswer(Exception):
    """A program ended with an error, or did not end in time. The text names it, and says how."""

    def __init__(self, program: str, how: str) -> None:
        super().__init__(f"{program} {how}")
        self.program = program


class Key(NamedTuple):
    """A secret key: its fingerprint, how many subkeys it has, and its token's serial number."""

    fingerprint: str
    subkeys: int
    token: str


class Trial(NamedTuple):
    """A trial signature: whether it was made and verified, gpg's message if not, and the seconds.

    `late` says that gpg took longer, and was stopped.
    """

    made: bool
    complaint: str
    seconds: float
    late: bool = False


class Stunt(NamedTuple):
    """A stunt gpg, dgit or gpgconf on PATH.

    `job` is the directory of its job, or "" if it is in none. `served` says whether that job is
    under way.
    """

    path: str
    job: str
    served: bool


class TrialJob(NamedTuple):
    """A job's directory that was made in `base`, whose stunt gpg was run.

    `same` says whether the stunt gave the output of the real gpg. `error` is the system's message
    if the stunt could not be run; `how` is how it ended, if it failed.
    """

    base: str
    same: bool = False
    error: str = ""
    how: str = ""


class Place(NamedTuple):
    """A directory of ours.

    `exists` says whether it exists, `fault` why it cannot be used, or "", and `hint` what to do
    about that. `kind` is the type of its file system, or "". `free` is in bytes and `names` in
    inodes; None if the disk does not count inodes.
    """

    path: str
    exists: bool
    fault: str
    hint: str
    kind: str
    free: int
    names: int | None


class Process(NamedTuple):
    """A process: its name and number, and the signals that it blocks and ignores, by name."""

    name: str
    blocked: Sequence[str]
    ignored: Sequence[str]


class Machine(Protocol):
    """The machine that is examined.

    `environ` is the environment of jobs, and `own_environ` is that of this process. On an oracle
    these are two. Without another word, a program or file is that of a job.
    """

    @property
    def environ(self) -> Mapping[str, str]: ...
    @property
    def own_environ(self) -> Mapping[str, str]: ...
    @property
    def is_oracle(self) -> bool: ...
    @property
    def is_root(self) -> bool: ...

    # Programs and files.

    def find(self, name: str) -> str:
        """The path of the first program `name` on PATH, a stunt or not; "" if there is none."""

    def output(self, *words: str, here: bool = False) -> str:
        """The output of a program. Raises OSError, NoAnswer.

        It runs in `/`, or with `here` in the caller's directory, where a program finds the settings
        that belong to that directory.
        """

    def text(self, path: str) -> str:
        """The text of a file. Raises OSError."""

    def files(self, directory: str, ending: str) -> Sequence[str]:
        """The paths of the files in `directory` whose names have this ending, sorted."""

    def resolve(self, path: str) -> str:
        """`path` without symbolic links."""

    # gpgshim's settings; what they name.

    @property
    def settings(self) -> Loaded:
        """Raises Misconfigured."""

    def fault_of_program(self, name: str) -> str:
        """Why the program cannot be executed; "" if it can."""

    def fault_of_authority(self, commit: str) -> str:
        """Why the authority cannot be asked; "" if it can. It is not connected to."""

    def fault_of_textfile(self, path: str) -> str:
        """Why the file could not be written; "" if it could."""

    # The real programs, and gpg's keys.

    @property
    def gpg(self) -> str:
        """The path of the real gpg. Raises Misconfigured."""

    @property
    def table(self) -> Table:
        """The option table of the real gpg. Raises Misconfigured."""

    @property
    def dgit(self) -> str:
        """The path of the real dgit; "" if there is none. Raises Misconfigured."""

    def conf_file(self, path: str) -> str | None:
        """The text of a conf file of gpg; None if there is none. Raises OSError."""

    @property
    def gnupg_home(self) -> str: ...
    @property
    def keys(self) -> Sequence[Key]:
        """The secret keys. Raises TimeoutError, and the errors of python-gnupg."""

    def try_key(self, key: Key) -> Trial:
        """Make a trial signature, and throw it away."""

    # Jobs.

    @property
    def stunts(self) -> Sequence[Stunt]:
        """The stunts of jobs that are on the PATH of this process."""

    def try_job(self) -> TrialJob:
        """Make a job's directory, run its stunt, and remove it. Raises Misconfigured, Unable."""

    def fault_of_lock(self, form: Form) -> str:
        """Why this form of the lock is not possible; "" if it is. It is tried, and removed."""

    # Processes and directories.

    @property
    def pid(self) -> int: ...
    @property
    def parent(self) -> int: ...
    def process(self, pid: int) -> Process | None:
        """A process; None if it cannot be examined."""

    @property
    def state_directory(self) -> str:
        """Where journals are kept. Raises Misconfigured."""

    @property
    def runtime_directory(self) -> str:
        """Where jobs have their directories."""

    def place(self, path: str) -> Place:
        """The facts about a directory that may not exist yet. Nothing is made."""

    # tag2upload's oracle.

    @property
    def oracled(self) -> str:
        """The path of tag2upload-oracled; "" if there is none."""

    @property
    def server(self) -> str:
        """The path of Debian's dgit-repos-server; "" if there is none."""

    @property
    def sources(self) -> Sequence[Source]:
        """The environments of oracled, the one most surely in force first."""

    def deployment(self, source: Source) -> Deployment: ...
    def unit(self) -> Unit:
        """oracled's unit. Raises Unable."""

    def rehearse(self) -> Rehearsal:
        """Run Debian's dgit-repos-server with a dgit that exits 75. Raises OSError."""
