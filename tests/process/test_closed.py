# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does no file of ours get the number of a standard descriptor that the caller closed?

All eight ways of closing 0, 1 and 2, for each program of ours that a caller starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from gpgshim.core.gate import Outcome
from tests.support.scratch import PATIENCE, Scratch
from tests.support.worker import COMMIT, HEARD_UPLOADED, UPLOADED, Worker

CLOSED = [tuple(fd for fd in range(3) if bits[fd]) for bits in product((0, 1), repeat=3)]

#: Writes down which of the three are open, and what is there, and then says something everywhere.
LOOK = """\
import os
found = {}
for fd in range(3):
    try:
        found[fd] = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        pass
with open("seen", "a") as file:
    print(sorted(found), file=file)
"""

#: An authority that says a lot.
AUTHORITY = "sh -c 'echo to stdout; echo to stderr >&2; cat'"


def start(scratch: Scratch, closed: tuple[int, ...], *words: str) -> subprocess.Popen[bytes]:
    """Start `gpgshim words…` with these descriptors closed, and the others as files."""

    def close() -> None:
        for fd in closed:
            os.close(fd)

    with (scratch.root / "out").open("wb") as out, (scratch.root / "err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "gpgshim", *words],
            env=scratch.env,
            cwd=scratch.root,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            preexec_fn=close,
            start_new_session=True,
        )


@pytest.mark.parametrize("closed", CLOSED, ids=str)
def test_run(scratch: Scratch, closed: tuple[int, ...]) -> None:
    look = scratch.script("look", f"#!{sys.executable}\n{LOOK}")
    words = map(str, scratch.options("--commit", AUTHORITY))
    process = start(scratch, closed, "run", *words, "--", "sh", "-c", f"{look}; gpg -s f; gpg -s g")
    assert process.wait(PATIENCE) == 0
    # The job has what its caller gave.
    expected = [fd for fd in range(3) if fd not in closed]
    assert (scratch.root / "seen").read_text() == f"{expected}\n"
    assert scratch.calls() == ["-s f", "-s g"]
    # The journal has no line that is not the supervisor's.
    granted = ["$ gpg -s f", "! unknown", "> commit-to-public-upload", "< go-ahead", "! committed"]
    more = ["= go", "$ gpg -s g", "= go", "% exit 0", "uploaded"]
    assert scratch.lines() == ["! uncommitted", *granted, *more]
    said = (scratch.root / "err").read_text()
    assert (2 in closed) == (said == "")
    # The supervisor passes stdout on, so it may come after stderr.
    assert (2 in closed) or {"to stdout", "to stderr"} <= set(said.splitlines())
    assert (scratch.root / "out").read_text() == ""


@pytest.mark.parametrize("closed", [each for each in CLOSED if 1 not in each], ids=str)
def test_supervise(scratch: Scratch, closed: tuple[int, ...]) -> None:
    words = map(str, scratch.options("--commit", AUTHORITY))
    assert start(scratch, closed, "supervise", *words).wait(PATIENCE) == 0
    (job,) = scratch.jobs()
    before = f"{job}/bin:{(job / 'wall').readlink()}"
    assert (scratch.root / "out").read_text() == f"PATH={before}:$PATH; export PATH;\n"
    gpg = subprocess.run([job / "bin/gpg", "-s", "f"], env=scratch.env, cwd=scratch.root)
    assert gpg.returncode == 0
    assert scratch.gpgshim("close", "--status", "0", job).out == "uploaded\n"
    assert scratch.verdict().outcome is Outcome.UPLOADED
    assert scratch.lines()[-2:] == ["% exit 0", "uploaded"]


@pytest.mark.parametrize("closed", [each for each in CLOSED if 1 in each], ids=str)
def test_supervise_without_stdout(scratch: Scratch, closed: tuple[int, ...]) -> None:
    words = map(str, scratch.options("--commit", AUTHORITY))
    assert start(scratch, closed, "supervise", *words).wait(PATIENCE) == 64
    assert (scratch.jobs(), list(scratch.state.iterdir())) == ([], [])


@pytest.mark.parametrize("closed", CLOSED, ids=str)
@pytest.mark.parametrize("words", ["status", "config", "classify --json-lines", "show j", "zzz"])
def test_other_verbs(scratch: Scratch, closed: tuple[int, ...], words: str) -> None:
    status = start(scratch, closed, *words.split()).wait(PATIENCE)
    assert status == (64 if words in ("show j", "zzz") else 0)
    said = (scratch.root / "err").read_text()
    assert bool(said) == bool(status and 2 not in closed)
    assert "Traceback" not in said


@pytest.mark.parametrize("closed", CLOSED, ids=str)
def test_dgit_repos_server(
    worker: Worker, scratch: Scratch, tmp_path: Path, closed: tuple[int, ...]
) -> None:
    def close() -> None:
        for fd in closed:
            os.close(fd)

    look = scratch.script("look", f"#!{sys.executable}\n{LOOK}")
    worker.start(f"{look}; gpg -s f && {UPLOADED}", prepare=close)
    if {0, 1} & set(closed):  # there is no manager
        assert worker.rest() == []
        assert worker.end() == 78
        assert (2 in closed) or "so there is no manager; nothing was started" in worker.err()
        assert (scratch.journals(), scratch.calls()) == ([], [])
        return
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED
    assert worker.end() == 0
    assert (scratch.root / "seen").read_text() == f"{[0, 1, 2] if 2 not in closed else [0, 1]}\n"
    assert scratch.verdict().outcome is Outcome.UPLOADED


@pytest.mark.parametrize("closed", CLOSED, ids=str)
def test_dgit_repos_server_in_another_mode(
    worker: Worker, scratch: Scratch, closed: tuple[int, ...]
) -> None:
    """The real program takes over, with the descriptors of the caller."""

    def close() -> None:
        for fd in closed:
            os.close(fd)

    worker.install(LOOK, template=f"#!{sys.executable}\n" + "{script}")
    worker.start("", words=["--cron"], prepare=close)
    assert worker.end() == 0
    expected = [fd for fd in range(3) if fd not in closed]
    assert (scratch.root / "seen").read_text() == f"{expected}\n"
