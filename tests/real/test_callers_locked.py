# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a program that calls gpg do the same in a job with the lock of gpg-agent as without gpgshim?

The programs are those of fixtures/callers that this machine has, and GnuPG's own operations, with
keyboxd too. They run once without gpgshim, and once with each form of the lock. Their outputs,
exit statuses and files are compared (tests/support/beside.py).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from gpgshim.core.terms import Form
from tests.support import skips
from tests.support.beside import Pair, Ran, Step, differences, recorded
from tests.support.login import PYTHON
from tests.support.scratch import GPG

RECORDED = recorded()

#: The program that a scene needs, if it has not the name of the caller.
NEEDS = {
    "dpkg": "dpkg-buildpackage",
    "python-gnupg": PYTHON,
    "gpgme": PYTHON,
}

OTHER = (
    "mkdir -m 700 other; gpg --homedir other --batch -q --passphrase '' --quick-gen-key"
    " other@example.org ed25519 sign never; gpg --homedir other --export -a >other.key;"
    " gpgconf --homedir other --kill all; rm -r other"
)
FPR = "$(gpg --with-colons -k {} | sed -n 's/^fpr:*\\(.*\\):/\\1/p' | head -1)"
GUARDED = (
    "gpg --batch --passphrase x --quick-gen-key guarded@example.org ed25519 sign,cert never &&"
    f" gpg --batch --passphrase x --quick-add-key {FPR.format('guarded@example.org')}"
    " cv25519 encr never"
)
SSH = (
    "gpg --batch --passphrase '' --quick-gen-key ssh@example.org ed25519 auth,cert never &&"
    " gpg --with-keygrip --with-colons -k ssh@example.org | sed -n 's/^grp:*\\(.*\\):/\\1/p'"
    f" >.gnupg/sshcontrol && gpg --export-ssh-key {FPR.format('ssh@example.org')}! >id.pub"
)
BEFORE = (OTHER, GUARDED, SSH, "gpg -q --batch -e -r guarded@example.org -o for-guarded f")
#: Ends the daemons, and waits for their ends: one that ends can remove the socket of its successor.
KILL = (
    "pids=$(for each in '' --dirmngr --keyboxd; do gpg-connect-agent --no-autostart $each"
    " 'GETINFO pid' /bye; done 2>&1 | sed -n 's/^D //p'); gpgconf --kill all;"
    " for pid in $pids; do while grep -qs . /proc/$pid/cmdline; do sleep 0.1; done; done"
)
AGENT_SSH = "SSH_AUTH_SOCK=$(gpgconf --list-dirs agent-ssh-socket)"

OPERATIONS = [
    Step("import", "gpg --import other.key"),
    Step("export", "gpg --export -a $FPR"),
    Step("export of a secret key", "gpg --batch --export-secret-keys -a $FPR >secret"),
    Step("encrypt, decrypt", "gpg -q -e -r $FPR -o f.gpg f && gpg -d f.gpg"),
    Step("encrypt, symmetric", "gpg -q --pinentry-mode loopback --passphrase x -c -o c.gpg f &&"
         " gpg -q --pinentry-mode loopback --passphrase x -d c.gpg"),
    Step("decrypt, by pinentry", "gpg -d for-guarded; sort .gnupg/pinentry.log"),
    Step("list", "gpg -k; gpg -K --with-keygrip; gpg --check-sigs"),
    Step("generate a key", "gpg --batch -q --passphrase '' --quick-gen-key new@example.org 2>made"
         " && rm made; gpg --with-colons -k new@example.org | grep -c ^pub"),
    Step("delete a key", "gpg --batch --yes --delete-secret-and-public-key "
         + FPR.format("new@example.org")),
    Step("change a passphrase", "printf 'x\\ny\\ny\\n' |"
         " gpg --pinentry-mode loopback --command-fd 0 --passwd guarded@example.org"),
    Step("decrypt, by the new passphrase", "gpg -q --pinentry-mode loopback --passphrase y -d"
         " for-guarded"),
    Step("status of a card", "gpg --card-status"),
    Step("sign, verify", "gpg -a -b f && gpg --verify f.asc; gpgv --keyring ./.gnupg/pubring.kbx"
         " f.asc f"),
    Step("sign by pinentry", "gpg -u guarded@example.org --clearsign -o g.asc f;"
         " gpg --verify g.asc"),
    Step("dirmngr", f"gpg-connect-agent --dirmngr 'GETINFO version' /bye; {KILL}"),
    Step("a keyserver", "gpg --keyserver hkp://127.0.0.1:9 --recv-keys 0123456789ABCDEF"),
    Step("gpg-agent, directly", "gpg-connect-agent 'GETINFO version' 'KEYINFO --list' /bye"),
    Step("ssh", f"{AGENT_SSH} ssh-add -L; {AGENT_SSH} ssh-keygen -Y sign -n file -f id.pub f"),
    Step("gpgsm", "gpgsm -k; gpgsm -K"),
    Step("kill", f"gpgconf --kill gpg-agent; {KILL}; gpg -K | grep -c ^sec"),
    Step("reload", "gpgconf --reload gpg-agent; gpg-connect-agent 'GETINFO version' /bye"),
    Step("launch", "gpgconf --launch gpg-agent && gpg --yes -a -b f && gpg --verify f.asc"),
    Step("options", "gpgconf --list-options gpg-agent; gpgconf --check-programs"),
]  # fmt: skip

