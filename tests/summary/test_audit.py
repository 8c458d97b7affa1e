# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a journal tell under which grant a signature was made, or that it was not made?"""

from __future__ import annotations

import pytest

from gpgshim.core.transcript import parse
from gpgshim.summary.audit import KNOWN, SENTENCES, Mention, Result, Wanted, mentions
from gpgshim.summary.story import tell

pytestmark = pytest.mark.pure

WANTED = Wanted("A" * 40, "8", "CD" * 32)
OTHER = "B" * 40

HEAD = """\
format: 2
job: j
attempt: 1
started: 2026-11-26T10:00:00Z
agent: /home/u/.gnupg

! uncommitted
"""
ASKED = "+1.0 $ gpg -b f\n+1.0 # client 7 /src 6/sh\n"
HELD = (
    f"+1.0 $ sq sign f\n+1.0 # client 8 /src\n+1.0 # agent {WANTED.key} 8 {WANTED.digest} PKSIGN\n"
)
COMMIT = "! unknown\n> commit-to-public-upload\n< go-ahead\n! committed\n"
GO = "= go\n"


def forwarded(number: int, pid: int, key: str = WANTED.key, algorithm: str = "8") -> str:
    return f"+2.5 % forwarded {number} {pid} {key} {algorithm} {WANTED.digest} PKSIGN\n"


def found(lines: str) -> list[Mention]:
    return mentions(tell(parse((HEAD + lines).encode())), WANTED)


def test_a_signature_by_a_granted_gpg() -> None:
    (mention,) = found(ASKED + COMMIT + GO + forwarded(1, 7) + "% signed 1\n")
    assert mention == Mention(
        Result.MADE, 2.5, "2026-11-26T10:00:02.500Z", 7, "PKSIGN", 1, 1,
        "gpg -b f", "pid 7 in /src, under sh[6]", "",
    )  # fmt: skip
    assert mention.text == (
        "gpg-agent made it, as signature 1; under the grant of request 1; 2026-11-26T10:00:02.500Z;"
        " gpg -b f; pid 7 in /src, under sh[6]"
    )
    assert mention.as_json == {
        "result": "made",
        "time": "2026-11-26T10:00:02.500Z",
        "pid": 7,
        "command": "PKSIGN",
        "signature": 1,
        "request": 1,
        "call": "gpg -b f",
        "process": "pid 7 in /src, under sh[6]",
        "reason": None,
    }


@pytest.mark.parametrize(
    ("lines", "results"),
    [
        ("", []),
        (ASKED + COMMIT + GO + forwarded(1, 7), [(Result.UNKNOWN, 1)]),
        (ASKED + COMMIT + GO + forwarded(1, 7) + "% unanswered 1\n", [(Result.UNKNOWN, 1)]),
        (ASKED + COMMIT + GO + forwarded(1, 7) + "% unsigned 1 99 No key\n", [(Result.FAILED, 1)]),
        # A gpg that was granted once may sign twice.
        (ASKED + COMMIT + GO + forwarded(1, 7) + forwarded(2, 7) + "% signed 1\n% signed 2\n",
         [(Result.MADE, 1), (Result.MADE, 1)]),
        # Another key, another algorithm.
        (ASKED + COMMIT + GO + forwarded(1, 7, OTHER) + forwarded(2, 7, algorithm="10"), []),
        # At the lock: each command has a grant of its own.
        (HELD + COMMIT + GO + forwarded(1, 8) + "% signed 1\n", [(Result.MADE, 1)]),
        (ASKED + COMMIT + GO + HELD + GO + forwarded(1, 8) + "% signed 1\n", [(Result.MADE, 2)]),
        (HELD + COMMIT + GO + HELD + GO + forwarded(1, 8) + forwarded(2, 8) + "% signed 1\n",
         [(Result.MADE, 2), (Result.UNKNOWN, 1)]),
        (HELD.replace(WANTED.digest, "EE") + COMMIT + GO + forwarded(1, 8),
         [(Result.UNKNOWN, None)]),
        # The journal does not have the request of this process.
        (ASKED + COMMIT + GO + forwarded(1, 9), [(Result.UNKNOWN, None)]),
        (f"+2.5 # other-key 9 {WANTED.key} 8 {WANTED.digest} PKSIGN\n", [(Result.OTHER_KEY, None)]),
        (f"+2.5 # other-key 9 {OTHER} 8 {WANTED.digest} PKSIGN\n", []),
        # It was held, and not sent.
        (HELD, [(Result.NOT_SENT, 1)]),
        (HELD + "! unknown\n> commit-to-public-upload\n< refused\n= no refused not today\n",
         [(Result.NOT_SENT, 1)]),
        (HELD + "% gone 1\n", [(Result.NOT_SENT, 1)]),
        (HELD + COMMIT + GO, [(Result.NOT_SENT, 1)]),
        (HELD.replace(WANTED.key, OTHER), []),
    ],
)  # fmt: skip
def test_results(lines: str, results: list[tuple[Result, int | None]]) -> None:
    assert [(each.result, each.request) for each in found(lines)] == results


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (HELD, "the journal has no answer to this request"),
        (HELD + "= no refused not today\n", "not today"),
        (HELD + "= no closed\n", "closed"),
        (HELD + "% gone 1\n", "its process did not wait for the answer"),
        (HELD + COMMIT + GO, "it was granted, and the attempt ended first"),
    ],
)
def test_why_a_command_was_not_sent(lines: str, reason: str) -> None:
    (mention,) = found(lines)
    assert (mention.reason, mention.pid, mention.signature) == (reason, 8, None)
    assert mention.text.startswith(f"gpg-agent did not get the command for it: {reason}; 2026-")


def test_a_process_that_the_journal_does_not_know() -> None:
    (mention,) = found(ASKED.partition("+1.0 #")[0] + COMMIT + GO + forwarded(1, 9))
    assert mention.text.endswith("; pid 9")


def test_each_result_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Result) > KNOWN
