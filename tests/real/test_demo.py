# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a real upload under the gate do what the demo claims, and can the demo fail?"""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gpgshim.core import transcript, verdict
from tests.support import skips
from tests.support.scratch import wait_for
from tools import demo
from tools.demo import Page
from tools.world.archive import Fault
from tools.world.gated import (
    CHECKOUT,
    Attempt,
    Manager,
    find_gpgshim,
    gate,
    open_manager,
    read_journal,
    run_attempt,
    run_gated,
)
from tools.world.upload import SYSTEM_PATH, World, WorldError, find_processes, open_world

pytestmark = pytest.mark.slow

QUERIES = (  # of one upload, in order: what dgit asks before it wants a signature
    "suites",
    "dsc_in_suite/unstable/greeting",
    "dsc_in_suite/unstable/greeting",
    "pool/main/g/greeting/greeting_1.0-1.dsc",
    "file_in_archive/%25/greeting%5c_1.0.orig.tar.gz",
)


class Jobs(NamedTuple):
    world: World
    manager: Manager
    failed: Attempt
    again: Attempt


@pytest.fixture(scope="module")
def packages() -> None:
    programs = ("dgit", "debsign", "dpkg-source", "dput", "git", "gpg", "gpg-agent", "gpgv")
    skips.unless_installed("demo", *(shutil.which(name, path=SYSTEM_PATH) for name in programs))


@pytest.fixture(scope="module")
def jobs(packages: None) -> Iterator[Jobs]:
    with open_world(demo.LATE) as world, open_manager(world) as manager:
        failed = run_attempt(world, manager, 1)
        again = run_attempt(world, manager, 2)
        yield Jobs(world, manager, failed, again)


def test_failed_job_did_nothing(jobs: Jobs) -> None:
    failed = jobs.failed
    assert "gave HTTP code 503" in failed.output
    assert "Push failed, while preparing your push." in failed.output
    assert [query.asked for query in failed.queries] == list(QUERIES)
    assert (failed.heard, failed.signings, failed.queue, failed.tags) == ([], 0, [], [])
    assert failed.status == demo.EX_TEMPFAIL
    assert [line.text for line in failed.journal.lines if line.sigil == "!"] == ["uncommitted"]
    assert failed.journal.lines[-1].text == "retriable"


def test_job_tried_again_committed_once(jobs: Jobs) -> None:
    again = jobs.again
    assert again.status == 0
    assert jobs.manager.heard == ["commit-to-public-upload"]
    assert again.signings_before == [0]
    assert again.signings == again.count("$") == again.count("=", "go") >= 3
    assert again.count("!", "committed") == 1
    assert again.journal.lines[-1].text == "uploaded"


def test_upload_carries_the_key_s_signatures(jobs: Jobs) -> None:
    assert jobs.again.queue == [
        "greeting_1.0-2.debian.tar.xz",
        "greeting_1.0-2.dsc",
        "greeting_1.0-2_source.changes",
    ]
    signed = jobs.world.verify_upload()
    assert {"greeting_1.0-2.dsc", "greeting_1.0-2_source.changes"} < set(signed)
    assert {"archive/demo/1.0-2"} <= set(jobs.again.tags) < set(signed)


def test_journals_tell_it_by_themselves(jobs: Jobs) -> None:
    for number, outcome in ((1, "retriable"), (2, "uploaded")):
        data = (jobs.world.state / "gpgshim" / f"greeting.{number}").read_bytes()
        assert verdict.judge_bytes(data).outcome == outcome


def test_builder_sees_neither_key_nor_gate(jobs: Jobs) -> None:
    ssh = str(jobs.world.root / "ssh")
    env = jobs.world.env | {"PATH": f"/stunts:{SYSTEM_PATH}", "DGIT_LEAK": "1"}
    seen = subprocess.run([ssh, "builder", "env"], env=env, capture_output=True, text=True).stdout
    assert f"PATH={SYSTEM_PATH}\n" in seen
    assert f"GNUPGHOME={jobs.world.builder}/gnupg\n" in seen
    assert not re.search("XDG_|stunts|DGIT_LEAK", seen)
    secret = [ssh, "builder", "gpg --batch --with-colons --list-secret-keys"]
    assert subprocess.run(secret, env=env, capture_output=True, text=True).stdout == ""


