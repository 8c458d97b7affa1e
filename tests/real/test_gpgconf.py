# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the stunt gpgconf replace every path of gpg by the stunt's, and change nothing else?

test_uses has gpgme itself: reprepro signs through it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gpgshim.gpgargs import optiontable
from gpgshim.stunts import gpgconf
from gpgshim.supervisor import jobdir
from tests.support.scratch import PATIENCE, Scratch

GPGCONF = shutil.which("gpgconf", path=os.defpath) or "gpgconf is not installed"


def run(*words: str | Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, env={"PATH": os.defpath, **env}, capture_output=True)


@pytest.fixture
def job(scratch: Scratch) -> Path:
    """The directory of a job without a supervisor."""
    real = {"gpg": scratch.stand_in(), "gpgconf": Path(GPGCONF)}
    return jobdir.make(scratch.runtime, "j", "", real)


#: Every way in which gpgconf names gpg's program.
SPELLINGS: tuple[tuple[str, ...], ...] = (
    ("--list-components",),
    (),
    ("--list-comp",),
    ("--list-components=x",),
    ("--verbose", "--list-components"),
    ("-vq", "--list-components"),
    ("-n", "--list-components"),
    ("--null", "--list-components"),
    ("-0", "--list-components"),
    ("--homedir", "HOME", "--list-components"),
    ("--homedir=HOME", "--list-components"),
    ("--homedir", "--kill", "--list-components"),
    ("--list-components", "--homedir", "HOME"),
    ("--status-fd", "1", "--list-components"),
    ("--list-components", "more"),
    ("--kill", "--list-components"),
    ("--list-dirs", "--list-components"),
    ("-q",),
    ("--",),
    ("--build-prefix", "/x", "--list-components"),
    ("--check-programs",),
    ("--check-pro",),
    ("--check-options", "gpg"),
    ("-r", "--check-options", "gpg"),
)


def with_home(words: tuple[str, ...], home: Path) -> list[str]:
    return [word.replace("HOME", str(home)) for word in words]


def expected_of(said: bytes, job: Path) -> bytes:
    """The same text with the stunt as the program of gpg, which has to be in it."""
    ours = re.sub(rb"(?m)^(gpg:[^:]*:)[^:\n]+", rb"\g<1>" + os.fsencode(job / "bin/gpg"), said)
    assert ours != said
    return ours


