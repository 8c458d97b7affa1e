# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of all tests: a key for the session, and a scratch directory for each test."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.homes import release_homes, remove_tree
from tests.support.scratch import GPG, Key, Scratch, guarded, short_directory
from tests.support.worker import Worker

#: The directories of tests that start processes and open sockets. The tests in all others are pure,
#: except a test that uses the fixtures below or is marked `starts`.
#: `make quick` runs the pure ones, and a test among them that starts something fails.
START = {"process", "real", "place", "proof"}

TESTS = Path(__file__).parent
STARTS = re.compile(r"os\.(exec|fork|posix_spawn)|subprocess\.Popen|socket\.(bind|connect)")

running: list[pytest.Item] = []  # the test that runs now, if it is pure


def is_pure(item: pytest.Item) -> bool:
    starts = "session" in getattr(item, "fixturenames", ()) or item.get_closest_marker("starts")
    directory = item.path.relative_to(TESTS).parts[0]
    return directory not in START and not starts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in filter(is_pure, items):
        item.add_marker("pure")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    running[:] = [item] if item.get_closest_marker("pure") else []
    try:
        yield
    finally:
        running.clear()


def refuse_to_start(event: str, arguments: object) -> None:
    if running and STARTS.fullmatch(event):
        raise RuntimeError(f"{running[0].nodeid} is no pure test: {event} {arguments}")


def pytest_configure() -> None:
    # A busy machine may take its time for an example; that makes it no wrong one.
    hypothesis.settings.register_profile(
        "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("busy")
    sys.addaudithook(refuse_to_start)
    # A shell's `&` and nohup(1) ignore these signals, and all processes of the tests inherit that.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            ours = signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL
            signal.signal(number, ours)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was skipped, one line for each reason, which ends with what would run it."""
    skipped = Counter(
        (report.nodeid.partition("::")[0], report.longrepr[2].removeprefix("Skipped: "))
        for report in terminalreporter.getreports("skipped")
        if isinstance(report.longrepr, tuple)
    )
    if skipped:
        terminalreporter.section("skipped: what it needs, and what would run it")
    for (file, reason), count in sorted(skipped.items()):
        terminalreporter.line(f"{file} ({count}): {reason}")


@pytest.fixture(scope="session")
def session() -> Iterator[Path]:
    """A directory that the tests of a session share."""
    root = short_directory()
    with guarded(root):
        yield root
    remove_tree(root)


@pytest.fixture(scope="session")
def key(session: Path) -> Iterator[Key]:
    """A signing key, and an agent that records each request for a signature."""
    home = session / "gnupg"
    home.mkdir(0o700)
    (home / "gpg-agent.conf").write_text(f"debug ipc\nlog-file {home}/agent.log\n")
    env = {"PATH": os.defpath, "GNUPGHOME": str(home), "HOME": str(session)}
    words = ["--batch", "--quiet", "--passphrase", "", "--quick-gen-key"]
    words += ["Oracle <o@example.org>", "ed25519", "sign", "never"]
    subprocess.run([GPG, *words], env=env, check=True, capture_output=True)
    listed = subprocess.run(
        [GPG, "--with-colons", "--list-secret-keys"], env=env, check=True, capture_output=True
    ).stdout.decode()
    fingerprint = next(x.split(":")[9] for x in listed.splitlines() if x.startswith("fpr:"))
    yield Key(home, fingerprint)
    subprocess.run(["gpgconf", "--kill", "all"], env=env, check=False, capture_output=True)


@pytest.fixture(autouse=True)
def homes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove what GnuPG made outside of the homes that a test has in pytest's own directory."""
    roots = [request.getfixturevalue("tmp_path")] if "tmp_path" in request.fixturenames else []
    yield
    for root in roots:
        release_homes(root)


@pytest.fixture
def scratch(key: Key) -> Iterator[Scratch]:
    """A test's own world. Every journal made in it is replayed when the test is over."""
    world = Scratch(short_directory(), key)
    yield world
    world.end()


@pytest.fixture
def worker(scratch: Scratch) -> Iterator[Worker]:
    """oracled's worker, for one job."""
    worker = Worker(scratch)
    yield worker
    worker.close()
