# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does every command that signs wait, and does every other byte pass as it is?"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.agentlock import assuan
from gpgshim.agentlock.assuan import (
    COMMANDS,
    FORBIDDEN,
    LONGEST,
    NONE,
    Answer,
    Command,
    Conversation,
    Treatment,
    Violation,
    command_of,
    words_of,
)

GRIP = "ECE10FD1F9AD9A1B3E8B2D9E4A4B29B3E3F9A1C2"
GREETING = b"OK Pleased to meet you, process 4711\n"

HELD = sorted(name for name, row in COMMANDS.items() if row is Treatment.HOLD)


def ready() -> Conversation:
    """A conversation whose agent has sent its greeting."""
    conversation = Conversation()
    assert conversation.hear_agent(GREETING) is None
    return conversation


def name_of(line: bytes) -> str:
    return command_of(words_of(line))


# How a line is read.


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, bytes]:
    """A command that is held, and a line that libassuan takes for it."""
    name = draw(st.sampled_from(HELD))
    blanks = st.text(" \t", min_size=1, max_size=3)
    letters = [draw(st.sampled_from((each.lower(), each))) for each in name.replace(" ", "\0")]
    text = "".join(letters).replace("\0", draw(blanks))
    rest = draw(
        st.sampled_from(("", " ", "\t", " --hash=sha1 X", "\0", "\0junk", " \0", "\t\t-- x"))
    )
    return name, f"{text}{rest}".encode() + draw(st.sampled_from((b"\n", b"\r\n")))


@given(spellings())
def test_a_command_is_found_in_every_spelling(case: tuple[str, bytes]) -> None:
    name, line = case
    assert name_of(line) == name


@pytest.mark.parametrize(
    "line",
    [
        b"PKSIGNX\n", b"XPKSIGN\n", b" PKSIGN\n", b"\tPKSIGN\n", b"PKSIG\n", b"\0PKSIGN\n",
        b"PK\0SIGN\n", b"PKSIGN\rX\n", b"PKSIGN\r\r\n", b"# PKSIGN\n", b"D PKSIGN\n", b"SCD\n",
        b"SCD\0 PKSIGN\n", b"SCD SERIALNO PKSIGN\n", b"SETKEYDESC PKSIGN\n", b"\n", b"\r\n",
        "PK\u017fIGN\n".encode(),  # the case of ASCII letters alone is ignored
    ],
)  # fmt: skip
def test_lines_that_libassuan_takes_for_no_such_command(line: bytes) -> None:
    assert name_of(line) == assuan.OTHER


def test_the_table_holds_what_signs() -> None:
    assert HELD == ["PKSIGN", "SCD APDU", "SCD PKAUTH", "SCD PKSIGN"]
    assert COMMANDS[assuan.OTHER] is Treatment.PASS


@pytest.mark.parametrize("name", [name for name in COMMANDS if name])
def test_every_row_is_reached(name: str) -> None:
    conversation = ready()
    conversation.hear_client(f"{name} x\n".encode())
    assert conversation.take() == (b"", Command(name, f"{name} x\n".encode()))


# What passes.

LINES = st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b"") + b"\n")
HARMLESS = LINES.filter(lambda line: name_of(line) == assuan.OTHER)


@given(st.lists(HARMLESS, max_size=8).map(b"".join), st.integers(1, 30))
def test_all_other_bytes_pass_as_they_are(data: bytes, size: int) -> None:
    """In whatever pieces they come."""
    conversation = ready()
    passed = b""
    for at in range(0, len(data), size):
        conversation.hear_client(data[at : at + size])
        more, command = conversation.take()
        assert command is None
        passed += more
    assert passed == data


ANY = st.one_of(LINES, spellings().map(lambda case: case[1]), st.sampled_from((b"END\n", b"D x\n")))


@given(st.lists(ANY, max_size=8).map(b"".join), st.integers(1, 30), st.booleans())
def test_no_held_line_is_ever_passed_unread(data: bytes, size: int, quiet: bool) -> None:
    conversation = Conversation()
    passed, commands = b"", []
    try:
        for at in range(0, len(data), size):
            conversation.hear_client(data[at : at + size])
            while True:
                more, command = conversation.take()
                passed += more
                if quiet:
                    conversation.hear_agent(b"OK\n" * 100)
                if command is None:
                    break
                commands.append(command.raw)
    except Violation:
        pass
    assert all(COMMANDS[name_of(line)] is Treatment.PASS for line in passed.splitlines(True))
    assert all(COMMANDS[name_of(line)] is not Treatment.PASS for line in commands)


