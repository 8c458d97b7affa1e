# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a job survive hostile clients, directories of other users, a missing gpg and odd names?

Each gets a refusal in one line, or delays no other client. No file is signed, and there is no
traceback.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.core import records as r
from gpgshim.core.gate import Control, Outcome
from gpgshim.system.errors import Misconfigured
from gpgshim.system.places import find_real
from tests.support import skips
from tests.support.scratch import (
    CHECKOUT,
    PATIENCE,
    REFUSE,
    Done,
    Scratch,
    finish,
    hear,
    message,
    tell,
    wait_for,
)

SIGN = "gpg -s f"


class Job:
    """A job under way that waits, and its socket."""

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self.fifo = scratch.fifo("go")
        ready = scratch.fifo("ready")
        command = f"echo >{ready}; cat {self.fifo} >/dev/null; {SIGN}"
        self.process = scratch.start_run(command)
        hear(ready)
        (self.directory,) = scratch.jobs()

    def connect(self) -> socket.socket:
        return connect(self.directory)

    def go_on(self) -> Done:
        tell(self.fifo)
        return finish(self.process)


def connect(job: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(PATIENCE)
    peer.connect(str(job / "socket"))
    return peer


def supervise(scratch: Scratch, *options: str) -> Path:
    """The directory of a job that anybody of this user can ask for."""
    process = scratch.start("supervise", "-D", *scratch.options(*options))
    assert process.stdout is not None
    assert process.stdout.readline().startswith("PATH=")
    (directory,) = scratch.jobs()
    return directory


@pytest.fixture
def job(scratch: Scratch) -> Iterator[Job]:
    yield Job(scratch)


def assert_unharmed(job: Job) -> None:
    assert job.go_on().status == 0
    assert job.scratch.calls() == ["-s f"]
    assert job.scratch.verdict().outcome is Outcome.UPLOADED


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"\n", "its protocol is ''"),
        (b"sign\n", "its protocol is 'sign'"),
        (b"gpgshim/2 sign\n", "its protocol is 'gpgshim/2'"),
        (b"gpgshim/1 SIGN\n", "sent 'SIGN'"),
        (b"gpgshim/1 go\n", "sent 'go'"),
        (b"gpgshim/1 sign\ngpgshim/1 sign\n", "not one line"),
        (b"\xff\x00\x1b[2J\n", "not ASCII"),
        (b"x" * (1 << 20), "not one line"),
        (b"gpgshim/1 sign " + b"x" * (1 << 20) + b"\n", "not one line"),
        (b"gpgshim/1 sig", "not one line"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else "",
)
def test_peer_that_makes_no_sense(job: Job, said: bytes, why: str) -> None:
    with job.connect() as peer:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(said)
            peer.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            answer = peer.recv(4096)
    assert answer.startswith(b"gpgshim/1 no ") or len(said) > 4096
    assert_unharmed(job)
    (note,) = [note for note in job.scratch.notes() if isinstance(note, r.Nonsense)]
    assert why in note.reason
    assert len(note.reason) < 300


def test_peer_that_gives_up_before_it_asks(job: Job) -> None:
    job.connect().close()
    assert_unharmed(job)
    (note,) = [note for note in job.scratch.notes() if isinstance(note, r.ClientHungUp)]
    assert note.pid == os.getpid()
    assert not any(isinstance(note, r.Nonsense) for note in job.scratch.notes())


def test_two_hundred_silent_clients(job: Job) -> None:
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(job.connect()) for _ in range(200)]
        peers[7].sendall(b"gpgshim/1 si")
        # If each of them could use its ten seconds alone, the others would wait too long.
        assert_unharmed(job)


def test_line_in_pieces(scratch: Scratch) -> None:
    with connect(supervise(scratch)) as peer:
        for byte in b"gpgshim/1 sign\n":
            peer.sendall(bytes([byte]))
        assert peer.recv(100) == b"gpgshim/1 go\n"
        assert peer.recv(100) == b""
    # It is no stunt of this job's: its own command line is what is noted.
    assert "python" in scratch.lines()[1]
    assert scratch.lines().count("= go") == 1


