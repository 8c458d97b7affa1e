# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""With the namespace form of the lock, does every program of the job that signs wait for the gate?

The judge is the log of gpg-agent, which has each command that it got.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gpgshim.core.gate import Outcome
from gpgshim.core.signatures import Signatures
from gpgshim.core.terms import Form
from tests.support import skips
from tests.support.login import PYTHON, Login
from tests.support.scratch import GPG, Done, finish, is_alive, tell, wait_for

REFUSE = "sh -c 'exit 77'"


class World(NamedTuple):
    """Whose programs run, and whether this user has a login session."""

    as_root: bool
    has_session: bool


WORLDS = {
    "a user": World(False, True),
    "a user without a session": World(False, False),
    "root": World(True, True),
    "root without a session": World(True, False),
}


@pytest.fixture(scope="module", params=WORLDS)
def login(request: pytest.FixtureRequest) -> Iterator[Login]:
    world = WORLDS[request.param]
    if world != WORLDS["a user"]:
        skips.unless_root("for another user, or a /run/user of its own")
    login = Login(as_root=world.as_root, has_session=world.has_session, form=Form.NAMESPACE)
    allowed = login.call("unshare", "--mount", *([] if world.as_root else ["--user"]), "true")
    if allowed.status:
        skips.unless_allowed("namespaces", allowed.err)
    yield login
    login.end()


@pytest.fixture
def made(login: Login) -> Path:
    """The signature of a test; `f` is the file to be signed."""
    for each in login.root.glob("f*"):
        each.unlink()
    (login.root / "f").write_text("some data\n")
    login.give_away()
    return login.root / "f.sig"


#: A signature by a program that connects to the socket whose path is its first word.
AT_PATH = """\
import socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
lines = peer.makefile("rw", encoding="latin-1", newline="\\n")
assert lines.readline().startswith("OK ")
for command in (f"SIGKEY {sys.argv[2]}", "SETHASH --hash=sha256 " + "AB" * 32, "PKSIGN"):
    lines.write(command + "\\n")
    lines.flush()
    answer = lines.readline()
    while not answer.startswith(("OK", "ERR")):
        open("f.sig", "a").write(answer)
        answer = lines.readline()
    if answer.startswith("ERR"):
        sys.exit(answer)
"""


class Way(NamedTuple):
    """A way past PATH. {home} and {socket} are the paths of the real ones."""

    needs: str
    command: str


WAYS = {
    "absolute path": Way(GPG, f"{GPG} --batch -b f"),
    "env -i": Way("env", f"env -i HOME=$HOME {GPG} --batch -b f"),
    "--homedir": Way(GPG, f"env -i {GPG} --homedir {{home}} --batch -b f"),
    "another name of the home": Way(
        GPG, f"ln -sfn {{home}} $HOME/other; GNUPGHOME=$HOME/other {GPG} --batch -b f"
    ),
    "bash -l": Way("bash", f"bash -lc '{GPG} --batch -b f'"),
    "fakeroot": Way("fakeroot", f"fakeroot {GPG} --batch -b f"),
    "unshare -r": Way("unshare", f"unshare -r {GPG} --batch -b f"),
    "the real socket": Way(PYTHON, f"{PYTHON} sign-at {{socket}}/S.gpg-agent {{grip}}"),
    "the real extra socket": Way(PYTHON, f"{PYTHON} sign-at {{socket}}/S.gpg-agent.extra {{grip}}"),
}  # fmt: skip

#: A program without a key cannot sign, and asks nobody. Its name of the home leads to an agent of
#: its own, because gpgshim does not know the name.
KEYLESS = frozenset({"another name of the home"})


def command_of(login: Login, name: str) -> str:
    way = WAYS[name]
    skips.unless_installed("uses", shutil.which(way.needs))
    (login.root / "sign-at").write_text(AT_PATH)
    listed = login.call(GPG, "--with-keygrip", "--with-colons", "-K", login.key.fingerprint)
    grip = next(x.split(":")[9] for x in listed.out.splitlines() if x.startswith("grp:"))
    where = login.call("gpgconf", "--list-dirs", "socketdir").out.strip()
    return way.command.format(home=login.key.home, socket=where, grip=grip)


