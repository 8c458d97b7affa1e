# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a path refused if another user could replace a directory or a file on it?

Each test makes the directories, links and owners in question for real. Another user is user id
65534, which takes root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.history import tally
from gpgshim.summary.metrics import nothing
from gpgshim.system import places
from gpgshim.system.errors import GpgshimError, Misconfigured, Unable
from gpgshim.system.places import check_path
from tests.support import skips
from tests.support.scratch import CHECKOUT, Scratch, listening, message

OTHER = 65534
SIGN = "gpg -b f"

as_root = pytest.mark.usefixtures("root")


@pytest.fixture
def root() -> None:
    skips.unless_root("who can make another user's files")


@pytest.fixture
def place(scratch: Scratch) -> Path:
    """A directory of ours, in which a test puts what it is about."""
    path = scratch.root / "place"
    path.mkdir(mode=0o700)
    return path


def assert_refused(path: Path, *words: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        check_path(path, "do this")
    for word in words:
        assert word in caught.value.seen + caught.value.hint
    assert "do this" in caught.value.hint
    assert "\n" not in caught.value.seen + caught.value.hint


# --- the check ------------------------------------------------------------------------------------


def test_own_directories_pass(place: Path) -> None:
    (place / "a").mkdir()
    check_path(place / "a")
    check_path(place / "a/not/there/yet")
    check_path(Path("/"))
    check_path(Path("/tmp"))  # sticky
    check_path(Path("relative"))


@pytest.mark.parametrize("depth", ["a", "a/b", "a/b/c"])
def test_a_component_that_every_user_can_write(place: Path, depth: str) -> None:
    (place / "a/b/c").mkdir(parents=True)
    (place / depth).chmod(0o707)
    assert_refused(
        place / "a/b/c", f"others can write to {place / depth} (mode 0707)", "chmod go-w"
    )
    (place / depth).chmod(0o1707)
    check_path(place / "a/b/c")


def test_a_component_that_every_user_can_write_above_a_missing_one(place: Path) -> None:
    place.chmod(0o777)
    assert_refused(place / "new/er", f"others can write to {place}")


@as_root
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777])
@pytest.mark.parametrize("depth", ["a", "a/b"])
def test_a_component_of_another_user(place: Path, depth: str, mode: int) -> None:
    (place / "a/b").mkdir(parents=True)
    (place / depth).chmod(mode)
    os.chown(place / depth, OTHER, -1)
    assert_refused(place / "a/b", f"{place / depth} belongs to user id {OTHER}")


@as_root
def test_a_group_with_other_members(place: Path) -> None:
    os.chown(place, -1, OTHER)  # nogroup, which is the first group of several users
    place.chmod(0o770)
    assert_refused(place, f"others can write to {place} (mode 0770)")
    os.chown(place, -1, 54321)  # a group without a name: its members are unknown
    assert_refused(place, f"others can write to {place} (mode 0770)")


@as_root
def test_a_group_of_ours_alone(place: Path) -> None:
    os.chown(place, -1, 0)
    place.chmod(0o775)
    check_path(place)
    # With an access list the group's bits are the most that anybody in the list has: here user 1.
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, rights, who)
        for tag, rights, who in (
            (0x01, 7, 0xFFFFFFFF), (0x02, 7, 1), (0x04, 5, 0xFFFFFFFF),
            (0x10, 7, 0xFFFFFFFF), (0x20, 5, 0xFFFFFFFF),
        )
    )  # fmt: skip
    try:
        os.setxattr(place, "system.posix_acl_access", acl)
    except OSError as error:
        skips.unless_allowed("access lists on this file system", str(error))
    assert_refused(place, f"others can write to {place}")


def test_a_link_is_followed_to_its_target(place: Path) -> None:
    (place / "open/in").mkdir(parents=True)
    (place / "open").chmod(0o777)
    (place / "sub").mkdir()
    (place / "absolute").symlink_to(place / "open/in")
    (place / "relative").symlink_to("sub/../open")
    (place / "chain").symlink_to("relative/in")
    for name in ("absolute", "relative", "chain", "relative/in", "absolute/not/there"):
        assert_refused(place / name, f"others can write to {place}/")
    (place / "open").chmod(0o755)
    for name in ("absolute", "relative", "chain", "relative/in", "absolute/not/there"):
        check_path(place / name)


