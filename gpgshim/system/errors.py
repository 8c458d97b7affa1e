# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that end our programs, one class for each cause, with its exit status (sysexits).

Rule 1: an error says what was seen, and where. What is therefore true of the job, and what the user
can do, are attributes; `log.report` makes the text of all three.
Rule 2: code that raises an error does not know whether a job was started. The code that starts the
job knows it, and says so once, by before_the_job().
Rule 3: no other module maps an error to an exit status. The exit status of a job is gate's.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from enum import Enum
from pathlib import Path


class Fact(Enum):
    """What is true, of the job or of the request, after an error. The values are for people."""

    NOTHING_STARTED = "nothing was started"
    NOTHING_CLOSED = "nothing was closed"
    NOTHING_WRITTEN = "nothing was written"
    NOTHING_DONE = "nothing was done"
    OUTCOME_UNKNOWN = "the outcome of the job is unknown"
    STATE_UNKNOWN = "the state of the job is unknown"


class GpgshimError(Exception):
    """An error that ends one of our programs with `status`.

    `seen` says what was seen, and where, in one clause; it is also the text of the exception.
    `fact` is None if nothing follows for a job. `hint` says what the user can do, or is empty.
    """

    status = os.EX_SOFTWARE

    def __init__(self, seen: str, fact: Fact | None = None, *, hint: str = "") -> None:
        super().__init__(seen)
        self.seen = seen
        self.fact = fact
        self.hint = hint

    def imply(self, fact: Fact) -> None:
        """Record what is true after this error, unless the code that raised it knew that."""
        self.fact = self.fact or fact


class Misused(GpgshimError):
    """The user's fault: invalid words on the command line."""

    status = os.EX_USAGE


class Malformed(Misused):
    """Faulty input data: a journal or a list of cases that cannot be parsed."""

    status = os.EX_DATAERR


class Misconfigured(GpgshimError):
    """A faulty set-up of the machine: no real gpg, a directory that other users can write to."""

    status = os.EX_CONFIG


class Unable(GpgshimError):
    """A failure of the machine: a full disk, too many processes, a peer that cannot be reached."""

    status = os.EX_IOERR


class Stands(GpgshimError):
    """Nothing was started, because of an earlier attempt of the job.

    `journal` is its journal; None if the earlier attempts are not known.
    """

    def __init__(
        self, seen: str, fact: Fact | None = None, *, hint: str = "", journal: Path | None = None
    ) -> None:
        super().__init__(seen, fact, hint=hint)
        self.journal = journal


class NotStarted(Stands):
    """An earlier attempt of the job does not let a new one start."""

    status = os.EX_NOPERM


class AlreadyDone(Stands):
    """The job is done, and its caller takes that for a success."""

    status = os.EX_OK


class Stopped(BaseException):
    """A signal to us before the job has begun: the set-up is undone."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.seen = f"stopped by {signal.Signals(number).name}"
        super().__init__(self.seen)


#: Python's own errors -> the exit status of a program that they end. The first match counts.
PYTHONS: dict[type[BaseException], int] = {
    KeyboardInterrupt: 128 + signal.SIGINT,  # as a shell reports a program that the signal killed
    BrokenPipeError: 128 + signal.SIGPIPE,  # the same; Python ignores SIGPIPE
    OSError: Unable.status,  # the machine: mostly a full disk under stdout
    ImportError: Unable.status,  # the package was removed or upgraded meanwhile
    MemoryError: Unable.status,  # the machine
}


#: The hint for an error after which a job may be running.
SEE_STATUS = "if a job was running, see `gpgshim status`"


def of_python(error: BaseException, where: str = "") -> Unable:
    """An error of PYTHONS, at any point of the run, as one of ours; `where` if it names no file."""
    if isinstance(error, OSError):
        where = str(error.filename or where)
        return Unable(f"{where}: {error.strerror}" if where else str(error), hint=SEE_STATUS)
    return Unable(f"{type(error).__name__}: {error}", hint=SEE_STATUS)


def status_of(error: BaseException) -> int:
    """The exit status of a program that `error` ends. Errors of no row are internal: 70."""
    if isinstance(error, GpgshimError):
        return error.status
    if isinstance(error, Stopped):
        return 128 + error.number
    found = (status for kind, status in PYTHONS.items() if isinstance(error, kind))
    return next(found, os.EX_SOFTWARE)


@contextlib.contextmanager
def implying(fact: Fact) -> Iterator[None]:
    """An error of ours in the body means `fact`, unless the code that raised it knew another."""
    try:
        yield
    except GpgshimError as error:
        error.imply(fact)
        raise


def before_the_job() -> contextlib.AbstractContextManager[None]:
    """For the set-up of a job: an error in the body means that nothing was started."""
    return implying(Fact.NOTHING_STARTED)