def test_peer_that_asks_and_talks_on(scratch: Scratch) -> None:
    hold = scratch.fifo("hold")
    commit = scratch.script("commit", f"#!/bin/sh\ncat {hold}\n")
    directory = supervise(scratch, "--commit", str(commit))
    with connect(directory) as first, connect(directory) as peer:
        first.sendall(b"gpgshim/1 sign\n")
        peer.sendall(b"gpgshim/1 sign\n")
        wait_for(lambda: sum(x[0] == "$" for x in scratch.lines()) == 2, "both questions")
        peer.sendall(b"gpgshim/1 sign\n")
        assert peer.recv(100) == b""
        tell(hold)
        assert first.recv(100) == b"gpgshim/1 go\n"
    assert scratch.lines().count("= go") == 1


# Who is not of the job.


@pytest.mark.parametrize("committed", [False, True], ids=["", "committed"])
@pytest.mark.parametrize("how", ["by hand", "by another job", "from a copy", "no stunt at all"])
def test_stranger_is_refused(scratch: Scratch, how: str, committed: bool) -> None:
    """A process of the same user that this job did not start, while the job runs."""
    fifo, ready = scratch.fifo("go"), scratch.fifo("ready")
    begin = SIGN if committed else "true"
    process = scratch.start_run(f"{begin}; echo >{ready}; cat {fifo} >/dev/null; {SIGN}")
    hear(ready)
    (directory,) = scratch.jobs()
    before = scratch.lines()
    calls = scratch.calls()
    called = directory
    if how == "from a copy":
        called = scratch.root / "copy"
        subprocess.run(["cp", "-r", directory, called], check=True)
        (called / "socket").unlink(missing_ok=True)
        (called / "socket").symlink_to(directory / "socket")
    if how == "by another job":
        words = [*scratch.options()[2:], "--job", "other", "--", called / "bin/gpg", "-s", "f"]
        done = scratch.gpgshim("run", *words)
        status, err = done.status, done.err
        assert (
            scratch.verdict(-1 if "other" in scratch.journals()[-1].name else 0)[2] == "retriable"
        )
        assert status == 75
    elif how == "no stunt at all":
        with connect(directory) as peer:
            peer.sendall(b"gpgshim/1 sign\n")
            status, err = 2, peer.recv(4096).decode()
    else:
        gpg = subprocess.run([called / "bin/gpg", "-s", "f"], env=scratch.env, capture_output=True)
        status, err = gpg.returncode, gpg.stderr.decode()
        assert status == 2
    assert "was not started by this gate's job" in err
    at = [path.name for path in scratch.journals()].index("j.1")
    assert scratch.lines(at) == before
    assert any(isinstance(note, r.ForeignProcess) for note in scratch.notes(at))
    assert scratch.calls() == calls
    # The job itself goes on as if nothing had been.
    tell(fifo)
    assert finish(process).status == 0
    assert scratch.calls() == [*calls, "-s f"]
    assert scratch.verdict(at).outcome is Outcome.UPLOADED


#: Waits until the supervisor, process S, is the parent of this shell: its own parent is dead.
ADOPTED = "until read -r _ _ _ parent _ </proc/$$/stat && test $parent = $S; do :; done"


@pytest.mark.parametrize(
    "command",
    [
        f"setsid -f sh -c '{ADOPTED}; gpg -s f; echo >done'; read -r _ <done",
        f"(setsid sh -c '{ADOPTED}; gpg -s f; echo >done' &) & wait; read -r _ <done",
        "./deep 30",
    ],
    ids=["a daemon", "an orphan", "deep down"],
)
def test_every_descendant_belongs_to_the_job(scratch: Scratch, command: str) -> None:
    scratch.fifo("done")
    scratch.script("deep", '#!/bin/sh\ntest $1 = 0 && exec gpg -s f\n"$0" $(($1 - 1)); exit $?\n')
    done = scratch.run(f"export S=$PPID; {command}")
    assert done.status == 0, done.err
    assert scratch.calls() == ["-s f"]
    assert scratch.verdict().outcome is Outcome.UPLOADED


