# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routes to a signature, and the forms of the gate.

Rule 1: a route is a shell command of a job. It makes a signature by itself, if nothing stops it.
Rule 2: `verify` is the judge: it succeeds only if the signature exists and is good.
Rule 3: a form claims to watch some reaches. A route of such a reach must be held.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from tests.support.sources import HELLO


class Reach(StrEnum):
    """The part of GnuPG that a route reaches. Its text is a heading of the table."""

    PATH = "the first `gpg` on PATH"
    HOME = "another program, with the agent that GNUPGHOME leads to"
    KEYS = "the keys of the home in another way: without GNUPGHOME, as user id 0, by another agent"
    OTHER = "a process outside of the job, another protocol, or a key that leaves or has no agent"


class Form(NamedTuple):
    """A form of the gate: its heading, its options of `run`, and the reaches that it watches."""

    title: str
    options: tuple[str, ...]
    watches: frozenset[Reach]


FORMS = {
    "path": Form("PATH only", (), frozenset({Reach.PATH})),
    "alias": Form("`--lock-agent`", ("--lock-agent",), frozenset({Reach.PATH, Reach.HOME})),
    "namespace": Form(
        "`--lock-agent=namespace`",
        ("--lock-agent=namespace",),
        frozenset({Reach.PATH, Reach.HOME, Reach.KEYS}),
    ),
}


class Route(NamedTuple):
    """A route. {key}, {grip}, {ssh}, {x509} are names of keys, {home} is the home, {gpg} gpg.

    `probe` is a shell command that fails where the route cannot be had, and `without` says why.
    """

    reach: Reach
    command: str
    needs: str = ""  # a program, for which the probe looks
    verify: str = "gpg --batch --verify f.sig f"
    prepare: str = "true"
    probe: str = ""
    without: str = ""


SIGN = "gpg --batch -b f"
GPG_SIGN = f"/usr/bin/{SIGN}"
SQ = "flock $HOME sq"  # two of them at once lock each other out of their database
COMMIT = "commit -q -S --allow-empty -m first"
REPOSITORY = "git init -q && git config user.name O && git config user.email o@example.org"
IN_GIT = {
    "needs": "git",
    "prepare": f"{REPOSITORY} && git config user.signingKey {{key}}",
    "verify": "git verify-commit HEAD",
}
IN_TREE = f"{HELLO} && cd hello-1 && {REPOSITORY} && git add -A && git commit -q -m first"
DSC = "gpg --batch --verify hello_1.dsc"
CHANGES = f"{HELLO} && cd hello-1 && dpkg-buildpackage -S -us -uc -d"
BUILDER = "--git-builder='debuild --no-lintian -i -I'"
SPEC = (
    r"printf 'Name: p\nVersion: 1\nRelease: 1\nSummary: p\nLicense: none\nBuildArch: noarch\n"
    r"%%description\np\n%%files\n' >p.spec && rpmbuild --quiet --define '_topdir {work}/rpm'"
    " -bb p.spec && cp rpm/RPMS/noarch/*.rpm p.rpm && gpg --export -a {key} >key &&"
    " rpmkeys --define '_dbpath {work}/db' --import key"
)
RPM = "rpmkeys --define '_dbpath {work}/db' -Kv p.rpm | grep -i 'signature.*: OK'"
RPMSIGN = "rpmsign --define '_gpg_name {key}' --addsign p.rpm"
EDDSA = "{python} {root}/direct verify {key} f f.raw"
SSH = (
    'printf "o@example.org %s\\n" "$(cat {root}/id.pub)" >allowed &&'
    " ssh-keygen -Y verify -f allowed -I o@example.org -n file -s f.sig <f"
)
SSH_FILE = "ssh-keygen -q -t ed25519 -N '' -f own"
OWN_HOME = "mkdir -m 700 own && gpg --homedir own --batch -q --import key"


def direct(socket: str, end: str = "") -> str:
    """A program that speaks to gpg-agent itself, at a socket that gpgconf names."""
    return f"{end}{{python}} {{root}}/direct sign {{grip}} f f.raw {socket}"


R = Reach

