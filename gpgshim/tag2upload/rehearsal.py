# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rehearsal: does the installed dgit-repos-server report `retriable` if dgit exits 75?

Rule 1: the installed dgit-repos-server runs, called as tag2upload-oracled calls it. The builder,
dgit and sendmail are replaced by a few lines of shell each.
Rule 2: it uses no network and no key: `always-accept` accepts the tag, and dgit signs nothing. All
files are in a temporary directory.

No documentation guarantees the answer: dgit-repos-server dies because of dgit's failure, and perl's
`die` takes the exit status from `$? >> 8` only if errno is 0.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import o2m

SECONDS = 60.0  #: time limit; the rehearsal takes one or two

_PACKAGE, _VERSION = "rehearsal", "1"

#: A tag without the lines that dgit-repos-server does not read.
_TAG = f"""\
object 4b825dc642cb6eb9a060e54bf8d69288fbee4904
type commit
tag debian/{_VERSION}
tagger gpgshim doctor <doctor@example.org> 1768000000 +0000

{_PACKAGE} release {_VERSION} for unstable

[dgit distro=debian split please-upload source={_PACKAGE} version={_VERSION}]
-----BEGIN PGP SIGNATURE-----
-----END PGP SIGNATURE-----
"""

_CHANGELOG = f"""\
Source: {_PACKAGE}
Version: {_VERSION}
Distribution: unstable
"""

#: Replaces ssh to the builder: its last word is the command.
_SSH = """\
#!/bin/sh
for word; do :; done
case $word in
*"git cat-file tag "*) cat "$HOME/tag" ;;
*"git for-each-ref "*) echo 4b825dc642cb6eb9a060e54bf8d69288fbee4904 ;;
*dpkg-parsechangelog*) cat "$HOME/changelog" ;;
*--version*) echo "the builder of a rehearsal" ;;
esac
"""

_DGIT = """\
#!/bin/sh
case " $* " in
*" rpush-source "*) : >"$HOME/reached"; exit 75 ;;
esac
echo "the dgit of a rehearsal"
"""

_SENDMAIL = """\
#!/bin/sh
exec cat >/dev/null
"""


class Rehearsal(NamedTuple):
    """The result of a rehearsal.

    `reached` says whether dgit-repos-server ran `dgit rpush-source`. `output` is the text that it
    wrote to the manager, without its request to commit. `status` is as in subprocess, None if it
    had to be killed. `complaint` is the last line of its stderr.
    """

    reached: bool
    output: bytes
    status: int | None
    complaint: str


def rehearse(program: Path, seconds: float = SECONDS) -> Rehearsal:
    """Have the dgit-repos-server at `program` run a job whose dgit exits 75. Raises OSError."""
    with tempfile.TemporaryDirectory(
        prefix="gpgshim-rehearsal.", ignore_cleanup_errors=True
    ) as top:
        scratch = Path(top)
        _furnish(scratch)
        with subprocess.Popen(
            [program, "debian", scratch / "distro", "always-accept", *_words(scratch)],
            cwd=scratch,
            env={
                "PATH": f"{scratch}/bin:/usr/local/bin:/usr/bin:/bin",
                "HOME": top,
                "LC_ALL": "C.UTF-8",
                "DGIT_DRS_SENDMAIL": f"{scratch}/bin/sendmail",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            status: int | None
            try:
                out, err = process.communicate(o2m.GO_AHEAD, seconds)
                status = process.returncode
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
                status = None
        complaints = err.decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(complaints) if line.strip()), "")
        reached = (scratch / "reached").exists()
        return Rehearsal(reached, out.removeprefix(o2m.COMMIT), status, last)


def _furnish(scratch: Path) -> None:
    for directory in ("bin", "dgit-tmp", "distro/outgoing-mail"):
        (scratch / directory).mkdir(parents=True)
    for name, text in (("tag", _TAG), ("dgit-tmp/wholetag", _TAG), ("changelog", _CHANGELOG)):
        (scratch / name).write_text(text)
    for name, text in (("ssh", _SSH), ("dgit", _DGIT), ("sendmail", _SENDMAIL)):
        (scratch / "bin" / name).write_text(text)
        (scratch / "bin" / name).chmod(0o700)


def _words(scratch: Path) -> list[str]:
    address = "gpgshim doctor <doctor@example.org>"
    return [
        "--tag2upload12",
        f"{scratch}/bin/ssh", "builder", "/nowhere", "env",
        address, address, address,
        "0",  # no time limit
        "0" * 40,  # the key, which our dgit does not use
        "--",
        "rehearsal", "https://example.org/rehearsal.git", f"debian/{_VERSION}", _PACKAGE, address,
        "",  # not the last attempt
    ]  # fmt: skip
