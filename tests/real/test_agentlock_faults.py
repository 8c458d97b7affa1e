# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the lock of gpg-agent fail closed: without its proxy, or with a broken agent or client?"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpgshim.agentlock.assuan import LONGEST, command_of, words_of
from gpgshim.core.gate import Outcome, State
from gpgshim.core.signatures import Signatures
from tests.support import skips
from tests.support.login import PYTHON, Login
from tests.support.scratch import GPG, PATIENCE, finish, hear, tell, wait_for

SIGN = f"{GPG} --batch -b f"


@pytest.fixture(scope="module")
def login() -> Iterator[Login]:
    login = Login()
    yield login
    login.end()


@pytest.fixture
def made(login: Login) -> Path:
    """The signature of a test; `f` is the file to be signed."""
    for each in (*login.root.glob("f*"), *login.root.glob("ended*")):
        each.unlink()
    (login.root / "f").write_text("some data\n")
    login.give_away()
    return login.root / "f.sig"


def wait_for_word(path: Path) -> str:
    """The first complete word that a process writes to `path`."""
    wait_for(lambda: path.exists() and path.read_text().endswith("\n"), f"a word in {path.name}")
    return path.read_text().strip()


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def agent_of(login: Login) -> int:
    said = login.call("gpg-connect-agent", "GETINFO pid", "/bye").out
    return int(said.split()[1])


# The proxy is dead. Its sockets stay, and no agent can start at their place.


@pytest.mark.parametrize("committed", [False, True])
def test_without_its_proxy_no_program_signs(login: Login, made: Path, committed: bool) -> None:
    before = login.signings()
    go = login.fifo(f"go{committed}")
    first = f"{GPG} --batch -o f0.sig -b f;" if committed else ""
    job = login.start_locked(f"{first} echo begun >{go}.begun; cat {go}; {SIGN}; echo $? >ended",
                             "--job", f"killed-{committed}")  # fmt: skip
    wait_for(Path(f"{go}.begun").exists, "the job's begin")
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    tell(go)
    assert wait_for_word(login.root / "ended") == "2"
    assert login.signings() == before + committed
    assert not made.exists() or not made.stat().st_size
    verdict = login.verdict()
    assert (verdict.state is State.COMMITTED) is committed
    assert verdict.signatures == Signatures(int(committed), 0)


def test_a_proxy_that_dies_while_it_holds(login: Login, made: Path) -> None:
    before = login.signings()
    fifo = login.fifo("holding")
    job = login.start_locked(f"{SIGN}; echo $? >ended", "--job", "holds", commit=f"cat {fifo}")
    journal = login.state / "gpgshim/holds.1"
    wait_for(lambda: journal.exists() and b"> commit" in journal.read_bytes(), "the request")
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    assert wait_for_word(login.root / "ended") == "2"
    assert login.signings() == before
    assert login.verdict().signatures == Signatures(0, 0)
    tell(fifo)  # the authority has outlived its supervisor


# The agent.


def test_an_agent_that_is_killed_is_started_again(login: Login, made: Path) -> None:
    done = login.locked(f"{SIGN} && gpgconf --kill gpg-agent && {GPG} --batch -o f2.sig -b f")
    assert done.status == 0, done.err
    assert login.verdict().signatures == Signatures(2, 0)


def test_an_agent_that_does_not_answer_stops_only_its_client(login: Login, made: Path) -> None:
    """The gate, and the end of the job, do not wait for it."""
    before = login.signings()
    with stopped(agent_of(login)):
        done = login.locked(f"{SIGN} & exit 3")
    assert (done.status, login.verdict().outcome) == (75, Outcome.RETRIABLE), done.err
    assert login.signings() == before


