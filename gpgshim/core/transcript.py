"""The format of a journal; a transcript and a fixture have the same format.

Rule 1: one event is one line of printable ASCII. Other bytes are escaped, and can be restored.
Rule 2: a head key, a sigil or a word that is not in the tables below is an error. Nothing is
guessed.
Rule 3: a last line without a line feed is torn: its text is ignored, but the fact is recorded.

A journal is a head of `key: value` lines, an empty line, and then lines of the form
`[+SECONDS ]SIGIL TEXT`. The last line is an outcome, one word alone. SECONDS is the time since the
start of the job, for people; a replay ignores it.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from gpgshim.core.gate import DURABLE, Outcome

#: Head keys, and the meaning of each value.
HEAD = {
    "job": "its name",
    "attempt": "a number, from 1",
    "gpg": "the real one: path and version",
    "authority": "who is asked for the commitment",
    "command": "what ran under the gate",
    "started": "UTC",
    "gpgshim": "the version that wrote this",
    "mode": "only OBSERVE: all outputs are what would have been done, and nothing was held",
    "shows": "fixtures: what there is to see",
    "recorded": "fixtures: how it was made",
}

#: Sigils, and the meaning of the text after each.
SIGILS = {
    "$": "input: gpg was called, and would sign",
    "?": "input: gpg was called with a command that we do not know",
    "<": "input: the authority said",
    "%": "input: the world did, one of WORLD",
    ">": "output: we said to the authority",
    "!": "output: on disk and synced",
    "=": "output: the stunt was answered",
    "#": "a note, for people",
}

#: First words of a `%` line: events outside the gate.
WORLD = {
    "exit": "N: the job ended with this status",
    "signal": "N: the job was killed by this signal",
    "no-start": "N: the job could not be started; the status is env(1)'s, or 71: not now",
    "end": "the job is over, and nobody said how it went",
    "unkept": "our keeper was killed: the job is over, and nobody would hear our report",
    "said": "TEXT: dgit-repos-server's report; its last line is an outcome",
    "half": "that report is not whole, or the exit status belies it",
    "bypassed": "the job says that it uploaded, and was granted nothing",
    "ungated": "the job's stunts are there no more: its gpg may have been the real one",
    "close": "somebody closed the gate",
    "would": "N: only observed: the stunt dgit would have exited with this status",
    "gone": "N: the stunt that asked as the Nth is there no more",
    "timeout": "the authority did not answer in time",
    "eof": "the authority hung up",
    "failed": "TEXT: an effect could not be performed",
}

ANY = ("", *SIGILS)  #: every sigil; the sigil of an outcome is empty

OUTCOME_WORDS = frozenset(map(str, Outcome))

OBSERVE = "observe"  #: the only value of the head key `mode`; a real gate's journal has no `mode`

LONGEST_LINE = 1 << 16  #: bytes; a longer command line is cut, and says how many words are missing

_BARE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./_~^-")
_ESCAPES = {0x0A: "\\n", 0x09: "\\t", 0x0D: "\\r", 0x27: "\\'", 0x5C: "\\\\"}
_UNESCAPES = {"n": "\n", "t": "\t", "r": "\r", "'": "'", "\\": "\\"}


class TranscriptError(ValueError):
    """The text is not a transcript. The message names the line and what was seen there."""


class Line(NamedTuple):
    """One event. `sigil` is empty for the outcome; `at` is in seconds since the job began."""

    sigil: str
    text: str
    at: float | None = None

    def __str__(self) -> str:
        clock = "" if self.at is None else f"+{self.at:.3f} "
        return f"{clock}{self.sigil} {self.text}" if self.sigil else f"{clock}{self.text}"


class Transcript(NamedTuple):
    """The content of a journal. `torn`: its last line is incomplete, and is left out."""

    head: dict[str, str]
    lines: tuple[Line, ...]
    torn: bool

    def __str__(self) -> str:
        return format_head(self.head) + "".join(f"{line}\n" for line in self.lines)


def escape(text: str) -> str:
    """`text` on one line of printable ASCII; accepts surrogateescape. Not reversible."""
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(b) if 0x20 <= b < 0x7F else _ESCAPES.get(b, f"\\x{b:02x}") for b in raw)


def quote(words: list[str]) -> str:
    """`words` in a form that a shell can read, cut at LONGEST_LINE. unquote() is the inverse."""
    done: list[str] = []
    room = LONGEST_LINE
    for word in words:
        text = _quote_word(word.encode("utf-8", "surrogateescape"))
        room -= len(text) + 1
        if room < 0:
            done.append(f"<+{len(words) - len(done)} words>")
            break
        done.append(text)
    return " ".join(done)


def _quote_word(word: bytes) -> str:
    if word and all(b in _BARE for b in word):
        return word.decode("ascii")
    if all(0x20 <= b < 0x7F and b != 0x27 for b in word):
        return f"'{word.decode('ascii')}'"
    return "$'" + "".join(
        chr(b) if 0x20 <= b < 0x7F and b not in _ESCAPES else _ESCAPES.get(b, f"\\x{b:02x}")
        for b in word
    ) + "'"  # fmt: skip


def unquote(text: str) -> list[str]:
    """The words that quote() got, without those that it cut off.

    Raises TranscriptError for text that quote() cannot have written.
    """
    words: list[str] = []
    at = 0
    while at < len(text):
        if text.startswith("$'", at):
            word, at = _unescape(text, at + 2)
        elif text[at] == "'":
            end = text.find("'", at + 1)
            if end < 0:
                raise TranscriptError(f"a quote is not closed in {text!r}")
            word, at = text[at + 1 : end], end + 1
        else:
            end = at
            while end < len(text) and ord(text[end]) in _BARE:
                end += 1
            if end == at:
                if words and text.startswith("<+", at) and text.endswith(" words>"):
                    return words
                raise TranscriptError(f"{text[at]!r} is not quoted in {text!r}")
            word, at = text[at:end], end
        words.append(word)
        if at < len(text):
            if text[at] != " ":
                raise TranscriptError(f"no space between words in {text!r}")
            at += 1
    return words


def _unescape(text: str, at: int) -> tuple[str, int]:
    raw = bytearray()
    while at < len(text) and text[at] != "'":
        if text[at] != "\\":
            raw += text[at].encode()
            at += 1
            continue
        code = text[at + 1 : at + 2]
        if code == "x":
            try:
                raw.append(int(text[at + 2 : at + 4], 16))
            except ValueError:
                raise TranscriptError(f"\\x needs two hex digits in {text!r}") from None
            at += 4
        elif code in _UNESCAPES and code:
            raw += _UNESCAPES[code].encode()
            at += 2
        else:
            raise TranscriptError(f"unknown escape \\{code} in {text!r}")
    if at >= len(text):
        raise TranscriptError(f"a quote is not closed in {text!r}")
    return raw.decode("utf-8", "surrogateescape"), at + 1


def format_head(head: dict[str, str]) -> str:
    """The head of a journal, with the empty line that ends it. Values are escaped."""
    for key in head:
        if key not in HEAD:
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
    number = begin = 0
    # Not split(): the journal of a long job is large, and must not be in memory three times.
    while (end := data.find(b"\n", begin)) >= 0:
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
                if line.sigil in keep:
                    lines.append(line)
                elif line.sigil in keep_first and line.sigil not in kept_first:
                    kept_first.add(line.sigil)
                    lines.append(line)
            elif text:
                key, value = _parse_head_line(text)
                if key in head:
                    raise TranscriptError(f"head key {key!r} comes twice")
                head[key] = value
            else:
                in_head = False
        except TranscriptError as error:
            raise TranscriptError(f"line {number}: {error}") from None
    return Transcript(head, tuple(lines), torn=begin < len(data) or in_head)


def _parse_head_line(text: str) -> tuple[str, str]:
    key, colon, value = text.partition(": ")
    if not colon or key not in HEAD:
        raise TranscriptError(f"unknown head key in {text[:80]!r}")
    if key == "mode" and value != OBSERVE:
        raise TranscriptError(f"unknown mode {value[:80]!r}")
    return key, value


def parse_line(text: str) -> Line:
    """One line after the head. Raises TranscriptError for an unknown sigil, word or outcome."""
    at = None
    if text.startswith("+"):
        clock, _, text = text.partition(" ")
        try:
            at = float(clock)
            if not 0 <= at < float("inf"):
                raise ValueError
        except ValueError:
            raise TranscriptError(f"{clock!r} is not a time") from None
    if text in OUTCOME_WORDS:
        return Line("", text, at)
    sigil, space, rest = text.partition(" ")
    if sigil not in SIGILS or not space:
        raise TranscriptError(f"unknown sigil or outcome in {text[:80]!r}")
    first = rest.partition(" ")[0]
    if (
        (sigil == "!" and rest not in DURABLE)
        or (sigil == "%" and first not in WORLD)
        or (sigil == "=" and first not in ("go", "no"))
    ):
        raise TranscriptError(f"unknown word after {sigil!r} in {text[:80]!r}")
    return Line(sigil, rest, at)
