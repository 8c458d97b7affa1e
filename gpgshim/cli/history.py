# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs that report on past and present jobs: status, show, resolve, replay, metrics."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from gpgshim.cli import options
from gpgshim.cli.group import cli
from gpgshim.cli.reading import table_for
from gpgshim.core.quoting import escape
from gpgshim.core.records import Resolution
from gpgshim.gpgargs import mask
from gpgshim.gpgargs.text import printable
from gpgshim.system import places
from gpgshim.system.errors import Fact, Malformed, Misused, Unable
from gpgshim.system.log import Level, say


@cli.command("status")
@click.option(
    "-n", "newest", metavar="N", type=options.Whole(0), help="Show the N newest jobs. Default: 20."
)
@click.option("--all", "all_jobs", is_flag=True, help="Show all jobs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on one line.")
@click.option(
    "--watch",
    metavar="[SECONDS]",
    is_flag=False,
    flag_value=2.0,
    type=options.Seconds(0.1, 86400),
    help="Repeat every SECONDS. Default: 2.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Print only the attempts that need a person, one on each line. The exit status is 1 if"
    " there is one.",
)
def show_status(
    newest: int | None, all_jobs: bool, as_json: bool, watch: float | None, check: bool
) -> int:
    """List jobs: those under way, and recent ones.

    A job that needs a person is listed too, however old it is. Each job has one line, about its
    last attempt. An earlier attempt that needs a person has a line too. `!` marks a line that needs
    a person, and `>` a job that is under way. If $STATE_DIRECTORY is set, the journals are looked
    for there. If the setting `alarm` is there, alarms that were not raised are raised now.

    gpgshim-status(1) describes each field of --json. No field will be removed, or change its
    meaning, while `version` is 1.

    \b
    Examples:
      gpgshim status --watch
      gpgshim status --json --all | jq -r '.rows[] | select(.outcome == "retriable") | .job'
      gpgshim status --check || logger 'a job needs a person'
    """
    from gpgshim.cli import status
    from gpgshim.history import jobs

    if all_jobs and newest is not None:
        raise Misused("-n and --all exclude each other")
    directory = places.state_directory(dict(os.environ))
    alarms = status.Alarms(directory)
    if check:
        if watch is not None or all_jobs or newest is not None:
            raise Misused("--check excludes -n, --all and --watch")
        return int(status.check(directory, as_json, alarms))
    number = None if all_jobs else jobs.NEWEST if newest is None else newest
    if watch is not None:
        status.watch(directory, number, as_json, watch, alarms)
    seen = status.read(directory, number)
    sys.stdout.write(status.picture(directory, seen, as_json))
    sys.stdout.flush()
    alarms.raise_missing(seen.rows)
    return 0


