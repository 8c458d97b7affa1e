# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines of gpg, and what the real gpg was seen to do with each."""

from __future__ import annotations

from gpgshim.gpgargs import decision

S, P = decision.SIGN, decision.PASS

# S signs, - does not, R is refused: first by 2.2.40, then by 2.4.7 and 2.4.9. Each was seen on the
# real gpg.
SURPRISES = """
SS --sign=foo f
SS --clearsign=--verify f
-- -batch -sign f
SS --passphrase -s f
-- --passphrase - -s f
-- --status-fd --sign f
SS --status-fd --sign --sign f
-- -o -s f
SS -s -- -s
-- '' -s f
-- - -s
-- f --sign
SS -b f --verify
SS -b f1 f2
-- -s f1 f2
SS -n -s f
SS --list-only -s f
SS --fingerprint -s f
SS -b -e -r K f
SS --multifile -sc f
-- --multifile -s f
-- -s -e -s f
-- --sign --verify --bogus --help
SS --det f
-- --sig f
-- --strict -s f
-- --output= -s f
SS --dry-run --gen-key
S- --full
"""

RULES = """
T1 what stops the options
-- f -s
-- -- -s
SS -s -
SS -s ''
-- -s f --verify
T2 names whole and cut off
SS --sign
SS --detach
SS --detach-sig f
-- --list-secret
-- --SIGN f
-- --sign-foo f
-- --sig=x f
-- --=x -s f
-- --comment -s
SS --comment -s -s
-- -- --sign
-- --no-such-option -s f
-- --sign:115 -s
T3 values for what takes none
SS --detach-sign=f
-- --no-options=x -s f
SS --no-options -s f
T4 arguments
-- -s --output
-- -s --output=
SS --output -- -s
SS --output '' -s f
SS --output=--verify -s f
T5 the optional argument
SS --passphrase=-s -s f
-- --passphrase
SS -s --passphrase
SS --passphrase= -s f
-- --passphrase= -k
T6 clusters
SS -bsau K
SS -sbofile
-- -ubs f
SS -uK -s
-- -s%
-- -sh
-- -s?
SS -tsz6 f
SS -sz 6
-- -sz x99999999999 -- f f
-- -z -s
-- -sé f
-- -s- f
T7 there are no long options with one dash
-- -version
-- -verify
-- -sign
T8 numbers
SS --status-fd 2x -s
-- --status-fd= -s -s
-- --status-fd 2147483648 -s
SS --status-fd 2147483647 -s
SS --status-fd -2147483648 -s
-- --status-fd -2147483649 -s
-- --set-filesize -1 -s
-- --set-filesize ' -1' -s
SS --set-filesize 0x10 -s
SS --set-filesize 010 -s
SS --set-filesize 0x -s
-- --set-filesize 99999999999999999999999999 -s
SS --set-filesize 18446744073709551615 -s
-- --set-filesize 18446744073709551616 -s
-- --set-filesize 0xfffffffffffffffff -s
SS --status-fd +1 -s
-- --status-fd 00000000000000000000000000000009999999999 -s
T9 obsolete options
-- --no-strict -s
-- --load-extension x -s
P1 what ends gpg at once
-- -s --help
-- -s --warranty f
-- --dump-options -s
-- -s --dump-option-table
-- --he -s
SS -u --help -s
SS -s -- --help
P3 version
-- --sign --bogus --version
-- --sign --version --verify
-- --sign -o --version --version
SS --sign -o --version
P4 values that end gpg
-- --list-options help -s
-- --import-options full-help -s
-- --export-options help -s
-- --keyserver-options help -s
-- --verify-options help -s
SS --verify-options show-photos -s
-- --debug help -s
-- --debug ' ?' -s
SS --debug ipc -s
-- --compliance bogus -s
SS --compliance OpenPGP -s
-- --compliance help -s
-- --tofu-default-policy bogus -s
SS --tofu-default-policy ASK -s
V values that are errors
-- --trust-model bogus -s
-- --keyid-format bogus -s
-- --pinentry-mode bogus -s
-- --request-origin bogus -s
-- --force-ownertrust bogus -s
SS --trust-model always -s
-- --completes-needed 0 -s
SS --completes-needed 0 --completes-needed 1 -s
-- --max-cert-depth 256 -s
-- --default-cert-level 4 -s
SS --default-cert-level 4 --default-cert-check-level 3 -s
-- --min-cert-level 0 -s
-- --print-dane-records -s
M1 commands that meet
SS -s -s
SS -s --sign --detach-sign
SS --sign --clearsign
SS --clearsign --sign
SS --clearsign --clear-sign
-- --clearsign -e -r K
-- --clearsign -c
-- -e --clearsign
SS -e -s -r K
SS -c -s
SS -s -c -e
SS -s -e -c
SS -c -e -s
SS -e -c -s
-- -e -c
-- -c -e
-- -e -c -e
-- -s -e -c -s
-- -s --verify
-- --verify -s
-- -k -s
-- -s --list-keys
-- -s --gen-key
SS --gen-key --generate-key
M2 no command that signs
-- f
-- -e -r K f
-- -c f
-- --fingerprint
M3 more files at a time
-- --multifile --clearsign f
-- --multifile -se f
-- --encrypt-files -s f
SS --encrypt-files -s -c f
-- --verify-files -s f
M4 how many words follow
-- --clearsign f f
-- -b -e f f
SS -b -s f f f
-- --quick-add-uid K
SS --quick-add-uid K new
-- --quick-add-uid K new more
SS --quick-set-expire K 1y S1 S2
-- --sign-key
SS --lsign-key K
-- --quick-gen-key
SS --quick-gen-key a b c d
-- --quick-gen-key a b c d e
SS --edit-key K
-- --edit-key
SS --card-edit
-- --quick-update-pref
-S --quick-update-pref K
-S --quick-add-adsk K K
-- --quick-add-adsk K
M5 parameter files
SS --gen-key
-- --gen-key f
SS --batch --gen-key f
-- --batch --no-batch --gen-key f
SS --command-fd 0 --gen-key f
-- --command-fd 0 --full-gen-key f
SS --batch --full-gen-key f
M6 no new keys
-- --forbid-gen-key --quick-gen-key a
SS --forbid-gen-key -s
"""

