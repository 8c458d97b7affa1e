# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that `gpgshim doctor` examines: all input and output of its checks.

Rule 1: the real gpg is called by its path, never by PATH, which may lead to a stunt.
Rule 2: each fact is collected once, and only when a check needs it. A module that only some checks
need is imported there, so that a few checks cost little.
Rule 3: everything that is made is removed, also signatures. Only gpg's own agent stays, if none was
running before.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gpgshim.core import wire
from gpgshim.doctor.checks.facts import Key, NoAnswer, Place, Process, Stunt, Trial, TrialJob
from gpgshim.supervisor import config
from gpgshim.supervisor.realgpg import find_gpg, table_of
from gpgshim.system import places
from gpgshim.system.errors import GpgshimError
from gpgshim.system.ownprocess import caller_environ

if TYPE_CHECKING:
    from gpgshim.core.terms import Form
    from gpgshim.gpgargs.optiontable import Table
    from gpgshim.tag2upload.oracle import Deployment, Source, Unit
    from gpgshim.tag2upload.rehearsal import Rehearsal

SECONDS = 20.0  #: time limit for a program


class Machine:
    """This machine; it implements gpgshim.doctor.checks.facts.Machine, which describes it.

    `gpg` is the user's choice, or None. `environ` is the environment of jobs, if the caller knows
    it. By default it is that of oracled on an oracle, and that of this process elsewhere; `seen_as`
    names its source.
    """

    def __init__(self, gpg: str | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._given = gpg
        self._given_environ = environ
        self.own_environ: Mapping[str, str] = caller_environ()
        self._own_search = self.own_environ.get("PATH", os.defpath)
        self.pid, self.parent = os.getpid(), os.getppid()
        self.is_root = os.geteuid() == 0

    # --- the oracle -------------------------------------------------------------------------------

    @cached_property
    def oracled(self) -> str:
        return _text(places.find_program("tag2upload-oracled", self._own_search))

    @cached_property
    def server(self) -> str:
        from gpgshim.tag2upload import oracle

        return _text(oracle.find_real(self._search) or oracle.find_real(self._own_search))

    @cached_property
    def is_oracle(self) -> bool:
        if self.oracled:
            return True
        from gpgshim.tag2upload import oracle

        return oracle.find_real(self._own_search) is not None

    @cached_property
    def sources(self) -> Sequence[Source]:
        if not self.is_oracle:
            return ()
        from gpgshim.tag2upload import oracle

        return oracle.sources(self.own_environ)

    def deployment(self, source: Source) -> Deployment:
        from gpgshim.tag2upload import oracle

        return oracle.deployment(source)

    def unit(self) -> Unit:
        from gpgshim.tag2upload import oracle

        return oracle.unit(self.own_environ)

    def rehearse(self) -> Rehearsal:
        from gpgshim.tag2upload import rehearsal

        return rehearsal.rehearse(Path(self.server))

    # --- the environment of jobs; programs and files ----------------------------------------------

    @cached_property
    def environ(self) -> Mapping[str, str]:
        if self._given_environ is not None:
            return self._given_environ
        return self.sources[0].environ if self.sources else self.own_environ

    @property
    def seen_as(self) -> str:
        return self.sources[0].name if self.sources else "this process"

    @property
    def _search(self) -> str:
        return self.environ.get("PATH", os.defpath)

    def find(self, name: str) -> str:
        return _text(places.find_program(name, self._search))

    def output(self, *words: str, here: bool = False) -> str:
        import subprocess

        try:
            done = subprocess.run(
                words,
                cwd=None if here else "/",
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise NoAnswer(words[0], f"ended with status {error.returncode}") from error
        except subprocess.TimeoutExpired as error:
            raise NoAnswer(words[0], f"had not ended after {SECONDS:g} s") from error
        return done.stdout.decode("utf-8", "backslashreplace")

    def text(self, path: str) -> str:
        return Path(path).read_text("utf-8", "replace")

    def files(self, directory: str, ending: str) -> Sequence[str]:
        return sorted(map(str, Path(directory).glob(f"*{ending}")))

    def resolve(self, path: str) -> str:
        return os.path.realpath(path)

    # --- settings ---------------------------------------------------------------------------------

    @cached_property
    def settings(self) -> config.Loaded:
        return config.load(self.environ, {"gpg": self._given})

    def fault_of_program(self, name: str) -> str:
        from gpgshim.system import runnable

        return runnable.find(name, self._search)[1]

    def fault_of_authority(self, commit: str) -> str:
        from gpgshim.authority.manager import ManagerAt
        from gpgshim.authority.option import from_option
        from gpgshim.authority.terminal import Person

        try:
            authority = from_option(commit, dict(self.environ))
            if isinstance(authority, Person):
                return ""  # the job may have a terminal, even if doctor has none
            authority.check()
        except GpgshimError as error:
            return error.seen
        if not isinstance(authority, ManagerAt):
            return ""
        authority.give_up()  # closes a socket that was not connected
        return "" if Path(authority.path).is_socket() else f"there is no socket {authority.path}"

    def fault_of_textfile(self, path: str) -> str:
        directory = Path(path).parent
        if not directory.is_dir():
            return f"there is no directory {directory}"
        writable = os.access(directory, os.W_OK | os.X_OK)
        return "" if writable else f"this user cannot write to {directory}"

    # --- the real programs and their keys ---------------------------------------------------------

    @cached_property
    def gpg(self) -> str:
        return str(find_gpg(self._search, self.settings.settings.gpg))

    @cached_property
    def dgit(self) -> str:
        return _text(places.find_real("dgit", self._search, self.settings.settings.dgit))

    @cached_property
    def table_text(self) -> str:
        """The option table of the real gpg, as text. Raises Misconfigured."""
        return table_of(Path(self.gpg), self.environ)

    @cached_property
    def table(self) -> Table:
        from gpgshim.gpgargs import optiontable

        return optiontable.load(self.table_text)

    def conf_file(self, path: str) -> str | None:
        from gpgshim.stunts.plainfile import file_in

        return file_in("/")(path)

    @cached_property
    def gnupg_home(self) -> str:
        """GnuPG's home, for calls without --homedir."""
        given = self.environ.get("GNUPGHOME")
        return given or f"{self.environ.get('HOME', '/nonexistent')}/.gnupg"

    @cached_property
    def keys(self) -> Sequence[Key]:
        from gpgshim.doctor import trials

        return trials.list_keys(self.gpg, self.gnupg_home, SECONDS)

    def try_key(self, key: Key) -> Trial:
        from gpgshim.doctor import trials

        return trials.try_key(self.gpg, self.gnupg_home, key)

    # --- jobs -------------------------------------------------------------------------------------

    @cached_property
    def stunts(self) -> Sequence[Stunt]:
        from gpgshim.supervisor import leftovers
        from gpgshim.tag2upload import oracle

        found = []
        for path in oracle.stunts_on(self._own_search):
            job = path.parent.parent
            served = False
            with contextlib.suppress(OSError):
                served = leftovers.is_served(job)
            is_job = (job / wire.TABLE).exists()
            found.append(Stunt(str(path), str(job) if is_job else "", served))
        return found

    def try_job(self) -> TrialJob:
        from gpgshim.doctor import trials

        return trials.try_job(self, Path(self.runtime_directory))

    def fault_of_lock(self, form: Form) -> str:
        from gpgshim.doctor import trials

        try:
            gpgconf = places.find_real("gpgconf", self._search)
            return trials.try_lock(self, form, gpgconf, Path(self.runtime_directory))
        except GpgshimError as error:
            return error.seen

    # --- processes and directories ----------------------------------------------------------------

    def process(self, pid: int) -> Process | None:
        try:
            lines = self.text(f"/proc/{pid}/status").splitlines()
            status = {key: value.strip() for key, _, value in (row.partition(":") for row in lines)}
            return Process(
                f"{status['Name']}[{pid}]", _in_mask(status["SigBlk"]), _in_mask(status["SigIgn"])
            )
        except (OSError, KeyError, ValueError):
            return None

    @cached_property
    def state_directory(self) -> str:
        return str(places.state_directory(dict(self.environ)))

    @cached_property
    def runtime_directory(self) -> str:
        return str(places.runtime_directory(dict(self.environ)))

    def place(self, path: str) -> Place:
        from gpgshim.doctor import directory

        return directory.examine(Path(path))


def _text(path: Path | None) -> str:
    return "" if path is None else str(path)


def _in_mask(mask: str) -> list[str]:
    """The names of the signals in a mask of proc_pid_status(5)."""
    return [_name(number) for number in range(1, 65) if int(mask, 16) >> (number - 1) & 1]


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
