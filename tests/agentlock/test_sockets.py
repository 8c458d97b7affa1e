# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a machine that cannot have a lock refused, and are the sockets of a job removed with it?

tests/real has the same with the real gpgconf.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.agentlock import alias
from gpgshim.supervisor import jobdir, leftovers
from gpgshim.system.errors import Misconfigured
from tests.support import skips
from tests.support.scratch import GPG, short_directory

pytestmark = pytest.mark.starts

HASH = "d.p76fx79roxj7xcizczfbmym8"


@pytest.fixture
def job() -> Iterator[Path]:
    root = short_directory()  # its path leaves room for a socket's
    (root / "home").mkdir()
    (root / "job").mkdir()
    yield root / "job"
    for each in root.iterdir():
        each.chmod(0o700)
    shutil.rmtree(root)


def gpgconf(job: Path, *lines: str, status: int = 0) -> Path:
    """A stand-in for gpgconf."""
    path = job.parent / "gpgconf"
    path.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    path.write_text(f"{path.read_text()}exit {status}\n")
    path.chmod(0o755)
    return path


def listing(job: Path, directory: Path) -> list[str]:
    return [f"homedir:{job.parent}/home", f"agent-socket:{directory}/S.gpg-agent"]


def refusal(job: Path, program: Path | None) -> str:
    """The reason for which there is no lock. Nothing stays in the job's directory."""
    with pytest.raises(Misconfigured) as caught:
        alias.set_up(job, program, dict(os.environ))
    assert os.listdir(job) == []
    return str(caught.value)


def test_without_gpgconf(job: Path) -> None:
    assert refusal(job, None) == "there is no gpgconf on PATH"


def test_with_a_gpgconf_that_fails(job: Path) -> None:
    assert "--list-dirs failed: " in refusal(job, gpgconf(job, status=1))


def test_with_a_gpgconf_that_names_no_socket(job: Path) -> None:
    assert "names no socket of gpg-agent" in refusal(job, gpgconf(job, "homedir:/x"))


def test_without_a_home(job: Path) -> None:
    lines = ["homedir:/non%3aexistent", "agent-socket:/x/S.gpg-agent"]
    assert refusal(job, gpgconf(job, *lines)) == "there is no /non:existent"


def test_with_the_sockets_in_the_home(job: Path) -> None:
    lines = listing(job, job.parent / "home")
    assert "because /run/user/" in refusal(job, gpgconf(job, *lines))


def split(job: Path) -> tuple[Path, Path]:
    """A gpgconf with one socket directory for JOB/gnupg and another for the home; and the first."""
    ours, real = job.parent / HASH, job.parent / "real"
    ours.mkdir(0o700)
    real.mkdir(0o700)
    program = job.parent / "gpgconf"
    program.write_text(
        f"#!/bin/sh\necho 'homedir:{job.parent}/home'\n"
        f'case "$GNUPGHOME" in */job/gnupg) d={ours};; *) d={real};; esac\n'
        'for name in agent dirmngr; do echo "$name-socket:$d/S.$name"; done\n'
    )
    program.chmod(0o755)
    return program, ours


def test_with_a_directory_that_others_can_use(job: Path) -> None:
    program, ours = split(job)
    ours.chmod(0o755)
    assert "others can use" in refusal(job, program)


def test_for_root(job: Path) -> None:
    skips.unless_root("because the lock refuses root")
    program, ours = split(job)
    assert "although its mode is 0500" in refusal(job, program)
    assert not ours.exists()


def made(job: Path, directory: Path) -> Path:
    """A job's directory with a lock, whose sockets are in `directory`."""
    directory.mkdir(0o700)
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(os.fsencode(directory / "S.gpg-agent"))
    directory.chmod(0o500)
    (job / "gnupg").symlink_to(job.parent / "home")
    (job / "sockets").mkdir()
    (job / "sockets/own").symlink_to(directory)
    return directory


def test_the_sockets_of_a_job_go_with_it(job: Path) -> None:
    directory = made(job, job.parent / HASH)
    leftovers.release_sockets(job)
    assert os.listdir(job) == [] and not directory.exists()
    assert (job.parent / "home").is_dir()
    leftovers.release_sockets(job)  # does nothing


def test_a_directory_that_is_not_of_gnupg_stays(job: Path) -> None:
    directory = made(job, job.parent / "other")
    leftovers.release_sockets(job)
    assert os.listdir(job) == [] and os.listdir(directory) == ["S.gpg-agent"]


def test_remains_of_an_earlier_attempt_do_not_take_the_sockets_of_a_later_one(
    job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All attempts of a named job have one path, so they have one socket directory too."""
    base = job.parent / "base"
    base.mkdir(0o700)
    contents = jobdir.Contents("", {"gpg": Path(GPG)})

    def begun() -> Path:
        place = jobdir.make_at_its_path(base, "j", contents)
        assert place is not None
        os.close(place[1])
        return made(place[0], job.parent / HASH)

    begun()  # and it is killed
    with monkeypatch.context() as patch:
        patch.setattr(jobdir, "remove", lambda _: None)  # so is this one, before it has removed it
        directory = begun()
    (remains,) = (each for each in base.iterdir() if not (each / "gnupg").is_symlink())
    long_ago = time.time() - 2 * leftovers.DAY
    os.utime(remains, (long_ago, long_ago))
    leftovers.sweep(base)
    assert sorted(os.listdir(remains)) == ["bin", "boot"]
    assert os.listdir(directory) == ["S.gpg-agent"]


def test_the_sockets_stay_if_the_name_of_the_home_cannot_be_removed(job: Path) -> None:
    """Without them a gpg with that name would start an agent of its own."""
    directory = made(job, job.parent / HASH)
    (job / "gnupg").unlink()
    (job / "gnupg").mkdir()  # unlink(2) fails
    leftovers.release_sockets(job)
    assert os.listdir(directory) == ["S.gpg-agent"]
