# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a CI system that retries a release stop where it must? With the real git and the real gpg.

A release here is a build, a signed tag, and an upload to a directory.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gpgshim.core.gate import Outcome
from tests.support.scratch import GPG, PATIENCE, Done, Scratch, finish, hear, tell, wait_for

RELEASE = """\
#!/bin/sh
set -e
test -e builds || { echo "the build fails" >&2; exit 2; }
git tag -s -m "release 1.0" v1.0
if [ -p go ]; then echo tagged >tagged; read x <go || :; fi
git push -q "$1" v1.0
"""


@pytest.fixture
def release(scratch: Scratch) -> Path:
    """A repository with a commit, and a script that releases it."""
    git = ["git", "-c", "init.defaultBranch=main"]
    for name, words in (
        ("archive.git", ["init", "-q", "--bare"]),
        ("work", ["init", "-q"]),
    ):
        (scratch.root / name).mkdir()
        subprocess.run([*git, *words, str(scratch.root / name)], check=True, timeout=PATIENCE)
    work = scratch.root / "work"
    (work / ".git/config").open("a").write(
        f"[user]\nname = R\nemail = r@example.org\nsigningkey = {scratch.key.fingerprint}\n"
    )
    subprocess.run(
        ["git", "-C", work, "commit", "-q", "--allow-empty", "-m", "x"],
        check=True,
        env=scratch.env,
        timeout=PATIENCE,
    )
    scratch.script("release", RELEASE)
    return work


def words(scratch: Scratch, work: Path, archive: str, *options: str) -> list[str | Path]:
    command = f"cd {work} && ../release {scratch.root}/{archive}"
    return ["run", "--job", "rel-1.0", "--gpg", GPG, *options, "--", "sh", "-c", command]


def attempt(scratch: Scratch, work: Path, archive: str, *options: str) -> Done:
    return scratch.gpgshim(*words(scratch, work, archive, *options))


def published(scratch: Scratch) -> str:
    archive = scratch.root / "archive.git"
    return subprocess.run(
        ["git", "-C", archive, "tag"], check=True, capture_output=True, text=True, timeout=PATIENCE
    ).stdout


def test_build_fails_then_the_upload_fails_then_nothing_starts(
    scratch: Scratch, release: Path
) -> None:
    done = attempt(scratch, release, "archive.git")
    assert (done.status, scratch.verdict().outcome) == (75, Outcome.RETRIABLE)
    (release / "builds").touch()
    done = attempt(scratch, release, "nowhere.git")
    assert (done.status, scratch.verdict().outcome) == (128, Outcome.IRRECOVERABLE)
    # Without memory, git says here that the tag exists, and the job would be called retriable.
    for _ in range(3):
        done = attempt(scratch, release, "archive.git")
        assert done.status == 77, done.err
        assert "attempt rel-1.0.2 is irrecoverable: committed, " in done.err
    assert published(scratch) == ""
    # A person finds that the tag is not published, and removes it.
    subprocess.run(["git", "-C", release, "tag", "-d", "v1.0"], check=True, capture_output=True)
    note = ["--note", "the tag was not pushed, and is removed"]
    assert scratch.gpgshim("resolve", "rel-1.0", "--as", "retriable", *note).status == 0
    done = attempt(scratch, release, "archive.git")
    assert (done.status, scratch.verdict().outcome) == (0, Outcome.UPLOADED), done.err
    assert published(scratch) == "v1.0\n"
    # The pipeline is run once more.
    assert attempt(scratch, release, "archive.git").status == 77
    assert attempt(scratch, release, "archive.git", "--skip-done").status == 0
    assert len(scratch.journals()) == 3


def test_of_two_releases_at_the_same_moment_one_is_started(scratch: Scratch, release: Path) -> None:
    (release / "builds").touch()
    tagged, go = scratch.fifo("work/tagged"), scratch.fifo("work/go")
    both = [scratch.start(*words(scratch, release, "archive.git")) for _ in range(2)]
    assert hear(tagged) == "tagged\n"
    wait_for(lambda: any(each.poll() is not None for each in both), "the end of one of them")
    (loser,) = [each for each in both if each.poll() is not None]
    (winner,) = [each for each in both if each is not loser]
    lost = finish(loser)
    assert lost.status == 77, lost.err
    assert "attempt rel-1.0.1 is under way" in lost.err
    tell(go)
    won = finish(winner)
    assert won.status == 0, won.err
    assert published(scratch) == "v1.0\n"
    assert len(scratch.journals()) == 1
