"""Is a job's outcome true, wherever one of us is stopped, and whichever of our calls fails?

A small part of `make crash`, by a seed that is printed; and the proof that it can fail.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.__main__ import crash, power_cuts, spoilt, watch
from tests.crash.calls import CAN_TAMPER, FSYNC, Call
from tests.crash.spoils import SPOILS
from tests.crash.tracer import Target
from tests.crash.world import Base
from tests.scratch import CHECKOUT, short_directory

SEED = 20250711

needs_registers = pytest.mark.skipif(not CAN_TAMPER, reason="only x86-64's registers are known")


@pytest.fixture
def place() -> Iterator[Path]:
    root = short_directory()
    yield root
    shutil.rmtree(root)


def options(face: str, fail: bool, sample: int) -> argparse.Namespace:
    return argparse.Namespace(
        face=face, fail=fail, every=False, process=None, sample=sample, seed=SEED, workers=2
    )


@pytest.mark.parametrize("face", ["run", "repos-server"])
def test_killed(place: Path, face: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert crash(place, options(face, fail=False, sample=16)) == 0, capsys.readouterr().out


@needs_registers
@pytest.mark.parametrize("face", ["run", "repos-server"])
def test_call_fails(place: Path, face: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert crash(place, options(face, fail=True, sample=10)) == 0, capsys.readouterr().out


@needs_registers
@pytest.mark.parametrize(
    "name",
    ["no fsync", "no fsync of the journal's name", "send before unknown is written"],
)
def test_spoilt_code_is_seen(place: Path, name: str) -> None:
    assert spoilt(name, SPOILS[name], place, 2)


@needs_registers
def test_each_sync_that_is_counted_on_was_made(place: Path) -> None:
    watched = watch(Base(place, CHECKOUT), "run", "signs")
    made = watched.calls[Target("supervisor", 1)]
    count, found = power_cuts(watched)
    assert (count, found) == (len(made), [])

    def without_sync_after(line: bytes) -> list[Call]:
        written = next(at for at, call in enumerate(made) if call.data.endswith(line))
        gone = next(at for at in range(written, len(made)) if made[at].number == FSYNC)
        return made[:gone] + made[gone + 1 :]

    for line in (b"! unknown\n", b"! committed\n"):
        watched.calls[Target("supervisor", 1)] = without_sync_after(line)
        assert power_cuts(watched)[1]
