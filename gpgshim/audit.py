"""Who asks, and for what bytes: what the journal holds of a signature before it can be made.

Rule 1: the kernel is asked, not the asker: /proc, by the process id that the socket vouches for.
Rule 2: nothing here waits or reads much. What cannot be known quickly is left out.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from gpgshim import argv
from gpgshim.transcript import escape, quote

LONGEST_CHAIN = 12  #: processes between an asker and us that are named
MOST_KNOWN = 1000  #: callers whose ancestors are remembered
#: Of one question, so many files and so many bytes are hashed, because everybody waits meanwhile.
MOST_FILES, MOST_BYTES = 100, 64 << 20
_AT_ONCE = 1 << 18  #: bytes that are read and hashed at once


class Witness:
    """Looks at the stunts of one job: `job` is its directory, `table` its gpg's options."""

    def __init__(self, job: Path, table: argv.Table) -> None:
        self._stunt = f"{job}/bin/gpg"
        self._table = table
        self._known: dict[bytes, list[str]] = {}  # ancestors, by id and start time of the child

    def read_command_line(self, pid: int) -> list[str]:
        """The words of process `pid`: `gpg …` for a stunt of the job, all of them for another.

        Empty where there is no such process any more.
        """
        data = read_all(f"/proc/{pid}/cmdline")
        words = [word.decode("utf-8", "surrogateescape") for word in data.split(b"\0")[:-1]]
        return ["gpg", *words[3:]] if words[2:3] == [self._stunt] else words

    def describe(self, pid: int, words: list[str]) -> Iterator[str]:
        """Notes, a line each: who asks, and what would be signed where it is a file we can read."""
        cwd = f"/proc/{pid}/cwd"
        try:
            where = escape(os.readlink(cwd))
        except OSError:
            where = "?"
        under = ", ".join(self._ancestors(pid))
        yield f"# pid {pid} in {where}" + (f", under {under}" if under else "")
        if words[:1] == ["gpg"]:
            names = argv.take(words[1:], self._table)[1]
            # What a name in these two directories means is another thing for us.
            files = [name for name in names if not name.startswith(("/dev/", "/proc/"))]
            paths = {quote([name]): os.path.join(cwd, name) for name in files[:MOST_FILES]}
            yield from _hash_files(paths if names else {"its stdin": f"/proc/{pid}/fd/0"})
            if len(files) > MOST_FILES:
                yield f"# {len(files) - MOST_FILES} more files were not looked at"

    def _ancestors(self, pid: int) -> list[str]:
        """The programs that `pid` runs under, `name[pid]`, up to us."""
        status = read_all(f"/proc/{pid}/stat")
        fields = status.rpartition(b") ")[2].split()  # proc(5): from the third field on
        if len(fields) < 20:
            return []
        parent = int(fields[1])
        if parent in (0, 1, os.getpid()):
            return []
        above = read_all(f"/proc/{parent}/stat")
        name, _, rest = above.partition(b" (")[2].rpartition(b") ")
        born = b"%d %b" % (parent, b"".join(rest.split()[19:20]))
        known = self._known.get(born)
        if known is None:
            # A caller that signs much asks much; what it runs under is looked up once.
            known = self._ancestors(parent)[: LONGEST_CHAIN - 1]
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            self._known[born] = known
        return [f"{escape(name.decode('utf-8', 'replace'))}[{parent}]", *known]


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
    import hashlib  # by now it is there: see supervisor.py

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
