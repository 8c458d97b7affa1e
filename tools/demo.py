# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real upload under the gate: it fails before it signs, and is then tried again.

1. Each line with a mark is a claim, which is checked. If a claim is not true, the exit status is 1.
2. dgit, gpg and the programs between them are real. Archive, manager and `ssh` are stand-ins.
3. At the end nothing that the demo started remains, and nothing else has changed. This is checked
too.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import verdict
from gpgshim.core.transcript import Transcript, TranscriptError
from gpgshim.render import show
from tools.world.archive import Query
from tools.world.gated import CHECKOUT, Attempt, Manager, gate, open_manager, run_attempt
from tools.world.upload import (
    NEW,
    SOURCE,
    World,
    WorldError,
    find_processes,
    open_world,
)

EX_SOFTWARE, EX_TEMPFAIL = 70, 75

LATE = "503 file_in_archive/* 1"  # the last thing that dgit asks before it wants signatures


class Claim(NamedTuple):
    """Something to show a person, and whether it is so."""

    true: bool
    text: str


def check_failure(attempt: Attempt) -> list[Claim]:
    """What must be true of the job that failed."""
    told = verdict.judge(attempt.journal)
    last = attempt.queries[-1] if attempt.queries else None
    return [
        Claim(
            last is not None and last.fault and "file_in_archive" in last.asked,
            "dgit had begun its work, and died of the archive's 503",
        ),
        Claim(attempt.signings == 0, "the key made no signature: its agent was never asked"),
        Claim(not attempt.heard, "the manager received nothing"),
        Claim(not attempt.queue and not attempt.tags, "nothing was uploaded, nothing pushed"),
        Claim(
            (told.outcome, told.told) == ("retriable", True) and attempt.status == EX_TEMPFAIL,
            "outcome retriable, exit status 75",
        ),
    ]


def check_success(attempt: Attempt, world: World) -> list[Claim]:
    """The claims about the job that was tried again."""
    told = verdict.judge(attempt.journal)
    grants = attempt.count("=", "go")
    words = [f"{line.sigil} {line.text.split()[0]}" for line in attempt.journal.lines if line.text]
    first = words.index("= go") if "= go" in words else 0
    try:
        signed = ", ".join(world.verify_upload())
    except WorldError as error:
        verified = Claim(False, f"the upload verifies: {error}")
    else:
        verified = Claim(True, f"good signatures of the key's: {signed}")
    return [
        Claim(
            attempt.heard == ["commit-to-public-upload"],
            f"the manager received commit-to-public-upload {len(attempt.heard)} time",
        ),
        Claim(
            attempt.signings_before == [0] and "! committed" in words[:first],
            "before the first signature, and `committed` was on disk by then",
        ),
        Claim(
            attempt.signings == grants > 0,
            f"{attempt.signings} signatures, {grants} grants: the first waited, the others did not",
        ),
        Claim(
            (told.outcome, told.told) == ("uploaded", True) and attempt.status == 0,
            "outcome uploaded, exit status 0",
        ),
        verified,
    ]


def check_aftermath(root: Path, before: dict[str, object], after: dict[str, object]) -> list[Claim]:
    changed = sorted(path for path in before | after if before.get(path) != after.get(path))
    left = list(find_processes(root).values())
    return [
        Claim(not root.exists() and not left, f"nothing that it started remains {left or ''}"),
        Claim(not changed, f"nothing of your own was touched {changed or ''}"),
    ]


def photograph_home() -> dict[str, object]:
    """The files in which a careless upload would leave traces: path -> size and time."""
    at_home = [".gnupg", ".gitconfig", ".config/git", ".dput.cf", ".devscripts", ".cache/dgit"]
    # Some programs ask the user database, whatever HOME says.
    homes = {Path.home()}
    with contextlib.suppress(KeyError):
        homes.add(Path(pwd.getpwuid(os.getuid()).pw_dir))
    places = [home / name for home in homes for name in at_home]
    places += [Path.home() / parent / "gpgshim" for parent in (".cache", ".config", ".local/state")]
    runtime = Path(f"/run/user/{os.getuid()}")
    # Beside the sockets of the default home there is a directory for each other home's.
    places += [runtime / "gpgshim", *runtime.glob("gnupg/S.*")]
    for variable in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        places += [Path(value) / "gpgshim" for value in (os.environ.get(variable),) if value]
    places += [Path(value) for value in (os.environ.get("GNUPGHOME"),) if value]
    picture: dict[str, object] = {}
    for place in places:
        for path in (place, *place.rglob("*")):
            with contextlib.suppress(OSError):
                found = path.lstat()
                picture[str(path)] = (found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns)
    return picture


