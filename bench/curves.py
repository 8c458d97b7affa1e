# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws curves as SVG, because a picture shows growth more clearly than a table.

Rule 1: an axis of values begins at 0, so a curve that looks flat is flat.
Rule 2: points have equal distances, because each size is many times the size before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 250, 150  #: of a curve, in px
LEFT, TOP, RIGHT, BOTTOM = 15, 40, 15, 40  #: around it


class Curve(NamedTuple):
    """`meant` is the target for the largest value, if there is one."""

    values: str
    sizes: str
    points: Sequence[tuple[int, float]]
    meant: float | None = None


def draw(curves: Sequence[Curve]) -> str:
    """An SVG file with the curves side by side."""
    width, height = LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * len(curves)}" height="{height}"'
        ' font-family="sans-serif" font-size="11" text-anchor="middle">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, curve in enumerate(curves):
        parts += [
            f'<g transform="translate({LEFT + width * number},{TOP})">',
            *_draw(curve),
            "</g>",
        ]
    return "\n".join([*parts, "</svg>\n"])


def _draw(curve: Curve) -> list[str]:
    most = 1.2 * max([value for _, value in curve.points] + [curve.meant or 0])
    step = WIDTH / len(curve.points)
    places = [
        ((number + 0.5) * step, HEIGHT * (1 - value / most))
        for number, (_, value) in enumerate(curve.points)
    ]
    middle = WIDTH / 2
    parts = [
        f'<text x="{middle}" y="-20" font-weight="bold">{curve.values}</text>',
        f'<path d="M0 {HEIGHT}H{WIDTH}" stroke="black"/>',
        f'<text x="{middle}" y="{HEIGHT + 34}">{curve.sizes}</text>',
    ]
    if curve.meant is not None:
        height = HEIGHT * (1 - curve.meant / most)
        parts += [
            f'<path d="M0 {height:.1f}H{WIDTH}" stroke="firebrick" stroke-dasharray="4"/>',
            f'<text x="{middle}" y="-6" fill="firebrick">target: {curve.meant:g} at most</text>',
        ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts.append(f'<polyline points="{line}" fill="none" stroke="steelblue" stroke-width="2"/>')
    for (x, y), (size, value) in zip(places, curve.points, strict=True):
        shown = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="steelblue"/>',
            f'<text x="{x:.1f}" y="{y - 8:.1f}" fill="steelblue">{shown}</text>',
            f'<text x="{x:.1f}" y="{HEIGHT + 16}">{size:,}</text>',
        ]
    return parts