def test_peer_of_another_user(job: Job) -> None:
    skips.unless_root("who can be another user")
    for path in (job.scratch.root, job.scratch.runtime, job.directory.parent, job.directory):
        path.chmod(0o755)
    (job.directory / "socket").chmod(0o777)
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setgid(65534)
            os.setuid(65534)
            with job.connect() as peer:
                peer.sendall(b"gpgshim/1 sign\n")
                with contextlib.suppress(ConnectionResetError):
                    os.write(writer, peer.recv(4096))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    assert os.read(reader, 4096) in (b"", b"gpgshim/1 no this gate does not serve user id 65534\n")
    os.close(reader)
    job.directory.chmod(0o700)  # or the stunt says no by itself
    assert_unharmed(job)
    assert r.ForeignUser(65534, pid) in job.scratch.notes()
    assert job.scratch.lines().count("= go") == 1


def test_peer_that_closes_the_gate(job: Job) -> None:
    with job.connect() as peer:
        peer.sendall(b"gpgshim/1 end\n")  # `gpgshim close`
        assert peer.recv(100) == b"gpgshim/1 closed uncommitted retriable\n"
    done = job.go_on()
    assert done.status == 75
    assert job.scratch.calls() == []


@pytest.mark.parametrize("word", [each for each in Control if each is not Control.END])
def test_a_stunt_that_is_called_by_hand_does_not_close_the_gate(job: Job, word: Control) -> None:
    with job.connect() as peer:
        peer.sendall(f"gpgshim/1 {word}\n".encode())
        why = f"this gate does not take {str(word)!r} from process {os.getpid()}"
        assert peer.recv(4096).decode() == f"gpgshim/1 no {why}\n"
    assert_unharmed(job)
    assert r.Nonsense(os.getpid(), why) in job.scratch.notes()


@pytest.mark.parametrize(
    ("commit", "asked", "answer"),
    [
        ("true", False, b"closed uncommitted retriable"),
        (
            "o2m:/nonexistent",
            True,
            b"closed uncommitted retriable",
        ),  # refused: there will be no grant
        (REFUSE, True, b"closed unknown refused"),
        ("sleep 1000", True, b"open"),
        ("true", True, b"open"),
    ],
)
def test_peer_that_gives_up(scratch: Scratch, commit: str, asked: bool, answer: bytes) -> None:
    directory = supervise(scratch, "--commit", commit)
    with connect(directory) as first, connect(directory) as second:
        if asked:
            first.sendall(b"gpgshim/1 sign\n")
            if commit.startswith("sleep"):
                scratch.wait_for_line("> commit-to-public-upload")
            else:
                assert first.recv(4096)
        second.sendall(b"gpgshim/1 give-up\n")
        assert second.recv(100) == b"gpgshim/1 " + answer + b"\n"
        # If the gate was closed, later requests are refused; if not, nothing has changed.
        assert ("% close" in scratch.lines()) == answer.startswith(b"closed")


@pytest.mark.parametrize("argument", [b"0", b"9" * 4000, b"-1", b"x", b"", "²".encode()])
def test_a_client_that_reports_the_end_of_the_job(job: Job, argument: bytes) -> None:
    # Only the end of its own child ends the job of `run`.
    with job.connect() as peer:
        peer.sendall(b"gpgshim/1 end " + argument + b"\n")
        peer.recv(100)
    done = job.go_on()
    assert "Traceback" not in done.err
    assert job.scratch.lines()[-2].startswith("% exit ")


# Places.


def assert_not_started(scratch: Scratch, done: Done, status: int, why: str) -> None:
    assert done.status == status, done.err
    seen, hint = message(done.err)
    assert why in seen + hint and seen.endswith("; nothing was started")
    assert not (scratch.root / "started").exists()
    assert scratch.journals() == []
    assert scratch.jobs() == []


