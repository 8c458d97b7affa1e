# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a program that calls gpg do the same in a job with the lock of gpg-agent as without gpgshim?

The programs are those of fixtures/callers that this machine has, and GnuPG's own operations. Their
outputs, exit statuses and files are compared (tests/support/beside.py).
"""

from __future__ import annotations

import shutil

import pytest

from tests.support import skips
from tests.support.beside import Pair, Ran, Step, differences, recorded
from tests.support.login import PYTHON

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
    Step("dirmngr", "gpg-connect-agent --dirmngr 'GETINFO version' /bye; gpgconf --kill dirmngr"),
    Step("a keyserver", "gpg --keyserver hkp://127.0.0.1:9 --recv-keys 0123456789ABCDEF"),
    Step("gpg-agent, directly", "gpg-connect-agent 'GETINFO version' 'KEYINFO --list' /bye"),
    Step("ssh", f"{AGENT_SSH} ssh-add -L; {AGENT_SSH} ssh-keygen -Y sign -n file -f id.pub f"),
    Step("gpgsm", "gpgsm -k; gpgsm -K"),
    Step("kill", "gpgconf --kill gpg-agent; gpgconf --kill all; gpg -K | grep -c ^sec"),
    Step("reload", "gpgconf --reload gpg-agent; gpg-connect-agent 'GETINFO version' /bye"),
    Step("launch", "gpgconf --launch gpg-agent && gpg --yes -a -b f && gpg --verify f.asc"),
    Step("options", "gpgconf --list-options gpg-agent; gpgconf --check-programs"),
]  # fmt: skip


def both(pair: Pair, steps: list[Step]) -> tuple[Ran, Ran]:
    try:
        return pair.run_scene(steps, locked=False), pair.run_scene(steps, locked=True)
    finally:
        pair.end()


@pytest.mark.parametrize("caller", RECORDED.SCENES)
def test_a_caller_does_the_same(caller: str) -> None:
    skips.unless_installed("callers", shutil.which(NEEDS.get(caller, caller)))
    _, before, steps = RECORDED.SCENES[caller]
    filled = [Step(title, script.replace("@PACKAGE@", RECORDED.PACKAGE)) for title, script in steps]
    prepare = [before.replace("@PACKAGE@", RECORDED.PACKAGE)] if before else []
    plain, locked = both(Pair(prepare), filled)
    assert not differences(plain, locked)


def test_the_operations_of_gnupg_do_the_same() -> None:
    plain, locked = both(Pair(BEFORE), OPERATIONS)
    assert not differences(plain, locked)
