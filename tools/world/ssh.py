#!/usr/bin/python3 -IS
# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh, as far as tag2upload uses it: another host is another home on this machine.

1. The remote command is no child of ours. The door starts it, as a remote sshd would. So if this
   program is killed, or all descendants of a job, only the command's pipes are closed.
2. Bytes go both ways, and one exit status comes back; 255 is ssh's own.
"""

import contextlib
import os
import socket
import sys
import threading


def copy(source: int, sink: int) -> None:
    """Copy until the source ends; when the sink is gone, go on reading all the same."""
    with contextlib.suppress(OSError):
        while piece := os.read(source, 65536):
            while piece:
                piece = piece[os.write(sink, piece) :]
    while os.read(source, 65536):
        pass


def send(sink: int) -> None:
    with contextlib.suppress(OSError):
        copy(0, sink)
    os.close(sink)


def main() -> None:
    words = sys.argv[1:]
    while words[0].startswith("-"):
        del words[: 2 if words[0] == "-o" else 1]
    host = words.pop(0).rpartition("@")[2]
    remote_stdin, to_remote = os.pipe()
    from_remote, remote_stdout = os.pipe()
    door = socket.socket(socket.AF_UNIX)
    door.connect("/world/ssh.s")
    asked = f"{host} {' '.join(words)}".encode()
    socket.send_fds(door, [b"%8d" % len(asked)], [remote_stdin, remote_stdout, 2])
    door.sendall(asked)
    os.close(remote_stdin)
    os.close(remote_stdout)
    threading.Thread(target=send, args=(to_remote,), daemon=True).start()
    copy(from_remote, 1)
    # No status: the other end is gone.
    os._exit(int(door.recv(16) or b"255"))


if __name__ == "__main__":
    main()
