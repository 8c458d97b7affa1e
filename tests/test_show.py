"""Does the story of a job tell a person when it could still be retried?"""

from __future__ import annotations

import pytest

from gpgshim.show import show
from gpgshim.transcript import TranscriptError, parse

HEAD = "job: 2420\nattempt: 1\n\n"
UPLOADED = HEAD + (
    "! uncommitted\n+1.000 $ gpg -b f\n+1.000 # pid 7 in /tmp, under debsign[6]\n"
    "+1.250 ! unknown\n+1.251 > commit-to-public-upload\n+2.000 < go-ahead\n+2.001 ! committed\n"
    "+2.002 = go\n+3.000 % exit 0\n+3.001 uploaded\n"
)


def lines_of(text: str, width: int = 80) -> list[str]:
    return show(parse(text.encode()), width).splitlines()


def test_a_whole_job() -> None:
    lines = lines_of(UPLOADED)
    assert "   1.000 s  gpg asks    gpg -b f" in lines
    at = next(n for n, line in enumerate(lines) if "no return" in line)
    assert lines[at - 1] == "   1.250 s  on disk     unknown"
    assert lines[at + 1] == "   1.251 s  we tell it  commit-to-public-upload"
    assert lines[-2] == "uploaded: committed, and the job ended well."
    assert lines[-1].startswith("It could be retried for its first 1.250 s; after that")


def test_a_job_that_asked_nothing() -> None:
    lines = lines_of(HEAD + "! uncommitted\n+4.000 % exit 1\n+4.001 retriable\n")
    assert not [line for line in lines if "no return" in line]
    assert lines[-1] == "It could be retried at any moment of its 4.001 s."


def test_a_journal_that_a_crash_left() -> None:
    lines = lines_of(UPLOADED.partition("+1.251")[0] + "+1.25")
    assert any("torn" in line for line in lines)
    assert any("does not hold the outcome" in line for line in lines)
    assert lines[-2].startswith("irrecoverable: unknown: nothing was signed, but")


def test_no_line_is_longer_than_the_terminal() -> None:
    text = UPLOADED.replace("gpg -b f", "gpg " + "-b " * 200)
    assert max(len(line) for line in lines_of(text, 72)[3:-4]) <= 72


def test_a_journal_that_lies_is_not_told() -> None:
    with pytest.raises(TranscriptError):
        show(parse((HEAD + "! uncommitted\n% exit 1\nuploaded\n").encode()))


def test_times_may_be_missing() -> None:
    assert lines_of(HEAD + "! uncommitted\n")[-1].endswith("any moment of its untold time.")
    assert lines_of(HEAD)[-1].endswith("any moment of its untold time.")
