# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of gpg-agent in a scratch job: a stand-in for gpg-agent, and what must be true of it.

Rule 1: the agent records the journal when it gets a command that signs, before it answers. Its
record is of this process, so no kill in the job can take it away.
Rule 2: a client that finds no agent starts one of its own at that place, as gpg does, and signs.
The lock must prevent that, also after the death of its supervisor.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import shutil
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from gpgshim.core import records as r
from gpgshim.core.codec import Record
from gpgshim.core.gate import State
from gpgshim.core.signatures import Signatures
from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.core.verdict import Verdict

LOCKED = ("locked", "at-agent")  #: the faces with a lock; with the second, the stunts do not ask
#: The processes with points of their own there. All others do the same as without a lock.
ROLES = ("supervisor", "real gpg", "real gpgconf")

PKSIGN = b"PKSIGN"

#: A user's own programs run without the powers with which root ignores the mode 0500.
AS_A_USER = (
    shutil.which("setpriv") or "/usr/bin/setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--",
)

#: As GnuPG: a home that is not the default one has a socket directory of its own, by its name.
GPGCONF = """\
#!/bin/sh
agents=$WORLD/agents
case $1 in
--list-dirs)
    home=${GNUPGHOME:-$HOME/.gnupg} at=$agents
    case $home in
    "$HOME/.gnupg") ;;
    *) sum=$(printf %s "$home" | sha1sum)
        at=$agents/d.${sum%"${sum#????????????????????????}"}
        test -d "$at" || mkdir -m 700 "$at" || exit;;
    esac
    echo "homedir:$home"
    echo "agent-socket:$at/S.gpg-agent"
    echo "dirmngr-socket:$at/S.dirmngr";;
--launch) read -r line <"$WORLD/launch";;
*) echo 'gpg:OpenPGP:/usr/bin/gpg';;
esac
"""

#: gpg with its key, as far as the agent sees it.
CLIENT = """\
import hashlib, os, socket, sys
home = os.environ.get("GNUPGHOME", "")
at = os.environ["WORLD"] + "/agents"
if home:
    at += f"/d.{hashlib.sha1(home.encode()).hexdigest()[:24]}"
    if not os.path.isdir(home):
        sys.exit("gpg: there is no home, and so no key")
peer = socket.socket(socket.AF_UNIX)
try:
    peer.connect(f"{at}/S.gpg-agent")
except OSError:
    # As gpg: it starts an agent of its own there.
    try:
        if os.path.lexists(f"{at}/S.gpg-agent"):
            os.unlink(f"{at}/S.gpg-agent")
        os.makedirs(at, 0o700, exist_ok=True)
        peer.bind(f"{at}/S.gpg-agent")
    except OSError as error:
        sys.exit(f"gpg: no gpg-agent: {error}")
    open(os.environ["WORLD"] + "/own", "a").write(f"{sys.argv[1:]}\\n")
    sys.exit(0)
lines = peer.makefile("rw", newline="\\n")
digest = f"{sys.argv[-1]}{os.getpid()}".encode().hex().upper()
for line in ("", "SIGKEY " + "A" * 40, f"SETHASH 8 {digest}", "PKSIGN"):
    if line:
        lines.write(f"{line}\\n")
        lines.flush()
    answer = lines.readline()
    while answer.startswith("D "):
        answer = lines.readline()
    if not answer.startswith("OK"):
        sys.exit(f"gpg: {line}: {answer}")
"""


class Made(NamedTuple):
    """A signature: the digest, and the journal when the agent got the command."""

    digest: str
    journal: bytes


