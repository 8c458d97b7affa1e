# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the result of an attempt have what its schema says, and claim no more than its journal?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpgshim.core.causes import CRASHED, RECORDS, UNREADABLE
from gpgshim.core.gate import DURABLE, Outcome
from gpgshim.core.need import Alarm
from gpgshim.core.records import Resolution
from gpgshim.core.transcript import parse
from gpgshim.core.verdict import judge
from gpgshim.summary.result import VERSION, result_of
from tests.support.fixtures import each_fixture
from tests.support.results import SCHEMA, check

HEAD = "format: 2\njob: j\nattempt: 1\nstarted: 2026-11-26T10:00:00Z\nearlier: none\n\n"
BEGUN = f"{HEAD}! uncommitted\n"
CLIENT = "+1.250 # client 7 /src 6/dgit\n"
ASKED = f"{BEGUN}+1.250 $ gpg -bu KEY f\n{CLIENT}+1.260 # sha256 ab f\n"
SIGNED = f"{ASKED}+1.300 ! unknown\n+1.301 > commit-to-public-upload\n+2 < go-ahead\n"
SIGNED += "+2 ! committed\n+2 = go\n"


def result(text: str, under_way: bool = False, **more: Any) -> dict[str, Any]:
    found = result_of("j", 1, "/s/j.1", text.encode(), under_way, **more)
    check(found)
    return found


@each_fixture
def test_each_recorded_job_has_a_valid_result(path: Path) -> None:
    data = path.read_bytes()
    verdict = judge(parse(data))
    for under_way in (False, True):
        found = result_of("j", 1, str(path), data, under_way)
        check(found)
        assert found["state"] == verdict.state
        assert found["outcome"] == (None if under_way and not verdict.told else verdict.outcome)


@each_fixture
def test_each_cut_of_a_recorded_job_has_a_valid_result(path: Path) -> None:
    data = path.read_bytes()
    for cut in range(0, len(data), max(1, len(data) // 40)):
        found = result_of("j", 1, str(path), data[:cut])
        check(found)
        asked = b"\n> commit" in data[:cut]
        assert not (asked and found["outcome"] == Outcome.RETRIABLE)


def test_the_schema_has_every_word() -> None:
    words = SCHEMA["properties"]
    assert words["version"] == {"description": "The version of this object.", "const": VERSION}
    assert set(words["outcome"]["enum"]) == {*map(str, Outcome), None}
    assert set(words["alarm"]["enum"]) == {*map(str, Alarm), None}
    assert set(words["would"]["enum"]) == {*map(str, Outcome), None} - {"observed"}
    assert words["state"]["enum"] == list(map(str, DURABLE))
    as_one = words["resolved"]["anyOf"][1]["properties"]["as"]["enum"]
    assert as_one == list(map(str, Resolution))
    plain = {row.word for row in RECORDS.values()} - {"failed:{cause}"}
    assert set(words["cause"]["anyOf"][0]["enum"]) == {
        *plain,
        CRASHED[0],
        UNREADABLE.cause,
        None,
    }


def test_the_schema_describes_every_field() -> None:
    def check_fields(schema: dict[str, Any]) -> int:
        fields = schema.get("properties", {})
        for name, each in fields.items():
            assert each.get("description", "").endswith("."), name
        below = [*fields.values(), *schema.get("anyOf", [])]
        below += [schema["items"]] if "items" in schema else []
        return len(fields) + sum(map(check_fields, below))

    assert check_fields(SCHEMA) > 25
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])


def test_a_job_that_signed() -> None:
    found = result(f"{SIGNED}+9 % exit 0\n+9 uploaded\n", read_keys=lambda words: words[1:2])
    assert found == {
        "version": 1,
        "job": "j",
        "attempt": 1,
        "journal": "/s/j.1",
        "not_started": None,
        "under_way": False,
        "outcome": "uploaded",
        "state": "committed",
        "told": True,
        "would": None,
        "cause": "exit",
        "reason": "the job ended with status 0",
        "meaning": "committed, and the job ended well",
        "exit_status": 0,
        "signatures": [
            {
                "command": "gpg -bu KEY f",
                "known": True,
                "granted": True,
                "refused": None,
                "keys": ["KEY"],
                "files": [{"name": "f", "sha256": "ab"}],
                "unread": [],
                "at": "2026-11-26T10:00:01.250Z",
            }
        ],
        "agent": None,
        "started": "2026-11-26T10:00:00.000Z",
        "not_retriable_since": "2026-11-26T10:00:01.300Z",
        "earlier": "none",
        "again": None,
        "alarm": None,
        "resolved": None,
    }


