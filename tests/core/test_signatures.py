# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an outcome say how many signatures gpg-agent made, after any crash?"""

from __future__ import annotations

import pytest

from gpgshim.core.gate import AT_AGENT, MEANINGS, Outcome, State
from gpgshim.core.signatures import Signatures
from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.core.verdict import judge, judge_bytes

HEAD = "format: 2\njob: j\nattempt: 1\nagent: /home/u/.gnupg\n\n! uncommitted\n"
GO = "! unknown\n> commit-to-public-upload\n< go-ahead\n! committed\n= go\n"
COMMITTED = f"{HEAD}$ git push\n{GO}"


def forwarded(number: int) -> str:
    return f"% forwarded {number} 4711 {'AB' * 20} 8 {'CD' * 32} PKSIGN\n"


MADE = forwarded(1) + "% signed 1\n"
FAILED = forwarded(1) + "% unsigned 1 83886179 Operation cancelled\n"
CUT = forwarded(1) + "% unanswered 1\n"
KEYS = f"keys: {'12' * 20}\n"
PUBLISHED = "; check what was published"


@pytest.mark.parametrize(
    ("lines", "counted", "meaning"),
    [
        ("", (0, 0), "gpg-agent made no signature through the lock"),
        (FAILED, (0, 0), "gpg-agent made no signature through the lock"),
        (MADE, (1, 0), f"gpg-agent made 1 signature through the lock{PUBLISHED}"),
        (MADE + forwarded(2) + forwarded(3) + "% signed 3\n% signed 2\n", (3, 0),
         f"gpg-agent made 3 signatures through the lock{PUBLISHED}"),
        (CUT, (0, 1), f"gpg-agent may have made 1 signature through the lock{PUBLISHED}"),
        (forwarded(1) + forwarded(2), (0, 2),
         f"gpg-agent may have made 2 signatures through the lock{PUBLISHED}"),
        (MADE + forwarded(2), (1, 1),
         f"gpg-agent made 1 signature through the lock, and may have made 1 more{PUBLISHED}"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("torn", ["", "% forwarded 9 47"])
def test_a_committed_job_tells_its_signatures(
    lines: str, counted: tuple[int, int], meaning: str, torn: str
) -> None:
    """A torn line was not synced, so gpg-agent did not get its command."""
    verdict = judge_bytes((COMMITTED + lines + torn).encode())
    assert (verdict.state, verdict.outcome) == (State.COMMITTED, Outcome.IRRECOVERABLE)
    assert verdict.signatures == Signatures(*counted)
    assert verdict.meaning == f"committed, and {meaning}"


@pytest.mark.parametrize(
    ("lines", "meaning"),
    [
        (f"{COMMITTED}{MADE}% exit 0\nuploaded\n",
         "committed, and the job ended well; gpg-agent made 1 signature through the lock"),
        (f"{HEAD}% exit 1\nretriable\n",
         "no gpg under the gate was called to sign, and no request to commit was sent;"
         " gpg-agent made no signature through the lock"),
        (f"{HEAD}$ gpg -b f\n! unknown\n> commit-to-public-upload\n< refused\n= no refused x\n"
         "% exit 1\nrefused\n",
         "the authority refused: it has not committed, and no gpg under the gate was allowed to"
         " sign; gpg-agent made no signature through the lock"),
    ],
)  # fmt: skip
def test_every_outcome_tells_them(lines: str, meaning: str) -> None:
    assert judge(parse(lines.encode())).meaning == meaning


def test_a_job_without_a_lock_tells_nothing_of_them() -> None:
    verdict = judge(parse(COMMITTED.replace("agent: /home/u/.gnupg\n", "").encode()))
    assert verdict.signatures is None and "gpg-agent" not in verdict.meaning


@pytest.mark.parametrize("before", [HEAD, f"{HEAD}$ gpg -b f\n! unknown\n"])
def test_a_signature_before_the_commitment_is_a_contradiction(before: str) -> None:
    with pytest.raises(TranscriptError, match="before the commitment"):
        judge(parse((before + MADE).encode()))
    assert judge_bytes((before + MADE + "! committed\n").encode()).doubtful


@pytest.mark.parametrize(
    ("lines", "meaning"),
    [
        ("% exit 1\nretriable\n", "no request to commit was sent"),
        ("% exit 0\nunsigned\n", "no request to commit was sent"),
        ("$ gpg -b f\n! unknown\n> commit-to-public-upload\n< refused\n= no refused x\n% exit 1\n",
         "the authority refused: it has not committed"),
        ("% no-start 127\n", "no request to commit was sent, but it would fail again"),
        ("$ gpg -b f\n! unknown\n> commit-to-public-upload\n% exit 1\n",
         "unknown: the authority may have received the request to commit;"
         " ask the authority whether it has committed"),
        (f"$ gpg -b f\n{GO}{FAILED}% exit 0\n", "committed, and the job ended well"),
    ],
)  # fmt: skip
def test_with_the_commitment_point_at_gpg_agent_nothing_is_said_of_gpgs(
    lines: str, meaning: str
) -> None:
    """The stunts let them run without a request."""
    text = HEAD.replace("agent: /home", "commit-at: agent\nagent: /home") + lines
    expected = f"{meaning}; gpg-agent made no signature through the lock"
    assert judge(parse(text.encode())).meaning == expected


def test_without_a_count_a_committed_job_may_have_signed() -> None:
    text = HEAD.replace("agent: /home", "commit-at: agent\nagent: /home")
    meaning = judge(parse(f"{text}$ gpg -b f\n{GO}% unlocked\n% exit 1\n".encode())).meaning
    assert meaning == "committed, and signatures may have been made; check what was published"


def test_the_meanings_are_complete() -> None:
    assert set(AT_AGENT) == set(MEANINGS)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (COMMITTED, "made no signature"),
        (COMMITTED + MADE, "made 1 signature"),
        (COMMITTED + CUT, "may have made 1 signature"),
        (COMMITTED + MADE + forwarded(2), "made 1 signature"),
    ],
)
def test_with_some_keys_nothing_is_said_of_others(lines: str, said: str) -> None:
    verdict = judge_bytes(lines.replace("agent: ", f"{KEYS}agent: ").encode())
    assert verdict.signatures is not None and verdict.signatures.by_some
    clause = f"committed, and gpg-agent {said} with the keys of --key through the lock"
    assert verdict.meaning.startswith(clause)
    assert verdict.meaning.endswith(PUBLISHED) is verdict.signatures.may_exist


def test_an_uncommitted_job_says_which_signatures_were_watched() -> None:
    note = f"# other-key 7 {'AB' * 20} 8 {'CD' * 32} PKSIGN\n"
    head = HEAD.replace("agent: ", f"{KEYS}commit-at: agent\nagent: ")
    verdict = judge_bytes(f"{head}{note}% exit 1\nretriable\n".encode())
    assert (verdict.outcome, verdict.told) == (Outcome.RETRIABLE, True)
    assert verdict.meaning == (
        "no request to commit was sent;"
        " gpg-agent made no signature with the keys of --key through the lock"
    )