@pytest.mark.parametrize("name", sorted(WAYS.keys() - KEYLESS))
def test_a_way_past_path_waits_and_is_granted(login: Login, made: Path, name: str) -> None:
    before = login.signings()
    done = login.locked(command_of(login, name))
    assert (done.status, made.exists()) == (0, True), done.err
    assert login.signings() == before + 1
    assert login.verdict().outcome is Outcome.UPLOADED
    assert login.verdict().signatures == Signatures(1, 0)


@pytest.mark.parametrize("name", sorted(WAYS))
def test_a_way_past_path_signs_nothing_without_a_grant(login: Login, made: Path, name: str) -> None:
    before = login.signings()
    done = login.locked(f"{command_of(login, name)} || exit 3", commit=REFUSE)
    assert not made.exists(), done.err
    assert login.signings() == before
    assert login.verdict().signatures == Signatures(0, 0)
    wanted = Outcome.RETRIABLE if name in KEYLESS else Outcome.REFUSED
    assert login.verdict().outcome is wanted


def test_a_relative_path_does_not_lead_out_of_the_namespace(login: Login, made: Path) -> None:
    """The job begins in a directory that is covered in the namespace."""
    skips.unless(login.sockets != login.key.home, "a session", "another parameter of this test")
    before = login.signings()
    ask = command_of(login, "the real socket").replace("sign-at", str(login.root / "sign-at"))
    real = f"/run/user/{login.user}/gnupg/S.gpg-agent"
    assert real in ask
    options = f"run --lock-agent={Form.NAMESPACE} --commit"
    words = ask.replace(real, "gnupg/S.gpg-agent")
    call = f'exec {PYTHON} -m gpgshim {options} "{REFUSE}" -- {words}'
    done = login.call("sh", "-c", f"cd /run/user/{login.user} && {call}")
    assert done.status == 77, done.err
    assert login.signings() == before


def test_a_granted_stunt_passes_at_once(login: Login, made: Path) -> None:
    """The process ids are those of the supervisor: there is no other PID namespace."""
    done = login.locked("gpg --batch -b f")
    assert (done.status, made.exists()) == (0, True), done.err
    assert [line[0] for line in login.lines()].count("$") == 1
    assert login.verdict().signatures == Signatures(1, 0)


AT_AGENT = ("--commit-at", "agent")


@pytest.mark.parametrize("call", ["-u nobody@example.org -b f", "-b nonexistent"])
def test_a_gpg_that_makes_no_signature_commits_nothing(login: Login, made: Path, call: str) -> None:
    before = login.signings()
    done = login.locked(f"gpg --batch {call}; false", *AT_AGENT)
    assert (done.status, login.signings()) == (75, before), done.err


@pytest.mark.parametrize("more", ["", "--homedir {home}"])
def test_the_first_signature_is_the_commitment_point(login: Login, made: Path, more: str) -> None:
    done = login.locked(f"gpg {more.format(home=login.key.home)} --batch -b f", *AT_AGENT)
    assert (done.status, made.exists()) == (0, True), done.err
    assert login.verdict().signatures == Signatures(1, 0)


# Nothing else changes.

#: Prints what a program gets from its caller. `other` is a line about user and groups.
ABOUT = """\
import os, sys
with open("/proc/self/status") as file:
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
parent = os.getppid()
print(os.umask(0), os.getcwd(), sorted(os.environ), sys.argv[1:])
print([status[x] for x in ("SigBlk", "SigCgt", "ShdPnd", "NoNewPrivs", "Seccomp")])
print(int(status["SigIgn"], 16) & ~(3 << 31))  # posix_spawn(3) of glibc ignores two of its own
print(os.getpgid(0) == os.getpgid(parent), os.getsid(0) == os.getsid(parent))
print([(fd, fd > 3 and os.fstat(fd)[1:3]) for fd in map(int, sorted(os.listdir("/proc/self/fd")))
       if os.path.exists(f"/proc/self/fd/{fd}")])
print(os.getresuid(), os.getresgid(), status["CapEff"], os.readlink("/proc/self/ns/pid"))
print(open("/proc/self/oom_score_adj").read(), os.sched_getaffinity(0), os.getpriority(0, 0))
"""


