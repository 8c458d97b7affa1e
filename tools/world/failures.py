# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has each text of failures.ROWS said by a program that says it, and writes down what it said.

1. The programs are Debian's, in the root that GPGSHIM_ROOT names, and the failures are real: a
   closed port, an unknown name, a tree that contradicts its changelog.
2. Nothing is edited: a transcript is the whole output, stdout and stderr in their order.

`python -m tools.world.failures` writes fixtures/failures/NAME.txt; inside the root, with a
directory as its argument, it writes them there.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tools.world.root import enter
from tools.world.upload import NEW, OLD, SOURCE, SUITE, Ended, World, open_world, run_quietly

FIXTURES = Path(__file__).parents[2] / "fixtures" / "failures"
LONGEST = 600.0  #: seconds, for all of them

SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=2", "-p")
NOWHERE = "nosuch.invalid"  # RFC 6761: this name never exists
NO_ROUTE = "192.0.2.1"  # RFC 5737; `debroot` has a route for it that says so
SERIES = "debian/patches/series"
#: dgit, whose clock runs faster: curl waits for five minutes.
HURRIED = ("faketime", "-f", "+0 x100", "dgit")


class Said(NamedTuple):
    """What was run, and how it ended."""

    ran: tuple[str, ...]
    ended: Ended


class Stage:
    """A world with an upload in it, and peers that do not do what they should."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._held: list[socket.socket] = []

    def run(self, *argv: str, cwd: Path | None = None) -> Said:
        world = self.world
        return Said(argv, run_quietly(argv, cwd or world.tree, world.builder_env))

    def must(self, *argv: str) -> str:
        return self.world._run(argv, self.world.tree, self.world.builder_env)

    def commit(self, message: str) -> None:
        self.must("git", "add", "--force", "--all", ".")
        self.must("git", "commit", "--quiet", f"--message={message}")

    def ask_archive(self, url: str, *dgit: str) -> Said:
        """Ask the archive at `url` what dgit asks first."""
        self.must("git", "config", "--global", "dgit-distro.demo.archive-query-url", url)
        return self.run(*(dgit or ("dgit",)), "-ddemo", "archive-api-query", "suites")

    def push(self, *options: str) -> Said:
        """Push from here, with no key and no grant: it fails before it would need one."""
        return self.run("dgit", "-wn", *options, "push-source", SUITE)

    # Peers.

    def listen(self, deed: str) -> int:
        """A port that closes each connection (`close`), resets it (`reset`), or ignores it."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._held.append(listener)

        def serve() -> None:
            while True:
                with contextlib.suppress(OSError):
                    peer, _ = listener.accept()
                    self._held.append(peer)
                    if deed == "reset":
                        peer.recv(1)
                        peer.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )
                    if deed == "close":
                        peer.shutdown(socket.SHUT_WR)
                        while peer.recv(4096):
                            pass  # what is left unread would make it a reset
                    if deed != "ignore":
                        self._held.remove(peer)
                        peer.close()

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    def close(self) -> int:
        """A closed port."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return int(listener.getsockname()[1])

    def fill(self) -> int:
        """A port whose queue is full, so no connection is accepted."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self._held.append(listener)
        for _ in range(4):
            caller = socket.socket()
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
            self._held.append(caller)
        return int(listener.getsockname()[1])

    # What is wrong with a package.

    def change_upstream(self, *besides: str) -> None:
        """Change upstream's file, and no patch says so; make empty files `besides`."""
        with (self.world.tree / "hello").open("a") as hello:
            hello.write("echo changed\n")
        for name in besides:
            (self.world.tree / name).parent.mkdir(exist_ok=True)
            (self.world.tree / name).touch()
        self.commit("changes")

    def build(self) -> Path:
        """Build the source package; the directory where it is."""
        self.must("dgit", "-wn", "build-source")
        return self.world.builder

    def edit(self, path: Path, old: str, new: str) -> None:
        text = path.read_text()
        if old not in text:
            raise ValueError(f"{path} does not say {old!r}")
        path.write_text(text.replace(old, new))

    def start_anew(self) -> None:
        """The same tree, in a history of its own."""
        self.must("git", "checkout", "--quiet", "--orphan", "anew")
        self.must("git", "commit", "--quiet", "--all", "--message=anew")


