# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do Debian's tag2upload programs behave as the scenarios say, with gpgshim and without it?

Rule 1: a row's two runs are compared with the row; a gated run must keep the promises besides, and
one that is only observed must be what it is without us.

Rule 2: `make e2e` runs this, and what cannot be played there has failed; elsewhere it is skipped,
and says so. GPGSHIM_E2E_REPORTS names a directory that is to keep the reports, GPGSHIM_E2E_JOBS
says how many plays at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import skips
from tools.world.failures import FIXTURES, record
from tools.world.root import Player, Report, find_reason_against
from tools.world.scenarios import (
    AFTER,
    BEFORE,
    LOCKS,
    SCENARIOS,
    check_promises,
    count_queries,
    matches,
    summarise,
)

skips.unless(os.environ.get("GPGSHIM_E2E"), "a quarter of an hour", "make e2e")
if why := find_reason_against():
    raise RuntimeError(why)  # asked for, and not done: that is no skip

PLAYS = [(name, "stock") for name, row in SCENARIOS.items() if row.stock] + [
    (name, "gated") for name in SCENARIOS
]
#: Scenarios in which observe mode must change nothing: the job succeeds, fails early or late, is
#: refused by the manager, is killed, or leaves an orphan.
PLAYS += [
    (name, "observed")
    for name in (
        "success",
        "archive-503-02",
        "forge-500",
        "push-rejected",
        "manager-protocol-violation",
        "kill-dgit-before",
        "orphan",
    )
]
#: With the lock of gpg-agent, all of them too.
PLAYS += [(name, mode) for name in SCENARIOS for mode in LOCKS]
#: One of each kind: the job ends well, fails before and after the first signature, is refused, is
#: killed, is orphaned, goes round the gate, loses its manager, its key, its supervisor.
QUICK = [
    ("success", "stock"),
    ("archive-503-02", "stock"),
    ("success", "observed"),
    *((name, mode) for name in ("success", "no-key", "round-the-gate") for mode in LOCKS),
    *(
        (name, "gated")
        for name in (
            "success",
            "archive-503-02",
            "archive-503-08",
            "forge-500",
            "quilt",
            "tag-mismatch",
            "no-key",
            "push-rejected",
            "dput-fails",
            "orphan",
            "two-workers",
            "round-the-gate",
            "manager-hang-up",
            "kill-dgit-before",
            "kill-d-r-s-at",
            "kill-supervisor-asking",
        )
    ),
]
assert set(QUICK) <= set(PLAYS)


def play_and_keep(player: Player, name: str, mode: str) -> Report:
    """Play one scenario in a world of its own, and keep the report where that is wanted."""
    report = player.play(name, mode)
    if keep := os.environ.get("GPGSHIM_E2E_REPORTS"):
        Path(keep).mkdir(parents=True, exist_ok=True)
        (Path(keep) / f"{name}.{mode}.json").write_text(json.dumps(report, indent=1))
    return report


@pytest.fixture(scope="session")
def plays(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], Future[Report]]]:
    """Every play that is wanted, begun: they wait a lot, so several can share a processor."""
    wanted = [
        (str(item.callspec.params["name"]), str(item.callspec.params["mode"]))
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path == Path(__file__)
        and hasattr(item, "callspec")
    ]
    jobs = int(os.environ.get("GPGSHIM_E2E_JOBS", 2 * (os.cpu_count() or 1)))
    player = Player(tmp_path_factory.mktemp("worlds"))
    with ThreadPoolExecutor(jobs) as pool:
        yield {
            (name, mode): pool.submit(play_and_keep, player, name, mode) for name, mode in wanted
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.quick
def test_failures_have_the_recorded_messages(
    plays: dict[tuple[str, str], Future[Report]], tmp_path: Path
) -> None:
    """Do the programs still say what bin/dgit's table waits for? The plays go on meanwhile."""
    assert plays
    record(tmp_path)  # which raises where one does not
    recorded = sorted(path.name for path in FIXTURES.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == recorded


@pytest.mark.parametrize(
    ("name", "mode"),
    [pytest.param(*play, marks=[pytest.mark.quick] * (play in QUICK)) for play in PLAYS],
)
def test_scenario(name: str, mode: str, plays: dict[tuple[str, str], Future[Report]]) -> None:
    row = SCENARIOS[name]
    want = row.want(mode)
    assert want is not None
    report = plays[name, mode].result()
    story = "\n".join(report["timeline"] + report["oracle_log"])
    assert report["reached"], f"the job never came to {row.moment!r}\n{story}"
    got = summarise(report)
    assert matches(want, got), f"{got}\n{story}"
    if (name, mode) == ("success", "gated"):
        assert count_queries(report) == (len(BEFORE), len(AFTER)), f"one has no row\n{story}"
    if mode not in ("stock", "observed"):
        assert check_promises(report) == [], story
