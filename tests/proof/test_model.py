"""Is the model clean on what ships, and does it notice when that is spoilt?

All of it is `python -m tests.model`; here is as much as CI has time for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from gpgshim.audit import Witness
from gpgshim.gate import STEPS, Effect, Event, Outcome, State
from gpgshim.journal import Journal
from gpgshim.o2m import REPLIES, Reply, Said
from gpgshim.supervisor import Supervisor
from gpgshim.verdict import judge_bytes
from tests import model
from tests.fuzz import LOADED, Never
from tests.model import Mutant, Setting, Violation

ONE = Setting("run", 1, 1)


def test_what_ships_keeps_its_promises() -> None:
    for setting in (ONE, Setting("drs", 1, 0, orphan=False)):
        graph = model.report(setting)
        assert len(graph.order) > 10_000
        assert graph.depth > 20
        # Every state of the gate was there, and the walk was not of a world that stands still.
        assert {world.gate for world in graph.order} >= set(State) - {State.LATE}
    assert {world.gate for world in graph.order} == set(State)


@pytest.fixture(scope="module")
def graph() -> model.Graph:
    return model.explore(ONE)


#: STEPS is walked with all its mutants by test_gate too; the deep ones are `python -m tests.model`.
SHALLOW = [
    each
    for each in model.mutants()
    if each.table is STEPS
    and each.row in ((State.UNKNOWN, Event.GO_AHEAD), (State.UNCOMMITTED, Event.ASKED))
]


@pytest.mark.parametrize("mutant", SHALLOW, ids=lambda each: each.name)
def test_a_spoilt_commitment_is_noticed(mutant: Mutant, graph: model.Graph) -> None:
    why = model.fate(mutant, [graph])
    assert why and why != model.SAME, why


def test_the_promise_that_is_named() -> None:
    unwritten = (State.UNKNOWN, (Effect.WRITE_UNKNOWN, Effect.REACH, Effect.SEND_COMMIT))
    mutant = Mutant(STEPS, (State.UNCOMMITTED, Event.ASKED), unwritten, "the wrong way round")
    with model.spoilt(mutant), pytest.raises(Violation, match=r"^6: an authority") as caught:
        model.explore(ONE)
    assert any("unknown" in move for move in caught.value.history)
    assert STEPS[mutant.row] != unwritten  # it was put back


def test_a_lie_to_the_manager_is_noticed() -> None:
    setting = Setting("drs", 0, 0, orphan=False)
    for said in (Said.RETRIABLE, Said.NOTHING, Said.HALF, Said.IRRECOVERABLE, Said.UPLOADED):
        row = (State.UNCOMMITTED, said)
        lie = Reply.FORWARD if REPLIES[row] is not Reply.FORWARD else Reply.DROP
        if said is Said.HALF:
            lie = Reply.CRASHED
        with model.spoilt(Mutant(REPLIES, row, lie, "")), pytest.raises(Violation):
            model.explore(setting)


#: The rest takes long, and is noticed by `python -m tests.model`.
QUICK = [(face, rule) for face, rule in model.SPOILT if face == "run"]


@pytest.mark.parametrize(("face", "rule"), QUICK)
def test_a_spoilt_shell_is_noticed(face: str, rule: str) -> None:
    assert model.spoilt_shell(face, rule)


# What the model found, seen in the shell itself.


def test_a_close_does_not_end_the_late_commitment(tmp_path: Path) -> None:
    asked: list[str] = []
    waiting = os.eventfd(0)

    class Slow(Never):
        def reach(self) -> None:
            """It is there."""

        def ask(self, question: Sequence[str]) -> None:
            asked.append("asked")

        def fileno(self) -> int:
            return waiting

        def give_up(self) -> None:
            asked.append("given up")

    journal = Journal.create(tmp_path / "state", "j", {})
    supervisor = Supervisor(tmp_path, journal, Slow(), 0.01, Witness(tmp_path, LOADED))
    supervisor.finish("% said uploaded")
    supervisor.step(Event.BYPASSED)
    supervisor.close()  # by a peer, while the authority is being told
    assert supervisor._until is not None, "nobody waits for the answer, and LATE is never left"
    assert asked == ["asked"]
    supervisor.shut()
    os.close(waiting)


@pytest.mark.parametrize("after", ["", "% failed the manager has hung up\n"])
def test_a_job_that_went_round_the_gate_is_not_called_harmless(after: str) -> None:
    text = "job: j\n\n! uncommitted\n% said uploaded\n% bypassed\n" + after
    verdict = judge_bytes(text.encode())
    assert verdict.outcome is Outcome.IRRECOVERABLE
    assert "went round the gate" in verdict.meaning
