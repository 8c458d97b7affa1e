# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A question to an authority, as the supervisor has it. facts.py makes it readable.

Rule 1: every supervisor imports this, so it imports almost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpgshim.core.codec import Record
    from gpgshim.core.memory import Recalled
    from gpgshim.gpgargs.optiontable import Table


class Before(NamedTuple):
    """An earlier attempt of the job: its number, its journal, and what is known of it."""

    attempt: int
    journal: str
    recalled: Recalled


class Occasion(NamedTuple):
    """The attempt that asks, and the options of its gpg.

    `earlier` is the newest attempt that stood when this one was started; if none stood, the newest
    one. None: the job has no earlier attempt, or no name.
    """

    job: str
    attempt: int
    journal: str
    table: Table
    earlier: Before | None = None


class Question(NamedTuple):
    """The question: `records` are the request, its client and its files, as the journal has them.

    `words` is the whole command line of the client, masked. Without a request, for a job that
    reports an upload past the gate, both are empty.
    """

    occasion: Occasion
    records: Sequence[Record] = ()
    words: Sequence[str] = ()


class Who(NamedTuple):
    """The user and the host of a supervisor."""

    user: str
    host: str
