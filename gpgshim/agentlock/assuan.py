# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Assuan, the protocol of gpg-agent, as far as the lock needs it: which command makes a signature.

Rule 1: pure: bytes in, bytes and commands out.
Rule 2: a line is read as libassuan reads it. A line that the agent would take for a command that
signs is never passed unread.
Rule 3: COMMANDS lists the commands that do not pass unread. Every other command passes: a list of
permitted commands would break with each new command of gpg-agent.
Rule 4: a command that signs waits until the agent has answered all earlier commands of its client.
So the agent's next answer is the answer to this command.

Source: src/assuan-buffer.c, assuan-handler.c and assuan-inquire.c of libassuan 2.5.5 and 3.0.1;
agent/command.c and scd/command.c of GnuPG 2.2.40 and 2.4.9.
"""

from __future__ import annotations

import re
from collections.abc import Container
from enum import StrEnum
from typing import NamedTuple

LONGEST = 1002  #: bytes of a line with its line feed: libassuan's LINELENGTH; more end a connection

#: GPG_ERR_SOURCE_GPGAGENT (4) << 24 | GPG_ERR_FORBIDDEN (251): the agent's own answer in its
#: restricted mode.
FORBIDDEN = 4 << 24 | 251

NONE = "-"  #: in place of a keygrip, an algorithm or a digest that is not known


class Treatment(StrEnum):
    """The treatment of a command."""

    HOLD = "hold"  # it makes a signature: it waits for the gate
    NOTE = "note"  # it passes, and the journal has it
    PASS = "pass"  # it passes unread


H, N, P = Treatment.HOLD, Treatment.NOTE, Treatment.PASS

SIGN = "PKSIGN"  #: the command that signs with the key of SIGKEY
OTHER = ""  #: the row of every command that has none of its own

#: A command of gpg-agent, or `SCD` and a command of scdaemon -> its treatment.
COMMANDS: dict[str, Treatment] = {
    SIGN: H,  # signs the digest of SETHASH with the key of SIGKEY
    "SCD PKSIGN": H,  # the same, by a card
    "SCD PKAUTH": H,  # a card signs a challenge, which can be the digest of a file
    "SCD APDU": H,  # any command of the card, so also the one that signs
    "PKDECRYPT": N,  # with an RSA key, the decryption of a chosen number is a signature
    "SCD PKDECRYPT": N,  # the same, by a card
    "EXPORT_KEY": N,  # makes no signature, but the client then has the key
    OTHER: P,  # makes no signature; also each command that a later gpg-agent may have
}

#: The names of hash algorithms in SETHASH -> their numbers in OpenPGP, which libgcrypt has too.
HASHES = {
    "md5": "1",
    "sha1": "2",
    "rmd160": "3",
    "sha256": "8",
    "sha384": "9",
    "sha512": "10",
    "sha224": "11",
}

_BLANKS = re.compile(rb"[ \t]+")
_KEYGRIP = re.compile(rb"[0-9A-Fa-f]{40}")
_DIGEST = re.compile(rb"[0-9A-Fa-f]{2,256}")
_NUMBER = re.compile(rb"[0-9]{1,4}")


class Violation(ValueError):
    """The client does not follow the protocol, so the connection must end. The message says how."""


class Command(NamedTuple):
    """A command that does not pass unread. `raw` is its line, with the line feed.

    `key` is the keygrip of SIGKEY in hex, `algorithm` the hash algorithm's number in OpenPGP, and
    `digest` the value of SETHASH in hex; each is NONE if it is not known.
    """

    name: str
    raw: bytes
    key: str = NONE
    algorithm: str = NONE
    digest: str = NONE

    @property
    def treatment(self) -> Treatment:
        """The row of the command."""
        return COMMANDS[self.name]

    def may_use(self, keys: Container[str]) -> bool:
        """Whether it may sign with one of these keys (keygrips)."""
        return self.key == NONE or self.key in keys


class Answer(NamedTuple):
    """The agent's answer to a command that signs: `code` is 0 for OK."""

    code: int
    text: str = ""


def content_of(raw: bytes) -> bytes:
    """The part of a complete line that libassuan reads: without its end, and up to a NUL."""
    return raw.removesuffix(b"\n").removesuffix(b"\r").partition(b"\0")[0]


def words_of(raw: bytes) -> list[bytes]:
    """The words of a complete line; the first is in upper case, and empty after a leading blank."""
    first, *others = _BLANKS.split(content_of(raw))
    return [first.upper(), *others]


def command_of(words: list[bytes]) -> str:
    """The key in COMMANDS of a line with these words."""
    name = words[0]
    if name == b"SCD" and len(words) > 1:
        name += b" " + words[1].upper()
    found = name.decode("latin-1")
    return found if found in COMMANDS else OTHER


def refusal(why: str) -> bytes:
    """The answer to a command that is refused; `why` is for people."""
    shown = "".join(each if each.isascii() and each.isprintable() else " " for each in why)
    return f"ERR {FORBIDDEN} Forbidden <gpgshim: {shown[:800]}>\n".encode("ascii")


