# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""With the lock of gpg-agent, does every program of the job that signs wait for the gate?

The judge is the log of gpg-agent, which has each command that it got.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gpgshim.core import records as r
from gpgshim.core.gate import Outcome
from gpgshim.core.signatures import Signatures
from tests.support import skips
from tests.support.login import PYTHON, Login
from tests.support.scratch import GPG, finish, tell, wait_for

REFUSE = "sh -c 'exit 77'"

#: A signature by gpgme, which finds gpg by gpgconf.
GPGME = """\
import gpg
with gpg.Context(armor=True) as context:
    signed, _ = context.sign(b"x", mode=gpg.constants.sig.mode.DETACH)
open("f.sig", "wb").write(signed)
"""

#: A signature by a program that speaks to the agent itself; f.sig gets the agent's data.
DIRECT = """\
import os, socket, subprocess, sys
where = subprocess.check_output(["/usr/bin/gpgconf", "--list-dirs", sys.argv[2]], text=True).strip()
peer = socket.socket(socket.AF_UNIX)
peer.connect(where)
lines = peer.makefile("rw", encoding="latin-1", newline="\\n")
assert lines.readline().startswith("OK ")
for command in (f"SIGKEY {sys.argv[1]}", "SETHASH --hash=sha256 " + "AB" * 32, "pksign  --"):
    lines.write(command + "\\n")
    lines.flush()
    answer = lines.readline()
    while not answer.startswith(("OK", "ERR")):
        open("f.sig", "a").write(answer)
        answer = lines.readline()
    if answer.startswith("ERR"):
        sys.exit(answer)
"""


@pytest.fixture(scope="module")
def login() -> Iterator[Login]:
    login = Login()
    for name, text in (("sign-gpgme", GPGME), ("sign-direct", DIRECT)):
        (login.root / name).write_text(text)
    login.give_away()
    yield login
    login.end()


@pytest.fixture
def made(login: Login) -> Path:
    """The signature of a test; `f` is the file to be signed."""
    for each in login.root.glob("f*"):
        each.unlink()
    (login.root / "f").write_text("some data\n")
    login.give_away()
    return login.root / "f.sig"


def keygrip(login: Login) -> str:
    listed = login.call(GPG, "--with-keygrip", "--with-colons", "-K", login.key.fingerprint)
    return next(x.split(":")[9] for x in listed.out.splitlines() if x.startswith("grp:"))


class Way(NamedTuple):
    """A way past PATH; {key} and {grip} are of the key, {python} is Python with gpgme."""

    needs: str
    command: str


WAYS = {
    "absolute path": Way(GPG, f"{GPG} --batch -b f"),
    "gpg2": Way("gpg2", "/usr/bin/gpg2 --batch -b f"),
    "git gpg.program": Way(
        "git",
        "rm -rf g && git init -q g && cd g && git config user.email o@example.org &&"
        " git config user.name O && git config user.signingKey {key} &&"
        f" git -c gpg.program={GPG} commit -q -S --allow-empty -m first && touch ../f.sig",
    ),
    "gpgme": Way(PYTHON, "PATH=/usr/bin:/bin {python} sign-gpgme"),
    "bash -l": Way("bash", f"bash -lc '{GPG} --batch -b f'"),
    "setsid": Way("setsid", f"setsid {GPG} --batch -b f"),
    "a socket": Way(PYTHON, "{python} sign-direct {grip} agent-socket"),
    "the extra socket": Way(PYTHON, "{python} sign-direct {grip} agent-extra-socket"),
    "the browser socket": Way(PYTHON, "{python} sign-direct {grip} agent-browser-socket"),
}  # fmt: skip


#: Ways to the same gpg-agent that do not lead through the lock. SECURITY.md lists them.
ROUND = {
    "env -i": Way("env", f"env -i HOME=$HOME {GPG} --batch -b f"),
    # For user id 0 GnuPG looks into /run/user/0, and then uses the sockets in the home itself.
    "fakeroot": Way("fakeroot", f"fakeroot {GPG} --batch -b f"),
}


def command_of(login: Login, name: str) -> str:
    way = (WAYS | ROUND)[name]
    skips.unless_installed("uses", shutil.which(way.needs))
    return way.command.format(key=login.key.fingerprint, grip=keygrip(login), python=PYTHON)


