# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a wrapper in the place of gpg gated as gpg is, and a gpg that is replaced during a job?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.scratch import GPG, REFUSE, Done, Scratch

#: How a wrapper may find the gpg that it becomes; {bin} is a directory of its own on PATH.
WRAPPERS = {
    "by its path": f'exec {GPG} "$@"',
    "on PATH": 'exec gpg "$@"',
    "on PATH, with a variable": 'set -eu; exec "$NEEDED" "$@"',
    "on PATH, less itself": 'PATH=${{PATH#{bin}:}} exec gpg "$@"',
    "on PATH, as a child": 'gpg "$@"; exit $?',
    "on PATH, with more words": 'exec gpg --no-greeting "$@"',
    "on PATH, by bash -c": """exec bash -c 'exec gpg "$@"' gpg "$@" """,
}
SIGN = "gpg --batch --yes -b f"


def wrapped(scratch: Scratch, how: str, command: str, *options: str, found: bool = False) -> Done:
    """Run `command` with the wrapper as the real gpg: given, or found as the first on PATH."""
    directory = scratch.root / "wrap"
    directory.mkdir(exist_ok=True)
    (scratch.root / "f").write_text("x\n")
    wrapper = directory / "gpg"
    wrapper.write_text(f"#!/bin/sh\n{WRAPPERS[how].format(bin=directory)}\n")
    wrapper.chmod(0o755)
    path = f"{directory}:{os.defpath}" if found else os.defpath
    given = () if found else ("--gpg", str(wrapper))
    words = ["run", "--job", "j", *given, *options, "--", "sh", "-c", command]
    return scratch.gpgshim(*words, PATH=path, NEEDED="gpg")


@pytest.mark.parametrize("how", WRAPPERS)
def test_a_wrapper_is_asked_about_once(scratch: Scratch, how: str) -> None:
    before = scratch.key.signings()
    done = wrapped(scratch, how, SIGN, "--commit", "true")
    assert done.status == 0, done.err
    assert (scratch.root / "f.sig").exists()
    assert scratch.key.signings() == before + 1
    assert [line for line in scratch.lines() if line[0] in "$?="] == [
        "$ gpg --batch --yes -b f",
        "= go",
    ]


@pytest.mark.parametrize("how", WRAPPERS)
def test_a_wrapper_is_refused(scratch: Scratch, how: str) -> None:
    before = scratch.key.signings()
    done = wrapped(scratch, how, f"{SIGN}; exit 3", "--commit", REFUSE)
    assert "gpg: gpgshim refuses" in done.err
    assert scratch.key.signings() == before
    assert scratch.lines()[1] == "$ gpg --batch --yes -b f"


@pytest.mark.parametrize("how", WRAPPERS)
def test_a_wrapper_that_does_not_sign(scratch: Scratch, how: str) -> None:
    done = wrapped(scratch, how, "gpg --version && gpg --list-keys", "--commit", REFUSE)
    assert done.status == 0, done.err
    assert done.out.startswith("gpg (GnuPG) ")
    assert "$ gpg" not in " ".join(scratch.lines())


def test_a_wrapper_that_is_first_on_path(scratch: Scratch) -> None:
    """As dgit's own tests have it: it takes itself off PATH, where the stunts come first."""
    done = wrapped(scratch, "on PATH, less itself", SIGN, "--commit", "true", found=True)
    assert done.status == 0, done.err
    assert scratch.lines().count("$ gpg --batch --yes -b f") == 1
    assert scratch.journal().head["gpg"].startswith(f"{scratch.root}/wrap/gpg 2.")


def test_the_path_of_the_real_gpg_is_as_without_us(scratch: Scratch) -> None:
    """A wrapper's PATH has no stunts; the PATH of gpg itself is not touched."""
    directory = scratch.root / "wrap"
    directory.mkdir()
    wrapper = directory / "gpg"
    seen = scratch.root / "seen"
    wrapper.write_text(
        f'#!/bin/sh\ncase $1 in --list-keys) echo $PATH >{seen};; *) exec {GPG} "$@";; esac\n'
    )
    wrapper.chmod(0o755)
    link = scratch.root / "link"
    command = f'ln -s "${{PATH%%:*}}" {link}; PATH=$PATH:{link}:/end gpg --list-keys'
    words = ["run", "--gpg", str(wrapper), "--", "sh", "-c", command]
    assert scratch.gpgshim(*words, PATH="/bin:/usr/bin").status == 0
    assert seen.read_text() == "/bin:/usr/bin:/end\n"


