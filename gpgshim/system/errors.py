"""Three errors, by whose fault it is, each with its exit status (sysexits).

A message says what was seen, where, and what is therefore true of the job, in one line.
"""

from __future__ import annotations

from signal import Signals


class GpgshimError(Exception):
    """What ends a program of ours with one line on stderr and `status`."""

    status = 70  # EX_SOFTWARE


class Misused(GpgshimError):
    """Whoever typed the command: bad words on the command line."""

    status = 64  # EX_USAGE


class Malformed(Misused):
    """Whoever made the data: a journal or a list of cases that does not read as one."""

    status = 65  # EX_DATAERR


class Misconfigured(GpgshimError):
    """Whoever set up the machine: no real gpg, a directory that others can write."""

    status = 78  # EX_CONFIG


class Unable(GpgshimError):
    """The machine itself: a full disk, no more processes, a peer that is not there."""

    status = 74  # EX_IOERR


class Stopped(BaseException):
    """A signal to us, before a job has begun: what has been set up is taken down."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {Signals(number).name}; nothing was started")
        self.number = number
