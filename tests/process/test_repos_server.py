# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the stunt dgit-repos-server send the right lines to the manager in every case?

The manager is the test, at the other end of two real pipes. dgit-repos-server's stand-in is a shell
script that does what a row says; gpg's stand-in writes down what it was called with.
"""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from gpgshim.core.gate import Outcome, State
from gpgshim.supervisor.processes import children_of
from gpgshim.system import places
from gpgshim.tag2upload.repos_server import answer_by, give_up_at
from tests.support import skips
from tests.support.scratch import Scratch, is_alive, wait_for
from tests.support.worker import (
    COMMIT,
    FATAL,
    HEARD_CRASHED,
    HEARD_LAST,
    HEARD_LOST,
    HEARD_PASSES,
    HEARD_REFUSED,
    HEARD_UPLOADED,
    LAST,
    LOST,
    MAILS,
    NO_ANSWER,
    PASSES,
    REFUSED,
    SIGN,
    STUNT,
    UPLOADED,
    Worker,
    by_dgit,
    job_words,
)

# Conversations.


def test_success(worker: Worker, scratch: Scratch) -> None:
    worker.start(f"gpg -s f && gpg -s g && {UPLOADED}")
    assert worker.hear() == COMMIT
    assert scratch.calls() == []
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED
    assert worker.end() == 0
    assert scratch.calls() == ["-s f", "-s g"]
    assert scratch.verdict()[:3:2] == (State.COMMITTED, Outcome.UPLOADED)


@pytest.mark.parametrize(
    ("said", "last", "heard", "outcome"),
    [
        (PASSES, "", HEARD_PASSES, Outcome.RETRIABLE),
        (LAST, "This was the last attempt.", HEARD_LAST, Outcome.RETRIABLE),
        (REFUSED, "", HEARD_REFUSED, Outcome.IRRECOVERABLE),
    ],
)
def test_end_before_any_signature(
    worker: Worker, scratch: Scratch, said: str, last: str, heard: list[str], outcome: Outcome
) -> None:
    worker.start(f"gpg --verify f; {said}", last)
    assert worker.rest() == heard
    assert worker.end() == 0
    assert scratch.verdict()[:3:2] == (State.UNCOMMITTED, outcome)


def test_failure_after_a_grant(worker: Worker, scratch: Scratch) -> None:
    worker.start(f"gpg -s f; {LOST}")
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_LOST
    assert worker.end() == 0
    assert scratch.verdict()[:3:2] == (State.COMMITTED, Outcome.IRRECOVERABLE)


def test_retriable_after_a_grant_is_corrected(worker: Worker, scratch: Scratch) -> None:
    worker.start(f"gpg -s f; {PASSES}")
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    assert worker.rest() == [*HEARD_PASSES[:2], "irrecoverable"]
    assert worker.end() == 0
    assert scratch.verdict().outcome is Outcome.IRRECOVERABLE


DEATHS = ("kill -9 $$", "exit 3", "exit 0", "kill -TERM $$")


@pytest.mark.parametrize("death", DEATHS)
def test_death_with_nothing_granted(worker: Worker, scratch: Scratch, death: str) -> None:
    worker.start(f"gpg --list-keys; {death}")
    assert worker.rest() == HEARD_CRASHED
    assert worker.end() == 0
    assert scratch.verdict()[:3:2] == (State.UNCOMMITTED, Outcome.RETRIABLE)


@pytest.mark.parametrize("death", DEATHS)
def test_death_after_a_grant(worker: Worker, scratch: Scratch, death: str) -> None:
    worker.start(f"gpg -s f; {death}")
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    assert worker.rest() == []
    assert worker.end() != 0
    assert scratch.verdict()[:3:2] == (State.COMMITTED, Outcome.IRRECOVERABLE)


@pytest.mark.parametrize("death", DEATHS)
def test_death_while_asking(worker: Worker, scratch: Scratch, death: str) -> None:
    worker.start(f"gpg -s f & await die; {death}")
    assert worker.hear() == COMMIT
    worker.touch("die")
    assert worker.rest() == []
    assert worker.end() != 0
    assert scratch.calls() == []
    assert scratch.verdict()[:3:2] == (State.UNKNOWN, Outcome.IRRECOVERABLE)


def test_manager_that_is_gone_before_it_is_asked(worker: Worker, scratch: Scratch) -> None:
    worker.start(f"await go; {SIGN}{UPLOADED}")
    worker.hang_up()
    worker.touch("go")
    assert worker.end() != 0
    assert scratch.calls() == []
    assert scratch.verdict().state is State.UNCOMMITTED


@pytest.mark.parametrize(
    "answer",
    ["go-ahead, make my day\n", "go-ahead\r\n", "GO-AHEAD\n", "\n", "ayt\n",
     "protocol-violation not now\n"],
)  # fmt: skip
def test_manager_that_does_not_say_go_ahead(worker: Worker, scratch: Scratch, answer: str) -> None:
    worker.start(MAILS)
    assert worker.hear() == COMMIT
    worker.say(answer)
    assert worker.rest() == []
    assert worker.end() != 0
    assert not (scratch.root / "mailed").exists()
    assert scratch.calls() == []
    assert scratch.lines()[-2:] == ["% signal 9", "irrecoverable"]
    assert scratch.verdict()[:3:2] == (State.UNKNOWN, Outcome.IRRECOVERABLE)


@pytest.mark.parametrize("begun", ["", "go-ahead"])
def test_manager_that_hangs_up_when_it_is_asked(
    worker: Worker, scratch: Scratch, begun: str
) -> None:
    worker.start(MAILS)
    assert worker.hear() == COMMIT
    worker.say(begun)
    worker.hang_up()
    assert worker.end() != 0
    assert not (scratch.root / "mailed").exists()
    assert scratch.calls() == []
    assert scratch.verdict()[:3:2] == (State.UNKNOWN, Outcome.IRRECOVERABLE)


def test_manager_that_is_silent_until_the_alarm(worker: Worker, scratch: Scratch) -> None:
    """The alarm is as real as dgit-repos-server's, and its mail would be the uploader's last.

    It comes when the test has seen that the job is over, so it would come to a job that is not.
    """
    alarm = "trap 'touch mailed; exit 0' ALRM; (await alarm; kill -ALRM $$) &"
    worker.start(f"{alarm} gpg -s f & wait; wait", timeout="2")
    assert worker.hear() == COMMIT
    assert worker.rest() == []
    assert worker.end() != 0
    assert not (scratch.root / "mailed").exists()
    assert scratch.lines()[-4:] == ["% timeout", NO_ANSWER, "% signal 9", "irrecoverable"]


@pytest.mark.parametrize("limit", [1, 2, 10, 300, 3000])
def test_an_answer_is_too_late_before_the_alarm(limit: int) -> None:
    gives_up = give_up_at(limit, 7.0)
    assert gives_up is not None
    assert 7.0 < gives_up < answer_by(limit, 7.0) < 7.0 + limit


def test_late_commitment_is_not_cut_short(worker: Worker, scratch: Scratch) -> None:
    """It comes after the time limit most likely; and what is published is never hidden."""
    worker.start(f"sleep 1.2; {UPLOADED}", timeout="1")
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED
    assert worker.end() == 0


def test_disk_that_does_not_take_the_commitment(worker: Worker, scratch: Scratch) -> None:
    """The manager said yes, and we cannot: it hears nothing more, and the uploader neither."""
    worker.start(f"ulimit -c 0; {MAILS}")
    assert worker.hear() == COMMIT
    resource.prlimit(children_of_watchdog(worker), resource.RLIMIT_FSIZE, (0, 0))
    worker.say("go-ahead\n")
    assert worker.rest() == []
    assert worker.end() != 0
    assert not (scratch.root / "mailed").exists()
    assert scratch.calls() == []
    assert scratch.verdict()[:3:2] == (State.UNKNOWN, Outcome.IRRECOVERABLE)


def children_of_watchdog(worker: Worker) -> int:
    (supervisor,) = children_of(worker.pid)
    return supervisor


def test_manager_that_is_gone_at_the_end(worker: Worker, scratch: Scratch) -> None:
    worker.start(f"{SIGN}await go; {UPLOADED}")
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    wait_for(lambda: scratch.calls() == ["-s f"], "the signature")
    worker.hang_up()
    worker.touch("go")
    assert worker.end() != 0
    assert "the outcome did not reach the manager" in worker.err()
    assert scratch.verdict().outcome is Outcome.UPLOADED


def test_an_upload_past_the_gate_is_committed_late(worker: Worker, scratch: Scratch) -> None:
    worker.start(f"echo $$ >drs; {UPLOADED}")
    assert worker.hear() == COMMIT
    assert not is_alive(int(worker.wait_for("drs")))
    assert "ALARM: job j reports uploaded" in worker.err()
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED
    assert worker.end() == 0
    assert "% bypassed" in scratch.lines()
    assert scratch.verdict()[:3:2] == (State.COMMITTED, Outcome.UPLOADED)


def test_an_upload_past_the_gate_that_the_manager_refuses(worker: Worker, scratch: Scratch) -> None:
    worker.start(UPLOADED)
    assert worker.hear() == COMMIT
    worker.say("protocol-violation what\n")
    assert worker.rest() == []
    assert worker.end() != 0
    assert "ALARM" in worker.err()
    assert scratch.verdict()[:3:2] == (State.UNKNOWN, Outcome.IRRECOVERABLE)


@pytest.mark.parametrize(
    "said",
    [
        "echo message half",
        f"printf 'message m\\nemail reported <1>\\nuploaded'; {'exit 0'}",
        f"{PASSES}; echo more",
        f"echo before; {PASSES}",
        "printf 'message \\377\\nemail unreported -\\nretriable\\n'",
        "report m 'perhaps -' retriable",
        "report m 'unreported -' splendid",
        f"{REFUSED}; exit 1",
        f"{UPLOADED}; kill -9 $$",
        "echo commit-to-public-upload; " + PASSES,
    ],
)
def test_report_that_is_none_is_dropped(worker: Worker, scratch: Scratch, said: str) -> None:
    worker.start(said)
    assert worker.rest() == []
    assert worker.end() != 0
    assert "% half" in scratch.lines()
    assert scratch.verdict().state is State.UNCOMMITTED


def test_report_without_end_is_dropped(worker: Worker, scratch: Scratch) -> None:
    # Longer than a pipe holds: it must be read away, or the job would hang.
    worker.start(f"head -c 1000000 /dev/zero | tr '\\0' x; {PASSES}")
    assert worker.rest() == []
    assert worker.end() != 0
    assert "% half" in scratch.lines()


def test_nothing_is_read_ahead(worker: Worker) -> None:
    worker.start(f"{SIGN}{UPLOADED}")
    assert worker.hear() == COMMIT
    worker.say("go-ahead\nayt\nhalf a li")
    assert worker.rest() == HEARD_UPLOADED
    assert worker.end() == 0
    assert os.read(worker.its_stdin, 100) == b"ayt\nhalf a li"
    assert os.get_blocking(worker.its_stdin)


def test_manager_that_speaks_unasked_is_not_read(worker: Worker, scratch: Scratch) -> None:
    """Its line cannot be an answer: a go-ahead that was there before the question is no yes."""
    worker.say("go-ahead\n")
    worker.start(f"{SIGN}{UPLOADED}")
    assert worker.rest() == HEARD_LOST
    assert worker.end() == 0
    assert scratch.calls() == []
    assert scratch.verdict().state is State.UNCOMMITTED
    assert os.read(worker.its_stdin, 100) == b"go-ahead\n"


def test_an_earlier_attempt_that_stands_is_only_named(worker: Worker, scratch: Scratch) -> None:
    """The manager decides whether a job is tried again."""
    directory = scratch.state / "gpgshim"
    directory.mkdir(mode=0o700)
    before = "job: j\n\n! uncommitted\n$ gpg -s f\n! unknown\n> commit-to-public-upload\n"
    (directory / "j.1").write_text(before)
    worker.start(f"gpg -s f && {UPLOADED}")
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED
    assert worker.end() == 0
    warning = "dgit-repos-server: gpgshim: attempt j.1 is irrecoverable: unknown: "
    assert worker.err().startswith(warning)
    assert (scratch.journals()[-1].name, scratch.verdict().outcome) == ("j.2", Outcome.UPLOADED)
    assert not {"earlier", "again"} & set(scratch.journal().head)


# Who may run on, and who may not.


#: An orphan that nothing but SIGKILL ends. It asks from the time when the test touches `ask`.
ORPHAN = """\
trap '' TERM HUP INT
echo $$ >orphan
until test -e ask; do sleep 0.01; done
while :; do gpg -s late; sleep 0.01; done
"""


def start_with_orphan(worker: Worker, scratch: Scratch) -> int:
    """Start a job that leaves an orphan when the test touches `end`; the orphan's process id."""
    orphan = scratch.script("orphan.sh", ORPHAN)
    worker.start(f"echo $$ >drs; setsid sh {orphan} & await end; {PASSES}")
    return int(worker.wait_for("orphan"))


