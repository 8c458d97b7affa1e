# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does `run` refuse a form of the lock that is not possible, and does the doctor say the same?

A machine is a user, with a login session or without, in a chroot or not. In a chroot an ordinary
user cannot have a user namespace.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gpgshim.core.terms import Form
from tests.support import skips
from tests.support.login import IN_CHROOT, Login
from tests.support.scratch import finish, wait_for

ALIAS, NAMESPACE = Form.ALIAS, Form.NAMESPACE


class Case(NamedTuple):
    """A machine, and words of the reason for each form that is not possible there.

    `before` is root's command before all others, which can have {root}, the scratch directory.
    With `bindfs`, an option of it, /run/user is such a file system.
    """

    as_root: bool
    has_session: bool
    faults: dict[Form, str]
    before: tuple[str, ...] = ()
    bindfs: str = ""


NO_SESSION = "does not exist or is not of this user"
CAN_CREATE = "although its mode is 0500"
NO_MODE = "cannot be set to 0700: Operation not permitted"
SAME_MODE = "cannot be set to 0500: it stays 0700"
NO_NAMESPACE = "no namespace for the job: a user namespace: Operation not permitted"

CHROOT = ("unshare", "--mount", "sh", "-c", IN_CHROOT, "sh", "{root}")
DAC_OVERRIDE = ("setpriv", "--securebits=+no_setuid_fixup", "--inh-caps=+dac_override",
                "--ambient-caps=+dac_override")  # fmt: skip

CASES = {
    "a user": Case(False, True, {}),
    "a user without a session": Case(False, False, {ALIAS: NO_SESSION}),
    "a user in a chroot": Case(False, True, {NAMESPACE: NO_NAMESPACE}, CHROOT),
    "a user in a chroot without a session": Case(
        False, False, {ALIAS: NO_SESSION, NAMESPACE: NO_NAMESPACE}, CHROOT
    ),
    "root": Case(True, True, {ALIAS: CAN_CREATE}),
    "root without a session": Case(True, False, {ALIAS: NO_SESSION}),
    # A user in whose lock directory an agent could start, because 0500 means nothing there.
    "a user with CAP_DAC_OVERRIDE": Case(False, True, {ALIAS: CAN_CREATE}, DAC_OVERRIDE),
    "modes cannot be set": Case(False, True, {ALIAS: NO_MODE}, bindfs="--chmod-deny"),
    "modes do not change": Case(False, True, {ALIAS: SAME_MODE}, bindfs="--chmod-ignore"),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def login(case: Case) -> Iterator[Login]:
    if case != CASES["a user"]:
        skips.unless_root("for another user, a chroot, or a /run/user of its own")
    login = Login(as_root=case.as_root, has_session=case.has_session)
    login.before = [word.format(root=login.root) for word in case.before]
    with session_on(login, case.bindfs) if case.bindfs else contextlib.nullcontext():
        yield login
        login.before = ()
        login.call("gpgconf", "--kill", "all")
    login.end()


@contextlib.contextmanager
def session_on(login: Login, option: str) -> Iterator[None]:
    """/run/user is a file system by bindfs with this option."""
    skips.unless_installed("places", shutil.which("bindfs"))
    login.call("gpgconf", "--kill", "all")  # the agent's socket is not reached through bindfs
    words: list[str | Path] = ["bindfs", "-f", option, "-o", "allow_other"]
    process = subprocess.Popen([*words, login.session, login.session])
    try:
        wait_for(lambda: os.path.ismount(login.session), "bindfs")
        yield
    finally:
        subprocess.run(["umount", login.session], check=True)
        process.wait()


def test_a_form_is_refused_or_starts(case: Case, login: Login) -> None:
    before = login.socket_directories()
    for form in Form:
        login.form = form
        done = login.locked("touch started")
        started = login.root / "started"
        why = case.faults.get(form)
        assert done.status == (78 if why else 0), done.err
        assert started.exists() is (why is None)
        started.unlink(missing_ok=True)
        if why:
            assert f"gpgshim: --lock-agent={form}: " in done.err and why in done.err
            assert "nothing was started" in done.err
            others = [each for each in Form if each is not form and each not in case.faults]
            hints = [f"hint: `--lock-agent={each}` is possible here" in done.err for each in others]
            assert all(hints) and ("is possible here" in done.err) is bool(others), done.err
            assert "hint: " in done.err
    assert login.socket_directories() == before
    assert list((login.runtime / "gpgshim").iterdir()) == []


def test_the_doctor_says_the_same(case: Case, login: Login) -> None:
    before = login.socket_directories()
    done = finish(login.start("doctor", "--json"))
    checks = {each["name"]: each for each in json.loads(done.out)["checks"]}
    found = checks["lock of gpg-agent"]["found"]
    for form in Form:
        (line,) = (line for line in found if line.startswith(f"{form}: "))
        why = case.faults.get(form)
        assert line == f"{form}: possible" if why is None else why in line
    assert login.socket_directories() == before
    assert not list((login.runtime / "gpgshim").glob("*"))
