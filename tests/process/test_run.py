# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does `gpgshim run` report the outcome of a job as its journal has it?

Promises 1, 2, 3 and 5, with real processes and real sockets. The gpg of these jobs is a stand-in
that notes what it was called with; one test has the real one, and asks the agent what it signed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gpgshim.authority.manager import Manager
from gpgshim.core import records as r
from gpgshim.core.gate import Outcome
from gpgshim.core.quoting import unquote
from tests.support.scratch import (
    GPG,
    PATIENCE,
    REFUSE,
    Done,
    Scratch,
    accept,
    finish,
    hear,
    listening,
    message,
    read_line,
    tell,
    wait_for,
)

SIGN = "gpg -s f"
UNCOMMITTED = ["! uncommitted"]
ASKED = ["! uncommitted", "$ gpg -s f", "! unknown", "> commit-to-public-upload"]
GRANTED = [*ASKED, "< go-ahead", "! committed", "= go"]


@pytest.mark.parametrize(
    ("command", "status", "outcome"),
    [
        ("true", 0, Outcome.UNSIGNED),
        ("exit 3", 75, Outcome.RETRIABLE),
        ("exit 75", 75, Outcome.RETRIABLE),
        ("exit 255", 75, Outcome.RETRIABLE),
        ("kill -TERM $$", 75, Outcome.RETRIABLE),
        ("kill -KILL $$", 75, Outcome.RETRIABLE),
        (SIGN, 0, Outcome.UPLOADED),
        (f"{SIGN}; exit 3", 3, Outcome.IRRECOVERABLE),
        (f"{SIGN}; exit 75", 70, Outcome.IRRECOVERABLE),  # 75 means retriable, and nothing else
        (f"{SIGN}; kill -TERM $$", 143, Outcome.IRRECOVERABLE),
        (f"{SIGN}; kill -SEGV $$", 139, Outcome.IRRECOVERABLE),
        ("gpg --verify f && gpg --list-keys", 0, Outcome.UNSIGNED),
    ],
)
def test_exit_status(scratch: Scratch, command: str, status: int, outcome: Outcome) -> None:
    done = scratch.run(f"ulimit -c 0; {command}")
    assert done.status == status
    assert (scratch.verdict().outcome, scratch.verdict().told) == (outcome, True)
    assert done.err.count("\n") == 1
    assert f"j.1: {outcome}: {scratch.verdict().meaning}" in done.err
    assert done.out == ""
    assert scratch.jobs() == []


@pytest.mark.parametrize(
    ("command", "status", "why"),
    [
        ("no-such-command", 127, "No such file"),
        ("/nonexistent/x", 127, "No such file"),
        ("./plain", 126, "Permission denied"),
        ("./directory", 126, "Permission denied"),
    ],
)
def test_command_that_cannot_be_run(scratch: Scratch, command: str, status: int, why: str) -> None:
    (scratch.root / "plain").write_text("")
    (scratch.root / "directory").mkdir()
    done = scratch.gpgshim("run", *scratch.options(), "--", command)
    assert done.status == status
    assert f"{command} cannot be run: {why}" in done.err
    assert scratch.lines() == [*UNCOMMITTED, f"% no-start {status}", "irrecoverable"]
    assert scratch.jobs() == []


@pytest.mark.parametrize("text", ['echo "$# $1 $2"; exit 7\n', "gpg -s f; exit 7\n", ""])
@pytest.mark.parametrize("command", ["./text", "text"])
def test_script_without_a_first_line(scratch: Scratch, text: str, command: str) -> None:
    """It runs as env(1) and a shell run it."""
    scratch.script("text", text)
    scratch.env["PATH"] += f":{scratch.root}"
    words = [command, "a b", "-c"]
    without = scratch.call("env", *words)
    options = scratch.options("--commit", "true")
    done = scratch.gpgshim("run", *options, "--", *words)
    signs = text.startswith("gpg")
    expected = without.status if signs or not without.status else 75
    assert (done.status, done.out) == (expected, without.out)
    assert (scratch.calls() == ["-s f"]) == signs


def inject(scratch: Scratch, call: str, error: str) -> Done:
    """A run whose supervisor fails with `error` at its first `call`."""
    words = [sys.executable, "-m", "gpgshim", "run", *map(str, scratch.options("--gpg", GPG))]
    inject = f"inject={call}:error={error}:when=1"
    return scratch.call("strace", "-qq", "-o", "/dev/null", "-e", inject, *words, "--", "true")


