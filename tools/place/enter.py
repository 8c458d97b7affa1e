# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a place of a world: file systems, owners, and what happens while the job runs.

Rule 1: each undoes what it did, and nothing else, when its `with` ends.
Rule 2: these run as the user that runs the tests, outside the place.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.support import skips
from tests.support.scratch import tell, wait_for
from tools.place.world import LONGEST, NOBODY, During, World

Simple = Callable[[World], None]


def call(*words: str | Path) -> None:
    """Run a program. Raises OSError, with its output, if it fails."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=LONGEST)
    if done.returncode:
        raise OSError(f"{words}: {done.returncode}: {done.stderr}")


def once(change: Simple) -> Callable[[World], AbstractContextManager[None]]:
    """A change to the world's files, which go with the world."""

    @contextlib.contextmanager
    def around(world: World) -> Iterator[None]:
        change(world)
        yield

    return around


@contextlib.contextmanager
def unmounted(path: Path) -> Iterator[None]:
    """Unmount `path` at the end."""
    try:
        yield
    finally:
        try:
            call("umount", path)
        except OSError:
            call("umount", "--lazy", path)


def mounted(
    where: str, kind: str = "tmpfs", options: str = "", fill: str = ""
) -> Callable[[World], AbstractContextManager[None]]:
    """A file system of its own at `where`, `state` or `run`; then `fill` it: bytes or inodes."""

    @contextlib.contextmanager
    def around(world: World) -> Iterator[None]:
        path = world.root / where
        words: list[str | Path] = ["mount", "-t", kind, "-o", options or "rw", kind, path]
        with contextlib.ExitStack() as stack:
            if kind == "overlay":
                layers = [world.root / f"{where}.{name}" for name in ("lower", "upper", "work")]
                for each in layers:
                    each.mkdir(0o700)
                    world.give(each, world.user)
                lower, upper, work = layers
                words[4] = f"lowerdir={lower},upperdir={upper},workdir={work}"
            elif kind not in ("tmpfs", "proc"):
                image = world.root / f"{where}.img"
                with image.open("wb") as file:
                    file.truncate((300 if kind == "xfs" else 120) << 20)
                call(f"mkfs.{kind}", "-q", image)
                words = ["mount", "-o", f"loop,{options or 'rw'}", image, path]
            call(*words)
            stack.enter_context(unmounted(path))
            os.chown(path, world.user, world.user)
            path.chmod(0o700)
            if fill:
                fill_up(path, fill)
            yield

    return around


def fill_up(path: Path, what: str) -> None:
    """Use up a file system's bytes or inodes."""
    with contextlib.suppress(OSError):
        if what == "bytes":
            with (path / "filler").open("wb", 0) as file:
                while True:
                    file.write(bytes(4096))
        for number in range(1 << 16):
            (path / f"filler{number}").touch()


@contextlib.contextmanager
def read_only_state(world: World) -> Iterator[None]:
    """The state directory on a read-only file system."""
    call("mount", "--bind", world.state, world.state)
    with unmounted(world.state):
        call("mount", "-o", "remount,bind,ro", world.state)
        yield


@contextlib.contextmanager
def read_only_run(world: World) -> Iterator[None]:
    """The runtime directory on a read-only file system."""
    call("mount", "--bind", world.run, world.run)
    with unmounted(world.run):
        call("mount", "-o", "remount,bind,ro", world.run)
        yield


