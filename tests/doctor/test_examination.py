# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an error of one check become a finding, and can some checks run without the others?"""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gpgshim.doctor.catalogue import CHECKS
from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.facts import Machine, NoAnswer
from gpgshim.doctor.checks.finding import Finding, Result, fault, note, ok
from gpgshim.doctor.examination import examine
from gpgshim.system.errors import Misconfigured


def check(name: str, error: Exception | None = None, **fields: Any) -> Check[Any]:
    """A check that gathers its own name, or raises an error."""

    def gather(machine: Machine) -> str:
        if error:
            raise error
        return name

    return Check(name, f"the {name}", "because", gather, ok, **fields)


def findings(*checks: Check[Any], oracle: bool = False) -> list[Finding]:
    machine = SimpleNamespace(is_oracle=oracle, find=lambda name: "/bin/git" * (name == "git"))
    return [finding for _, finding in examine(cast("Machine", machine), checks)]


def test_a_check_that_does_not_apply_is_a_note() -> None:
    checks = (check("a", oracle=True), check("b", needs="git"), check("c", needs="rpm"))
    assert [each.result for each in findings(*checks)] == [Result.NOTE, Result.OK, Result.NOTE]
    assert findings(*checks, oracle=True)[0] == ok("a")


@pytest.mark.parametrize(
    ("error", "finding"),
    [
        (Misconfigured("no gpg", hint="install it"), fault("no gpg", "install it")),
        (NoAnswer("git", "ended with status 1"), fault("git ended with status 1", "run git")),
        (ModuleNotFoundError(name="gnupg"), fault("gnupg is not", "install python3-gnupg")),
        (ValueError("so\nand so"), fault("this check failed: so", "examine it yourself: the a")),
        (ValueError(), fault("this check failed: ValueError", "examine")),
    ],
)
def test_an_error_is_a_fault(error: Exception, finding: Finding) -> None:
    found, other = findings(check("a", error), check("b"))
    assert found.result is Result.MEND
    assert found.found[0].startswith(finding.found[0])
    assert found.todo[0].startswith(finding.todo[0])
    assert other == ok("b")


def test_a_fault_without_a_hint_names_what_was_not_examined() -> None:
    (found,) = findings(check("a", Misconfigured("no gpg")))
    assert found.todo[0].endswith("could not examine the a")


def test_one_fault_is_reported_once() -> None:
    errors = [Misconfigured("no gpg"), Misconfigured("no gpg"), Misconfigured("no home")]
    found = findings(*(check(name, error) for name, error in zip("abc", errors, strict=True)))
    assert [each.result for each in found] == [Result.MEND, Result.NOTE, Result.MEND]
    assert found[1] == note("not examined, because of the fault that `a` found")


def test_secrets_are_masked() -> None:
    assert findings(check("gpg --passphrase hush"))[0] == ok("gpg --passphrase ********")


def test_names_are_unique() -> None:
    names = [each.name for each in CHECKS]
    assert len(names) == len(set(names))


SUBSET = """
import os, sys
from gpgshim.doctor.checks.host import RUNTIME_DIRECTORY, STATE_DIRECTORY
from gpgshim.doctor.examination import examine
from gpgshim.doctor.machine import Machine
for check, finding in examine(Machine(environ=os.environ), (STATE_DIRECTORY, RUNTIME_DIRECTORY)):
    print(check.name, finding.result)
print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.starts
def test_some_checks_run_without_the_others() -> None:
    done = subprocess.run([sys.executable, "-c", SUBSET], capture_output=True, text=True)
    assert [line.rpartition(" ")[0] for line in done.stdout.splitlines()] == [
        "state directory",
        "runtime directory",
    ]
    loaded = set(done.stderr.split())
    groups = {name for name in loaded if name.startswith("gpgshim.doctor.checks.")}
    assert groups - {"gpgshim.doctor.checks.host"} == {
        f"gpgshim.doctor.checks.{name}" for name in ("check", "facts", "finding")
    }
    for_others = {"click", "gnupg", "json", "subprocess", "gpgshim.doctor.trials"}
    assert not loaded & {*for_others, "gpgshim.tag2upload"}