class Conversation:
    """One connection to the agent: the bytes of the client, and those of the agent.

    The caller passes all bytes of the agent to the client, and tells hear_agent(). It tells
    hear_client() what the client sends, and passes to the agent what take() returns.
    """

    def __init__(self) -> None:
        self._unread = b""  # from the client
        self._unheard = b""  # from the agent: the beginning of an incomplete line
        self._key = self._algorithm = self._digest = NONE
        self._due = 1  # answers that the agent owes; it begins with a greeting
        self._in_inquiry = False  # whether the agent waits for data from the client
        self._is_confused = False  # whether the client sent more than it could know to be due
        self._signs = False  # whether the agent's next answer is that to a command that signs

    @property
    def unread(self) -> int:
        """The bytes of the client that were not passed or taken."""
        return len(self._unread)

    @property
    def has_line(self) -> bool:
        """Whether a complete line of the client was not passed or taken."""
        return b"\n" in self._unread

    def hear_client(self, data: bytes) -> None:
        """The client has sent these bytes."""
        self._unread += data

    def take(self) -> tuple[bytes, Command | None]:
        """(bytes to pass to the agent, the command after them that does not pass unread).

        The command is None if the client must send more first, or the agent must answer first. The
        caller calls again after each of the two, and after it has passed or refused the command; it
        tells passes() about a command that it passes. Raises Violation.
        """
        passed = []
        command = None
        at = 0
        while command is None and (end := self._unread.find(b"\n", at) + 1):
            raw = self._unread[at:end]
            words = words_of(raw)
            name = command_of(words)
            self._check(raw, name)
            if COMMANDS[name] is Treatment.HOLD and self._due:
                break
            at = end
            if COMMANDS[name] is Treatment.PASS or self._in_inquiry:
                self._pass(raw, words)
                passed.append(raw)
            else:
                # A card gets its key and its digest by other commands.
                known = (self._key, self._algorithm, self._digest) if name == SIGN else ()
                command = Command(name, raw, *known)
        self._unread = self._unread[at:]
        self._check(self._unread[: LONGEST + 1].partition(b"\n")[0])
        return b"".join(passed), command

    def _check(self, raw: bytes, name: str = OTHER) -> None:
        """Raises Violation for a line that must not reach the agent."""
        if len(raw) > LONGEST:
            raise Violation(f"it sent a line of more than {LONGEST} bytes")
        if COMMANDS[name] is Treatment.HOLD and (self._in_inquiry or self._is_confused):
            raise Violation(f"it sent {name} in place of the data that the agent asked for")

    def passes(self, command: Command) -> None:
        """The agent gets a command that take() returned."""
        self._due += 1
        self._signs = command.treatment is Treatment.HOLD

    def hear_agent(self, data: bytes) -> Answer | None:
        """The agent has sent these bytes; its answer to a command that signs, if it is in them."""
        answer = None
        *lines, rest = (self._unheard + data).split(b"\n")
        self._unheard = rest[:LONGEST]  # a longer line is data, and no answer
        for line in lines:
            word = line.removesuffix(b"\r").split(b" ", 1)[0]
            if word == b"INQUIRE":
                self._in_inquiry = True
                # The data of the client must be its next line, and it has sent other lines already.
                self._is_confused |= self._due > 1
            elif word in (b"OK", b"ERR"):
                self._due -= 1
                self._in_inquiry = False
                if self._signs:
                    self._signs = False
                    answer = _answer_of(line)
        return answer

    def _pass(self, raw: bytes, words: list[bytes]) -> None:
        """A line passes unread, but for the key and the digest of a later signature."""
        line = content_of(raw)
        if self._in_inquiry:
            self._in_inquiry = words[0] not in (b"END", b"CAN")
            self._is_confused |= words[0] not in (b"D", b"END", b"CAN", b"") and line[:1] != b"#"
            return
        if raw in (b"\n", b"\r\n") or line[:1] == b"#":
            return  # libassuan ignores it
        self._due += 1
        match words[0]:
            case b"RESET":
                self._key = self._algorithm = self._digest = NONE
            case b"SIGKEY" | b"SETKEY":
                # The agent knows no option of this command, and then keeps the key that it had.
                self._key = _matched(_KEYGRIP, [each for each in words[1:] if each])
            case b"SETHASH":
                self._hash(words)

    def _hash(self, words: list[bytes]) -> None:
        """SETHASH (--hash=NAME | NUMBER) DIGEST; with --inquire the digest comes later."""
        arguments = _arguments(words)
        named = [each[7:] for each in words if each.startswith(b"--hash=")]
        if named:
            self._algorithm = HASHES.get(named[-1].decode("latin-1"), NONE)
        else:
            number = _matched(_NUMBER, arguments)
            self._algorithm = NONE if number == NONE else str(int(number))
            arguments = arguments[1:]
        self._digest = _matched(_DIGEST, arguments)


def _arguments(words: list[bytes]) -> list[bytes]:
    return [each for each in words[1:] if each and not each.startswith(b"--")]


def _matched(pattern: re.Pattern[bytes], words: list[bytes]) -> str:
    """The first word in upper case, if it is as it must be."""
    return words[0].decode("ascii").upper() if words and pattern.fullmatch(words[0]) else NONE


def _answer_of(line: bytes) -> Answer:
    """The fields of an answer `OK …` or `ERR CODE TEXT`. A code that is no number is 1."""
    word, _, rest = line.removesuffix(b"\r").partition(b" ")
    if word == b"OK":
        return Answer(0)
    code, _, text = rest.partition(b" ")
    number = int(code) if code.isdigit() and len(code) < 12 else 1
    return Answer(number or 1, text.decode("utf-8", "replace"))