#: Besides, with keyboxd.
KEYBOXD = [
    Step("keyboxd, directly", "gpg-connect-agent --keyboxd 'GETINFO version' /bye"),
    Step("sign, verify again", f"{KILL}; gpg --yes -a -b f && gpg --verify f.asc"),
    Step("delete a public key", "gpg --batch --yes --delete-keys other@example.org;"
         " gpg -k --with-colons other@example.org"),
    Step("the database of keyboxd", "ls .gnupg/public-keys.d; ls .gnupg/pubring.kbx"),
]  # fmt: skip


def has_keyboxd() -> bool:
    listed = subprocess.run(["gpgconf", "--list-dirs"], stdout=subprocess.PIPE, text=True).stdout
    return "keyboxd-socket" in listed


class Scene(NamedTuple):
    """Steps to run, and shell commands `before` them, which prepare the home."""

    before: Sequence[str]
    steps: list[Step]
    needs: str = GPG
    keyboxd: bool = False


#: dpkg of Debian 13 prefers sq, where there is one. In a job it is told to sign with gpg.
WITH_GPG = ("dpkg-buildpackage -S", "dpkg-buildpackage --sign-backend=gpg --sign-command=gpg -S")


def of_caller(name: str) -> Scene:
    """The scene of a program of fixtures/callers."""
    _, before, steps = RECORDED.SCENES[name]
    filled = [
        Step(title, script.replace("@PACKAGE@", RECORDED.PACKAGE).replace(*WITH_GPG))
        for title, script in steps
    ]
    prepare = [before.replace("@PACKAGE@", RECORDED.PACKAGE)] if before else []
    return Scene(prepare, filled, NEEDS.get(name, name))


SCENES = {name: of_caller(name) for name in RECORDED.SCENES} | {
    "GnuPG": Scene(BEFORE, OPERATIONS),
    "GnuPG with keyboxd": Scene(BEFORE, OPERATIONS + KEYBOXD, keyboxd=True),
}


class Plain(NamedTuple):
    """A scene, its home, and its results without gpgshim."""

    scene: Scene
    pair: Pair
    ran: Ran


@pytest.fixture(scope="module", params=SCENES)
def plain(request: pytest.FixtureRequest) -> Iterator[Plain]:
    scene = SCENES[request.param]
    skips.unless_installed("callers", shutil.which(scene.needs))
    skips.unless(not scene.keyboxd or has_keyboxd(), "GnuPG 2.4", "make test, on Debian 13")
    pair = Pair(scene.before, keyboxd=scene.keyboxd)
    try:
        yield Plain(scene, pair, pair.run_scene(scene.steps, None))
    finally:
        pair.end()


@pytest.mark.parametrize("form", Form)
def test_a_program_does_the_same(plain: Plain, form: Form) -> None:
    plain.pair.skip_unless_possible(form)
    locked = plain.pair.run_scene(plain.scene.steps, form)
    assert not differences(plain.ran, locked)
    has_database = any("public-keys.d/pubring.db" in name for name in locked.files)
    assert has_database is plain.scene.keyboxd
