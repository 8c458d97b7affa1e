# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does only `go-ahead` count as a yes of the manager, and is every reply to the manager true?"""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.core import o2m
from gpgshim.core.gate import DURABLE, Event, Outcome, State
from gpgshim.core.o2m import Reply, Said


def test_go_ahead_is_the_only_yes() -> None:
    assert o2m.COMMIT == b"commit-to-public-upload\n"
    assert o2m.answer_to_commit(b"go-ahead\n") is Event.GO_AHEAD


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"go-ahead", b"go-ahead\r\n", b" go-ahead\n", b"Go-Ahead\n", b"go-ahead now\n",
     b"protocol-violation no\n", b"ayt\n", b"go-ahead\n\n"],
)  # fmt: skip
def test_only_the_exact_line_is_a_yes(line: bytes) -> None:
    assert o2m.answer_to_commit(line) is Event.SILENCE


@given(st.binary(max_size=30))
def test_every_other_end_leaves_the_commitment_unknown(line: bytes) -> None:
    assert (o2m.answer_to_commit(line) is Event.GO_AHEAD) == (line == b"go-ahead\n")


REPORT = b"message Uploaded to unstable\nemail reported <1@x>\nuploaded\n"


def test_a_report() -> None:
    report = o2m.parse_report(REPORT)
    assert report == ("Uploaded to unstable", "reported <1@x>", Outcome.UPLOADED)
    assert "".join(f"{line}\n" for line in report.lines).encode() == REPORT


@pytest.mark.parametrize("cut", range(len(REPORT)))
def test_an_incomplete_report_is_none(cut: int) -> None:
    assert o2m.parse_report(REPORT[:cut]) is None


@pytest.mark.parametrize(
    "data",
    [
        REPORT + b"\n",
        REPORT + REPORT,
        REPORT.replace(b"uploaded\n", b"committed\n"),
        REPORT.replace(b"uploaded\n", b"unsigned\n"),
        REPORT.replace(b"email reported", b"email sent"),
        REPORT.replace(b"message ", b"massage "),
        REPORT.replace(b"email ", b"e-mail "),
        REPORT.replace(b"stable", b"stab\xffle"),
        REPORT.replace(b"stable", b"stab\rle"),
    ],
)
def test_an_almost_valid_report_is_none(data: bytes) -> None:
    assert o2m.parse_report(data) is None


@given(st.binary(max_size=100))
def test_any_bytes_amount_to_something(data: bytes) -> None:
    for exited_0 in (True, False):
        report = o2m.parse_report(data)
        said = o2m.amount_to(report, data, exited_0)
        assert (said is Said.NOTHING) == (not data)
        assert said in (Said.NOTHING, Said.HALF) or (report is not None and exited_0)


def test_a_report_counts_only_with_a_good_exit() -> None:
    report = o2m.parse_report(REPORT)
    assert o2m.amount_to(report, REPORT, exited_0=True) is Said.UPLOADED
    assert o2m.amount_to(report, REPORT, exited_0=False) is Said.HALF
    assert o2m.amount_to(None, b"", exited_0=False) is Said.NOTHING


def test_the_table_of_replies_is_total() -> None:
    assert set(o2m.REPLIES) == set(product(DURABLE, Said))


@pytest.mark.parametrize(("state", "said"), list(product(DURABLE, Said)))
def test_no_reply_is_untrue(state: State, said: Said) -> None:
    report = None
    if said not in (Said.NOTHING, Said.HALF):
        report = o2m.Report("m", "reported -", Outcome(said))
    reply = o2m.REPLIES[state, said]
    lines = o2m.reply_lines(reply, report)
    outcome = lines[-1] if lines else None
    assert len(lines) in (0, 3)
    # Promise 2, and what the connection allows.
    assert outcome != "retriable" or state is State.UNCOMMITTED
    assert state is not State.UNKNOWN or outcome is None
    # A publication is never hidden, and never told before it is committed.
    if outcome == "uploaded":
        assert state is State.COMMITTED or reply is Reply.TELL_LATE
    if said is Said.UPLOADED and state is not State.UNKNOWN:
        assert outcome == "uploaded"
    # A job whose final mail has gone to the user is not called retriable afterwards.
    if said in (Said.IRRECOVERABLE, Said.HALF):
        assert outcome in ("irrecoverable", None)
    # What was retriable stays so: that is what all this is for.
    if state is State.UNCOMMITTED and said in (Said.RETRIABLE, Said.NOTHING):
        assert outcome == "retriable"


def test_a_reply_needs_its_report() -> None:
    assert o2m.reply_lines(Reply.CORRECT, None) == []
    assert o2m.reply_lines(Reply.FORWARD, None) == []


def test_states_in_which_the_manager_receives_nothing() -> None:
    assert [state for state in DURABLE if o2m.is_dropped(state)] == [State.UNKNOWN]
