# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do wheel and sdist have all that gpgshim needs, and does the wheel put no `gpg` into a bin?"""

from __future__ import annotations

import configparser
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import gpgshim

CHECKOUT = Path(__file__).parents[2]
pytestmark = pytest.mark.starts


def files_of_the_package() -> set[str]:
    """Modules, option tables, templates and style sheets, by their paths in the checkout."""
    files = [each for each in (CHECKOUT / "gpgshim").rglob("*") if each.is_file()]
    found = {str(each.relative_to(CHECKOUT)) for each in files if "__pycache__" not in each.parts}
    assert "gpgshim/render/templates/job.html" in found
    return found


def test_the_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--wheel-dir", tmp_path, CHECKOUT],
        check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"gpgshim-{gpgshim.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        about = f"gpgshim-{gpgshim.__version__}.dist-info"
        scripts = configparser.ConfigParser()
        scripts.read_string(archive.read(f"{about}/entry_points.txt").decode())
    assert {section: dict(scripts[section]) for section in scripts.sections()} == {
        "console_scripts": {"gpgshim": "gpgshim.__main__:main"}
    }
    # `.data/scripts` is how a wheel would put a program into bin without an entry point.
    assert not [name for name in names if ".data/" in name]
    assert {f"gpgshim/bin/{each}" for each in ("gpg", "dgit", "dgit-repos-server")} <= names
    assert {name.split("/")[0] for name in names} == {"gpgshim", about}
    assert files_of_the_package() <= names


def test_the_sdist(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path],
        check=True,
        cwd=CHECKOUT,
    )
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert files_of_the_package() <= names
    assert {"pyproject.toml", "LICENSE", "bin/gpg", "tools/needs"} <= names
