# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that are put into a copy of the code, each with the points that must find it.

Rule 1: a spoil changes one place, as a person might change it by mistake.
Rule 2: the check that exists for it must find it: `seen` is a part of that check's message. Every
check of world.faults(), of a next attempt and of a failed fsync has its spoil. One spoil is found
by an undisturbed job.
"""

from __future__ import annotations

from typing import NamedTuple

from tools.crash.world import Spoil


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


SPOILS = {
    "grant before committed is written": Case(
        Spoil(
            "gpgshim/core/gate.py",
            "(F.WRITE_COMMITTED, F.GRANT)",
            "(F.GRANT, F.WRITE_COMMITTED)",
        ),
        "SIGNED UNCOMMITTED",
        "run",
        "supervisor",
    ),
    "send before unknown is written": Case(
        Spoil(
            "gpgshim/core/gate.py",
            "(S.UNCOMMITTED, V.ASKED): (S.UNKNOWN, (F.REACH, F.WRITE_UNKNOWN, F.SEND_COMMIT))",
            "(S.UNCOMMITTED, V.ASKED): (S.UNKNOWN, (F.REACH, F.SEND_COMMIT, F.WRITE_UNKNOWN))",
        ),
        "ASKED before",
        "run",
        "supervisor",
    ),
    "no fsync": Case(
        Spoil(
            "gpgshim/history/journal.py", "            os.fsync(self._fd)\n", "            pass\n"
        ),
        "would not be on disk",
        "run",
        "supervisor",
        "power",
    ),
    "no fsync of the journal's name": Case(
        Spoil("gpgshim/history/journal.py", "sync_directory(directory)\n", "pass\n"),
        "would not be on disk",
        "run",
        "supervisor",
        "power",
    ),
    "dgit says 75 from memory": Case(
        Spoil("gpgshim/stunts/dgit.py", "if status and _is_uncommitted(job):", "if status:"),
        "dgit says 75 after commit",
        "repos-server",
        "stunt gpg",
    ),
    "75 for every failure": Case(
        Spoil(
            "gpgshim/core/gate.py",
            "    if outcome is Outcome.RETRIABLE:\n",
            "    if own:\n",
        ),
        "75 after the manager had heard",
        "run",
        "stunt gpg",
    ),
    "the watchdog leaves the job alone": Case(
        Spoil(
            "gpgshim/tag2upload/watchdog.py",
            "    killed = kill_descendants()\n",
            "    killed = []\n",
        ),
        "left running",
        "repos-server",
        "supervisor",
    ),
    "the supervisor does not miss its watchdog": Case(
        Spoil(
            "gpgshim/tag2upload/relay.py",
            "            self.supervisor.watch(self._watchdog, self._lose_watchdog)\n",
            "",
        ),
        "ran on to its signature",
        "repos-server",
        "watchdog",
    ),
    "nothing is swept": Case(
        Spoil("gpgshim/supervisor/attempt.py", "        leftovers.sweep(base)\n", ""),
        "never taken away",
        "run",
        "supervisor",
    ),
    "half a line stays": Case(
        Spoil(
            "gpgshim/history/journal.py",
            "                os.ftruncate(self._fd, self._length)\n",
            "                pass\n",
        ),
        "the journal does not read",
        "run",
        "supervisor",
        "fail",
        at="/state/",
    ),
    "a failed fsync is forgotten": Case(
        Spoil(
            "gpgshim/history/journal.py",
            '            self._broken = f"an earlier fsync failed: {error.strerror}"\n',
            "",
        ),
        "after a failed fsync",
        "run",
        "supervisor",
        "fail",
        at="/state/",
    ),
    "the outcome is what is remembered": Case(
        Spoil(
            "gpgshim/supervisor/settlement.py",
            "            verdict = self._read_back()\n",
            "            first = State.UNCOMMITTED\n"
            "            outcome = OUTCOMES[first, ending]\n"
            "            verdict = seen._replace(state=first, outcome=outcome)\n",
        ),
        "said",
        "run",
        "stunt gpg",
    ),
    "a signature for which nobody was asked": Case(
        Spoil(
            "gpgshim/core/gate.py",
            "(S.UNCOMMITTED, V.ASKED): (S.UNKNOWN, (F.REACH, F.WRITE_UNKNOWN, F.SEND_COMMIT))",
            "(S.UNCOMMITTED, V.ASKED): (S.COMMITTED,"
            " (F.WRITE_UNKNOWN, F.WRITE_COMMITTED, F.GRANT))",
        ),
        "the manager has not heard",
        "run",
        "supervisor",
    ),
    "asked for each signature": Case(
        Spoil(
            "gpgshim/core/gate.py",
            "(S.COMMITTED, V.ASKED): (S.COMMITTED, (F.SYNC, F.GRANT))",
            "(S.COMMITTED, V.ASKED): (S.COMMITTED, (F.SYNC, F.SEND_COMMIT, F.GRANT))",
        ),
        "asked twice",
        "run",
        "supervisor",
    ),
    "a grant that is not written down": Case(
        Spoil(
            "gpgshim/supervisor/gatekeeper.py",
            "        self._entries.granted(len(self._waiting))\n",
            "",
        ),
        "SIGNED, 0 granted",
        "run",
        "supervisor",
    ),
    "a closed gate grants": Case(
        Spoil(
            "gpgshim/core/gate.py",
            "(S.CLOSED, V.ASKED): (S.CLOSED, (F.REFUSE,))",
            "(S.CLOSED, V.ASKED): (S.CLOSED, (F.GRANT,))",
        ),
        "'= go' stands where '= no' was due",
        "repos-server",
        "supervisor",
        job="early",
    ),
    "a commitment is written twice": Case(
        Spoil(
            "gpgshim/core/gate.py",
            "(S.COMMITTED, V.ASKED): (S.COMMITTED, (F.SYNC, F.GRANT))",
            "(S.COMMITTED, V.ASKED): (S.COMMITTED, (F.WRITE_COMMITTED, F.GRANT))",
        ),
        "the journal does not read: states out of order",
        "run",
        "supervisor",
    ),
    "the outcome is written twice": Case(
        Spoil(
            "gpgshim/supervisor/settlement.py",
            "                    self._journal.sync(seen.outcome.value)\n",
            "                    self._journal.sync(seen.outcome.value)\n"
            "                    self._journal.sync(seen.outcome.value)\n",
        ),
        "outcomes in the journal",
        "repos-server",
        "supervisor",
    ),
    "the outcome is said twice": Case(
        Spoil(
            "gpgshim/cli/running.py",
            '    """The last line that a person sees."""\n',
            '    say(f"{attempt.journal.path.name}: {verdict.outcome}")\n',
        ),
        "the outcome is said twice",
        "run",
        "supervisor",
    ),
    "75 is not said": Case(
        Spoil(
            "gpgshim/cli/running.py",
            "return 0 if status is None else exit_status(Outcome(outcome), status)",
            "return status or 0",
        ),
        "255, not 75",
        "supervise",
        "real dgit",
        job="early",
    ),
    "what cannot be taken back is called retriable": Case(
        Spoil(
            "gpgshim/tag2upload/relay.py",
            "            self.manager.tell(lines)\n",
            '            self.manager.tell([*lines[:2], "retriable"])\n',
        ),
        "RETRIABLE after commit",
        "repos-server",
        "supervisor",
        job="late",
    ),
    "the manager is told line by line": Case(
        Spoil(
            "gpgshim/tag2upload/relay.py",
            "            self.manager.tell(lines)\n",
            "            for line in lines:\n                self.manager.tell([line])\n",
        ),
        "half a report",
        "repos-server",
        "supervisor",
    ),
    "exit 0 for what was not told": Case(
        Spoil(
            "gpgshim/tag2upload/relay.py",
            "            self.manager.tell(lines)\n        except OSError as error:\n",
            "            self.manager.tell(lines)\n        except OSError as error:\n"
            "            return 0\n",
        ),
        "exit 0, and the manager heard no outcome",
        "repos-server",
        "supervisor",
        "fail",
        at="pipe b'message",
    ),
    "a line that cannot be written is fatal": Case(
        Spoil(
            "gpgshim/supervisor/entries.py",
            "        with contextlib.suppress(OSError):\n            self._journal.note(*lines)\n",
            "        self._journal.note(*lines)\n",
        ),
        "nobody caught this",
        "run",
        "supervisor",
        "fail",
        at="b'+",
    ),
    "one directory for all attempts": Case(
        Spoil(
            "gpgshim/supervisor/jobdir.py",
            '        path = base / f"{prefix}.{os.urandom(RANDOM).hex()}"\n'
            "        with contextlib.suppress(FileExistsError):\n",
            "        path = base / prefix\n        if path:\n",
        ),
        "attempt 2",
        "run",
        "supervisor",
        "kill",
        at="WORLD/run/gpgshim/j/",  # before it is put in place
    ),
    "an fsync that failed is tried again": Case(
        Spoil(
            "gpgshim/history/journal.py",
            "            os.fsync(self._fd)\n            self._synced = self._length\n",
            "            try:\n                os.fsync(self._fd)\n"
            "            except OSError:\n                os.fsync(self._fd)\n"
            "            self._synced = self._length\n",
        ),
        "after a failed fsync",
        "run",
        "supervisor",
        "fail",
        at="fsync",
    ),
    "a failed fsync is no failure": Case(
        Spoil(
            "gpgshim/history/journal.py",
            '            self._broken = f"an earlier fsync failed: {error.strerror}"\n'
            "            raise\n",
            "            pass\n",
        ),
        "a grant after a failed fsync",
        "run",
        "supervisor",
        "fail",
        at="fsync",
    ),
    "the commitment is not synced": Case(
        Spoil(
            "gpgshim/supervisor/gatekeeper.py",
            "lambda: entries.state(Effect.WRITE_COMMITTED)",
            "lambda: entries.note(Effect.WRITE_COMMITTED.value)",
        ),
        "granted, and `! committed` would not be on disk",
        "supervise",
        "supervisor",
        "power",
    ),
    "a daemon that was told to end goes on": Case(
        Spoil(
            "gpgshim/supervisor/supervisor.py",
            "                self.finish(line)\n",
            "                self.over = line\n                self.close()\n"
            "                self._loop.run(self, lambda: False)\n",
        ),
        "STUCK",
        "supervise",
        "closer",
    ),
    "a journal that was moved away counts": Case(
        Spoil("gpgshim/history/journal.py", 'seen = "it is not there any more"', 'seen = ""'),
        "SIGNED, and the journal was moved before",
        "run",
        "supervisor",
        "move",
    ),
}
