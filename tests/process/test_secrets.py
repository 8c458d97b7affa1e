# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does no passphrase and no control character get into a journal, a message or a display?"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpgshim.core.transcript import parse
from gpgshim.gpgargs.text import printable
from tests.support.scratch import GPG, REFUSE, Scratch, hear, tell

SECRET = "hunter2"
SPELLINGS = [f"--passphrase {SECRET}", f"--passphrase={SECRET}", f"--passphrase 'a {SECRET}'"]


def files_below(root: Path) -> Iterator[bytes]:
    for path in root.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("commit", ["true", REFUSE])
def test_no_place_has_it(scratch: Scratch, spelling: str, commit: str) -> None:
    """Journal, head, record, page, show, status, messages, replay; and gpg itself gets it."""
    command = f"gpg --batch {spelling} -s f; gpg --batch --quick-sign-kez {spelling}; true"
    said = [scratch.run(command, "--commit", commit, "--record", "record")]
    assert "$ gpg --batch" in "\n".join(scratch.lines())
    assert "command: sh -c 'gpg --batch --passphrase" in str(scratch.journal())
    journal = str(scratch.journals()[-1])
    said += [
        scratch.gpgshim("show", "j"),
        scratch.gpgshim("show", "j", "--html", "page"),
        scratch.gpgshim("status"),
        scratch.gpgshim("status", "--json"),
        scratch.gpgshim("replay", journal),
    ]
    kept = [(scratch.root / name).read_text() for name in ("record", "page")]
    shown = "".join([done.out + done.err for done in said] + kept + [Path(journal).read_text()])
    assert SECRET not in shown
    assert "********" in shown
    if commit == "true":
        assert SECRET in "".join(scratch.calls())
    assert SECRET.encode() not in b"".join(files_below(scratch.state))


def test_an_unknown_command_is_refused_without_it(scratch: Scratch) -> None:
    """The refusal names the command line."""
    (scratch.root / "zap").write_text("x\n")
    gpg = scratch.script(
        "newer",
        f'#!/bin/sh\ncase $1 in --dump-option-table) {GPG} "$1"; echo zap:999:128:x:; exit;; esac\n'
        f'exec {GPG} "$@"\n',
    )
    command = f"gpg --zap --passphrase {SECRET} f; exit 3"
    done = scratch.run(command, "--gpg", gpg, "--commit", "true")
    assert "gpg: gpgshim refuses: before the commitment, gpg --zap --passphrase" in done.err
    assert SECRET not in done.err + str(scratch.journal())


def test_the_authority_is_named_without_it(scratch: Scratch) -> None:
    commit = f"sh -c 'true --passphrase {SECRET}'"
    done = scratch.run("gpg -s f", "--commit", commit)
    assert done.status == 0
    assert SECRET not in str(scratch.journal()) + done.err


def test_a_supervisor_s_question_is_without_it(scratch: Scratch) -> None:
    """The journal does not contain the secret even while the authority is asked."""
    gate, asked = scratch.fifo("gate"), scratch.fifo("asked")
    ask = scratch.script("ask", f"#!/bin/sh\necho x >{asked}\ncat {gate}\n")
    job = scratch.start_run(f"gpg --passphrase {SECRET} -s f", "--commit", str(ask))
    assert hear(asked) == "x\n"
    assert SECRET not in scratch.journals()[-1].read_text()
    assert SECRET not in scratch.gpgshim("show", "j").out
    tell(gate)
    assert job.wait(30) == 0


@pytest.mark.parametrize("verb", ["explain", "classify"])
@pytest.mark.parametrize(
    "words",
    [
        ["--passphrase", SECRET, "-s", "f"],
        [f"--passphrase={SECRET}", "-s", "f"],
        ["--passphras", SECRET, "-s", "f"],
        ["-s", "f", "--passphrase", SECRET],
        ["-r", f"--passphrase={SECRET}", "-s", "f"],
    ],
)
def test_explain_and_classify(scratch: Scratch, verb: str, words: list[str]) -> None:
    done = scratch.gpgshim(verb, "--", *words)
    assert done.status == 0
    assert SECRET not in done.out + done.err


def test_explain_of_a_conf_file(scratch: Scratch) -> None:
    (scratch.root / "conf").write_text(f'passphrase "{SECRET}"\npassphrase {SECRET}\n')
    done = scratch.gpgshim("explain", "--", "--options", "conf", "-s", "f")
    assert "passphrase ********" in done.out
    assert SECRET not in done.out + done.err


