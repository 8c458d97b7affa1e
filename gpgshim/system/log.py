# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log messages on stderr: one complete line, or two with a hint, in one write.

Rule 1: a message is lost if it cannot be written. A failed write neither delays nor ends anything.
Rule 2: only this module escapes control characters and masks secrets, for all messages, and only
this module makes the text of an error.
Rule 3: if stderr is the system's journal, and only then, a prefix `<N>` gives the severity of the
line (sd-daemon(3); systemd.exec(5) on $JOURNAL_STREAM).
"""

from __future__ import annotations

import contextlib
import os
from enum import IntEnum

from gpgshim.core.gate import Outcome
from gpgshim.gpgargs import mask
from gpgshim.gpgargs.text import printable
from gpgshim.system.errors import GpgshimError


class Level(IntEnum):
    """The severity of a line, by the numbers of syslog(3)."""

    ALERT = 1  # a person must act now
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6


#: Outcome of a job -> severity of the line that reports it.
LEVELS = {
    Outcome.UPLOADED: Level.INFO,
    Outcome.UNSIGNED: Level.INFO,
    Outcome.OBSERVED: Level.INFO,
    Outcome.RETRIABLE: Level.NOTICE,  # the job will be retried
    Outcome.REFUSED: Level.WARNING,
    Outcome.IRRECOVERABLE: Level.WARNING,
}


def say(text: str, level: Level = Level.ERROR, who: str = "gpgshim", hint: str = "") -> None:
    """Write `text` as one line of the program `who`, whatever names and words it contains.

    A `hint` tells the user what to do, on a second line.
    """
    lines = [text, f"hint: {hint}"] if hint else [text]
    with contextlib.suppress(OSError):
        mark = f"<{level}>" if _is_the_journal(2) else ""
        shown = (printable(f"{who}: {mask.of_text(line)}") for line in lines)
        os.write(2, "".join(f"{mark}{line}\n" for line in shown).encode())


def report(error: GpgshimError, level: Level = Level.ERROR, who: str = "gpgshim") -> None:
    """Write what `error` saw, what is true of the job, and on a second line the hint."""
    text = f"{error.seen}; {error.fact.value}" if error.fact else error.seen
    say(text, level, who, error.hint)


def _is_the_journal(fd: int) -> bool:
    """Whether `fd` is the stream that systemd opened for us, and not a later file."""
    given = os.environ.get("JOURNAL_STREAM")
    if not given:
        return False
    about = os.fstat(fd)
    return given == f"{about.st_dev}:{about.st_ino}"
