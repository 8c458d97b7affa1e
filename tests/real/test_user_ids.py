# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a gate serve a job whose libc reports another user id than the kernel?

Under fakeroot and proot -0, geteuid(2) and stat(2) report root. The gate compares the user ids of
client and supervisor as the kernel reports both (SO_PEERCRED). A process that really has another
user id is refused.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from gpgshim.core.gate import Outcome
from tests.support import skips
from tests.support.scratch import GPG, PATIENCE, REFUSE, Done, Scratch

#: Programs that change what libc reports.
FAKERS = (
    "fakeroot",
    "fakeroot -u",
    "fakechroot",
    "fakechroot fakeroot",
    "proot -0",
    "proot -i 7:7",
    "fakeroot setpriv --reuid 7 --clear-groups",  # another than root's, as root too
)

SIGN = f"{GPG.rpartition('/')[2]} --batch --yes -o f.sig -b f"


def need(faker: str) -> None:
    """Skip where a faker is not installed, or does not work here."""
    skips.unless_installed("test", *map(shutil.which, ("fakeroot", "fakechroot", "proot")))
    tried = subprocess.run([*faker.split(), "true"], capture_output=True, check=False)
    if tried.returncode:
        skips.unless_allowed(f"`{faker} true`", tried.stderr.decode())


@pytest.fixture(autouse=True)
def file(scratch: Scratch) -> None:
    (scratch.root / "f").write_text("x\n")


def assert_signed(scratch: Scratch, done: Done, before: int) -> None:
    assert done.status == 0, done.err
    assert scratch.verdict().outcome is Outcome.UPLOADED
    assert scratch.key.signings() == before + 1


@pytest.mark.parametrize("faker", FAKERS)
def test_a_faked_user_in_a_job(scratch: Scratch, faker: str) -> None:
    need(faker)
    before = scratch.key.signings()
    done = scratch.run(f"{faker} sh -c '{SIGN}'", "--gpg", GPG, "--commit", "true")
    assert_signed(scratch, done, before)


@pytest.mark.parametrize("faker", FAKERS)
def test_a_faked_user_sees_the_refusal(scratch: Scratch, faker: str) -> None:
    need(faker)
    before = scratch.key.signings()
    refused = ["--gpg", GPG, "--commit", REFUSE]
    done = scratch.run(f"{faker} sh -c '{SIGN}'", *refused)
    assert "gpg: gpgshim refuses: the authority refused" in done.err
    assert done.status not in (0, 126, 127)
    assert scratch.key.signings() == before


@pytest.mark.parametrize("faker", FAKERS)
def test_a_job_wholly_under_a_faked_user(scratch: Scratch, faker: str) -> None:
    need(faker)
    before = scratch.key.signings()
    words = [sys.executable, "-m", "gpgshim", "run", "--job", "j", "--gpg", GPG, "--commit", "true"]
    done = scratch.call(*faker.split(), *words, "--", "sh", "-c", SIGN)
    assert_signed(scratch, done, before)


@pytest.mark.parametrize("faker", FAKERS)
def test_a_close_by_a_faked_user(scratch: Scratch, faker: str) -> None:
    need(faker)
    line = scratch.gpgshim("supervise", "--job", "j", "--commit", "true").out
    close = f"{sys.executable} -m gpgshim close --status 0"
    done = scratch.call("sh", "-c", f"{line} {SIGN} && {faker} {close}")
    assert (done.status, done.out) == (0, "uploaded\n"), done.err


def test_settings_and_kept_table_are_taken_under_a_faked_user(scratch: Scratch) -> None:
    """The checks of owners, too, compare what comes from one source."""
    need("fakeroot -u")
    scratch.conf.write_text("deadline = 77\n")
    done = subprocess.run(
        ["fakeroot", "-u", sys.executable, "-m", "gpgshim", "config"],
        env=scratch.env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "deadline = 77" in done.stdout, done.stderr


def test_a_client_with_another_user_id_is_refused(scratch: Scratch) -> None:
    """What the kernel reports as different stays different."""
    skips.unless_root("who can be another user")
    before = scratch.key.signings()
    scratch.run(
        "python3 -c 'import os; os.setgroups([]); os.setuid(65534);"
        f' os.execvp("sh", ["sh", "-c", "{SIGN}"])\'; exit 1',
        "--gpg",
        GPG,
        "--commit",
        "true",
    )
    assert "! committed" not in scratch.lines()
    assert scratch.key.signings() == before
