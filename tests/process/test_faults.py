# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""If the disk fails at any point of a job, is the reported outcome still that of the journal?

Promises 1, 2 and 5. The supervisor is a fork of the test, so that os.write and os.fsync can fail
for its journal, and for that alone; the stunt, the gpg and the authority are real processes. One
test has a disk that is really full.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from gpgshim.cli.main import main
from gpgshim.core import records as r
from gpgshim.core.gate import Outcome, State
from gpgshim.core.verdict import judge_bytes
from tests.support import skips
from tests.support.scratch import REFUSE, Done, Scratch, message

WRITES = (
    "the journal itself",
    "$ gpg -s f, and who asks",
    "! unknown",
    "> commit-to-public-upload",
    "< go-ahead",
    "! committed",
    "= go",
    "% exit 5",
    "irrecoverable",
)


class Disk:
    """Fails at the Nth write or fsync to a file under `directory`."""

    def __init__(
        self, mocker: MockerFixture, directory: Path, failing: str, number: int, mode: str
    ) -> None:
        self.directory = directory
        self.number = number
        self.mode = mode
        self.seen = 0
        self.failed = False
        self.lasting = "lasting" in mode
        self.real = {name: getattr(os, name) for name in ("write", "fsync", "ftruncate")}
        mocker.patch(f"os.{failing}", getattr(self, failing))
        if "for good" in mode:
            mocker.patch("os.ftruncate", self.ftruncate)

    def is_ours(self, fd: int) -> bool:
        try:
            return os.readlink(f"/proc/self/fd/{fd}").startswith(str(self.directory))
        except OSError:
            return False

    def is_due(self, fd: int) -> bool:
        if not self.is_ours(fd):
            return False
        if self.failed:
            return self.lasting
        self.seen += 1
        self.failed = self.seen == self.number
        return self.failed

    def write(self, fd: int, data: bytes) -> int:
        if not self.is_due(fd):
            return int(self.real["write"](fd, data))
        if self.mode != "at once":
            self.real["write"](fd, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fsync(self, fd: int) -> None:
        if self.is_due(fd):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.real["fsync"](fd)

    def ftruncate(self, fd: int, length: int) -> None:
        if self.is_ours(fd):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.real["ftruncate"](fd, length)


def run_forked(scratch: Scratch, mocker: MockerFixture, *words: str | Path) -> Done:
    """`gpgshim words…` in a fork of ours, with what `mocker` has put in place."""
    mocker.patch.dict(os.environ, scratch.env, clear=True)
    pid = os.fork()
    if not pid:
        status = 99
        try:
            os.chdir(scratch.root)
            for fd, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), fd)
            sys.argv = ["gpgshim", *map(str, words)]
            try:
                status = main()
            except SystemExit as end:
                status = int(end.code or 0)
            except BaseException:
                import traceback

                os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    mocker.stopall()
    return Done(status, (scratch.root / "out").read_text(), (scratch.root / "err").read_text())


def run_job(scratch: Scratch, mocker: MockerFixture, command: str = "gpg -s f; exit 5") -> Done:
    commit = scratch.script("commit", "#!/bin/sh\necho asked >>asked\n")
    options = scratch.options("--commit", str(commit))
    return run_forked(scratch, mocker, "run", *options, "--", "sh", "-c", command)


def assert_said_is_written(scratch: Scratch, done: Done) -> None:
    """Compare the messages and the effects with the bytes that are on the disk."""
    assert "Traceback" not in done.err
    scratch.differences_wanted = True  # effects failed: no row has what follows
    asked = (scratch.root / "asked").exists()
    if "nothing was started" in done.err:
        assert done.status == 74
        assert not asked
        assert scratch.calls() == []
        # Where one is there, a crash could have left it: it claims nothing.
        assert all(
            scratch.verdict(n).outcome is Outcome.RETRIABLE for n in range(len(scratch.journals()))
        )
        return
    data = scratch.journals()[-1].read_bytes()
    verdict = judge_bytes(data)
    assert (done.status == 75) == (verdict.outcome is Outcome.RETRIABLE)
    assert f": {verdict.outcome}" in done.err
    if asked:
        assert b"! unknown\n" in data
        assert verdict.state is not State.UNCOMMITTED
    if "-s f" in scratch.calls():
        assert b"! committed\n" in data
        assert asked
    assert scratch.calls().count("-s f") <= 1


