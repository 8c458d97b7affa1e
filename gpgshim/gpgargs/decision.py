# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether a gpg command line could make a signature.

Rule 1: gpg's own parser is the reference. Each step here is a step of that parser and names its
rule: T for the words (parser), P for the order of evaluation, C for the conf files (conffile), M
for combinations of commands (commands), V for values that make gpg exit (exits).
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
    NOT_MULTIFILE,
    PARAMETERS,
    SIGNS,
    UNSETTLED,
)
from gpgshim.gpgargs.conffile import Doubt, parse_files
from gpgshim.gpgargs.exits import exit_reason
from gpgshim.gpgargs.optiontable import CHAMELEON, COMMAND
from gpgshim.gpgargs.parser import Option, number, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gpgshim.gpgargs.optiontable import Table

# The verdicts, by the words that `gpgshim classify` prints and that scripts rely on.
SIGN, PASS, UNKNOWN_COMMAND = "sign", "pass", "refuse"

AT_ONCE = ("help", "warranty", "dump-options", "dump-option-table")  # P1
# In gpg's table a command, but used as an option: it lists keys only if there is no command.
NO_COMMAND = ("fingerprint",)


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
    for one in commands:
        new = COMMANDS[one.name][0]
        signer = one if new in SIGNS else signer
        if meaning not in ("", new):
            both = COMBINATIONS.get((meaning, new))
            if both is None:
                return meaning, signer, f"M1: {one.text} conflicts with {meaning}"
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
        return f"M4: {meaning} does not work with {len(files)} words after it"
    if files and meaning in PARAMETERS:
        batch = [name for name in names if name in ("batch", "no-batch")]
        if batch[-1:] != ["batch"] and not any(name in PARAMETERS[meaning] for name in names):
            return f"M5: {meaning} takes a parameter file only with --batch"
    if meaning in NEW_KEYS and "forbid-gen-key" in names:
        return f"M6: --forbid-gen-key forbids {meaning}"
    return ""


def decide(
    options: Sequence[Option], files: Sequence[str], table: Table, doubt: Doubt | None
) -> tuple[str, str]:
    """The verdict on everything that gpg reads, and the reason."""
    commands = [one for one in options if one.flags & COMMAND and one.name not in NO_COMMAND]
    unknown = [one for one in commands if one.name not in COMMANDS]
    never = [one for one in commands if one not in unknown and COMMANDS[one.name][0] == NEVER]
    end = exit_reason(options, table, doubt)
    asks_version = any(one.name == "version" for one in options)
    if (
        table.maker == CHAMELEON
        and not asks_version
        and (end or doubt or not never or never != commands)
    ):
        return SIGN, "Sequoia's gpg reads its words by rules of its own"
    if end:
        return PASS, end
    if unknown:
        return UNKNOWN_COMMAND, f"{rule_and_name(unknown[0])}, a command that gpgshim does not know"
    if doubt and doubt.drops:
        return SIGN, str(doubt)
    if never:
        return PASS, f"{rule_and_name(never[0])}: {COMMANDS[never[0].name][1]}"
    meaning, signer, conflict = combine(commands)
    if conflict:
        return PASS, conflict
    if signer is None:
        problem = "M2: nothing that signs"
    else:
        problem = usage_error(meaning, options, files) if table.exact else ""
    if signer is None or problem:
        return (SIGN, str(doubt)) if doubt and meaning in UNSETTLED else (PASS, problem)
    return SIGN, f"{rule_and_name(signer)}: {COMMANDS[signer.name][1]}"


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
    verdict, reason = decide([*confs, *options], files, table, doubt)
    return Reading(verdict, reason, [*confs, *options], files, str(doubt or ""))
