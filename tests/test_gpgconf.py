"""Does the stunt gpgconf name the stunt gpg where gpgme asks, and nothing else anywhere?

What gpgme does with it is in test_uses: reprepro signs through gpgme.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gpgshim import jobdir
from gpgshim.gpgconf import with_stunt
from tests.scratch import Scratch

GPGCONF = shutil.which("gpgconf", path=os.defpath) or "gpgconf is not installed"


def run(*words: str | Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, env={"PATH": os.defpath, **env}, capture_output=True)


@pytest.fixture
def job(scratch: Scratch) -> Path:
    """The directory of a job that nobody supervises."""
    real = {"gpg": scratch.stand_in(), "gpgconf": Path(GPGCONF)}
    return jobdir.make(scratch.runtime, "j", "", real)


def test_only_gpg_s_line_is_another(job: Path) -> None:
    theirs = run(GPGCONF, "--list-components").stdout.splitlines()
    done = run(job / "bin/gpgconf", "--list-components")
    assert (done.returncode, done.stderr) == (0, b"")
    ours = done.stdout.splitlines()
    assert len(ours) == len(theirs) > 1
    (at,) = [at for at, line in enumerate(theirs) if line.startswith(b"gpg:")]
    name, described, program, *rest = theirs[at].split(b":")
    assert program.endswith(b"/gpg")
    assert ours[at] == b":".join([name, described, os.fsencode(job / "bin/gpg"), *rest])
    assert ours[:at] + ours[at + 1 :] == theirs[:at] + theirs[at + 1 :]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--list-dirs",),
        ("--version",),
        ("--list-components", "--null"),
        ("--list-comp",),
        ("--bogus",),
        ("--check-programs",),
    ],
)
def test_all_else_is_untouched(job: Path, words: tuple[str, ...]) -> None:
    ours, theirs = run(job / "bin/gpgconf", *words), run(GPGCONF, *words)
    assert (ours.returncode, ours.stdout, ours.stderr) == (
        theirs.returncode,
        theirs.stdout,
        theirs.stderr,
    )


@pytest.mark.parametrize(
    ("script", "status"), [("exit 3", 3), ("kill -9 $$", 2), ("echo gpg:x; exit 0", 0)]
)
def test_a_gpgconf_that_fails(scratch: Scratch, script: str, status: int) -> None:
    real = scratch.script("real-gpgconf", f"#!/bin/sh\n{script}\n")
    job = jobdir.make(scratch.runtime, "j", "", {"gpg": real, "gpgconf": real})
    assert run(job / "bin/gpgconf", "--list-components").returncode == status


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


def test_nobody_who_reads(job: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([job / "bin/gpgconf", "--list-components"], stdout=writer)
    os.close(writer)
    assert done.returncode == -13  # SIGPIPE, as without us


def test_paths_are_escaped() -> None:
    said = b"gpg:OpenPGP:/usr/bin/gpg\ngpgsm:S/MIME:/usr/bin/gpgsm\n"
    assert with_stunt(said, b"/a b/%,:x/gpg") == (
        b"gpg:OpenPGP:/a b/%25%2c%3ax/gpg\ngpgsm:S/MIME:/usr/bin/gpgsm\n"
    )
    assert with_stunt(b"", b"/x") == b""
    assert with_stunt(b"gpg-agent:A:/usr/bin/gpg-agent\n", b"/x").endswith(b"gpg-agent\n")
