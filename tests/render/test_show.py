# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the story of a job show until when the job could be retried?"""

from __future__ import annotations

from itertools import pairwise

import pytest

from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.render.sentences import NO_RETURN, UNSEEN
from gpgshim.render.show import MARKS, show
from gpgshim.summary.rows import row_of
from gpgshim.summary.story import Undo

HEAD = "job: 2420\nattempt: 1\n\n"
UPLOADED = HEAD + (
    "! uncommitted\n+1.000 $ gpg -b f\n+1.000 # pid 7 in /tmp, under debsign[6]\n"
    "+1.250 ! unknown\n+1.251 > commit-to-public-upload\n+2.000 < go-ahead\n+2.001 ! committed\n"
    "+2.002 = go\n+3.000 % exit 0\n+3.001 uploaded\n"
)


def lines_of(text: str, width: int = 80, under_way: bool = False) -> list[str]:
    return show(parse(text.encode()), width, under_way=under_way).splitlines()


def test_a_whole_job() -> None:
    lines = lines_of(UPLOADED)
    assert "   1.000 s  |            gpg 1 -> supervisor       may I sign? gpg -b f" in lines
    at = next(n for n, line in enumerate(lines) if "no return" in line)
    assert lines[at - 1] == f"{'|':>13}              pid 7 in /tmp, under debsign[6]"
    assert lines[at + 1] == "   1.250 s  being asked  supervisor                on disk: unknown"
    assert lines[at + 2].startswith("   1.251 s  ?            supervisor -> authority   commit-to")
    at = next(n for n, line in enumerate(lines) if "== committed:" in line)
    assert lines[at + 1] == "   2.001 s  final        supervisor                on disk: committed"
    assert lines[-2] == "uploaded: committed, and the job ended well."
    assert lines[-1].startswith("The job could be retried for its first 1.250 s, until the")


def test_the_word_stands_where_it_changes_and_its_mark_elsewhere() -> None:
    assert set(MARKS) == set(Undo)
    assert len({mark for mark, _ in MARKS.values()}) == len(Undo)  # not told apart by colour alone
    column = [line[12:23].strip() for line in lines_of(UPLOADED) if line[8:10] == " s"]
    assert column == ["retriable", "|", "being asked", "?", "?", "final", "#", "#", "#"]


def test_a_job_that_asked_nothing() -> None:
    lines = lines_of(HEAD + "! uncommitted\n+4.000 % exit 1\n+4.001 retriable\n")
    assert not [line for line in lines if "no return" in line or "==" in line]
    assert lines[-1] == "The job could be retried at any moment of its 4.001 s."


def test_a_journal_that_a_crash_left() -> None:
    lines = lines_of(UPLOADED.partition("+1.251")[0] + "+1.25")
    assert any("torn" in line for line in lines)
    assert any("The journal has no outcome." in line for line in lines)
    assert lines[-2].startswith(
        "irrecoverable: unknown: no gpg under the gate was allowed to sign, but"
    )


def test_the_event_of_a_torn_line_is_not_known() -> None:
    lines = lines_of(UPLOADED.partition("+1.250")[0] + "+1.25")
    assert any(UNSEEN in line for line in lines) and not any(NO_RETURN in line for line in lines)
    assert lines[-1] == (
        "The job could be retried for its first 1.000 s,"
        " up to the point after which the state is not known."
    )


def test_a_job_under_way() -> None:
    begun = UPLOADED.partition("+2.000")[0]
    lines = lines_of(begun, under_way=True)
    assert lines[-3] == "The job is under way, and waits for the authority's answer (1 gpg)."
    assert lines[-2].endswith("If the job stopped now, its outcome would be")
    assert lines[-1].startswith("irrecoverable: unknown:")
    assert any("From its lines" in line for line in lines_of(begun))
    assert lines_of(UPLOADED, under_way=True) == lines_of(UPLOADED)  # it is only leaving


def test_a_signature_past_the_gate() -> None:
    lines = lines_of(
        HEAD + "! uncommitted\n+1.000 % said uploaded\n+1.001 % bypassed\n+1.002 ! unknown\n"
        "+1.003 > commit-to-public-upload\n+1.004 < go-ahead\n+1.005 ! committed\n+1.006 uploaded\n"
    )
    assert lines[-1].startswith("It is not known until when")
    assert not any("retriable   " in line for line in lines)


def test_the_attempts_are_listed_where_there_are_several() -> None:
    row = row_of("2420", 1, "/s/2420.1", (HEAD + "! uncommitted\n").encode(), False, 2e9, 2e9)
    transcript = parse(UPLOADED.encode())
    assert "OUTCOME" not in show(transcript, 80, [row])
    text = show(transcript, 80, [row, row._replace(attempt=2)])
    assert text.count("2420 ") == 2 and "OUTCOME" in text


@pytest.mark.parametrize("width", [72, 100, 200])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    text = UPLOADED.replace("gpg -b f", "gpg " + "-b " * 200)
    assert max(len(line) for line in lines_of(text, width)[:-2]) <= width


def test_only_command_lines_are_cut() -> None:
    why = "because " * 20 + "of this"
    text = show(parse(f"{HEAD}! uncommitted\n= no {why}\n".encode()), 80)
    assert " ".join(line[49:].strip() for line in text.splitlines()[4:-3]).strip().endswith(why)


def test_colour_does_not_change_the_text() -> None:
    plain = show(parse(UPLOADED.encode()))
    painted = show(parse(UPLOADED.encode()), colour=True)
    assert "\033[" in painted and "\033[" not in plain
    for code in ("0", "1", "2", "32", "33", "1;31"):
        painted = painted.replace(f"\033[{code}m", "")
    assert painted == plain


def test_a_journal_that_contradicts_itself_has_no_story() -> None:
    with pytest.raises(TranscriptError):
        show(parse((HEAD + "! uncommitted\n% exit 1\nuploaded\n").encode()))


def test_times_may_be_missing() -> None:
    assert lines_of(HEAD + "! uncommitted\n")[-1] == "The job could be retried at any moment."
    assert lines_of(HEAD)[-1].startswith("The job could be retried up to the point")


def test_times_never_go_back() -> None:
    times = [float(line[:8]) for line in lines_of(UPLOADED) if line[8:10] == " s"]
    assert all(first <= then for first, then in pairwise(times))


def test_a_job_that_was_only_observed_is_not_called_retriable() -> None:
    lines = lines_of(HEAD.replace("\n\n", "\nmode: observe\n\n") + "! uncommitted\n% exit 1\n")
    assert lines[-2].startswith("observed: nothing was held or refused")
    assert lines[-1].startswith("The job was only observed")
