# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are the journals of earlier versions read as the same records, and shown as they were?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gpgshim.core import records as r
from gpgshim.core.codec import Process, Record, RecordError
from gpgshim.core.format1 import NOTES, REASONS, check, read1
from gpgshim.core.records import Cause, Delivery, Killing, Unread
from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.core.verdict import judge
from gpgshim.core.wording import describe

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures/format1").glob("*/*.txt"))

NOTED = {
    "pid 7 in /tmp": r.Client(7, "/tmp", ()),
    "pid 7 in ?": r.Client(7, "", ()),
    "pid 7 in /a, under b[1], under c[2]": r.Client(
        7, "/a", (Process(1, "b"), Process(2, "under c"))
    ),
    "pid @PID@ in @TMP@, under t2u processor [[@PID@]": r.Client(
        0, "@TMP@", (Process(0, "t2u processor ["),)
    ),
    "sha256 5891 'a b'": r.FileDigest("5891", "a b"),
    "sha256 5891 its stdin": r.FileDigest("5891", "-"),
    "'a b' is too much to hash": r.FileTooLarge("a b"),
    "7 more files were not looked at": r.FilesLeftOut(7),
    "its files were not read within 3 s, and are not waited for": r.FilesUnread(Unread.TIMEOUT, ""),
    "its files were not read: the job is over": r.FilesUnread(Unread.CLOSED, ""),
    "its files were not read: their reader ended": r.FilesUnread(Unread.READER_ENDED, ""),
    "its files were not read: Broken pipe": r.FilesUnread(Unread.FAILED, "Broken pipe"),
    "pid 7 was gone before its files were read: gpg -s f": r.Withdrawn(7, "gpg -s f"),
    "gpg 1 (pid 7) has ended": r.GpgEnded(1, 7),
    "pid 7 hung up before it asked: it gave up, or was killed": r.ClientHungUp(7),
    "pid 7 sent no question within 10 s": r.NoRequest(7, 10),
    "pid 7 made no sense: it sent 'x'": r.Nonsense(7, "it sent 'x'"),
    "pid 7 gave up: no socket": r.GaveUp(7, "no socket"),
    "user id 12 (pid 7) is not ours, and was sent away": r.ForeignUser(12, 7),
    "pid 7 is no process of this job, and was sent away": r.ForeignProcess(7),
    "it was not asked: Exec format error": r.NotAsked("Exec format error"),
    "we got SIGINT, and the job got it too": r.SignalReceived("SIGINT", Delivery.SHARED),
    "we got SIGHUP, and pass it on": r.SignalReceived("SIGHUP", Delivery.PASSED_ON),
    "it wrote: message x": r.InvalidReport("message x"),
    "killed, because the job is over: ssh[3]": r.Killed(Killing.OVER, (Process(3, "ssh"),)),
    "killed, because the manager will be told nothing: ": r.Killed(Killing.DROPPED, ()),
    "would have been killed, the job is over: a[1], b[2]": r.LeftRunning(
        (Process(1, "a"), Process(2, "b"))
    ),
}


@pytest.mark.parametrize(("text", "record"), NOTED.items())
def test_a_note_that_was_written(text: str, record: Record) -> None:
    assert read1("#", text) == record


def test_each_row_of_the_notes_is_tried() -> None:
    reached = {pattern for pattern in NOTES for text in NOTED if re.fullmatch(pattern, text)}
    assert reached == set(NOTES)


@pytest.mark.parametrize(
    "text",
    [
        "a word", "gpg x has ended", "gpg", "pid 7 is nobody", "we got HUP", "pid 7 in /, under [",
        r"pid 7 in /a\xff", "sha256 1 'open", f"pid {'9' * 5000} in /", "its files",
        "pid 7 in /, under a[b]",
    ],
)  # fmt: skip
def test_any_other_note_is_a_plain_one(text: str) -> None:
    assert read1("#", text) == r.Note(text)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("the authority did not say go-ahead, but 'refused'", Cause.REFUSED),
        ("the authority did not say go-ahead, but 'eof'", Cause.EOF),
        ("the authority did not say go-ahead, but 'exit 3'", Cause.UNEXPECTED),
        ("the authority did not answer (timeout)", Cause.TIMEOUT),
        ("the authority did not answer (failed Input/output error)", Cause.UNREADABLE),
        ("before the commitment, gpg --bless is not a command that we know", Cause.UNKNOWN_COMMAND),
        ("the job is over", Cause.CLOSED),
        ("the gate is closed", Cause.CLOSED),
        ("the supervisor cannot go on: Input/output error", Cause.FAILED),
        ("/x cannot be run: Exec format error", Cause.OTHER),
        ("", Cause.OTHER),
    ],
)
def test_a_reason_has_a_cause(reason: str, cause: Cause) -> None:
    assert read1("=", f"no {reason}".rstrip()) == r.Denied(cause, reason)


def test_each_row_of_the_reasons_is_reached() -> None:
    for start, cause in REASONS.items():
        assert read1("=", f"no {start}") == r.Denied(cause, start)


@pytest.mark.parametrize(
    ("text", "command", "manager"),
    [
        ("go-ahead", r.GoAhead(), r.GoAhead()),
        ("refused", r.Refused(""), r.UnexpectedAnswer("refused")),
        ("exit 3", r.AnswerExit(3), r.UnexpectedAnswer("exit 3")),
        ("signal 9", r.AnswerSignal(9), r.UnexpectedAnswer("signal 9")),
        ("exit x", r.UnexpectedAnswer("exit x"), r.UnexpectedAnswer("exit x")),
        ("no", r.UnexpectedAnswer("no"), r.UnexpectedAnswer("no")),
    ],
)
def test_only_a_command_or_a_person_can_refuse(text: str, command: Record, manager: Record) -> None:
    assert read1("<", text) == command
    assert read1("<", text, asks_manager=True) == manager


@pytest.mark.parametrize("authority", ["o2m", "o2m:/run/manager"])
def test_a_manager_that_says_refused_leaves_the_commitment_unknown(authority: str) -> None:
    """o2m has no word for a refusal, so nothing is known after this line."""
    text = f"authority: {authority}\n\n! uncommitted\n$ gpg -s\n! unknown\n< refused\n= no x\n"
    assert not judge(parse(text.encode())).refused
    assert judge(parse(text.replace(authority, "false").encode())).refused


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("unkept", r.WatchdogEnded()),
        ("failed no space: x", r.Failed("unknown", "no space: x")),
        ("exit 3", r.Exited(3)),
        ("said uploaded", r.Reported("uploaded")),
        ("eof", r.HungUp()),
    ],
)
def test_an_event(text: str, record: Record) -> None:
    assert read1("%", text) == record


@pytest.mark.parametrize(
    ("sigil", "text"),
    [
        ("%", "watchdog-ended"), ("%", "ended"), ("%", "exit x"), ("%", "gone"), ("=", "yes"),
        ("=", "go on"), ("!", "closed"),
    ],
)  # fmt: skip
def test_a_line_that_was_never_written_is_an_error(sigil: str, text: str) -> None:
    for read in (read1, check):
        with pytest.raises(RecordError):
            read(sigil, text)
    with pytest.raises(TranscriptError, match="line 3: "):
        parse(f"job: j\n\n{sigil} {text}\n".encode())


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_the_notes_of_the_recorded_jobs_are_known_and_shown_as_they_were(path: Path) -> None:
    transcript = parse(path.read_bytes())
    for line, (record, _) in zip(transcript.lines, transcript.read(), strict=True):
        assert type(record) is not r.Note
        if isinstance(record, r.Client | r.FileDigest | r.GpgEnded):
            assert describe(record) == line.text.replace("@PID@", "0")
