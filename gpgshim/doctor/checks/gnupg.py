# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the real gpg: its version, its conf files and its secret key."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.finding import Finding, combine, fault, note, ok
from gpgshim.gpgargs import conffile, optiontable
from gpgshim.gpgargs.commands import COMMANDS, NO_COMMAND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpgshim.doctor.checks.facts import Key, Machine, Trial


class Gpg(NamedTuple):
    """The real gpg: `exact` is Table.exact, `unknown` its commands that we do not know."""

    path: str
    version: str
    maker: str
    exact: bool
    unknown: Sequence[str]


def gather_gpg(machine: Machine) -> Gpg:
    table = machine.table
    known = {*COMMANDS, *NO_COMMAND, *conffile.NOT_IN_CONF}
    unknown = [
        name for name, _, flags in table.rows() if flags & optiontable.COMMAND and name not in known
    ]
    return Gpg(machine.gpg, table.version, table.maker, table.exact, unknown)


def diagnose_gpg(found: Gpg) -> Finding:
    if found.maker == optiontable.CHAMELEON:
        return note(
            f"{found.path} is Sequoia's chameleon, as gpg {found.version}",
            "it reads its command line by rules of its own: gpgshim requests permission for almost"
            " every call",
        )
    lines = [f"{found.path} {found.version}, by GnuPG"]
    if not found.exact:
        lines.append(
            "gpgshim was not tested with this version: it requests permission for each call that"
            " it cannot read with certainty"
        )
    if found.unknown:
        lines.append(
            f"commands that gpgshim does not know, and refuses before a commitment:"
            f" {' '.join(found.unknown)}"
        )
    return note(*lines) if lines[1:] else ok(*lines)


GPG = Check(
    "gpg",
    looks_at="the real gpg, its version and its option table",
    why="a command line is read with the option table of the gpg that runs",
    gather=gather_gpg,
    diagnose=diagnose_gpg,
)


class ConfLine(NamedTuple):
    """A command or a fault in a conf file: FILE:LINE, the word, and the fault or ""."""

    where: str
    word: str
    fault: str


class Conf(NamedTuple):
    """The commands and faults of gpg's conf files, and why some lines are unknown, or ""."""

    lines: Sequence[ConfLine]
    doubt: str


def gather_conf(machine: Machine) -> Conf:
    options, doubt = conffile.parse_files([], machine.table, machine.environ, machine.conf_file)
    lines = [
        ConfLine(each.where, each.text, each.fault)
        for each in options
        if each.fault or (each.flags & optiontable.COMMAND and each.name not in NO_COMMAND)
    ]
    return Conf(lines, str(doubt or ""))


def diagnose_conf(found: Conf) -> Finding:
    several = [
        fault(
            each.fault or f"{each.where} has the command {each.word}, so every call of gpg has it",
            f"remove that line ({each.where})",
        )
        for each in found.lines
    ]
    if found.doubt:
        several.append(
            note(
                f"not known in advance: {found.doubt}; so gpgshim also requests permission for"
                " calls that may not sign"
            )
        )
    return combine(several, ok("no command and no fault in gpg's conf files"))


GPG_CONF = Check(
    "gpg.conf",
    looks_at="/etc/gnupg/gpg.conf and the user's file",
    why="a command in a conf file is part of every call of gpg: the call then signs, or fails",
    gather=gather_conf,
    diagnose=diagnose_conf,
)


class Keys(NamedTuple):
    """The secret keys in gpg's `home`."""

    oracle: bool
    home: str
    keys: Sequence[Key]


def gather_keys(machine: Machine) -> Keys:
    return Keys(machine.is_oracle, machine.gnupg_home, machine.keys)


def diagnose_keys(found: Keys) -> Finding:
    """oracled needs exactly one key; it counts the `fpr` lines of gpg, also those of subkeys."""
    lines = [_described(key) for key in found.keys]
    fingerprints = sum(1 + key.subkeys for key in found.keys)
    if fingerprints == 1 or (len(found.keys) == 1 and not found.oracle):
        return ok(*lines)
    if not found.oracle and found.keys:
        return note(f"{len(found.keys)} secret keys; the job chooses the one that signs", *lines)
    if not found.oracle:
        return note(f"there is no secret key in {found.home}: gpg cannot sign")
    seen = "; ".join(lines) or f"no key in {found.home}"
    return fault(
        f"tag2upload-oracled needs exactly one key, and finds {fingerprints}: {seen}",
        f"leave one secret key, without subkeys, in {found.home}"
        if found.keys
        else "create the oracle's key; for a key on a token, run `gpg --card-status`",
    )


def _described(key: Key) -> str:
    subkeys = f" with {key.subkeys} subkey{'s' * (key.subkeys > 1)}" if key.subkeys else ""
    return key.fingerprint + subkeys + (f", on the token {key.token}" if key.token else "")


SECRET_KEY = Check(
    "secret key",
    looks_at="the secret keys that gpg has",
    why="oracled needs exactly one, and reports that at its start only",
    gather=gather_keys,
    diagnose=diagnose_keys,
)


class Signature(NamedTuple):
    """A trial signature, or None and the reason: we are `inside` a job, or have not one key."""

    inside: bool
    keys: Sequence[Key]
    trial: Trial | None


def gather_signature(machine: Machine) -> Signature:
    """Inside a job no trial signature is made: it would go past the gate of that job."""
    if machine.stunts:
        return Signature(True, (), None)
    keys = machine.keys
    return Signature(False, keys, machine.try_key(keys[0]) if len(keys) == 1 else None)


def diagnose_signature(found: Signature) -> Finding:
    """The signature was made without a request to a person for a PIN or a passphrase."""
    if found.inside:
        return note("not tried inside a job, because the signature would go past its gate")
    if found.trial is None:
        return note(f"not tried, because there are {len(found.keys)} secret keys")
    (key,), tried = found.keys, found.trial
    if tried.made:
        return ok(f"made and verified in {tried.seconds:.1f} s, and thrown away")
    token = f" The key is on the token {key.token}." if key.token else ""
    if tried.late:
        return fault(
            f"gpg had made none after {tried.seconds:.0f} s, and was killed.{token}",
            "check whether the token waits for a touch, or gpg-agent hangs: gpg-connect-agent /bye",
        )
    return fault(
        f"gpg made none: {tried.complaint}.{token}",
        f"echo | gpg -u {key.fingerprint} --clearsign (it asks for a PIN, if one is missing)",
    )


TRIAL_SIGNATURE = Check(
    "trial signature",
    looks_at="a signature with that key, which is thrown away",
    why="after the commitment a failure is final",
    gather=gather_signature,
    diagnose=diagnose_signature,
)
