"""What follows a job that is over: an alarm, if it needs a person, and the numbers.

Rule 1: nobody waits for it, and nothing that goes wrong in it changes anything: the outcome is out,
and on disk. A process of its own does it, and says what went wrong, one line each.
Rule 2: that process has nothing of the job's or its caller's but stderr; who reads that to its end
waits for an alarm command too, SECONDS at most. Under dgit-repos-server
stdin and stdout are the manager's pipes, and are let go; the worker's blocked signals are unblocked
for the alarm command, which runs in a process group of its own, with the environment that we were
given, and is killed when its time is up.
Rule 3: what the alarm is about is read from the journal, through its writer's descriptor. A job
whose supervisor was killed raises none: `gpgshim status` and the metrics tell of it.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
from pathlib import Path
from typing import NoReturn

from gpgshim.authority.authority import DEFAULT_SIGNALS
from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.core.verdict import judge, judge_bytes
from gpgshim.history.journal import Journal
from gpgshim.summary.metrics import Alarm, alarm_of
from gpgshim.supervisor.attempt import PASSED_ON, caller_environ
from gpgshim.supervisor.config import Settings
from gpgshim.system.log import say

SECONDS = 30.0  #: an alarm command that takes longer is killed

#: What is said where the outcome's own meaning says less.
BYPASSED = "a signature went round the gate: the job says that it uploaded, and was granted nothing"


def follow(journal: Journal, settings: Settings) -> None:
    """Have done what `settings` want done when the job of `journal` is over. Raises nothing.

    The journal may be closed, but has to be ours: it is read through its descriptor.
    """
    if not settings.alarm and not settings.metrics:
        return
    try:
        if os.fork() == 0:
            _alone(journal, settings)
    except OSError as error:
        say(f"{journal.path.name}: neither alarm nor metrics: {error.strerror}")


def _alone(journal: Journal, settings: Settings) -> NoReturn:
    path = journal.path
    try:
        try:
            data = journal.read()
        except OSError:  # it was removed or replaced: what is there now is not the job's
            data = b""
        signal.set_wakeup_fd(-1)
        for number in PASSED_ON:
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1):
            os.dup2(null, fd)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        if settings.alarm:
            raise_alarm(path, data, settings.alarm)
        if settings.metrics:
            write_metrics(path.parent, Path(settings.metrics))
    except BaseException as error:
        say(f"{path.name}: what follows a job: {error!r}")
    finally:
        os._exit(0)


def write_metrics(directory: Path, path: Path) -> None:
    """Count what is new in `directory`, and write the textfile. What fails is said."""
    from gpgshim.history import tally  # only who wants it pays for it

    try:
        os.nice(10)
        tally.write_textfile(path, tally.take_stock(directory, wait=False))
    except tally.Busy:
        pass  # its numbers lack this job; the next time they do not
    except OSError as error:
        say(f"the metrics cannot be written to {path}: {error.strerror}")


def raise_alarm(journal: Path, data: bytes, command: str, seconds: float = SECONDS) -> None:
    """Run `command` if the job whose journal holds `data` needs a person now. Faults are said.

    It is given the kind of alarm, the attempt's name (JOB.N), its outcome and what that means, as
    words behind its own, and in GPGSHIM_ALARM, GPGSHIM_JOB, GPGSHIM_ATTEMPT, GPGSHIM_OUTCOME,
    GPGSHIM_MEANING and GPGSHIM_JOURNAL.
    """
    try:
        transcript = parse(data)
        verdict = judge(transcript)
        alarm = alarm_of(transcript, verdict)
    except TranscriptError:
        verdict, alarm = judge_bytes(data), Alarm.UNKNOWN
    if alarm is None:
        return
    meaning = BYPASSED if alarm is Alarm.BYPASSED else verdict.meaning
    job, _, attempt = journal.name.rpartition(".")
    environ = caller_environ() | {
        "GPGSHIM_ALARM": str(alarm),
        "GPGSHIM_JOB": job,
        "GPGSHIM_ATTEMPT": attempt,
        "GPGSHIM_OUTCOME": str(verdict.outcome),
        "GPGSHIM_MEANING": meaning,
        "GPGSHIM_JOURNAL": str(journal),
    }
    words = [*shlex.split(command), str(alarm), journal.name, str(verdict.outcome), meaning]
    if fault := run(words, environ, seconds):
        say(f"{journal.name}: the alarm command {words[0]} {fault}")


def run(words: list[str], environ: dict[str, str], seconds: float) -> str:
    """Run a command, for so long at most; what went wrong, empty for nothing."""
    program = shutil.which(words[0], path=environ.get("PATH", os.defpath))
    if program is None:
        return "is not there"
    try:
        pid = os.posix_spawn(
            program,
            words,
            environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, 2, fd) for fd in (1, 2)],
            setpgroup=0,
            setsigmask=(),
            setsigdef=DEFAULT_SIGNALS,
        )
    except OSError as error:
        return f"cannot be run: {error.strerror}"
    poll = select.poll()
    poll.register(os.pidfd_open(pid), select.POLLIN)
    in_time = bool(poll.poll(seconds * 1000))
    if not in_time:
        os.killpg(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not in_time:
        return f"took longer than {seconds:g} s, and was killed"
    return "" if status == 0 else f"ended with status {status}"
