# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages: templates and style sheets, filled with values.

Rule 1: only this module imports Jinja2, and only a verb that writes a page imports this module.
Rule 2: Jinja2 escapes every value, so the text of a journal never becomes markup. The one exception
is the drawing, which `svg` has escaped.
Rule 3: a page is one file without a script. It fetches nothing: its Content-Security-Policy forbids
both, and the style sheets are copied into the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gpgshim.core.transcript import Transcript
from gpgshim.render.jobpage import describe
from gpgshim.render.svg import print_shapes
from gpgshim.summary.rows import AttemptRow

TEMPLATES = Path(__file__).parent / "templates"

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,  # a misspelled name is an error, and not an empty text
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def job_page(
    transcript: Transcript,
    attempts: Sequence[AttemptRow] = (),
    under_way: bool = False,
    now: datetime | None = None,
) -> str:
    """The page of one job, in ASCII, as its journal is.

    `now` is the time of its creation, or None for a page that has no such time.
    The other parameters are those of show.show. Raises TranscriptError for a transcript that
    contradicts itself.
    """
    job = describe(transcript, attempts, under_way, now)
    return _render("job.html", job=job, drawing=print_shapes(job.diagram.shapes))


def _render(template: str, **values: object) -> str:
    return _ENVIRONMENT.get_template(template).render(values)
