# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scratch directory for the benchmarks: a key, two hundred more keys, the wrappers, and jobs.

Rule 1: programs run as users run them: the stunt is in a job that `gpgshim supervise` made, with
the measured interpreter.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from bench.wrappers import WRAPPERS

ROOT = Path(__file__).resolve().parents[1]
GPG = shutil.which("gpg") or "/usr/bin/gpg"

KEY = """\
%no-protection
%transient-key
Key-Type: eddsa
Key-Curve: ed25519
Name-Real: {name}
Expire-Date: 0
%commit
"""


def find_python() -> Path:
    """Debian's python3, which users will run, if it has the modules of a supervisor; else ours."""
    for path in ("/usr/bin/python3", sys.executable):
        words = [path, "-c", "import sys, click, gnupg; sys.exit(sys.version_info < (3, 11))"]
        if os.path.exists(path) and not subprocess.run(words, stderr=subprocess.DEVNULL).returncode:
            return Path(path)
    sys.exit(
        "bench: no python3 here has click and gnupg: apt-get install python3-click python3-gnupg"
    )


class World:
    """`python` is the measured interpreter; `wrappers` are programs in the place of gpg."""

    def __init__(self, scratch: Path, python: Path) -> None:
        self.python = python
        self.scratch = scratch
        # Not in /tmp, which may be a memory file system: journals are synced to a disk.
        self.state = Path(tempfile.mkdtemp(prefix="state.", dir=make(ROOT / "build/bench")))
        self.home = make(scratch / "gnupg")
        #: As XDG_CONFIG_HOME: settings without the warnings at the start of a job.
        self.silent = make(scratch / "silent")
        make(self.silent / "gpgshim")
        (self.silent / "gpgshim/gpgshim.conf").write_text("warn = []\n")
        self.data = scratch / "data"
        self.data.write_bytes(os.urandom(10_000))
        self.environ = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(scratch),
            "GNUPGHOME": str(self.home),
            "XDG_RUNTIME_DIR": str(make(scratch / "run")),
            "XDG_STATE_HOME": str(self.state),
        }
        self.gate = scratch / "gate"
        self.wrappers = {name: self._write(name, text) for name, text in WRAPPERS.items()}

    def _write(self, name: str, text: str) -> Path:
        fill = {"python": os.path.realpath(self.python), "gpg": GPG, "gate": str(self.gate)}
        for what, value in fill.items():
            text = text.replace(f"{{{what}}}", value)
        path = self.scratch / name.translate(str.maketrans("/ ", "__"))
        path.write_text(text)
        path.chmod(0o700)
        return path

    def gpg(self, *words: str | Path, given: str = "") -> None:
        """Run the real gpg; it must succeed."""
        command = [GPG, "--batch", "--quiet", *words]
        subprocess.run(command, env=self.environ, input=given, text=True, check=True)

    def make_keys(self, others: int) -> None:
        """Make the key that signs, `others` other keys, and a signature on `data`."""
        self.gpg("--generate-key", given=KEY.format(name="signer"))
        self.gpg("--detach-sign", self.data)
        if others:
            given = "".join(KEY.format(name=f"other {n}") for n in range(others))
            self.gpg("--generate-key", given=given)
        self.gpg("--check-trustdb")

    @contextlib.contextmanager
    def job(self) -> Iterator[Path]:
        """The directory of a supervised job. Its authority answers go-ahead at once."""
        command = [str(self.python), "-m", "gpgshim", "supervise", "--foreground"]
        with subprocess.Popen(
            command,
            env=self.environ,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            path = process.stdout.readline().partition("=")[2].partition(":")[0].strip("'")
            try:
                yield Path(path).parent
            finally:
                process.terminate()

    def answer(self) -> None:
        """Answer each request at the socket `gate` with go, from now on."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.gate))
        listener.listen(100)

        def serve() -> None:
            while True:
                with listener.accept()[0] as peer:
                    peer.recv(4096)
                    peer.sendall(b"go\n")

        threading.Thread(target=serve, daemon=True).start()


def make(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def world(python: Path | None = None) -> Iterator[World]:
    """A World, which is removed afterwards."""
    scratch = Path(tempfile.mkdtemp(prefix="gpgshim-bench."))  # short: sockets are in it
    here = World(scratch, python or find_python())
    try:
        yield here
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=here.environ, check=False)
        # An agent that ends removes its own sockets, so a name may be gone already.
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(here.state)
