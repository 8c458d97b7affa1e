# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does README show a journal and an outcome as the present version writes them?"""

from __future__ import annotations

import re
from pathlib import Path

from gpgshim.core.replay import replay
from gpgshim.core.transcript import FORMAT, parse
from gpgshim.core.verdict import judge_bytes

README = (Path(__file__).parents[2] / "README.md").read_text()
HEAD = "format: 2\njob: hello\nattempt: 1\ngpg: /usr/bin/gpg 2.4.9\nauthority: true\n\n"
JOURNAL = re.compile(r"^\$ cat ~/\.local/state/gpgshim/hello\.2\n(.*?)^```", re.M | re.S)
OUTCOME = re.compile(r"^gpgshim: hello\.\d: (\w+): (.+) \[/home/me/.*\]$", re.MULTILINE)


def test_the_journal() -> None:
    (text,) = re.findall(
        r"^\$ cat ~/\.local/state/gpgshim/hello\.2\n(.*?)^```", README, re.M | re.S
    )
    transcript = parse(text.encode())
    assert transcript.head["format"] == FORMAT
    assert replay(transcript) == []
    verdict = judge_bytes(text.encode())
    assert (verdict.outcome, verdict.told) == ("uploaded", True)


def test_the_outcomes() -> None:
    early = judge_bytes(f"{HEAD}! uncommitted\n% exit 1\nretriable\n".encode())
    late = judge_bytes(
        f"{HEAD}! uncommitted\n! unknown\n! committed\n% exit 0\nuploaded\n".encode()
    )
    assert [(outcome, meaning) for outcome, meaning in OUTCOME.findall(README)] == [
        (verdict.outcome, "; ".join([verdict.meaning, *verdict.why.told([])]))
        for verdict in (early, late)
    ]
