# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A correctly deployed oracle, and oracles with one fault each, for gpgshim doctor.

1. The programs are Debian's own, in a Debian root; oracled runs, with workers that find no builder.
2. A faulty oracle differs from the good one in one fault, which its name says.

    python3 -m tools.world.doctored NAME [words of gpgshim doctor]…
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools.world.tag2upload import WORLD, make_environment, make_key, run, write_script

CHECKOUT = Path(__file__).resolve().parents[2]
DEBIANS = Path("/usr/bin")
ORACLED = DEBIANS / "tag2upload-oracled"
UNTRIED = "99.0"  #: a version of dgit that gpgshim was not tested with


@dataclass
class Oracle:
    """The oracle's home, and the environment of its oracled."""

    home: Path
    path: list[Path] = field(default_factory=list)  # before /usr/bin
    variables: dict[str, str] = field(default_factory=dict)
    ignored: tuple[signal.Signals, ...] = ()  # by its oracled, as it is started
    runs: bool = True  # whether its oracled is started at all
    is_configured: bool = True  # whether environment.d sets its environment
    is_stale: bool = False  # whether its oracled was started before that file was written

    @property
    def stunts(self) -> Path:
        return self.home / "gpgshim"

    @property
    def search(self) -> str:
        return ":".join([*map(str, self.path), "/usr/local/bin:/usr/bin:/bin"])

    def spoil(self, name: str, old: str, new: str) -> None:
        """Put a copy of Debian's program, with `new` instead of `old`, before Debian's own."""
        text = (DEBIANS / name).read_text()
        assert old in text, f"{name} does not say {old!r}"
        self.install(name, text.replace(old, new))

    def install(self, name: str, text: str) -> None:
        """Put a program before Debian's."""
        write_script(self.home / "installed" / name, text)
        self.path.append(self.home / "installed")

    def write(self, path: str, text: str) -> None:
        """A file of its home."""
        (self.home / path).parent.mkdir(parents=True, exist_ok=True)
        (self.home / path).write_text(text)

    def configure(self) -> None:
        """Write its environment.d, as TAG2UPLOAD.md has it."""
        path = self.search.replace(str(self.home), "${HOME}")
        lines = [f"{name}={value}\n" for name, value in self.variables.items()]
        self.write(
            ".config/environment.d/50-gpgshim.conf", f"# ours\nPATH={path}\n{''.join(lines)}"
        )

    def git(self, *words: str) -> None:
        run("git", "config", "--global", *words, cwd=self.home, home=self.home)


def _not_deployed(oracle: Oracle) -> None:
    oracle.path.remove(oracle.stunts)


def _by_variable(oracle: Oracle) -> None:
    oracle.path.remove(oracle.stunts)
    oracle.variables["DGIT_REPOS_SERVER_TEST"] = f"{oracle.stunts}/dgit-repos-server"


def _nothing_known(oracle: Oracle) -> None:
    oracle.runs = oracle.is_configured = False


def _gpg_beside(oracle: Oracle) -> None:
    (oracle.stunts / "gpg").symlink_to(CHECKOUT / "bin/gpg")


def _other_beside(oracle: Oracle) -> None:
    write_script(oracle.stunts / "ssh", "#!/bin/sh\n")


def _stunt_that_fails(oracle: Oracle) -> None:
    stunt = oracle.stunts / "dgit-repos-server"
    text = stunt.read_text().replace("gpgshim.tag2upload.repos_server", "gpgshim.repos_servers")
    stunt.unlink()
    write_script(stunt, text)


def _newer(oracle: Oracle) -> None:
    found = re.search(r'^our \$our_version = .*(".+");', ORACLED.read_text(), re.MULTILINE)
    assert found, f"{ORACLED} does not say its version"
    oracle.spoil(ORACLED.name, found[1], f'"{UNTRIED}"')


def _second_key(oracle: Oracle) -> None:
    run("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "other <o@example.org>",
        "ed25519", "sign", "never", cwd=oracle.home, home=oracle.home)  # fmt: skip


UNIT = "systemd/user/tag2upload-oracled.service"

