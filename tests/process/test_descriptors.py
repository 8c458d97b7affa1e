# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a descriptor of the caller closed when the job closes it, while the supervisor still runs?"""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.scratch import PATIENCE, Scratch, hear, tell


@pytest.mark.parametrize("fd", [0, 1, 3, 9, 200])
@pytest.mark.parametrize("what", ["pipe", "lock"])
def test_run(scratch: Scratch, fd: int, what: str) -> None:
    """The job closes it, and lives on."""
    closed, fifo = scratch.fifo("closed"), scratch.fifo("fifo")
    lock = scratch.root / "lock"
    lock.touch()
    reader, writer = os.pipe()
    held = writer
    if what == "lock":
        os.close(writer)
        held = os.open(lock, os.O_RDWR)
        fcntl.flock(held, fcntl.LOCK_EX)
    look = f"#!{sys.executable}\nimport os\nos.fstat({fd}); os.close({fd})\n"
    look += f"open({str(closed)!r}, 'w').close(); open({str(fifo)!r}).close()\n"
    job = scratch.script("job", look)

    def prepare() -> None:
        os.dup2(held, fd)  # over the /dev/null that it is otherwise

    with subprocess.Popen(
        [sys.executable, "-m", "gpgshim", "run", *map(str, scratch.options()), "--", str(job)],
        env=scratch.env,
        cwd=scratch.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=prepare,
    ) as process:
        os.close(held)
        hear(closed)
        if what == "pipe":
            assert select.select([reader], [], [], PATIENCE)[0]
            assert os.read(reader, 1) == b""
        else:
            again = os.open(lock, os.O_RDWR)
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(again)
        tell(fifo)
        assert process.wait(PATIENCE) == 0
    os.close(reader)


def test_supervise(scratch: Scratch) -> None:
    """The shell that has started a supervisor closes it."""
    lock = scratch.root / "lock"
    script = f"""\
exec 9>{lock}
flock 9
line=$({sys.executable} -m gpgshim supervise {" ".join(map(str, scratch.options()))})
eval "$line"
exec 9>&-
flock --nonblock {lock} echo free
"""
    done = scratch.call("sh", "-c", script)
    assert (done.out, done.status) == ("free\n", 0)
    assert scratch.gpgshim("close", scratch.jobs()[0]).status == 0


def test_the_job_has_them(scratch: Scratch) -> None:
    (scratch.root / "in").write_text("from here\n")
    words = " ".join(map(str, scratch.options()))
    script = f"""\
exec 5>five <in
{sys.executable} -m gpgshim run {words} -- sh -c 'cat; echo five >&5; exec gpg -s f'
"""
    done = scratch.call("sh", "-c", script)
    assert (done.out, done.status) == ("from here\n", 0)
    assert Path(scratch.root, "five").read_text() == "five\n"
