# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded jobs: replays journals from production, and keeps a run as a fixture.

Rule 1: a journal is replayed unchanged. A file that is not a journal is reported and skipped.
Rule 2: a fixture has the same content as the journal, without the parts that differ in each run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from gpgshim import __version__
from gpgshim.core import names
from gpgshim.core.replay import replay, reread
from gpgshim.core.transcript import FORMAT, OF_ONE_RUN, Line, Transcript, TranscriptError, parse
from gpgshim.gpgargs import decision, optiontable
from gpgshim.history.jobs import Progress, silent
from gpgshim.history.journal import read_plain
from gpgshim.stunts import plainfile


class Replayed(NamedTuple):
    """The result of replaying the file at `path`; `fault` says why it is not a journal."""

    path: Path
    differences: list[str]
    fault: str = ""


def replay_files(
    paths: list[Path],
    table: optiontable.Table,
    environ: Mapping[str, str],
    progress: Progress = silent,
) -> Iterator[Replayed]:
    """Replay journals, and all journals in directories, with the gpg that `table` describes.

    `environ` is the environment for finding gpg's conf files. `progress` gets the number of
    journals that were replayed, and of all. A journal that is named twice is replayed once.
    """

    def read(words: list[str], where: str) -> decision.Reading:
        return decision.read(words, table, environ, plainfile.file_in(where or "/nonexistent"))

    journals = list(dict.fromkeys(_journals(paths)))
    for done, path in enumerate(journals):
        progress(done, len(journals))
        try:
            transcript = parse(read_plain(path))
        except OSError as error:
            yield Replayed(path, [], f"cannot be read: {error.strerror}")
        except TranscriptError as error:
            yield Replayed(path, [], f"is not a journal: {error}")
        else:
            yield Replayed(path, replay(transcript) + reread(transcript, read))


def _journals(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        try:
            yield from sorted(each for each in path.iterdir() if _is_one(each))
        except OSError:
            yield path  # not a directory, or an unreadable one, which the next step reports


def _is_one(path: Path) -> bool:
    """Whether the name of a file in a directory is that of a journal: JOB.N, or a fixture."""
    return path.is_file() and (names.split(path.name)[1] > 0 or path.suffix == ".txt")


def keep(journal: bytes, path: Path, shows: str) -> None:
    """Write the journal of a finished run to `path` as a fixture. Raises OSError.

    A new file is readable for this user only; an existing file keeps its mode. Times are left out,
    and a manager's socket is replaced by a path that a test can make.
    """
    transcript = parse(journal)
    own = {key: value for key, value in transcript.head.items() if key not in OF_ONE_RUN}
    about = {"shows": shows, "recorded": f"gpgshim {__version__}, run --record"}
    head = {"format": FORMAT} | about | own
    kind, _, where = head["authority"].partition(":")

    def plain(text: str) -> str:
        return text.replace(where, "@TMP@/manager") if kind == "o2m" and where else text

    head["authority"] = plain(head["authority"])
    lines = tuple(Line(line.sigil, plain(line.text)) for line in transcript.lines)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(str(Transcript(head, lines, transcript.torn)).encode("ascii"))
