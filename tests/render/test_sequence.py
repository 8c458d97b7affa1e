# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the sequence diagram of a job have the strips of its events, in their order?"""

from __future__ import annotations

from pathlib import Path

import pytest

from gpgshim.core.transcript import parse
from gpgshim.render.sequence import (
    MOST_EVENTS,
    Across,
    Change,
    Message,
    Milestone,
    Moment,
    Pause,
    Strip,
    strips_of,
)
from gpgshim.summary.events import Party
from gpgshim.summary.story import Undo, tell
from tests.support.pages import ASKED, FIXTURES, HEAD, STARTED, UPLOADED, many

BEGUN = HEAD + STARTED + "! uncommitted\n"


def strips(text: str, is_live: bool = False, end: float | None = None) -> list[Strip]:
    return strips_of(tell(parse(text.encode())), is_live, end)


def words(found: list[Strip]) -> list[str]:
    return [strip.undo if isinstance(strip, Change) else strip.words for strip in found]


def test_the_rows_of_a_job_that_was_uploaded() -> None:
    assert words(strips(UPLOADED, end=9.002)) == [
        "retriable",
        "on disk: uncommitted",
        "no event for 1.000 s",
        "debsign: gpg -b f",
        "gpg 1: may I sign?",
        "point of no return",
        "being asked",
        "on disk: unknown",
        "commit-to-public-upload",
        "no event for 0.749 s",
        "go-ahead",
        "committed",
        "final",
        "on disk: committed",
        "gpg 1: go",
        "gpg 1 has ended",
        "no event for 6.500 s",
        "(held) uploaded",
        "uploaded",
        "outcome: uploaded",
    ]


def test_the_strips_of_a_job_name_their_events() -> None:
    found = {strip.words: strip for strip in strips(UPLOADED) if not isinstance(strip, Change)}
    P = Party
    assert found["debsign: gpg -b f"] == Message(P.DGIT, P.GPG, "debsign: gpg -b f", 1.0)
    assert found["gpg 1: may I sign?"] == Message(P.GPG, P.SUPERVISOR, "gpg 1: may I sign?", 1.0)
    assert found["gpg 1: go"] == Message(
        P.SUPERVISOR, P.GPG, "gpg 1: go", 2.002, is_answer=True, grants=1
    )
    assert found["(held) uploaded"] == Message(
        P.JOB, P.SUPERVISOR, "(held) uploaded", 9.0, is_answer=True
    )
    assert found["go-ahead"] == Message(P.AUTHORITY, P.SUPERVISOR, "go-ahead", 2.0, is_strong=True)
    assert found["gpg 1 has ended"] == Moment(P.GPG, "gpg 1 has ended", 2.5, False, False, 1)
    assert found["on disk: unknown"] == Moment(
        P.SUPERVISOR, "on disk: unknown", 1.25, True, True, None
    )
    assert found["point of no return"] == Across(Milestone.NO_RETURN, "point of no return", 1.25)
    assert found["committed"] == Across(Milestone.COMMITTED, "committed", 2.001)


def test_a_job_without_a_request_has_no_line_across() -> None:
    found = strips(BEGUN + "+4.000 % exit 1\n+4.001 retriable\n")
    assert not [strip for strip in found if isinstance(strip, Across)]
    assert [strip for strip in found if isinstance(strip, Change)] == [Change(Undo.RETRIABLE, 0.0)]


def test_a_torn_journal_has_another_text_at_its_point_of_no_return() -> None:
    assert "from here on the state is not known" in words(strips(BEGUN + "+1.25"))


def test_an_unknown_command_and_an_unknown_caller() -> None:
    found = words(strips(BEGUN + "+1.0 ? gpg --new-command\n+1.1 = no why\n"))
    assert found[2:] == [
        "unknown program: gpg --new-command",
        "gpg 1: may I run?",
        "gpg 1: no: why",
    ]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (11.251, ["no event for 10.0 s", "now: waits for the authority's answer (1 gpg)"]),
        (1.5, ["now: waits for the authority's answer (1 gpg)"]),  # the pause is too short
        (None, ["now: waits for the authority's answer (1 gpg)"]),
    ],
)
def test_a_job_under_way_ends_now(end: float | None, expected: list[str]) -> None:
    found = strips(ASKED, True, end)
    assert words(found)[-len(expected) - 1 :] == ["commit-to-public-upload", *expected]
    assert found[-1] == Across(Milestone.NOW, expected[-1], end or 0.0)


def test_a_job_under_way_without_times_or_events() -> None:
    assert words(strips(BEGUN, True, 10))[-1].startswith("now: waits for the job")
    assert len(strips(HEAD + STARTED, True, 10)) == 4


def omissions(text: str) -> list[int]:
    pauses = [strip.words for strip in strips(text) if isinstance(strip, Pause)]
    return [int(each.partition(" events omitted")[0]) for each in pauses]


def test_a_short_pause_in_a_long_job_has_no_strip() -> None:
    text = BEGUN + "+1.0 = no\n+2.0 = no\n+100.0 % exit 1\n"
    for end, number in ((100, 1), (20, 3), (None, 0)):
        assert sum(isinstance(strip, Pause) for strip in strips(text, end=end)) == number


def test_a_long_job_has_omissions_but_never_of_a_milestone() -> None:
    assert omissions(many(10)) == []
    (omitted,) = omissions(many(5000))
    assert 10007 - MOST_EVENTS - 14 <= omitted <= 10007 - MOST_EVENTS + 1
    assert len(omissions(many(300, before=2000))) == 2
    for text in (many(5000), many(300, before=2000)):
        milestones = [strip.milestone for strip in strips(text) if isinstance(strip, Across)]
        assert milestones == [Milestone.NO_RETURN, Milestone.COMMITTED]
    assert len(omissions(BEGUN + "+1.0 = no\n" * 500)) == 1


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_every_event_of_a_recorded_job_has_a_strip(path: Path) -> None:
    story = tell(parse(path.read_bytes()))
    found = [
        strip for strip in strips_of(story, False, None) if isinstance(strip, Message | Moment)
    ]
    asks = sum(event.kind == "ask" for event in story.events)
    assert len(found) == len(story.events) + asks  # a request is two arrows
    parties = {
        party
        for strip in found
        for party in (
            (strip.sender, strip.receiver) if isinstance(strip, Message) else (strip.party,)
        )
    }
    assert parties <= set(story.names)
