# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is each job counted once, with its outcome, and can Prometheus read the numbers?"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pytest_mock import MockerFixture

from gpgshim.core import records
from gpgshim.core.gate import Outcome
from gpgshim.core.need import Alarm
from gpgshim.core.transcript import parse
from gpgshim.core.verdict import judge
from gpgshim.history import tally
from gpgshim.summary.metrics import (
    CAUSES,
    METRICS,
    Cause,
    Sums,
    count,
    nothing,
    render,
)
from tests.support.scratch import CHECKOUT, REFUSE, Scratch, finish, hear, tell

HEAD = "job: j\nattempt: 1\n\n! uncommitted\n"
ASKED = HEAD + "+2.000 $ gpg -b f\n+2.001 ! unknown\n+2.002 > commit-to-public-upload\n"
SIGNED = ASKED + "+12.000 < go-ahead\n+12.500 ! committed\n+13.000 = go\n"
RETRIABLE = HEAD + "+1.000 % exit 1\nretriable\n"
UPLOADED = SIGNED + "+14.000 % exit 0\nuploaded\n"


def counted(*journals: str) -> Sums:
    sums = nothing()
    for journal in journals:
        transcript = parse(journal.encode())
        count(sums, transcript, judge(transcript))
    return sums


def changed(sums: Sums) -> dict[str, float]:
    """What is not 0: `metric` or `metric value` -> number, less the gpgshim_ and the _total."""
    return {
        f"{name.removeprefix('gpgshim_').removesuffix('_total')} {value}".strip(): number
        for name, numbers in sums.items()
        for value, number in numbers.items()
        if number
    }


@pytest.mark.parametrize(
    ("journal", "seen"),
    [
        (RETRIABLE, {"attempts retriable": 1}),
        (HEAD + "% exit 0\nunsigned\n", {"attempts unsigned": 1}),
        (HEAD, {"attempts retriable": 1, "crashed": 1}),
        (
            ASKED,
            {"attempts irrecoverable": 1, "crashed": 1, "alarms crashed": 1},
        ),
        (
            ASKED
            + "+3.000 < refused\n+4.000 = no the authority did not say go-ahead, but 'refused'\n"
            "+5.000 % exit 2\nirrecoverable\n",
            {
                "attempts irrecoverable": 1,
                "refusals refused": 1,
                "gate_wait_seconds sum": 2,
                "gate_wait_seconds count": 1,
            },
        ),
        (
            UPLOADED,
            {
                "attempts uploaded": 1,
                "grants": 1,
                "gate_wait_seconds sum": 11,
                "gate_wait_seconds count": 1,
                "commitment_seconds 60": 1,
                "commitment_seconds 300": 1,
                "commitment_seconds 1800": 1,
                "commitment_seconds 7200": 1,
                "commitment_seconds +Inf": 1,
                "commitment_seconds sum": 12.5,
            },
        ),
        (
            HEAD + "% said uploaded\n% bypassed\n! unknown\n> commit-to-public-upload\n"
            "+9.000 < go-ahead\n+9.000 ! committed\nuploaded\n",
            {"attempts uploaded": 1, "alarms bypassed": 1},
        ),
        (
            UPLOADED.replace("\n\n", "\nmode: observe\n\n").replace("\nuploaded", "\nobserved"),
            {"attempts observed": 1, "observed uploaded": 1},
        ),
        (
            HEAD.replace("\n\n", "\nmode: observe\n\n") + "% said uploaded\n% bypassed\nobserved\n",
            {"attempts observed": 1, "observed irrecoverable": 1, "alarms bypassed": 1},
        ),
    ],
)
def test_one_attempt(journal: str, seen: dict[str, float]) -> None:
    assert changed(counted(journal)) == seen


def test_a_client_that_is_gone_waits_no_more() -> None:
    text = ASKED + "+3.000 $ gpg -b g\n+4.000 % gone 1\n+5.000 < go-ahead\n+5.000 ! committed\n"
    sums = counted(text + "+6.000 = go\n+7.000 % exit 0\nuploaded\n")
    assert sums["gpgshim_gate_wait_seconds"] == {"sum": 3.0, "count": 1.0}


def test_times_may_be_missing() -> None:
    for path in (CHECKOUT / "fixtures").glob("**/success.txt"):
        sums = counted(path.read_text())
        assert sums["gpgshim_grants_total"][""] >= 2
        assert sums["gpgshim_gate_wait_seconds"]["count"] == 0
        assert sums["gpgshim_commitment_seconds"]["+Inf"] == 0
    assert counted(HEAD + "= go\n")["gpgshim_grants_total"][""] == 1  # of no question