#: What the table calls it -> the route.
ROUTES = {
    "`gpg`": Route(R.PATH, SIGN),
    "`gpgconf --list-components`": Route(
        R.PATH, "$(gpgconf --list-components | sed -n 's/^gpg:[^:]*://p') --batch -b f"
    ),
    "gpgme": Route(R.PATH, "{python} {root}/gpgme", "python3-gpg"),
    "git": Route(R.PATH, f"git {COMMIT}", **IN_GIT),
    "debsign": Route(
        R.PATH, "debsign -k{key} hello_1_source.changes", "debsign", DSC, CHANGES
    ),
    "`setpriv --no-new-privs gpg`": Route(R.PATH, f"setpriv --no-new-privs {SIGN}", "setpriv"),
    "`fakeroot gpg`": Route(R.PATH, f"fakeroot {SIGN}", "fakeroot"),
    "`gpg --homedir` with the real home": Route(
        R.PATH, f"gpg --homedir {{home}}{SIGN[3:]}"
    ),
    # The next ones are not the first gpg on PATH.
    "`/usr/bin/gpg`": Route(R.HOME, GPG_SIGN),
    "`gpg2`": Route(R.HOME, "gpg2 --batch -b f", "gpg2"),
    "`gpgconf --list-dirs bindir`": Route(
        R.HOME, "$(gpgconf --list-dirs bindir)/gpg --batch -b f"
    ),
    "`/usr/bin/gpgconf --list-components`": Route(
        R.HOME, "$(/usr/bin/gpgconf --list-components | sed -n 's/^gpg:[^:]*://p') --batch -b f"
    ),
    "gpgme with the path of gpg": Route(
        R.HOME, "{python} {root}/gpgme /usr/bin/gpg", "python3-gpg"
    ),
    "git's `gpg.program`": Route(R.HOME, f"git -c gpg.program=/usr/bin/gpg {COMMIT}", **IN_GIT),
    "git's `gpg.format=x509`": Route(
        R.HOME, f"git -c gpg.format=x509 -c user.signingKey={{x509}} {COMMIT}",
        **IN_GIT | {"needs": "gpgsm"},
    ),
    "gpgsm": Route(
        R.HOME, "gpgsm --batch --disable-crl-checks -u {x509} -o f.sig -b f", "gpgsm",
        "gpgsm --batch --disable-crl-checks --verify f.sig f",
    ),
    "`debsign -p`": Route(
        R.HOME, "debsign -p/usr/bin/gpg -k{key} hello_1_source.changes", "debsign", DSC, CHANGES
    ),
    "`debuild`": Route(
        R.HOME, "cd hello-1 && debuild --no-lintian -d -S -k{key}", "debuild", DSC, HELLO
    ),
    "`gbp buildpackage`": Route(
        R.HOME, f"cd hello-1 && gbp buildpackage --git-ignore-branch {BUILDER} -S -d -k{{key}}",
        "gbp", DSC, IN_TREE,
    ),
    "rpmsign without `%__gpg`": Route(R.HOME, RPMSIGN, "rpmsign", RPM, SPEC),
    "`gpgtar`": Route(
        R.HOME, "gpgtar --sign --output f.tar.sig f", "gpgtar", "gpg --batch -d f.tar.sig"
    ),
    "`bash -l`": Route(R.HOME, f"bash -lc '{SIGN}'", "bash"),
    "`command -p gpg`": Route(R.HOME, f"command -p {SIGN}"),
    "`export PATH :=` in a Makefile": Route(
        R.HOME, "make -s", "make",
        prepare=f"printf 'export PATH := /usr/bin:/bin\\nall:\\n\\t{SIGN}\\n' >Makefile",
    ),
    "`setpriv --no-new-privs /usr/bin/gpg`": Route(
        R.HOME, f"setpriv --no-new-privs {GPG_SIGN}", "setpriv"
    ),
    "`setsid /usr/bin/gpg`": Route(R.HOME, f"setsid -w {GPG_SIGN}", "setsid"),
    "`bwrap --dev-bind / / /usr/bin/gpg`": Route(
        R.HOME, f"bwrap --dev-bind / / {GPG_SIGN}", "bwrap",
        probe="bwrap --dev-bind / / true", without="bwrap is not allowed here",
    ),
    "`bwrap`, without the job's directory": Route(
        R.HOME,
        "w=${{PATH#*:}}; bwrap --dev-bind / / --tmpfs $XDG_RUNTIME_DIR --tmpfs ${{w%%:*}}"
        f" sh -c '{SIGN}'",
        "bwrap", probe="bwrap --dev-bind / / true", without="bwrap is not allowed here",
    ),
    "`unshare --map-current-user /usr/bin/gpg`": Route(
        R.HOME, f"unshare --map-current-user {GPG_SIGN}", "unshare",
        probe="unshare --map-current-user true", without="user namespaces are not allowed here",
    ),
    "gpg-sq": Route(
        R.HOME, "gpg-sq --batch -u {key} -b f", "gpg-sq", without="not in Debian 12",
    ),
    "sq, with a key of gpg-agent": Route(
        R.HOME, f"{SQ} sign --signer {{key}} --signature-file=f.sig f",
        prepare=f"gpg --export {{key}} >cert && {SQ} cert import cert",
        probe="sq version 2>&1 | grep 'sq 1'", without="sq knows gpg-agent from 1.0 on",
    ),
    "a connection to gpg-agent": Route(R.HOME, direct("agent-socket"), verify=EDDSA),
    "a connection to its extra socket": Route(
        R.HOME, direct("agent-extra-socket"), verify=EDDSA
    ),
    "a connection to its browser socket": Route(
        R.HOME, direct("agent-browser-socket"), verify=EDDSA
    ),
    "`env -i`": Route(R.KEYS, f"env -i HOME=$HOME {GPG_SIGN}"),
    "`/usr/bin/gpg --homedir` with the real home": Route(
        R.KEYS, f"/usr/bin/gpg --homedir {{home}}{SIGN[3:]}"
    ),
    "`setpriv --reset-env`": Route(
        R.KEYS, f"setpriv --reset-env env HOME=$HOME {GPG_SIGN}", "setpriv"
    ),
    "a connection to the real socket": Route(
        R.KEYS, direct("agent-socket", "GNUPGHOME={home} "), verify=EDDSA
    ),
    "`sudo -u` the same user": Route(
        R.KEYS, f"sudo -n -u '#{{user}}' HOME=$HOME {GPG_SIGN}", "sudo",
        probe="sudo -n true", without="sudo asks for a password here",
    ),
    "`sudo`, to root": Route(
        R.KEYS, f"sudo -n HOME=$HOME {GPG_SIGN}; sudo -n chown {{user}} f.sig", "sudo",
        probe="sudo -n true", without="sudo asks for a password here",
    ),
    "`fakeroot /usr/bin/gpg`": Route(R.KEYS, f"fakeroot {GPG_SIGN}", "fakeroot"),
    "`unshare -r /usr/bin/gpg`": Route(
        R.KEYS, f"unshare -r {GPG_SIGN}", "unshare",
        probe="unshare -r true", without="user namespaces are not allowed here",
    ),
    "`gpg-agent --server`": Route(
        R.KEYS, "{python} {root}/direct sign {grip} f f.raw - {home}", verify=EDDSA
    ),
    "`ssh-keygen -Y sign`, with a key of gpg-agent": Route(
        R.OTHER, "SSH_AUTH_SOCK=$(gpgconf --list-dirs agent-ssh-socket)"
        " ssh-keygen -Y sign -n file -f {root}/id.pub f", "ssh-keygen", SSH,
    ),
    "`ssh-keygen -Y sign`, with a key in a file": Route(
        R.OTHER, "ssh-keygen -Y sign -n file -f own f", "ssh-keygen",
        SSH.replace("{root}/id.pub", "own.pub"), SSH_FILE,
    ),
    "sq, with a key in a file": Route(
        R.OTHER, "sq sign --signer-key key --detached -o f.sig f ||"
        " sq sign --signer-file key --signature-file=f.sig f", "sq",
        prepare="gpg --batch --export-secret-keys {key} >key",
    ),
    "a secret key that the job exports, in a home of its own": Route(
        R.OTHER, f"gpg --batch --export-secret-keys {{key}} >key && {OWN_HOME} &&"
        f" GNUPGHOME=$PWD/own {GPG_SIGN}; gpgconf --homedir own --kill all",
    ),
    "openssl, with a key in a file": Route(
        R.OTHER, "openssl dgst -sha256 -sign own -out f.sig f", "openssl",
        "openssl dgst -sha256 -prverify own -signature f.sig f",
        "openssl genrsa -out own 2048",
    ),
    "minisign, with a key in a file": Route(
        R.OTHER, "minisign -S -s own -x f.sig -m f", "minisign",
        "minisign -V -p own.pub -x f.sig -m f", "minisign -G -W -p own.pub -s own",
    ),
    "`systemd-run --user`": Route(
        R.OTHER, f"systemd-run --user --quiet --wait -p WorkingDirectory=$PWD {GPG_SIGN}",
        probe="systemctl --user is-system-running", without="no systemd serves this user here",
    ),
    "`ssh` to this machine": Route(
        R.OTHER, f"ssh -o BatchMode=yes localhost cd $PWD '&&' {GPG_SIGN}",
        probe="ssh -o BatchMode=yes localhost true", without="no sshd admits this user here",
    ),
    "a smartcard": Route(
        R.HOME, SIGN, probe="gpg --batch --card-status", without="no card and no reader here",
    ),
}  # fmt: skip

#: Routes of jobs beside which no other job runs: it could have the third directory of gpg 2.2
#: (agentlock/alias.py).
ALONE = frozenset(name for name in ROUTES if "gpg --homedir` with the real home" in name)
