"""Do the two import trees meet only in the wire format, and does the stunt stay light?"""

from __future__ import annotations

import ast
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import gpgshim
from gpgshim.supervisor import jobdir
from tests.scratch import INTERPRETERS, make_job, short_directory

PACKAGE = Path(gpgshim.__file__).parent
PATHS = {path.stem: path for path in PACKAGE.rglob("*.py") if path.stem != "__init__"}
MODULES = set(PATHS)

#: module -> the modules of ours that it may import. Reading down is reading from pure to shell.
MAY_IMPORT = {
    # pure: no I/O, no shell
    "gate": set(),
    "wire": set(),
    "commands": set(),
    "argv": {"commands"},
    "failures": set(),
    "mask": {"argv"},
    "o2m": {"gate"},
    "transcript": {"gate"},
    "verdict": {"gate", "transcript"},
    "replay": {"argv", "gate", "o2m", "transcript", "verdict"},
    "diagnosis": {"argv", "o2m"},
    "story": {"gate", "replay", "transcript", "verdict"},
    "terminal": set(),
    "rows": {"gate", "story", "terminal", "transcript"},
    "show": {"rows", "story", "terminal", "transcript"},
    "page": {"rows", "show", "story", "terminal", "transcript"},
    # the stunt's tree
    "ask": {"wire"},
    "conffile": set(),
    "shim": {"argv", "ask", "conffile", "wire"},
    "dgit": {"ask", "failures", "shim", "wire"},
    "gpgconf": {"argv", "shim"},
    # the supervisor's tree
    "errors": set(),
    "descriptors": set(),
    "shellline": set(),
    "kernel": set(),
    "background": {"descriptors", "errors", "shellline"},
    "explain": {"argv", "commands", "conffile", "mask", "wire"},
    "optable": {"argv", "conffile"},
    "places": {"errors"},
    "wall": {"errors", "places"},
    "leftovers": {"places", "wall"},
    "jobdir": {"errors", "leftovers", "transcript"},
    "journal": {"descriptors", "errors", "gate", "places", "transcript"},
    "runnable": set(),
    "authority": {"descriptors", "errors", "gate", "o2m", "places", "runnable", "transcript"},
    "audit": {"argv", "mask", "transcript"},
    "hasher": set(),
    "prune": {"journal", "verdict"},
    "metrics": {"gate", "transcript", "verdict"},
    "tally": {"gate", "jobs", "journal", "metrics", "transcript", "verdict"},
    "log": {"gate", "mask", "wire"},
    "after": {
        "attempt",
        "authority",
        "config",
        "journal",  # the descriptor that the alarm reads through
        "log",
        "metrics",
        "tally",
        "transcript",
        "verdict",
    },
    "followup": {
        "after",
        "config",
        "errors",
        "journal",
        "log",
        "prune",
        "recorded",
        "tally",
        "transcript",
    },
    "completion": {"errors", "jobs", "places"},
    "recorded": {"argv", "conffile", "jobs", "journal", "replay", "transcript"},
    "config": {"errors", "places", "prune", "transcript"},
    "supervisor": {
        "audit",
        "authority",
        "errors",
        "gate",
        "hasher",
        "journal",
        "places",
        "transcript",
        "verdict",
        "wire",
    },
    "attempt": {
        "audit",
        "argv",
        "authority",
        "errors",
        "hasher",
        "jobdir",
        "journal",
        "kernel",
        "leftovers",
        "mask",
        "optable",
        "places",
        "supervisor",
        "transcript",
        "wall",
    },
    "jobs": {"journal", "rows"},
    "status": {"errors", "jobs", "rows", "terminal"},
    "storyteller": {
        "errors",
        "jobs",
        "journal",
        "log",
        "page",
        "places",
        "rows",
        "show",
        "terminal",
        "transcript",
    },
    "repos_server": {
        "config",
        "followup",
        "kernel",
        "attempt",
        "authority",
        "descriptors",
        "errors",
        "gate",
        "log",
        "mask",
        "o2m",
        "places",
        "transcript",
        "verdict",
    },
    # the doctor's: looks at all of it
    "rehearsal": {"o2m"},
    "oracle": {"diagnosis", "errors", "jobdir", "places", "repos_server"},
    "machine": {"argv", "attempt", "config", "diagnosis", "leftovers", "oracle"},
    "doctor": {
        "argv",
        "attempt",
        "runnable",
        "commands",
        "conffile",
        "diagnosis",
        "errors",
        "jobdir",
        "machine",
        "mask",
        "optable",
        "oracle",
        "places",
        "rehearsal",
        "transcript",
    },
}
PURE = (
    "gate",
    "wire",
    "commands",
    "argv",
    "failures",
    "mask",
    "o2m",
    "transcript",
    "verdict",
    "replay",
    "story",
    "terminal",
    "rows",
    "show",
    "page",
    "diagnosis",
    "metrics",
)

