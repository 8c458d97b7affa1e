# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has each question to an authority the form of its schema, and are both of its forms alike?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from gpgshim.core import records as r
from gpgshim.core.codec import Process, Record
from gpgshim.core.facts import KINDS, LONGEST, MOST, MOST_LINES, VERSION, lines_of, object_of
from gpgshim.core.memory import Standing, recall
from gpgshim.core.question import Before, Occasion, Question, Who
from gpgshim.core.quoting import LONGEST_LINE, quote
from gpgshim.gpgargs.signed import Kind
from tests.support.gpgs import NEW
from tests.support.questions import SCHEMA, read

pytestmark = pytest.mark.pure

WHO = Who("ann", "host")
OCCASION = Occasion("j", 2, "/s/j.2", NEW)
CLIENT = r.Client(7, "/src", (Process(6, "git"), Process(5, "sh")))
HEAD = b"format: 2\njob: j\nattempt: 1\nearlier: none\n\n! uncommitted\n"


def asked(words: list[str], *notes: Record, occasion: Occasion = OCCASION) -> Question:
    call = ["gpg", *words]
    return Question(occasion, [r.SignRequest(quote(call)), CLIENT, *notes], call)


def object_from(question: Question) -> dict[str, Any]:
    return read(json.dumps(object_of(question, WHO)) + "\n")


def before(lines: bytes) -> Occasion:
    return OCCASION._replace(earlier=Before(1, "/s/j.1", recall(HEAD + lines, False)))


def test_all_facts() -> None:
    question = asked(["-u", "K", "-o", "out", "-b", "f"], r.FileDigest("ab", "f"))
    assert object_from(question) == {
        "version": VERSION,
        "job": "j",
        "attempt": 2,
        "journal": "/s/j.2",
        "earlier": [],
        "user": "ann",
        "host": "host",
        "request": {
            "command": "gpg -u K -o out -b f",
            "cut": False,
            "known": True,
            "pid": 7,
            "directory": "/src",
            "parents": [{"pid": 6, "name": "git"}, {"pid": 5, "name": "sh"}],
        },
        "signature": {
            "kind": "detached",
            "keys": ["K"],
            "output": "out",
            "arguments": ["f"],
            "more_arguments": 0,
        },
        "agent": None,
        "git": None,
        "files": [{"name": "f", "sha256": "ab"}],
        "unread": [],
    }
    assert lines_of(question, WHO) == [
        "job j, attempt 2 [/s/j.2]",
        "user ann on host",
        "gpg -u K -o out -b f",
        "pid 7 in /src, under git[6], sh[5]",
        "a detached signature, by key K, output out",
        "sha256 ab f",
    ]


def test_a_command_at_the_lock_of_gpg_agent() -> None:
    held = r.AtAgent("AB", "8", "CD", "PKSIGN")
    question = Question(OCCASION, [r.SignRequest("sq sign f"), r.Client(7, "/src", ()), held], [])
    expected = {"command": "PKSIGN", "key": "AB", "algorithm": "8", "digest": "CD"}
    assert object_from(question)["agent"] == expected
    line = "PKSIGN at gpg-agent: key AB, hash algorithm 8, digest CD"
    assert lines_of(question, WHO)[4] == line


def test_without_a_request() -> None:
    found = object_from(Question(OCCASION))
    assert found["request"] is None
    assert found["signature"]["kind"] == "unknown"
    assert len(lines_of(Question(OCCASION), WHO)) == 3


def test_notes_without_a_request() -> None:
    assert object_from(Question(OCCASION, [CLIENT]))["request"] is None


def test_an_earlier_attempt_that_is_under_way() -> None:
    earlier = Before(1, "/s/j.1", recall(HEAD, True))
    question = asked(["-s"], occasion=OCCASION._replace(earlier=earlier))
    assert object_from(question)["earlier"][0]["standing"] == "under way"
    assert lines_of(question, WHO)[1] == "earlier: attempt 1 is under way [/s/j.1]"


def test_a_client_that_is_no_stunt() -> None:
    records = [r.UnknownRequest("python3 x"), r.Client(0, "", ())]
    found = object_from(Question(OCCASION, records, ["python3", "x"]))
    assert found["signature"]["kind"] == "unknown"
    request = {"command": "python3 x", "cut": False, "known": False, "pid": None}
    assert found["request"] == {**request, "directory": None, "parents": []}


