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
from collections.abc import Callable
from pathlib import Path

from gpgshim.core import names
from gpgshim.gpgargs.optiontable import Table
from gpgshim.gpgargs.signers import keys_of
from gpgshim.history.journal import Journal, read_content
from gpgshim.summary.result import KeysOf, result_of
from gpgshim.system.errors import Misconfigured, Stands
from gpgshim.system.files import make_room, write_whole
from gpgshim.system.log import say


def keys_by(table: Table) -> KeysOf:
    """The reader of requested keys for a gpg with these options."""
    return functools.partial(keys_of, table=table)


def as_text(result: dict[str, object]) -> str:
    """A result as JSON, for a file or for stdout."""
    return json.dumps(result, indent=2) + "\n"


def read(path: Path, not_started: str) -> str:
    """The result of the earlier attempt whose journal is at `path`, as JSON. Raises OSError."""
    job, attempt = names.split(path.name)
    data, under_way, *_ = read_content(path)
    return as_text(result_of(job, attempt, str(path), data, under_way, not_started=not_started))


class ResultFile:
    """The file at `path`. Raises Misconfigured if it cannot be written."""

    def __init__(self, path: Path) -> None:
        try:
            self._path = path.absolute()  # a supervisor in the background has another directory
            make_room(self._path)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise Misconfigured(f"--result {path} cannot be written: {why}") from None

    def write(self, journal: Journal, table: Table) -> None:
        """Write the result of the attempt of our journal. Raises nothing."""
        job, attempt = names.split(journal.path.name)

        def text() -> str:
            data = journal.read()
            return as_text(
                result_of(job, attempt, str(journal.path), data, read_keys=keys_by(table))
            )

        self.put(text, journal.path)

    def write_earlier(self, stands: Stands) -> None:
        """Write the result of the earlier attempt because of which nothing was started."""
        path = stands.journal
        if path:
            self.put(lambda: read(path, stands.seen), path)

    def put(self, text: Callable[[], str], journal: Path) -> None:
        """Write the result that `text` returns, of the attempt of `journal`. Raises nothing."""
        try:
            write_whole(self._path, text().encode("ascii"))
        except Exception as error:  # any error: the outcome is on disk, and stays valid
            why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            say(f"--result {self._path} was not written: {why}", hint=f"the journal is {journal}")
