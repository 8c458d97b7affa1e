# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that several verbs have, and the settings that result from them."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpgshim.core.gate import Exit
from gpgshim.core.terms import Form
from gpgshim.supervisor import config
from gpgshim.system.errors import Misused

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


BARE_LOCK = "--lock-agent"  #: without a form


class _Number(click.ParamType):  # type: ignore[type-arg]  # not generic in Debian stable
    """A number from `least` to `most`. click's ranges show themselves in the help, as formulas."""

    def __init__(self, least: float, most: float = math.inf, *, above: bool = False) -> None:
        self.least, self.most = least, most
        self.above = above  # whether the number is greater than `least`

    def read(self, text: str) -> float:
        """The number. Raises ValueError."""
        return float(text)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            number = self.read(value)
        except ValueError:
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        if not self.least <= number <= self.most or (self.above and number == self.least):
            most = "" if math.isinf(self.most) else f" and at most {self.most:.15g}"
            least = f"{'more than' if self.above else 'at least'} {self.least:.15g}"
            self.fail(f"it is {value!r}, and has to be {least}{most}.", param, ctx)
        return number


class Seconds(_Number):
    """A number of seconds."""

    name = "number"


class Whole(_Number):
    """A whole number."""

    name = "whole number"

    def read(self, text: str) -> int:
        """The number. Raises ValueError."""
        return int(text)


JOB = click.option(
    "--job",
    metavar="NAME",
    help="Name of the job. Its journals are NAME.1, NAME.2 and so on. Default: a name made of the"
    " time and the process id, under which nothing is remembered.",
)
COMMIT = click.option(
    "--commit",
    metavar="COMMAND|ask|o2m:SOCKET",
    help="The authority, which agrees to the commitment before the first signature, or refuses it."
    " COMMAND: exit status 0 means go-ahead; 77, or a last line `refused REASON` on stdout, means"
    " refused and certainly not committed; any other end, also 1, leaves the commitment unknown."
    " `ask`: you, at the terminal. `o2m:SOCKET`: a tag2upload manager at a Unix socket. Default: no"
    " authority; every request is granted.",
)
AGAIN = click.option(
    "--again",
    is_flag=True,
    help="Start the job even if an earlier attempt stands, and record that in the journal. If an"
    " attempt is under way, nothing is started.",
)
SKIP_DONE = click.option(
    "--skip-done",
    is_flag=True,
    help="If the job is uploaded already, start nothing, say so, and exit with 0.",
)
RETRIES = click.option(
    "--retries",
    metavar="N",
    type=Whole(0, 1_000_000),
    help="Start up to N further attempts while the job is retriable.",
)
WAIT = click.option(
    "--wait",
    metavar="SECONDS",
    type=Seconds(0, 1e6),
    help="With --retries: the wait before the second attempt. It doubles with each attempt, up to"
    " an hour, and gets a random part of up to a quarter. Default: 60.",
)
TOTAL = click.option(
    "--deadline-total",
    "total",
    metavar="SECONDS",
    type=Seconds(0, 1e8, above=True),
    help="With --retries: after this time no attempt starts, and an attempt that has not committed"
    " is ended with SIGTERM.",
)
DEADLINE = click.option(
    "--deadline",
    metavar="SECONDS",
    type=Seconds(0, 1e6, above=True),
    help="Time for the authority to answer. After that the commitment is unknown. Default: 600.",
)
GPG = click.option(
    "--gpg", metavar="PATH", type=click.Path(), help="The real gpg. Default: the first on PATH."
)


RESULT = click.option(
    "--result",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the result to FILE, as one JSON object, before the outcome is reported. An old FILE"
    " is removed first.",
)
EXIT = click.option(
    "--exit",
    "exit_by",
    metavar="command|outcome",
    type=click.Choice([str(each) for each in Exit]),
    default=str(Exit.COMMAND),
    help="What the exit status depends on. `command` (default): the status of the command, except"
    " for 75 and 77. `outcome`: 0 uploaded or unsigned, 75 retriable, 76 a person is needed,"
    " 77 refused or not started.",
)


# Imported here, because only a shell's request for completion needs it.
def file(_context: object, _param: object, begun: str) -> list[CompletionItem]:
    from gpgshim.cli import completion

    return completion.of_file(begun)


def job(_context: object, _param: object, begun: str) -> list[CompletionItem]:
    from gpgshim.cli import completion

    return completion.of_job(begun)


OBSERVE = click.option(
    "--observe/--no-observe",
    default=None,
    help="Hold and refuse nothing, and only record what the gate would have done. No promise holds"
    " for such a job, and its exit status is its own. --no-observe overrides the setting.",
)


class _Lock(click.Option):
    """--lock-agent[=FORM]."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        return record and (record[0].replace(" [=", "[="), record[1])


LOCK_AGENT = click.option(
    "--lock-agent",
    cls=_Lock,
    metavar="[=alias|namespace]",
    type=click.Choice(list(map(str, Form))),
    help="Put a lock in front of gpg-agent: each program of the job that makes a signature with a"
    " key of this home waits for the gate, also one that does not find the stunts on PATH."
    " `alias` (default): the job has another name of the home in GNUPGHOME. `namespace`: the job"
    " has mounts of its own, so a program cannot avoid the lock by its environment.",
)
NO_LOCK_AGENT = click.option(
    "--no-lock-agent", is_flag=True, default=None, help="No lock, whatever the settings say."
)


class Starting(click.Command):
    """A verb that starts a job. For click, the value of --lock-agent is not optional."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _with_form(self, args))


def _with_form(command: click.Command, args: list[str]) -> list[str]:
    """The words of a command line, with the default form for an option without one."""
    values = {
        name for param in command.params if isinstance(param, click.Option) and not param.is_flag
        for name in param.opts
    }  # fmt: skip
    words = list(args)
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        if words[at] == BARE_LOCK:
            words[at] = f"{BARE_LOCK}={Form.ALIAS}"
        at += 2 if words[at] in values else 1
    return words


COMMIT_AT = click.option(
    "--commit-at",
    type=click.Choice([config.GPG, config.AGENT]),
    help="The commitment point. `gpg` (default): the first call of gpg that would sign. `agent`,"
    " with --lock-agent: the first signature by a key of this home, so that a gpg that fails before"
    " it signs commits nothing.",
)


class Fingerprint(click.ParamType):  # type: ignore[type-arg]  # not generic in Debian stable
    """The fingerprint of a key, as gpg prints it."""

    name = "fingerprint"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        found = "".join(str(value).split()).upper()
        if not config.is_fingerprint(found):
            self.fail(f"{value!r} is no fingerprint: these have 40 or 64 digits.", param, ctx)
        return found


def _given(_context: object, _param: object, values: tuple[str, ...]) -> tuple[str, ...] | None:
    return values or None


KEY = click.option(
    "--key",
    metavar="FPR",
    type=Fingerprint(),
    multiple=True,
    callback=_given,
    help="With --commit-at agent: only signatures by the key with this fingerprint count; may be"
    " repeated. Other keys sign without a request, and the journal notes it. Default: all keys.",
)


def settings_for(**given: object) -> config.Settings:
    """The settings in force for a command line with these values; None is not given.

    Raises Misused, Misconfigured.
    """
    if given.pop("no_lock_agent", None):
        if given["lock_agent"]:
            raise Misused("--lock-agent and --no-lock-agent exclude each other")
        given["lock_agent"] = False
    return config.load(os.environ, given).settings
