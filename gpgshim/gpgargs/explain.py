# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explains how a gpg command line is parsed: `gpgshim explain` and `gpgshim classify`.

Rule 1: this module decides nothing; every line shows a field of decision.Reading.
Rule 2: each item that gpg reads gets one line, in gpg's order; the verdict comes last.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gpgshim.gpgargs import commands, decision, exits, mask, optiontable, parser
from gpgshim.gpgargs.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


WIDEST = 40  #: columns for the words; a longer word moves its explanation to the right


class BadLine(ValueError):
    """A line is not a valid case. The message names the number of the line."""


def reading(read: decision.Reading, table: optiontable.Table) -> str:
    """How this gpg parses a command line: one line per word, the doubt, the verdict and its rule.

    The content of conf files comes first, as it does for gpg, each under the name of its file.
    """
    rows = [(shown(one), kind(one)) for one in read.options]
    # If gpg rejects an abbreviated option, the word after it, perhaps a secret, counts as a file.
    files = mask.of_words([*(one.text for one in read.options[-1:]), *read.files])
    rows += [(quoted(word), "file") for word in files[len(read.options[-1:]) :]]
    width = min(max((len(left) for left, _ in rows), default=0), WIDEST)
    sources = [one.where.rpartition(":")[0] for one in read.options] + [""] * len(read.files)
    text = [f"gpg {table.version} reads:"]
    for (left, right), source, before in zip(rows, sources, ["", *sources], strict=False):
        if source != before:
            text.append(f" {source or 'the command line'}")
        text.append(f"  {left:{width}}  {right}")
    if read.doubt and read.doubt != read.reason:
        text.append(f"not known: {read.doubt}")
    text.append(f"{read.verdict}: {read.reason}")
    return "".join(f"{printable(line)}\n" for line in text)


def shown(one: parser.Option) -> str:
    """An option with its argument as it was written; from a conf file, with its line number."""
    line = one.where.rpartition(":")[2]
    text = f"{line}: {one.text}" if line else quoted(one.text)
    if one.value is None:
        return text
    is_secret = one.name in mask.SECRETS and one.value
    return f"{text} {mask.MASK if is_secret else quoted(mask.of_text(one.value))}"


def kind(one: parser.Option) -> str:
    """What gpg takes the word for."""
    if one.fault:
        return f"error: {one.fault.partition(': ')[2]}"
    full = "" if one.text.lstrip("-") == one.name else f" {one.name}"
    if one.name in (*exits.AT_ONCE, "version"):
        return f"{one.name}: prints and exits"
    what = "option"
    if one.flags & optiontable.COMMAND and one.name not in commands.NO_COMMAND:
        why = commands.COMMANDS.get(one.name, ("", ""))[1]
        what, full = "command", f"{full}: {why}" if why else full
    return f"{what}{full}" + (", and its argument" if one.value is not None else "")


def quoted(word: str) -> str:
    """The word itself if it is plain, otherwise in quotes and with escapes."""
    plain = word.isprintable() and word and not set(word) & set(" \"'\\")
    return word if plain else json.dumps(word)


def classify_json_lines(
    table: optiontable.Table,
    lines: Iterable[str],
    file_in: Callable[[str], Callable[[str], str | None]],
    environ: Mapping[str, str],
    explain: bool = False,
) -> Iterator[str]:
    """One verdict for each line of `lines`: a word, or with `explain` how each word is read.

    Each line is JSON: an array of strings, or {"argv": […], "env": {…}, "cwd": "…"}. `environ` is
    the environment of a case that has no `env`. `file_in` returns a reader of conf files for
    decision.read; its argument is the `cwd` of the case, or "" for our own. Raises BadLine.
    """
    for number, line in enumerate(lines, 1):
        words, env, cwd = case(line, number)
        read = decision.read(words, table, environ if env is None else env, file_in(cwd or ""))
        yield reading(read, table) if explain else f"{read.verdict}\n"


def case(line: str, number: int) -> tuple[list[str], dict[str, str] | None, str | None]:
    """Parse one case: words, environment, working directory. Raises BadLine."""
    try:
        given: Any = json.loads(line)
    except ValueError as problem:
        raise BadLine(f"line {number}: not JSON: {problem}") from None
    whole: Any = given if isinstance(given, dict) else {"argv": given}
    unknown = whole.keys() - {"argv", "env", "cwd"}
    if unknown:
        raise BadLine(f"line {number}: unknown key {min(unknown)!r}")
    words, env, cwd = whole.get("argv"), whole.get("env"), whole.get("cwd")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise BadLine(f"line {number}: argv is not an array of strings")
    if env is not None and not (
        isinstance(env, dict) and all(isinstance(value, str) for value in env.values())
    ):
        raise BadLine(f"line {number}: env is not an object of strings")
    if cwd is not None and not isinstance(cwd, str):
        raise BadLine(f"line {number}: cwd is not a string")
    return words, env, cwd
