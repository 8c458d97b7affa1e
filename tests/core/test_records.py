# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does each kind of record come back from its line, and is a line that is none refused?"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.core import codec, wording
from gpgshim.core import records as r
from gpgshim.core.codec import KINDS, Process, Record, RecordError, read, text_of
from gpgshim.core.gate import DURABLE, State
from gpgshim.core.transcript import SIGILS, TranscriptError, parse_line
from gpgshim.summary import events

#: What a word of a line can be: any bytes, as Python has them in file names.
NAMES = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
NUMBERS = st.integers(0, 10**18)

FIELDS: dict[Any, st.SearchStrategy[Any]] = {
    int: NUMBERS,
    str: NAMES,
    codec.Code: st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12),
    codec.Text: PRINTABLE,
    codec.Processes: st.lists(st.builds(Process, NUMBERS, NAMES), max_size=3).map(tuple),
    State: st.sampled_from(DURABLE),
}


def records_of(kind: type[Record]) -> st.SearchStrategy[Record]:
    def values(annotation: Any) -> st.SearchStrategy[Any]:
        if annotation in FIELDS:
            return FIELDS[annotation]
        assert issubclass(annotation, StrEnum)
        return st.sampled_from(annotation)

    own = next(
        each.__annotations__ for each in kind.__mro__ if each.__annotations__ or each is Record
    )
    fields = own if kind.fields else {}
    return st.builds(kind, *map(values, fields.values()))


RECORDS = st.sampled_from(sorted(KINDS.values(), key=lambda kind: kind.start)).flatmap(records_of)


def read_line(text: str) -> Record:
    line = parse_line(text)
    return read(line.sigil, line.text)


@given(RECORDS)
def test_a_record_comes_back_from_its_line(record: Record) -> None:
    text = text_of(record)
    assert text.isascii() and text.isprintable()
    back = read_line(text)
    # Surrogates that utf-8 can decode come back as what they stand for: compare the lines.
    assert (type(back), text_of(back)) == (type(record), text)
    assert hash(back) == hash(read_line(text)) and back == read_line(text)
    codec.check(parse_line(text).sigil, parse_line(text).text)


