# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stunt gpg: parses gpg's command line, asks the supervisor if needed, and execs the real gpg.

Rule 1: a command that makes no signature is not affected: no socket, no wait. The real gpg gets
argv, descriptors, environment and signals as the caller left them.
Rule 2: the stunt finds everything that it needs by its own path, not by the environment.
Rule 3: this runs under `python3 -I -S`, and every gpg call pays for every import
(supervisor/stuntcode.py).
"""

from __future__ import annotations

import posix

from gpgshim.core import wire
from gpgshim.gpgargs import conffile, decision, optiontable
from gpgshim.stunts import ask, plainfile, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal  # has the same names, but costs the stunt much more time
    from typing import NoReturn
else:
    import _signal

REFUSED = 2  #: gpg's own exit status for a failure

#: The text after `[GNUPG:] FAILURE`: a location, and a libgpg-error code in decimal:
#: GPG_ERR_SOURCE_GPG (2) << 24 | GPG_ERR_FORBIDDEN (251). See GnuPG's doc/DETAILS.
FAILURE = b"[GNUPG:] FAILURE gpgshim 33554683\n"


def main(job: str) -> NoReturn:
    """Run the stunt gpg of the job whose directory is `job`."""
    try:
        _run(job)
    except MemoryError:
        _refuse("there is too little memory for the stunt", None)


def _run(job: str) -> NoReturn:
    """Become the real gpg, after a request if this call may sign. Exits if that is impossible."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # an interrupt kills us, as it kills gpg
    raw = process.caller_words()
    words = [word.decode("utf-8", "surrogateescape") for word in raw]
    try:
        real = posix.readlink(f"{job}/{wire.REAL}/gpg")
        table = optiontable.load(process.read_text(f"{job}/{wire.TABLE}"))
    except (OSError, ValueError) as error:
        why = f"this gpg belongs to no job that is under way ({error})"
        ask.tell(job, why)
        _refuse(why, None)
    environ = {
        name: value.decode("utf-8", "surrogateescape")
        for name in conffile.VARIABLES
        if (value := posix.environ.get(name.encode())) is not None
    }
    reading = decision.read(words, table, environ, plainfile.read)
    replaced = _replaced(table) if reading.verdict == decision.PASS else ""
    if (reading.verdict != decision.PASS or replaced) and not _is_held_later(job, reading):
        _get_grant(job, reading, replaced)
    try:
        if table.is_wrapped:
            _remove_stunts_from_path(job)
        process.become(real, [b"gpg", *raw])
    except OSError as error:
        why = f"{real} cannot be run: {error.strerror}"
        ask.tell(job, why)
        _refuse(why, reading.status_fd)


def _is_held_later(job: str, reading: decision.Reading) -> bool:
    """With --commit-at agent: whether the lock of gpg-agent holds the signatures of this call.

    The same is true if this call has another home than the locked one: its keys do not count. A
    call that would reach the locked agent round the lock needs a grant.
    """
    try:
        if posix.stat(f"{job}/{wire.AT_AGENT}").st_size:
            return True  # wire.EVERY_CALL
        homes = [each.value for each in reading.options if each.name == "homedir"]
        home = homes[-1] if homes else posix.environ.get(b"GNUPGHOME", b"")
        locked = f"{job}/{wire.ALIAS}"
        if home in (locked, locked.encode("utf-8", "surrogateescape")):
            return True
        return posix.stat(home or "")[1:3] != posix.stat(locked)[1:3]
    except OSError:
        return False


def _get_grant(job: str, reading: decision.Reading, replaced: str) -> None:
    """Send a request to the supervisor, and wait. Returns if gpg may run; exits if not."""
    word = wire.SIGN if reading.verdict == decision.SIGN else wire.UNKNOWN_COMMAND
    is_observed = ask.observes(job)
    try:
        answer, why = ask.ask(job, word, patience=ask.PATIENCE if is_observed else None)
    except ask.NoAnswer as error:
        answer, why = wire.NO, str(error)
    if answer == wire.GO or is_observed:
        return
    if replaced:
        why = f"{replaced} was replaced after the job began, so this call may sign; {why}"
    _refuse(why, reading.status_fd)


def _replaced(table: optiontable.Table) -> str:
    """A source file of the table that was replaced since the job began; empty if there is none."""
    for path, identity in table.sources.items():
        try:
            if plainfile.identity(posix.stat(path)) == identity:
                continue
        except OSError:
            pass  # the file is gone, and a file that appears there later is a different one
        return path
    return ""


def _remove_stunts_from_path(job: str) -> None:
    """Remove the stunts from PATH for a wrapper, which would otherwise find them in place of gpg.

    Without gpgshim they would not be on its PATH either. The wrapper's own words are already
    checked.
    """
    path = posix.environ.get(b"PATH")
    if path is None:
        return
    ours = job.encode("utf-8", "surrogateescape") + b"/"
    here = posix.stat(f"{job}/{wire.BIN}/gpg")
    try:
        wall = posix.readlink(ours + wire.WALL.encode())
    except OSError:
        wall = ours
    left = [each for each in path.split(b":") if each != wall and not _is_ours(each, ours, here)]
    if left:
        posix.putenv(b"PATH", b":".join(left))
    else:
        posix.unsetenv(b"PATH")


def _is_ours(directory: bytes, job: bytes, stunt: posix.stat_result) -> bool:
    if directory.startswith(job):
        return True
    try:
        return posix.stat(directory + b"/gpg")[:3] == stunt[:3]  # PATH has a link to the directory
    except (OSError, ValueError):
        return False


def _refuse(why: str, status_fd: int | None) -> NoReturn:
    process.say(f"gpg: gpgshim refuses: {why}; nothing was signed by this gpg")
    if status_fd is not None:
        try:
            posix.write(status_fd, FAILURE)
        except (OSError, OverflowError):
            pass  # the caller gave a descriptor that is not open
    posix._exit(REFUSED)
