# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""With the lock of gpg-agent in the settings, does a job under dgit-repos-server wait at it?

The judge is the log of gpg-agent, which has each command that it got.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gpgshim.core.gate import Outcome, State
from gpgshim.core.signatures import Signatures
from gpgshim.core.terms import Form
from tests.support.login import Login
from tests.support.scratch import GPG
from tests.support.worker import (
    COMMIT,
    HEARD_LOST,
    HEARD_PASSES,
    HEARD_UPLOADED,
    LOST,
    PASSES,
    UPLOADED,
    Worker,
)

#: As dgit, a program between dgit-repos-server and gpg.
DGIT = "#!/bin/sh\ncd {root}\n{script}\n"
SIGN = f"{GPG} --batch -b f"


@pytest.fixture(params=Form)
def login(request: pytest.FixtureRequest) -> Iterator[Login]:
    login = Login(form=request.param)
    yield login
    login.end()


@pytest.fixture
def worker(login: Login) -> Iterator[Worker]:
    (login.root / "f").write_text("some data\n")
    worker = Worker(login)
    (worker.path / "gpg").unlink()
    worker.as_user = login.as_user
    yield worker
    worker.close()


def start(login: Login, worker: Worker, script: str, dgit: str, settings: str = "") -> None:
    """Start a job, with the lock, whose dgit does this."""
    login.configure(f'lock-agent = "{login.form}"\n{settings}')
    worker.install(dgit, "dgit", DGIT)
    worker.install(script)
    login.give_away()
    worker.start("")


@pytest.mark.parametrize("call", [SIGN, "gpg --batch -b f"])
def test_a_signature_waits_for_the_manager(login: Login, worker: Worker, call: str) -> None:
    before = login.signings()
    start(login, worker, f"dgit && {UPLOADED}", call)
    assert worker.hear() == COMMIT, worker.err()
    assert login.signings() == before
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED, worker.err()
    assert worker.end() == 0
    assert login.signings() == before + 1
    assert (login.root / "f.sig").stat().st_size
    assert login.verdict().signatures == Signatures(1, 0)
    assert login.verdict().outcome is Outcome.UPLOADED


def test_a_manager_that_does_not_agree(login: Login, worker: Worker) -> None:
    before = login.signings()
    start(login, worker, f"dgit; {LOST}", SIGN)
    assert worker.hear() == COMMIT, worker.err()
    worker.say("no\n")
    assert worker.rest() == []
    assert worker.end() != 0
    assert login.signings() == before
    assert login.verdict().outcome is Outcome.IRRECOVERABLE


NO_KEY = "gpg --batch -u nobody@example.org -b f"


def test_with_commit_at_agent_a_missing_key_commits_nothing(login: Login, worker: Worker) -> None:
    start(login, worker, f"dgit || {PASSES}", NO_KEY, 'commit-at = "agent"\n')
    assert worker.rest() == HEARD_PASSES, worker.err()
    assert worker.end() == 0
    assert login.verdict()[:3:2] == (State.UNCOMMITTED, Outcome.RETRIABLE)


def test_without_it_a_missing_key_commits(login: Login, worker: Worker) -> None:
    start(login, worker, f"dgit || {LOST}", NO_KEY)
    assert worker.hear() == COMMIT, worker.err()
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_LOST, worker.err()
    assert login.verdict().outcome is Outcome.IRRECOVERABLE


def with_key(fingerprint: str) -> str:
    return f'commit-at = "agent"\nkey = ["{fingerprint}"]\n'


def test_with_key_its_signature_waits_for_the_manager(login: Login, worker: Worker) -> None:
    before = login.signings()
    start(login, worker, f"dgit && {UPLOADED}", SIGN, with_key(login.key.fingerprint))
    assert worker.hear() == COMMIT, worker.err()
    assert login.signings() == before
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED, worker.err()
    assert worker.end() == 0
    assert login.verdict().signatures == Signatures(1, 0, by_some=True)


def test_with_key_another_key_commits_nothing(login: Login, worker: Worker) -> None:
    """The manager hears nothing of its signature, and the failure is retriable."""
    other = login.make_key("Other <x@example.org>", "ed25519", "sign", "never")
    call = f"{GPG} --batch -u {other} -b f && exit 3"
    before = login.signings()
    start(login, worker, f"dgit || {PASSES}", call, with_key(login.key.fingerprint))
    assert worker.rest() == HEARD_PASSES, worker.err()
    assert worker.end() == 0
    assert login.signings() == before + 1
    assert (login.root / "f.sig").stat().st_size
    assert login.verdict()[:3:2] == (State.UNCOMMITTED, Outcome.RETRIABLE)
    assert login.verdict().signatures == Signatures(0, 0, by_some=True)


@pytest.mark.parametrize(
    ("home", "settings", "why"),
    [
        ("/nonexistent", "", "there is no /nonexistent"),
        ("", f'key = ["{"A" * 40}"]\n', "--key needs --commit-at agent"),
        ("", with_key("A" * 40), "there is no such key"),
    ],
)
def test_a_lock_that_is_not_possible(
    login: Login, worker: Worker, home: str, settings: str, why: str
) -> None:
    """The manager hears nothing, as with any other fault of the machine."""
    login.env["GNUPGHOME"] = home
    start(login, worker, f"touch started; {UPLOADED}", "true", settings)
    assert worker.rest() == []
    assert worker.end() == 78
    assert why in worker.err() and "nothing was started" in worker.err()
    assert not (login.root / "started").exists()
