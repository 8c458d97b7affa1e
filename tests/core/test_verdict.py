# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the outcome derived from the journal alone, wherever the journal was cut?"""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gpgshim.core import o2m
from gpgshim.core import records as r
from gpgshim.core import verdict as verdict_module
from gpgshim.core.codec import KINDS, Record
from gpgshim.core.gate import DENIED, MEANINGS, OUTCOMES, Ending, Outcome, State
from gpgshim.core.transcript import TORN, TranscriptError, parse
from gpgshim.core.verdict import ENDINGS, ending_of, judge, judge_bytes, judge_journal
from gpgshim.summary import rows, story
from gpgshim.summary.metrics import METRICS

HEAD = b"job: 1\n\n"
UPLOADED = HEAD + (
    b"! uncommitted\n$ gpg -s\n! unknown\n> commit-to-public-upload\n< go-ahead\n"
    b"! committed\n= go\n% exit 0\nuploaded\n"
)


@pytest.mark.parametrize(
    ("lines", "state", "outcome"),
    [
        ("! uncommitted", State.UNCOMMITTED, Outcome.RETRIABLE),
        ("! uncommitted|% exit 0", State.UNCOMMITTED, Outcome.UNSIGNED),
        ("! uncommitted|% exit 1", State.UNCOMMITTED, Outcome.RETRIABLE),
        ("! uncommitted|% signal 9", State.UNCOMMITTED, Outcome.RETRIABLE),
        ("! uncommitted|% end", State.UNCOMMITTED, Outcome.RETRIABLE),
        ("! uncommitted|% no-start 127", State.UNCOMMITTED, Outcome.IRRECOVERABLE),
        ("! uncommitted|% no-start 71", State.UNCOMMITTED, Outcome.RETRIABLE),
        ("! uncommitted|% said irrecoverable", State.UNCOMMITTED, Outcome.IRRECOVERABLE),
        ("! uncommitted|% close", State.UNCOMMITTED, Outcome.RETRIABLE),
        ("! uncommitted|! unknown", State.UNKNOWN, Outcome.IRRECOVERABLE),
        ("! uncommitted|! unknown|% exit 0", State.UNKNOWN, Outcome.IRRECOVERABLE),
        ("! uncommitted|! unknown|! committed", State.COMMITTED, Outcome.IRRECOVERABLE),
        ("! uncommitted|! unknown|! committed|% exit 1", State.COMMITTED, Outcome.IRRECOVERABLE),
        ("! uncommitted|! unknown|! committed|% said uploaded", State.COMMITTED, Outcome.UPLOADED),
        ("", State.UNKNOWN, Outcome.IRRECOVERABLE),
    ],
)
def test_the_lines_on_disk_decide(lines: str, state: State, outcome: Outcome) -> None:
    verdict = judge_bytes(HEAD + "".join(f"{each}\n" for each in lines.split("|") if each).encode())
    assert (verdict.state, verdict.outcome, verdict.told) == (state, outcome, False)
    assert verdict.meaning


@pytest.mark.parametrize("cut", range(len(UPLOADED) + 1))
def test_a_cut_anywhere_never_claims_too_much(cut: int) -> None:
    left = UPLOADED[:cut]
    verdict = judge_bytes(left)
    sent = b"> commit" in left
    assert not (sent and verdict.outcome is Outcome.RETRIABLE)
    assert (verdict.state is State.COMMITTED) == (b"! committed\n" in left)
    whole_and_untouched = (
        left.endswith(b"\n") and b"! uncommitted\n" in left and b"! unknown" not in left
    )
    assert (verdict.outcome is Outcome.RETRIABLE) == whole_and_untouched
    assert (verdict.outcome is Outcome.UPLOADED) == (b"% exit 0\n" in left)


def test_a_file_that_is_no_journal_has_no_outcome() -> None:
    assert judge_bytes(b"no journal\n").told is False


def test_a_journal_tells_or_does_not() -> None:
    assert judge(parse(UPLOADED)).told
    assert not judge(parse(UPLOADED.removesuffix(b"uploaded\n"))).told


def test_the_last_ending_counts() -> None:
    ended = judge(parse(HEAD + b"! uncommitted\n% end\n% no-start 127\n"))
    assert ended.ending is Ending.PERMANENT


def test_an_outcome_before_half_a_line_is_no_contradiction() -> None:
    # What the half line would have said takes the outcome with it.
    torn = judge(parse(HEAD + b"! uncommitted\n% exit 1\nretriable\n! unk"))
    assert (torn.state, torn.outcome) == (State.UNKNOWN, Outcome.IRRECOVERABLE)


