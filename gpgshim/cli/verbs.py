"""The command line: words in, exit status out.

Rule 1: exit statuses are sysexits'; a job's own status goes through gate.exit_status only.
Rule 2: a message is one line, in one write, on stderr; stdout is for the requested output.
"""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from gpgshim import __version__
from gpgshim.authority.authority import Authority, Nobody, from_option
from gpgshim.cli import background, shellline
from gpgshim.core.gate import Outcome, exit_status
from gpgshim.core.transcript import escape, quote
from gpgshim.core.verdict import Verdict
from gpgshim.gpgargs import decision, mask, optiontable
from gpgshim.gpgargs.text import printable
from gpgshim.history.journal import check_job_name
from gpgshim.stunts import ask, wire
from gpgshim.supervisor import config, followup
from gpgshim.supervisor.attempt import (
    PASSED_ON,
    Attempt,
    caller_environ,
    find_gpg,
    made_up_name,
    table_of,
)
from gpgshim.system import log, places
from gpgshim.system.descriptors import release_inherited
from gpgshim.system.errors import (
    Fact,
    GpgshimError,
    Malformed,
    Misconfigured,
    Misused,
    Stopped,
    Unable,
    before_the_job,
    status_of,
)
from gpgshim.system.log import LEVELS, say

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: The hint for an error after which a job may be running.
SEE_STATUS = "if a job was running, see `gpgshim status`"

#: For verbs that take another program's words: from the first word that is not ours on.
_WORDS_OF_ANOTHER = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def main(closed: frozenset[int] = frozenset()) -> int:
    """Run the verb; the exit status. `closed` has those of 0, 1, 2 that the caller closed.

    An exception that is not one of our errors passes, KeyboardInterrupt included.
    """
    for_shell = shellline.is_expected(sys.argv[1:]) and not sys.stdout.isatty()
    try:
        with shellline.comments_only() if for_shell else contextlib.nullcontext():
            status: int = cli.main(prog_name="gpgshim", standalone_mode=False, obj=closed)
        sys.stdout.flush()
        return status
    except click.UsageError as error:
        if _verb_of(error) == "gpgshim":
            shellline.refuse()  # the user may have meant `supervise`
        log.report(_misused(error))
        return Misused.status
    except click.ClickException as error:
        log.report(Misused(error.format_message()))
        return Misused.status
    except GpgshimError as error:
        log.report(error)
        return status_of(error)
    except (ImportError, MemoryError) as error:  # Python's own errors, at any point of the run
        log.report(Unable(f"{type(error).__name__}: {error}", hint=SEE_STATUS))
        return status_of(error)
    except Stopped as error:
        return status_of(error)
    except click.Abort:
        return status_of(KeyboardInterrupt())
    except OSError as error:
        # Python would complain about its stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):
            # An error about a file with a name shows that name; stdout has none.
            where = escape(str(error.filename or "stdout"))
            log.report(Unable(f"{where}: {error.strerror}", hint=SEE_STATUS))
        return status_of(error)


class NoSuchVerb(click.UsageError):
    """An unknown verb; `possibilities` are the verbs that the user may have meant."""

    def __init__(self, verb: str, possibilities: list[str], ctx: click.Context) -> None:
        super().__init__(f"there is no verb {escape(verb)!r}", ctx)
        self.possibilities = possibilities


def _misused(error: click.UsageError) -> Misused:
    """click's error as ours."""
    seen, near = error.format_message().removesuffix("."), list[str]()
    if isinstance(error, click.NoSuchOption):
        seen, near = f"there is no option {error.option_name}", list(error.possibilities or ())
    if isinstance(error, NoSuchVerb):
        near = error.possibilities
    help_of = f"see `{_verb_of(error)} --help`"
    hint = f"did you mean {near[0]!r}? Otherwise {help_of}" if near else help_of
    return Misused(seen, Fact.NOTHING_DONE, hint=hint)


