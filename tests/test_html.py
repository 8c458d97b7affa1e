"""Is the page of a job whole, its own, and safe, whatever words are in the journal?"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpgshim.core.transcript import TranscriptError, parse, quote
from gpgshim.render.page import job_page
from gpgshim.render.scale import choose_step
from gpgshim.render.sequence import MOST_EVENTS
from gpgshim.render.svg import CLASSES
from gpgshim.summary.rows import row_of
from gpgshim.summary.story import Undo, tell
from tests.scratch import CHECKOUT, Scratch, hear
from tests.scratch import tell as tell_fifo

FIXTURES = sorted((CHECKOUT / "fixtures").glob("[jt]*/*.txt"))
NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
HEAD = "job: 2420\nattempt: 1\nauthority: o2m\ncommand: dgit-repos-server x\n"
STARTED = f"started: {NOW - timedelta(seconds=10):%Y-%m-%dT%H:%M:%SZ}\n\n"
ASKED = HEAD + STARTED + (
    "! uncommitted\n+1.000 $ gpg -b f\n+1.000 # pid 7 in /tmp, under debsign[6], dgit[5]\n"
    "+1.250 ! unknown\n+1.251 > commit-to-public-upload\n"
)  # fmt: skip
UPLOADED = ASKED + (
    "+2.000 < go-ahead\n+2.001 ! committed\n+2.002 = go\n+2.500 # gpg 1 (pid 7) has ended\n"
    "+9.000 % said uploaded\n+9.001 > uploaded\n+9.002 uploaded\n"
)

#: What makes markup of words, in every place where a journal has words of others.
HOSTILE = "<script>alert(1)</script>&<b>\"'--></svg></title></style>]]>&#0;"

VOID = {"meta", "link", "br"}  # elements without an end
#: All that a page is made of: what is not here has no business in one.
ELEMENTS = VOID | {
    *("html", "head", "title", "style", "body", "main", "h1", "h2", "p", "b", "small"),
    *("dl", "dt", "dd", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
    *("figure", "figcaption", "svg", "desc", "defs", "marker", "pattern", "path"),
    *("line", "rect", "circle", "text", "g", "use", "div"),
}


class Reader(HTMLParser):
    """Takes a page apart, and sees to it that it is well nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> where {self.open} are open"

    def handle_data(self, data: str) -> None:
        self.words.append((self.open[-1] if self.open else "", data))

    def text_of(self, tag: str) -> list[str]:
        return [words for inside, words in self.words if inside == tag]


