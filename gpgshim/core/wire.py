# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol between a stunt and its supervisor: one line in each direction, then the end.

Rule 1: a stunt imports this under `python3 -I -S`, so this module imports nothing and computes
nothing when it is loaded.
Rule 2: a line is ASCII, at most LONGEST bytes with its line feed, and begins with VERSION.
Rule 3: the line does not identify the client. The kernel identifies it (SO_PEERCRED, /proc).
"""

from __future__ import annotations

LONGEST = 4096  #: bytes, with the line feed

SIGN = "sign"  #: may this gpg run? It would sign
UNKNOWN_COMMAND = "unknown-command"  #: may this gpg run? Its command is unknown to us
CLOSE = "close"  #: close the gate, and report the state and outcome of the journal
GIVE_UP = "give-up"  #: close the gate, unless there is or may be a grant
END = "end"  #: as CLOSE, and the job is over; the argument is its exit status, if that is known
WOULD = "would"  #: in observe mode: the exit status that the stunt dgit would have had
GAVE_UP = "gave-up"  #: a gpg refused by itself, or stopped waiting; the argument gives the reason
REQUESTS = (SIGN, UNKNOWN_COMMAND, CLOSE, GIVE_UP, END, WOULD, GAVE_UP)

GO = "go"  #: yes
NO = "no"  #: no; the argument gives the reason
CLOSED = (
    "closed"  #: the answer to CLOSE and END; the arguments are the durable state and the outcome
)
OPEN = "open"  #: the answer to GIVE_UP if the gate was not closed
ANSWERS = (GO, NO, CLOSED, OPEN)

VERSION = "gpgshim/1"

#: The names in a job's directory that both ends use; supervisor/jobdir.py describes all names. The
#: stunt gpgconf, and the lines that load a stunt's code, do not load this module and have literals.
BIN, REAL, TABLE, UNTIL = "bin", "real", "table", "until"
OBSERVE, WALL, SOCKET = "observe", "wall", "socket"
JOURNAL = "journal"  #: a link to the attempt's journal
ALIAS, SOCKETS = "gnupg", "sockets"  # of the lock: see the package agentlock
AT_AGENT = "at-agent"
EVERY_CALL = "every call\n"  #: the content of AT_AGENT if no call can avoid the lock; else empty


class WireError(ValueError):
    """The peer does not follow the protocol. The message says what it sent."""


def encode(word: str, argument: str = "") -> bytes:
    """A request or an answer as bytes. Control characters in the argument become spaces."""
    line = f"{VERSION} {word} {argument}".rstrip()
    raw = "".join(c if c.isprintable() else " " for c in line).encode("ascii", "replace")
    return raw[: LONGEST - 1] + b"\n"


def decode(data: bytes, words: tuple[str, ...]) -> tuple[str, str]:
    """(word, argument) of a received line, complete or not. Raises WireError."""
    if not data:
        raise WireError("it sent nothing")
    if not data.endswith(b"\n") or data.count(b"\n") != 1 or len(data) > LONGEST:
        raise WireError(f"it sent {len(data)} bytes that are not one line: {data[:60]!r}")
    try:
        version, word, argument = (data[:-1].decode("ascii") + "  ").split(" ", 2)
    except UnicodeDecodeError:
        raise WireError(f"it sent bytes that are not ASCII: {data[:60]!r}") from None
    if version != VERSION:
        raise WireError(f"its protocol is {version[:60]!r}, not {VERSION}")
    if word not in words:
        raise WireError(f"it sent {word[:60]!r}, not one of {', '.join(words)}")
    return word, argument.strip()
