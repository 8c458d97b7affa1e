# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which gpg commands sign, alone and combined, and how many words each takes. Kept by hand.

Rule 1: commands are found by name, never by number, because gpg's numbers differ between versions.
Every name that gpg's table marks as a command is listed here. A name that is missing has not been
examined.
Rule 2: NEVER was tested: gpg-agent got no request for a signature (PKSIGN), whatever the input. All
other commands count as signing, also if that depends on later input (edit-key).
Rule 3: the number of words after a command is part of the table: with too few or too many, gpg
prints its usage.

Source: set_cmd() and the dispatcher of main() in g10/gpg.c of GnuPG 2.2.40 and 2.4.9, and the log
of gpg-agent.
"""

from __future__ import annotations

NEVER = ""
ANY = 1 << 30

# gpg's table marks these as commands, but gpg uses them as options: --fingerprint lists keys only
# if there is no command.
NO_COMMAND = ("fingerprint",)

# name: (the command that gpg's switch maps the name to, a short reason).
COMMANDS: dict[str, tuple[str, str]] = {
    # signatures on data
    "sign": ("sign", "signs data"),
    "detach-sign": ("sign", "signs data, detached"),
    "clear-sign": ("clear-sign", "signs data, in clear text"),
    "clearsign": ("clear-sign", "signs data, in clear text"),
    # no signature by themselves, but they can be combined with --sign
    "encrypt": ("encrypt", "needs only public keys"),
    "encrypt-files": ("encrypt", "needs only public keys"),
    "symmetric": ("symmetric", "needs only a passphrase"),
    # new keys: a signature binds each user id and subkey
    "generate-key": ("generate-key", "a new key signs its user id"),
    "gen-key": ("generate-key", "a new key signs its user id"),
    "full-generate-key": ("full-generate-key", "a new key signs its user id"),
    "full-gen-key": ("full-generate-key", "a new key signs its user id"),
    "quick-generate-key": (
        "quick-generate-key",
        "a new key signs its user id",
    ),
    "quick-gen-key": ("quick-generate-key", "a new key signs its user id"),
    "quick-add-key": ("quick-add-key", "the primary key signs the subkey"),
    "quick-addkey": ("quick-add-key", "the primary key signs the subkey"),
    "quick-add-adsk": ("quick-add-adsk", "the primary key signs the subkey"),
    "quick-add-uid": ("quick-add-uid", "the primary key signs the user id"),
    "quick-adduid": ("quick-add-uid", "the primary key signs the user id"),
    # changes of a key: a new self-signature
    "quick-revoke-uid": ("quick-revoke-uid", "a revocation is a signature"),
    "quick-revuid": ("quick-revoke-uid", "a revocation is a signature"),
    "quick-set-expire": ("quick-set-expire", "a new self-signature"),
    "quick-set-primary-uid": ("quick-set-primary-uid", "a new self-signature"),
    "quick-update-pref": ("quick-update-pref", "a new self-signature"),
    # signatures on other people's keys, and revocations
    "sign-key": ("sign-key", "signs a key"),
    "lsign-key": ("lsign-key", "signs a key"),
    "quick-sign-key": ("quick-sign-key", "signs a key"),
    "quick-lsign-key": ("quick-lsign-key", "signs a key"),
    "quick-revoke-sig": ("quick-revoke-sig", "a revocation is a signature"),
    "generate-revocation": ("generate-revocation", "a revocation is a signature"),
    "gen-revoke": ("generate-revocation", "a revocation is a signature"),
    "generate-designated-revocation": ("desig-revoke", "a revocation is a signature"),
    "desig-revoke": ("desig-revoke", "a revocation is a signature"),
    # it depends on later input
    "edit-key": ("edit-key", "may sign: this depends on later input"),
    "key-edit": ("edit-key", "may sign: this depends on later input"),
    "edit-card": ("edit-card", "may sign: this depends on later input"),
    "card-edit": ("edit-card", "may sign: this depends on later input"),
    # these read keys, data, trust or the configuration
    "list-keys": (NEVER, "reads public keys"),
    "list-key": (NEVER, "reads public keys"),
    "list-public-keys": (NEVER, "reads public keys"),
    "list-signatures": (NEVER, "reads public keys"),
    "list-sigs": (NEVER, "reads public keys"),
    "list-sig": (NEVER, "reads public keys"),
    "check-signatures": (NEVER, "verifies with public keys"),
    "check-sigs": (NEVER, "verifies with public keys"),
    "check-sig": (NEVER, "verifies with public keys"),
    "list-secret-keys": (NEVER, "asks the agent only which keys it has"),
    "show-keys": (NEVER, "reads public keys"),
    "show-key": (NEVER, "reads public keys"),
    "locate-keys": (NEVER, "looks for public keys"),
    "locate-external-keys": (NEVER, "looks for public keys"),
    "list-packets": (NEVER, "reads data"),
    "verify": (NEVER, "verifies with public keys"),
    "verify-files": (NEVER, "verifies with public keys"),
    "decrypt": (NEVER, "decrypts: the agent gets only PKDECRYPT"),
    "decrypt-files": (NEVER, "decrypts: the agent gets only PKDECRYPT"),
    "store": (NEVER, "packs data"),
    "dearmor": (NEVER, "unpacks data"),
    "dearmour": (NEVER, "unpacks data"),
    "enarmor": (NEVER, "packs data"),
    "enarmour": (NEVER, "packs data"),
    "print-md": (NEVER, "computes digests"),
    "print-mds": (NEVER, "computes digests"),
    "gen-random": (NEVER, "prints random bytes"),
    "gen-prime": (NEVER, "is not implemented any more"),
    "list-config": (NEVER, "reads the configuration"),
    "list-gcrypt-config": (NEVER, "reads the configuration"),
    "gpgconf-list": (NEVER, "reads the configuration"),
    "gpgconf-test": (NEVER, "reads the configuration"),
    "card-status": (NEVER, "reads a card"),
    "server": (NEVER, "its SIGN is not implemented"),
    # these copy or move keys, or change data that is stored with them
    "export": (NEVER, "copies public keys"),
    "export-ssh-key": (NEVER, "copies public keys"),
    "export-secret-keys": (NEVER, "copies secret keys, uses none"),
    "export-secret-subkeys": (NEVER, "copies secret keys, uses none"),
    "export-secret-ssh-key": (NEVER, "copies secret keys, uses none"),
    "import": (NEVER, "stores keys"),
    "fast-import": (NEVER, "stores keys"),
    "send-keys": (NEVER, "copies public keys"),
    "receive-keys": (NEVER, "fetches public keys"),
    "recv-keys": (NEVER, "fetches public keys"),
    "search-keys": (NEVER, "fetches public keys"),
    "refresh-keys": (NEVER, "fetches public keys"),
    "fetch-keys": (NEVER, "fetches public keys"),
    "delete-keys": (NEVER, "deletes keys"),
    "delete-secret-keys": (NEVER, "deletes keys"),
    "delete-secret-and-public-keys": (NEVER, "deletes keys"),
    "change-passphrase": (NEVER, "the agent re-encrypts the key, and signs nothing"),
    "passwd": (NEVER, "the agent re-encrypts the key, and signs nothing"),
    "change-pin": (NEVER, "changes a card's PIN, and signs nothing"),
    "quick-set-ownertrust": (NEVER, "changes the trust database"),
    "tofu-policy": (NEVER, "changes the trust database"),
    "export-ownertrust": (NEVER, "reads the trust database"),
    "import-ownertrust": (NEVER, "changes the trust database"),
    "update-trustdb": (NEVER, "changes the trust database"),
    "check-trustdb": (NEVER, "changes the trust database"),
    "fix-trustdb": (NEVER, "prints advice"),
    "list-trustdb": (NEVER, "reads the trust database"),
    "list-trust-path": (NEVER, "reads the trust database"),
    "rebuild-keydb-caches": (NEVER, "rewrites the public keyring"),
}

MULTIFILE = ("multifile", "encrypt-files", "decrypt-files", "verify-files")

# M1: (commands so far, next command): the two together. A repeated command changes nothing. Any
# pair that is not in this table is "conflicting commands", and gpg exits at that word.
COMBINATIONS: dict[tuple[str, str], str] = {
    ("sign", "encrypt"): "sign encrypt",
    ("encrypt", "sign"): "sign encrypt",
    ("sign", "symmetric"): "sign symmetric",
    ("symmetric", "sign"): "sign symmetric",
    ("encrypt", "symmetric"): "encrypt symmetric",
    ("symmetric", "encrypt"): "encrypt symmetric",
    ("sign encrypt", "symmetric"): "sign encrypt symmetric",
    ("sign symmetric", "encrypt"): "sign encrypt symmetric",
    ("encrypt symmetric", "sign"): "sign encrypt symmetric",
    ("sign", "clear-sign"): "clear-sign",
    ("clear-sign", "sign"): "clear-sign",
}

# M2, M4: the combinations that sign, with the least and the greatest number of words after options.
SIGNS: dict[str, tuple[int, int]] = {
    "sign": (0, 1),  # a plain --detach-sign takes any number: DETACHED
    "clear-sign": (0, 1),
    "sign encrypt": (0, 1),
    "sign symmetric": (0, 1),
    "sign encrypt symmetric": (0, 1),
    "generate-key": (0, 1),
    "full-generate-key": (0, 1),
    "quick-generate-key": (1, 4),
    "quick-add-key": (1, 4),
    "quick-add-adsk": (2, 2),
    "quick-add-uid": (2, 2),
    "quick-revoke-uid": (2, 2),
    "quick-set-expire": (2, ANY),
    "quick-set-primary-uid": (2, 2),
    "quick-update-pref": (1, 1),
    "sign-key": (1, 1),
    "lsign-key": (1, 1),
    "quick-sign-key": (1, ANY),
    "quick-lsign-key": (1, ANY),
    "quick-revoke-sig": (2, ANY),
    "generate-revocation": (1, 1),
    "desig-revoke": (1, 1),
    "edit-key": (1, ANY),
    "edit-card": (0, ANY),
}
DETACHED = (0, ANY)

# M3: these "do not yet work with --multifile", and gpg says so and exits. With `sign symmetric` and
# `sign encrypt symmetric`, which are not listed, it signs.
NOT_MULTIFILE = ("sign", "sign encrypt", "clear-sign")

# M5: commands that take a file of parameters, and the options that replace --batch for them.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "generate-key": ("command-fd", "command-file"),
    "full-generate-key": (),
}

# M6: the commands that --forbid-gen-key forbids.
NEW_KEYS = (
    "generate-key",
    "full-generate-key",
    "quick-generate-key",
    "quick-add-key",
    "quick-add-adsk",
)

# Command combinations that an unreadable conf file could turn into a signature ("": no command).
UNSETTLED = (
    "",
    "encrypt",
    "symmetric",
    "encrypt symmetric",
    "sign",
    "clear-sign",
    "sign encrypt",
    "sign symmetric",
    "sign encrypt symmetric",
    *PARAMETERS,
)
