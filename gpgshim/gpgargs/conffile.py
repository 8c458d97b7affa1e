# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds gpg's conf files, and parses their lines into options, as gpg does.

Rule 1: each step names its rule: C1 to C7, and P2 for the order of the files.
Rule 2: if the content of a file is not certain (conditions, another user's home, an unreadable
file), the result is Doubt, with the reason.
Rule 3: a stunt imports this under `python3 -I -S`: no imports that cost time, no I/O. The caller
passes a function that reads a file.

Source: src/argparse.c of libgpg-error 1.46 to 1.61, g10/gpg.c of GnuPG 2.2.40 and 2.4.9.
"""

from __future__ import annotations

from gpgshim.gpgargs.optiontable import CONFFILE, OBSOLETE, OPTIONAL, TYPE
from gpgshim.gpgargs.parser import SPACE, Option, number_fits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gpgshim.gpgargs.optiontable import Row, Table

PART = 1 << 16  # characters of a conf file that are split into lines at a time
#: C2: the environment variables that gpg's conf files depend on; no others are read.
VARIABLES = ("HOME", "GNUPGHOME")
# C5: options of the parser itself, which a conf file must not contain.
NOT_IN_CONF = ("help", "version", "warranty", "dump-options", "dump-option-table", "no-options")


class Doubt(Exception):
    """A conf file cannot be parsed here as gpg would. `drops`: it may remove words."""

    def __init__(self, why: str, drops: bool = False) -> None:
        super().__init__(why)
        self.drops = drops


def fields(text: str) -> list[str]:
    """Split at C's white space only: str.split() splits at other characters too."""
    for space in SPACE:
        text = text.replace(space, " ")
    return [field for field in text.split(" ") if field]


def first_field(line: str) -> str:
    """The first of fields(line), for a line that begins with a field; fast in the usual case."""
    keyword = line.partition(" ")[0]
    return keyword if keyword.isprintable() else fields(line)[0]


def lines_in(text: str) -> Iterator[str]:
    """The lines of a text, split in parts: a list of all lines may be ten times its size."""
    begin = 0
    while begin <= len(text):
        end = text.find("\n", begin + PART)
        end = len(text) if end < 0 else end
        yield from text[begin:end].split("\n")
        begin = end + 1


def parse_text(text: str, path: str, table: Table) -> list[Option]:
    """C3 to C7: the options in the text of the conf file at `path`, with faults. Raises Doubt."""
    options: list[Option] = []
    ignored: set[str] = set()
    rows: dict[str, Row | None] = {}  # by keyword: a long file repeats the same keywords
    check_start(text, path)
    for at, raw in enumerate(lines_in(text.removeprefix("\ufeff")), 1):
        line = raw.strip(SPACE)
        if not line or line[0] == "#":
            continue
        if line[0] == "[":
            drops = path == table.conf and ("force" in text or "ignore" in text)
            raise Doubt(f"C7: {path}:{at} has {line}", drops)
        keyword = first_field(line)
        argument = line[len(keyword) :].lstrip(SPACE)
        if keyword == "alias" and argument:
            raise Doubt(f"C3: {path}:{at} has an alias")
        if keyword == "ignore-invalid-option":
            ignored.update(fields(argument))
            continue
        if keyword not in rows:
            rows[keyword] = table.named(keyword)
        row = rows[keyword]
        if row is None and keyword in ignored:
            continue
        if row and row[2] & OBSOLETE and raw.endswith(keyword):
            continue  # C6: gpg ignores an obsolete option, if nothing follows it
        option = setting(keyword, argument, row, f"{path}:{at}")
        if option.fault and table.version.startswith("2.2."):
            continue  # C6: 2.2 warns, and continues
        if option.fault and not table.exact:
            raise Doubt(option.fault)
        options.append(option)
    return options