def test_a_refusal_after_the_commitment_is_too_late() -> None:
    late = judge(parse(UPLOADED.replace(b"= go\n", b"= go\n< refused\n")))
    assert not late.refused
    assert late.meaning == MEANINGS[State.COMMITTED, Outcome.UPLOADED]


def test_a_job_whose_stunts_were_removed_is_not_called_harmless() -> None:
    verdict = judge(parse(HEAD + b"! uncommitted\n% ungated\n% exit 0\n"))
    assert (verdict.state, verdict.outcome) == (State.UNKNOWN, Outcome.IRRECOVERABLE)
    assert "stunts were removed" in verdict.meaning
    committed = judge(parse(UPLOADED.replace(b"% exit 0", b"% ungated\n% exit 0")))
    assert (committed.outcome, committed.ungated) == (Outcome.UPLOADED, False)


def test_a_job_whose_lock_was_removed_is_not_called_harmless() -> None:
    locked = b"format: 2\njob: j\nagent: /h\n\n"
    whole, gone = b"! uncommitted\n", b"! uncommitted\n% unlocked\n"
    assert judge(parse(locked + whole + b"% exit 1\n")).outcome is Outcome.RETRIABLE
    verdict = judge(parse(locked + gone + b"% exit 1\n"))
    assert (verdict.state, verdict.outcome) == (State.UNKNOWN, Outcome.IRRECOVERABLE)
    assert verdict.ungated and verdict.signatures is None
    assert "past the lock" in verdict.meaning
    both = b"! unknown\n< go-ahead\n! committed\n% exit 1\n"
    counted, unknown = (judge(parse(locked + each + both)) for each in (whole, gone))
    assert "made no signature" in counted.meaning
    assert unknown.meaning == MEANINGS[State.COMMITTED, Outcome.IRRECOVERABLE]


def test_a_refusal_differs_from_silence() -> None:
    asked = HEAD + b"! uncommitted\n! unknown\n"
    assert "refused" in judge_bytes(asked + b"< refused\n").meaning
    assert "refused" not in judge_bytes(asked + b"< go-ahead\n").meaning
    refused = judge_bytes(asked + b"< refused\n% exit 2\n")
    assert (refused.state, refused.known) == (State.UNKNOWN, State.REFUSED)
    assert (refused.outcome, refused.told) == (Outcome.REFUSED, False)
    assert judge_bytes(asked + b"< refused\n% exit 2\nrefused\n").told


@pytest.mark.parametrize("ending", ["% exit 0", "% exit 2", "% signal 9", "% end", ""])
def test_a_refusal_decides_however_the_job_ended(ending: str) -> None:
    lines = f"! uncommitted\n$ gpg -s\n! unknown\n< refused\n{ending}\n".rstrip() + "\n"
    assert judge_bytes(HEAD + lines.encode()).outcome is Outcome.REFUSED


@pytest.mark.parametrize("fact", ["% ungated", "% bypassed"])
def test_a_refused_job_that_may_have_signed_past_the_gate_is_irrecoverable(fact: str) -> None:
    lines = f"! uncommitted\n! unknown\n< refused\n{fact}\n% exit 2\n"
    verdict = judge_bytes(HEAD + lines.encode())
    assert (verdict.outcome, verdict.refused) == (Outcome.IRRECOVERABLE, False)
    assert verdict.ungated == (fact == "% ungated")
    assert "refused" not in verdict.meaning


def test_the_manager_hears_nothing_of_a_refused_job() -> None:
    for said in o2m.Said:
        assert o2m.REPLIES[State.UNKNOWN, said] is o2m.Reply.DROP
    assert Outcome.REFUSED not in o2m.OUTCOMES  # the protocol has no word for it


def test_a_refusal_that_an_earlier_version_called_irrecoverable_stays_that() -> None:
    verdict = judge_bytes(HEAD + b"! uncommitted\n! unknown\n< refused\n% exit 2\nirrecoverable\n")
    assert (verdict.outcome, verdict.told, verdict.refused) == (Outcome.IRRECOVERABLE, True, True)
    assert "refused" in verdict.meaning


RESOLVED = b"% resolved retriable ann@host 2026-11-26T01:02:03Z the manager has nothing\n"


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"! uncommitted\n! unknown\n% exit 2\nirrecoverable\n",
        HEAD + b"! uncommitted\n! unknown\n",  # its supervisor was killed
        HEAD + b"! uncommitted\n! unkno" + TORN,
        b"no journal\n",
        b"\xff no journal" + TORN,
        TORN,
    ],
)
def test_a_resolution_changes_nothing_of_the_attempt(data: bytes) -> None:
    before, after = judge_bytes(data), judge_bytes(data + RESOLVED)
    assert before.resolved is None
    assert after.resolved == r.Resolved(
        r.Resolution.RETRIABLE, "ann@host", "2026-11-26T01:02:03Z", "the manager has nothing"
    )
    assert after._replace(resolved=None) == before
    assert before.state is State.UNKNOWN


