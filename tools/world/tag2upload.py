# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tag2upload job needs around Debian's own programs, in one disposable directory.

1. The programs are the installed ones. What is made here stands where a host, a person or the
   outside world stands: ssh, sendmail, the forge, the archive, the upload queue, keys and config.
2. A host is a home of its own under WORLD with its own environment. Only the stand-in ssh enters
   it, and a process there is no child of the process that called ssh.
3. Nothing is left to chance: a process that must wait for an event waits at the door.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from fnmatch import fnmatchcase
from pathlib import Path

WORLD = Path("/world")
ORACLE, BUILDER, PUSH, UPLOADER = (
    WORLD / host for host in ("oracle", "builder", "push", "uploader")
)
FORGE, ARCHIVE, QUEUE, MAIL, BIN = (
    WORLD / place for place in ("forge", "archive", "queue", "mail", "bin")
)
DISTRO = PUSH / "dispatch/distro=debian"  # the git server's; the oracle's own is under ORACLE
UPLOADER_ADDRESS = "uploader@example.org"
LIST_ADDRESS = "tag2upload-list@example.org"

SENDMAIL = """\
#!/bin/sh
exec cat > "/world/mail/$(date +%s%N)"
"""

#: By what names Debian's own unit knows two of them.
HOSTS = {
    "tag2upload-builder-01.debian.org": "builder",
    "tag2upload-manager-01.debian.org": "manager",
}

#: A minute takes a second, also for sleep(2).
HURRY = ["faketime", "-f", "+0 x60"]

DPUT = f"""\
[ftp-master]
method = local
incoming = {QUEUE}
allow_dcut = 0
run_lintian = 0
"""


def run(*command: str | Path, cwd: Path, home: Path, text: str | None = None) -> str:
    """Run a command to its end as the user of `home`, and return its stdout."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=make_environment(home),
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{shlex.join(map(str, command))}: {done.returncode}\n{done.stderr}")
    return done.stdout


def make_environment(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "USER": home.name,
        "LOGNAME": home.name,
        "LC_ALL": "C.UTF-8",
        "PATH": f"{BIN}:/usr/bin:/bin",
    }


def make_key(home: Path, name: str, address: str) -> str:
    """Make the one secret key that `home` has, for ever unlocked; its fingerprint."""
    gnupg = home / ".gnupg"
    gnupg.mkdir(mode=0o700)
    # Signatures are counted in the agent's log: none can be made without the agent.
    (gnupg / "gpg-agent.conf").write_text(f"log-file {gnupg}/agent.log\ndebug ipc\n")
    run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key",
        f"{name} <{address}>", "ed25519", "sign", "never", cwd=home, home=home)  # fmt: skip
    listing = run("gpg", "--list-secret-keys", "--with-colons", cwd=home, home=home)
    return next(line for line in listing.splitlines() if line.startswith("fpr:")).split(":")[9]


def log_in() -> None:
    """Have the oracle's user logged in, with /run/user/UID: from now on gpg has its sockets there.

    Not earlier: gpg looks for an agent there for any HOME, but each home must have its own.
    """
    run("gpgconf", "--kill", "gpg-agent", cwd=ORACLE, home=ORACLE)
    Path(f"/run/user/{os.getuid()}").mkdir(0o700)


def export_key(home: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    run("gpg", "--output", to, "--export", cwd=home, home=home)


def write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def write_dgit_config(home: Path, api: str, mirror: str, extra: str = "") -> None:
    """Make dgit use the stand-in for the archive. All other settings are dgit's own for Debian."""
    with (home / ".gitconfig").open("a") as config:
        config.write(
            f'[dgit-distro "debian"]\n\tarchive-query-url = {api}\n'
            f"\tmirror = {mirror}\n\tmirror-fallback = {mirror}\n{extra}"
        )


@dataclass(frozen=True)
class Mail:
    """One mail that left, as far as anybody asks."""

    to: str
    cc: str
    subject: str
    status: str
    id: str
    body: str


def read_mails() -> list[Mail]:
    mails = []
    for path in sorted(MAIL.iterdir()):
        raw = path.read_bytes()
        head = message_from_bytes(raw)
        to, cc, subject, status, id_ = (
            " ".join(str(head[name] or "").split())
            for name in ("To", "CC", "Subject", "X-Debian-Tag2upload-Status", "Message-Id")
        )
        mails.append(Mail(to, cc, subject, status, id_, raw.decode(errors="replace")))
    return mails


