# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms of the lock: how the programs of a job come to our sockets.

Rule 1: whether a form is possible on a machine is tried, and not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gpgshim.agentlock import alias, namespace
from gpgshim.agentlock.sockets import Lock
from gpgshim.core.terms import Form
from gpgshim.system.errors import GpgshimError, Misconfigured

#: A form -> its set-up. Its arguments: the job's directory, gpgconf, the caller's environment.
FORMS: dict[Form, Callable[[Path, Path | None, Mapping[str, str]], Lock]] = {
    Form.ALIAS: alias.set_up,  # by the name of the home, which the job has in GNUPGHOME
    Form.NAMESPACE: namespace.set_up,  # by the mounts of the job
}


def set_up(form: Form, job: Path, gpgconf: Path | None, environ: Mapping[str, str]) -> Lock:
    """Listen at the sockets of a lock, for the job with the directory `job`.

    The umask must be our own. Raises Misconfigured if this form is not possible here, Unable.
    """
    try:
        return FORMS[form](job, gpgconf, environ)
    except Misconfigured as error:
        hint = error.hint
        for other in Form:
            if other is not form and not fault_of(other, job.parent, gpgconf, environ):
                hint = f"`--lock-agent={other}` is possible here"
        raise Misconfigured(f"--lock-agent={form}: {error.seen}", hint=hint) from error


def fault_of(form: Form, base: Path, gpgconf: Path | None, environ: Mapping[str, str]) -> str:
    """Why this form is not possible here; "" if it is. It is tried in a directory in `base`.

    The umask must be our own. Raises OSError.
    """
    import tempfile  # imported here: no job needs it that has its lock

    with tempfile.TemporaryDirectory(prefix="lock.", dir=base) as name:
        try:
            FORMS[form](Path(name), gpgconf, environ).close()
        except GpgshimError as error:
            return error.seen
        finally:
            alias.release(Path(name))  # does nothing for another form
    return ""
