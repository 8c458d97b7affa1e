# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped option tables, and short functions that read a command line with them."""

from __future__ import annotations

import shlex

from gpgshim.gpgargs import decision, optiontable
from gpgshim.supervisor import optable

VERSIONS = ("2.2.40", "2.4.7", "2.4.9")  # Debian's bookworm, trixie, sid
TABLES = {
    version: optiontable.load((optable.SHIPPED / f"gpg-{version}").read_text())
    for version in VERSIONS
}
OLD, NEW = TABLES["2.2.40"], TABLES["2.4.9"]
#: Tests that say what "2.2" and what "2.4" does say it of each of these versions.
IS_NEW = {version: version.startswith("2.4.") for version in VERSIONS}
HOME = "/home/u"
USER_CONF = f"{HOME}/.gnupg/gpg.conf"


def made(version: str, maker: str = optiontable.GNUPG, more: str = "") -> optiontable.Table:
    """The table of 2.4.9 under another version or maker, with `more` rows (NAME:NUMBER:FLAGS)."""
    return optiontable.Table(version, maker, NEW.text + "".join(f"{row}\n" for row in more.split()))


def read(
    line: str | list[str],
    table: optiontable.Table = NEW,
    files: dict[str, str | OSError] | None = None,
    environ: dict[str, str] | None = None,
) -> decision.Reading:
    """Read `line` (split as a shell would) with these conf files (path -> text) and no others."""

    def file(path: str) -> str | None:
        text = (files or {}).get(path)
        if isinstance(text, OSError):
            raise text
        return text

    words = shlex.split(line) if isinstance(line, str) else line
    return decision.read(words, table, {"HOME": HOME} if environ is None else environ, file)
