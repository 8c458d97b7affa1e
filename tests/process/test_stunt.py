# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How does the stunt gpg refuse, and is nothing lost when it does?

Promise 6: one line on stderr, a FAILURE line where gpg's caller asked for a status, exit status 2;
the caller's input is still there, and no file was made.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpgshim.supervisor import jobdir, optable, stuntcode
from gpgshim.system import places
from tests.support import skips
from tests.support.scratch import (
    CHECKOUT,
    GPG,
    INTERPRETERS,
    PATIENCE,
    Done,
    Scratch,
    accept,
    listening,
    make_job,
    read_line,
)

FAILURE = "[GNUPG:] FAILURE gpgshim 33554683\n"
CODE = f"code/gpg.{sys.implementation.cache_tag}"
SIGN = ("--detach-sign", "--output", "made", "-")


@pytest.fixture(scope="module")
def table() -> str:
    return optable.of(GPG, dict(os.environ))


@pytest.fixture
def job(scratch: Scratch, table: str) -> Path:
    """The directory of a job without a supervisor."""
    return jobdir.make(scratch.runtime, "j", table, {"gpg": scratch.stand_in()})


class Answering:
    """Gives every stunt of a job the same answer, and keeps the requests."""

    def __init__(self, listener: socket.socket, answer: bytes) -> None:
        self.asked: list[bytes] = []
        self._listener = listener
        self._answer = answer

    def serve(self) -> None:
        while True:
            with accept(self._listener) as peer:
                if not self._hear(read_line(peer)):
                    return
                with contextlib.suppress(OSError):
                    peer.sendall(self._answer)

    def _hear(self, line: bytes) -> bool:
        self.asked.append(line)
        return line != b"over"


@contextlib.contextmanager
def answering(job: Path, answer: bytes) -> Iterator[Answering]:
    with listening(job / "socket") as listener:
        supervisor = Answering(listener, answer)
        thread = threading.Thread(target=supervisor.serve)
        thread.start()
        yield supervisor
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(job / "socket"))
            last.sendall(b"over")
        thread.join()


def call(scratch: Scratch, gpg: Path, *words: str | bytes) -> Done:
    done = subprocess.run(
        [gpg, *words],
        env=scratch.env,
        cwd=scratch.root,
        input=b"",
        capture_output=True,
        timeout=PATIENCE,
    )
    return Done(
        done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "backslashreplace")
    )


def assert_refused(scratch: Scratch, done: Done, why: str) -> None:
    assert done.status == 2
    assert why in done.err
    assert done.err.count("\n") == 1
    assert done.err.startswith("gpg: gpgshim")
    assert scratch.calls() == []
    assert not (scratch.root / "made").exists()


def leave_nothing(job: Path) -> None:
    """There is no socket: the supervisor went, and took it with it."""


def leave_the_socket(job: Path) -> None:
    with listening(job / "socket"):
        """The socket remains, but no process listens at it: the supervisor was killed."""


def open_to_all(job: Path) -> None:
    job.chmod(0o777)


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (leave_nothing, "the job is over: there is no"),
        (leave_the_socket, "Connection refused"),
        (open_to_all, "alone can write to"),
        (lambda job: (job / "real/gpg").unlink(), "belongs to no job that is under way"),
        (lambda job: (job / "table").unlink(), "belongs to no job that is under way"),
        (lambda job: os.truncate(job / "table", 1000), "belongs to no job that is under way"),
        (lambda job: shutil.rmtree(job / "code"), "is not in the directory of a job"),
        (lambda job: os.truncate(job / CODE, 20_000), "is not in the directory of a job"),
        (lambda job: os.truncate(job / CODE, 0), "is not in the directory of a job"),
        (lambda job: (job / CODE).write_bytes(b"\0" * 100), "is not in the directory of a job"),
    ],
    ids=[
        "gone",
        "killed",
        "open",
        "no link",
        "no table",
        "torn table",
        "no code",
        "torn code",
        "empty code",
        "no list",
    ],
)
def test_without_a_supervisor(
    scratch: Scratch, job: Path, prepare: Callable[[Path], None], why: str
) -> None:
    prepare(job)
    assert_refused(scratch, call(scratch, job / "bin/gpg", *SIGN), why)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            b"gpgshim/1 no the authority said no\n",
            "refuses: the authority said no; nothing was signed",
        ),
        (b"gpgshim/1 no\n", "nothing was signed"),
        (b"gpgshim/1 closed committed uploaded\n", "nothing was signed"),
        (b"", "it sent nothing"),
        (b"gpgshim/1 go", "not one line"),
        (b"gpgshim/1 go\n\n", "not one line"),
        (b"gpgshim/1 go\ngpgshim/1 go\n", "not one line"),
        (b"gpgshim/1 GO\n", "it sent 'GO'"),
        (b"gpgshim/2 go\n", "its protocol is 'gpgshim/2'"),
        (b"go\n", "its protocol is 'go'"),
        (b"\xff\xfe\x00\n", "not ASCII"),
        (b"\n", "its protocol is ''"),
        (b"g" * (1 << 20), "not one line"),
        (b"gpgshim/1 go " + b" " * (1 << 20) + b"\n", "not one line"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else "",
)
def test_answers_that_are_no_go(scratch: Scratch, job: Path, answer: bytes, why: str) -> None:
    with answering(job, answer) as supervisor:
        assert_refused(scratch, call(scratch, job / "bin/gpg", *SIGN), why)
    assert supervisor.asked == [b"gpgshim/1 sign\n", b"over"]


