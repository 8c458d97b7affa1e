# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays a recorded job over real sockets.

The inputs of the file are made to happen: a request starts a real stunt with those words, and the
other inputs move a stand-in manager, command or job. Then the journal that the supervisor wrote has
to have the records of the file again.

Kills are real ones. A journal without an outcome is one whose supervisor was killed: when all the
rest has happened it is killed here too, and must have written the file by then.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from gpgshim.core import o2m, wire
from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.core.gate import Outcome
from gpgshim.core.quoting import unquote
from gpgshim.core.transcript import Transcript, parse
from gpgshim.stunts.ask import ask
from gpgshim.supervisor.processes import children_of
from tests.support.scratch import CHECKOUT, wait_for

LIMIT = 30.0  #: seconds, for anything that is waited for here


@contextlib.contextmanager
def tmp_dir() -> Iterator[Path]:
    # A socket's path is short, and pytest's own directories are not.
    with tempfile.TemporaryDirectory(prefix="gpgshim-") as name:
        yield Path(name)


#: The stand-in job: it reads commands, one a line, and prints the process ids that it started.
#: As dgit-repos-server it begins with its request to commit.
JOB = """
import json, os, subprocess, sys
if sys.argv[1:]:
    print("commit-to-public-upload", flush=True)
    assert sys.stdin.readline() == "go-ahead\\n"
pids = open("pids", "w")
for line in open("control"):
    word, *rest = json.loads(line)
    if word == "gpg":
        print(subprocess.Popen(["gpg", *rest], stdin=subprocess.DEVNULL).pid, file=pids, flush=True)
    elif word == "say":
        print(*rest, sep="\\n", flush=True)
    elif word == "exit":
        os._exit(int(rest[0]))
    else:
        os.kill(os.getpid(), int(rest[0]))
"""

#: The stand-in command: waits to be told how to end, and what to print before that.
COMMAND = """#!/bin/sh
read how what said <{fifo}
echo "$said"
test "$how" = exit || kill -"$what" $$
exit "$what"
"""

#: Where the real gpg should be: a program with its options that makes no signature.
GPG = """#!/bin/sh
case $1 in --version|--dump-option-table) exec /usr/bin/gpg "$1";; esac
exec sleep 0.01
"""

#: What oracled puts behind --tag2upload12, before the time limit and after it.
DRS_WORDS = list("shdvfrc"), ["KEY", "--", "stage", *"utpg", ""]


def without_notes(transcript: Transcript) -> list[Record]:
    """The records of an attempt without its notes. A resolution comes after the attempt."""
    records = [record for record, _ in transcript.read() if not record.is_note]
    return [record for record in records if not isinstance(record, r.Resolved)]


