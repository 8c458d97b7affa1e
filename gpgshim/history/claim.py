# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The claim to a job's name: only its holder may start an attempt of the job, or resolve one.

Rule 1: the claim is held from before the look at the earlier attempts until the new attempt's
journal has its name and its own lock. So of two attempts that start at the same moment, the second
one finds the first under way.
Rule 2: the claim is a lock of one byte of one file in the directory of journals. The job's name
gives the position of the byte, so jobs do not wait for each other, and there is nothing to remove.
Rule 3: the earlier attempts are found by their numbers, from the newest on, and never by reading
the directory (except after pruning). The search ends at a journal that settles all before it.
Rule 4: an attempt whose journal cannot be read may have signed.
Rule 5: some attempts start without the claim (Option.WARN, if another process holds it for too
long). So the new journal gets its name only if its number is the next one after the look.

The kernel releases the claim with the process that holds it, so a crash leaves no claim. Before the
new journal has its name, a crash leaves at most a `.new.*` file, which means nothing: a second
attempt that waits finds no new attempt, and starts. After that, a crash leaves a journal without a
lock that says `uncommitted`: the second attempt finds that this one crashed before its request to
commit, and starts as the next number. A holder that is stopped and not killed still holds the
claim; then a second attempt waits for PATIENCE seconds and does not start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import names
from gpgshim.core.memory import (
    HINTS,
    STARTS,
    Option,
    Recalled,
    Standing,
    Start,
    described,
    head_of,
    recall,
)
from gpgshim.core.question import Before
from gpgshim.core.verdict import judge_bytes
from gpgshim.history.journal import attempts, has_name, marker, newest_attempt, read_content
from gpgshim.system.errors import AlreadyDone, GpgshimError, NotStarted, Unable
from gpgshim.system.places import STATE_HINT, make_private

PATIENCE = 30.0  #: seconds; the claim is usually held for some milliseconds
_PAUSE = 0.01  #: seconds between two tries

_POSITIONS = 1 << 62  #: bytes of a file that can be locked, whatever its size


class Earlier(NamedTuple):
    """An earlier attempt of a job, and its journal."""

    job: str
    attempt: int
    path: Path
    recalled: Recalled

    @property
    def name(self) -> str:
        """JOB.N."""
        return names.journal_of(self.job, self.attempt)

    def described(self) -> str:
        """The attempt, its standing and its journal, in one clause."""
        return f"attempt {self.name} {described(self.recalled)} [{self.path}]"

    def before(self) -> Before:
        """The same for a question to an authority."""
        return Before(self.attempt, str(self.path), self.recalled)


class Beginning(NamedTuple):
    """An attempt that may start: what its head says, and the warning for the user, if any.

    `newest` is the number of the newest attempt that was looked at, or None without a look. If
    there is a later one, the decision is out of date: see Journal.create.
    `earlier` is what newest_that_stands() found.
    """

    head: dict[str, str]
    warning: GpgshimError | None = None
    newest: int | None = None
    earlier: Earlier | None = None


