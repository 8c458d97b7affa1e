# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a new attempt of a job start only if no earlier attempt may have done what stays?"""

from __future__ import annotations

from itertools import product

import pytest

from gpgshim.core import memory
from gpgshim.core.gate import MEANINGS
from gpgshim.core.memory import HINTS, STARTS, Option, Standing, Start, head_of, is_needed, recall
from gpgshim.core.records import Resolution
from gpgshim.core.transcript import HEAD_KEYS, TORN

HEAD = b"job: j\nattempt: 1\n\n"
ASKED = b"! uncommitted\n$ gpg -s\n! unknown\n> commit-to-public-upload\n"
GRANTED = ASKED + b"< go-ahead\n! committed\n= go\n"
S, P, D = Standing, Option, Start

#: The rows of DESIGN's table: the standings after which an attempt starts.
HARMLESS = {
    S.NONE, S.RETRIABLE, S.UNSIGNED, S.OBSERVED, S.REFUSED, S.CRASHED_EARLY, S.RESOLVED_RETRIABLE,
}  # fmt: skip
DONE = {S.UPLOADED, S.RESOLVED_UPLOADED}


def test_the_table_is_total() -> None:
    assert set(STARTS) == set(product(Standing, Option))


@pytest.mark.parametrize(("standing", "option"), STARTS)
def test_each_row(standing: Standing, option: Option) -> None:
    if standing in HARMLESS:
        expected = D.STARTS
    elif option is P.WARN:
        expected = D.WARNS
    elif standing is S.UNDER_WAY:
        expected = D.NOT_STARTED  # nothing starts a second attempt
    elif option is P.AGAIN:
        expected = D.OVERRIDES
    elif option is P.SKIP_DONE and standing in DONE:
        expected = D.SKIPPED
    else:
        expected = D.NOT_STARTED
    assert STARTS[standing, option] is expected


def test_each_standing_that_stops_has_a_hint() -> None:
    assert set(HINTS) == set(Standing) - HARMLESS
    for standing, hint in HINTS.items():
        shown = hint.format(job="j", attempt="j.2")
        assert "{" not in shown
        assert ("--again" in shown) == (STARTS[standing, P.AGAIN] is D.OVERRIDES)
        assert ("--skip-done" in shown) == (STARTS[standing, P.SKIP_DONE] is D.SKIPPED)


def test_each_pair_of_an_outcome_has_a_standing() -> None:
    assert set(memory._CRASHED) == set(MEANINGS)
    # What an earlier version called irrecoverable was told, and not derived.
    old = {pair for pair in memory._TOLD if pair not in MEANINGS}
    assert [str(pair[0]) for pair in old] == ["refused"]
    assert set(memory._TOLD) - old == set(MEANINGS)
    assert set(memory._RESOLVED) == set(Resolution)


@pytest.mark.parametrize(
    ("lines", "standing"),
    [
        (b"! uncommitted\n% exit 1\nretriable\n", S.RETRIABLE),
        (b"! uncommitted\n% exit 0\nunsigned\n", S.UNSIGNED),
        (b"! uncommitted\n% no-start 127\nirrecoverable\n", S.PERMANENT),
        (b"! uncommitted\n% no-start 127\n", S.PERMANENT),
        (b"! uncommitted\n", S.CRASHED_EARLY),
        (b"! uncommitted\n% exit 0\n", S.CRASHED_EARLY),
        (b"! uncommitted\n! unk", S.CRASHED_LATE),
        (ASKED, S.CRASHED_LATE),
        (ASKED + b"% eof\n% exit 1\nirrecoverable\n", S.UNKNOWN),
        (ASKED + b"< refused\n% exit 1\nrefused\n", S.REFUSED),
        (ASKED + b"< refused\n", S.REFUSED),
        (ASKED + b"< refused\n% exit 1\nirrecoverable\n", S.REFUSED_EARLIER),
        (GRANTED, S.CRASHED_LATE),
        (GRANTED + b"% exit 0\nuploaded\n", S.UPLOADED),
        (GRANTED + b"% exit 0\n", S.UPLOADED),
        (GRANTED + b"% exit 1\nirrecoverable\n", S.COMMITTED),
        (b"! uncommitted\n% ungated\n% exit 1\nirrecoverable\n", S.UNKNOWN),
        (b"", S.CRASHED_LATE),
        (b"nonsense\n", S.UNREADABLE),
    ],
)
def test_the_standing_of_a_journal(lines: bytes, standing: Standing) -> None:
    recalled = recall(HEAD + lines, under_way=False)
    assert recalled.standing is standing
    assert recalled.stands == (standing not in HARMLESS)
    assert not recalled.settles