def test_half_a_line_waits_for_its_end() -> None:
    conversation = ready()
    conversation.hear_client(b"NOP\nPKSI")
    assert conversation.take() == (b"NOP\n", None)
    conversation.hear_agent(b"OK\n")
    conversation.hear_client(b"GN")
    assert conversation.take() == (b"", None)
    conversation.hear_client(b"\nNOP\n")
    assert conversation.take() == (b"", Command("PKSIGN", b"PKSIGN\n"))


@pytest.mark.parametrize("data", [b"x" * LONGEST + b"\n", b"x" * (LONGEST + 1), b"x" * (1 << 20)])
def test_a_line_that_libassuan_would_not_read_ends_the_connection(data: bytes) -> None:
    conversation = ready()
    conversation.hear_client(data)
    with pytest.raises(Violation, match="a line of more than 1002 bytes"):
        conversation.take()


def test_the_longest_line_passes() -> None:
    conversation = ready()
    conversation.hear_client(b"x" * (LONGEST - 1) + b"\n" + b"y" * LONGEST)
    assert conversation.take() == (b"x" * (LONGEST - 1) + b"\n", None)


# The key and the digest of a signature.


@pytest.mark.parametrize(
    ("before", "known"),
    [
        (f"SIGKEY {GRIP}\nSETHASH 8 00ff\n", (GRIP, "8", "00FF")),
        (f"setkey\t{GRIP.lower()}\nSETHASH --hash=sha512 AB\n", (GRIP, "10", "AB")),
        (f"SIGKEY {GRIP} x\nSETHASH 010 AB\n", (GRIP, "10", "AB")),
        (f"SIGKEY --another {GRIP}\nSETHASH 8 AB\n", (NONE, "8", "AB")),  # two keys, or an error
        (f"SIGKEY {GRIP}\nRESET\nSETHASH 8 00ff\n", (NONE, "8", "00FF")),
        (f"SIGKEY {GRIP}\nSETHASH 8 AA\nRESET\n", (NONE, NONE, NONE)),
        ("SIGKEY XY\nSETHASH --inquire\n", (NONE, NONE, NONE)),
        ("SIGKEY\nSETHASH x y\n", (NONE, NONE, NONE)),
        ("SETHASH --hash=none AA\n", (NONE, NONE, "AA")),
        ("SETHASH 8 A A\n", (NONE, "8", NONE)),
        ("SETHASH 8 \\xff\n", (NONE, "8", NONE)),
    ],
)
def test_the_journal_gets_key_and_digest(before: str, known: tuple[str, str, str]) -> None:
    conversation = ready()
    conversation.hear_client(f"{before}PKSIGN\n".encode())
    passed, command = conversation.take()
    assert (passed, command) == (before.encode(), None)  # the agent must answer these first
    conversation.hear_agent(b"OK\n" * before.count("\n"))
    passed, command = conversation.take()
    assert command is not None and (passed, command[2:]) == (b"", known)


@pytest.mark.parametrize("line", [each for each in HELD if each != "PKSIGN"])
def test_a_command_to_a_card_has_neither_key_nor_digest_of_the_agent(line: str) -> None:
    conversation = ready()
    conversation.hear_client(f"SIGKEY {GRIP}\nSETHASH 8 00ff\n{line}\n".encode())
    conversation.take()
    conversation.hear_agent(b"OK\nOK\n")
    _, command = conversation.take()
    assert command is not None and command[2:] == (NONE, NONE, NONE)


@pytest.mark.parametrize(("key", "may_use"), [(GRIP, True), (GRIP[::-1], False), (NONE, True)])
def test_a_command_whose_key_is_not_known_may_use_any(key: str, may_use: bool) -> None:
    assert Command("PKSIGN", b"", key).may_use({GRIP}) is may_use


# The agent's answers.


def sign(conversation: Conversation) -> None:
    """A client asks for a signature, and the agent gets the command."""
    conversation.hear_client(b"PKSIGN\n")
    passed, command = conversation.take()
    assert command and not passed
    conversation.passes(command)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"OK\n", Answer(0)),
        (b"OK closing\r\n", Answer(0)),
        (b"ERR 83886179 Operation cancelled <Pinentry>\n",
         Answer(83886179, "Operation cancelled <Pinentry>")),
        (b"ERR 67108881\n", Answer(67108881)),
        (b"ERR\n", Answer(1)),
        (b"ERR 0 x\n", Answer(1, "x")),
        (b"ERR x \xff\n", Answer(1, "\ufffd")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 7, 100])