class Case(NamedTuple):
    """How one text comes to be said."""

    why: str
    says: Callable[[Stage], Said]
    fault: tuple[str, ...] = ()  # the archive's


def say_other_dsc(stage: Stage) -> Said:
    stage.edit(stage.build() / f"{SOURCE}_{NEW}.dsc", f"Version: {NEW}", "Version: 1.0-3")
    return stage.run("dgit", "-wn", "push-built", SUITE)


def say_other_changes(stage: Stage) -> Said:
    (changes,) = stage.build().glob(f"{SOURCE}_{NEW}_*.changes")
    stage.edit(changes, f"Distribution: {SUITE}", "Distribution: sid")
    return stage.run("dgit", "-wn", "push-built", SUITE)


def say_old_version(stage: Stage) -> Said:
    stage.edit(stage.world.tree / "debian/changelog", f"({NEW})", "(1.0-0.1)")
    stage.commit("an old version")
    return stage.push()


def say_no_ancestor(stage: Stage) -> Said:
    stage.start_anew()
    return stage.push()


def say_not_fast_forward(stage: Stage) -> Said:
    git = ("git", "-C", str(stage.world.git))
    stage.must(*git, "tag", "-m", "x", f"archive/demo/{OLD}", "refs/dgit/sid")
    stage.start_anew()
    stage.must("git", "push", "--quiet", str(stage.world.git), "HEAD:refs/heads/anew")
    stage.must(*git, "tag", "-m", "x", f"demo/{OLD}", "refs/heads/anew")
    return stage.push("--quilt=gbp")


def say_local_options(stage: Stage) -> Said:
    (stage.world.tree / "debian/source/local-options").write_text("abort-on-upstream-changes\n")
    stage.commit("local options")
    return stage.push()


def say_unsupported(stage: Stage) -> Said:
    stage.must("git", "config", "--global", "dgit-distro.demo.unsupported-error", "not here")
    return stage.push()


def quilt(mode: str, *besides: str) -> Callable[[Stage], Said]:
    def says(stage: Stage) -> Said:
        stage.change_upstream(*besides)
        return stage.run("dgit", "-wn", f"--quilt={mode}", "quilt-fixup")

    return says


CASES: dict[str, Case] = {
    "gave HTTP code 5": Case(
        "the archive answers 503", lambda stage: stage.ask_archive(stage.world.archive.api),
        fault=("503 suites",),
    ),
    "Could not resolve host": Case(
        "nobody knows the archive's name",
        lambda stage: stage.ask_archive(f"http://{NOWHERE}/"),
    ),
    "Temporary failure in name resolution": Case(
        "nobody can be asked for the builder's name",
        lambda stage: stage.run(*SSH, "22", NOWHERE, "true"),
    ),
    "Connection refused": Case(
        "nobody listens", lambda stage: stage.run(*SSH, str(stage.close()), "127.0.0.1", "true")
    ),
    "Connection reset": Case(
        "sshd goes away at once",
        lambda stage: stage.run(*SSH, str(stage.listen("reset")), "127.0.0.1", "true"),
    ),
    "Connection closed by": Case(
        "sshd does not want us",
        lambda stage: stage.run(*SSH, str(stage.listen("close")), "127.0.0.1", "true"),
    ),
    "Connection timed out": Case(
        "nobody answers", lambda stage: stage.run(*SSH, str(stage.fill()), "127.0.0.1", "true")
    ),
    "Operation timed out": Case(
        "the server takes the request, and says nothing",
        lambda stage: stage.run(
            "curl", "--silent", "--show-error", "--max-time", "1",
            f"http://127.0.0.1:{stage.listen('ignore')}/",
        ),
    ),
    "Timeout was reached": Case(
        "nobody answers at the archive",
        lambda stage: stage.ask_archive(f"http://127.0.0.1:{stage.fill()}/", *HURRIED),
    ),
    "No route to host": Case(
        "the network knows no way", lambda stage: stage.run(*SSH, "22", NO_ROUTE, "true")
    ),
    "No space left on device": Case(
        "the disk is full",
        lambda stage: stage.run("sh", "-c", "git archive HEAD >/dev/full"),
    ),
    "Failed to connect to": Case(
        "nobody listens at the archive",
        lambda stage: stage.ask_archive(f"http://127.0.0.1:{stage.close()}/"),
    ),
    "Failure when receiving data": Case(
        "the archive hangs up",
        lambda stage: stage.ask_archive(f"http://127.0.0.1:{stage.listen('reset')}/"),
    ),
    "but git tree differs from orig": Case(
        "upstream's file is changed, and no patch says so", quilt("gbp")
    ),
    "quilt fixup cannot be linear.": Case(
        "one commit changes upstream's file and the patches", quilt("linear", SERIES)
    ),
    "quilt history linearisation failed": Case("likewise", quilt("linear", SERIES)),
    "quilt fixup required but quilt mode is": Case("a patch would have to be made", quilt("nofix")),
    "does not match changelog": Case(".changes of another suite", say_other_changes),
    "but debian/changelog is for": Case(".dsc of another version", say_other_dsc),
    "but changelog says": Case(
        "another package was meant", lambda stage: stage.push("--package=other")
    ),
    "changelog specifies": Case(
        "another suite was meant",
        lambda stage: stage.run("dgit", "-wn", "-ddemo", "push-source", "experimental"),
    ),
    "is not expected `": Case(
        "another version was meant", lambda stage: stage.push("--expect-version=9")
    ),
    "You seem to be trying to push an old version.": Case(
        "the archive has a later version", say_old_version
    ),
    "HEAD is not a descendant of the archive's version": Case(
        "the history does not contain the archive's version", say_no_ancestor
    ),
    "is not fast forward": Case("likewise, with the maintainer's view apart", say_not_fast_forward),
    "git tree contains ": Case("debian/source/local-options", say_local_options),
    "operation unsupported: ": Case("this distribution takes no pushes", say_unsupported),
}  # fmt: skip

