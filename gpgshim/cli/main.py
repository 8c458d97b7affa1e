# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: words in, exit status out.

Rule 1: exit statuses are sysexits'; a job's own status goes through gate.exit_status only.
Rule 2: a message is one line, or two with its hint, in one write, on stderr; stdout is for the
requested output.
"""

from __future__ import annotations

import contextlib
import os
import sys

import click

from gpgshim.cli import audit, closing, history, machine, reading, running, shellline  # noqa: F401  their verbs
from gpgshim.cli.group import NoSuchVerb, cli
from gpgshim.system import log
from gpgshim.system.errors import (
    AlreadyDone,
    Fact,
    GpgshimError,
    Misused,
    Stopped,
    of_python,
    status_of,
)
from gpgshim.system.log import Level

__all__ = ["cli", "main"]


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
    except AlreadyDone as error:
        log.report(error, Level.NOTICE)
        return status_of(error)
    except GpgshimError as error:
        log.report(error)
        return status_of(error)
    except (ImportError, MemoryError) as error:  # Python's own errors, at any point of the run
        log.report(of_python(error))
        return status_of(error)
    except Stopped as error:
        return status_of(error)
    except click.Abort:
        return status_of(KeyboardInterrupt())
    except OSError as error:
        # Python would complain about its stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):
            log.report(of_python(error, "stdout"))
        return status_of(error)


def _misused(error: click.UsageError) -> Misused:
    """click's error as ours."""
    text, near = error.format_message().removesuffix("."), list[str]()
    seen = text[:1].lower() + text[1:]
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