@pytest.mark.parametrize("mode", ["at once", "half way", "half way, lasting", "for good, lasting"])
@pytest.mark.parametrize("number", range(1, len(WRITES) + 1), ids=WRITES)
def test_no_space(scratch: Scratch, mocker: MockerFixture, number: int, mode: str) -> None:
    Disk(mocker, scratch.state / "gpgshim", "write", number, mode)
    done = run_job(scratch, mocker)
    assert_said_is_written(scratch, done)
    failing = WRITES[number - 1]
    only_noted = failing == "< go-ahead" and "lasting" not in mode  # the answer itself is not lost
    committed = only_noted or number > WRITES.index("! committed") + 1
    granted = only_noted or number > WRITES.index("= go") + 1
    if number > 1:
        assert (b"! committed\n" in scratch.journals()[0].read_bytes()) == committed
        assert scratch.calls() == ["-s f"] * granted
    # The refused gpg names the failure.
    if number > 1 and not granted:
        assert "gpg: gpgshim refuses: the supervisor cannot go on: " in done.err


SYNCS = (
    "the name of the directory",
    "the journal",
    "its name",
    "! unknown",
    "! committed",
    "outcome",
)


@pytest.mark.parametrize("mode", ["once", "lasting"])
@pytest.mark.parametrize("number", range(1, len(SYNCS) + 1), ids=SYNCS)
def test_fsync_fails(scratch: Scratch, mocker: MockerFixture, number: int, mode: str) -> None:
    Disk(mocker, scratch.state, "fsync", number, mode)
    done = run_job(scratch, mocker)
    assert_said_is_written(scratch, done)
    assert scratch.calls() == ["-s f"] * (SYNCS[number - 1] == "outcome")
    assert (scratch.root / "asked").exists() == (number > SYNCS.index("! unknown") + 1)


@pytest.mark.parametrize("mode", ["once", "lasting"])
@pytest.mark.parametrize(
    ("command", "number", "on_disk"),
    [
        ("gpg -s f", len(SYNCS), "irrecoverable"),  # and not uploaded
        ("true", SYNCS.index("! unknown") + 1, "retriable"),  # and not unsigned
    ],
    ids=["uploaded", "unsigned"],
)
def test_no_outcome_is_reported_that_the_disk_may_not_have(
    scratch: Scratch, mocker: MockerFixture, command: str, number: int, on_disk: str, mode: str
) -> None:
    """The page cache has how the job ended; after a power cut, the journal says something else."""
    Disk(mocker, scratch.state, "fsync", number, mode)
    done = run_job(scratch, mocker, command)
    assert done.status == 74
    assert (
        "the line '% exit 0' may not be on disk (Input/output error), so the journal may say: "
        in done.err
    )
    assert f"so the journal may say: {on_disk}: " in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize(
    ("command", "syncs"), [("exit 5", SYNCS.index("! unknown") + 1), ("gpg -s f", len(SYNCS))]
)
def test_a_journal_that_cannot_be_read_back_gets_no_second_answer(
    scratch: Scratch, mocker: MockerFixture, command: str, syncs: int, failing: int
) -> None:
    """The disk fails once: what `show` tells of the journal later must not contradict us.

    A journal is read once, and a second time only if the disk did not take the outcome.
    """
    if failing == 2:
        Disk(mocker, scratch.state, "fsync", syncs, "once")
    pread, seen = os.pread, list[int]()

    def fail_once(fd: int, most: int, at: int) -> bytes:
        if not at:
            seen.append(fd)
            if len(seen) == failing:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(fd, most, at)

    mocker.patch("os.pread", fail_once)
    done = run_job(scratch, mocker, command)
    assert done.status == 74
    what, hint = message(done.err)
    assert "cannot be read back (Input/output error); the outcome of the job is unknown" in what
    assert hint.startswith("do not retry the job before `gpgshim show j.1` shows")
    assert not any(outcome in done.err for outcome in Outcome)
    shown = scratch.gpgshim("show", "j").out
    assert scratch.verdict().outcome in shown


