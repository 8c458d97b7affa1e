# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world of one upload, in a temporary directory: only what `dgit rpush-source` needs.

1. dgit, debsign, gpg, git and dput are real. `ssh` is not: it runs the builder's side here.
2. No environment is inherited: the environment of each side is here, completely.
3. The results are read from the queue, the server and the agent's log, not from messages.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .archive import Archive, Fault, read_dsc

SOURCE, OLD, NEW = "greeting", "1.0-1", "1.0-2"
DISTRO, SUITE = "demo", "unstable"
TAG = f"{DISTRO}/{NEW}"
SIGNER = "Gate Keeper <keeper@example.org>"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"

# What dgit and its helpers write at each side depends on these, so they are the same at both.
PLAIN = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC", "GIT_CONFIG_NOSYSTEM": "1"}

CONTROL = f"""\
Source: {SOURCE}
Section: misc
Priority: optional
Maintainer: {SIGNER}
Standards-Version: 4.6.2
Rules-Requires-Root: no

Package: {SOURCE}
Architecture: all
Description: says hello, so that there is something to upload
"""
CHANGELOG = """\
{source} ({version}) {suite}; urgency=medium

  * {change}

 -- {signer}  {date}
"""


class WorldError(Exception):
    """The world could not be made, or something in it is not as it should be."""


class Ended(NamedTuple):
    """A process that is over: as subprocess has it, a signal is a negative status."""

    status: int
    output: str


def run_quietly(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], limit: float = 300
) -> Ended:
    """Run to the end, or kill it and all it started; stdout and stderr come as one."""
    with subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return Ended(process.returncode, output)