# The orphan may ask after the job's end, before it and be granted, or before it and be waiting yet.


def test_orphan_that_has_not_asked_is_dead_before_the_outcome(
    worker: Worker, scratch: Scratch
) -> None:
    orphan = start_with_orphan(worker, scratch)
    worker.touch("end")
    assert worker.hear() == HEARD_PASSES[0]
    assert not is_alive(orphan)
    assert worker.rest() == HEARD_PASSES[1:]
    assert worker.end() == 0
    assert scratch.calls() == []
    assert scratch.verdict()[:3:2] == (State.UNCOMMITTED, Outcome.RETRIABLE)
    assert f"is over; killed: sh[{orphan}]" in worker.err()


def test_orphan_that_was_granted_is_dead_before_the_outcome(
    worker: Worker, scratch: Scratch
) -> None:
    orphan = start_with_orphan(worker, scratch)
    worker.touch("ask")
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    wait_for(lambda: "-s late" in scratch.calls(), "the orphan's signature")
    worker.touch("end")
    assert worker.hear() == HEARD_PASSES[0]
    assert not is_alive(orphan)
    signed = scratch.calls()
    assert worker.rest() == [HEARD_PASSES[1], "irrecoverable"]  # a signature was made
    assert worker.end() == 0
    assert scratch.calls() == signed
    assert scratch.verdict()[:3:2] == (State.COMMITTED, Outcome.IRRECOVERABLE)
    assert f"is over; killed: sh[{orphan}]" in worker.err()


