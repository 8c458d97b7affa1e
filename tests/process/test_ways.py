# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the start of a job warn of known ways past the gate, and is no job held by that?"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from gpgshim.core.gate import Outcome
from gpgshim.doctor import ways
from gpgshim.supervisor import config
from tests.support.scratch import Done, Scratch, finish, hear, is_alive, wait_for
from tests.support.skips import unless_installed

#: The group of tools/packages that has the program.
GROUPS = {"git": "demo", "debsign": "demo", "debuild": "demo", "rpm": "test"}

#: A git, or an rpm, that says that it was called, and never answers.
HANGS = """\
#!/bin/sh
echo $$ >{root}/called
exec sleep 1000
"""


def need(name: str) -> None:
    unless_installed(GROUPS[name], shutil.which(name))


def warnings_of(done: Done) -> list[str]:
    """The lines of stderr before the line with the outcome."""
    *before, last = done.err.splitlines()
    assert last.startswith("gpgshim: j.1: "), done.err
    return before


def configure(scratch: Scratch, names: Sequence[str]) -> None:
    scratch.conf.write_text(f"warn = {config.to_toml(list(names))}\n")


def hang(scratch: Scratch, name: str) -> dict[str, str]:
    """The environment of a run whose program `name` hangs."""
    (scratch.root / "bin").mkdir()
    path = scratch.script(f"bin/{name}", HANGS.format(root=scratch.root))
    return {"PATH": f"{path.parent}:{scratch.env['PATH']}"}


@pytest.mark.parametrize(
    ("name", "file", "text", "found", "todo"),
    [
        (
            "git",
            ".gitconfig",
            "[gpg]\n\tprogram = /opt/gpg\n",
            "file:{home}/.gitconfig: gpg.program = /opt/gpg: git signs with this program",
            "git config --file {home}/.gitconfig --unset-all gpg.program",
        ),
        (
            "git",
            ".gitconfig",
            "[gpg]\n\tformat = ssh\n",
            "file:{home}/.gitconfig: gpg.format = ssh: git does not sign with gpg",
            "git config --file {home}/.gitconfig --unset-all gpg.format",
        ),
        (
            "debsign",
            ".devscripts",
            "DEBSIGN_PROGRAM=/opt/gpg\n",
            "{home}/.devscripts sets DEBSIGN_PROGRAM=/opt/gpg: debsign does not run the gpg on"
            " PATH",
            "remove DEBSIGN_PROGRAM from {home}/.devscripts",
        ),
        (
            "debuild",
            ".devscripts",
            "",
            "debuild sets PATH itself, so its signatures go past the gate",
            "in gated jobs: debuild --preserve-envvar=PATH",
        ),
        (
            "rpm",
            ".rpmmacros",
            "%__gpg /opt/gpg\n",
            "rpm's macro %__gpg names /opt/gpg, and not the gpg on PATH",
            'in gated jobs: rpmsign --define "__gpg $(command -v gpg)"',
        ),
    ],
)
def test_each_way(scratch: Scratch, name: str, file: str, text: str, found: str, todo: str) -> None:
    need(name)
    home = scratch.root / "home"
    (home / file).write_text(text)
    configure(scratch, [name])
    done = scratch.run("true")
    assert done.status == 0
    assert warnings_of(done) == [
        f"gpgshim: way past the gate: {found.format(home=home)}",
        f"gpgshim: hint: {todo.format(home=home)}",
    ]


def test_without_such_a_way_there_is_no_warning(scratch: Scratch) -> None:
    home = scratch.root / "home"
    (home / ".gitconfig").write_text("[gpg]\n\tprogram = gpg\n[commit]\n\tgpgsign = true\n")
    (home / ".devscripts").write_text("DEBUILD_PRESERVE_ENVVARS=PATH\n")
    (home / ".rpmmacros").write_text("%__gpg gpg\n")
    scratch.conf.unlink()
    assert warnings_of(scratch.run("true")) == []


def test_it_looks_in_the_directory_and_the_environment_of_the_job(scratch: Scratch) -> None:
    need("git")
    configure(scratch, ["git"])
    subprocess.run(["git", "init", "-q", scratch.root], check=True, env=scratch.env)
    with open(scratch.root / ".git/config", "a") as file:
        file.write("[gpg]\n\tprogram = /opt/gpg\n")
    variables = {
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "gpg.format", "GIT_CONFIG_VALUE_0": "x509",
    }  # fmt: skip
    first, _, second, _ = warnings_of(scratch.run("true", **variables))
    assert " file:.git/config: gpg.program = /opt/gpg: " in first
    assert " command line:: gpg.format = x509: " in second