@pytest.mark.parametrize("mode", ["at once", "half way", "for good, lasting"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    "command", ["exit 5", "exit 0", "gpg --verify f"], ids=["fails", "ends well", "verifies"]
)
def test_no_space_for_the_end_of_a_job_that_asked_nothing(
    scratch: Scratch, mocker: MockerFixture, number: int, mode: str, command: str
) -> None:
    Disk(mocker, scratch.state / "gpgshim", "write", number, mode)
    done = run_job(scratch, mocker, command)
    if command != "exit 5" and number == 2 and "for good" not in mode:
        # The job succeeded, but could not record that, so the journal has another ending.
        scratch.differences_wanted = True
        assert done.status == 74
        assert "so the journal says: retriable" in done.err
        assert "the job ended with status 0, but " in done.err
        return
    assert_said_is_written(scratch, done)


@pytest.mark.parametrize("call", ["os.link", "os.unlink"])
def test_journal_that_cannot_be_named(scratch: Scratch, mocker: MockerFixture, call: str) -> None:
    mocker.patch(call, side_effect=OSError(errno.EIO, os.strerror(errno.EIO)))
    done = run_job(scratch, mocker)
    assert done.status == 74
    assert "nothing was started" in done.err
    assert scratch.calls() == []


def test_no_process_that_could_read_files(scratch: Scratch, mocker: MockerFixture) -> None:
    # Then they are not read, rather than by the supervisor, which must not wait for them.
    busy = OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    mocker.patch("gpgshim.supervisor.hasher.Hasher.start", side_effect=busy)
    (scratch.root / "f").write_text("x")
    assert run_job(scratch, mocker).status == 5
    assert (
        r.FilesUnread(r.Unread.FAILED, "no process that reads files is running") in scratch.notes()
    )
    assert scratch.calls() == ["-s f"]


def test_authority_that_certainly_did_not_run(scratch: Scratch, mocker: MockerFixture) -> None:
    # It was there when it was looked for; the kernel cannot start it.
    spawn = os.posix_spawn

    def fails(path: str, *more: Any, **options: Any) -> int:
        if path.endswith("/commit"):
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return spawn(path, *more, **options)

    mocker.patch("os.posix_spawn", fails)
    done = run_job(scratch, mocker)
    assert done.status == 77
    why = f"{scratch.root}/commit cannot be run: Cannot allocate memory"
    assert f"gpg: gpgshim refuses: the authority was not asked: {why}; " in done.err
    assert r.NotAsked(why) in scratch.notes()
    assert scratch.lines()[2:5] == ["! unknown", "> commit-to-public-upload", "< refused"]
    assert scratch.verdict().refused  # it has certainly not committed
    assert "it has not committed" in done.err
    assert scratch.calls() == []


def test_authority_that_cannot_be_watched(scratch: Scratch, mocker: MockerFixture) -> None:
    # The command runs, and may commit, but its answer cannot be received.
    real, seen = os.pidfd_open, []

    def fail(pid: int, flags: int = 0) -> int:
        seen.append(pid)
        if len(seen) > 1:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(pid, flags)

    mocker.patch("os.pidfd_open", fail)
    done = run_job(scratch, mocker)
    assert done.status == 5
    assert "Traceback" not in done.err
    assert scratch.verdict().state is State.UNKNOWN
    assert scratch.calls() == []


def test_answer_that_cannot_be_read(scratch: Scratch, mocker: MockerFixture) -> None:
    # The answer may have been go-ahead, but it is lost.
    mocker.patch("os.waitid", side_effect=OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)))
    done = run_job(scratch, mocker)
    assert done.status == 5
    assert "Traceback" not in done.err
    assert "the authority's answer could not be read: Cannot allocate memory" in done.err
    assert scratch.lines()[4] == "% failed enomem Cannot allocate memory"
    assert scratch.verdict().state is State.UNKNOWN
    assert scratch.calls() == []


