# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""gpg's option table: the names, letters and flags of its options, as gpg itself prints them.

Rule 1: the table comes from gpg (`--dump-option-table`); supervisor/optable.py gets and formats it.
Rule 2: options are found by name, never by number: gpg's numbers differ between versions.
Rule 3: a stunt imports this under `python3 -I -S`: no imports, no I/O.

Source: src/argparse.c of libgpg-error 1.46 to 1.61, g10/gpg.c of GnuPG 2.2.40 and 2.4.9.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Row = tuple[str, int, int]  # name, number, flags: a row of gpg's option table

HEAD = "gpgshim option table 1"
GNUPG, CHAMELEON = "gnupg", "chameleon"
SOURCES = ("program", "wrapper")  # head keys of the table: the files that it was made from
SYSTEM_CONF = "/etc/gnupg/gpg.conf"  # the default global conf file

# The flags of a row, as in libgpg-error.
TYPE, INT, LONG, ULONG = 7, 1, 3, 4  # the argument's type; TYPE: mask, 0: none, 2: string
OPTIONAL = 8  # the argument may be left out
PREFIX = 16  # a number may be written 0x10 or 020
OBSOLETE = 64  # ignored in a conf file, an error on the command line
COMMAND = 128
CONFFILE = 256  # --options and --no-options, which the parser itself handles

# Letters that gpg accepts but does not print.
UNLISTED: dict[str, Row] = {"t": ("textmode", ord("t"), 0), "z": ("compress", ord("z"), INT)}


class Table:
    """One gpg's options, by name and by letter: the output of `--dump-option-table`.

    `version` is that gpg's own ("2.4.9"). `maker` is GNUPG or CHAMELEON (Sequoia's gpg, which has
    its own rules). `conf` is its global conf file. `sources` maps the path of each file that the
    table was made from to its plainfile.identity() at that time. `is_wrapped` says whether one of
    the files is a wrapper.

    The rows stay text, NAME:NUMBER:FLAGS, and are searched as text: a command line has about ten
    options, and parsing four hundred rows for them would be most of the cost.
    """

    __slots__ = ("conf", "is_wrapped", "maker", "sources", "text", "version")

    def __init__(
        self,
        version: str,
        maker: str,
        text: str,
        conf: str = SYSTEM_CONF,
        sources: Mapping[str, str] | None = None,
        is_wrapped: bool = False,
    ) -> None:
        self.version = version
        self.maker = maker
        self.text = text
        self.conf = conf
        self.sources = sources or {}
        self.is_wrapped = is_wrapped

    def _row(self, at: int) -> Row:
        """The row whose line feed is at `at`. Raises ValueError if it is not a row."""
        line = self.text[at + 1 : self.text.index("\n", at + 1)]
        try:
            name, number, flags = line.split(":")
            return name, int(number), int(flags)
        except ValueError:
            raise ValueError(f"option table: not a row: {line!r}") from None

    def rows(self) -> list[Row]:
        """All rows, in gpg's order."""
        return list(self._starting_with(""))

    def _starting_with(self, prefix: str) -> Iterator[Row]:
        at = self.text.find("\n" + prefix)
        while -1 < at < len(self.text) - 1:
            yield self._row(at)
            at = self.text.find("\n" + prefix, at + 1)

    def named(self, name: str) -> Row | None:
        """The row of exactly this name."""
        at = -1 if not name or ":" in name or "\n" in name else self.text.find(f"\n{name}:")
        return None if at < 0 else self._row(at)

    def find(self, name: str) -> Row | str:
        """T2: the row for which gpg takes this long name, or the fault of the name."""
        exact = self.named(name)
        if exact:
            return exact
        found = [] if not name or ":" in name or "\n" in name else list(self._starting_with(name))
        if not found:
            return "is not an option"
        if any(row[1:] != found[0][1:] for row in found):
            return "is ambiguous"
        return found[0]

    def letter(self, letter: str) -> Row | None:
        """T6: the row of a letter; None if there is none."""
        at = self.text.find(f":{ord(letter)}:") if letter < "\x7f" else -1
        return UNLISTED.get(letter) if at < 0 else self._row(self.text.rindex("\n", 0, at))

    @property
    def exact(self) -> bool:
        """Whether the rules for values and for the number of words were tested with this gpg."""
        return self.maker == GNUPG and self.version.startswith(("2.2.", "2.4."))


def load(text: str) -> Table:
    """Parse a table that optable wrote. Raises ValueError if it is not one, or is torn."""
    head, _, body = text.partition("\n\n")
    first, *keys = head.split("\n")
    known = dict(key.partition(": ")[::2] for key in keys)
    if first != HEAD or known.keys() - {"conf", *SOURCES} != {"gpg", "maker", "rows"}:
        raise ValueError(f"not an option table: it begins with {text[:40]!r}, not with {HEAD!r}")
    lines = body.count("\n")
    if known["rows"] != str(lines) or body.count(":") != 2 * lines or not body.endswith("\n"):
        raise ValueError(f"option table is torn: {lines} rows, not {known['rows']}")
    sources = dict(known[key].partition(" ")[::-2] for key in SOURCES if key in known)
    conf = known.get("conf", SYSTEM_CONF)
    return Table(known["gpg"], known["maker"], "\n" + body, conf, sources, "wrapper" in known)
