# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the times of several programs.

Rule 1: the compared programs run in turns of a few runs each, so a busy machine affects all.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

IN_A_TURN = 5


class Times(NamedTuple):
    """`wall` has the seconds of each run, start to end; `processor` the seconds of user and system
    time, which others' load lengthens less (of hyperfine, the mean of each turn).
    """

    wall: list[float]
    processor: list[float]


def in_turns(
    commands: Mapping[str, list[str]], runs: int, environ: dict[str, str]
) -> dict[str, Times]:
    """Run each command `runs` times."""
    measure = with_hyperfine if shutil.which("hyperfine") else without
    list(measure(commands, environ))  # fills the caches
    took = {name: Times([], []) for name in commands}
    order = list(commands)
    for _ in range(-(-runs // IN_A_TURN)):
        order.append(order.pop(0))  # the first in a turn pays for its predecessor
        turn = measure({name: commands[name] for name in order}, environ)
        for name, times in zip(order, turn, strict=True):
            took[name].wall.extend(times.wall)
            took[name].processor.extend(times.processor)
    return took


def with_hyperfine(commands: Mapping[str, list[str]], environ: dict[str, str]) -> Iterable[Times]:
    """Run the command in one turn."""
    with tempfile.NamedTemporaryFile() as file:
        words = ["hyperfine", "-N", "--style=none", f"--runs={IN_A_TURN}"]
        subprocess.run(
            [*words, f"--export-json={file.name}", *map(shlex.join, commands.values())],
            env=environ,
            stderr=subprocess.DEVNULL,  # warnings about outliers; the spread shows these
            check=True,
        )
        results = json.load(file)["results"]
    return [Times(each["times"], [each["user"] + each["system"]]) for each in results]


def without(commands: Mapping[str, list[str]], environ: dict[str, str]) -> Iterable[Times]:
    """Run the command in one turn, without hyperfine."""
    for words in commands.values():
        turn = [once(words, environ) for _ in range(IN_A_TURN)]
        yield Times([wall for wall, _ in turn], [processor for _, processor in turn])


def once(words: list[str], environ: dict[str, str]) -> tuple[float, float]:
    """The seconds of a command, and its processor time. The command must succeed."""
    null = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
    began = time.perf_counter()
    pid = os.posix_spawn(words[0], words, environ, file_actions=null)
    _, status, spent = os.wait4(pid, 0)
    took = time.perf_counter() - began
    if status:
        raise SystemExit(f"bench: {shlex.join(words)}: wait status {status}")
    return took, spent.ru_utime + spent.ru_stime
