# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stunt dgit-repos-server: it supervises one tag2upload job, and oracled starts it.

Rule 1: the real program's arguments, directory, environment and stderr are unchanged. Its stdin and
stdout are pipes to us: it gets go-ahead at once, and its report is held.
Rule 2: the commitment is requested from the manager at the first signature, and not before.
Rule 3: after dgit-repos-server has ended, the gate is closed and all remaining processes of the job
are killed. Only then does the manager get the outcome: once, complete, and as o2m.REPLIES says.
Rule 4: the supervisor has a watchdog, its parent process (watchdog.py). Each of the two
ends the job if the other is killed, because an unsupervised job must not run on into its own retry.
If both are killed at once, at least dgit-repos-server dies with them, and sends no mail.
Rule 5: the uploader must not hear what the manager will not hear: if the manager did not say
go-ahead, dgit-repos-server is killed before gpg is refused.

In observe mode (`observe` in the settings) only rule 4 holds. The real program has its own stdin,
and its output goes to the manager at once, beginning with its request to commit, as without
gpgshim. Remaining processes of the job are left alone. The journal records what a gate would have
done with a manager that says go-ahead. Our exit status is that of the real program. A job that
cannot be observed runs without gpgshim.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from gpgshim.authority.manager import Manager
from gpgshim.core.memory import Option
from gpgshim.core.quoting import quote
from gpgshim.gpgargs import mask
from gpgshim.supervisor import config, followup
from gpgshim.supervisor.attempt import Attempt, Plan
from gpgshim.supervisor.mode import HOLD, OBSERVE, Mode
from gpgshim.supervisor.processes import (
    become_subreaper,
)
from gpgshim.system import log, places
from gpgshim.system.descriptors import open_standard
from gpgshim.system.errors import (
    Fact,
    GpgshimError,
    Malformed,
    Misconfigured,
    Unable,
    before_the_job,
    of_python,
    status_of,
)
from gpgshim.system.log import Level
from gpgshim.tag2upload.relay import WHO, ManagersReport, Observer, Relay, become, say
from gpgshim.tag2upload.watchdog import watch_over

MODE = "--tag2upload12"  #: the only calling convention that we know
#: The words after MODE.
ARGUMENTS = (
    "ssh", "host", "directory", "virt", "from", "reply-to", "copies", "timeout", "key",
    "--", "job", "url", "tag", "package", "tagger", "last-attempt-message",
)  # fmt: skip
#: The stunt dgit gives up before dgit-repos-server's alarm: earlier by this part of the time limit,
#: but by at most this many seconds. The remaining work, a mail, takes less time.
EARLIER, EARLIEST = 0.1, 30.0

RELAYS: dict[Mode, type[Relay]] = {HOLD: Relay, OBSERVE: Observer}


def main() -> NoReturn:
    """The program `dgit-repos-server`, as oracled starts it."""
    words = sys.argv[1:]
    try:
        closed = open_standard()
        with before_the_job():
            real = find_real(os.environ.get("PATH", os.defpath))
        if MODE not in words:
            say(f"{quote(words[-1:])} is not {MODE}: running {real} without gpgshim", Level.NOTICE)
            become(real, words)
        # An invalid setting closes the worker's connection, as any other fault of the machine does.
        # The manager has heard no commitment and may hand out the job again, and oracled waits
        # before it starts another worker. Our own report `retriable` would be worse: the worker
        # would take the next job at once, and a faulty machine would use up the attempts of all
        # jobs. Running without the intended commit or time limit would be a guess.
        with before_the_job():
            settings = config.load(os.environ).settings
            try:
                arguments = read_arguments(words)
                check_manager(closed)
            except (Malformed, Misconfigured) as error:
                RELAYS[settings.mode].stand_aside(error, real, words)
            become_subreaper()
            # If the caller left SIGCHLD ignored, we would not get the supervisor's exit status.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                watchdog = os.pidfd_open(os.getpid())
                supervisor = os.fork()
            except OSError as error:
                raise Unable(f"the supervisor cannot be started: {error.strerror}") from error
        if supervisor:
            status = watch_over(supervisor)
        else:
            status = serve(real, words, arguments, settings, watchdog)
    except GpgshimError as error:
        log.report(error, who=WHO)
        status = status_of(error)
    except (OSError, ImportError, MemoryError) as error:  # at any point of the run
        log.report(of_python(error), who=WHO)
        status = status_of(error)
    sys.exit(status)