def test_an_agent_that_stops_during_a_signature(login: Login, made: Path) -> None:
    """It is certain that the command was sent, and unknown whether the signature was made."""
    agent = agent_of(login)
    fifo = login.fifo("stops")
    job = login.start_locked(f"{SIGN} & wait $!; exit 3", "--job", "stops", commit=f"cat {fifo}")
    journal = login.state / "gpgshim/stops.1"
    wait_for(lambda: journal.exists() and b"> commit" in journal.read_bytes(), "the request")
    with stopped(agent):
        tell(fifo)
        wait_for(lambda: b"% forwarded 1 " in journal.read_bytes(), "the command")
        os.kill(job.pid, signal.SIGKILL)
        job.wait()
    verdict = login.verdict()
    assert (verdict.state, verdict.signatures) == (State.COMMITTED, Signatures(0, 1))
    assert "gpg-agent may have made 1 signature through the lock" in verdict.meaning


def has_socket(pid: int) -> bool:
    """Whether a process has a socket."""
    links = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(each))
    return any(link.startswith("socket:") for link in links)


def held_job(login: Login, name: str, command: str) -> tuple[subprocess.Popen[str], Path, Path]:
    """A job that waits for its authority: its process, its journal, and the authority's pipe."""
    fifo = login.fifo(f"{name}-go")
    job = login.start_locked(command, "--job", name, commit=f"cat {fifo}")
    journal = login.state / f"gpgshim/{name}.1"
    wait_for(lambda: journal.exists() and b"> commit" in journal.read_bytes(), "the request")
    return job, journal, fifo


def test_an_agent_that_dies_is_started_again(login: Login, made: Path) -> None:
    """It leaves a socket at which nobody listens."""
    os.kill(agent_of(login), signal.SIGKILL)
    done = login.locked(SIGN)
    assert (done.status, login.verdict().signatures) == (0, Signatures(1, 0)), done.err
    assert made.stat().st_size


def test_an_agent_that_dies_during_a_signature(login: Login, made: Path) -> None:
    """The program gets an error. It is unknown whether the signature was made."""
    job, journal, fifo = held_job(login, "dies", f"{SIGN}; echo $? >ended; exit 3")
    agent = agent_of(login)
    with stopped(agent):
        tell(fifo)
        wait_for(lambda: b"% forwarded 1 " in journal.read_bytes(), "the command")
        os.kill(agent, signal.SIGKILL)
        done = finish(job)
    assert (done.status, wait_for_word(login.root / "ended")) == (3, "2"), done.err
    assert b"% unanswered 1\n" in journal.read_bytes()
    verdict = login.verdict()
    assert (verdict.outcome, verdict.signatures) == (Outcome.IRRECOVERABLE, Signatures(0, 1))


def test_an_agent_that_dies_while_a_command_waits(login: Login, made: Path) -> None:
    """The command belongs to a connection that is over, so it makes no signature."""
    before = login.signings()
    go = login.fifo("restarts-end")
    job, _, fifo = held_job(login, "restarts", f"{SIGN}; echo $? >ended; cat {go}; exit 3")
    os.kill(agent_of(login), signal.SIGKILL)
    assert wait_for_word(login.root / "ended") == "2"
    tell(fifo)  # the job still runs, so the authority's answer is still wanted
    tell(go)
    done = finish(job)
    assert (done.status, login.verdict().signatures) == (3, Signatures(0, 0)), done.err
    assert login.verdict().outcome is Outcome.IRRECOVERABLE  # the authority got the request
    assert login.signings() == before


def test_a_supervisor_that_is_stopped_holds_a_command(login: Login, made: Path) -> None:
    before = login.signings()
    go = login.fifo("stopped-go")
    job = login.start_locked(f"echo begun >begun.stopped; cat {go}; {SIGN} & echo $! >gpg.pid;"
                             " wait $!",
                             "--job", "stopped")  # fmt: skip
    wait_for((login.root / "begun.stopped").exists, "the job's begin")
    with stopped(job.pid):
        tell(go)
        gpg = int(wait_for_word(login.root / "gpg.pid"))
        wait_for(lambda: has_socket(gpg), "the connection of gpg")
        assert login.signings() == before
    assert finish(job).status == 0
    assert (login.signings(), login.verdict().signatures) == (before + 1, Signatures(1, 0))