def test_the_last_resolution_counts() -> None:
    data = HEAD + b"! uncommitted\n% exit 1\nretriable\n" + RESOLVED
    other = RESOLVED.replace(b"retriable", b"uploaded")
    resolved = judge_bytes(data + other).resolved
    assert resolved is not None
    assert resolved.result is r.Resolution.UPLOADED


def test_a_torn_resolution_is_none() -> None:
    for cut in range(1, len(RESOLVED)):
        assert judge_bytes(b"no journal\n" + RESOLVED[:cut]).resolved is None
        torn = judge_bytes(UPLOADED + RESOLVED[:cut])
        assert (torn.resolved, torn.outcome) == (None, Outcome.UPLOADED)
        assert judge_bytes(UPLOADED + RESOLVED[:cut] + TORN + RESOLVED).resolved


def test_a_torn_line_stays_torn_if_a_line_follows() -> None:
    data = HEAD + b"! uncommitted\n! unkno"
    assert parse(data + TORN + RESOLVED).torn
    assert parse(data + TORN + RESOLVED).lines[0] == parse(data).lines[0]
    assert judge_bytes(data + TORN + RESOLVED).outcome is Outcome.IRRECOVERABLE


def test_a_job_that_signed_past_the_gate_is_not_called_harmless() -> None:
    bypassed = HEAD + b"! uncommitted\n% said uploaded\n% bypassed\n"
    verdict = judge_bytes(bypassed + b"% failed the manager has hung up\n")
    assert (verdict.state, verdict.outcome) == (State.UNKNOWN, Outcome.IRRECOVERABLE)
    assert "was made past the gate" in verdict.meaning
    told = judge_bytes(bypassed + b"! unknown\n< go-ahead\n! committed\n")
    assert (told.outcome, told.bypassed) == (Outcome.UPLOADED, False)


@pytest.mark.parametrize(("state", "outcome"), MEANINGS)
def test_the_meaning_is_true(state: State, outcome: Outcome) -> None:
    says = MEANINGS[state, outcome]
    nobody_asked = (
        "no gpg under the gate was called to sign, and no request to commit was sent" in says
    )
    assert nobody_asked == (state is State.UNCOMMITTED)
    would_fail_again = "it would fail again" in says
    assert would_fail_again == (nobody_asked and outcome is Outcome.IRRECOVERABLE)
    asks_for_help = "ask the authority whether it has committed" in says
    assert asks_for_help == (state is State.UNKNOWN)
    assert says.startswith("committed, and ") == (state is State.COMMITTED)
    assert ("signatures may have been made; check what was published" in says) == (
        state is State.COMMITTED and outcome is Outcome.IRRECOVERABLE
    )
    assert ("the job ended well" in says) == (outcome is Outcome.UPLOADED)


#: Words that say more of a job than a gate can see: programs sign by other ways than the job's gpg.
TOO_WIDE = re.compile(r"\bnothing (was|is|has been) (signed|done)|\bno signature\b|\bsaved\b")


@pytest.mark.parametrize(
    "text",
    [
        *MEANINGS.values(),
        *DENIED.values(),
        *rows.SHORT.values(),
        *story.MEANINGS.values(),
        *(value for value in vars(verdict_module).values() if isinstance(value, str)),
        *o2m.CRASH.lines,
        *(metric.says for metric in METRICS.values()),
    ],
)
def test_no_text_claims_more_than_the_gate_watches(text: str) -> None:
    assert not TOO_WIDE.search(text)


@pytest.mark.parametrize("outcome", DENIED)
def test_the_outcome_does_not_deny_a_refused_gpg(outcome: Outcome) -> None:
    end = {"unsigned": "% exit 0", "retriable": "% exit 2", "irrecoverable": "% no-start 127"}
    lines = f"! uncommitted\n$ gpg -s\n% failed no manager\n= no\n{end[outcome]}\n{outcome}\n"
    verdict = judge_bytes(HEAD + lines.encode())
    assert (verdict.outcome, verdict.told, verdict.asked) == (outcome, True, True)
    assert verdict.meaning == DENIED[outcome]
    assert "was called to sign" not in verdict.meaning
    # What it says else is what MEANINGS says.
    assert (
        verdict.meaning.replace("allowed to sign", "called to sign")
        == (MEANINGS[State.UNCOMMITTED, outcome])
    )