@dataclass(frozen=True)
class KeyUses:
    """Requests for a signature to the oracle's agent, also those of oracled's probes."""

    asked: int = 0
    made: int = 0


def count_key_uses() -> KeyUses:
    asked = made = 0
    pending: set[str] = set()  # channels
    for line in (ORACLE / ".gnupg/agent.log").read_text(errors="replace").splitlines():
        channel, _, what = line.partition("DBG: ")[2].partition(" ")
        if what.startswith("<- PKSIGN"):
            pending.add(channel)
            asked += 1
        elif channel in pending and what.startswith(("-> OK", "-> ERR")):
            pending.discard(channel)
            made += what.startswith("-> OK")
    return KeyUses(asked, made)


def list_published() -> dict[str, list[str]]:
    """What the world outside can see: the git server's refs and the upload queue."""
    refs = []
    for repo in sorted((DISTRO / "repos").glob("[!_]*.git")):
        listing = run("git", "for-each-ref", "--format=%(refname)", cwd=repo, home=PUSH)
        refs += [f"{repo.name} {ref}" for ref in listing.split()]
    queue = sorted(path.name for path in QUEUE.iterdir()) if QUEUE.is_dir() else []
    return {"refs": refs, "queue": queue}


@dataclass(frozen=True)
class Call:
    """One use of the stand-in ssh."""

    at: float
    host: str
    command: str

    def matches(self, globs: list[str]) -> bool:
        return any(fnmatchcase(f"{self.host} {self.command}", glob) for glob in globs)


@dataclass
class Door:
    """Where the stand-in ssh knocks: runs what it asks for, on the host that it names."""

    held: list[str]  # patterns for `HOST COMMAND`: these wait
    dead: list[str] = field(default_factory=list)  # such patterns: these cannot connect
    hurried: list[str] = field(default_factory=list)  # such patterns: their clock is fast: HURRY
    calls: list[Call] = field(default_factory=list)
    waiting: list[Call] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)  # over all above

    def open(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(WORLD / "ssh.s"))
        listener.listen(64)
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def release(self) -> None:
        """Let all waiting processes continue, and hold none any more."""
        with self.changed:
            self.held.clear()
            self.changed.notify_all()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            caller, _ = listener.accept()
            threading.Thread(target=self._answer, args=(caller,), daemon=True).start()

    def _answer(self, caller: socket.socket) -> None:
        head, fds, _, _ = socket.recv_fds(caller, 8, 3)
        asked = b""
        while len(asked) < int(head):
            asked += caller.recv(int(head) - len(asked))
        host, _, command = asked.decode().partition(" ")
        call = Call(time.monotonic(), host, command)
        with self.changed:
            self.calls.append(call)
            if call.matches(self.held):
                self.waiting.append(call)
                self.changed.notify_all()
                self.changed.wait_for(lambda: not call.matches(self.held))
        if call.matches(self.dead):
            os.write(fds[2], f"ssh: connect to host {host} port 22: Connection refused\n".encode())
            status = 255
        else:
            status = run_remote(host, command, fds, HURRY if call.matches(self.hurried) else [])
        for fd in fds:
            os.close(fd)
        # Who has been killed meanwhile wants no status.
        with contextlib.suppress(OSError), caller:
            caller.sendall(b"%d" % status)


def run_remote(host: str, command: str, fds: list[int], under: list[str]) -> int:
    """Run a command as sshd on `host` would, `under` another; ssh's exit status."""
    if host == "push.dgit.debian.org":
        # Its authorized_keys force this command.
        words, home = ["dgit-ssh-dispatch", str(PUSH / "dispatch")], PUSH
    else:
        words, home = ["sh", "-c", command], WORLD / HOSTS.get(host, host)
    remote = subprocess.Popen(
        under + words,
        cwd=home,
        env=make_environment(home) | {"SSH_ORIGINAL_COMMAND": command},
        stdin=fds[0],
        stdout=fds[1],
        stderr=fds[2],
        start_new_session=True,
    )
    for fd in fds[:2]:
        os.close(fd)
    status = remote.wait()
    del fds[:2]
    return 255 if status < 0 else status


