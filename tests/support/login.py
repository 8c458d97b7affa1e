# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user with a login session: with /run/user/UID, where GnuPG has the sockets of agents.

The lock of gpg-agent needs this directory, and a user that is not root. If root runs the tests,
programs run as another user, in a mount namespace with a /run/user of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gpgshim.core.terms import Form
from tests.support import skips
from tests.support.scratch import CHECKOUT, GPG, Done, Key, Scratch, short_directory

NOBODY = 65534
PYTHON = "/usr/bin/python3"  #: for that user, who cannot enter root's home

#: Mounts its first word at /run/user, if that exists, and the second one at the third, where the
#: user can read it, wherever it is. Runs the others as the user that is the fourth one.
AS_USER = """\
{ test ! -e /run/user || mount --bind "$1" /run/user; } && mount --bind "$2" "$3" && shift 3 &&
exec setpriv --reuid "$1" --regid "$1" --clear-groups -- sh -c 'shift; exec "$@"' sh "$@"
"""

#: A command for `Login.before`: runs the others in a chroot that has everything, from the directory
#: of its first word.
IN_CHROOT = """\
mkdir -p chroot && mount --rbind / chroot &&
exec /usr/sbin/chroot chroot sh -c 'cd "$0" && exec "$@"' "$@"
"""

#: The parameters of --quick-gen-key for the first key of a home.
FIRST = ("Oracle <o@example.org>", "ed25519", "sign", "never")


class Login(Scratch):
    """A scratch directory whose programs run in the session of a user, with a signing key.

    `sockets` is the directory of the agents' sockets of this user, which is GnuPG's own. Without a
    session there is no /run/user/UID, and the sockets are in the home itself. `form` is the form of
    the lock.
    """

    def __init__(
        self, *, as_root: bool = False, has_session: bool = True, form: Form = Form.ALIAS
    ) -> None:
        self.form = form
        self.before: Sequence[str] = ()  # root's command in front of everything
        self.is_root = os.getuid() == 0
        self.user = 0 if as_root else NOBODY if self.is_root else os.getuid()
        root = short_directory()
        root.chmod(0o755)
        super().__init__(root, Key(root / "home/.gnupg", ""))
        self.session = root / "user" if self.is_root else Path("/run/user")
        self.sockets = self.session / str(self.user) / "gnupg"
        del self.env["GNUPGHOME"]
        if self.is_root:
            self._checkout = root / "checkout"
            self._checkout.mkdir()
            self.env["PYTHONPATH"] = str(self._checkout)
            self.session.mkdir()
            if has_session:
                self.sockets.parent.mkdir(0o700)
            else:
                self.sockets = self.key.home
        self.key.home.mkdir(0o700)
        conf = f"debug ipc\nlog-file {self.key.home}/agent.log\nallow-loopback-pinentry\n"
        (self.key.home / "gpg-agent.conf").write_text(conf)
        self.give_away()
        allowed = self.call("true")
        if allowed.status:
            skips.unless_allowed("mount namespaces", allowed.err)
        skips.unless(self.sockets.parent.is_dir(), f"{self.sockets.parent}", "make test, logged in")
        self.key = Key(self.key.home, self.make_key(*FIRST))

    def give_away(self) -> None:
        """Give all files to the user of the programs."""
        if self.is_root:
            for directory, _, names in os.walk(self.root):
                for path in (directory, *(f"{directory}/{name}" for name in names)):
                    os.chown(path, self.user, self.user, follow_symlinks=False)

    def _start(self, words: Sequence[str | Path], more: dict[str, str]) -> subprocess.Popen[str]:
        return super()._start(self.as_user(words), more)

    def as_user(self, words: Sequence[str | Path]) -> Sequence[str | Path]:
        """The words of a program, in the session of the user."""
        if not self.is_root:
            return words
        own = [PYTHON, *words[1:]] if words[0] == sys.executable else words
        prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", AS_USER, "sh"]
        mounts = [self.session, CHECKOUT, self._checkout]
        return [*self.before, *prefix, *mounts, str(self.user), *map(self._reached, own)]

    def _reached(self, word: str | Path) -> str | Path:
        """The path of a file of the checkout where the user can read it; another word as it is."""
        path = Path(word)
        return self._checkout / path.relative_to(CHECKOUT) if CHECKOUT in path.parents else word

    def make_key(self, *parameters: str) -> str:
        """A key without a passphrase; its fingerprint."""
        words = (GPG, "--batch", "--status-fd", "1", "--passphrase", "", "--quick-gen-key")
        done = self.call(*words, *parameters)
        return next(x.split()[3] for x in done.out.splitlines() if "KEY_CREATED" in x)

    def signings(self) -> int:
        """How many commands that sign gpg-agent got, in whatever spelling."""
        log = (self.key.home / "agent.log").read_text("utf-8", "replace")
        return log.upper().count("<- PKSIGN")

    def locked(self, command: str, *options: str | Path, commit: str = "true") -> Done:
        """Run a shell command as a job with a lock of gpg-agent."""
        return self.gpgshim(*self.words(command, *options, commit=commit))

    def start_locked(
        self, command: str, *options: str | Path, commit: str = "true"
    ) -> subprocess.Popen[str]:
        """The same, under way."""
        return self.start(*self.words(command, *options, commit=commit))

    def words(self, command: str, *options: str | Path, commit: str) -> list[str | Path]:
        words = ["run", f"--lock-agent={self.form}", "--commit", commit, *options]
        return [*words, "--", "sh", "-c", command]

    def journals(self) -> list[Path]:
        """All journals, the one that was written last at the end: the jobs have many names."""
        return sorted(super().journals(), key=lambda path: path.stat().st_mtime_ns)

    def socket_directories(self) -> list[Path]:
        """The socket directories of homes with a name of their own, which includes the locks."""
        return sorted(self.sockets.glob("d.*"))

    def end(self) -> None:
        self.call("gpgconf", "--kill", "all")
        super().end()
