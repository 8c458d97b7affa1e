# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the completions of bash and zsh offer the words that can come next?"""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.support.scratch import PATIENCE, Scratch

#: As bash calls it at a Tab: the function of the file that the package installs, by its name.
AT_TAB = """\
. "$1"; shift
complete -p gpgshim >/dev/null || exit
compopt () { local IFS=" "; echo "compopt $*"; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_gpgshim_completion gpgshim
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def scratch_with_jobs(scratch: Scratch) -> Scratch:
    """With `gpgshim` on PATH, a job "hello" of two attempts, and a job "other"."""
    scratch.script("gpgshim", f'#!/bin/sh\nexec {sys.executable} -m gpgshim "$@"\n')
    scratch.env["PATH"] = f"{scratch.root}:{scratch.env['PATH']}"
    for job in ("hello", "hello", "other"):
        options = ("--job", job, "--gpg", scratch.stand_in())
        assert scratch.gpgshim("run", *options, "--", "true").status == 0
    return scratch


def complete(scratch: Scratch, *words: str) -> list[str]:
    source = scratch.root / "completion"
    source.write_text(scratch.gpgshim(_GPGSHIM_COMPLETE="bash_source").out)
    bash = shutil.which("bash")
    assert bash
    done = subprocess.run(
        [bash, "-c", AT_TAB, "bash", source, *words],
        env=scratch.env,
        cwd=scratch.root,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["gpgshim", "sh"], ["show"]),
        (["gpgshim", "run", "--co"], ["--commit", "--commit-at"]),
        (["gpgshim", "show", ""], ["hello", "other"]),
        (["gpgshim", "show", "he"], ["hello"]),
        (["gpgshim", "show", "zzz"], [""]),
        (["gpgshim", "show", "./x"], ["compopt -o default", ""]),
        (["gpgshim", "run", "--", "./x"], ["compopt -o default", ""]),
        (["gpgshim", "run", "--gpg", "/u"], ["compopt -o default", ""]),
        (["gpgshim", "replay", "x"], ["compopt -o default", ""]),
    ],
    ids=lambda each: each if isinstance(each, str) else " ".join(each),
)
def test_bash(scratch_with_jobs: Scratch, words: list[str], offered: list[str]) -> None:
    assert complete(scratch_with_jobs, *words) == offered


def test_no_jobs_are_no_trouble(scratch: Scratch) -> None:
    done = scratch.gpgshim(
        _GPGSHIM_COMPLETE="bash_complete", COMP_WORDS="gpgshim show ", COMP_CWORD="2"
    )
    assert (done.status, done.out.strip(), done.err) == (0, "", "")
