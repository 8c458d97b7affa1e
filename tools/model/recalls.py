# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shipped code decides after a look at attempts in given stages."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gpgshim.core import memory
from gpgshim.core.memory import Option, Recalled, Standing
from gpgshim.history import claim
from gpgshim.system.errors import AlreadyDone, NotStarted
from tools.model.lives import Stage, journal_of
from tools.model.state import Violation

#: A stage, the kind of its head, its resolution, and whether its journal was locked.
Look = tuple[int, str, str, bool]


class Decision(NamedTuple):
    """Neither `start` nor `skipped`: exit status 77."""

    start: bool = False
    head: str = ""
    warns: bool = False
    skipped: bool = False


class Recalls:
    """claim.py and memory.py, for attempts that have no file."""

    def __init__(self, stages: list[Stage]) -> None:
        self._stages = stages
        self._recalled: dict[Look, Recalled] = {}
        self._decided: dict[tuple[tuple[Look, ...], Option], Decision] = {}

    def standings(self) -> frozenset[Standing]:
        """All that were seen."""
        return frozenset(each.standing for each in self._recalled.values())

    def decide(self, seen: tuple[Look, ...], option: Option) -> Decision:
        """The decision on a new attempt, after a look at all earlier ones."""
        decision = self._decided.get((seen, option))
        if decision is None:
            decision = self._decided[seen, option] = self._decide(seen, option)
        return decision

    def _decide(self, seen: tuple[Look, ...], option: Option) -> Decision:
        found = (
            claim.Earlier("j", number, Path(f"j.{number}"), self._recall(seen[number - 1]))
            for number in range(len(seen), 0, -1)
        )
        try:
            beginning = claim.decide("j", claim.that_stands(found), option)
        except AlreadyDone:
            return Decision(skipped=True)
        except NotStarted:
            return Decision()
        except (KeyError, AttributeError) as error:
            raise Violation(f"7: a traceback: {error!r}") from None
        again = beginning.head.get(memory.AGAIN)
        head = f"again {again}" if again else memory.EARLIER if beginning.head else ""
        return Decision(True, head, beginning.warning is not None)

    def _recall(self, look: Look) -> Recalled:
        recalled = self._recalled.get(look)
        if recalled is None:
            stage, head, resolution, locked = look
            data = journal_of(self._stages[stage], head, resolution)
            recalled = self._recalled[look] = memory.recall(data, locked)
        return recalled
