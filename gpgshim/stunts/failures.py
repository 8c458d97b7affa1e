"""What dgit, ssh and the network say when a job fails: may it pass?

Rule 1: this is never asked before the gate's own state has said that nobody was asked to commit.
Much of the text comes from the builder, which is less trusted; the worst that it can do here is
what it could do anyway: make its own job fail for good, or be tried again as often as the manager
likes.
Rule 2: the last line that matches a row decides. No row, no text: it may pass. The manager bounds
the retries, and a wrong "for good" costs the uploader a version.

Source: dgit 17.0, ssh, curl and git, each made to say it: fixtures/failures has what they said.
"""

from __future__ import annotations

PASSES, FOR_GOOD = True, False

#: (text in a line, may it pass?); the comment says who says it, and why.
ROWS: tuple[tuple[bytes, bool], ...] = (
    (b"gave HTTP code 5", PASSES),  # dgit, of the archive's API: #1125487 itself
    (b"Could not resolve host", PASSES),  # curl and ssh
    (b"Temporary failure in name resolution", PASSES),  # ssh, git
    (b"Connection refused", PASSES),  # anybody
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
    (b"git tree contains ", FOR_GOOD),  # dgit: debian/source/local-options and the like
    (b"operation unsupported: ", FOR_GOOD),
)


def may_pass(text: bytes) -> bool:
    """Whether a job that said `text` and failed may do better next time."""
    for line in reversed(text.split(b"\n")):
        for saying, passes in ROWS:
            if saying in line:
                return passes
    return PASSES