#: `gpgshim run` on a machine that has no process left for the job.
FULL = """\
import os, sys
from gpgshim.cli import main as cli
from gpgshim.supervisor import attempt
def spawn(*_, **__):
    raise OSError(int(number), os.strerror(int(number)))
number = sys.argv.pop(1)
attempt._spawner = lambda *_: spawn
sys.exit(cli.main())
"""


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.E2BIG])
def test_no_process_for_the_job(scratch: Scratch, number: int) -> None:
    words = [sys.executable, "-c", FULL, str(number), "run", *map(str, scratch.options())]
    done = subprocess.run([*words, "--", "true"], env=scratch.env, capture_output=True, text=True)
    passing = number != errno.E2BIG
    assert done.returncode == (75 if passing else 126)
    assert f"true cannot be run: {os.strerror(number)}\n" in done.stderr
    status, outcome = (71, "retriable") if passing else (126, "irrecoverable")
    assert scratch.lines() == [*UNCOMMITTED, f"% no-start {status}", outcome]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("pidfd_open", "EMFILE"),
        ("pidfd_open", "ENFILE"),
        ("signalfd4", "ENOMEM"),
    ],
)
def test_a_machine_that_is_full_at_the_moment(scratch: Scratch, call: str, error: str) -> None:
    done = inject(scratch, call, error)
    assert done.status == 75
    assert "true cannot be run: " in done.err
    assert scratch.lines() == [*UNCOMMITTED, "% no-start 71", "retriable"]
    assert scratch.jobs() == []


@pytest.mark.parametrize("error", ["EMFILE", "EBUSY"])
def test_descriptors_that_cannot_be_released(scratch: Scratch, error: str) -> None:
    """The job runs by then; it is watched and judged like any other."""
    done = inject(scratch, "dup3", error)
    assert done.status == 0
    assert scratch.lines() == [*UNCOMMITTED, "% exit 0", "unsigned"]


def test_a_program_that_is_being_written(scratch: Scratch) -> None:
    path = scratch.script("program", "#!/bin/sh\n")
    with path.open("a"):
        done = scratch.gpgshim("run", *scratch.options(), "--", str(path))
    assert done.status == 75
    assert scratch.lines() == [*UNCOMMITTED, "% no-start 71", "retriable"]


def test_signature_by_the_real_gpg(scratch: Scratch) -> None:
    (scratch.root / "f").write_text("to be signed\n")
    before = scratch.key.signings()
    command = "gpg --batch -b f && gpg --batch --clearsign f && gpg --verify f.sig f"
    done = scratch.run(command, "--gpg", GPG)
    assert done.status == 0
    assert "Good signature" in done.err
    assert scratch.key.signings() == before + 2
    done = scratch.run("gpg --batch --yes -b f", "--gpg", GPG, "--commit", REFUSE, "--again")
    assert done.status == 77
    assert scratch.key.signings() == before + 2


@pytest.mark.parametrize(
    ("commit", "lines", "status"),
    [
        ("exit 0", ["< go-ahead", "! committed", "= go", "% exit 0", "uploaded"], 0),
        ("exit 77", ["< refused", "% exit 2", "refused"], 77),
        ("echo refused no; exit 1", ["< refused no", "% exit 2", "refused"], 77),
        ("echo refused no", ["< contradicted no", "% exit 2", "irrecoverable"], 2),
        (
            "echo refused no; echo yes",
            ["< go-ahead", "! committed", "= go", "% exit 0", "uploaded"],
            0,
        ),
        ("exit 1", ["< exit 1", "% exit 2", "irrecoverable"], 2),
        ("exit 3", ["< exit 3", "% exit 2", "irrecoverable"], 2),
        ("exit 75", ["< exit 75", "% exit 2", "irrecoverable"], 2),
        ("kill -9 $$", ["< signal 9", "% exit 2", "irrecoverable"], 2),
        ("kill -TERM $$", ["< signal 15", "% exit 2", "irrecoverable"], 2),
    ],
)
def test_commit_command(scratch: Scratch, commit: str, lines: list[str], status: int) -> None:
    done = scratch.run(SIGN, "--commit", f"sh -c '{commit}'")
    assert done.status == status
    assert without_refusals(scratch.lines()) == [*ASKED, *lines]
    assert scratch.calls() == ["-s f"] * (status == 0)


def without_refusals(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("= no ")]