def start(scratch: Scratch, *options: str | Path, **more: str) -> Done:
    return scratch.run("touch started", *options, **more)


@pytest.mark.parametrize("what", ["XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY"])
@pytest.mark.parametrize("mode", [0o777, 0o707])
def test_runtime_directory_that_others_can_write(scratch: Scratch, what: str, mode: int) -> None:
    scratch.runtime.chmod(mode)
    done = start(scratch, **{what: str(scratch.runtime)})
    assert_not_started(scratch, done, 78, "can write to")


@pytest.mark.parametrize("what", ["XDG_STATE_HOME", "STATE_DIRECTORY"])
def test_state_directory_that_others_can_write(scratch: Scratch, what: str) -> None:
    scratch.state.chmod(0o777)
    done = start(scratch, **{what: str(scratch.state)})
    assert_not_started(scratch, done, 78, "can write to")


@pytest.mark.parametrize("which", ["run", "state"])
def test_directory_in_ours_that_others_can_write(scratch: Scratch, which: str) -> None:
    (scratch.root / which / "gpgshim").mkdir()
    (scratch.root / which / "gpgshim").chmod(0o777)
    assert_not_started(scratch, start(scratch), 78, "others can write to")


@pytest.mark.parametrize("which", ["run", "state"])
def test_a_directory_of_another_user(scratch: Scratch, which: str) -> None:
    skips.unless_root("who can give a directory to another user")
    (scratch.root / which / "gpgshim").mkdir()
    os.chown(scratch.root / which / "gpgshim", 65534, 65534)
    assert_not_started(scratch, start(scratch), 78, "belongs to user id 65534")


@pytest.mark.parametrize("which", ["run", "state"])
def test_file_where_a_directory_should_be(scratch: Scratch, which: str) -> None:
    (scratch.root / which / "gpgshim").write_text("")
    assert_not_started(scratch, start(scratch), 78, "is not a directory")
    (scratch.root / which / "gpgshim").unlink()


@pytest.mark.parametrize("which", ["XDG_RUNTIME_DIR", "XDG_STATE_HOME"])
def test_directory_that_cannot_be_made(scratch: Scratch, which: str) -> None:
    assert_not_started(
        scratch, start(scratch, **{which: "/proc/nonexistent"}), 74, "cannot be made"
    )


def test_runtime_directory_that_is_too_long(scratch: Scratch) -> None:
    long = scratch.root / ("x" * 90)
    done = start(scratch, XDG_RUNTIME_DIR=str(long))
    assert_not_started(scratch, done, 78, " bytes; the limit is 107")
    assert not list((long / "gpgshim").glob("*"))


@pytest.mark.parametrize("name", ["a:b", "a\nb", "\udcff\udcfe"])
def test_runtime_directory_that_cannot_stand_on_path(scratch: Scratch, name: str) -> None:
    # PATH would be cut in two, the stunt not found, and the real gpg run.
    done = scratch.run(SIGN, XDG_RUNTIME_DIR=str(scratch.root / name))
    assert_not_started(scratch, done, 78, "set XDG_RUNTIME_DIR to another")
    assert scratch.calls() == []


@pytest.mark.parametrize("name", ["a b", "a'b\"$c", "é", "bin", "-x", "%h"])
def test_runtime_directory_with_an_odd_name(scratch: Scratch, name: str) -> None:
    done = scratch.run(SIGN, XDG_RUNTIME_DIR=str(scratch.root / name))
    assert done.status == 0
    assert scratch.verdict().outcome is Outcome.UPLOADED
    assert scratch.lines()[1] == "$ gpg -s f"


def test_no_runtime_directory(scratch: Scratch) -> None:
    del scratch.env["XDG_RUNTIME_DIR"]
    assert scratch.run(f'{SIGN}; echo "$PATH" >path').status == 0
    job = (scratch.root / "path").read_text().partition("/bin:")[0]
    assert not Path(job).exists()
    assert scratch.calls() == ["-s f"]


