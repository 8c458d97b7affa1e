# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A smartcard in software: a token of SoftHSM, with gnupg-pkcs11-scd in place of scdaemon.

gpg-agent has a stub in place of the secret key, and lets the card sign. The PIN comes from a
pinentry that asks nobody.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

from tests.support import skips
from tests.support.login import Login

DAEMON = "/usr/bin/gnupg-pkcs11-scd"
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
USER = "card@example.org"

PINENTRY = """\
#!/bin/sh
echo OK
while read -r word rest; do
    case $word in GETPIN) echo D 1234; echo OK;; BYE) echo OK; exit;; *) echo OK;; esac
done
"""

#: Makes a token with a key and its certificate, without which gnupg-pkcs11-scd shows no key.
MAKE = f"""\
set -e
softhsm2-util --init-token --free --label card --so-pin 1234 --pin 1234
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=card
openssl pkcs8 -topk8 -nocrypt -in key.pem -out key.p8
openssl x509 -in cert.pem -outform DER -out cert.der
softhsm2-util --import key.p8 --token card --label card --id 01 --pin 1234
pkcs11-tool --module {MODULE} --token-label card --login --pin 1234 \\
    --write-object cert.der --type cert --id 01 --label card
rm key.pem key.p8 cert.pem cert.der
"""

PARAMETERS = "Key-Type: RSA\nKey-Grip: {grip}\nKey-Usage: sign\nName-Email: {user}\n%commit\n"


class Card(NamedTuple):
    """The card: its key's `fingerprint` in the home, its `name` of the key, and its log."""

    fingerprint: str
    name: str
    log: Path

    def signings(self) -> int:
        """How many commands that sign the card got."""
        log = self.log.read_text("utf-8", "replace").upper()
        return len(re.findall("<- PK(SIGN|AUTH)", log))


def insert(login: Login) -> Card:
    """Give gpg-agent of this home a card with a key."""
    programs = (DAEMON, "softhsm2-util", "pkcs11-tool", "openssl")
    skips.unless_installed("test", *map(shutil.which, programs))
    home, log = login.key.home, login.root / "card.log"
    (login.root / "tokens").mkdir()
    (login.root / "softhsm2.conf").write_text(f"directories.tokendir = {login.root}/tokens\n")
    login.env["SOFTHSM2_CONF"] = str(login.root / "softhsm2.conf")
    (home / "pinentry").write_text(PINENTRY)
    (home / "pinentry").chmod(0o755)
    with (home / "gpg-agent.conf").open("a") as conf:
        conf.write(f"pinentry-program {home}/pinentry\nscdaemon-program {DAEMON}\n")
    (home / "gnupg-pkcs11-scd.conf").write_text(
        f"providers soft\nprovider-soft-library {MODULE}\nlog-file {log}\nverbose\ndebug-all\n"
    )
    (login.root / "make-card").write_text(MAKE)
    login.give_away()
    login.call("gpgconf", "--kill", "gpg-agent")
    _must(login, "sh", "make-card")
    learned = _must(login, "gpg-connect-agent", "SCD LEARN --force", "LEARN", "/bye")
    found = re.search(r"^S KEYPAIRINFO ([0-9A-F]{40}) (\S+)", learned, re.MULTILINE)
    assert found, learned
    (login.root / "parameters").write_text(PARAMETERS.format(grip=found[1], user=USER))
    login.give_away()
    words = ("gpg", "--batch", "--status-fd", "1", "--full-generate-key", "parameters")
    made = re.search(r"KEY_CREATED \S (\S+)", _must(login, *words))
    assert made
    return Card(made[1], found[2], log)


def _must(login: Login, *words: str) -> str:
    done = login.call(*words)
    assert done.status == 0, (words, done.err)
    return done.out