def test_a_refusal_is_final(scratch: Scratch) -> None:
    commit = scratch.script("commit", "#!/bin/sh\necho asked >>asked; exit 77\n")
    done = scratch.run(f"{SIGN}; {SIGN}; {SIGN}", "--commit", str(commit))
    assert done.status == 77
    assert (scratch.root / "asked").read_text() == "asked\n"
    assert scratch.lines().count("= no refused the authority refused") == 3
    said = "gpg: gpgshim refuses: the authority refused;"
    assert done.err.count(said) == 3
    outcome = done.err.splitlines()[-1]
    assert outcome.count("gpg was refused: the authority refused") == 1


NOT_RUNNABLE = [
    ("", "is empty"),
    ("exit 0\n", "has no #! line"),
    ("#!/nonexistent/sh\n", "its interpreter '/nonexistent/sh' is not there"),
    ("#!/usr/bin/env nosuch\n", "env(1) finds no program 'nosuch'"),
]


@pytest.mark.parametrize(("text", "fault"), NOT_RUNNABLE)
@pytest.mark.parametrize("verb", ["run", "supervise"])
def test_commit_command_that_cannot_be_run(
    scratch: Scratch, verb: str, text: str, fault: str
) -> None:
    words = [verb, *scratch.options("--commit", scratch.script("commit", text))]
    done = scratch.gpgshim(*words, *(["--", "touch", "started"] if verb == "run" else []))
    assert done.status == 78
    assert f"the command of --commit cannot be executed: {scratch.root}/commit" in done.err
    assert fault in done.err and message(done.err)[0].endswith("; nothing was started")
    assert not (scratch.root / "started").exists()
    assert scratch.journals() == scratch.jobs() == []


@pytest.mark.parametrize("commit", ["/nonexistent/commit 1", "nonexistent", "/tmp", "./"])
def test_commit_command_that_is_not_there(scratch: Scratch, commit: str) -> None:
    done = scratch.run("touch started", "--commit", commit)
    assert done.status == 78
    assert "the command of --commit cannot be executed: " in done.err
    assert not (scratch.root / "started").exists()
    assert scratch.journals() == scratch.jobs() == []
    # In observe mode the command is not asked, so it need not exist.
    assert scratch.run("touch started", "--observe", "--commit", commit).status == 0


@pytest.mark.parametrize(("text", "fault"), [*NOT_RUNNABLE, (None, "there is no program")])
def test_commit_command_that_is_spoilt_while_the_job_runs(
    scratch: Scratch, text: str | None, fault: str
) -> None:
    commit = scratch.script("commit", "#!/bin/sh\n")
    spoil = "rm commit" if text is None else f"printf '{text}' >commit"
    done = scratch.run(f"{spoil}; {SIGN}", "--commit", commit)
    assert done.status == 75
    question, failed, refused, *_ = scratch.lines()[1:]
    assert (question, failed[:9], refused[:5]) == ("$ gpg -s f", "% failed ", "= no ")
    assert fault in done.err
    assert "! unknown" not in scratch.lines()
    assert scratch.calls() == []


def test_commit_command_that_hangs(scratch: Scratch) -> None:
    # What it has started hangs too, and is ended with it: the pipe has no writer left.
    fifo = scratch.fifo("fifo")
    commit = scratch.script("commit", f"#!/bin/sh\nsleep 600 >{fifo} & sleep 600\n")
    process = scratch.start_run(SIGN, "--commit", str(commit), "--deadline", "0.5")
    assert finish(process).status == 2
    wait_for(lambda: not is_written(fifo), "the end of what it has started")
    assert "% timeout" in scratch.lines()
    assert scratch.verdict().outcome is Outcome.IRRECOVERABLE
    assert scratch.calls() == []


def is_written(fifo: Path) -> bool:
    """Whether a process has the named pipe open for writing."""
    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.read(fd, 1)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)


def test_the_arguments_of_a_commit_command(scratch: Scratch) -> None:
    commit = scratch.script(
        "commit",
        "#!/bin/sh\nwhich gpg >saw; echo $GPGSHIM_JOB $1 >>saw; cat >>saw\n",
    )
    scratch.env["GPGSHIM_JOB"] = "another"
    assert scratch.run(SIGN, "--commit", f"{commit} 'a b'").status == 0
    gpg, words, question = (scratch.root / "saw").read_text().splitlines()
    assert Path(gpg).samefile(GPG)
    assert words == "j a b"
    assert json.loads(question)["job"] == "j"


