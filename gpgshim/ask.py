"""Asks a supervisor: connect, one line there, one line back.

Rule 1: the stunts import this under `python3 -I -S`: builtin modules and wire, no more.
Rule 2: no answer is a no. Every way of not getting one has its own clause.
"""

from __future__ import annotations

import posix
import sys

from gpgshim import wire

SOCKET = "/socket"  #: within a job's directory
PATIENCE = 5.0  #: seconds that a stunt gives a supervisor which only observes


class NoAnswer(Exception):
    """There is no answer, and there will be none. The message says what was met instead."""


def ask(job: str, word: str, argument: str = "", patience: float | None = None) -> tuple[str, str]:
    """Ask the supervisor whose job's directory is `job`; (word, argument) of what it answers.

    Waits `patience` seconds, or as long as the supervisor takes. Raises NoAnswer.
    """
    path = job + SOCKET
    try:
        import _socket  # here, because a stunt that does not ask need not pay for it

        own = posix.lstat(job)
        if own.st_uid != posix.geteuid() or own.st_mode & 0o077:
            raise NoAnswer(f"{job} is not a private directory of this user")
        peer = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            if patience is not None:
                peer.settimeout(patience)
            peer.connect(path)
            credentials = peer.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
            uid = int.from_bytes(credentials[4:8], sys.byteorder)
            if uid != posix.geteuid():
                raise NoAnswer(f"{path} is served by user id {uid}, not by {posix.geteuid()}")
            peer.sendall(wire.encode(word, argument))
            data = b""
            while not data.endswith(b"\n") and len(data) < wire.LONGEST:
                more = peer.recv(wire.LONGEST)
                if not more:
                    break
                data += more
        finally:
            peer.close()
        return wire.decode(data, wire.ANSWERS)
    except ImportError as error:
        raise NoAnswer(f"there is no way to ask ({error})") from None
    except FileNotFoundError:
        raise NoAnswer(f"the job is over: there is no {path}") from None
    except wire.WireError as error:
        raise NoAnswer(f"the supervisor at {path} did not answer: {error}") from None
    except OSError as error:
        raise NoAnswer(f"the supervisor at {path} cannot be asked: {error.strerror}") from None


def observes(job: str) -> bool:
    """Whether the supervisor of `job` only looks on: its answers are for the journal alone."""
    try:
        posix.stat(job + "/observe")
    except OSError:
        return False
    return True
