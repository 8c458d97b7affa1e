# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of files in the directory of journals. No other module builds or splits one.

Rule 1: the journal of attempt N of JOB is JOB.N. N has no leading zeros: an attempt has one name.
Rule 2: a job's name is a file name and a line of a journal's head. It begins with a letter or a
digit, so no file of ours that begins with a dot is taken for a journal.
Rule 3: .claims has the locks of jobs' names (claim.hold).
Rule 4: .settled lists journals that need no person (history/settled.py), and .alarms those whose
alarm was raised (history/raised.py). A .new.* was never finished, and has no meaning.
Rule 5: .pruned-JOB is the job's marker: the numbers of its attempts may have gaps (journal.marker).
"""

from __future__ import annotations

from gpgshim.core.quoting import escape

#: Bytes of a job's name: a file name has 255, and the path of a job's directory must fit in 107.
LONGEST_JOB = 120

_ALSO = "._+~,-"  #: allowed in a job's name beside letters and digits
_DIGITS = 9  #: most digits of an attempt's number
_MARKER = ".pruned-"

CLAIMS = ".claims"  #: an empty file, whose bytes are locked
SETTLED = ".settled"
ALARMS = ".alarms"
NEW = ".new."  #: begins the name of a file that is not complete yet


def fault_of(job: str) -> str:
    """Why `job` cannot be the name of a job; empty if it can."""
    if not 0 < len(job) <= LONGEST_JOB:
        return f"a job's name has 1 to {LONGEST_JOB} characters, not {len(job)}"
    if job.isascii() and job[0].isalnum() and all(c.isalnum() or c in _ALSO for c in job):
        return ""
    return (
        f"{escape(job)!r} cannot be a job's name: it may have letters, digits and {_ALSO} only, and"
        " begins with a letter or a digit"
    )


def journal_of(job: str, attempt: int) -> str:
    """The name of the journal of that attempt."""
    return f"{job}.{attempt}"


def split(name: str) -> tuple[str, int]:
    """(job, attempt) of a journal's name; (`name`, 0) for any other name."""
    job, _, number = name.rpartition(".")
    is_number = number.isascii() and number.isdecimal() and len(number) <= _DIGITS
    if not (job[:1].isalnum() and is_number and number[0] != "0"):
        return name, 0
    return job, int(number)


def marker_of(job: str) -> str:
    """The name of the job's marker."""
    return f"{_MARKER}{job}"


def marked_by(name: str) -> str:
    """The job whose marker has this name; empty for any other name."""
    return name.removeprefix(_MARKER) if name.startswith(_MARKER) else ""