@pytest.mark.parametrize("words", SPELLINGS)
def test_only_the_path_of_gpg_is_another(job: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    called = with_home(words, tmp_path)
    env = {"GNUPGHOME": str(tmp_path)}
    theirs = run(GPGCONF, *called, **env)
    ours = run(job / "bin/gpgconf", *called, **env)
    assert ours.stdout == expected_of(theirs.stdout, job)
    assert (ours.returncode, ours.stderr) == (theirs.returncode, theirs.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ("-o", "FILE", "--list-components"),
        ("-oFILE", "--list-components"),
        ("-vo", "FILE"),
        ("--list-components", "--output=FILE"),
        ("--outp", "FILE", "--check-programs", "--"),
        ("--output", "other", "-o", "FILE", "--check-options", "gpg"),
    ],
)
def test_a_file_for_the_output(job: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    """--output puts the path into a file."""
    found = []
    for who, program in (("theirs", Path(GPGCONF)), ("ours", job / "bin/gpgconf")):
        directory = tmp_path / who
        directory.mkdir()
        (directory / "-").write_text("as it was")
        called = [word.replace("FILE", "-") for word in words]
        env = {"PATH": os.defpath, "GNUPGHOME": str(tmp_path)}
        done = subprocess.run([program, *called], cwd=directory, env=env, capture_output=True)
        files = {each.name: each.read_bytes() for each in directory.iterdir()}
        found.append((done.returncode, done.stdout, done.stderr, files))
    theirs, ours = found
    assert theirs[3].keys() == {"-"}
    assert ours == (*theirs[:3], {"-": expected_of(theirs[3]["-"], job)})


def test_a_pipe_for_the_output(job: Path) -> None:
    done = subprocess.run(
        [job / "bin/gpgconf", "-o", "/dev/stderr"], env={"PATH": os.defpath}, capture_output=True
    )
    assert (done.returncode, done.stdout) == (0, b"")
    assert b":" + os.fsencode(job / "bin/gpg") in done.stderr


def test_an_output_that_cannot_be_made(job: Path) -> None:
    done = run(job / "bin/gpgconf", "-o", "/nonexistent/x", "--list-components")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"gpgconf: can not open '/nonexistent/x': No such file or directory\n"


@pytest.mark.parametrize(
    "words",
    [
        ("--list-dirs",),
        ("-L", "bindir"),
        ("--null", "--list-dirs"),
        ("--list-options", "gpg-agent"),
        ("--version",),
        ("--list-c",),
        ("--bogus",),
        ("--bogus", "--list-components"),
        ("-o",),
        ("--output", "/dev/null", "--list-dirs"),
        ("--show-versions",),
        ("--list-components", "--list-dirs"),
    ],
)
def test_every_other_call_is_unchanged(job: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    env = {"GNUPGHOME": str(tmp_path)}
    ours, theirs = run(job / "bin/gpgconf", *words, **env), run(GPGCONF, *words, **env)
    assert (ours.returncode, ours.stdout, ours.stderr) == (
        theirs.returncode,
        theirs.stdout,
        theirs.stderr,
    )


def test_the_options_are_those_of_this_gpgconf() -> None:
    """Each of its rows is here, with the same letter and kind of argument.

    Other numbers differ from version to version.
    """
    printed = run(GPGCONF, "--dump-option-table").stdout.decode().splitlines()
    own = [*gpgconf.NAMES_NO_PROGRAM, *gpgconf.NAMES_PROGRAMS, *gpgconf.OPTIONS]
    theirs, ours = (
        {
            (name, int(number) if int(number) < 128 else 0, int(flags) & optiontable.TYPE)
            for name, number, flags in (row.split(":")[:3] for row in rows)
        }
        for rows in (printed, own)
    )
    assert theirs <= ours
    assert len({row.split(":")[1] for row in own}) == len(own)


@pytest.mark.parametrize(
    "words",
    [
        ("--kill", "all"),
        ("-K", "gpg-agent"),
        ("--laun", "gpg-agent"),
        ("--reload",),
        ("--change-options", "gpg"),
        ("--apply-profile", "x"),
        ("--homedir", "x", "--kill", "all"),
        ("--list-components", "--kill", "all"),
    ],
)
def test_an_action_becomes_the_real_one(scratch: Scratch, words: tuple[str, ...]) -> None:
    """The stunt becomes the real gpgconf in the same process, with the same descriptors."""
    real = scratch.script("real-gpgconf", '#!/bin/sh\necho "$$ $*"; cat\n')
    job = jobdir.make(scratch.runtime, "j", "", {"gpg": real, "gpgconf": real})
    with subprocess.Popen(
        [job / "bin/gpgconf", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        out, _ = process.communicate("given\n", timeout=PATIENCE)
    assert out == f"{process.pid} {' '.join(words)}\ngiven\n"


def test_stdin_and_a_large_output_pass_through(scratch: Scratch) -> None:
    """stdin is gpgconf's, and its output may be large and hold anything."""
    real = scratch.script(
        "real-gpgconf", "#!/bin/sh\ncat; head -c 3000000 /dev/zero; printf 'gpg:x:/y\\0z'; exit 7\n"
    )
    job = jobdir.make(scratch.runtime, "j", "", {"gpg": real, "gpgconf": real})
    given = b"gpgsm:a:/b\ngpg:a\ngpg:a:\ngpg:a:/b:c\xff\n"
    done = subprocess.run([job / "bin/gpgconf", "--new"], input=given, capture_output=True)
    stunt = os.fsencode(job / "bin/gpg")
    head = b"gpgsm:a:/b\ngpg:a\ngpg:a:\ngpg:a:" + stunt + b":c\xff\n"
    assert done.returncode == 7
    assert done.stdout == head + b"\0" * 3000000 + b"gpg:x:" + stunt + b"\0z"


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 3", 3), ("kill -9 $$", -9), ("kill -TERM $$", -15), ("echo gpg:x; exit 0", 0)],
)
@pytest.mark.parametrize("ignored", [False, True])
def test_a_gpgconf_that_fails(scratch: Scratch, script: str, status: int, ignored: bool) -> None:
    real = scratch.script("real-gpgconf", f"#!/bin/sh\n{script}\n")
    job = jobdir.make(scratch.runtime, "j", "", {"gpg": real, "gpgconf": real})
    words = ["env", "--ignore-signal=CHLD"] if ignored else []
    assert run(*words, job / "bin/gpgconf", "--list-components").returncode == status


@pytest.mark.parametrize(
    "redirected",
    [
        f"{where} {closed}"
        for where in ("-o file", ">file")
        for closed in ("<&-", "2>&-", "<&- 2>&-")
    ]
    + [f"-o file {closed}" for closed in (">&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-")],
)
def test_closed_descriptors(job: Path, tmp_path: Path, redirected: str) -> None:
    words = ["sh", "-c", f'"$0" --list-components {redirected}', str(job / "bin/gpgconf")]
    done = subprocess.run(words, cwd=tmp_path, env={"PATH": os.defpath})
    assert done.returncode == 0
    assert os.fsencode(job / "bin/gpg") in (tmp_path / "file").read_bytes()


def test_a_closed_stdout(job: Path) -> None:
    """With stdout closed the stunt ends as gpgconf itself does."""
    ends = [
        subprocess.run(
            ["sh", "-c", '"$0" --list-components >&-', str(program)],
            env={"PATH": os.defpath},
            capture_output=True,
        )
        for program in (job / "bin/gpgconf", GPGCONF)
    ]
    assert len({(each.returncode, each.stdout) for each in ends}) == 1


def test_no_real_one_any_more(scratch: Scratch, job: Path) -> None:
    (job / "real/gpgconf").unlink()
    done = run(job / "bin/gpgconf", "--list-components")
    assert done.returncode == 2
    assert b"belongs to no job that is under way" in done.stderr
    (job / "real/gpgconf").symlink_to("/nonexistent")
    for words in ("--list-components", "--list-dirs"):
        done = run(job / "bin/gpgconf", words)
        assert done.returncode == 127
        assert b"/nonexistent cannot be run: No such file" in done.stderr


def test_a_stdout_without_a_reader(job: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([job / "bin/gpgconf", "--list-components"], stdout=writer)
    os.close(writer)
    assert done.returncode == -13  # SIGPIPE, as without us
