"""Faults to be put into a copy of the code, each with the points that have to find it.

Rule 1: a spoil is one place, changed as somebody might change it by mistake.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.crash.world import Spoil


class Case(NamedTuple):
    """`how` is "kill", "fail" or "power"; `role` and `face` say where it is to be found."""

    spoil: Spoil
    face: str
    role: str
    how: str = "kill"
    job: str = "signs"


SPOILS = {
    "grant before committed is written": Case(
        Spoil(
            "gpgshim/gate.py",
            "(F.WRITE_COMMITTED, F.GRANT)",
            "(F.GRANT, F.WRITE_COMMITTED)",
        ),
        "run",
        "supervisor",
    ),
    "send before unknown is written": Case(
        Spoil(
            "gpgshim/gate.py",
            "(S.UNCOMMITTED, V.ASKED): (S.UNKNOWN, (F.REACH, F.WRITE_UNKNOWN, F.SEND_COMMIT))",
            "(S.UNCOMMITTED, V.ASKED): (S.UNKNOWN, (F.REACH, F.SEND_COMMIT, F.WRITE_UNKNOWN))",
        ),
        "run",
        "supervisor",
    ),
    "no fsync": Case(
        Spoil("gpgshim/journal.py", "            os.fsync(self._fd)\n", "            pass\n"),
        "run",
        "supervisor",
        "power",
    ),
    "no fsync of the journal's name": Case(
        Spoil("gpgshim/journal.py", "sync_directory(directory)\n", "pass\n"),
        "run",
        "supervisor",
        "power",
    ),
    "dgit says 75 from memory": Case(
        Spoil("gpgshim/dgit.py", "if status and _nothing_was_asked(job):", "if status:"),
        "run",
        "stunt gpg",
    ),
    "75 for every failure": Case(
        Spoil(
            "gpgshim/gate.py",
            "    if outcome is Outcome.RETRIABLE:\n",
            "    if own:\n",
        ),
        "run",
        "stunt gpg",
    ),
    "the keeper leaves the job alone": Case(
        Spoil("gpgshim/repos_server.py", "    killed = kill_descendants()\n", "    killed = []\n"),
        "repos-server",
        "supervisor",
    ),
    "the supervisor does not miss its keeper": Case(
        Spoil(
            "gpgshim/repos_server.py",
            "        self.supervisor.watch(self._keeper, self._lose_keeper)\n",
            "",
        ),
        "repos-server",
        "keeper",
    ),
    "nothing is swept": Case(
        Spoil("gpgshim/attempt.py", "        jobdir.sweep(base)\n", ""),
        "run",
        "supervisor",
    ),
    "half a line stays": Case(
        Spoil(
            "gpgshim/journal.py",
            "                os.ftruncate(self._fd, self._length)\n",
            "                pass\n",
        ),
        "run",
        "supervisor",
        "fail",
    ),
    "a failed fsync is forgotten": Case(
        Spoil(
            "gpgshim/journal.py",
            '            self._broken = f"an earlier fsync failed: {error.strerror}"\n',
            "",
        ),
        "run",
        "supervisor",
        "fail",
    ),
    "the outcome is what is remembered": Case(
        Spoil(
            "gpgshim/supervisor.py",
            "            self._verdict = self._read_back()\n",
            "            self._verdict = seen._replace(outcome=OUTCOMES[S_, ending])\n".replace(
                "S_", "State.UNCOMMITTED"
            ),
        ),
        "run",
        "stunt gpg",
    ),
}