@pytest.fixture
def copy(scratch: Scratch) -> Path:
    """A gpg that can be replaced."""
    shutil.copy(GPG, scratch.root / "real-gpg")
    (scratch.root / "f").write_text("x\n")
    return scratch.root / "real-gpg"


#: Puts another file in the place of gpg, as an upgrade does.
REPLACE = "cp real-gpg new && mv new real-gpg"


@pytest.mark.parametrize("behind_a_wrapper", [False, True])
def test_a_gpg_that_is_replaced_before_the_commitment(
    scratch: Scratch, copy: Path, behind_a_wrapper: bool
) -> None:
    """Its options are not known: a call that seems not to sign may sign."""
    gpg = scratch.script("wrap", f'#!/bin/sh\nexec {copy} "$@"\n') if behind_a_wrapper else copy
    command = f"gpg --list-keys && {REPLACE} && ! gpg --list-keys && exit 3"
    done = scratch.gpgshim("run", "--job", "j", "--gpg", gpg, "--", "sh", "-c", command)
    assert done.status == 75
    assert f"gpg: gpgshim refuses: {copy} was replaced after the job began" in done.err
    assert "? gpg --list-keys" in scratch.lines()
    scratch.differences_wanted = True  # the call was journalled as unknown


def test_a_gpg_that_is_replaced_after_the_commitment(scratch: Scratch, copy: Path) -> None:
    command = f"{SIGN} && {REPLACE} && gpg --list-keys && {SIGN}"
    done = scratch.gpgshim("run", "--job", "j", "--gpg", copy, "--", "sh", "-c", command)
    assert done.status == 0, done.err
    assert scratch.lines().count("= go") == 3


def test_a_signature_of_a_replaced_gpg_sends_a_request(scratch: Scratch, copy: Path) -> None:
    done = scratch.gpgshim(
        "run", "--job", "j", "--gpg", copy, "--", "sh", "-c", f"{REPLACE} && {SIGN}"
    )
    assert done.status == 0, done.err
    assert f"$ {SIGN}" in scratch.lines()


def test_a_gpg_that_is_gone(scratch: Scratch, copy: Path) -> None:
    command = "rm real-gpg; gpg --list-keys"
    done = scratch.gpgshim("run", "--job", "j", "--gpg", copy, "--", "sh", "-c", command)
    assert done.status == 75
    assert "real-gpg was replaced" in done.err


def test_a_global_conf_file_elsewhere(scratch: Scratch, copy: Path) -> None:
    """A gpg whose sysconfdir is another signs because of the gpg.conf in that."""
    (scratch.root / "bin").mkdir()
    gpg = scratch.root / "bin/gpg"
    copy.rename(gpg)
    shutil.copy(shutil.which("gpgconf") or "gpgconf", gpg.parent)
    (scratch.root / "sys").mkdir()
    (scratch.root / "sys/gpg.conf").write_text("detach-sign\n")
    lines = f"rootdir = {scratch.root}\nsysconfdir = {scratch.root}/sys\n"
    (scratch.root / "bin/gpgconf.ctl").write_text(lines)
    before = scratch.key.signings()
    command = "gpg --batch --agent-program /usr/bin/gpg-agent f"
    job = ("--", "sh", "-c", command)
    done = scratch.gpgshim("run", "--job", "j", "--gpg", gpg, "--commit", REFUSE, *job)
    assert "gpg: gpgshim refuses" in done.err
    assert scratch.key.signings() == before
    plain = scratch.gpgshim("run", "--job", "k", "--gpg", gpg, *job)
    assert plain.status == 0, plain.err
    assert scratch.key.signings() == before + 1