def test_links_that_lead_in_a_circle(place: Path) -> None:
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    with pytest.raises(Unable, match="too many symbolic links"):
        check_path(place / "a/x")


def test_a_path_below_a_file(place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(Unable, match="Not a directory"):
        check_path(place / "file/x")


@as_root
def test_a_link_that_another_user_can_replace(place: Path) -> None:
    (place / "there").mkdir()
    link = place / "link"
    link.symlink_to("there")
    os.lchown(link, OTHER, -1)
    check_path(link)  # only we can write to the directory that holds it
    place.chmod(0o1777)
    assert_refused(link, f"{link} is a symbolic link of user id {OTHER}")
    assert_refused(link / "x", f"{link} is a symbolic link of user id {OTHER}")
    os.lchown(link, 0, -1)
    check_path(link)


@as_root
def test_the_namespace_of_an_ordinary_user(scratch: Scratch) -> None:
    # Root is not mapped in this namespace, and / belongs to root.
    package = scratch.root / "lib/gpgshim"
    shutil.copytree(CHECKOUT / "gpgshim", package)
    for path in (package.parent, *package.parent.rglob("*")):
        path.chmod(0o755)
    ours = scratch.root / "ours"
    ours.mkdir(mode=0o700)
    os.chown(ours, 12345, -1)
    scratch.root.chmod(0o755)
    words = (
        "import sys, pathlib, gpgshim.system.places as p; p.check_path(pathlib.Path(sys.argv[1]))"
    )
    own_namespace = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "unshare"]
    own_namespace += ["--user", "--map-root-user"]
    tried = subprocess.run([*own_namespace, "/usr/bin/python3", "-c", ""], capture_output=True)
    if tried.returncode:
        skips.unless_allowed("a user namespace of a user", tried.stderr.decode())
    for path in (Path("/usr"), ours, ours / "new"):
        done = subprocess.run(
            [*own_namespace, "/usr/bin/python3", "-c", words, path],
            env={"PYTHONPATH": str(package.parent)}, capture_output=True, text=True, cwd="/",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


# --- who uses it ----------------------------------------------------------------------------------


def of_another(scratch: Scratch, name: str) -> Path:
    path = scratch.root / name
    path.mkdir(mode=0o755)
    os.chown(path, OTHER, -1)
    return path


#: A variable that leads to a directory of ours, and what to do where another user controls that.
VARIABLES = {
    "XDG_RUNTIME_DIR": "unset XDG_RUNTIME_DIR",
    "XDG_STATE_HOME": "set XDG_STATE_HOME",
    "RUNTIME_DIRECTORY": "unset XDG_RUNTIME_DIR",
    "STATE_DIRECTORY": "set XDG_STATE_HOME",
}


@as_root
@pytest.mark.parametrize(("variable", "hint"), VARIABLES.items())
def test_root_with_a_directory_of_another_user(scratch: Scratch, variable: str, hint: str) -> None:
    theirs = of_another(scratch, "theirs")
    (theirs / "deep").mkdir()
    for path in (theirs, theirs / "deep"):
        done = scratch.run(SIGN, **{variable: str(path)})
        assert done.status == 78
        seen, advice = message(done.err)
        assert f"{theirs} belongs to user id {OTHER}" in seen
        assert seen.endswith("; nothing was started") and hint in advice
    assert list((theirs / "deep").iterdir()) == []
    assert scratch.calls() == []
    assert scratch.journals() == []


@as_root
def test_settings_that_another_user_can_replace(scratch: Scratch) -> None:
    theirs = of_another(scratch, "theirs")
    (theirs / "gpgshim").mkdir()
    (theirs / "gpgshim/gpgshim.conf").write_text("deadline = 3\n")
    done = scratch.run(SIGN, XDG_CONFIG_HOME=str(theirs))
    assert done.status == 78
    assert f"{theirs} belongs to user id {OTHER}" in done.err
    assert "set XDG_CONFIG_HOME" in done.err
    assert scratch.calls() == []


@as_root
@pytest.mark.parametrize("check", ["state directory", "runtime directory"])
def test_the_doctor_gives_the_same_answer(scratch: Scratch, check: str) -> None:
    theirs = of_another(scratch, "theirs")
    names = {"state": "XDG_STATE_HOME", "runtime": "XDG_RUNTIME_DIR"}
    done = scratch.gpgshim("doctor", **{names[check.split()[0]]: str(theirs)})
    assert f"{theirs} belongs to user id {OTHER}" in done.out
    assert list(theirs.iterdir()) == []


# --- the working directory ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "seen"),
    [
        (("run", "--commit", "o2m:manager", "--", "true"), 74, "--commit 'o2m:manager'"),
        (("run", "--commit", "true", "--result", "r", "--", "true"), 78, "--result r"),
        (("close", "./job"), 78, "job is not a job's directory"),
    ],
)
def test_a_relative_path_in_a_directory_that_was_removed(
    scratch: Scratch, words: tuple[str, ...], status: int, seen: str
) -> None:
    line = 'mkdir gone; cd gone; rmdir ../gone; exec "$@"'
    done = scratch.call("sh", "-c", line, "sh", sys.executable, "-m", "gpgshim", *words)
    assert done.status == status
    assert seen in message(done.err)[0]
    assert not list(scratch.state.glob("gpgshim/*"))


