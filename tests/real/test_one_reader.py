# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do explain, classify, replay, doctor and the stunt read conf files alike, and quickly?"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gpgshim.core import quoting, transcript
from gpgshim.doctor.checks.facts import Machine
from gpgshim.doctor.checks.gnupg import GPG_CONF
from gpgshim.gpgargs import commands, decision, explain, optiontable, parser
from gpgshim.history import recorded
from gpgshim.stunts import plainfile
from gpgshim.supervisor import jobdir, optable
from tests.support.scratch import GPG, PATIENCE, Scratch


class Court(NamedTuple):
    """A job without a supervisor, whose stunt refuses what it would ask about; and a home."""

    job: Path
    table: optiontable.Table
    directory: Path
    environ: dict[str, str]


@pytest.fixture
def court(scratch: Scratch) -> Iterator[Court]:
    """The home has `plain`, `folder`, `pipe` (opening it would block) and `link` (to no file)."""
    text = optable.of(GPG, dict(os.environ))
    real = scratch.script("real", "#!/bin/sh\nexit 0\n")
    job = jobdir.make(scratch.runtime, "j", text, {"gpg": real})
    home = scratch.root / "h"
    (home / "folder").mkdir(parents=True)
    os.mkfifo(home / "pipe")
    (home / "link").symlink_to("nothing")
    yield Court(job, optiontable.load(text), home, {"GNUPGHOME": str(home), "HOME": str(home)})


LINES = (
    "sign", "encrypt", "armor", "clear-sign", "# sign", "", "bogus", "verify", "[if]",
    "alias x y", "local-user K", "default-key", "sign \t", "\tno-comments", "é",
    "passphrase secret",
)  # fmt: skip
FILES = (
    "plain", "pipe", "folder", "link", "none", "/dev/null", "/dev/zero", "plain/under", "./plain",
    "/proc/self/cgroup",
)  # fmt: skip
WORDS = (
    "-s", "-e", "-r", "K", "--verify", "--det", "-b", "f", "--no-options", "-n", "--list-keys",
    "--passphrase", "--status-fd", "2", "--bogus", "--fingerprint", "-c", "--version",
)  # fmt: skip
#: A command line, after the file that it names with --options, if it names one.
CALLS = st.tuples(
    st.one_of(st.just([]), st.sampled_from(FILES).map(lambda file: ["--options", file])),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
).map(lambda parts: [*parts[0], *parts[1]])
CONFS = st.lists(st.sampled_from(LINES), max_size=3).map("\n".join)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=CALLS, own=CONFS, named=CONFS)
@example(words=["--options", "/dev/null", "-e", "-r", "x", "f"], own="", named="")
@example(words=["--options", "pipe", "-e", "-r", "x", "f"], own="", named="")
@example(words=["--options", "plain/under", "f"], own="sign", named="sign")
@example(words=["f"], own="sign", named="")
def test_all_five_agree(court: Court, words: list[str], own: str, named: str) -> None:
    (court.directory / "gpg.conf").write_text(own)
    (court.directory / "plain").write_text(named)
    verdict = by_stunt(court, words)
    for reader in (by_classify, by_explain, by_replay):
        assert (reader.__name__, reader(court, words)) == (reader.__name__, verdict)
    found, doubt = by_doctor(court)
    reading = decision.read([], court.table, court.environ, plainfile.file_in())
    assert found == [one.where for one in reading.options if is_told(one)]
    assert doubt == bool(reading.doubt)


def by_stunt(court: Court, words: list[str]) -> bool:
    """Whether the stunt becomes the real gpg without asking."""
    done = subprocess.run(
        [court.job / "bin/gpg", *words],
        env=court.environ | {"PATH": os.defpath},
        cwd=court.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
    )
    return {0: True, 2: False}[done.returncode]


def by_classify(court: Court, words: list[str]) -> bool:
    return told(court, words, explained=False) == "pass\n"


def by_explain(court: Court, words: list[str]) -> bool:
    return "\npass: " in told(court, words, explained=True)


def told(court: Court, words: list[str], explained: bool) -> str:
    case = {"argv": words, "env": court.environ, "cwd": str(court.directory)}
    read = explain.classify_json_lines
    return "".join(read(court.table, [json.dumps(case)], plainfile.file_in, {}, explained))


def by_replay(court: Court, words: list[str]) -> bool:
    """Whether replay contradicts a journal that has a request for these words."""
    head = transcript.format_head({"job": "j", "attempt": "1", "authority": "nobody"})
    question = f"$ {quoting.quote(['gpg', *words])}\n# pid 1 in {court.directory}\n"
    (court.directory / "j.1").write_text(f"{head}! uncommitted\n{question}")
    files = [court.directory / "j.1"]
    (replayed,) = recorded.replay_files(files, court.table, court.environ)
    return any("is pass" in each for each in replayed.differences)


def by_doctor(court: Court) -> tuple[list[str], bool]:
    """Where it finds a command or a fault in conf files, and whether it doubts what it read."""
    machine = SimpleNamespace(
        table=court.table, environ=court.environ, conf_file=plainfile.file_in("/")
    )
    finding = GPG_CONF.diagnose(GPG_CONF.gather(cast("Machine", machine)))
    lines = [line.partition("(")[2].rstrip(")") for line in finding.todo]
    return lines, any(line.startswith("not known in advance") for line in finding.found)


def is_told(one: parser.Option) -> bool:
    return bool(
        one.fault or (one.flags & optiontable.COMMAND and one.name not in commands.NO_COMMAND)
    )


def test_classify_of_dev_null(scratch: Scratch) -> None:
    """No conf file that is read is no reason to ask: the stunt passes this."""
    done = scratch.gpgshim("classify", "--", "--options", "/dev/null", "-e", "-r", "x", "f")
    assert (done.status, done.out) == (0, "pass\n")
