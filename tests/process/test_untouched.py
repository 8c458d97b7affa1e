# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the process of the real gpg the same with a stunt and without one?

Promise 4. The real gpg here is /bin/sh, called as `gpg -c SNIPPET`: to gpg that is --symmetric,
which makes no signature, and to sh it is a program that copies the kernel's data on its process.
`gpg -sc SNIPPET` would sign, so the stunt sends a request, which is granted. The same test process
starts both, once with the stunt between and once without.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gpgshim.supervisor import optable
from tests.support import skips
from tests.support.scratch import (
    GPG,
    INTERPRETERS,
    PATIENCE,
    Key,
    Scratch,
    listening,
    make_job,
    short_directory,
)

SH = Path("/bin/sh")

#: Redirected command by command: a group's redirection would show sh's own descriptors. And
#: `status` is read by sh itself: while it has a child made, it blocks all signals.
LOOK = """\
cd "$1" 2>/dev/null
while IFS= read -r line; do printf '%s\n' "$line"; done </proc/$$/status >status 2>/dev/null
for what in cmdline environ stat limits oom_score_adj timerslack_ns coredump_filter; do
    /bin/cat /proc/$$/$what >$what 2>/dev/null
done
LC_ALL=C /bin/ls -l /proc/$$/fd >fd 2>/dev/null
/bin/grep -r . /proc/$$/fdinfo >fdinfo 2>/dev/null
umask >umask 2>/dev/null
"""

#: The lines of /proc/PID/status that a process has from its caller.
STATUS = [
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "NStgid",
    "NSpgid",
    "SigPnd",
    "ShdPnd",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Cpus_allowed",
    "THP_enabled",
]

#: The fields of /proc/PID/stat, as proc(5) numbers them: ppid pgrp session tty tpgid flags of the
#: scheduler and the signal that its end sends.
STAT = (4, 5, 6, 7, 8, 18, 19, 20, 38, 40, 41)

GRANTER = """\
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(100)
print("ready", flush=True)
while True:
    with listener.accept()[0] as peer:
        peer.recv(4096)
        peer.sendall(b"gpgshim/1 go\\n")
"""

libc = ctypes.CDLL(None, use_errno=True)


class Call(NamedTuple):
    """How a caller calls gpg. `prepare` is done in the process that becomes gpg."""

    argv: tuple[bytes, ...] = ()
    env: tuple[bytes, ...] = (b"PATH=/usr/bin:/bin", b"LANG=C.UTF-8", b"HOME=/nonexistent")
    prepare: Callable[[], object] = lambda: None


def ignore(*numbers: signal.Signals) -> Callable[[], None]:
    def prepare() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    return prepare


def block_and_leave_pending() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGTERM, signal.SIGWINCH])
    os.kill(os.getpid(), signal.SIGWINCH)  # which does no harm when sh unblocks it


def block_all() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def close_standard() -> None:
    for fd in (0, 1, 2):
        os.close(fd)


def open_more() -> None:
    reader, writer = os.pipe()
    for fd, number in (
        (reader, 3),
        (writer, 10),
        (os.open("/dev/zero", os.O_RDWR | os.O_APPEND), 57),
    ):
        os.dup2(fd, number)
    os.dup2(os.open("/dev/null", os.O_WRONLY | os.O_NONBLOCK), 200)


def stand_in_a_deleted_directory() -> None:
    gone = short_directory()
    os.chdir(gone)
    gone.rmdir()


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (20, 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 21))
    os.nice(3)
    Path("/proc/self/oom_score_adj").write_text("500")
    os.setpgid(0, 0)


def be_in_many_groups() -> None:
    os.setgroups(range(100_000, 101_000))


def start_a_session() -> None:
    os.setsid()
    signal.alarm(1000)