def test_denied_has_the_outcomes_of_an_uncommitted_job() -> None:
    assert {(State.UNCOMMITTED, outcome) for outcome in DENIED} == {
        pair for pair in MEANINGS if pair[0] is State.UNCOMMITTED
    }


@pytest.mark.parametrize(
    "data",
    [b"", b"no journal\n", HEAD, HEAD + b"! uncommitted\n! unk", HEAD + b"! unknown\n"],
)
def test_a_journal_without_gpg_claims_nothing_about_it(data: bytes) -> None:
    verdict = judge_bytes(data)
    assert (verdict.state, verdict.doubtful) == (State.UNKNOWN, True)
    assert verdict.meaning.startswith("unknown: the journal is torn or cannot be read")
    assert "allowed" not in verdict.meaning
    asked = judge_bytes(HEAD + b"! uncommitted\n! unknown\n! comm")
    assert not asked.doubtful and "allowed to sign" in asked.meaning


@pytest.mark.parametrize(
    "lines",
    ["! unknown\n", "! uncommitted\n! committed\n", "! uncommitted\n! uncommitted\n"],
)
def test_states_out_of_order_are_an_error(lines: str) -> None:
    with pytest.raises(TranscriptError, match="states out of order"):
        judge(parse(HEAD + lines.encode()))
    assert judge_bytes(HEAD + lines.encode()).state is State.UNKNOWN


def test_an_outcome_that_the_journal_does_not_bear_out_is_an_error() -> None:
    lied = UPLOADED.replace(b"% exit 0\n", b"% exit 1\n")
    with pytest.raises(TranscriptError, match="its outcome is irrecoverable, but it says uploaded"):
        judge(parse(lied))
    assert judge_bytes(lied).outcome is Outcome.IRRECOVERABLE


#: The outcomes that claim nothing about the job.
NO_CLAIM = {Outcome.IRRECOVERABLE, Outcome.OBSERVED}


@given(st.binary(max_size=300))
@example(b"mode: observe\n")  # a torn head can still say that its job was only observed
def test_garbage_claims_nothing(data: bytes) -> None:
    if b"! uncommitted" not in data:
        assert judge_bytes(data).outcome in NO_CLAIM
    assert judge_bytes(UPLOADED + data).outcome is not Outcome.RETRIABLE


def test_an_ending_is_a_kind_or_one_record_of_it() -> None:
    for each, ending in ENDINGS.items():
        kind = type(each) if isinstance(each, Record) else each
        assert kind in KINDS.values() and not kind.is_note
        assert (State.COMMITTED, ending) in OUTCOMES
    assert set(ENDINGS.values()) == set(Ending)


@pytest.mark.parametrize(
    ("record", "ending"),
    [
        (r.Exited(0), Ending.WELL),
        (r.Exited(3), Ending.TRANSIENT),
        (r.Signalled(0), Ending.TRANSIENT),  # 0 is not a status here
        (r.NotStarted(71), Ending.TRANSIENT),
        (r.NotStarted(0), Ending.PERMANENT),
        (r.WatchdogEnded(), Ending.UNREPORTED),
        (r.Reported("uploaded"), Ending.WELL),
        (r.Reported("message uploaded"), None),
        (r.TimedOut(), None),
        (r.Note("exit 0"), None),
        (r.AnswerExit(0), None),
    ],
)
def test_the_events_that_end_a_job(record: Record, ending: Ending | None) -> None:
    assert ending_of(record) is ending


@given(st.lists(st.sampled_from([*UPLOADED[len(HEAD) :].decode().splitlines(), "# x", "? gpg"])))
def test_lines_that_do_not_count_need_not_be_kept(lines: list[str]) -> None:
    data = HEAD + "".join(f"{line}\n" for line in lines).encode()
    try:
        verdict = judge(parse(data))
    except TranscriptError as error:
        with pytest.raises(TranscriptError, match=re.escape(str(error))):
            judge_journal(data)
    else:
        assert judge_journal(data) == verdict


def test_a_journal_of_many_grants_takes_no_more_memory_than_its_bytes() -> None:
    question = b"+1.000 $ gpg -b a\n+1.000 # pid 1 in /\n+1.000 = go\n"
    data = UPLOADED.replace(b"% exit 0\n", question * 10_000 + b"% exit 0\n")
    tracemalloc.start()
    verdict = judge_bytes(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict.outcome is Outcome.UPLOADED
    assert most < len(data) // 10
