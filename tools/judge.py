# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge: runs the real gpg on generated command lines and compares it with our reading.

Rule 1: gpg-agent's own log decides: a signature is a PKSIGN that the agent answered. Exit codes
prove nothing.
Rule 2: the seed and the number of a case determine its words, files and environment.
Rule 3: if our reading says "sign" and gpg makes no signature, this is excused only by a message of
gpg that cannot be foreseen (no such file, no such key, no pinentry). A fault that the command
line itself shows (usage, conflict, unknown option) is no excuse.

    python -m tools.judge --seed 1 --n 2000 [--gpg PATH] [--root DIR]

As root, gpg runs in a private overlay of that root (or of /), as a user id that owns nothing else;
then cases may have an /etc/gnupg/gpg.conf too. Any other user runs the machine's gpg in place.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gpgshim.gpgargs import decision, explain, optiontable
from gpgshim.gpgargs.commands import COMMANDS
from gpgshim.stunts import plainfile
from gpgshim.supervisor import optable

NOBODY = 65534
SECONDS = 10.0  #: for one case; one that takes longer waits for something, and has signed or not
KEY = "judge@example.org"  #: has a signing key without passphrase and an encryption subkey
OTHER = "other@example.org"  #: a second such key
VOUCHED = "vouched@example.org"  #: a third, which KEY has signed
SYSTEM = "SYSTEM"  #: in Case.files: the global conf file


class Case(NamedTuple):
    """A command line and its surroundings. `files`: name in HOME, or SYSTEM -> text."""

    words: list[str]
    environ: dict[str, str]
    files: dict[str, str]


# --- the generator --------------------------------------------------------------------------------

