# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""With the lock of gpg-agent, does a signature by a smartcard wait for the gate?

The card is one in software (tests/support/card.py). Its log is the judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.core import records as r
from gpgshim.core.gate import Outcome
from gpgshim.core.signatures import Signatures
from gpgshim.core.terms import Form
from tests.support import card as cards
from tests.support import skips
from tests.support.card import Card
from tests.support.login import Login
from tests.support.scratch import GPG, REFUSE

DIGEST = "AB" * 32

#: A way -> a shell command with {key}, the key of the card, and {name}, the card's name of it.
WAYS = {
    "gpg": f"{GPG} --batch -u {{key}} -b f",
    "SCD PKSIGN": f"gpg-connect-agent 'SCD SETDATA {DIGEST}' 'SCD PKSIGN --hash=sha256 {{name}}'"
    " /bye >answer; tail -n 1 answer | grep ^OK >f.sig",
    "SCD PKAUTH": f"gpg-connect-agent 'SCD SETDATA {DIGEST}' 'scd  pkauth {{name}}'"
    " /bye >answer; tail -n 1 answer | grep ^OK >f.sig",
}  # fmt: skip


@pytest.fixture(scope="module", params=Form)
def login(request: pytest.FixtureRequest) -> Iterator[Login]:
    login = Login(form=request.param)
    allowed = login.call("unshare", "--mount", "--user", "true")
    if allowed.status:
        skips.unless_allowed("namespaces", allowed.err)
    yield login
    login.end()


@pytest.fixture(scope="module")
def card(login: Login) -> Card:
    return cards.insert(login)


@pytest.fixture
def made(login: Login) -> Path:
    """The signature of a test; `f` is the file to be signed."""
    for each in (login.root / "f.sig", login.root / "answer"):
        each.unlink(missing_ok=True)
    (login.root / "f").write_text("some data\n")
    login.give_away()
    return login.root / "f.sig"


@pytest.mark.parametrize("way", WAYS)
def test_a_card_signs_after_a_grant(login: Login, card: Card, made: Path, way: str) -> None:
    before = card.signings()
    done = login.locked(WAYS[way].format(key=card.fingerprint, name=card.name))
    assert (done.status, bool(made.read_text("latin-1"))) == (0, True), done.err
    assert card.signings() == before + 1
    assert (login.verdict().outcome, login.verdict().signatures) == (
        Outcome.UPLOADED,
        Signatures(1, 0),
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_card_signs_nothing_without_a_grant(
    login: Login, card: Card, made: Path, way: str
) -> None:
    before = card.signings()
    command = WAYS[way].format(key=card.fingerprint, name=card.name)
    done = login.locked(f"{command} || exit 3", commit=REFUSE)
    assert done.status == 77, done.err
    assert card.signings() == before
    assert not made.exists() or not made.read_text("latin-1")
    assert login.verdict().signatures == Signatures(0, 0)


def test_the_command_to_the_card_is_in_the_journal(login: Login, card: Card, made: Path) -> None:
    login.locked(WAYS["SCD PKSIGN"].format(name=card.name))
    records = [record for record, _ in login.journal().read("%")]
    (forwarded,) = [each for each in records if isinstance(each, r.Forwarded)]
    assert (forwarded.command, forwarded.key) == ("SCD PKSIGN", "-")


def test_with_key_a_command_to_the_card_is_held(login: Login, card: Card, made: Path) -> None:
    """The lock cannot know its key. A gpg with another key than that of --key passes."""
    before = card.signings()
    options = ("--commit-at", "agent", "--key", login.key.fingerprint)
    direct = WAYS["SCD PKSIGN"].format(name=card.name)
    done = login.locked(f"{direct} || exit 3", *options, commit=REFUSE)
    assert (done.status, card.signings()) == (77, before), done.err
    by_gpg = WAYS["gpg"].format(key=card.fingerprint)
    done = login.locked(f"rm -f f.sig; {by_gpg}; exit 3", *options, commit=REFUSE)
    assert (done.status, card.signings()) == (75, before + 1), done.err


@pytest.mark.parametrize(
    "call",
    ["gpg --card-status", "gpg-connect-agent 'SCD SERIALNO' 'SCD LEARN --force' LEARN /bye"],
)
def test_to_look_at_the_card_is_as_without_the_lock(
    login: Login, card: Card, made: Path, call: str
) -> None:
    before = card.signings()
    without = login.call("sh", "-c", call)
    done = login.locked(f"{call} >out; exit 3")
    assert done.status == 75, done.err
    assert card.signings() == before
    assert without.out and (login.root / "out").read_text() == without.out
