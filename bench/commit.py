# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long does the commitment take, without the time of the authority?

Rule 1: each measurement has a job of its own, because a job commits once.
Rule 2: the authority answers go-ahead at once (a job without --commit).
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import timing, world
from bench.results import SPREAD, Table, spread
from gpgshim.core import wire
from gpgshim.stunts import ask

COMMITMENT = "the commitment: the first question until its answer"
LATER = "the next question until its answer"
SYNCS = "two lines written, each synced"
FIRST = "gpg --detach-sign, the first of its job"
NEXT = "gpg --detach-sign, the next"

#: Seconds from the start of a job to its first signature: longer than the start of a supervisor.
BEFORE = 0.3


def seconds(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def question(job: Path) -> None:
    """Send a request, as a stunt does."""
    if ask.ask(str(job), wire.SIGN)[0] != wire.GO:
        raise SystemExit("bench: the supervisor does not grant")


def sync_twice(directory: Path) -> None:
    """The minimum for a journal: `! unknown` and `! committed`, in an open file."""
    fd = os.open(directory / "two-lines", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for line in (b"! unknown\n", b"! committed\n"):
        os.write(fd, line)
        os.fsync(fd)
    os.close(fd)


def tables(runs: int) -> Iterator[Table]:
    took: dict[str, list[float]] = {n: [] for n in (COMMITMENT, LATER, SYNCS, FIRST, NEXT)}
    with world.world() as here:
        here.make_keys(others=0)
        call = ["--batch", "--local-user", "signer", "--output", "-", "--detach-sign"]
        for _ in range(max(runs // 5, 1)):
            with here.job() as job:
                time.sleep(BEFORE)
                took[SYNCS].append(seconds(lambda: sync_twice(here.state)))
                took[COMMITMENT].append(seconds(lambda job=job: question(job)))  # type: ignore[misc]
                took[LATER].append(seconds(lambda job=job: question(job)))  # type: ignore[misc]
            with here.job() as job:
                time.sleep(BEFORE)
                for name in (FIRST, NEXT):
                    words = [str(job / "bin/gpg"), *call, str(here.data)]
                    took[name].append(timing.once(words, here.environ)[0])
    own = 1e3 * (statistics.median(took[COMMITMENT]) - statistics.median(took[SYNCS]))
    text = (
        f"The commitment less the two syncs: {own:.2f} ms. Target: 1 ms."
        f" Medians of {len(took[FIRST])} jobs."
    )
    rows = [(name, *spread(times)) for name, times in took.items()]
    yield Table("The commitment", text, ("", *SPREAD), rows)