def _verb_of(error: click.UsageError) -> str:
    # click has no context if an option lacks its argument.
    if error.ctx and error.ctx.info_name != "gpgshim":
        return error.ctx.command_path
    return " ".join(["gpgshim", *(word for word in sys.argv[1:2] if word in cli.commands)])


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

    A stunt gpg, first on a job's PATH, asks a supervisor before the job's first signature is made.
    A job that fails before that has asked nobody to commit, and can be tried again.
    """


class _Seconds(click.FloatRange):
    """A number within a range. click accepts `nan` for every range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return seconds


_JOB = click.option(
    "--job", metavar="NAME", help="The job's name; its journals are NAME.1, NAME.2 …"
)
_COMMIT = click.option(
    "--commit",
    metavar="COMMAND|ask|o2m:SOCKET",
    help="Who is asked before the first signature: a command (exit 0: go ahead; 1: refused, and"
    " certainly not committed; all else: nobody knows), you at the terminal, or tag2upload's"
    " manager. Default: nobody, and go ahead.",
)
_DEADLINE = click.option(
    "--deadline",
    metavar="SECONDS",
    type=_Seconds(min=0, min_open=True, max=1e6),
    help="How long the authority may take; after that nobody knows what it believes. Default: 600.",
)
_GPG = click.option(
    "--gpg", metavar="PATH", type=click.Path(), help="The real gpg. Default: the first on PATH."
)


# Imported here, because only a shell's request for completion needs it.
def _file(_context: object, _param: object, begun: str) -> list[CompletionItem]:
    from gpgshim.cli import completion

    return completion.of_file(begun)


def _job(_context: object, _param: object, begun: str) -> list[CompletionItem]:
    from gpgshim.cli import completion

    return completion.of_job(begun)


_OBSERVE = click.option(
    "--observe/--no-observe",
    default=None,
    help="Hold nothing, refuse nothing, ask nobody: only journal what would have been done. None"
    " of the promises hold for such a job, and its exit status is its own.",
)


def settings_for(**given: object) -> config.Settings:
    """The settings in force for a command line with these values; None is not given."""
    return config.load(os.environ, given).settings


def report(attempt: Attempt, verdict: Verdict) -> None:
    """The last line that a person sees."""
    journal = attempt.journal.path
    say(
        f"{journal.name}: {verdict.outcome}: {verdict.meaning}"
        f"{attempt.supervisor.about_refusals()} [{journal}]",
        LEVELS[verdict.outcome],
    )


def _stop_on(numbers: Sequence[signal.Signals]) -> None:
    """Have these signals raise Stopped, so that the set-up is undone."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(number)

    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


def _job_name(given: str | None) -> str:
    """The job's name: from --job, or a new one. Raises Misused."""
    if given is None:
        return made_up_name()
    try:
        return check_job_name(given)
    except Misconfigured as error:
        raise Misused(f"--job: {error.seen}") from None


def _authority_of(now: config.Settings, job: str) -> Authority:
    # A GPGSHIM_JOB from our caller is another job's name.
    asked = from_option(now.commit, caller_environ() | {"GPGSHIM_JOB": job})
    return Nobody() if now.observe else asked


# Not _WORDS_OF_ANOTHER: a misspelt option of ours must not become the command.
@cli.command(context_settings={"allow_interspersed_args": False})
@_JOB
@_COMMIT
@_DEADLINE
@_GPG
@_OBSERVE
@click.option(
    "--record",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Keep the journal as a fixture, which `gpgshim replay` and fixtures/jobs take as it is.",
)
@click.argument(
    "command",
    nargs=-1,
    type=click.UNPROCESSED,
    required=True,
    metavar="-- COMMAND…",
    shell_complete=_file,
)
def run(
    job: str | None,
    commit: str | None,
    deadline: float | None,
    gpg: str | None,
    observe: bool | None,
    record: Path | None,
    command: tuple[str, ...],
) -> int:
    """Run COMMAND under a gate of its own.

    The exit status is COMMAND's own, or 75 if it failed, no gpg under the gate was allowed
    to sign, and nobody was asked to commit: it can be tried again. 75 has no other meaning.

    \b
    Example:
      gpgshim run --commit 'ssh manager commit 2420' -- dgit push-source
    """
    with before_the_job():
        now = settings_for(commit=commit, deadline=deadline, gpg=gpg, observe=observe)
        name = _job_name(job)
        authority = _authority_of(now, name)
        called = now.commit or "nobody"
        words = quote(mask.of_words(command))
        followup.load(now, record)
        _stop_on((signal.SIGINT,))
        attempt = Attempt(
            name,
            authority,
            called,
            words,
            now.deadline,
            now.gpg,
            observe=now.observe,
            keeps_path=job is not None and not now.observe,
        )
    try:
        try:
            attempt.start(list(command))
            _leave_to_the_job()
        except OSError as error:
            attempt.not_started(error)
            say(f"{quote([command[0]])} cannot be run: {error.strerror}")
        attempt.supervisor.serve()
        verdict = attempt.supervisor.settle()
        report(attempt, verdict)
    except Stopped:
        attempt.give_up()
        raise
    except Unable as error:
        seen = f"the job ended with status {attempt.status}, but {error.seen}"
        raise Unable(seen, error.fact, hint=error.hint) from error
    finally:
        followup.tried("the end of the attempt", attempt.end)
        followup.follow(attempt.journal, now)
    if record:
        followup.keep(attempt.journal, record, f"{verdict.outcome}: {verdict.meaning}")
    followup.prune(attempt.journal, now)
    return attempt.status if now.observe else exit_status(verdict.outcome, attempt.status)


