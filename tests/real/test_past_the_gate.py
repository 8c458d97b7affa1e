# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the outcome still true if a program signs past the gate?

Each row is a real program that does not use the job's PATH. It signs without a grant, so no text of
ours may claim that nothing was signed. SECURITY.md lists these programs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from gpgshim.core.gate import Outcome
from tests.support import skips
from tests.support.scratch import CHECKOUT, GPG, REFUSE, Key, Scratch
from tests.support.sources import HELLO

SIGN = "gpg --batch --yes -b f"
IN_TREE = f"{HELLO} && cd hello-1 && git init -q && git add -A && git commit -q -m first && cd .."


class Way(NamedTuple):
    """A way past the gate; `past` signs, and `made` is the file that then has a signature."""

    needs: str
    package: str  # of Debian, that has it
    past: str
    made: str = "f.sig"
    prepare: str = "true"


#: What SECURITY.md calls it -> the way.
WAYS = {
    "debuild": Way(
        "debuild", "devscripts",
        "cd hello-1 && debuild --no-lintian -d -S -k{key}", "hello_1.dsc", HELLO,
    ),
    "gbp buildpackage": Way(
        "gbp", "git-buildpackage",
        "cd hello-1 && gbp buildpackage --git-ignore-branch"
        " --git-builder='debuild --no-lintian -i -I' -S -d -k{key}",
        "hello_1.dsc", IN_TREE,
    ),
    "sudo": Way("sudo", "sudo", f"sudo -n GNUPGHOME=$GNUPGHOME {SIGN}"),
    "bash -l": Way("bash", "bash", f"bash -lc '{SIGN}'"),
    "su -": Way(
        "su", "util-linux", f"su - $(id -un) -c \"cd $PWD; GNUPGHOME=$GNUPGHOME {SIGN}\"",
    ),
    "env -i": Way("env", "coreutils", f"env -i GNUPGHOME=$GNUPGHOME {SIGN}"),
    "command -p gpg": Way("sh", "dash", f"command -p {SIGN}"),
    "export PATH :=": Way(
        "make", "make", "make -s",
        prepare=f"printf 'export PATH := /usr/bin:/bin\\nall:\\n\\t{SIGN}\\n' >Makefile",
    ),
    "gpgtar": Way("gpgtar", "gpg", "gpgtar --sign --output f.sig f"),
    "gpg2": Way("gpg2", "gnupg2", f"gpg2{SIGN[3:]}"),
    "gpg.program": Way(
        "git", "git", "git -c gpg.program=/usr/bin/gpg commit -q -S --allow-empty -m first",
        ".git/HEAD", "git init -q && git config user.signingKey {key}",
    ),
    "/usr/bin/gpg": Way(GPG, "gpg", f"{GPG}{SIGN[3:]}"),
    "bwrap": Way(
        "bwrap", "bubblewrap",
        "w=${PATH#*:}; bwrap --dev-bind / / --tmpfs $XDG_RUNTIME_DIR --tmpfs ${w%%:*} sh -c '"
        + SIGN + "'",
    ),
}  # fmt: skip


#: The same, done as SECURITY.md advises.
HELPED = {
    "bash -l": f"bash -c '{SIGN}'",
    "su -": f"su $(id -un) -c '{SIGN}'",
    "env -i": f'env -i PATH="$PATH" GNUPGHOME=$GNUPGHOME {SIGN}',
    "command -p gpg": f"command {SIGN}",
    "export PATH :=": (
        f"printf 'export PATH := $(PATH):/opt/bin\\nall:\\n\\t{SIGN}\\n' >Makefile && make -s"
    ),
    "gpgtar": 'gpgtar --sign --gpg "$(command -v gpg)" --output f.sig f',
    "gpg.program": (
        "git init -q && git -c user.signingKey={key} commit -q -S --allow-empty -m first"
    ),
    "bwrap": (
        "bwrap --dev-bind / / --tmpfs $XDG_RUNTIME_DIR"
        f" --bind $XDG_RUNTIME_DIR/gpgshim $XDG_RUNTIME_DIR/gpgshim sh -c '{SIGN}'"
    ),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    found = WAYS[request.param]
    skips.unless_installed("test", shutil.which(found.needs))
    return found


@pytest.mark.parametrize(("end", "outcome"), [(0, Outcome.UNSIGNED), (3, Outcome.RETRIABLE)])
def test_the_outcome_does_not_deny_a_signature_that_the_gate_did_not_see(
    way: Way, end: int, outcome: Outcome, scratch: Scratch, key: Key
) -> None:
    work = scratch.root / "work"
    work.mkdir()
    (work / "f").write_text("hello\n")
    prepared = subprocess.run(
        ["sh", "-ec", way.prepare.replace("{key}", key.fingerprint)],
        cwd=work, env=scratch.env | IDENTITY, capture_output=True, text=True,
    )  # fmt: skip
    assert prepared.returncode == 0, prepared.stderr
    before = key.signings()
    command = way.past.replace("{key}", key.fingerprint)
    done = scratch.gpgshim(
        "run", "--job", "j", "--gpg", GPG, "--commit", REFUSE, "--",
        "sh", "-c", f"cd {work}; ({command}) || exit 99; exit {end}", **IDENTITY,
    )  # fmt: skip
    if key.signings() == before and CANNOT.search(done.err):
        skips.unless_allowed(way.needs, done.err)
    assert key.signings() > before, done.err
    assert (work / way.made).exists()

    assert scratch.verdict().outcome is outcome
    assert done.status == (75 if outcome is Outcome.RETRIABLE else 0)
    assert "no gpg under the gate was called to sign, and no request to commit was sent" in done.err
    for text in (done.err, *(scratch.gpgshim(*verb).out for verb in (["status"], ["show", "j"]))):
        assert not re.search(r"nothing was (signed|done)|no signature", text), text


@pytest.mark.parametrize("name", HELPED)
def test_the_advice_leads_to_the_gate(name: str, scratch: Scratch, key: Key) -> None:
    skips.unless_installed("test", shutil.which(WAYS[name].needs))
    (scratch.root / "f").write_text("hello\n")
    before = key.signings()
    command = HELPED[name].replace("{key}", key.fingerprint)
    done = scratch.gpgshim(
        "run", "--job", "j", "--gpg", GPG, "--commit", REFUSE, "--",
        "sh", "-c", f"cd {scratch.root}; {command}", **IDENTITY,
    )  # fmt: skip
    if CANNOT.search(done.err):
        skips.unless_allowed(name, done.err)
    assert "< refused" in scratch.lines(), done.err
    assert key.signings() == before


#: Messages of programs that exist, but that this machine or user may not use.
CANNOT = re.compile(
    r"a password is required|not allowed|Authentication failure|No permissions to create|"
    r"Operation not permitted|must be run from a terminal"
)
IDENTITY = {
    "GIT_AUTHOR_NAME": "Probe", "GIT_AUTHOR_EMAIL": "probe@example.org",
    "GIT_COMMITTER_NAME": "Probe", "GIT_COMMITTER_EMAIL": "probe@example.org",
}  # fmt: skip


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", "doc/USES.md"])
def test_the_pages_name_each(page: str) -> None:
    text = (Path(CHECKOUT) / page).read_text()
    missing = [name for name in WAYS if f"`{name}`" not in text]
    assert not missing
