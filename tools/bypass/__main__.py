# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tools.bypass [--write | --tables] [WORD…]`: run the routes, or those with one of the
words in their names, and print the results.

--write runs all of them, and writes the results of this gpg into fixtures/bypass and the tables of
README.md and SECURITY.md. --tables runs nothing, and writes the tables again.
"""

from __future__ import annotations

import argparse
import sys

from tests.support.scratch import GPG, guarded
from tools.bypass import results
from tools.bypass.routes import FORMS, ROUTES
from tools.bypass.world import Runs, World, programs


def write_tables() -> None:
    """Write the tables of all fixtures into the documents."""
    for path, text in results.pages():
        path.write_text(text)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tools.bypass", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the fixture and the tables")
    parser.add_argument("--tables", action="store_true", help="write the tables, and run nothing")
    parser.add_argument("words", nargs="*", help="words in the names of routes")
    options = parser.parse_args()
    if options.tables:
        write_tables()
        return 0
    words = [] if options.write else options.words
    chosen = [name for name in ROUTES if not words or any(word in name for word in words)]
    world = World()
    found: dict[str, dict[str, results.Cell] | str] = {}
    try:
        with guarded(world.root):
            runs = Runs(world, chosen)
            try:
                for name in chosen:
                    if why := runs.reason_against(name):
                        found[name] = why
                        print(f"{name}: not tried: {why}", flush=True)
                        continue
                    cells = found[name] = {form: runs.cell(name, form) for form in FORMS}
                    for form, cell in cells.items():
                        print(f"{name}: {form}: {cell.word} {[*map(list, cell)]}", flush=True)
            finally:
                runs.end()
            version = world.call(GPG, "--version").out.split()[2]
    finally:
        world.end()
    tried = [each for each in found.values() if not isinstance(each, str)]
    if any(cell.word is results.Word.UNCLEAR for cells in tried for cell in cells.values()):
        print("some results are unclear, so nothing is written")
        return 1
    if options.write:
        head = {"gpg": version, "programs": programs()}
        results.FIXTURES.mkdir(exist_ok=True)
        results.fixture_of(world.series).write_text(results.written(head, found))
        write_tables()
    return 0


if __name__ == "__main__":
    sys.exit(main())