@pytest.mark.parametrize(
    ("lines", "standing", "stands", "line"),
    [
        (b"% exit 1\nretriable\n", "retriable", False, "earlier: attempt 1 is retriable: no gpg"),
        (
            b"$ gpg\n! unknown\n> commit-to-public-upload\n% exit 1\nirrecoverable\n",
            "irrecoverable, unknown",
            True,
            "earlier: attempt 1 is irrecoverable: unknown: no gpg",
        ),
        (
            b"% exit 1\nretriable\n% resolved uploaded ann@h 2026-11-26T10:00:00Z by hand\n",
            "resolved as uploaded",
            True,
            "earlier: attempt 1 was resolved as uploaded by ann@h: by hand [/s/j.1]",
        ),
    ],
)
def test_an_earlier_attempt(lines: bytes, standing: str, stands: bool, line: str) -> None:
    question = asked(["-s"], occasion=before(lines))
    (earlier,) = object_from(question)["earlier"]
    assert (earlier["standing"], earlier["stands"]) == (standing, stands)
    assert (earlier["attempt"], earlier["journal"]) == (1, "/s/j.1")
    assert lines_of(question, WHO)[1].startswith(line)


def test_a_resolution_is_told() -> None:
    lines = b"% exit 1\nretriable\n% resolved uploaded ann@h 2026-11-26T10:00:00Z by hand\n"
    (earlier,) = object_from(asked(["-s"], occasion=before(lines)))["earlier"]
    assert earlier["resolved"] == {
        "as": "uploaded", "by": "ann@h", "at": "2026-11-26T10:00:00Z", "note": "by hand"
    }  # fmt: skip


TAG = r.GitTag("a" * 40, "commit", "v1")


@pytest.mark.parametrize(
    ("record", "git", "line"),
    [
        (
            TAG,
            {"what": "tag", "tag": "v1", "type": "commit", "object": "a" * 40},
            f"git tag v1 of commit {'a' * 40}",
        ),
        (
            r.GitCommit("b" * 40, "Fix \udcff"),
            {"what": "commit", "tree": "b" * 40, "subject": "Fix \\xff"},
            f"git commit of tree {'b' * 40}: Fix \\xff",
        ),
    ],
)
def test_data_of_git(record: Record, git: dict[str, str], line: str) -> None:
    question = asked(["-bsau", "K"], r.FileDigest("ab", "-"), record)
    assert object_from(question)["git"] == git
    assert lines_of(question, WHO)[-2:] == [line, "sha256 ab its stdin"]


@pytest.mark.parametrize("source", r.Source)
def test_data_that_is_not_read(source: r.Source) -> None:
    question = asked(["-s"], r.DataUnread(source))
    (unread,) = object_from(question)["unread"]
    assert unread.startswith("the data is not shown: gpg reads it from ")
    assert lines_of(question, WHO)[-1] == unread


def test_a_key_is_named() -> None:
    question = asked(["--quick-sign-key", "ABCD", "ann"])
    assert (
        lines_of(question, WHO)[-1] == "a certification of a key (ABCD ann), by gpg's default key"
    )


def test_the_object_is_bounded() -> None:
    name = "\x01" * LONGEST
    words = [*["-u", name] * 1000, "-o", name, "-b", *[name] * 1000]
    notes = [r.FileDigest("a" * 64, name)] * MOST
    occasion = before(b"% exit 1\nretriable\n% resolved uploaded a b " + b"x" * 100_000 + b"\n")
    question = asked(words, *notes, occasion=occasion._replace(journal=name))
    text = json.dumps(object_of(question, WHO)) + "\n"
    found = read(text)
    assert len(text) < 4 << 20
    assert found["request"]["cut"] is True
    assert len(found["request"]["command"]) <= LONGEST_LINE + 100
    assert len(found["signature"]["arguments"]) == MOST
    assert found["signature"]["more_arguments"] == 900
    assert len(lines_of(question, WHO)) == MOST_LINES + 1


def test_the_schema_has_every_word() -> None:
    fields = SCHEMA["properties"]
    kinds = fields["signature"]["properties"]["kind"]["enum"]
    assert set(kinds) == set(map(str, Kind)) == set(map(str, KINDS))
    standings = fields["earlier"]["items"]["properties"]["standing"]["enum"]
    assert set(standings) == set(map(str, Standing)) - {"none"}
    assert list(fields) == SCHEMA["required"]


def test_the_schema_describes_every_field() -> None:
    def check(schema: Any) -> int:
        if isinstance(schema, list):
            return sum(map(check, schema))
        if not isinstance(schema, dict):
            return 0
        for name, field in schema.get("properties", {}).items():
            assert field.get("description", "").endswith("."), name
        return len(schema.get("properties", {})) + sum(map(check, schema.values()))

    assert check(SCHEMA) > 40