def test_the_one_answer_that_is_go(scratch: Scratch, job: Path) -> None:
    with answering(job, b"gpgshim/1 go\n"):
        assert call(scratch, job / "bin/gpg", *SIGN) == (0, "", "")
    assert scratch.calls() == [" ".join(SIGN)]


def test_hang_up_before_the_question(scratch: Scratch, job: Path) -> None:
    with listening(job / "socket") as listener:
        process = subprocess.Popen([job / "bin/gpg", *SIGN], cwd=scratch.root, stderr=-1, text=True)
        accept(listener).close()
        _, said = process.communicate(timeout=PATIENCE)
    assert_refused(scratch, Done(process.returncode, "", said), "the supervisor at")


def test_answer_without_an_end(scratch: Scratch, job: Path) -> None:
    with listening(job / "socket") as listener:
        process = subprocess.Popen([job / "bin/gpg", *SIGN], cwd=scratch.root, stderr=-1, text=True)
        with accept(listener) as peer:
            read_line(peer)
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                for _ in range(1000):
                    peer.sendall(b"g" * 10_000)
            _, said = process.communicate(timeout=PATIENCE)
    assert_refused(scratch, Done(process.returncode, "", said), "not one line")


def test_killed_while_it_waits(scratch: Scratch, job: Path) -> None:
    # As gpg would be: of the signal itself, and without a word.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with listening(job / "socket") as listener:
            process = subprocess.Popen([job / "bin/gpg", *SIGN], stderr=-1, text=True)
            with accept(listener) as peer:
                read_line(peer)
                process.send_signal(number)
                _, said = process.communicate(timeout=PATIENCE)
        (job / "socket").unlink()
        assert (process.returncode, said) == (-number, "")


def test_supervisor_of_another_user(scratch: Scratch, job: Path) -> None:
    skips.unless_root("who can be another user")
    with listening(job / "socket") as listener:
        pid = os.fork()
        if not pid:
            try:
                os.setuid(65534)
                with contextlib.suppress(OSError):
                    listener.listen()  # SO_PEERCRED names the process that called listen() last
                    peer = accept(listener)
                    read_line(peer)
                    peer.sendall(b"gpgshim/1 go\n")
            finally:
                os._exit(0)
        done = call(scratch, job / "bin/gpg", *SIGN)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert_refused(scratch, done, "is served by user id 65534, not by 0")


def test_a_go_of_root_is_no_go_for_others(scratch: Scratch, table: str) -> None:
    skips.unless_root("who can be another user")
    words = ["-c", "import sys; assert sys.version_info >= (3, 11)"]
    candidates = (*INTERPRETERS.values(), Path("/usr/bin/python3"))
    found = [path for path in candidates if runs_as_nobody(path, *words)]
    skips.unless(found, "a Python that another user can run", skips.line("venv"))
    for path in (scratch.root, scratch.runtime):
        path.chmod(0o755)
    job = make_job(found[0], scratch.runtime, table, scratch.stand_in())
    subprocess.run(["chown", "-R", "65534", job], check=True)
    with answering(job, b"gpgshim/1 go\n"):
        (job / "socket").chmod(0o777)
        done = subprocess.run(
            [job / "bin/gpg", *SIGN],
            user=65534,
            group=65534,
            capture_output=True,
            text=True,
            cwd="/",
        )
    assert_refused(
        scratch, Done(done.returncode, done.stdout, done.stderr), "user id 0, not by 65534"
    )


