# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does every part use the same list of Debian packages, and is a missing one reported in one line?

dpkg-query and apt-get are stand-ins, so the test installs nothing on this machine.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.scratch import CHECKOUT, Done

pytestmark = pytest.mark.starts

NEEDS = CHECKOUT / "tools/needs"
LINE = "apt-get install --yes --no-install-recommends"


def of_group(group: str) -> list[str]:
    line = subprocess.run([NEEDS, "--line", group], capture_output=True, text=True, check=True)
    return line.stdout.removeprefix(LINE).split()


class Machine:
    """A machine with some packages, a user id, and an apt-get that records its arguments."""

    def __init__(self, root: Path) -> None:
        self.bin = root
        self.told = root / "told"
        for name in ("sh", "dirname", "grep", "sed", "tr", "sort", "xargs", "echo"):
            (root / name).symlink_to(f"/usr/bin/{name}")

    def put(self, name: str, script: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def need(self, *words: str, user: int, installed: list[str], apt: int = 0) -> Done:
        self.put("id", f"echo {user}")
        self.put("dpkg-query", f"printf 'installed:%s\\n' {' '.join(installed)}; exit 1")
        self.put("apt-get", f'echo "$*" >>{self.told}; exit {apt}')
        return self.ask(*words)

    def ask(self, *words: str) -> Done:
        env = {"PATH": str(self.bin)}
        done = subprocess.run([NEEDS, *words], env=env, capture_output=True, text=True)
        return Done(done.returncode, done.stdout, done.stderr)

    def apt(self) -> list[str]:
        return self.told.read_text().splitlines() if self.told.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nothing_is_printed_if_all_is_installed(machine: Machine) -> None:
    done = machine.need("demo", user=0, installed=of_group("demo"))
    assert (done, machine.apt()) == ((0, "", ""), [])


def test_a_user_gets_one_line_and_nothing_is_run(machine: Machine) -> None:
    installed = [each for each in of_group("demo") if each not in ("dgit", "gpgv")]
    done = machine.need("demo", user=1000, installed=installed)
    assert done.status == 69
    assert [line for line in done.err.splitlines() if LINE in line] == [f"    {LINE} dgit gpgv"]
    assert machine.apt() == []


def test_root_installs_what_is_missing(machine: Machine) -> None:
    installed = [each for each in of_group("demo") if each not in ("dgit", "gpgv")]
    done = machine.need("demo", user=0, installed=installed)
    assert done.status == 0
    update, install = machine.apt()
    assert update.startswith("update")
    assert install.startswith("install --yes --no-install-recommends")
    assert install.endswith(" dgit gpgv")


def test_a_failure_of_apt_is_reported(machine: Machine) -> None:
    done = machine.need("demo", user=0, installed=of_group("demo")[1:], apt=100)
    assert done.status == 69
    assert f"    {LINE} {of_group('demo')[0]}\n" in done.err


def test_groups_are_asked_for_together(machine: Machine) -> None:
    done = machine.need("demo", "test", user=1000, installed=["git"])
    wanted = sorted({*of_group("demo"), *of_group("test")} - {"git"})
    assert f"    {LINE} {' '.join(wanted)}\n" in done.err


def test_a_machine_without_dpkg_goes_on(machine: Machine) -> None:
    machine.put("id", "echo 1000")
    done = machine.ask("demo")
    assert done.status == 0
    assert "dgit" in done.err


@pytest.mark.parametrize("words", [[], ["--line"], ["nonsense"], ["demo", "nonsense"]])
def test_a_group_that_is_not_there(machine: Machine, words: list[str]) -> None:
    assert machine.need(*words, user=0, installed=[]).status == 64
    assert machine.apt() == []


def test_each_group_that_is_asked_for_exists() -> None:
    asked = set()
    for name in ("Makefile", ".ci/run", "tools/world/freshroot", "tools/demo.py"):
        text = (CHECKOUT / name).read_text()
        for words in re.findall(r"(?:tools/needs\"?,?|\$\(NEEDS\)) ([a-z\" 0-9]+)", text):
            asked |= set(words.replace('"', "").split())
    assert asked >= {"venv", "demo", "test", "browser", "e2e", "pictures"}
    assert [group for group in sorted(asked) if not of_group(group)] == []


def test_no_other_file_has_a_list_of_packages() -> None:
    for name in ("Makefile", ".ci/run", "README.md"):
        assert not re.search(r"apt(-get)? install .*(reprepro|dgit|dput)", Path(name).read_text())


def test_every_skip_goes_through_skips() -> None:
    """That is, goes through tests/support/skips.py."""
    others = [path for path in (CHECKOUT / "tests").rglob("*.py") if path.name != "skips.py"]
    found = re.compile(r"\bpytest\.(skip|importorskip|mark\.skip(if)?)\b")
    assert [
        path.name for path in others if found.search(path.read_text()) and path != Path(__file__)
    ] == []
