# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other programs of a scratch job: small scripts that record what they see at once."""

from __future__ import annotations

COMMIT = "commit-to-public-upload"

#: The signature is made by the rename: one that is killed before that has made none.
GPG = """\
#!/bin/sh
case "$1" in --version|--dump-option-table|--help) exec {gpg} "$@";; esac
for journal in "$WORLD"/moved/* "$WORLD"/state/gpgshim/[!.]*; do
    test ! -e "$journal" || last=$journal
done
case $CLIENT in ?*) exec "$PYTHON" "$CLIENT" "$@";; esac
cat "$last" >"$WORLD/signed/new.$$" && exec mv "$WORLD/signed/new.$$" "$WORLD/signed/$ATTEMPT.$$"
"""

#: gpgme would look for gpg by way of gpgconf; one of the faces does.
DGIT = """\
#!/bin/sh
case $WITH_GPGCONF in ?*) gpgconf --list-components >/dev/null || exit 254;; esac
case $JOB in early) echo 'gave HTTP code 500' >&2; exit 255;; esac
gpg --detach-sign a || exit 255
"${PAST}gpg" --clearsign b || exit 255
case $JOB in late) exit 255;; esac
"""

JOB = """\
dgit rpush-source HOST:DIR
status=$?
"""

SCRIPT = f"""\
#!/bin/sh
{JOB}exit $status
"""

#: The jobs of other attempts. A rival may have to wait for the end of another program.
LATER = SCRIPT
RIVAL = f"""\
#!/bin/sh
if test -e "$WORLD/waits"; then
    : >"$WORLD/runs"
    read -r go <"$WORLD/go"
fi
{JOB}exit $status
"""

#: A person or a script that starts the daemon, does the job and reports its end; once more if that
#: gave no outcome. After a failed start it ends the remaining processes.
OPERATOR = """\
#!/bin/sh
line=$("$PYTHON" -m gpgshim supervise --job j --again --commit authority) || {
    status=$?
    for job in "$WORLD"/run/gpgshim/*/socket; do
        test -e "$job" && "$PYTHON" -m gpgshim close "${job%/socket}" >/dev/null 2>&1
    done
    exit $status
}
eval "$line"
script
status=$?
outcome=$("$PYTHON" -m gpgshim close --status $status)
closed=$?
case $outcome in ?*) exit $closed;; esac
"$PYTHON" -m gpgshim close --status $status >/dev/null
"""

#: It answers go-ahead, and records the time of the request.
AUTHORITY = """\
#!/bin/sh
for journal in "$WORLD"/moved/* "$WORLD"/state/gpgshim/[!.]*; do
    test ! -e "$journal" || last=$journal
done
exec cat "$last" >"$WORLD/heard/$ATTEMPT.$$"
"""

#: When the stunt dgit has failed and closed the gate, another signature is as an orphan's.
REPOS_SERVER = f"""\
#!/bin/sh
echo commit-to-public-upload
read -r answer || exit 1
{JOB}case $JOB in early) gpg --detach-sign again;; esac
case $status in
0) printf 'message done\\nemail reported id\\nuploaded\\n';;
75) printf 'message again\\nemail unreported id\\nretriable\\n';;
*) printf 'message failed\\nemail reported id\\nirrecoverable\\n';;
esac
"""

#: The jobs of the stand-in for dgit: it signs twice, fails before that, or fails after it.
