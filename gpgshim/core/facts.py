# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of a question to an authority, as one JSON object, and as lines for a person.

Rule 1: pure. The facts are those of the journal's records and of the client's command line.
Rule 2: question.schema.json has every field with its meaning, and tests check each object by it.
Fields may be added; none is removed or changes its meaning while VERSION is the same.
Rule 3: both forms have the same facts in the same order, and both are bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.core.memory import described
from gpgshim.core.question import Before, Question, Who
from gpgshim.core.quoting import escape, is_cut, quote
from gpgshim.core.wording import describe
from gpgshim.gpgargs.signed import OF_DATA, Kind, Signed, what_is_signed

VERSION = 1  #: of the object; it grows when a field is removed or changes its meaning

LONGEST = 4096  #: characters of a text; a longer one is cut
MOST = 100  #: keys and arguments that are named
#: The lines that a person sees, and the characters of each: one screen, and no more than a terminal
#: takes in one write.
MOST_LINES, MOST_TEXT = 12, 300


def object_of(question: Question, who: Who) -> dict[str, Any]:
    """The object, as the schema describes it."""
    occasion, records = question.occasion, question.records
    signed = signed_of(question)
    return {
        "version": VERSION,
        "job": occasion.job,
        "attempt": occasion.attempt,
        "journal": _text(occasion.journal),
        "earlier": [_earlier(occasion.earlier)] if occasion.earlier else [],
        "user": _text(who.user),
        "host": _text(who.host),
        "request": next(_requests(records), None),
        "signature": {
            "kind": str(signed.kind),
            "keys": [_text(each) for each in signed.keys[:MOST]],
            "output": None if signed.output is None else _text(signed.output),
            "arguments": [_text(each) for each in signed.arguments[:MOST]],
            "more_arguments": max(0, len(signed.arguments) - MOST),
        },
        "agent": next(_agent(records), None),
        "git": next(_git(records), None),
        "files": [
            {"name": _text(each.file), "sha256": each.digest}
            for each in records
            if isinstance(each, r.FileDigest)
        ],
        "unread": [_text(describe(each)) for each in _unread(records)],
    }


def signed_of(question: Question) -> Signed:
    """What would be signed, as far as the client's command line tells."""
    if question.words[:1] == ["gpg"]:
        return what_is_signed(question.words[1:], question.occasion.table)
    return Signed(Kind.UNKNOWN, (), None, ())  # no stunt of a job, or it is gone


def lines_of(question: Question, who: Who) -> list[str]:
    """The question for a person, on one screen."""
    lines = list(_lines(question, who))
    shown = [line[:MOST_TEXT] + "..." * (len(line) > MOST_TEXT) for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(f"... and {len(lines) - MOST_LINES} more lines")
    return shown


def _lines(question: Question, who: Who) -> Iterator[str]:
    occasion, records = question.occasion, question.records
    yield f"job {occasion.job}, attempt {occasion.attempt} [{escape(occasion.journal)}]"
    if before := occasion.earlier:
        what = escape(described(before.recalled))
        yield f"earlier: attempt {before.attempt} {what} [{escape(before.journal)}]"
    yield f"user {escape(who.user)} on {escape(who.host)}"
    yield from (each.call for each in records if isinstance(each, r.Request))
    yield from (describe(each) for each in records if isinstance(each, r.Client))
    yield from (describe(each) for each in records if isinstance(each, r.AtAgent))
    yield _signature(signed_of(question))
    yield from (describe(each) for each in records if isinstance(each, (r.GitTag, r.GitCommit)))
    yield from (describe(each) for each in records if isinstance(each, r.FileDigest))
    yield from map(describe, _unread(records))


#: The kind of a signature, for people.
KINDS: dict[Kind, str] = {
    Kind.DETACHED: "a detached signature",
    Kind.INLINE: "a signature packed together with its data",
    Kind.CLEARSIGN: "a signed text",
    Kind.SIGN_ENCRYPT: "a signature, encrypted with its data",
    Kind.NEW_KEY: "the signatures of a new key",
    Kind.CHANGE_KEY: "a change of a key of its own",
    Kind.CERTIFY_KEY: "a certification of a key",
    Kind.REVOKE: "a revocation",
    Kind.INTERACTIVE: "a signature that depends on later input",
    Kind.UNKNOWN: "a signature that the command line does not describe",
}


def _signature(signed: Signed) -> str:
    key = f"key {quote(list(signed.keys))}" if signed.keys else "gpg's default key"
    output = "" if signed.output is None else f", output {quote([signed.output])}"
    is_named = signed.arguments and signed.kind not in OF_DATA
    about = f" ({quote(list(signed.arguments))})" if is_named else ""
    return f"{KINDS[signed.kind]}{about}, by {key}{output}"


def _requests(records: Iterable[Record]) -> Iterator[dict[str, Any]]:
    client = next((each for each in records if isinstance(each, r.Client)), r.Client(0, "", ()))
    for each in records:
        if isinstance(each, r.Request):
            yield {
                "command": each.call,
                "cut": is_cut(each.call),
                "known": isinstance(each, r.SignRequest),
                "pid": client.pid or None,
                "directory": _text(client.directory) if client.directory else None,
                "parents": [{"pid": one.pid, "name": _text(one.name)} for one in client.above],
            }


def _earlier(before: Before) -> dict[str, Any]:
    verdict = before.recalled.verdict
    resolved = verdict.resolved
    return {
        "attempt": before.attempt,
        "journal": _text(before.journal),
        "standing": str(before.recalled.standing),
        "stands": before.recalled.stands,
        "resolved": resolved
        and dict(
            zip(("as", "by", "at", "note"), map(_text, map(str, resolved.values)), strict=True)
        ),
    }


def _agent(records: Iterable[Record]) -> Iterator[dict[str, str]]:
    for each in records:
        if isinstance(each, r.AtAgent):
            key, algorithm, digest, command = each.values
            yield {"command": command, "key": key, "algorithm": algorithm, "digest": digest}


def _git(records: Iterable[Record]) -> Iterator[dict[str, str]]:
    for each in records:
        match each:
            case r.GitTag():
                name = _text(each.tag)
                yield {"what": "tag", "tag": name, "type": each.kind, "object": each.object}
            case r.GitCommit():
                yield {"what": "commit", "tree": each.tree, "subject": _text(each.subject)}


def _unread(records: Iterable[Record]) -> Iterator[Record]:
    kinds = (r.FileTooLarge, r.FilesLeftOut, r.FilesUnread, r.DataUnread)
    return (each for each in records if isinstance(each, kinds))


def _text(text: str) -> str:
    return escape(text)[:LONGEST]