@pytest.mark.parametrize("name", WAYS)
def test_a_way_past_path_waits_and_is_granted(login: Login, made: Path, name: str) -> None:
    before = login.signings()
    done = login.locked(command_of(login, name))
    assert (done.status, made.exists()) == (0, True), done.err
    assert login.signings() == before + 1
    verdict = login.verdict()
    assert (verdict.outcome, verdict.signatures) == (Outcome.UPLOADED, Signatures(1, 0))
    request, grant = (login.lines().index(line) for line in ("! unknown", "= go"))
    assert login.lines()[request - 1].startswith("$ ") and grant == request + 4
    assert [type(each) for each in login.notes()][:2] == [r.Client, r.AtAgent]


@pytest.mark.parametrize("name", WAYS)
def test_a_way_past_path_is_refused(login: Login, made: Path, name: str) -> None:
    before = login.signings()
    done = login.locked(command_of(login, name), commit=REFUSE)
    assert (done.status, made.exists()) == (77, False), done.err
    assert login.signings() == before
    verdict = login.verdict()
    assert (verdict.outcome, verdict.signatures) == (Outcome.REFUSED, Signatures(0, 0))


@pytest.mark.parametrize("name", ROUND)
def test_a_way_round_the_lock_is_not_denied(login: Login, made: Path, name: str) -> None:
    """The outcome claims only what the lock watched."""
    done = login.locked(command_of(login, name))
    assert (done.status, made.exists()) == (0, True), done.err
    assert login.verdict().signatures == Signatures(0, 0)
    assert "gpg-agent made no signature through the lock" in done.err
    login.call("fakeroot", "gpgconf", "--kill", "gpg-agent")


def test_a_way_past_path_that_cannot_ask_the_authority_is_retriable(
    login: Login, made: Path
) -> None:
    """Without the lock, this job would be reported as retriable with a signature made."""
    done = login.locked(f"{GPG} --batch -b f", "--job", "gone", commit="o2m:/nonexistent")
    assert (done.status, made.exists()) == (75, False), done.err


def test_gpg_reports_the_refusal(login: Login, made: Path) -> None:
    done = login.locked(f"{GPG} --batch --status-fd 2 -b f", commit=REFUSE)
    assert "gpg: signing failed: Forbidden\n" in done.err
    assert re.search(r"^\[GNUPG:\] FAILURE sign 67109115$", done.err, re.MULTILINE)


def test_a_direct_client_sees_our_reason(login: Login, made: Path) -> None:
    done = login.locked(f"{PYTHON} sign-direct {keygrip(login)} agent-socket", commit=REFUSE)
    assert "ERR 67109115 Forbidden <gpgshim: the authority refused>" in done.err


def test_a_granted_stunt_passes_at_once(login: Login, made: Path) -> None:
    """It is one request, and its signature is in the journal all the same."""
    done = login.locked("gpg --batch -b f")
    assert (done.status, made.exists()) == (0, True), done.err
    assert [line[0] for line in login.lines()].count("$") == 1
    assert login.verdict().signatures == Signatures(1, 0)
    assert not [each for each in login.notes() if isinstance(each, r.AtAgent)]


def test_each_signature_of_another_program_is_a_request(login: Login, made: Path) -> None:
    done = login.locked(f"{GPG} --batch -b f && {GPG} --batch -o f2.sig -b f")
    assert done.status == 0, done.err
    assert [line[0] for line in login.lines()].count("$") == 2
    assert login.verdict().signatures == Signatures(2, 0)


def test_the_journal_has_key_and_digest(login: Login, made: Path) -> None:
    login.locked(f"{GPG} --batch -b f")
    records = [record for record, _ in login.journal().read(("%", "#"))]
    at_agent = next(each for each in records if isinstance(each, r.AtAgent))
    forwarded = next(each for each in records if isinstance(each, r.Forwarded))
    assert at_agent.values == forwarded.values[2:]
    assert (forwarded.key, forwarded.command) == (keygrip(login), "PKSIGN")
    packets = login.call(GPG, "--list-packets", "--verbose", made).out
    algorithm, begin = re.findall(r"digest algo (\d+), begin of digest (.. ..)", packets)[0]
    assert forwarded.algorithm == algorithm
    assert forwarded.digest.startswith(begin.replace(" ", "").upper())


