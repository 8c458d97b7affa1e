# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command as the authority.

Rule 1: its exit status and the last line of its stdout are the answer: see core/answers.py.
Rule 2: it never blocks the supervisor, whatever it prints or leaves unread.
Rule 3: the question on its stdin is complete before it starts, and cannot be changed any more.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal

from gpgshim.authority.authority import Answer, NotAsked
from gpgshim.authority.output import Output
from gpgshim.core import answers, facts
from gpgshim.core.question import Question, Who
from gpgshim.core.quoting import escape
from gpgshim.system.descriptors import sealed_file
from gpgshim.system.errors import Misconfigured
from gpgshim.system.ownprocess import who_we_are
from gpgshim.system.processes import DEFAULT_SIGNALS


class Command:
    """The command `words`. It runs in its own process group, with `environ`.

    Its stdin is the question, as one line of JSON: see core/question.schema.json. Its stdout is
    read, and passed on to our stderr.
    """

    def __init__(self, words: list[str], environ: dict[str, str]) -> None:
        self._words = words
        self._environ = environ
        self._who = Who(*who_we_are())  # now, because a look-up of users can take long
        self._program = ""
        self.pid = 0
        self._opened = contextlib.ExitStack()  # closes what ask() opened
        self._fd = -1
        self._epoll: select.epoll  # readable when answer() has work
        self._output: Output

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

    def ask(self, question: Question) -> None:
        try:
            self._start(question)
        except OSError as error:
            # posix_spawn(3) reports this error if the program was not executed; none of it ran.
            self._opened.close()
            why = f"{self._program} cannot be run: {error.strerror}"
            raise NotAsked(error.errno, why) from error
        pidfd = os.pidfd_open(self.pid)
        self._opened.callback(os.close, pidfd)
        self._epoll.register(pidfd, select.EPOLLIN)

    def _start(self, question: Question) -> None:
        text = json.dumps(facts.object_of(question, self._who))
        stdin = sealed_file("gpgshim-question", f"{text}\n".encode("ascii"))
        self._opened.callback(os.close, stdin)
        self._epoll = self._opened.enter_context(select.epoll())
        self._fd = self._epoll.fileno()
        reader, writer = os.pipe2(os.O_CLOEXEC)
        self._opened.callback(os.close, reader)
        try:
            self._output = Output(reader, self._epoll)
            self.pid = os.posix_spawn(
                self._program,
                self._words,
                self._environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, stdin, 0),
                    (os.POSIX_SPAWN_DUP2, writer, 1),
                    (os.POSIX_SPAWN_DUP2, 2, 2),  # open, even if our caller had closed it
                ],
                setpgroup=0,
                setsigmask=(),  # our mask has signals that the supervisor reads from a descriptor
                setsigdef=DEFAULT_SIGNALS,
            )
        finally:
            os.close(writer)

    def fileno(self) -> int:
        return self._fd

    def answer(self) -> Answer | None:
        self._output.pass_on()
        done = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG)
        if done is None:
            return None
        self.pid = 0
        line = self._output.end()
        self._opened.close()
        if done.si_code != os.CLD_EXITED:
            return answers.of_signal(done.si_status)
        return answers.of_exit(done.si_status, line)

    def give_up(self) -> None:
        if self.pid:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
        self._opened.close()
