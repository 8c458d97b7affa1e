# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gets the option table from the gpg that the job will run.

Rule 1: that gpg prints its own table. If it cannot, a shipped table for the same version is used.
Rule 2: nothing is cached between jobs. Two calls of gpg cost four milliseconds, and no property of
a file shows whether a wrapper still starts the same gpg.
Rule 3: gpg runs as in the job: in the job's environment and directory.
Rule 4: the table names the files that it was made from, so that a stunt can detect a change.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import select
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from gpgshim.gpgargs import optiontable
from gpgshim.stunts import plainfile
from gpgshim.system.errors import Unable
from gpgshim.system.processes import DEFAULT_SIGNALS, ENDING

SECONDS = 20.0  #: time limit for a gpg that prints; a cold disk takes one, a hung disk for ever
LARGEST = 1 << 20  #: bytes that a gpg may print; a table has about twelve thousand
PIPE = 4096  #: size of the pipe in bytes; a table is larger, so gpg blocks until we read
SHIPPED = Path(__file__).parents[1] / "gpgargs/tables"
HEADING = 512  #: a row of the table that is a heading of --help

#: Errors for a resource that is short at this moment. Such an error says nothing about the program
#: itself, so neither a shipped table nor the usual conf file may replace the program's answer.
_LACKING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


class NoTable(ValueError):
    """There is no usable gpg whose options are known; the message says what was seen."""


class Gpg(NamedTuple):
    """The content of --version: the version, and the maker: GNUPG or CHAMELEON of optiontable."""

    version: str
    maker: str


class Source(NamedTuple):
    """The program that prints the table, and the wrapper that starts it; "" if there is none.

    `program` is empty if the program that a wrapper starts cannot be determined.
    """

    program: str
    wrapper: str


def of(gpg: str, environ: Mapping[str, str]) -> str:
    """The option table of the gpg at this path, as optiontable.load reads it; gpg prints it now.

    `environ` is the environment of the job. Raises NoTable if there is no usable gpg.
    """
    who = identify_gpg(gpg, environ)
    seen: list[str] = []
    try:
        printed = run([gpg, "--dump-option-table"], environ, lambda pid: seen.append(look(pid)))
    except NoTable as problem:
        shipped = SHIPPED / f"gpg-{who.version}"
        if not shipped.exists():
            raise NoTable(f"{problem}, and no table is shipped for {who.version}") from None
        printed = shipped.read_text().partition("\n\n")[2]
    source = source_of(gpg, seen[0] if seen else "")
    return render(who, printed, source, system_conf(source.program or gpg, environ))


def version(text: str) -> str:
    """The version, for people, of the gpg that a table (from `of`) describes: `2.4.9`."""
    return optiontable.load(text).version


def identify_gpg(gpg: str, environ: Mapping[str, str]) -> Gpg:
    """The maker and version of this gpg. Raises NoTable."""
    try:
        return identify(run([gpg, "--version"], environ))
    except NoTable as problem:
        # A conf file with a bad line makes gpg 2.4 exit before --version, but not before --help.
        with contextlib.suppress(NoTable):
            return identify(run([gpg, "--help"], environ))
        raise problem from None


def identify(printed: str) -> Gpg:
    """Parse the output of --version. Raises NoTable if it is not gpg's."""
    first = printed.partition("\n")[0]
    match = re.fullmatch(r"gpg \(.+\) (\d+\.\d+[\w.+-]*)", first)
    if not match:
        raise NoTable(f"not a gpg: --version says {first[:60]!r}")
    return Gpg(
        match[1], optiontable.CHAMELEON if "chameleon" in printed.lower() else optiontable.GNUPG
    )


def look(pid: int) -> str:
    """The path of the program that process `pid` runs; empty if it cannot be determined.

    A process with a child may be a wrapper that waits for it, and does not count.
    """
    try:
        if Path(f"/proc/{pid}/task/{pid}/children").read_text():
            return ""
        path = os.readlink(f"/proc/{pid}/exe")
        # In another root or mount namespace the same path is a different file.
        return path if os.path.samefile(path, f"/proc/{pid}/exe") else ""
    except OSError:
        return ""


def source_of(gpg: str, seen: str) -> Source:
    """The source of a table that the gpg at this path printed, running the program `seen`."""
    with contextlib.suppress(OSError):
        if seen and not os.path.samefile(seen, gpg):
            return Source(seen, gpg)
    return Source("", gpg) if not seen and is_script(gpg) else Source(gpg, "")


