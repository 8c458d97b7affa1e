# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of --result: the result of an attempt for the program that started it.

Rule 1: an old file is removed before the job starts. So a file that is there afterwards is of this
call, also if gpgshim was killed.
Rule 2: the file is written when the outcome is on disk, and before the outcome is reported.
Rule 3: an error then is one line, and changes neither the outcome nor the exit status.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

from gpgshim.core import names
from gpgshim.gpgargs.optiontable import Table
from gpgshim.gpgargs.signers import keys_of
from gpgshim.history.journal import Journal, is_under_way, read_plain
from gpgshim.summary.result import KeysOf, no_keys, result_of
from gpgshim.system.errors import Misconfigured, Stands
from gpgshim.system.files import make_room, write_whole
from gpgshim.system.log import say


def keys_by(table: Table) -> KeysOf:
    """The reader of requested keys for a gpg with these options."""
    return functools.partial(keys_of, table=table)


def as_text(result: dict[str, object]) -> str:
    """A result as JSON, for a file or for stdout."""
    return json.dumps(result, indent=2) + "\n"


def read(path: Path, read_keys: KeysOf = no_keys, not_started: str | None = None) -> str:
    """The result of the attempt whose journal is at `path`, as JSON. Raises OSError."""
    # The lock is checked first: a supervisor that ends in between has written its outcome.
    under_way = is_under_way(path)
    job, attempt = names.split(path.name)
    return as_text(
        result_of(job, attempt, str(path), read_plain(path), under_way, read_keys, not_started)
    )


class ResultFile:
    """The file at `path`. Raises Misconfigured if it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()  # a supervisor in the background has another directory
        try:
            make_room(self._path)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise Misconfigured(f"--result {path} cannot be written: {why}") from None

    def write(self, journal: Journal, table: Table) -> None:
        """Write the result of the attempt of our journal. Raises nothing."""
        job, attempt = names.split(journal.path.name)
        try:
            result = result_of(
                job, attempt, str(journal.path), journal.read(), read_keys=keys_by(table)
            )
            self.write_text(as_text(result))
        except Exception as error:  # any error: the outcome is on disk, and stays valid
            self._failed(error, journal.path)

    def write_earlier(self, stands: Stands, read_keys: KeysOf = no_keys) -> None:
        """Write the result of the earlier attempt because of which nothing was started."""
        if stands.journal is None:
            return
        try:
            self.write_text(read(stands.journal, read_keys, stands.seen))
        except OSError as error:
            self._failed(error, stands.journal)

    def write_text(self, text: str) -> None:
        """Write a result. Raises OSError."""
        write_whole(self._path, text.encode("ascii"))

    def _failed(self, error: Exception, journal: Path) -> None:
        why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        say(f"--result {self._path} was not written: {why}", hint=f"the journal is {journal}")
