# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that are put into a copy of the code, each with the points that must find it.

Rule 1: a spoil changes one place, as a person might change it by mistake.
Rule 2: the check that exists for it must find it: `seen` is a part of that check's message. Every
check of checks.faults(), of a next attempt and of a failed fsync has its spoil. One spoil is found
by an undisturbed job.
"""

from __future__ import annotations

from typing import NamedTuple

from tools.crash.spoil import At, Spoil


class Case(NamedTuple):
    """A fault: the change, the message of the check, and the points that find it.

    `how` is "kill", "fail", "move" or "power"; `at` is a part of how the points that will do are
    shown.
    """

    spoil: Spoil
    seen: str
    face: str
    role: str
    how: str = "kill"
    job: str = "signs"
    at: str = ""


GATE = "gpgshim.core.gate"
JOURNAL = "gpgshim.history.journal"
RELAY = "gpgshim.tag2upload.relay"
SETTLEMENT = "gpgshim.supervisor.settlement"

SPOILS = {
    "grant before committed is written": Case(
        Spoil(
            GATE,
            "",
            At.ROW,
            "STEPS[S.UNKNOWN, V.GO_AHEAD]",
            "(S.COMMITTED, (F.GRANT, F.WRITE_COMMITTED))",
        ),
        "SIGNED UNCOMMITTED",
        "run",
        "supervisor",
    ),
    "send before unknown is written": Case(
        Spoil(
            GATE,
            "",
            At.ROW,
            "STEPS[S.UNCOMMITTED, V.ASKED]",
            "(S.UNKNOWN, (F.REACH, F.SEND_COMMIT, F.WRITE_UNKNOWN, F.WAIT_IN_TIME))",
        ),
        "ASKED before",
        "run",
        "supervisor",
    ),
    "no fsync": Case(
        Spoil(JOURNAL, "Journal.sync", At.CALL, "os.fsync", "pass"),
        "would not be on disk",
        "run",
        "supervisor",
        "power",
    ),
    "no fsync of the journal's name": Case(
        Spoil(JOURNAL, "Journal.create", At.CALL, "sync_directory", "pass"),
        "would not be on disk",
        "run",
        "supervisor",
        "power",
    ),
    "dgit says 75 from memory": Case(
        Spoil("gpgshim.stunts.dgit", "main", At.TEST, "_is_uncommitted(job)", "status"),
        "dgit says 75 after commit",
        "repos-server",
        "stunt gpg",
    ),
    "75 for every failure": Case(
        Spoil(GATE, "exit_status", At.TEST, "Outcome.RETRIABLE", "own"),
        "75 after the manager had heard",
        "run",
        "stunt gpg",
    ),
    "the watchdog leaves the job alone": Case(
        Spoil(
            "gpgshim.tag2upload.watchdog",
            "watch_over",
            At.CALL,
            "kill_descendants",
            "killed: list[str] = []",
        ),
        "left running",
        "repos-server",
        "supervisor",
    ),
    "the supervisor does not miss its watchdog": Case(
        Spoil(
            RELAY,
            "Relay.run",
            At.CALL,
            "self.supervisor.watch(self._watchdog, self._lose_watchdog)",
            "pass",
        ),
        "ran on to its signature",
        "repos-server",
        "watchdog",
    ),
    "nothing is swept": Case(
        Spoil("gpgshim.supervisor.attempt", "Attempt.__init__", At.CALL, "leftovers.sweep", "pass"),
        "never taken away",
        "run",
        "supervisor",
    ),
    "half a line stays": Case(
        Spoil(JOURNAL, "Journal.note", At.CALL, "os.ftruncate", "pass"),
        "the journal does not read",
        "run",
        "supervisor",
        "fail",
        at="/state/",
    ),
    "a failed fsync is forgotten": Case(
        Spoil(JOURNAL, "Journal.sync", At.ASSIGNMENT, "self._broken", "pass"),
        "after a failed fsync",
        "run",
        "supervisor",
        "fail",
        at="/state/",
    ),
    "the outcome is what is remembered": Case(
        Spoil(
            SETTLEMENT,
            "Settlement.conclude",
            At.ASSIGNMENT,
            "verdict",
            """\
