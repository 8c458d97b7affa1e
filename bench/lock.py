# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What does a signature through the lock of gpg-agent cost, and what a program without the agent?

Rule 1: gpg, gpg-agent and the supervisor are the real ones, of a user with a login session. gpg 2.4
is that of a Debian root (tools/world/debroot), if it is built and root runs the benchmark.
Rule 2: each command runs without the lock and with it, in turns. The lock is in GNUPGHOME alone, so
a command without the lock is one of the same user at the same time.

    python -m bench.lock [--runs 200] [--inside]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench import timing
from bench.results import Table, markdown
from bench.world import GPG, ROOT, find_python, make

NOBODY = 65534  #: the user of the session, if root runs the benchmark
#: Mounts its first word at /run/user, and the second one inside, and runs the others there as that
#: user, who cannot enter root's home.
AS_NOBODY = f"""\
mount --bind "$1" /run/user && mount --bind "$2" /run/user/checkout && shift 2 &&
cd /run/user/checkout &&
exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups -- "$@"
"""

ROUNDS = 5  #: of many signatures at once
AT_ONCE = 200
PEERS = 8  #: connections of the long run
LONG_RUN = 100_000  #: signatures, with at least ALL runs of each program
ALL = 200
DEBIAN = "sid"  #: the root whose gpg is measured too
KEY = "signer"
#: Of the keys that sign many at once: gpg 2.4 makes ed25519 if it is not told otherwise, gpg 2.2
#: rsa3072, and most keys of Debian's developers are rsa4096.
ALGORITHMS = ("ed25519", "rsa3072", "rsa4096")

#: The targets: ms more by version of gpg; the ratio of many at once; MB more after the long run.
MORE = {"2.2": 3.0, "2.4": 2.0}
PARALLEL, GROWTH = 1.15, 1.0


def sign(key: str) -> list[str]:
    """The words of gpg that sign with the key of this name."""
    return ["--batch", "--local-user", key, "--output", "-", "--detach-sign", "data"]


SIGN = sign(KEY)
#: The commands. Past PATH, each signature is a request of its own; the stunt has sent one before.
COMMANDS = {
    "gpg --detach-sign, past PATH": [GPG, *SIGN],
    "gpg --detach-sign, by the stunt": ["stunt", *SIGN],
    "gpg -k": [GPG, "--batch", "-k"],
    "gpg --verify": [GPG, "--batch", "--verify", "data.sig", "data"],
    "gpg -K, which asks the agent": [GPG, "--batch", "-K"],
}


