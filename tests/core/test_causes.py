# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does each outcome have one cause, from the records of its journal and from no text?"""

from __future__ import annotations

import pytest

from gpgshim.core.causes import COUNTS, RECORDS, Kind, Why
from gpgshim.core.gate import Outcome, State
from gpgshim.core.verdict import _ENDS, judge_bytes
from gpgshim.core.wording import NOT_GO_AHEAD

HEAD = "format: 2\njob: j\nattempt: 1\n\n! uncommitted\n"
ASKED = "+1.000 $ gpg -s f\n+2.000 ! unknown\n+2.000 > commit-to-public-upload\n"
SIGNED = f"{ASKED}< go-ahead\n! committed\n= go\n"


def test_the_tables_are_total() -> None:
    assert set(COUNTS) == set(Outcome)
    assert all(kinds[-1] is Kind.NONE for kinds in COUNTS.values())
    # Every kind of cause counts for some outcome, and each end of a job is one.
    assert {kind for kinds in COUNTS.values() for kind in kinds} == set(Kind)
    assert {kind for kind, row in RECORDS.items() if row.kind is Kind.END} == _ENDS
    # Every answer that refuses is a cause; `# not-asked` is a note, and `< refused` follows it.
    refusals = {kind for kind in NOT_GO_AHEAD if not kind.is_note}
    assert refusals <= {kind for kind, row in RECORDS.items() if row.kind is Kind.REFUSAL}


@pytest.mark.parametrize(
    ("lines", "outcome", "cause", "reason", "status"),
    [
        # How the job ended.
        ("% exit 0", "unsigned", "exit", "the job ended with status 0", 0),
        ("% exit 3", "retriable", "exit", "the job ended with status 3", 3),
        ("% signal 9", "retriable", "signal", "the job was killed by signal 9", 137),
        ("% no-start 127", "irrecoverable", "no-start", "could not be started (status 127)", 127),
        ("% end", "retriable", "no-status", "exit status was not reported", None),
        ("% watchdog-ended", "retriable", "watchdog-ended", "the watchdog was killed", None),
        ("", "retriable", "crashed", "the supervisor was killed", None),
        # Of ends, the last one counts.
        ("% end\n% no-start 127", "irrecoverable", "no-start", "(status 127)", 127),
        (
            "% said message it failed\n% said email reported -\n% said retriable",
            "retriable",
            "reported",
            "dgit-repos-server reported retriable: it failed",
            None,
        ),
        ("% said retriable", "retriable", "reported", "dgit-repos-server reported retriable", None),
        # A report that is incomplete is no end.
        ("% said message it failed", "retriable", "crashed", "the supervisor was killed", None),
        # A refusal is why the job failed.
        (f"{ASKED}< refused\n% exit 2", "refused", "refused", "the authority refused", 2),
        (f"{ASKED}< refused no\n% exit 2", "refused", "refused", "the authority refused: no", 2),
        (f"{ASKED}< exit 3\n% exit 2", "irrecoverable", "unexpected", "ended with status 3", 2),
        (
            f"{ASKED}< contradicted no\n% exit 2",
            "irrecoverable",
            "unexpected",
            "says: refused no",
            2,
        ),
        (f"{ASKED}< signal 9\n% exit 2", "irrecoverable", "unexpected", "killed by signal 9", 2),
        (f"{ASKED}< unexpected x\n% exit 2", "irrecoverable", "unexpected", "but 'x'", 2),
        (f"{ASKED}% eof\n% exit 2", "irrecoverable", "eof", "closed the connection", 2),
        (f"{ASKED}+602.0 % timeout\n% exit 2", "irrecoverable", "timeout", "in time (600.0 s)", 2),
        (f"{ASKED}% timeout\n% exit 2", "irrecoverable", "timeout", "did not answer in time", 2),
        (
            "$ gpg -s f\n% failed enospc No space left on device\n% exit 2",
            "retriable",
            "failed:enospc",
            "the supervisor cannot go on: No space left on device",
            2,
        ),
        ("? gpg --new f\n% exit 2", "retriable", "unknown-command", "command of gpg --new f", 2),
        ("? gpg --new f\n% exit 0", "unsigned", "unknown-command", "command of gpg --new f", 0),
        # Of refusals, the first one counts.
        (f"? gpg --new\n{ASKED}< refused\n% exit 2", "refused", "unknown-command", "gpg --new", 2),
        # After the go-ahead, only an error of the machine refuses.
        (f"{SIGNED}? gpg --new f\n% exit 3", "irrecoverable", "exit", "with status 3", 3),
        (f"{SIGNED}< refused\n% exit 3", "irrecoverable", "exit", "with status 3", 3),
        (f"{SIGNED}% failed eio x\n% exit 3", "irrecoverable", "failed:eio", "go on: x", 3),
        # The job that was uploaded after a refusal, and orphans of a job that is over.
        (f"? gpg --new f\n{SIGNED}% exit 0", "uploaded", "exit", "with status 0", 0),
        ("% exit 3\n? gpg --new f", "retriable", "exit", "with status 3", 3),
        ("% close\n? gpg --new f\n% signal 2", "retriable", "signal", "by signal 2", 130),
        # Past the gate.
        ("% ungated\n% exit 0", "irrecoverable", "ungated", "stunts were removed", 0),
        ("% unlocked\n% exit 0", "irrecoverable", "unlocked", "sockets of the lock", 0),
        ("% said uploaded\n% bypassed", "irrecoverable", "bypassed", "had no grant", None),
        (f"% said uploaded\n% bypassed\n{SIGNED}", "uploaded", "bypassed", "had no grant", None),
        (f"{SIGNED}% ungated\n% exit 0", "uploaded", "exit", "with status 0", 0),
    ],
)
def test_the_cause(lines: str, outcome: str, cause: str, reason: str, status: int | None) -> None:
    text = HEAD + "".join(f"{line}\n" for line in lines.splitlines())
    verdict = judge_bytes(text.encode())
    assert verdict.outcome == outcome
    assert (verdict.why.cause, verdict.why.status) == (cause, status)
    assert reason in verdict.why.reason


def test_observed() -> None:
    head = HEAD.replace("attempt: 1\n", "attempt: 1\nmode: observe\n")
    verdict = judge_bytes(f"{head}? gpg --new f\n% exit 3\nobserved\n".encode())
    assert (verdict.outcome, verdict.why.cause) == (Outcome.OBSERVED, "exit")


@pytest.mark.parametrize("data", [b"", b"no journal\n", b"job: j\n\n! committed\n"])
def test_a_journal_that_cannot_be_read(data: bytes) -> None:
    verdict = judge_bytes(data)
    assert verdict.state is not State.UNCOMMITTED
    assert verdict.why.cause in ("unreadable", "crashed")


def test_the_clauses_of_the_line_with_the_outcome() -> None:
    failed, well = Why(Kind.END, "exit", "x", 3), Why(Kind.END, "exit", "x", 0)
    assert failed.told([]) == ["x"]
    assert failed.told(["a", "b\n"]) == ["x", "gpg was refused: a; b\\n"]
    assert well.told([]) == []
    assert well.told(["a"]) == ["gpg was refused: a"]
    # The cause is the reason of the refusals.
    assert Why(Kind.REFUSAL, "refused", "x", 2).told(["a"]) == ["gpg was refused: x"]
