# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the model find no fault in the present tables, and a fault in each spoilt one?

All of it is `python -m tools.model`; here is as much as CI has time for.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from gpgshim.core import records as r
from gpgshim.core.gate import DURABLE, OUTCOMES, STEPS, Effect, Ending, Event, Outcome, State
from gpgshim.core.o2m import REPLIES
from gpgshim.core.question import Question
from gpgshim.core.verdict import judge_bytes
from gpgshim.history.journal import Journal
from gpgshim.supervisor.requester import Inspector
from gpgshim.supervisor.supervisor import Supervisor
from tools.fuzz import LOADED, Never
from tools.model.fates import EQUIVALENT, SPOILT, Graphs, fate, spoilt_shell, why_equivalent
from tools.model.mutants import Mutant, mutants, spoilt
from tools.model.state import Setting, Violation
from tools.model.walk import ALONE, ONE_HELD, explore, report

ONE = Setting("run", 1, 2, orphan=False)


def test_the_shipped_tables_keep_the_promises() -> None:
    for setting in (ONE, ALONE, Setting("run", 2, 0), ONE_HELD):
        graph = report(setting)
        assert len(graph.order) > 5_000
        assert graph.depth > 15
        # Every state of the gate was there, and the walk was not of a world that stands still.
        seen = {world.gate for world in graph.order}
        assert seen >= set(State) - {State.LATE}
        assert (State.LATE in seen) == (setting.face == "drs")


@pytest.fixture(scope="module")
def graphs() -> Graphs:
    alone = explore(ALONE)
    many = explore(Setting("run", 3, 1, orphan=False))
    one = explore(ONE)
    return Graphs((one, many, alone), (one, alone, explore(ONE_HELD)))


def test_every_row_is_come_to(graphs: Graphs) -> None:
    used = {row for graph in graphs.rows for row in graph.users}
    assert used >= set(REPLIES)
    missing = set(STEPS) - used
    assert all(state is State.CLOSED or event is Event.BYPASSED for state, event in missing), (
        missing
    )


ALL = list(mutants())


def test_no_mutant_is_made_twice() -> None:
    assert len({mutant.name for mutant in ALL}) == len(ALL) > 900
    for mutant in ALL:
        with spoilt(mutant):
            where = mutant.where if isinstance(mutant.where, dict) else vars(mutant.where)
            assert where[mutant.what] is mutant.value
    # All was put back.
    assert [mutant.name for mutant in mutants()] == [mutant.name for mutant in ALL]


#: The rest is `make model`.
SOME = ALL[3::29]


def test_every_mutant_is_found(graphs: Graphs) -> None:
    alive = set()
    for mutant in SOME:
        if not fate(mutant, graphs):
            alive.add(mutant.name)
    assert alive == {mutant.name for mutant in SOME if why_equivalent(mutant.name)}


@pytest.mark.parametrize(("pattern", "why"), EQUIVALENT)
def test_each_equivalent_mutant_exists(pattern: str, why: str) -> None:
    assert [mutant for mutant in ALL if re.fullmatch(pattern, mutant.name)], pattern


def test_why_transient_and_unreported_are_equivalent() -> None:
    for state in DURABLE:
        assert OUTCOMES[state, Ending.TRANSIENT] is OUTCOMES[state, Ending.UNREPORTED]


def test_the_promise_that_is_named() -> None:
    unwritten = (State.UNKNOWN, (Effect.WRITE_UNKNOWN, Effect.REACH, Effect.SEND_COMMIT))
    row = (State.UNCOMMITTED, Event.ASKED)
    mutant = Mutant("the wrong way round", STEPS, row, unwritten)
    with spoilt(mutant), pytest.raises(Violation, match=r"^6: an authority") as caught:
        explore(ONE)
    assert any("unknown" in move for move in caught.value.history)
    assert STEPS[row] != unwritten  # it was put back


@pytest.mark.parametrize(("face", "rule"), SPOILT)
def test_a_spoilt_shell_is_found(face: str, rule: str) -> None:
    assert spoilt_shell(face, rule)


# What the model found, seen in the shell itself.


def test_a_close_does_not_end_the_late_commitment(tmp_path: Path) -> None:
    asked: list[str] = []
    waiting = os.eventfd(0)

    class Slow(Never):
        def check(self) -> None:
            pass

        def reach(self) -> None:
            """It is there."""

        def ask(self, question: Question) -> None:
            asked.append("asked")

        def fileno(self) -> int:
            return waiting

        def give_up(self) -> None:
            asked.append("given up")

    journal = Journal.create(tmp_path / "state", "j", {})
    supervisor = Supervisor(tmp_path, journal, Slow(), 0.01, Inspector(tmp_path, LOADED))
    supervisor.finish(r.Reported("uploaded"))
    supervisor.gatekeeper.step(Event.BYPASSED)
    supervisor.close()  # by a client, while the authority is asked
    awaited = supervisor.time_limit() is not None
    assert awaited, "the answer is not awaited, so the state LATE never ends"
    assert asked == ["asked"]
    supervisor.shut()
    os.close(waiting)


@pytest.mark.parametrize("after", ["", "% failed the manager has hung up\n"])
def test_a_job_that_signed_past_the_gate_is_not_called_harmless(after: str) -> None:
    text = "job: j\n\n! uncommitted\n% said uploaded\n% bypassed\n" + after
    verdict = judge_bytes(text.encode())
    assert verdict.outcome is Outcome.IRRECOVERABLE
    assert "was made past the gate" in verdict.meaning
