# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system with one file, which answers when a test lets it. This process serves it.

It speaks the kernel's FUSE protocol (include/uapi/linux/fuse.h) over /dev/fuse by itself, so that
no library is needed; mounting takes root.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
import threading
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from tests.support import skips

CONTENT = b"what is to be signed\n"


class Kind(IntEnum):
    """Of a request: enum fuse_opcode."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    OPEN = 14
    READ = 15
    RELEASE = 18
    FLUSH = 25
    INIT = 26
    INTERRUPT = 36
    BATCH_FORGET = 42


UNANSWERED = (Kind.FORGET, Kind.INTERRUPT, Kind.BATCH_FORGET)
_ROOT, _FILE = 1, 2  # nodes
_ENOENT, _ENOSYS = 2, 38
_NOSUID_NODEV, _DETACH = 6, 2  # mount(2), umount2(2)


class Disk:
    """The file `f` in `place`. Requests of the kind `slow` are not answered before release()."""

    def __init__(self, place: Path, slow: Kind) -> None:
        self.file = place / "f"
        self._slow = slow
        self._held: list[tuple[int, bytes]] = []
        self._released = False
        self._lock = threading.Lock()
        self.is_asked = threading.Event()  # a request of that kind has come
        self._fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        self._place = os.fsencode(place)
        self._libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self._fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if self._libc.mount(b"fuse", self._place, b"fuse", _NOSUID_NODEV, options):
            number = ctypes.get_errno()
            os.close(self._fd)
            raise OSError(number, os.strerror(number))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Answer the held requests, and all later ones."""
        with self._lock:
            self._released = True
            for unique, answer in self._held:
                self._reply(unique, answer)
            self._held.clear()

    def end(self) -> None:
        """Answer all requests, so that no process waits, and unmount."""
        self.release()
        self._libc.umount2(self._place, _DETACH)
        self._thread.join(10)
        os.close(self._fd)

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self._fd, 1 << 20)
            except OSError:
                return  # it is not mounted any more
            _, kind, unique, node = struct.unpack_from("=IIQQ", request)
            if kind in UNANSWERED:
                continue
            try:
                answer = self._answer(kind, node, request[40:])
            except OSError as error:
                self._reply(unique, b"", error.errno or _ENOSYS)
                continue
            with self._lock:
                is_slow = kind == self._slow and (kind == Kind.LOOKUP or node == _FILE)
                if is_slow and not self._released:
                    self._held.append((unique, answer))
                    self.is_asked.set()
                else:
                    self._reply(unique, answer)

    def _reply(self, unique: int, answer: bytes, error: int = 0) -> None:
        with contextlib.suppress(OSError):  # who asked was killed
            os.write(self._fd, struct.pack("=IiQ", 16 + len(answer), -error, unique) + answer)

    def _answer(self, kind: int, node: int, rest: bytes) -> bytes:
        match kind:
            case Kind.INIT:
                return struct.pack(
                    "=IIIIHHIIHHI7I", 7, 31, 1 << 16, 0, 0, 0, 1 << 16, 1, 0, 0, *[0] * 8
                )
            case Kind.LOOKUP if rest.rstrip(b"\0") == b"f":
                return struct.pack("=QQQQII", _FILE, 0, 0, 0, 0, 0) + _attributes(_FILE)
            case Kind.LOOKUP:
                raise OSError(_ENOENT, "")
            case Kind.GETATTR:
                return struct.pack("=QII", 0, 0, 0) + _attributes(node)
            case Kind.OPEN:
                return struct.pack("=QII", 0, 0, 0)
            case Kind.READ:
                (at,) = struct.unpack_from("=Q", rest, 8)
                return CONTENT[at:]
            case Kind.RELEASE | Kind.FLUSH:
                return b""
        raise OSError(_ENOSYS, "")


def _attributes(node: int) -> bytes:
    mode = stat.S_IFDIR | 0o755 if node == _ROOT else stat.S_IFREG | 0o644
    size = 0 if node == _ROOT else len(CONTENT)
    return struct.pack("=QQQQQQIIIIIIIIII", node, size, 0, *[0] * 6, mode, 1, 0, 0, 0, 4096, 0)


@contextlib.contextmanager
def disk(place: Path, slow: Kind) -> Iterator[Disk]:
    """Such a file system, mounted at `place`. The test is skipped where none can be mounted."""
    place.mkdir()
    try:
        made = Disk(place, slow)
    except OSError as error:
        skips.unless(False, f"root and /dev/fuse ({error.strerror})", skips.AS_ROOT)
        raise
    try:
        yield made
    finally:
        made.end()