#: Replaces systemctl, because there is no systemd here. It prints as systemd 252 does.
SYSTEMCTL = """\
#!/bin/sh
case "$*" in
"--user show-environment") cat <<'END' ;;
HOME=/world/oracle
NOTE=$'two words'
PATH={path}
END
"--user show tag2upload-oracled.service "*) cat <<'END' ;;
LoadState=loaded
FragmentPath=/usr/lib/systemd/user/tag2upload-oracled.service
DropInPaths={drop_ins}
ExecStart={{ path=/usr/bin/tag2upload-oracled ; argv[]=oracled {more}; ignore_errors=no }}
END
*) exit 1 ;;
esac
"""


def _systemd(drop_ins: str = "", more: str = "", deployed: bool = True) -> Callable[[Oracle], None]:
    def manage(oracle: Oracle) -> None:
        oracle.runs = oracle.is_configured = False
        path = f"{oracle.stunts}:{DEBIANS}" if deployed else str(DEBIANS)
        oracle.install("systemctl", SYSTEMCTL.format(path=path, drop_ins=drop_ins, more=more))

    return manage


#: Name -> the change to a good oracle; the checks that must report it, and words of their findings.
ORACLES: dict[str, tuple[Callable[[Oracle], object], dict[str, str]]] = {
    "good": (lambda oracle: None, {}),
    "by-variable": (_by_variable, {}),
    "not-deployed": (
        _not_deployed,
        {"deployment": "PATH leads to /usr/bin/dgit-repos-server, which is not gpgshim's"},
    ),
    "real-by-variable": (
        lambda oracle: oracle.variables.update(DGIT_REPOS_SERVER_TEST="/usr/bin/dgit-repos-server"),
        {"deployment": "DGIT_REPOS_SERVER_TEST names /usr/bin/dgit-repos-server"},
    ),
    "gpg-beside": (
        _gpg_beside,
        # oracled does not even start then, and the real gpg cannot be told from the stunt.
        {
            "deployment": "environment.d: /world/oracle/gpgshim/gpg is on PATH",
            # Several checks fail then; the first of them reports why.
            "gpg": "/world/oracle/gpgshim/gpg is a stunt, not the real gpg",
        },
    ),
    "other-beside": (_other_beside, {"deployment": "/world/oracle/gpgshim also holds ssh"}),
    "stunt-that-fails": (_stunt_that_fails, {"deployment": "No module named 'gpgshim"}),
    "not-restarted": (
        lambda oracle: setattr(oracle, "is_stale", True),
        {"deployment": "]: PATH leads to /usr/bin/dgit-repos-server, which is not gpgshim's"},
    ),
    "not-started": (lambda oracle: setattr(oracle, "runs", False), {}),
    "systemd": (_systemd(), {}),
    "systemd-not-deployed": (
        _systemd(deployed=False),
        {"deployment": "the user manager: PATH leads to /usr/bin/dgit-repos-server"},
    ),
    "systemd-drop-ins": (
        _systemd("/etc/a.conf /etc/b.conf"),
        {"unit": "systemd: the unit has the drop-in /etc/a.conf"},
    ),
    "systemd-forced": (_systemd("/etc/a.conf", "--force-production "), {}),
    "nothing-known": (_nothing_known, {"deployment": "the environment of the oracle is unknown"}),
    "drop-in": (
        lambda oracle: oracle.write(f".config/{UNIT}.d/more.conf", "[Service]\nNice=5\n"),
        {"unit": f"the drop-in /world/oracle/.config/{UNIT}.d/more.conf"},
    ),
    "own-unit": (
        lambda oracle: oracle.write(f".config/{UNIT}", "[Service]\n"),
        {"unit": f"the unit is /world/oracle/.config/{UNIT}"},
    ),
    "own-unit-forced": (
        lambda oracle: oracle.write(
            f".config/{UNIT}", "[Service]\nExecStart=tag2upload-oracled --force-production\n"
        ),
        {},
    ),
    "not-retriable": (
        lambda oracle: oracle.spoil("dgit-repos-server", "(75 << 8)", "(76 << 8)"),
        {"retriable": "dgit-repos-server reports: email reported, irrecoverable"},
    ),
    "other-d-r-s": (
        lambda oracle: oracle.spoil("dgit-repos-server", "tag2upload12", "tag2upload13"),
        {
            "versions": "does not know --tag2upload12",
            "retriable": "dgit-repos-server did not run dgit",
        },
    ),
    "other-protocol": (
        lambda oracle: oracle.spoil("tag2upload-oracled", "-version 9", "-version 10"),
        {"versions": " speaks version 10"},
    ),
    "newer": (_newer, {}),
    "dgit-elsewhere": (
        lambda oracle: oracle.variables.update(DGIT_DRS_DGIT="/usr/bin/dgit"),
        {"environment": "DGIT_DRS_DGIT=/usr/bin/dgit"},
    ),
    "ssh-with-words": (
        lambda oracle: oracle.variables.update(DGIT_SSH="ssh -v"),
        {"environment": "DGIT_SSH=ssh -v"},
    ),
    "two-keys": (_second_key, {"secret key": "finds 2"}),
    "debsign": (
        lambda oracle: oracle.write(".devscripts", "DEBSIGN_PROGRAM=/usr/bin/gpg\n"),
        {"debsign": "/world/oracle/.devscripts sets DEBSIGN_PROGRAM=/usr/bin/gpg"},
    ),
    "dgit-config": (
        lambda oracle: oracle.git("dgit-distro.debian.cmd-gpg", "/usr/bin/gpg"),
        {"git": "dgit-distro.debian.cmd-gpg = /usr/bin/gpg"},
    ),
    "sigpipe": (
        lambda oracle: setattr(oracle, "ignored", (signal.SIGPIPE,)),
        {"signals": "tag2upload-oracled["},
    ),
}


