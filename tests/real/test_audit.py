# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does `gpgshim audit` find the grant of each kind of signature, and of no other?

All signatures are made once, in one job with the lock of gpg-agent, and once without gpgshim.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import skips
from tests.support.login import Login
from tests.support.scratch import Done, message

DSC = """\
Format: 3.0 (native)
Source: hello
Version: 1.0
Maintainer: O <o@example.org>
"""

#: Signs in every form, in the directory $1, whose name is in all data: the same data in the same
#: second would have the same digest.
SIGN = r"""
set -e
mkdir -p "$1" && cd "$1"
printf 'some data \nwith a -- line\n- and no end %s' "$1" >f
gpg --batch -o binary.sig -b f
gpg --batch -o armored.asc --armor -b f
gpg --batch -o text.asc --textmode --armor -b f
gpg --batch -o inline.gpg -s f
gpg --batch -o inline-text.asc --textmode --armor -s f
gpg --batch -o clear.asc --clearsign f
gpg --batch -o two.sig -u "$KEY" -u "$SECOND" -b f
for each in dsc changes; do
    sed "s/hello/$1-$each/" ../hello >hello.$each
    gpg --no-auto-check-trustdb --local-user "$KEY" --clearsign --openpgp --batch \
        --personal-digest-preferences 'SHA512 SHA384 SHA256 SHA224' \
        --list-options no-show-policy-urls --armor --textmode --output hello.$each.asc hello.$each
    mv hello.$each.asc hello.$each
done
git init -q g && cd g
git config user.email o@example.org && git config user.name O && git config user.signingKey "$KEY"
git commit -q -S --allow-empty -m "first $1" -m body
git tag -s v1 -m "one $1"
git commit -q --allow-empty -m 'not signed'
git tag light HEAD~1
git tag -a plain -m plain
git switch -q -c side HEAD~1 && git commit -q -S --allow-empty -m side && git tag -s v2 -m two
git tag -s long -m "$(seq 500)"
git switch -q - && git merge -q -S --no-ff -m merge v2 2>&1
git tag merged
"""

#: A form -> the words of `audit`, in the directory with the signatures.
FORMS = {
    "binary": ("--signature", "binary.sig", "f"),
    "armored": ("--signature", "armored.asc", "f"),
    "text": ("--signature", "text.asc", "f"),
    "inline": ("--signature", "inline.gpg"),
    "inline text": ("--signature", "inline-text.asc"),
    "clear": ("--signature", "clear.asc"),
    "dsc": ("--signature", "hello.dsc"),
    "changes": ("--signature", "hello.changes"),
    "git tag": ("--git", "v1"),
    "git commit": ("--git", "v1^{commit}"),
    "long tag": ("--git", "long"),
    "light tag": ("--git", "light"),
    "git merge of a tag": ("--git", "merged"),
}


@pytest.fixture(scope="module")
def login() -> Iterator[Login]:
    skips.unless_installed("test", shutil.which("git"))
    login = Login()
    second = login.make_key("Second <s@example.org>", "rsa2048", "sign", "never")
    login.env |= {"KEY": login.key.fingerprint, "SECOND": second}
    (login.root / "hello").write_text(DSC)
    (login.root / "sign").write_text(SIGN)
    login.give_away()
    done = login.call("sh", "sign", "outside")
    assert done.status == 0, done.err
    done = login.locked("sh sign inside", "--job", "all")
    assert done.status == 0, done.err
    yield login
    login.end()


def audit(login: Login, where: str, *words: str) -> Done:
    """Run `gpgshim audit` in a directory of signatures."""
    where = f"{where}/g" if "--git" in words else where
    script = 'cd "$1" && shift && exec "$@"'
    python = ["/usr/bin/python3" if login.is_root else shutil.which("python3") or ""]
    return login.call("sh", "-c", script, "sh", where, *python, "-m", "gpgshim", "audit", *words)


def answer(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.out)
    assert found["version"] == 1
    return found


@pytest.mark.parametrize("form", FORMS)
def test_a_signature_of_a_job_is_known(login: Login, form: str) -> None:
    done = audit(login, "inside", *FORMS[form], "--json")
    (signature,) = answer(done)["signatures"]
    assert (done.status, signature["known"], signature["check"]) == (0, True, "valid"), done.err
    assert signature["by"] == login.key.fingerprint
    assert signature["attempts"]
    for attempt in signature["attempts"]:  # the same data in the same second has one digest
        assert (attempt["job"], attempt["attempt"], attempt["result"]) == ("all", 1, "made")
        assert attempt["call"].startswith("gpg ")
        assert attempt["signature"] >= attempt["request"] >= 1


@pytest.mark.parametrize("form", FORMS)
def test_a_signature_of_no_job_is_not_known(login: Login, form: str) -> None:
    done = audit(login, "outside", *FORMS[form], "--json")
    (signature,) = answer(done)["signatures"]
    assert (done.status, signature["known"], signature["attempts"]) == (1, False, []), done.err
    assert signature["check"] == "valid"


