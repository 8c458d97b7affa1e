# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an authority see which tag or commit git signs, and does gpg still get all of the data?"""

from __future__ import annotations

import hashlib
import subprocess
from typing import Any

import pytest

from tests.support import questions
from tests.support.scratch import GPG, Scratch, finish

KEEPS = "#!/bin/sh\ncat >$ROOT/question\n"


@pytest.fixture
def repository(scratch: Scratch) -> Scratch:
    who = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b"}
    who |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b"}
    key = {"KEY_0": "user.signingkey", "VALUE_0": scratch.key.fingerprint, "COUNT": "1"}
    who |= {f"GIT_CONFIG_{name}": value for name, value in key.items()}
    scratch.env |= {**who, "ROOT": str(scratch.root), "GIT_CONFIG_GLOBAL": "/dev/null"}
    for words in (("init", "-q", "src"), ("-C", "src", "commit", "-q", "--allow-empty", "-m", "x")):
        assert scratch.call("git", *words).status == 0
    return scratch


def question_to(scratch: Scratch, command: str) -> dict[str, Any]:
    commit = scratch.script("commit", KEEPS)
    done = scratch.run(f"cd src && {command}", "--gpg", GPG, "--commit", commit)
    assert done.status == 0, done.err
    return questions.read((scratch.root / "question").read_bytes())


def git(scratch: Scratch, *words: str) -> bytes:
    return subprocess.run(
        ["git", "-C", scratch.root / "src", *words],
        env=scratch.env,
        check=True,
        capture_output=True,
    ).stdout


def test_a_tag(repository: Scratch) -> None:
    found = question_to(repository, "git tag -s -m release v1 && git tag -v v1")
    head = git(repository, "rev-parse", "HEAD").decode().strip()
    assert found["git"] == {"what": "tag", "tag": "v1", "type": "commit", "object": head}
    signed = git(repository, "cat-file", "tag", "v1").partition(b"-----BEGIN PGP")[0]
    digest = hashlib.sha256(signed).hexdigest()
    assert found["files"] == [{"name": "-", "sha256": digest}]
    assert found["unread"] == []
    assert found["signature"]["kind"] == "detached"
    assert found["request"]["parents"][0]["name"] == "git"
    line = f"# git-tag {head} commit v1\n"
    assert line in repository.journals()[0].read_text()


def test_a_commit(repository: Scratch) -> None:
    sign = "git commit -q -S --allow-empty -m 'Fix it' && git verify-commit HEAD"
    found = question_to(repository, sign)
    tree = git(repository, "rev-parse", "HEAD^{tree}").decode().strip()
    assert found["git"] == {"what": "commit", "tree": tree, "subject": "Fix it"}


def test_a_tag_with_a_long_message(repository: Scratch) -> None:
    """More than a pipe takes: git waits for gpg, and so no data can be complete in advance."""
    sign = "head -c 200000 /dev/zero | tr '\\0' x >m && git tag -s -F m v1 && git tag -v v1"
    found = question_to(repository, sign)
    assert found["git"] is None
    assert found["unread"] == ["the data is not shown: gpg reads it from a pipe"]
    assert found["files"] == []


def test_a_tag_in_a_file(repository: Scratch) -> None:
    """As dgit has it signed."""
    tag = "git tag -a -m release v1 && git cat-file tag v1 >t && gpg --batch -b t"
    assert question_to(repository, f"{tag} && gpg --verify t.sig t")["git"]["tag"] == "v1"


@pytest.mark.parametrize(
    "command",
    [
        "printf hello | (sleep 0.1; gpg --batch -b >s)",
        "printf hello >d; gpg --batch -b <d >s",
        "printf xxhello >d; (head -c 2 >/dev/null; gpg --batch -b >s) <d",
    ],
)
def test_data_on_stdin(repository: Scratch, command: str) -> None:
    check = "printf hello >whole; gpg --verify s whole"
    found = question_to(repository, f"{command}; {check}")
    digest = hashlib.sha256(b"hello").hexdigest()
    assert (found["files"], found["unread"]) == ([{"name": "-", "sha256": digest}], [])


def test_a_pipe_whose_writer_goes_on(repository: Scratch) -> None:
    fifo = repository.fifo("fifo")
    go = repository.fifo("go")
    commit = repository.script("commit", f"{KEEPS}echo >{go}\n")
    sign = f"gpg --batch -b <{fifo} >s && printf 'hello world' >w && gpg --verify s w"
    process = repository.start_run(sign, "--gpg", GPG, "--commit", commit)
    with fifo.open("w") as writer:
        writer.write("hello ")
        writer.flush()
        assert go.read_text() == "\n"  # the authority was asked, and the data was not complete
        writer.write("world")
    assert finish(process).status == 0
    found = questions.read((repository.root / "question").read_bytes())
    assert found["unread"] == ["the data is not shown: gpg reads it from a pipe"]
    assert found["files"] == []


def test_a_passphrase_on_stdin_is_not_read(repository: Scratch) -> None:
    sign = "printf 'hunter2\\nhello' | gpg --batch --pinentry-mode loopback --passphrase-fd 0 -b >s"
    found = question_to(repository, sign)
    assert found["files"] == []
    assert found["unread"] == [
        "the data is not shown: gpg reads it from its stdin, from which it also reads a passphrase"
        " or commands"
    ]
