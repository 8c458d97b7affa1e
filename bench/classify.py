# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much time does reading gpg's command line add to a call?

Rule 1: the stunts of the two jobs differ in one thing: one has a stand-in for gpgargs, which reads
nothing and says of every call that it does not sign. So the difference is the import, the table of
options, and the reading.
"""

from __future__ import annotations

import shlex
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench import timing, world
from bench.results import SPREAD, Table, spread
from gpgshim.supervisor import optable

CALLS = {
    "--verify (git)": "--keyid-format=long --status-fd=1 --verify F -",
    "--list-secret (oracled)": "--list-secret --with-colons",
    "two files too many to sign (debsign's words)": (
        "--no-auto-check-trustdb --local-user K --clearsign --openpgp --personal-digest-preferences"
        " SHA512 --list-options no-show-policy-urls --armor --textmode --output A.asc A B C"
    ),
}
READS_NOTHING = "a stunt that reads nothing"

STAND_IN = """\
PASS, SIGN = "pass", "sign"
VARIABLES = ()

class Table:
    sources = {}
    is_wrapped = False

class Reading:
    verdict = PASS
    status_fd = None

def load(text):
    return Table

def read(words, table, environ, file):
    return Reading
"""

#: The measured interpreter runs this: it makes an ordinary job, and a job with the stand-in.
MAKE = """\
import marshal
import sys
from pathlib import Path

from gpgshim.supervisor import jobdir

base, stand_in, table = Path(sys.argv[1]), sys.argv[2], sys.stdin.read()
for name in ("reads", "reads-nothing"):
    job = jobdir.make(base, name, table, {"gpg": Path("/bin/true")})
    if name == "reads-nothing":
        (file,) = (job / "code").iterdir()
        modules = dict(marshal.loads(file.read_bytes()))
        for module in ("commands", "exits", "parser"):
            del modules[f"gpgshim.gpgargs.{module}"]
        for module in ("optiontable", "conffile", "decision"):
            code = compile(stand_in, "stand-in", "exec", dont_inherit=True)
            modules[f"gpgshim.gpgargs.{module}"] = code
        file.write_bytes(marshal.dumps(list(modules.items())))
    print(job)
"""


def make_jobs(here: world.World) -> tuple[Path, Path]:
    """A job whose stunt reads its command line, and a job whose stunt does not."""
    made = subprocess.run(
        [here.python, "-c", MAKE, world.make(here.scratch / "jobs"), STAND_IN],
        input=optable.of(world.GPG, here.environ),
        capture_output=True,
        text=True,
        check=True,
        cwd=world.ROOT,
    )
    reads, reads_nothing = made.stdout.splitlines()
    return Path(reads), Path(reads_nothing)


def tables(runs: int) -> Iterator[Table]:
    """Calls that do not sign. The real gpg of each stunt is /bin/true."""
    with world.world() as here:
        reads, reads_nothing = make_jobs(here)
        commands = {READS_NOTHING: [str(reads_nothing / "bin/gpg"), "--verify"]}
        for name, words in CALLS.items():
            commands[name] = [str(reads / "bin/gpg"), *shlex.split(words)]
        took = timing.in_turns(commands, runs, here.environ)
    base = took[READS_NOTHING]
    rows = []
    for name, times in took.items():
        wall, processor = (
            1e3 * (statistics.median(one) - statistics.median(other))
            for one, other in zip(times, base, strict=True)
        )
        rows.append((name, *spread(times.wall), f"{wall:.2f}", f"{processor:.2f}"))
    text = "The real gpg is /bin/true here. Target: it adds less than 1 ms."
    head = ("", *SPREAD, "adds, ms", "of processor time, ms")
    yield Table("What classification adds", text, head, rows)