def test_orphan_that_waits_for_the_manager_is_dead_before_the_connection_ends(
    worker: Worker, scratch: Scratch
) -> None:
    """The job ended after the request to the manager and before its answer: no outcome is sent."""
    orphan = start_with_orphan(worker, scratch)
    worker.touch("ask")
    assert worker.hear() == COMMIT
    worker.touch("end")
    assert worker.rest() == []
    assert not is_alive(orphan)
    assert worker.end() != 0
    assert scratch.calls() == []
    assert scratch.verdict()[:3:2] == (State.UNKNOWN, Outcome.IRRECOVERABLE)
    assert f"is over; killed: sh[{orphan}]" in worker.err()


def test_orphan_that_asks_as_the_job_ends_is_not_granted(worker: Worker, scratch: Scratch) -> None:
    """The supervisor learns of both at once.

    It accepts the connection, and handles the end of the job in the same round of its loop, before
    it reads the request.
    """
    orphan = start_with_orphan(worker, scratch)
    drs = int(worker.wait_for("drs"))
    supervisor = children_of_watchdog(worker)
    os.kill(supervisor, signal.SIGSTOP)
    worker.touch("ask")
    wait_for(lambda: is_connected(scratch), "the orphan's question")
    worker.touch("end")
    wait_for(lambda: not is_alive(drs), "the job's end")
    os.kill(supervisor, signal.SIGCONT)
    assert worker.rest() == HEARD_PASSES
    assert not is_alive(orphan)
    assert worker.end() == 0
    assert scratch.calls() == []
    assert scratch.verdict().outcome is Outcome.RETRIABLE