def make_places() -> str:
    """Make every home, key and server directory that does not depend on a job; the oracle's key."""
    for place in (ORACLE, BUILDER, PUSH, UPLOADER, FORGE, ARCHIVE / "pool", QUEUE, MAIL,
                  WORLD / "manager", ORACLE / "distro=debian/outgoing-mail"):  # fmt: skip
        place.mkdir(parents=True)
    for home in (ORACLE, BUILDER, PUSH, UPLOADER):
        (home / ".gitconfig").write_text(
            f"[user]\n\tname = {home.name}\n\temail = {home.name}@example.org\n"
            # In the background it would now and then be met half way by mini-git-tag-fsck's tar.
            "[maintenance]\n\tauto = false\n"
        )
    BIN.mkdir()
    (BIN / "ssh").symlink_to(Path(__file__).with_name("ssh.py"))
    write_script(BIN / "sendmail", SENDMAIL)
    (WORLD / "reboot-lock").touch()
    fingerprint = make_key(ORACLE, "tag2upload", "oracle@example.org")
    make_key(UPLOADER, "uploader", UPLOADER_ADDRESS)
    export_key(UPLOADER, ORACLE / "keyrings/debian-keyring.pgp")
    export_key(ORACLE, DISTRO / "keyrings/debian-tag2upload.pgp")
    # The builder verifies the tag that the oracle has made for it.
    (BUILDER / ".gnupg").mkdir(mode=0o700)
    run("gpg", "--import", DISTRO / "keyrings/debian-tag2upload.pgp", cwd=BUILDER, home=BUILDER)
    (BUILDER / ".dput.cf").write_text(DPUT)
    make_git_server()
    return fingerprint


def make_git_server() -> None:
    """Debian's: the real dispatcher, the real policy hook, and new packages secret at first."""
    repos = DISTRO / "repos"
    repos.mkdir(parents=True)
    template = repos / "_template"
    run("git", "init", "--quiet", "--bare", template, cwd=repos, home=PUSH)
    template.chmod(0o2770)
    (DISTRO / "suites").write_text("sid\nexperimental\n")
    (DISTRO / "suites-master").write_text("sid\n")
    # git runs hooks with SIGPIPE ignored, and this one runs dgit, which will not have that.
    write_script(
        DISTRO / "policy-hook",
        '#!/bin/sh\nexec env --default-signal=PIPE dgit-repos-policy-debian "$@"\n',
    )
    run("dgit-repos-admin-debian", "--repos", repos, "--git-dir", template, "create-db",
        cwd=repos, home=PUSH)  # fmt: skip


