"""The stunt dgit: runs the real one, and says 75 where its failure left nothing done.

Only a job under dgit-repos-server has it. Such a job calls dgit once, so that dgit's failure is the
job's, and its exit status travels to the manager.

Rule 1: the gate's state decides whether 75 may be said at all; it is closed before it is asked.
What dgit said comes second, and can only take 75 away.
Rule 2: it dies as dgit died: of the same signal, or with the same status.
Rule 3: like the stunt gpg it runs under `python3 -I -S`.
"""

from __future__ import annotations

import posix
import select
import time

from gpgshim.stunts import ask, failures, wire
from gpgshim.stunts.shim import caller_words, find_real, run_in_our_place, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal  # which has the same, and costs the stunt a lot more
    from typing import NoReturn
else:
    import _signal

TEMPFAIL = 75  #: sysexits' EX_TEMPFAIL; dgit-repos-server takes it for "retriable"
TEMPFAIL_TAKEN = 70  #: sysexits' EX_SOFTWARE, for a dgit that exits 75 by itself

LONGEST_TAIL = 1 << 16  #: bytes of what dgit said last that are kept, to look for a reason

UNSEEN = 100.0  #: milliseconds between two looks at a dgit whose end cannot be waited for

#: The subcommands that sign, by dgit(1). The failure of another leaves the job as it was.
PUSHES = frozenset(
    (b"push", b"push-source", b"push-built", b"rpush", b"rpush-source", b"rpush-built")
)  # fmt: skip

#: Signals that somebody may send to us and means for dgit.
PASSED_ON = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)


def dgit(job: str) -> NoReturn:
    """Be the stunt dgit of the job whose private directory is `job`."""
    words = caller_words()
    real = find_real(job, "dgit")
    if PUSHES.isdisjoint(words):
        run_in_our_place(real, "dgit", words)
    # With SIGCHLD ignored, as a caller may leave it, the kernel would throw the status away.
    left = _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    ours, its = _pipe()
    try:
        child = posix.fork()
    except OSError:
        _signal.signal(_signal.SIGCHLD, left)
        run_in_our_place(real, "dgit", words)  # nobody watches it then, and its failure is its own
    if not child:
        _signal.signal(_signal.SIGCHLD, left)
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
    said = _listen(job, child, ours)
    _, status = posix.waitpid(child, 0)
    if ask.observes(job):
        if status:
            _tell_what_would_be(job, said)
        _die_alike(status, taken=TEMPFAIL)
    if status and _nothing_was_asked(job):
        if failures.may_pass(said):
            posix._exit(TEMPFAIL)
        say("dgit: gpgshim: nobody was asked to commit, but this would fail again: not retriable")
    _die_alike(status, TEMPFAIL_TAKEN)


def _pipe() -> tuple[int, int]:
    """A pipe for dgit's stderr; (-1, -1) where that is a terminal, which dgit shall keep."""
    try:
        return (-1, -1) if posix.isatty(2) or not _is_open(2) else posix.pipe2(posix.O_CLOEXEC)
    except OSError:
        return -1, -1


def _is_open(fd: int) -> bool:
    try:
        posix.fstat(fd)
    except OSError:
        return False
    return True


def _is_same(one: int, other: int) -> bool:
    # dgit-repos-server gives us one file for both; their lines then keep their order.
    try:
        first, second = posix.fstat(one), posix.fstat(other)
    except OSError:
        return False
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _listen(job: str, child: int, ours: int) -> bytes:
    """Pass on what dgit says until it has ended, and end it in time; what it said last."""
    until = _until(job)
    given_up = False
    poll = select.poll()
    try:
        poll.register(posix.pidfd_open(child), select.POLLIN)
        most = None
    except OSError:
        most = UNSEEN  # no descriptor left, most likely
    if ours >= 0:
        poll.register(ours, select.POLLIN)
    said = b""
    while True:
        left = None if until is None else max(0.0, until - time.monotonic()) * 1000
        try:
            ready = [fd for fd, _ in poll.poll(left if most is None else min(left or most, most))]
        except OSError:
            time.sleep(0.01)  # no memory, most likely; dgit goes on, and is to be listened to
            continue
        if not ready and most is not None and (left or left is None):
            if posix.waitid(posix.P_PID, child, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT):
                return b"" if given_up else said
        elif not ready:
            until = None
            given_up = _give_up(job, child)
        elif ours in ready:
            data = posix.read(ours, LONGEST_TAIL)
            if not data:
                poll.unregister(ours)
            said = (said + data)[-LONGEST_TAIL:]
            _pass_on(data)
        else:
            # The pipe is empty. An orphan may hold it open; dgit has said all.
            return b"" if given_up else said


def _pass_on(data: bytes) -> None:
    try:
        while data:
            data = data[posix.write(2, data) :]
    except OSError:
        pass  # nobody listens any more; dgit would have got SIGPIPE, and need not


def _until(job: str) -> float | None:
    try:
        with open(job + "/until") as file:
            return float(file.read())
    except OSError:
        return None


def _give_up(job: str, child: int) -> bool:
    """dgit-repos-server's alarm is near: end dgit, unless what it has begun is not to be ended."""
    if not _nothing_was_asked(job, wire.GIVE_UP):
        return False
    say("dgit: gpgshim: the job's time is up, and nobody was asked to commit; dgit is ended")
    posix.kill(child, _signal.SIGKILL)
    return True


def _nothing_was_asked(job: str, request: str = wire.CLOSE) -> bool:
    try:
        answer, state = ask.ask(job, request)
    except ask.NoAnswer as error:
        say(f"dgit: gpgshim: {error}; the job is not called retriable")
        return False
    return (answer, state.partition(" ")[0]) == (wire.CLOSED, "uncommitted")


def _tell_what_would_be(job: str, said: bytes) -> None:
    """For a supervisor that only observes: what we would have made of dgit's failure."""
    try:
        answer, state = ask.ask(job, wire.CLOSE, patience=ask.PATIENCE)
        nothing_was_asked = (answer, state.partition(" ")[0]) == (wire.CLOSED, "uncommitted")
        if nothing_was_asked and failures.may_pass(said):
            ask.ask(job, wire.WOULD, str(TEMPFAIL), ask.PATIENCE)
    except ask.NoAnswer:
        pass  # it is not written down, and nothing else is changed by it


def _die_alike(status: int, taken: int) -> NoReturn:
    """Die as dgit did; `taken` is the status for a dgit that exits 75 by itself."""
    if posix.WIFSIGNALED(status):
        number = posix.WTERMSIG(status)
        if number != _signal.SIGKILL:
            _signal.signal(number, _signal.SIG_DFL)
        posix.kill(posix.getpid(), number)
        posix._exit(128 + number)  # it is blocked: the shell's way of saying it
    own = posix.WEXITSTATUS(status)
    posix._exit(taken if own == TEMPFAIL else own)
