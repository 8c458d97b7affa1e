# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user with a login session: with /run/user/UID, where GnuPG has the sockets of agents.

The lock of gpg-agent needs this directory, and a user that is not root. If root runs the tests,
programs run as another user, in a mount namespace with a /run/user of their own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.support.scratch import GPG, Key, Scratch, short_directory

USER = 65534  #: nobody
PYTHON = "/usr/bin/python3"  #: for that user

#: Mounts its first word at /run/user, and runs the others as the user of the second.
AS_USER = """\
mount --bind "$1" /run/user && shift &&
exec setpriv --reuid "$1" --regid "$1" --clear-groups -- sh -c 'shift; exec "$@"' sh "$@"
"""

FIRST = ["Oracle <o@example.org>", "ed25519", "sign", "never"]
SECOND = ["Other <x@example.org>", "rsa2048", "sign", "never"]


class Login(Scratch):
    """A scratch directory whose programs run in the session of a user.

    `sockets` is the directory of the agents' sockets of this user, which is GnuPG's own.
    """

    def __init__(self) -> None:
        self.user = USER if os.getuid() == 0 else os.getuid()
        root = short_directory()
        root.chmod(0o755)
        super().__init__(root, Key(root / "home/.gnupg", ""))
        session = root / "user" if os.getuid() == 0 else Path("/run/user")
        self.sockets = session / str(self.user) / "gnupg"
        del self.env["GNUPGHOME"]
        if os.getuid() == 0:
            (session / str(self.user)).mkdir(0o700, parents=True)
            self._give_away()
        self.key.home.mkdir(0o700)
        (self.key.home / "gpg-agent.conf").write_text(
            f"debug ipc\nlog-file {self.key.home}/agent.log\nallow-loopback-pinentry\n"
        )
        if os.getuid() == 0:
            self._give_away()

    def _give_away(self) -> None:
        for directory, _, names in os.walk(self.root):
            for path in (directory, *(f"{directory}/{name}" for name in names)):
                os.chown(path, self.user, self.user, follow_symlinks=False)

    def _start(self, words, more):  # type: ignore[no-untyped-def]
        if os.getuid() == 0:
            prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", AS_USER, "sh"]
            if words[0] == sys.executable:  # it may be in root's home
                words = [PYTHON, *words[1:]]
            words = [*prefix, self.root / "user", str(self.user), *words]
        return super()._start(words, more)

    def make_key(self, *parameters: str) -> str:
        """A key without a passphrase; its fingerprint."""
        words = (GPG, "--batch", "--status-fd", "1", "--passphrase", "", "--quick-gen-key")
        done = self.call(*words, *(parameters or FIRST))
        return next(x.split()[3] for x in done.out.splitlines() if "KEY_CREATED" in x)