BASE = Call().env
CALLS = {
    "default": Call(),
    "words": Call(argv=(b"", b"-", b"a b", b"new\nline", b"--sign", b"'\"\\$`", b"x" * 100_000)),
    "words not UTF-8": Call(
        argv=(
            b"\xff\xfe",
            b"caf\xe9",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xc0\xaf",
            b"\x80" * 9,
        )
    ),
    "SIGPIPE ignored": Call(prepare=ignore(signal.SIGPIPE)),
    "SIGXFSZ ignored": Call(prepare=ignore(signal.SIGXFSZ)),
    "both ignored": Call(prepare=ignore(signal.SIGPIPE, signal.SIGXFSZ)),
    "SIGINT ignored": Call(prepare=ignore(signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)),
    "SIGCHLD ignored": Call(prepare=ignore(signal.SIGCHLD)),
    "real-time signal ignored": Call(prepare=lambda: signal.signal(40, signal.SIG_IGN)),
    "signals blocked and pending": Call(prepare=block_and_leave_pending),
    "all signals blocked": Call(prepare=block_all),
    "no locale": Call(env=(b"PATH=/usr/bin",)),
    "no environment": Call(env=()),
    "LC_ALL=C": Call(env=(*BASE, b"LC_ALL=C")),
    "LC_ALL=POSIX": Call(env=(b"LC_ALL=POSIX",), argv=(b"caf\xe9",)),
    "LANG=C": Call(env=(b"LANG=C",), argv=(b"caf\xc3\xa9", b"caf\xe9")),
    "LC_CTYPE=C": Call(env=(b"A=1", b"LC_CTYPE=C", b"B=2")),
    "LC_CTYPE empty": Call(env=(b"LC_CTYPE=", b"B=2")),
    "LC_CTYPE is what CPython would set": Call(env=(b"A=1", b"LC_CTYPE=C.UTF-8", b"B=2")),
    "LC_CTYPE twice": Call(env=(b"LC_CTYPE=C", b"A=1", b"LC_CTYPE=C.UTF-8")),
    "LC_CTYPE of no locale": Call(env=(b"LC_CTYPE=xx_YY.nonsense", b"A=1")),
    "odd environment": Call(
        env=(b"B=\xff\xfe", b"no equals sign", b"=x", b"", b"A=1", b"A=2", b"\xe9=new\nline", b"Z=")
    ),
    "PYTHON*": Call(
        env=(
            b"PYTHONHOME=/nonexistent",
            b"PYTHONPATH=/nonexistent:/tmp",
            b"PYTHONSTARTUP=/dev/zero",
            b"PYTHONUTF8=nonsense",
            b"PYTHONCOERCECLOCALE=nonsense",
            b"PYTHONHASHSEED=nonsense",
            b"PYTHONMALLOC=nonsense",
            b"PYTHONIOENCODING=nonsense",
            b"PYTHONWARNINGS=nonsense",
            b"PYTHONVERBOSE=1",
            b"PYTHONINSPECT=1",
            b"PYTHONPYCACHEPREFIX=/nonexistent",
            b"PYTHONPLATLIBDIR=/nonexistent",
        )
    ),
    "LD_*": Call(env=(*BASE, b"LD_LIBRARY_PATH=/nonexistent", b"LD_BIND_NOW=1")),
    "0, 1 and 2 closed": Call(prepare=close_standard),
    "0 closed": Call(prepare=lambda: os.close(0)),
    "2 closed": Call(prepare=lambda: os.close(2)),
    "more descriptors": Call(prepare=open_more),
    "umask 0": Call(prepare=lambda: os.umask(0)),
    "umask 0777": Call(prepare=lambda: os.umask(0o777)),
    "deleted cwd": Call(prepare=stand_in_a_deleted_directory),
    "limits": Call(prepare=limit),
    "a session": Call(prepare=start_a_session),
}


#: Those that are worth a look when the stunt has talked to a supervisor before.
GRANTED = (
    "words not UTF-8",
    "SIGPIPE ignored",
    "SIGINT ignored",
    "signals blocked and pending",
    "all signals blocked",
    "LC_CTYPE=C",
    "odd environment",
    "0, 1 and 2 closed",
    "more descriptors",
    "umask 0777",
    "deleted cwd",
    "limits",
)


def fork(program: Path, call: Call, argv: list[bytes]) -> int:
    """Become `program` as `call` says, by a bare execve(2), in a child; its process id."""
    arrays = [(ctypes.c_char_p * (len(x) + 1))(*x, None) for x in (argv, list(call.env))]
    pid = os.fork()
    if pid:
        return pid
    try:
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.closerange(3, 4096)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        call.prepare()
        libc.execve(os.fsencode(program), *arrays)
    finally:
        os._exit(99)


