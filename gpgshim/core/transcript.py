# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of a journal: its head, and its lines with their times. A fixture has the same format.

Rule 1: one event is one line of printable ASCII. Other bytes are escaped, and can be restored.
Rule 2: a head key, a sigil or a word that is not in the tables is an error. Nothing is guessed, so
a version that does not know the format of a journal takes the job for unknown.
Rule 3: a last line without a line feed is torn: its text is ignored, but the fact is recorded. The
same holds for a line that is followed by the line `% torn`, which a later writer has put there.

A journal is a head of `key: value` lines, an empty line, and then lines of the form
`[+SECONDS ]SIGIL TEXT`. The last line is an outcome, one word alone. SECONDS is the time since the
start of the job, for people; a replay ignores it. The head's first key is `format`; a journal
without it has format 1. records.py has the kinds of line, codec.py and format1.py their text.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from gpgshim.core import codec, format1
from gpgshim.core.gate import Outcome
from gpgshim.core.quoting import escape

FORMAT = "2"  #: the format that is written

#: Head keys, and the meaning of each value.
HEAD_KEYS = {
    "format": "FORMAT, always the first key; a journal without it has format 1",
    "job": "its name",
    "attempt": "a number, from 1",
    "gpg": "the real one: path and version",
    "authority": "who is asked for the commitment",
    "command": "what ran under the gate",
    "started": "UTC",
    "gpgshim": "the version that wrote this",
    "earlier": "only `none`: when this attempt began, no attempt before it stood",
    "again": "the number of the attempt that stood, and that --again has overridden",
    "directory": "its own, with its stunts and its socket, quoted as for a shell",
    "agent": "the home whose gpg-agent has the lock",
    "commit-at": "only AGENT: a stunt does not ask for a signature that the lock holds",
    "keys": "fingerprints: the lock holds only signatures by these keys",
    "mode": "only OBSERVE: all outputs are what would have been done, and nothing was held",
    "shows": "fixtures: what there is to see",
    "recorded": "fixtures: how it was made",
}

DIRECTORY = "directory"
#: The head keys whose values differ in each run: fixtures do not have them.
OF_ONE_RUN = frozenset({"started", DIRECTORY})

#: Sigils, and the meaning of the text after each.
SIGILS = {
    "$": "input: a call of gpg that would sign",
    "?": "input: a call of gpg with a command that we do not know",
    "<": "input: the authority's answer",
    "%": "input: an event outside the supervisor",
    ">": "output: a line to the authority",
    "!": "output: the state, on disk and synced",
    "=": "output: the answer to a client",
    "#": "a note",
}

ANY = ("", *SIGILS)  #: every sigil; the sigil of an outcome is empty

#: An incomplete line is followed by this, if a record had to be appended after it.
TORN = b"\n% torn\n"

_OUTCOMES = frozenset(map(str, Outcome))

OBSERVE = "observe"  #: the value of the head key `mode`; a real gate's journal has no `mode`

KEYS = "keys"
AGENT = "agent"  #: the value of the head key `commit-at`

_ONLY = {
    "format": FORMAT,
    "mode": OBSERVE,
    "commit-at": AGENT,
}  # head keys that have only one value


class TranscriptError(ValueError):
    """The text is not a transcript. The message names the line and what was seen there."""


class Line(NamedTuple):
    """One line. `sigil` is empty for the outcome; `at` is in seconds since the job began."""

    sigil: str
    text: str
    at: float | None = None

    def __str__(self) -> str:
        clock = "" if self.at is None else f"+{self.at:.3f} "
        return f"{clock}{self.sigil} {self.text}" if self.sigil else f"{clock}{self.text}"


class Entry(NamedTuple):
    """A line as a record, and its time."""

    record: codec.Record
    at: float | None


