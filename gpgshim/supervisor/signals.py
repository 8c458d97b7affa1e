# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signals to a supervisor: which it takes, and how it reads them.

Rule 1: a signal that our caller has blocked or ignored stays as it is.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from gpgshim.system.processes import ENDING

#: Signals to us that are also meant for the job.
PASSED_ON = ENDING


def wake_on(numbers: Sequence[signal.Signals]) -> int:
    """Catch `numbers`; a descriptor from which one byte per signal can be read."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)
    return reader


def ours() -> list[signal.Signals]:
    """The signals that are meant for us: our caller has neither blocked nor ignored them."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return [
        number
        for number in PASSED_ON
        if number not in blocked and signal.getsignal(number) is not signal.SIG_IGN
    ]


def is_shared(number: int, child: int) -> bool:
    """Whether the terminal sent its signal to `child`, which is not reaped yet, too.

    ^C goes to the foreground process group. The hang-up goes to the leader of the session, and to
    the group when the leader has ended.
    """
    leads = number == signal.SIGHUP and os.getsid(0) == os.getpid()
    return os.getpgid(child) == os.getpgrp() and not leads


def block_ours() -> tuple[int, set[int | signal.Signals]]:
    """Block the signals that are meant for us, and SIGCHLD. Raises OSError.

    Returns a descriptor from which they can be read, and the signals that were blocked before. A
    signal that our caller has blocked or ignored stays as it is.
    """
    from gpgshim.system import kernel

    given = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    taken = ours()
    for number in taken:
        signal.signal(number, lambda _number, _frame: None)  # for a later unblocking
    signal.pthread_sigmask(signal.SIG_BLOCK, (*taken, signal.SIGCHLD))
    try:
        return kernel.signal_descriptor((*taken, signal.SIGCHLD)), given
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, given)
        raise
