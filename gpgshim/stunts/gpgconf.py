# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stunt gpgconf: gives the stunt gpg's path to callers that do not search PATH, such as gpgme.

Rule 1: the output decides, not the words: in every record that names the program of the component
gpg, the stunt's path replaces the real path. Nothing else is changed.
Rule 2: for a command that is known to name no program, the stunt execs the real gpgconf unchanged.
Rule 3: like the stunt gpg it runs under `python3 -I -S`.

Source: tools/gpgconf.c and gpgconf-comp.c of GnuPG 2.2.40 and 2.4.9, gpgconf(1) for the fields and
their escapes; gpgme 1.18 and 2.0, src/dirinfo.c.
"""

from __future__ import annotations

import posix

from gpgshim.gpgargs import optiontable, parser
from gpgshim.stunts.process import (
    caller_words,
    die_if_killed,
    is_open,
    real_program,
    run_in_our_place,
    say,
    undo_start_up,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal  # has the same names, but costs the stunt much more time
    from collections.abc import Sequence
    from typing import NoReturn
else:
    import _signal

GPG = b"gpg"  # the name of the component: field 1 of its line; field 3 is its program

# gpgconf's options, as its --dump-option-table prints them: those of 2.2.40, and what 2.4.7 added.
# gpgconf parses its words by the rules of gpg (T1 to T9 in argv). An option that is missing here is
# newer still. The flag for a command is set here; gpgconf's own table does not have it.
NAMES_NO_PROGRAM = [
    "list-options:507:128",
    "change-options:508:128",
    "apply-defaults:510:128",
    "apply-profile:517:128",
    "list-dirs:76:128",
    "list-config:511:128",
    "check-config:512:128",
    "query-swdb:513:128",
    "reload:82:128",
    "launch:514:128",
    "kill:75:128",
    "create-socketdir:515:128",
    "remove-socketdir:516:128",
    "show-versions:86:128",
    "show-configs:88:128",
    "show-codepages:519:128",
    "lock:520:128",
    "unlock:521:128",
    "help:32768:128",
    "version:32769:128",
    "warranty:32770:128",
    "dump-option-table:32772:128",
    "dump-options:32771:128",
]
NAMES_PROGRAMS = ["list-components:505:128", "check-programs:506:128", "check-options:509:128"]
OPTIONS = [
    "output:111:2",
    "verbose:118:0",
    "quiet:113:0",
    "dry-run:110:0",
    "runtime:114:0",
    "status-fd:503:1",
    "homedir:501:2",
    "build-prefix:502:2",
    "null:48:0",
    "no-verbose:500:0",
    "show-socket:504:0",
    "chuid:518:2",
]


class Call:
    """How gpgconf parses its words.

    `command` is the long name of the command that it runs, which is the last one, or "" for none or
    an unknown one. `output` is the file that it writes to, None for stdout. `options` and `files`
    are its words.
    """

    __slots__ = ("command", "files", "options", "output")

    def __init__(self, words: Sequence[str]) -> None:
        rows = "".join(f"\n{row}" for row in (*NAMES_PROGRAMS, *NAMES_NO_PROGRAM, *OPTIONS))
        taken, files = parser.parse(words, optiontable.Table("", "", f"{rows}\n"))
        commands = [one.name for one in taken if one.flags & optiontable.COMMAND]
        outputs = [one.value for one in taken if one.name == "output"]
        is_known = commands and not any(one.fault for one in taken)
        self.command = commands[-1] if is_known else ""
        self.output = outputs[-1] if outputs else None
        self.files = list(files)
        self.options = list(words[: len(words) - len(files)])
        if self.options[-1:] == ["--"]:
            self.options.pop()
            self.files.insert(0, "--")

    @property
    def names_a_program(self) -> bool:
        """Whether its output may hold the path of gpg."""
        return self.command not in [row.partition(":")[0] for row in NAMES_NO_PROGRAM]

    def writing_to(self, path: str) -> list[str]:
        """The words with another output file: gpgconf uses the last one."""
        return [*self.options, "--output", path, *self.files]


def main(job: str) -> NoReturn:
    """Run the stunt gpgconf of the job whose private directory is `job`."""
    raw = caller_words()
    real = real_program(job, "gpgconf")
    undo_start_up()
    call = Call([word.decode("utf-8", "surrogateescape") for word in raw])
    if not call.names_a_program or (call.output is None and not is_open(1)):
        run_in_our_place(real, "gpgconf", raw)
    try:
        output, status = _run_real(real, raw, call)
        changed = with_stunt(output, f"{job}/bin/gpg".encode("utf-8", "surrogateescape"))
        if changed:
            _write(1 if call.output is None else _create(call.output), changed)
    except OSError as error:
        # No output is safer than the real gpg's path: the caller then signs nothing.
        say(f"gpgconf: gpgshim: the output of {real} cannot be read or written: {error.strerror}")
        posix._exit(2)
    _end_as_gpgconf(status)


def _run_real(real: str, raw: list[bytes], call: Call) -> tuple[bytes, int]:
    """The real gpgconf's output and its wait status. Raises OSError."""
    ours, its = map(_above_stderr, posix.pipe2(posix.O_CLOEXEC))
    # If the caller left SIGCHLD ignored, the kernel would discard the child's status.
    left = _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    child = posix.fork()
    if not child:
        _signal.signal(_signal.SIGCHLD, left)
        words = raw
        if call.output is None:
            posix.dup2(its, 1)
        else:
            posix.set_inheritable(its, True)
            written = call.writing_to(f"/proc/self/fd/{its}")
            words = [word.encode("utf-8", "surrogateescape") for word in written]
        run_in_our_place(real, "gpgconf", words)
    posix.close(its)
    pieces = []
    while piece := posix.read(ours, 1 << 16):
        pieces.append(piece)
    return b"".join(pieces), posix.waitpid(child, 0)[1]


def _above_stderr(fd: int) -> int:
    # If one of the standard descriptors is closed, a pipe can get its number, and the child would
    # use the pipe as that descriptor.
    low = []
    while fd <= 2:
        low.append(fd)
        fd = posix.dup(fd)
    for each in low:
        posix.close(each)
    return fd


def _create(path: str) -> int:
    """A descriptor of gpgconf's output file, created as gpgconf does it. Exits if that fails."""
    try:
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC
        return posix.open(path, flags, 0o666)
    except OSError as error:
        say(f"gpgconf: can not open '{path}': {error.strerror}")
        posix._exit(1)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[posix.write(fd, data) :]


def _end_as_gpgconf(status: int) -> NoReturn:
    """End with the status or signal of the real gpgconf."""
    die_if_killed(status)
    posix._exit(posix.WEXITSTATUS(status))


def with_stunt(output: bytes, stunt: bytes) -> bytes:
    """gpgconf's output, with `stunt` in place of gpg's path in every record that names it."""
    for special, escaped in ((b"%", b"%25"), (b":", b"%3a"), (b",", b"%2c")):
        stunt = stunt.replace(special, escaped)
    # With --null, records may end with a NUL.
    return b"\0".join(
        b"\n".join(_record_with(record, stunt) for record in part.split(b"\n"))
        for part in output.split(b"\0")
    )


def _record_with(record: bytes, stunt: bytes) -> bytes:
    fields = record.split(b":")
    if fields[0] == GPG and fields[2:3] not in ([], [b""]):
        fields[2] = stunt
    return b":".join(fields)
