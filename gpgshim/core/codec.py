# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the records of a journal into the lines of format 2, and lines into records.

Rule 1: records.py has the kinds of record. The annotations of a kind say how its line is read, and
FORMS has a row for each type of field.
Rule 2: a start of a line that is not in KINDS is an error, and so is a field that cannot be read:
nothing is guessed. Only a note (`#`) with such a field is shown as it is; it decides nothing.
Rule 3: reading a line without its fields is cheap, because a journal has many notes.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, ClassVar, NamedTuple, Self, dataclass_transform

from gpgshim.core.gate import DURABLE, State
from gpgshim.core.quoting import escape, quote, unquote


class RecordError(ValueError):
    """The text is not a record. The message says what was seen."""


class Process(NamedTuple):
    """A process of the job. A line has `PID/NAME`; people read `NAME[PID]`."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name}[{self.pid}]"


Code = Annotated[str, "one word without quotes"]
Text = Annotated[str, "the rest of the line, for people; what is not printable ASCII is escaped"]
Processes = Annotated[tuple[Process, ...], "the rest of the line"]

#: The start of a line (its sigil, and the word after it if there is one) -> the kind of record.
KINDS: dict[str, type[Record]] = {}

_SIGILS = ("!", "$", "?", ">")  # those after which a line has its text, and no word first


@dataclass_transform(frozen_default=True)
class Record:
    """One line of a journal, without its time.

    A kind of record is a subclass with the start of its line. Records compare by kind and fields.
    They are not dataclasses: to import that module takes longer than the whole core, and each
    supervisor would wait for it.
    """

    start: ClassVar[str] = ""
    fields: ClassVar[tuple[str, ...]] = ()
    is_note: ClassVar[bool] = False
    _forms: ClassVar[tuple[_Form, ...]] = ()
    _is_quoted: ClassVar[bool] = False  # whether the line is one of words quoted as for a shell

    def __init_subclass__(cls, start: str | None = None) -> None:
        if own := cls.__annotations__:
            cls.fields = tuple(own)
            cls._forms = tuple(_form_of(each) for each in own.values())
            cls._is_quoted = any(form.is_quoted for form in cls._forms)
        if start is not None:
            cls.start = start
            cls.is_note = start[:1] == "#"
            KINDS[start] = cls

    def __init__(self, *values: Any, **named: Any) -> None:
        given = dict(zip(self.fields, values, strict=False)) | named
        if len(values) + len(named) != len(self.fields) or given.keys() != {*self.fields}:
            raise TypeError(f"{type(self).__name__} has the fields {', '.join(self.fields)}")
        vars(self).update(given)

    @classmethod
    def read(cls, rest: str) -> Self:
        """The record whose line ends with `rest`, after its start. Raises ValueError."""
        record = cls.__new__(cls)
        if cls._forms or rest:
            vars(record).update(zip(cls.fields, cls._read_fields(rest), strict=True))
        return record

    @classmethod
    def _read_fields(cls, rest: str) -> list[Any]:
        forms = cls._forms
        last = forms[-1] if forms and forms[-1].is_rest else None
        single = forms[:-1] if last else forms
        if cls._is_quoted:
            parts = unquote(rest) if rest else []
        else:
            parts = rest.split(" ", len(single) if last else -1) if rest or last else []
        if len(parts) != len(single) and (not last or len(parts) < len(single)):
            raise ValueError(f"{len(parts)} fields, and not {len(forms)}")
        values = [form.read(part) for form, part in zip(single, parts, strict=False)]
        if last:
            more = parts[len(single) :]
            values.append(tuple(map(last.read, more)) if last.is_quoted else " ".join(more))
        return values

    @property
    def values(self) -> tuple[Any, ...]:
        """The values of the fields, in the order of the line."""
        return tuple(vars(self)[name] for name in self.fields)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), self.values))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.values))})"


class _Form(NamedTuple):
    """How a field is written and read. `read` raises ValueError."""

    write: Callable[[Any], str]
    read: Callable[[str], Any]
    is_quoted: bool = False  # whether the line is one of words that are quoted as for a shell
    is_rest: bool = False  # whether the field is the rest of the line, which may be empty


def _read_number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ValueError(f"{text[:40]!r} is not a number")
    return int(text)


def _read_state(text: str) -> State:
    if text not in DURABLE:
        raise ValueError(f"{text[:40]!r} is not a state on disk")
    return State(text)


def _read_process(text: str) -> Process:
    pid, _, name = text.partition("/")
    return Process(_read_number(pid), name)


def _write_text(text: str) -> str:
    return text if text.isascii() and text.isprintable() else escape(text)


def _read_code(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError(f"{escape(text[:40])} is not one word of printable characters")
    return text


#: The type of a field -> how it is written and read. Any other type is a StrEnum.
FORMS: dict[Any, _Form] = {
    int: _Form(str, _read_number),
    Code: _Form(_write_text, _read_code),  # it is shown as it is, also on a terminal
    str: _Form(str, str, is_quoted=True),
    Text: _Form(_write_text, str, is_rest=True),
    Processes: _Form(
        lambda one: f"{one.pid}/{one.name}", _read_process, is_quoted=True, is_rest=True
    ),
    State: _Form(str, _read_state),
}


def _form_of(annotation: Any) -> _Form:
    if annotation in FORMS:
        return FORMS[annotation]
    assert issubclass(annotation, StrEnum)
    return _Form(str, annotation)


def text_of(record: Record) -> str:
    """The record's line in format 2, without its time."""
    pairs = list(zip(record._forms, record.values, strict=True))
    if record._is_quoted:
        words: list[str] = []
        for form, value in pairs:
            words += map(form.write, value if form.is_rest else [value])
        rest = quote(words)
    else:
        rest = " ".join(form.write(value) for form, value in pairs)
        if pairs and pairs[-1][0].is_rest and not pairs[-1][1]:
            rest = rest.removesuffix(" ")
    if rest or record.start in _SIGILS:
        rest = f" {rest}"
    return (record.start + rest).removeprefix(" ")  # the outcome has no sigil


def read(sigil: str, text: str) -> Record:
    """The record of a line in format 2; `text` is the part after its sigil. Raises RecordError."""
    kind, rest = _kind_of(sigil, text)
    try:
        return kind.read(rest)
    except ValueError as error:
        if kind.is_note:
            return KINDS["# note"](text)
        raise RecordError(f"{error}, in {_shown(sigil, text)}") from None


def check(sigil: str, text: str) -> None:
    """Raises RecordError for a line that read() would not read. Notes are not read for that."""
    if sigil not in ("$", "?", ">", ""):  # these have any text; parse_line() checks the outcome
        kind, rest = _kind_of(sigil, text)
        if not kind.is_note and (kind.fields or rest):
            read(sigil, text)


def _kind_of(sigil: str, text: str) -> tuple[type[Record], str]:
    """The kind of a line, and the text after its start."""
    if kind := KINDS.get(sigil):
        return kind, text
    word, _, rest = text.partition(" ")
    if kind := KINDS.get(f"{sigil} {word}"):
        return kind, rest
    raise RecordError(f"unknown word after {sigil!r} in {_shown(sigil, text)}")


def _shown(sigil: str, text: str) -> str:
    return repr(f"{sigil} {text}".lstrip()[:80])
