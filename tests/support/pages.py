# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Journals as texts, and a reader for the pages that are made from them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from gpgshim.core.transcript import parse
from gpgshim.render.page import job_page
from tests.support.scratch import CHECKOUT

FIXTURES = sorted((CHECKOUT / "fixtures").glob("**/[jlt]*/*.txt"))
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

#: Text that would be markup if it were not escaped.
HOSTILE = "<script>alert(1)</script>&<b>\"'--></svg></title></style>]]>&#0;"


def many(signatures: int, before: int = 0) -> str:
    text = HEAD + "\n! uncommitted\n" + "+0.500 # a note\n" * before
    text += "+1.0 $ gpg\n+1.0 ! unknown\n+1.1 > c\n+1.2 < go-ahead\n+1.2 ! committed\n+1.3 = go\n"
    return text + "+2.000 $ gpg f\n+2.000 = go\n" * signatures


VOID = {"meta", "link", "br"}  # elements without an end
#: The elements of which a page may consist.
ELEMENTS = VOID | {
    *("html", "head", "title", "style", "body", "main", "h1", "h2", "p", "b", "small"),
    *("dl", "dt", "dd", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
    *("figure", "figcaption", "svg", "desc", "defs", "marker", "pattern", "path"),
    *("line", "rect", "circle", "text", "g", "use", "div"),
}


class Reader(HTMLParser):
    """Splits a page into elements and texts, and checks that the elements are well nested."""

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
    """The page, split, after a check that it has nothing that no page may have."""
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
