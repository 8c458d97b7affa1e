# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stunt dgit: runs the real dgit, and exits 75 if dgit failed and nothing was committed.

Only a job under dgit-repos-server has this stunt. Such a job calls dgit once, so dgit's failure is
the job's failure, and its exit status reaches the manager.

Rule 1: the gate's state decides whether 75 is possible; the gate is closed before its state is
read. dgit's output is checked after that, and can only exclude 75.
Rule 2: the stunt ends as dgit ended: by the same signal, or with the same status.
Rule 3: like the stunt gpg it runs under `python3 -I -S`.
"""

from __future__ import annotations

import posix
import select
import time

from gpgshim.core import failures, wire
from gpgshim.stunts import ask
from gpgshim.stunts.process import (
    caller_words,
    die_if_killed,
    is_open,
    real_program,
    run_in_our_place,
    say,
    undo_start_up,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal  # has the same names, but costs the stunt much more time
    from typing import NoReturn
else:
    import _signal

TEMPFAIL = 75  #: sysexits' EX_TEMPFAIL; dgit-repos-server reports it as "retriable"
TEMPFAIL_TAKEN = 70  #: sysexits' EX_SOFTWARE, for a dgit that exits 75 by itself

LONGEST_TAIL = 1 << 16  #: bytes at the end of dgit's output that are searched for a reason

UNSEEN = 100.0  #: milliseconds between two polls of a dgit that has no pidfd

#: The subcommands that sign, by dgit(1). A failure of any other leaves the job unchanged.
PUSHES = frozenset(
    (b"push", b"push-source", b"push-built", b"rpush", b"rpush-source", b"rpush-built")
)  # fmt: skip

#: Signals to the stunt that are meant for dgit.
PASSED_ON = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)


def main(job: str) -> NoReturn:
    """Run the stunt dgit of the job whose private directory is `job`."""
    words = caller_words()
    real = real_program(job, "dgit")
    undo_start_up()
    if PUSHES.isdisjoint(words):
        run_in_our_place(real, "dgit", words)
    child, stderr = _start(real, words)
    output = _watch(job, child, stderr)
    _, status = posix.waitpid(child, 0)
    if ask.observes(job):
        if status:
            _report_would(job, output)
        _end_as_dgit(status, taken=TEMPFAIL)
    if status and _is_uncommitted(job):
        if failures.is_transient(output):
            posix._exit(TEMPFAIL)
        say("dgit: gpgshim: nothing was committed, but a retry would fail too: not retriable")
    _end_as_dgit(status, TEMPFAIL_TAKEN)


def _start(real: str, words: list[bytes]) -> tuple[int, int]:
    """Start the real dgit: its process id, and a pipe from its stderr, or -1.

    If no process can be created, become dgit, whose own exit status then counts.
    """
    # If the caller left SIGCHLD ignored, the kernel would discard the child's status.
    of_caller = _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    ours, its = _pipe()
    try:
        child = posix.fork()
    except OSError:
        _signal.signal(_signal.SIGCHLD, of_caller)
        run_in_our_place(real, "dgit", words)
    if not child:
        _signal.signal(_signal.SIGCHLD, of_caller)
        if its >= 0:
            if _is_same(1, 2):
                posix.dup2(its, 1)
            posix.dup2(its, 2)
        run_in_our_place(real, "dgit", words)
    for number in PASSED_ON:
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, lambda got, _frame: posix.kill(child, got))
    if its >= 0:
        posix.close(its)
    return child, ours


def _pipe() -> tuple[int, int]:
    """A pipe for dgit's stderr; (-1, -1) if stderr is a terminal, which dgit must keep."""
    try:
        return (-1, -1) if posix.isatty(2) or not is_open(2) else posix.pipe2(posix.O_CLOEXEC)
    except OSError:
        return -1, -1


def _is_same(one: int, other: int) -> bool:
    # dgit-repos-server passes one file as both; one pipe for both keeps the order of the lines.
    try:
        first, second = posix.fstat(one), posix.fstat(other)
    except OSError:
        return False
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _watch(job: str, child: int, stderr: int) -> bytes:
    """Pass dgit's stderr on until dgit has ended; the end of the text.

    At the time limit, dgit is killed unless there is or may be a grant. Then the result is empty.
    """
    deadline = _deadline(job)
    given_up = False
    poll = select.poll()
    try:
        poll.register(posix.pidfd_open(child), select.POLLIN)
        interval = None
    except OSError:
        interval = UNSEEN  # most likely no descriptor is left
    if stderr >= 0:
        poll.register(stderr, select.POLLIN)
    output = b""
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        wait = left if interval is None else min(left or interval, interval)
        try:
            ready = [fd for fd, _ in poll.poll(wait)]
        except OSError:
            time.sleep(0.01)  # most likely no memory is left; dgit continues, so keep reading
            continue
        if not ready and interval is not None and (left or left is None):
            if posix.waitid(posix.P_PID, child, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT):
                break
        elif not ready:
            deadline = None
            given_up = _give_up(job, child)
        elif stderr in ready:
            data = posix.read(stderr, LONGEST_TAIL)
            if not data:
                poll.unregister(stderr)
            output = (output + data)[-LONGEST_TAIL:]
            _write_to_stderr(data)
        else:
            break  # The pipe is empty. An orphan may hold it open, but dgit has written everything.
    return b"" if given_up else output


def _write_to_stderr(data: bytes) -> None:
    try:
        while data:
            data = data[posix.write(2, data) :]
    except OSError:
        pass  # nothing reads our stderr; dgit itself would have got SIGPIPE here


def _deadline(job: str) -> float | None:
    """The time (monotonic clock) shortly before dgit-repos-server's alarm; None without one."""
    try:
        with open(f"{job}/{wire.UNTIL}") as file:
            return float(file.read())
    except OSError:
        return None


def _give_up(job: str, child: int) -> bool:
    """dgit-repos-server's time limit is near: kill dgit unless there is or may be a grant."""
    if not _is_uncommitted(job, wire.GIVE_UP):
        return False
    say("dgit: gpgshim: the job's time limit is near, and nothing was committed; dgit is killed")
    posix.kill(child, _signal.SIGKILL)
    return True


def _is_uncommitted(job: str, request: str = wire.CLOSE) -> bool:
    """Send a request to close the gate; whether it is closed, and no commitment was requested."""
    try:
        answer, state = ask.ask(job, request)
    except ask.NoAnswer as error:
        say(f"dgit: gpgshim: {error}; so the job is not reported as retriable")
        return False
    return (answer, state.partition(" ")[0]) == (wire.CLOSED, "uncommitted")


def _report_would(job: str, output: bytes) -> None:
    """In observe mode, report the exit status that a gate would have given to dgit's failure."""
    try:
        answer, state = ask.ask(job, wire.CLOSE, patience=ask.PATIENCE)
        is_uncommitted = (answer, state.partition(" ")[0]) == (wire.CLOSED, "uncommitted")
        if is_uncommitted and failures.is_transient(output):
            ask.ask(job, wire.WOULD, str(TEMPFAIL), ask.PATIENCE)
    except ask.NoAnswer:
        pass  # the journal lacks it; nothing else depends on it


def _end_as_dgit(status: int, taken: int) -> NoReturn:
    """End as dgit did; `taken` replaces a status 75 that is dgit's own."""
    die_if_killed(status)
    own = posix.WEXITSTATUS(status)
    posix._exit(taken if own == TEMPFAIL else own)