def check_start(text: str, path: str) -> None:
    """Raise Doubt if gpg reads other characters than those of the file."""
    if "\0" in text:
        raise Doubt(f"C3: {path} contains a NUL")
    if text[1:2] == "\n" and text[2:] and text[0] not in SPACE + "#":
        # libgpg-error reads three bytes to find a byte order mark, and loses some of them.
        raise Doubt(f"C3: after {path}:1, one letter, the first letter of the next line is lost")


def setting(keyword: str, argument: str, row: Row | None, where: str) -> Option:
    """C3, C5: the option of one line, with its argument and its fault."""
    flags = row[2] if row else 0
    option = Option(keyword, keyword, flags, where=where)
    fault = ""
    if row is None or flags & OBSOLETE or keyword in NOT_IN_CONF:
        fault = "is not an option"
    elif argument and not flags & TYPE:
        fault = "takes no argument"
    elif argument:
        option.value = argument[1:].removesuffix('"') if argument[0] == '"' else argument
        if not number_fits(flags, option.value):
            fault = f"does not accept {option.value!r}"
    elif flags & TYPE and not flags & OPTIONAL:
        fault = "needs an argument"
    if fault:
        option.fault = f"C6: {where}: {keyword} {fault}"
    return option


def expand_home(path: str, environ: Mapping[str, str]) -> str:
    """C2: `path` with a leading ~ replaced. Raises Doubt if that needs the user database."""
    if path == "~" or path.startswith("~/"):
        if "HOME" not in environ:
            raise Doubt("C2: HOME is not set")
        return environ["HOME"] + path[1:]
    if path.startswith("~"):
        raise Doubt(f"C2: {path} is the home of another user")
    return path


def user_files(options: Sequence[Option], table: Table, environ: Mapping[str, str]) -> list[str]:
    """C1, C2: the candidates for the user's conf file; gpg takes the first that it can read."""
    given = [one for one in options if one.flags & CONFFILE]
    if given:
        values = [one.value for one in given]
        return [] if None in values else [values[0] or ""]
    if any(one.name == "chuid" for one in options):
        raise Doubt("C2: --chuid, so the conf file is another user's")
    homedirs = [one.value for one in options if one.name == "homedir"]
    homedir = (homedirs and homedirs[-1]) or environ.get("GNUPGHOME") or "~/.gnupg"
    base = expand_home(homedir[0] + homedir[1:].rstrip("/"), environ) + "/gpg.conf"
    paths, version = [], table.version
    while version:
        paths.append(f"{base}-{version}")
        version = version[: max(version.rfind("."), version.rfind("-"), 0)]
    return [*paths, base]


def first_readable(
    paths: Sequence[str], file: Callable[[str], str | None]
) -> tuple[str, str] | None:
    """The first of these files that can be read, and its text. Raises Doubt for other errors."""
    for path in paths:
        try:
            text = file(path)
        except (PermissionError, NotADirectoryError):
            continue  # gpg runs as the same user, cannot read the file either, and continues
        except OSError as problem:
            raise Doubt(f"C1: {path}: {problem.strerror or problem}") from None
        if text is not None:
            return path, text
    return None


def parse_files(
    options: Sequence[Option],
    table: Table,
    environ: Mapping[str, str],
    file: Callable[[str], str | None],
) -> tuple[list[Option], Doubt | None]:
    """P2: the options of the global and the user's conf file, and why some may be unknown."""
    found: list[Option] = []
    try:
        system = first_readable([table.conf], file)
        found += parse_text(system[1], system[0], table) if system else []
    except Doubt as doubt:
        return [], doubt  # the user's file is unknown too: an [if] without [fi] reaches into it
    try:
        paths = user_files(options, table, environ)
        user = first_readable(paths, file)
        found += parse_text(user[1], user[0], table) if user else []
    except Doubt as doubt:
        return found, doubt
    # After a global file, 2.2 treats an error in opening the next file as a bad line of the last.
    warns = not table.exact or (table.version.startswith("2.2.") and system is not None)
    if len(paths) == 1 and not user and not warns:
        found.append(Option("--options", fault=f"C1: option file {paths[0]!r} cannot be read"))
    return found, None