def test_authority_of_a_job_without_a_name(scratch: Scratch) -> None:
    commit = scratch.script("commit", "#!/bin/sh\necho $GPGSHIM_JOB >saw\n")
    words = ["--gpg", str(scratch.stand_in()), "--commit", str(commit)]
    done = scratch.gpgshim("run", *words, "--", "sh", "-c", SIGN, GPGSHIM_JOB="another")
    assert done.status == 0
    assert (scratch.root / "saw").read_text() == f"{scratch.journal().head['job']}\n"


@pytest.mark.parametrize("commit", ["", " ", "'", "o2m:", "o2m:" + "x" * 200])
def test_commit_that_names_nothing(scratch: Scratch, commit: str) -> None:
    done = scratch.run("touch started", "--commit", commit)
    assert done.status == 64
    assert "nothing was started" in done.err
    assert not (scratch.root / "started").exists()
    assert scratch.journals() == []
    assert scratch.jobs() == []


# tag2upload's manager.


def converse(scratch: Scratch, answer: bytes, *options: str) -> tuple[Done, bytes, bytes]:
    """A run with a manager that says `answer`; how it ended, what the manager heard, and left."""
    with listening(scratch.root / "manager") as listener:
        process = scratch.start_run(SIGN, "--commit", f"o2m:{scratch.root}/manager", *options)
        with accept(listener) as peer:
            heard = read_line(peer)
            with contextlib.suppress(BrokenPipeError):  # it reads no more than a line may have
                peer.sendall(answer)
            if answer.endswith(b"EOF"):
                peer.shutdown(socket.SHUT_WR)
            done = finish(process)
            try:
                return done, heard, peer.recv(100)
            except ConnectionResetError:
                return done, heard, b""


def test_manager_says_go_ahead(scratch: Scratch) -> None:
    done, heard, more = converse(scratch, b"go-ahead\n")
    assert (done.status, heard, more) == (0, b"commit-to-public-upload\n", b"")
    assert scratch.lines() == [*GRANTED, "% exit 0", "uploaded"]


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (b"protocol-violation no such job\n", "< unexpected protocol-violation no such job"),
        (b"go-ahead EOF", "% eof"),
        (b"EOF", "% eof"),
        (b"go-ahead\r\n", "< unexpected go-ahead\\r"),
        (b"GO-AHEAD\n", "< unexpected GO-AHEAD"),
        (b" go-ahead\n", "< unexpected  go-ahead"),
        (b"go-ahead now\n", "< unexpected go-ahead now"),
        (b"\n", "< unexpected"),
        (b"ayt\ngo-ahead\n", "< unexpected ayt"),
        (b"\xff\x00\x1b[31m\n", "< unexpected \\xff\\x00\\x1b[31m"),
        (b"g" * (1 << 20), "< unexpected " + "g" * 4096),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_manager_says_something_else(scratch: Scratch, answer: bytes, line: str) -> None:
    done, _, _ = converse(scratch, answer)
    assert done.status == 2
    assert without_refusals(scratch.lines()) == [*ASKED, line, "% exit 2", "irrecoverable"]
    assert scratch.calls() == []


def test_manager_says_nothing(scratch: Scratch) -> None:
    done, _, _ = converse(scratch, b"", "--deadline", "0.5")
    assert done.status == 2
    assert without_refusals(scratch.lines()) == [*ASKED, "% timeout", "% exit 2", "irrecoverable"]


def test_nothing_is_read_behind_the_go_ahead(scratch: Scratch) -> None:
    # The next line of the manager stays in the connection for other readers. If a socket with
    # unread data is closed, its peer gets a reset; so this test can see that it was not read.
    with listening(scratch.root / "manager") as listener:
        process = scratch.start_run(SIGN, "--commit", f"o2m:{scratch.root}/manager")
        with accept(listener) as peer:
            read_line(peer)
            peer.sendall(b"go-ahead\nayt\n")
            assert finish(process).status == 0
            with pytest.raises(ConnectionResetError):
                peer.recv(1)


def test_manager_that_is_not_there(scratch: Scratch) -> None:
    with listening(scratch.root / "manager"):
        """The socket remains, but no process listens at it any more."""
    for path, cause in (("manager", "econnrefused"), ("nonexistent", "enoent")):
        done = scratch.run(SIGN, "--commit", f"o2m:{scratch.root}/{path}")
        assert done.status == 75
        found = re.fullmatch(r"% failed (\w+) (.*)", scratch.lines()[2])
        assert found and found[1] == cause
        assert found[2].startswith(f"the manager at {scratch.root}/{path}: ")
        assert "! unknown" not in scratch.lines()


