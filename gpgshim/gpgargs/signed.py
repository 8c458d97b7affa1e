# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command line of gpg would sign, as far as the line tells.

Rule 1: this is information for a person or a program that decides. No decision of ours depends on
it.
Rule 2: KINDS is total: it has each combination of commands that signs, and each one that a conf
file could turn into a signature.
Rule 3: conf files are not read, and the name of a key is not looked up in the keyring.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from gpgshim.gpgargs import decision, parser, signers
from gpgshim.gpgargs.commands import COMMANDS, NO_COMMAND
from gpgshim.gpgargs.optiontable import COMMAND, Table


class Kind(StrEnum):
    """The kind of a signature. The values are part of the JSON that an authority gets."""

    DETACHED = "detached"  # of data, in a file of its own
    INLINE = "inline"  # of data, packed together with it
    CLEARSIGN = "clearsign"  # of a text, around it
    SIGN_ENCRYPT = "sign+encrypt"  # of data that is encrypted too, with a key or a passphrase
    NEW_KEY = "new-key"  # the self-signatures of a new key
    CHANGE_KEY = "change-key"  # a new self-signature: a subkey, a user id, an expiry, preferences
    CERTIFY_KEY = "certify-key"  # of another person's key
    REVOKE = "revoke"  # a revocation
    INTERACTIVE = "interactive"  # it depends on later input
    UNKNOWN = "unknown"  # the command line alone does not tell


K = Kind

#: The combination of commands (decision.combine) -> the kind of the signature.
KINDS: dict[str, Kind] = {
    "sign": K.INLINE,  # with --detach-sign: DETACHED
    "clear-sign": K.CLEARSIGN,
    "sign encrypt": K.SIGN_ENCRYPT,
    "sign symmetric": K.SIGN_ENCRYPT,
    "sign encrypt symmetric": K.SIGN_ENCRYPT,
    "generate-key": K.NEW_KEY,
    "full-generate-key": K.NEW_KEY,
    "quick-generate-key": K.NEW_KEY,
    "quick-add-key": K.CHANGE_KEY,
    "quick-add-adsk": K.CHANGE_KEY,
    "quick-add-uid": K.CHANGE_KEY,
    "quick-set-expire": K.CHANGE_KEY,
    "quick-set-primary-uid": K.CHANGE_KEY,
    "quick-update-pref": K.CHANGE_KEY,
    "sign-key": K.CERTIFY_KEY,
    "lsign-key": K.CERTIFY_KEY,
    "quick-sign-key": K.CERTIFY_KEY,
    "quick-lsign-key": K.CERTIFY_KEY,
    "quick-revoke-uid": K.REVOKE,
    "quick-revoke-sig": K.REVOKE,
    "generate-revocation": K.REVOKE,
    "desig-revoke": K.REVOKE,
    "edit-key": K.INTERACTIVE,
    "edit-card": K.INTERACTIVE,
    # A conf file has the command that signs, or may have it.
    "": K.UNKNOWN,
    "encrypt": K.UNKNOWN,
    "symmetric": K.UNKNOWN,
    "encrypt symmetric": K.UNKNOWN,
}

#: The kinds that are signatures of data: the words after the options are files.
OF_DATA = (K.DETACHED, K.INLINE, K.CLEARSIGN, K.SIGN_ENCRYPT)


class Signed(NamedTuple):
    """What a command line would sign.

    `keys` are the names of the keys that are to sign; none for gpg's default key. `output` is the
    file for the result; None if gpg chooses it. `arguments` are the words after the options: files
    for the kinds OF_DATA, otherwise for example a key and a user id.
    """

    kind: Kind
    keys: tuple[str, ...]
    output: str | None
    arguments: tuple[str, ...]


def what_is_signed(words: Sequence[str], table: Table) -> Signed:
    """What gpg's words (its argv without argv[0]) would sign. Raises nothing."""
    options, arguments = parser.parse(words, table)
    commands = [one for one in options if one.flags & COMMAND and one.name not in NO_COMMAND]
    known = [one for one in commands if one.name in COMMANDS]
    meaning, _, conflict = decision.combine(known)
    kind = KINDS.get(meaning, K.UNKNOWN)
    if known != commands or conflict:
        kind = K.UNKNOWN
    if meaning == "sign" and kind is K.INLINE and any(one.name == "detach-sign" for one in known):
        kind = K.DETACHED
    outputs = [one.value for one in options if one.name == "output"]
    keys = tuple(signers.keys_of(words, table))
    return Signed(kind, keys, outputs[-1] if outputs else None, tuple(arguments))
