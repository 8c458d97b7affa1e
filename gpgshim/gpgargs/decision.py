# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether a gpg command line could make a signature.

Rule 1: gpg's own parser is the reference. Each step here is a step of that parser and names its
rule: T for the words (parser), P for the order of evaluation, C for the conf files (conffile), M
for combinations of commands (commands), V for values that make gpg exit (exits), S for Sequoia.
Rule 2: a fault anywhere among the option words is final: gpg exits there before it has done
anything. So the words are parsed once, and faults, exits and conflicts all mean "pass".
Rule 3: a command is not "pass" while an unknown (a conf file with conditions, another user's home)
could still turn it into one that signs.

Source: src/argparse.c of libgpg-error 1.46 to 1.61, g10/gpg.c of GnuPG 2.2.40 and 2.4.9.

Every gpg call runs this module: it imports nothing that costs time, and does no I/O.
"""

from __future__ import annotations

from gpgshim.gpgargs.commands import (
    COMBINATIONS,
    COMMANDS,
    DETACHED,
    MULTIFILE,
    NEVER,
    NEW_KEYS,
    NO_COMMAND,
    NOT_MULTIFILE,
    PARAMETERS,
    SIGNS,
    UNSETTLED,
)
from gpgshim.gpgargs.conffile import Doubt, parse_files
from gpgshim.gpgargs.exits import AT_ONCE, exit_reason
from gpgshim.gpgargs.optiontable import CHAMELEON, COMMAND
from gpgshim.gpgargs.parser import Option, number, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gpgshim.gpgargs.optiontable import Table

# The verdicts, by the words that `gpgshim classify` prints and that scripts rely on.
SIGN, PASS, UNKNOWN_COMMAND = "sign", "pass", "refuse"


class Reading:
    """What gpg would do with a command line.

    `verdict` is SIGN, PASS or UNKNOWN_COMMAND. `reason` is one short clause that names the rule and
    the word. `status_fd` is the last --status-fd, or None. `options` and `files` are all words in
    gpg's order, conf files first. `doubt` says what is unknown, or is "".
    """

    __slots__ = ("doubt", "files", "options", "reason", "status_fd", "verdict")

    def __init__(
        self, verdict: str, reason: str, options: Sequence[Option], files: Sequence[str], doubt: str
    ) -> None:
        self.verdict = verdict
        self.reason = reason
        self.options = options
        self.files = files
        self.doubt = doubt
        fds = [
            number(one.value)
            for one in options
            if one.name == "status-fd" and one.value is not None
        ]
        self.status_fd = fds[-1] if fds and fds[-1] >= 0 else None


def read(
    words: Sequence[str],
    table: Table,
    environ: Mapping[str, str],
    file: Callable[[str], str | None],
) -> Reading:
    """How gpg would read `words` (its argv without argv[0]; surrogateescape).

    `file` returns the text of a conf file (surrogateescape), or None if there is none. A relative
    path is relative to gpg's working directory. It raises OSError if the content is unknown, and
    for anything but a plain file: a pipe that was read here would be empty when gpg reads it.
    """
    options, files = parse(words, table)
    for one in options:
        if one.name in AT_ONCE:
            return Reading(PASS, f"P1: {one.text} ends gpg at once", options, files, "")
    confs: list[Option] = []
    doubt: Doubt | None = None
    if not any(one.fault for one in options):
        confs, doubt = parse_files(options, table, environ, file)
    options = [*confs, *options]
    verdict, reason = decide(options, files, table, doubt)
    return Reading(verdict, reason, options, files, str(doubt or ""))


def decide(
    options: Sequence[Option], files: Sequence[str], table: Table, doubt: Doubt | None
) -> tuple[str, str]:
    """The verdict and its reason. The first rule that applies decides."""
    commands = [one for one in options if one.flags & COMMAND and one.name not in NO_COMMAND]
    unknown = [one for one in commands if one.name not in COMMANDS]
    never = [one for one in commands if one not in unknown and COMMANDS[one.name][0] == NEVER]
    end = exit_reason(options, table, doubt)
    # S1: Sequoia's gpg has its own rules, which are not known. Only a plain call is certain.
    is_plain = never and never == commands and not end and not doubt
    asks_version = any(one.name == "version" for one in options)
    if table.maker == CHAMELEON and not is_plain and not asks_version:
        return SIGN, "S1: Sequoia's gpg has its own rules, which are not known"
    # T, C1, C6, P3, P4, V: gpg exits before it runs any command.
    if end:
        return PASS, end
    # A command that commands.py does not list. Its effect together with others is unknown too.
    if unknown:
        return UNKNOWN_COMMAND, f"{rule_and_name(unknown[0])}, a command that gpgshim does not know"
    # C7: the global conf file may remove words, and with them a command that never signs.
    if doubt and doubt.drops:
        return SIGN, str(doubt)
    # A command that never signs. With any other command it would be a conflict.
    if never:
        return PASS, f"{rule_and_name(never[0])}: {COMMANDS[never[0].name][1]}"
    # M1 to M6: all commands together, with these options and this number of words.
    return judge_combination(commands, options, files, table, doubt)


def judge_combination(
    commands: Sequence[Option],
    options: Sequence[Option],
    files: Sequence[str],
    table: Table,
    doubt: Doubt | None,
) -> tuple[str, str]:
    """M1 to M6: the verdict on commands each of which may be part of a signature."""
    meaning, signer, problem = combine(commands)
    if problem:
        return PASS, problem
    if signer is None:
        problem = "M2: no command that signs"
    elif table.exact:
        problem = usage_error(meaning, options, files)
    if signer is not None and not problem:
        own, why = COMMANDS[signer.name]
        together = "" if meaning == own else f" (M1: {meaning})"
        return SIGN, f"{rule_and_name(signer)}: {why}{together}"
    # A conf file that is not known may hold the missing command or option.
    if doubt and meaning in UNSETTLED:
        return SIGN, str(doubt)
    return PASS, problem


def rule_and_name(one: Option) -> str:
    """A command's name in a reason: the rule, the word, and the full name if it differs."""
    rule = "C4" if one.where else "T2" if one.text.startswith("--") else "T6"
    return (
        f"{rule}: {one.text}"
        if one.text.removeprefix("--") == one.name
        else f"{rule}: {one.text} is {one.name}"
    )


def combine(commands: Sequence[Option]) -> tuple[str, Option | None, str]:
    """M1: the combination of these commands, the one that signs, and the conflict or ""."""
    meaning, signer = "", None
    for command in commands:
        new = COMMANDS[command.name][0]
        signer = command if new in SIGNS else signer
        if meaning not in ("", new):
            both = COMBINATIONS.get((meaning, new))
            if both is None:
                return meaning, signer, f"M1: {command.text} conflicts with {meaning}"
            new = both
        meaning = new
    return meaning, signer, ""


def usage_error(meaning: str, options: Sequence[Option], files: Sequence[str]) -> str:
    """M3 to M6: why gpg refuses this command with these options and this number of words, or ""."""
    names = [one.name for one in options]
    if meaning in NOT_MULTIFILE and any(name in MULTIFILE for name in names):
        return f"M3: {meaning} does not work with --multifile"
    detached = meaning == "sign" and "detach-sign" in names
    least, most = DETACHED if detached else SIGNS[meaning]
    if not least <= len(files) <= most:
        return f"M4: {meaning} does not accept {len(files)} words after the options"
    if files and meaning in PARAMETERS:
        batch = [name for name in names if name in ("batch", "no-batch")]
        if batch[-1:] != ["batch"] and not any(name in PARAMETERS[meaning] for name in names):
            return f"M5: {meaning} takes a parameter file only with --batch"
    if meaning in NEW_KEYS and "forbid-gen-key" in names:
        return f"M6: --forbid-gen-key forbids {meaning}"
    return ""
