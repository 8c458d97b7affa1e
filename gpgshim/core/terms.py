# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words in the fields of records: causes and the like.

Rule 1: a program may rely on a word, and no word changes its meaning.
"""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why a gpg was refused."""

    REFUSED = "refused"  # the authority refused: it has certainly not committed
    NOT_ASKED = "not-asked"  # the authority could not be asked, and has heard nothing
    UNEXPECTED = "unexpected"  # the authority's answer has no meaning to us
    EOF = "eof"  # the authority closed the connection
    TIMEOUT = "timeout"  # the authority did not answer in time
    UNREADABLE = "unreadable"  # the authority's answer could not be read
    UNKNOWN_COMMAND = "unknown-command"  # before the commitment, gpg's command is unknown to us
    CLOSED = "closed"  # the job is over, or its gate was closed
    FAILED = "failed"  # an effect of the gate could not be performed
    OTHER = "other"  # only of format 1: a reason that is not in format1.REASONS


class Unread(StrEnum):
    """Why the files of a request were not read."""

    TIMEOUT = "timeout"  # it took too long
    CLOSED = "closed"  # the job was over meanwhile
    READER_ENDED = "reader-ended"  # the process that reads files ended
    FAILED = "failed"  # that process could not be asked


class Killing(StrEnum):
    """Why processes of a job were killed."""

    OVER = "over"  # the job is over
    DROPPED = "dropped"  # the manager hears nothing of the job, so the uploader must not either


class Delivery(StrEnum):
    """How the job got a signal that was sent to us."""

    SHARED = "shared"  # the terminal sent it to the job too
    PASSED_ON = "passed-on"  # by us


class Resolution(StrEnum):
    """What a person has found out about an attempt."""

    RETRIABLE = "retriable"  # nothing of it stands: the job can be tried again
    UPLOADED = "uploaded"  # the job is done
    IRRECOVERABLE = "irrecoverable"  # it is not, and cannot be repeated


class Source(StrEnum):
    """A stdin whose data could not be read in advance."""

    PIPE = "pipe"  # its writer has not finished, or there is more than a pipe holds
    TERMINAL = "terminal"
    SOCKET = "socket"
    SHARED = "shared"  # gpg also reads a passphrase or commands from it, so it was not read
    OTHER = "other"


class Form(StrEnum):
    """A form of the lock of gpg-agent: how the job's programs come to our sockets."""

    ALIAS = "alias"  # GNUPGHOME is another name of the same home
    NAMESPACE = "namespace"  # our sockets are mounted over those of the home, for the job alone