def _read_or_nothing(path: Path) -> bytes:
    """The content of a file of /proc; empty if its process is gone or belongs to another user."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def find_processes(root: Path) -> dict[int, str]:
    """Living processes that have anything to do with what is under `root`: id -> command line."""
    found = {}
    for proc in Path("/proc").iterdir():
        if not proc.name.isdecimal() or int(proc.name) == os.getpid():
            continue
        # Of a gpg-agent of our own, only root may read more than the command line.
        about = [_read_or_nothing(proc / name) for name in ("cmdline", "environ")]
        with contextlib.suppress(OSError):
            about.append(os.fsencode(os.readlink(proc / "cwd")))
        if any(os.fsencode(root) in each for each in about):
            words = about[0].rstrip(b"\0").replace(b"\0", b" ")
            found[int(proc.name)] = words.decode(errors="replace")
    return found


class World:
    """A key, an archive that has greeting 1.0-1, a git server, a queue, a builder with 1.0-2."""

    def __init__(self, root: Path, archive: Archive) -> None:
        self.root = root
        self.archive = archive
        self.queue = root / "queue"
        self.git = root / "git" / f"{SOURCE}.git"
        self.state = root / "state"
        self.oracle = root / "oracle"
        self.builder = root / "builder"
        self.tree = self.builder / SOURCE
        self.public = root / "public.gpg"
        self.pool = archive.root / "pool" / "main" / SOURCE[0] / SOURCE
        self.fingerprint = ""
        self.env = PLAIN | {
            "HOME": str(self.oracle),
            "GNUPGHOME": str(root / "key"),
            "TMPDIR": str(root / "tmp"),
            "XDG_STATE_HOME": str(self.state),
            "XDG_RUNTIME_DIR": str(root / "run"),
            "XDG_CACHE_HOME": str(root / "cache"),
            "XDG_CONFIG_HOME": str(root / "config"),
            "GIT_CONFIG_GLOBAL": str(self.oracle / ".gitconfig"),
        }
        self.builder_env = PLAIN | {
            "HOME": str(self.builder),
            # Not the default in HOME: gpg would take the person's own agent, at /run/user/UID.
            "GNUPGHOME": str(self.builder / "gnupg"),
            "USER": "builder",
            "LOGNAME": "builder",
            "SHELL": "/bin/sh",
            "SSH_CONNECTION": "127.0.0.1 1 127.0.0.1 22",
            "TMPDIR": str(root / "tmp"),
        }

    @property
    def argv(self) -> list[str]:
        """The job: what the oracle would run, from anywhere."""
        options = [f"--ssh={self.root / 'ssh'}", f"-k{self.fingerprint}", "-wn"]
        return ["dgit", *options, "rpush-source", f"builder:{self.tree}", SUITE]

    def build(self) -> None:
        for name in ("run", "tmp", "cache", "config", "state", "queue", "oracle", "key"):
            (self.root / name).mkdir(0o700)
        (self.root / "config/gpgshim").mkdir(0o700)
        # The output is the same whatever programs this machine has.
        (self.root / "config/gpgshim/gpgshim.conf").write_text("warn = []\n")
        (self.builder / "gnupg").mkdir(0o700, parents=True)
        self._make_key()
        self._write_config()
        self._write_ssh()
        self._make_package()

    def close(self) -> None:
        """End the agents of both sides, and what a job that was stopped has left."""
        for env in (self.env, self.builder_env):
            run_quietly(("gpgconf", "--kill", "all"), self.root, env)
        mine = f"TMPDIR={self.root}/tmp".encode()  # which a shell that only looks here has not
        until = time.monotonic() + 10
        while (left := find_processes(self.root)) and time.monotonic() < until:
            for pid in left:
                with contextlib.suppress(OSError):
                    if mine in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        for env in (self.env, self.builder_env):
            run_quietly(("gpgconf", "--remove-socketdir"), self.root, env)

    def count_signings(self) -> int:
        """How often the agent has been asked to sign with the key, ever."""
        return (self.root / "agent.log").read_text(errors="replace").count(" <- PKSIGN")

    def list_queue(self) -> list[str]:
        return sorted(path.name for path in self.queue.iterdir())

    def list_tags(self) -> list[str]:
        return self.run_builder("git", "-C", str(self.git), "tag", "--list").split()

    def verify_upload(self) -> list[str]:
        """Check everything in the queue and on the server; return what has a good signature.

        Raises WorldError for the first thing that is missing, not signed by the key, or not what
        the signed thing says it is.
        """
        dsc = self.queue / f"{SOURCE}_{NEW}.dsc"
        changes = sorted(self.queue.glob(f"{SOURCE}_{NEW}_*.changes"))
        if not dsc.exists() or len(changes) != 1:
            raise WorldError(f"not one .dsc and one .changes: {self.list_queue()}")
        signed = [dsc, *sorted(self.queue.glob("*.buildinfo")), *changes]
        gpgv = ("gpgv", "--keyring", str(self.public), "--status-fd=1")
        for path in signed:
            self._demand_signature(*gpgv, str(path))
        self._demand_files(changes[0], (self.queue,))
        self._demand_files(dsc, (self.queue, self.pool))
        tags = self.list_tags()
        if f"archive/{TAG}" not in tags:
            raise WorldError(f"archive/{TAG} is not on the git server: {tags}")
        git = ("git", "-C", str(self.git))
        for tag in tags:
            self._demand_signature(*git, "verify-tag", "--raw", tag)
        head = self.run_builder(*git, "rev-parse", f"archive/{TAG}^{{commit}}").strip()
        if read_dsc(dsc).get("Dgit", "").split()[:1] != [head]:
            raise WorldError(f"the .dsc is not of the tagged commit, {head}")
        return [*(path.name for path in signed), *tags]

    def _demand_signature(self, *argv: str) -> None:
        output = self.run_builder(*argv)
        if f"[GNUPG:] VALIDSIG {self.fingerprint} " not in output:
            raise WorldError(f"no good signature of the key's: {shlex.join(argv)}\n{output}")

    def _demand_files(self, control: Path, where: tuple[Path, ...]) -> None:
        for line in read_dsc(control)["Checksums-Sha256"].split("\n"):
            if line:
                digest, _size, name = line.split()
                data = [(place / name).read_bytes() for place in where if (place / name).exists()]
                if not data or any(hashlib.sha256(each).hexdigest() != digest for each in data):
                    raise WorldError(f"{name} is not there as {control.name} has it")

    def run_oracle(self, *argv: str) -> str:
        return self._run(argv, self.oracle, self.env)

    def run_builder(self, *argv: str) -> str:
        return self._run(argv, self.builder, self.builder_env)

    def _run(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> str:
        ended = run_quietly(argv, cwd, env)
        if ended.status != 0:
            raise WorldError(f"{shlex.join(argv)} ended with {ended.status}:\n{ended.output}")
        return ended.output

    def _make_key(self) -> None:
        home = self.root / "key"
        # The agent's own log is the judge of what was signed: gpg's word is not needed.
        (home / "gpg-agent.conf").write_text(
            f"log-file {self.root}/agent.log\ndebug ipc\ndisable-scdaemon\n"
        )
        gpg = ("gpg", "--batch", "--quiet", "--passphrase", "")
        self.run_oracle(*gpg, "--quick-generate-key", SIGNER, "ed25519", "sign", "never")
        listing = self.run_oracle("gpg", "--batch", "--with-colons", "--list-keys")
        found = re.search(r"^fpr:+([0-9A-F]{40}):", listing, re.MULTILINE)
        if found is None:
            raise WorldError(f"no fingerprint in:\n{listing}")
        self.fingerprint = found[1]
        self.run_oracle("gpg", "--batch", "--output", str(self.public), "--export")
        self.run_builder("gpg", "--batch", "--quiet", "--import", str(self.public))

    def _write_config(self) -> None:
        distro = {
            "archive-query": "ftpmasterapi:",
            "archive-query-url": self.archive.api,
            "mirror": self.archive.mirror,
            "git-url": f"file://{self.git.parent}",
            "git-check": "true",
            "git-create": "true",
            "source-only-uploads": "not-wholly-new",
            "policy-query-supported-ssh": "false",
            "upload-host": "queue",
        }
        lines = [f'[dgit-distro "{DISTRO}"]']
        lines += [f"{key} = {value}" for key, value in distro.items()]
        for suite in ("sid", SUITE):
            lines += [f'[dgit-suite "{suite}"]', f"distro = {DISTRO}"]
        name, address = SIGNER.rstrip(">").split(" <")
        lines += ["[user]", f"name = {name}", f"email = {address}"]
        lines += ["[init]", "defaultBranch = master"]
        for home in (self.oracle, self.builder):
            (home / ".gitconfig").write_text("\n".join(lines) + "\n")
        (self.builder / ".dput.cf").write_text(
            f"[queue]\nmethod = local\nincoming = {self.queue}\nrun_dinstall = 0\n"
        )

    def _write_ssh(self) -> None:
        """As ssh and sshd would: the far side's environment; the words joined, for its shell."""
        env = shlex.join(f"{name}={value}" for name, value in self.builder_env.items())
        ssh = self.root / "ssh"
        ssh.write_text(
            f'#!/bin/sh\nshift\ncd {self.builder} || exit 255\nexec env -i {env} sh -c "$*"\n'
        )
        ssh.chmod(0o700)

    def _make_package(self) -> None:
        tree = self.tree
        self.run_builder("git", "init", "--quiet", "--bare", str(self.git))
        self.run_builder("git", "init", "--quiet", str(tree))
        git = ("git", "-C", str(tree))
        (tree / "hello").write_text("#!/bin/sh\necho hello\n")
        (tree / "hello").chmod(0o755)
        self.run_builder(*git, "add", ".")
        self.run_builder(*git, "commit", "-qm", "upstream 1.0")
        orig = self.builder / f"{SOURCE}_1.0.orig.tar.gz"
        self.run_builder(*git, "archive", f"--prefix={SOURCE}-1.0/", f"--output={orig}", "HEAD")
        debian = tree / "debian"
        (debian / "source").mkdir(parents=True)
        (debian / "source" / "format").write_text("3.0 (quilt)\n")
        (debian / "control").write_text(CONTROL)
        (debian / "rules").write_text("#!/usr/bin/make -f\nclean binary build:\n")
        (debian / "rules").chmod(0o755)
        self._release(OLD, "First release.", "Thu, 01 Jan 2026 12:00:00 +0000")
        head = self.run_builder(*git, "rev-parse", "HEAD").strip()
        self.pool.mkdir(parents=True)
        # The field that dgit puts into a .dsc: so the archive's version is known to be in git.
        field = f"-DDgit={head} {DISTRO} {DISTRO}/{OLD} file://{self.git}"
        self.run_builder("dpkg-source", field, "-b", str(tree))
        for path in self.builder.glob(f"{SOURCE}_*"):
            shutil.copy(path, self.pool)
            if path != orig:
                path.unlink()
        self.run_builder(*git, "push", "-q", str(self.git), "HEAD:refs/dgit/sid")
        self._release(NEW, "Second release.", "Fri, 02 Jan 2026 12:00:00 +0000")

    def _release(self, version: str, change: str, date: str) -> None:
        changelog = self.tree / "debian" / "changelog"
        entry = CHANGELOG.format(
            source=SOURCE, version=version, suite=SUITE, change=change, signer=SIGNER, date=date
        )
        before = changelog.read_text() if changelog.exists() else ""
        changelog.write_text(entry + ("\n" + before if before else ""))
        git = ("git", "-C", str(self.tree))
        self.run_builder(*git, "add", ".")
        self.run_builder(*git, "commit", "-qm", f"{SOURCE} {version}")


@contextlib.contextmanager
def open_world(*faults: str) -> Iterator[World]:
    """Build a world, and leave nothing of it: no file, no process."""
    # Sockets are made well below it, and a socket's path has 108 bytes.
    place = tempfile.gettempdir() if len(tempfile.gettempdir()) < 24 else "/tmp"
    root = Path(tempfile.mkdtemp(prefix="gpgshim-", dir=place)).resolve()
    try:
        with Archive(root / "archive", faults=[Fault.parse(fault) for fault in faults]) as archive:
            world = World(root, archive)
            try:
                world.build()
                yield world
            finally:
                world.close()
    finally:
        # An agent that ends removes its own sockets, so a name may be gone already.
        shutil.rmtree(root, ignore_errors=True)
