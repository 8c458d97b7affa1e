# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can the page of a job be read in a real browser: on a telephone, on paper, without colour?

Where there is no chromium this is skipped, but not in CI, which installs one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from gpgshim.core.transcript import parse
from gpgshim.render.page import job_page
from tests.support import skips
from tests.support.browser import CHROMIUM, Browser, open_browser
from tests.support.pages import ASKED, FIXTURES, HEAD, HOSTILE, UPLOADED, many, page_of

TELEPHONE, DESKTOP = 375, 1280

#: A page with the most that a journal can do to it: long words, markup, many parties.
WORST = HEAD + (
    f"gpg: {'/very' * 60}\n\n! uncommitted\n"
    f"+1.000 $ gpg {'x' * 3000}\n+1.000 # pid 7 in {'/long' * 90}, under {HOSTILE}[6], dgit[5]\n"
    f"+1.000 # sha256 {'0' * 64} {HOSTILE}\n+1.250 ! unknown\n+1.251 > {HOSTILE}\n"
    f"+2.000 < go-ahead\n+2.001 ! committed\n+2.002 = go\n+2.003 # {'very' * 200}\n"
    f"+3.000 % said message {HOSTILE}{'m' * 500}\n+100000 % said irrecoverable\n"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    skips.unless_installed("browser", CHROMIUM)
    assert CHROMIUM
    with open_browser(CHROMIUM) as found:
        yield found


def show(
    browser: Browser,
    tmp_path: Path,
    text: str,
    width: int,
    scheme: str = "light",
    media: str = "screen",
) -> None:
    file = tmp_path / "page.html"
    file.write_text(text, "ascii")
    scheme_wanted = {"name": "prefers-color-scheme", "value": scheme}
    browser.do("Emulation.setEmulatedMedia", media=media, features=[scheme_wanted])
    browser.open(file, width)


PAGES = {
    "uploaded": page_of(UPLOADED),
    "under way": page_of(UPLOADED.partition("+2.000")[0], under_way=True),
    "worst": page_of(WORST),
    "many": page_of(many(400)),
    **{path.stem: job_page(parse(path.read_bytes())) for path in FIXTURES[::30]},
}

each_page = pytest.mark.parametrize("text", PAGES.values(), ids=PAGES)

#: What sticks out of the window at a side: its class or its name, and its words.
STICKS_OUT = """
[...document.querySelectorAll('body *')].filter(e => {
  const r = e.getBoundingClientRect();
  return r.width && !e.closest('svg') && (r.right > innerWidth + 0.5 || r.left < -0.5);
}).map(e => `${e.tagName} ${e.getAttribute('class')} ${e.textContent.slice(0, 60)}`)
"""


@each_page
@pytest.mark.parametrize("width", [320, TELEPHONE, DESKTOP])
def test_nothing_sticks_out(browser: Browser, tmp_path: Path, text: str, width: int) -> None:
    show(browser, tmp_path, text, width)
    assert browser.tell("innerWidth") == width
    assert browser.tell("document.documentElement.scrollWidth") == width
    assert browser.tell(STICKS_OUT) == []


@each_page
def test_nothing_is_fetched_and_nothing_complains(
    browser: Browser, tmp_path: Path, text: str
) -> None:
    show(browser, tmp_path, text, DESKTOP)
    assert [url for url in browser.requests() if not url.startswith("data:")] == [
        (tmp_path / "page.html").as_uri()
    ]
    assert browser.complaints() == []
    assert browser.tell("document.scripts.length") == 0


def test_a_page_that_did_fetch_would_be_seen(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "x.css").write_text("p { color: red }")
    show(browser, tmp_path, "<link rel=stylesheet href=x.css><p>x</p>", DESKTOP)
    assert [url for url in browser.requests() if url.endswith("x.css")]
    policy = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
    show(browser, tmp_path, policy + "<script>x=1</script>", DESKTOP)
    assert browser.complaints()


#: Text of a <use> element is in a shadow tree, which a page cannot measure. So the text is measured
#: where it is defined, in a window of the width of the pieces.
MEASURE = """
(() => {
  const defs = document.querySelector('svg.definitions'), all = document.querySelector('#drawing');
  const piece = document.querySelector('svg.piece').getBoundingClientRect();
  defs.style.cssText = `width:${piece.width}px;height:5000px`;
  defs.append(all);
  const boxes = [...all.querySelectorAll('text')].map(e => [e, e.getBoundingClientRect()])
    .filter(([e, r]) => r.width);
  const own = defs.getBoundingClientRect();
  return boxes.map(([e, r]) => [e.getAttribute('class'), e.firstChild.data,
    r.left - own.left, r.right - own.left, r.top - own.top, r.bottom - own.top]);
})()
"""

Box = tuple[str, str, float, float, float, float]


def measure(browser: Browser) -> list[Box]:
    """Each text of the diagram that is shown: class, words, left, right, top and bottom."""
    return [tuple(each) for each in browser.tell(MEASURE)]


@each_page
@pytest.mark.parametrize("width", [360, DESKTOP])
def test_words_lie_within_the_diagram_and_on_no_others(
    browser: Browser, tmp_path: Path, text: str, width: int
) -> None:
    show(browser, tmp_path, text, width)
    room = browser.tell("document.querySelector('svg.piece').getBoundingClientRect().width")
    boxes = measure(browser)
    assert [box for box in boxes if box[2] < -16 or box[3] > room + 16] == []
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            apart = (
                one[3] <= other[2] + 1
                or other[3] <= one[2] + 1
                or one[5] <= other[4] + 4  # a box of text has room above and below its letters
                or other[5] <= one[4] + 4
            )
            assert apart, (one, other)


@pytest.mark.parametrize("width", [TELEPHONE, DESKTOP])
def test_letters_are_large_enough_to_be_read(browser: Browser, tmp_path: Path, width: int) -> None:
    show(browser, tmp_path, PAGES["uploaded"], width)
    sizes = browser.tell(
        "[...document.querySelectorAll('body, td, th, dd, p, small')]"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12
    labels = [box for box in measure(browser) if "event" in box[0].split()]
    assert labels and min(bottom - top for *_, top, bottom in labels) >= 12


@pytest.mark.parametrize("width", [TELEPHONE, DESKTOP])
def test_the_point_of_no_return_is_where_it_was(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    show(browser, tmp_path, PAGES["uploaded"], width)
    words = {box[1]: box for box in measure(browser)}
    across = browser.tell(
        "[...document.querySelectorAll('line.no-return')].map(e => {"
        " const r = e.getBoundingClientRect();"
        " const o = document.querySelector('svg.definitions').getBoundingClientRect();"
        " return [r.left - o.left, r.right - o.left, r.top - o.top] })"
    )
    line = across[0][2]
    assert words["gpg 1: may I sign?"][5] < line < words["on disk: unknown"][4]
    assert words["point of no return"][5] <= line + 4
    # It goes from the bar of time to the edge, across every lifeline.
    lifelines = browser.tell(
        "[...document.querySelectorAll('line.lane')].map(e => e.getBoundingClientRect().left"
        " - document.querySelector('svg.definitions').getBoundingClientRect().left)"
    )
    assert min(each[0] for each in across) < min(lifelines)
    assert max(each[1] for each in across) > max(lifelines)


SCHEMES = ("light", "dark")


def channels(colour: str) -> list[float]:
    """Red, green and blue of a computed colour, from 0 to 255."""
    return [float(each) for each in re.findall(r"[\d.]+", colour)[:3]]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_colour_the_bands_still_look_different(
    browser: Browser, tmp_path: Path, scheme: str
) -> None:
    show(browser, tmp_path, PAGES["uploaded"], DESKTOP, scheme)
    fills = browser.tell(
        "['retriable', 'asking', 'final'].map("
        "c => getComputedStyle(document.querySelector('rect.' + c)).fill)"
    )
    greys = []
    for fill in fills:
        red, green, blue = channels(fill)
        greys.append(0.299 * red + 0.587 * green + 0.114 * blue)  # ITU-R BT.601
    # Each differs more from the paper than the one before.
    sign = 1 if scheme == "light" else -1
    assert all(sign * (one - other) >= 8 for one, other in pairwise(greys))
    # And there is a word for each besides, on a telephone too.
    show(browser, tmp_path, PAGES["uploaded"], TELEPHONE, scheme)
    assert [box[1] for box in measure(browser) if box[0] == "change"] == [
        "retriable",
        "being asked",
        "final",
    ]


#: The text, its colour, and the colour behind it, for each text of the page. Behind the text of the
#: diagram is any of its bands, or the paper.
COLOURS = """
(() => {
  const paper = getComputedStyle(document.body).backgroundColor;
  const behind = e => !e ? paper : (c => c === 'rgba(0, 0, 0, 0)' ? behind(e.parentElement) : c)(
    getComputedStyle(e).backgroundColor);
  const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  const html = [...document.querySelectorAll('body *')].filter(e => !e.closest('svg') && own(e))
    .map(e => [e.textContent.slice(0, 40), getComputedStyle(e).color, behind(e)]);
  const bands = [...document.querySelectorAll('rect.band')].map(e => getComputedStyle(e).fill);
  const svg = [...document.querySelectorAll('text')].flatMap(e => [paper, ...new Set(bands)].map(
    band => [e.textContent.slice(0, 40), getComputedStyle(e).fill, band]));
  return [...html, ...svg];
})()
"""


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    parts = [each / 255 for each in channels(colour)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2, from 1 to 21."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)") == pytest.approx(4.48, abs=0.01)


#: Pages that together have every look.
LOOKS = {
    "uploaded": UPLOADED,
    "refused": ASKED + "+2.0 < refused\n",
    "unknown": ASKED + "+2 % eof\n",
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", LOOKS)
def test_every_text_has_the_contrast_that_wcag_wants(
    browser: Browser, tmp_path: Path, name: str, scheme: str
) -> None:
    show(browser, tmp_path, page_of(LOOKS[name]), DESKTOP, scheme)
    texts = browser.tell(COLOURS)
    assert len(texts) > 40
    low = [(words, front, back) for words, front, back in texts if contrast(front, back) < 4.5]
    assert low == []
    ink, paper = browser.tell(
        "(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))"
    )
    assert (luminance(ink) < luminance(paper)) is (scheme == "light")


def test_paper_is_always_light(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, PAGES["uploaded"], DESKTOP, "dark", "print")
    assert browser.tell("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.tell("getComputedStyle(document.body).color") == "rgb(17, 17, 17)"


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_on_paper_the_diagram_begins_on_the_first_page(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, PAGES["uploaded"], DESKTOP)
    pdf = browser.print()
    assert pdf.startswith(b"%PDF-") and pages_of(pdf) <= 2
    # Between two pieces a page may end, within one none does; so they are low.
    heights = browser.tell(
        "[...document.querySelectorAll('svg.piece')].map(e => e.getBoundingClientRect().height)"
    )
    assert len(heights) > 1 and max(heights) <= 200
    show(browser, tmp_path, PAGES["many"], DESKTOP)
    assert pages_of(browser.print()) > 3


def test_a_screen_reader_finds_its_way(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, PAGES["uploaded"], DESKTOP)
    tree = browser.do("Accessibility.getFullAXTree")["nodes"]
    nodes = [(node["role"]["value"], node) for node in tree if not node["ignored"]]
    roles = [role for role, _ in nodes]
    assert roles.count("main") == 1
    assert {"table", "columnheader", "row", "cell", "figure"} <= set(roles)
    headings = [
        (each["value"]["value"], node["name"]["value"])
        for role, node in nodes
        if role == "heading"
        for each in node["properties"]
        if each["name"] == "level"
    ]
    assert headings == [
        (1, "2420.1: uploaded"),
        (2, "Sequence diagram"),
        (2, "Table of events"),
    ]
    (table,) = [node for role, node in nodes if role == "table"]
    assert table["name"]["value"] == "Table of events"
    (image,) = [node for role, node in nodes if role in ("image", "img")]
    assert image["name"]["value"] == "Sequence diagram of 2420.1"
    assert "The table below has the same events in words" in image["description"]["value"]
    assert browser.tell("document.documentElement.lang") == "en"
