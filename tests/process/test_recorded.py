# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can a journal of production be replayed unchanged, and is a recorded run a fixture?

`gpgshim replay` and `run --record` are tested with real processes. The recorded journals are played
over real sockets, as tests/process/test_fixtures.py plays all fixtures.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gpgshim.core.replay import reread
from gpgshim.core.transcript import Transcript, parse
from gpgshim.gpgargs import decision, optiontable
from tests.support.fixtures import FIXTURES, LOCKED
from tests.support.gpgs import NEW, OLD
from tests.support.scratch import REFUSE, Scratch, accept, finish, listening, read_line
from tests.support.stage import Stage, tmp_dir, without_notes

SIGN = "gpg -s f"
SIGNED = """\
! uncommitted
+0.100 $ gpg -s f
+0.100 # pid 7 in /tmp, under sh[6]
+0.110 ! unknown
+0.120 > commit-to-public-upload
+0.130 < go-ahead
+0.140 ! committed
+0.150 = go
+0.200 % exit 0
+0.201 uploaded
"""
HEAD = "job: j\nattempt: 1\ngpg: /usr/bin/gpg 2.2.40\nauthority: nobody\n\n"


def write(scratch: Scratch, name: str, text: str) -> Path:
    path = scratch.root / name
    path.write_text(text)
    return path


def test_all_fixtures_agree(scratch: Scratch) -> None:
    done = scratch.gpgshim("replay", *sorted({path.parent for path in FIXTURES + LOCKED}))
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(
        f"{len(FIXTURES + LOCKED)} agree, 0 differ, 0 are not journals (gpg 2."
    )


def test_production_s_directory_as_it_is(scratch: Scratch) -> None:
    for command in ("exit 3", "gpg --verify f", SIGN):
        scratch.run(command)
    (scratch.state / "gpgshim/.pruned").touch()
    done = scratch.gpgshim("replay", scratch.state / "gpgshim")
    assert (done.status, done.out[:9]) == (0, "3 agree, ")


@pytest.mark.parametrize(
    ("old", "new", "seen"),
    [
        ("= go\n", "= no\n", "'= no' stands where '= go' was due"),
        ("\nuploaded", "\nretriable", "its outcome is uploaded, but it says retriable"),
        ("+0.110 ! unknown\n", "", "where '! unknown' was due"),
        ("$ gpg -s f", "$ gpg --verify f", "was taken for sign, and is pass: "),
        ("$ gpg -s f", "? gpg -s f", "was taken for refuse, and is sign: "),
    ],
)
def test_replay_names_each_difference_and_its_line(
    scratch: Scratch, old: str, new: str, seen: str
) -> None:
    text = HEAD + SIGNED.replace("+0.201 uploaded", "uploaded")
    good, bad = write(scratch, "good.1", text), write(scratch, "bad.1", text.replace(old, new))
    done = scratch.gpgshim("replay", good, bad)
    assert (done.status, done.err) == (1, "")
    *differences, last = done.out.splitlines()
    assert any(line.startswith(f"{bad}: ") and seen in line for line in differences)
    assert last.startswith("1 agree, 1 differ, 0 are not journals")


@pytest.mark.parametrize("text", ["", "no journal\n", "job: j\n\n! what\n", "job: j\nmode: x\n\n"])
def test_a_file_that_is_no_journal(scratch: Scratch, text: str) -> None:
    bad = write(scratch, "bad.1", text + ("" if text else "\xff"))
    differs = write(scratch, "differs.1", HEAD + SIGNED.replace("= go", "= no"))
    done = scratch.gpgshim("replay", differs, bad)
    if text:
        assert done.status == 65
        assert f"{bad} is not a journal: line " in done.err
    else:
        assert done.status == 1  # a journal that a crash tore as it began says nothing
    assert f"{differs}: " in done.out


def test_a_file_that_cannot_be_read(scratch: Scratch) -> None:
    done = scratch.gpgshim("replay", scratch.root / "nonexistent")
    assert done.status == 65
    assert "nonexistent cannot be read: No such file" in done.err


def test_a_torn_journal_and_one_under_way_agree(scratch: Scratch) -> None:
    for cut in range(len(HEAD) + 14, len(HEAD + SIGNED), 7):
        write(scratch, f"j.{cut}", (HEAD + SIGNED)[:cut])
    done = scratch.gpgshim("replay", scratch.root)
    assert done.status == 0, done.out