def check_manager(closed: frozenset[int]) -> None:
    """Raises Misconfigured if stdin or stdout was closed: they are the manager's pipes."""
    if closed & {0, 1}:
        raise Misconfigured("stdin or stdout is closed, so there is no manager")


def serve(
    real: Path,
    words: list[str],
    arguments: dict[str, str],
    settings: config.Settings,
    watchdog: int,
) -> int:
    """Supervise the job that `words` describe; 0 if the manager got its outcome.

    `arguments` are the words after MODE by name; `watchdog` is a pidfd of the watchdog.
    """
    manager = Manager(0, 1)
    with before_the_job():
        followup.load(settings)
    limit, now = int(arguments["timeout"]), time.monotonic()
    reporting = ManagersReport()
    plan = Plan(
        arguments["job"],
        manager,
        "o2m",
        quote(mask.of_words(["dgit-repos-server", *words])),
        settings.deadline,
        settings.gpg,
        mode=settings.mode,
        until=give_up_at(limit, now),
        latest=answer_by(limit, now),
        reporting=reporting,
        is_bound=True,
        option=Option.WARN,  # the manager decides
    )
    kind = RELAYS[settings.mode]
    try:
        search = os.environ.get("PATH", os.defpath)
        if fault := settings.fault_of_lock:
            raise Misconfigured(f"{fault} (in the settings)")
        dgit = places.find_real("dgit", search, settings.dgit)
        plan = plan._replace(dgit=dgit, **settings.lock)
        attempt = Attempt(plan)
    except GpgshimError as error:
        error.imply(Fact.NOTHING_STARTED)
        kind.stand_aside(error, real, words)
    if attempt.warning:
        log.report(attempt.warning, Level.WARNING, WHO)
    relay = kind(attempt, manager, watchdog, reporting)
    try:
        return relay.run([str(real), *words])
    finally:
        followup.tried("the end of the attempt", attempt.end)
        followup.follow(attempt.journal, settings)
        followup.prune(attempt.journal, settings)


def read_arguments(words: list[str]) -> dict[str, str]:
    """ARGUMENTS by name. Raises Malformed if their number or their order is wrong."""
    given = words[words.index(MODE) + 1 :]
    found = dict(zip(ARGUMENTS, given, strict=False))
    if len(given) != len(ARGUMENTS) or found["--"] != "--" or not found["timeout"].isdecimal():
        raise Malformed(
            f"{MODE} is followed by {quote(mask.of_words(given))}, which is not how"
            " tag2upload-oracled 17.0 calls it"
        )
    return found


def give_up_at(limit: int, now: float) -> float | None:
    """The time at which the stunt dgit gives up, for a limit in seconds; None for 0 (no limit)."""
    return now + limit - min(limit * EARLIER, EARLIEST) if limit else None


def answer_by(limit: int, now: float) -> float:
    """The time after which the manager's answer is too late: half way from there to the alarm.

    At its alarm, dgit-repos-server would tell the uploader an outcome that the manager never hears.
    """
    until = give_up_at(limit, now)
    return math.inf if until is None else (until + now + limit) / 2


def find_real(search: str) -> Path:
    """The first dgit-repos-server on the PATH `search` that is no stunt. Raises Misconfigured."""
    for path in places.candidates("dgit-repos-server", search):
        with contextlib.suppress(OSError):
            # This stunt is on the same PATH, perhaps under more than one name.
            if os.access(path, os.X_OK) and not places.is_stunt(path):
                return path
    raise Misconfigured(
        f"there is no real dgit-repos-server on PATH ({search})",
        hint="install dgit-infrastructure",
    )
