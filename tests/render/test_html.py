# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the page of a job complete, in one file, and safe, with any text in the journal?"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from gpgshim.core.quoting import quote
from gpgshim.core.transcript import TranscriptError, parse
from gpgshim.render.page import _ENVIRONMENT, job_page
from gpgshim.render.sequence import MOST_EVENTS
from gpgshim.summary.rows import row_of
from gpgshim.summary.story import tell
from tests.support import skips
from tests.support.pages import (
    ASKED,
    FIXTURES,
    HEAD,
    HOSTILE,
    NOW,
    STARTED,
    UPLOADED,
    Reader,
    many,
    page_of,
    read,
)
from tests.support.scratch import CHECKOUT, Scratch, hear
from tests.support.scratch import tell as tell_fifo


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_every_recorded_job_has_a_page(path: Path) -> None:
    transcript = parse(path.read_bytes())
    reader = read(job_page(transcript))
    told = " ".join(words for _, words in reader.words)
    for event in tell(transcript).events:
        assert event.what in told
        assert all(note in told for note in event.notes)


def test_it_forbids_itself_scripts_and_fetching() -> None:
    reader = read(page_of(UPLOADED))
    policy = next(each for tag, each in reader.seen if "http-equiv" in each)
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@pytest.mark.parametrize("words", [HOSTILE, quote([HOSTILE])], ids=["plain", "quoted"])
@pytest.mark.parametrize(
    "line",
    [
        "+1.100 $ gpg WORDS",
        "+1.100 # WORDS",
        "+1.100 # it wrote: WORDS",
        "+1.100 % said message WORDS",
        "+1.100 % failed WORDS",
        "+1.100 = no WORDS",
        "+1.100 > WORDS",
        "+1.100 < WORDS",
        "+1.100 $ gpg f\n+1.100 # pid WORDS in WORDS, under WORDS[1], WORDS[2]",
        "+1.100 $ gpg f\n+1.100 # sha256 WORDS",
    ],
)
def test_foreign_text_is_never_markup(line: str, words: str) -> None:
    begun = HEAD + STARTED + "! uncommitted\n"
    plain = read(page_of(begun + line.replace("WORDS", "x" * len(words)) + "\n"))
    reader = read(page_of(begun + line.replace("WORDS", words) + "\n"))
    assert [tag for tag, _ in reader.seen] == [tag for tag, _ in plain.seen]
    assert any(words in shown for _, shown in reader.words)


@pytest.mark.parametrize("key", ["job", "attempt", "gpg", "authority", "command", "started"])
def test_a_head_s_words_are_never_markup(key: str) -> None:
    head = {"job": "j", "attempt": "1", "command": "c"} | {key: HOSTILE}
    text = "".join(f"{name}: {value}\n" for name, value in head.items())
    reader = read(page_of(f"{text}\n! uncommitted\n+1.0 $ gpg f\n"))
    assert HOSTILE in reader.text_of("dd")


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126)), max_size=6))
def test_no_words_at_all_break_it(words: list[str]) -> None:
    lines = "".join(f"+{n}.5 # {each}\n+{n}.6 $ gpg {each}\n" for n, each in enumerate(words))
    read(page_of(f"{HEAD}\n! uncommitted\n{lines}"))


def lines_across(text: str, name: str) -> list[dict[str, str | None]]:
    """What is drawn across the diagram under a name, the events' part first."""
    return [
        attributes
        for tag, attributes in Reader(text).seen
        if tag == "line" and name in (attributes.get("class") or "").split()
    ]


def test_the_point_of_no_return_is_drawn_across_it_all_where_it_was() -> None:
    text = page_of(UPLOADED)
    across, lead, moment = lines_across(text, "no-return")
    assert (across["x2"], lead["x2"], moment["x2"]) == ("100%", across["x1"], lead["x1"])
    rows = [
        (attributes["class"], float(attributes["y"] or 0))
        for tag, attributes in Reader(text).seen
        if tag == "text" and "narrow" in (attributes["class"] or "").split()
    ]
    # Above it the call and the question, below it what is on disk and said.
    above = [y for _, y in rows if y < float(across["y1"] or 0)]
    assert len(above) == 3 and len(rows) == 12
    # Its place in time is to scale: 1.25 s of 9.002 s.
    scale = next(each for tag, each in Reader(text).seen if each.get("class") == "time-bar")
    top, length = float(scale["y"] or 0), float(scale["height"] or 0)
    assert float(moment["y1"] or 0) == pytest.approx(top + length * 1.25 / 9.002, abs=0.6)
    committed = lines_across(text, "committed")
    assert float(committed[2]["y1"] or 0) == pytest.approx(top + length * 2.001 / 9.002, abs=0.6)


