# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does each package import only what it may, and does a stunt load only the listed modules?"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import gpgshim
from gpgshim.supervisor import stuntcode
from tests.support.scratch import INTERPRETERS, make_job, short_directory

PACKAGE = Path(gpgshim.__file__).parent
TOP = "gpgshim"  #: the modules that are in no package: __init__ and __main__

#: The table of INTERNALS.md: package -> the packages that it may import.
PACKAGES = (PACKAGE.parent / "INTERNALS.md").read_text().partition("\n## The packages\n")[2]
MAY_IMPORT = {
    name: set(re.findall(r"`(\w+)`", others))
    for name, others in re.findall(
        r"^\| `(\w+)` \| .* \|([^|]*)\|$", PACKAGES.partition("\n## ")[0], re.MULTILINE
    )
}

#: What the supervisor's tree may import of the stunts' tree, because both must do it alike: send a
#: request, and read gpg's conf files.
SHARED = {"gpgshim.stunts.ask", "gpgshim.stunts.plainfile"}

#: The directories and modules that do no I/O. Coverage includes the same ones.
SETTINGS = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())
PURE = [
    each.removeprefix("gpgshim/").removesuffix("/*")
    for each in SETTINGS["tool"]["coverage"]["run"]["include"]
]
READS_TEMPLATES = PACKAGE / "render/page.py"  #: the only module that imports Jinja2
#: What these modules may import beside ours.
HARMLESS = {
    "__future__",
    "collections",
    "collections.abc",
    "contextlib",
    "datetime",
    "enum",
    "html",
    "itertools",
    "json",
    "math",
    "re",
    "shlex",
    "textwrap",
    "typing",
}