@pytest.mark.parametrize(
    "what",
    [
        "selectors.DefaultSelector.__init__",
        "selectors.DefaultSelector.register",
        "socket.socketpair",  # its end shows our user id as the kernel reports it
    ],
)
def test_door_that_cannot_be_watched(scratch: Scratch, mocker: MockerFixture, what: str) -> None:
    mocker.patch(what, side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    done = run_job(scratch, mocker)
    assert done.status == 74
    assert done.err.startswith("gpgshim: cannot listen at ")
    assert done.err.endswith("No space left on device; nothing was started\n")
    assert scratch.jobs() == []


def test_disk_that_is_full(scratch: Scratch) -> None:
    skips.unless_root("who can mount a small disk")
    # One page for the journal. The longer the question, the earlier the line that does not fit.
    script = 'mount -t tmpfs -o size=4k tmpfs "$1" || exit 99; shift; "$@"; s=$?; '
    script += "cp -r state out; exit $s"
    commit = scratch.script("commit", "#!/bin/sh\necho asked >>asked\n")
    ends = set()
    for length in (0, *range(3250, 3850, 40), 4100):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(scratch.root / "out")
        for name in ("asked", "signed"):
            (scratch.root / name).unlink(missing_ok=True)
        words = [sys.executable, "-m", "gpgshim", "run", *scratch.options("--commit", str(commit))]
        command = f'gpg -s -o $(printf "%0{length}d" 0); exit 5'
        done = scratch.call(
            "unshare",
            "-m",
            "sh",
            "-c",
            script,
            "sh",
            scratch.state,
            *words,
            "--",
            "sh",
            "-c",
            command,
        )
        if done.status == 99:
            skips.unless_allowed("mount", done.err)
        (path,) = (scratch.root / "out/gpgshim").glob("[!.]*")
        data = path.read_bytes()
        verdict = judge_bytes(data)
        assert (done.status == 75) == (verdict.outcome is Outcome.RETRIABLE)
        assert f": {verdict.outcome}" in done.err
        assert (scratch.root / "asked").exists() <= (b"! unknown\n" in data)
        assert bool(scratch.calls()) <= (b"! committed\n" in data)
        assert "Traceback" not in done.err
        ends.add((verdict.state, verdict.told, bool(scratch.calls())))
    # It did fill at more than one point.
    assert len(ends) >= 4


def test_no_proc(scratch: Scratch) -> None:
    # A chroot without /proc: the interpreter of the stunts cannot be found.
    skips.unless_root("who can unmount something")
    real = scratch.stand_in()
    (scratch.root / "gpg").symlink_to(real)
    options = scratch.options("--commit", REFUSE)
    words = [sys.executable, "-m", "gpgshim", "run", *options, "--", "gpg", "-s"]
    done = scratch.call(
        "unshare",
        "-m",
        "sh",
        "-c",
        'umount -l /proc || exit 99; exec "$@"',
        "sh",
        *words,
        PATH=f"{scratch.root}:{os.defpath}",
    )
    if done.status == 99:
        skips.unless_allowed("mount", done.err)
    assert scratch.calls() == []
    assert done.status == 78
    assert "/proc is not mounted" in done.err
    assert scratch.journals() == []


def test_a_place_from_which_no_program_can_be_run(scratch: Scratch) -> None:
    # A shell steps over a stunt that it may not run, to the real gpg.
    skips.unless_root("who can mount something")
    script = 'mount -t tmpfs -o mode=700,noexec tmpfs "$1" || exit 99; shift; exec "$@"'
    words = [sys.executable, "-m", "gpgshim", "run", *scratch.options("--commit", REFUSE)]
    real = scratch.stand_in()
    (scratch.root / "gpg").symlink_to(real)
    done = scratch.call(
        "unshare",
        "-m",
        "sh",
        "-c",
        script,
        "sh",
        scratch.runtime,
        *words,
        "--",
        "gpg",
        "-s",
        PATH=f"{scratch.root}:{os.defpath}",
    )
    if done.status == 99:
        skips.unless_allowed("mount", done.err)
    assert scratch.calls() == []
    assert done.status == 78
    assert "no program can be executed from" in done.err and "noexec" in done.err
    assert scratch.journals() == []