def test_manager_has_hung_up_before_the_request() -> None:
    """The hang-up is seen before `! unknown` is written, so the job can be retried."""
    ours, theirs = socket.socketpair()
    with ours:
        manager = Manager(ours.fileno(), ours.fileno())
        manager.reach()
        theirs.close()
        with pytest.raises(OSError, match="the manager has hung up"):
            manager.reach()


def test_manager_hangs_up_without_reading_the_request(scratch: Scratch) -> None:
    """What it has heard is unknown: `! unknown` is on disk by then."""
    with listening(scratch.root / "manager") as listener:
        process = scratch.start_run(SIGN, "--commit", f"o2m:{scratch.root}/manager")
        scratch.wait_for_line("! unknown")
        accept(listener).close()
        assert finish(process).status == 2
    assert scratch.verdict().outcome is Outcome.IRRECOVERABLE
    assert scratch.calls() == []


# Who asks, and when.


def test_the_second_signature_needs_no_request(scratch: Scratch) -> None:
    commit = scratch.script("commit", "#!/bin/sh\necho asked >>asked\n")
    assert scratch.run(f"{SIGN}; {SIGN}; {SIGN}", "--commit", str(commit)).status == 0
    assert (scratch.root / "asked").read_text() == "asked\n"
    more = ["$ gpg -s f", "= go"]
    assert scratch.lines() == [*GRANTED, *more, *more, "% exit 0", "uploaded"]


def test_two_at_the_same_moment(scratch: Scratch) -> None:
    fifo = scratch.fifo("fifo")
    commit = scratch.script("commit", f"#!/bin/sh\necho asked >>asked; cat {fifo}\n")
    process = scratch.start_run("gpg -s f & gpg -s f; wait", "--commit", str(commit))
    scratch.wait_for_line("> commit-to-public-upload")
    wait_for(lambda: scratch.lines().count("$ gpg -s f") == 2, "the second question")
    tell(fifo)
    assert finish(process).status == 0
    assert (scratch.root / "asked").read_text() == "asked\n"
    assert scratch.lines().count("= go") == 2
    assert scratch.lines().count("! committed") == 1
    assert scratch.calls() == ["-s f"] * 2


def test_stunt_that_is_killed_while_it_waits(scratch: Scratch) -> None:
    fifo = scratch.fifo("fifo")
    commit = scratch.script("commit", f"#!/bin/sh\ncat {fifo}\n")
    command = f"gpg -s f & echo $! >pid; wait; echo went >{fifo}; {SIGN}"
    process = scratch.start_run(command, "--commit", str(commit))
    scratch.wait_for_line("> commit-to-public-upload")
    os.kill(int((scratch.root / "pid").read_text()), signal.SIGKILL)
    assert finish(process).status == 0
    assert scratch.lines()[4] == "% gone 1"
    assert scratch.lines().count("= go") == 1
    assert scratch.calls() == ["-s f"]


@pytest.mark.parametrize(("end", "status"), [("exit 0", 0), ("exit 1", 1), ("exit 75", 70)])
def test_job_that_ends_while_a_stunt_waits(scratch: Scratch, end: str, status: int) -> None:
    fifo = scratch.fifo("fifo")
    commit = scratch.script("commit", f"#!/bin/sh\necho there >{fifo}; sleep 600\n")
    process = scratch.start_run(f"gpg -s f & cat {fifo}; {end}", "--commit", str(commit))
    done = finish(process)
    assert done.status == status
    assert "gpg: gpgshim refuses: the job is over; nothing was signed by this gpg\n" in done.err
    assert "= no closed the job is over" in scratch.lines()
    assert scratch.verdict().outcome is Outcome.IRRECOVERABLE
    assert scratch.calls() == []


def test_stunts_that_were_removed(scratch: Scratch) -> None:
    # As what cleans up /tmp does, or /run/user at the last logout. PATH then leads to the real gpg.
    done = scratch.run("rm -r ${PATH%%/bin:*}; exit 3")
    assert (done.status, scratch.verdict().outcome) == (3, Outcome.IRRECOVERABLE)
    assert "its gpg may have been the real one" in done.err
    assert scratch.lines()[-3:] == ["% exit 3", "% ungated", "irrecoverable"]


def test_stunts_that_cannot_be_run_any_more(scratch: Scratch) -> None:
    # As where another python3 has come, and the one before is gone.
    done = scratch.run("sed -i '1s|#![^ ]*|#!/nonexistent|' ${PATH%%:*}/gpg; gpg -s f; exit 3")
    assert (done.status, scratch.verdict().outcome) == (3, Outcome.IRRECOVERABLE)
    assert "% ungated" in scratch.lines()


