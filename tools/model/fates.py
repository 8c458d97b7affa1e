# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What finds each mutant and each spoilt shell: a promise, or a named test."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import sys
from typing import NamedTuple

import pytest

from gpgshim.core.gate import AT_AGENT, MEANINGS
from tools.model.mutants import Mutant, spoilt
from tools.model.shell import LOST
from tools.model.state import Setting, Violation
from tools.model.walk import Graph, changes, explore

NOISE = r"STEPS.* with (SYNC|STOP_ASKING|GRANT|REFUSE) as effect \d"
STATUS = r"exit_status.*"
CLIENTS = r"ADMISSIONS.*"
WORDS = r"CONTROLS.*"
METHODS = r"(AgentGate|Entrance|Granted|Proxy|AgentLink)\..*"
#: Mutants that keep all promises, but that a test forbids: (their names, the tests).
NAMED = (
    # An additional sync, or an answer without a client: all stays true, but the test forbids it.
    (NOISE, "tests/core/test_gate.py::test_every_history_keeps_the_promises"),
    (STATUS, "tests/core/test_gate.py::test_75_is_retriable_and_nothing_else"),
    # All clients of the model are of the job.
    (CLIENTS, "tests/core/test_gate.py::test_admissions"),
    (WORDS, "tests/core/test_gate.py::test_controls"),
    (r"REFUSALS.*", "tests/core/test_gate.py::test_refusals"),
    (r"MEANINGS.*|judge.*|ending_of.*|_last_.*", "tests/core/test_verdict.py"),
    (r"AT_AGENT.*|judge.*|count.*|_sign.*", "tests/core/test_signatures.py"),
    (METHODS, "tests/agentlock/test_atagent.py"),
    (METHODS, "tests/agentlock/test_proxy.py"),
    (r"ENDINGS.*", "tests/core/test_verdict.py::test_the_lines_on_disk_decide"),
)

#: The mutants that no promise and no test tells from what ships, and why there is nothing to tell.
EQUIVALENT = (
    (
        r"ENDINGS\[(Exited|Signalled|NotStarted\(71\)|Reported\('retriable'\))\] is unreported"
        r"|ENDINGS\[(Ended|WatchdogEnded)\] is transient",
        "OUTCOMES has the same for both, whatever the state",
    ),
    (
        r"REPLIES\[(uncommitted|committed), irrecoverable\] is correct",
        "correcting what is irrecoverable leaves it as it is",
    ),
    (
        r"REPLIES\[(uncommitted, half|committed, (half|nothing))\] is (forward|correct)",
        "without a report there is nothing to forward: no line, as for drop",
    ),
)


class Graphs(NamedTuple):
    """The graphs for a mutant: `rows` if its row is known, otherwise `others`."""

    rows: tuple[Graph, ...]
    others: tuple[Graph, ...]


def fate(mutant: Mutant, graphs: Graphs) -> str:
    """The promise or the test that kills it; "" where it lives."""
    with spoilt(mutant):
        # A walk through all changed states takes long, and finds no more than the test.
        if re.fullmatch(f"{NOISE}|{STATUS}|{CLIENTS}|{WORDS}", mutant.name):
            return of_test(mutant) or of_promise(mutant, graphs)
        if re.fullmatch(METHODS, mutant.name):  # the model has no code of the shell
            return of_test(mutant)
        return of_promise(mutant, graphs) or of_test(mutant)


def of_promise(mutant: Mutant, graphs: Graphs) -> str:
    """The promise that it breaks, or ""."""
    try:
        if mutant.row is not None:
            for graph in graphs.rows:
                changes(graph, mutant.row)
        elif mutant.where not in (MEANINGS, AT_AGENT):
            for graph in graphs.others:
                explore(graph.setting)
    except Violation as violation:
        return str(violation)
    return ""


def of_test(mutant: Mutant) -> str:
    """The test that fails with it, or ""."""
    named = [test for pattern, test in NAMED if re.fullmatch(pattern, mutant.name)]
    return next((test for test in named if fails(test)), "")


def fails(test: str) -> bool:
    """Whether a test fails here and now, in this process, with what is spoilt in it."""
    path, _, name = test.partition("::")
    module = path.removesuffix(".py").replace("/", ".")
    found = getattr(importlib.import_module(module), name) if name else None
    if found is not None and not hasattr(found, "pytestmark"):
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                found()
            except AssertionError:
                return True
        return False
    sys.modules.pop(module, None)  # it is to import what is spoilt
    with contextlib.redirect_stdout(io.StringIO()):
        status = pytest.main(["-qx", "--no-header", "-p", "no:cacheprovider", test])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"{test} could not be run: {status}")
    return status is pytest.ExitCode.TESTS_FAILED


def why_equivalent(name: str) -> str:
    """Why a mutant of this name lives by right; "" where it should not."""
    return next((why for pattern, why in EQUIVALENT if re.fullmatch(pattern, name)), "")


#: How the shell could be wrong, which no table shows. Each has to be noticed too.
SPOILT = (
    ("run", "the disk is synced after the next effect"),
    ("run", "the disk is not synced"),
    ("run", "a failed sync is taken for one"),
    ("run", "the outcome is not synced"),
    ("run", "the outcome is remembered"),
    ("drs", "dgit takes any answer for a yes"),
    ("drs", "dgit's question leaves the gate open"),
    ("drs", "dgit does not ask"),
    ("drs", "two attempts share a directory"),
    ("drs", "a close ends the late commitment"),
    ("drs", LOST),
    ("drs", "the job is not killed for a silent manager"),
    ("drs", "uploaded is sent without a go-ahead"),
    ("run", "the effects go on after one that failed"),
    ("run", "the gate stays open when the job is over"),
    ("run", "a stunt takes a dead socket for a yes"),
    ("drs", "the remaining processes are not killed"),
    ("drs", "the manager gets the outcome before it is on disk"),
    ("lock", "a command is forwarded before it is in the journal"),
    ("lock", "a command is forwarded before it is synced"),
    ("lock", "a command is forwarded without its record"),
    ("lock", "a command passes without a grant"),
    ("lock", "the agent's answers are mixed up"),
    ("lock", "a command without an answer counts as not performed"),
    ("lock", "an agent starts at a dead socket"),
)


def spoilt_shell(face: str, rule: str) -> str:
    """The promise that a spoilt shell breaks, or ""."""
    for disk in (True, False):
        try:
            stunts = 2 if "open" in rule else 1
            setting = Setting(face, stunts, 1, orphan="share" in rule, spoilt=rule, disk=disk)
            if face == "lock":
                setting = setting._replace(face="run", stunts=0, stray=0, held=1)
            explore(setting)
        except Violation as violation:
            return str(violation)
    return ""
