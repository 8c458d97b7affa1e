# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs programs without gpgshim and in a job with the lock, and compares the results.

Rule 1: all runs begin with the same home, at the same path, with the same key. gpg's clock stands
still, so a signature by an ed25519 key has the same bytes.
Rule 2: everything is compared: output, exit statuses, and the files of the home. A difference that
must be has a row in SAME or in UNLIKE, with its reason.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from gpgshim.core.terms import Form
from tests.support import skips
from tests.support.login import PYTHON, Login
from tests.support.scratch import CHECKOUT, GPG

USER = "U <u@example.org>"
DATE = "2027-01-01T00:00:00Z"
CLOCK = "faked-system-time 20270101T000000!\n"

#: Text that differs from one run to the next -> its replacement.
SAME = {
    # The job's GNUPGHOME is a name of the same home. gpg prints names of its files, underlined.
    r"[^\s'\"\[:]*/run/gpgshim/[^/\s]+/gnupg\b": "@GNUPGHOME@",
    r"(?m)^-{20,}$": "@LINE@",
    # The stunt gpgconf names the stunt gpg, also without the lock.
    r"[^\s'\"\[:]*/run/gpgshim/[^/\s]+/bin/gpg\b": "/usr/bin/gpg",
    # At the lock's sockets a process listens always, which starts a daemon if need be.
    r"(?m)^gpg-connect-agent: (no running|waiting for the|connection to).*\n": "",
    # Parts of names that programs choose at random.
    r"(debsign\.|vtag_tmp|dpkg-sign\.|gpg-verify\.|pygpg-|aptly|duplicity-|push_cert_|tmp\.)"
    r"[\w-]{4,}(-tempdir)?": r"\1X",
    r"0x[0-9a-f]{8,}": "@ADDRESS@",
    # Times of programs that do not take them from the environment.
    r"\d{8}T\d{6}Z": "@TIME@",
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[\d.,]*": "@TIME@",
    r"\b\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}": "@TIME@",
    r"(Time|Size|time) \d+(\.\d+)?( \([^)]*\))?": r"\1 @NUMBER@",  # statistics of duplicity
    r"is \d+\.\d+ s in the future": "is in the future",  # tar
    r"\[master [0-9a-f]{7}\]": "[master @COMMIT@]",  # pass: commits of files that are encrypted
    r"(?m)^(\x1b\[[\d;]*m)*[!-~]{12}(\x1b\[[\d;]*m)*$": "@PASSWORD@",  # pass generates it
    r"\b(gpg-agent|dirmngr)\[\d+\]": r"\1[@PID@]",
}

#: Files of which only the name and the mode are compared -> why their bytes differ.
UNLIKE = {
    r"\.gnupg/(agent\.log|random_seed|pinentry\.log)": "a log, and random bytes",
    r"\.gnupg/(pubring\.kbx~?|trustdb\.gpg|tofu\.db)": "times; the keys are listed instead",
    r"\.gnupg/public-keys\.d/pubring\.db": "the same, of keyboxd",
    r"\.gnupg/private-keys-v1\.d/.*": "a key that is made has random bytes",
    r"\.gnupg/openpgp-revocs\.d/.*": "the same",
    r".*\.git/index": "times and inodes of files",
    r".*\.(gpg|pgp)": "encryption takes a random key",
    r".*\.(buildinfo|changes)": "the time of the build",
    r"r/(db|dists)/.*": "times of reprepro",
    r"\.aptly/.*": "times of aptly",
    r"\.cache/.*": "times of duplicity",
    r".*\.rpm": "the time of the signature, which rpm takes from its own clock",
    r"secret": "an exported secret key is encrypted again",
}

#: Files that are not compared -> why.
BESIDE = {
    r"\.gnupg/S\..*": "sockets of a home, if it has no directory in /run/user",
    r"b/objects/.*": "a certificate of git push has a nonce with a time",
    r"\.password-store/\.git/.*": "commits of encrypted files",
    r"\.gnupg/(public-keys\.d/)?(\.#lk.*|pubring\.db\.lock)": "lock files of processes",
}