def _leave_to_the_job() -> None:
    """Release the caller's descriptors that the job has too, except stderr. Raises nothing.

    If the job closes a pipe or the file of a lock, our copy must not keep it open.
    """
    release_inherited()
    with contextlib.suppress(OSError):  # if no descriptor is free, ours stay open
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1):
            os.dup2(null, fd, inheritable=False)
        os.close(null)


@cli.command()
@_JOB
@_COMMIT
@_DEADLINE
@_GPG
@_OBSERVE
@click.option("-D", "--foreground", is_flag=True, help="Do not fork; for systemd (Type=notify).")
@click.pass_obj
def supervise(
    closed: frozenset[int],
    job: str | None,
    commit: str | None,
    deadline: float | None,
    gpg: str | None,
    observe: bool | None,
    foreground: bool,
) -> int:
    """Be the supervisor of a job that somebody else starts, until `gpgshim close`.

    Prints the line that puts the stunts on PATH, and then goes into the background. If there is no
    supervisor, whatever the reason, it prints `false;`.

    \b
    Example:
      line=$(gpgshim supervise --commit 'ask-the-release-team') && eval "$line" && make release
      gpgshim close --status $?
    """
    with before_the_job():
        if 1 in closed:
            raise Misused("stdout is closed, so the line for the shell cannot be printed")
        now = settings_for(commit=commit, deadline=deadline, gpg=gpg, observe=observe)
        if now.commit == "ask" and not foreground:
            raise Misused("--commit ask needs a terminal", hint="add --foreground")
        name = _job_name(job)
        authority = _authority_of(now, name)
        asked = now.commit or "nobody"
        followup.load(now)
        _stop_on(PASSED_ON)
        attempt = Attempt(name, authority, asked, None, now.deadline, now.gpg, observe=now.observe)
        supervisor = attempt.supervisor
        announce = background.announce if foreground else background.go
        line = f"PATH={shlex.quote(attempt.gate)}:$PATH; export PATH;"
        announce(line, attempt.end_on_signals, attempt.abandon)
    _tell_systemd()
    try:
        supervisor.serve()
        report(attempt, supervisor.settle())
    finally:
        # The caller's shell keeps our PATH, so the stunts stay, and report that the job is over.
        followup.tried("the end of the attempt", supervisor.shut)
        followup.follow(attempt.journal, now)
    followup.prune(attempt.journal, now, waited_for=False)
    return 0


@cli.command()
@click.option("--status", metavar="N", type=click.IntRange(0, 255), help="How the job ended.")
@click.argument("directory", required=False, type=click.Path(path_type=Path))
def close(status: int | None, directory: Path | None) -> int:
    """Close the gate of the job whose stunts are first on PATH, and print its outcome.

    With --status the exit status is as that of `gpgshim run`. DIRECTORY names another job: the
    directory whose bin is on its PATH.

    \b
    Example:
      make release; gpgshim close --status $?
    """
    job = directory or _job_on_path()
    if not (job / "bin").is_dir():
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
    if outcome == Outcome.OBSERVED:
        return status or 0
    return 0 if status is None else exit_status(Outcome(outcome), status)