def runs_as_nobody(*words: str | Path) -> bool:
    try:
        return not subprocess.run(words, user=65534, group=65534, capture_output=True).returncode
    except PermissionError:
        return False


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--status-fd", "1", "-s"], True),
        (["--status-fd=1", "-s"], True),
        (["--det", "--status-fd", "1"], True),
        (["--status-fd", "9", "--status-fd", "1", "-s"], True),
        (["--status-fd", "1", "--status-fd", "9", "-s"], False),
        (["--status-fd", "9", "-s"], False),
        (["--status-fd", "-1", "-s"], False),
        (["--status-fd", "2147483647", "-s"], False),
        (["-s"], False),
        (["-s", "--", "--status-fd"], False),
    ],
)
def test_status_fd(scratch: Scratch, job: Path, words: list[str], told: bool) -> None:
    done = call(scratch, job / "bin/gpg", *words)
    assert_refused(scratch, done, "the job is over")
    assert done.out == (FAILURE if told else "")


def test_a_status_fd_without_a_reader(scratch: Scratch, job: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [job / "bin/gpg", "--status-fd", str(writer), "-s"],
        pass_fds=[writer],
        capture_output=True,
        text=True,
    )
    os.close(writer)
    assert_refused(scratch, Done(done.returncode, done.stdout, done.stderr), "the job is over")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_descriptors(scratch: Scratch, job: Path, closed: str) -> None:
    # Whatever the stunt opens gets their numbers; none of that is stderr or the caller's.
    words: list[str | Path] = ["sh", "-c", f'"$0" --status-fd 1 -s {closed}', job / "bin/gpg"]
    done = subprocess.run(words, capture_output=True, text=True, env=scratch.env)
    assert done.returncode == 2
    assert done.stdout == ("" if "1>" in closed else FAILURE)
    assert done.stderr.count("\n") == ("2>" not in closed)
    assert scratch.calls() == []


def test_input_is_still_there(scratch: Scratch, job: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"to be signed")
    done = subprocess.run([job / "bin/gpg", *SIGN], stdin=reader, capture_output=True)
    assert done.returncode == 2
    assert os.read(reader, 100) == b"to be signed"
    os.close(reader)
    os.close(writer)


def test_options_in_a_pipe_are_left_for_gpg(scratch: Scratch, job: Path) -> None:
    # gpg can be given a conf file that can be read once: it is not for us to read it.
    reader, writer = os.pipe()
    os.write(writer, b"sign\n")
    os.close(writer)
    words: list[str | Path] = [job / "bin/gpg", "--options", f"/dev/fd/{reader}", "file"]
    done = subprocess.run(words, pass_fds=[reader], capture_output=True, text=True)
    assert_refused(scratch, Done(done.returncode, "", done.stderr), "the job is over")
    assert os.read(reader, 100) == b"sign\n"
    os.close(reader)


def test_options_in_a_fifo_without_a_writer(scratch: Scratch, job: Path) -> None:
    fifo = scratch.fifo("options")
    done = call(scratch, job / "bin/gpg", "--options", str(fifo), "file")
    assert_refused(scratch, done, "the job is over")


def test_options_in_dev_null_hold_nothing(scratch: Scratch, job: Path) -> None:
    assert call(scratch, job / "bin/gpg", "--options", "/dev/null", "file").status == 0
    assert call(scratch, job / "bin/gpg", "--options", "/dev/zero", "file").status == 2


@pytest.mark.parametrize("how", ["copy", "symlink", "hard link", "checkout", "interpreter"])
def test_stunt_that_stands_elsewhere(scratch: Scratch, job: Path, how: str) -> None:
    bin = scratch.root / "elsewhere/bin"
    bin.mkdir(parents=True)
    gpg = bin / "gpg"
    words = [gpg]
    if how == "copy":
        shutil.copy(job / "bin/gpg", gpg)
    elif how == "symlink":
        gpg.symlink_to(job / "bin/gpg")
    elif how == "hard link":
        gpg.hardlink_to(job / "bin/gpg")
    elif how == "checkout":
        words = [CHECKOUT / "bin/gpg"]
    else:
        words = [Path("/usr/bin/env"), Path("python3"), Path("-B"), CHECKOUT / "bin/gpg"]
    done = subprocess.run([*words, *SIGN], env=scratch.env, capture_output=True, text=True)
    assert_refused(scratch, Done(done.returncode, done.stdout, done.stderr), "job")


def test_stunt_with_the_longest_first_line_is_known_for_one(scratch: Scratch, job: Path) -> None:
    for name in ("gpg", "dgit"):
        body = jobdir.stunt_template(name).read_bytes().partition(b"\n")[2]
        longest = scratch.root / "longest"
        longest.write_bytes(b"#!".ljust(jobdir.LONGEST_SHEBANG, b"x") + b"\n" + body)
        assert places.is_stunt(longest)