@pytest.mark.parametrize(
    "name",
    [
        "../j",
        "a/b",
        "/a",
        ".hidden",
        "..",
        "a\nb",
        "a b",
        "-x",
        "",
        "é",
        "\udcff",
        "x" * 121,
        "\x1b[2J",
    ],
)
def test_job_name_that_is_none(scratch: Scratch, name: str) -> None:
    done = scratch.gpgshim(
        "run", f"--job={name}", "--gpg", scratch.stand_in(), "--", "touch", "started"
    )
    assert_not_started(scratch, done, 64, "job's name")
    assert "\x1b" not in done.err


@pytest.mark.parametrize("name", ["2420", "a.b_c+d~e-f", "x" * 120])
def test_job_name_that_is_one(scratch: Scratch, name: str) -> None:
    done = scratch.gpgshim("run", f"--job={name}", "--gpg", scratch.stand_in(), "--", "gpg", "-s")
    assert done.status == 0
    assert [path.name for path in scratch.journals()] == [f"{name}.1"]


# The real gpg.


def test_no_gpg_on_path(scratch: Scratch) -> None:
    done = scratch.gpgshim("run", "--", "touch", "started", PATH="/nonexistent")
    assert_not_started(scratch, done, 78, "there is no gpg on PATH")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#!/bin/sh\necho no gpg\n", "not a gpg"),
        ("#!/bin/sh\nexit 3\n", "exit 3"),
        ("#!/bin/sh\necho 'gpg (GnuPG) 9.9.9'\n", "9.9.9"),
        ("", "Exec format error"),
        ("#!/nonexistent\n", "No such file"),
    ],
)
def test_gpg_that_is_none(scratch: Scratch, text: str, why: str) -> None:
    done = start(scratch, "--gpg", scratch.script("gpg", text))
    assert_not_started(scratch, done, 78, why)


def test_gpg_that_cannot_be_looked_at_is_not_stepped_over(scratch: Scratch) -> None:
    # execvp(3) would stop at it too. The next gpg on PATH is another program.
    link = scratch.root / "loop/gpg"
    link.parent.mkdir()
    link.symlink_to("gpg")
    words = ["run", "--job", "j", "--", "touch", "started"]
    done = scratch.gpgshim(*words, PATH=f"{link.parent}:{os.defpath}")
    assert_not_started(scratch, done, 78, "Too many levels of symbolic links")


def test_gpg_that_is_not_there(scratch: Scratch) -> None:
    for path in ("/nonexistent/gpg", scratch.root, "gpg"):
        assert_not_started(
            scratch, start(scratch, "--gpg", path), 78, "not a program that can be executed"
        )


@pytest.mark.parametrize("how", ["--gpg", "PATH", "link"])
def test_gpg_that_is_a_stunt(scratch: Scratch, how: str) -> None:
    stunt = CHECKOUT / "bin/gpg"
    if how == "--gpg":
        done = start(scratch, "--gpg", stunt)
    elif how == "PATH":
        words = ["run", "--job", "j", "--", "touch", "started"]
        done = scratch.gpgshim(*words, PATH=f"{stunt.parent}:{os.defpath}")
    else:
        (scratch.root / "link").symlink_to(stunt)
        done = start(scratch, "--gpg", scratch.root / "link")
    assert_not_started(scratch, done, 78, "is a stunt, not the real gpg")


def test_run_within_run(scratch: Scratch) -> None:
    # Another job's gate is not gone round, and not stacked: which journal would tell the truth?
    inner = f"{sys.executable} -m gpgshim run --job inner -- touch started"
    done = scratch.run(f"{inner}; echo $? >status")
    assert (scratch.root / "status").read_text() == "78\n"
    assert "is a stunt, not the real gpg" in done.err
    assert not (scratch.root / "started").exists()
    assert [path.name for path in scratch.journals()] == ["j.1"]


