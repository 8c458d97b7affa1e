# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides from the output of dgit, ssh and the network whether a job's failure is transient.

Rule 1: this is used only after the gate's own state shows that no commitment was requested. Much of
the text comes from the builder, which is less trusted. The builder can do no more here than it
could do anyway: make its own job fail permanently, or have it retried as often as the manager
allows.
Rule 2: the last line that matches a row decides. If no row matches, or there is no text, the
failure counts as transient: the manager limits the retries, and a wrong "permanent" costs the
uploader a version.

Source: dgit 17.0, ssh, curl and git; each was made to fail, and fixtures/failures has their output.
"""

from __future__ import annotations

TRANSIENT, PERMANENT = True, False

#: (text in a line, whether the failure is transient); the comment names the program and the reason.
ROWS: tuple[tuple[bytes, bool], ...] = (
    (b"gave HTTP code 5", TRANSIENT),  # dgit, about the archive's API: the failure of #1125487
    (b"Could not resolve host", TRANSIENT),  # curl and ssh
    (b"Temporary failure in name resolution", TRANSIENT),  # ssh, git
    (b"Connection refused", TRANSIENT),  # any program
    (b"Connection reset", TRANSIENT),
    (b"Connection closed by", TRANSIENT),  # ssh
    (b"Connection timed out", TRANSIENT),
    (b"Operation timed out", TRANSIENT),  # curl
    (b"Timeout was reached", TRANSIENT),  # curl
    (b"No route to host", TRANSIENT),
    (b"No space left on device", TRANSIENT),
    (b"Failed to connect to", TRANSIENT),  # curl
    (b"Failure when receiving data", TRANSIENT),  # curl
    (b"but git tree differs from orig", PERMANENT),  # dgit: quilt mode and tree, both in the tag
    (b"quilt fixup cannot be linear.", PERMANENT),  # dgit: tree and patches differ, in the tag
    (b"quilt history linearisation failed", PERMANENT),
    (b"quilt fixup required but quilt mode is", PERMANENT),
    (b"does not match changelog", PERMANENT),  # dgit: debian/changelog is in the tag
    (b"but debian/changelog is for", PERMANENT),
    (b"but changelog says", PERMANENT),
    (b"changelog specifies", PERMANENT),
    (b"is not expected `", PERMANENT),  # dgit: --expect-suite, --expect-version
    (b"You seem to be trying to push an old version.", PERMANENT),
    (b"HEAD is not a descendant of the archive's version", PERMANENT),
    (b"is not fast forward", PERMANENT),
    (b"git tree contains ", PERMANENT),  # dgit: debian/source/local-options and similar files
    (b"operation unsupported: ", PERMANENT),
)


def is_transient(text: bytes) -> bool:
    """Whether a job that failed with the output `text` may succeed on another try."""
    for line in reversed(text.split(b"\n")):
        for text_of_row, transient in ROWS:
            if text_of_row in line:
                return transient
    return TRANSIENT