@contextlib.contextmanager
def begin(
    directory: Path, job: str, option: Option, patience: float = PATIENCE
) -> Iterator[Beginning]:
    """Hold the claim of a job whose attempt may start, as `option` says.

    The body makes the journal of the attempt in `directory`. Raises NotStarted or AlreadyDone if
    the attempt may not start, and Unable if the earlier attempts cannot be found.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold(directory, job, patience))
        except NotStarted as error:
            if option is not Option.WARN:
                raise
            yield Beginning({}, error)
            return
        try:
            newest = newest_attempt(directory, job)
            earlier = newest_that_stands(directory, job)
        except OSError as error:
            raise Unable(
                f"the attempts of job {job} in {directory} cannot be found: {error.strerror}"
            ) from error
        yield decide(job, earlier, option)._replace(newest=newest)


def decide(job: str, earlier: Earlier | None, option: Option) -> Beginning:
    """The decision of STARTS on a new attempt. Raises NotStarted or AlreadyDone."""
    standing = earlier.recalled.standing if earlier else Standing.NONE
    start = STARTS[standing, option]
    head = head_of(earlier.attempt if earlier else 0, start, option)
    if earlier is None or start in (Start.STARTS, Start.OVERRIDES):
        return Beginning(head, earlier=earlier)
    if start is Start.SKIPPED:
        raise AlreadyDone(f"the job is done: {earlier.described()}", journal=earlier.path)
    hint = HINTS[standing].format(job=job, attempt=earlier.name)
    stop = NotStarted(earlier.described(), hint=hint, journal=earlier.path)
    if start is Start.WARNS:
        return Beginning(head, stop, earlier=earlier)
    raise stop


def newest_that_stands(directory: Path, job: str) -> Earlier | None:
    """The attempt of `job` that decides: see that_stands(). None without any.

    Raises OSError.
    """
    return that_stands(look(directory, job, number) for number in _numbers(directory, job))


def that_stands(newest_first: Iterable[Earlier | None]) -> Earlier | None:
    """The attempt that decides: one that is under way, or else the first one that stands.

    If none stands, it is the first one. None in `newest_first` is an attempt that was pruned. It
    takes no more from `newest_first` than it needs. A later attempt that only warned may be over,
    and stand, while an earlier one is still under way.
    """
    first = stands = None
    for earlier in newest_first:
        if earlier is None:
            continue
        if earlier.recalled.standing is Standing.UNDER_WAY:
            return earlier
        first = first or earlier
        if earlier.recalled.stands:
            stands = stands or earlier
        if earlier.recalled.settles:
            break
    return stands or first


def _numbers(directory: Path, job: str) -> Iterable[int]:
    newest = newest_attempt(directory, job)
    if has_name(marker(directory, job)):  # the numbers may have gaps
        return reversed(attempts(directory, job))
    return range(newest, 0, -1)


def look(directory: Path, job: str, attempt: int) -> Earlier | None:
    """That attempt of `job`; None if there is none. Raises OSError if that is unknown."""
    path = directory / names.journal_of(job, attempt)
    try:
        content = read_content(path)
        recalled = recall(content.data, content.is_locked)
    except OSError:
        if not has_name(path):
            return None
        recalled = Recalled(Standing.UNREADABLE, judge_bytes(b""), settles=False)
    return Earlier(job, attempt, path, recalled)


@contextlib.contextmanager
def hold(directory: Path, job: str, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the claim to the name `job`.

    Raises NotStarted if another process holds it for `patience` seconds, Misconfigured if other
    users can write to `directory`, and Unable if there can be no lock.
    """
    make_private(directory, STATE_HINT)
    path = directory / names.CLAIMS
    until = time.monotonic() + patience
    try:
        while (fd := lock(path, job)) is None:
            if time.monotonic() >= until:
                raise NotStarted(
                    f"another process has been starting or resolving an attempt of {job} for"
                    f" {patience:g} s",
                    hint="`gpgshim status` lists jobs; a process that is stopped keeps its claim",
                )
            time.sleep(_PAUSE)
    except OSError as error:
        raise Unable(f"cannot lock {path}: {error.strerror}") from error
    try:
        yield
    finally:
        # The journal has its own lock by now. An error of either call changes nothing of that.
        unlock(fd, job)


def unlock(fd: int, name: str) -> None:
    """Release what lock() has returned. Raises nothing."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _lock_of(fcntl.F_UNLCK, _position(name)))
    with contextlib.suppress(OSError):
        os.close(fd)


def lock(path: Path, name: str) -> int | None:
    """A descriptor that holds the lock of the byte of `name` in the file `path`.

    None if another process holds it. Raises OSError.
    """
    wanted = _lock_of(fcntl.F_WRLCK, _position(name))
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if _take(fd, wanted) and _is_still(path, fd):
            return fd
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _take(fd: int, wanted: bytes) -> bool:
    """Whether no other process holds the lock, which is ours then. Raises OSError."""
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, wanted)
    except (BlockingIOError, PermissionError):  # fcntl(2): EAGAIN or EACCES
        return False
    return True


def _is_still(path: Path, fd: int) -> bool:
    """Whether `path` names the open file: a removed one excludes no process. Raises OSError."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def _lock_of(kind: int, position: int) -> bytes:
    """fcntl(2)'s struct flock for one byte."""
    return struct.pack("@hhqqi0q", kind, os.SEEK_SET, position, 1, 0)


def _position(name: str) -> int:
    # Imported here, because only a named job needs it. If the disk does not give back the library
    # of a function, hashlib is loaded without it: only this form is an ImportError then.
    from hashlib import blake2b

    digest = blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest) % _POSITIONS
