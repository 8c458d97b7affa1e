# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does nothing remain of GnuPG when a temporary home is removed?"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.homes import remove_tree, socket_directory
from tests.support.scratch import is_alive, short_directory, wait_for


def ask_gpgconf(home: Path, what: str) -> Path:
    words = ["gpgconf", "--homedir", str(home), "--list-dirs", what]
    return Path(subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip())


def test_an_agent_and_its_socket_directory_go_with_the_home() -> None:
    root = short_directory()
    home = root / "gnupg"
    home.mkdir(mode=0o700)
    sockets = ask_gpgconf(home, "socketdir")
    assert sockets in (home, socket_directory(home))  # by whether /run/user/UID exists
    subprocess.run(["gpgconf", "--homedir", home, "--launch", "gpg-agent"], check=True)
    said = subprocess.check_output(
        ["gpg-connect-agent", "--homedir", home, "GETINFO pid", "/bye"], text=True
    )
    agent = int(said.split()[1])
    remove_tree(root)
    assert not root.exists()
    assert not sockets.exists()
    wait_for(lambda: not is_alive(agent), "the agent's end")
