# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is each shape printed as SVG, with its text escaped and a look that the style sheet has?"""

from __future__ import annotations

import re
from typing import get_args
from xml.etree import ElementTree

import pytest

from gpgshim.core.transcript import parse
from gpgshim.render.page import TEMPLATES, job_page
from gpgshim.render.sequence import Milestone
from gpgshim.render.shapes import (
    Anchor,
    Arrow,
    Band,
    BarPart,
    Guide,
    Label,
    Lane,
    Lead,
    MilestoneLine,
    Point,
    Role,
    Run,
    Shape,
    Span,
    TickMark,
    TimeBar,
    Width,
)
from gpgshim.render.svg import CLASSES, PRINTERS, print_shapes
from gpgshim.summary.story import Undo
from tests.support.pages import ASKED, FIXTURES, HOSTILE, UPLOADED, many, page_of

SPAN = Span(10, 20.25)

#: A shape -> the elements that it becomes.
PRINTED: dict[Shape, list[str]] = {
    Band(Undo.ASKING, SPAN): [
        '<rect class="band asking" x="19%" y="10" width="81%" height="10.2"/>'
    ],
    BarPart(Undo.FINAL, SPAN): [
        '<rect class="band final" x="11.5%" y="10" width="2.5%" height="10.2"/>',
        '<rect class="pattern final-pattern" x="11.5%" y="10" width="2.5%" height="10.2"/>',
    ],
    TimeBar(SPAN): [
        '<text class="clock middle" x="11.5%" y="0">time</text>',
        '<rect class="time-bar" x="11.5%" y="10" width="2.5%" height="10.2"/>',
    ],
    TickMark(30, "5 m"): [
        '<line class="tick" x1="10.5%" y1="30" x2="11.5%" y2="30"/>',
        '<text class="clock end tick" x="9.8%" y="33.5">5 m</text>',
    ],
    Lead(15, 30): ['<line class="lead" x1="14%" y1="15" x2="19%" y2="30"/>'],
    Lane(50, "supervisor", "super", Span(0, 30), (SPAN,)): [
        '<line class="lane" x1="50%" y1="0" x2="50%" y2="10"/>',
        '<line class="lane paused" x1="50%" y1="10" x2="50%" y2="20.2"/>',
        '<line class="lane" x1="50%" y1="20.2" x2="50%" y2="30"/>',
        '<svg class="narrow" x="50%" y="8">'
        '<rect class="name" x="-18.2" y="0" width="36.5"/><text class="name" y="16">super</text>'
        "</svg>",
        '<svg class="wide" x="50%" y="8">'
        '<rect class="name" x="-35" y="0" width="70"/><text class="name" y="16">supervisor</text>'
        "</svg>",
    ],
    Run(50, SPAN): ['<line class="run" x1="50%" y1="10" x2="50%" y2="20.2"/>'],
    Arrow(26, 50, 30, False): ['<line class="arrow" x1="26%" y1="30" x2="50%" y2="30"/>'],
    Arrow(50, 26, 30, True): ['<line class="arrow answer" x1="50%" y1="30" x2="26%" y2="30"/>'],
    Point(50, 30, False): ['<circle class="point" cx="50%" cy="30" r="4"/>'],
    Point(50, 30, True): [
        '<svg x="50%" y="30"><rect class="on-disk" x="-5" y="-5"/></svg>'
    ],
    Guide(50, 30): ['<line class="guide" x1="19%" y1="30" x2="50%" y2="30"/>'],
    Label(Role.CLOCK, 20, 30, "1.250"): ['<text class="clock" x="20%" y="30">1.250</text>'],
    Label(Role.STRONG, 50, 30, "a ... b", "a<b", -12, Anchor.END, Width.WIDE): [
        '<text class="event strong end wide" x="50%" y="30" dx="-12">a ... b'
        "<title>a&lt;b</title></text>"
    ],
    MilestoneLine(Milestone.NO_RETURN, 30, None): [
        '<line class="milestone-line no-return" x1="19%" y1="30" x2="100%" y2="30"/>'
    ],
    MilestoneLine(Milestone.NOW, 30, 15): [
        '<line class="milestone-line now" x1="19%" y1="30" x2="100%" y2="30"/>',
        '<line class="milestone-line now milestone-lead" x1="14%" y1="15" x2="19%" y2="30"/>',
        '<line class="milestone-line now" x1="10.5%" y1="15" x2="14%" y2="15"/>',
    ],
}  # fmt: skip


@pytest.mark.parametrize("shape", PRINTED, ids=lambda shape: type(shape).__name__)
def test_a_shape_as_svg(shape: Shape) -> None:
    assert print_shapes([shape]) == "".join(PRINTED[shape])


def test_every_type_of_shape_is_printed_and_tried() -> None:
    assert set(PRINTERS) == set(get_args(Shape)) == {type(shape) for shape in PRINTED}


@pytest.mark.parametrize(
    "shape",
    [
        Label(Role.EVENT, 0, 0, HOSTILE, HOSTILE + "x"),
        Lane(0, HOSTILE, HOSTILE, SPAN, ()),
        TickMark(0, HOSTILE),
    ],
    ids=lambda shape: type(shape).__name__,
)
def test_a_text_is_never_markup(shape: Shape) -> None:
    tree = ElementTree.fromstring(f"<svg>{print_shapes([shape])}</svg>")
    plain = ElementTree.fromstring(f"<svg>{print_shapes([shape]).replace(HOSTILE, 'x')}</svg>")
    assert [each.tag for each in tree.iter()] == [each.tag for each in plain.iter()]
    assert HOSTILE in [each.text for each in tree.iter()]


def test_each_undo_has_a_look_of_its_own() -> None:
    assert set(CLASSES) == set(Undo)
    assert len(set(CLASSES.values())) == len(Undo)


#: The classes that need no rule of their own, and why.
NO_RULE = {
    "band": "its colour is that of what can be undone",
    "committed": "the line is a milestone-line without dashes",
    "retriable-pattern": "no pattern",
}


def test_the_style_sheets_have_a_rule_for_each_class_and_no_other_rule() -> None:
    styles = "".join(each.read_text() for each in sorted(TEMPLATES.glob("*.css")))
    rules = re.sub(r"/\*.*?\*/|\{[^{}]*\}", "", styles, flags=re.S)
    styled = set(re.findall(r"\.([a-z][a-z-]*)", rules))
    pages = [
        page_of(UPLOADED),
        page_of(ASKED, under_way=True),
        page_of(many(400)),
        *(job_page(parse(path.read_bytes())) for path in FIXTURES),
    ]
    used = {
        name
        for page in pages
        for words in re.findall(r' class="([^"]*)"', page)
        for name in words.split()
    }
    assert used - styled == set(NO_RULE)
    assert styled - used == set()


def test_no_template_and_no_shape_has_a_style_attribute() -> None:
    texts = [each.read_text() for each in sorted(TEMPLATES.glob("*.html"))]
    assert not [text for text in [*texts, page_of(UPLOADED)] if re.search(r"\sstyle\s*=", text)]