#: Answers each question with the passphrase `x`, and logs the questions.
PINENTRY = """\
#!/bin/sh
echo OK
while read -r word rest; do
    echo "$word" >>"$0.log"
    case $word in GETPIN) echo D x; echo OK;; BYE) echo OK; exit;; *) echo OK;; esac
done
"""

#: A form of the lock -> a program that fails where the form is not allowed.
NEEDS = {Form.ALIAS: ["true"], Form.NAMESPACE: ["unshare", "--mount", "--user", "true"]}


class Step(NamedTuple):
    """A step of a scene: its title, and a shell command, or a program of Python."""

    title: str
    script: str


def recorded() -> ModuleType:
    """The program that records fixtures/callers, with its scenes."""
    loader = SourceFileLoader("callers_record", str(CHECKOUT / "fixtures/callers/record"))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


class Ran(NamedTuple):
    """The results of a scene: texts by name, and files by path."""

    texts: dict[str, str]
    files: dict[str, str]


class Pair(Login):
    """A user's home that is put back before each run."""

    def __init__(self, before: Sequence[str], *, keyboxd: bool = False) -> None:
        """Run the shell commands `before` in the home, once for all runs.

        With `keyboxd`, GnuPG's daemon of this name has the public keys, from GnuPG 2.4 on.
        """
        super().__init__()
        if keyboxd:
            (self.key.home / "common.conf").write_text("use-keyboxd\n")
            self.give_away()
        self.home = self.root / "home"
        self.steps = self.root / "steps"
        self.steps.mkdir()
        fingerprint = self.make_key(USER, "ed25519", "sign,cert", "never")
        self.key = self.key._replace(fingerprint=fingerprint)
        quick = (GPG, "--batch", "--passphrase", "", "--quick-add-key", fingerprint)
        self.must(*quick, "cv25519", "encr", "never")
        (self.key.home / "pinentry").write_text(PINENTRY)
        (self.key.home / "pinentry").chmod(0o755)
        with (self.key.home / "gpg-agent.conf").open("a") as conf:
            conf.write(
                f"pinentry-program {self.key.home}/pinentry\nenable-ssh-support\ns2k-count 65536\n"
            )
        (self.key.home / "gpg.conf").write_text(f"{CLOCK}default-key {fingerprint}\n")
        (self.home / "f").write_text("x\n")
        self.env |= {
            "FPR": fingerprint,
            "TMPDIR": str(self.root / "tmp"),
            "PYTHONPATH": f"{self.env['PYTHONPATH']}:{self.root}/modules",
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
            "DEBEMAIL": "u@example.org",
            "DEBFULLNAME": "U",
        }
        for who in ("AUTHOR", "COMMITTER"):
            self.env |= {
                f"GIT_{who}_NAME": "U",
                f"GIT_{who}_EMAIL": "u@example.org",
                f"GIT_{who}_DATE": DATE,
            }
        for name in ("tmp", "modules"):
            (self.root / name).mkdir()
        found = find_spec("gnupg")  # that of the tests, which is newer than that of Debian 12
        if found and found.origin:
            shutil.copy(found.origin, self.root / "modules")
        self.give_away()
        self._kill()  # gpg-agent has not read its new configuration
        for command in before:
            self.must("bash", "-c", f"cd; {command}")
        self._kill()
        self._copy(self.home, self.root / "saved")

    def skip_unless_possible(self, form: Form) -> None:
        """Skip the test if this machine does not allow what the form of the lock needs."""
        allowed = self.call(*NEEDS[form])
        if allowed.status:
            skips.unless_allowed("namespaces", allowed.err)

    def must(self, *words: str | Path) -> str:
        """Run a program, which must succeed."""
        done = self.call(*words)
        assert done.status == 0, (words, done.err)
        return done.out

    def _kill(self) -> None:
        self.call("gpgconf", "--kill", "all")

    def _copy(self, source: Path, target: Path) -> None:
        self.must("cp", "-a", source, target)

    def run_scene(self, steps: Sequence[Step], form: Form | None) -> Ran:
        """Run the steps, in this order, from the home as it was at first.

        They run in a job with this form of the lock; without gpgshim if `form` is None.
        """
        self._kill()
        shutil.rmtree(self.home)
        self._copy(self.root / "saved", self.home)
        for path in self.steps.iterdir():
            path.unlink()
        driver = ["cd"]
        for number, step in enumerate(steps):
            is_python = step.script.startswith("\nimport")
            head = "import os; FPR = os.environ['FPR']" if is_python else ""
            (self.steps / f"{number}.step").write_text(f"{head}\n{step.script}\n")
            start = f"{PYTHON if is_python else 'bash'} {self.steps}/{number}.step"
            to = f"{self.steps}/{number}"
            driver.append(f"{start} >{to}.out 2>{to}.err </dev/null; echo $? >{to}.status")
        (self.steps / "driver").write_text("\n".join([*driver, "exit 0"]) + "\n")
        self.give_away()
        words = ["sh", str(self.steps / "driver")]
        if form:
            done = self.gpgshim("run", f"--lock-agent={form}", "--commit", "true", "--", *words)
        else:
            done = self.call(*words)
        assert (done.status, done.err) == (0, done.err), done.out
        texts = {
            f"{step.title}: {kind}": self._same((self.steps / f"{number}.{kind}").read_text())
            for number, step in enumerate(steps)
            for kind in ("status", "out", "err")
        }
        texts["the keys at the end"] = self._listed()
        return Ran(texts, dict(self._files()))

    def _same(self, text: str) -> str:
        for pattern, replacement in SAME.items():
            text = re.sub(pattern, replacement, text)
        return text.replace(str(self.key.home), "@GNUPGHOME@").replace(str(self.root), "@ROOT@")

    def _listed(self) -> str:
        """The keys of the home. Those that a scene made have random names."""
        text = self.call(GPG, "--with-colons", "--check-sigs").out
        ours = self.key.fingerprint
        return re.sub(
            r"\b[0-9A-F]{16,40}\b",
            lambda found: found[0] if ours.endswith(found[0]) else "@ID@",
            text,
        )

    def _files(self) -> Iterator[tuple[str, str]]:
        """The name of each file and link below the home, with its mode and content."""
        seen: dict[str, int] = {}
        for path in sorted(self.home.rglob("*")):
            shown = str(path.relative_to(self.home))
            if any(re.fullmatch(pattern, shown) for pattern in BESIDE):
                continue
            is_unlike = any(re.fullmatch(pattern, shown) for pattern in UNLIKE)
            name = re.sub(r"[0-9A-F]{40}(\.key|\.rev)", r"@ID@\1", self._same(shown))
            if is_unlike:
                seen[name] = seen.get(name, 0) + 1
                name += f" {seen[name]}"
            mode = path.lstat().st_mode
            if path.is_symlink():
                yield name, f"-> {path.readlink()}"
            elif stat.S_ISREG(mode) and not is_unlike:
                data = self._same(path.read_text("latin-1")).encode("latin-1", "replace")
                yield name, f"{stat.filemode(mode)} {hashlib.sha256(data).hexdigest()}"
            else:
                yield name, stat.filemode(mode)


def differences(one: Ran, other: Ran) -> list[str]:
    """What the two runs have not in common, in lines."""
    found: list[str] = []
    for name in [*one.texts, *(each for each in other.texts if each not in one.texts)]:
        a, b = one.texts.get(name, ""), other.texts.get(name, "")
        if a != b:
            lines = difflib.unified_diff(a.splitlines(), b.splitlines(), n=0, lineterm="")
            found += [name, *(f"    {line}" for line in [*lines][2:])]
    for name in sorted({*one.files, *other.files}):
        a, b = one.files.get(name, "missing"), other.files.get(name, "missing")
        if a != b:
            found.append(f"{name}: {a}, {b}")
    return found
