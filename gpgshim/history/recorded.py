"""Recorded jobs: production's journals replayed, and a run kept as a fixture.

Rule 1: a journal is replayed as it is. What is no journal is said to be none, and passed by.
Rule 2: what is kept says the same as the journal; only what differs from run to run is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from gpgshim import __version__
from gpgshim.core.replay import replay, reread
from gpgshim.core.transcript import Line, Transcript, TranscriptError, parse
from gpgshim.gpgargs import argv, conffile
from gpgshim.history.jobs import split
from gpgshim.history.journal import read_plain


class Replayed(NamedTuple):
    """What a replay of the file at `path` came to; `fault` says why it is no journal."""

    path: Path
    differences: list[str]
    fault: str = ""


def replay_files(
    paths: list[Path], table: argv.Table, environ: Mapping[str, str]
) -> Iterator[Replayed]:
    """Replay journals, and all journals in directories, with the gpg whose options `table` has.

    `environ` is the environment that gpg's conf files are looked for with.
    """

    def read(words: list[str], where: str) -> argv.Reading:
        return argv.read(words, table, environ, conffile.file_in(where or "/nonexistent"))

    for path in _journals(paths):
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
            yield path  # no directory; or one that cannot be read, which is said when it is tried


def _is_one(path: Path) -> bool:
    """Whether a file in a directory is meant to be a journal, by its name: JOB.N, or a fixture."""
    return path.is_file() and (split(path.name)[1] > 0 or path.suffix == ".txt")


def keep(journal: bytes, path: Path, shows: str) -> None:
    """Write what the journal of a run that is over holds to `path` as a fixture. Raises OSError.

    A new file is this user's alone; one that is there keeps its mode. Times are left out, and a
    manager's socket becomes one that a test can make.
    """
    transcript = parse(journal)
    head = {"shows": shows, "recorded": f"gpgshim {__version__}, run --record"}
    head |= {key: value for key, value in transcript.head.items() if key != "started"}
    kind, _, where = head["authority"].partition(":")

    def plain(text: str) -> str:
        return text.replace(where, "@TMP@/manager") if kind == "o2m" and where else text

    head["authority"] = plain(head["authority"])
    lines = tuple(Line(line.sigil, plain(line.text)) for line in transcript.lines)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(str(Transcript(head, lines, transcript.torn)).encode("ascii"))