def read(text: str) -> Reader:
    """The page taken apart, and looked through for what no page may have."""
    reader = Reader(text)
    assert reader.open == []
    assert text.isascii()
    assert {tag for tag, _ in reader.seen} <= ELEMENTS
    for tag, attributes in reader.seen:
        for name, value in attributes.items():
            assert not name.startswith("on") and name not in ("src", "srcdoc", "style", "action")
            if name in ("href", "xlink:href"):
                assert (tag, value) in (("link", "data:,"), ("use", "#drawing"))
    style = "".join(reader.text_of("style"))
    assert set(re.findall(r"url\(([^)]*)\)", style)) <= {
        "#arrowhead",
        "#stripes",
        "#grid",
        "#lines",
    }
    assert "@import" not in style
    ids = [attributes["id"] for _, attributes in reader.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    return reader


def page_of(text: str, under_way: bool = False, now: datetime | None = NOW) -> str:
    return job_page(parse(text.encode()), under_way=under_way, now=now)


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


def test_every_moment_is_to_scale() -> None:
    text = page_of(UPLOADED)
    scale = next(each for tag, each in Reader(text).seen if each.get("class") == "time-bar")
    top, length = float(scale["y"] or 0), float(scale["height"] or 0)
    leads = [float(each["y1"] or 0) for each in lines_across(text, "lead")]
    at = [event.at or 0 for event in tell(parse(UPLOADED.encode())).events]
    at.insert(2, 1.0)  # a question is two arrows
    assert leads == pytest.approx([top + length * each / 9.002 for each in at], abs=0.6)


def test_a_job_that_never_asked_has_no_such_line() -> None:
    text = page_of(HEAD + "\n! uncommitted\n+4.000 % exit 1\n+4.001 retriable\n")
    assert lines_across(text, "no-return") == lines_across(text, "committed") == []


def test_a_silence_is_marked() -> None:
    assert "no event for 6.500 s" in page_of(UPLOADED)
    assert page_of(UPLOADED).count("no event for") == 3  # 1 s, 0.749 s and 6.5 s


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
    assert "The journal has no times" in text
    assert len(lines_across(text, "no-return")) == 1
    assert lines_across(text, "lead") == []


@pytest.mark.parametrize("text", [HEAD + "\n", HEAD, UPLOADED[:-4], ASKED])
def test_what_a_crash_left_has_a_page(text: str) -> None:
    read(page_of(text))


def test_a_journal_that_lies_has_none() -> None:
    with pytest.raises(TranscriptError):
        page_of(HEAD + "\n! uncommitted\n% exit 1\nuploaded\n")


def test_every_thing_that_can_be_undone_has_its_own_look() -> None:
    assert set(CLASSES) == set(Undo)
    assert len(set(CLASSES.values())) == len(Undo)


def many(signatures: int, before: int = 0) -> str:
    text = HEAD + "\n! uncommitted\n" + "+0.500 # a note\n" * before
    text += "+1.0 $ gpg\n+1.0 ! unknown\n+1.1 > c\n+1.2 < go-ahead\n+1.2 ! committed\n+1.3 = go\n"
    return text + "+2.000 $ gpg f\n+2.000 = go\n" * signatures


def test_a_diagram_of_very_many_events_leaves_some_out_and_says_so() -> None:
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


def test_the_attempts_are_listed() -> None:
    transcript = parse(UPLOADED.encode())
    first = row_of("2420", 1, "p", UPLOADED.encode(), False, NOW.timestamp(), 0)
    crashed = row_of("2420", 2, "p", (HEAD + "\n! uncommitted\n! unknown\n").encode(), False, 9, 0)
    going = row_of("2420", 3, "p", (HEAD + "\n! uncommitted\n").encode(), True, 9, 0)
    assert job_page(transcript, [first]) == job_page(transcript)
    items = Reader(job_page(transcript, [first, crashed, going])).text_of("li")
    assert items == [
        "uploaded, this one: began 2026-11-24 08:29:50Z, could be retried for 1.250 s, 1 signature",
        "irrecoverable (ask the authority what it believes): began 9 s ago,"
        " could be retried for -, 0 signatures",
        "under way: began 9 s ago, could be retried for -, 0 signatures",
    ]


@pytest.mark.parametrize(
    ("end", "most", "step"),
    [
        (10.6, 28, 0.5),
        (0.01, 10, 0.001),
        (0.0001, 10, 0.001),
        (100, 10, 10),
        (290, 10, 50),
        (301, 10, 60),
        (7200, 20, 600),
        (86400 * 3, 20, 21600),
        (86400 * 100, 20, 86400 * 8),
        (5, 0, 5),
    ],
)
def test_ticks_are_round_numbers(end: float, most: int, step: float) -> None:
    assert choose_step(end, most) == pytest.approx(step)


@pytest.mark.parametrize(
    ("end", "ticks"),
    [
        (0.3, ["0.0", "0.1", "0.2", "0.3"]),
        (7200.0, ["0 m", "30 m", "60 m", "90 m", "120 m"]),
        (36000.0, ["0 h", "2 h", "4 h", "6 h", "8 h", "10 h"]),
        (864000.0, ["0 d", "2 d", "4 d", "6 d", "8 d", "10 d"]),
    ],
)
def test_ticks_say_their_unit(end: float, ticks: list[str]) -> None:
    text = page_of(f"{HEAD}\n! uncommitted\n+{end} # x\n+{end} # y\n+{end} # z\n+{end} # a\n")
    found = re.findall(r'class="clock end tick"[^>]*>([^<]*)<', text)
    assert found == ticks


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
    assert file.stat().st_mode & 0o777 == 0o644  # somebody has said so
    assert scratch.gpgshim("show", "j", "--html", "-").out.startswith("<!DOCTYPE html>")


def test_a_file_that_cannot_be_written(scratch: Scratch) -> None:
    scratch.run("exit 1")
    done = scratch.gpgshim("show", "j", "--html", "none/page.html")
    assert done.status == 74
    assert done.err == "gpgshim: none/page.html cannot be written: No such file or directory\n"
    (scratch.root / "taken").mkdir()
    assert scratch.gpgshim("show", "j", "--html", "taken").status == 74
    assert [path.name for path in scratch.root.glob("tmp*")] == []


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
    assert "has no module jinja2; no page was written" in page.stderr
    assert "install python3-jinja2" in page.stderr


def test_a_job_under_way_has_a_page(scratch: Scratch) -> None:
    go, there = scratch.fifo("go"), scratch.fifo("there")
    job = scratch.start_run(f"echo >{there}; read x <{go}")
    hear(there)
    out = scratch.gpgshim("show", "j", "--html", "-").out
    assert "<h1>j.1: under way</h1>" in out and "Snapshot" in out
    tell_fifo(go)
    job.wait()


def test_a_lying_journal_leaves_no_file(scratch: Scratch) -> None:
    (scratch.root / "lies").write_text("job: j\n\n! uncommitted\n% exit 1\nuploaded\n")
    assert scratch.gpgshim("show", "./lies", "--html", "out.html").status == 65
    assert not (scratch.root / "out.html").exists()