@given(RECORDS, RECORDS)
def test_two_records_are_the_same_if_their_lines_are(one: Record, other: Record) -> None:
    assert (one == other) is (text_of(one) == text_of(other))


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (r.Exited(3), "% exit 3"),
        (r.Denied(r.Cause.TIMEOUT, ""), "= no timeout"),
        (r.Denied(r.Cause.CLOSED, "the job is over"), "= no closed the job is over"),
        (r.Failed("enospc", "No space left on device"), "% failed enospc No space left on device"),
        (
            r.Client(7, "/a b", (Process(6, "sh"), Process(4, "t2u processor ["))),
            "# client 7 '/a b' 6/sh '4/t2u processor ['",
        ),
        (r.Client(7, "", ()), "# client 7 ''"),
        (r.FileDigest("5891", "-"), "# sha256 5891 -"),
        (r.SignRequest("gpg -b f"), "$ gpg -b f"),
        (r.StateIs(State.UNKNOWN), "! unknown"),
        (r.InvalidReport("b\xfcro\n"), r"# wrote b\xc3\xbcro\n"),
    ],
)
def test_the_text_of_a_line(record: Record, text: str) -> None:
    assert text_of(record) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("% ended", "unknown word after '%' in '% ended'"),
        ("% unkept", "unknown word after '%' in '% unkept'"),
        ("! closed", "'closed' is not a state on disk, in '! closed'"),
        ("= yes", "unknown word after '=' in '= yes'"),
        ("= go on", "1 fields, and not 0, in '= go on'"),
        ("= no", "'' is not a valid Cause, in '= no'"),
        ("= no because", "'because' is not a valid Cause, in '= no because'"),
        ("% exit", "0 fields, and not 1, in '% exit'"),
        ("% exit x", "'x' is not a number, in '% exit x'"),
        ("% exit -1", "'-1' is not a number, in '% exit -1'"),
        ("% exit 1 2", "2 fields, and not 1, in '% exit 1 2'"),
        (
            "% resolved retriable a\x1b[2J 2026-11-26T00:00:00Z x",
            r"a\x1b[2J is not one word of printable characters,"
            r" in '% resolved retriable a\x1b[2J 2026-11-26T00:00:00Z x'",
        ),
        ("< what", "unknown word after '<' in '< what'"),
        ("# pid 7 in /", "unknown word after '#' in '# pid 7 in /'"),
    ],
)
def test_a_line_that_is_no_record_is_refused(text: str, seen: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_line(text)
    assert str(caught.value) == seen
    with pytest.raises(RecordError):
        codec.check(parse_line(text).sigil, parse_line(text).text)


@pytest.mark.parametrize(
    "text",
    ["client", "client x /", "client 7", "ended 1", "sha256 'a", "killed why 1/a", "ended 1 x"],
)
def test_a_note_whose_fields_cannot_be_read_is_shown_as_it_is(text: str) -> None:
    assert read("#", text) == r.Note(text)
    codec.check("#", text)


def test_a_record_has_all_its_fields_and_no_others() -> None:
    assert r.Exited(status=3) == r.Exited(3)
    assert repr(r.Exited(3)) == "Exited(3)"
    for wrong in ({}, {"signal": 3}, {"status": 3, "signal": 3}):
        with pytest.raises(TypeError, match="Exited has the fields status"):
            r.Exited(**wrong)
    with pytest.raises(TypeError):
        r.Exited(3, 4)  # type: ignore[call-arg]
    assert r.Exited(3) != r.Signalled(3)
    assert r.Exited(3) != 3


def test_each_kind_is_explained_and_shown() -> None:
    """The tables of what is shown are total, and no kind has the start of another."""
    assert {start.partition(" ")[0] for start in KINDS} == {"", *SIGILS}
    assert all(kind.__doc__ for kind in KINDS.values())
    assert set(wording.NOTES) == {kind for kind in KINDS.values() if kind.is_note}
    assert set(events.DISPLAYS) == {kind for kind in KINDS.values() if not kind.is_note}
    assert set(events.ABOUT_REQUEST) < set(wording.NOTES)


@given(RECORDS.filter(lambda record: record.is_note))
def test_a_note_is_a_sentence_of_printable_ascii(note: Record) -> None:
    text = wording.describe(note)
    assert text.isascii() and (text.isprintable() or not text)


@pytest.mark.parametrize(
    ("note", "text"),
    [
        (
            r.Client(7, "/a", (Process(6, "sh"), Process(5, "make"))),
            "pid 7 in /a, under sh[6], make[5]",
        ),
        (r.Client(7, "", ()), "pid 7 in ?"),
        (r.Client(7, "/{pid}", ()), "pid 7 in /{pid}"),
        (r.FileDigest("12", "a b"), "sha256 12 'a b'"),
        (r.FileDigest("12", "-"), "sha256 12 its stdin"),
        (r.FilesUnread(r.Unread.CLOSED, ""), "its files were not read: the job is over"),
        (r.FilesUnread(r.Unread.FAILED, "no {disk}"), "its files were not read: no {disk}"),
        (r.Killed(r.Killing.OVER, ()), "killed, because the job is over: nothing"),
        (
            r.SignalReceived("SIGINT", r.Delivery.SHARED),
            "gpgshim got SIGINT, and the job got it too",
        ),
    ],
)
def test_the_text_of_a_note(note: Record, text: str) -> None:
    assert wording.describe(note) == text


@given(st.text(max_size=40))
def test_any_text_is_a_line_or_refused(text: str) -> None:
    try:
        line = parse_line(text)
    except TranscriptError:
        return
    try:
        record = read(line.sigil, line.text)
    except RecordError as error:
        assert str(error)
    else:
        assert record.start.startswith(line.sigil)


@pytest.mark.parametrize(
    ("record", "refusal"),
    [
        (r.Refused(""), r.Denied(r.Cause.REFUSED, "the authority refused")),
        (
            r.AnswerExit(3),
            r.Denied(r.Cause.UNEXPECTED, "the authority's command ended with status 3"),
        ),
        (r.TimedOut(), r.Denied(r.Cause.TIMEOUT, "the authority did not answer in time")),
        (
            r.UnexpectedAnswer("{line}"),
            r.Denied(r.Cause.UNEXPECTED, "the authority did not say go-ahead, but '{line}'"),
        ),
    ],
)
def test_a_refusal_has_the_cause_of_the_authority_s_answer(
    record: Record, refusal: r.Denied
) -> None:
    assert wording.refusal_after(record) == refusal


def test_each_answer_but_go_ahead_has_a_refusal() -> None:
    answers = {kind for kind in KINDS.values() if issubclass(kind, r.Answer)}
    assert answers - {r.GoAhead} < set(wording.NOT_GO_AHEAD)
    assert {cause for cause, _ in wording.NOT_GO_AHEAD.values()} < set(r.Cause)
