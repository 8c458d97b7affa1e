# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends a request to a supervisor: connect, send one line, receive one line.

Rule 1: the stunts import this under `python3 -I -S`, so it imports builtin modules and wire only.
Rule 2: a missing answer counts as a refusal. Each cause of a missing answer has its own message.
Rule 3: user ids are compared as the kernel reports them (SO_PEERCRED), never as libc reports them.
"""

from __future__ import annotations

import posix
import sys

from gpgshim.core import wire

PATIENCE = 5.0  #: seconds that a stunt waits for a supervisor in observe mode

_S_IFMT, _S_IFDIR = 0o170000, 0o040000  # inode(7): type mask, type of a directory
_WRITABLE_BY_OTHERS = 0o022

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket


class NoAnswer(Exception):
    """There is no answer, and there will be none. The message gives the reason."""


def ask(job: str, word: str, argument: str = "", patience: float | None = None) -> tuple[str, str]:
    """Send a request to the supervisor of the directory `job`; (word, argument) of its answer.

    Waits `patience` seconds, or without limit if that is None. Raises NoAnswer.
    """
    path = f"{job}/{wire.SOCKET}"
    try:
        return _exchange(job, path, wire.encode(word, argument), patience)
    except ImportError as error:
        raise NoAnswer(f"this python3 cannot open a socket ({error})") from None
    except PermissionError:
        raise NoAnswer(f"{path} does not serve this user") from None
    except FileNotFoundError:
        raise NoAnswer(f"the job is over: there is no {path}") from None
    except wire.WireError as error:
        raise NoAnswer(f"the supervisor at {path} did not answer: {error}") from None
    except OSError as error:
        why = f"no request can be sent to the supervisor at {path}: {error.strerror}"
        raise NoAnswer(why) from None


def _exchange(job: str, path: str, request: bytes, patience: float | None) -> tuple[str, str]:
    """Send `request` to the socket at `path`; the word and argument of the answer."""
    import _socket  # imported here, so that a stunt that sends no request does not pay for it

    about = posix.lstat(job)
    ours = _own_user()
    if (
        about.st_mode & _S_IFMT != _S_IFDIR
        or about.st_mode & _WRITABLE_BY_OTHERS
        # fakeroot and proot change geteuid(2), and may change stat(2) to match it.
        or about.st_uid not in (0, ours, posix.geteuid())
    ):
        raise NoAnswer(f"{job} is not a directory that this user ({ours}) alone can write to")
    peer = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        if patience is not None:
            peer.settimeout(patience)
        peer.connect(path)
        theirs = _user_of(peer)
        if theirs != ours:
            raise NoAnswer(f"{path} is served by user id {theirs}, not by {ours}")
        peer.sendall(request)
        data = b""
        while not data.endswith(b"\n") and len(data) < wire.LONGEST:
            more = peer.recv(wire.LONGEST)
            if not more:
                break
            data += more
        return wire.decode(data, wire.ANSWERS)
    except (OSError, NoAnswer, wire.WireError) as error:
        _report_failure(peer, str(error))
        raise
    finally:
        peer.close()


def _report_failure(peer: _socket.socket, why: str) -> None:
    """Tell the supervisor why we give up, best effort: our stderr may be lost."""
    try:
        peer.settimeout(0)
        peer.send(wire.encode(wire.GAVE_UP, why))
    except OSError:
        pass


def tell(job: str, why: str) -> None:
    """Have the supervisor record why a gpg of `job` refuses by itself. Raises nothing."""
    try:
        ask(job, wire.GAVE_UP, why, patience=1.0)
    except NoAnswer:
        return  # there is no supervisor that could record it


def _user_of(end: _socket.socket) -> int:
    """The user id of the process at the other end of a Unix socket, as the kernel reports it."""
    # system/places.py has this too, for the supervisor: a stunt does not import that package.
    import _socket

    credentials = end.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], sys.byteorder)


def _own_user() -> int:
    """Our own user id, from the same source: fakeroot and proot change what geteuid(2) returns."""
    import _socket

    one, other = _socket.socketpair()
    try:
        return _user_of(one)
    finally:
        one.close()
        other.close()


def observes(job: str) -> bool:
    """Whether the supervisor of `job` is in observe mode: its answers have no effect on gpg."""
    try:
        posix.stat(f"{job}/{wire.OBSERVE}")
    except OSError:
        return False
    return True
