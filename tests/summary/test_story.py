# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the story of a job claim, at each moment, no more than its journal so far proves?"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from gpgshim.core import records as r
from gpgshim.core.gate import DURABLE, State
from gpgshim.core.transcript import Transcript, TranscriptError, parse
from gpgshim.core.verdict import judge
from gpgshim.summary.events import Kind, Party
from gpgshim.summary.story import LONGEST_NAME, MEANINGS, UNDO, Heard, Story, Undo, job_name, tell
from tests.support.scratch import CHECKOUT

FIXTURES = sorted((CHECKOUT / "fixtures").glob("**/[jlt]*/*.txt"))

HEAD = "job: 2420\nattempt: 1\nauthority: o2m\ncommand: dgit-repos-server debian\n\n"
SIGNED = HEAD + (
    "! uncommitted\n+1.000 $ gpg -b f\n"
    "+1.000 # pid 7 in /tmp, under debsign[6], dgit[5], t2u processor [[4]\n"
    "+1.000 # sha256 abc f\n"
    "+1.250 ! unknown\n+1.251 > commit-to-public-upload\n+2.000 < go-ahead\n+2.001 ! committed\n"
    "+2.002 = go\n+2.500 # gpg 1 (pid 7) has ended\n"
)
REPORT = "+3.000 % said message Uploaded\n+3.000 % said email reported x\n+3.000 % said uploaded\n"
TOLD = "+3.100 > message Uploaded\n+3.100 > email reported x\n+3.100 > uploaded\n+3.101 uploaded\n"


def story_of(text: str) -> Story:
    return tell(parse(text.encode()))


def prefixes(transcript: Transcript) -> list[Transcript]:
    """What a crash at each line would have left."""
    lines = transcript.lines
    return [transcript._replace(lines=lines[:n]) for n in range(len(lines) + 1)]


def test_tables_are_total() -> None:
    assert set(UNDO) == set(product(DURABLE, Heard))
    assert set(MEANINGS) == set(Undo)
    assert set(UNDO.values()) == set(Undo)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_it_claims_what_the_verdict_of_the_journal_so_far_claims(path: Path) -> None:
    whole = parse(path.read_bytes())
    # The time of what went past the gate is unknown, so it changes what is true of all before.
    went_past = tell(whole).bypassed or judge(whole).ungated
    for transcript in prefixes(whole):
        story = tell(transcript)
        state = judge(transcript).state
        if not story.events:
            continue
        last = story.events[-1].undo
        assert (last is Undo.FINAL) is (state is State.COMMITTED)
        assert (last is Undo.RETRIABLE) is (state is State.UNCOMMITTED)
        assert (last is Undo.REFUSED) is story.verdict.refused
        # Later lines do not change what the story said of earlier ones.
        if not went_past:
            assert tell(whole).events[: len(story.events) - 1] == story.events[:-1]


SHOWN_IN_FULL = (
    r.Request, r.Answer, r.Sent, r.StateIs, r.OutcomeIs, r.Reported, r.Exited, r.Signalled,
    r.FileDigest,
)  # fmt: skip


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_nothing_is_left_out(path: Path) -> None:
    transcript = parse(path.read_bytes())
    story = tell(transcript)
    told = " ".join(" ".join((event.what, *event.notes)) for event in story.events)
    for record, _ in transcript.read():
        if isinstance(record, SHOWN_IN_FULL):
            assert all(str(value) in told for value in record.values)
    assert sum(len(event.notes) + 1 for event in story.events) == len(transcript.lines)


def test_the_parties_of_a_request_are_named() -> None:
    story = story_of(SIGNED + REPORT + TOLD)
    assert list(story.names.values()) == ["manager", "supervisor", "d-r-s", "dgit", "gpg"]
    ask = story.events[1]
    assert (ask.kind, ask.who, ask.to) == (Kind.ASK, Party.GPG, Party.SUPERVISOR)
    assert (ask.number, ask.by, len(ask.notes)) == (1, "debsign", 2)
    assert ask.what == "may I sign? gpg -b f"
    assert [(each.who, each.to) for each in story.events if each.kind is Kind.MESSAGE][:2] == [
        (Party.SUPERVISOR, Party.AUTHORITY),
        (Party.AUTHORITY, Party.SUPERVISOR),
    ]
    held = [each.what for each in story.events if each.kind is Kind.REPORT]
    assert held == ["(held) message Uploaded", "(held) email reported x", "(held) uploaded"]