def is_connected(scratch: Scratch) -> bool:
    """Whether a client is connected to the job's socket; the kernel lists each connection."""
    (job,) = scratch.jobs()
    return Path("/proc/net/unix").read_text().count(f"{job}/socket\n") > 1


def test_nothing_of_the_job_stays(worker: Worker, scratch: Scratch) -> None:
    worker.start(f"(echo $$ >orphan; sleep 1000) & await orphan; {PASSES}")
    assert worker.rest() == HEARD_PASSES
    assert worker.end() == 0
    assert tree(worker.pid) == [worker.pid]
    assert scratch.jobs() == []


def tree(pid: int) -> list[int]:
    return [pid, *(each for child in children_of(pid) for each in tree(child))]


@pytest.mark.parametrize("victim", ["watchdog", "supervisor"])
@pytest.mark.parametrize("granted", [False, True])
def test_kill_of_watchdog_or_supervisor(
    worker: Worker, scratch: Scratch, victim: str, granted: bool
) -> None:
    """Nothing of the job lives on, and the manager's pipe is not let go before that."""
    sign = "gpg -s f; " if granted else ""
    worker.start(f"{sign}setsid sleep 1000 & sleep 1000 & {sign}echo $$ >ready; await never")
    for _ in range(granted):
        assert worker.hear() == COMMIT
        worker.say("go-ahead\n")
    worker.wait_for("ready")
    watchdog, supervisor, *job = tree(worker.pid)
    assert len(job) >= 3
    os.kill(watchdog if victim == "watchdog" else supervisor, signal.SIGKILL)
    assert worker.rest() == []
    assert [pid for pid in job if is_alive(pid)] == []
    assert worker.end() != 0
    verdict = scratch.verdict()
    assert verdict.outcome is (Outcome.IRRECOVERABLE if granted else Outcome.RETRIABLE)
    assert verdict.told is (victim == "watchdog")
    if victim == "watchdog":
        assert "% watchdog-ended" in scratch.lines()