class Job(NamedTuple):
    """A supervised job: its environment, its stunt gpg and its supervisor's process id."""

    environ: dict[str, str]
    stunt: str
    pid: int

    def memory(self) -> float:
        """Resident memory of the supervisor in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextlib.contextmanager
def job(environ: dict[str, str], *options: str) -> Iterator[Job]:
    """A job whose authority answers go-ahead at once."""
    words = [sys.executable, "-m", "gpgshim", "supervise", "--foreground", *options]
    with subprocess.Popen(
        words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        given = dict(re.findall(r"(\w+)='?([^;':]+)[^;]*; export", line))
        home = {"GNUPGHOME": given["GNUPGHOME"]} if "GNUPGHOME" in given else {}
        try:
            yield Job(environ | home, f"{given['PATH']}/gpg", process.pid)
        finally:
            process.terminate()


# Inside: as the user, in the session.


def measure(runs: int) -> dict[str, Any]:
    """All figures, in seconds and MB, for the gpg of this machine or root."""
    home = Path.home()
    environ = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}",
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"),  # without the warnings at the start of a job
    }
    os.chdir(home)
    make(home / "config/gpgshim")
    (home / "config/gpgshim/gpgshim.conf").write_text("warn = []\n")
    (home / "data").write_bytes(os.urandom(10_000))
    make(home / ".gnupg")
    new_keys = [
        ["--passphrase", "", "--quick-gen-key", name, algorithm, "sign", "never"]
        for name, algorithm in ((KEY, "ed25519"), *((each, each) for each in ALGORITHMS))
    ]
    for words in (*new_keys, ["--check-trustdb"], [*SIGN[:-3], "data.sig", *SIGN[-2:]]):
        subprocess.run([GPG, "--batch", "--quiet", *words], env=environ, check=True)
    try:
        with job(environ) as plain, job(environ, "--lock-agent") as locked:
            return {
                "gpg": said([GPG, "--version"], environ).split()[2],
                "times": times(plain, locked, runs),
                "at once": {each: at_once(each, plain, locked, runs) for each in ALGORITHMS},
                "memory": memory(locked, runs),
            }
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=environ, check=False)


def said(words: list[str], environ: dict[str, str]) -> str:
    return subprocess.run(words, env=environ, check=True, capture_output=True, text=True).stdout


def times(plain: Job, locked: Job, runs: int) -> dict[str, list[list[float]]]:
    """The seconds of each run of each command, without the lock and with it."""
    took: dict[str, list[list[float]]] = {name: [[], []] for name in COMMANDS}
    for turn in range(-1, -(-runs // timing.IN_A_TURN)):
        jobs = list(enumerate((plain, locked)))
        for name, words in COMMANDS.items():
            for at, each in jobs if turn % 2 else reversed(jobs):
                command = [each.stunt if words[0] == "stunt" else words[0], *words[1:]]
                found = [timing.once(command, each.environ)[0] for _ in range(timing.IN_A_TURN)]
                if turn >= 0:  # the first one fills the caches
                    took[name][at] += found
    return took


def at_once(key: str, plain: Job, locked: Job, runs: int) -> list[list[float]]:
    """The seconds of each round of many_at_once(), without the lock and with it, in turns."""
    count = AT_ONCE if runs >= ALL else runs
    took: list[list[float]] = [[], []]
    for turn in range(-1, ROUNDS):
        jobs = list(enumerate((plain, locked)))
        for at, each in jobs if turn % 2 else reversed(jobs):
            found = many_at_once(key, each, count)
            if turn >= 0:  # the first one fills the caches
                took[at].append(found)
    return took


def many_at_once(key: str, where: Job, count: int) -> float:
    """The seconds until so many signatures that begin at once have been made."""
    began = time.perf_counter()
    started = [
        subprocess.Popen([GPG, *sign(key)], env=where.environ, stdout=subprocess.DEVNULL)
        for _ in range(count)
    ]
    failed = sum(each.wait() != 0 for each in started)
    took = time.perf_counter() - began
    if failed:
        raise SystemExit(f"bench: {failed} of {count} signatures at once failed")
    return took


def memory(locked: Job, runs: int) -> list[tuple[int, float]]:
    """(signatures so far, the supervisor's MB) in the course of many signatures.

    The clients are sockets of this process; gpg-agent is the real one.
    """
    listed = said([GPG, "--batch", "--with-colons", "--with-keygrip", "-K"], locked.environ)
    grip = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("grp:"))
    path = said(["gpgconf", "--list-dirs", "agent-socket"], locked.environ).strip()
    peers = []
    for _ in range(PEERS):
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(path)
        peers.append(peer)
    for line in ("", f"SIGKEY {grip}\n", f"SETHASH --hash=sha256 {'AB' * 32}\n"):
        for peer in peers:
            peer.sendall(line.encode())
            answer_of(peer)
    total = LONG_RUN if runs >= ALL else 20 * runs
    step = total // 10 // PEERS * PEERS
    seen = []
    for number in range(0, total + 1, PEERS):
        if number % step == 0:
            seen.append((number, locked.memory()))
        for peer in peers:
            peer.sendall(b"PKSIGN\n")
        for peer in peers:
            answer_of(peer)
    for peer in peers:
        peer.close()
    return seen


def answer_of(peer: socket.socket) -> None:
    data = b""
    while not data.endswith(b"\n") or not data.splitlines()[-1].startswith((b"OK", b"ERR")):
        data += peer.recv(4096)
    if data.splitlines()[-1].startswith(b"ERR"):
        raise SystemExit(f"bench: {data!r}")


# Outside.


def figures(enter: Callable[[Path], list[str]], runs: int) -> dict[str, Any]:
    """What measure() finds; `enter` has the words that enter its place, with a directory."""
    parent = make(ROOT / "build/bench")  # on a disk, to which journals are synced
    parent.chmod(0o711)
    place = Path(tempfile.mkdtemp(prefix="lock.", dir=parent))
    try:
        words = [*enter(place), "-m", "bench.lock", "--inside", "--runs", str(runs)]
        done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
    finally:
        shutil.rmtree(place, ignore_errors=True)


def here(place: Path) -> list[str]:
    """This machine, in a session of an ordinary user."""
    python = str(find_python())
    if os.getuid():
        return ["env", f"HOME={place}", python]
    place.chmod(0o755)
    for name in ("home", str(NOBODY)):
        (place / name).mkdir(0o700)
        os.chown(place / name, NOBODY, NOBODY)
    (place / "checkout").mkdir()
    inner = ["sh", "-c", AS_NOBODY, "sh", str(place), str(ROOT)]
    prefix = ["unshare", "--mount", "--propagation", "private"]
    return [*prefix, *inner, "env", "HOME=/run/user/home", python]


def in_debian(place: Path) -> list[str]:
    """The Debian root, in a session of its user."""
    debroot = str(ROOT / "tools/world/debroot")
    session = 'mkdir -m 700 /run/user/$(id -u) && cd /checkout && exec "$@"'
    inner = ["sh", "-c", session, "sh", "env", "HOME=/world", "PYTHONDONTWRITEBYTECODE=1"]
    return [debroot, "boot", DEBIAN, str(place), *inner, "python3"]


def has_root() -> bool:
    """Whether the Debian root is built, and can be used by this user."""
    words = [str(ROOT / "tools/world/debroot"), "path", DEBIAN]
    return not os.getuid() and not subprocess.run(words, capture_output=True).returncode


def table_of(found: dict[str, Any]) -> Table:
    """The figures as a table."""
    version = found["gpg"]
    meant = MORE[version[:3]]
    rows, more = [], {}
    many = {f"{AT_ONCE} at once, {name}": pair for name, pair in found["at once"].items()}
    for name, pair in {**found["times"], **many}.items():
        plain, locked = (1e3 * statistics.median(each) for each in pair)
        more[name] = locked - plain
        rows.append(
            (
                name,
                f"{plain:.2f}",
                f"{locked:.2f}",
                f"{locked - plain:.2f}",
                f"{locked / plain:.2f}",
            )
        )
    first, last = found["memory"][1], found["memory"][-1]
    text = (
        f"Medians. Targets: a signature costs at most {meant:.0f} ms more; {AT_ONCE} at once take"
        f" at most {PARALLEL} of the time without the lock; a program that makes no connection to"
        f" the agent pays nothing. The supervisor has {first[1]:.1f} MB after {first[0]:,}"
        f" signatures, and {last[1]:.1f} MB after {last[0]:,} (target: at most {GROWTH:.0f} MB"
        " more)."
    )
    head = ("", "without, ms", "with the lock, ms", "more, ms", "ratio")
    return Table(f"The lock of gpg-agent, gpg {version}", text, head, rows)


def tables(runs: int) -> Iterator[Table]:
    yield table_of(figures(here, runs))
    if has_root():
        yield table_of(figures(in_debian, runs))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lock")
    parser.add_argument("--runs", type=int, default=ALL, help="of each program")
    parser.add_argument("--inside", action="store_true", help="measure here, and print JSON")
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(measure(options.runs)))
        return
    for table in tables(options.runs):
        print(markdown(table), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
