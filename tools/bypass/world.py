# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs routes as jobs, in the session of a user who has keys for OpenPGP, X.509 and ssh.

Rule 1: each job has a directory and a name of its own, so several can run at the same time.
Rule 2: the verdict about a signature is that of the program that verifies it, outside of the job.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from gpgshim.core import records as r
from gpgshim.core.transcript import parse
from gpgshim.core.verdict import judge_bytes
from tests.support.login import PYTHON, Login
from tests.support.scratch import GPG
from tools.bypass.results import Cell, Facts
from tools.bypass.routes import ALONE, FORMS, ROUTES, Route

STATUS = 3  #: of each job, so that a job that committed nothing is retriable
AUTHORITIES = (77, 0)  #: exit statuses of the authority: it refuses, and it agrees
WORKERS = 3

#: The Debian packages of the routes' programs, whose versions are recorded.
PROGRAMS = (
    "gpgsm git devscripts git-buildpackage rpm sq gpg-sq openssh-client python3-gpg"
    " bubblewrap fakeroot sudo util-linux minisign"
)

#: The records that show a signature, or a key that left, without being a request.
REPORTS = (r.Forwarded, r.Passed, r.Bypassed, r.Ungated)

#: In the job's directory. Its argument is its exit status.
AUTHORITY = """\
cd {work}
if sh ./verify; then echo after; else echo before; fi >asked 2>verify.err
exit $1
"""

#: sign GRIP FILE RESULT (SOCKET | - HOME): a signature of FILE's SHA-256 by an ed25519 key.
#: verify KEY FILE RESULT: whether it is good, by openssl.
DIRECT = """\
import base64, hashlib, re, socket, subprocess, sys
verb, key, file, result, *way = sys.argv[1:]
digest = hashlib.sha256(open(file, "rb").read()).digest()
if verb == "verify":
    line = subprocess.check_output(["gpg", "--export-ssh-key", key + "!"]).split()[1]
    public = bytes.fromhex("302a300506032b6570032100") + base64.b64decode(line)[-32:]
    for name, data in (("public", public), ("digest", digest)):
        open(name, "wb").write(data)
    words = "-verify -pubin -keyform DER -inkey public -rawin -in digest -sigfile".split()
    sys.exit(subprocess.call(["openssl", "pkeyutl", *words, result]))
if way[0] == "-":
    words = ["gpg-agent", "--homedir", way[1], "--server"]
    pipe = subprocess.PIPE
    agent = subprocess.Popen(words, stdin=pipe, stdout=pipe)
    sink, source = agent.stdin, agent.stdout
else:
    where = subprocess.check_output(["/usr/bin/gpgconf", "--list-dirs", way[0]]).strip()
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(where)
    sink, source = peer.makefile("wb"), peer.makefile("rb")
assert source.readline().startswith(b"OK ")
for command in (f"SIGKEY {key}", f"SETHASH --hash=sha256 {digest.hex()}", "pksign  --"):
    sink.write(command.encode() + b"\\n")
    sink.flush()
    answer = source.readline()
    data = b""
    while not answer.startswith((b"OK", b"ERR")):
        if answer.startswith(b"D "):
            data += answer[2:-1]
        answer = source.readline()
    if answer.startswith(b"ERR"):
        sys.exit(answer.decode())
data = re.sub(b"%(..)", lambda found: bytes.fromhex(found[1].decode()), data)
shape = b"[(]7:sig-val[(]5:eddsa[(]1:r32:(.{32})[)][(]1:s32:(.{32})[)]{3}"
halves = re.fullmatch(shape, data, re.DOTALL)
open(result, "wb").write(halves[1] + halves[2])
"""

#: A signature by gpgme; its argument is the path of gpg.
GPGME = """\
import sys, gpg
with gpg.Context() as context:
    if sys.argv[1:]:
        context.set_engine_info(gpg.constants.PROTOCOL_OpenPGP, file_name=sys.argv[1])
    signed, _ = context.sign(open("f", "rb").read(), mode=gpg.constants.sig.mode.DETACH)
open("f.sig", "wb").write(signed)
"""

#: Parameters of gpgsm, for a certificate of a key that gpg-agent has.
X509 = "Key-Type: RSA\nKey-Grip: {grip}\nKey-Usage: sign\nSerial: random\nName-DN: CN=Oracle\n"

