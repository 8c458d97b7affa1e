# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the command of --commit get the whole question on its stdin, and only when it is on disk?"""

from __future__ import annotations

import hashlib
import os
import pwd
import sys
from pathlib import Path
from typing import Any

import pytest

from gpgshim.core import records as r
from gpgshim.system.descriptors import sealed_file
from tests.support import questions
from tests.support.scratch import REFUSE, Scratch, finish

#: An authority that keeps its question, and the journal as it is when it hears it.
KEEPS = "#!/bin/sh\ncat >question\ncat state/gpgshim/j.[0-9] >journals\n"


def question_to(scratch: Scratch, command: str, *options: str | Path) -> dict[str, Any]:
    commit = scratch.script("commit", KEEPS)
    done = scratch.run(command, "--commit", commit, *options)
    assert done.status == 0, done.err
    return questions.read((scratch.root / "question").read_bytes())


def test_the_whole_question(scratch: Scratch) -> None:
    (scratch.root / "f").write_text("hello\n")
    found = question_to(scratch, "gpg -u K --passphrase hunter2 -o out -b f; true")
    assert (found["job"], found["attempt"], found["earlier"]) == ("j", 1, [])
    assert found["journal"] == str(scratch.journals()[0])
    assert found["user"] == pwd.getpwuid(os.getuid()).pw_name
    assert found["host"] == os.uname().nodename
    assert found["request"]["command"] == "gpg -u K --passphrase '********' -o out -b f"
    assert found["request"]["directory"] == str(scratch.root)
    assert found["request"]["parents"][0]["name"] == "sh"
    assert found["signature"] == {
        "kind": "detached", "keys": ["K"], "output": "out", "arguments": ["f"],
        "more_arguments": 0,
    }  # fmt: skip
    digest = hashlib.sha256(b"hello\n").hexdigest()
    assert found["files"] == [{"name": "f", "sha256": digest}]
    assert b"hunter2" not in (scratch.root / "question").read_bytes()
    # The journal had the request, its client, its files and the state.
    journal = (scratch.root / "journals").read_text()
    assert journal.splitlines()[-1].endswith("> commit-to-public-upload")
    assert "! unknown\n" in journal and f"# sha256 {digest} f\n" in journal


def test_the_earlier_attempts(scratch: Scratch) -> None:
    assert scratch.run("exit 3").status == 75
    assert scratch.run("gpg -s f", "--commit", REFUSE).status == 77
    found = question_to(scratch, "gpg -s f")
    assert found["attempt"] == 3
    (earlier,) = found["earlier"]
    assert (earlier["attempt"], earlier["standing"]) == (2, "refused")
    assert (earlier["stands"], earlier["resolved"]) == (False, None)
    assert earlier["journal"] == str(scratch.journals()[1])


def test_an_attempt_that_was_overridden(scratch: Scratch) -> None:
    assert scratch.run("gpg -s f; exit 3").status == 3
    (earlier,) = question_to(scratch, "gpg -s f", "--again")["earlier"]
    assert (earlier["standing"], earlier["stands"]) == ("irrecoverable, committed", True)


def test_a_resolution(scratch: Scratch) -> None:
    assert scratch.run("gpg -s f; exit 3").status == 3
    words = ("resolve", "j", "--as", "retriable", "--note", "it is not there")
    assert scratch.gpgshim(*words).status == 0
    (earlier,) = question_to(scratch, "gpg -s f")["earlier"]
    assert earlier["standing"] == "resolved as retriable"
    assert earlier["resolved"]["note"] == "it is not there"


def test_a_long_command_line(scratch: Scratch) -> None:
    found = question_to(scratch, "gpg -b $(seq 100000 130000) f")
    assert found["request"]["cut"] is True
    assert found["signature"]["kind"] == "detached"
    assert found["signature"]["more_arguments"] == 30002 - 100
    assert len(found["signature"]["arguments"]) == 100
    assert (scratch.root / "question").stat().st_size < 1 << 20


@pytest.mark.parametrize(
    "script",
    [
        "exit 0",  # it reads nothing
        "head -c 10 >/dev/null",
        "exec <&-; sleep 0.1",
        "cat >/dev/null; cat >&2",  # it reads to the end, and more
        "cat /dev/stdin >/dev/null",
        'read line; test -n "$line"',
        "sleep 0.1 </dev/null",
    ],
)
def test_any_way_to_read_it(scratch: Scratch, script: str) -> None:
    commit = scratch.script("commit", f"#!/bin/sh\n{script}\n")
    assert scratch.run("gpg -s f", "--commit", commit).status == 0
    assert scratch.calls() == ["-s f"]


def test_one_that_leaves_its_stdin_to_a_process(scratch: Scratch) -> None:
    fifo = scratch.fifo("fifo")
    commit = scratch.script("commit", f"#!/bin/sh\n(read x <{fifo}) >&2 2>/dev/null <&0 &\n")
    process = scratch.start_run("gpg -s f", "--commit", commit)
    fifo.write_text("go\n")
    assert finish(process).status == 0


def test_the_question_cannot_be_changed() -> None:
    fd = sealed_file("abc", b"abc\n")
    try:
        for change in (lambda: os.write(fd, b"x"), lambda: os.ftruncate(fd, 0)):
            with pytest.raises(PermissionError):
                change()
        assert os.read(fd, 100) == b"abc\n"
    finally:
        os.close(fd)


def test_a_kernel_that_knows_no_noexec_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    create = os.memfd_create

    def older(name: str, flags: int) -> int:
        if flags & 8:
            raise OSError(22, "Invalid argument")
        return create(name, flags)

    monkeypatch.setattr(os, "memfd_create", older)
    fd = sealed_file("abc", b"abc\n")
    assert os.read(fd, 100) == b"abc\n"
    os.close(fd)


def test_without_memory_for_it_the_authority_hears_nothing(scratch: Scratch) -> None:
    commit = scratch.script("commit", "#!/bin/sh\ntouch heard\n")
    words = """\
import os, sys
from gpgshim.cli import main as cli
def full(name, flags):
    raise OSError(12, "Cannot allocate memory")
os.memfd_create = full
sys.exit(cli.main())
"""
    options = scratch.options("--commit", commit)
    done = scratch.call(sys.executable, "-c", words, "run", *options, "--", "gpg", "-s", "f")
    assert done.status == 77
    assert "the authority was not asked: " in done.err
    assert "Cannot allocate memory" in done.err
    assert not (scratch.root / "heard").exists()
    assert any(isinstance(note, r.NotAsked) for note in scratch.notes())
