# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the states of the gate from its table, for INTERNALS.md.

    python -m tools.states            print the diagram
    python -m tools.states --write    put it into INTERNALS.md, between the two markers

Rule 1: the diagram is made from gate.STEPS alone. A test compares it with the one in INTERNALS.md.
Rule 2: a row that changes no state and has no effect is left out: it says that nothing happens.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gpgshim.core.gate import STEPS, Effect, State

PAGE = Path(__file__).parents[1] / "INTERNALS.md"
BEGIN = "<!-- states: from `python -m tools.states --write` -->\n"
END = "<!-- end of states -->\n"


def diagram() -> str:
    """The states and the events that lead from one to another, as a Mermaid state diagram."""
    edges: dict[tuple[State, State, tuple[Effect, ...]], list[str]] = {}
    for (state, event), (after, effects) in STEPS.items():
        if after is not state or effects:
            edges.setdefault((state, after, effects), []).append(str(event))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.UNCOMMITTED}"]
    for (state, after, effects), events in edges.items():
        done = f" / {', '.join(effect.name.lower() for effect in effects)}" if effects else ""
        lines.append(f"    {state} --> {after}: {', '.join(events)}{done}")
    return "\n".join([*lines, "```", ""])


def parts(text: str) -> tuple[str, str, str]:
    """What stands before the diagram in the page, the diagram, and what stands behind it."""
    before, _, rest = text.partition(BEGIN)
    drawn, _, behind = rest.partition(END)
    return before, drawn, behind


def main() -> None:
    """Print the diagram, or write it into the page."""
    if sys.argv[1:] == ["--write"]:
        before, _, behind = parts(PAGE.read_text())
        PAGE.write_text(before + BEGIN + diagram() + END + behind)
    else:
        print(diagram(), end="")


if __name__ == "__main__":
    main()