#: Lets the user of the jobs call sudo: in the mount namespace of each program, and nowhere else.
MAY_SUDO = 'mount --bind "$1" /etc/sudoers.d && shift && exec "$@"'
ALLOWED = "#{user} ALL=(ALL) NOPASSWD:SETENV: ALL\n"


class World(Login):
    """A user with keys, and a directory for each job."""

    def __init__(self) -> None:
        self.sudoers: Path | None = None
        super().__init__()
        self.names = {
            "key": self.key.fingerprint,
            "grip": self._grip(self.key.fingerprint),
            "home": str(self.key.home),
            "root": str(self.root),
            "python": PYTHON,
            "user": str(self.user),
        }
        for name, text in (("direct", DIRECT), ("gpgme", GPGME)):
            (self.root / name).write_text(text)
        (self.root / "home/.gitconfig").write_text("[init]\n\tdefaultBranch = main\n")
        if self.is_root and shutil.which("sudo"):
            self.sudoers = self.root / "sudoers.d"
            self.sudoers.mkdir(0o750)
            (self.sudoers / "jobs").write_text(ALLOWED.format(user=self.user))
        self._make_ssh_key()
        if shutil.which("gpgsm"):
            self.names["x509"] = self._make_certificate()
        # Some routes start no agent. Others start the one that GnuPG has for user id 0, with the
        # sockets in the home itself; one that starts under fakeroot dies with that fakeroot.
        self._must("gpgconf", "--launch", "gpg-agent")
        self.call("unshare", "-r", "gpgconf", "--launch", "gpg-agent")
        self.series = ".".join(self.call(GPG, "--version").out.split()[2].split(".")[:2])

    def as_user(self, words: Sequence[str | Path]) -> Sequence[str | Path]:
        if self.sudoers is None:
            return super().as_user(words)
        prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", MAY_SUDO, "sh"]
        return [*prefix, self.sudoers, *super().as_user(words)]

    def give_away(self) -> None:
        super().give_away()
        if self.is_root and self.sudoers:  # sudo reads no file of another owner
            for path in (self.sudoers, self.sudoers / "jobs"):
                shutil.chown(path, 0, 0)
                path.chmod(0o750 if path.is_dir() else 0o440)

    def _grip(self, key: str) -> str:
        listed = self.call(GPG, "--with-keygrip", "--with-colons", "-K", key).out
        return str(re.findall(r"^grp:+([0-9A-F]+):", listed, re.MULTILINE)[-1])

    def _must(self, *words: str | Path) -> str:
        done = self.call(*words)
        assert done.status == 0, (words, done.err)
        return done.out

    def _make_ssh_key(self) -> None:
        """A key for ssh, which gpg-agent has."""
        key = self.make_key("ssh <ssh@example.org>", "ed25519", "auth,cert", "never")
        (self.key.home / "sshcontrol").write_text(f"{self._grip(key)}\n")
        public = self._must(GPG, "--export-ssh-key", f"{key}!")
        (self.root / "id.pub").write_text(public)
        with (self.key.home / "gpg-agent.conf").open("a") as conf:
            conf.write("enable-ssh-support\n")
        (self.key.home / "gpg.conf").write_text(f"default-key {self.key.fingerprint}\n")
        self.call("gpgconf", "--kill", "gpg-agent")
        self.give_away()

    def _make_certificate(self) -> str:
        """The fingerprint of an X.509 certificate that gpgsm trusts, for a key of gpg-agent."""
        key = self.make_key("x509 <x509@example.org>", "rsa2048", "sign", "never")
        (self.root / "x509").write_text(X509.format(grip=self._grip(key)))
        made = self.root / "x509.crt"
        self._must("gpgsm", "--batch", "--output", made, "--generate-key", self.root / "x509")
        (self.key.home / "gpgsm.conf").write_text("disable-crl-checks\n")
        self.give_away()
        self._must("gpgsm", "--batch", "--import", made)
        listed = self._must("gpgsm", "--with-colons", "-K")
        found = str(re.findall(r"^fpr:+([0-9A-F]+):", listed, re.MULTILINE)[0])
        (self.key.home / "trustlist.txt").write_text(f"{found} S relax\n")
        self.call("gpgconf", "--kill", "gpg-agent")
        self.give_away()
        return found

    def reason_against(self, route: Route) -> str:
        """Why the route cannot be had here; empty if it can."""
        if route.needs == "python3-gpg":
            probe = f"{PYTHON} -c 'import gpg'"
        else:
            probe = f"command -v {route.needs}" if route.needs else "true"
        if self.call("sh", "-c", probe).status:
            return route.without or f"there is no {route.needs} here"
        if route.probe and self.call("sh", "-c", route.probe).status:
            return route.without
        return ""

    def reason_against_form(self, form: str) -> str:
        """Why this form is not possible here; empty if it is."""
        done = self.gpgshim("run", *FORMS[form].options, "--commit", "true", "--", "true")
        return done.err if done.status else ""

    def observe(self, name: str, form: str, status: int) -> Facts:
        """Run a route as a job whose authority exits with `status`."""
        route = ROUTES[name]
        job = f"r{list(ROUTES).index(name)}-{form}-{status}"
        work = self.root / job
        work.mkdir()
        names = {**self.names, "work": str(work)}
        (work / "f").write_text("some data\n")
        (work / "verify").write_text(f"({route.verify.format(**names)}) >>verify.out 2>&1\n")
        (work / "authority").write_text(AUTHORITY.format(work=work))
        command = f"cd {work}; ({route.command.format(**names)}) >out 2>err </dev/null"
        for path in (work, *work.iterdir()):
            shutil.chown(path, self.user, self.user)
        self._must("sh", "-c", f"cd {work}; ({route.prepare.format(**names)}) >prepare 2>&1")
        assert self.call("sh", "-c", f"cd {work}; sh ./verify").status, f"{job} is signed already"
        done = self.gpgshim(
            "run", "--job", job, *FORMS[form].options, "--commit", f"sh {work}/authority {status}",
            "--", "sh", "-c", f"{command}; exit {STATUS}",
        )  # fmt: skip
        journal = (self.state / f"gpgshim/{job}.1").read_bytes()
        asked = work / "asked"
        return Facts(
            signed=self.call("sh", "-c", f"cd {work}; sh ./verify").status == 0,
            asked=asked.read_text().strip() if asked.exists() else "never",
            reported=any(isinstance(record, REPORTS) for record, _ in parse(journal).read("%#")),
            status=done.status,
            outcome=str(judge_bytes(journal).outcome),
        )

    def end(self) -> None:
        self.call("unshare", "-r", "gpgconf", "--kill", "gpg-agent")
        super().end()


