# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tag2upload manager's double: o2m version 9 over a Unix socket, well-behaved or not.

1. Each answer is a row of STEPS; all other code only carries lines. A missing row is a fault of the
   oracle.
2. Each line of the manager passes `Manager._say`, so the manager can misbehave at each line.
3. Every line is in the transcript, as seen from the oracle: `>` was sent, `<` was received.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self


class Phase(StrEnum):
    """Where a worker's connection is."""

    GREETING = "greeting"
    NAMING = "naming"
    WAITING = "worker-waiting"
    PROBED = "probed"  # ayt said, software-versions to come
    ACKING = "acking"
    UNCOMMITTED = "processing-uncommitted"
    COMMITTED = "processing-committed"
    REPORTING = "reporting"  # message came
    REPORTED = "reported"  # email came
    OVER = "over"


class Act(StrEnum):
    """The manager's reaction to a line from the oracle."""

    NOTE = "note"
    GO_AHEAD = "go-ahead"
    END_JOB = "end-job"
    HANG_UP = "hang-up"


P, A = Phase, Act

#: (phase, the oracle's word) -> next phase, and reaction. A missing row is a violation.
STEPS: dict[tuple[Phase, str], tuple[Phase, Act]] = {
    (P.GREETING, "t2u-oracle-version"): (P.NAMING, A.NOTE),
    (P.NAMING, "worker-id"): (P.WAITING, A.NOTE),
    (P.PROBED, "software-versions"): (P.ACKING, A.NOTE),
    (P.ACKING, "ack"): (P.WAITING, A.NOTE),
    (P.UNCOMMITTED, "commit-to-public-upload"): (P.COMMITTED, A.GO_AHEAD),
    # A refusal of the tag, or a passing failure, needs no commitment.
    (P.UNCOMMITTED, "message"): (P.REPORTING, A.NOTE),
    (P.COMMITTED, "message"): (P.REPORTING, A.NOTE),
    (P.REPORTING, "email"): (P.REPORTED, A.NOTE),
    (P.REPORTED, "uploaded"): (P.WAITING, A.END_JOB),
    (P.REPORTED, "irrecoverable"): (P.WAITING, A.END_JOB),
    (P.REPORTED, "retriable"): (P.WAITING, A.END_JOB),
} | {(phase, "protocol-violation"): (P.OVER, A.HANG_UP) for phase in Phase}


class Misdeed(StrEnum):
    """What the manager does instead of sending a word."""

    HANG_UP = "hang-up"
    SILENCE = "silence"  # for ever, but it stays on the line
    GARBAGE = "garbage"
    VIOLATION = "protocol-violation"


GARBAGE = "go-ahead, make my day"  # begins as the right answer does: a prefix match would take it
WORDS = ("t2u-manager-ready", "ayt", "job", "go-ahead", "restart-worker")  # what it can say


@dataclass
class Job:
    """One requested upload, through all its attempts."""

    id: str
    package: str
    url: str
    tag: bytes  # the tag object, as `git cat-file tag` prints it
    email: str
    attempts_left: int = 1
    attempts: list[Attempt] = field(default_factory=list)


@dataclass
class Attempt:
    """The manager's data on one attempt; `outcome` is the oracle's word, or `lost`."""

    job: str
    last: bool
    transcript: list[Line] = field(default_factory=list)
    committed: bool = False
    message: str = ""
    email: str = ""
    outcome: str = ""


@dataclass(frozen=True)
class Line:
    """One line of a conversation."""

    at: float  # seconds since the manager opened
    mark: str  # `<` the manager said, `>` the oracle sent, `%` something else happened
    text: str

    def __str__(self) -> str:
        return f"+{self.at:07.3f} {self.mark} {self.text}"


def judge(phase: Phase, line: str) -> tuple[Phase, Act] | None:
    """Look the line's first word up; None: the oracle has violated the protocol."""
    return STEPS.get((phase, line.split(" ", 1)[0]))


def write_job(job: Job, last: bool) -> list[tuple[str, bytes]]:
    """What a job looks like on the line: what the transcript shows of a piece, and its bytes."""
    attempt = "last-attempt" if last else "not-last-attempt"
    heads = [f"job {job.id} {attempt} {job.package} {job.url}", f"data-block {len(job.tag)}"]
    tails = ["data-end", f"user-email {job.email}"]
    if last:
        tails.append("last-attempt-message This was the last attempt.")
    return [
        *((head, head.encode() + b"\n") for head in heads),
        (f"[{len(job.tag)} bytes]", job.tag),
        *((tail, tail.encode() + b"\n") for tail in tails),
    ]


class Hangup(Exception):
    """One of the two sides has ended this conversation."""


