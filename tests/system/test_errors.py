# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does every error have one exit status, and one text: what was seen, what follows, a hint?"""

from __future__ import annotations

import errno
import os
import signal

import pytest

from gpgshim.system import errors, log
from gpgshim.system.errors import Fact, GpgshimError, Stopped, before_the_job, status_of

#: Class -> exit status: sysexits', and a shell's for a signal. Only what is not listed is internal.
STATUSES: dict[type[BaseException], int] = {
    errors.Misused: 64,
    errors.Malformed: 65,
    errors.Misconfigured: 78,
    errors.Unable: 74,
    errors.NotStarted: 77,
    errors.AlreadyDone: 0,
    KeyboardInterrupt: 130,
    BrokenPipeError: 141,
    OSError: 74,
    FileNotFoundError: 74,
    ImportError: 74,
    MemoryError: 74,
    AssertionError: 70,
    UnicodeDecodeError: 70,
}


def all_of(kind: type[GpgshimError]) -> set[type[GpgshimError]]:
    return {kind}.union(*(all_of(each) for each in kind.__subclasses__()))


def test_every_class_has_its_status() -> None:
    ours = all_of(GpgshimError) - {GpgshimError, errors.Stands}
    assert {each for each in ours if each.__module__ == errors.__name__} <= STATUSES.keys()
    assert errors.PYTHONS.keys() <= STATUSES.keys()


@pytest.mark.parametrize("kind", STATUSES, ids=lambda kind: kind.__name__)
def test_the_status(kind: type[BaseException]) -> None:
    words = ("utf-8", b"", 0, 1, "no") if kind is UnicodeDecodeError else ("seen",)
    assert status_of(kind(*words)) == STATUSES[kind]


def test_75_is_no_error_s() -> None:
    """75 means that the job can be tried again, and nothing else."""
    assert os.EX_TEMPFAIL not in STATUSES.values()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal(number: signal.Signals) -> None:
    assert status_of(Stopped(number)) == 128 + number
    assert number.name in str(Stopped(number))


def test_an_error_in_the_set_up_says_what_is_true() -> None:
    with pytest.raises(errors.Unable) as caught, before_the_job():
        raise errors.Unable("the disk is full")
    assert caught.value.fact is Fact.NOTHING_STARTED
    with pytest.raises(errors.Misused) as known, before_the_job():
        raise errors.Misused("no file", Fact.NOTHING_WRITTEN)
    assert known.value.fact is Fact.NOTHING_WRITTEN  # the code that raised it knew better
    with pytest.raises(OSError, match="full"), before_the_job():
        raise OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.Unable("a"), "gpgshim: a\n"),
        (errors.Unable("a", Fact.NOTHING_DONE), "gpgshim: a; nothing was done\n"),
        (errors.Unable("a", hint="b"), "gpgshim: a\ngpgshim: hint: b\n"),
        (errors.Unable("a\n", hint="b\nc"), "gpgshim: a\\n\ngpgshim: hint: b\\nc\n"),
    ],
)
def test_the_text(error: GpgshimError, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda fd, data: writes.append(data))
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    log.report(error)
    assert writes == [text.encode()]