def test_stunts_that_were_removed_from_a_dgit(scratch: Scratch) -> None:
    real = scratch.script("dgit", "#!/bin/sh\nrm -r ${PATH%%/bin:*}; exit 255\n")
    done = finish(scratch.start_with_dgit(real, "dgit push-source"))
    assert done.status == 255
    assert "% ungated" in scratch.lines()


def test_journal_that_was_taken_away(scratch: Scratch) -> None:
    done = scratch.run(f"rm {scratch.state}/gpgshim/j.1; {SIGN}; echo $? >status")
    assert done.status == 74
    assert (scratch.root / "status").read_text() == "2\n"
    assert "j.1 was removed, moved or replaced: it does not exist any more" in done.err
    assert scratch.calls() == []


def test_orphan_is_refused_when_the_job_is_over(scratch: Scratch) -> None:
    fifo, told = scratch.fifo("fifo"), scratch.fifo("told")
    # A late process finds the stunt first on PATH: its directory stays while the process lives.
    orphan = f"cat {fifo}; gpg -s f 2>why; echo $? >{told}"
    done = finish(scratch.start_run(f"({orphan}) >/dev/null 2>&1 </dev/null & {SIGN}"))
    assert done.status == 0
    assert len(scratch.jobs()) == 1
    tell(fifo)
    assert hear(told) == "2\n"
    assert "the job is over" in (scratch.root / "why").read_text()
    assert scratch.calls() == ["-s f"]
    assert scratch.lines()[-1] == "uploaded"


def test_orphan_of_a_job_that_granted_nothing(scratch: Scratch) -> None:
    fifo, told = scratch.fifo("fifo"), scratch.fifo("told")
    orphan = f"setsid sh -c 'cat {fifo}; gpg -s f; echo $? >{told}'"
    done = finish(scratch.start_run(f"{orphan} >/dev/null 2>&1 </dev/null & exit 1"))
    assert done.status == 75
    # The next attempt may be under way, and committed.
    assert scratch.run(SIGN).status == 0
    tell(fifo)
    assert hear(told) == "2\n"
    assert scratch.calls() == ["-s f"]