def test_a_job_that_was_refused() -> None:
    lines = f"{ASKED}+1.3 ! unknown\n+1.3 > commit-to-public-upload\n+2 < refused no\n"
    found = result(f"{lines}+2 = no refused no\n+3 ? gpg --new\n+3 % exit 2\n+3 refused\n")
    assert (found["outcome"], found["cause"]) == ("refused", "refused")
    assert found["reason"] == "the authority refused: no"
    first, second = found["signatures"]
    assert (first["granted"], first["refused"]) == (False, "refused")
    assert first["keys"] == []  # no option table was given
    # The second one got no answer.
    assert (second["known"], second["granted"], second["refused"]) == (False, False, None)


def test_a_job_under_way() -> None:
    found = result(BEGUN, under_way=True)
    assert (found["under_way"], found["outcome"], found["cause"]) == (True, None, None)
    assert found["reason"] == "waits for the job: no request to commit was sent yet"
    assert found["not_retriable_since"] is None
    # If the outcome is on disk, its supervisor is only finishing.
    assert result(f"{BEGUN}% exit 1\nretriable\n", under_way=True)["outcome"] == "retriable"


@pytest.mark.parametrize(
    ("text", "since"),
    [
        (f"{BEGUN}+5 % exit 3\n+5 retriable\n", None),
        (f"{BEGUN}+5 % exit 0\n+5 unsigned\n", None),
        (f"{BEGUN}+5 % no-start 127\n+5 irrecoverable\n", "2026-11-26T10:00:05.000Z"),
        (f"{SIGNED}+9 % exit 3\n+9 irrecoverable\n", "2026-11-26T10:00:01.300Z"),
        # Without times nothing is known.
        (f"{BEGUN}! unknown\n".replace("started: 2026-11-26T10:00:00Z", "gpg: x"), None),
        (f"{BEGUN}+1e300 ! unknown\n", None),
    ],
)
def test_since_when_it_is_not_retriable(text: str, since: str | None) -> None:
    assert result(text)["not_retriable_since"] == since


@pytest.mark.parametrize("text", ["", "no journal\n", f"{BEGUN}! committed\n! unknown\n"])
@pytest.mark.parametrize("under_way", [False, True])
def test_a_file_that_is_not_a_journal(text: str, under_way: bool) -> None:
    found = result(text, under_way)
    if text:
        assert found["cause"] == (None if under_way else "unreadable")
        assert found["reason"].startswith("the journal cannot be read: ")
        assert found["outcome"] == (None if under_way else "irrecoverable")
    assert found["state"] == "unknown"


def test_a_resolution_and_again() -> None:
    text = f"{SIGNED}+9 % exit 3\n+9 irrecoverable\n".replace("earlier: none", "again: 4")
    text += "% resolved retriable ann@h 2026-11-26T12:00:00Z it is not there\n"
    found = result(text)
    assert (found["earlier"], found["again"]) == (None, 4)
    assert found["resolved"] == {
        "as": "retriable",
        "by": "ann@h",
        "at": "2026-11-26T12:00:00Z",
        "note": "it is not there",
    }


def test_files_that_were_not_read() -> None:
    more = "# too-large big\n# more-files 3\n# unread timeout \n"
    (signature,) = result(f"{ASKED}{more}% exit 1\n")["signatures"]
    assert signature["files"] == [{"name": "f", "sha256": "ab"}]
    assert len(signature["unread"]) == 3


def test_words_that_json_cannot_hold() -> None:
    lines = "$ gpg -s $'a\\nb\\xff'\n# client 7 /src\n# sha256 ab $'a\\nb\\xff'\n% exit 1\n"
    found = result(BEGUN + lines, read_keys=lambda words: words[1:])
    json.dumps(found).encode("ascii")
    (signature,) = found["signatures"]
    assert signature["files"][0]["name"] == "a\\nb\\xff"
    assert signature["keys"] == ["a\\nb\\xff"]
    # A line that this version did not write is shown, and not read.
    (signature,) = result(f"{BEGUN}$ gpg 'x\n% exit 1\n", read_keys=lambda words: words)[
        "signatures"
    ]
    assert (signature["command"], signature["keys"]) == ("gpg 'x", [])


# The lock of gpg-agent.

LOCKED = SIGNED.replace("earlier: none\n", "agent: /home/u/.gnupg\n")
AT_AGENT = "% forwarded {} 7 AB 8 CD PKSIGN\n"


def test_a_result_has_the_signatures_of_gpg_agent() -> None:
    lines = "".join(f"+{at} {AT_AGENT.format(at)}" for at in (1, 2, 3))
    found = result(f"{LOCKED}{lines}% signed 1\n% unsigned 2 99 No key\n")["agent"]
    assert (found["home"], found["made"], found["unknown"]) == ("/home/u/.gnupg", 1, 1)
    assert [each["made"] for each in found["signatures"]] == [True, False, None]
    assert found["signatures"][0] == {
        "made": True,
        "key": "AB",
        "algorithm": "8",
        "digest": "CD",
        "command": "PKSIGN",
        "at": "2026-11-26T10:00:01.000Z",
    }


def test_a_job_without_a_lock_has_none() -> None:
    assert result(SIGNED)["agent"] is None
