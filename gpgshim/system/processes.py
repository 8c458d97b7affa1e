# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes: one that works beside the job, one that continues in the background, and a program
that is started in an environment of its own.

Rule 1: at its work, such a process holds nothing of our caller: no pipe with a waiting reader, no
lock, no terminal.
Rule 2: only daemonise() returns in the new process.
Rule 3: a program that needs no step of ours in its process is started by posix_spawn(3) instead.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Callable, Iterable, Sequence

from gpgshim.system.descriptors import redirect_to_null, release_inherited
from gpgshim.system.errors import Unable

_READY = b"ready"

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


def daemonise(prepare: Callable[[], None]) -> None:
    """Continue in the background, in a new process, after `prepare`; the old one exits with 0.

    If `prepare` fails, or is killed, the new process ends, and this raises Unable in the old one.
    Raises OSError if there is no new process.
    """
    null = os.open(os.devnull, os.O_RDWR)  # now, while an error still ends everything
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child:
        os.close(writer)
        _exit_if_ready(child, reader)
    os.close(reader)
    try:
        os.setsid()
        prepare()
    except BaseException as error:
        hint = getattr(error, "hint", "")
        os.write(writer, f"{error}\0{hint}".encode("utf-8", "backslashreplace"))
        os._exit(1)
    release_inherited()
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    with contextlib.suppress(OSError):  # the old process was killed; its caller has what it needs
        os.write(writer, _READY)
    os.close(writer)


def _exit_if_ready(child: int, reader: int) -> None:
    try:
        with open(reader, "rb") as pipe:
            received = pipe.read()
    except BaseException:
        os.kill(child, signal.SIGTERM)  # the caller will not learn of it
        raise
    if received == _READY:
        os._exit(0)
    seen, _, hint = received.decode().partition("\0")
    raise Unable(seen or "the process in the background ended before it was ready", hint=hint)


def spawn_after(
    steps: Sequence[Callable[[], None]],
    path: str,
    words: list[str],
    environ: dict[str, str],
    *,
    setsigdef: Sequence[signal.Signals],
    setsigmask: Iterable[int],
    file_actions: Sequence[tuple[int, ...]] = (),
) -> int:
    """As os.posix_spawn, with `steps` in the new process; `file_actions` are dup2s only.

    A step raises OSError if the program must not run. Raises OSError if the program does not run.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if not child:
        try:
            for step in steps:
                _take(step)
            for number in (*setsigdef, *_handled()):
                signal.signal(number, signal.SIG_DFL)
            for _, fd, to in file_actions:
                os.dup2(fd, to)
            signal.pthread_sigmask(signal.SIG_SETMASK, setsigmask)
            os.execve(path, words, environ)
        except OSError as error:
            os.write(writer, f"{error.errno or errno.EIO} {error.strerror}".encode())
        finally:
            os._exit(127)
    os.close(writer)
    with open(reader, "rb") as failed:
        code, _, why = failed.read().decode("utf-8", "replace").partition(" ")
    if code:
        os.waitpid(child, 0)
        raise OSError(int(code), why)
    return child


def _take(step: Callable[[], None]) -> None:
    """Do a step. Raises OSError, whose text says where."""
    try:
        step()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise OSError(error.errno, f"{where}{error.strerror or error}") from error


def _handled() -> list[signal.Signals]:
    """The signals for which this program has a handler, which must not run in another one."""
    return [each for each in signal.valid_signals() if callable(signal.getsignal(each))]


def die_with(parent: int) -> None:
    """Have the kernel kill us when our parent dies. Raises OSError, also if it is dead."""
    from gpgshim.system import kernel

    kernel.die_with_parent()
    if os.getppid() != parent:
        raise OSError(errno.ESRCH, "our parent is gone")