def test_each_signature_of_a_file_is_looked_for(login: Login) -> None:
    done = audit(login, "inside", "--signature", "two.sig", "f", "--json")
    first, second = answer(done)["signatures"]
    assert [each["known"] for each in (first, second)] == [True, True]
    assert [each["by"] for each in (first, second)] == [login.env["KEY"], login.env["SECOND"]]
    # One gpg made both. Earlier ones may have signed the same data in the same second.
    assert first["attempts"][-1]["request"] == second["attempts"][-1]["request"]


def test_the_answer_for_people(login: Login) -> None:
    done = audit(login, "inside", "--signature", "hello.dsc")
    first, second = done.out.splitlines()
    assert first.startswith(f"signature by {login.key.fingerprint} at 2")
    assert second.startswith("  all.1: gpg-agent made it, as signature ")
    assert second.endswith(f" [{login.state}/gpgshim/all.1]")
    done = audit(login, "outside", "--signature", "hello.dsc")
    assert done.out.splitlines()[1] == f"  no journal in {login.state}/gpgshim knows it"


@pytest.mark.parametrize(
    ("words", "status", "seen"),
    [
        (("--signature", "binary.sig"), 64, "is a detached signature"),
        (("--signature", "clear.asc", "f"), 64, "has its data in it"),
        (("--signature", "f"), 65, "has no signature that gpg can read"),
        (("--signature", "absent"), 64, "cannot be read"),
        (("--signature", "binary.sig", "absent"), 64, "cannot be read"),
        (("--git", "plain"), 65, "has no OpenPGP signature"),
        (("--git", "absent"), 64, "is no tag or commit"),
        (("--git", "HEAD:"), 64, "is no tag or commit"),
        (("--git", "v1", "f"), 64, "takes no FILE"),
        ((), 64, "name the signature"),
    ],
)
def test_what_cannot_be_told_is_said(
    login: Login, words: tuple[str, ...], status: int, seen: str
) -> None:
    done = audit(login, "inside", *words)
    assert done.status == status and done.out == ""
    assert seen in message(done.err)[0]


def test_a_signature_of_other_data_is_not_claimed(login: Login) -> None:
    """Its journal is there, but nobody can say that this file was signed."""
    done = audit(login, "inside", "--signature", "binary.sig", "hello.dsc", "--json")
    (signature,) = answer(done)["signatures"]
    assert (done.status, signature["check"], signature["known"]) == (65, "bad", None)
    assert signature["digest"] is None
    assert signature["fault"] == "it is not of this data, or it was damaged"


def test_a_signature_without_its_public_key_is_not_claimed(login: Login, tmp_path: Path) -> None:
    home = login.root / "empty"
    home.mkdir(0o700)
    login.give_away()
    login.env["GNUPGHOME"] = str(home)
    try:
        done = audit(login, "inside", "--signature", "hello.dsc", "--json")
    finally:
        del login.env["GNUPGHOME"]
    (signature,) = answer(done)["signatures"]
    assert (done.status, signature["check"], signature["known"]) == (65, "no-key", None)


def test_gpg_leaves_nothing_behind(login: Login) -> None:
    scratch = login.root / "scratch"
    scratch.mkdir()
    login.give_away()
    login.env["TMPDIR"] = str(scratch)
    try:
        assert audit(login, "inside", "--signature", "binary.sig", "f").status == 0
    finally:
        del login.env["TMPDIR"]
    assert list(scratch.iterdir()) == []
    assert not list((login.root / "inside").glob("dbgmd*"))


#: The size that a file can have, in bytes -> the error. No file can be written, or a small one.
ROOM = {0: "No usable temporary directory found", 300: "File too large"}


@pytest.mark.parametrize("form", ["binary", "long tag"])
@pytest.mark.parametrize("size", ROOM)
def test_without_room_for_temporary_files_nothing_is_claimed(
    login: Login, size: int, form: str
) -> None:
    login.before = ("prlimit", f"--fsize={size}")
    done = audit(login, "inside", *FORMS[form], "--json")
    login.before = ()
    assert (done.status, done.out) == (74, ""), done.err
    text, hint = message(done.err)
    assert ROOM[size] in text and hint == "set TMPDIR to another directory"


#: The length of TMPDIR in bytes -> whether files can have names in it. 4095 is the longest path.
LENGTHS = {200: True, 4065: False, 4075: False, 4082: False, 4090: True}


@pytest.mark.parametrize("length", LENGTHS)
def test_the_temporary_directory_can_have_a_long_name(login: Login, length: int) -> None:
    """One that is too long even for Python is not used, but /tmp."""
    path = str(login.root / "long")
    while len(path) < length:
        path += "/" + "d" * min(200, length - len(path) - 1)
    path = path.removesuffix("/")
    Path(path).mkdir(0o755, parents=True, exist_ok=True)
    login.give_away()
    login.env["TMPDIR"] = path
    try:
        done = audit(login, "inside", "--signature", "binary.sig", "f")
    finally:
        del login.env["TMPDIR"]
    assert done.status == (0 if LENGTHS[length] else 74), done.err
    assert ("File name too long" in done.err) is not LENGTHS[length]
    hint = "gpgshim: hint: set TMPDIR to another directory\n"
    assert (done.err.count("\n"), done.err.endswith(hint)) == (
        (0, False) if LENGTHS[length] else (2, True)
    )
