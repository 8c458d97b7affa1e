# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which end and which last line of a command are which answer?"""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.core import answers
from gpgshim.core import records as r
from gpgshim.core.answers import ANSWERS, LONGEST_LINE, End, LastLine, Said, of_exit, of_signal
from gpgshim.core.gate import Event
from gpgshim.core.inputs import EVENTS
from gpgshim.core.wording import refusal_after

pytestmark = pytest.mark.pure


def test_the_table_is_total_and_has_one_go_ahead() -> None:
    assert set(ANSWERS) == set(product(End, Said))
    assert [key for key, kind in ANSWERS.items() if EVENTS[kind] is Event.GO_AHEAD] == [
        (End.ZERO, Said.OTHER)
    ]
    refusals = {key for key, kind in ANSWERS.items() if EVENTS[kind] is Event.REFUSAL}
    assert refusals == {
        (End.REFUSAL, Said.OTHER), (End.REFUSAL, Said.REFUSED), (End.OTHER, Said.REFUSED)
    }  # fmt: skip
    assert {EVENTS[kind] for kind in ANSWERS.values()} == {
        Event.GO_AHEAD, Event.REFUSAL, Event.SILENCE
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "line", "answer"),
    [
        (0, b"", r.GoAhead()),
        (0, b"done", r.GoAhead()),
        (0, b"refused", r.Contradicted("")),
        (0, b"refused not on a Friday", r.Contradicted("not on a Friday")),
        (77, b"", r.Refused("")),
        (77, b"no", r.Refused("")),
        (77, b"refused  no ", r.Refused("no")),
        (1, b"", r.AnswerExit(1)),
        (1, b"refused no", r.Refused("no")),
        (255, b"refused", r.Refused("")),
        (75, b"", r.AnswerExit(75)),
        (1, b"refused: no", r.AnswerExit(1)),
        (1, b"Refused no", r.AnswerExit(1)),
        (1, b" refused no", r.AnswerExit(1)),
        (1, b"refusednot", r.AnswerExit(1)),
        (1, b"refused \xff", r.Refused("\udcff")),
    ],
)
def test_an_exit(status: int, line: bytes, answer: r.Answer) -> None:
    assert of_exit(status, line) == answer


def test_a_signal() -> None:
    assert of_signal(9) == r.AnswerSignal(9)


@given(st.integers(0, 255), st.binary())
def test_nothing_but_exit_0_is_a_go_ahead(status: int, line: bytes) -> None:
    answer = of_exit(status, line)
    assert isinstance(answer, r.GoAhead) == (not status and answers.reason_of(line) is None)


def last(*parts: bytes) -> bytes:
    kept = LastLine()
    for part in parts:
        kept.add(part)
    return kept.line


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ((), b""),
        ((b"a\n",), b"a"),
        ((b"a\nb\n",), b"b"),
        ((b"a\nb",), b""),  # incomplete
        ((b"a\n\n",), b""),
        ((b"a\nb", b"c", b"d\n"), b"bcd"),
        ((b"a", b"\n"), b"a"),
        ((b"x" * LONGEST_LINE, b"\n"), b"x" * LONGEST_LINE),
        ((b"x" * LONGEST_LINE, b"x", b"x\n"), b""),  # too long
        ((b"x" * 3 * LONGEST_LINE, b"\na\n"), b"a"),
        ((b"refused " + b"x" * LONGEST_LINE + b"\n",), b""),
    ],
)
def test_the_last_line(parts: tuple[bytes, ...], line: bytes) -> None:
    assert last(*parts) == line


@given(st.lists(st.binary(max_size=20)))
def test_the_parts_do_not_matter(parts: list[bytes]) -> None:
    whole = b"".join(parts)
    lines = whole.split(b"\n")
    assert last(*parts) == last(whole) == (lines[-2] if len(lines) > 1 and not lines[-1] else b"")


@pytest.mark.parametrize(
    ("answer", "cause", "reason"),
    [
        (r.Refused(""), "refused", "the authority refused"),
        (r.Refused("not today {x}"), "refused", "the authority refused: not today {x}"),
        (
            r.Contradicted("not today"),
            "unexpected",
            "the authority's command exited with 0, but its last line says: refused not today",
        ),
    ],
)
def test_the_reason_for_the_clients(answer: r.Answer, cause: str, reason: str) -> None:
    assert refusal_after(answer) == r.Denied(r.Cause(cause), reason)