@cli.command("status")
@click.option("-n", "newest", metavar="N", type=click.IntRange(0), help="Show the N newest jobs.")
@click.option("--all", "all_jobs", is_flag=True, help="Show all jobs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, on one line.")
@click.option(
    "--watch",
    metavar="[SECONDS]",
    is_flag=False,
    flag_value=2.0,
    type=_Seconds(min=0.1, max=86400),
    help="Show it again every SECONDS (2).",
)
def show_status(newest: int | None, all_jobs: bool, as_json: bool, watch: float | None) -> int:
    """Jobs under way and recent ones, a line each; `!` is one that needs a person.

    A job's line is its last attempt's; an earlier one has its own where it needs a person.
    $STATE_DIRECTORY names another directory of journals than one's own.

    \b
    With --json: {"version": 1, "directory", "jobs_in_all": N, "rows": [{"job", "attempt": N,
    "earlier": [OUTCOME…], "journal": PATH, "under_way": BOOL, "state", "outcome" (null: under
    way), "told": BOOL, "started" (or null), "age", "lasted", "retriable" (seconds, or null),
    "signatures": N, "needs" (empty: no person), "meaning"}…]}. `told` is whether the outcome
    stands in the journal; it is derived where a supervisor was killed. None of these will go,
    or change its meaning.

    \b
    Examples:
      gpgshim status --watch
      gpgshim status --json --all | grep -o '"outcome": "retriable"' | wc -l
    """
    from gpgshim.cli import status
    from gpgshim.history import jobs

    if all_jobs and newest is not None:
        raise Misused("-n and --all exclude each other")
    directory = places.state_directory(dict(os.environ))
    number = None if all_jobs else jobs.NEWEST if newest is None else newest
    if watch is not None:
        status.watch(directory, number, as_json, watch)
    sys.stdout.write(status.look(directory, number, as_json))
    return 0


