# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""oracled's worker, which starts dgit-repos-server's stunt, and holds the manager's pipes.

The manager is the test. dgit-repos-server's stand-in is a shell script that does what a test says.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.scratch import CHECKOUT, PATIENCE, Scratch, wait_for

STUNT = CHECKOUT / "bin/dgit-repos-server"
COMMIT, GO_AHEAD = "commit-to-public-upload", "go-ahead"
FATAL = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)  # as oracled blocks them

#: What every job begins with, by dgit-repos-server 17.0; `await` waits for the test's touch.
DRS = """\
#!/bin/sh
echo commit-to-public-upload
read -r answer && test "$answer" = go-ahead || exit 99
await () {{ until test -e {root}/$1; do sleep 0.01; done; }}
report () {{ printf '%s\\n' "message $1" "email $2" "$3"; }}
cd {root}
{script}
"""


def report(message: str, email: str, outcome: str) -> tuple[str, list[str]]:
    """A report, as the stand-in says it and as the manager should hear it."""
    said = f"report '{message}' '{email}' {outcome}"
    return said, [f"message {message}", f"email {email}", outcome]


UPLOADED, HEARD_UPLOADED = report("Uploaded to unstable", "reported <1@o>", "uploaded")
PASSES, HEARD_PASSES = report("retriable, report emailed to list", "unreported <2@o>", "retriable")
LAST, HEARD_LAST = report("failed, report emailed to user", "reported <3@o>", "retriable")
REFUSED, HEARD_REFUSED = report("rejected: bad tag", "reported <4@o>", "irrecoverable")
LOST, HEARD_LOST = report(
    "irrecoverable, report emailed to user", "reported <5@o>", "irrecoverable"
)
HEARD_CRASHED = [
    "message processing crashed before the gate let any gpg sign",
    "email unreported -",
    "retriable",
]
MAILS = f"gpg -s f; touch mailed; {LOST}"  # as dgit-repos-server mails before it reports
NO_ANSWER = "= no timeout the authority did not answer in time"
SIGN = "gpg -s f || { " + LOST + "; exit 0; }\n"


def by_dgit(status_75: str, otherwise: str) -> str:
    """What dgit-repos-server does: one thing if dgit exits with 75, else the other."""
    return f"dgit rpush-source x; test $? = 75 && {{ {status_75}; exit 0; }}; {otherwise}"


class Worker:
    """oracled's worker: it starts one job, and holds the manager's pipes."""

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self.path = scratch.root / "path"
        self.path.mkdir()
        (self.path / "gpg").symlink_to(scratch.stand_in())
        self.stderr = scratch.root / "stderr"
        self.its_stdin, self._speak = os.pipe()
        self._hear, self.its_stdout = os.pipe()
        self._heard = b""
        self.process: subprocess.Popen[bytes] | None = None
        #: The words that start a program as the user of oracled.
        self.as_user: Callable[[Sequence[str | Path]], Sequence[str | Path]] = lambda words: words

    def install(self, script: str, name: str = "dgit-repos-server", template: str = DRS) -> None:
        program = self.path / name
        program.write_text(template.format(root=self.scratch.root, script=script))
        program.chmod(0o755)

    def start(
        self,
        script: str,
        last: str = "",
        timeout: str = "0",
        words: list[str] | None = None,
        prepare: Callable[[], object] | None = None,
        stunt: Path = STUNT,
    ) -> None:
        """Start a job, or the stunt with `words`, after `prepare` in its process."""
        if script:
            self.install(script)
        if words is None:
            words = ["debian", "dir", "keyring,a", *job_words(last, timeout)]
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                self.as_user([sys.executable, "-I", stunt, *words]),
                env=self.scratch.env | {"PATH": f"{self.path}:{os.defpath}"},
                cwd=self.scratch.root,
                stdin=self.its_stdin,
                stdout=self.its_stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=prepare,
            )
        # The reading end of its stdin stays open here, as it does in the worker.
        os.close(self.its_stdout)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def say(self, text: str) -> None:
        os.write(self._speak, text.encode())

    def hear(self) -> str:
        """The manager's next line; empty when no process has the pipe open any more."""
        while b"\n" not in self._heard:
            ready = select.select([self._hear], [], [], PATIENCE)[0]
            assert ready, f"the manager heard nothing after {self._heard!r}\n{self.err()}"
            data = os.read(self._hear, 65536)
            if not data:
                assert not self._heard, f"it heard half a line: {self._heard!r}"
                return ""
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def rest(self) -> list[str]:
        """All further lines of the manager, until no process has the pipe open any more."""
        return list(iter(self.hear, ""))

    def hang_up(self) -> None:
        for fd in (self.its_stdin, self._speak, self._hear):
            os.close(fd)

    def touch(self, name: str) -> None:
        (self.scratch.root / name).touch()

    def wait_for(self, name: str) -> str:
        """Wait until the job has written a whole line to this file, and return it."""
        path = self.scratch.root / name
        wait_for(lambda: path.exists() and path.read_text().endswith("\n"), name)
        return path.read_text().strip()

    def end(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def err(self) -> str:
        return self.stderr.read_text("utf-8", "replace")

    def close(self) -> None:
        """End the job, and close the manager's pipes."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for fd in (self.its_stdin, self._speak, self._hear):
            with contextlib.suppress(OSError):
                os.close(fd)


def job_words(last: str = "", timeout: str = "0") -> list[str]:
    words = ["ssh", "builder", "/tmp/x", "env", "from", "reply-to", "copies", timeout, "KEY"]
    return ["--tag2upload12", *words, "--", "j", "url", "tag", "package", "tagger", last]