def test_a_job_under_way_is_a_snapshot() -> None:
    text = page_of(ASKED, under_way=True)
    reader = read(text)
    assert reader.text_of("h1") == ["2420.1: under way"]
    told = " ".join(words for _, words in reader.words)
    assert "Snapshot of a job under way, made at 2026-11-24 08:30:00 UTC." in told
    assert "now: waits for the authority's answer (1 gpg)" in told
    assert "no event for 8.749 s" in told  # its scale ends now, ten seconds after it began
    assert len(lines_across(text, "now")) == 3
    assert "took" not in reader.text_of("dt")
    # Of a finished one, only when the page was made.
    assert "Snapshot" not in page_of(UPLOADED, under_way=True)
    assert "UTC" not in page_of(UPLOADED, now=None)


@pytest.mark.parametrize(
    ("text", "now"),
    [
        (ASKED.replace(STARTED, "\n"), NOW),
        (ASKED.replace("2026", "yesterday"), NOW),
        (ASKED, None),
        (ASKED.replace("2026", "2036"), NOW),
        (HEAD + "\n! uncommitted\n", NOW),
        (ASKED, NOW - timedelta(seconds=8.7)),
    ],
)
def test_a_job_under_way_whose_start_is_not_known(text: str, now: datetime | None) -> None:
    told = page_of(text, True, now)
    read(told)
    last = told.rpartition("<circle ")[2].rpartition('class="arrow"')[2]  # after the last event
    assert "now: waits for" in last and "no event for" not in last


def test_a_journal_without_times_has_no_scale() -> None:
    text = page_of(re.sub(r"(?m)^\+\S+ ", "", UPLOADED))
    read(text)
    assert "The journal has no usable times" in text
    assert len(lines_across(text, "no-return")) == 1
    assert lines_across(text, "lead") == []


@pytest.mark.parametrize("text", [HEAD + "\n", HEAD, UPLOADED[:-4], ASKED])
def test_a_crashed_job_has_a_page(text: str) -> None:
    read(page_of(text))


def test_a_journal_that_contradicts_itself_has_no_page() -> None:
    with pytest.raises(TranscriptError):
        page_of(HEAD + "\n! uncommitted\n% exit 1\nuploaded\n")


def test_a_diagram_of_many_events_reports_what_it_leaves_out() -> None:
    assert "see the table" not in page_of(many(10))
    text = page_of(many(5000))
    text = page_of(many(5000))
    labels = [
        words for words in text.splitlines() if ' narrow"' in words and 'class="event' in words
    ]
    told = len(labels) - sum("may I sign?</text>" in words for words in labels)
    assert f"{10007 - told} events omitted: see the table" in text
    assert text.count('class="clock"') < MOST_EVENTS * 2
    assert text.count("<td>") > 20000
    # A job that never asked has none; else the turns are never left out.
    assert "see the table" in page_of(HEAD + "\n! uncommitted\n" + "+1.0 = no\n" * 500)
    text = page_of(many(300, before=2000))
    assert text.count("see the table") == 2
    assert len(lines_across(text, "no-return")) == len(lines_across(text, "committed")) == 3


def test_the_facts_are_the_head_the_length_and_the_signatures() -> None:
    reader = read(page_of(UPLOADED))
    facts = dict(zip(reader.text_of("dt"), reader.text_of("dd"), strict=True))
    assert facts["job"] == "2420" and facts["authority"] == "o2m"
    assert (facts["took"], facts["signatures"]) == ("9.002 s", "1")