def test_a_key_in_a_home_of_its_own_is_not_held(login: Login, made: Path) -> None:
    """A test suite with throw-away keys commits nothing."""
    done = login.locked(
        "mkdir -m 700 own && export GNUPGHOME=$PWD/own &&"
        f" {GPG} --batch -q --passphrase '' --quick-gen-key x ed25519 sign never &&"
        f" {GPG} --batch -q -b f; gpgconf --kill all; rm -r own; exit 3",
    )
    assert (done.status, made.exists()) == (75, True), done.err


# The commitment point at gpg-agent.

AT_AGENT = ("--commit-at", "agent")

COMMITS_NOTHING = {
    "no key": "gpg --batch -u nobody@example.org -b f",
    "no file": "gpg --batch -b nonexistent",
    "a change of trust": "printf 'trust\\n5\\ny\\nsave\\n' |"
    " gpg --command-fd 0 --batch --edit-key {key}",
    "keys of its own": "mkdir -m 700 own && export GNUPGHOME=$PWD/own &&"
    " gpg --batch -q --passphrase '' --quick-gen-key x ed25519 sign never && gpg --batch -q -b f;"
    " gpgconf --kill all; rm -r own",
    "--homedir": "mkdir -m 700 own; gpg --homedir own --batch -q --passphrase '' --quick-gen-key x;"
    " gpgconf --homedir own --kill all; rm -r own",
}


@pytest.mark.parametrize("name", COMMITS_NOTHING)
def test_a_gpg_that_makes_no_signature_commits_nothing(login: Login, made: Path, name: str) -> None:
    before = login.signings()
    command = COMMITS_NOTHING[name].format(key=login.key.fingerprint)
    done = login.locked(f"{command}; false", *AT_AGENT)
    assert done.status == 75, done.err
    assert login.signings() == before
    assert login.lines()[1:] == ["% exit 1", "retriable"]
    assert "no gpg under the gate" not in login.verdict().meaning


def test_the_same_without_it_is_not_retriable(login: Login, made: Path) -> None:
    done = login.locked(COMMITS_NOTHING["no key"])
    assert login.verdict().outcome is Outcome.IRRECOVERABLE, done.err
    assert "committed, and gpg-agent made no signature through the lock" in done.err


def test_the_first_signature_is_the_commitment_point(login: Login, made: Path) -> None:
    done = login.locked("gpg --batch -b f", *AT_AGENT)
    assert (done.status, made.exists()) == (0, True), done.err
    assert login.verdict().outcome is Outcome.UPLOADED
    assert login.lines()[1] == "$ gpg --batch -b f"
    assert [type(each) for each in login.notes()][:2] == [r.Client, r.AtAgent]


def test_the_first_signature_can_be_refused(login: Login, made: Path) -> None:
    before = login.signings()
    done = login.locked("gpg --batch -b f", *AT_AGENT, commit=REFUSE)
    assert (done.status, made.exists()) == (77, False), done.err
    assert login.signings() == before


@pytest.mark.parametrize(
    "round_it", ["gpg --homedir {home}", "env -u GNUPGHOME gpg", "GNUPGHOME={home} gpg"]
)
def test_a_call_that_goes_round_the_lock_still_asks(
    login: Login, made: Path, round_it: str
) -> None:
    before = login.signings()
    command = f"{round_it.format(home=login.key.home)} --batch -b f"
    done = login.locked(command, *AT_AGENT, commit=REFUSE)
    assert (done.status, made.exists()) == (77, False), done.err
    assert "gpg: gpgshim refuses: the authority refused" in done.err
    assert login.signings() == before


def test_it_needs_the_lock(login: Login) -> None:
    done = login.gpgshim("run", *AT_AGENT, "--", "true")
    assert (done.status, "--commit-at agent needs --lock-agent" in done.err) == (64, True)


# Nothing else changes.


def test_the_home_has_the_same_files(login: Login, made: Path) -> None:
    names = "pubring.kbx trustdb.gpg private-keys-v1.d"
    inodes = f"for name in {names}; do stat -Lc %d:%i $GNUPGHOME/$name; done"
    outside = login.call("sh", "-c", inodes, GNUPGHOME=str(login.key.home)).out
    inside = login.locked(f"{inodes} >inodes; readlink $GNUPGHOME >>inodes")
    assert inside.status == 0, inside.err
    assert (login.root / "inodes").read_text() == f"{outside}{login.key.home}\n"


