"""The stunt dgit: runs the real one, and says 75 where its failure left nothing done.

Rule 1: the gate's state decides whether 75 may be said at all; it is closed before it is asked.
Rule 2: it dies as dgit died: of the same signal, or with the same status.
Rule 3: like the stunt gpg it runs under `python3 -I -S`.
"""

from __future__ import annotations

import posix
import sys

from gpgshim import ask, wire
from gpgshim.shim import say, undo_start_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal  # which has the same, and costs the stunt a lot more
    from typing import NoReturn
else:
    import _signal

TEMPFAIL = 75  #: sysexits' EX_TEMPFAIL; dgit-repos-server takes it for "retriable"

#: The subcommands that sign, by dgit(1). The failure of another leaves the job as it was.
PUSHES = frozenset(
    ("push", "push-source", "push-built", "rpush", "rpush-source", "rpush-built")
)  # fmt: skip

#: Signals that somebody may send to us and means for dgit.
PASSED_ON = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)


def dgit(job: str) -> NoReturn:
    """Be the stunt dgit of the job whose private directory is `job`."""
    words = sys.argv[1:]
    try:
        real = posix.readlink(job + "/real/dgit")
    except OSError as error:
        say(f"dgit: gpgshim: this dgit belongs to no job that is under way ({error})")
        posix._exit(2)
    undo_start_up()
    child = posix.fork()
    if not child:
        try:
            posix.execv(real, ["dgit", *words])
        except OSError as error:
            say(f"dgit: gpgshim: {real} cannot be run: {error.strerror}")
        posix._exit(127)
    for number in PASSED_ON:
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, lambda got, _frame: posix.kill(child, got))
    _, status = posix.waitpid(child, 0)
    if status and not PUSHES.isdisjoint(words) and _nothing_was_asked(job):
        posix._exit(TEMPFAIL)
    _die_alike(status)


def _nothing_was_asked(job: str) -> bool:
    try:
        answer, state = ask.ask(job, wire.CLOSE)
    except ask.NoAnswer as error:
        say(f"dgit: gpgshim: {error}; the job is not called retriable")
        return False
    return (answer, state.partition(" ")[0]) == (wire.CLOSED, "uncommitted")


def _die_alike(status: int) -> NoReturn:
    if posix.WIFSIGNALED(status):
        number = posix.WTERMSIG(status)
        if number != _signal.SIGKILL:
            _signal.signal(number, _signal.SIG_DFL)
        posix.kill(posix.getpid(), number)
        posix._exit(128 + number)  # it is blocked: the shell's way of saying it
    posix._exit(posix.WEXITSTATUS(status))