def test_the_job_is_as_without_the_lock(login: Login, made: Path) -> None:
    (login.root / "about").write_text(ABOUT)

    def about(*options: str) -> Done:
        call = f"exec 7<f; cd home; umask 027; trap '' USR1; exec {PYTHON} -I ../about a 'b c'"
        words = ["run", "--commit", "true", *options, "--", "sh", "-c", call]
        return login.gpgshim(*words)

    without, with_lock = about(), about(f"--lock-agent={Form.NAMESPACE}")
    assert (without.status, with_lock.status) == (0, 0), with_lock.err
    assert with_lock.out == without.out


@pytest.mark.parametrize("call", ["exit 42", "kill -KILL $$", "kill -TERM $$"])
def test_the_exit_status_is_that_of_the_job(login: Login, made: Path, call: str) -> None:
    words = ["--", "sh", "-c", f"gpg --batch --yes -b f; {call}"]
    done = login.gpgshim("run", f"--lock-agent={Form.NAMESPACE}", *words)
    without = login.gpgshim("run", *words)
    assert done.status == without.status != 0, done.err


def test_a_command_that_does_not_exist(login: Login) -> None:
    done = login.gpgshim("run", f"--lock-agent={Form.NAMESPACE}", "--", "/nonexistent")
    assert done.status == 127, done.err
    assert "/nonexistent cannot be run: No such file or directory" in done.err


def test_the_home_has_the_same_files(login: Login, made: Path) -> None:
    names = "pubring.kbx trustdb.gpg"
    inodes = f"cd {login.key.home}; for name in {names}; do stat -Lc %d:%i $name; done"
    outside = login.call("sh", "-c", inodes).out
    inside = login.locked(f"({inodes}) >inodes; echo ${{GNUPGHOME-none}} >>inodes")
    assert inside.status == 0, inside.err
    assert (login.root / "inodes").read_text() == f"{outside}none\n"


def test_a_key_of_the_job_is_in_the_home(login: Login, made: Path) -> None:
    user = "made-inside@example.org"
    call = f"{GPG} --batch -q --passphrase '' --quick-gen-key {user} ed25519 sign never"
    done = login.locked(f"{call}; {GPG} --batch -q --export-secret-keys {user} | wc -c >size")
    assert done.status == 0, done.err
    assert int((login.root / "size").read_text()) > 100
    listed = login.call(GPG, "-K", user)
    assert listed.status == 0, listed.err


def test_a_home_of_the_jobs_own_is_not_held(login: Login, made: Path) -> None:
    before = login.socket_directories()
    done = login.locked(
        "mkdir -m 700 own && export GNUPGHOME=$PWD/own &&"
        f" {GPG} --batch -q --passphrase '' --quick-gen-key x ed25519 sign never &&"
        f" {GPG} --batch -q -b f; gpgconf --kill all; gpgconf --remove-socketdir; rm -r own; exit 3"
    )
    assert (done.status, made.exists()) == (75, True), done.err
    assert login.socket_directories() == before


def test_an_agent_of_another_home_is_the_same_one(login: Login, made: Path) -> None:
    """Without a session it is another one: /run/user/UID exists in the namespace alone."""
    other = login.root / "other-home"
    ask = "gpg-connect-agent 'GETINFO pid' /bye"
    call = f"mkdir -pm 700 {other}; GNUPGHOME={other} {ask}"
    outside = login.call("sh", "-c", call).out
    assert outside.startswith("D ")
    done = login.locked(f"GNUPGHOME={other} {ask} >pid")
    assert done.status == 0, done.err
    has_session = login.sockets != login.key.home
    assert ((login.root / "pid").read_text() == outside) is has_session
    assert login.call("sh", "-c", call).out == outside
    login.call("gpgconf", "--homedir", other, "--kill", "all")