@cli.command("show")
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write a page with a diagram instead; `-' is stdout.",
)
@click.argument("job", metavar="JOB|JOB.N|FILE", shell_complete=_job)
def show_job(job: str, html: Path | None) -> int:
    """The story of JOB's last attempt, of attempt N, or of a journal FILE, as a timeline.

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


@cli.command(context_settings=_WORDS_OF_ANOTHER)
@_GPG
@click.option("--json-lines", is_flag=True, help="Read cases from stdin, one JSON value a line.")
@click.option("--explain", "explained", is_flag=True, help="Say how each word was read, and why.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- [GPG-ARGUMENT]…")
def classify(gpg: str | None, json_lines: bool, explained: bool, words: tuple[str, ...]) -> int:
    """What would this gpg command line do: sign, pass, or refuse?

    With --json-lines a case is an array of strings, or {"argv": […], "env": {…}, "cwd": "…"}.

    \b
    Examples:
      gpgshim classify -- --det f
      echo '["--clearsign", "f"]' | gpgshim classify --json-lines
    """
    from gpgshim.gpgargs import explain
    from gpgshim.stunts import plainfile

    if json_lines and words:
        raise Misused("--json-lines reads its cases from stdin, so no word may follow it")
    search = os.environ.get("PATH", os.defpath)
    table = optiontable.load(
        table_of(find_gpg(search, settings_for(gpg=gpg).gpg), caller_environ())
    )
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


@cli.command("explain", context_settings=_WORDS_OF_ANOTHER)
@_GPG
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- [GPG-ARGUMENT]…")
@click.pass_context
def explain_words(context: click.Context, gpg: str | None, words: tuple[str, ...]) -> int:
    """How gpg reads a command line: each word, what it is taken for, and the verdict.

    \b
    Example:
      gpgshim explain -- --status-fd --sign f
    """
    context.invoke(classify, gpg=gpg, json_lines=False, explained=True, words=words)
    return 0


@cli.command("replay")
@_GPG
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
def replay_journals(gpg: str | None, files: tuple[Path, ...]) -> int:
    """Replay journals: would this version, with this gpg, have decided the same?

    A FILE is a journal as production wrote it, or a directory of them. What would be decided
    otherwise is told, a line each. What gpg's conf files say is looked up here and now.

    The exit status is 0 if all agree, 1 if something differs, 65 if a file is no journal.

    \b
    Example:
      gpgshim replay ~/.local/state/gpgshim
    """
    from gpgshim.history import recorded

    search = os.environ.get("PATH", os.defpath)
    table = optiontable.load(
        table_of(find_gpg(search, settings_for(gpg=gpg).gpg), caller_environ())
    )
    agree = differ = faults = 0
    for each in recorded.replay_files(list(files), table, os.environ):
        for difference in each.differences:
            click.echo(printable(mask.of_text(f"{each.path}: {difference}")))
        if each.fault:
            say(f"{each.path} {each.fault}")
        faults += bool(each.fault)
        differ += bool(each.differences)
        agree += not each.fault and not each.differences
    click.echo(f"{agree} agree, {differ} differ, {faults} are no journals (gpg {table.version})")
    return Malformed.status if faults else int(differ > 0)


@cli.command("metrics")
@click.option("--json", "as_json", is_flag=True, help="For a program.")
@click.option(
    "--textfile",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write it for node_exporter's textfile collector (FILE ends in .prom), and not to stdout.",
)
def show_metrics(as_json: bool, textfile: Path | None) -> int:
    """What became of all jobs, in numbers, as Prometheus reads them.

    A journal is counted once, when its job is over, and stays counted when it is removed.

    \b
    Example:
      gpgshim metrics --textfile /var/lib/prometheus/node-exporter/gpgshim.prom
    """
    import json

    from gpgshim.history import tally
    from gpgshim.summary import metrics

    directory = places.state_directory(dict(os.environ))
    try:
        sums = tally.take_stock(directory)
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
    return 0


@cli.command("config")
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def show_config(as_json: bool) -> int:
    """The settings in force, and where each comes from, as a file that would say the same.

    They are read from /etc/gpgshim/gpgshim.conf, then from gpgshim/gpgshim.conf under
    $XDG_CONFIG_HOME (default: ~/.config), and the command line of each verb wins over both.

    \b
    Example:
      gpgshim config
    """
    now = config.load(os.environ)
    click.echo(config.show_json(now) if as_json else config.show(now), nl=False)
    return 0


@cli.command()
@_GPG
@click.option("--json", "in_json", is_flag=True, help="Tell it as one JSON object.")
def doctor(gpg: str | None, in_json: bool) -> int:
    """Look at this machine as it is, and say what to mend.

    A line a check: `ok`, `mend`, or `-` for what is only to be known, or does not apply. Nothing is
    changed; a trial signature is made where there is one secret key, without asking for a PIN, and
    thrown away. On tag2upload's oracle run it as the oracle's user. The exit status is 0, or 78 if
    something is to be mended.

    \b
    With --json: {"doctor": 1, "gpgshim": VERSION, "oracle": BOOL, "environment": WHOSE,
    "result": "ok"|"mend", "checks": [{"name", "looks_at", "why", "result": "ok"|"note"|"mend",
    "found": [LINE…], "todo": [LINE…]}…]}. None of these will go, or change its meaning.

    \b
    Examples:
      gpgshim doctor
      gpgshim doctor | grep -v '^ok'
    """
    from gpgshim.doctor.doctor import main as examine

    return examine(gpg, in_json)


def _job_on_path() -> Path:
    for each in os.environ.get("PATH", "").split(":"):
        gpg = Path(each, "gpg")
        with contextlib.suppress(OSError):
            if each.startswith("/") and places.is_stunt(gpg):
                return gpg.parent.parent
    raise Misused(
        "no job's stunts are on PATH",
        Fact.NOTHING_CLOSED,
        hint="eval the line that `gpgshim supervise` printed, or name the job's directory",
    )


def _tell_systemd() -> None:
    # sd_notify(3): one datagram; an address that begins with @ is in the abstract namespace.
    if address := os.environ.get("NOTIFY_SOCKET"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            peer.connect("\0" + address[1:] if address[0] == "@" else address)
            peer.send(f"READY=1\nMAINPID={os.getpid()}\n".encode())