def test_when_it_could_no_longer_be_retried() -> None:
    story = story_of(SIGNED + REPORT + TOLD)
    assert story.no_return is not None and story.commitment is not None
    assert story.events[story.no_return].what == "on disk: unknown"
    assert story.events[story.commitment].what == "on disk: committed"
    assert (story.retriable, story.seconds, story.signatures) == (1.25, 3.101, 1)
    assert story.events[0].at == 0 and story.is_to_scale
    story = story_of(HEAD + "! uncommitted\n+4.000 % exit 1\n+4.001 retriable\n")
    assert (story.no_return, story.commitment, story.retriable) == (None, None, 4.001)


def test_answers_go_to_clients_in_the_order_of_their_requests() -> None:
    story = story_of(
        HEAD + "! uncommitted\n$ gpg a\n! unknown\n> commit-to-public-upload\n$ gpg b\n? gpg c\n"
        "% gone 2\n% gone 2\n< go-ahead\n! committed\n= go\n= go\n"
    )
    answers = [event.number for event in story.events if event.kind is Kind.ANSWER]
    assert answers == [1, 3]
    assert story.waits_for == "gpg 1, gpg 3, which may sign"


def test_answers_without_a_request() -> None:
    story = story_of(HEAD + "! uncommitted\n= go\n= no because\n= no\n% gone 0\n")
    assert [event.what for event in story.events[1:4]] == ["go", "no: because", "no"]
    assert {event.number for event in story.events} == {0}


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        ("< refused\n= no so\n% exit 2\n", Undo.REFUSED),
        ("< what\n", Undo.UNKNOWN),
        ("% eof\n", Undo.UNKNOWN),
        ("% timeout\n", Undo.UNKNOWN),
        ("% close\n< go-ahead\n", Undo.UNKNOWN),
        ("% failed disk\n", Undo.UNKNOWN),
        ("% exit 1\n", Undo.UNKNOWN),
        ("% gone 1\n", Undo.ASKING),
    ],
)
def test_an_answer_changes_what_can_be_undone(lines: str, last: Undo) -> None:
    head = HEAD + "! uncommitted\n$ gpg f\n! unknown\n> commit-to-public-upload\n"
    # A manager has no word for a refusal, so the authority is a command here.
    assert story_of(head.replace("o2m", "./ask") + lines).events[-1].undo is last


def test_a_signature_past_the_gate_makes_nothing_sure() -> None:
    late = "% said uploaded\n% bypassed\n! unknown\n> commit-to-public-upload\n"
    story = story_of(HEAD + "! uncommitted\n" + late)
    assert story.bypassed and story.no_return == 0
    assert [event.undo for event in story.events[:3]] == [Undo.UNKNOWN] * 3
    assert story.events[-1].undo is Undo.ASKING  # closed as it is, the late answer is waited for


@pytest.mark.parametrize(
    ("text", "undo"),
    [
        (HEAD + "! unc", Undo.UNKNOWN),
        (HEAD[:-1], Undo.UNKNOWN),
        (HEAD + "! uncommitted\n$ gp", Undo.UNKNOWN),
        (SIGNED + "+3", Undo.FINAL),
    ],
)
def test_a_torn_line_may_have_been_any(text: str, undo: Undo) -> None:
    last = story_of(text).events[-1]
    assert (last.undo, last.kind) == (undo, Kind.NOTE)
    assert "torn" in last.what


#: A program that is not gpg: the lock of gpg-agent holds its command.
AT_AGENT = (
    "format: 2\n"
    + HEAD
    + "! uncommitted\n$ sq sign f\n# client 7 /src 6/sh\n# agent AB 8 CD PKSIGN\n"
)
AT_AGENT += "! unknown\n> commit-to-public-upload\n< go-ahead\n! committed\n= go\n"


