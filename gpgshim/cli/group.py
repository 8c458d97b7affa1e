# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program's verbs, and what happens with an unknown one.

Rule 1: a verb is one function with `@cli.command`, in the file of its group: running, closing,
reading, history, audit or machine.
"""

from __future__ import annotations

import click

from gpgshim import __version__
from gpgshim.core.quoting import escape

#: For verbs that take another program's words: from the first word that is not ours on.
WORDS_OF_ANOTHER = {"ignore_unknown_options": True, "allow_interspersed_args": False}


class NoSuchVerb(click.UsageError):
    """An unknown verb; `possibilities` are the verbs that the user may have meant."""

    def __init__(self, verb: str, possibilities: list[str], ctx: click.Context) -> None:
        super().__init__(f"there is no verb {escape(verb)!r}", ctx)
        self.possibilities = possibilities


class Verbs(click.Group):
    """Suggests a verb for an unknown one, and prints the help if there are no words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args or ["--help"])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], self.commands, n=1)
            raise NoSuchVerb(args[0], near, ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="gpgshim %(version)s")
def cli() -> None:
    """A commitment gate for signatures.

    A stunt gpg comes first on a job's PATH. Before the job's first signature, it sends a request to
    a supervisor, which asks an authority. A job that fails before this request can be tried again.

    \b
    First steps:
      gpgshim doctor                                   # examines this machine
      gpgshim run --job NAME --commit ask -- COMMAND   # asks you before it signs
      gpgshim status                                   # lists the jobs
    """
