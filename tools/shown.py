# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs that doc/CI.md shows: their commands are run, and their output is compared or written.

    python -m tools.shown            print the page with the output of a real run
    python -m tools.shown --write    write it

Rule 1: the page itself has the programs and commands, and they are run in its order: the file after
a comment `file: NAME` is written, a comment `run: COMMANDS` is run and its output dropped, and
the line with `$` of a `console` block is run. The other lines of this block are its output.
Rule 2: one shell runs all of it, with a real gpg and a new key, in a home of its own.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.homes import remove_tree
from tests.support.scratch import CHECKOUT, GPG, PATIENCE, guarded, short_directory

PAGE = CHECKOUT / "doc/CI.md"
HOME = "/home/ci"  #: what the page shows as the home

_PART = re.compile(
    r"<!-- file: (?P<name>\S+) -->\n```\w*\n(?P<text>.*?)```\n"
    r"|<!-- run: (?P<hidden>.*?) -->\n"
    r"|```console\n(?P<shown>.*?)```\n",
    re.DOTALL,
)
_BEGINS = "\0{}:\n"  #: before the output of a shown command


class World(NamedTuple):
    """A home with a key, and the environment of the shell."""

    home: Path
    env: dict[str, str]


@contextmanager
def open_world() -> Iterator[World]:
    """A world for one run of the page; nothing of it remains."""
    root = short_directory()
    home, programs = root / "home", root / "bin"
    for path in (home, programs, root / "run"):
        path.mkdir(0o700)
    (programs / "gpgshim").write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m gpgshim "$@"\n'
    )
    (programs / "gpgshim").chmod(0o755)
    # The page is the same whatever programs this machine has.
    settings = home / ".config/gpgshim/gpgshim.conf"
    settings.parent.mkdir(0o700, parents=True)
    settings.write_text("warn = []\n")
    env = {
        "PATH": f"{programs}:{Path(GPG).parent}:{os.defpath}",
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(root / "run"),
        "PYTHONPATH": str(CHECKOUT),
        "LC_ALL": "C.UTF-8",
    }
    try:
        with guarded(root):
            words = [GPG, "--batch", "--quiet", "--passphrase", "", "--quick-gen-key"]
            words += ["CI <ci@example.org>", "ed25519", "sign", "never"]
            subprocess.run(words, env=env, check=True, capture_output=True)
            yield World(home, env)
    finally:
        remove_tree(root)


def shown_again(page: str, world: World) -> str:
    """The page, with the output of its commands in `world`."""
    parts = list(_PART.finditer(page))
    commands: list[list[str]] = []
    script: list[str] = []
    for part in parts:
        if name := part["name"]:
            script.append(f"cat >{name} <<'end of {name}'\n{part['text']}end of {name}")
            script.append(f"chmod +x {name}")
        elif hidden := part["hidden"]:
            script.append(f"{{ {hidden}\n}} >/dev/null 2>&1")
        else:
            words = [line for line in part["shown"].splitlines() if line.startswith("$ ")]
            script += [f"printf '\\000%s:\\n' {len(commands)}", *(each[2:] for each in words)]
            assert len(words) == 1, f"a block shows one command, not {words}"
            commands.append(words)
    done = subprocess.run(
        ["sh", "-c", "\n".join(script)],
        cwd=world.home,
        env=world.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE * len(commands),
        check=False,
    )
    output = done.stdout.replace(str(world.home), HOME)
    blocks = []
    for number, words in enumerate(commands):
        _, _, rest = output.partition(_BEGINS.format(number))
        blocks.append("\n".join([*words, rest.partition("\0")[0]]))
    shown = iter(blocks)
    return _PART.sub(
        lambda part: (
            part[0] if part["shown"] is None else f"```console\n{next(shown).rstrip()}\n```\n"
        ),
        page,
    )


def main() -> None:
    """Print the page with its output, or write it."""
    with open_world() as world:
        text = shown_again(PAGE.read_text(), world)
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
