"""The errors that end our programs, one class for each cause, with its exit status (sysexits).

A message says what was seen, where, and what is therefore true of the job, in one line.
"""

from __future__ import annotations

from signal import Signals


class GpgshimError(Exception):
    """An error that ends one of our programs with one line on stderr and `status`."""

    status = 70  # EX_SOFTWARE


class Misused(GpgshimError):
    """The user's fault: invalid words on the command line."""

    status = 64  # EX_USAGE


class Malformed(Misused):
    """Faulty input data: a journal or a list of cases that cannot be parsed."""

    status = 65  # EX_DATAERR


class Misconfigured(GpgshimError):
    """A faulty set-up of the machine: no real gpg, a directory that other users can write to."""

    status = 78  # EX_CONFIG


class Unable(GpgshimError):
    """A failure of the machine: a full disk, too many processes, a peer that cannot be reached."""

    status = 74  # EX_IOERR


class Stopped(BaseException):
    """A signal to us before the job has begun: the set-up is undone."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {Signals(number).name}; nothing was started")
        self.number = number