def test_dgit_that_is_a_stunt() -> None:
    with pytest.raises(Misconfigured, match="is a stunt, not the real dgit"):
        find_real("dgit", "", str(CHECKOUT / "bin/dgit"))


def test_environment_that_python_cannot_say(scratch: Scratch) -> None:
    # An entry without a name, and one without an equals sign, are possible to execve(2).
    pid = os.fork()
    if not pid:
        try:
            import ctypes

            words = [sys.executable, "-m", "gpgshim", "run", *scratch.options(), "--", "gpg", "-s"]
            env = [f"{name}={value}" for name, value in scratch.env.items()] + ["=x", "y", ""]
            arrays = [
                (ctypes.c_char_p * (len(x) + 1))(*map(os.fsencode, x), None) for x in (words, env)
            ]
            ctypes.CDLL(None).execve(os.fsencode(sys.executable), *arrays)
        finally:
            os._exit(99)
    assert os.waitpid(pid, 0)[1] == 0
    assert scratch.calls() == ["-s"]


def test_stunts_of_old_jobs_are_removed(scratch: Scratch) -> None:
    kept = Job(scratch)
    alive = kept.directory
    leftover = scratch.runtime / "gpgshim/left.0123456789ab"
    subprocess.run(["cp", "-r", alive, leftover], check=True)
    strange = scratch.runtime / "gpgshim/strange"
    strange.mkdir()
    before_this_boot = scratch.runtime / "gpgshim/left.ba9876543210"
    subprocess.run(["cp", "-r", alive, before_this_boot], check=True)
    (before_this_boot / "boot").write_text("0c5a0a5e-0000-4000-8000-000000000000\n")
    for path in (alive, leftover, before_this_boot, strange):
        os.utime(path, (1, 1))
    scratch.run("true")
    assert sorted(scratch.jobs()) == sorted([alive, strange])
    assert scratch.is_retired(leftover) and not before_this_boot.exists()
    assert kept.go_on().status == 0
    assert scratch.calls() == ["-s f"]


def test_a_directory_that_only_looks_like_a_job_is_not_removed(scratch: Scratch) -> None:
    """Where there is no runtime directory it is /tmp, in which people have their work."""
    kept = Job(scratch)
    base = scratch.runtime / "gpgshim"
    left = [base / f"left.{number:012x}" for number in range(6)]
    for path in left:
        subprocess.run(["cp", "-r", kept.directory, path], check=True)
    of_somebody = [base / "work", base / "work.0123456789ab"]
    for path in of_somebody:
        path.mkdir(mode=0o700)
        for name in ("code", "bin", "real"):
            (path / name).mkdir()
        (path / "code/thesis.tex").touch()
        (path / "bin/gpg").write_text("#!/bin/sh\n")
    (left[0] / "thesis.tex").touch()
    left[1].chmod(0o755)
    left[2].rename(base / "left")
    left[3].rename(scratch.root / "elsewhere.0123456789ab")
    left[3].symlink_to(scratch.root / "elsewhere.0123456789ab")
    (left[4] / "bin/gpg").unlink()
    assert (kept.directory / "boot").exists()
    for path in left:
        with contextlib.suppress(OSError):
            (path / "boot").write_text("0c5a0a5e-0000-4000-8000-000000000000\n")
    (left[3] / "boot").write_text("0c5a0a5e-0000-4000-8000-000000000000\n")
    kept_ones = {kept.directory, *of_somebody, *left[:2], base / "left", *left[3:5]}
    for path in (*kept_ones, left[5]):
        os.utime(path, (1, 1))
    os.utime(scratch.root / "elsewhere.0123456789ab", (1, 1))
    scratch.run("true")
    assert set(scratch.jobs()) == kept_ones
    assert (scratch.root / "elsewhere.0123456789ab/table").exists()
    assert kept.go_on().status == 0


def test_no_home_at_all(scratch: Scratch) -> None:
    for name in ("HOME", "GNUPGHOME"):
        del scratch.env[name]
    assert scratch.run(SIGN).status == 0