def is_script(path: str) -> bool:
    """Whether an interpreter runs the program at `path`."""
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def system_conf(gpg: str, environ: Mapping[str, str]) -> str:
    """The path of the global conf file of the gpg at this path, from the gpgconf next to it."""
    gpgconf = os.path.join(os.path.dirname(os.path.realpath(gpg)), "gpgconf")
    try:
        if not os.access(gpgconf, os.X_OK):
            return optiontable.SYSTEM_CONF
        said = run([gpgconf, "--list-dirs", "sysconfdir"], environ).partition("\n")[0]
    except NoTable:
        return optiontable.SYSTEM_CONF
    directory = re.sub("%([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), said)
    return f"{directory.rstrip('/')}/gpg.conf" if directory[:1] == "/" else optiontable.SYSTEM_CONF


def render(who: Gpg, printed: str, source: Source | None = None, conf: str = "") -> str:
    """The text for optiontable.load, from lines `name:number:flags:…`. Raises NoTable."""
    rows = []
    for line in printed.splitlines():
        match = re.match(r"([\w-]*):(\d+):(\d+)(?::|$)", line)
        if not match:
            raise NoTable(f"gpg {who.version}: not a row of an option table: {line[:60]!r}")
        name, number, flags = match.groups()
        if name and not int(flags) & HEADING:
            rows.append(f"{name}:{number}:{flags}")
    if not any(row.startswith("sign:") for row in rows):
        raise NoTable(f"gpg {who.version} printed a table of {len(rows)} rows without --sign")
    head = [optiontable.HEAD, f"gpg: {who.version}", f"maker: {who.maker}", f"rows: {len(rows)}"]
    if conf not in ("", optiontable.SYSTEM_CONF):
        head.append(f"conf: {one_line(conf)}")
    for key, path in zip(optiontable.SOURCES, source or (), strict=False):
        if path:
            try:
                head.append(f"{key}: {plainfile.identity(os.stat(path))} {one_line(path)}")
            except OSError as problem:
                raise NoTable(f"{path}: {problem.strerror}") from problem
    return "\n".join([*head, "", *rows, ""])


def one_line(path: str) -> str:
    """The path, if a line of the table can hold it. Raises NoTable otherwise."""
    if "\n" in path:
        raise NoTable(f"{path!r} has a line feed in its name")
    return path


def run(
    words: list[str], environ: Mapping[str, str], look: Callable[[int], object] | None = None
) -> str:
    """The output of this program on stdout. Raises NoTable, and Unable for _LACKING.

    `look` gets its process id after the first output is ready and before anything is read.
    """
    called = " ".join(words)
    # A signal's handler may raise. Before its process id is known, the program cannot be killed.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        pid, out, err = spawn(words, environ, blocked)
    except BaseException as problem:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if isinstance(problem, OSError):
            raise failure(called, problem) from problem
        raise
    texts = {out: b"", err: b""}
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        read_all(called, texts, out, lambda: look(pid) if look else None)
    except BaseException as problem:
        os.kill(pid, signal.SIGKILL)
        if isinstance(problem, OSError):  # most likely no memory is left
            raise failure(called, problem) from problem
        raise
    finally:
        for fd in texts:
            os.close(fd)
        status = wait_for(pid)
    if status:
        said = texts[err].decode("utf-8", "replace").strip()[-200:]
        how = f"exit {status}" if status > 0 else f"signal {-status}"
        raise NoTable(f"{called}: {how}: {said}")
    return texts[out].decode("utf-8", "surrogateescape")


def read_all(
    called: str, texts: dict[int, bytes], out: int, before_first: Callable[[], object]
) -> None:
    """Read the descriptors that are the keys of `texts` to their ends, into `texts`.

    `before_first` is called when there is output on `out`, before it is read. Raises NoTable, and
    OSError.
    """
    deadline = time.monotonic() + SECONDS
    poll = select.poll()
    for fd in texts:
        poll.register(fd, select.POLLIN)
    is_open = set(texts)
    while is_open:
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if not ready:
            raise NoTable(f"{called}: no end after {SECONDS:g} s")
        for fd, _ in ready:
            if fd == out and not texts[out]:
                before_first()
            more = os.read(fd, 1 << 16)
            texts[fd] += more
            if not more:
                poll.unregister(fd)
                is_open.remove(fd)
        if len(texts[out]) > LARGEST:
            raise NoTable(f"{called}: more than {LARGEST} bytes")


def failure(called: str, problem: OSError) -> Exception:
    """The exception for a program that could not be run or read because of `problem`."""
    if problem.errno in _LACKING:
        return Unable(f"{called}: {problem.strerror}")
    return NoTable(f"{called}: {problem.strerror}")


def spawn(
    words: list[str], environ: Mapping[str, str], blocked: Iterable[int]
) -> tuple[int, int, int]:
    """Start a program with `blocked` signals; its process id, and pipes from stdout and stderr.

    Raises OSError.
    """
    # The import of subprocess would take longer than the rest of this module.
    ours: list[int] = []
    its: list[int] = []
    try:
        for _ in range(2):
            reader, writer = os.pipe2(os.O_CLOEXEC)
            ours.append(reader)
            its.append(writer)
        with contextlib.suppress(OSError):
            fcntl.fcntl(its[0], fcntl.F_SETPIPE_SZ, PIPE)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, its[0], 1),
            (os.POSIX_SPAWN_DUP2, its[1], 2),
        ]
        pid = os.posix_spawn(
            words[0],
            words,
            environ,
            file_actions=actions,
            setsigmask=blocked,
            setsigdef=DEFAULT_SIGNALS,
        )
    except BaseException:
        for fd in ours:
            os.close(fd)
        raise
    finally:
        for fd in its:
            os.close(fd)
    return pid, *ours  # type: ignore[return-value]


def wait_for(pid: int) -> int:
    """Wait for `pid`; its exit status, or the negative number of the signal that killed it."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return 0  # SIGCHLD is ignored here, and the kernel has discarded the status
