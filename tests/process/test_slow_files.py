# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a file that cannot be read delay only its own request, and only for a few seconds?

The file is on a real file system that does not answer: a process that reads the file is in an
uninterruptible wait, and cannot be killed.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.supervisor import hasher
from tests.support import fuse
from tests.support.scratch import PATIENCE, Scratch, finish, tell, wait_for

NOT_READ = r.FilesUnread(r.Unread.TIMEOUT, "")
KINDS = (fuse.Kind.LOOKUP, fuse.Kind.GETATTR, fuse.Kind.OPEN, fuse.Kind.READ)
#: The stand-in for gpg reads nothing, so that only we touch the file.
CALLS = {"by name": "gpg -b mnt/f", "from its directory": "cd mnt && gpg -b f"}


@pytest.fixture
def slow(scratch: Scratch) -> Iterator[fuse.Disk]:
    with fuse.disk(scratch.root / "mnt", fuse.Kind.READ) as made:
        yield made


def commit(scratch: Scratch) -> Path:
    return scratch.script("commit", "#!/bin/sh\necho asked >>asked\n")


def digest_of(content: bytes, name: str) -> Record:
    return r.FileDigest(hashlib.sha256(content).hexdigest(), name)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("call", CALLS)
def test_the_request_goes_on(scratch: Scratch, kind: fuse.Kind, call: str) -> None:
    with fuse.disk(scratch.root / "mnt", kind) as disk:
        done = scratch.run(CALLS[call], "--commit", commit(scratch))
        assert disk.is_asked.is_set()
        assert done.status == 0
    assert NOT_READ in scratch.notes()
    assert len(scratch.calls()) == 1
    assert scratch.verdict().outcome == "uploaded"
    assert scratch.jobs() == []  # nothing of the job is left


def test_from_its_stdin(scratch: Scratch, slow: fuse.Disk) -> None:
    assert scratch.run("gpg -b <mnt/f", "--commit", commit(scratch)).status == 0
    assert NOT_READ in scratch.notes()


def test_a_file_that_is_slow_and_read_in_time(scratch: Scratch, slow: fuse.Disk) -> None:
    process = scratch.start_run("gpg -b mnt/f", "--commit", commit(scratch))
    assert slow.is_asked.wait(PATIENCE)
    assert not (scratch.root / "asked").exists()
    slow.release()
    assert finish(process).status == 0
    assert digest_of(fuse.CONTENT, "mnt/f") in scratch.notes()


def test_others_keep_their_order(scratch: Scratch, slow: fuse.Disk) -> None:
    """The first request may wait for its file. The others came later, and wait for the first."""
    (scratch.root / "plain").write_text("x")
    ready = scratch.fifo("ready")
    command = f"gpg -b mnt/f & cat {ready}; gpg -b plain & gpg -b mnt/f & gpg -b <plain; wait"
    process = scratch.start_run(command, "--commit", commit(scratch))
    assert slow.is_asked.wait(PATIENCE)
    tell(ready)
    assert finish(process).status == 0
    questions = [line for line in scratch.lines() if line.startswith("$")]
    assert questions[0] == "$ gpg -b mnt/f"
    assert sorted(questions) == ["$ gpg -b", "$ gpg -b mnt/f", "$ gpg -b mnt/f", "$ gpg -b plain"]
    assert scratch.notes().count(NOT_READ) >= 2  # and those that waited behind a slow one as long
    assert len(scratch.calls()) == 4
    assert (scratch.root / "asked").read_text() == "asked\n"


