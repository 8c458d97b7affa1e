# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program `gpgshim`: prepares the process, then imports the rest of the program.

Rule 1: descriptors 0, 1 and 2 are open before anything else is opened.
Rule 2: an interrupt during the import of modules ends the process without a traceback.
Rule 3: `supervise` prints its line for the shell however it ends, also after an internal error.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from gpgshim.cli import shellline
from gpgshim.system.descriptors import open_standard
from gpgshim.system.errors import Fact, status_of
from gpgshim.system.processes import ENDING


def main() -> NoReturn:
    """Run the program `gpgshim`. Never returns."""
    for_shell = shellline.is_expected(sys.argv[1:])
    for number in ENDING if for_shell else (signal.SIGINT,):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, shellline.refuse_and_die if for_shell else signal.SIG_DFL)
    try:
        status = _run()
    except KeyboardInterrupt:
        status = status_of(KeyboardInterrupt())
    finally:
        if for_shell:
            shellline.refuse()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # also while the interpreter exits
    sys.exit(status)


def _run() -> int:
    try:
        closed = open_standard()
        for fd in closed:
            # Python sets these streams to None if they were closed. From now on they use /dev/null.
            name, mode = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))[fd]
            setattr(sys, name, os.fdopen(fd, mode, closefd=False))
        from gpgshim.cli import main as cli
    except (OSError, ImportError, MemoryError) as error:
        # Not log.report(), whose modules may be what cannot be imported.
        text = f"gpgshim: {type(error).__name__}: {error}; {Fact.NOTHING_STARTED.value}"
        os.write(2, text.replace("\n", "\\n").encode("utf-8", "backslashreplace") + b"\n")
        return status_of(error)
    return cli.main(closed)


if __name__ == "__main__":
    main()
