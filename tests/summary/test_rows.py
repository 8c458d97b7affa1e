# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the line of a job show its state, and call a person only if one is needed?"""

from __future__ import annotations

import json

import pytest

from gpgshim.core.gate import MEANINGS, Outcome, State
from gpgshim.core.need import Alarm
from gpgshim.render.table import table
from gpgshim.render.terminal import CODES, age, cut, duration, paint, wants_colour
from gpgshim.summary.rows import (
    BYPASSED,
    DO,
    NO_JOURNAL,
    SHORT,
    UNREAD,
    AttemptRow,
    row_of,
    unread,
)

NOW = 1795509000.0  # 2026-11-24T08:30:00Z
HEAD = "job: j\nattempt: 1\nstarted: 2026-11-24T08:29:00Z\n\n! uncommitted\n"
ASKED = HEAD + "+1.000 $ gpg -b f\n+1.500 ! unknown\n+1.501 > commit-to-public-upload\n"
SIGNED = ASKED + "+2.000 < go-ahead\n+2.001 ! committed\n+2.002 = go\n"


def row(text: str, under_way: bool = False) -> AttemptRow:
    return row_of("j", 1, "/s/j.1", text.encode(), under_way, NOW, NOW - 5)


def test_tables_have_every_pair_that_can_be() -> None:
    assert set(SHORT) == set(MEANINGS)
    assert {need for need, _ in DO} == set(Alarm)


@pytest.mark.parametrize(
    ("text", "state", "outcome", "needs", "words"),
    [
        (
            HEAD + "% exit 0\nunsigned\n",
            "uncommitted",
            "unsigned",
            "",
            "no request to commit was sent",
        ),
        (
            HEAD + "% exit 1\nretriable\n",
            "uncommitted",
            "retriable",
            "",
            "no request to commit was sent",
        ),
        (
            HEAD + "% no-start 127\nirrecoverable\n",
            "uncommitted",
            "irrecoverable",
            "",
            "no request to commit was sent, and it would fail again",
        ),
        (
            ASKED + "% eof\n= no\n% exit 2\nirrecoverable\n",
            "unknown",
            "irrecoverable",
            "ask the authority whether it has committed",
            "",
        ),
        (
            ASKED + "< refused\n= no\n% exit 2\nirrecoverable\n",
            "unknown",
            "irrecoverable",
            "",
            "the authority refused: it has not committed",
        ),
        (
            ASKED + "< refused\n= no\n% exit 2\nrefused\n",
            "unknown",
            "refused",
            "",
            "the authority refused: it has not committed",
        ),
        (
            ASKED + "% eof\n= no\n% exit 2\nirrecoverable\n% resolved retriable a@h T why\n",
            "unknown",
            "irrecoverable",
            "",
            "resolved as retriable by a@h",
        ),
        (
            ASKED + "% resolved uploaded a@h T why\n",
            "unknown",
            "irrecoverable",
            "",
            "resolved as uploaded by a@h; its supervisor is gone",
        ),
        (
            SIGNED + "% exit 2\nirrecoverable\n",
            "committed",
            "irrecoverable",
            "check what was published",
            "",
        ),
        (SIGNED + "% exit 0\nuploaded\n", "committed", "uploaded", "", ""),
        (
            SIGNED.replace("\n\n", "\nmode: observe\n\n") + "% exit 2\nobserved\n",
            "committed",
            "observed",
            "",
            "it was not gated; it would have been irrecoverable",
        ),
        # What a crash leaves needs a person or not by what it amounts to.
        (
            HEAD,
            "uncommitted",
            "retriable",
            "",
            "its supervisor is gone; no request to commit was sent",
        ),
        (
            SIGNED,
            "committed",
            "irrecoverable",
            "check what was published",
            "its supervisor is gone",
        ),
    ],
)
def test_the_line_of_a_job(text: str, state: str, outcome: str, needs: str, words: str) -> None:
    found = row(text)
    assert (found.state, found.outcome) == (state, outcome)
    assert (found.needs, found.words) == (needs, words)
    assert found.told is (outcome in text.splitlines())


def test_a_job_under_way() -> None:
    found = row(HEAD, under_way=True)
    assert found.outcome is None and found.under_way and not found.needs
    assert found.words == found.meaning == "waits for the job: no request to commit was sent yet"
    assert (found.age, found.lasted, found.retriable) == (60, 60, 60)
    found = row(ASKED, under_way=True)
    assert (found.lasted, found.retriable, found.needs) == (60, 1.5, "")
    # An outcome on disk is an outcome: the supervisor is only leaving.
    found = row(HEAD + "% exit 1\nretriable\n", under_way=True)
    assert (found.under_way, found.outcome) == (False, "retriable")


def test_a_signature_past_the_gate_needs_a_person_even_after_success() -> None:
    late = "% said uploaded\n% bypassed\n! unknown\n> commit-to-public-upload\n"
    found = row(HEAD + late + "< go-ahead\n! committed\nuploaded\n")
    assert (found.outcome, found.needs) == (Outcome.UPLOADED, BYPASSED)
    assert found.as_json["alarm"] == "bypassed"


def test_a_file_that_is_no_journal_needs_no_person_when_it_is_resolved() -> None:
    found = row("nonsense\n% resolved retriable a@h T why\n")
    assert (found.alarm, found.needs, found.words) == (None, "", "resolved as retriable by a@h")