class Runs:
    """The runs of all chosen routes in all forms, several at a time."""

    def __init__(self, world: World, names: Sequence[str]) -> None:
        self._world = world
        self._pool = ThreadPoolExecutor(WORKERS)
        self._against = {name: world.reason_against(ROUTES[name]) for name in names}
        self._against_form = {form: world.reason_against_form(form) for form in FORMS}
        self._futures: dict[tuple[str, str], list[Future[Facts]]] = {}
        for name in sorted(names, key=lambda name: name not in ALONE):
            for form in () if self._against[name] else FORMS:
                if self._against_form[form]:
                    continue
                self._futures[name, form] = []
                for each in AUTHORITIES:
                    future = self._pool.submit(world.observe, name, form, each)
                    self._futures[name, form].append(future)
                    if name in ALONE:
                        wait([future])

    def reason_against_form(self, form: str) -> str:
        """Why this form is not possible here; empty if it is."""
        return self._against_form[form]

    def reason_against(self, name: str) -> str:
        """Why this route cannot be had here; empty if it can."""
        return self._against[name]

    def cell(self, name: str, form: str) -> Cell:
        """What was observed of a route in a form."""
        refused, granted = self._futures[name, form]
        return Cell(refused.result(), granted.result())

    def end(self) -> None:
        """Wait for the runs that have begun, and drop the others."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def programs() -> str:
    """The programs of the routes with the versions of their Debian packages."""
    names = PROGRAMS.split()
    shape = "${db:Status-Status} ${Package} ${Version}\n"
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", shape, *names], capture_output=True, text=True, check=False
    )
    found = (line.split() for line in done.stdout.splitlines())
    return ", ".join(f"{package} {version}" for status, package, version in found
                     if status == "installed")  # fmt: skip