@pytest.mark.parametrize(
    "command",
    [
        f"{GPG} --batch -q --export -a {{key}} >key && {GPG} --batch -q --import key",
        f"{GPG} --batch -q --export-secret-keys -a {{key}} >key",
        f"{GPG} --batch -q --symmetric --pinentry-mode loopback --passphrase x -o f.gpg f &&"
        f" {GPG} --batch -q -d --pinentry-mode loopback --passphrase x f.gpg | cmp - f",
        f"{GPG} --batch -q -K --with-keygrip {{key}}",
        f"{GPG} --batch -q -k {{key}}",
        "gpgconf --kill gpg-agent && gpgconf --launch gpg-agent",
        "gpg-connect-agent 'GETINFO pid' 'KEYINFO --list' /bye",
        "gpg-connect-agent --dirmngr 'GETINFO version' /bye; gpgconf --kill dirmngr",
        "gpgconf --list-components && gpgconf --list-options gpg-agent",
    ],
)
def test_what_does_not_sign_passes(login: Login, made: Path, command: str) -> None:
    before = login.signings()
    done = login.locked(f"{{ {command.format(key=login.key.fingerprint)}; }} >out 2>err; exit 9$?")
    out, err = ((login.root / name).read_text() for name in ("out", "err"))
    assert done.status == 75 and "exit 90" in login.lines()[-2], (out, err)
    assert login.signings() == before and login.lines()[-1] == "retriable"


def test_an_import_in_the_job_is_an_import_in_the_home(login: Login, made: Path) -> None:
    login.call(
        "sh",
        "-c",
        f"mkdir -m 700 other; {GPG} --homedir other --batch -q --passphrase ''"
        " --quick-gen-key other@example.org ed25519 sign never;"
        f" {GPG} --homedir other --export >other.key; gpgconf --homedir other --kill all",
    )
    done = login.locked(f"{GPG} --batch -q --import other.key")
    assert done.status == 0, done.err
    assert "other@example.org" in login.call(GPG, "-k").out


def test_an_agent_that_is_not_running_is_started(login: Login, made: Path) -> None:
    """By its real name: the lock's sockets are never those of an agent."""
    login.call("gpgconf", "--kill", "gpg-agent")
    done = login.locked(
        f"{GPG} --batch -b f && ls -A $(dirname $(gpgconf --list-dirs agent-socket))"
    )
    assert (done.status, made.exists()) == (0, True), done.err
    assert (login.sockets / "S.gpg-agent").is_socket()


# Several jobs.


def test_a_held_job_disturbs_nobody(login: Login, made: Path) -> None:
    """Another job, and the user beside them, sign while one job waits for its authority."""
    before = login.signings()
    fifo = login.fifo("held")
    waiting = login.start_locked(f"{GPG} --batch -b f", "--job", "held", commit=f"cat {fifo}")
    journal = login.state / "gpgshim/held.1"
    wait_for(lambda: journal.exists() and b"> commit" in journal.read_bytes(), "the request")
    assert login.call(GPG, "--batch", "-o", "f2.sig", "-b", "f").status == 0
    assert login.locked(f"{GPG} --batch -o f3.sig -b f", "--job", "other").status == 0
    assert login.signings() == before + 2 and made.stat().st_size == 0
    tell(fifo)
    assert finish(waiting).status == 0
    assert login.signings() == before + 3 and made.stat().st_size


def test_many_wait_and_all_are_granted(login: Login, made: Path) -> None:
    count = 200
    fifo = login.fifo("many")
    before = login.signings()
    waiting = login.start_locked(
        f"for i in $(seq {count}); do {GPG} --batch -o f$i.sig -b f & done; wait",
        "--job", "many", commit=f"cat {fifo}",
    )  # fmt: skip
    journal = login.state / "gpgshim/many.1"
    wait_for(lambda: journal.exists() and journal.read_bytes().count(b" $ ") == count, "requests")
    assert login.signings() == before
    tell(fifo)
    assert finish(waiting).status == 0
    assert len(list(login.root.glob("f*.sig"))) == count
    assert login.verdict().signatures == Signatures(count, 0)


# Its end.


