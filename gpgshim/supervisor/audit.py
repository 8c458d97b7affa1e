"""Who asks, and for what bytes: what the journal holds of a signature before it can be made.

Rule 1: the kernel is asked, not the asker: /proc, by the process id that the socket vouches for.
Rule 2: nothing here waits or reads much. What cannot be known quickly is left out.
Rule 3: a file that a command line names may be on a disk that does not answer. Only read_files()
touches such files; it is called in the process that is there for it (hasher.py).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gpgshim.core.transcript import escape, quote
from gpgshim.gpgargs import argv, mask

TRIES = 5  #: times that a broken chain of processes is looked at again
LONGEST_CHAIN = 12  #: processes between an asker and us that are named
MOST_KNOWN = 1000  #: callers whose ancestors are remembered
#: Of one question, so many files and so many bytes are hashed: those who ask wait meanwhile.
MOST_FILES, MOST_BYTES = 100, 64 << 20
_AT_ONCE = 1 << 18  #: bytes that are read and hashed at once


class Witness:
    """Looks at the stunts of one job: `job` is its directory, `table` its gpg's options."""

    def __init__(self, job: Path, table: argv.Table) -> None:
        self._stunt = f"{job}/bin/gpg"
        self._table = table
        self._known: dict[tuple[int, int], Chain] = {}  # by a process's id and start time

    def read_command_line(self, pid: int) -> list[str]:
        """The words of process `pid`: `gpg …` for a stunt of the job, all of them for another.

        Empty where there is no such process any more.
        """
        data = read_all(f"/proc/{pid}/cmdline")
        words = [word.decode("utf-8", "surrogateescape") for word in data.split(b"\0")[:-1]]
        return ["gpg", *words[3:]] if words[2:3] == [self._stunt] else words

    def without_secrets(self, words: list[str]) -> list[str]:
        """The words of a process (from read_command_line) without the secrets among them."""
        if words[:1] == ["gpg"]:
            return ["gpg", *mask.of_gpg(words[1:], self._table)]
        return mask.of_words(words)

    def describe(self, pid: int) -> str:
        """A note that says who asks. No file is touched: the kernel knows the directory's name."""
        try:
            where = escape(os.readlink(f"/proc/{pid}/cwd"))
        except OSError:
            where = "?"
        under = ", ".join(self._chain(pid).names)
        return f"# pid {pid} in {where}" + (f", under {under}" if under else "")

    def has_files(self, pid: int, words: list[str]) -> bool:
        """Whether read_files() has to look; it has not where gpg only reads a pipe, say."""
        if words[:1] != ["gpg"]:
            return False
        names = argv.take(words[1:], self._table)[1]
        if names:
            return not all(map(_is_special, names))
        try:
            stdin = os.readlink(f"/proc/{pid}/fd/0")
        except OSError:
            return False
        return stdin.startswith("/") and not stdin.startswith(("/dev/null", "/dev/pts/"))

    def read_files(self, pid: int) -> Iterator[str]:
        """Notes, a line each: what process `pid` would sign where it is a file we can read."""
        words = self.read_command_line(pid)
        if words[:1] == ["gpg"]:
            names = argv.take(words[1:], self._table)[1]
            called = dict(
                zip(names, self.without_secrets(words)[len(words) - len(names) :], strict=True)
            )
            files = [name for name in names if not _is_special(name)]
            cwd = f"/proc/{pid}/cwd"
            paths = {quote([called[name]]): os.path.join(cwd, name) for name in files[:MOST_FILES]}
            yield from _hash_files(paths if names else {"its stdin": f"/proc/{pid}/fd/0"})
            if len(files) > MOST_FILES:
                yield f"# {len(files) - MOST_FILES} more files were not looked at"

    def practise(self) -> None:
        """Do once all that a question needs. Touches no file outside /proc, and raises nothing."""
        words = ["gpg", "--batch", "--detach-sign", "/proc/self/stat"]
        quote(self.without_secrets(words))
        self.describe(os.getpid())
        self.has_files(os.getpid(), words)
        self.read_command_line(os.getpid())
        for _ in _hash_files({"": words[-1]}):
            """What comes of it is of no interest."""

    def is_of_job(self, pid: int) -> bool:
        """Whether process `pid` comes from us, as all of a job does that we have started."""
        # A process above it that ends meanwhile breaks the chain, and its children come to us.
        return pid == os.getpid() or any(self._chain(pid).is_ours for _ in range(TRIES))

    def _chain(self, pid: int) -> Chain:
        """The programs that `pid` runs under, up to us."""
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
            return BROKEN  # it is gone, and perhaps another has its number
        born = found.parent, parent.born
        above = self._known.get(born)
        if above is None:
            # A caller that signs much asks much; what it runs under is looked up once.
            above = self._above(parent)
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            if above is not BROKEN:
                self._known[born] = above
        names = [f"{parent.name}[{found.parent}]", *above.names]
        return Chain(names[:LONGEST_CHAIN], above.is_ours)


class Chain(NamedTuple):
    """What a process runs under: programs, `name[pid]` each, and whether we are at the end."""

    names: list[str]
    is_ours: bool


BROKEN = Chain([], False)


class Stat(NamedTuple):
    """What we want of /proc/PID/stat. `born` is when it started, in ticks."""

    name: str
    parent: int
    born: int


def stat_of(pid: int) -> Stat | None:
    """What proc(5) has of a process; None where there is none."""
    name, _, rest = read_all(f"/proc/{pid}/stat").partition(b" (")[2].rpartition(b") ")
    fields = rest.split()  # from the third on
    if len(fields) < 20:
        return None
    return Stat(escape(name.decode("utf-8", "replace")), int(fields[1]), int(fields[19]))


def read_all(path: str) -> bytes:
    """What a file under /proc holds; empty where it cannot be read."""
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
    """Whether a file's name is in a directory where it means another thing for us."""
    return name.startswith(("/dev/", "/proc/"))


def _hash_files(paths: dict[str, str]) -> Iterator[str]:
    """A note for each plain file that can be read; `paths` are by what the file is called."""
    room = MOST_BYTES
    for called, path in paths.items():
        # What cannot be loaded cannot hash: another python3 may have come since we started.
        with contextlib.suppress(OSError, ValueError, ImportError):
            # A pipe that was so much as opened here would be another one when gpg comes.
            if stat.S_ISREG(os.stat(path).st_mode):
                digest, read = hash_file(path, room)
                room -= read
                yield f"# sha256 {digest} {called}" if digest else f"# {called} is too much to hash"


def hash_file(path: str, most: int) -> tuple[str, int]:
    """The SHA-256 of the file at `path`, in hex, and how many bytes were read for it.

    It is empty, and nothing more is read, where there are more than `most`. Raises OSError, and
    ValueError for a path with a NUL in it, ImportError.
    """
    import hashlib  # by now it is there: see attempt.load_for_job

    hashed = hashlib.sha256()
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if os.fstat(fd).st_size > most:
            return "", 0
        read = 0
        while more := os.read(fd, _AT_ONCE):
            read += len(more)
            if read > most:
                return "", read  # it grows as we read
            hashed.update(more)
        return hashed.hexdigest(), read
    finally:
        os.close(fd)