class Page:
    """The output of the demo. It has colours only on a terminal."""

    def __init__(self, world: World) -> None:
        tty = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self.colour = tty and not os.environ.get("NO_COLOR")
        self.width = shutil.get_terminal_size((100, 24)).columns if tty else 100
        self.short = {
            world.archive.url: "http://archive",
            str(world.root): "@",
            world.fingerprint: world.fingerprint[-8:],
        }
        self.wrong = 0

    def paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.colour and text else text

    def shorten(self, text: str) -> str:
        for long, short in self.short.items():
            text = text.replace(long, short)
        return text

    def cut(self, text: str, width: int) -> str:
        """Cut out the middle: a command begins with its name, and ends with its object."""
        if len(text) <= width:
            return text
        tail = width // 3
        return f"{text[: width - tail - 3]} … {text[-tail:]}"

    def say(self, text: str = "", code: str = "") -> None:
        print(self.paint(code, text) if code else text, flush=True)

    def show_claims(self, claims: list[Claim], output: str = "") -> None:
        """The claims; and, where one is not true, what the job itself put out."""
        for claim in claims:
            mark = self.paint("32", "ok") if claim.true else self.paint("1;31", "NOT TRUE:")
            self.say(f"  {mark} {self.shorten(claim.text).rstrip()}")
            self.wrong += not claim.true
        if output and not all(claim.true for claim in claims):
            self.say(f"  its complete output:\n{output}")
        self.say()

    def show_lines(self, lines: list[str]) -> None:
        for line in lines:
            self.say("    " + self.cut(self.shorten(line), self.width - 4))
        self.say()

    def show_queries(self, queries: list[Query]) -> None:
        for query in queries:
            self.say(f"    {query.answer}  {query.asked}", "1;31" if query.fault else "2")
        self.say()

    def show_journal(self, journal: Transcript) -> None:
        """As `gpgshim show` does, with this world's long names made short."""
        lines = [line._replace(text=self.shorten(line.text)) for line in journal.lines]
        head = {key: text for key, text in journal.head.items() if key in HEAD}
        journal = journal._replace(head=head, lines=tuple(lines))
        for text in show.show(journal, self.width - 2, colour=self.colour).splitlines():
            self.say(f"  {text}")
        self.say()

    def show_times(self, attempts: dict[str, Attempt]) -> None:
        """One bar a job: how long it could still be retried, and how long not."""
        scale = 40 / (max(attempt.seconds for attempt in attempts.values()) or 1)
        for name, attempt in attempts.items():
            free = attempt.seconds if attempt.commitment is None else attempt.commitment
            bar = "-" * round(free * scale) + "#" * round((attempt.seconds - free) * scale)
            meaning = (
                f"retriable for all of its {free:.2f} s, and still"
                if attempt.commitment is None
                else f"retriable for {free:.2f} s, then no more ({attempt.seconds - free:.2f} s)"
            )
            self.say(f"    {name:6}  {bar:41}  {meaning}")
        self.say()


#: What is shown of a journal's head; the rest stands above it already.
HEAD = ("job", "attempt", "gpg", "started")


def telling(output: str) -> list[str]:
    """The few lines of dgit's output that say how it went."""
    return re.findall(r"^(?:dgit.*(?:error: fetch|ok:).*|! Push failed.*)$", output, re.MULTILINE)


def show_attempt(world: World, manager: Manager, page: Page, number: int) -> Attempt:
    command = shlex.join(["gpgshim", *gate(world, manager)]).replace(" -- ", " -- \\\n      ", 1)
    page.say(f"  $ {page.shorten(command)}")
    attempt = run_attempt(world, manager, number)
    page.show_lines(telling(attempt.output))
    if any(query.fault for query in attempt.queries):
        page.say("  the queries to the archive, and its answers:")
        page.show_queries(attempt.queries)
    page.say(f"  $ gpgshim show {SOURCE}.{number}")
    page.show_journal(attempt.journal)
    return attempt


def show_jobs(world: World, page: Page) -> None:
    with open_manager(world) as manager:
        page.say("1. The archive's API answers 503, once, late in the work", "1")
        failed = show_attempt(world, manager, page, 1)
        page.show_claims(check_failure(failed), failed.output)
        page.say("2. The same upload again", "1")
        again = show_attempt(world, manager, page, 2)
        page.show_claims(check_success(again, world), again.output)
    page.say("3. How long it could be tried again, and how long not", "1")
    page.show_times({"first": failed, "second": again})


def main() -> int:
    missing = subprocess.run([CHECKOUT / "tools/needs", "demo"], check=False).returncode
    if missing:
        return missing
    began = time.monotonic()
    before = photograph_home()
    try:
        with open_world(LATE) as world:
            page = Page(world)
            page.say(f"{SOURCE} {NEW}: a real `dgit rpush-source` under the gate, twice", "1")
            page.say(f"  in a world of its own, {world.root}, from here on: @\n")
            show_jobs(world, page)
    except (WorldError, TranscriptError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return EX_SOFTWARE
    except KeyboardInterrupt:
        print("demo: interrupted; nothing that it made or started remains", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains as it ends
        return 128 + signal.SIGPIPE
    page.show_claims(check_aftermath(world.root, before, photograph_home()))
    page.say(f"  {time.monotonic() - began:.1f} s", "2")
    return 1 if page.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
