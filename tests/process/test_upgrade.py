# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a job end correctly if the package is upgraded or removed while the job runs?"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.support.scratch import CHECKOUT, PATIENCE, REFUSE, Scratch, hear, tell, wait_for
from tests.support.worker import COMMIT, HEARD_UPLOADED, UPLOADED, Worker

ALARM = "#!/bin/sh\necho $2 >alarm.new && mv alarm.new alarm\n"

#: `gpgshim`, in which every import fails once a job runs; each attempt to import is noted.
NOTHING_MORE = """\
import sys
from gpgshim.cli import main as cli
from gpgshim.supervisor import attempt, supervisor
class Gone:
    def find_spec(self, name, path=None, target=None):
        with open("looked-for", "a") as file:
            print(name, file=file)
        raise ImportError(name + " is gone")
serve = supervisor.Supervisor.serve
def then(self):
    sys.meta_path.insert(0, Gone())
    serve(self)
supervisor.Supervisor.serve = then
sys.exit(cli.main())
"""


def configure(scratch: Scratch) -> None:
    alarm = scratch.script("call", ALARM)
    metrics = scratch.root / "gpgshim.prom"
    scratch.configure(f'alarm = "{alarm}"\nmetrics = "{metrics}"\nkeep-days = 1\n')


JOBS = {
    "unsigned": ("true", (), 0),
    "retriable": ("exit 3", (), 75),
    "uploaded": ("gpg -s f; gpg -s g", ("--commit", "true"), 0),
    "nobody": ("gpg -s f", (), 0),
    "refused": ("gpg -s f", ("--commit", REFUSE), 77),
    "unknown": ("gpg -s f", ("--commit", "sh -c 'exit 9'"), 2),
    "slow": ("gpg -s f", ("--commit", "sleep 99", "--deadline", "0.1"), 2),
    "not there": ("gpg -s f", ("--commit", "o2m:/nonexistent"), 75),
    "observed": ("gpg -s f", ("--observe",), 0),
    "no start": ("", (), 127),
    "killed": ("kill -9 $$", (), 75),
    "no journal": ("rm state/gpgshim/j.1; exit 3", (), 74),
}


@pytest.mark.parametrize("job", JOBS)
def test_nothing_is_imported_once_a_job_runs(scratch: Scratch, job: str) -> None:
    configure(scratch)
    (scratch.root / "f").write_text("to be signed\n")
    command, options, status = JOBS[job]
    words = ["run", *scratch.options("--record", "kept.txt", *options), "--"]
    words += ["sh", "-c", command] if command else ["/nonexistent"]
    done = scratch.call(sys.executable, "-c", NOTHING_MORE, *map(str, words))
    assert not (scratch.root / "looked-for").exists(), (scratch.root / "looked-for").read_text()
    assert done.status == status
    assert "gpgshim: j.1: " in done.err or job == "no journal"
    assert (scratch.root / "kept.txt").exists() == (job != "no journal")
    wait_for((scratch.root / "gpgshim.prom").exists, "the metrics")
    if job == "unknown":
        wait_for((scratch.root / "alarm").exists, "the alarm")


def install(scratch: Scratch) -> Path:
    """A copy of the package, which a test may take away."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("gpgshim", "bin"):
        shutil.copytree(CHECKOUT / name, scratch.root / "lib" / name, ignore=ignored)
    return scratch.root / "lib/gpgshim"


@pytest.mark.parametrize("how", ["removed", "another", "unreadable"])
@pytest.mark.parametrize(
    ("job", "options", "status", "outcome"),
    [
        ("gpg -s f", ("--commit", "true"), 0, "uploaded"),
        ("gpg -s f", ("--commit", "sh -c 'exit 9'"), 2, "irrecoverable"),
        ("exit 3", (), 75, "retriable"),
    ],
)
def test_another_package(
    scratch: Scratch, how: str, job: str, options: tuple[str, ...], status: int, outcome: str
) -> None:
    configure(scratch)
    installed = install(scratch)
    scratch.env["PYTHONPATH"] = str(installed.parent)
    ready, fifo = scratch.fifo("ready"), scratch.fifo("fifo")
    command = f"echo >{ready}; cat {fifo}; {job}"
    process = scratch.start_run(command, "--record", "kept.txt", *options)
    hear(ready)
    shutil.rmtree(installed)
    if how == "another":
        installed.mkdir()
        for path in (CHECKOUT / "gpgshim").glob("*.py"):
            (installed / path.name).write_text("raise RuntimeError('of another version')\n")
    elif how == "unreadable":
        installed.write_text("")
    tell(fifo)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (status, "")
    assert f"gpgshim: j.1: {outcome}: " in err
    assert err.count("\n") == 1 + (status == 2)  # and the stunt's refusal
    assert "\nshows: " in (scratch.root / "kept.txt").read_text()
    wait_for((scratch.root / "gpgshim.prom").exists, "the metrics")


def test_the_work_after_a_job_changes_nothing(scratch: Scratch) -> None:
    """An error there is one line, and the outcome has been told before."""
    fault = "import sys; from gpgshim.cli import main as cli\n"
    fault += "from gpgshim.supervisor import followup\n"
    fault += "def fail(*_, **__): raise ValueError('of another kind')\n"
    fault += "from gpgshim.history import recorded; from gpgshim.supervisor import after\n"
    fault += "after.follow = recorded.keep = followup.prune_if_due = fail\n"
    fault += "sys.exit(cli.main())\n"
    configure(scratch)
    words = ["run", *map(str, scratch.options("--record", "kept.txt")), "--", "sh", "-c", "exit 3"]
    done = scratch.call(sys.executable, "-c", fault, *words)
    first, *more = done.err.splitlines()
    assert done.status == 75
    assert first.startswith("gpgshim: j.1: retriable: ")
    assert len(more) == 3
    expected = "ValueError: of another kind; this does not change the outcome"
    assert all(expected in line for line in more)


def test_under_dgit_repos_server(worker: Worker, scratch: Scratch) -> None:
    configure(scratch)
    installed = install(scratch)
    stunt = installed.parent / "bin/dgit-repos-server"
    worker.start(f"touch begun; await go; gpg -s f && {UPLOADED}", stunt=stunt)
    wait_for((scratch.root / "begun").exists, "the job")
    shutil.rmtree(installed)
    worker.touch("go")
    assert worker.hear() == COMMIT
    worker.say("go-ahead\n")
    assert worker.rest() == HEARD_UPLOADED
    assert worker.end() == 0
    assert worker.err().count("\n") == 1
    wait_for((scratch.root / "gpgshim.prom").exists, "the metrics")