# The third directory. gpg 2.2 uses it with --homedir, if GNUPGHOME has another name of the home.


@pytest.fixture
def by_homedir(login: Login) -> str:
    version = login.call(GPG, "--version").out.split()[2]
    skips.unless(version.startswith("2.2."), "gpg 2.2", "make debroots")
    return f"{GPG} --homedir {login.key.home} --batch -b f"


def test_gpg_2_2_with_the_name_of_the_home_waits(login: Login, made: Path, by_homedir: str) -> None:
    before = login.signings(), login.socket_directories()
    done = login.locked(by_homedir, commit="sh -c 'exit 77'")
    assert (done.status, made.exists()) == (77, False), done.err
    assert (login.signings(), login.socket_directories()) == before
    done = login.locked(by_homedir)
    assert (done.status, made.exists()) == (0, True), done.err
    assert login.verdict().signatures == Signatures(1, 0)
    assert (login.signings(), login.socket_directories()) == (before[0] + 1, before[1])


def test_only_one_of_two_jobs_has_the_third_directory(
    login: Login, made: Path, by_homedir: str
) -> None:
    """The other one makes no signature there, before and after the end of the first."""
    before = login.signings(), login.socket_directories()
    first, second = login.fifo("first"), login.fifo("second")
    one = login.start_locked(f"echo 1 >begun-one; cat {first}", "--job", "one")
    wait_for_word(login.root / "begun-one")
    other = login.start_locked(
        f"{by_homedir}; echo $? >ended-1; cat {second}; {by_homedir}; echo $? >ended-2; exit 3",
        "--job", "other",
    )  # fmt: skip
    assert wait_for_word(login.root / "ended-1") == "2"
    tell(first)
    assert finish(one).status == 0
    tell(second)
    assert finish(other).status == 75
    assert wait_for_word(login.root / "ended-2") == "2"
    assert (login.signings(), made.exists()) == (before[0], False)
    login.call("gpgconf", "--kill", "all")
    left = set(login.socket_directories()) - set(before[1])
    assert len(left) <= 1 and not any(map(os.listdir, left))  # gpg has made it


def test_the_remains_of_a_job_do_not_take_the_third_directory(
    login: Login, made: Path, by_homedir: str
) -> None:
    killed = login.start_locked("echo 1 >begun-third; sleep 1000", "--job", "killed-third")
    wait_for_word(login.root / "begun-third")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    (job,) = (login.runtime / "gpgshim").glob("killed-third.*")
    (login.root / "release").write_text(
        "from pathlib import Path\n"
        f"from gpgshim.agentlock import alias\nalias.release(Path('{job}'))\n"
    )
    done = login.locked(f"{PYTHON} release && {by_homedir}")
    assert not (job / "gnupg").is_symlink()
    assert (done.status, made.exists()) == (0, True), done.err


# The clients.


class Peer:
    """A client of the lock, in the test's own process: of another user, if root runs the tests."""

    def __init__(self, path: Path) -> None:
        self.end = socket.socket(socket.AF_UNIX)
        self.end.settimeout(PATIENCE)
        self.end.connect(os.fsencode(path))

    def line(self) -> bytes:
        data = b""
        while not data.endswith(b"\n") and (more := self.end.recv(1)):
            data += more
        return data

    def ask(self, data: bytes) -> bytes:
        """The last line of the answer to a command."""
        self.end.sendall(data)
        while True:
            line = self.line()
            if line == b"" or line.startswith((b"OK", b"ERR")):
                return line


