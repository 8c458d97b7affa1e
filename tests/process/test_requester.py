# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the journal name the client and the files of a request, and is that found out quickly?

The client is the test itself: what /proc says of it is known.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.gpgargs import optiontable
from gpgshim.supervisor import files, optable, requester
from gpgshim.supervisor.files import Digest, hash_file
from gpgshim.supervisor.requester import Inspector, Stat
from tests.support.scratch import GPG


@pytest.fixture
def inspector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inspector:
    monkeypatch.chdir(tmp_path)
    return Inspector(tmp_path, optiontable.load(optable.of(GPG, dict(os.environ))))


def notes(inspector: Inspector, *files: str) -> list[Record]:
    words = ["gpg", "-b", *files]
    client = inspector.describe(os.getpid())
    assert inspector.has_files(os.getpid(), words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspector, "read_command_line", lambda pid: words)
        others = list(inspector.read_files(os.getpid()))
    assert (client.pid, client.directory) == (os.getpid(), str(Path.cwd()))
    assert client.above[0].pid == os.getppid()
    return others


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_each_file_has_its_digest(inspector: Inspector, tmp_path: Path) -> None:
    Path("a").write_bytes(b"one")
    Path("a b").write_bytes(b"")
    (tmp_path / "c").write_bytes(b"x" * 1_000_000)
    assert notes(inspector, "a", "a b", f"{tmp_path}/c", "nonexistent", ".", "nul\0") == [
        r.FileDigest(digest(b"one"), "a"),
        r.FileDigest(digest(b""), "a b"),
        r.FileDigest(digest(b"x" * 1_000_000), f"{tmp_path}/c"),
    ]


def test_practice_opens_nothing_but_proc(inspector: Inspector) -> None:
    """It is done in the supervisor, which must not wait for a file system."""
    opened: list[str] = []
    is_watching = [True]

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event == "open" and is_watching[0]:
            opened.append(str(args[0]))

    sys.addaudithook(hook)  # it cannot be taken out again
    inspector.practise()
    is_watching[0] = False
    assert "/proc/self/stat" in opened  # so it does hash
    assert [path for path in opened if not path.startswith("/proc/")] == []


def test_without_hashlib_there_is_no_hash(
    inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a").write_bytes(b"one")
    # As where another python3 has come since we started.
    monkeypatch.setitem(sys.modules, "hashlib", None)
    assert notes(inspector, "a") == []


def test_many_large_files_are_not_all_hashed(
    inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    for name, size in (("a", 600), ("b", 401), ("c", 400), ("d", 1)):
        Path(name).write_bytes(b"x" * size)
    assert notes(inspector, "a", "b", "c", "d") == [
        r.FileDigest(digest(b"x" * 600), "a"),
        r.FileTooLarge("b"),
        r.FileDigest(digest(b"x" * 400), "c"),
        r.FileTooLarge("d"),
    ]


def test_ten_of_the_largest_cost_as_much_as_one(
    inspector: Inspector, mocker: MockerFixture
) -> None:
    # Sparse, so that reading them is all there is to it.
    names = [f"f{number}" for number in range(10)]
    for name in names:
        with open(name, "wb") as file:
            file.truncate(files.MOST_BYTES)
    read, seen = os.read, list[int]()

    def count(fd: int, most: int) -> bytes:
        data = read(fd, most)
        seen.append(len(data))
        return data

    mocker.patch("os.read", count)
    assert sum(isinstance(note, r.FileDigest) for note in notes(inspector, *names)) == 1
    assert files.MOST_BYTES <= sum(seen) < files.MOST_BYTES + 100_000  # and what /proc says


def test_no_end_of_names(inspector: Inspector) -> None:
    names = [f"f{number}" for number in range(files.MOST_FILES + 7)]
    for name in names:
        Path(name).touch()
    *hashed, last = notes(inspector, *names)
    assert len(hashed) == files.MOST_FILES
    assert last == r.FilesLeftOut(7)


def test_a_file_that_grows_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    # /proc/self/maps says that it has no bytes, and has thousands.
    monkeypatch.setattr(files, "_AT_ONCE", 100)
    assert os.stat("/proc/self/maps").st_size == 0
    assert hash_file("/proc/self/maps", 250) == Digest("", 300)


# Whose process it is.


def test_our_descendants_belong_to_the_job(inspector: Inspector) -> None:
    words = ["sh", "-c", "sleep 100 & echo $!; wait"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        for pid in (os.getpid(), child.pid, grandchild):
            assert inspector.is_of_job(pid)
        for pid in (grandchild, child.pid):
            os.kill(pid, signal.SIGKILL)
    for pid in (0, 1, os.getppid(), child.pid):
        assert not inspector.is_of_job(pid)


def test_a_broken_chain_of_processes_is_read_again(
    inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process between ends, and the kernel gives its child to us."""
    us, between, client = os.getpid(), 1_000_001, 1_000_002
    stats = {between: Stat("sh", us, 10), client: Stat("gpg", between, 20)}

    def stat_of(pid: int) -> Stat | None:
        if pid == between:
            stats[client] = Stat("gpg", us, 20)
            return None
        return stats.get(pid)

    monkeypatch.setattr(requester, "stat_of", stat_of)
    assert inspector.is_of_job(client)


def test_a_number_that_another_process_has_by_now_proves_nothing(
    inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    above, client = 1_000_001, 1_000_002
    stats = {above: Stat("sh", os.getpid(), 30), client: Stat("gpg", above, 20)}
    monkeypatch.setattr(requester, "stat_of", stats.get)
    assert not inspector.is_of_job(client)  # its parent cannot be younger than it is
    stats[above] = Stat("sh", os.getpid(), 20)
    assert inspector.is_of_job(client)
