# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""If a stunt cannot be executed, does the job reach the wall and not the real gpg?

Shells go on along PATH after an error of execve(2). Behind the stunts stands the wall.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.core.gate import Outcome
from gpgshim.supervisor import wall
from gpgshim.system import places
from gpgshim.system.errors import Misconfigured, Unable
from tests.support import skips
from tests.support.scratch import GPG, PATIENCE, REFUSE, Scratch

SHELL = 'gpg --comment "$(cat comment)" --comment "$(cat rest)" -s f'
READ = "words = ['gpg', '--comment', open('comment').read().strip(), "
READ += "'--comment', open('rest').read().strip(), '-s', 'f']; "
#: Programs that look along PATH in their own way. Each calls `gpg --comment … -s f`, and makes that
#: call itself: had it been given the words, it would not have come to be executed with them.
LOOKERS = {
    "dash": ["dash", "-c", SHELL],
    "busybox sh": ["busybox", "sh", "-c", SHELL],
    "zsh": ["zsh", "-fc", SHELL],
    "bash": ["bash", "-c", SHELL],
    "mksh": ["mksh", "-c", SHELL],
    "Python's subprocess": [
        sys.executable,
        "-c",
        f"import subprocess, sys; {READ} sys.exit(subprocess.run(words).returncode)",
    ],
    "Python's execvp": [sys.executable, "-c", f"import os; {READ} os.execvp('gpg', words)"],
    "perl's system": [
        "perl",
        "-e",
        "@w = map { open F, $_; $l = <F>; chomp $l; $l } qw(comment rest);"
        " system('gpg', '--comment', $w[0], '--comment', $w[1], '-s', 'f');"
        " exit($? == -1 ? 126 : $? >> 8 || $? & 127)",
    ],
}
MERGED = Path("/bin").is_symlink() and Path("/bin").resolve() == Path("/usr/bin")


@pytest.mark.parametrize(
    ("search", "kept"),
    [
        ("/usr/bin:/bin", "/usr/bin"),
        ("/usr/local/bin:/usr/bin:/bin:/usr/games", "/usr/local/bin:/usr/bin:/usr/games"),
        ("/usr/bin:/bin:/bin", "/usr/bin"),
        ("/bin:/usr/bin", "/bin:/usr/bin"),  # the longer name leaves no window
        ("/bin", "/bin"),
        ("/usr/bin:bin:.::/nowhere:/nowhere", "/usr/bin:bin:.::/nowhere:/nowhere"),
        ("", ""),
    ],
)
def test_a_directory_is_not_named_again_by_a_shorter_path(search: str, kept: str) -> None:
    skips.unless(MERGED, "a /bin that is a link to /usr/bin", "make test, on such a machine")
    assert wall.without_shorter(search, Path("/run/g0")) == kept


#: Those that do not go on after E2BIG, but fail themselves.
STOP = ("bash", "perl", "mksh")
REST = 60_000  #: bytes of the second comment: one word alone may not have so many as all may
STACK = 256 << 10  #: bytes; the arguments get a quarter of it, but 128 KiB at least


@pytest.fixture(params=LOOKERS)
def looker(request: pytest.FixtureRequest) -> list[str]:
    words = LOOKERS[request.param]
    skips.unless_installed("test", shutil.which(words[0]))
    return words


def refuses(path: Path) -> bool:
    done = subprocess.run([path, "x"], capture_output=True, env={}, check=False)
    return done.returncode != 0 and done.stdout == b""


