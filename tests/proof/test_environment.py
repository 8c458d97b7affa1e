# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a misleading environment change no decision, and reach gpg unchanged?

These tests are about the supervisor; test_untouched is about the stunt. `gpgshim run` is started in
each environment, with a job that fails first and one that signs: 75 and a grant are what they would
be at home, the journal says so, and gpg has no descriptor and no variable of ours.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from gpgshim.core.gate import Outcome
from gpgshim.supervisor import optable
from tests.support import skips
from tests.support.scratch import (
    GPG,
    PATIENCE,
    Done,
    Scratch,
    accept,
    listening,
    make_job,
    read_line,
    short_directory,
)
from tests.support.worker import HEARD_UPLOADED, UPLOADED, Worker

#: Says how gpg was started: its descriptors, umask, ignored and blocked signals and environment. It
#: looks through one child each and without a pipe, which would have descriptors of its own.
LOOKING = """\
#!/bin/sh
case "$1" in --version|--dump-option-table) exec {gpg} "$@";; esac
ls -l /proc/self/fd >{root}/fds
grep '^Sig[BI]' /proc/self/status >{root}/signals
umask >{root}/umask
env >{root}/env
echo "$*" >>{root}/signed
"""
SIGN = "gpg -s f"

#: Signals 32 and 33, which glibc has for itself and no program can name. What is started by
#: posix_spawn(3), as jobs are, has them ignored; glibc takes them back as it needs them.
GLIBC_S_OWN = 3 << 31


class Seen(NamedTuple):
    """The descriptors (by number), signals, umask and environment of a gpg."""

    fds: dict[int, str]
    signals: dict[str, int]
    umask: str
    environ: dict[str, str]


def begin(
    scratch: Scratch, command: str, prepare: Callable[[], object] = lambda: None, **env: str
) -> Done:
    """`gpgshim run` of a shell command, after `prepare` in its process, with `env` added."""
    words: list[str | Path] = [sys.executable, "-m", "gpgshim", "run", "--job", "j"]
    return start(scratch, [*words, "--gpg", looking(scratch), "--"], command, prepare, env)


def start(
    scratch: Scratch,
    words: list[str | Path],
    command: str,
    prepare: Callable[[], object],
    env: dict[str, str],
) -> Done:
    done = subprocess.run(
        [*words, "/bin/sh", "-c", command],
        env=scratch.env | env,
        cwd=scratch.root,
        preexec_fn=prepare,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE * 4,
        text=True,
        errors="backslashreplace",
    )
    return Done(done.returncode, done.stdout, done.stderr)


def looking(scratch: Scratch) -> Path:
    (scratch.root / "alone").mkdir(exist_ok=True)
    return scratch.script("alone/gpg", LOOKING.format(gpg=GPG, root=scratch.root))


def seen(scratch: Scratch) -> Seen:
    """What the last gpg inherited."""
    said = {name: (scratch.root / name).read_text() for name in ("fds", "signals", "umask", "env")}
    fds = {}
    for line in said["fds"].splitlines()[1:]:
        number, _, what = line.partition(" -> ")
        if not what.startswith("/proc/"):  # which is ls itself, as it looks
            fds[int(number.split()[-1])] = re.sub(r"\[\d+\]", "", what)
    sets = (line.split(":") for line in said["signals"].splitlines())
    signals = {name: int(bits, 16) & ~GLIBC_S_OWN for name, bits in sets}
    environ = dict(line.split("=", 1) for line in said["env"].splitlines() if "=" in line)
    return Seen(fds, signals, said["umask"], environ)


def seen_without_us(scratch: Scratch, prepare: Callable[[], object], env: dict[str, str]) -> Seen:
    """What the same gpg inherits if the same shell finds it without gpgshim."""
    path = (scratch.env | env)["PATH"]
    alone = looking(scratch).parent
    done = start(scratch, [], SIGN, prepare, env | {"PATH": f"{alone}:{path}"})
    assert (done.status, scratch.calls()) == (0, ["-s f"]), done.err
    scratch.signed.unlink()
    found = seen(scratch)
    assert found.environ["PATH"] == f"{alone}:{path}"
    return found._replace(environ=found.environ | {"PATH": path})


