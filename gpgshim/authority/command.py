# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Sequence

from gpgshim.authority.authority import Answer, NotAsked
from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.core.quoting import escape
from gpgshim.system.errors import Misconfigured
from gpgshim.system.processes import DEFAULT_SIGNALS


class Command:
    """A command: exit 0 is go-ahead, 1 is refused, any other end leaves the commitment unknown.

    It runs in its own process group, with `environ`, with /dev/null as stdin and our stderr as
    stdout.
    """

    def __init__(self, words: list[str], environ: dict[str, str]) -> None:
        self._words = words
        self._environ = environ
        self._program = ""
        self.pid = 0
        self._fd = -1

    def check(self) -> None:
        _, fault = self._find()
        if fault:
            raise Misconfigured(f"the command of --commit cannot be executed: {escape(fault)}")

    def reach(self) -> None:
        self._program, fault = self._find()
        if fault:
            raise OSError(errno.ENOENT, fault)

    def _find(self) -> tuple[str, str]:
        from gpgshim.system import runnable  # imported here: only a job with a command needs it

        return runnable.find(self._words[0], self._environ.get("PATH", os.defpath))

    def ask(self, question: Sequence[Record]) -> None:
        try:
            self.pid = os.posix_spawn(
                self._program,
                self._words,
                self._environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, 2, 1),
                    (os.POSIX_SPAWN_DUP2, 2, 2),  # open, even if our caller had closed it
                ],
                setpgroup=0,
                setsigmask=(),  # our mask has signals that the supervisor reads from a descriptor
                setsigdef=DEFAULT_SIGNALS,
            )
        except OSError as error:
            # posix_spawn(3) reports this error if the program was not executed; none of it ran.
            why = f"{self._program} cannot be run: {error.strerror}"
            raise NotAsked(error.errno, why) from error
        self._fd = os.pidfd_open(self.pid)

    def fileno(self) -> int:
        return self._fd

    def answer(self) -> Answer | None:
        done = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG)
        if done is None:
            return None
        os.close(self._fd)
        self.pid = 0
        if done.si_code != os.CLD_EXITED:
            return r.AnswerSignal(done.si_status)
        if done.si_status == 0:
            return r.GoAhead()
        if done.si_status == 1:
            return r.Refused("")
        return r.AnswerExit(done.si_status)

    def give_up(self) -> None:
        if self.pid:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            if self._fd >= 0:  # there is no descriptor if ask() failed half way
                os.close(self._fd)
            self.pid = 0