@pytest.mark.parametrize("version", INTERPRETERS)
def test_run_by_another_interpreter(scratch: Scratch, job: Path, version: str) -> None:
    # Code is marshalled otherwise by each minor version of CPython; reading it could do anything.
    done = call(scratch, INTERPRETERS[version], "-ISB", str(job / "bin/gpg"), *SIGN)
    ours = sys.version_info[:2] == tuple(map(int, version.split(".")[:2]))
    assert_refused(scratch, done, "the job is over" if ours else "is not in the directory of a job")


@pytest.mark.parametrize("cwd", ["bin", ".", "real"])
def test_called_by_a_relative_path(scratch: Scratch, job: Path, cwd: str) -> None:
    words = [os.path.relpath(job / "bin/gpg", job / cwd), "-s"]
    words[0] = words[0] if "/" in words[0] else f"./{words[0]}"
    with answering(job, b"gpgshim/1 go\n"):
        done = subprocess.run(words, env=scratch.env, cwd=job / cwd, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert scratch.calls() == ["-s"]


@pytest.mark.parametrize(
    "words",
    [
        ["-s", "new\nline", "tab\tquote'"],
        ["-s", b"\xff\xfe\x80"],
        ["-s", "--", *["w"] * 100_000],
        ["-s", "x" * 100_000],
    ],
    ids=["newline", "not UTF-8", "100000 words", "one long word"],
)
def test_odd_words_are_refused_in_one_line(
    scratch: Scratch, job: Path, words: list[str | bytes]
) -> None:
    # -b takes any number of files; -s one: more are gpg's own error, and no signature.
    words = ["-b", *words[1:]]
    assert_refused(scratch, call(scratch, job / "bin/gpg", *words), "the job is over")


@pytest.mark.parametrize(
    "words",
    [
        ["--verify", "x"],
        ["--list-keys"],
        ["-s", "one", "two"],
        ["--verify", "new\nline", b"\xff\xfe"],
        ["--list-keys", *["w"] * 100_000],
        ["--sign", "--bogus"],
    ],
    ids=lambda words: " ".join(map(str, words[:3])),
)
def test_no_supervisor_is_needed(scratch: Scratch, job: Path, words: list[str | bytes]) -> None:
    assert call(scratch, job / "bin/gpg", *words) == (0, "", "")
    assert len(scratch.calls()) >= 1


@pytest.mark.parametrize("program", ["gone", "directory", "not executable"])
def test_real_gpg_that_cannot_be_run(scratch: Scratch, table: str, program: str) -> None:
    path = scratch.root / "real"
    if program == "directory":
        path.mkdir()
    elif program == "not executable":
        path.write_text("#!/bin/sh\n")
    job = jobdir.make(scratch.runtime, "j", table, {"gpg": path})
    done = call(scratch, job / "bin/gpg", "--status-fd=1", "--verify", "x")
    assert_refused(scratch, done, "cannot be run")
    assert done.out == FAILURE


def test_a_hostile_environment_decides_nothing(scratch: Scratch, job: Path) -> None:
    evil = scratch.root / "evil"
    foreign = ("encodings", "sitecustomize", "usercustomize", "posix", "_socket")
    for module in (*stuntcode.modules_of("gpg"), *foreign):
        path = evil.joinpath(*module.split("."))
        path.mkdir(parents=True, exist_ok=True)
        (path / "__init__.py").write_text("import os; os._exit(99)\n")
    env = {
        "PYTHONPATH": str(evil),
        "PYTHONHOME": str(evil),
        "PYTHONSTARTUP": str(evil / "gpgshim/__init__.py"),
        "PYTHONPYCACHEPREFIX": str(evil),
        "PYTHONPLATLIBDIR": str(evil),
        "PYTHONUSERBASE": str(evil),
        "HOME": "/nonexistent",
        "GPGSHIM_JOB": "/nonexistent",
        "XDG_RUNTIME_DIR": "/nonexistent",
    }
    words: list[str | Path] = [job / "bin/gpg", *SIGN]
    done = subprocess.run(words, env=env, cwd=evil, capture_output=True, text=True)
    assert_refused(scratch, Done(done.returncode, done.stdout, done.stderr), "the job is over")
    done = subprocess.run(words, env={}, cwd=evil, capture_output=True, text=True)
    assert_refused(scratch, Done(done.returncode, done.stdout, done.stderr), "the job is over")