FILES = ("f", "g", "h.txt", "verify", "sign", "--sign")
# fmt: off
STRAY = (
    "", "--", "-", "f", "--sign", "-s", "--bogus", "--help", "--version", "--no-options",
    "--verify", "-e", "-c", "--batch", "--no-batch", "--fingerprint", "--multifile", "--dry-run",
)
TEXTS = (
    "", "f", "new", "-s", "--sign", "--", "-", "x", "help", "none", "2", "-b", "--verify", "=",
    "a=b", KEY, OTHER,
)
NUMBERS = (
    "", " 1", "0", "1", "2", "3", "9", "2x", "x", "-1", "+1", "0x10", "010", "--sign",
    "2147483648", "-2147483649", "4294967296", "99999999999999999999",
)
# fmt: on
KEYS = f"{KEY} {KEY} {OTHER} nobody@example.org"
# What a caller would give; an option without a row gets something of TEXTS or NUMBERS.
GOOD_TEXT = f"""
local-user default-key recipient hidden-recipient encrypt-to hidden-encrypt-to: {KEYS}
default-recipient try-secret-key user sign-with sender: {KEYS}
output: out new.asc f -
status-fd: 1 2 3
logger-fd attribute-fd: 1 2
command-fd passphrase-fd override-session-key-fd: 0
status-file attribute-file: st
logger-file log-file: lg
homedir: @HOME@/.gnupg @HOME@/b ~/b b/ ./b no-such-dir
options: c.conf none.conf
compliance: gnupg OpenPGP rfc4880 pgp8 de-vs help bogus
pinentry-mode: loopback ask cancel error default bogus
tofu-default-policy: auto ask help bogus
trust-model: always PGP direct bogus
keyid-format: long 0xlong none bogus
request-origin: local remote bogus
list-options: show-uid-validity no-show-photos help full-help
verify-options: show-photos help
import-options: import-clean help
export-options: export-minimal help
keyserver-options: timeout=2 help
debug: ipc 0 help ?
debug-level: none basic
compatibility-flags: help x
digest-algo: SHA512 sha256 H8 bogus
cert-digest-algo: SHA512 bogus
cipher-algo: AES256 bogus
compress-algo: zip 0 none bogus
s2k-mode: 0 1 3 2
s2k-digest-algo: SHA256
s2k-cipher-algo: AES256
s2k-count: 1024 65536
completes-needed: 1 0
marginals-needed: 3 1
max-cert-depth: 5 0 256
default-cert-level default-cert-check-level: 0 3 4
min-cert-level: 1 3 0
personal-digest-preferences: SHA512
personal-cipher-preferences default-preference-list: AES256
personal-compress-preferences: ZIP
set-filename: a.txt
set-notation sig-notation: a@example.org=b
display-charset charset: utf-8
weak-digest: SHA1
default-sig-expire default-cert-expire: 0 1y
keyserver: hkps://keys.example.org
group: a=b
ungroup: a
auto-key-locate: local
key-origin: self
faked-system-time: @TIME@
chuid: 65534 x
force-ownertrust: full bogus
z compress-level bzip2-compress-level: 0 6
keyring primary-keyring: pubring.kbx extra.kbx
trustdb-name: trustdb.gpg
agent-program: /bin/false
passphrase-file command-file: f
min-rsa-length: 1024
passphrase-repeat limit-card-insert-tries: 1
"""
GOOD = {
    name: values.split()
    for names, values in (line.split(": ") for line in GOOD_TEXT.strip().split("\n"))
    for name in names.split()
}
# Never drawn: a run takes seconds, fills the disk, or goes round the agents that we watch.
SLOW = ("gen-random", "debug-quick-random", "refresh-keys", "use-keyboxd", "keyboxd-program")
SIGNERS = ("sign", "detach-sign", "clear-sign", "clearsign")
DATA_TEXT = f"""
--detach-sign --armor -u {KEY} f
--clearsign f
-bsau {KEY}
-sabu {KEY} -o out f
--no-auto-check-trustdb --local-user {KEY} --clearsign --openpgp --armor --textmode --output A.asc f
--status-fd=2 -bsau {KEY}
--status-fd=1 --verify f -
--list-secret --with-colons
--batch --yes -s -e -r {KEY} --trust-model always f
-e -r {KEY} --always f
--batch --passphrase x --pinentry-mode loopback -sc f
--decrypt f
f
-b -e -r {KEY} --always-trust f
--batch --passphrase=x --pinentry=loopback -c f
"""
KEY_TEXT = f"""
--batch --gen-key keyparms
--quick-add-uid {KEY} "new <n@example.org>"
--quick-set-expire @FPR@ 2y
--quick-add-key @FPR@ ed25519 sign
--quick-add-key @FPR@
--quick-revoke-uid {KEY} {KEY}
--quick-gen-key "n2 <n2@example.org>" ed25519
--batch --passphrase "" --quick-gen-key n3 ed25519
--quick-sign-key @OTHERFPR@
--quick-lsign-key @OTHERFPR@
--quick-revoke-sig @VOUCHEDFPR@ {KEY}
--quick-set-primary-uid {KEY} {KEY}
--sign-key {OTHER}
--lsign-key {OTHER}
--gen-revoke {KEY}
--desig-revoke {OTHER}
--edit-key {KEY} quit
--quick-update-pref {KEY}
--quick-set-ownertrust {KEY} full
--passwd {KEY}
--export-secret-keys {KEY}
--batch --yes --delete-secret-keys @FPR@
--import f
--export-ownertrust
--check-trustdb
"""
DATA_CALLS = [shlex.split(line) for line in DATA_TEXT.strip().split("\n")]
KEY_CALLS = [shlex.split(line) for line in KEY_TEXT.strip().split("\n")]
FILE_TEXT = f"""
f
-s f
-b f g
-e -r {KEY} --always f
--options none.conf -s f
--options c.conf f
--options c.conf -s f
--options none.conf --options c.conf f
--options c.conf --no-options -s f
--options= -s
--options "" -s f
--no-options f
--homedir b f
--homedir b -s f
--homedir no-such-dir -s f
--verify f
--clearsign f
-k
sign f
--batch --passphrase x --pinentry loopback -c f
"""
CONF_CALLS = [[], *(shlex.split(line) for line in FILE_TEXT.strip().split("\n"))]
CONF_TEXT = f"""
armor|batch|yes|quiet|no-tty|no-greeting|with-colons|fingerprint|multifile|dry-run|list-only|\t|
sign|detach-sign|encrypt|clearsign|verify|list-keys|symmetric|sign |  sign|\tsign\t|forbid-gen-key
default-key {KEY}|recipient {KEY}|encrypt-to {KEY}|always-trust|trust-model always|# sign
digest-algo SHA512|status-fd 2|status-fd x|completes-needed 1|completes-needed 0|comment "a b"
comment -s|keyid-format long|keyid-format bogus|options c.conf|homedir /nonexistent|\ufeffarmor
armor # comment|batch yes|bogus|det|--sign|sign foo|output|help|version|no-options|strict|strict \t
ignore-invalid-option bogus det|alias a|alias a b|s|sign=x|pinentry-mode loopback
[verbose]|[if $x = y]|[else]|[fi]|[getenv x HOME]|[command-mode]|[bogus]|[|[let a b]
"""
CONF = CONF_TEXT.strip("\n").replace("\n", "|").split("|")
SYSTEM_CONF = [*CONF, "[force]", "[ignore]", "[ignore-all]", "[user judge]", "[user *]"]


