# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does doc/CI.md show what the present version prints? If not, `python -m tools.shown --write`."""

from __future__ import annotations

from tools.shown import PAGE, open_world, shown_again


def test_the_page_shows_a_real_run() -> None:
    page = PAGE.read_text()
    with open_world() as world:
        assert shown_again(page, world) == page


def test_another_output_would_be_noticed() -> None:
    page = "```console\n$ echo one\ntwo\n```\n"
    with open_world() as world:
        assert shown_again(page, world) == page.replace("two", "one")