def test_kill_of_both_at_once(worker: Worker, scratch: Scratch) -> None:
    """No process is left to end the job, but dgit-repos-server reports nothing about it."""
    worker.start(f"echo $$ >ready; await go; touch mailed; {LOST}")
    drs = int(worker.wait_for("ready"))
    both = tree(worker.pid)[:2]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in both:
            os.kill(pid, number)
    wait_for(lambda: not is_alive(drs), "its death")
    worker.touch("go")
    assert worker.rest() == []
    assert not (scratch.root / "mailed").exists()
    assert scratch.verdict()[:3:2] == (State.UNCOMMITTED, Outcome.RETRIABLE)


def test_blocked_signals_stay_blocked_and_end_nothing(worker: Worker, scratch: Scratch) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FATAL)
    try:
        # dash clears its own mask as soon as it forks: it looks at it before.
        see = "while read -r key mask; do test $key != SigBlk: || echo $mask >mask; done "
        see += "</proc/self/status; sleep 1000 & echo $! >child; "
        worker.start(f"{see}await go; gpg -s f; {UPLOADED}")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    child = int(worker.wait_for("child"))
    mask = int(worker.wait_for("mask"), 16)
    assert [number for number in FATAL if not mask >> (number - 1) & 1] == []
    for pid in tree(worker.pid)[:2]:
        for number in FATAL:
            os.kill(pid, number)
    worker.touch("go")
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED
    assert worker.end() == 0
    assert not is_alive(child)


# The time limit.

DGIT = "#!/bin/sh\n{script}\n"


def test_dgit_that_is_stuck_is_ended_in_time(worker: Worker, scratch: Scratch) -> None:
    worker.install("exec sleep 1000", "dgit", DGIT)
    worker.start(by_dgit(PASSES, LOST), timeout="1")
    assert worker.rest() == HEARD_PASSES
    assert worker.end() == 0
    assert "the job's time limit is near" in worker.err()


def test_dgit_that_has_signed_is_left_alone(worker: Worker, scratch: Scratch) -> None:
    """A job whose time limit is over has signed. Its dgit still gets its next grant."""
    worker.install("gpg --yes -s f", "dgit", DGIT)
    is_over = 'echo 0 >"${PATH%%/bin:*}/until"'  # dgit's stunt reads it when it starts
    worker.start(f"gpg -s f; {is_over}; dgit rpush-source x && {UPLOADED}", timeout="600")
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED
    assert worker.end() == 0
    assert scratch.calls() == ["-s f", "--yes -s f"]


@pytest.mark.parametrize(("timeout", "limited"), [("0", False), ("600", True)])
def test_dgit_has_a_limit_if_the_job_has_one(
    worker: Worker, scratch: Scratch, timeout: str, limited: bool
) -> None:
    worker.install('ls "${PATH%%/bin:*}" >files; exit 9', "dgit", DGIT)
    worker.start(by_dgit(PASSES, LOST), timeout=timeout)
    assert worker.rest() == HEARD_PASSES
    assert worker.end() == 0
    assert ("until" in (scratch.root / "files").read_text().split()) == limited


# What it passes on, and what it does not take.