def value_for(dice: random.Random, name: str, flags: int) -> str:
    """A value for an option: mostly one that a caller would give."""
    if name in GOOD and dice.random() < 0.85:
        return dice.choice(GOOD[name])
    return dice.choice(TEXTS if flags & optiontable.TYPE == 2 else NUMBERS)


def option(dice: random.Random, rows: list[optiontable.Row]) -> list[str]:
    """One option or command in one of its forms, with its argument or not."""
    name, number, flags = dice.choice(rows)
    value = [value_for(dice, name, flags)] if flags & optiontable.TYPE else []
    if number < 128 and dice.random() < 0.4:
        word = "-" + chr(number)
        return [word + value[0]] if value and dice.random() < 0.3 else [word, *value]
    word = "--" + (name if dice.random() < 0.7 else name[: dice.randint(1, len(name))])
    roll = dice.random()
    if (value and roll < 0.25) or roll < 0.05:
        return [f"{word}={value[0] if value else dice.choice(TEXTS)}"]
    return [word, *value] if roll < 0.97 else [word]


def cluster(dice: random.Random) -> list[str]:
    """Letters in one word: mostly of those that gpg has."""
    letters = "sbaecvqtnktd" * 4 + "uroiKzNRfFhV?w%-=\u00e9"
    word = "-" + "".join(dice.choices(letters, k=dice.randint(1, 5)))
    return [word, KEY] if word[-1] in "urR" and dice.random() < 0.8 else [word]


def command_line(dice: random.Random, rows: list[optiontable.Row]) -> list[str]:
    """A real call, or some options and commands, and files; then perhaps damaged."""
    roll = dice.random()
    commands = [row for row in rows if row[2] & optiontable.COMMAND]
    words: list[str] = []
    if roll < 0.35:
        call = dice.choice(DATA_CALLS)
        if dice.random() < 0.5 and call[0].startswith("-"):
            words += option(dice, rows)
        words += call
    elif roll < 0.42:
        words += ["--batch", "--yes"] if dice.random() < 0.7 else []
        words += dice.choice(KEY_CALLS)
    elif roll < 0.75:
        signers = [row for row in rows if row[0] in SIGNERS]
        for _ in range(dice.randint(0, 3)):
            words += option(dice, rows)
        words += option(dice, signers if dice.random() < 0.7 else commands)
        for _ in range(dice.randint(0, 1)):
            words += option(dice, rows)
        words += dice.choices(FILES[:3], k=dice.choice((0, 1, 1, 1, 1, 2)))
    elif roll < 0.88:
        for _ in range(dice.randint(1, 3)):
            words += cluster(dice) if dice.random() < 0.7 else option(dice, rows)
        words += dice.choices(FILES, k=dice.choice((0, 1, 1, 1, 2)))
    else:
        for _ in range(dice.randint(1, 4)):
            words += option(dice, commands if dice.random() < 0.4 else rows)
        words += dice.choices(FILES, k=dice.choice((0, 1, 1, 2)))
    while dice.random() < 0.15:
        at = dice.randint(0, len(words))
        words[at:at] = [dice.choice(STRAY)]
    return words


def conf_file(dice: random.Random, system: bool, damaged: bool) -> str:
    """A few lines of a conf file; now and then a letter of one is lost, or another comes in."""
    lines = SYSTEM_CONF if system else CONF
    sane = [line for line in lines if line[:1] != "["] if dice.random() < 0.7 else lines
    chosen = dice.choices(sane, k=dice.randint(1, 4))
    for at, line in enumerate(chosen):
        if damaged and line and dice.random() < 0.25:
            cut = dice.randrange(len(line))
            new = dice.choice(' \t\r\v#"=[]$-s\x01') if dice.random() < 0.5 else ""
            chosen[at] = line[:cut] + new + line[cut if new else cut + 1 :]
    return "\n".join(chosen) + dice.choice(("\n", ""))


