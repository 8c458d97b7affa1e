# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Searches all journals in a directory for signatures.

Rule 1: each journal is read once, and parsed only if it has one of the digests.
Rule 2: gaps are counted: the journal of an attempt without the lock of gpg-agent has no signatures,
and some commands have no digest.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.history.jobs import Found, Progress, find, silent
from gpgshim.history.journal import read_plain
from gpgshim.summary.audit import Mention, Wanted, mentions
from gpgshim.summary.story import tell

_LOCKED = b"\nagent: "  # in the head of a journal of an attempt with the lock
_NO_DIGEST = re.compile(rb"% forwarded \d+ \d+ ([0-9A-F]+|-) \S+ - ")


class Place(NamedTuple):
    """A mention, and the journal that has it."""

    job: str
    attempt: int
    journal: str
    mention: Mention


class Searched(NamedTuple):
    """What a search found, by signature, and how many journals could not tell."""

    places: dict[Wanted, list[Place]]
    journals: int
    without_lock: int
    unreadable: int  # also those that have a digest and cannot be read as journals
    without_digest: int  # signatures by one of these keys, or by one that is not known


def nothing(wanted: Collection[Wanted]) -> Searched:
    """The result if there are no journals."""
    return Searched({each: [] for each in wanted}, 0, 0, 0, 0)


def search(directory: Path, wanted: Collection[Wanted], progress: Progress = silent) -> Searched:
    """Search the journals in `directory`; a job's attempts are in their order.

    `progress` gets the number of journals that were read, and of all. Raises OSError.
    """
    every = [each for own in find(directory).values() for each in own]
    every.sort(key=lambda each: each.written)
    places: dict[Wanted, list[Place]] = {each: [] for each in wanted}
    without_lock = unreadable = without_digest = 0
    keys = {each.key.encode() for each in wanted} | {b"-"}
    for done, each in enumerate(every):
        progress(done, len(every))
        try:
            data = read_plain(each.path)
        except FileNotFoundError:
            continue  # it was pruned meanwhile
        except OSError:
            unreadable += 1
            continue
        if _LOCKED not in data.partition(b"\n\n")[0]:
            without_lock += 1
            continue
        without_digest += sum(key in keys for key in _NO_DIGEST.findall(data))
        try:
            _add(each, data, places)
        except TranscriptError:
            unreadable += 1
    return Searched(places, len(every), without_lock, unreadable, without_digest)


def _add(found: Found, data: bytes, places: dict[Wanted, list[Place]]) -> None:
    """Add what a journal knows of the signatures. Raises TranscriptError."""
    named = [each for each in places if each.digest.encode() in data]
    if not named:
        return
    story = tell(parse(data))
    for each in named:
        places[each] += [
            Place(found.job, found.attempt, found.path, mention)
            for mention in mentions(story, each)
        ]