@pytest.mark.parametrize("commit", [None, "true"], ids=["nobody", "command"])
def test_gpg_has_ended_when_it_has(scratch: Scratch, commit: str | None) -> None:
    """Not before: its pidfd may have the number that the authority's descriptor had."""
    ready, fifo = scratch.fifo("ready"), scratch.fifo("fifo")
    text = f'#!/bin/sh\ncase "$1" in --version|--dump*) exec {GPG} "$@";; esac\n'
    text += f"echo >{ready}; cat {fifo}\n"
    slow = scratch.script("slow", text)
    options = [] if commit is None else ["--commit", commit]
    process = scratch.start_run("gpg -s f; gpg -s f; :", "--gpg", slow, *options)
    for number in (1, 2):
        hear(ready)
        ended = [note for note in scratch.notes() if isinstance(note, r.GpgEnded)]
        assert len(ended) == number - 1
        tell(fifo)
    assert finish(process).status == 0
    assert [x for x in scratch.notes() if isinstance(x, r.GpgEnded) and x.request == 1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_signal_to_the_supervisor(scratch: Scratch, number: signal.Signals) -> None:
    # The signal is passed on, and from then on no request is granted.
    fifo = scratch.fifo("fifo")
    trap = f"trap '{SIGN}; exit 9' {number.name[3:]}; echo >{fifo}; while :; do sleep 0.1; done"
    process = scratch.start_run(trap)
    hear(fifo)
    process.send_signal(number)
    done = finish(process)
    assert done.status == 128 + number
    assert scratch.lines() == [
        *UNCOMMITTED,
        "% close",
        "$ gpg -s f",
        "= no closed the job is over",
        "% exit 9",
        "retriable",
    ]
    assert scratch.calls() == []


def test_signal_after_the_commitment(scratch: Scratch) -> None:
    fifo = scratch.fifo("fifo")
    process = scratch.start_run(f"{SIGN}; echo >{fifo}; exec sleep 600")
    hear(fifo)
    process.terminate()
    assert finish(process).status == 143
    assert scratch.lines() == [*GRANTED, "% close", "% signal 15", "irrecoverable"]


def test_signal_while_the_authority_is_asked(scratch: Scratch) -> None:
    fifo = scratch.fifo("fifo")
    commit = scratch.script("commit", f"#!/bin/sh\necho >{fifo}; sleep 600\n")
    process = scratch.start_run(f"trap '' TERM; {SIGN}", "--commit", str(commit))
    hear(fifo)
    process.terminate()
    done = finish(process)
    assert done.status == 143  # the signal closed the gate, so the gpg was refused
    assert scratch.verdict().outcome is Outcome.IRRECOVERABLE
    assert scratch.calls() == []


def test_supervisor_that_is_killed(scratch: Scratch) -> None:
    fifo, told = scratch.fifo("fifo"), scratch.fifo("told")
    process = scratch.start_run(f"echo >{fifo}; cat {fifo}; gpg -s f; echo $? >{told}")
    hear(fifo)
    process.kill()
    process.wait()
    tell(fifo)
    assert hear(told) == "2\n"
    assert (scratch.verdict().outcome, scratch.verdict().told) == (Outcome.RETRIABLE, False)
    assert scratch.calls() == []


def test_an_unknown_command_is_granted_only_after_the_commitment(scratch: Scratch) -> None:
    gpg = scratch.gpg_with_command("bless-key")
    done = scratch.run(f"gpg --bless-key x; {SIGN}; gpg --bless-key y", "--gpg", gpg)
    assert done.status == 0
    assert scratch.calls() == ["-s f", "--bless-key y"]
    assert "bless-key x' is not a command that we know" in done.err.replace("x is", "x' is")
    assert without_refusals(scratch.lines()) == [
        "! uncommitted",
        "? gpg --bless-key x",
        *GRANTED[1:],
        "? gpg --bless-key y",
        "= go",
        "% exit 0",
        "uploaded",
    ]


def test_an_unknown_command_does_not_commit(scratch: Scratch) -> None:
    gpg = scratch.gpg_with_command("bless-key")
    done = scratch.run("gpg --bless-key x", "--gpg", gpg, "--commit", "o2m:/nonexistent/commit")
    assert done.status == 75
    assert scratch.calls() == []


def test_a_refusal_gives_its_own_cause(scratch: Scratch) -> None:
    gpg = scratch.gpg_with_command("bless-key")
    done = scratch.run(
        f"gpg --bless-key x; {SIGN}", "--gpg", gpg, "--commit", "o2m:/nonexistent/commit"
    )
    assert done.err.count("is not a command that we know; nothing was signed by this gpg") == 1
    assert "the manager at /nonexistent/commit: No such file" in done.err


# The journal.


def test_each_attempt_has_its_own(scratch: Scratch) -> None:
    for command in ("false", SIGN, "true"):
        scratch.run(command, "--again")
    assert [path.name for path in scratch.journals()] == ["j.1", "j.2", "j.3"]
    assert [scratch.verdict(n).outcome for n in range(3)] == ["retriable", "uploaded", "unsigned"]
    head = scratch.journal(1).head
    assert (head["job"], head["attempt"], head["authority"]) == ("j", "2", "nobody")
    assert unquote(head["command"]) == ["sh", "-c", SIGN]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in scratch.journals())


def test_attempts_at_the_same_moment(scratch: Scratch) -> None:
    # In observe mode no attempt stops another one.
    processes = [scratch.start_run("false", "--observe") for _ in range(6)]
    assert [finish(process).status for process in processes] == [1] * 6
    assert [path.name for path in scratch.journals()] == [f"j.{n}" for n in range(1, 7)]
    assert [scratch.journal(n).head["attempt"] for n in range(6)] == list("123456")
    assert list((scratch.state / "gpgshim").glob(".new*")) == []


def test_readable_while_the_job_runs(scratch: Scratch) -> None:
    fifo = scratch.fifo("fifo")
    process = scratch.start_run(f"{SIGN}; echo >{fifo}; cat {fifo}")
    hear(fifo)
    assert scratch.lines() == GRANTED
    assert not scratch.verdict().told
    shown = scratch.gpgshim("show", "j")
    assert shown.status == 0
    assert "The journal has no outcome yet." in shown.out
    tell(fifo)
    assert finish(process).status == 0


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda path: path.write_text(""),
        lambda path: path.write_text("nonsense"),
        lambda path: path.write_text("job: j\n\n! uncommitted\n! committed\n"),
        lambda path: path.open("a").write("half a li"),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["gone", "empty", "nonsense", "impossible", "torn", "directory"],
)
@pytest.mark.parametrize("status", [0, 1])
def test_a_spoilt_journal_is_never_retriable(
    scratch: Scratch, spoil: Callable[[Path], object], status: int
) -> None:
    fifo = scratch.fifo("fifo")
    process = scratch.start_run(f"echo >{fifo}; cat {fifo}; exit {status}")
    hear(fifo)
    path = scratch.journals()[0]
    spoil(path)
    scratch.differences_wanted = True
    tell(fifo)
    done = finish(process)
    assert done.status == 74
    assert f"{path} cannot be read back (" in done.err
    assert "irrecoverable: unknown" in done.err
    assert f"the job ended with status {status}" in done.err
    assert "Traceback" not in done.err
    if path.is_dir():
        path.rmdir()