def case(seed: int, number: int, rows: list[optiontable.Row], version: str, system: bool) -> Case:
    """The case with this number; `system`: there may be an /etc/gnupg/gpg.conf."""
    dice = random.Random(f"{seed}/{number}")
    plain = dice.random() < 0.15  # a plain command line; the files have the options
    words = dice.choice(CONF_CALLS) if plain else command_line(dice, rows)
    suffix = dice.choice(("", "", "", "", "-2", "-2.2", "-2.4", f"-{version}"))
    places = [f".gnupg/gpg.conf{suffix}", "c.conf", "b/gpg.conf", SYSTEM]
    files = {
        place: conf_file(dice, place == SYSTEM, plain)
        for place in (places if system else places[:3])
        if dice.random() < (0.5 if plain else 0.13) or place in " ".join(words)
    }
    home = dice.choice(("", "@HOME@/b", "@HOME@/.gnupg/", "~/b"))
    return Case(words, {"GNUPGHOME": home} if dice.random() < 0.2 else {}, files)


# --- the court ------------------------------------------------------------------------------------

MINE = "argv can see it"
# In this order. The first is no excuse: it is what argv should have known.
EXCUSES_TEXT = r"""
argv can see it: ^usage: |^gpg: (conflicting commands|invalid option|invalid command)
argv can see it: ^gpg: (missing argument|option file|invalid .*cert-level)
argv can see it: ^gpg: invalid argument for option "(?!--key-origin|--debug")
argv can see it: ^gpg: (option|command) .* (is ambiguous|does not expect)
argv can see it: ^gpg: unknown (keyid-format|trust model|TOFU)|does not yet work with
argv can see it: ^gpg: invalid (pinentry mode|request origin|ownertrust|value for .*--compliance)
argv can see it: ^gpg: .* must be (greater|in the range)|^gpg: This command is not allowed
a key that is not there: [Nn]o (secret|public) key|[Nn]ot found|no valid addressees|skipped:
a key that is not there: No name|no revocation keys found|is not a fingerprint|matches multiple
a key that is not there: no default|No such user|[Uu]nusable|Wrong key usage|Invalid user ID
a file that is not there: No such file or directory|can't (open|stat|access)|Is a directory
a file in the way: File exists|exists\.|can't create
nobody to ask: cannot open '/dev/tty'|Inappropriate ioctl|batch ?mode|in this mode|[Nn]o terminal
nobody to ask: [Nn]o pinentry|pinentry|cancelled|Bad passphrase|[Nn]o passphrase|[Nn]o agent
a descriptor that is not open: (fd|FD) .*(invalid|bad)|Bad file descriptor
a value that only gpg can judge: [Ii]nvalid|not (a )?(valid|proper)|[Uu]nknown|may not be used
a value that only gpg can judge: makes no sense|could not parse|you cannot|no = sign|notation name
a value that only gpg can judge: not allowed with|missing colon
a value that only gpg can judge: wrote [0-9]+ bytes but expected|: Forbidden$
what the key may do: already|[Aa]mbiguous|[Nn]ot changed|created in the future|time warp|expired
what the key may do: revoked|[Uu]nsupported|not support
the homedir: keyblock resource|keyring|trustdb|homedir|permission
"""
EXCUSES = [line.split(": ", 1) for line in EXCUSES_TEXT.strip().split("\n")]


def excuse(said: str) -> str:
    """Why gpg made no signature though it could have: one of EXCUSES, or ""."""
    for name, pattern in EXCUSES:
        if re.search(pattern, said, re.MULTILINE):
            return "" if name == MINE else name
    return ""


#: Options that send what gpg says to a file.
LOGS = ("log-file", "logger-file")


class Trial(NamedTuple):
    """The result of gpg: whether it signed, its exit status, and its messages."""

    signed: bool
    status: int | str
    said: str


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()):
        number = ctypes.get_errno()
        raise OSError(number, f"mount {kind} on {target}: {os.strerror(number)}")