class Transcript(NamedTuple):
    """The content of a journal. `torn`: its last line is incomplete, and is left out."""

    head: dict[str, str]
    lines: tuple[Line, ...]
    torn: bool

    def read(self, keep: Container[str] = ANY) -> list[Entry]:
        """The records of the lines with a sigil in `keep`. Raises TranscriptError.

        It raises nothing if parse() gave the lines.
        """
        try:
            if "format" in self.head:
                records = [codec.read(x.sigil, x.text) for x in self.lines if x.sigil in keep]
            else:
                by_manager = self.head.get("authority", "").partition(":")[0] == "o2m"
                records = [
                    format1.read1(x.sigil, x.text, by_manager)
                    for x in self.lines
                    if x.sigil in keep
                ]
        except codec.RecordError as error:
            raise TranscriptError(str(error)) from None
        times = (line.at for line in self.lines if line.sigil in keep)
        return [Entry(record, at) for record, at in zip(records, times, strict=True)]

    def __str__(self) -> str:
        return format_head(self.head) + "".join(f"{line}\n" for line in self.lines)


def format_head(head: dict[str, str]) -> str:
    """The head of a journal, with the empty line that ends it. Values are escaped."""
    for key in head:
        if key not in HEAD_KEYS:
            raise TranscriptError(f"unknown head key {key!r}")
    return "".join(f"{key}: {escape(value)}\n" for key, value in head.items()) + "\n"


def parse(data: bytes, keep: Container[str] = ANY, keep_first: Container[str] = ()) -> Transcript:
    """Read a journal, complete or as a crash left it.

    All lines are read and checked. The result holds the lines with a sigil in `keep`, and the first
    line with each sigil in `keep_first`. Raises TranscriptError, which names the line, for anything
    that is not of the format.
    """
    head: dict[str, str] = {}
    lines: list[Line] = []
    kept_first: set[str] = set()
    in_head = True
    check = format1.check
    number = begin = tears = 0
    # Not split(): the journal of a long job is large, and must not be in memory three times.
    while (end := data.find(b"\n", begin)) >= 0:
        if data.startswith(TORN, end):  # the line before it is ignored
            number, begin, in_head, tears = number + 2, end + len(TORN), False, tears + 1
            continue
        number, raw, begin = number + 1, data[begin:end], end + 1
        try:
            text = raw.decode("ascii")
        except UnicodeDecodeError:
            raise TranscriptError(f"line {number}: not ASCII: {raw[:80]!r}") from None
        if not text.isprintable():
            raise TranscriptError(f"line {number}: not printable: {raw[:80]!r}")
        try:
            if not in_head:
                line = parse_line(text)
                check(line.sigil, line.text)
                if line.sigil in keep:
                    lines.append(line)
                elif line.sigil in keep_first and line.sigil not in kept_first:
                    kept_first.add(line.sigil)
                    lines.append(line)
            elif text:
                key, value = _parse_head_line(text)
                if key in head:
                    raise TranscriptError(f"head key {key!r} comes twice")
                if key == "format":
                    if head:
                        raise TranscriptError("head key 'format' is not the first")
                    check = codec.check
                head[key] = value
            else:
                in_head = False
        except (TranscriptError, codec.RecordError) as error:
            raise TranscriptError(f"line {number}: {error}") from None
    return Transcript(head, tuple(lines), torn=tears > 0 or begin < len(data) or in_head)


def _parse_head_line(text: str) -> tuple[str, str]:
    key, colon, value = text.partition(": ")
    if not colon or key not in HEAD_KEYS:
        raise TranscriptError(f"unknown head key in {text[:80]!r}")
    if key in _ONLY and value != _ONLY[key]:
        raise TranscriptError(f"unknown {key} {value[:80]!r}")
    return key, value


def parse_line(text: str) -> Line:
    """One line after the head. Raises TranscriptError for an unknown sigil or outcome."""
    at = None
    if text.startswith("+"):
        clock, _, text = text.partition(" ")
        try:
            at = float(clock)
            if not 0 <= at < float("inf"):
                raise ValueError
        except ValueError:
            raise TranscriptError(f"{clock!r} is not a time") from None
    if text in _OUTCOMES:
        return Line("", text, at)
    sigil, space, rest = text.partition(" ")
    if sigil not in SIGILS or not space:
        raise TranscriptError(f"unknown sigil or outcome in {text[:80]!r}")
    return Line(sigil, rest, at)
