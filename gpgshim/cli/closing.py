# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb that ends a job under `supervise`: close.

Rule 1: the job is found by its journal, which the kernel says is locked, or by its directory; never
by a variable of the environment, except PATH if the user names no job.
Rule 2: what is printed is read from the journal, after the supervisor has written the outcome.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path
from typing import NamedTuple

import click

from gpgshim.cli import options, shellline
from gpgshim.cli.group import cli
from gpgshim.core import names, wire
from gpgshim.core.gate import Exit, Outcome, exit_status
from gpgshim.core.quoting import QuoteError, escape, unquote
from gpgshim.core.transcript import DIRECTORY, TranscriptError, parse
from gpgshim.core.verdict import judge_bytes
from gpgshim.gpgargs import optiontable
from gpgshim.history.journal import attempts, has_name, is_under_way, read_plain
from gpgshim.stunts import ask
from gpgshim.summary.result import KeysOf, no_keys, result_of
from gpgshim.supervisor import wall
from gpgshim.system import places
from gpgshim.system.errors import Fact, Misconfigured, Misused, Unable, implying
from gpgshim.system.log import LEVELS, say


class Job(NamedTuple):
    """A job that is to be closed: its directory, and its journal if it is known."""

    directory: Path
    journal: Path | None


@cli.command()
@click.option("--status", metavar="N", type=options.Whole(0, 255), help="Exit status of the job.")
@options.EXIT
@options.RESULT
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option(
    "--line",
    "for_shell",
    is_flag=True,
    help="Print a line for the shell's eval, which takes the job's stunts off PATH and has the exit"
    " status of this verb. If the job cannot be closed, the line is `false;`.",
)
@click.argument("job", required=False, metavar="[JOB|JOB.N|DIRECTORY]", shell_complete=options.job)
def close(
    status: int | None,
    exit_by: str,
    result: Path | None,
    as_json: bool,
    for_shell: bool,
    job: str | None,
) -> int:
    """Close the gate of a job, and print its outcome.

    The job is the one whose stunts are first on PATH, or the one that is named: by its name, or by
    its directory, which has a slash in it. With --status, the exit status is the same as that of
    `gpgshim run`. --result and --exit are as for `gpgshim run`.

    \b
    Example:
      eval "$(gpgshim close --line --status $?)"
    """
    from gpgshim.history.resultfile import ResultFile, as_text  # `run` loads this module too

    if as_json and for_shell:
        raise Misused("--json and --line exclude each other", Fact.NOTHING_CLOSED)
    found = _find(job)
    with implying(Fact.NOTHING_CLOSED):
        file = ResultFile(result) if result else None
    read_keys = _reader_of_keys(found.directory)
    outcome, state = _end(found.directory, status)
    data = _report(found, outcome, state)
    text = as_text(_result(found, data, read_keys)) if as_json or file else ""
    if file and found.journal:
        file.put(lambda: text, found.journal)
    ends = 0
    if status is not None or exit_by == Exit.OUTCOME:
        ends = exit_status(outcome, status or 0, by=Exit(exit_by))
    if for_shell:
        shellline.give(_line(found.directory, ends))
    else:
        click.echo(text if as_json else outcome, nl=not as_json)
    return ends


def _find(name: str | None) -> Job:
    """The job that is to be closed. Raises Misused or Misconfigured."""
    if name is not None and "/" not in name:
        return _find_by_name(name)
    directory = Path(name) if name else _job_on_path()
    if not (directory / wire.BIN).is_dir():
        raise Misconfigured(
            f"{escape(str(directory))} is not a job's directory, or no longer one",
            Fact.NOTHING_CLOSED,
            hint="`gpgshim status` lists the jobs; a job's directory is the one whose bin is on"
            " its PATH",
        )
    return Job(directory.absolute(), _journal_of(directory))


def _journal_of(directory: Path) -> Path | None:
    """The journal of a job's directory; None if an older version made the directory."""
    try:
        return Path(os.readlink(directory / wire.JOURNAL))
    except OSError:
        return None


def _job_on_path() -> Path:
    for gpg in places.candidates("gpg", os.environ.get("PATH", "")):
        with contextlib.suppress(OSError):
            if places.is_stunt(gpg):
                return gpg.parent.parent
    raise Misused(
        "no job's stunts are on PATH",
        Fact.NOTHING_CLOSED,
        hint="eval the line that `gpgshim supervise` printed, or name the job",
    )