def test_with_another_gpg(scratch: Scratch) -> None:
    """A gpg that has a command of which the one that was there knew nothing."""
    text = scratch.stand_in().read_text().replace(
        'exec', 'test "$1" = --version || echo bless:599:128; exec'
    )  # fmt: skip
    gpg = scratch.script("next", text)
    journal = write(scratch, "j.1", HEAD + SIGNED.replace("-s f", "--bless f"))
    done = scratch.gpgshim("replay", "--gpg", gpg, journal)
    assert (done.status, "and is refuse: " in done.out) == (1, True)


def read_with(table: optiontable.Table, journal: str) -> list[str]:
    where: list[str] = []

    def read(words: list[str], directory: str) -> decision.Reading:
        where.append(directory)
        return decision.read(words, table, {}, lambda path: None)

    differences = reread(parse(journal.encode()), read)
    return differences or where


@pytest.mark.parametrize("table", [OLD, NEW])
def test_questions_are_read_again(table: optiontable.Table) -> None:
    assert read_with(table, HEAD + SIGNED) == ["/tmp"]
    assert read_with(table, HEAD + SIGNED.replace(", under sh[6]", "")) == ["/tmp"]
    assert read_with(table, HEAD + SIGNED.replace("/tmp", "/a\\xff")) == [""]
    assert read_with(table, HEAD + "! uncommitted\n$ gpg -s f\n") == [""]
    assert read_with(table, HEAD + "! uncommitted\n$ gpg -s f\n! unknown\n") == [""]


def test_a_request_of_the_lock_is_not_read_again() -> None:
    """A call that does not sign, such as --edit-key, may have been one that did."""
    held = "$ gpg --edit-key K\n# client 7 /tmp 6/sh\n# agent AB 8 CD PKSIGN\n"
    assert read_with(NEW, "format: 2\n" + HEAD + "! uncommitted\n" + held) == []


def test_replay_names_a_call_that_is_read_in_another_way() -> None:
    told = read_with(NEW, HEAD + SIGNED.replace("$ gpg -s f", "? gpg -s f"))
    assert len(told) == 1
    assert told[0].startswith("? gpg -s f was taken for refuse, and is sign: ")


@pytest.mark.parametrize("words", ["gpg", "gpg -s <+3 words>", "python3 -s f", "gpg 'x", "''"])
def test_a_call_whose_words_are_not_all_known_is_left_out(words: str) -> None:
    assert read_with(NEW, HEAD + SIGNED.replace("gpg -s f", words)) == []


# --record.


def played(path: Path) -> Transcript:
    """The journal of a run that plays the fixture at `path`. It must equal the fixture."""
    transcript = parse(path.read_bytes())
    with tmp_dir() as scratch:
        assert Stage(scratch, transcript).play() == without_notes(transcript)
    return transcript


@pytest.mark.parametrize(
    ("command", "options", "status"),
    [
        (f"{SIGN} && {SIGN}", (), 0),
        (f"{SIGN}; exit 3", ("--commit", "true"), 3),
        (SIGN, ("--commit", REFUSE), 77),
        (SIGN, ("--commit", "sh -c 'exit 9'"), 2),
        ("exit 3", ("--commit", "true"), 75),
        ("kill -KILL $$", (), 75),
        (f"{SIGN}; exit 3", ("--observe", "--commit", REFUSE), 3),
    ],
)
def test_a_recorded_run_is_a_fixture(
    scratch: Scratch, command: str, options: tuple[str, ...], status: int
) -> None:
    path = scratch.root / "run.txt"
    assert scratch.run(command, *options, "--record", path).status == status
    assert scratch.gpgshim("replay", path).status == 0
    transcript = played(path)
    assert list(transcript.head)[:3] == ["format", "shows", "recorded"]
    assert transcript.head["shows"].startswith(f"{transcript.lines[-1].text}: ")
    assert "started" not in transcript.head
    assert [str(x) for x in transcript.lines if x.sigil != "#"] == scratch.lines()


def test_a_recorded_manager_s_socket_is_one_that_can_be_made(scratch: Scratch) -> None:
    path, manager = scratch.root / "run.txt", scratch.root / "manager"
    with listening(manager) as listener:
        process = scratch.start_run(SIGN, "--commit", f"o2m:{manager}", "--record", path)
        with accept(listener) as peer:
            read_line(peer)
            peer.sendall(b"go-ahead\n")
            assert finish(process).status == 0
    transcript = played(path)
    assert transcript.head["authority"] == "o2m:@TMP@/manager"
    assert str(manager) not in str(transcript)


def test_a_record_that_cannot_be_written_changes_nothing(scratch: Scratch) -> None:
    done = scratch.run("exit 3", "--record", scratch.root / "nonexistent/x")
    assert done.status == 75
    assert f"--record {scratch.root}/nonexistent/x was not written: " in done.err