def test_a_job_whose_directory_is_in_the_session(login: Login, made: Path) -> None:
    """/run/user is another one in the namespace, with the same directories."""
    skips.unless(login.sockets != login.key.home, "a session", "another parameter of this test")
    words = login.words(f"{GPG} --batch -b f; pwd", commit="true")
    done = finish(login.start(*words, XDG_RUNTIME_DIR=f"/run/user/{login.user}"))
    assert (done.status, made.exists()) == (0, True), done.err
    assert login.verdict().signatures == Signatures(1, 0)


def test_a_job_in_a_job(login: Login, made: Path) -> None:
    """A command passes both locks, and the outer gate is asked first."""
    options = f"--lock-agent={Form.NAMESPACE} --commit true"
    inner = f"PATH={os.defpath} {PYTHON} -m gpgshim run {options} -- {GPG} --batch -b f"
    done = login.locked(inner)
    assert (done.status, made.exists()) == (0, True), done.err
    assert [login.verdict(at).signatures for at in (-1, -2)] == [Signatures(1, 0)] * 2


# It fails closed, and leaves nothing.


@pytest.mark.parametrize("name", ["absolute path", "env -i", "--homedir", "the real socket"])
def test_without_its_supervisor_no_program_signs(login: Login, made: Path, name: str) -> None:
    """Root can start an agent at our path. The agent finds no key there."""
    before = login.signings()
    fifo = login.fifo(f"go-{name.replace(' ', '-')}")
    ended = login.root / f"f-ended-{name}"
    command = command_of(login, name)
    call = f"touch {fifo}.begun; cat {fifo}; {command}; echo $? >'{ended}'"
    job = login.start_locked(call)
    wait_for(Path(f"{fifo}.begun").exists, "the job's begin")
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    tell(fifo)
    wait_for(lambda: ended.exists() and ended.read_text().endswith("\n"), "the job's end")
    assert ended.read_text() != "0\n"
    assert login.signings() == before
    assert not made.exists() or not made.stat().st_size


def test_nothing_is_left_of_the_namespace(login: Login, made: Path) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    users = sorted(login.session.rglob("*"))
    fifo = login.fifo("left")
    job = login.start_locked(f"echo $$ >f-pid; cat {fifo}", "--job", "left")
    pid = login.root / "f-pid"
    wait_for(lambda: pid.exists() and pid.read_text().endswith("\n"), "the job's begin")
    for each in (job.pid, int(pid.read_text())):
        os.kill(each, signal.SIGKILL)
    wait_for(lambda: not is_alive(int(pid.read_text())), "the job's end")
    job.wait()
    tell(fifo)
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert sorted(login.session.rglob("*")) == users
    assert login.call(GPG, "--batch", "-b", "f").status == 0


# Where there can be no namespace.


def test_without_a_directory_for_sessions(login: Login, made: Path) -> None:
    skips.unless_root("for a /run of its own")
    login.before = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh")
    done = login.locked("touch f.sig")
    login.before = ()
    assert (done.status, made.exists()) == (78, False), done.err
    assert "there is no /run/user" in done.err and "hint: as root: mkdir /run/user" in done.err


def test_supervise_cannot_have_it(login: Login) -> None:
    done = login.gpgshim("supervise", f"--lock-agent={Form.NAMESPACE}")
    assert (done.status, done.out) == (78, "false;\n"), done.err
    assert "a shell that evals a line cannot enter a namespace" in done.err
    assert finish(login.start("supervise", f"--lock-agent={Form.NAMESPACE}", "-D")).status == 78