class Stage:
    """A supervisor, and stand-ins for all other parties of its journal."""

    def __init__(self, scratch: Path, transcript: Transcript) -> None:
        self.scratch = scratch
        self.records = without_notes(transcript)
        self.authority = transcript.head["authority"].replace("@TMP@", str(scratch))
        self.is_drs = self.authority == "o2m"  # else it is `gpgshim run`
        self.observed = "mode" in transcript.head
        if self.observed:
            self.authority = "nobody"  # the authority of the journal was never asked
        self.journal = scratch / "state" / "gpgshim" / "stage.1"
        self.stunts: list[int] = []
        self.report: list[str] = []
        self.peer: socket.socket | None = None
        self.goes: Path | None = None  # a program that is removed before it is asked
        self.listener: socket.socket | None = None
        self.its: socket.socket | None = None
        self.fifo = scratch / "fifo"

    def play(self) -> list[Record]:
        """Make the inputs happen, one after the other; the journal's records, without its notes."""
        with contextlib.ExitStack() as stack:
            self.listen(stack)
            self.start(stack)
            if self.has(r.Ungated):  # the supervisor notes it when the job has ended
                (stunts,) = (self.scratch / "gpgshim").glob("stage*/bin")
                shutil.rmtree(stunts)
            for seen, record in enumerate(self.records, 1):
                if self.make_happen(record):
                    self.wait_for(seen, record)
            if not isinstance(self.records[-1], r.OutcomeIs):
                self.kill_supervisor()
            self.supervisor.wait(LIMIT)
            if self.is_drs and self.peer:
                told = [each.line for each in self.records if isinstance(each, r.Sent)]
                heard = self.peer.makefile().read().splitlines()
                assert heard == [line for line in told if line != o2m.COMMIT_LINE]
            return self.read()

    def read(self) -> list[Record]:
        if not self.journal.exists():
            return []
        text = self.journal.read_text().replace(str(self.scratch), "@TMP@")
        return without_notes(parse(text.encode()))

    def wait_for(self, count: int, what: Record) -> None:
        """Wait until the journal has `count` records, the last of them most likely `what`."""
        until = time.monotonic() + LIMIT
        while len(records := self.read()) < count:
            written = "\n".join(map(str, records))
            assert time.monotonic() < until, f"waited in vain for {what!r}; the journal:\n{written}"
            time.sleep(0.002)

    def listen(self, stack: contextlib.ExitStack) -> None:
        for name in ("control", "pids", "fifo"):
            os.mkfifo(self.scratch / name)
        kind, _, path = self.authority.partition(":")
        reached = not self.has(r.Failed)
        if self.is_drs:
            ours, self.its = socket.socketpair()
            self.peer = stack.enter_context(ours)
            if not reached:
                self.peer.close()
                self.peer = None
        elif kind == "o2m" and reached:
            self.listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            self.listener.settimeout(LIMIT)
            self.listener.bind(path)
            self.listener.listen()
        elif reached and self.authority != "nobody":
            self.authority = str(self.write_program("command", COMMAND.format(fifo=self.fifo)))
        elif kind.startswith("/"):
            self.goes = self.write_program(Path(kind).name, COMMAND.format(fifo=self.fifo))

    def has(self, kind: type[Record]) -> bool:
        return any(isinstance(each, kind) for each in self.records)

    def write_program(self, name: str, text: str) -> Path:
        path = self.scratch / name
        path.write_text(text)
        path.chmod(0o700)
        return path

    def start(self, stack: contextlib.ExitStack) -> None:
        environ = {
            "PATH": f"{self.scratch}:/usr/bin:/bin",
            "HOME": str(self.scratch),
            "XDG_RUNTIME_DIR": str(self.scratch),
            "XDG_STATE_HOME": str(self.scratch / "state"),
            "PYTHONPATH": str(CHECKOUT),
        }
        self.write_program("gpg", GPG)
        job = self.write_program("dgit-repos-server", f"#!{sys.executable}\n{JOB}")
        slow = self.has(r.TimedOut)
        if self.is_drs:
            before, after = DRS_WORDS
            command = [sys.executable, str(CHECKOUT / "bin/dgit-repos-server")]
            command += ["debian", "dir", "keyring,a", "--tag2upload12"]
            command += [*before, "1" if slow else "0", *after]
        else:
            command = [sys.executable, "-m", "gpgshim", "run", "--job", "stage"]
            if self.authority != "nobody":
                command += ["--commit", self.authority]
            command += ["--observe"] * self.observed
            command += ["--deadline", "0.3" if slow else str(2 * LIMIT), "--"]
            command += ["no-such-command" if self.has(r.NotStarted) else str(job)]
        its = self.its.fileno() if self.its else subprocess.DEVNULL
        self.supervisor = stack.enter_context(
            subprocess.Popen(
                command,
                cwd=self.scratch,
                env=environ,
                stdin=its,
                stdout=its,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
        )
        if self.its:
            self.its.close()
        stack.callback(self.end)
        if command[-1] != "no-such-command":
            flags = os.O_RDONLY | os.O_NONBLOCK  # a job that does not come is not waited for
            self.pids = stack.enter_context(os.fdopen(os.open(self.scratch / "pids", flags)))
            self.control = stack.enter_context(self.open_control())
            os.set_blocking(self.pids.fileno(), True)
        if self.goes:
            self.goes.unlink()  # it was there when it was looked for, before the job

    def open_control(self) -> IO[str]:
        """The job's other named pipe, when the job has opened it. A job that ended is a failure."""
        found: list[IO[str]] = []

        def is_open() -> bool:
            assert self.supervisor.poll() is None, "the supervisor has ended before its job began"
            with contextlib.suppress(OSError):
                fd = os.open(self.scratch / "control", os.O_WRONLY | os.O_NONBLOCK)
                os.set_blocking(fd, True)
                found.append(os.fdopen(fd, "w"))
            return bool(found)

        wait_for(is_open, "the job")
        return found[0]

    def end(self) -> None:
        """Leave nothing running, however the play went."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.supervisor.pid, signal.SIGKILL)

    def kill_supervisor(self) -> None:
        """Kill the supervisor: our child, or of a d-r-s the child of the watchdog."""
        pid = self.supervisor.pid
        if self.is_drs:
            (pid,) = children_of(pid)
        os.kill(pid, signal.SIGKILL)

    def tell_job(self, *words: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # the supervisor has killed it: see repos_server
            os.write(self.control.fileno(), f"{json.dumps(words)}\n".encode())

    def make_happen(self, record: Record) -> bool:
        """Make an input happen; whether it is to be waited for now."""
        match record:
            case r.Request(call=call):
                self.tell_job(*unquote(call.replace("@TMP@", str(self.scratch))))
                self.stunts.append(int(self.pids.readline()))
            case r.Sent(line=o2m.COMMIT_LINE) if self.listener or self.peer:
                if self.listener:
                    self.peer, _ = self.listener.accept()
                assert self.peer is not None
                self.peer.settimeout(LIMIT)
                assert self.peer.recv(len(o2m.COMMIT)) == o2m.COMMIT
            case r.Answer() if self.peer:
                said = "go-ahead" if isinstance(record, r.GoAhead) else record.values[0]
                self.peer.sendall(f"{said}\n".encode())
            case r.Answer() if self.authority.endswith("/command"):
                self.fifo.write_text(f"{how_to_end(record)}\n")
            case r.HungUp() if self.peer:
                self.peer.close()
                self.peer = None
            case r.GateClosed():
                while not (found := list((self.scratch / "gpgshim").glob("stage.*/socket"))):
                    time.sleep(0.002)
                ask(str(found[0].parent), wire.END)
            case r.ClientGone(request=number):
                os.kill(self.stunts[number - 1], signal.SIGKILL)
            case r.WatchdogEnded():
                self.supervisor.kill()
            case r.Exited() | r.Signalled() | r.Ended() | r.Reported() | r.ReportIncomplete():
                return self.end_job(record)
        return True

    def end_job(self, record: Record) -> bool:
        """Have the job do its part of its end; whether it is to be waited for now."""
        match record:
            case r.Exited(status=number):
                self.tell_job("exit", str(number))
            case r.Signalled(signal=number):
                self.tell_job("signal", str(number))
            case r.Ended():
                self.tell_job("exit", "0")
            case r.ReportIncomplete():
                self.tell_job("say", "message a report that is cut off here")
                return False  # it comes with the exit
            case r.Reported(line=line):
                self.report.append(line)
                if line not in o2m.OUTCOMES:
                    return False
                self.tell_job("say", *self.report)
                self.tell_job("exit", "0")
        return True


def how_to_end(answer: r.Answer) -> str:
    """How a command ends that gives this answer."""
    match answer:
        case r.AnswerExit(status=status):
            return f"exit {status}"
        case r.AnswerSignal(signal=number):
            return f"signal {number}"
        case r.Refused(reason=reason):
            return f"exit 77 refused {reason}"
        case r.Contradicted(reason=reason):
            return f"exit 0 refused {reason}"
    return "exit 0"


def comparable(record: Record) -> Record:
    """What journals of both formats have of a record: format 1 had no words for some causes."""
    match record:
        case r.Denied(cause=cause):
            return r.Denied(cause, "")
        case r.Failed():
            return r.Failed("", "")
        case r.OutcomeIs(outcome=Outcome.REFUSED):
            return r.OutcomeIs(Outcome.IRRECOVERABLE)
    return record
