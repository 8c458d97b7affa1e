# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences for people: what a note of a journal says, and why a gpg is refused.

Rule 1: NOTES is total: each kind of note has its sentence. It is shown, and nothing reads it.
Rule 2: the result is printable ASCII, whatever the fields are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gpgshim.core import records as r
from gpgshim.core.codec import Process, Record
from gpgshim.core.quoting import escape, quote
from gpgshim.core.records import Cause, Delivery, Killing, Source, Unread

UNREAD = {
    Unread.TIMEOUT: "reading them took too long",
    Unread.CLOSED: "the job is over",
    Unread.READER_ENDED: "the process that reads them ended",
    Unread.FAILED: "{reason}",
}
SOURCES = {
    Source.PIPE: "a pipe",
    Source.TERMINAL: "a terminal",
    Source.SOCKET: "a socket",
    Source.SHARED: "its stdin, from which it also reads a passphrase or commands",
    Source.OTHER: "its stdin, which is no plain file or pipe",
}
KILLED = {
    Killing.OVER: "because the job is over",
    Killing.DROPPED: "because the manager will hear nothing of this job",
}
DELIVERY = {
    Delivery.SHARED: "the job got it too",
    Delivery.PASSED_ON: "passed it on to the job",
}

#: A kind of note -> its sentence. A word in braces is a field.
NOTES: dict[type[Record], str] = {
    r.Client: "pid {pid} in {directory}",  # and the processes above it
    r.AtAgent: "{command} at gpg-agent: key {key}, hash algorithm {algorithm}, digest {digest}",
    r.Passed: "pid {pid} sent {command} to gpg-agent",
    r.OtherKey: "pid {pid} sent {command} with another key to gpg-agent: key {key}",
    r.FileDigest: "sha256 {digest} {file}",
    r.FileTooLarge: "{file} is too large to be hashed",
    r.FilesLeftOut: "{count} more files were not read",
    r.FilesUnread: "its files were not read: ",  # and UNREAD
    r.DataUnread: "the data is not shown: gpg reads it from ",  # and SOURCES
    r.GitTag: "git tag {tag} of {kind} {object}",
    r.GitCommit: "git commit of tree {tree}: {subject}",
    r.Withdrawn: "pid {pid} was gone before its files were read: {call}",
    r.GpgEnded: "gpg {request} (pid {pid}) has ended",
    r.ClientHungUp: "pid {pid} closed the connection before its request: it gave up, or was killed",
    r.NoRequest: "pid {pid} sent no request within {seconds} s",
    r.Nonsense: "pid {pid} does not follow the protocol: {reason}",
    r.GaveUp: "pid {pid} gave up: {reason}",
    r.ForeignUser: "user id {user} (pid {pid}) is not ours, and was refused",
    r.ForeignProcess: "pid {pid} is no process of this job, and was refused",
    r.NotAsked: "the authority was not asked: {reason}",
    r.SignalReceived: "gpgshim got {signal}, and {delivery}",
    r.OutOfTime: "the time for all attempts is over",
    r.InvalidReport: "dgit-repos-server wrote: {text}",
    r.Killed: "killed, {cause}: {processes}",
    r.LeftRunning: "would have been killed, because the job is over: {processes}",
    r.Note: "{text}",
}


def names_of(processes: Iterable[Process]) -> str:
    """The processes, `name[pid]` each."""
    return ", ".join(escape(str(each)) for each in processes)


#: The name of a field -> how it is shown, if not as it is.
SHOWN: dict[str, Callable[[Any], str]] = {
    "directory": lambda name: escape(name) or "?",
    "file": lambda name: "its stdin" if name == r.STDIN else quote([name]),
    "signal": escape,
    "digest": escape,
    "object": escape,
    "kind": escape,
    "tree": escape,
    "tag": escape,
    "subject": escape,
    "delivery": lambda each: DELIVERY[each],
    "above": names_of,
    "processes": lambda processes: names_of(processes) or "nothing",
}


def describe(note: Record) -> str:
    """The sentence of a note."""
    shown = {
        name: SHOWN.get(name, str)(value)
        for name, value in zip(note.fields, note.values, strict=True)
    }
    text = NOTES[type(note)]
    match note:
        case r.Client(above=above) if above:
            text += ", under {above}"
        case r.FilesUnread(cause=cause):
            text += UNREAD[cause]
        case r.DataUnread(source=source):
            text += SOURCES[source]
        case r.Killed(cause=why):
            shown["cause"] = KILLED[why]
    return text.format_map(shown)


#: What made the authority's answer no go-ahead -> the cause and the reason of the refusals.
NOT_GO_AHEAD: dict[type[Record], tuple[Cause, str]] = {
    r.Refused: (Cause.REFUSED, "the authority refused"),
    r.AnswerExit: (Cause.UNEXPECTED, "the authority's command ended with status {status}"),
    r.AnswerSignal: (Cause.UNEXPECTED, "the authority's command was killed by signal {signal}"),
    r.Contradicted: (
        Cause.UNEXPECTED,
        "the authority's command exited with 0, but its last line says: refused {reason}",
    ),
    r.UnexpectedAnswer: (Cause.UNEXPECTED, "the authority did not say go-ahead, but {line!r}"),
    r.HungUp: (Cause.EOF, "the authority closed the connection"),
    r.TimedOut: (Cause.TIMEOUT, "the authority did not answer in time"),
    r.Failed: (Cause.UNREADABLE, "the authority's answer could not be read: {reason}"),
    r.NotAsked: (Cause.NOT_ASKED, "the authority was not asked: {reason}"),
}


def refusal_after(record: Record) -> r.Denied:
    """The refusal of the clients that wait, after `record`, which is in NOT_GO_AHEAD."""
    cause, text = NOT_GO_AHEAD[type(record)]
    if isinstance(record, r.Refused) and record.reason:
        text += ": {reason}"
    return r.Denied(cause, text.format_map(vars(record)))