FILES = (
    "cmdline environ status stat limits oom_score_adj timerslack_ns coredump_filter fd fdinfo umask"
)


def reap(pid: int) -> int:
    """The wait status of a child, which ends in time."""
    watched = os.pidfd_open(pid)
    assert select.select([watched], [], [], PATIENCE)[0], "it does not end"
    os.close(watched)
    return os.waitpid(pid, 0)[1]


def look(program: Path, call: Call, into: Path, letters: str) -> dict[str, object]:
    """The kernel's data on the process that `call` makes of `program`."""
    for name in FILES.split():
        (into / name).write_bytes(b"")
    argv = [b"gpg", letters.encode(), LOOK.encode(), b"name", os.fsencode(into), *call.argv]
    pid = fork(program, call, argv)
    status = reap(pid)

    def own(text: str) -> str:
        return "own" if text == str(pid) else text

    seen: dict[str, object] = {"wait": status}
    for name in FILES.split()[:-2]:
        seen[name] = (into / name).read_bytes()
    head, _, stat = (into / "stat").read_text().rpartition(")")
    assert head.startswith(f"{pid} (")
    fields = stat.split()
    seen["stat"] = {n: own(fields[n - 3]) for n in STAT}
    rows = dict(x.split(":\t", 1) for x in (into / "status").read_text().splitlines())
    seen["status"] = {name: own(rows[name]) for name in STATUS if name in rows}
    seen["umask"] = (into / "umask").read_text()
    links = [x.split()[8:] for x in (into / "fd").read_text("utf-8", "replace").splitlines()[1:]]
    # Which pipe it is differs; that it is one does not.
    seen["fd"] = [[x.partition(":[")[0] for x in link] for link in links]
    about = (into / "fdinfo").read_text().splitlines()
    seen["fdinfo"] = [x.replace(f"/{pid}/", "/") for x in about if "ino:" not in x]
    return seen


@pytest.fixture(scope="module")
def kept() -> Iterator[Comparison]:
    into = short_directory()
    yield Comparison(into)
    shutil.rmtree(into)


@pytest.fixture(scope="module")
def table() -> str:
    return optable.of(GPG, dict(os.environ))


@pytest.fixture(scope="module", params=INTERPRETERS)
def job(request: pytest.FixtureRequest, table: str) -> Iterator[Path]:
    """The directory of a job whose supervisor grants everything."""
    base = short_directory()
    job = make_job(INTERPRETERS[request.param], base, table, SH)
    words = [sys.executable, "-c", GRANTER, str(job / "socket")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as granter:
        assert granter.stdout is not None
        assert granter.stdout.readline() == b"ready\n"
        yield job
        granter.kill()
    shutil.rmtree(base)


class Comparison:
    """Keeps the data without a stunt, which are the same for every interpreter."""

    def __init__(self, into: Path) -> None:
        self.into = into
        self.plain: dict[tuple[str, str], dict[str, object]] = {}

    def hold(self, name: str, call: Call, job: Path, letters: str = "-c") -> None:
        """Hold what the stunt of `job` becomes against what its caller called."""
        if (name, letters) not in self.plain:
            self.plain[name, letters] = look(SH, call, self.into, letters)
        expected = self.plain[name, letters]
        seen = look(job / "bin/gpg", call, self.into, letters)
        differ = {
            what: (seen[what], expected[what]) for what in seen if seen[what] != expected[what]
        }
        assert differ == {}
        assert seen["wait"] == 0
        assert bytes(seen["cmdline"]).startswith(f"gpg\0{letters}\0".encode())  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("name", "letters"), [*((name, "-c") for name in CALLS), *((name, "-sc") for name in GRANTED)]
)
def test_process_is_the_caller_s(job: Path, name: str, letters: str, kept: Comparison) -> None:
    kept.hold(name, CALLS[name], job, letters)


def test_a_thousand_groups(job: Path, kept: Comparison) -> None:
    # They make /proc/self/status long, and what was ignored stands behind them in it.
    skips.unless_root("who may be in a thousand groups")

    def prepare() -> None:
        be_in_many_groups()
        ignore(signal.SIGPIPE)()

    kept.hold("groups", Call(prepare=prepare), job)