#: The programs that print the messages, and the Debian package that has each one's version.
VERSIONS = {"dgit": "dgit", "ssh": "openssh-client", "curl": "curl", "git": "git"}


def find_version(ran: tuple[str, ...]) -> str:
    """`dgit 17.0`: the program that spoke, and its package's version."""
    words = " ".join(ran).split()
    program = next(word for word in words if word in VERSIONS)
    package = VERSIONS[program]
    show = ["dpkg-query", "--show", "--showformat=${Version}", package]
    return f"{program} {subprocess.run(show, capture_output=True, text=True, check=True).stdout}"


def write(saying: str, case: Case, said: Said) -> str:
    """The transcript: a head, an empty line, and the output."""
    head = {
        "row": saying,
        "because": case.why,
        "said by": find_version(said.ran),
        "ran": " ".join(said.ran),
        "status": str(said.ended.status),
    }
    return "".join(f"{key}: {text}\n" for key, text in head.items()) + "\n" + said.ended.output


def name_of(saying: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", saying.lower()).strip("-")


def record_inside(directory: Path) -> Iterator[str]:
    """Record all, inside the root; what is wrong, a clause each."""
    directory.mkdir(parents=True, exist_ok=True)
    for saying, case in CASES.items():
        with open_world(*case.fault) as world:
            said = case.says(Stage(world))
        if saying not in said.ended.output:
            yield f"{saying!r} was not said, but:\n{said.ended.output}"
        if said.ended.status == 0:
            yield f"{saying!r} came from what did not fail"
        (directory / f"{name_of(saying)}.txt").write_text(write(saying, case, said))


def record(to: Path) -> None:
    """Record all, from outside the root. Raises RuntimeError where a text is not said any more."""
    with tempfile.TemporaryDirectory() as world:
        done = subprocess.run(
            enter(world, "tools.world.failures", "/world/said"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        to.mkdir(parents=True, exist_ok=True)
        for path in to.glob("*.txt"):
            path.unlink()
        for path in Path(world, "said").iterdir():
            shutil.copyfile(path, to / path.name)


def main() -> None:
    if sys.argv[1:]:
        sys.exit("\n".join(record_inside(Path(sys.argv[1]))) or 0)
    record(FIXTURES)
    print(f"{len(CASES)} transcripts recorded")


if __name__ == "__main__":
    main()