self._write_outcome(seen, over)
first = State.UNCOMMITTED
outcome = self._mode.outcome(first, seen.ending)
verdict = seen._replace(state=first, outcome=outcome)""",
        ),
        "said",
        "run",
        "stunt gpg",
    ),
    "a signature without a request": Case(
        Spoil(
            GATE,
            "",
            At.ROW,
            "STEPS[S.UNCOMMITTED, V.ASKED]",
            "(S.COMMITTED, (F.WRITE_UNKNOWN, F.WRITE_COMMITTED, F.GRANT))",
        ),
        "the manager has not heard",
        "run",
        "supervisor",
    ),
    "asked for each signature": Case(
        Spoil(
            GATE,
            "",
            At.ROW,
            "STEPS[S.COMMITTED, V.ASKED]",
            "(S.COMMITTED, (F.SYNC, F.SEND_COMMIT, F.GRANT))",
        ),
        "the manager got two requests",
        "run",
        "supervisor",
    ),
    "a grant that is not written down": Case(
        Spoil(
            "gpgshim.supervisor.gatekeeper",
            "Gatekeeper._grant",
            At.CALL,
            "self._entries.write",
            "pass",
        ),
        "SIGNED, 0 granted",
        "run",
        "supervisor",
    ),
    "a closed gate grants": Case(
        Spoil(GATE, "", At.ROW, "STEPS[S.CLOSED, V.ASKED]", "(S.CLOSED, (F.GRANT,))"),
        "'= go' stands where '= no' was due",
        "repos-server",
        "supervisor",
        job="early",
    ),
    "a commitment is written twice": Case(
        Spoil(
            GATE,
            "",
            At.ROW,
            "STEPS[S.COMMITTED, V.ASKED]",
            "(S.COMMITTED, (F.WRITE_COMMITTED, F.GRANT))",
        ),
        "the journal does not read: states out of order",
        "run",
        "supervisor",
    ),
    "the outcome is written twice": Case(
        Spoil(
            SETTLEMENT,
            "Settlement._write_outcome",
            At.CALL,
            "self._journal.sync",
            """\
self._journal.sync(r.OutcomeIs(seen.outcome))
self._journal.sync(r.OutcomeIs(seen.outcome))""",
        ),
        "outcomes in the journal",
        "repos-server",
        "supervisor",
    ),
    "the outcome is reported twice": Case(
        Spoil(
            "gpgshim.cli.running",
            "report",
            At.START,
            "",
            'say(f"{attempt.journal.path.name}: {verdict.outcome}")',
        ),
        "the outcome is reported twice",
        "run",
        "supervisor",
    ),
    "75 is not said": Case(
        Spoil("gpgshim.cli.closing", "close", At.CALL, "exit_status", "ends = status or 0"),
        "255, not 75",
        "supervise",
        "real dgit",
        job="early",
    ),
    "a job that cannot be repeated is called retriable": Case(
        Spoil(
            RELAY,
            "Relay.send",
            At.CALL,
            "self.manager.send",
            'self.manager.send([*lines[:2], "retriable"])',
        ),
        "RETRIABLE after commit",
        "repos-server",
        "supervisor",
        job="late",
    ),
    "the manager gets the report line by line": Case(
        Spoil(
            RELAY,
            "Relay.send",
            At.CALL,
            "self.manager.send",
            """\
for line in lines:
    self.manager.send([line])""",
        ),
        "half a report",
        "repos-server",
        "supervisor",
    ),
    "exit 0 for what was not told": Case(
        Spoil(RELAY, "Relay.send", At.HANDLER, "OSError", "return 0"),
        "exit 0, and the manager heard no outcome",
        "repos-server",
        "supervisor",
        "fail",
        at="pipe b'message",
    ),
    "a line that cannot be written is fatal": Case(
        Spoil(
            "gpgshim.supervisor.entries",
            "Entries.note",
            At.CALL,
            "contextlib.suppress",
            "self._journal.note(*records)",
        ),
        "an uncaught error: ",
        "run",
        "supervisor",
        "fail",
        at="b'+",
    ),
    "an error is looked up by its text": Case(
        Spoil(
            "gpgshim.supervisor.entries",
            "failure_of",
            At.ASSIGNMENT,
            "name",
            "name = errno.errorcode[error.strerror]",
        ),
        "a traceback: ",
        "run",
        "supervisor",
        "fail",
        at="b'+",
    ),
    "one directory for all attempts": Case(
        Spoil(
            "gpgshim.supervisor.jobdir",
            "_make_directory",
            At.CALL,
            "contextlib.suppress",
            """\