def test_doctor(scratch: Scratch) -> None:
    """It tells what settings of other programs would run."""
    (scratch.root / "home/.gitconfig").write_text(
        f'[gpg]\n\tprogram = "gpg --passphrase {SECRET}"\n'
    )
    plain, in_json = scratch.gpgshim("doctor"), scratch.gpgshim("doctor", "--json")
    assert "--passphrase ********" in plain.out
    assert "--passphrase ********" in in_json.out
    assert SECRET not in plain.out + in_json.out


def test_records_are_for_this_user_alone(scratch: Scratch) -> None:
    record = scratch.root / "record"
    assert scratch.run("true", "--record", record).status == 0
    assert record.stat().st_mode & 0o777 == 0o600
    record.chmod(0o664)
    assert scratch.run("true", "--record", record).status == 0
    assert record.stat().st_mode & 0o777 == 0o664
    assert parse(record.read_bytes()).head["command"] == "sh -c true"


# Control characters.

ODD = "a\x1b[2Jb\x9bc\u202ed\x07"
AWAY = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")

#: Command lines of ours that are wrong, each with an odd word in another place.
WRONG: list[list[str]] = [
    [ODD],
    ["run", f"--{ODD}"],
    ["run", "--job", ODD, "--", "true"],
    ["run", "--gpg", ODD, "--", "true"],
    ["run", "--commit", f"'{ODD}", "--", "true"],
    ["run", "--commit", f"o2m:{ODD}", "--", "gpg", "-s", "f"],
    ["run", "--commit", ODD, "--", "gpg", "-s", "f"],
    ["run", "--deadline", ODD, "--", "true"],
    ["run", "--record", f"none/{ODD}", "--", "true"],
    ["run", "--", ODD],
    ["run", "--", f"./{ODD}"],
    ["close", ODD],
    ["close", "--status", ODD],
    ["show", ODD],
    ["show", f"./{ODD}"],
    ["show", "j", "--html", f"none/{ODD}"],
    ["replay", ODD],
    ["metrics", "--textfile", ODD],
    ["metrics", "--textfile", f"none/{ODD}.prom"],
    ["status", "-n", ODD],
    ["classify", "--gpg", ODD, "--", "-s"],
    ["explain", "--", "-s", ODD],
    ["explain", "--", f"--{ODD}"],
    ["doctor", "--gpg", ODD],
    ["supervise", "--gpg", ODD],
]


@pytest.mark.parametrize("words", WRONG, ids=lambda words: words[0] + " " + words[-1][:4])
def test_no_message_moves_the_cursor(scratch: Scratch, words: list[str]) -> None:
    done = scratch.gpgshim(*words)
    assert not AWAY.search(done.out + done.err), done
    assert "Traceback" not in done.err


PLACES = ["PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "GNUPGHOME"]


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(
    "words",
    [["run", "--", "true"], ["status"], ["config"], ["doctor"], ["show", "j"], ["close"]],
    ids=" ".join,
)
def test_no_message_of_a_place(scratch: Scratch, name: str, words: list[str]) -> None:
    """Directories with odd names, in the environment and below it."""
    directory = scratch.root / ODD
    directory.mkdir(exist_ok=True)
    (directory / "gpgshim").write_text("in the way\n")
    done = scratch.gpgshim(*words, **{name: str(directory)})
    assert not AWAY.search(done.out + done.err), done
    assert "Traceback" not in done.err


def test_no_message_of_a_stunt(scratch: Scratch) -> None:
    """The messages of a stunt contain the job's directory and arguments."""
    directory = scratch.root / ODD
    directory.mkdir()
    os.chmod(directory, 0o700)
    gpgs = directory / "gpg"
    os.symlink(GPG, gpgs)
    command = f"rm '{gpgs}'; gpg -s f; gpg --version; gpgconf --list-components -o 'x/{ODD}'"
    done = scratch.gpgshim(
        "run", "--gpg", str(gpgs), "--", "sh", "-c", command, XDG_RUNTIME_DIR=str(directory)
    )
    assert "gpgshim" in done.err
    assert not AWAY.search(done.out + done.err), done


def test_printable() -> None:
    assert printable("plain ä 中") == "plain ä 中"
    assert printable("a\nb\tc\x1b\x9b\udcff\u202e") == ("a\\nb\\x09c\\x1b\\x9b\\xff\\u202e")
