"""What a stunt and its supervisor say to each other: one line each way, then the end.

Rule 1: the stunt imports this under `python3 -I -S`: no imports, no work at import.
Rule 2: a line is ASCII, at most LONGEST bytes with its line feed, and begins with VERSION.
Rule 3: who asks is not in the line. The kernel tells it (SO_PEERCRED, /proc).
"""

from __future__ import annotations

LONGEST = 4096  #: bytes, line feed included

SIGN = "sign"  #: may this gpg, which would sign, be run?
DOUBT = "doubt"  #: may this gpg, of whose command we know nothing, be run?
CLOSE = "close"  #: close the gate, and say what the journal says
GIVE_UP = "give-up"  #: close the gate, unless there was a grant or there may be one
END = "end"  #: the same, and the job is over; the argument is its exit status, if that is known
WOULD = "would"  #: to one that only observes: the argument is how the stunt dgit would have ended
GAVE_UP = "gave-up"  #: a gpg refused by itself, or waits no more; the argument says why
REQUESTS = (SIGN, DOUBT, CLOSE, GIVE_UP, END, WOULD, GAVE_UP)

GO = "go"  #: yes
NO = "no"  #: no; the argument says why
CLOSED = (
    "closed"  #: the answer to CLOSE and END; the argument are the durable state and the outcome
)
OPEN = "open"  #: the answer to GIVE_UP where the gate was not closed
ANSWERS = (GO, NO, CLOSED, OPEN)

VERSION = "gpgshim/1"


class WireError(ValueError):
    """The other end does not speak as it should. The message says what it sent."""


def encode(word: str, argument: str = "") -> bytes:
    """A request or an answer as bytes. Control characters in the argument become spaces."""
    line = f"{VERSION} {word} {argument}".rstrip()
    raw = "".join(c if c.isprintable() else " " for c in line).encode("ascii", "replace")
    return raw[: LONGEST - 1] + b"\n"


def decode(data: bytes, words: tuple[str, ...]) -> tuple[str, str]:
    """(word, argument) of a line that came, whole or not. Raises WireError."""
    if not data:
        raise WireError("it hung up without a word")
    if not data.endswith(b"\n") or data.count(b"\n") != 1 or len(data) > LONGEST:
        raise WireError(f"it sent {len(data)} bytes that are not one line: {data[:60]!r}")
    try:
        version, word, argument = (data[:-1].decode("ascii") + "  ").split(" ", 2)
    except UnicodeDecodeError:
        raise WireError(f"it sent bytes that are not ASCII: {data[:60]!r}") from None
    if version != VERSION:
        raise WireError(f"it speaks {version[:60]!r}, not {VERSION}")
    if word not in words:
        raise WireError(f"it sent {word[:60]!r}, not one of {', '.join(words)}")
    return word, argument.strip()