def test_job_is_started_as_it_would_have_been(worker: Worker, scratch: Scratch) -> None:
    see = "printf '%s\\n' \"$@\" >words; env -0 >environ; pwd >cwd; umask >umask; "
    see += "grep Sig /proc/$$/status >signals; "
    worker.start(f"{see}{PASSES}", last="of 'words' and more")
    assert worker.rest() == HEARD_PASSES
    assert worker.end() == 0
    root = scratch.root
    words = ["debian", "dir", "keyring,a", *job_words("of 'words' and more")]
    assert (root / "words").read_text().splitlines() == words
    environ = dict(
        pair.split("=", 1) for pair in (root / "environ").read_text().split("\0") if pair
    )
    gone, behind, path = environ.pop("PATH").split(":", 2)
    for name in ("PWD", "OLDPWD", "SHLVL", "_"):  # the shell's own
        environ.pop(name, None)
    assert path == f"{worker.path}:{os.defpath}"
    assert gone.startswith(str(scratch.runtime))
    assert places.is_refusal(Path(behind, "gpg"))
    assert environ == {name: text for name, text in scratch.env.items() if name != "PATH"}
    ignored = next(
        line.split()[1]
        for line in (root / "signals").read_text().splitlines()
        if line.startswith("SigIgn")
    )
    assert int(ignored, 16) & (1 << 12 | 1 << 24) == 0  # SIGPIPE, SIGXFSZ: CPython's


UNTOUCHED = """\
#!/bin/sh
for word; do echo "$word"; done
cat
grep SigIgn /proc/self/status >{root}/signals
exit 7
{script}"""


@pytest.mark.parametrize(
    "words",
    [
        ["debian", "dir", "keyring,a", "--tag2upload11", *job_words("x")[1:]],
        ["debian", "dir", "keyring,a", "--tag2upload13", *job_words("x")[1:]],
        ["debian", "dir", "keyring,a", "--ssh"],
        ["debian", "dir", "keyring,a", "--post-update-hook", "a b", "it's"],
        [],
    ],
)
def test_other_modes_are_the_real_one(worker: Worker, scratch: Scratch, words: list[str]) -> None:
    worker.install("", template=UNTOUCHED)
    worker.say("some input\n")
    worker.start("", words=words)
    os.close(worker._speak)
    assert worker.rest() == [*words, "some input"]
    assert worker.end() == 7
    assert worker.err().count("\n") == 1
    assert "without gpgshim" in worker.err()
    assert scratch.journals() == []
    ignored = int((scratch.root / "signals").read_text().split()[1], 16)
    assert ignored & (1 << 12 | 1 << 24) == 0


@pytest.mark.parametrize(
    "words",
    [
        job_words()[:-1],
        [*job_words(), "more"],
        ["--tag2upload12"],
        [word for word in job_words() if word != "--"] + ["x"],
        job_words(timeout="soon"),
    ],
)
def test_unknown_arguments_are_refused(worker: Worker, scratch: Scratch, words: list[str]) -> None:
    worker.install("touch started")
    worker.start("", words=["debian", "dir", "keyring,a", *words])
    assert worker.rest() == []
    assert worker.end() == 65
    assert worker.err().count("\n") == 1
    assert "nothing was started" in worker.err()
    assert not (scratch.root / "started").exists()


def test_the_real_one_is_found_behind_the_stunts(worker: Worker, scratch: Scratch) -> None:
    """A stunt on PATH, as the deployment has it, and a copy of it, are not the real one."""
    worker.install(PASSES)
    (worker.path / "dgit-repos-server").rename(scratch.root / "real-one")
    (worker.path / "dgit-repos-server").symlink_to(STUNT)
    gate = scratch.root / "gate"
    gate.mkdir()
    (gate / "dgit-repos-server").write_bytes(STUNT.read_bytes())
    (gate / "dgit-repos-server").chmod(0o755)
    usr = scratch.root / "usr"
    usr.mkdir()
    (usr / "dgit-repos-server").symlink_to(scratch.root / "real-one")
    scratch.env["XDG_CACHE_HOME"] = str(scratch.root / "cache")
    worker.path = Path(f"{gate}:{worker.path}:{usr}")
    worker.start("")
    assert worker.rest() == HEARD_PASSES
    assert worker.end() == 0


@pytest.mark.parametrize("there", ["", "#!/nonexistent\n"])
def test_real_one_that_cannot_be_run(worker: Worker, scratch: Scratch, there: str) -> None:
    none = there or not Path("/usr/bin/dgit-repos-server").exists()
    skips.unless(none, "no dgit-infrastructure here", "apt-get remove dgit-infrastructure")
    if there:
        worker.install("", template=there)
    worker.start("")
    assert worker.rest() == []
    assert worker.end() != 0
    assert "dgit-repos-server" in worker.err()
    assert scratch.jobs() == []
