# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an attempt need a person exactly if someone has to find out what it did?"""

from __future__ import annotations

import pytest

from gpgshim.core.memory import STARTS, Option, Standing, Start
from gpgshim.core.need import NEEDS, Alarm, Past, look
from gpgshim.core.transcript import TORN

HEAD = b"job: j\nattempt: 1\n\n"
ASKED = b"! uncommitted\n$ gpg -s\n! unknown\n> commit-to-public-upload\n"
GRANTED = ASKED + b"< go-ahead\n! committed\n= go\n"
LATE = b"! uncommitted\n% said uploaded\n% bypassed\n! unknown\n> commit-to-public-upload\n"
RESOLVED = b"% resolved retriable ann@host 2026-11-26T01:02:03Z looked\n"
S, A = Standing, Alarm

RESOLVED_ALL = {S.RESOLVED_RETRIABLE, S.RESOLVED_UPLOADED, S.RESOLVED_IRRECOVERABLE}
#: What stops the next attempt, and whose caller knows the reason.
ONLY_STOPS = {S.UNDER_WAY, S.UPLOADED, S.PERMANENT, S.REFUSED_EARLIER} | RESOLVED_ALL


def test_the_table_is_total() -> None:
    assert set(NEEDS) == set(Standing)
    assert all(tuple(Past) == row._fields for row in NEEDS.values())
    named = {need for row in NEEDS.values() for need in row if need}
    assert named == set(Alarm)


@pytest.mark.parametrize("standing", Standing)
def test_each_row(standing: Standing) -> None:
    row = NEEDS[standing]
    stops = STARTS[standing, Option.NONE] is not Start.STARTS
    assert (row.nothing is not None) == (stops and standing not in ONLY_STOPS)
    nobody = RESOLVED_ALL | {S.NONE}
    assert row.bypassed is (None if standing in nobody else A.BYPASSED)
    ungated = nobody | {S.UNDER_WAY, S.OBSERVED}
    assert row.ungated is (None if standing in ungated else A.UNGATED)


@pytest.mark.parametrize(
    ("lines", "need"),
    [
        (b"! uncommitted\n% exit 1\nretriable\n", None),
        (b"! uncommitted\n% exit 0\nunsigned\n", None),
        (b"! uncommitted\n% no-start 127\nirrecoverable\n", None),
        (b"! uncommitted\n", None),  # it crashed before its request
        (b"! uncommitted\n! unk", A.CRASHED),
        (ASKED, A.CRASHED),
        (GRANTED, A.CRASHED),
        (GRANTED + b"% exit 0\n", None),  # it has ended well
        (ASKED + b"% eof\n% exit 1\nirrecoverable\n", A.UNKNOWN),
        (ASKED + b"< refused\n% exit 1\nrefused\n", None),
        (ASKED + b"< refused\n% exit 1\nirrecoverable\n", None),
        (GRANTED + b"% exit 1\nirrecoverable\n", A.IRRECOVERABLE),
        (GRANTED + b"% exit 0\nuploaded\n", None),
        (LATE + b"< go-ahead\n! committed\nuploaded\n", A.BYPASSED),
        (LATE + b"% eof\nirrecoverable\n", A.BYPASSED),
        (LATE, A.BYPASSED),
        (b"! uncommitted\n% ungated\n% exit 1\nirrecoverable\n", A.UNGATED),
        (b"! uncommitted\n% ungated\n", A.UNGATED),
        (GRANTED + b"% ungated\n% exit 0\nuploaded\n", None),
        (b"nonsense\n", A.UNKNOWN),
    ],
)
def test_the_need_of_a_journal(lines: bytes, need: Alarm | None) -> None:
    data = HEAD + lines
    seen = look(data, under_way=False)
    assert (seen.need, seen.settled) == (need, need is None)
    resolved = data + (RESOLVED if data.endswith(b"\n") else TORN + RESOLVED)
    assert look(resolved, under_way=False).settled


@pytest.mark.parametrize(
    ("lines", "need"),
    [
        (GRANTED + b"% exit 1\nobserved\n", None),
        (b"! uncommitted\n% ungated\n% exit 1\nobserved\n", None),
        (b"! uncommitted\n% said uploaded\n% bypassed\nobserved\n", A.BYPASSED),
    ],
)
def test_a_job_that_was_only_observed(lines: bytes, need: Alarm | None) -> None:
    assert look(b"job: j\nattempt: 1\nmode: observe\n\n" + lines, under_way=False).need is need


def test_an_attempt_under_way_is_not_settled() -> None:
    for lines in (b"! uncommitted\n", ASKED, b"! uncommitted\n% exit 1\nretriable\n"):
        seen = look(HEAD + lines, under_way=True)
        assert (seen.need, seen.settled) == (None, False)
    assert look(HEAD + LATE, under_way=True).need is A.BYPASSED
    # Its outcome is on disk: the supervisor is only leaving.
    assert look(HEAD + GRANTED + b"% exit 1\nirrecoverable\n", under_way=True).need is not None
