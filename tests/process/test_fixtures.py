# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does today's gate do what the recorded jobs say, over real sockets?

tests/core/test_fixtures.py replays the same files with the tables alone. What cannot be shown here
is which other processes lived on, such as the gpg that had just been granted;
tests/real/test_e2e.py shows it. A lock of gpg-agent needs a login session, so the tests in
tests/real/test_agentlock.py and test_agentlock_faults.py have what fixtures/locked shows.
"""

from __future__ import annotations

from pathlib import Path

from gpgshim.core.transcript import parse
from tests.support.fixtures import each_played
from tests.support.stage import Stage, comparable, tmp_dir, without_notes


@each_played
def test_over_real_sockets(path: Path) -> None:
    transcript = parse(path.read_bytes())
    with tmp_dir() as scratch:
        played = Stage(scratch, transcript).play()
    expected = without_notes(transcript)
    assert list(map(comparable, played)) == list(map(comparable, expected))
    if "format" in transcript.head:
        assert played == expected