def test_odd_words_come_back_from_the_journal(scratch: Scratch) -> None:
    words = [
        "gpg",
        "-b",
        "new\nline",
        "tab\t",
        "it's",
        "\\",
        "",
        "\udcff\udcfe",
        "é",
        "\x1b[31m",
        "f",
    ]
    command = [os.fsencode(word) for word in words]
    done = subprocess.run(
        [
            "python3",
            "-m",
            "gpgshim",
            "run",
            "--job",
            "j",
            "--gpg",
            scratch.stand_in(),
            "--",
            *command,
        ],
        executable=sys.executable,
        env=scratch.env,
        cwd=scratch.root,
        capture_output=True,
    )
    assert done.returncode == 0
    assert unquote(scratch.lines()[1][2:]) == words
    assert unquote(scratch.journal().head["command"]) == words


def test_files_that_are_none(scratch: Scratch) -> None:
    # The supervisor reads the files that are to be signed. It must not open a pipe for that, and a
    # name such as /dev/stdin is another file in the supervisor.
    fifo, secret = scratch.fifo("pipe"), scratch.root / "secret"
    secret.write_text("not what gpg is to sign\n")
    command = f"gpg -b /dev/fd/0 /dev/stdin /proc/self/cmdline '' . {fifo} nonexistent <secret"
    assert scratch.run(command).status == 0
    assert not any(isinstance(note, r.FileDigest) for note in scratch.notes())
    assert len(scratch.calls()) == 1


def test_a_hundred_thousand_words(scratch: Scratch) -> None:
    assert (
        scratch.gpgshim("run", *scratch.options(), "--", "gpg", "-b", *["w"] * 100_000).status == 0
    )
    assert scratch.lines()[1].startswith("$ gpg -b w w w")
    assert scratch.lines()[1].endswith(" words>")
    assert [len(call) for call in scratch.calls()] == [200_002]


def test_job_has_its_caller_s_environment(scratch: Scratch) -> None:
    # In a C locale CPython sets LC_CTYPE for itself; the job is not to see it.
    del scratch.env["LC_CTYPE"]
    assert scratch.run("env >env").status == 0
    seen = dict(line.split("=", 1) for line in (scratch.root / "env").read_text().splitlines())
    path = seen.pop("PATH")
    given = {name: value for name, value in scratch.env.items() if name != "PATH"}
    assert {
        name: seen[name] for name in seen if name not in ("PWD", "OLDPWD", "SHLVL", "_")
    } == given
    gate, wall, *others = path.split(":")
    assert (gate.endswith("/bin"), Path(wall, "gpg").exists()) == (True, True)
    assert ":".join(others) == scratch.env["PATH"]


def test_signals_of_the_job(scratch: Scratch) -> None:
    # dgit does not start with SIGPIPE ignored.
    assert (
        scratch.run("while read -r line; do echo $line; done </proc/$$/status >status").status == 0
    )
    rows = (line.split(": ", 1) for line in (scratch.root / "status").read_text().splitlines())
    seen = {row[0]: row[1] for row in rows if len(row) == 2}
    # glibc's posix_spawn(3) ignores two real-time signals that are its own.
    assert int(seen["SigIgn"], 16) & ~(3 << 31) == 0
    assert int(seen["SigBlk"], 16) == 0


def test_caller_that_ignores_sigchld(scratch: Scratch) -> None:
    words = ["env", "--ignore-signal=CHLD", sys.executable, "-m", "gpgshim", "run"]
    for command, status in (("exit 3", 75), (f"{SIGN}; exit 3", 3)):
        done = subprocess.run(
            [*words, *scratch.options(), "--", "sh", "-c", command],
            env=scratch.env,
            cwd=scratch.root,
            capture_output=True,
            timeout=PATIENCE,
        )
        assert done.returncode == status