@pytest.mark.parametrize("under_way", [True, False])
def test_a_file_that_is_no_journal_has_a_row(under_way: bool) -> None:
    found = row("nonsense\n", under_way)
    assert (found.state, found.alarm) == (State.UNKNOWN, None if under_way else Alarm.UNKNOWN)
    assert found.outcome is (None if under_way else Outcome.IRRECOVERABLE)
    assert found.needs == ("" if under_way else NO_JOURNAL)
    assert found.age == 5 and "line 1" in found.words


def test_a_file_that_cannot_be_read_has_a_row() -> None:
    found = unread("j", 2, "/j.2", "Permission denied", 9, 4)
    assert (found.state, found.outcome) == (State.UNKNOWN, Outcome.IRRECOVERABLE)
    assert (found.needs, found.words, found.age) == (UNREAD, "Permission denied", 5)
    assert (found.under_way, found.told) == (False, False)


@pytest.mark.parametrize("started", ["", "started: soon\n", "started: 2026-13-01T00:00:00Z\n"])
def test_age_without_a_start_is_the_file_s(started: str) -> None:
    found = row(HEAD.replace("started: 2026-11-24T08:29:00Z\n", started), under_way=True)
    assert (found.age, found.began, found.lasted) == (5, None, None)


def test_a_start_that_is_yet_to_come_is_no_negative_age() -> None:
    assert row(HEAD.replace("2026", "2046")).age == 0


def test_json_has_the_documented_fields() -> None:
    found = json.loads(json.dumps(row(SIGNED + "% exit 0\n+3.0004 uploaded\n").as_json))
    assert found == {
        "job": "j",
        "attempt": 1,
        "earlier": [],
        "journal": "/s/j.1",
        "under_way": False,
        "state": "committed",
        "outcome": "uploaded",
        "told": True,
        "started": "2026-11-24T08:29:00Z",
        "age": 60.0,
        "lasted": 3.0,
        "retriable": 1.5,
        "signatures": 1,
        "needs": "",
        "alarm": None,
        "meaning": "committed, and the job ended well",
        "resolved": None,
    }
    resolved = row(SIGNED + "% resolved irrecoverable a@h T looked at it\n").as_json["resolved"]
    assert resolved == {"as": "irrecoverable", "by": "a@h", "at": "T", "note": "looked at it"}
    assert row(HEAD, under_way=True).as_json["outcome"] is None
    assert row("x\n").as_json["lasted"] is None


ROWS = [
    row(ASKED, under_way=True),
    row(SIGNED + "% exit 2\nirrecoverable\n"),
    row(SIGNED + "% exit 0\nuploaded\n")._replace(earlier=("retriable", "retriable")),
    row(HEAD + "% exit 1\nretriable\n")._replace(job="x" * 100),
]


def test_a_table() -> None:
    lines = table(ROWS[:3], None)
    assert lines == [
        "  JOB  ATT  STATE      OUTCOME         AGE  RETRIABLE  SIG",
        "> j      1  unknown    under way      60 s    1.500 s    0"
        "  waits for the authority's answer (1 gpg)",
        "! j      1  committed  irrecoverable  60 s    1.500 s    1  check what was published",
        "  j      1  committed  uploaded       60 s    1.500 s    1  before: retriable, retriable",
    ]


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, table(ROWS, width))) <= width
    assert max(map(len, table(ROWS, None))) > 100  # nothing is cut for a pipe
    needs = next(line for line in table(ROWS, width) if line.startswith("!"))
    assert needs.endswith("  check what was published")  # and that, never


def test_paint_is_never_the_only_carrier() -> None:
    painted = "\n".join(table(ROWS, 120, colour=True))
    for code in CODES.values():
        painted = painted.replace(f"\033[{code}m", "")
    plain = table(ROWS, 120)
    assert [x.rstrip() for x in painted.replace("\033[0m", "").splitlines()] == plain


def test_a_file_s_name_is_escaped_for_the_terminal() -> None:
    assert "\033" not in "".join(table([row(HEAD)._replace(job="j\033[2J\n")], None))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.2346, "0.235 s"),
        (41.23, "41.2 s"),
        (700, "12 min"),
        (7300, "2 h"),
        (200_000, "2 d"),
    ],
)
def test_lengths_of_time(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_ages_are_counted_as_people_do() -> None:
    assert [age(each) for each in (0.2, 59.6, 120, 7200)] == ["0 s", "60 s", "2 min", "2 h"]


def test_the_middle_is_cut() -> None:
    assert cut("0123456789abcdefghij", 20) == "0123456789abcdefghij"
    assert cut("0123456789abcdefghijk", 20) == "012345678 ... fghijk"


def test_when_to_paint() -> None:
    assert paint("x", "good", True) == "\033[32mx\033[0m"
    assert paint("x", "good", False) == paint("x", "", True) == "x"
    assert wants_colour(True, {"TERM": "xterm"})
    assert not wants_colour(False, {"TERM": "xterm"})
    assert not wants_colour(True, {"TERM": "xterm", "NO_COLOR": "1"})
    assert not wants_colour(True, {"TERM": "dumb"})
    assert wants_colour(True, {"NO_COLOR": ""})  # no-color.org: when present and not empty