def assert_as_at_home(
    scratch: Scratch, prepare: Callable[[], object] = lambda: None, said: bool = True, **env: str
) -> None:
    """Both outcomes are the usual ones, and gpg inherits the same as without gpgshim."""
    wanted = seen_without_us(scratch, prepare, env)
    done = begin(scratch, "exit 3", prepare, **env)
    assert done.status == 75, done.err
    assert scratch.verdict().outcome is Outcome.RETRIABLE
    done = begin(scratch, SIGN, prepare, **env)
    assert done.status == 0, done.err
    assert scratch.verdict().outcome is Outcome.UPLOADED
    assert scratch.calls() == ["-s f"]
    assert scratch.lines()[1:4] == ["$ gpg -s f", "! unknown", "> commit-to-public-upload"]
    if said:
        assert "uploaded" in done.err
    assert "Traceback" not in done.err
    assert seen(scratch) == wanted  # it is a wrapper: its PATH has neither stunts nor wall
    for directory in scratch.jobs():
        raise AssertionError(f"{directory} was left behind")


def close(*fds: int) -> Callable[[], None]:
    def prepare() -> None:
        for fd in fds:
            os.close(fd)

    return prepare


MANY = 1100  #: more than select(2) can look at


def open_many() -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    for fd in range(3, MANY):
        os.dup2(null, fd)
        os.set_inheritable(fd, True)  # dup2(2) leaves one as it is that is `null` itself


