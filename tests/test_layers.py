"""Do the two import trees meet only in the wire format, and does the stunt stay light?"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gpgshim
from gpgshim import jobdir

PACKAGE = Path(gpgshim.__file__).parent
MODULES = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}

#: module -> the modules of ours that it may import. Reading down is reading from pure to shell.
MAY_IMPORT = {
    # pure: no I/O, no shell
    "gate": set(),
    "wire": set(),
    "commands": set(),
    "argv": {"commands"},
    "failures": set(),
    "o2m": {"gate"},
    "transcript": {"gate"},
    "verdict": {"gate", "transcript"},
    "replay": {"gate", "o2m", "transcript", "verdict"},
    "show": {"gate", "transcript", "verdict"},
    "diagnosis": {"argv", "o2m"},
    # the stunt's tree
    "ask": {"wire"},
    "shim": {"argv", "ask", "wire"},
    "dgit": {"ask", "failures", "shim", "wire"},
    # the supervisor's tree
    "errors": set(),
    "descriptors": set(),
    "explain": {"argv", "commands"},
    "optable": {"argv"},
    "places": {"errors"},
    "jobdir": {"errors", "places", "transcript"},
    "journal": {"descriptors", "errors", "gate", "places", "transcript"},
    "authority": {"descriptors", "errors", "gate", "o2m", "transcript"},
    "audit": {"argv", "transcript"},
    "prune": {"verdict"},
    "config": {"errors", "places", "prune", "transcript"},
    "supervisor": {
        "audit",
        "authority",
        "errors",
        "gate",
        "journal",
        "transcript",
        "verdict",
        "wire",
    },
    "attempt": {
        "audit",
        "argv",
        "authority",
        "errors",
        "jobdir",
        "journal",
        "optable",
        "places",
        "supervisor",
    },
    "repos_server": {
        "config",
        "prune",
        "attempt",
        "authority",
        "descriptors",
        "errors",
        "gate",
        "o2m",
        "places",
        "transcript",
    },
    # the doctor's: looks at all of it
    "rehearsal": {"o2m"},
    "oracle": {"diagnosis", "errors", "places", "repos_server"},
    "doctor": {
        "argv",
        "attempt",
        "commands",
        "diagnosis",
        "errors",
        "explain",
        "jobdir",
        "optable",
        "oracle",
        "places",
        "rehearsal",
    },
}
PURE = (
    "gate",
    "wire",
    "commands",
    "argv",
    "failures",
    "o2m",
    "transcript",
    "verdict",
    "replay",
    "show",
    "diagnosis",
)

#: What pure modules may import beside each other.
HARMLESS = {"__future__", "enum", "typing", "collections", "collections.abc"}

#: All that a stunt has loaded when it becomes the real gpg, and why. Nothing may be added unseen.
STUNT_LOADS = {
    "gpgshim": "the package",
    "__future__": "annotations that are not evaluated",
    "gpgshim.shim": "the stunt",
    "gpgshim.argv": "reads the command line",
    "gpgshim.commands": "what each command does",
}
STUNT_LOADS_TO_ASK = {
    "gpgshim.ask": "the conversation",
    "gpgshim.wire": "its format",
    "_socket": "the socket",
}


def imports_of(path: Path) -> set[str]:
    """Names of the modules that `path` imports at run time, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            if node.module == "gpgshim":
                found |= {f"gpgshim.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return found


def test_every_module_has_its_place() -> None:
    assert set(MAY_IMPORT) == MODULES - {"cli", "__main__"}


@pytest.mark.parametrize("module", sorted(MAY_IMPORT))
def test_imports_go_one_way(module: str) -> None:
    ours = {
        name.partition(".")[2]
        for name in imports_of(PACKAGE / f"{module}.py")
        if name.startswith("gpgshim.")
    }
    assert ours & MODULES <= MAY_IMPORT[module]


@pytest.mark.parametrize("module", PURE)
def test_the_core_is_pure(module: str) -> None:
    theirs = {n for n in imports_of(PACKAGE / f"{module}.py") if not n.startswith("gpgshim")}
    assert theirs <= HARMLESS


def loaded_by(statement: str, tmp_path: Path) -> set[str]:
    """Modules that `statement` makes a stunt's interpreter load."""
    real = {"gpg": Path("/bin/true")}
    job = jobdir.make(tmp_path, "j", "", real)
    program = (
        f"import sys; sys.path.insert(0, {str(job)!r}); before = set(sys.modules); {statement};"
        " print(' '.join(set(sys.modules) - before))"
    )
    command = [sys.executable, f"-ISBXpycache_prefix={job}/pyc", "-c", program]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_what_the_stunt_loads(tmp_path: Path) -> None:
    builtin = {"posix", "_signal", "encodings", "sys"}
    assert loaded_by("import gpgshim.shim", tmp_path) - builtin == set(STUNT_LOADS)
    loaded = loaded_by("import gpgshim.shim, gpgshim.ask", tmp_path) - builtin
    assert loaded == set(STUNT_LOADS) | set(STUNT_LOADS_TO_ASK)
    assert {n for n in loaded if n.startswith("gpgshim")} <= set(jobdir.STUNT_MODULES)
