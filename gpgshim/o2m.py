"""tag2upload's oracle-to-manager protocol, version 9: the lines that a supervisor meets.

Rule 1: exactly one line is read, after we have asked, and not a byte more: the next belongs to the
worker.
Rule 2: `go-ahead` is the only yes. The protocol has no word for no, so all else, and an end of
file, means that nobody knows.

Source: dgit-infrastructure 17.0, tag2upload-oracled and dgit-repos-server.
"""

from __future__ import annotations

from gpgshim.gate import Event

COMMIT = b"commit-to-public-upload\n"
GO_AHEAD = b"go-ahead\n"

LONGEST_LINE = 4096  #: bytes, line feed included; the lines we wait for are far shorter


def answer_to_commit(line: bytes) -> Event:
    """What the manager's line, line feed included, means for the gate. Total."""
    return Event.GO_AHEAD if line == GO_AHEAD else Event.SILENCE
