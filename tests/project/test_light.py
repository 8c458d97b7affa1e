# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a supervisor load few modules and need little memory, so that each job can have one?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gpgshim.core import records as r
from tests.support.scratch import PATIENCE, Scratch

#: Modules that are loaded only when they are used, and where. Each takes milliseconds to load.
LATER = {
    "ctypes": "run: a subreaper, which is prctl(2)",
    "json": "machine output",
    "random": "tempfile",
    "subprocess": "a gpg that is met for the first time: its option table",
    "tempfile": "that table, which is kept",
    "gpgshim.gpgargs.explain": "for people",
    "gpgshim.render.show": "for people",
    "gnupg": "doctor",
    "gpgshim.doctor.machine": "doctor, and the process that looks for ways past the gate",
    "gpgshim.doctor.checks": "the same",
    "jinja2": "show --html",
    "gpgshim.render.page": "show --html",
    "logging": "gnupg",
    "importlib.metadata": "nobody",
}

#: Says what it has loaded when it is ready, that is, when it begins to wait.
LIST = """
import os, sys
from gpgshim.cli import main as cli
from gpgshim.supervisor import supervisor
def ready(self):
    os.write(2, " ".join(sys.modules).encode())
    os._exit(0)
supervisor.Supervisor.serve = ready
cli.main()
"""

LARGEST = 25.0  #: MB


def test_a_ready_supervisor_has_loaded_few_modules(scratch: Scratch) -> None:
    scratch.conf.unlink()
    assert scratch.run("true").status == 0  # it knows its gpg from now on
    words = ["supervise", "--foreground", *map(str, scratch.options())]
    by_click, by_us = (
        set(subprocess.run(each, env=scratch.env, capture_output=True, text=True).stderr.split())
        for each in (
            [sys.executable, "-c", "import sys, click; sys.stderr.write(' '.join(sys.modules))"],
            [sys.executable, "-c", LIST, *words],
        )
    )
    assert "gpgshim.supervisor.supervisor" in by_us
    assert (by_us - by_click) & set(LATER) == set()


def test_memory(scratch: Scratch) -> None:
    scratch.conf.unlink()
    process = scratch.start("supervise", "--foreground", *scratch.options())
    assert process.stdout is not None
    assert process.stdout.readline().startswith("PATH=")
    status = Path(f"/proc/{process.pid}/status").read_text()
    assert int(status.partition("VmRSS:")[2].split()[0]) / 1024 <= LARGEST
    process.terminate()
    process.wait(PATIENCE)


#: Says what is loaded between the first question and its answer.
LIST_AS_ASKED = """
import os, sys
from gpgshim.cli import main as cli
from gpgshim.supervisor.gatekeeper import Gatekeeper
from gpgshim.supervisor.requests import Requests
add, grant = Requests.add, Gatekeeper._grant
def begin(self, *question):
    global loaded
    loaded = set(sys.modules)
    add(self, *question)
def end(self):
    grant(self)
    os.write(2, repr(sorted(set(sys.modules) - loaded)).encode())
Requests.add, Gatekeeper._grant = begin, end
cli.main()
"""


def test_a_question_waits_for_nothing_to_be_loaded(scratch: Scratch) -> None:
    (scratch.root / "f").write_text("to be signed\n")
    words = ["supervise", "--foreground", *map(str, scratch.options("--commit", "true"))]
    with subprocess.Popen(
        [sys.executable, "-c", LIST_AS_ASKED, *words],
        env=scratch.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("PATH=")
        (job,) = scratch.jobs()
        signed = subprocess.run([job / "bin/gpg", "-b", "f"], cwd=scratch.root, env=scratch.env)
        assert signed.returncode == 0
        process.terminate()
        assert process.communicate(timeout=PATIENCE)[1].startswith("[]")
    assert any(isinstance(note, r.FileDigest) for note in scratch.notes())
