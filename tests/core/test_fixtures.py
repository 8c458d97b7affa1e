# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does today's gate do what the recorded jobs say, by its tables alone?

tests/process/test_fixtures.py plays the same files over real sockets.
"""

from __future__ import annotations

from pathlib import Path

from gpgshim.core.gate import Outcome
from gpgshim.core.records import Resolved
from gpgshim.core.replay import replay
from gpgshim.core.transcript import Line, parse
from gpgshim.core.verdict import judge, judge_bytes
from tests.support.fixtures import FIXTURES, UPLOADS, each_fixture
from tools.world.scenarios import SCENARIOS


def test_there_are_fixtures() -> None:
    assert len(FIXTURES) - len(UPLOADS) > 20
    recorded = {path.name.partition(".")[0] for path in UPLOADS}
    assert recorded == set(SCENARIOS), "python -m tools.world.record"


@each_fixture
def test_the_core_alone(path: Path) -> None:
    transcript = parse(path.read_bytes())
    assert replay(transcript) == []
    # One whose supervisor was killed is the one that may hold no outcome, and gives the same.
    killed = "supervisor" in path.stem or path.stem.startswith("kill-both")
    first = not path.stem[-1:].isdigit() or path.stem.endswith(".1")
    assert judge(transcript).told is not (killed and first)


@each_fixture
def test_cut_after_every_byte_it_never_claims_too_much(path: Path) -> None:
    data = path.read_bytes()
    whole = judge(parse(data))
    for cut in range(len(data)):
        left = data[:cut]
        verdict = judge_bytes(left)
        if b"\n> commit" in left or not left.endswith(b"\n"):
            assert verdict.outcome is not Outcome.RETRIABLE
        if verdict.told:
            assert verdict in (whole, whole._replace(resolved=None))  # a resolution comes later


@each_fixture
def test_cut_after_every_line_it_replays(path: Path) -> None:
    transcript = parse(path.read_bytes())
    for cut in range(len(transcript.lines)):
        assert replay(transcript._replace(lines=transcript.lines[:cut])) == []


@each_fixture
def test_a_missing_or_misplaced_line_is_found(path: Path) -> None:
    """Can the replay fail? Every output line, left out or said twice, must be noticed."""
    transcript = parse(path.read_bytes())
    for at, line in enumerate(transcript.lines):
        if line.sigil in ("!", ">", "="):
            before, after = transcript.lines[:at], transcript.lines[at + 1 :]
            # Left out at the end of one without an outcome, it is a crash that came earlier. A
            # resolution comes after any end.
            inner = any(each.sigil != "#" and not is_resolution(each) for each in after)
            for spoilt in (*[before + after] * inner, (*before, line, line, *after)):
                assert replay(transcript._replace(lines=spoilt)), f"line {at}: {line}"


def is_resolution(line: Line) -> bool:
    return line.sigil == "%" and line.text.split()[0] == Resolved.start.split()[1]
