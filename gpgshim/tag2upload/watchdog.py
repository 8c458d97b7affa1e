# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watchdog: the supervisor's parent process.

Rule 1: each of the two ends the job if the other is killed, because an unsupervised job must not
run on into its own retry.
Rule 2: if both are killed at once, at least dgit-repos-server dies with them, and sends no mail.
"""

from __future__ import annotations

import os

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