def test_a_job_leaves_no_socket(login: Login, made: Path) -> None:
    before = login.socket_directories()
    assert login.locked(f"{GPG} --batch -b f; ls -d /run/user/*/gnupg/d.* >dirs").status == 0
    assert login.socket_directories() == before
    assert len((login.root / "dirs").read_text().splitlines()) > len(before)


def test_an_orphan_of_the_job_cannot_sign(login: Login, made: Path) -> None:
    fifo = login.fifo("orphan")
    orphan = f"cat {fifo}; {GPG} --batch -b f; echo $? >orphan-ended"
    before = login.signings()
    done = login.locked(f"setsid sh -c '{orphan}' >/dev/null 2>&1 & {GPG} --batch -o f2.sig -b f")
    assert done.status == 0, done.err
    assert login.signings() == before + 1
    tell(fifo)
    wait_for((login.root / "orphan-ended").exists, "the orphan's end")
    assert login.signings() == before + 1 and not made.exists()


def test_supervise_gives_the_shell_the_lock(login: Login, made: Path) -> None:
    before = login.signings()
    gpgshim = f"{PYTHON if login.is_root else 'python3'} -m gpgshim"
    script = (
        f'line=$({gpgshim} supervise --lock-agent --job shell --commit true) && eval "$line" &&'
        f" {GPG} --batch -b f && {gpgshim} close --status 0; {GPG} --batch -o f2.sig -b f"
    )
    done = login.call("sh", "-c", script)
    assert "uploaded\n" in done.out, done.err
    assert made.exists() and not (login.root / "f2.sig").exists()
    assert login.signings() == before + 1


@pytest.mark.parametrize("options", [(), AT_AGENT], ids=["gpg", "agent"])
def test_sockets_that_were_removed_are_not_denied(
    login: Login, made: Path, options: tuple[str, ...]
) -> None:
    """As at a logout, with /run/user/UID. A gpg then starts an agent of its own, and signs."""
    done = login.locked(
        "d=$(dirname $(gpgconf --list-dirs agent-socket)); chmod 700 $d; rm $d/S.*;"
        f" {GPG} --batch -b f; gpgconf --kill all; exit 3",
        *options,
    )
    assert (done.status, made.exists()) == (3, True), done.err
    assert login.lines()[-3:] == ["% exit 3", "% unlocked", "irrecoverable"]
    verdict = login.verdict()
    assert (verdict.outcome, verdict.signatures) == (Outcome.IRRECOVERABLE, None)
    assert "may have made signatures past the lock" in done.err


# Where there can be no lock.


def test_without_a_runtime_directory_nothing_is_started(login: Login, made: Path) -> None:
    skips.unless_root("for a mount namespace without /run/user/UID")
    hidden = login.root / "hidden"
    hidden.mkdir(exist_ok=True)
    session, login.session = login.session, hidden
    try:
        done = login.locked("touch f.sig")
    finally:
        login.session = session
    assert (done.status, made.exists()) == (78, False), done.err
    assert f"because /run/user/{login.user} does not exist" in done.err
    assert "nothing was started" in done.err and "hint: " in done.err


def test_for_root_nothing_is_started(login: Login, made: Path) -> None:
    """Root can create an agent's socket in any directory."""
    skips.unless_root("because the lock refuses root")
    (login.session / "0").mkdir(0o700, exist_ok=True)
    own = {"XDG_RUNTIME_DIR": "/tmp", "XDG_STATE_HOME": "/tmp", "XDG_CONFIG_HOME": "/tmp"}
    user, login.user = login.user, 0
    try:
        done = finish(login.start(*login.words("touch f.sig", commit="true"), **own))
    finally:
        login.user = user
        login.give_away()
    assert (done.status, made.exists()) == (78, False), done.err
    assert "although its mode is 0500" in done.err


def test_a_home_that_does_not_exist(login: Login, made: Path) -> None:
    done = finish(login.start(*login.words("touch f.sig", commit="true"), GNUPGHOME="/nonexistent"))
    assert (done.status, made.exists()) == (78, False), done.err
    assert "--lock-agent=alias: there is no /nonexistent" in done.err


def test_observe_mode_has_no_lock(login: Login, made: Path) -> None:
    done = login.locked(f"{GPG} --batch -b f", "--observe")
    assert (done.status, made.exists()) == (0, True), done.err
    assert "agent" not in login.journal().head