@pytest.mark.parametrize("result", Resolution)
@pytest.mark.parametrize(
    "data", [HEAD + GRANTED, HEAD + b"! uncommitted\n! unk" + TORN, b"nonsense\n", TORN]
)
def test_a_resolution_replaces_the_standing(data: bytes, result: Resolution) -> None:
    line = f"% resolved {result} ann@host 2026-11-26T01:02:03Z looked\n".encode()
    assert recall(data + line, under_way=False).standing == f"resolved as {result}"


@pytest.mark.parametrize("lines", [b"! uncommitted\n", GRANTED, b"nonsense\n"])
def test_an_attempt_under_way_stands_as_that(lines: bytes) -> None:
    assert recall(HEAD + lines, under_way=True).standing is S.UNDER_WAY


def test_an_attempt_that_has_its_outcome_only_finishes() -> None:
    done = HEAD + b"! uncommitted\n% exit 1\nretriable\n"
    assert recall(done, under_way=True).standing is S.RETRIABLE


def test_observe_mode_never_stops_a_later_attempt() -> None:
    observed = b"job: j\nmode: observe\n\n" + GRANTED
    assert recall(observed, under_way=False).standing is S.OBSERVED
    assert recall(observed + b"% exit 0\nobserved\n", under_way=False).standing is S.OBSERVED
    assert recall(observed, under_way=True).standing is S.UNDER_WAY


@pytest.mark.parametrize("key", sorted(memory.SETTLES))
def test_a_head_says_that_nothing_before_it_stands(key: str) -> None:
    assert key in HEAD_KEYS
    data = f"job: j\n{key}: 2\n\n! uncommitted\n".encode()
    assert recall(data, under_way=False).settles


def test_the_head_of_a_new_attempt() -> None:
    for option in (P.NONE, P.AGAIN, P.SKIP_DONE):
        assert head_of(0, D.STARTS, option) == head_of(3, D.STARTS, option) == {"earlier": "none"}
        assert head_of(3, D.OVERRIDES, option) == {"again": "3"}
    assert head_of(3, D.WARNS, P.WARN) == {}  # what stood still stands
    assert head_of(0, D.STARTS, P.WARN) == {}  # the manager decides about the job


NAMED, BARE = b"job: j\nearlier: none\n\n! uncommitted\n", b"job: j\n\n! uncommitted\n"
STANDS, GONE = b"! unknown\n% exit 1\nirrecoverable\n", b"% exit 1\nretriable\n"


@pytest.mark.parametrize(
    ("newest_first", "needed"),
    [
        ([], False),
        ([NAMED + STANDS], True),
        ([NAMED + GONE, NAMED + STANDS], False),  # it was resolved, or repeated
        ([BARE + GONE, NAMED + STANDS], True),  # an observed attempt does not settle it
        ([BARE + STANDS], False),  # the manager decides about its job
        ([BARE + STANDS, NAMED + STANDS], True),
        ([BARE + GONE], False),
    ],
)
def test_the_attempts_on_which_the_next_one_depends(
    newest_first: list[bytes], needed: bool
) -> None:
    assert is_needed(recall(each, under_way=False) for each in newest_first) is needed
