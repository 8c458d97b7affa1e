# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a signature found among many journals, each of which is read once?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from gpgshim.core.transcript import Transcript, parse
from gpgshim.history import journal
from gpgshim.history.search import Searched, nothing, search
from gpgshim.summary.audit import Result, Wanted

WANTED = Wanted("A" * 40, "8", "CD" * 32)
ABSENT = Wanted("A" * 40, "8", "EF" * 32)
LOCKED = """\
format: 2
job: {job}
attempt: {attempt}
agent: /home/u/.gnupg

! uncommitted
$ gpg -b f
# client 7 /src
! unknown
> commit-to-public-upload
< go-ahead
! committed
= go
% forwarded 1 7 {key} 8 {digest} PKSIGN
% signed 1
% exit 0
uploaded
"""


def write(directory: Path, job: str, attempt: int, **fields: str) -> Path:
    path = directory / f"{job}.{attempt}"
    given = {"key": WANTED.key, "digest": "00" * 32} | fields
    path.write_text(LOCKED.format(job=job, attempt=attempt, **given))
    return path


def test_a_signature_is_found_in_its_journal(tmp_path: Path) -> None:
    write(tmp_path, "j", 1)
    path = write(tmp_path, "j", 2, digest=WANTED.digest)
    found = search(tmp_path, [WANTED, ABSENT])
    (place,) = found.places[WANTED]
    assert (place.job, place.attempt, place.journal) == ("j", 2, str(path))
    assert place.mention.result is Result.MADE
    assert found.places[ABSENT] == []
    assert found[1:] == (2, 0, 0, 0)


def test_what_journals_cannot_tell_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "plain", 1, digest=WANTED.digest)
    path.write_text(path.read_text().replace("agent: /home/u/.gnupg\n", ""))
    write(tmp_path, "card", 1, digest="-")
    write(tmp_path, "card", 2, digest="-", key="-")
    write(tmp_path, "card", 3, digest="-", key="B" * 40)
    path = write(tmp_path, "strange", 1, digest=WANTED.digest)
    path.write_text(path.read_text() + "what is this?\n")
    (tmp_path / "hidden.1").symlink_to("plain.1")  # no plain file: no journal
    assert search(tmp_path, [WANTED]) == Searched({WANTED: []}, 5, 1, 1, 2)


def test_no_journals(tmp_path: Path) -> None:
    assert search(tmp_path, [WANTED]) == nothing([WANTED])


def test_no_journal_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: Counter[str] = Counter()
    read = journal.read_plain
    for number in range(1, 21):
        write(tmp_path, "j", number, digest=WANTED.digest)
    steps: list[tuple[int, int]] = []

    def count(path: Path | str) -> bytes:
        reads[str(path)] += 1
        return read(path)

    monkeypatch.setattr("gpgshim.history.search.read_plain", count)
    found = search(tmp_path, [WANTED, ABSENT], lambda done, of: steps.append((done, of)))
    assert len(found.places[WANTED]) == 20
    assert set(reads.values()) == {1} and len(reads) == 20
    assert steps == [(done, 20) for done in range(20)]


def test_only_a_journal_with_the_digest_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "j", 1)
    write(tmp_path, "j", 2, digest=WANTED.digest)
    parsed: list[bytes] = []

    def keep(data: bytes) -> Transcript:
        parsed.append(data)
        return parse(data)

    monkeypatch.setattr("gpgshim.history.search.parse", keep)
    search(tmp_path, [WANTED])
    assert [b"attempt: 2\n" in each for each in parsed] == [True]