def _find_by_name(name: str) -> Job:
    """The attempt under way that `name` means: JOB.N, or the only one of JOB."""
    state = places.state_directory(dict(os.environ))
    number = names.split(name)[1]
    try:
        known = [name] * (number > 0 and has_name(state / name))
        if state.exists():
            known += [names.journal_of(name, each) for each in attempts(state, name)]
        running = [each for each in known if is_under_way(state / each)]
    except OSError as error:
        raise Unable(
            f"the attempts of job {escape(name)} in {state} cannot be found: {error.strerror}",
            Fact.NOTHING_CLOSED,
        ) from error
    if not known:
        raise Misused(
            f"there is no journal of a job {escape(name)!r} in {state}",
            Fact.NOTHING_CLOSED,
            hint="`gpgshim status` lists the jobs; a directory has a slash in its name",
        )
    if not running:
        raise Misconfigured(
            f"no attempt of {name} is under way",
            Fact.NOTHING_CLOSED,
            hint=f"`gpgshim show {name}` shows its outcome",
        )
    if len(running) > 1:
        raise Misused(
            f"several attempts are under way: {', '.join(running)}",
            Fact.NOTHING_CLOSED,
            hint="name one of them, or its directory",
        )
    return _of_journal(state / running[0])


def _of_journal(journal: Path) -> Job:
    """The job of a journal. Raises Misconfigured if it is not known where its directory is."""
    why = "an older version has not recorded its directory"
    with contextlib.suppress(OSError, TranscriptError, QuoteError, ValueError):
        head = parse(read_plain(journal), keep=()).head
        if DIRECTORY in head:
            (directory,) = unquote(head[DIRECTORY])
            if _journal_of(Path(directory)) == journal.absolute():
                return Job(Path(directory), journal)
            why = f"{directory} is not its directory any more"
    raise Misconfigured(
        f"{journal.name} is under way, but {why}",
        Fact.NOTHING_CLOSED,
        hint="name its directory: the one whose bin is on its PATH",
    )


def _reader_of_keys(directory: Path) -> KeysOf:
    """Reads the keys of a job's requests, as the gpg of that job reads its command line."""
    from gpgshim.history.resultfile import keys_by

    try:
        text = (directory / wire.TABLE).read_text("utf-8", "surrogateescape")
        return keys_by(optiontable.load(text))
    except (OSError, ValueError):
        return no_keys


def _end(directory: Path, status: int | None) -> tuple[Outcome, str]:
    """End the job; its outcome, and its state. Raises Misconfigured, Unable."""
    try:
        answer, told = ask.ask(str(directory), wire.END, "" if status is None else str(status))
    except ask.NoAnswer as error:
        raise Misconfigured(str(error), hint="`gpgshim status` reads the job's journal") from None
    if answer != wire.CLOSED:
        raise Unable(f"the supervisor of {directory} does not know the outcome: {told}")
    state, _, outcome = told.partition(" ")
    return Outcome(outcome), state


def _report(job: Job, outcome: Outcome, state: str) -> bytes:
    """Print the line with the outcome; the journal, or nothing if it cannot be read."""
    data = b""
    line = f"{outcome} ({state})"
    if job.journal:
        with contextlib.suppress(OSError):
            data = read_plain(job.journal)
            verdict = judge_bytes(data)
            if verdict.told:
                clauses = (f"{outcome}: {verdict.meaning}", *verdict.why.told(()))
                line = f"{job.journal.name}: {'; '.join(clauses)} [{job.journal}]"
    say(line, LEVELS[outcome])
    return data


def _result(job: Job, data: bytes, read_keys: KeysOf) -> dict[str, object]:
    """The result of a closed job. Raises Unable if its journal is not known."""
    if job.journal is None or not data:
        raise Unable(
            f"the journal of {job.directory} cannot be read; the job is closed",
            hint="`gpgshim status` lists the jobs and their journals",
        )
    name, attempt = names.split(job.journal.name)
    # A `run` whose gate was closed goes on, and has no outcome yet.
    under_way = is_under_way(job.journal)
    return result_of(name, attempt, str(job.journal), data, under_way, read_keys)


def _line(directory: Path, status: int) -> str:
    """The line for a shell that takes the stunts of a job off its PATH, and has this status."""
    rest = without_job(os.environ.get("PATH", ""), directory)
    ends = f" (exit {status});" if status else ""
    return f"PATH={shlex.quote(rest)}; export PATH;{ends}"


def without_job(search: str, directory: Path) -> str:
    """The PATH `search` without the stunts of the job in `directory`, and the wall after them."""
    kept: list[str] = []
    was_stunts = False
    for each in search.split(":"):
        if Path(each) == directory / wire.BIN:
            was_stunts = True
            continue
        if was_stunts and _is_wall(Path(each, "gpg")):
            was_stunts = False
            continue
        was_stunts = False
        kept.append(each)
    return ":".join(kept)


def _is_wall(gpg: Path) -> bool:
    try:
        return wall.is_part(gpg)
    except OSError:
        return False
