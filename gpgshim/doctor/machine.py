"""The machine that `gpgshim doctor` examines: the data that its checks share.

Rule 1: the real gpg is called by its path, never by PATH, which may lead to a stunt.
Rule 2: each fact is collected once, and only when a check needs it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from gpgshim.doctor.checks.gnupg import Key
from gpgshim.doctor.checks.stunts import Stunt
from gpgshim.gpgargs import optiontable
from gpgshim.supervisor import config, leftovers
from gpgshim.supervisor.attempt import caller_environ, find_gpg, kill_descendants, table_of
from gpgshim.tag2upload import oracle

SECONDS = 20.0  #: time limit for a program that we query


class Machine:
    """The facts about the machine, each collected once. `gpg` is the user's choice, or None.

    `environ` is the environment of jobs: oracled's, if it can be read, otherwise our own.
    """

    def __init__(self, gpg: str | None = None) -> None:
        self.own = caller_environ()
        search = self.own.get("PATH", os.defpath)
        self._given = gpg
        self.oracled = oracle.find_program("tag2upload-oracled", search)
        self.is_oracle = bool(self.oracled or oracle.find_real(search))
        self.sources = oracle.sources(self.own) if self.is_oracle else []
        self.environ: Mapping[str, str] = self.own
        self.seen_as = "this process"
        if self.sources:
            self.seen_as, self.environ, _ = self.sources[0]
        self.search = self.environ.get("PATH", os.defpath)

    @cached_property
    def stunts(self) -> list[Stunt]:
        """The jobs' stunts on our own PATH; if there are any, we may be inside a job."""
        found = []
        for path in oracle.stunts_on(self.own.get("PATH", os.defpath)):
            job = path.parent.parent
            served = False
            with contextlib.suppress(OSError):
                served = leftovers.is_served(job)
            is_job = (job / "table").exists()
            found.append(Stunt(str(path), str(job) if is_job else "", served))
        return found

    @cached_property
    def settings(self) -> config.Loaded:
        """The settings of jobs. Raises Misconfigured."""
        return config.load(self.environ, {"gpg": self._given})

    @cached_property
    def gpg(self) -> Path:
        """The real gpg. Raises Misconfigured."""
        return find_gpg(self.search, self.settings.settings.gpg)

    @cached_property
    def table_text(self) -> str:
        """The option table of the real gpg, as text. Raises Misconfigured."""
        return table_of(self.gpg, self.environ)

    @cached_property
    def table(self) -> optiontable.Table:
        return optiontable.load(self.table_text)

    @cached_property
    def server(self) -> Path | None:
        """Debian's dgit-repos-server."""
        return oracle.find_real(self.search) or oracle.find_real(self.own.get("PATH", os.defpath))

    @cached_property
    def gnupg_home(self) -> Path:
        """GnuPG's home, for calls without --homedir."""
        given = self.environ.get("GNUPGHOME")
        return Path(given or f"{self.environ.get('HOME', '/nonexistent')}/.gnupg")

    @cached_property
    def keys(self) -> list[Key]:
        """The secret keys, as python-gnupg lists them. Raises its errors, and TimeoutError."""
        if not self.gnupg_home.is_dir():
            return []  # gpg would create the directory
        with time_limit(SECONDS):
            listed = self.gnupg().list_keys(True)
        return [
            Key(each["fingerprint"], len(each["subkeys"]), _token(each["token"])) for each in listed
        ]

    def gnupg(self, *options: str) -> Any:
        """A python-gnupg object for the real gpg, in the environment of jobs."""
        import gnupg  # type: ignore[import-untyped]

        logging.getLogger("gnupg").setLevel(logging.CRITICAL + 1)  # it logs tracebacks
        # gpg needs only its home from the environment of jobs; python-gnupg 0.4.9 has no `env`.
        return gnupg.GPG(
            gpgbinary=str(self.gpg), gnupghome=str(self.gnupg_home), options=[*options] or None
        )

    def ask(self, *words: str, search: str | None = None, here: bool = False) -> str:
        """The output of a program, in the environment of jobs. Raises OSError, SubprocessError.

        It runs in `/`, or with `here` in the caller's directory, where a program finds the settings
        that belong to that directory.
        """
        return subprocess.run(
            words,
            cwd=None if here else "/",
            env={**self.environ, **({} if search is None else {"PATH": search})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=True,
        ).stdout.decode("utf-8", "backslashreplace")


def _token(field: str) -> str:
    # doc/DETAILS, field 15: a serial number, `#` for a missing key, `+` for an available one.
    return "" if field in ("", "+", "#") else field


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the body at the time limit; processes started in it are then killed."""

    def ring(_number: int, _frame: object) -> None:
        raise TimeoutError(f"no end after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except TimeoutError:
        kill_descendants()
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
