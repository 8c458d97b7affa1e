# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the stand-in for the archive answer as dgit expects, and fail only on demand?"""

from __future__ import annotations

import hashlib
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tools.world import archive as module
from tools.world.archive import Archive, Fault, match_like, read_dsc

DSC = """\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

Format: 3.0 (quilt)
Source: {source}
Binary: x, y
Version: {version}
Checksums-Sha256:
 {digest} 12 {source}_1.0.orig.tar.gz
 {other} 34 {source}_{version}.debian.tar.xz
Files:
 d41d8cd98f00b204e9800998ecf8427e 12 {source}_1.0.orig.tar.gz
-----BEGIN PGP SIGNATURE-----

Version: not of the package
-----END PGP SIGNATURE-----
"""
DIGEST, OTHER = "ab" * 32, "cd" * 32


def put(root: Path, component: str, source: str, version: str) -> Path:
    path = root / "pool" / component / source[0] / source / f"{source}_{version}.dsc"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(DSC.format(source=source, version=version, digest=DIGEST, other=OTHER))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path, "main", "gimel", "1.0-1")
    put(tmp_path, "main", "gimel", "1.0-2")
    put(tmp_path, "contrib", "other", "1.0-7")
    (tmp_path / "secret").write_text("not of the pool")
    return tmp_path


@pytest.fixture
def opened(root: Path) -> Iterator[Archive]:
    with Archive(root, {"sid": "unstable", "forky": "testing"}) as archive:
        yield archive


def ask(archive: Archive, path: str, method: str = "GET") -> tuple[int, bytes]:
    at = urlsplit(archive.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=60)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ask_api(archive: Archive, query: str) -> Any:
    status, body = ask(archive, f"/api/{query}")
    assert status == 200, (status, body)
    return json.loads(body)


def test_dsc_is_read_through_its_signature(root: Path) -> None:
    fields = read_dsc(root / "pool/main/g/gimel/gimel_1.0-2.dsc")
    assert fields["Version"] == "1.0-2"
    assert fields["Checksums-Sha256"].split("\n")[1:] == [
        f"{DIGEST} 12 gimel_1.0.orig.tar.gz",
        f"{OTHER} 34 gimel_1.0-2.debian.tar.xz",
    ]


def test_suites(opened: Archive) -> None:
    assert [(suite["codename"], suite["name"]) for suite in ask_api(opened, "suites")] == [
        ("sid", "unstable"),
        ("forky", "testing"),
    ]


@pytest.mark.parametrize("suite", ["sid", "unstable"])
def test_dsc_in_suite_names_a_file_that_can_be_fetched(opened: Archive, suite: str) -> None:
    rows = ask_api(opened, f"dsc_in_suite/{suite}/gimel")
    assert [row["version"] for row in rows] == ["1.0-1", "1.0-2"]
    for row in rows:
        path = f"/debian/pool/{row['component']}/{row['filename']}"
        status, body = ask(opened, path)
        assert status == 200
        assert (hashlib.sha256(body).hexdigest(), len(body)) == (row["sha256sum"], row["filesize"])
        assert ask(opened, path, "HEAD") == (200, b"")


def test_dsc_in_suite_has_nothing_to_say(opened: Archive) -> None:
    assert ask_api(opened, "dsc_in_suite/sid/nothing") == []
    assert ask_api(opened, "dsc_in_suite/woody/gimel") == []


def test_package_that_comes_later_is_there(opened: Archive) -> None:
    put(opened.root, "main", "gimel", "1.0-3")
    assert len(ask_api(opened, "dsc_in_suite/sid/gimel")) == 3


def test_file_in_archive_as_dgit_asks(opened: Archive) -> None:
    # Taken from dgit's own query for an orig: a SQL pattern, escaped for SQL and then for HTTP.
    assert ask_api(opened, "file_in_archive/%25/gimel%5c_1.0.orig.tar.gz") == [
        {
            "filename": "g/gimel/gimel_1.0.orig.tar.gz",
            "component": "main",
            "sha256sum": DIGEST,
        }
    ]
    assert ask_api(opened, "file_in_archive/%25/gimel%5c_2.0.orig.tar.gz") == []
    assert [row["component"] for row in ask_api(opened, "file_in_archive/%25.dsc")] == [
        "contrib",
        "main",
        "main",
    ]


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("%/a\\_1", "main/a/a_1", True),
        ("%/a\\_1", "main/a/ax1", False),  # escaped, _ is itself
        ("%/a_1", "main/a/ax1", True),
        ("a%", "ba", False),  # the whole of it has to match
        ("a.c", "abc", False),  # no regex
        ("%\\%", "50%", True),
    ],
)
def test_like(pattern: str, text: str, matches: bool) -> None:
    assert match_like(pattern, text) is matches