def test_every_word_there_is_has_a_number() -> None:
    sums = nothing()
    assert set(sums["gpgshim_attempts_total"]) == set(Outcome)
    assert set(sums["gpgshim_alarms_total"]) == set(Alarm)
    assert set(sums["gpgshim_refusals_total"]) == set(Cause)
    assert set(CAUSES) == set(records.Cause)
    assert set(CAUSES.values()) == set(Cause)
    assert set(sums) == set(METRICS)


def samples(text: str) -> dict[str, float]:
    """The samples as Prometheus' own parser reads them: `name{label="value"}` -> number."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram", "summary")
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert name not in found
            assert (family.type == "counter") == sample.name.endswith("_total")
            found[name] = sample.value
    assert text.endswith("\n")
    return found


def test_prometheus_can_read_it() -> None:
    sums = counted(UPLOADED, RETRIABLE, SIGNED.replace("12.500", "100000.000"))
    found = samples(render(sums))
    assert found['gpgshim_attempts_total{outcome="uploaded"}'] == 1
    assert found["gpgshim_commitment_seconds_count"] == 2
    assert found["gpgshim_commitment_seconds_sum"] == 100012.5
    buckets = [number for name, number in found.items() if "_bucket{" in name]
    assert buckets == [0, 0, 1, 1, 1, 1, 2]  # cumulative
    assert found['gpgshim_commitment_seconds_bucket{le="+Inf"}'] == 2
    assert not any(math.isnan(number) for number in found.values())


# All journals: each is counted once.


def write(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text)
    return path


def test_a_journal_is_counted_once_and_stays_counted(tmp_path: Path) -> None:
    write(tmp_path, "a.1", RETRIABLE)
    first = write(tmp_path, "b.1", UPLOADED)
    for _ in range(3):
        sums = tally.take_stock(tmp_path)
        assert sums["gpgshim_attempts_total"]["uploaded"] == 1
    first.unlink()
    assert tally.take_stock(tmp_path)["gpgshim_attempts_total"]["uploaded"] == 1
    write(tmp_path, "b.1", UPLOADED)  # another job of that name
    os.utime(first, (1e9, 1e9))
    sums = tally.take_stock(tmp_path)
    assert sums["gpgshim_attempts_total"]["uploaded"] == 2
    assert sums["gpgshim_attempts_total"]["retriable"] == 1


def test_an_upload_is_saved_once(tmp_path: Path) -> None:
    for name, text in {
        "saved.1": RETRIABLE, "saved.2": RETRIABLE, "saved.3": UPLOADED,
        "other.1": UPLOADED, "lost.1": RETRIABLE, "lost.2": SIGNED + "% exit 1\nirrecoverable\n",
        "late.1": RETRIABLE,
    }.items():  # fmt: skip
        write(tmp_path, name, text)
    assert tally.take_stock(tmp_path)["gpgshim_uploads_saved_total"][""] == 1
    write(tmp_path, "late.2", UPLOADED)
    for _ in range(2):
        assert tally.take_stock(tmp_path)["gpgshim_uploads_saved_total"][""] == 2


def saved(directory: Path) -> float:
    return tally.take_stock(directory)["gpgshim_uploads_saved_total"][""]


def test_a_job_that_is_uploaded_again_is_saved_once(tmp_path: Path) -> None:
    for number, text in enumerate((RETRIABLE, UPLOADED, UPLOADED, RETRIABLE, UPLOADED), 1):
        write(tmp_path, f"j.{number}", text)
    assert saved(tmp_path) == 1
    write(tmp_path, "j.6", UPLOADED)
    assert saved(tmp_path) == 1


def test_an_upload_counts_as_saved_after_the_retriable_attempt_was_pruned(tmp_path: Path) -> None:
    first = write(tmp_path, "j.1", RETRIABLE)
    write(tmp_path, "j.2", RETRIABLE)
    assert saved(tmp_path) == 0
    first.unlink()
    assert saved(tmp_path) == 0
    write(tmp_path, "j.3", UPLOADED)
    assert saved(tmp_path) == 1
    (tmp_path / "j.2").unlink()
    write(tmp_path, "j.4", UPLOADED)
    assert saved(tmp_path) == 1


@pytest.mark.parametrize("names", [("j.1", "j.2"), ("j.3", "j.4")])
def test_another_job_of_a_pruned_name_is_saved_too(tmp_path: Path, names: tuple[str, str]) -> None:
    for name, text in zip(names, (RETRIABLE, UPLOADED), strict=True):
        write(tmp_path, name, text)
    assert saved(tmp_path) == 1
    for name in names:
        (tmp_path / name).unlink()
    for name, text in (("j.1", RETRIABLE), ("j.2", UPLOADED)):
        os.utime(write(tmp_path, name, text), (1e9, 1e9))
    assert saved(tmp_path) == 2
    for name in ("j.1", "j.2"):
        (tmp_path / name).unlink()
    assert saved(tmp_path) == 2
    write(tmp_path, "j.1", UPLOADED)  # it failed in no attempt
    assert saved(tmp_path) == 2


@pytest.mark.parametrize("result", records.Resolution)
def test_a_resolution_changes_no_saved_upload(tmp_path: Path, result: records.Resolution) -> None:
    resolution = f"% resolved {result} u@h 2026-01-01T00:00:00Z looked\n"
    write(tmp_path, "j.1", RETRIABLE)
    last = write(tmp_path, "j.2", UPLOADED)
    lost = write(tmp_path, "k.1", SIGNED + "% exit 1\nirrecoverable\n")
    assert saved(tmp_path) == 1
    for at, path in enumerate((last, lost)):
        write(tmp_path, path.name, path.read_text() + resolution)
        os.utime(path, (1e9 + at, 1e9 + at))
    found = tally.take_stock(tmp_path)
    assert found["gpgshim_resolved_total"][result] == 2
    write(tmp_path, "j.3", UPLOADED)
    write(tmp_path, "k.2", UPLOADED)  # a person has saved it
    assert saved(tmp_path) == 1


def test_an_upload_is_saved_by_an_earlier_attempt_only(tmp_path: Path) -> None:
    write(tmp_path, "j.2", UPLOADED)
    write(tmp_path, "j.3", RETRIABLE)
    assert saved(tmp_path) == 0
    write(tmp_path, "j.1", "nonsense\n")
    write(tmp_path, "j.4", UPLOADED)
    assert saved(tmp_path) == 1


def test_each_journal_is_read_once(tmp_path: Path, mocker: MockerFixture) -> None:
    for number in range(1, 6):
        write(tmp_path, f"j.{number}", UPLOADED if number % 2 else RETRIABLE)
    read = mocker.spy(tally, "read_content")
    for _ in range(2):
        assert saved(tmp_path) == 1
    assert read.call_count == 5


@pytest.mark.parametrize(
    "kept", ["", "{", "[]", '{"format": 9}', '{"format": 1, "seen": 3}', "\xff"]
)
def test_spoilt_sums_are_counted_again(tmp_path: Path, kept: str) -> None:
    write(tmp_path, "a.1", RETRIABLE)
    (tmp_path / ".metrics.json").write_bytes(kept.encode("latin-1"))
    assert tally.take_stock(tmp_path)["gpgshim_attempts_total"]["retriable"] == 1


def test_sums_of_another_version(tmp_path: Path) -> None:
    sums = {"gpgshim_gone_total": {"": 3}, "gpgshim_attempts_total": {"retriable": 4, "what": 1}}
    kept = {"format": 1, "sums": sums, "seen": {}}
    (tmp_path / ".metrics.json").write_text(json.dumps(kept))
    write(tmp_path, "a.1", RETRIABLE)
    found = tally.take_stock(tmp_path)
    assert found["gpgshim_attempts_total"]["retriable"] == 5
    assert "gpgshim_gone_total" not in found
    assert "what" not in found["gpgshim_attempts_total"]


def test_no_journal_is_no_reason_to_stop(tmp_path: Path) -> None:
    write(tmp_path, "a.1", "nonsense\n")
    (tmp_path / "b.1").mkdir()
    (tmp_path / "c.1").symlink_to(tmp_path / "none")
    write(tmp_path, "d.1", RETRIABLE)
    assert changed(tally.take_stock(tmp_path)) == {
        "attempts irrecoverable": 1,
        "attempts retriable": 1,
        "crashed": 1,
        "alarms unknown": 1,
    }


def test_two_at_once(tmp_path: Path) -> None:
    with tally._alone(tmp_path, wait=False), pytest.raises(tally.Busy):
        tally.take_stock(tmp_path, wait=False)


# With real jobs.


def metrics_of(scratch: Scratch) -> dict[str, float]:
    done = scratch.gpgshim("metrics")
    assert (done.status, done.err) == (0, "")
    return {name.removeprefix("gpgshim_"): number for name, number in samples(done.out).items()}


def test_before_the_first_job(scratch: Scratch) -> None:
    assert set(metrics_of(scratch).values()) == {0.0}


def test_refusals_of_real_jobs_have_their_cause(scratch: Scratch) -> None:
    sign = "gpg -s f"
    scratch.run(sign, "--commit", REFUSE)
    scratch.run(sign, "--commit", "sleep 9", "--deadline", "0.2")
    scratch.run(sign, "--commit", "o2m:/nonexistent/x", "--again")
    scratch.run("gpg --bless x", "--gpg", scratch.gpg_with_command("bless"))
    # A job that ends while its gpg waits; and a job whose gate was closed.
    asked = "until grep -q '[>] commit' state/gpgshim/j.5; do :; done"
    scratch.run(f"{sign} & {asked}", "--commit", "sleep 9")
    closing = f"{sys.executable} -m gpgshim close ${{PATH%%/bin:*}} >/dev/null"
    scratch.run(f"{closing}; {sign}", "--again")
    found = metrics_of(scratch)
    causes = {each: found[f'refusals_total{{cause="{each}"}}'] for each in Cause}
    assert causes == {
        Cause.REFUSED: 1, Cause.SILENCE: 1, Cause.FAILED: 1, Cause.COMMAND: 1, Cause.OVER: 2,
        Cause.OTHER: 0,
    }  # fmt: skip
    assert found["gate_wait_seconds_count"] == 6
    assert found["gate_wait_seconds_sum"] > 0.2


def test_a_job_under_way_is_none_yet(scratch: Scratch) -> None:
    fifo = scratch.fifo("fifo")
    process = scratch.start_run(f"echo >{fifo}; cat {fifo}; exit 3")
    hear(fifo)
    found = metrics_of(scratch)
    assert (found["under_way"], found["crashed_total"]) == (1, 0)
    assert found['attempts_total{outcome="retriable"}'] == 0
    tell(fifo)
    finish(process)
    found = metrics_of(scratch)
    assert (found["under_way"], found["crashed_total"]) == (0, 0)
    assert found['attempts_total{outcome="retriable"}'] == 1


def test_a_supervisor_that_was_killed(scratch: Scratch) -> None:
    fifo = scratch.fifo("fifo")
    process = scratch.start_run(f"gpg -s f; echo >{fifo}; exec sleep 1000")
    hear(fifo)
    process.kill()
    process.wait()
    for _ in range(2):
        found = metrics_of(scratch)
        assert (found["under_way"], found["crashed_total"]) == (0, 1)
        assert found['attempts_total{outcome="irrecoverable"}'] == 1


def test_textfile(scratch: Scratch) -> None:
    scratch.run("exit 3")
    path = scratch.root / "gpgshim.prom"
    before = os.umask(0o077)
    try:
        done = scratch.gpgshim("metrics", "--textfile", path)
    finally:
        os.umask(before)
    assert done == (0, "", "")
    assert path.stat().st_mode & 0o777 == 0o644
    assert samples(path.read_text())['gpgshim_attempts_total{outcome="retriable"}'] == 1
    assert [each.name for each in scratch.root.glob("gpgshim.prom*")] == ["gpgshim.prom"]
    done = scratch.gpgshim("metrics", "--json", "--textfile", path)
    assert json.loads(done.out)["gpgshim_attempts_total"]["retriable"] == 1
    done = scratch.gpgshim("metrics", "--textfile", scratch.root / "none/x.prom")
    assert (done.status, "none/x.prom cannot be written: No such file" in done.err) == (74, True)


def test_a_new_job_among_many_is_quickly_counted(tmp_path: Path) -> None:
    """Counted journals are not read again, which would take many times as long."""
    for number in range(3000):
        write(tmp_path, f"j{number}.1", UPLOADED)
    tally.take_stock(tmp_path)
    write(tmp_path, "new.1", RETRIABLE)
    opened = []

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(f"{tmp_path}/"):
            opened.append(Path(str(arguments[0])).name)

    sys.addaudithook(note)
    tally.take_stock(tmp_path)
    assert [name for name in opened if name.endswith(".1")] == ["new.1"]
