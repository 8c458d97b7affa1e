# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of our own that do work beside the job.

Rule 1: such a process holds nothing of our caller: no pipe with a waiting reader, no lock, no
terminal.
Rule 2: it never returns into the code of the process that started it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from gpgshim.system.descriptors import redirect_to_null

#: Signals that end a program, and that our own programs may handle.
ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


#: Signals that a program expects with their default action, and that we may have changed. CPython
#: ignores SIGPIPE and SIGXFSZ. SIGCHLD may be ignored by our caller: then the kernel would discard
#: the exit statuses that the program waits for.
DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD)


def start_process(work: Callable[[], object]) -> int:
    """Start a process that does `work` and exits; its process id. Raises OSError.

    It has all our descriptors, until `work` calls detach(), and the default actions for ENDING.
    """
    child = os.fork()
    if child:
        return child
    try:
        signal.set_wakeup_fd(-1)
        for number in ENDING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        work()
    finally:
        os._exit(0)


def detach(keep: int = -1, *, stderr: bool = False) -> None:
    """Leave the session, and close all descriptors but `keep`, and stderr if that is wanted."""
    os.setsid()
    redirect_to_null(0, 1, *(() if stderr else (2,)))
    last = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, keep if keep > 2 else last)
    os.closerange(max(3, keep + 1), last)
