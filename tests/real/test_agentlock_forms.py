# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does `run` refuse a form of the lock that is not possible, and does the doctor say the same?

A machine is a user, with a login session or without, in a chroot or not. In a chroot an ordinary
user cannot have a user namespace.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from gpgshim.core.terms import Form
from tests.support import skips
from tests.support.login import IN_CHROOT, Login
from tests.support.scratch import finish

ALIAS, NAMESPACE = Form.ALIAS, Form.NAMESPACE


class Case(NamedTuple):
    """A machine, and words of the reason for each form that is not possible there."""

    as_root: bool
    has_session: bool
    is_chroot: bool
    faults: dict[Form, str]


NO_SESSION = "does not exist or is not of this user"
NO_NAMESPACE = "no namespace for the job: a user namespace: Operation not permitted"

CASES = {
    "a user": Case(False, True, False, {}),
    "a user without a session": Case(False, False, False, {ALIAS: NO_SESSION}),
    "a user in a chroot": Case(False, True, True, {NAMESPACE: NO_NAMESPACE}),
    "a user in a chroot without a session": Case(
        False, False, True, {ALIAS: NO_SESSION, NAMESPACE: NO_NAMESPACE}
    ),
    "root": Case(True, True, False, {ALIAS: "although its mode is 0500"}),
    "root without a session": Case(True, False, False, {ALIAS: NO_SESSION}),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def login(case: Case) -> Iterator[Login]:
    if case != CASES["a user"]:
        skips.unless_root("for another user, a chroot, or a /run/user of its own")
    login = Login(as_root=case.as_root, has_session=case.has_session)
    if case.is_chroot:
        login.before = ("unshare", "--mount", "sh", "-c", IN_CHROOT, "sh", str(login.root))
    yield login
    login.before = ()
    login.end()


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