CASES = [line for line in (SURPRISES + RULES).split("\n") if line[:2] in ("SS", "--", "S-", "-S")]

# The user's gpg.conf, the command line, what 2.2.40 does, and what 2.4.7 and 2.4.9 do. Seen on the
# real gpg.
LINES = [
    # C4: a command in a file adds up with those on the command line
    ("sign", "f", S, S),
    ("sign", "-e -r X f", S, S),
    ("sign", "--verify f", P, P),
    ("sign", "--no-options f", P, P),
    ("sign", "-c f", S, S),
    ("encrypt", "-s -e f", P, P),  # encrypt, sign, encrypt: a conflict
    ("verify", "-s f", P, P),
    ("detach-sign", "-s f f", S, S),
    ("list-keys", "f", P, P),
    ("multifile", "-s f", P, P),
    ("batch", "--gen-key f", S, S),
    ("batch", "--no-batch --gen-key f", P, P),
    ("no-batch", "--batch --gen-key f", S, S),
    # C3: the long name without dashes, exact, white space, the argument
    ("  sign\t\n", "f", S, S),
    ("\tsign \r", "f", S, S),
    ("# sign", "f", P, P),
    ("#\n\n \nsign", "f", S, S),
    ("\ufeffsign", "f", S, S),
    ("comment a b # c", "-s f", S, S),
    ("comment sign", "f", P, P),
    ('comment "sign', "-s f", S, S),
    ("passphrase", "-s f", S, S),
    ("list-options help", "-s f", P, P),
    # C5: what means nothing in a file
    ("options /other\nhomedir /other", "-s f", S, S),
    ("strict", "-s f", S, S),
    # C6: a bad line: a warning in 2.2, the end in 2.4
    ("bogus", "-s f", S, P),
    ("x\n", "-s f", S, P),
    ("x", "-s f", S, P),
    ("#\nsign", "f", S, S),
    ("\n\nsign", "f", S, S),
    ("det", "f", P, P),
    ("det", "-s f", S, P),
    ("--sign", "f", P, P),
    ("sign=x", "-s f", S, P),
    ("s", "-s f", S, P),
    ("sign foo", "f", P, P),
    ("sign foo", "-s f", S, P),
    ("armor # comment", "-s f", S, P),
    ("output", "-s f", S, P),
    ("status-fd 99999999999", "-s f", S, P),
    ("status-fd x", "-s f", S, S),
    ("help", "-s f", S, P),
    ("version", "-s f", S, P),
    ("no-options", "-s f", S, P),
    ("strict ", "-s f", S, P),
    ("sign\x1c", "-s f", S, P),
    ("ignore-invalid-option bogus det\nbogus a b\ndet", "-s f", S, S),
    ("ignore-invalid-option\nbogus", "-s f", S, P),
    ("bogus\nignore-invalid-option bogus", "-s f", S, P),
    ("ignore-invalid-option sign\nsign", "f", S, S),  # only an option that gpg lacks is ignored
    ('keyid-format "long"', "-s f", S, S),  # quotes around a value do not belong to it
    ("alias", "-s f", S, P),
    # V: a later number puts an earlier one right, wherever it stands
    ("completes-needed 0", "-s f", P, P),
    ("completes-needed 0", "--completes-needed 1 -s f", S, S),
    ("keyid-format bogus", "--keyid-format long -s f", P, P),
]
