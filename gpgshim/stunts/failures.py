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

PASSES, FOR_GOOD = True, False

#: (text in a line, whether the failure is transient); the comment names the program and the reason.
ROWS: tuple[tuple[bytes, bool], ...] = (
    (b"gave HTTP code 5", PASSES),  # dgit, about the archive's API: the failure of #1125487
    (b"Could not resolve host", PASSES),  # curl and ssh
    (b"Temporary failure in name resolution", PASSES),  # ssh, git
    (b"Connection refused", PASSES),  # any program
    (b"Connection reset", PASSES),
    (b"Connection closed by", PASSES),  # ssh
    (b"Connection timed out", PASSES),
    (b"Operation timed out", PASSES),  # curl
    (b"Timeout was reached", PASSES),  # curl
    (b"No route to host", PASSES),
    (b"No space left on device", PASSES),
    (b"Failed to connect to", PASSES),  # curl
    (b"Failure when receiving data", PASSES),  # curl
    (b"but git tree differs from orig", FOR_GOOD),  # dgit: quilt mode and tree, both in the tag
    (b"quilt fixup cannot be linear.", FOR_GOOD),  # dgit: tree and patches differ, in the tag
    (b"quilt history linearisation failed", FOR_GOOD),
    (b"quilt fixup required but quilt mode is", FOR_GOOD),
    (b"does not match changelog", FOR_GOOD),  # dgit: debian/changelog is in the tag
    (b"but debian/changelog is for", FOR_GOOD),
    (b"but changelog says", FOR_GOOD),
    (b"changelog specifies", FOR_GOOD),
    (b"is not expected `", FOR_GOOD),  # dgit: --expect-suite, --expect-version
    (b"You seem to be trying to push an old version.", FOR_GOOD),
    (b"HEAD is not a descendant of the archive's version", FOR_GOOD),
    (b"is not fast forward", FOR_GOOD),
    (b"git tree contains ", FOR_GOOD),  # dgit: debian/source/local-options and similar files
    (b"operation unsupported: ", FOR_GOOD),
)


def may_pass(text: bytes) -> bool:
    """Whether a job that failed with the output `text` may succeed on another try."""
    for line in reversed(text.split(b"\n")):
        for saying, passes in ROWS:
            if saying in line:
                return passes
    return PASSES
