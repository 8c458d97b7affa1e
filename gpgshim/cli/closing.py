# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb that ends a job under `supervise`: close."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

from gpgshim.cli import options
from gpgshim.cli.group import cli
from gpgshim.core import wire
from gpgshim.core.gate import Outcome, exit_status
from gpgshim.core.quoting import escape
from gpgshim.stunts import ask
from gpgshim.system import places
from gpgshim.system.errors import Fact, Misconfigured, Misused, Unable
from gpgshim.system.log import say


@cli.command()
@click.option("--status", metavar="N", type=options.Whole(0, 255), help="Exit status of the job.")
@click.argument("directory", required=False, type=click.Path(path_type=Path))
def close(status: int | None, directory: Path | None) -> int:
    """Close the gate of a job, and print its outcome.

    The job is the one whose stunts are first on PATH. DIRECTORY names another job: its bin is on
    that job's PATH. With --status, the exit status is the same as that of `gpgshim run`.

    \b
    Example:
      make release; gpgshim close --status $?
    """
    job = directory or _job_on_path()
    if not (job / wire.BIN).is_dir():
        raise Misconfigured(
            f"{escape(str(job))} is not a job's directory, or no longer one",
            Fact.NOTHING_CLOSED,
            hint="`gpgshim status` lists the jobs; a job's directory is the one whose bin is on"
            " its PATH",
        )
    try:
        answer, told = ask.ask(str(job), wire.END, "" if status is None else str(status))
    except ask.NoAnswer as error:
        raise Misconfigured(str(error), hint="`gpgshim status` reads the job's journal") from None
    if answer != wire.CLOSED:
        raise Unable(f"the supervisor of {job} does not know the outcome: {told}")
    state, _, outcome = told.partition(" ")
    click.echo(outcome)
    say(f"{outcome} ({state})")
    return 0 if status is None else exit_status(Outcome(outcome), status)


def _job_on_path() -> Path:
    for gpg in places.candidates("gpg", os.environ.get("PATH", "")):
        with contextlib.suppress(OSError):
            if places.is_stunt(gpg):
                return gpg.parent.parent
    raise Misused(
        "no job's stunts are on PATH",
        Fact.NOTHING_CLOSED,
        hint="eval the line that `gpgshim supervise` printed, or name the job's directory",
    )
