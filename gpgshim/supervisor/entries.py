# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the records of an attempt to its journal.

Rule 1: a record that an effect relies on goes through write() or sync(), which raise OSError if it
was not written. All other records are best effort: their loss changes nothing.
"""

from __future__ import annotations

import contextlib
import errno

from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.history.journal import Journal


class Entries:
    """Writes to `journal`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def write(self, *records: Record) -> None:
        """Write records on which an effect relies, all or none. Raises OSError."""
        self._journal.note(*records)

    def sync(self, record: Record | None = None) -> None:
        """Have this record and all earlier ones on disk. Raises OSError."""
        self._journal.sync(record)

    def note(self, *records: Record) -> None:
        """Write records, best effort."""
        with contextlib.suppress(OSError):
            self._journal.note(*records)


def failure_of(error: OSError) -> r.Failed:
    """The record of an effect that failed; its cause is the name of the error number."""
    name = errno.errorcode.get(error.errno or 0, "unknown").lower()
    return r.Failed(name, reason_of(error))


def reason_of(error: OSError) -> str:
    """The reason of an error, for people."""
    return error.strerror or str(error)