@pytest.mark.parametrize(
    ("text", "waits"),
    [
        (HEAD + "! uncommitted\n", "the job: no request to commit was sent yet"),
        (SIGNED.partition("+2.000")[0], "the authority's answer (1 gpg)"),
        (
            SIGNED.partition("+2.000")[0] + "+1.300 $ gpg g\n",
            "the authority's answer (2 gpgs)",
        ),
        (SIGNED.partition("+2.500")[0], "gpg 1, which may sign"),
        (SIGNED, "the job to go on, or to end"),
        (AT_AGENT, "the job to go on, or to end"),
        (SIGNED + REPORT, "what is left of it to end: its report is held"),
        (SIGNED + "% exit 0\n", "its outcome to be written"),
        (SIGNED + REPORT + TOLD, ""),
    ],
)
def test_the_story_names_what_the_job_waits_for(text: str, waits: str) -> None:
    assert story_of(text).waits_for == waits


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("dgit-repos-server debian x", "d-r-s"),
        ("/usr/bin/make release", "make"),
        ("", "the job"),
        ("$'\\xff' x", "the job"),
        ("'unclosed", "the job"),
        ("/", "the job"),
        ("x" * 99, "x" * LONGEST_NAME),
    ],
)
def test_the_name_of_the_job_s_program(command: str, name: str) -> None:
    assert job_name({"command": command}) == name


def test_dgit_takes_part_once() -> None:
    text = SIGNED.replace("dgit-repos-server debian", "dgit push").replace("o2m", "ask")
    assert list(story_of(text).names.values()) == ["authority", "supervisor", "dgit", "gpg"]
    text = SIGNED.replace(", dgit[5]", "")
    assert Party.DGIT not in story_of(text).names


@pytest.mark.parametrize(("command", "who"), [("make", "dgit"), ("dgit push", "dgit")])
def test_dgit_takes_part_where_it_says_something(command: str, who: str) -> None:
    head = HEAD.replace("dgit-repos-server debian\n", f"{command}\nmode: observe\n")
    story = story_of(head + "! uncommitted\n% would 75\n")
    assert story.names[story.events[-1].who] == who
    assert set(story.names) >= {each.who for each in story.events}


def test_notes_are_other_people_s_words() -> None:
    words = ["gpg 99999999999 has ended", "gpg x has ended", "gpg", "pid 7 is nobody", "we got HUP"]
    story = story_of(HEAD + "! uncommitted\n" + "".join(f"# {each}\n" for each in words))
    assert [event.what for event in story.events[1:]] == [f"({each})" for each in words]
    story = story_of(HEAD + "! uncommitted\n$ gpg f\n# a word\n# sha256 1 f\n")
    assert [len(event.notes) for event in story.events] == [0, 0, 0, 0]


def test_times_that_cannot_be() -> None:
    assert not story_of(f"{HEAD}! uncommitted\n+1 # a\n+0.5 # b\n").is_to_scale


def test_times_may_be_missing() -> None:
    story = story_of(HEAD + "! uncommitted\n% exit 1\n")
    assert (story.seconds, story.retriable, story.is_to_scale) == (None, None, False)
    story = story_of(HEAD + "! uncommitted\n+1.0 # x\n% exit 1\n")
    assert (story.seconds, story.is_to_scale) == (1.0, False)
    assert not story_of(HEAD).is_to_scale


def test_a_journal_that_contradicts_itself_has_no_story() -> None:
    with pytest.raises(TranscriptError):
        story_of(HEAD + "! uncommitted\n% exit 1\nuploaded\n")


def test_its_name() -> None:
    assert story_of(SIGNED).name == "2420.1"
    assert story_of("gpg: x\n\n! uncommitted\n").name == "?.?"


RESOLVED = "% resolved uploaded a@h 2026-11-26T00:00:00Z it is public\n"


def test_a_resolution_is_the_last_event_and_keeps_the_scale() -> None:
    before = story_of(f"{SIGNED}+9.000 % exit 1\n+9.001 irrecoverable\n")
    story = story_of(f"{SIGNED}+9.000 % exit 1\n+9.001 irrecoverable\n{RESOLVED}")
    assert story.events[:-1] == before.events
    assert story.events[-1].what == "a@h resolved it as uploaded: it is public"
    assert (story.seconds, story.is_to_scale) == (before.seconds, True)
    assert story.events[-1].undo is Undo.FINAL  # what was done stays done


def test_a_refusal_does_not_vouch_for_a_job_whose_stunts_were_removed() -> None:
    asked = "! uncommitted\n$ gpg f\n! unknown\n> commit-to-public-upload\n< refused\n"
    head = HEAD.replace("o2m", "./ask")
    assert story_of(head + asked).events[-1].undo is Undo.REFUSED
    assert story_of(head + asked + "% ungated\n").events[-1].undo is Undo.UNKNOWN