def seclude(root: str, base: str) -> None:
    """Make `root` the root of this process alone, under an overlay that is gone with it.

    `base` is an empty directory to build it on.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000):  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", "none", 0x4000 | 0x40000)  # MS_REC | MS_PRIVATE
    mount("tmpfs", base, "tmpfs")
    for name in ("upper", "work", "root"):
        os.mkdir(f"{base}/{name}")
    layers = f"lowerdir={root},upperdir={base}/upper,workdir={base}/work"
    mount("overlay", f"{base}/root", "overlay", 0, layers)
    mount("proc", f"{base}/root/proc", "proc")
    mount("/dev", f"{base}/root/dev", "none", 0x1000 | 0x4000)  # MS_BIND | MS_REC
    mount("tmpfs", f"{base}/root/tmp", "tmpfs", 0, "mode=1777")
    with contextlib.suppress(FileNotFoundError):  # it would look for a network till time is up
        os.unlink(f"{base}/root/usr/bin/dirmngr")
    os.chroot(f"{base}/root")
    os.chdir("/tmp")
    Path("/etc/gnupg").mkdir(exist_ok=True)
    os.chown("/etc/gnupg", NOBODY, NOBODY)


def become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


class Court:
    """The real gpg, and a home with two homedirs, each with keys and an agent that logs."""

    def __init__(self, gpg: str, system: bool) -> None:
        self.gpg = gpg
        self.system = system
        self.home = Path(tempfile.mkdtemp(prefix="c", dir="/tmp"))
        self.pristine = Path(tempfile.mkdtemp(prefix="p", dir="/tmp"))
        self.environ = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        self.rings = [self.home / ".gnupg", self.home / "b"]
        self.agents: list[subprocess.Popen[bytes]] = []
        for ring in self.rings:
            ring.mkdir(mode=0o700)
            (ring / "gpg-agent.conf").write_text(
                f"log-file {ring}/agent.log\ndebug ipc\nallow-loopback-pinentry\n"
            )
            self.start_agent(ring)
            for who in (KEY, OTHER, VOUCHED):
                new = ["--homedir", str(ring), "--batch", "--passphrase", ""]
                self.must([*new, "--quick-gen-key", who, "ed25519", "sign,cert", "never"])
                fpr = self.fingerprint(ring, who)
                self.must([*new, "--quick-add-key", fpr, "cv25519", "encr", "never"])
            vouch = ["--batch", "--yes", "-u", KEY, "--quick-sign-key"]
            self.must(["--homedir", str(ring), *vouch, self.fingerprint(ring, VOUCHED)])
            self.must(["--homedir", str(ring), "--list-keys"])  # the trust database
        self.names = {"@HOME@": str(self.home), "@TIME@": str(int(time.time()) + 100)}
        self.names["@FPR@"] = self.fingerprint(self.rings[0], KEY)
        self.names["@OTHERFPR@"] = self.fingerprint(self.rings[0], OTHER)
        self.names["@VOUCHEDFPR@"] = self.fingerprint(self.rings[0], VOUCHED)
        for ring in self.rings:
            shutil.copytree(
                ring,
                self.pristine / ring.name,
                ignore=shutil.ignore_patterns("S.*", "agent.log", ".#*"),
            )
        self.clean = {ring: self.state(ring) for ring in self.rings}
        self.read = {ring: (ring / "agent.log").stat().st_size for ring in self.rings}

    def start_agent(self, ring: Path) -> None:
        command = ["gpg-agent", "--homedir", str(ring), "--daemon", "--no-detach"]
        agent = subprocess.Popen(
            command,
            env=self.environ,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.agents.append(agent)
        deadline = time.monotonic() + SECONDS
        while not (ring / "S.gpg-agent").exists():
            if time.monotonic() > deadline:
                raise TimeoutError("gpg-agent does not come up")
            time.sleep(0.02)

    def close(self) -> None:
        for agent in self.agents:
            agent.kill()
            agent.wait()
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.pristine, ignore_errors=True)

    def must(self, words: list[str]) -> str:
        done = subprocess.run(
            [self.gpg, *words], env=self.environ, stdin=subprocess.DEVNULL, capture_output=True
        )
        if done.returncode:
            raise RuntimeError(f"{words}: {done.stderr.decode()}")
        return done.stdout.decode()

    def fingerprint(self, ring: Path, who: str) -> str:
        printed = self.must(["--homedir", str(ring), "--with-colons", "--list-keys", who])
        return next(line.split(":")[9] for line in printed.splitlines() if line.startswith("fpr"))

    def state(self, ring: Path) -> dict[str, tuple[int, int, int]]:
        """The state of a homedir: if it differs, a case has changed the homedir."""
        found = {}
        for folder in (ring, ring / "private-keys-v1.d"):
            with contextlib.suppress(FileNotFoundError):
                for entry in os.scandir(folder):
                    if (
                        not entry.name.startswith(("S.", "agent.log", "random_seed"))
                        and not entry.is_dir()
                    ):
                        about = entry.stat()
                        found[entry.path] = (about.st_size, about.st_mtime_ns, about.st_ino)
        return found

    def restore(self, ring: Path) -> None:
        """Put the keys back; the agent reads them from disk each time."""
        now = self.state(ring)
        if now == self.clean[ring]:
            return
        for path in now:
            os.unlink(path)
        shutil.copytree(self.pristine / ring.name, ring, dirs_exist_ok=True)
        self.clean[ring] = self.state(ring)

    def place(self, name: str) -> Path:
        return Path(optiontable.SYSTEM_CONF) if name == SYSTEM else self.home / name

    def named(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(name, value)
        return text

    def prepare(self, one: Case) -> tuple[list[str], dict[str, str]]:
        """Lay out the files of a case; give its words and environment with our names in them."""
        for ring in self.rings:
            self.restore(ring)
        for entry in os.scandir(self.home):
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in (".gnupg", "b"):
                    shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)
        for name in FILES:
            (self.home / name).write_text(f"the text of {name}\n")
        parameters = "Key-Type: eddsa\nKey-Curve: ed25519\nName-Real: n4\n%no-protection\n%commit\n"
        (self.home / "keyparms").write_text(parameters)
        (self.home / ".stdin").write_text("y\nthe text of stdin\n")
        if self.system:
            Path(optiontable.SYSTEM_CONF).unlink(missing_ok=True)
        for name, text in one.files.items():
            self.place(name).write_text(text)
        environ = self.environ | {name: self.named(value) for name, value in one.environ.items()}
        return [self.named(word) for word in one.words], environ

    def run(self, words: list[str], environ: dict[str, str], logs: Iterable[str] = ()) -> Trial:
        """Run the real gpg, and see whether an agent signed. It may log to the files `logs`."""
        with (
            open(self.home / ".stdin", "rb") as stdin,
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
        ):
            child = subprocess.Popen(
                [self.gpg.encode(), *(word.encode("utf-8", "surrogateescape") for word in words)],
                env=environ,
                cwd=self.home,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
            try:
                status: int | str = child.wait(SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                status = "timeout"
            said = ""
            for stream in (stderr, stdout):  # it may have been told to log to stdout, or to a file
                stream.seek(0)
                said += stream.read(1 << 14).decode("utf-8", "replace")
        for log in logs:
            with contextlib.suppress(OSError, ValueError):
                said += (self.home / log).read_text(errors="replace")
        return Trial(sum(self.signatures(ring) for ring in self.rings) > 0, status, said)

    def signatures(self, ring: Path) -> int:
        """How many signatures this agent has made since we looked."""
        log = ring / "agent.log"
        with open(log, "rb") as stream:
            stream.seek(self.read[ring])
            text = stream.read().decode("utf-8", "replace")
        self.read[ring] += len(text.encode())
        if self.read[ring] > 1 << 24:
            os.truncate(log, 0)
            self.read[ring] = 0
        asked = 0
        for channel in re.findall(r"(chan_\d+) <- PKSIGN", text):
            after = text[text.index(f"{channel} <- PKSIGN") :]
            answer = re.search(channel + r" -> (OK|ERR)", after)
            asked += answer is None or answer[1] == "OK"
        return asked


# --- the sitting ----------------------------------------------------------------------------------


def find(reading: decision.Reading, trial: Trial) -> str:
    """The result of a case: `signed` and `passed` agree, DISAGREE does not, others are excused."""
    asked = reading.verdict == decision.SIGN
    if asked == trial.signed:
        return "signed" if asked else "passed"
    if trial.signed:
        return "DISAGREE: signed, and was not asked"
    if reading.doubt:
        return "asked in doubt"
    if trial.status == "timeout":
        return "excused: out of time"
    commands = {COMMANDS[one.name][0] for one in reading.options if one.name in COMMANDS}
    if commands & {"edit-key", "edit-card"}:
        return "excused: the later input signs nothing"
    if "quick-revoke-sig" in commands and trial.status == 0:
        return "excused: no such signature to revoke"  # gpg says nothing then, and is content
    why = excuse(trial.said)
    return f"excused: {why}" if why else "DISAGREE: asked, and had no need"


def sit(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Try our share of the cases; a finding each, in full where it is to be shown."""
    cases = [Case(*one) for one in json.load(sys.stdin)] if given.cases else []
    if given.base:
        seclude(given.root, given.base)
        become_nobody()
    table = optiontable.load(optable.of(given.gpg, dict(os.environ)))
    rows = [row for row in table.rows() if row[0] not in SLOW]
    court = Court(given.gpg, system=bool(given.base))
    try:
        for number in range(given.share, given.n, given.workers):
            if cases:
                one = cases[number]
            else:
                one = case(given.seed, number, rows, table.version, court.system)
            words, environ = court.prepare(one)
            reading = decision.read(words, table, environ, plainfile.file_in(str(court.home)))
            logs = [one.value or "" for one in reading.options if one.name in LOGS]
            trial = court.run(words, environ, logs)
            finding = find(reading, trial)
            result: dict[str, Any] = {"finding": finding, "version": table.version}
            if finding.startswith(("DISAGREE", given.show)):
                result["shown"] = (
                    f"--- case {number} of seed {given.seed}: {finding}; gpg: {trial.status}\n"
                    f"files: {one.files}  environment: {one.environ}\n"
                    f"{explain.reading(reading, table)}gpg says:\n{trial.said}"
                )
            yield result
    finally:
        court.close()