def test_a_job_that_ends_meanwhile_commits_nothing(scratch: Scratch, slow: fuse.Disk) -> None:
    go = scratch.fifo("go")
    process = scratch.start_run(
        f"gpg -b mnt/f 2>said & cat {go}; exit 3", "--commit", commit(scratch)
    )
    assert slow.is_asked.wait(PATIENCE)
    tell(go)
    done = finish(process)
    assert done.status == 75
    assert scratch.lines()[1:] == [
        "% exit 3",
        "$ gpg -b mnt/f",
        "= no closed the job is over",
        "retriable",
    ]
    slow.release()
    assert not (scratch.root / "asked").exists()
    assert scratch.calls() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_served_meanwhile(
    scratch: Scratch, slow: fuse.Disk, number: signal.Signals
) -> None:
    process = scratch.start_run("exec gpg -b mnt/f", "--commit", commit(scratch))
    assert slow.is_asked.wait(PATIENCE)
    process.send_signal(number)
    finish(process)
    assert scratch.lines()[1] == "% close"
    assert NOT_READ not in scratch.notes()  # it was not waited for
    assert scratch.verdict().outcome == "retriable"
    assert not (scratch.root / "asked").exists()


def test_a_client_that_is_gone_meanwhile_leads_to_no_request(
    scratch: Scratch, slow: fuse.Disk
) -> None:
    go = scratch.fifo("go")
    command = f"gpg -b mnt/f & pid=$!; cat {go}; kill -9 $pid; wait; exit 3"
    process = scratch.start_run(command, "--commit", commit(scratch))
    assert slow.is_asked.wait(PATIENCE)
    tell(go)
    assert finish(process).status == 75
    (note,) = [note for note in scratch.notes() if isinstance(note, r.Withdrawn)]
    assert note.call == "gpg -b mnt/f"
    assert not (scratch.root / "asked").exists()


def test_an_answer_of_the_authority_is_heard_meanwhile(scratch: Scratch, slow: fuse.Disk) -> None:
    """A deadline ends, and an answer comes, while a later question waits for its file."""
    (scratch.root / "plain").write_text("x")
    hold, ready = scratch.fifo("hold"), scratch.fifo("ready")
    held = scratch.script("held", f"#!/bin/sh\ncat {hold}\n")
    command = (
        f"gpg -b plain & first=$!; cat {ready}; gpg -b mnt/f & wait $first; kill -9 $!; exit 0"
    )
    process = scratch.start_run(command, "--commit", held)
    scratch.wait_for_line("> commit-to-public-upload")
    tell(ready)
    assert slow.is_asked.wait(PATIENCE)
    tell(hold)
    finish(process)
    assert NOT_READ not in scratch.notes()  # the first had its answer before
    assert scratch.calls() == ["-b plain"]


def hashers(scratch: Scratch) -> list[int]:
    """Process ids of those that read files for a supervisor of this test."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if (each / "comm").read_text() == f"{hasher.NAME}\n" and os.fsencode(
                f"XDG_RUNTIME_DIR={scratch.runtime}"
            ) in (each / "environ").read_bytes().split(b"\0"):
                found.append(int(each.name))
        except OSError:
            continue
    return found


def kill_reader(scratch: Scratch) -> None:
    wait_for(lambda: bool(hashers(scratch)), "a reader")
    was = hashers(scratch)
    os.kill(was[0], signal.SIGKILL)
    wait_for(lambda: was != hashers(scratch), "its end")


def test_a_reader_that_is_killed_is_replaced(scratch: Scratch) -> None:
    (scratch.root / "plain").write_text("x")
    go = scratch.fifo("go")
    process = scratch.start_run(f"cat {go}; gpg -b plain; gpg -b plain")
    kill_reader(scratch)
    tell(go)
    assert finish(process).status == 0
    assert scratch.notes().count(digest_of(b"x", "plain")) == 2


def test_the_reader_ends_with_the_supervisor_and_holds_nothing(scratch: Scratch) -> None:
    go = scratch.fifo("go")
    process = scratch.start_run(f"cat {go}")
    wait_for(lambda: bool(hashers(scratch)), "a reader")
    (pid,) = hashers(scratch)
    fds = {int(fd.name): os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    assert [fds.pop(fd) for fd in (0, 1, 2)] == [os.devnull] * 3
    assert [name.partition(":")[0] for name in fds.values()] == ["socket"]
    assert os.getsid(pid) == pid  # ^C at a terminal is not for it
    process.kill()
    wait_for(lambda: not hashers(scratch), "its end")
    scratch.differences_wanted = True