def test_the_warnings_come_before_the_job(scratch: Scratch) -> None:
    need("debuild")
    configure(scratch, ["debuild"])
    lines = warnings_of(scratch.run("echo started >&2"))
    assert len(lines) == 3
    assert lines[-1] == "started"


def test_a_program_that_hangs_does_not_hold_the_job(scratch: Scratch) -> None:
    configure(scratch, ["git"])
    done = scratch.run("echo started", **hang(scratch, "git"))
    assert (done.status, done.out) == (0, "started\n")
    assert warnings_of(done) == [
        "gpgshim: the look for ways past the gate took longer than 3 s, and was ended",
        "gpgshim: hint: `gpgshim doctor` takes its time; the setting `warn` leaves out programs",
    ]
    called = int((scratch.root / "called").read_text())
    wait_for(lambda: not is_alive(called), "the end of the program that hangs")
    assert scratch.jobs() == []


def test_what_was_found_before_a_program_hangs_is_printed(scratch: Scratch) -> None:
    need("debuild")
    configure(scratch, ["debuild", "rpm"])
    lines = warnings_of(scratch.run("true", **hang(scratch, "rpm")))
    assert lines[0].startswith("gpgshim: way past the gate: debuild sets PATH itself")
    assert lines[2].startswith("gpgshim: the look for ways past the gate took longer")
    assert len(lines) == 4


def test_a_program_that_fails_warns_of_nothing(scratch: Scratch) -> None:
    (scratch.root / "bin").mkdir()
    scratch.script("bin/rpm", "#!/bin/sh\nexit 1\n")
    configure(scratch, ["rpm"])
    done = scratch.run("true", PATH=f"{scratch.root}/bin:{scratch.env['PATH']}")
    assert (done.status, warnings_of(done)) == (0, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_program_hangs_leaves_nothing(
    scratch: Scratch, number: signal.Signals
) -> None:
    configure(scratch, ["git"])
    called = scratch.fifo("called")
    words = ["run", *scratch.options(), "--", "sh", "-c", "echo started"]
    process = scratch.start(*words, **hang(scratch, "git"))
    hanging = int(hear(called))
    wait_for(lambda: bool(scratch.journals()), "the journal")
    process.send_signal(number)
    done = finish(process)
    assert (done.status, done.out) == (128 + number, "")
    wait_for(lambda: not is_alive(hanging), "the end of the program that hangs")
    assert scratch.jobs() == []
    assert scratch.verdict().outcome is Outcome.RETRIABLE


def test_it_can_be_turned_off(scratch: Scratch) -> None:
    configure(scratch, [])
    assert warnings_of(scratch.run("true", **hang(scratch, "git"))) == []
    assert not (scratch.root / "called").exists()


def test_without_the_programs_no_process_looks(tmp_path: Path, mocker: MockerFixture) -> None:
    start = mocker.patch.object(ways, "start_process")
    with ways.looking(config.WARNINGS, {"PATH": str(tmp_path)}) as warn:
        warn()
    assert not start.called


def test_only_the_first_attempt_of_a_series_warns(scratch: Scratch) -> None:
    need("debuild")
    configure(scratch, ["debuild"])
    done = scratch.run("exit 3", "--retries", "2", "--wait", "0")
    assert len(scratch.journals()) == 3
    assert done.err.count("way past the gate") == 1


def test_supervise_warns_too(scratch: Scratch) -> None:
    need("debuild")
    configure(scratch, ["debuild"])
    done = scratch.gpgshim("supervise", *scratch.options())
    assert done.out.startswith("PATH=")
    assert done.err.splitlines()[0].startswith("gpgshim: way past the gate: debuild sets PATH")
    closing = f"{done.out} exec {sys.executable} -m gpgshim close --status 0"
    assert scratch.call("sh", "-c", closing).out == "unsigned\n"


def test_each_program_of_the_setting_has_a_way() -> None:
    assert tuple(ways.ways()) == tuple(ways.NEEDS) == config.WARNINGS
