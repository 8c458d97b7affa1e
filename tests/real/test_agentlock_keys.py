# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""With --key, is only a signature by these keys the commitment point?

The judge is the log of gpg-agent, which has each command that it got.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gpgshim.agentlock.keys import keygrips
from gpgshim.core import records as r
from gpgshim.core.gate import Outcome, State
from gpgshim.core.signatures import Signatures
from gpgshim.system.errors import Misconfigured
from tests.support.login import Login
from tests.support.scratch import REFUSE, Done, message


class Keys(NamedTuple):
    """The fingerprints of a primary key, of its subkey, and of another key of the same home."""

    primary: str
    subkey: str
    other: str


@pytest.fixture(scope="module")
def login() -> Iterator[Login]:
    login = Login()
    (login.root / "f").write_text("some data\n")
    login.give_away()
    yield login
    login.end()


@pytest.fixture(scope="module")
def keys(login: Login) -> Keys:
    other = login.make_key("Other <x@example.org>", "ed25519", "sign", "never")
    primary = login.key.fingerprint
    words = ("--batch", "--passphrase", "", "--quick-add-key", primary, "rsa2048", "sign", "never")
    assert login.call("gpg", *words).status == 0
    listed = login.call("gpg", "--with-colons", "--list-keys", primary).out.splitlines()
    subkey = [line.split(":")[9] for line in listed if line.startswith("fpr:")][1]
    return Keys(primary, subkey, other)


def sign(key: str, more: str = "") -> str:
    """A command that signs with exactly this key, outside PATH."""
    return f"rm -f f.sig; /usr/bin/gpg --batch -u {key}! -b f{more}"


def run(login: Login, command: str, *options: str | Path, commit: str = "true") -> Done:
    return login.locked(command, "--commit-at", "agent", *options, commit=commit)


def test_another_key_commits_nothing_and_is_noted(login: Login, keys: Keys) -> None:
    before = login.signings()
    result = login.root / "result"
    command = sign(keys.other, "; exit 3")
    done = run(login, command, "--key", keys.primary, "--result", result, commit=REFUSE)
    assert done.status == 75, done.err
    assert "made no signature with the keys of --key through the lock" in done.err
    verdict = login.verdict()
    assert (verdict.state, verdict.outcome) == (State.UNCOMMITTED, Outcome.RETRIABLE)
    assert verdict.signatures == Signatures(0, 0, by_some=True)
    assert login.signings() == before + 1 and (login.root / "f.sig").exists()
    (note,) = [x for x, _ in login.journal().read() if isinstance(x, r.OtherKey)]
    assert note.command == "PKSIGN"
    agent = json.loads(result.read_text())["agent"]
    assert (agent["keys"], agent["by_other_keys"]) == ([keys.primary], 1)
    assert agent["signatures"] == []


@pytest.mark.parametrize("named", ["primary", "subkey"])
@pytest.mark.parametrize("used", ["primary", "subkey"])
def test_a_fingerprint_means_the_key_with_its_subkeys(
    login: Login, keys: Keys, named: str, used: str
) -> None:
    before = login.signings()
    command = sign(getattr(keys, used))
    done = run(login, command, "--key", getattr(keys, named), commit=REFUSE)
    assert (done.status, login.verdict().outcome) == (77, Outcome.REFUSED), done.err
    assert login.signings() == before
    assert run(login, command, "--key", getattr(keys, named)).status == 0
    assert login.verdict().signatures == Signatures(1, 0, by_some=True)


def test_the_option_is_repeated_and_is_a_setting(login: Login, keys: Keys) -> None:
    before = login.signings()
    options = ("--key", keys.other, "--key", keys.primary)
    assert run(login, sign(keys.primary), *options, commit=REFUSE).status == 77
    login.configure(f'key = ["{keys.other.lower()}"]\n')
    login.give_away()
    try:
        assert run(login, sign(keys.other), commit=REFUSE).status == 77
        assert login.signings() == before
        assert run(login, sign(keys.primary), commit=REFUSE).status == 0
    finally:
        login.configure()
    assert login.signings() == before + 1


def test_the_stunt_does_not_ask_for_another_key(login: Login, keys: Keys) -> None:
    before = login.signings()
    command = f"rm -f f.sig; gpg --batch -u {keys.other} -b f; exit 3"
    assert run(login, command, "--key", keys.primary, commit=REFUSE).status == 75
    assert login.signings() == before + 1


def test_the_audit_finds_a_signature_by_another_key(login: Login, keys: Keys) -> None:
    # Data of its own: a signature of the same data in the same second has the same digest.
    (login.root / "other").write_text("other data\n")
    command = sign(keys.other).replace("-b f", "-o f.sig -b other")
    assert run(login, command, "--job", "other", "--key", keys.primary).status == 0
    done = login.gpgshim("audit", "--signature", "f.sig", "other", "--json")
    (signature,) = json.loads(done.out)["signatures"]
    (attempt,) = signature["attempts"]
    assert (done.status, attempt["job"], attempt["result"]) == (0, "other", "other-key"), done.err


@pytest.mark.parametrize(
    ("options", "status", "seen"),
    [
        (("--commit-at", "agent", "--key", "A" * 40), 78, "AAAA: there is no such key"),
        (("--commit-at", "agent", "--key", "o@example.org"), 64, "is no fingerprint"),
        (("--key", "A" * 40), 64, "--key needs --commit-at agent"),
    ],
)  # fmt: skip
def test_nothing_starts_without_the_key(
    login: Login, options: tuple[str, ...], status: int, seen: str
) -> None:
    journals = login.journals()
    done = login.locked("touch started", *options)
    assert done.status == status
    text, hint = message(done.err)
    assert seen in text and text.endswith(("nothing was started", "nothing was done"))
    assert bool(hint) is (status != 64 or "fingerprint" in seen)
    assert not (login.root / "started").exists() and login.journals() == journals


#: A subkey that two keys have. gpg lists both.
TWICE = """\
#!/bin/sh
for key in {one} {two}; do
    printf 'pub:u:255:22:0:0:::u:\\nfpr:::::::::%s:\\ngrp:::::::::%s:\\n' $key $key
    printf 'sub:u:255:22:0:0:::u:\\nfpr:::::::::{sub}:\\ngrp:::::::::{sub}:\\n'
done
"""


def test_a_subkey_of_two_keys_is_ambiguous(tmp_path: Path) -> None:
    one, two, sub = "1" * 40, "2" * 40, "3" * 40
    gpg = tmp_path / "gpg"
    gpg.write_text(TWICE.format(one=one, two=two, sub=sub))
    gpg.chmod(0o755)
    assert keygrips(gpg, {}, [one]) == {one, sub}
    with pytest.raises(Misconfigured) as caught:
        keygrips(gpg, {}, [sub])
    assert str(caught.value) == f"--key {sub} is ambiguous: it is a subkey of {one}, {two}"
    assert caught.value.hint == "name the primary key"


def test_a_gpg_that_cannot_be_run_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot list it"):
        keygrips(tmp_path / "gpg", {}, ["1" * 40])
    false = shutil.which("false")
    assert false
    with pytest.raises(Misconfigured, match="there is no such key"):
        keygrips(Path(false), {}, ["1" * 40])