def test_madison(opened: Archive) -> None:
    (row,) = ask_api(opened, "madison?package=gimel&f=json")
    assert sorted(row["gimel"]["unstable"]) == ["1.0-1", "1.0-2"]
    # dgit's test for a package that is wholly new: an empty list.
    assert ask_api(opened, "madison?package=nothing&f=json") == []


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/",
        "/api/nothing",
        "/api/dsc_in_suite/sid",
        "/api/madison?package=gimel",
        "/debian/secret",
        "/debian/pool/../secret",
        "/debian/pool/%2e%2e/secret",
        "/debian//etc/hostname",
        "/secret",
    ],
)
def test_nothing_else_is_served(opened: Archive, path: str) -> None:
    assert ask(opened, path)[0] == 404


def test_fault_counts_its_own_queries(root: Path) -> None:
    with Archive(root, faults=[Fault.parse("503 file_in_archive/* 2-3")]) as archive:
        asked = ["suites", *["file_in_archive/%25/x"] * 4, "suites"]
        assert [ask(archive, f"/api/{each}")[0] for each in asked] == [200, 200, 503, 503, 200, 200]
        assert [at for at, query in enumerate(archive.queries) if query.fault] == [2, 3]
        assert [query.asked for query in archive.queries] == asked


def test_fault_by_number(root: Path) -> None:
    with Archive(root, faults=[Fault.parse("500 * 2"), Fault.parse("reset pool/*")]) as archive:
        assert [ask(archive, "/api/suites")[0] for _ in range(3)] == [200, 500, 200]
        with pytest.raises(ConnectionResetError):
            ask(archive, "/debian/pool/main/g/gimel/gimel_1.0-1.dsc")
        assert [query.answer for query in archive.queries] == ["200", "500", "200", "reset"]


def test_query_hangs_until_the_archive_closes(root: Path) -> None:
    ended: list[BaseException] = []

    def wait_for_answer() -> None:
        try:
            ask(archive, "/api/suites")
        except (OSError, http.client.HTTPException) as error:
            ended.append(error)

    with Archive(root, faults=[Fault.parse("hang suites 1-")]) as archive:
        asker = threading.Thread(target=wait_for_answer)
        asker.start()
        while not archive.queries:
            time.sleep(0.01)
        assert ask(archive, "/api/suites/")[0] == 404  # others are served meanwhile
        assert asker.is_alive()
        assert not ended
    asker.join(60)
    assert isinstance(ended[0], ConnectionError)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("503", Fault("503")),
        ("hang suites", Fault("hang", "suites")),
        ("reset * 2", Fault("reset", "*", 2, 2)),
        ("500 * 2-", Fault("500", "*", 2, None)),
        ("500 * 2-4", Fault("500", "*", 2, 4)),
    ],
)
def test_schedule_is_read(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize("text", ["", "999", "slow *", "503 * x", "503  * 1", "503 * 1-2 3"])
def test_strange_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a fault"):
        Fault.parse(text)


def test_as_a_program(root: Path) -> None:
    log = root / "log"
    argv = [str(Path(module.__file__)), "--suite", "sid:unstable", "--fault", "503 suites 2"]
    with subprocess.Popen(
        [sys.executable, *argv, "--log", str(log), str(root)], stdout=subprocess.PIPE, text=True
    ) as program:
        try:
            assert program.stdout is not None
            at = urlsplit(program.stdout.readline().strip())
            for expected in (200, 503):
                connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=60)
                connection.request("GET", "/api/suites")
                assert connection.getresponse().status == expected
                connection.close()
        finally:
            program.send_signal(signal.SIGTERM)
    assert program.returncode == 0
    lines = [line.split() for line in log.read_text().splitlines()]
    assert [words[1:] for words in lines] == [["200", "suites"], ["503!", "suites"]]