def test_the_attempts_are_listed() -> None:
    transcript = parse(UPLOADED.encode())
    first = row_of("2420", 1, "p", UPLOADED.encode(), False, NOW.timestamp(), 0)
    crashed = row_of("2420", 2, "p", (HEAD + "\n! uncommitted\n! unknown\n").encode(), False, 9, 0)
    going = row_of("2420", 3, "p", (HEAD + "\n! uncommitted\n").encode(), True, 9, 0)
    assert job_page(transcript, [first]) == job_page(transcript)
    items = Reader(job_page(transcript, [first, crashed, going])).text_of("li")
    assert items == [
        "uploaded, this one: began 2026-11-24 08:29:50Z, could be retried for 1.250 s, 1 signature",
        "irrecoverable (ask the authority whether it has committed): began 9 s ago, 0 signatures",
        "under way: began 9 s ago, 0 signatures",
    ]


def test_a_value_that_a_template_misses_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        _ENVIRONMENT.from_string("{{ missing }}").render()


# The file.


def test_the_file_is_written_whole_and_for_this_user_alone(scratch: Scratch) -> None:
    scratch.run("gpg -b f")
    done = scratch.gpgshim("show", "j", "--html", "page.html")
    assert (done.status, done.out, done.err) == (0, "", "")
    file = scratch.root / "page.html"
    read(file.read_text("ascii"))
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    assert scratch.gpgshim("show", "j", "--html", "page.html").status == 0
    assert file.stat().st_mode & 0o777 == 0o644  # an existing file keeps its mode
    assert scratch.gpgshim("show", "j", "--html", "-").out.startswith("<!DOCTYPE html>")


def test_a_file_that_cannot_be_written(scratch: Scratch) -> None:
    scratch.run("exit 1")
    done = scratch.gpgshim("show", "j", "--html", "none/page.html")
    assert done.status == 74
    assert done.err == "gpgshim: none/page.html cannot be written: No such file or directory\n"
    (scratch.root / "taken").mkdir()
    assert scratch.gpgshim("show", "j", "--html", "taken").status == 74
    assert [path.name for path in scratch.root.glob("tmp*")] == []


def test_with_the_jinja2_of_debian(scratch: Scratch) -> None:
    python = "/usr/bin/python3"
    words = [python, "-c", "import click, jinja2"]
    skips.unless_installed("test", subprocess.run(words, capture_output=True).returncode == 0)
    scratch.run("exit 1")
    ours = scratch.gpgshim("show", "j", "--html", "-").out
    words = [python, "-m", "gpgshim", "show", "j", "--html", "-"]
    theirs = subprocess.run(words, env=scratch.env, capture_output=True, text=True, check=True)
    times = r"journal at [^.]*\."
    assert re.sub(times, "", theirs.stdout) == re.sub(times, "", ours)
    assert theirs.stderr == ""


def test_without_jinja2_one_line_says_what_to_install(scratch: Scratch) -> None:
    scratch.run("exit 1")
    modules = scratch.root / "modules"  # an interpreter that has click, and nothing else
    modules.mkdir()
    (modules / "click").symlink_to(Path(click.__file__).parent)
    (modules / "gpgshim").symlink_to(CHECKOUT / "gpgshim")
    done = {
        words: subprocess.run(
            [sys.executable, "-S", "-m", "gpgshim", "show", "j", *words],
            env=scratch.env | {"PYTHONPATH": str(modules)},
            capture_output=True,
            text=True,
        )
        for words in ((), ("--html", "page.html"))
    }
    assert done[()].returncode == 0
    page = done["--html", "page.html"]
    assert (page.returncode, page.stdout) == (78, "")
    assert "has no module jinja2; nothing was written" in page.stderr
    assert "install python3-jinja2" in page.stderr


def test_a_job_under_way_has_a_page(scratch: Scratch) -> None:
    go, there = scratch.fifo("go"), scratch.fifo("there")
    job = scratch.start_run(f"echo >{there}; read x <{go}")
    hear(there)
    out = scratch.gpgshim("show", "j", "--html", "-").out
    assert "<h1>j.1: under way</h1>" in out and "Snapshot" in out
    tell_fifo(go)
    job.wait()


def test_a_journal_that_contradicts_itself_leaves_no_file(scratch: Scratch) -> None:
    (scratch.root / "lies").write_text("job: j\n\n! uncommitted\n% exit 1\nuploaded\n")
    assert scratch.gpgshim("show", "./lies", "--html", "out.html").status == 65
    assert not (scratch.root / "out.html").exists()
