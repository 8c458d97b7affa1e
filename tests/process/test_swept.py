# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long do the stunts of a job stay on disk, and what remains afterwards?

A process can overwrite its environment as /proc shows it. So it cannot be known for certain that no
process has a job's directory on its PATH any more: until the next boot, some program there refuses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gpgshim.supervisor import leftovers, wall
from tests.support import skips
from tests.support.scratch import PATIENCE, Scratch, hear, tell

#: An orphan whose environment in /proc has no PATH any more, when `ready` is written.
HIDDEN = """\
perl -e '
$0 = "x" x 5000;
open F, ">ready"; print F "ready"; close F;
open G, "<go"; <G>; close G;
$said = `gpg -s f 2>&1`; $status = $? >> 8;
open F, ">said"; print F "$status $said"; close F;
' >/dev/null 2>&1 &
"""


@pytest.mark.parametrize("named", [True, False])
def test_an_orphan_that_overwrote_its_environment(scratch: Scratch, named: bool) -> None:
    skips.unless_installed("test", shutil.which("perl"))
    ready, go, said = (scratch.fifo(name) for name in ("ready", "go", "said"))
    gpg: list[str | Path] = ["--gpg", scratch.stand_in()]
    words = scratch.options() if named else gpg
    command = f"{HIDDEN} read x <{ready}; command -v gpg >path; exit 3"
    done = scratch.gpgshim("run", *words, "--", "sh", "-c", command)
    assert done.status == 75, done.err
    stunt = Path((scratch.root / "path").read_text().strip())
    shown = [each.read_bytes() for each in Path("/proc").glob("[0-9]*/environ") if can_read(each)]
    assert not any(os.fsencode(stunt.parent) in each for each in shown)
    # Days later, another job sweeps; and once more.
    for _ in range(2):
        os.utime(stunt.parent.parent, (1, 1))
        other: list[str | Path] = ["run", "--job", "k", "--gpg", scratch.stand_in(), "--", "true"]
        assert scratch.gpgshim(*other).status == 0
    assert stunt.exists()
    tell(go)
    answer = hear(said)
    assert answer.startswith("2 gpgshim refuses"), answer
    assert scratch.calls() == []


def can_read(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def test_a_retired_directory_is_small(scratch: Scratch) -> None:
    """Machines run for years, and a job may leave an orphan each time."""
    scratch.run("(setsid sleep 1000 >/dev/null 2>&1 &); exit 3")
    (job,) = scratch.jobs()
    before = sum(path.lstat().st_blocks for path in job.rglob("*"))
    leftovers.retire(job, nothing_is_alive=False)
    paths = list(job.rglob("*"))
    assert len(paths) <= 5  # bin, two programs, and what says why it stays
    files = {path.stat().st_ino: path.stat().st_size for path in paths if path.is_file()}
    assert sum(files.values()) < 1000 < before * 512


def test_a_directory_is_kept_while_its_lock_is_held(scratch: Scratch) -> None:
    scratch.run("(setsid sleep 1000 >/dev/null 2>&1 &); exit 3")
    (job,) = scratch.jobs()
    held = leftovers.hold(job)
    os.utime(job, (1, 1))
    (job / "boot").write_text("another boot\n")
    try:
        leftovers.sweep(job.parent)
        assert scratch.jobs() == [job]
    finally:
        os.close(held)


def test_a_retired_directory_goes_when_nothing_was_left_alive(scratch: Scratch) -> None:
    assert scratch.run("exit 3").status == 75
    (left,) = (scratch.runtime / "gpgshim").glob("j.*")
    assert scratch.is_retired(left)
    leftovers.sweep(left.parent)
    assert left.exists()  # today a build tree may still look for it
    os.utime(left, (1, 1))
    leftovers.sweep(left.parent)
    assert not left.exists()


def test_many_directories_cost_a_job_little(scratch: Scratch) -> None:
    """One sweep takes a few of many away; those of today it only looks at by name and time."""
    scratch.run("exit 3")
    (left,) = (scratch.runtime / "gpgshim").glob("j.*")
    for number in range(leftovers.MOST + 7):
        copy = left.with_name(f"left.{number:012x}")
        subprocess.run(["cp", "-a", left, copy], check=True, timeout=PATIENCE)
        os.utime(copy, (1, 1))
    leftovers.sweep(left.parent)
    assert len(list(left.parent.glob("left.*"))) == 7
    leftovers.sweep(left.parent)
    assert list(left.parent.glob("left.*")) == []


def test_without_a_boot_id_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    wall.fill(tmp_path / "bin", ["gpg"], wall.JOB_IS_OVER)
    (tmp_path / "boot").write_text("some boot\n")
    monkeypatch.setattr(leftovers, "boot_id", lambda: "")
    assert leftovers.may_have_orphans(tmp_path)