@cli.command("show")
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write a page with a diagram to FILE instead; `-' is stdout.",
)
@click.argument("job", metavar="JOB|JOB.N|FILE", shell_complete=options.job)
def show_job(job: str, html: Path | None) -> int:
    """Show the story of an attempt, as a timeline.

    JOB shows the last attempt of a job, JOB.N shows attempt N, and FILE, with a slash in its name,
    shows a journal.

    \b
    Examples:
      gpgshim show 2420
      gpgshim show 2420.1 --html 2420.html
    """
    from gpgshim.cli import storyteller

    if html is None:
        sys.stdout.write(storyteller.as_text(job))
    else:
        storyteller.write_page(job, html)
    return 0


@cli.command("resolve")
@click.option(
    "--as",
    "result",
    metavar="retriable|uploaded|irrecoverable",
    type=click.Choice([str(each) for each in Resolution]),
    required=True,
    help="What is true of the job. `retriable`: nothing of the attempt stands, and a new attempt"
    " may start. `uploaded`: the job is done. `irrecoverable`: it is not done, and cannot be"
    " repeated.",
)
@click.option(
    "--note", metavar="TEXT", required=True, help="How you know it; for those who read it later."
)
@click.argument("job", metavar="JOB|JOB.N", shell_complete=options.job)
def resolve_job(job: str, result: str, note: str) -> int:
    """Record what a person found out about a job.

    JOB means the attempt that does not let a new one start, or the newest attempt if there is none.
    JOB.N means attempt N; if it is not the newest, it can only be resolved as retriable. The
    journal gets one more line, with your name and the time; no earlier line is changed, and the
    last resolution counts. An attempt that is under way cannot be resolved.

    The exit status is 0 if the line is on disk, 64 if there is no such attempt or it cannot be
    resolved in this way, 74 if the line cannot be written.

    \b
    Example:
      gpgshim resolve rel-1.0 --as retriable --note 'the archive does not have it'
    """
    from gpgshim.history.resolve import resolve

    if not note.strip():
        raise Misused("--note is empty", Fact.NOTHING_WRITTEN, hint="say how you know it")
    directory = places.state_directory(dict(os.environ))
    earlier = resolve(directory, job, Resolution(result), note.strip())
    say(f"{earlier.name} is resolved as {result} [{earlier.path}]", Level.NOTICE)
    return 0


@cli.command("replay")
@options.GPG
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
def replay_journals(gpg: str | None, files: tuple[Path, ...]) -> int:
    """Check whether this version decides as journals say.

    FILE is a journal, as production wrote it, or a directory of journals. Each decision that would
    be different now is printed on one line. gpg's conf files are read as they are now.

    The exit status is 0 if all journals agree, 1 if one differs, 65 if a file is not a journal.

    \b
    Example:
      gpgshim replay ~/.local/state/gpgshim
    """
    from gpgshim.cli.progress import Progress
    from gpgshim.history import recorded

    table = table_for(gpg)
    agree = differ = faults = 0
    with Progress("journals replayed") as progress:
        for each in recorded.replay_files(list(files), table, os.environ, progress):
            progress.clear()
            for difference in each.differences:
                click.echo(printable(mask.of_text(f"{each.path}: {difference}")))
            if each.fault:
                say(f"{each.path} {each.fault}")
            faults += bool(each.fault)
            differ += bool(each.differences)
            agree += not each.fault and not each.differences
    click.echo(f"{agree} agree, {differ} differ, {faults} are not journals (gpg {table.version})")
    return Malformed.status if faults else int(differ > 0)


@cli.command("metrics")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--textfile",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write to FILE instead, for node_exporter's textfile collector. FILE ends in .prom.",
)
def show_metrics(as_json: bool, textfile: Path | None) -> int:
    """Print counts of all jobs, for Prometheus.

    A journal is counted once, when its job is over, and stays counted after its removal.

    \b
    Example:
      gpgshim metrics --textfile /var/lib/prometheus/node-exporter/gpgshim.prom
    """
    import json

    from gpgshim.cli import status
    from gpgshim.cli.progress import Progress
    from gpgshim.history import tally
    from gpgshim.summary import metrics

    directory = places.state_directory(dict(os.environ))
    alarms = status.Alarms(directory)
    try:
        with Progress("jobs counted") as progress:
            sums = tally.take_stock(directory, progress=progress)
    except FileNotFoundError:
        sums = metrics.nothing()  # no job ran so far
    except OSError as error:
        raise Unable(f"the jobs in {directory} cannot be counted: {error.strerror}") from error
    if textfile:
        if textfile.suffix != ".prom":
            raise Misused(
                f"{escape(str(textfile))}: node_exporter reads only names that end in .prom",
                Fact.NOTHING_WRITTEN,
            )
        try:
            tally.write_textfile(textfile, sums)
        except OSError as error:
            raise Unable(f"{textfile} cannot be written: {error.strerror}") from error
    if as_json:
        click.echo(json.dumps(sums, indent=2))
    elif not textfile:
        click.echo(metrics.render(sums), nl=False)
    sys.stdout.flush()
    alarms.raise_all()
    return 0
