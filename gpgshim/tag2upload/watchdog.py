# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watchdog: the supervisor's parent process.

Rule 1: each of the two ends the job if the other is killed, because an unsupervised job must not
run on into its own retry.
Rule 2: if both are killed at once, at least dgit-repos-server dies with them, and sends no mail.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterable, Sequence

from gpgshim.core.wording import names_of
from gpgshim.supervisor.processes import kill_descendants
from gpgshim.system.errors import Unable


def watch_over(supervisor: int) -> int:
    """Wait for the supervisor, and end its job if it was killed; its exit status. Raises Unable."""
    status = os.waitstatus_to_exitcode(os.waitpid(supervisor, 0)[1])
    if status >= 0:
        return status
    killed = kill_descendants()
    raise Unable(
        f"the supervisor was killed by signal {-status}; killed processes of its job:"
        f" {names_of(killed) or 'none'}",
        hint="`gpgshim status` shows the state of the job",
    )


def spawn_bound(
    path: str,
    words: list[str],
    environ: dict[str, str],
    *,
    setsigdef: Sequence[signal.Signals],
    setsigmask: Iterable[int],
    file_actions: Sequence[tuple[int, int, int]],
) -> int:
    """As os.posix_spawn, but the kernel kills the child when we are killed.

    The child's own children survive if our watchdog is killed too, but only the child sends mails.
    `file_actions` are dup2s. Raises OSError if the program cannot be run.
    """
    from gpgshim.system import kernel

    parent = os.getpid()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if not child:
        try:
            kernel.die_with_parent()
            if os.getppid() != parent:
                raise OSError(errno.ESRCH, "our parent is gone")
            for number in setsigdef:
                signal.signal(number, signal.SIG_DFL)
            for _, fd, to in file_actions:
                os.dup2(fd, to)
            signal.pthread_sigmask(signal.SIG_SETMASK, setsigmask)
            os.execve(path, words, environ)
        except OSError as error:
            os.write(writer, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(writer)
    with open(reader, "rb") as failed:
        why = failed.read()
    if why:
        os.waitpid(child, 0)
        raise OSError(int(why), os.strerror(int(why)))
    return child