def test_the_answer_to_a_signature(line: bytes, answer: Answer, size: int) -> None:
    conversation = ready()
    sign(conversation)
    data = b"S PROGRESS x\nD (7:sig-val OK%0AOK\n# OK\n" + line
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    heard = [found for piece in pieces if (found := conversation.hear_agent(piece))]
    assert heard == [answer]
    assert conversation.hear_agent(b"OK\n") is None  # of another command


def test_a_long_line_of_data_is_no_answer() -> None:
    conversation = ready()
    sign(conversation)
    assert conversation.hear_agent(b"D " + b"OK " * 5000) is None
    assert conversation.hear_agent(b"\nOK\n") == Answer(0)


def test_a_signature_waits_for_the_answers_before_it() -> None:
    """Otherwise the OK of another command would count as a signature."""
    conversation = Conversation()
    conversation.hear_client(b"# a comment\n\nNOP\nNOP\nPKSIGN\nNOP\n")
    assert conversation.take() == (b"# a comment\n\nNOP\nNOP\n", None)
    for answer in (GREETING, b"OK\n"):
        conversation.hear_agent(answer)
        assert conversation.take() == (b"", None)
    conversation.hear_agent(b"ERR 1 x\n")
    passed, command = conversation.take()
    assert (passed, command) == (b"", Command("PKSIGN", b"PKSIGN\n"))
    assert conversation.unread == 4
    assert conversation.take() == (b"NOP\n", None)  # after it was refused


def test_a_command_that_is_noted_is_no_signature() -> None:
    conversation = ready()
    conversation.hear_client(b"PKDECRYPT\n")
    passed, command = conversation.take()
    assert command and command.treatment is Treatment.NOTE and not passed
    conversation.passes(command)
    assert conversation.hear_agent(b"OK\n") is None


# Inquiries.


def test_the_data_of_an_inquiry_is_no_command() -> None:
    conversation = ready()
    conversation.hear_client(b"GENKEY\n")
    conversation.take()
    conversation.hear_agent(b"INQUIRE KEYPARAM\n")
    data = b"D (6:genkey\n#x\nD EXPORT_KEY\n\nEND\n"
    conversation.hear_client(data)
    assert conversation.take() == (data, None)
    conversation.hear_agent(b"D x\nOK\n")
    conversation.hear_client(b"PKSIGN\n")
    assert conversation.take()[1] is not None


def test_an_inquiry_during_a_signature() -> None:
    conversation = ready()
    sign(conversation)
    assert conversation.hear_agent(b"INQUIRE PINENTRY_LAUNCHED 4711\n") is None
    conversation.hear_client(b"END\n")
    assert conversation.take() == (b"END\n", None)
    assert conversation.hear_agent(b"OK\n") == Answer(0)


def test_an_inquiry_that_the_agent_ends() -> None:
    conversation = ready()
    conversation.hear_client(b"GENKEY\n")
    conversation.take()
    conversation.hear_agent(b"INQUIRE KEYPARAM\nERR 1 x\n")
    sign(conversation)


@pytest.mark.parametrize("line", [b"PKSIGN\n", b"NOP\nPKSIGN\n"])
def test_a_signature_in_place_of_data_ends_the_connection(line: bytes) -> None:
    conversation = ready()
    conversation.hear_client(b"GENKEY\n")
    conversation.take()
    conversation.hear_agent(b"INQUIRE KEYPARAM\n")
    conversation.hear_client(line)
    with pytest.raises(Violation, match="it sent PKSIGN in place of the data"):
        conversation.take()


def test_data_before_it_was_asked_for_ends_a_later_signature() -> None:
    """The agent's answers cannot be told apart any more."""
    conversation = ready()
    conversation.hear_client(b"GENKEY\nD x\nEND\nPKSIGN\n")
    assert conversation.take() == (b"GENKEY\nD x\nEND\n", None)
    conversation.hear_agent(b"INQUIRE KEYPARAM\n")
    with pytest.raises(Violation):
        conversation.take()


# The refusal.


@given(st.text(max_size=2000))
def test_a_refusal_is_one_line_that_libassuan_reads(why: str) -> None:
    line = assuan.refusal(why)
    assert re.fullmatch(rb"ERR 67109115 Forbidden <gpgshim: [ -~]*>\n", line)
    assert len(line) <= LONGEST and FORBIDDEN == 67109115