@pytest.mark.parametrize("number", range(1, len(QUERIES) + 1))
@pytest.mark.parametrize("answer", ["500", "reset"])
def test_every_query_comes_before_the_commitment(packages: None, answer: str, number: int) -> None:
    with open_world(f"{answer} * {number}") as world, open_manager(world) as manager:
        failed = run_attempt(world, manager, 1)
        assert [query.asked for query in failed.queries] == list(QUERIES[:number])
        assert failed.queries[-1].fault
        assert (failed.heard, failed.signings, failed.status) == ([], 0, demo.EX_TEMPFAIL)
        assert verdict.judge(failed.journal).outcome == "retriable"


def test_job_that_hangs_and_is_stopped_did_nothing(packages: None) -> None:
    # dgit has no time limit of its own: another program must end it.
    with open_world("hang file_in_archive/*") as world, open_manager(world) as manager:
        argv = [*find_gpgshim(), *gate(world, manager)]
        env = world.env | {"PYTHONPATH": str(CHECKOUT)}
        # No pipes: the builder's side outlives the job, and would keep them open.
        null = subprocess.DEVNULL
        with subprocess.Popen(argv, cwd=world.oracle, env=env, stdout=null, stderr=null) as job:
            while not (world.archive.queries and world.archive.queries[-1].fault):
                assert job.poll() is None
                time.sleep(0.01)
            job.terminate()
        assert (job.returncode, manager.heard) == (128 + signal.SIGTERM, [])
        assert read_journal(world, 1).lines[-1].text == "retriable"
    assert find_processes(world.root) == {}


def test_manager_that_hangs_up_leaves_the_job_unknown(packages: None) -> None:
    with open_world() as world, open_manager(world, answer=b"") as manager:
        failed = run_attempt(world, manager, 1)
        told = verdict.judge(failed.journal)
        assert (told.state, told.outcome) == ("unknown", "irrecoverable")
        assert (failed.heard, failed.signings) == (["commit-to-public-upload"], 0)
        assert failed.status not in (0, demo.EX_TEMPFAIL)


@pytest.mark.parametrize(("spoil", "signings"), [("server", 2), ("queue", 4)])
def test_failure_after_a_signature_is_for_good(packages: None, spoil: str, signings: int) -> None:
    with open_world() as world, open_manager(world) as manager:
        if spoil == "queue":
            world.queue.rmdir()
        else:
            hook = world.git / "hooks" / "pre-receive"
            hook.write_text("#!/bin/sh\nexit 1\n")
            hook.chmod(0o755)
        status, output = run_gated(world, manager)
        assert status not in (0, demo.EX_TEMPFAIL), output
        told = verdict.judge(read_journal(world, 1))
        assert (told.state, told.outcome) == ("committed", "irrecoverable")
        assert manager.heard == ["commit-to-public-upload"]
        assert world.count_signings() - manager.signings[0] == signings


def test_world_leaves_nothing(packages: None) -> None:
    with open_world() as world:
        agents = find_processes(world.root).values()
        assert [words.split()[0] for words in agents] == ["gpg-agent"] * 2  # oracle's, builder's
    assert not world.root.exists()
    assert find_processes(world.root) == {}


def test_world_has_no_default_home(packages: None) -> None:
    """Its sockets would be those of the person's own agent, which would end with the world."""
    with open_world() as world:
        for env in (world.env, world.builder_env):
            words = ("gpgconf", "--list-dirs", "homedir")
            home = subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout
            assert Path(home.strip()) not in (Path(env["HOME"], ".gnupg"), Path.home() / ".gnupg")


def test_bad_upload_does_not_verify(packages: None) -> None:
    with open_world() as world:
        with pytest.raises(WorldError, match=r"not one \.dsc and one \.changes"):
            world.verify_upload()
        for name in ("greeting_1.0-2.dsc", "greeting_1.0-2_source.changes"):
            (world.queue / name).write_text((world.pool / "greeting_1.0-1.dsc").read_text())
        with pytest.raises(WorldError, match="gpgv"):
            world.verify_upload()