class Agent:
    """gpg-agent, from the first `gpgconf --launch` on. `newest` gives the newest journal."""

    def __init__(self, world: Path, newest: Callable[[], bytes]) -> None:
        self.made: list[Made] = []
        self._newest = newest
        self._launch = world / "launch"
        self._path = world / "agents/S.gpg-agent"
        self._listener: socket.socket | None = None
        self._peers: dict[socket.socket, tuple[bytes, str]] = {}  # unread bytes, and the digest
        self._stop, self._told_to_stop = os.pipe()
        self._thread = threading.Thread(target=self._serve)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def end(self) -> None:
        """All clients have ended: stop."""
        os.close(self._told_to_stop)
        self._thread.join()
        os.close(self._stop)
        for each in (*self._peers, self._listener):
            if each:
                each.close()

    def _serve(self) -> None:
        while True:
            ends: list[socket.socket | int] = [self._stop, *self._peers]
            if self._listener:
                ends.append(self._listener)
            ready = select.select(ends, [], [], 0.005)[0]
            self._look_for_a_launch()
            for each in ready:
                if isinstance(each, int):
                    if len(ready) == 1:
                        return
                elif each is self._listener:
                    peer, _ = each.accept()
                    self._peers[peer] = b"", ""
                    with contextlib.suppress(OSError):  # it is gone already
                        peer.send(b"OK Pleased to meet you\n")
                else:
                    self._hear(each)

    def _look_for_a_launch(self) -> None:
        try:
            fd = os.open(self._launch, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return  # no process waits there
        if self._listener is None:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self._path))
            self._listener.listen()
        with contextlib.suppress(BrokenPipeError):
            os.write(fd, b"it listens\n")
        os.close(fd)

    def _hear(self, peer: socket.socket) -> None:
        unread, digest = self._peers[peer]
        try:
            more = peer.recv(4096)
        except OSError:
            more = b""
        *lines, unread = (unread + more).split(b"\n")
        for line in lines:
            word, _, rest = line.partition(b" ")
            if word == b"SETHASH":
                digest = rest.split()[-1].decode()
            elif word == PKSIGN:
                self.made.append(Made(digest, self._newest()))
            with contextlib.suppress(OSError):
                peer.send(b"D (7:sig-val)\nOK\n" if word == PKSIGN else b"OK\n")
        if more:
            self._peers[peer] = unread, digest
        else:
            del self._peers[peer]
            peer.close()


def holes(run: Path, agents: Path) -> list[str]:
    """The homes of jobs with which gpg could start an agent of its own."""
    found = []
    for alias in run.glob("gpgshim/*/gnupg"):
        at = agents / f"d.{hashlib.sha1(os.fsencode(alias)).hexdigest()[:24]}"
        if alias.is_dir() and not (at.is_dir() and not at.stat().st_mode & 0o222):
            found.append(f"{alias.parent.name}/gnupg")
    return found


def left(run: Path, agents: Path) -> list[str]:
    """The socket directories of the lock that belong to no job's directory."""
    kept = {os.readlink(each) for each in run.glob("gpgshim/*/sockets/own")}
    return [each.name for each in agents.glob("d.*") if str(each) not in kept]


def records_of(journal: bytes) -> list[Record]:
    """The records of a journal, a torn line left out; none of what is no journal."""
    with contextlib.suppress(TranscriptError):
        return [record for record, _ in parse(journal).read()]
    return []


def faults_of_lock(
    made: Iterable[Made], journal: bytes | None, verdict: Verdict, own: str
) -> list[str]:
    """What is wrong with the signatures of an attempt. `own` has the agents of its clients."""
    found = [f"AN AGENT OF ITS OWN signed: {own}"] if own else []
    signed = [each.digest for each in made]
    for digest, then in made:
        seen = records_of(then)
        committed = [at for at, x in enumerate(seen) if x == r.StateIs(State.COMMITTED)]
        forwarded = [
            at for at, x in enumerate(seen) if isinstance(x, r.Forwarded) and x.digest == digest
        ]
        if not forwarded:
            found.append("SIGNED, and no `% forwarded` of it")
        elif not committed or forwarded[0] < committed[0]:
            found.append("FORWARDED UNCOMMITTED")
    kept = records_of(journal or b"")
    digests = {each.signature: each.digest for each in kept if isinstance(each, r.Forwarded)}
    for each in kept:
        if isinstance(each, r.Signed) and digests.get(each.signature) not in signed:
            found.append("the journal has a signature that was not made")
        if isinstance(each, r.Unsigned) and digests.get(each.signature) in signed:
            found.append("the journal denies a signature that was made")
    counted = verdict.signatures
    if verdict.readable and counted is not None and not is_true(counted, len(signed)):
        found.append(f"{len(signed)} SIGNED, and the journal says {counted}")
    if signed and counted is None and not (verdict.doubtful or verdict.unlocked):
        found.append("SIGNED, and the journal counts no signatures")
    return found


def is_true(counted: Signatures, made: int) -> bool:
    """Whether a journal's count is true of so many signatures."""
    return counted.made <= made <= counted.made + counted.unknown
