# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs that read a command line of gpg: classify, explain."""

from __future__ import annotations

import os
import sys

import click

from gpgshim.cli import options
from gpgshim.cli.group import WORDS_OF_ANOTHER, cli
from gpgshim.gpgargs import decision, optiontable
from gpgshim.supervisor.realgpg import find_gpg, table_of
from gpgshim.system.errors import Malformed, Misused
from gpgshim.system.ownprocess import caller_environ


def table_for(gpg: str | None) -> optiontable.Table:
    """The option table of the real gpg: `gpg` (from --gpg), the settings', or the first on PATH."""
    search = os.environ.get("PATH", os.defpath)
    found = find_gpg(search, options.settings_for(gpg=gpg).gpg)
    return optiontable.load(table_of(found, caller_environ()))


@cli.command(context_settings=WORDS_OF_ANOTHER)
@options.GPG
@click.option(
    "--json-lines", is_flag=True, help="Read cases from stdin, one JSON value on each line."
)
@click.option("--explain", "explained", is_flag=True, help="Print how each word is read, and why.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- [GPG-ARGUMENT]…")
def classify(gpg: str | None, json_lines: bool, explained: bool, words: tuple[str, ...]) -> int:
    """Print, in one word, if a gpg call would sign.

    The words are sign, pass (gpg does not sign), and refuse (gpgshim does not know the command).

    With --json-lines, a case is an array of strings, or {"argv": […], "env": {…}, "cwd": "…"}.

    \b
    Examples:
      gpgshim classify -- --det f
      echo '["--clearsign", "f"]' | gpgshim classify --json-lines
    """
    from gpgshim.gpgargs import explain
    from gpgshim.stunts import plainfile

    if json_lines and words:
        raise Misused("--json-lines reads its cases from stdin, so no word may follow it")
    table = table_for(gpg)
    if not json_lines:
        reading = decision.read(words, table, os.environ, plainfile.read)
        click.echo(
            explain.reading(reading, table) if explained else reading.verdict, nl=not explained
        )
        return 0
    try:
        lines = sys.stdin
        lines.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
        verdicts = explain.classify_json_lines(
            table, lines, plainfile.file_in, os.environ, explained
        )
        sys.stdout.writelines(verdicts)
    except explain.BadLine as error:
        raise Malformed(str(error)) from None
    finally:
        sys.stdout.flush()  # the verdicts before a bad line
    return 0


@cli.command("explain", context_settings=WORDS_OF_ANOTHER)
@options.GPG
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- [GPG-ARGUMENT]…")
@click.pass_context
def explain_words(context: click.Context, gpg: str | None, words: tuple[str, ...]) -> int:
    """Explain, word by word, how gpg reads a call.

    The last line is the word that `gpgshim classify` prints, and the rule that decides.

    \b
    Example:
      gpgshim explain -- --status-fd --sign f
    """
    context.invoke(classify, gpg=gpg, json_lines=False, explained=True, words=words)
    return 0