# --- the metrics file -----------------------------------------------------------------------------


def test_the_metrics_file_where_others_can_write(place: Path) -> None:
    place.chmod(0o777)
    victim = place / "victim"
    victim.write_text("mine\n")
    # An attacker who knows our process id could put this there.
    (place / f"x.prom.{os.getpid()}.new").symlink_to(victim)
    tally.write_textfile(place / "x.prom", nothing())
    assert victim.read_text() == "mine\n"
    assert not (place / "x.prom").is_symlink()
    assert (place / "x.prom").read_text().startswith("# HELP gpgshim_")
    assert (place / "x.prom").stat().st_mode & 0o777 == 0o644
    (place / "x.prom").unlink()
    (place / "x.prom").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic link"):
        tally.write_textfile(place / "x.prom", nothing())
    assert victim.read_text() == "mine\n"


# --- the manager's socket -------------------------------------------------------------------------


@contextlib.contextmanager
def served_by(user: int, path: Path) -> Iterator[int]:
    """Listen at a socket as another user; the descriptor returns everything that is sent to it."""
    reader, writer = os.pipe()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    pid = os.fork()
    if not pid:
        try:
            os.setgid(user)
            os.setuid(user)
            listener.listen()  # SO_PEERCRED says who called this
            os.write(writer, b"ready\n")
            peer, _ = listener.accept()
            while data := peer.recv(100):
                os.write(writer, data)
                peer.sendall(b"go-ahead\n")
        finally:
            os._exit(0)
    os.close(writer)
    listener.close()
    try:
        assert os.read(reader, 6) == b"ready\n"
        yield reader
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)


@as_root
def test_a_manager_that_another_user_serves(scratch: Scratch, place: Path) -> None:
    with served_by(OTHER, place / "manager") as heard:
        done = scratch.run(SIGN, "--commit", f"o2m:{place}/manager")
        assert os.read(heard, 100) == b""  # it has accepted, heard nothing, and ended
    assert done.status == 75
    assert f"% failed eperm the socket {place}/manager is served by user id {OTHER}" in "\n".join(
        scratch.lines()
    )
    assert "! unknown" not in scratch.lines()
    assert scratch.calls() == []


def test_a_manager_s_socket_where_others_can_write(scratch: Scratch, place: Path) -> None:
    place.chmod(0o777)
    with listening(place / "manager") as listener:
        done = scratch.run(SIGN, "--commit", f"o2m:{place}/manager")
        assert done.status == 78
        seen, hint = message(done.err)
        assert f"others can write to {place} (mode 0777)" in seen
        assert hint.endswith("or name a socket in a directory of this user")
        # The same holds if the mode has changed since the job began.
        place.chmod(0o700)
        command = f"chmod 777 {place}; {SIGN}"
        done = scratch.run(command, "--commit", f"o2m:{place}/manager")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert done.status == 75
    seen = f"% failed eperm the manager at {place}/manager: others can write to {place}"
    assert seen in "\n".join(scratch.lines())
    assert scratch.calls() == []


def test_every_check_is_this_one() -> None:
    """No module looks at an owner or a mode of a directory by itself."""
    for name in (
        "supervisor/config",
        "doctor/directory",
        "history/journal",
        "supervisor/attempt",
        "authority/manager",
    ):
        text = (CHECKOUT / f"gpgshim/{name}.py").read_text()
        assert "check_path" in text or "make_private" in text, name
        assert "S_IWGRP" not in text
    assert issubclass(Misconfigured, GpgshimError) and places.check_path is check_path