class Manager:
    """Listens at SOCKET, gives out jobs to whichever worker waits, and retries them."""

    def __init__(
        self,
        at: Path,
        misdeeds: dict[str, Misdeed] | None = None,  # one of WORDS: what to do in its place, once
        on_line: Callable[[Line], None] = lambda line: None,
    ) -> None:
        self.transcript: list[Line] = []
        self.ended: list[Attempt] = []
        self.finished: list[Job] = []
        self.changed = threading.Condition()  # for all public attributes
        self._misdeeds = dict(misdeeds or {})
        self._jobs: deque[Job] = deque()
        self._orders: deque[str] = deque()  # words for the next worker that waits
        self._on_line = on_line
        self._open = True
        self._began = time.monotonic()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(at))
        self._socket.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def submit(self, job: Job) -> None:
        with self.changed:
            self._jobs.append(job)
            self.changed.notify_all()

    def order(self, word: str) -> None:
        """Have `ayt` or `restart-worker` said to the next worker that waits."""
        with self.changed:
            self._orders.append(word)
            self.changed.notify_all()

    def wait_until(self, holds: Callable[[Self], bool], patience: float) -> bool:
        """Wait until `holds`; False: it did not, in `patience` seconds."""
        with self.changed:
            return self.changed.wait_for(lambda: holds(self), patience)

    def close(self) -> None:
        with self.changed:
            self._open = False
            self.changed.notify_all()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    # One thread a connection: a worker speaks only when it is spoken to, or about its job.

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(line,), daemon=True).start()

    def _converse(self, line: socket.socket) -> None:
        talk = _Talk(line)
        try:
            with line:
                self._say(talk, "t2u-manager-ready")
                while True:
                    if talk.phase is P.WAITING:
                        self._give_work(talk)
                    self._hear(talk)
        except (Hangup, OSError) as reason:
            self._note(talk, "%", f"over: {reason}")
            self._end(talk, "lost")

    def _give_work(self, talk: _Talk) -> None:
        """Wait for something to say to an idle worker, and say it."""
        while True:
            with self.changed:
                if self._orders:
                    word = self._orders.popleft()
                    break
                if self._jobs:
                    job, word = self._jobs.popleft(), "job"
                    break
                if not self._open:
                    raise Hangup("the manager closes")
                self.changed.wait(0.05)
            # Idle is silent: what can be read now is a hang-up, or a violation.
            if select.select([talk.line], [], [], 0)[0]:
                return
        if word == "job":
            job.attempts_left -= 1
            talk.job, talk.attempt = job, Attempt(job.id, last=job.attempts_left == 0)
            job.attempts.append(talk.attempt)
            talk.phase = P.UNCOMMITTED
            self._say(talk, "job", write_job(job, talk.attempt.last))
        else:
            talk.phase = P.PROBED if word == "ayt" else P.OVER
            self._say(talk, word)

    def _hear(self, talk: _Talk) -> None:
        line = talk.read_line()
        self._note(talk, ">", line)
        step = judge(talk.phase, line)
        if step is None:
            self._say(talk, "protocol-violation", _as_lines(f"protocol-violation {line!r}"))
            raise Hangup(f"violation in {talk.phase}")
        talk.phase, act = step
        attempt, rest = talk.attempt, line.partition(" ")[2]
        if attempt is not None:
            if line.startswith("message "):
                attempt.message = rest
            elif line.startswith("email "):
                attempt.email = rest
        if act is A.GO_AHEAD:
            assert attempt is not None
            attempt.committed = True
            self._say(talk, "go-ahead")
        elif act is A.END_JOB:
            self._end(talk, line)
        elif act is A.HANG_UP:
            raise Hangup("the oracle gave up")

    def _say(self, talk: _Talk, word: str, pieces: list[tuple[str, bytes]] | None = None) -> None:
        with self.changed:
            misdeed = self._misdeeds.pop(word, None)
        if misdeed is Misdeed.HANG_UP:
            raise Hangup(f"by schedule, in place of {word}")
        if misdeed is Misdeed.SILENCE:
            self._note(talk, "%", f"silence, in place of {word}")
            return
        if misdeed is Misdeed.GARBAGE:
            pieces = _as_lines(GARBAGE)
        elif misdeed is Misdeed.VIOLATION:
            pieces = _as_lines("protocol-violation by schedule")
        for shown, sent in pieces or _as_lines(word):
            # Noted first: who acts on the answer must find it in the transcript.
            self._note(talk, "<", shown)
            talk.line.sendall(sent)
        if misdeed is Misdeed.VIOLATION:
            raise Hangup("by schedule")

    def _end(self, talk: _Talk, outcome: str) -> None:
        """An attempt is over: retry the job if that is allowed, else it is finished."""
        job, attempt = talk.job, talk.attempt
        if job is None or attempt is None:
            return
        talk.job = talk.attempt = None
        attempt.outcome = outcome
        may_retry = outcome == "retriable" or (outcome == "lost" and not attempt.committed)
        with self.changed:
            self.ended.append(attempt)
            if may_retry and job.attempts_left:
                self._jobs.append(job)
            else:
                self.finished.append(job)
            self.changed.notify_all()

    def _note(self, talk: _Talk, mark: str, text: str) -> None:
        line = Line(time.monotonic() - self._began, mark, text)
        with self.changed:
            self.transcript.append(line)
            if talk.attempt is not None:
                talk.attempt.transcript.append(line)
            self.changed.notify_all()
        self._on_line(line)


class _Talk:
    """One connection's socket and place."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.phase = P.GREETING
        self.job: Job | None = None
        self.attempt: Attempt | None = None
        self._buffer = b""

    def read_line(self) -> str:
        while b"\n" not in self._buffer:
            got = self.line.recv(65536)
            if not got:
                raise Hangup(f"the oracle hung up, in {self.phase}")
            self._buffer += got
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="backslashreplace")


def _as_lines(text: str) -> list[tuple[str, bytes]]:
    return [(text, text.encode() + b"\n")]
