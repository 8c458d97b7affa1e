# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of one attempt, as one JSON object: for --result, `close --json` and the alarm.

Rule 1: pure: a journal's bytes in, an object out. It claims no more than verdict.judge does, and a
file that is not a journal has a result too.
Rule 2: result.schema.json has every field with its meaning, and tests check each result by it.
Rule 3: the object is stable: fields may be added; none is removed or changes its meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from gpgshim.core import memory
from gpgshim.core import records as r
from gpgshim.core.causes import UNREADABLE
from gpgshim.core.gate import Outcome
from gpgshim.core.need import need_of
from gpgshim.core.quoting import QuoteError, escape, unquote
from gpgshim.core.transcript import KEYS, TranscriptError, parse
from gpgshim.core.verdict import Verdict, judge_bytes
from gpgshim.core.wording import describe
from gpgshim.summary.events import Kind
from gpgshim.summary.story import Story, StoryEvent, tell
from gpgshim.summary.times import beginning, utc

VERSION = 1  #: of the object; it grows when a field is removed or changes its meaning

#: Returns the keys that a command line of gpg names for its signature.
KeysOf = Callable[[Sequence[str]], Sequence[str]]


def no_keys(words: Sequence[str]) -> Sequence[str]:
    """For a caller that has no option table of the gpg, so that nothing can be read."""
    return ()


def result_of(
    job: str,
    attempt: int,
    path: str,
    data: bytes,
    under_way: bool = False,
    read_keys: KeysOf = no_keys,
    not_started: str | None = None,
) -> dict[str, Any]:
    """The result of the attempt whose journal, at `path`, holds `data`. Raises nothing.

    `under_way` says whether its supervisor is alive; if the outcome is on disk, the supervisor is
    only finishing. `read_keys` gets the words of a gpg's command line after `gpg`. `not_started`
    says why the caller started no attempt, if this is the earlier attempt that stands.
    """
    result = {
        "version": VERSION,
        "job": job,
        "attempt": attempt,
        "journal": path,
        "not_started": not_started,
    }
    try:
        story = tell(parse(data))
    except TranscriptError as error:
        found = _of_verdict(judge_bytes(data), under_way)
        return result | found | {"reason": f"{UNREADABLE.reason}: {error}"}
    under_way = under_way and not story.verdict.told
    result |= _of_verdict(story.verdict, under_way)
    started = beginning(story.head.get("started", ""))
    again = story.head.get(memory.AGAIN, "")
    if under_way:
        result["reason"] = f"waits for {story.waits_for}"
    return result | {
        "signatures": _signatures(story, started, read_keys),
        "agent": _agent(story, started),
        "started": utc(started, 0.0),
        "not_retriable_since": utc(started, _no_return(story, under_way)),
        "earlier": story.head.get(memory.EARLIER),
        "again": int(again) if again.isdecimal() else None,
    }


def _of_verdict(verdict: Verdict, under_way: bool) -> dict[str, Any]:
    """What the verdict says; nothing is said of the rest."""
    is_over = not under_way
    return {
        "under_way": under_way,
        "outcome": str(verdict.outcome) if is_over else None,
        "state": str(verdict.state),
        "told": verdict.told,
        "would": verdict.would and str(verdict.would),
        "cause": verdict.why.cause if is_over else None,
        "reason": verdict.why.reason,
        "meaning": verdict.meaning if is_over else None,
        "exit_status": verdict.why.status if is_over else None,
        "signatures": [],
        "agent": None,
        "started": None,
        "not_retriable_since": None,
        "earlier": None,
        "again": None,
        "alarm": _alarm(verdict, under_way),
        "resolved": resolution(verdict.resolved),
    }


def _alarm(verdict: Verdict, under_way: bool) -> str | None:
    need = need_of(verdict, under_way)
    return None if need is None else str(need)


def resolution(resolved: r.Resolved | None) -> dict[str, str] | None:
    """A person's resolution as JSON."""
    if resolved is None:
        return None
    return {
        "as": str(resolved.result),
        "by": resolved.who,
        "at": resolved.when,
        "note": resolved.note,
    }


def _no_return(story: Story, under_way: bool) -> float | None:
    """The time, in seconds since the start, from which on the job was not retriable; or None."""
    if story.no_return is not None:
        return story.events[story.no_return].at
    if story.verdict.outcome is Outcome.IRRECOVERABLE and not under_way:
        return story.seconds  # nothing was committed, but it ended in a way that would fail again
    return None


def _signatures(story: Story, started: datetime | None, read_keys: KeysOf) -> list[dict[str, Any]]:
    """The requests of gpgs that would sign, in the order of the journal, each with its answer."""
    answers = {each.number: each.record for each in story.events if each.kind is Kind.ANSWER}
    asks = [each for each in story.events if isinstance(each.record, r.Request)]
    return [_signature(each, answers.get(each.number), started, read_keys) for each in asks]


def _signature(
    ask: StoryEvent, answer: object, started: datetime | None, read_keys: KeysOf
) -> dict[str, Any]:
    assert isinstance(ask.record, r.Request)
    return {
        "command": ask.record.call,
        "known": isinstance(ask.record, r.SignRequest),
        "granted": isinstance(answer, r.Granted),
        "refused": str(answer.cause) if isinstance(answer, r.Denied) else None,
        "keys": [escape(key) for key in read_keys(_words(ask.record.call))],
        "files": [
            {"name": escape(each.file), "sha256": each.digest}
            for each in ask.about
            if isinstance(each, r.FileDigest)
        ],
        "unread": [
            describe(each)
            for each in ask.about
            if isinstance(each, (r.FileTooLarge, r.FilesLeftOut, r.FilesUnread))
        ],
        "at": utc(started, ask.at),
    }


def _agent(story: Story, started: datetime | None) -> dict[str, Any] | None:
    """The signatures that gpg-agent made through its lock; None for a job without the lock."""
    counted = story.verdict.signatures
    if counted is None:
        return None
    made = {
        each.record.signature: isinstance(each.record, r.Signed)
        for each in story.events
        if isinstance(each.record, (r.Signed, r.Unsigned))
    }
    return {
        "home": story.head["agent"],
        "made": counted.made,
        "unknown": counted.unknown,
        "keys": story.head[KEYS].split() if KEYS in story.head else None,
        "by_other_keys": sum(isinstance(each.record, r.OtherKey) for each in story.events),
        "signatures": [
            {
                "made": made.get(each.record.signature),
                "key": each.record.key,
                "algorithm": each.record.algorithm,
                "digest": each.record.digest,
                "command": each.record.command,
                "at": utc(started, each.at),
            }
            for each in story.events
            if isinstance(each.record, r.Forwarded)
        ],
    }


def _words(call: str) -> list[str]:
    """The words after `gpg`; none if the line was not written by this version."""
    try:
        return unquote(call)[1:]
    except QuoteError:
        return []
