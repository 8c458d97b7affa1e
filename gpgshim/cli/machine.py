# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs about this machine: config, doctor."""

from __future__ import annotations

import os

import click

from gpgshim.cli import options
from gpgshim.cli.group import cli
from gpgshim.supervisor import config


@cli.command("config")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show_config(as_json: bool) -> int:
    """Print the settings in force, and the source of each.

    The output is a settings file with the same effect. Settings are read from
    /etc/gpgshim/gpgshim.conf, then from gpgshim/gpgshim.conf under $XDG_CONFIG_HOME (default:
    ~/.config). The later source wins, and options of a verb win over both.

    \b
    Example:
      gpgshim config
    """
    now = config.load(os.environ)
    click.echo(config.show_json(now) if as_json else config.show(now), nl=False)
    return 0


@cli.command()
@options.GPG
@click.option("--json", "in_json", is_flag=True, help="Print one JSON object.")
def doctor(gpg: str | None, in_json: bool) -> int:
    """Examine this machine, and report what to repair.

    Each check prints a line that begins with `ok`, with `mend` for a fault, or with `-` for a note
    or a check that does not apply. The command changes nothing. If there is exactly one secret key,
    it makes a trial signature, without a PIN prompt, and throws it away. On tag2upload's oracle,
    run it as the oracle's user. The exit status is 0, or 78 if there is a fault.

    \b
    With --json: {"doctor": 1, "gpgshim": VERSION, "oracle": BOOL, "environment": WHOSE,
    "result": "ok"|"mend", "checks": [{"name", "looks_at", "why", "result": "ok"|"note"|"mend",
    "found": [LINE…], "todo": [LINE…]}…]}. No field will be removed, or change its meaning.

    \b
    Examples:
      gpgshim doctor
      gpgshim doctor | grep -v '^ok'
    """
    from gpgshim.doctor.report import main as examine

    return examine(gpg, in_json)
