# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is each route past PATH held, as far as each form of the gate claims to watch it?

The routes are in tools/bypass, and the results in fixtures/bypass and SECURITY.md. After a change:
`python -m tools.bypass --write`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import skips
from tests.support.scratch import guarded
from tools.bypass.results import Cell, faults_of, fixture_of, read
from tools.bypass.routes import FORMS, ROUTES
from tools.bypass.world import Runs, World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    with guarded(world.root):
        yield world
    world.end()


@pytest.fixture(scope="module")
def runs(world: World, request: pytest.FixtureRequest) -> Iterator[Runs]:
    """The runs of all selected tests, which have been started by then."""
    chosen = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "runs" in item.fixturenames
    }
    runs = Runs(world, [name for name in ROUTES if name in chosen])
    yield runs
    runs.end()


def cell_of(runs: Runs, name: str, form: str) -> Cell:
    why = runs.reason_against(name)
    skips.unless(not why, f"a machine that has the route ({why})", "make test, on such a one")
    if why := runs.reason_against_form(form):
        skips.unless_allowed(f"the form {form}", why)
    return runs.cell(name, form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ROUTES)
def test_no_form_misses_what_it_watches(runs: Runs, name: str, form: str) -> None:
    cell = cell_of(runs, name, form)
    assert not list(faults_of(ROUTES[name].reach, FORMS[form], cell)), cell


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ROUTES)
def test_the_documents_have_the_result(world: World, runs: Runs, name: str, form: str) -> None:
    cell = cell_of(runs, name, form)
    path = fixture_of(world.series)
    skips.unless(path.exists(), f"results of gpg {world.series}", "python -m tools.bypass --write")
    committed = read(path.read_text())[1][name]
    skips.unless(not isinstance(committed, str), f"{name}: {committed}", "make test, elsewhere")
    assert {form: cell}.items() <= dict(committed).items()  # type: ignore[arg-type]
