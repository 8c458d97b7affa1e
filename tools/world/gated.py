# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gated upload in that world, and what it did there.

1. gpgshim is run as a person would run it, and asked nothing but what it wrote down.
2. The manager counts by itself: what it heard, and what the key had signed by then.
"""

from __future__ import annotations

import contextlib
import socketserver
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import o2m, transcript
from gpgshim.core.transcript import Transcript

from .archive import Query
from .upload import SOURCE, Ended, World, WorldError, run_quietly

CHECKOUT = Path(__file__).resolve().parents[2]


class Attempt(NamedTuple):
    """The effects of one attempt, as the world has them. The numbers count this attempt only."""

    status: int
    output: str
    journal: Transcript
    heard: list[str]  # by the manager
    signings_before: list[int]  # for each line heard: what the key had signed by then
    signings: int
    queries: list[Query]
    queue: list[str]
    tags: list[str]

    def count(self, sigil: str, text: str = "") -> int:
        return sum(
            line.sigil == sigil and line.text.startswith(text) for line in self.journal.lines
        )

    @property
    def seconds(self) -> float:
        return self.journal.lines[-1].at or 0.0

    @property
    def commitment(self) -> float | None:
        """When the job stopped being retriable, in seconds; None: it never did."""
        return next((line.at for line in self.journal.lines if line[:2] == ("!", "unknown")), None)


class Manager(socketserver.ThreadingUnixStreamServer):
    """The other end of o2m, as far as one upload needs it."""

    daemon_threads = True

    def __init__(self, world: World, answer: bytes) -> None:
        self.answer = answer
        self.path = world.root / "manager"
        self.world = world
        self.heard: list[str] = []
        self.signings: list[int] = []
        super().__init__(str(self.path), Listener)


class Listener(socketserver.StreamRequestHandler):
    server: Manager

    def handle(self) -> None:
        for line in self.rfile:
            self.server.signings.append(self.server.world.count_signings())
            self.server.heard.append(line.decode(errors="replace").rstrip("\n"))
            if line == o2m.COMMIT:
                self.wfile.write(self.server.answer)
                return


@contextlib.contextmanager
def open_manager(world: World, answer: bytes = o2m.GO_AHEAD) -> Iterator[Manager]:
    with Manager(world, answer) as manager:
        thread = threading.Thread(target=manager.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield manager
        finally:
            manager.shutdown()
            thread.join()


def find_gpgshim() -> list[str]:
    script = Path(sys.executable).with_name("gpgshim")
    return [str(script)] if script.exists() else [sys.executable, "-m", "gpgshim"]


def gate(world: World, manager: Manager) -> list[str]:
    """The gated job, less the name by which gpgshim is found."""
    options = ["--job", SOURCE, "--commit", f"o2m:{manager.path}"]
    return ["run", *options, "--", *world.argv]


def run_gated(world: World, manager: Manager) -> Ended:
    env = world.env | {"PYTHONPATH": str(CHECKOUT)}
    return run_quietly([*find_gpgshim(), *gate(world, manager)], world.oracle, env)


def read_journal(world: World, number: int) -> Transcript:
    path = world.state / "gpgshim" / f"{SOURCE}.{number}"
    return transcript.parse(path.read_bytes())


def run_attempt(world: World, manager: Manager, number: int) -> Attempt:
    asked, heard, signed = len(world.archive.queries), len(manager.heard), world.count_signings()
    status, output = run_gated(world, manager)
    try:
        journal = read_journal(world, number)
    except FileNotFoundError as error:
        raise WorldError(f"{error}; the attempt ended with {status}:\n{output}") from None
    return Attempt(
        status,
        output,
        journal,
        manager.heard[heard:],
        [count - signed for count in manager.signings[heard:]],
        world.count_signings() - signed,
        world.archive.queries[asked:],
        world.list_queue(),
        world.list_tags(),
    )
