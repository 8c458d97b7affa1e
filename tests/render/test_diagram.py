# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the shapes of a diagram lie where the times and the parties of a job put them?"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TypeVar, get_args

import pytest

from gpgshim.core.transcript import parse
from gpgshim.render import diagram
from gpgshim.render.diagram import HEIGHTS, Diagram, draw
from gpgshim.render.labels import centred, event_labels
from gpgshim.render.sequence import Milestone, Strip
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
    TickMark,
    TimeBar,
    Width,
)
from gpgshim.summary.story import Undo, tell
from tests.support.pages import ASKED, FIXTURES, HEAD, STARTED, UPLOADED, many

BEGUN = HEAD + STARTED + "! uncommitted\n"
SHAPE = TypeVar("SHAPE")


def diagram_of(text: str, is_live: bool = False, end: float | None = None) -> Diagram:
    story = tell(parse(text.encode()))
    return draw(story, is_live, story.seconds if end is None else end)


def only(drawn: Diagram, kind: type[SHAPE]) -> list[SHAPE]:
    return [shape for shape in drawn.shapes if isinstance(shape, kind)]


def labels(drawn: Diagram, width: Width) -> dict[str, Label]:
    return {each.words: each for each in only(drawn, Label) if each.width in (width, Width.ALL)}


def test_every_type_of_strip_is_drawn() -> None:
    assert set(HEIGHTS) == set(diagram._DRAW) == set(get_args(Strip))


def test_the_point_of_no_return_is_to_scale_on_the_bar() -> None:
    drawn = diagram_of(UPLOADED)
    (bar,) = only(drawn, TimeBar)
    length = bar.span.bottom - bar.span.top
    lines = {line.milestone: line for line in only(drawn, MilestoneLine)}
    assert set(lines) == {Milestone.NO_RETURN, Milestone.COMMITTED}
    assert lines[Milestone.NO_RETURN].bar_y == pytest.approx(bar.span.top + length * 1.25 / 9.002)
    assert lines[Milestone.COMMITTED].bar_y == pytest.approx(bar.span.top + length * 2.001 / 9.002)
    # Above the line are the call and the request; below it is the next state.
    y = lines[Milestone.NO_RETURN].y
    found = labels(drawn, Width.WIDE)
    assert found["gpg 1: may I sign?"].y < found["point of no return"].y < y
    assert y < found["being asked"].y < found["on disk: unknown"].y


def test_every_event_has_its_time_on_the_bar() -> None:
    drawn = diagram_of(UPLOADED)
    (bar,) = only(drawn, TimeBar)
    length = bar.span.bottom - bar.span.top
    at = [event.at or 0 for event in tell(parse(UPLOADED.encode())).events]
    at.insert(2, 1.0)  # a request is two arrows
    expected = [bar.span.top + length * each / 9.002 for each in at]
    assert [lead.bar_y for lead in only(drawn, Lead)] == pytest.approx(expected)
    events = [shape.y for shape in drawn.shapes if isinstance(shape, Arrow | Point)]
    assert [lead.y for lead in only(drawn, Lead)] == events
    assert [guide.y for guide in only(drawn, Guide)] == events
    assert [tick.words for tick in only(drawn, TickMark)] == [f"{n}" for n in range(10)]


def test_the_bands_follow_each_other_down_to_the_end() -> None:
    drawn = diagram_of(UPLOADED)
    bands, parts = only(drawn, Band), only(drawn, BarPart)
    for spans in ([band.span for band in bands], [part.span for part in parts]):
        assert all(one.bottom == other.top for one, other in pairwise(spans))
    for undos in ([band.undo for band in bands], [part.undo for part in parts]):
        assert undos == [Undo.RETRIABLE, Undo.ASKING, Undo.FINAL]
    (bar,) = only(drawn, TimeBar)
    assert parts[-1].span.bottom == bar.span.bottom
    lines = {line.milestone: line.y for line in only(drawn, MilestoneLine)}
    tops = [band.span.top for band in bands[1:]]
    assert tops == [lines[Milestone.NO_RETURN], lines[Milestone.COMMITTED]]
    assert drawn.undos == (Undo.RETRIABLE, Undo.ASKING, Undo.FINAL)


def test_a_part_of_the_bar_can_be_seen_however_short_it_was() -> None:
    drawn = diagram_of(ASKED + "+1.251 < refused\n+100000 % exit 1\n")
    assert min(part.span.bottom - part.span.top for part in only(drawn, BarPart)) == 1


def test_lanes_have_the_parties_in_their_order() -> None:
    drawn = diagram_of(UPLOADED)
    lanes = only(drawn, Lane)
    assert [lane.name for lane in lanes] == ["manager", "supervisor", "d-r-s", "dgit", "gpg"]
    assert [lane.x for lane in lanes] == sorted(lane.x for lane in lanes)
    assert lanes[0].x == 26 and lanes[-1].x == pytest.approx(93)
    assert len(lanes[0].pauses) == 3  # 1 s, 0.749 s and 6.5 s
    xs = {lane.x for lane in lanes}
    ends = {x for arrow in only(drawn, Arrow) for x in (arrow.start, arrow.end)}
    assert ends | {point.x for point in only(drawn, Point)} <= xs


