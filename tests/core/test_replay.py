# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a replay find each line that the present gate would have decided in another way?"""

from __future__ import annotations

import pytest

from gpgshim.core.replay import replay
from gpgshim.core.transcript import parse

HEAD = "job: 2420\nauthority: o2m\n\n"
COMMITTED = """\
! uncommitted
$ gpg -b f
! unknown
> commit-to-public-upload
< go-ahead
! committed
= go
"""
UPLOADED = """\
% said message Uploaded to unstable
% said email reported <1@x>
% said uploaded
"""
TOLD = """\
> message Uploaded to unstable
> email reported <1@x>
> uploaded
"""

#: What is wrong (nothing, or a word of it): the lines of the journal.
JOURNALS = {
    "uploaded": COMMITTED + UPLOADED + TOLD + "uploaded\n",
    "retriable": (
        "! uncommitted\n% close\n"
        "% said message m\n% said email unreported <1@x>\n% said retriable\n"
        "> message m\n> email unreported <1@x>\n> retriable\nretriable\n"
    ),
    "an orphan asks before the report is out": (
        "! uncommitted\n"
        "% said message m\n% said email unreported <1@x>\n% said retriable\n"
        "$ gpg -s late\n= no the job is over\n"
        "> message m\n> email unreported <1@x>\n> retriable\nretriable\n"
    ),
    "died, nothing granted": (
        "! uncommitted\n% signal 9\n> message processing crashed before the gate let any gpg sign\n"
        "> email unreported -\n> retriable\nretriable\n"
    ),
    # As earlier versions worded it.
    "died, nothing granted, long ago": (
        "! uncommitted\n% signal 9\n> message processing crashed before any signature was made\n"
        "> email unreported -\n> retriable\nretriable\n"
    ),
    "died after a grant": COMMITTED + "% signal 9\nirrecoverable\n",
    "half a report": "! uncommitted\n% half\n% exit 1\nretriable\n",
    "retriable after a grant": (
        COMMITTED + "% said message m\n% said email unreported -\n% said retriable\n"
        "> message m\n> email unreported -\n> irrecoverable\nirrecoverable\n"
    ),
    "bypassed": (
        "! uncommitted\n" + UPLOADED + "% bypassed\n! unknown\n> commit-to-public-upload\n"
        "< go-ahead\n! committed\n" + TOLD + "uploaded\n"
    ),
    "bypassed, and the manager is gone": (
        "! uncommitted\n"
        + UPLOADED
        + "% bypassed\n! unknown\n> commit-to-public-upload\n% eof\nirrecoverable\n"
    ),
    "two at once, answered together": (
        COMMITTED + "$ gpg -b g\n$ gpg -b h\n= go\n= go\n" + UPLOADED + TOLD + "uploaded\n"
    ),
}


def differences(journal: str) -> list[str]:
    return replay(parse((HEAD + journal).encode()))


@pytest.mark.parametrize("name", JOURNALS)
def test_our_own_journals_replay_without_a_difference(name: str) -> None:
    assert differences(JOURNALS[name]) == []


@pytest.mark.parametrize("name", JOURNALS)
def test_an_output_less_or_more_is_seen(name: str) -> None:
    lines = JOURNALS[name].splitlines(keepends=True)
    for at, line in enumerate(lines):
        if line[0] in ">=!":
            assert differences("".join(lines[:at] + lines[at + 1 :])), line
            assert differences("".join([*lines[:at], line, *lines[at:]])), line


@pytest.mark.parametrize(
    ("journal", "seen"),
    [
        (
            COMMITTED.replace("! unknown\n", ""),
            "'> commit-to-public-upload' stands where '! unknown'",
        ),
        (JOURNALS["uploaded"].replace("> uploaded", "> retriable"), "where '> uploaded' was due"),
        (COMMITTED + "= go\n", "'= go' stands where 'nothing' was due"),
        ("! uncommitted\n$ gpg\n% exit 1\n", "'% exit 1' comes where '! unknown' was due"),
        (COMMITTED + "% exit 0\nretriable\n", "its outcome is uploaded, but it says retriable"),
    ],
)
def test_a_difference_names_the_expected_line(journal: str, seen: str) -> None:
    assert any(seen in each for each in differences(journal))