#: The modules that a stunt has loaded when it becomes the real program, without those that the same
#: interpreter loads for an empty script, and the reason for each. A new one needs a reason here.
STUNT_LOADS = {
    "__future__": "annotations that are not evaluated",
    "gpgshim": "the package",
    "gpgshim.gpgargs": "a package",
    "gpgshim.gpgargs.text": "makes foreign text fit for one line",
    "gpgshim.stunts": "a package",
    "gpgshim.stunts.process": "becomes the real program",
}
PARSER_LOADS = {
    "gpgshim.gpgargs.optiontable": "the options of this gpg",
    "gpgshim.gpgargs.parser": "the words of the command line",
}
REQUEST_LOADS = {
    "gpgshim.core": "a package",
    "gpgshim.core.wire": "the format of a request and of its answer",
    "gpgshim.stunts.ask": "sends a request",
}
GPG_LOADS = {
    **STUNT_LOADS,
    **PARSER_LOADS,
    **REQUEST_LOADS,
    "gpgshim.gpgargs.commands": "what each command does",
    "gpgshim.gpgargs.conffile": "the lines of the conf files",
    "gpgshim.gpgargs.exits": "options at which gpg exits",
    "gpgshim.gpgargs.decision": "whether gpg would sign",
    "gpgshim.stunts.plainfile": "reads gpg's conf files, and detects a replaced gpg",
    "gpgshim.stunts.gpg": "the stunt gpg",
}
DGIT_LOADS = {
    **STUNT_LOADS,
    **REQUEST_LOADS,
    "select": "waits for dgit's end, and for its output",
    "gpgshim.core.failures": "which failures of dgit are permanent",
    "gpgshim.stunts.dgit": "the stunt dgit",
}
GPGCONF_LOADS = {
    **STUNT_LOADS,
    **PARSER_LOADS,
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
    """Names of the modules that `path` imports, in functions too."""
    return names_in(ast.parse(path.read_text()))


def names_in(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            inside = PACKAGE.parent.joinpath(*node.module.split("."))
            if inside.is_dir():
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return found


def source_of(module: str) -> Path | None:
    """The source file of one of our modules, by its dotted name; None for a foreign one."""
    first, *parts = module.split(".")
    path = PACKAGE.joinpath(*parts)
    if first != "gpgshim":
        return None
    return path / "__init__.py" if path.is_dir() else path.with_name(f"{path.name}.py")


def package_of(module: str) -> str:
    """The package of one of our modules, by its dotted name."""
    parts = module.split(".")
    return parts[1] if (PACKAGE / parts[1]).is_dir() else TOP


def modules_of(package: str) -> list[Path]:
    found = PACKAGE.glob("*.py") if package == TOP else (PACKAGE / package).rglob("*.py")
    return sorted(found)


def pure_modules(name: str) -> list[Path]:
    """The modules of a row of PURE: a package, or one module of a package."""
    return [PACKAGE / name] if name.endswith(".py") else modules_of(name)


def test_every_package_has_its_row() -> None:
    assert set(MAY_IMPORT) - {TOP} == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_the_table_is_short() -> None:
    assert 10 < len(MAY_IMPORT) <= 14


def test_the_rows_are_in_order() -> None:
    """So that reading down is reading from pure to shell, and there is no circle."""
    above: set[str] = set()
    for package, others in MAY_IMPORT.items():
        assert others <= above, package
        above.add(package)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package: str) -> None:
    ours = {
        name: path
        for path in modules_of(package)
        for name in imports_of(path)
        if name.startswith("gpgshim.") and name != "gpgshim.__version__"
    }
    assert {package_of(name) for name in ours} - {package} == MAY_IMPORT[package], ours


@pytest.mark.parametrize("package", sorted(set(MAY_IMPORT) - {"stunts"}))
def test_other_packages_import_only_the_shared_modules_of_stunts(package: str) -> None:
    names = {name for path in modules_of(package) for name in imports_of(path)}
    assert {name for name in names if name.startswith("gpgshim.stunts.")} <= SHARED


@pytest.mark.parametrize(
    "path",
    [path for each in PURE for path in pure_modules(each) if path != READS_TEMPLATES],
    ids=lambda path: path.stem,
)
def test_pure_modules_import_nothing_that_does_io(path: Path) -> None:
    theirs = {name for name in imports_of(path) if not name.startswith("gpgshim")}
    assert theirs <= HARMLESS


def imports_at_run_time(path: Path) -> set[str]:
    """Names of the modules that `path` imports, without those for annotations."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    return names_in(tree)


def test_the_checks_of_doctor_load_no_module_that_does_io() -> None:
    for path in modules_of("doctor/checks"):
        ours = {name for name in imports_at_run_time(path) if name.startswith("gpgshim.")}
        others = {name for name in ours if not name.startswith("gpgshim.doctor.checks.")}
        assert {package_of(name) for name in others} <= {"core", "gpgargs"}, path


def test_one_module_imports_jinja2() -> None:
    modules = [path for package in MAY_IMPORT for path in modules_of(package)]
    assert [path for path in modules if "jinja2" in imports_of(path)] == [READS_TEMPLATES]
    theirs = {name for name in imports_of(READS_TEMPLATES) if not name.startswith("gpgshim")}
    assert theirs <= HARMLESS | {"jinja2", "pathlib"}


@pytest.fixture(scope="module", params=INTERPRETERS)
def job(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The directory of a job, made by each interpreter that is at hand."""
    base = short_directory()
    yield make_job(INTERPRETERS[request.param], base, "", Path("/bin/true"))
    shutil.rmtree(base)


def loaded_by(job: Path, stunt: str, instead: str) -> dict[str, str]:
    """The modules of a stunt that does `instead` of its last line, and where they are cached."""
    path = job / "bin" / stunt
    head, *body, last = path.read_text().replace("__file__", repr(str(path))).splitlines()
    assert last == "run(job)"
    script = job / "bin" / f"{stunt}.as-far-as-this"
    script.write_text("\n".join([head, *(body if instead else []), instead, SAY_WHAT_IS_LOADED]))
    script.chmod(0o700)
    return said_by([script])


def said_by(command: list[str | Path]) -> dict[str, str]:
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(line.split(" ", 1) for line in said.splitlines())


@pytest.mark.starts
@pytest.mark.parametrize(
    ("stunt", "expected"),
    [("gpg", GPG_LOADS), ("dgit", DGIT_LOADS), ("gpgconf", GPGCONF_LOADS)],
)
def test_a_stunt_loads_only_the_listed_modules(
    job: Path, stunt: str, expected: dict[str, str]
) -> None:
    empty = loaded_by(job, stunt, "")
    ready = loaded_by(job, stunt, "pass")
    assert ready.keys() - empty.keys() == expected.keys()


@pytest.mark.starts
@pytest.mark.parametrize("stunt", ["gpg", "dgit"])
def test_a_request_loads_only_the_listed_modules(job: Path, stunt: str) -> None:
    ready = loaded_by(job, stunt, "pass")
    assert loaded_by(job, stunt, ASK).keys() - ready.keys() == {"_socket"}


@pytest.mark.parametrize("stunt", stuntcode.STUNTS)
def test_the_code_of_a_stunt_is_complete_and_in_order(stunt: str) -> None:
    """Each module stands after all that it imports, by its source; stuntcode reads the bytecode."""
    modules = stuntcode.modules_of(stunt)
    assert len(set(modules)) == len(modules)
    assert modules[-1] == f"gpgshim.stunts.{stunt}"
    for at, module in enumerate(modules):
        if path := source_of(module):
            ours = {name for name in imports_of(path) if name.startswith("gpgshim")}
            assert ours <= set(modules[:at]), module


@pytest.mark.starts
def test_cpython_loads_its_start_modules_from_the_job(job: Path) -> None:
    in_a_job = loaded_by(job, "gpg", "")
    python = (job / "bin/gpg").read_text()[2:].partition(" ")[0]
    script = job / "script"
    script.write_text(SAY_WHAT_IS_LOADED)
    without = said_by([python, "-ISB", script])
    assert in_a_job.keys() == without.keys()
    from_files = {name for name, cached in without.items() if cached != "None"}
    assert from_files == set(stuntcode.START_MODULES)
    found = {name: cached for name, cached in in_a_job.items() if cached != "None"}
    assert found.keys() == {"encodings"}
    assert found["encodings"].startswith(f"{job}/pyc/") and Path(found["encodings"]).exists()