def test_a_gpg_runs_from_its_grant_to_its_end() -> None:
    drawn = diagram_of(UPLOADED)
    (run,) = only(drawn, Run)
    grant = next(arrow for arrow in only(drawn, Arrow) if arrow.is_answer)
    end = next(point for point in only(drawn, Point) if not point.is_on_disk)
    assert (run.x, run.span.top, run.span.bottom) == (end.x, grant.y, end.y)


def test_a_gpg_that_has_not_ended_runs_to_the_bottom() -> None:
    text = (
        UPLOADED.partition("+2.500")[0] + "+2.1 $ gpg -b g\n+2.1 = no why\n+2.2 # gpg 7 has ended\n"
    )
    drawn = diagram_of(text)
    (run,) = only(drawn, Run)
    (bar,) = only(drawn, TimeBar)
    assert run.span.bottom == bar.span.bottom


@pytest.mark.parametrize("text", [re.sub(r"(?m)^\+\S+ ", "", UPLOADED), BEGUN, UPLOADED])
def test_without_a_scale_there_is_no_bar(text: str) -> None:
    drawn = draw(tell(parse(text.encode())), False, None)
    assert not drawn.is_to_scale
    kinds = {type(shape) for shape in drawn.shapes}
    assert not kinds & {TimeBar, BarPart, Lead, Guide, TickMark}
    assert all(line.bar_y is None for line in only(drawn, MilestoneLine))


def test_a_job_without_length_has_no_bar() -> None:
    assert not diagram_of(BEGUN, end=0.0).is_to_scale


def test_a_job_under_way_ends_with_a_line_and_dotted_lanes() -> None:
    drawn = diagram_of(ASKED, True, 10.0)
    line = only(drawn, MilestoneLine)[-1]
    (bar,) = only(drawn, TimeBar)
    assert (line.milestone, line.bar_y) == (Milestone.NOW, bar.span.bottom)
    assert only(drawn, Lane)[0].pauses[-1].bottom == bar.span.bottom


@pytest.mark.parametrize("text", [UPLOADED, ASKED, BEGUN, HEAD + STARTED, many(400)])
def test_the_pieces_cover_the_drawing(text: str) -> None:
    drawn = diagram_of(text)
    assert drawn.pieces[0].top == 0
    assert all(one.bottom == other.top for one, other in pairwise(drawn.pieces))
    assert drawn.pieces[-1].bottom == only(drawn, Lane)[0].span.bottom
    assert max(piece.bottom - piece.top for piece in drawn.pieces) <= 200


def test_a_piece_never_ends_between_an_arrow_and_its_label() -> None:
    drawn = diagram_of(many(400))
    ends = {piece.bottom for piece in drawn.pieces[:-1]}
    areas = [(arrow.y - 26, arrow.y + 12) for arrow in only(drawn, Arrow)]
    assert not [end for end in ends for top, bottom in areas if top < end < bottom]


def test_the_description_says_what_the_drawing_shows() -> None:
    drawn = diagram_of(UPLOADED)
    assert drawn.title == "Sequence diagram of 2420.1"
    assert drawn.description == (
        "11 events between manager, supervisor, d-r-s, dgit, gpg, from top to bottom."
        " The last state is: final. The table below has the same events in words."
    )


# Labels.


def test_a_label_is_at_the_left_of_a_narrow_page_and_above_its_arrow_on_a_wide_one() -> None:
    drawn = diagram_of(UPLOADED)
    narrow, wide = (labels(drawn, each)["go-ahead"] for each in (Width.NARROW, Width.WIDE))
    lanes = {lane.name: lane.x for lane in only(drawn, Lane)}
    assert (narrow.x, narrow.anchor, narrow.role) == (20, Anchor.START, Role.STRONG)
    assert wide.x == pytest.approx((lanes["manager"] + lanes["supervisor"]) / 2)
    assert wide.anchor == Anchor.MIDDLE


@pytest.mark.parametrize(
    ("length", "is_moment", "anchor"),
    [
        (12, True, Anchor.MIDDLE),  # above its point
        (13, True, Anchor.END),  # before its point
        (13, False, Anchor.START),  # from the left: an arrow has no point
        (58, True, Anchor.END),
        (60, True, Anchor.START),
        (400, True, Anchor.START),
    ],
)
def test_a_long_label_moves_to_the_left_and_is_cut_last(
    length: int, is_moment: bool, anchor: Anchor
) -> None:
    narrow, wide = event_labels("x" * length, False, 0, 93, is_moment)
    assert (narrow.width, wide.width) == (Width.NARROW, Width.WIDE)
    assert wide.anchor == anchor
    assert (" ... " in wide.words) is (length == 400)
    assert (" ... " in narrow.words) is (length > 30)


def test_a_text_in_the_middle_is_cut_for_a_narrow_page_only() -> None:
    (one,) = centred(Role.PAUSE, "x" * 38, 0)
    assert (one.width, one.words) == (Width.ALL, "x" * 38)
    narrow, wide = centred(Role.PAUSE, "x" * 39, 0)
    assert (narrow.width, len(narrow.words)) == (Width.NARROW, 38)
    assert (wide.width, wide.words) == (Width.WIDE, "x" * 39)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_cut_text_is_also_there_in_full(path: Path) -> None:
    for label in only(draw(tell(parse(path.read_bytes())), False, None), Label):
        assert label.words == label.full or not label.full or " ... " in label.words