# The programs.


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_program_prints_its_line_and_fails(tmp_path: Path, machine: str) -> None:
    data = wall.program("said: é", machine)
    assert data is not None
    path = tmp_path / "program"
    path.write_bytes(data)
    path.chmod(0o755)
    own = os.uname().machine == machine
    emulator = shutil.which(f"qemu-{machine}-static") or shutil.which(f"qemu-{machine}")
    skips.unless_installed("foreign", own or emulator)
    words = [path] if own else [Path(str(emulator)), path]
    done = subprocess.run([*words, "x"], capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", "said: é\n")


def test_a_machine_without_a_program() -> None:
    assert wall.program("x", "riscv64") is None


@pytest.mark.parametrize("machine", ["", "riscv64"], ids=["ours", "another"])
def test_names_are_filled_in_place(
    tmp_path: Path, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if machine:
        own = os.uname()
        monkeypatch.setattr(os, "uname", lambda: os.uname_result((*own[:4], machine)))
    (tmp_path / "gpg").write_text("what was there")
    wall.fill(tmp_path, ["gpg", "dgit"], wall.JOB_IS_OVER)
    assert sorted(os.listdir(tmp_path)) == ["dgit", "gpg"]
    assert refuses(tmp_path / "gpg") and refuses(tmp_path / "dgit")
    assert (tmp_path / "gpg").is_symlink() == bool(machine)


# The directory.


@pytest.fixture
def parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for walls that is the test's own; all users can enter it."""
    place = tmp_path / "place"
    place.mkdir()
    place.chmod(0o755)
    monkeypatch.setattr(wall, "PLACES", (place,))
    return place


def test_a_wall_is_made_once(parents: Path, tmp_path: Path) -> None:
    given = os.umask(0o077)
    try:
        made = wall.stand(["gpg", "gpgconf"], tmp_path)
    finally:
        os.umask(given)
    assert made.parent == parents and len(made.name) == 2
    assert sorted(os.listdir(made)) == ["gpg", "gpgconf"]
    assert made.stat().st_mode & 0o7777 == 0o755
    assert (made / "gpg").stat().st_mode & 0o7777 == 0o1755  # for what cleans up /tmp
    assert wall.stand(["gpgconf", "gpg"], tmp_path) == made
    assert os.listdir(parents) == [made.name]


def test_names_that_a_job_has_not_are_in_another_wall(parents: Path, tmp_path: Path) -> None:
    """`command -v dgit` finds nothing in a job on a machine without dgit, as without us."""
    one, other = wall.stand(["gpg"], tmp_path), wall.stand(["gpg", "dgit"], tmp_path)
    assert one != other
    assert os.listdir(one) == ["gpg"]


@pytest.mark.parametrize("spoil", ["more", "changed", "mode", "less", "link", "file", "others"])
def test_an_incomplete_wall_is_not_used(parents: Path, tmp_path: Path, spoil: str) -> None:
    made = wall.stand(["gpg"], tmp_path)
    if spoil == "more":
        (made / "ls").touch()
    elif spoil == "changed":
        (made / "gpg").write_text("#!/bin/sh\n")
    elif spoil == "mode":
        made.chmod(0o777)
    elif spoil == "less":
        (made / "gpg").unlink()
    elif spoil == "others":
        skips.unless_root("who can give a directory to another user")
        os.chown(made, 65534, 65534)
    else:
        made.rename(tmp_path / "elsewhere")
        if spoil == "link":
            made.symlink_to(tmp_path / "elsewhere")
        else:
            made.touch()
    another = wall.stand(["gpg"], tmp_path)
    assert another != made and another.parent == parents
    assert refuses(another / "gpg")


@pytest.mark.parametrize("mode", [0o777, 0o700, 0o555])
def test_an_unusable_directory(parents: Path, tmp_path: Path, mode: int) -> None:
    """Others can replace what is in it; others cannot enter it; nothing can be made in it."""
    may_not = mode != 0o555 or os.geteuid()
    skips.unless(may_not, "an ordinary user, who cannot write everywhere", "make test, as one")
    parents.chmod(mode)
    spare = tmp_path / "spare"
    spare.mkdir(0o700)
    assert wall.stand(["gpg"], spare).parent == spare


def test_no_place_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall, "PLACES", ())
    with pytest.raises(Unable, match="the wall, a directory of programs that refuse"):
        wall.stand(["gpg"], tmp_path / "nonexistent")


def test_a_crowd_that_needs_a_wall_at_once(parents: Path, tmp_path: Path) -> None:
    words = "import sys; from pathlib import Path; from gpgshim.supervisor import wall;"
    words += "wall.PLACES = (Path(sys.argv[1]),); print(wall.stand(['gpg'], Path('/nonexistent')))"
    crowd = [
        subprocess.Popen([sys.executable, "-c", words, parents], stdout=-1, text=True)
        for _ in range(8)
    ]
    made = {process.communicate(timeout=PATIENCE)[0].strip() for process in crowd}
    assert all(process.returncode == 0 for process in crowd)
    assert all(refuses(Path(each, "gpg")) for each in made)
    assert {str(parents / name) for name in os.listdir(parents)} == made


def test_its_program_is_not_taken_for_the_real_gpg(parents: Path, tmp_path: Path) -> None:
    made = wall.stand(["gpg"], tmp_path)
    with pytest.raises(Misconfigured, match="is a stunt, not the real gpg"):
        places.find_real("gpg", f"{made}:{os.defpath}")


# What a shell makes of it.


@contextlib.contextmanager
def job_with_a_real_one(scratch: Scratch, length: int) -> Iterator[tuple[dict[str, str], Path]]:
    """A job's environment, and its real gpg, an ELF file whose path has `length` characters.

    Where it runs, it says SIGNED. The job is under way, and its gate refuses.
    """
    name = "x" * (length - len(f"{scratch.root}//gpg"))
    real = scratch.root / name / "gpg"
    real.parent.mkdir()
    data = wall.program("SIGNED", os.uname().machine)
    skips.unless(data, "a processor that wall.py has a program for", "make test, on such a machine")
    assert data
    real.write_bytes(data)
    real.chmod(0o755)
    env = scratch.env | {"PATH": f"{real.parent}:{os.defpath}"}
    line = scratch.gpgshim("supervise", *scratch.options("--commit", REFUSE), PATH=env["PATH"]).out
    gate = line.removeprefix("PATH=").partition(":$PATH")[0]
    assert gate.startswith("/"), line
    try:
        yield env | {"PATH": f"{gate}:{env['PATH']}", "LC_ALL": "C"}, real
    finally:
        scratch.gpgshim("close", gate.partition("/bin:")[0])


def call(looker: list[str], env: dict[str, str], size: int = 1) -> tuple[int, str]:
    """Have a program call gpg with a comment of so many bytes; how it ended, and what it said."""
    here = Path(env["HOME"])
    (here / "comment").write_text("x" * size + "\n")
    (here / "rest").write_text("y" * REST + "\n")
    done = subprocess.run(
        ["sh", "-c", f'ulimit -s {STACK >> 10}; exec "$@"', "sh", *looker],
        env=env,
        cwd=here,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stderr.decode("utf-8", "replace")


def highest_that_fits(looker: list[str], env: dict[str, str]) -> int:
    """The longest comment with which the stunt itself can be executed."""
    low, high = 1_000, 131_000
    while high - low > 1:
        middle = (low + high) // 2
        _, said = call(looker, env, middle)
        low, high = (middle, high) if "gpg: gpgshim refuses" in said else (low, middle)
    return low


def test_arguments_that_fit_the_real_gpg_alone(scratch: Scratch, looker: list[str]) -> None:
    """From where the stunt fits to where nothing does."""
    with job_with_a_real_one(scratch, 60) as (env, _):
        fits = highest_that_fits(looker, env)
        ends = []
        for size in range(fits - 2, fits + 250, 4):
            status, said = call(looker, env, size)
            assert "SIGNED" not in said, size
            assert status != 0, size
            ends.append("wall" if wall.STUNT_CANNOT_RUN in said else "stunt or shell")
    assert {ends[0], ends[-1]} == {"stunt or shell"}
    assert ("wall" in ends) != (looker[0] in STOP), ends.count("wall")


def spoil_mode(job: Path) -> None:
    (job / "bin/gpg").chmod(0o644)


def spoil_interpreter(job: Path) -> None:
    _, *rest = (job / "bin/gpg").read_bytes().split(b"\n")
    (job / "bin/gpg").write_bytes(b"\n".join([b"#!/nonexistent/python3", *rest]))


def spoil_loop(job: Path) -> None:
    (job / "bin/gpg").unlink()
    (job / "bin/gpg").symlink_to("gpg")


def spoil_loop_of_interpreters(job: Path) -> None:
    _, *rest = (job / "bin/gpg").read_bytes().split(b"\n")
    (job / "bin/gpg").write_bytes(b"\n".join([f"#!{job}/bin/gpg".encode(), *rest]))


def remove(job: Path) -> None:
    shutil.rmtree(job)


@pytest.mark.parametrize(
    "spoil",
    [spoil_mode, spoil_interpreter, spoil_loop, spoil_loop_of_interpreters, remove],
    ids=["EACCES", "ENOENT", "ELOOP", "too many interpreters", "removed"],
)
def test_a_stunt_that_cannot_be_executed(
    scratch: Scratch, looker: list[str], spoil: object
) -> None:
    assert callable(spoil)
    with job_with_a_real_one(scratch, 60) as (env, _):
        spoil(Path(env["PATH"].partition("/bin:")[0]))
        status, said = call(looker, env)
    assert "SIGNED" not in said
    assert status != 0


def test_a_stunt_that_is_being_written(scratch: Scratch, looker: list[str]) -> None:
    """ETXTBSY, while a process has the stunt open for writing."""
    with job_with_a_real_one(scratch, 60) as (env, _):
        with open(f"{env['PATH'].partition('/bin:')[0]}/bin/gpg", "ab"):
            status, said = call(looker, env)
        assert "SIGNED" not in said
        assert status != 0


@pytest.mark.parametrize("limit", ["-n 4", "-n 3", "-v 40000", "-v 12000", "-v 6000"])
def test_limits_that_leave_no_room_for_a_stunt(scratch: Scratch, limit: str) -> None:
    """EMFILE, ENOMEM, and an interpreter that cannot start."""
    with job_with_a_real_one(scratch, 60) as (env, _):
        done = subprocess.run(
            ["dash", "-c", f"ulimit {limit}; gpg -s f"],
            env=env,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    assert b"SIGNED" not in done.stderr
    assert done.returncode != 0


def test_too_little_memory_is_never_a_way_past_the_gate(scratch: Scratch) -> None:
    """At each limit the call fails. The output is Python's, or one line of ours."""
    with job_with_a_real_one(scratch, 60) as (env, _):
        for limit in range(4_000, 16_000, 250):
            done = subprocess.run(
                ["dash", "-c", f"ulimit -v {limit}; gpg -s f"],
                env=env,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
            assert b"SIGNED" not in done.stderr, limit
            assert done.returncode != 0, limit
            assert b'bin/gpg", line' not in done.stderr, (limit, done.stderr)


def test_the_case_as_it_was_found(scratch: Scratch) -> None:
    """A real job, a real gpg, and a comment that its execve takes and a script's does not."""
    (scratch.root / "f").write_text("x\n")
    before = scratch.key.signings()
    for size in range(130_300, 131_000, 70):
        command = "ulimit -s 256; dash -c 'gpg --batch --yes --comment \"$1\" -b f' dash $(head"
        command += f" -c {size} /dev/zero | tr '\\0' x); exit 1"
        done = scratch.run(command, "--gpg", GPG, "--commit", REFUSE)
        retriable = scratch.verdict().outcome is Outcome.RETRIABLE  # the stunt was not started
        assert done.status == (75 if retriable else 77), done.err
        assert scratch.key.signings() == before
        assert not (scratch.root / "f.sig").exists()


@pytest.mark.parametrize("how", ["hidden", "hidden from another user"])
def test_a_runtime_directory_that_is_hidden(scratch: Scratch, how: str) -> None:
    """The wall is in another place than the stunts."""
    skips.unless_root("who can mount something")
    (scratch.root / "f").write_text("x\n")
    before = scratch.key.signings()
    hide = f"mount -t tmpfs none {scratch.runtime} && gpg --batch --yes -b f; exit 3"
    done = scratch.run(f"unshare -m sh -c '{hide}'", "--gpg", GPG, "--commit", REFUSE)
    assert wall.STUNT_CANNOT_RUN in done.err
    assert scratch.key.signings() == before


# Another user.


@pytest.mark.parametrize("open_base", [True, False], ids=["that can be entered", "0700"])
@pytest.mark.parametrize("commit", ["true", REFUSE])
def test_another_user_in_a_job_of_root(scratch: Scratch, open_base: bool, commit: str) -> None:
    """It finds a program that runs and refuses, wherever the stunts are."""
    skips.unless_root("who can become another user")
    scratch.root.chmod(0o755)
    if open_base:
        for path in (scratch.runtime, scratch.runtime / "gpgshim"):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
    home = scratch.root / "theirs"
    shutil.copytree(scratch.key.home, home, ignore=shutil.ignore_patterns("S.*"))
    (home / "gpg-agent.conf").unlink()
    subprocess.run(["chown", "-R", "65534:65534", home], check=True)
    (scratch.root / "f").write_text("x\n")
    become = "setpriv --reuid 65534 --regid 65534 --clear-groups"
    sign = f"env GNUPGHOME={home} gpg --batch --yes -o {home}/f.sig -b f"
    done = scratch.run(
        f"{become} {sign}; echo $? >status; exit 1", "--gpg", GPG, "--commit", commit
    )
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
    assert (scratch.root / "status").read_text() == "2\n", done.err
    assert not (home / "f.sig").exists()
    assert done.err.count("refuses") == 1
    assert scratch.verdict().outcome is Outcome.RETRIABLE


def test_a_wrapper_as_the_real_gpg_finds_no_wall(scratch: Scratch) -> None:
    """A stunt takes itself and the wall off the PATH of a wrapper that looks for gpg there."""
    (scratch.root / "f").write_text("x\n")
    wrapper = scratch.script("wrapper", '#!/bin/sh\nexec gpg "$@"\n')
    before = scratch.key.signings()
    done = scratch.run(
        "gpg --batch --yes -b f && gpg --verify f.sig f", "--gpg", wrapper, "--commit", "true"
    )
    assert done.status == 0, done.err
    assert scratch.key.signings() == before + 1