@pytest.fixture(scope="module")
def lock(login: Login) -> Iterator[Path]:
    """The agent's socket of a job that waits."""
    begun, go = login.fifo("begun"), login.fifo("go")
    login.give_away()
    job = login.start_locked(
        f"gpgconf --list-dirs agent-socket >{begun}; cat {go}", "--job", "clients"
    )
    where = Path(hear(begun).strip())
    yield login.session / where.relative_to("/run/user")
    tell(go)
    finish(job)


def test_a_client_of_no_job_signs_nothing(login: Login, lock: Path) -> None:
    before = login.signings()
    peer = Peer(lock)
    assert peer.line().startswith(b"OK Pleased to meet you")
    assert peer.ask(b"NOP\n") == b"OK\n"
    assert peer.ask(b"PKSIGN\n").startswith(b"ERR 67109115 Forbidden <gpgshim: ")
    assert peer.ask(b"nop\n") == b"OK\n"  # the connection goes on
    assert login.signings() == before


def test_half_a_line_is_no_command(login: Login, lock: Path) -> None:
    before = login.signings()
    peer = Peer(lock)
    peer.line()
    peer.end.sendall(b"PKSI")
    assert Peer(lock).ask(b"NOP\n").startswith(b"OK")  # nobody else waits
    peer.end.sendall(b"GN\nNOP")
    assert peer.line().startswith(b"ERR 67109115 ")
    peer.end.close()
    assert login.signings() == before


def test_pipelined_commands_are_answered_in_order(login: Login, lock: Path) -> None:
    peer = Peer(lock)
    peer.end.sendall(b"NOP\nPKSIGN\nGETINFO version\nPKSIGN\nPKSIGN\nNOP\n")
    answers = [peer.line().split(b" ")[0].strip() for _ in range(8)]
    assert answers == [b"OK", b"OK", b"ERR", b"D", b"OK", b"ERR", b"ERR", b"OK"]


@pytest.mark.parametrize("data", [b"x" * (1 << 20), b"\xff" * LONGEST + b"\n", b"a" * 1002 + b"\n"])
def test_garbage_ends_only_its_own_connection(lock: Path, data: bytes) -> None:
    peer = Peer(lock)
    with contextlib.suppress(ConnectionError):
        peer.end.sendall(data)
        while peer.end.recv(4096):
            pass
    assert Peer(lock).ask(b"NOP\n").startswith(b"OK")


def test_a_client_that_never_reads_is_not_served_without_limit(lock: Path) -> None:
    peer = Peer(lock)
    peer.end.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while sent < 64 << 20:
            sent += peer.end.send(b"GETINFO version\n" * 1000)
    assert sent < 64 << 20
    other = Peer(lock)
    other.line()
    assert other.ask(b"NOP\n") == b"OK\n"


def test_a_client_that_hangs_up_is_forgotten(login: Login, lock: Path) -> None:
    for _ in range(100):
        Peer(lock).end.close()
    assert Peer(lock).ask(b"NOP\n").startswith(b"OK")


WORDS = st.sampled_from(["PKSIGN", "pksign", "PkSiGn", "NOP", "SCD", "PKSIGNS", "D", "END", "#"])
BLANKS = st.text(" \t", max_size=2)
ENDS = st.sampled_from(["", "\r", "\r\r", "\0", "\0x", "\0\r", "\v", " x", "\tx"])


@settings(max_examples=60, deadline=None)
@given(st.tuples(BLANKS, WORDS, BLANKS, WORDS, ENDS).map("".join))
def test_the_agent_reads_a_line_as_we_do(login: Login, text: str) -> None:
    """A line that we pass unread is never one that the agent takes for PKSIGN."""
    line = text.encode() + b"\n"
    peer = Peer(login.sockets / "S.gpg-agent")
    peer.line()
    answer = peer.ask(line + b"NOP\n")
    is_pksign = answer.startswith(b"ERR 67108881 ")  # "No secret key": SIGKEY was not sent
    assert is_pksign is (command_of(words_of(line)) == "PKSIGN"), answer
