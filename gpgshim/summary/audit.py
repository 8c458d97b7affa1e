# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a journal knows of one signature: whether gpg-agent made it, and under which grant.

Rule 1: pure: a story in, mentions out.
Rule 2: a signature is known by its key, its hash algorithm and its whole digest. A part of a digest
proves nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.core.wording import describe
from gpgshim.summary.events import Kind
from gpgshim.summary.story import Story, StoryEvent
from gpgshim.summary.times import beginning, utc


class Wanted(NamedTuple):
    """A signature, as the lock of gpg-agent sees it: see core/lockrecords.py."""

    key: str  # its keygrip
    algorithm: str
    digest: str


class Result(StrEnum):
    """What became of a command to make the signature."""

    MADE = "made"  # gpg-agent made it
    UNKNOWN = "unknown"  # gpg-agent got the command, and the journal does not have its answer
    OTHER_KEY = "other-key"  # gpg-agent got the command without a request: see --key
    FAILED = "failed"  # gpg-agent got the command, and did not make it
    NOT_SENT = "not-sent"  # the lock held the command, and gpg-agent did not get it


#: The results with which the signature comes from this attempt, or may come from it.
KNOWN = frozenset({Result.MADE, Result.UNKNOWN, Result.OTHER_KEY})

#: Result -> its sentence. A word in braces is a field of a mention.
SENTENCES = {
    Result.MADE: "gpg-agent made it, as signature {signature}",
    Result.UNKNOWN: "gpg-agent may have made it, as signature {signature}: its answer is not in the"
    " journal",
    Result.OTHER_KEY: "gpg-agent may have made it: it got the command without a request, because"
    " the key is none of --key",
    Result.FAILED: "gpg-agent did not make it, as signature {signature}: {reason}",
    Result.NOT_SENT: "gpg-agent did not get the command for it: {reason}",
}


class Mention(NamedTuple):
    """One command to make the signature. An unknown field is None, or empty.

    `at` is the time in seconds since the job began, and `time` the same in UTC. `signature` is the
    number of the signature in its attempt, `request` that of the request whose grant let it pass.
    `call` is the command line of the process that sent the request, and `process` describes it.
    """

    result: Result
    at: float | None
    time: str | None
    pid: int | None
    command: str
    signature: int | None
    request: int | None
    call: str
    process: str
    reason: str

    @property
    def text(self) -> str:
        """The same for a person, in one line."""
        parts = [SENTENCES[self.result].format_map(self._asdict())]
        if self.request and self.result is not Result.NOT_SENT:
            parts.append(f"under the grant of request {self.request}")
        parts += [self.time or "", self.call, self.process or f"pid {self.pid}"]
        return "; ".join(filter(None, parts))

    @property
    def as_json(self) -> dict[str, Any]:
        """The same as JSON."""
        fields = self._asdict()
        del fields["at"]
        return {key: None if value == "" else value for key, value in fields.items()}


def mentions(story: Story, wanted: Wanted) -> list[Mention]:
    """All commands in a journal to make the signature, in its order."""
    reader = _Reader(story, wanted)
    for event in story.events:
        reader.take(event)
    reader.end()
    return sorted(reader.found, key=lambda each: each.at or 0.0)


class _Reader:
    """Finds the mentions, event by event."""

    def __init__(self, story: Story, wanted: Wanted) -> None:
        self.found: list[Mention] = []
        self._wanted = wanted
        self._started = beginning(story.head.get("started", ""))
        self._asks: dict[int, StoryEvent] = {}
        self._granted: list[StoryEvent] = []
        self._held: dict[int, str] = {}  # requests of the lock for it -> why it was not sent
        self._ends: dict[int, Record] = {
            each.record.signature: each.record
            for each in story.events
            if isinstance(each.record, (r.Signed, r.Unsigned))
        }

    def take(self, event: StoryEvent) -> None:
        """One event."""
        record = event.record
        if event.kind is Kind.ASK:
            self._asks[event.number] = event
            if self._is_held(event):
                self._held[event.number] = "the journal has no answer to this request"
        elif isinstance(record, r.Granted) and event.number:
            self._granted.append(self._asks[event.number])
            self._explain(event, "it was granted, and the attempt ended first")
        elif isinstance(record, r.Denied):
            self._explain(event, record.reason or str(record.cause))
        elif isinstance(record, r.ClientGone):
            self._explain(event, "its process did not wait for the answer")
        elif isinstance(record, r.Forwarded) and self._is_it(record):
            self._forwarded(event, record)
        elif isinstance(record, r.OtherKey) and self._is_it(record):
            self._add(Result.OTHER_KEY, event, record.command, None, record.pid)

    def end(self) -> None:
        """There are no more events."""
        for number, reason in self._held.items():
            ask = self._asks[number]
            (held,) = (each for each in ask.about if isinstance(each, r.AtAgent))
            self._add(Result.NOT_SENT, ask, held.command, ask, reason=reason)

    def _explain(self, event: StoryEvent, why: str) -> None:
        if event.number in self._held:
            self._held[event.number] = why

    def _is_it(self, record: r.Forwarded | r.AtAgent | r.OtherKey) -> bool:
        return Wanted(record.key, record.algorithm, record.digest) == self._wanted

    def _is_held(self, ask: StoryEvent) -> bool:
        return any(isinstance(each, r.AtAgent) and self._is_it(each) for each in ask.about)

    def _forwarded(self, event: StoryEvent, record: r.Forwarded) -> None:
        end = self._ends.get(record.signature)
        ask = self._grant_of(record)
        result, reason = Result.UNKNOWN, ""
        if isinstance(end, r.Signed):
            result = Result.MADE
        elif isinstance(end, r.Unsigned):
            result, reason = Result.FAILED, end.reason
        self._add(result, event, record.command, ask, record.pid, record.signature, reason)

    def _grant_of(self, record: r.Forwarded) -> StoryEvent | None:
        """The request whose grant let the command pass: its own, or that of its process."""
        for ask in reversed(self._granted):
            is_for_one = any(isinstance(each, r.AtAgent) for each in ask.about)
            if _pid_of(ask) != record.pid or (is_for_one and ask.number not in self._held):
                continue
            self._held.pop(ask.number, None)
            return ask
        return None

    def _add(
        self,
        result: Result,
        event: StoryEvent,
        command: str,
        ask: StoryEvent | None,
        pid: int | None = None,
        signature: int | None = None,
        reason: str = "",
    ) -> None:
        client = ask and next((each for each in ask.about if isinstance(each, r.Client)), None)
        self.found.append(
            Mention(
                result,
                event.at,
                utc(self._started, event.at),
                client.pid if client and pid is None else pid,
                command,
                signature,
                ask.number if ask else None,
                ask.record.call if ask and isinstance(ask.record, r.Request) else "",
                describe(client) if client else "",
                reason,
            )
        )


def _pid_of(ask: StoryEvent) -> int | None:
    return next((each.pid for each in ask.about if isinstance(each, r.Client)), None)