def hold(given: argparse.Namespace, cases: list[Case] | None = None) -> list[dict[str, Any]]:
    """Try these cases, or cases 0 to n-1 of a seed, in several processes; all findings."""
    given.n = len(cases) if cases else given.n
    if os.geteuid() == 0 and not given.root:
        raise PermissionError("generated command lines are never run as root: no root to seclude")
    results: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        children = []
        for index in range(given.workers):
            command = [sys.executable, "-m", "tools.judge", "--share", str(index)]
            for name in ("seed", "n", "gpg", "root", "workers", "show"):
                command.append(f"--{name}={getattr(given, name)}")
            if given.root:
                base = stack.enter_context(tempfile.TemporaryDirectory(prefix="judge-"))
                command.append(f"--base={base}")
            command += ["--cases"] if cases else []
            if Path(f"/run/user/{os.geteuid()}").exists() and not given.root:
                # There, the agents of all homes that are called .gnupg would share one socket.
                hidden = ["--tmpfs", "/run/user", "--die-with-parent"]
                command = ["bwrap", "--dev-bind", "/", "/", *hidden, *command]
            # To a file: a pipe would fill, and its writer wait, while another's is read.
            found = stack.enter_context(tempfile.TemporaryFile("w+"))
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=found, text=True)
            children.append((stack.enter_context(child), found))
            assert child.stdin
            json.dump(cases or [], child.stdin)
            child.stdin.close()
        for child, found in children:
            child.wait()
            found.seek(0)
            results += map(json.loads, found)
    if len(results) != given.n:
        raise RuntimeError(f"the judge died: {len(results)} findings for {given.n} cases")
    return results


def options(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.judge")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--gpg", default="/usr/bin/gpg")
    parser.add_argument("--root", default="/" if os.geteuid() == 0 else "", help="see above")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--show", default="DISAGREE", help="also show findings that begin so")
    parser.add_argument("--share", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--base", default="", help=argparse.SUPPRESS)
    parser.add_argument("--cases", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(words)


def main() -> int:
    given = options()
    if given.share is not None:
        for result in sit(given):
            print(json.dumps(result))
        return 0
    began = time.monotonic()
    results = hold(given)
    for result in results:
        if "shown" in result:
            print(result["shown"])
    took = time.monotonic() - began
    versions = ", ".join(sorted({result["version"] for result in results}))
    print(f"gpg {versions}, seed {given.seed}, {given.n} cases, {took:.0f} s:")
    counts = Counter(result["finding"] for result in results)
    for finding, count in sorted(counts.items()):
        print(f"{count:8} {finding}")
    return 1 if any(finding.startswith("DISAGREE") for finding in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