class TestClaims:
    """Each way in which a run could be other than the demo shows it makes a claim untrue."""

    def test_true_of_the_real_jobs(self, jobs: Jobs) -> None:
        claims = demo.check_failure(jobs.failed) + demo.check_success(jobs.again, jobs.world)
        assert [claim.text for claim in claims if not claim.true] == []

    @pytest.mark.parametrize(
        "lie",
        [
            {"status": 0},
            {"status": 255},
            {"signings": 1},
            {"heard": ["commit-to-public-upload"]},
            {"queue": ["greeting_1.0-2.dsc"]},
            {"tags": ["demo/1.0-2"]},
            {"queries": []},
            {"journal": transcript.parse(b"job: x\n\n! uncommitted\n% exit 0\nunsigned\n")},
            {"journal": transcript.parse(b"job: x\n\n! uncommitted\n% exit 255\n")},
        ],
    )
    def test_failure_that_is_none(self, jobs: Jobs, lie: dict[str, object]) -> None:
        claims = demo.check_failure(jobs.failed._replace(**lie))  # type: ignore[arg-type]
        assert sum(not claim.true for claim in claims) == 1

    @pytest.mark.parametrize(
        "lie",
        [
            {"status": 75},
            {"heard": []},
            {"heard": ["commit-to-public-upload"] * 2},
            {"signings_before": [1]},
            {"signings_before": []},
            {"signings": 5},
        ],
    )
    def test_success_that_is_none(self, jobs: Jobs, lie: dict[str, object]) -> None:
        claims = demo.check_success(jobs.again._replace(**lie), jobs.world)  # type: ignore[arg-type]
        assert sum(not claim.true for claim in claims) == 1

    def test_grant_before_it_was_on_disk(self, jobs: Jobs) -> None:
        lines = list(jobs.again.journal.lines)
        at = next(at for at, line in enumerate(lines) if line[:2] == ("!", "committed"))
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
        journal = jobs.again.journal._replace(lines=tuple(lines))
        claims = demo.check_success(jobs.again._replace(journal=journal), jobs.world)
        assert [claim.text for claim in claims if not claim.true] == [claims[1].text]

    def test_traces(self, tmp_path: Path) -> None:
        def check(root: Path, after: dict[str, object]) -> list[bool]:
            return [each.true for each in demo.check_aftermath(root, {"/home/a": 1}, after)]

        assert check(tmp_path / "gone", {"/home/a": 1}) == [True, True]
        assert check(tmp_path, {"/home/a": 1}) == [False, True]
        assert check(tmp_path / "gone", {"/home/a": 2}) == [True, False]
        assert check(tmp_path / "gone", {}) == [True, False]
        with subprocess.Popen(["sleep", "600"], cwd=tmp_path) as process:
            try:
                # Its command line is to be read a little after exec(2) has closed Popen's pipe.
                found = {process.pid: "sleep 600"}
                wait_for(lambda: find_processes(tmp_path) == found, "its command line")
            finally:
                process.kill()


def test_a_changed_file_at_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    for name in (".gnupg/trustdb.gpg", ".gitconfig", ".cache/dgit/x", "elsewhere/gpgshim/job.1"):
        before = demo.photograph_home()
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
        assert str(tmp_path / name) in demo.photograph_home().keys() - before.keys()


@pytest.mark.parametrize(
    ("environment", "colour"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colour_is_for_terminals(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], colour: bool
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", shown := Terminal())
    page = Page(jobs.world)
    page.show_claims([demo.Claim(True, "so"), demo.Claim(False, "not so")])
    assert ("\033[" in shown.getvalue()) is colour
    assert page.wrong == 1


def test_demo_itself(packages: None, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.demo"],
        cwd=CHECKOUT,
        env=os.environ | {"HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "NOT TRUE" not in done.stdout
    assert "\033" not in done.stdout
    for said in ("503", "retriable", "commit-to-public-upload", "no return", "uploaded"):
        assert said in done.stdout
    root = re.search(r"/\S+/gpgshim-\w+", done.stdout)
    assert root is not None
    assert not Path(root[0]).exists()
    assert find_processes(Path(root[0])) == {}
    assert list(tmp_path.iterdir()) == []


def test_fault_of_the_demo_is_the_late_one() -> None:
    assert Fault.parse(demo.LATE).strike(QUERIES[-1])
