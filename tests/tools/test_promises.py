# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does tests/real/test_e2e find each broken promise? Each one is broken in a report once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tools.world.scenarios import LOCKS, SCENARIOS, Want, check_promises, matches, summarise

JOURNAL = """\
job: 2420
attempt: 1
authority: o2m

! uncommitted
$ gpg -s f
! unknown
> commit-to-public-upload
< go-ahead
! committed
= go
% said message m
% said email reported <1>
% said uploaded
> message m
> email reported <1>
> uploaded
uploaded
"""
COMMIT = "+001.000 > commit-to-public-upload"
TRANSCRIPT = [
    "+000.500 < job 2420",
    COMMIT,
    "+001.001 < go-ahead",
    "+002.000 > message m",
    "+002.000 > email reported <1>",
    "+002.000 > uploaded",
]

Report = dict[str, Any]


def make_report() -> Report:
    attempt = {
        "committed": True, "outcome": "uploaded", "email": "reported <1>", "transcript": TRANSCRIPT,
    }  # fmt: skip
    mail = {"id": "<1>", "to": "uploader@x", "status": "uploaded", "subject": "[tag2upload 2420] x"}
    return copy.deepcopy(
        {
            "scenario": "success",
            "mode": "gated",
            "deed": "",
            "jobs": [{"id": "2420", "attempts": [attempt]}],
            "transcript": TRANSCRIPT,
            "mails": [mail],
            "signed": 1,
            "used": 1,
            "used_by": {COMMIT: 0},
            "probes": 1,
            "remain": [],
            "refs": ["a"],
            "queue": ["b"],
            "oracle_log": [],
            "journals": {"state/2420.1": JOURNAL, "state/.pruned": ""},
        }
    )


def attempt_of(report: Report) -> Report:
    found: Report = report["jobs"][0]["attempts"][0]
    return found


def edit_journal(old: str, new: str) -> Callable[[Report], None]:
    def edit(report: Report) -> None:
        assert old in JOURNAL
        report["journals"]["state/2420.1"] = JOURNAL.replace(old, new)

    return edit


def sign_before_asking(report: Report) -> None:
    report["used_by"][COMMIT] = 1


def sign_more_than_granted(report: Report) -> None:
    report["used"] = 2


def sign_unasked(report: Report) -> None:
    attempt = attempt_of(report)
    attempt["transcript"] = [line for line in TRANSCRIPT if "go-ahead" not in line]


def say_retriable_after_asking(report: Report) -> None:
    attempt_of(report)["outcome"] = "retriable"


def lose_the_journal(report: Report) -> None:
    report["journals"] = {}


def tell_another_outcome(report: Report) -> None:
    report["mails"][0]["status"] = "irrecoverable"


def tell_twice(report: Report) -> None:
    report["mails"].append(report["mails"][0] | {"id": "<2>", "status": "irrecoverable"})


def leave_an_orphan(report: Report) -> None:
    report["remain"] = ["dgit rpush-source"]


def go_round_in_silence(report: Report) -> None:
    report["scenario"] = "round-the-gate"


BROKEN: list[tuple[Callable[[Report], None], str]] = [
    (sign_before_asking, "the key was used before the request to the manager"),
    (sign_more_than_granted, "the key was used 2 times, and 1 were granted"),
    (sign_unasked, "a gpg was let through, and the manager had not said go-ahead"),
    (say_retriable_after_asking, "retriable was reported after the request to the manager"),
    (lose_the_journal, "the attempts are ['2420.1'], the journals []"),
    (edit_journal("! committed\n", ""), "'= go' stands where '! committed' was due"),
    (edit_journal("\nuploaded\n", "\n"), "2420.1 holds no outcome"),
    (edit_journal("said uploaded", "said irrecoverable"), "its outcome is irrecoverable"),
    (tell_another_outcome, "the uploader was not told uploaded, but the manager was"),
    (tell_twice, "the uploader got irrecoverable for a job that was uploaded"),
    (tell_twice, "the uploader got several outcomes of one job: uploaded, irrecoverable"),
    (leave_an_orphan, "something of the job runs on after its outcome"),
    (go_round_in_silence, "there was no alarm"),
    (go_round_in_silence, "no journal says so"),
]


def test_nothing_is_broken_where_nothing_is() -> None:
    assert check_promises(make_report()) == []


@pytest.mark.parametrize(("spoil", "said"), BROKEN)
def test_broken_promise_is_listed(spoil: Callable[[Report], None], said: str) -> None:
    report = make_report()
    spoil(report)
    assert any(said in line for line in check_promises(report)), check_promises(report)


FORWARDED = f"% forwarded 1 7 {'AB' * 20} 8 {'CD' * 32} PKSIGN\n% signed 1\n"


@pytest.mark.parametrize("scenario", ["success", "round-the-gate"])
@pytest.mark.parametrize("mode", LOCKS)
def test_with_the_lock_every_use_of_the_key_has_passed_it(mode: str, scenario: str) -> None:
    report = make_report() | {"mode": mode, "scenario": scenario}
    journal = JOURNAL.replace("job:", "format: 2\njob:").replace("go\n%", f"go\n{FORWARDED}%")
    journal = journal.replace("o2m\n", "o2m\nagent: /h\n")
    report["journals"]["state/2420.1"] = journal
    assert check_promises(report) == []
    report["used"] = 0
    assert check_promises(report) == ["the key was used 0 times, and 1 passed the lock"]


def test_two_jobs_at_once_may_use_the_key_between_each_others_questions() -> None:
    report = make_report()
    other = copy.deepcopy(report["jobs"][0])
    later = "+001.500 > commit-to-public-upload"
    other["id"] = "2421"
    other["attempts"][0]["email"] = "reported <2>"
    other["attempts"][0]["transcript"] = ["+001.100 < job 2421", later, "+001.501 < go-ahead",
                                          *TRANSCRIPT[3:]]  # fmt: skip
    report["jobs"].append(other)
    report["journals"]["state/2421.1"] = JOURNAL.replace("2420", "2421")
    report["mails"].append(report["mails"][0] | {"id": "<2>", "subject": "[tag2upload 2421] x"})
    report |= {"signed": 2, "used": 2, "used_by": {COMMIT: 0, later: 1}}
    assert check_promises(report) == []
    report["used_by"][later] = 2
    assert any("2421.1: the key was used" in line for line in check_promises(report))


def test_row_is_compared_in_all_its_parts() -> None:
    got = summarise(make_report())
    assert got == Want("+uploaded", 1, "git queue", "uploaded")
    assert matches(Want("+uploaded", None, None, None), got)
    for want in (
        Want("uploaded", None, None, None),
        Want("+uploaded", 4, None, None),
        Want("+uploaded", None, "git", None),
        Want("+uploaded", None, None, ""),
    ):
        assert not matches(want, got)


def test_every_row_tells_what_is_awaited() -> None:
    moments = {row.moment for row in SCENARIOS.values()}
    assert moments <= {"", "archive", "door", "gpg", "commit", "job"}
    for row in SCENARIOS.values():
        assert bool(row.deed or row.stay_held) == bool(row.moment), row.name
