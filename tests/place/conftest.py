# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs of all places, which share one session: they are started together, a few at a time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.support.homes import remove_tree
from tests.support.scratch import guarded, short_directory
from tools.place.__main__ import WORKERS, key, reason_against
from tools.place.table import PLACES
from tools.place.world import Place, Result, Shared, run


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest) -> Iterator[Callable[[Place, bool], Result]]:
    """Gives the result of a run; the runs of all selected tests have been started by then."""
    root = short_directory()
    chosen: list[Place] = [
        item.callspec.params["place"]  # type: ignore[misc]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "runs" in item.fixturenames
    ]
    there = {key(place): place for place in chosen if not any(reason_against(place))}
    futures: dict[tuple[str, bool], Future[Result]] = {}
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # mounts are taken away
    try:
        with guarded(root):
            shared = Shared(root)
            with ThreadPoolExecutor(WORKERS) as pool:
                for name, place in there.items():
                    for yes in (False, True):
                        futures[name, yes] = pool.submit(run, shared, place, yes)
                try:
                    yield lambda place, yes: futures[key(place), yes].result()
                finally:
                    pool.shutdown(wait=True, cancel_futures=True)
    finally:
        remove_tree(root)
        signal.signal(signal.SIGTERM, before)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many places this machine has."""
    there = [place for place in PLACES if not any(reason_against(place))]
    terminalreporter.write_line(f"places: this machine has {len(there)} of {len(PLACES)}")