@dataclass
class Package:
    """A source package of the uploader's, and what became of it at the forge."""

    name: str
    version: str
    quilt: bool  # 3.0 (quilt), with an upstream tag; else 3.0 (native)
    broken: bool  # upstream's files changed, and no patch says so

    def write(self) -> None:
        """Commit the package, and publish its repository at the forge, untagged."""
        work = UPLOADER / self.name
        files: Mapping[str, str] = {
            "debian/changelog": self._write_changelog(self.version),
            "debian/control": (
                f"Source: {self.name}\nSection: misc\nPriority: optional\n"
                f"Maintainer: Ursula <{UPLOADER_ADDRESS}>\nStandards-Version: 4.7.2\n\n"
                f"Package: {self.name}\nArchitecture: all\nDescription: something to upload\n"
                " It holds one file, which says so.\n"
            ),
            "debian/copyright": "Nobody claims anything here.\n",
            "debian/rules": "#!/usr/bin/make -f\nbuild clean binary binary-arch binary-indep:\n",
            "debian/source/format": f"3.0 ({'quilt' if self.quilt else 'native'})\n",
        }
        (work / "debian/source").mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")
        (work / "hello").write_text("hello\n")
        self._git("add", ".")
        self._git("commit", "--quiet", "--message=upstream")
        if self.quilt:
            upstream = self.version.rsplit("-", 1)[0]
            self._git("tag", "--annotate", "--message=upstream", f"upstream/{upstream}")
        for name, text in files.items():
            (work / name).write_text(text)
        (work / "debian/rules").chmod(0o755)
        if self.broken:
            (work / "hello").write_text("changed, and no patch says so\n")
        self._git("add", ".")
        self._git("commit", "--quiet", "--message=debian")
        bare = self.repository
        run("git", "clone", "--quiet", "--bare", work, bare, cwd=FORGE, home=UPLOADER)
        (bare / "hooks/post-update").write_text("#!/bin/sh\nexec git update-server-info\n")
        (bare / "hooks/post-update").chmod(0o755)
        run("git", "update-server-info", cwd=bare, home=UPLOADER)
        self._git("remote", "add", "origin", str(bare))
        self._git("fetch", "--quiet", "origin")
        self._git("branch", "--quiet", "--set-upstream-to=origin/main")

    def _write_changelog(self, version: str) -> str:
        return (
            f"{self.name} ({version}) unstable; urgency=medium\n\n  * A change.\n\n"
            f" -- Ursula <{UPLOADER_ADDRESS}>  Mon, 05 Jan 2026 12:00:00 +0000\n"
        )

    def change_version(self, version: str) -> None:
        """Commit a changelog that says so; no tag knows of it."""
        (UPLOADER / self.name / "debian/changelog").write_text(self._write_changelog(version))
        self._git("commit", "--quiet", "--all", f"--message={version}")

    @property
    def repository(self) -> Path:
        return FORGE / f"{self.name}.git"

    @property
    def tag_name(self) -> str:
        return f"debian/{self.version}"

    def push_tag(self, *options: str) -> bytes:
        """Have `git debpush` make and push the tag; the tag object."""
        quilt = ("--quilt=gbp",) if self.quilt else ()
        self._git("debpush", "--batch", "--force", *quilt, *options)
        return self._read_tag()

    def replace_tag(self, old: bytes, become: Mapping[str, str]) -> bytes:
        """Sign the tag anew with another text, and push it by force; the new tag object."""
        text = old.decode().split("\n\n", 1)[1].split("-----BEGIN PGP")[0]
        for before, after in become.items():
            if before not in text:
                raise ValueError(f"the tag does not say {before!r}: {text!r}")
            text = text.replace(before, after)
        self._git(
            "tag", "--sign", "--force", "--cleanup=verbatim", "--message", text, self.tag_name
        )
        self._git("push", "--quiet", "--force", "origin", f"refs/tags/{self.tag_name}")
        return self._read_tag()

    def _read_tag(self) -> bytes:
        return self._git("cat-file", "tag", self.tag_name).encode()

    def _git(self, *words: str) -> str:
        return run("git", *words, cwd=UPLOADER / self.name, home=UPLOADER)


def start_oracle(first_on_path: list[Path], workers: int, timeout: int) -> subprocess.Popen[bytes]:
    """Start the unmodified oracled, as its unit does. Its output goes to WORLD/oracle.log."""
    environment = make_environment(ORACLE) | {
        "DGIT_DRS_ANY_URL": "1",  # the forge speaks plain HTTP here
        "DGIT_DRS_SENDMAIL": str(BIN / "sendmail"),
        "DGIT_TEST_REBOOT_LOCK_1": str(WORLD / "reboot-lock"),
        "DGIT_TEST_REBOOT_LOCK_2": str(WORLD / "reboot-lock"),
    }
    environment["PATH"] = os.pathsep.join([*map(str, first_on_path), environment["PATH"]])
    with (WORLD / "oracle.log").open("ab") as log:
        # Popen gives SIGPIPE back its default, as the unit's IgnoreSIGPIPE=false does.
        return subprocess.Popen(
            [
                "tag2upload-oracled",
                f"--workers={workers}",
                "--worker-restart-timeout=1",
                f"--processing-timeout={timeout}",
                "--manager=manager",
                f"--manager-socket={WORLD}/o2m.s",
                "--builder=builder",
                "--from=tag2upload service <oracle@example.org>",
                "--reply-to=tag2upload-replies@example.org",
                f"--copies={LIST_ADDRESS}",
                "debian",
                str(ORACLE / "distro=debian"),
                f"{ORACLE}/keyrings/debian-keyring.pgp,a",
            ],
            cwd=ORACLE,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