@contextlib.contextmanager
def made(name: str) -> Iterator[Oracle]:
    """The running oracle of this name; it is killed and removed at the end."""
    oracle = Oracle(WORLD / "oracle")
    oracle.home.mkdir()
    make_key(oracle.home, "tag2upload", "oracle@example.org")
    oracle.stunts.mkdir()
    (oracle.stunts / "dgit-repos-server").symlink_to(CHECKOUT / "bin/dgit-repos-server")
    oracle.path.append(oracle.stunts)
    process = None
    try:
        ORACLES[name][0](oracle)
        if oracle.is_configured:
            oracle.configure()
        if oracle.is_stale:
            oracle.path.remove(oracle.stunts)
        if oracle.runs:
            process = start(oracle)
        yield oracle
    finally:
        if process:
            with contextlib.suppress(ProcessLookupError):  # a faulty one may have ended
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        run("gpgconf", "--kill", "all", cwd=oracle.home, home=oracle.home)
        shutil.rmtree(oracle.home, ignore_errors=True)


def start(oracle: Oracle) -> subprocess.Popen[bytes]:
    """Start oracled in its environment, and wait until it has tested its key and has a worker."""
    log = oracle.home / "log"
    before = {number: signal.signal(number, signal.SIG_IGN) for number in oracle.ignored}
    try:
        process = subprocess.Popen(
            ["/usr/bin/tag2upload-oracled", "--ssh=false", "--manager=m", "--manager-socket=s",
             "--builder=builder", "--from=a@example.org", "--reply-to=a@example.org",
             "--copies=a@example.org", "debian", "distro=debian", "none,a"],
            cwd=oracle.home,
            env=make_environment(oracle.home) | oracle.variables | {"PATH": oracle.search},
            stdin=subprocess.DEVNULL,
            stdout=log.open("ab"),
            stderr=subprocess.STDOUT,
            restore_signals=not oracle.ignored,
            start_new_session=True,
        )  # fmt: skip
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    until = time.monotonic() + 30
    while "worker" not in log.read_text() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    return process


def examine(oracle: Oracle, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `gpgshim doctor` as the oracle's user would, from a login."""
    return subprocess.run(
        [sys.executable, "-m", "gpgshim", "doctor", *words],
        cwd=oracle.home,
        env=make_environment(oracle.home)
        | {
            "PATH": oracle_login(oracle),
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


def oracle_login(oracle: Oracle) -> str:
    """The PATH of a login, with a faulty program that is installed, and without the stunts."""
    return ":".join(
        [*(str(each) for each in oracle.path if each != oracle.stunts), "/usr/bin:/bin"]
    )


def main() -> None:
    name, *words = sys.argv[1:]
    with made(name) as oracle:
        done = examine(oracle, *words)
    sys.stdout.write(done.stdout)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
