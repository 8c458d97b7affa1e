"""What do the tests share? A key for the session, and a world of its own for each test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scratch import GPG, Key, Scratch, guarded, short_directory


def pytest_configure() -> None:
    # A shell's `&` and nohup(1) have these ignored, and so would all that the tests start.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            ours = signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL
            signal.signal(number, ours)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write fixtures as they are played")


@pytest.fixture(scope="session")
def session() -> Iterator[Path]:
    """A directory that the tests of a session share."""
    root = short_directory()
    with guarded(root):
        yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def key(session: Path) -> Iterator[Key]:
    """A signing key, and an agent that notes every signature it is asked for."""
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
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], env=env, check=False)


@pytest.fixture
def scratch(session: Path, key: Key) -> Iterator[Scratch]:
    """A test's own world. Every journal made in it is replayed when the test is over."""
    world = Scratch(short_directory(), session / "cache", key)
    yield world
    world.end()