@pytest.mark.parametrize(
    ("language", "charmap"),
    [("de_DE", "ISO-8859-1"), ("ja_JP", "EUC-JP"), ("zh_HK", "BIG5-HKSCS")],
)
def test_locale_that_is_not_utf_8(job: Path, language: str, charmap: str, kept: Comparison) -> None:
    locales = kept.into / "locales"
    locales.mkdir(exist_ok=True)
    name = f"{language}.{charmap}"
    source = Path("/usr/share/i18n/locales", language)
    skips.unless_installed("test", shutil.which("localedef"), source.exists())
    if not (locales / name).exists():
        words = ["localedef", "-c", "-i", language, "-f", charmap, str(locales / name)]
        subprocess.run(words, capture_output=True)  # a warning is exit status 1
        assert (locales / name).exists()
    env = (f"LOCPATH={locales}".encode(), f"LC_ALL={name}".encode(), b"CAF\xe9=\xa4\xa2")
    argv = (b"caf\xe9", b"\xa4\xa2\xa5\xa2", b"\x8e\xb1\x8f\xb0\xa1", b"\xff\xfe\x80")
    every = tuple(
        bytes([high, low]) for high in range(0x80, 0x100) for low in (0x30, 0x5C, 0x7E, 0xA1)
    )
    kept.hold(name, Call(argv=argv + every, env=env), job)


@pytest.mark.parametrize(
    "end",
    ["exit 0", "exit 37", "exit 75", "exit 255"]
    + [f"kill -{name} $$" for name in ("TERM", "KILL", "SEGV", "PIPE", "INT", "HUP", "XFSZ")],
)
def test_its_end_is_the_caller_s(job: Path, end: str) -> None:
    argv = [b"gpg", b"-c", b"ulimit -c 0; " + end.encode()]
    pids = [fork(program, Call(), argv) for program in (SH, job / "bin/gpg")]
    ends = [reap(pid) for pid in pids]
    assert ends[0] == ends[1]
    assert ends[0] or end == "exit 0"


@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["--list-secret", "--with-colons"],
        ["--verify", "/nonexistent"],
        ["--sign", "--bogus"],
        ["-version"],
        ["--status-fd=1", "--import"],
        [],
    ],
    ids=" ".join,
)
def test_the_real_gpg_gives_the_same_answer(
    words: list[str], key: Key, table: str, scratch: Scratch
) -> None:
    job = make_job(Path(sys.executable), scratch.root, table, Path(GPG))
    done = [
        subprocess.run(
            [program, "--no-autostart", "--batch", *words],
            env=scratch.env,
            input=b"neither a key nor a message\n",
            capture_output=True,
            cwd=scratch.root,
        )
        for program in (GPG, job / "bin/gpg")
    ]
    assert (done[0].returncode, done[0].stdout) == (done[1].returncode, done[1].stdout)
    assert done[0].stderr == done[1].stderr


def test_no_socket_is_touched(scratch: Scratch, table: str) -> None:
    job = make_job(Path(sys.executable), scratch.root, table, SH)
    with listening(job / "socket") as listener:
        listener.setblocking(False)
        pid = fork(job / "bin/gpg", Call(), [b"gpg", b"-c", b"exit 3"])
        assert os.WEXITSTATUS(reap(pid)) == 3
        with pytest.raises(BlockingIOError):
            listener.accept()
        # And it would have been seen.
        pid = fork(job / "bin/gpg", Call(), [b"gpg", b"-s"])
        listener.settimeout(PATIENCE)
        peer, _ = listener.accept()
        assert isinstance(peer, socket.socket)
        peer.close()
        assert os.WEXITSTATUS(reap(pid)) == 2


def test_a_hundred_thousand_words(scratch: Scratch, table: str) -> None:
    job = make_job(Path(sys.executable), scratch.root, table, SH)
    snippet = b'for last; do :; done; test "$# $last" = "100000 1"'
    words = [b"gpg", b"-c", snippet, b"0", *[b"1"] * 100_000]
    pid = fork(job / "bin/gpg", Call(), words)
    assert reap(pid) == 0
