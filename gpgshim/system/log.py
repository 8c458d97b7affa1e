"""What is said to whoever runs us: one whole line, in one write, on stderr.

Rule 1: a line is lost where nobody takes it. Nothing is held up or ended by what could not be said.
Rule 2: here, and nowhere else, control characters are escaped and secrets masked for all messages.
Rule 3: where stderr is the system's journal, and only there, `<N>` in front tells it how much it
matters (sd-daemon(3); systemd.exec(5) on $JOURNAL_STREAM).
"""

from __future__ import annotations

import contextlib
import os
from enum import IntEnum

from gpgshim.core.gate import Outcome
from gpgshim.gpgargs import mask
from gpgshim.gpgargs.text import printable


class Level(IntEnum):
    """How much a line matters: syslog(3)'s numbers."""

    ALERT = 1  # a person has to look at it now
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6


#: What became of a job -> how much the line that says so matters.
LEVELS = {
    Outcome.UPLOADED: Level.INFO,
    Outcome.UNSIGNED: Level.INFO,
    Outcome.OBSERVED: Level.INFO,
    Outcome.RETRIABLE: Level.NOTICE,  # it will be tried again
    Outcome.IRRECOVERABLE: Level.WARNING,
}


def say(text: str, level: Level = Level.ERROR, who: str = "gpgshim") -> None:
    """`text` as one line of the program `who`, whatever names and words are in it."""
    line = printable(f"{who}: {mask.of_text(text)}")
    with contextlib.suppress(OSError):
        mark = f"<{level}>" if _is_the_journal(2) else ""
        os.write(2, f"{mark}{line}\n".encode())


def _is_the_journal(fd: int) -> bool:
    """Whether `fd` is the stream that systemd made for us, not one that came later."""
    given = os.environ.get("JOURNAL_STREAM")
    if not given:
        return False
    about = os.fstat(fd)
    return given == f"{about.st_dev}:{about.st_ino}"
