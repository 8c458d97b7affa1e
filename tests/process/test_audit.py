# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the journal name the client and the files of a request, and is that found out quickly?

The asker is the test itself: what /proc says of it is known.
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

from gpgshim.gpgargs import optiontable
from gpgshim.supervisor import audit, optable
from gpgshim.supervisor.audit import Stat, Witness, hash_file
from tests.support.scratch import GPG


@pytest.fixture
def witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Witness:
    monkeypatch.chdir(tmp_path)
    return Witness(tmp_path, optiontable.load(optable.of(GPG, dict(os.environ))))


def notes(witness: Witness, *files: str) -> list[str]:
    words = ["gpg", "-b", *files]
    first = witness.describe(os.getpid())
    assert witness.has_files(os.getpid(), words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(witness, "read_command_line", lambda pid: words)
        others = list(witness.read_files(os.getpid()))
    assert first.startswith(f"# pid {os.getpid()} in {Path.cwd()}, under ")
    assert f"[{os.getppid()}]" in first
    return others


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_each_file_has_its_digest(witness: Witness, tmp_path: Path) -> None:
    Path("a").write_bytes(b"one")
    Path("a b").write_bytes(b"")
    (tmp_path / "c").write_bytes(b"x" * 1_000_000)
    assert notes(witness, "a", "a b", f"{tmp_path}/c", "nonexistent", ".", "nul\0") == [
        f"# sha256 {digest(b'one')} a",
        f"# sha256 {digest(b'')} 'a b'",
        f"# sha256 {digest(b'x' * 1_000_000)} {tmp_path}/c",
    ]


def test_practice_opens_nothing_but_proc(witness: Witness) -> None:
    """It is done in the supervisor, which must not wait for a file system."""
    opened: list[str] = []
    is_watching = [True]

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event == "open" and is_watching[0]:
            opened.append(str(args[0]))

    sys.addaudithook(hook)  # it cannot be taken out again
    witness.practise()
    is_watching[0] = False
    assert "/proc/self/stat" in opened  # so it does hash
    assert [path for path in opened if not path.startswith("/proc/")] == []


def test_without_hashlib_there_is_no_hash(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a").write_bytes(b"one")
    # As where another python3 has come since we started.
    monkeypatch.setitem(sys.modules, "hashlib", None)
    assert notes(witness, "a") == []


def test_many_large_files_are_not_all_hashed(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MOST_BYTES", 1000)
    for name, size in (("a", 600), ("b", 401), ("c", 400), ("d", 1)):
        Path(name).write_bytes(b"x" * size)
    assert notes(witness, "a", "b", "c", "d") == [
        f"# sha256 {digest(b'x' * 600)} a",
        "# b is too much to hash",
        f"# sha256 {digest(b'x' * 400)} c",
        "# d is too much to hash",
    ]


def test_ten_of_the_largest_cost_as_much_as_one(witness: Witness, mocker: MockerFixture) -> None:
    # Sparse, so that reading them is all there is to it.
    names = [f"f{number}" for number in range(10)]
    for name in names:
        with open(name, "wb") as file:
            file.truncate(audit.MOST_BYTES)
    read, seen = os.read, list[int]()

    def count(fd: int, most: int) -> bytes:
        data = read(fd, most)
        seen.append(len(data))
        return data

    mocker.patch("os.read", count)
    assert sum("sha256" in note for note in notes(witness, *names)) == 1
    assert audit.MOST_BYTES <= sum(seen) < audit.MOST_BYTES + 100_000  # and what /proc says


def test_no_end_of_names(witness: Witness) -> None:
    names = [f"f{number}" for number in range(audit.MOST_FILES + 7)]
    for name in names:
        Path(name).touch()
    *hashed, last = notes(witness, *names)
    assert len(hashed) == audit.MOST_FILES
    assert last == "# 7 more files were not looked at"


def test_a_file_that_grows_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    # /proc/self/maps says that it has no bytes, and has thousands.
    monkeypatch.setattr(audit, "_AT_ONCE", 100)
    assert os.stat("/proc/self/maps").st_size == 0
    assert hash_file("/proc/self/maps", 250) == ("", 300)


# Whose process it is.


def test_our_descendants_belong_to_the_job(witness: Witness) -> None:
    words = ["sh", "-c", "sleep 100 & echo $!; wait"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        for pid in (os.getpid(), child.pid, grandchild):
            assert witness.is_of_job(pid)
        for pid in (grandchild, child.pid):
            os.kill(pid, signal.SIGKILL)
    for pid in (0, 1, os.getppid(), child.pid):
        assert not witness.is_of_job(pid)


def test_a_chain_that_breaks_is_looked_at_again(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process between ends, and the kernel gives its child to us."""
    us, between, asker = os.getpid(), 1_000_001, 1_000_002
    stats = {between: Stat("sh", us, 10), asker: Stat("gpg", between, 20)}

    def stat_of(pid: int) -> Stat | None:
        if pid == between:
            stats[asker] = Stat("gpg", us, 20)
            return None
        return stats.get(pid)

    monkeypatch.setattr(audit, "stat_of", stat_of)
    assert witness.is_of_job(asker)


def test_a_number_that_another_process_has_by_now_proves_nothing(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    above, asker = 1_000_001, 1_000_002
    stats = {above: Stat("sh", os.getpid(), 30), asker: Stat("gpg", above, 20)}
    monkeypatch.setattr(audit, "stat_of", stats.get)
    assert not witness.is_of_job(asker)  # its parent cannot be younger than it is
    stats[above] = Stat("sh", os.getpid(), 20)
    assert witness.is_of_job(asker)
