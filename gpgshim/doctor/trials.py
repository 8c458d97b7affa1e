# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trial signature and a trial job. Both are removed, and no PIN is requested of a person."""

from __future__ import annotations

import contextlib
import logging
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpgshim.doctor.checks.facts import Key, NoAnswer, Trial, TrialJob
from gpgshim.supervisor import jobdir
from gpgshim.supervisor.processes import kill_descendants
from gpgshim.system import places
from gpgshim.system.ownprocess import own_umask

if TYPE_CHECKING:
    from gpgshim.core.terms import Form
    from gpgshim.doctor.machine import Machine

TRIAL_SECONDS = 30.0  #: time limit for a trial signature: a token can be slow

#: The longest job name that fits in the name of its directory.
TRIAL_JOB = "gpgshim-doctor-trial-job"


def list_keys(gpg: str, home: str, seconds: float) -> list[Key]:
    """The secret keys, as python-gnupg lists them. Raises its errors, and TimeoutError."""
    if not Path(home).is_dir():
        return []  # gpg would create the directory
    with time_limit(seconds):
        listed = _gnupg(gpg, home).list_keys(True)
    return [
        Key(each["fingerprint"], len(each["subkeys"]), _token(each["token"])) for each in listed
    ]


def _token(field: str) -> str:
    # doc/DETAILS, field 15: a serial number, `#` for a missing key, `+` for an available one.
    return "" if field in ("", "+", "#") else field


def _gnupg(gpg: str, home: str, *options: str) -> Any:
    """A python-gnupg object for the real gpg. Of the environment of jobs, gpg needs its home only:
    python-gnupg 0.4.9 has no `env`.
    """
    import gnupg  # type: ignore[import-untyped]

    logging.getLogger("gnupg").setLevel(logging.CRITICAL + 1)  # it logs tracebacks
    return gnupg.GPG(gpgbinary=gpg, gnupghome=home, options=[*options] or None)


def try_key(gpg: str, home: str, key: Key) -> Trial:
    """Make a trial signature with this key."""
    began = time.monotonic()
    try:
        # With `error`, gpg-agent asks no person for a PIN or a passphrase: it has it, or fails.
        with time_limit(TRIAL_SECONDS):
            gnupg = _gnupg(gpg, home, "--pinentry-mode", "error")
            made = gnupg.sign("A trial signature of gpgshim doctor.", keyid=key.fingerprint)
            good = bool(made.data) and gnupg.verify(made.data).valid
    except TimeoutError:
        return Trial(False, "", TRIAL_SECONDS, True)
    # gpg's own messages begin with `gpg: `; the last one is the reason.
    messages = [line for line in str(made.stderr).split("\n") if line.startswith("gpg: ")]
    complaint = messages[-1].removeprefix("gpg: ") if messages else "it gives no reason"
    return Trial(good, complaint, time.monotonic() - began)


def try_job(machine: Machine, base: Path) -> TrialJob:
    """Make a job's directory at its usual place, and run the stunt in it.

    Raises Misconfigured, Unable.
    """
    directory = None
    with _made(base):
        try:
            with own_umask():
                real = {"gpg": Path(machine.gpg)}
                directory = jobdir.make(base, TRIAL_JOB, machine.table_text, real)
            given = machine.output(f"{directory}/bin/gpg", "--version")
            return TrialJob(str(base), given == machine.output(machine.gpg, "--version"))
        except OSError as error:
            return TrialJob(str(base), error=error.strerror or str(error))
        except NoAnswer as error:
            return TrialJob(str(base), how=str(error))
        finally:
            if directory:
                shutil.rmtree(directory, ignore_errors=True)


def try_lock(machine: Machine, form: Form, gpgconf: Path | None, base: Path) -> str:
    """Make a lock of gpg-agent, and remove it; why it is not possible, or "".

    Raises Misconfigured, Unable.
    """
    from gpgshim.agentlock import forms, namespace

    keys = Path(machine.gnupg_home, namespace.KEYS)
    had_keys = keys.exists()
    try:
        with _made(base), own_umask():
            return forms.fault_of(form, base, gpgconf, machine.environ)
    finally:
        if not had_keys:
            with contextlib.suppress(OSError):
                keys.rmdir()


@contextlib.contextmanager
def _made(base: Path) -> Iterator[None]:
    """Have the directory of jobs in the body; afterwards, what was missing is missing again."""
    missing = [each for each in (base, *base.parents) if not each.exists()]
    try:
        with own_umask():
            places.make_private(base, places.RUNTIME_HINT)
        yield
    finally:
        for each in missing:
            with contextlib.suppress(OSError):
                each.rmdir()


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
