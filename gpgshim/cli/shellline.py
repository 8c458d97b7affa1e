# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that `supervise` or `close --line` prints, and that the caller's shell evaluates.

Rule 1: stdout gets one line, in one write. It is a command that changes PATH if the supervisor is
ready, or if the job was closed; in every other case it is `false;`, because `eval` of an empty text
succeeds.
Rule 2: all other output on that stdout is a comment.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType

FAILURE = b"false;\n"
LINE = "--line"  #: the option of `close`

_written = {"whole": 0, "torn": 0}  # number of lines that give() wrote, complete and in part


def is_expected(words: Sequence[str]) -> bool:
    """Whether these words of our command line call a verb whose stdout a shell evaluates."""
    verb = next((word for word in words if not word.startswith("-")), "")
    return verb == "supervise" or (verb == "close" and LINE in words)


def give(line: str) -> None:
    """Write `line`. Raises OSError; then the caller must still call refuse()."""
    data = f"{line}\n".encode("utf-8", "surrogateescape")
    written = os.write(1, data)
    if written < len(data):
        _written["torn"] += 1
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    _written["whole"] += 1


def refuse() -> None:
    """Write `false;`, unless give() or refuse() has already written a line. Raises nothing."""
    if not _written["whole"]:
        _written["whole"] += 1
        with contextlib.suppress(OSError):
            os.write(1, b"\n" * bool(_written["torn"]) + FAILURE)


def refuse_and_die(number: int, _frame: FrameType | None) -> None:
    """Handle a signal before a supervisor is ready: write `false;`, and die of the signal."""
    refuse()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@contextlib.contextmanager
def comments_only() -> Iterator[None]:
    """Print all output of the body, such as a help text, to stdout as comments.

    A help text contains examples, which a shell would execute.
    """
    with contextlib.redirect_stdout(io.StringIO()) as said:
        yield
    for line in said.getvalue().splitlines():
        sys.stdout.write(f"# {line}".rstrip() + "\n")