def limit(what: int, most: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(what, (most, most))


def ignore_sigchld() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def block_all() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


PREPARED: dict[str, Callable[[], object]] = {
    "umask 0": lambda: os.umask(0),
    "umask 0777": lambda: os.umask(0o777),
    "SIGCHLD ignored": ignore_sigchld,
    "all signals blocked": block_all,
    "few descriptors": limit(resource.RLIMIT_NOFILE, 24),
    "small files": limit(resource.RLIMIT_FSIZE, 1 << 20),
    "little memory": limit(resource.RLIMIT_AS, 256 << 20),
    "no core files": limit(resource.RLIMIT_CORE, 0),
}


@pytest.mark.parametrize("how", PREPARED)
def test_supervisor_in_an_odd_process(scratch: Scratch, how: str) -> None:
    assert_as_at_home(scratch, PREPARED[how])
    if how.startswith("umask"):
        # Only this user can read the files that gpgshim made.
        for path in scratch.journals():
            assert path.stat().st_mode & 0o077 == 0
            assert path.stat().st_mode & 0o400


@pytest.mark.parametrize("how", [*PREPARED, "no stderr"])
def test_repos_server_in_an_odd_process(scratch: Scratch, how: str) -> None:
    """The other face: the manager hears what it always hears, in its own time."""
    worker = Worker(scratch)
    worker.start(f"gpg -s f || exit 9; {UPLOADED}", prepare=PREPARED.get(how, close(2)))
    assert worker.hear() == "commit-to-public-upload"
    assert scratch.calls() == []
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED
    assert worker.end() == 0
    assert scratch.calls() == ["-s f"]
    assert scratch.verdict().outcome is Outcome.UPLOADED
    assert "Traceback" not in worker.err()
    assert scratch.jobs() == []
    worker.hang_up()


@pytest.mark.parametrize("fds", [(0,), (1,), (2,), (0, 1), (0, 1, 2)], ids=str)
def test_supervisor_without_standard_descriptors(scratch: Scratch, fds: tuple[int, ...]) -> None:
    # What the supervisor opens gets their numbers, and none of that may go to gpg.
    assert_as_at_home(scratch, close(*fds), said=2 not in fds)


@pytest.mark.parametrize("authority", ["nobody", "command", "manager"])
def test_supervisor_with_a_thousand_descriptors(scratch: Scratch, authority: str) -> None:
    path = scratch.root / "manager"
    options: dict[str, list[str | Path]] = {
        "nobody": [],
        "command": ["--commit", "true"],
        "manager": ["--commit", f"o2m:{path}"],
    }
    words = [sys.executable, "-m", "gpgshim", "run", "--gpg", looking(scratch), *options[authority]]
    with listening(path) as manager:
        process = subprocess.Popen(
            [*words, "--", "gpg", "-s"], env=scratch.env, cwd=scratch.root,
            preexec_fn=open_many, close_fds=False, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if authority == "manager":
            with accept(manager) as peer:
                assert read_line(peer) == b"commit-to-public-upload\n"
                peer.sendall(b"go-ahead\n")
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    # They are the caller's, and gpg has all of them, and no other.
    fds = seen(scratch).fds
    assert {fds[fd] for fd in range(4, MANY)} == {"/dev/null"}
    assert not [what for what in fds.values() if "gpgshim" in what or "socket" in what]


ENVIRONMENTS = {
    "PYTHON*": {
        "PYTHONSTARTUP": "/dev/zero",
        "PYTHONINSPECT": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPYCACHEPREFIX": "/nonexistent",
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONWARNINGS": "ignore",
        "PYTHONOPTIMIZE": "2",
    },
    "LD_*": {
        "LD_LIBRARY_PATH": "/nonexistent::.:",
        "LD_BIND_NOW": "1",
    },
    "no LC_CTYPE": {"LC_CTYPE": ""},
    "LC_ALL=C": {"LC_ALL": "C"},
    "TMPDIR": {"TMPDIR": "/nonexistent", "TMP": "/nonexistent"},
    "of shells": {"SHELL": "/nonexistent", "IFS": "/g", "ENV": "/nonexistent", "CDPATH": "/"},
    "POSIXLY_CORRECT": {"POSIXLY_CORRECT": "1"},
    "job's own": {"GPGSHIM_JOB": "/nonexistent", "NOTIFY_SOCKET": "/nonexistent"},
    "home": {"HOME": "/nonexistent"},
    "no home": {"HOME": ""},
    "relative home": {"HOME": "."},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_supervisor_in_an_odd_environment(scratch: Scratch, name: str) -> None:
    assert_as_at_home(scratch, lambda: None, True, **ENVIRONMENTS[name])


@pytest.mark.parametrize(
    "path", ["{}", ":{}", "{}:", ".:{}", "::{}::", "bin:{}", "{}:/nonexistent"]
)
def test_path_with_relative_and_empty_entries(scratch: Scratch, path: str) -> None:
    # A gpg that stands in the working directory is not the real one, and not run.
    for place in (scratch.root, scratch.root / "bin"):
        place.mkdir(exist_ok=True)
        (place / "gpg").write_text("#!/bin/sh\necho wrong >>signed\n")
        (place / "gpg").chmod(0o755)
    done = begin(scratch, SIGN, PATH=path.format(os.defpath.strip(":")))
    assert done.status == 0, done.err
    assert scratch.calls() == ["-s f"]


def test_stunt_that_is_twice_on_path(scratch: Scratch) -> None:
    done = begin(scratch, f'PATH="${{PATH%%:*}}:$PATH:${{PATH%%:*}}"; {SIGN}; {SIGN}')
    assert done.status == 0
    assert scratch.calls() == ["-s f", "-s f"]
    assert scratch.lines().count("! committed") == 1
    assert scratch.lines().count("= go") == 2


def test_supervisor_in_a_deleted_directory(scratch: Scratch) -> None:
    gone = short_directory()

    def prepare() -> None:
        os.chdir(gone)
        gone.rmdir()

    done = begin(scratch, SIGN, prepare)
    assert done.status == 0, done.err
    assert scratch.calls() == ["-s f"]
    assert scratch.verdict().outcome is Outcome.UPLOADED


def test_preloaded_nonsense_is_the_linker_s_to_say(scratch: Scratch) -> None:
    done = begin(scratch, SIGN, LD_PRELOAD="/nonexistent.so")
    assert done.status == 0
    assert scratch.calls() == ["-s f"]
    others = [x for x in done.err.splitlines() if "ld.so" not in x]
    assert len(others) == 1 and others[0].startswith("gpgshim: j.1: uploaded")


def test_no_process_can_be_started(scratch: Scratch) -> None:
    skips.unless(os.geteuid(), "an ordinary user, whom RLIMIT_NPROC binds", "make proof, as one")
    done = begin(scratch, SIGN, limit(resource.RLIMIT_NPROC, 1))
    assert done.status in (74, 75, 78)
    assert "Traceback" not in done.err
    assert scratch.calls() == []


@pytest.mark.parametrize("most", [3, 5, 8, 12])
def test_too_few_descriptors(scratch: Scratch, most: int) -> None:
    done = begin(scratch, SIGN, limit(resource.RLIMIT_NOFILE, most))
    # Python itself may not start; what does start says what is wrong, and signs whole or not.
    if done.status == 0:
        assert scratch.calls() == ["-s f"]
        assert scratch.verdict().outcome is Outcome.UPLOADED
    else:
        assert scratch.calls() == []
        assert done.status != 75 or scratch.verdict().outcome is Outcome.RETRIABLE


@pytest.mark.parametrize("most", [0, 10, 300])
def test_files_that_may_not_grow(scratch: Scratch, most: int) -> None:
    done = begin(scratch, SIGN, limit(resource.RLIMIT_FSIZE, most))
    assert done.status not in (0, -signal.SIGXFSZ), done.err
    assert "Traceback" not in done.err
    assert scratch.calls() == []


# Directories and sockets that are not what they seem.


@pytest.fixture
def job(scratch: Scratch) -> Path:
    return make_job(
        Path(sys.executable), scratch.runtime, optable.of(GPG, dict(os.environ)), scratch.stand_in()
    )


GO = b"gpgshim/1 go\n"


def call(scratch: Scratch, gpg: Path) -> Done:
    done = subprocess.run([gpg, "-s", "f"], env=scratch.env, capture_output=True, timeout=PATIENCE)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_stunt_in_a_directory_that_others_can_write(scratch: Scratch, job: Path, mode: int) -> None:
    job.chmod(mode)
    with listening(job / "socket"):
        done = call(scratch, job / "bin/gpg")
    assert done.status == 2
    assert "alone can write to" in done.err
    assert scratch.calls() == []


def test_stunt_in_a_directory_that_is_a_link(scratch: Scratch, job: Path) -> None:
    # lstat(2): a link is 0777, so that what it leads to, which could change, is never trusted.
    link = scratch.root / "link"
    link.symlink_to(job)
    with listening(job / "socket"):
        done = call(scratch, link / "bin/gpg")
    assert done.status == 2
    assert "alone can write to" in done.err
    assert scratch.calls() == []


def test_a_stunt_in_a_directory_of_another_user(scratch: Scratch, job: Path) -> None:
    skips.unless_root("who can give a directory to another user")
    os.chown(job, 65534, 65534)
    with listening(job / "socket"):
        done = call(scratch, job / "bin/gpg")
    assert done.status == 2
    assert "alone can write to" in done.err
    assert scratch.calls() == []


@pytest.mark.parametrize("dead", [True, False], ids=["its own socket", "a link to the live one"])
def test_copied_job(scratch: Scratch, job: Path, dead: bool) -> None:
    """A whole JOB copied: its own socket is dead. With a link to the live one, it is that job's,
    and it refuses every process that does not belong to that job.
    """
    fifo, ready = scratch.fifo("go"), scratch.fifo("ready")
    process = scratch.start_run(f"echo >{ready}; cat {fifo} >/dev/null; {SIGN}")
    ready.read_text()
    live = next(each for each in scratch.jobs() if each != job)
    copy = scratch.root / "copy"
    subprocess.run(["cp", "-r", live, copy], check=True)
    (copy / "socket").unlink(missing_ok=True)
    if not dead:
        (copy / "socket").symlink_to(live / "socket")
    done = call(scratch, copy / "bin/gpg")
    assert (done.status, scratch.calls()) == (2, [])
    assert scratch.lines() == ["! uncommitted"]
    assert dead or "was not started by this gate's job" in done.err
    fifo.write_text("")
    assert process.wait(PATIENCE) == 0
    # After the end the copy is as dead as the job.
    calls = scratch.calls()
    assert call(scratch, copy / "bin/gpg").status == 2
    assert scratch.calls() == calls


@pytest.mark.parametrize("which", ["run", "state"])
def test_a_directory_that_is_a_link_to_one_of_another_user(scratch: Scratch, which: str) -> None:
    skips.unless_root("who can give a directory to another user")
    theirs = scratch.root / "theirs"
    theirs.mkdir(0o755)
    os.chown(theirs, 65534, 65534)
    (scratch.root / which / "gpgshim").symlink_to(theirs)
    done = begin(scratch, "touch started")
    assert done.status == 78
    assert "belongs to user id 65534" in done.err
    assert list(theirs.iterdir()) == []
    assert not (scratch.root / "started").exists()
    (scratch.root / which / "gpgshim").unlink()


def test_new_files_are_private(scratch: Scratch) -> None:
    look = 'cd "${PATH%%/bin:*}" && stat -c "%a %n" . socket bin bin/gpg table && stat -c %a ..'
    done = begin(scratch, f"({look}) >mode", lambda: os.umask(0))
    assert done.status == 0, done.err
    # Others may run the stunts, where they can reach them; they can change and ask nothing.
    wanted = "711 .\n700 socket\n755 bin\n755 bin/gpg\n644 table\n700\n"
    assert (scratch.root / "mode").read_text() == wanted
    assert [path.stat().st_mode & 0o777 for path in scratch.journals()] == [0o600]
