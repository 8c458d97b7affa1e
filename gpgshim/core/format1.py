# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the lines of format 1, the journals of earlier versions. Nothing else understands English.

Rule 1: these journals stay valid, and give the same records as those of format 2.
Rule 2: a note that is not in NOTES becomes a plain note, and a reason that is not in REASONS has no
cause. Both are only shown. A word after `!`, `%` or `=` that was never written is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gpgshim.core import records as r
from gpgshim.core.codec import Process, Record, RecordError, read
from gpgshim.core.quoting import unquote
from gpgshim.core.records import Cause, Delivery, Killing, Unread

#: Words after `%` that have another word in format 2.
RENAMED = {"unkept": "watchdog-ended"}

#: Words after `%` of which format 2 has more fields, or that format 1 did not have.
_OTHERS = {"failed", "watchdog-ended"}

#: The first words of a refusal's reason -> its cause. The first row that fits counts.
REASONS = {
    "the authority did not say go-ahead, but 'refused'": Cause.REFUSED,
    "the authority did not say go-ahead, but 'eof'": Cause.EOF,
    "the authority did not say go-ahead": Cause.UNEXPECTED,
    "the authority did not answer (timeout)": Cause.TIMEOUT,
    "the authority did not answer": Cause.UNREADABLE,
    "before the commitment, ": Cause.UNKNOWN_COMMAND,
    "the job is over": Cause.CLOSED,
    "the gate is closed": Cause.CLOSED,
    "the supervisor cannot go on": Cause.FAILED,
}

_PID = r"pid (\d+|@PID@)"
_REST = r"(.*)"


def _number(text: str) -> int:
    """A number; 0 for a process id that the recorder of a fixture has left out."""
    return 0 if text == "@PID@" else int(text)


def _process(text: str) -> Process:
    name, _, pid = text.removesuffix("]").rpartition("[")
    return Process(_number(pid), name)


def _processes(text: str) -> tuple[Process, ...]:
    return tuple(_process(each) for each in text.split(", ")) if text else ()


def _client(pid: str, where: str, under: str | None) -> Record:
    if "\\" in where:
        raise ValueError("the directory's name cannot be restored")
    return r.Client(_number(pid), "" if where == "?" else where, _processes(under or ""))


def _file(called: str) -> str:
    if called == "its stdin":
        return r.STDIN
    (name,) = unquote(called)
    return name


#: A note's pattern -> the record. A ValueError means that the note is a plain one.
NOTES: dict[str, Callable[..., Record]] = {
    rf"{_PID} in (.*?)(?:, under (.*))?": _client,
    r"sha256 (\S+) (.+)": lambda digest, called: r.FileDigest(digest, _file(called)),
    r"(.+) is too much to hash": lambda called: r.FileTooLarge(_file(called)),
    r"(\d+) more files were not looked at": lambda count: r.FilesLeftOut(_number(count)),
    r"its files were not read within \S+ s, and are not waited for": lambda: r.FilesUnread(
        Unread.TIMEOUT, ""
    ),
    r"its files were not read: the job is over": lambda: r.FilesUnread(Unread.CLOSED, ""),
    r"its files were not read: their reader ended": lambda: r.FilesUnread(Unread.READER_ENDED, ""),
    rf"its files were not read: {_REST}": lambda rest: r.FilesUnread(Unread.FAILED, rest),
    rf"{_PID} was gone before its files were read: {_REST}": lambda pid, rest: r.Withdrawn(
        _number(pid), rest
    ),
    rf"gpg (\d+) \({_PID}\) has ended": lambda request, pid: r.GpgEnded(
        _number(request), _number(pid)
    ),
    rf"{_PID} hung up before it asked: it gave up, or was killed": lambda pid: r.ClientHungUp(
        _number(pid)
    ),
    rf"{_PID} sent no question within (\d+) s": lambda pid, seconds: r.NoRequest(
        _number(pid), _number(seconds)
    ),
    rf"{_PID} made no sense: {_REST}": lambda pid, rest: r.Nonsense(_number(pid), rest),
    rf"{_PID} gave up: {_REST}": lambda pid, rest: r.GaveUp(_number(pid), rest),
    rf"user id (\d+) \({_PID}\) is not ours, and was sent away": (
        lambda user, pid: r.ForeignUser(_number(user), _number(pid))
    ),
    rf"{_PID} is no process of this job, and was sent away": lambda pid: r.ForeignProcess(
        _number(pid)
    ),
    rf"it was not asked: {_REST}": lambda rest: r.NotAsked(rest),
    r"we got (SIG\w+), and the job got it too": lambda name: r.SignalReceived(
        name, Delivery.SHARED
    ),
    r"we got (SIG\w+), and pass it on": lambda name: r.SignalReceived(name, Delivery.PASSED_ON),
    rf"it wrote: {_REST}": lambda rest: r.InvalidReport(rest),
    rf"killed, because the job is over: {_REST}": lambda rest: r.Killed(
        Killing.OVER, _processes(rest)
    ),
    rf"killed, because the manager will be told nothing: {_REST}": lambda rest: r.Killed(
        Killing.DROPPED, _processes(rest)
    ),
    rf"would have been killed, the job is over: {_REST}": lambda rest: r.LeftRunning(
        _processes(rest)
    ),
}
_NOTES = [(re.compile(pattern), make) for pattern, make in NOTES.items()]

_NOT_A_MANAGER_S = re.compile(r"refused|(exit|signal) \d{1,9}")


def read1(sigil: str, text: str, asks_manager: bool = False) -> Record:
    """The record of a line in format 1; `text` is the part after its sigil. Raises RecordError.

    `asks_manager` says whether the authority is a manager: its one line with a meaning is go-ahead.
    """
    match sigil:
        case "#":
            return _read_note(text)
        case "<":
            return _read_answer(text, asks_manager)
        case "=":
            return _read_reply(text)
        case "%":
            return _read_event(text)
    return read(sigil, text)


def check(sigil: str, text: str) -> None:
    """Raises RecordError for a line that read1() would not read."""
    if sigil in ("!", "%") or (sigil == "=" and text != "go"):
        read1(sigil, text)


def _read_note(text: str) -> Record:
    for pattern, make in _NOTES:
        if found := pattern.fullmatch(text):
            try:
                return make(*found.groups())
            except ValueError:
                break
    return r.Note(text)


def _read_answer(text: str, asks_manager: bool) -> Record:
    if text == "go-ahead" or (not asks_manager and _NOT_A_MANAGER_S.fullmatch(text)):
        return read("<", text)
    return r.UnexpectedAnswer(text)


def _read_reply(text: str) -> Record:
    word, _, reason = text.partition(" ")
    if word != "no":
        return read("=", text)
    causes = (cause for start, cause in REASONS.items() if reason.startswith(start))
    return r.Denied(next(causes, Cause.OTHER), reason)


def _read_event(text: str) -> Record:
    word, space, rest = text.partition(" ")
    if word == "failed":
        return r.Failed("unknown", rest)
    if word in _OTHERS:
        raise RecordError(f"unknown word after '%' in {f'% {text}'[:80]!r}")
    return read("%", f"{RENAMED.get(word, word)}{space}{rest}")