path = base / prefix
path.mkdir(mode=0o700)
return path""",
        ),
        "attempt 2",
        "run",
        "supervisor",
        "kill",
        at="WORLD/run/gpgshim/j/",  # before it is put in place
    ),
    "an fsync that failed is tried again": Case(
        Spoil(
            JOURNAL,
            "Journal.sync",
            At.CALL,
            "os.fsync",
            """\
try:
    os.fsync(self._fd)
except OSError:
    os.fsync(self._fd)""",
        ),
        "after a failed fsync",
        "run",
        "supervisor",
        "fail",
        at="fsync",
    ),
    "a failed fsync is no failure": Case(
        Spoil(JOURNAL, "Journal.sync", At.HANDLER, "OSError", "pass"),
        "a grant after a failed fsync",
        "run",
        "supervisor",
        "fail",
        at="fsync",
    ),
    "the commitment is not synced": Case(
        Spoil(
            "gpgshim.supervisor.gatekeeper",
            "Gatekeeper.__init__",
            At.ROW,
            "self._perform[Effect.WRITE_COMMITTED]",
            "lambda: entries.note(r.StateIs(State.COMMITTED))",
        ),
        "granted, and `! committed` would not be on disk",
        "supervise",
        "supervisor",
        "power",
    ),
    "a daemon continues after the request to end": Case(
        Spoil(
            "gpgshim.supervisor.supervisor",
            "Supervisor.control",
            At.CALL,
            "self.finish",
            """\
self.over = r.Ended()
self.close()
self._loop.run(self, lambda: False)""",
        ),
        "STUCK",
        "supervise",
        "closer",
    ),
    "a command is forwarded before it is in the journal": Case(
        Spoil(
            "gpgshim.agentlock.links",
            "AgentLink.record",
            At.START,
            "",
            "self._daemon.send(self._next.raw)",
        ),
        "SIGNED, and no `% forwarded` of it",
        "locked",
        "supervisor",
        at="% forwarded",
    ),
    "a command is forwarded before it is synced": Case(
        Spoil(
            "gpgshim.supervisor.atagent",
            "AgentGate.sync",
            At.CALL,
            "self._entries.sync",
            "pass",
        ),
        "forwarded, and `% forwarded` would not be on disk",
        "locked",
        "supervisor",
        "power",
    ),
    "a command passes without a grant": Case(
        Spoil(
            "gpgshim.agentlock.links",
            "AgentLink._take_one",
            At.TEST,
            "self._proxy.gate.is_granted(self.pid)",
            "True",
        ),
        "SIGNED UNCOMMITTED",
        "at-agent",
        "supervisor",
    ),
    "a command passes when it cannot be recorded": Case(
        Spoil(
            "gpgshim.agentlock.proxy",
            "Proxy.forward_together",
            At.CALL,
            "self.gate.sync",
            """\
with contextlib.suppress(OSError):
    self.gate.sync(*records)""",
        ),
        "SIGNED, and no `% forwarded` of it",
        "at-agent",
        "supervisor",
        "fail",
        at="% forwarded",
    ),
    "the answers of the agent are mixed up": Case(
        Spoil(
            "gpgshim.agentlock.links",
            "AgentLink._from_daemon",
            At.CALL,
            "self._proxy.gate.note",
            "self._proxy.gate.note(r.Unsigned(number, 1, ''))",
        ),
        "the journal denies a signature that was made",
        "locked",
        "supervisor",
    ),
    "an agent can start at our sockets": Case(
        Spoil(
            "gpgshim.agentlock.alias",
            "set_up",
            At.CALL,
            "_check_mode",
            "directory.chmod(0o700)",
        ),
        "gpg could start an agent",
        "locked",
        "supervisor",
        at="# ended",
    ),
    "an agent starts at our sockets": Case(
        Spoil(
            "gpgshim.agentlock.alias",
            "set_up",
            At.CALL,
            "_check_mode",
            "directory.chmod(0o700)",
        ),
        "AN AGENT OF ITS OWN",
        "locked",
        "supervisor",
        at="# ended",
    ),
    "the home's name outlives its sockets": Case(
        Spoil(
            "gpgshim.agentlock.alias",
            "release",
            At.CALL,
            "(job / wire.ALIAS).unlink",
            "pass",
        ),
        "gpg could start an agent",
        "locked",
        "supervisor",
        at="WORLD/run/gpgshim/JOB",
    ),
    "a journal that was moved away counts": Case(
        Spoil(JOURNAL, "Journal.check_name", At.HANDLER, "FileNotFoundError", 'seen = ""'),
        "SIGNED, and the journal was moved before",
        "run",
        "supervisor",
        "move",
    ),
}
