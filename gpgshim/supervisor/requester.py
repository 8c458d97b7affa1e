# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data on a client and its files: what the journal records before a signature can be made.

Rule 1: the data comes from the kernel, not from the client: /proc, by the process id of the socket.
Rule 2: nothing here blocks or reads much. Data that cannot be had quickly is left out.
Rule 3: a file on a command line may be on a disk that does not answer. Only read_files() opens such
files (files.py); it is called in a separate process (hasher.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import records as r
from gpgshim.core import wire
from gpgshim.core.codec import Process, Record, text_of
from gpgshim.core.quoting import quote
from gpgshim.gpgargs import mask, optiontable, parser
from gpgshim.supervisor import files

TRIES = 5  #: tries to read a broken chain of processes
LONGEST_CHAIN = 12  #: processes between a client and us that are named
MOST_KNOWN = 1000  #: processes whose ancestors are cached
#: Options with the value 0: gpg reads something else from its stdin first, such as a passphrase.
_READ_STDIN = ("passphrase-fd", "command-fd", "override-session-key-fd")


class Inspector:
    """Examines the stunts of one job: `job` is its directory, `table` its gpg's options."""

    def __init__(self, job: Path, table: optiontable.Table) -> None:
        self._stunt = f"{job}/{wire.BIN}/gpg"
        self.table = table
        self._known: dict[tuple[int, int], Chain] = {}  # key: process id and start time

    def read_command_line(self, pid: int) -> list[str]:
        """The words of process `pid`: `gpg …` for a stunt of the job, else all its words.

        Empty if the process does not exist any more.
        """
        data = read_all(f"/proc/{pid}/cmdline")
        words = [word.decode("utf-8", "surrogateescape") for word in data.split(b"\0")[:-1]]
        return ["gpg", *words[3:]] if words[2:3] == [self._stunt] else words

    def without_secrets(self, words: list[str]) -> list[str]:
        """The words of a process (from read_command_line), with their secrets masked."""
        if words[:1] == ["gpg"]:
            return ["gpg", *mask.of_gpg(words[1:], self.table)]
        return mask.of_words(words)

    def describe(self, pid: int) -> r.Client:
        """The client. Opens no file: the kernel has the directory's name."""
        try:
            where = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            where = ""
        return r.Client(pid, where, tuple(self._chain(pid).processes))

    def has_files(self, pid: int, words: list[str]) -> bool:
        """Whether read_files() is needed; it is not if gpg has no data to read."""
        if words[:1] != ["gpg"]:
            return False
        names = parser.parse(words[1:], self.table)[1]
        if names:
            return not all(map(_is_special, names))
        try:
            stdin = os.readlink(f"/proc/{pid}/fd/0")
        except OSError:
            return False
        return stdin != "/dev/null"

    def read_files(self, pid: int) -> Iterator[Record]:
        """Notes on the data that process `pid` would sign."""
        words = self.read_command_line(pid)
        if words[:1] != ["gpg"]:
            return
        options, names = parser.parse(words[1:], self.table)
        if not names:
            if any(one.name in _READ_STDIN and one.value == "0" for one in options):
                yield r.DataUnread(r.Source.SHARED)
            else:
                yield from files.of_stdin(pid)
            return
        shown = self.without_secrets(words)[len(words) - len(names) :]
        called = dict(zip(names, shown, strict=True))
        plain = [name for name in names if not _is_special(name)]
        cwd = f"/proc/{pid}/cwd"
        yield from files.digests(
            {called[name]: os.path.join(cwd, name) for name in plain[: files.MOST_FILES]}
        )
        if len(plain) > files.MOST_FILES:
            yield r.FilesLeftOut(len(plain) - files.MOST_FILES)

    def practise(self) -> None:
        """Do a dry run of a request. Opens no file outside /proc, and raises nothing."""
        words = ["gpg", "--batch", "--detach-sign", "/proc/self/stat"]
        quote(self.without_secrets(words))
        text_of(self.describe(os.getpid()))
        self.has_files(os.getpid(), words)
        self.read_command_line(os.getpid())
        list(map(text_of, files.digests({"": words[-1]})))  # the lines are not used

    def is_of_job(self, pid: int) -> bool:
        """Whether process `pid` descends from us, as all processes of a job do that we started."""
        # An ancestor that ends at this moment breaks the chain; its children are reparented to us.
        return pid == os.getpid() or any(self._chain(pid).is_ours for _ in range(TRIES))

    def _chain(self, pid: int) -> Chain:
        """The programs above `pid`, up to us."""
        return self._above(stat_of(pid))

    def _above(self, found: Stat | None) -> Chain:
        if found is None:
            return Chain([], False)
        if found.parent == os.getpid():  # first, because we may be process 1 ourselves
            return Chain([], True)
        if found.parent in (0, 1):
            return Chain([], False)
        parent = stat_of(found.parent)
        if parent is None or parent.born > found.born:
            return BROKEN  # the parent is gone, and another process may have its number
        born = found.parent, parent.born
        above = self._known.get(born)
        if above is None:
            # A caller may request many signatures; its ancestors are looked up once.
            above = self._above(parent)
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            if above is not BROKEN:
                self._known[born] = above
        processes = [Process(found.parent, parent.name), *above.processes]
        return Chain(processes[:LONGEST_CHAIN], above.is_ours)


class Chain(NamedTuple):
    """The ancestors of a process, and whether the last one descends from us."""

    processes: list[Process]
    is_ours: bool


BROKEN = Chain([], False)


class Stat(NamedTuple):
    """The fields of /proc/PID/stat that we use. `born` is the start time, in ticks."""

    name: str
    parent: int
    born: int


def stat_of(pid: int) -> Stat | None:
    """The fields of a process (proc(5)); None if it does not exist."""
    name, _, rest = read_all(f"/proc/{pid}/stat").partition(b" (")[2].rpartition(b") ")
    fields = rest.split()  # from the third on
    if len(fields) < 20:
        return None
    return Stat(name.decode("utf-8", "surrogateescape"), int(fields[1]), int(fields[19]))


def read_all(path: str) -> bytes:
    """The content of a file under /proc; empty if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = more = os.read(fd, 1 << 16)
        while len(more) == 1 << 16:
            more = os.read(fd, 1 << 16)
            data += more
        return data
    except OSError:
        return b""
    finally:
        os.close(fd)


def _is_special(name: str) -> bool:
    """Whether the path is in a directory where the same path is another file for us."""
    return name.startswith(("/dev/", "/proc/"))