#: What pure modules may import beside each other.
HARMLESS = {
    "__future__",
    "enum",
    "typing",
    "collections",
    "collections.abc",
    "datetime",
    "html",
    "re",
    "textwrap",
}

#: All that a stunt has loaded when it becomes the real program, beside what the same interpreter
#: loads for an empty script; and why. Nothing may be added unseen.
STUNT_LOADS = {
    "__future__": "annotations that are not evaluated",
    "gpgshim": "the package",
    "gpgshim.gpgargs": "a package",
    "gpgshim.stunts": "a package",
    "gpgshim.gpgargs.commands": "what each command does",
    "gpgshim.gpgargs.argv": "reads the command line",
    "gpgshim.stunts.conffile": "reads gpg's conf files, and tells when gpg has changed",
    "gpgshim.stunts.wire": "the format of question and answer",
    "gpgshim.stunts.ask": "the conversation",
    "gpgshim.stunts.shim": "the stunt gpg",
}
DGIT_LOADS = {
    **STUNT_LOADS,
    "select": "waits for dgit's end, and for what it says",
    "gpgshim.stunts.failures": "what in dgit's words is no use to try again",
    "gpgshim.stunts.dgit": "the stunt dgit",
}
GPGCONF_LOADS = {
    **STUNT_LOADS,
    "gpgshim.stunts.gpgconf": "the stunt gpgconf",
}

ASK = """\
try:
    sys.modules["gpgshim.stunts.ask"].ask(job, "sign")
except sys.modules["gpgshim.stunts.ask"].NoAnswer:
    pass
"""

SAY_WHAT_IS_LOADED = """\
import sys
for name, module in list(sys.modules.items()):
    spec = getattr(module, "__spec__", None)
    print(name, getattr(spec, "cached", None))
"""


def imports_of(path: Path) -> set[str]:
    """Names of the modules that `path` imports at run time, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            found.add(node.module)
            if node.module.startswith("gpgshim"):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_module_has_its_place() -> None:
    assert set(MAY_IMPORT) == MODULES - {"verbs", "__main__"}


@pytest.mark.parametrize("module", sorted(MAY_IMPORT))
def test_imports_go_one_way(module: str) -> None:
    ours = {
        name.rpartition(".")[2] for name in imports_of(PATHS[module]) if name.startswith("gpgshim.")
    }
    assert ours & MODULES <= MAY_IMPORT[module]


@pytest.mark.parametrize("module", PURE)
def test_the_core_is_pure(module: str) -> None:
    theirs = {n for n in imports_of(PATHS[module]) if not n.startswith("gpgshim")}
    assert theirs <= HARMLESS


@pytest.fixture(scope="module", params=INTERPRETERS)
def job(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The directory of a job, made by each interpreter that is at hand."""
    base = short_directory()
    yield make_job(INTERPRETERS[request.param], base, "", Path("/bin/true"))
    shutil.rmtree(base)


def loaded_by(job: Path, stunt: str, instead: str) -> dict[str, str]:
    """The modules of a stunt that does `instead` of its last line, and where they are cached."""
    head, *body, last = (job / "bin" / stunt).read_text().splitlines()
    assert last == "be(job)"
    script = job / "bin" / f"{stunt}.as-far-as-this"
    script.write_text("\n".join([head, *(body if instead else []), instead, SAY_WHAT_IS_LOADED]))
    script.chmod(0o700)
    return said_by([script])


def said_by(command: list[str | Path]) -> dict[str, str]:
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(line.split(" ", 1) for line in said.splitlines())


@pytest.mark.parametrize(
    ("stunt", "expected"),
    [("gpg", STUNT_LOADS), ("dgit", DGIT_LOADS), ("gpgconf", GPGCONF_LOADS)],
)
def test_what_a_stunt_loads(job: Path, stunt: str, expected: dict[str, str]) -> None:
    empty = loaded_by(job, stunt, "")
    ready = loaded_by(job, stunt, "pass")
    assert ready.keys() - empty.keys() == expected.keys()
    asked = loaded_by(job, stunt, ASK)
    assert asked.keys() - ready.keys() == {"_socket"}


def test_what_cpython_loads_as_it_starts_is_the_job_s_own(job: Path) -> None:
    in_a_job = loaded_by(job, "gpg", "")
    python = (job / "bin/gpg").read_text()[2:].partition(" ")[0]
    script = job / "script"
    script.write_text(SAY_WHAT_IS_LOADED)
    without = said_by([python, "-ISB", script])
    assert in_a_job.keys() == without.keys()
    from_files = {name for name, cached in without.items() if cached != "None"}
    assert from_files == set(jobdir.START_MODULES)
    found = {name: cached for name, cached in in_a_job.items() if cached != "None"}
    assert found.keys() == {"encodings"}
    assert found["encodings"].startswith(f"{job}/pyc/") and Path(found["encodings"]).exists()
