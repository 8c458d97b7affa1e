# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of record that only an attempt with a lock of gpg-agent has; see records.py.

Rule 1: Forwarded is synced before gpg-agent gets the command. So without it, gpg-agent made no
signature through the lock.
"""

# Without `from __future__ import annotations`: codec.py reads the annotations as types.

from gpgshim.core.codec import Code, Record, Text


class Forwarded(Record, start="% forwarded"):
    """gpg-agent gets a command that signs; synced before. `signature` counts them, from 1.

    `key` is a keygrip, `algorithm` a number of OpenPGP, `digest` is in hex, each `-` if not known.
    """

    signature: int
    pid: int
    key: Code
    algorithm: Code
    digest: Code
    command: Text


class Signed(Record, start="% signed"):
    """gpg-agent made this signature."""

    signature: int


class Unsigned(Record, start="% unsigned"):
    """gpg-agent did not make this signature. `code` is a number of libgpg-error."""

    signature: int
    code: int
    reason: Text


class Unanswered(Record, start="% unanswered"):
    """The connection ended before gpg-agent's answer: this signature may have been made."""

    signature: int


class Unlocked(Record, start="% unlocked"):
    """The sockets of the lock were removed while the job ran: an agent may have signed past it."""


# Notes.


class AtAgent(Record, start="# agent"):
    """The request before is a command to gpg-agent that waits at the lock; see Forwarded."""

    key: Code
    algorithm: Code
    digest: Code
    command: Text


class Passed(Record, start="# passed"):
    """A command passed the lock that makes no signature by itself, but is worth a note."""

    pid: int
    command: Text


class OtherKey(Record, start="# other-key"):
    """A command that signs passed the lock without a request: its key is none of --key.

    The fields are those of Forwarded.
    """

    pid: int
    key: Code
    algorithm: Code
    digest: Code
    command: Text