def fuse(where: str) -> Callable[[World], AbstractContextManager[None]]:
    """A FUSE file system at `where`; the file WHERE.pid has who serves it."""

    @contextlib.contextmanager
    def around(world: World) -> Iterator[None]:
        path, behind = world.root / where, world.root / f"{where}.behind"
        if not path.exists():
            path.mkdir(0o755)
            world.give(path, world.user)
        behind.mkdir(0o700)
        (behind / "f").write_text("x\n")
        world.give(behind, world.user)
        # In the foreground: its process id is known, and it ends with us.
        server = subprocess.Popen(
            ["bindfs", "-f", "-o", "allow_other", str(behind), str(path)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            wait_for(functools.partial(os.path.ismount, path), f"bindfs at {path}")
            (world.root / f"{where}.pid").write_text(str(server.pid))
            yield
        finally:
            server.send_signal(signal.SIGCONT)
            with contextlib.suppress(OSError):
                call("umount", path)
            server.terminate()
            with server:
                """Its pipes are closed, and its status is taken."""

    return around


def stopped_for(where: str, seconds: float) -> During:
    """Stop the FUSE file system at `where` for a time."""

    def during(world: World, process: subprocess.Popen[bytes]) -> None:
        pid = int((world.root / f"{where}.pid").read_text())
        wait_for(lambda: world.began() or process.poll() is not None, "the job's begin")
        os.kill(pid, signal.SIGSTOP)
        try:
            tell(world.root / "go")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    return during


def stopped_until(where: str, until: str, most: float = 30.0) -> During:
    """Stop the FUSE file system at `where` until the journal, elsewhere, has a line like this."""

    def during(world: World, process: subprocess.Popen[bytes]) -> None:
        pid = int((world.root / f"{where}.pid").read_text())
        wait_for(lambda: world.began() or process.poll() is not None, "the job's begin")
        os.kill(pid, signal.SIGSTOP)
        try:
            tell(world.root / "go")
            limit = time.monotonic() + most
            while process.poll() is None and time.monotonic() < limit:
                lines = (world.journal() or b"").decode("utf-8", "replace").splitlines()
                if any(line.partition(" ")[2].startswith(until) for line in lines):
                    break
                time.sleep(0.05)
        finally:
            os.kill(pid, signal.SIGCONT)

    return during


def while_it_waits(deed: Callable[[World], None]) -> During:
    """Do `deed` when the job has begun, and then let it read its fifo."""

    def during(world: World, process: subprocess.Popen[bytes]) -> None:
        wait_for(lambda: world.began() or process.poll() is not None, "the job's begin")
        if process.poll() is None:
            deed(world)
            tell(world.root / "go")

    return during


def remount_noexec(world: World) -> None:
    """The runtime directory becomes noexec."""
    call("mount", "-o", "remount,noexec", world.run)


def job_directory(world: World) -> Path:
    """The job's directory."""
    (found,) = (x for x in (world.run / "gpgshim").iterdir() if x.name.startswith("j."))
    return found


def belongs_to(where: str, user: int, mode: int = 0o700) -> Simple:
    """A directory that another user owns."""

    def change(world: World) -> None:
        os.chown(world.root / where, user, user)
        (world.root / where).chmod(mode)

    return change


def group_may_write(world: World) -> None:
    """A group of other users may write to the directory above the runtime directory."""
    above = world.root / "above"
    (above / "run").mkdir(0o700, parents=True)
    world.give(above, world.user)
    if os.geteuid() == 0:
        os.chown(above, world.user, NOBODY - 1)
    above.chmod(0o770)


def planted_link(world: World) -> None:
    """A link that another user made, in a directory where all can make one."""
    shared = world.root / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    link = shared / "run"
    link.symlink_to(world.run)
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)


def make(*names: str) -> Simple:
    """Private directories of the user's."""

    def change(world: World) -> None:
        for name in names:
            path = world.root / name
            path.mkdir(0o700, parents=True)
            for each in (path, *path.parents):
                if each == world.root:
                    break
                if os.geteuid() == 0:
                    os.chown(each, world.user, world.user)

    return change


def script(name: str, text: str) -> Simple:
    """An executable file of the user's."""

    def change(world: World) -> None:
        path = world.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(world.fill(text))
        path.chmod(0o755)
        world.give(path, world.user)

    return change


def links(world: World) -> None:
    """A link of the user's to each of the two directories."""
    for name in ("run", "state"):
        link = world.root / f"to-{name}"
        link.symlink_to(world.root / name)
        world.give(link, world.user)


def source_package(world: World) -> None:
    """A Debian source package, as debuild takes it."""
    debian = world.root / "work/pkg-1/debian"
    (debian / "source").mkdir(parents=True)
    (debian / "source/format").write_text("3.0 (native)\n")
    (debian / "control").write_text(
        "Source: pkg\nMaintainer: Oracle <o@example.org>\nStandards-Version: 4.6.0\n\n"
        "Package: pkg\nArchitecture: all\nDescription: nothing\n"
    )
    (debian / "rules").write_text("#!/usr/bin/make -f\n%:\n\ttrue\n")
    (debian / "rules").chmod(0o755)
    (debian / "changelog").write_text(
        "pkg (1) unstable; urgency=low\n\n  * Nothing.\n\n"
        " -- Oracle <o@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n"
    )
    world.give(world.root / "work", world.user)


# What a place can need, with a probe: an empty string, or why it cannot be had.


def tried(*words: str) -> str:
    """Why this command fails here; empty if it does not."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=LONGEST)
    except OSError as error:
        return f"{words[0]}: {error.strerror}"
    return "" if not done.returncode else done.stderr.strip() or f"exit {done.returncode}"


def no_root() -> str:
    return "" if os.geteuid() == 0 else f"only root can do this: {skips.AS_ROOT}"


def as_ordinary(*words: str) -> list[str]:
    user = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    return [*(user if os.geteuid() == 0 else []), *words]


def no_mounts() -> str:
    if why := no_root():
        return why
    with tempfile.TemporaryDirectory() as place:
        if why := tried("mount", "-t", "tmpfs", "tmpfs", place):
            return f"no mounts: {why}"
        call("umount", place)
    return ""


def no_loop() -> str:
    if why := no_mounts() or lacks("mkfs.ext4"):
        return why
    with tempfile.TemporaryDirectory() as place:
        image, on = Path(place, "image"), Path(place, "on")
        on.mkdir()
        with image.open("wb") as file:
            file.truncate(8 << 20)
        call("mkfs.ext4", "-q", image)
        if why := tried("mount", "-o", "loop", str(image), str(on)):
            return f"no loop devices: {why}"
        call("umount", on)
    return ""


def no_kind(kind: str) -> str:
    if why := no_loop() or lacks(f"mkfs.{kind}"):
        return why
    call_ = tried("modprobe", kind)
    known = Path("/proc/filesystems").read_text().split()
    return "" if kind in known else f"no {kind} in this kernel ({call_})"


def no_overlay() -> str:
    if why := no_mounts():
        return why
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        for name in ("l", "u", "w", "m"):
            Path(place, name).mkdir()
        layers = f"lowerdir={place}/l,upperdir={place}/u,workdir={place}/w"
        if why := tried("mount", "-t", "overlay", "-o", layers, "overlay", f"{place}/m"):
            return f"no overlayfs here: {why}"
        call("umount", Path(place, "m"))
    return ""


def no_fuse() -> str:
    if why := no_mounts() or lacks("bindfs"):
        return why
    return "" if Path("/dev/fuse").exists() else "there is no /dev/fuse"


def no_user_namespaces() -> str:
    why = tried(*as_ordinary("unshare", "--user", "--map-root-user", "true"))
    return why and f"no user namespaces for ordinary users: {why}"


def no_bwrap() -> str:
    if why := lacks("bwrap"):
        return why
    why = tried(*as_ordinary("bwrap", "--dev-bind", "/", "/", "--unshare-pid", "true"))
    return why and f"bwrap does not work here: {why}"


def no_time_namespaces() -> str:
    why = no_root() or tried("unshare", "--time", "--boottime", "1000", "true")
    return why and f"no time namespaces: {why}"


def no_pid_namespaces() -> str:
    why = no_root() or tried("unshare", "--pid", "--fork", "--mount-proc", "true")
    return why and f"no PID namespaces: {why}"


def no_proot() -> str:
    return lacks("proot") or tried(*as_ordinary("proot", "true"))


def no_merged_usr() -> str:
    return "" if Path("/bin/gpg").exists() else "there is no /bin/gpg"


def no_nosymfollow() -> str:
    if why := no_mounts():
        return why
    with tempfile.TemporaryDirectory() as place:
        if why := tried("mount", "-t", "tmpfs", "-o", "nosymfollow", "tmpfs", place):
            return f"this kernel or mount knows no nosymfollow: {why}"
        call("umount", place)
    return ""


PROBES: dict[str, Callable[[], str]] = {
    "root": no_root,
    "mounts": no_mounts,
    "loop": no_loop,
    "ext4": lambda: no_kind("ext4"),
    "xfs": lambda: no_kind("xfs"),
    "btrfs": lambda: no_kind("btrfs"),
    "overlay": no_overlay,
    "fuse": no_fuse,
    "user namespaces": no_user_namespaces,
    "bwrap": no_bwrap,
    "proot": no_proot,
    "time namespaces": no_time_namespaces,
    "PID namespaces": no_pid_namespaces,
    "merged /usr": no_merged_usr,
    "nosymfollow": no_nosymfollow,
}


def lacks(program: str) -> str:
    """Why this program cannot be used; empty if it can."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    if shutil.which(program, path=path):
        return ""
    return f"there is no {program}: {skips.line('places')}"


@functools.cache
def reason_against(need: str) -> str:
    """Why this need is not met on this machine; empty if it is."""
    return PROBES[need]() if need in PROBES else lacks(need)
