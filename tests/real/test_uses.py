# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other uses than tag2upload: do the programs with which people sign meet the gate?

Each is the real one, with the real gpg and a key of its own. Each is run twice: refused, it must
have signed nothing; granted, what it signed must verify. doc/USES.md says the same to people.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import skips
from tests.support.scratch import GPG, REFUSE, Key, Scratch
from tests.support.sources import HELLO

GIT = "git -c user.name=Probe -c user.email=probe@example.org -c user.signingKey={key}"


class Use(NamedTuple):
    """A program at work in a directory of its own. `{key}` in a command is the fingerprint."""

    needs: str  # the program; its Debian package has the same name, or PACKAGES has another
    prepare: str
    sign: str
    verify: str  # fails unless what `sign` signed is there, and good
    questions: int


USES = {
    "git tag -s": Use(
        "git",
        f"git init -q && {GIT} commit -q --allow-empty -m first",
        f"{GIT} tag -s -m release v1",
        "git verify-tag v1",
        1,
    ),
    "git commit -S": Use(
        "git",
        f"git init -q && {GIT} commit -q --allow-empty -m first",
        f"{GIT} commit -q -S --allow-empty -m second",
        "git verify-commit HEAD && git show -s --format=%s | grep second",
        1,
    ),
    "debsign": Use(
        "debsign",
        f"{HELLO} && dpkg-source -b hello-1 >/dev/null"
        " && cd hello-1 && touch ../hello_1_source.buildinfo"
        " && dpkg-genbuildinfo --build=source && dpkg-genchanges --build=source"
        " >../hello_1_source.changes",
        "debsign -k{key} hello_1_source.changes",
        "gpg --verify hello_1.dsc && gpg --verify hello_1_source.buildinfo"
        " && gpg --verify hello_1_source.changes",
        3,
    ),
    "debuild": Use(
        "debuild",
        HELLO,
        "cd hello-1 && debuild --preserve-envvar=PATH --no-lintian -d -S -k{key}",
        "gpg --verify hello_1.dsc && gpg --verify hello_1_source.changes",
        3,
    ),
    "gbp buildpackage": Use(
        "gbp",
        f"{HELLO} && cd hello-1 && git init -q && git add -A"
        " && git -c user.name=Probe -c user.email=probe@example.org commit -q -m first",
        # Where a build fails, as one whose signature is refused, gbp 0.9.38 removes its tree.
        "cd hello-1 && gbp buildpackage --git-no-purge --git-ignore-branch --git-ignore-new"
        " --git-builder="
        "'debuild --preserve-envvar=PATH --no-lintian -i -I' -S -d -k{key}",
        "gpg --verify hello_1.dsc && gpg --verify hello_1_source.changes",
        3,
    ),
    "rpmsign": Use(
        "rpmsign",
        "printf 'Name: hello\\nVersion: 1\\nRelease: 1\\nSummary: s\\nLicense: GPL\\n"
        "BuildArch: noarch\\n"
        "%%description\\nd\\n%%files\\n' >hello.spec"
        ' && rpmbuild -bb --quiet --define "_topdir $PWD" --define "_rpmdir $PWD" hello.spec',
        "rpmsign --define '_gpg_name {key}' --define \"__gpg $(command -v gpg)\""
        " --addsign noarch/hello-1-1.noarch.rpm",
        "rpm -qp --qf '%{RSAHEADER}%{DSAHEADER}%{SIGPGP}%{SIGGPG}' noarch/hello-1-1.noarch.rpm"
        " | grep -v '(none)(none)(none)(none)'",
        1,
    ),
    "python-gnupg": Use(
        sys.executable,
        "echo hello >f",
        f"{sys.executable} -c \"import gnupg; made = gnupg.GPG().sign_file('f', detach=True,"
        " output='f.sig'); raise SystemExit(made.status != 'signature created')\"",
        "gpg --verify f.sig f",
        1,
    ),
    "reprepro": Use(  # by gpgme, which asks gpgconf
        "reprepro",
        "mkdir conf && printf 'Codename: sid\\nArchitectures: source\\nComponents: main\\n"
        "SignWith: default\\n' >conf/distributions",
        "reprepro export sid",
        "gpg --verify dists/sid/InRelease && gpg --verify dists/sid/Release.gpg dists/sid/Release",
        2,
    ),
    "reprepro, by a hook": Use(
        "reprepro",
        "mkdir conf && printf 'Codename: sid\\nArchitectures: source\\nComponents: main\\n"
        "SignWith: !hook\\n' >conf/distributions"
        " && printf '#!/bin/sh\\nset -e\\n"
        '[ -z "$2" ] || gpg --batch --yes --clearsign -o "$2" "$1"\\n'
        '[ -z "$3" ] || gpg --batch --yes --armor --detach-sign -o "$3" "$1"\\n\''
        " >conf/hook && chmod +x conf/hook",
        "reprepro export sid",
        "gpg --verify dists/sid/InRelease && gpg --verify dists/sid/Release.gpg dists/sid/Release",
        2,
    ),
}


@pytest.fixture(params=USES)
def use(request: pytest.FixtureRequest) -> Use:
    found = USES[request.param]
    skips.unless_installed("test", shutil.which(found.needs))
    return found


@pytest.fixture
def sh(scratch: Scratch, key: Key) -> Callable[[str], None]:
    """Run a shell command outside of any job, in the directory of the use."""

    def run(command: str) -> None:
        done = subprocess.run(
            ["sh", "-ec", command],
            env=scratch.env,
            cwd=scratch.root / "work",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    (scratch.root / "work").mkdir()
    return run


def as_job(scratch: Scratch, command: str, commit: str) -> int:
    work = scratch.root / "work"
    options = ("--job", "j", "--gpg", GPG, "--commit", commit)
    done = scratch.gpgshim("run", *options, "--", "sh", "-ec", f"cd {work}; {command}")
    return done.status


def test_a_use(use: Use, scratch: Scratch, key: Key, sh: Callable[[str], None]) -> None:
    sh(use.prepare.replace("{key}", key.fingerprint))
    command = use.sign.replace("{key}", key.fingerprint)

    assert as_job(scratch, command, REFUSE) not in (0, 75)
    assert "= go" not in scratch.lines()
    assert scratch.lines().count("< refused") == 1
    with pytest.raises(AssertionError):
        sh(use.verify)

    assert as_job(scratch, command, "true") == 0
    assert scratch.lines().count("= go") == use.questions
    assert scratch.lines().count("> commit-to-public-upload") == 1
    assert scratch.verdict().outcome == "uploaded"
    sh(use.verify)


def test_the_page_shows_each() -> None:
    page = (Path(__file__).parents[2] / "doc/USES.md").read_text()
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    for name in USES:
        assert any(name.partition(",")[0] in line for line in headings), name
