"""Examines a machine as a tag2upload oracle: the environment of oracled, and what it would run.

Rule 1: nothing is changed, started or queried over a network. The only programs that run are
`systemctl --user show` and a stunt without a task.
Rule 2: each source of an environment is listed separately: the one in force may be outdated.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gpgshim.supervisor import stuntcode
from gpgshim.system import places
from gpgshim.system.errors import Misconfigured
from gpgshim.tag2upload import repos_server

SECONDS = 20.0  #: time limit for a program that we query
UNIT = "tag2upload-oracled.service"
#: Directories of drop-ins for UNIT, next to a directory of units (systemd.unit(5)).
DROP_INS = (f"{UNIT}.d", "tag2upload-.service.d", "service.d")


class Source(NamedTuple):
    """An environment that oracled has or would get; `pid` is that of a running process, or None."""

    name: str
    environ: Mapping[str, str]
    pid: int | None = None


class Deployment(NamedTuple):
    """The dgit-repos-server that oracled would run in an environment.

    `source` names the environment. `program` is the program that runs (None: none is found), and
    `stunt` says whether it is ours. `beside` are other executables in its directory. `gates` are
    jobs' stunts on that PATH. `real` is Debian's program behind the stunt. `complaint` is the
    stunt's message if it does not run. `by_variable` says whether DGIT_REPOS_SERVER_TEST named the
    program.
    """

    source: str
    program: str | None
    stunt: bool
    beside: Sequence[str] = ()
    gates: Sequence[str] = ()
    real: str | None = None
    complaint: str = ""
    by_variable: bool = False


class Unit(NamedTuple):
    """oracled's unit, as `source` has it: its file, drop-ins, and --force-production (`forced`)."""

    source: str
    fragment: str
    drop_ins: Sequence[str]
    forced: bool


def find_program(name: str, search: str) -> Path | None:
    """The first executable `name` on the PATH `search`, a stunt or not."""
    for each in search.split(":"):
        path = Path(each, name)
        if each.startswith("/") and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def find_real(search: str) -> Path | None:
    """Debian's dgit-repos-server on the PATH `search`, perhaps behind a stunt; None without."""
    try:
        return repos_server.find_real(search)
    except Misconfigured:
        return None


def sources(environ: Mapping[str, str]) -> list[Source]:
    """All environments of oracled that can be read; the one most surely in force comes first."""
    found = list(running())
    if (shown := _systemctl(environ, "show-environment")) is not None:
        found.append(Source("the user manager", dict(_assignments(shown))))
    elif "PATH" in (configured := environment_d(environ)):
        found.append(Source("environment.d", dict(environ) | configured))
    return found


def running() -> Iterator[Source]:
    """The running tag2upload-oracled of this user; its workers have the same environment."""
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda each: int(each.name)):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")[:3]
            if not any(word.rpartition(b"/")[2] == b"tag2upload-oracled" for word in words):
                continue
            if process.stat().st_uid != os.geteuid():
                continue
            entries = (process / "environ").read_bytes().decode("utf-8", "surrogateescape")
            environ = dict(_assignments(entries.replace("\0", "\n")))
            yield Source(f"tag2upload-oracled[{process.name}]", environ, int(process.name))
            return  # the group leader has the lowest number; the others are its children


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        if equals:
            quoted = value.startswith("$'") and value.endswith("'")
            yield name, value[2:-1] if quoted else value


def environment_d(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables from the files of environment.d(5), as systemd's generator reads them."""
    config = places.xdg_directory(environ, "XDG_CONFIG_HOME", ".config") or "/nonexistent"
    files: dict[str, Path] = {}
    for directory in ("/usr/lib", "/usr/local/lib", "/run", "/etc", config):
        with contextlib.suppress(OSError):
            for path in Path(directory, "environment.d").glob("*.conf"):
                files[path.name] = path  # a file of the same name replaces an earlier one
    found: dict[str, str] = {}
    for name in sorted(files):
        with contextlib.suppress(OSError):
            for line in files[name].read_text("utf-8", "replace").splitlines():
                key, equals, value = line.strip().partition("=")
                if equals and not key.startswith("#"):
                    found[key] = _expand(value.strip("\"'"), {**environ, **found})
    return found


def _expand(value: str, known: Mapping[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        name, kind, other = match["name"] or match["plain"], match["kind"], match["other"] or ""
        given = known.get(name, "")
        return {None: given, ":-": given or other, ":+": given and other}[kind]

    pattern = r"\$(?:\{(?P<name>\w+)(?:(?P<kind>:[-+])(?P<other>[^}]*))?\}|(?P<plain>\w+))"
    return re.sub(pattern, replace, value)


def deployment(source: Source) -> Deployment:
    """The dgit-repos-server that oracled would run in this environment."""
    search = source.environ.get("PATH", os.defpath)
    given = source.environ.get("DGIT_REPOS_SERVER_TEST")
    program = Path(given) if given else find_program("dgit-repos-server", search)
    gates = [str(path) for path in stunts_on(search)]
    if program is None or not os.access(program, os.X_OK):
        return Deployment(source.name, None, False, gates=gates)
    if not places.is_stunt(program):
        return Deployment(source.name, str(program), False, gates=gates, by_variable=bool(given))
    beside = [
        entry.name
        for entry in sorted(program.parent.iterdir())
        if entry.name != program.name and entry.is_file() and os.access(entry, os.X_OK)
    ]
    real = find_real(search)
    return Deployment(
        source.name,
        str(program),
        True,
        beside,
        gates,
        None if real is None else str(real),
        _try_stunt(program, source.environ) if real else "",
        bool(given),
    )


def stunts_on(search: str) -> Iterator[Path]:
    """The stunts on the PATH `search` that belong in a job's directory."""
    for each in dict.fromkeys(search.split(":")):
        for name in stuntcode.STUNTS:
            path = Path(each, name)
            with contextlib.suppress(OSError):
                if each.startswith("/") and places.is_stunt(path):
                    yield path


def _try_stunt(program: Path, environ: Mapping[str, str]) -> str:
    """Run the stunt without words: it reports that the real program takes over, with no task.

    "" if it does so; otherwise its message.
    """
    try:
        done = subprocess.run(
            [program],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"no end after {SECONDS:g} s"
    said = done.stderr.decode("utf-8", "replace").strip().split("\n")
    return "" if "takes over, untouched" in said[0] else said[-1]


def unit(environ: Mapping[str, str]) -> Unit:
    """oracled's unit, from the user manager; without one, from the directories of units."""
    wanted = ("LoadState", "FragmentPath", "DropInPaths", "ExecStart")
    shown = _systemctl(environ, "show", UNIT, *(f"--property={each}" for each in wanted))
    found = dict(_assignments(shown or ""))
    if found.get("LoadState") == "loaded":
        forced = "--force-production" in found.get("ExecStart", "")
        drop_ins = found.get("DropInPaths", "").split()
        return Unit("systemd", found.get("FragmentPath", ""), drop_ins, forced)
    fragment, text, drop_ins = "", "", []
    for directory in _unit_directories(environ):
        with contextlib.suppress(OSError):
            path = Path(directory, UNIT)
            if not fragment and path.is_file():
                fragment, text = str(path), path.read_text("utf-8", "replace")
        for name in DROP_INS:
            with contextlib.suppress(OSError):
                drop_ins += [str(path) for path in sorted(Path(directory, name).glob("*.conf"))]
    commands = [line for line in text.split("\n") if not line.lstrip().startswith(("#", ";"))]
    forced = any("--force-production" in line for line in commands)
    return Unit("the directories of units", fragment, drop_ins, forced)


def _unit_directories(environ: Mapping[str, str]) -> list[str]:
    """The directories in which the user manager searches units, in its order (systemd.unit(5))."""
    config = places.xdg_directory(environ, "XDG_CONFIG_HOME", ".config") or "/nonexistent"
    data = places.xdg_directory(environ, "XDG_DATA_HOME", ".local/share") or "/nonexistent"
    own = f"/run/user/{os.geteuid()}"
    runtime = places.xdg_directory(environ, "XDG_RUNTIME_DIR") or own
    return [
        f"{config}/systemd/user.control",
        f"{runtime}/systemd/user.control",
        f"{runtime}/systemd/transient",
        f"{config}/systemd/user",
        "/etc/xdg/systemd/user",
        "/etc/systemd/user",
        f"{runtime}/systemd/user",
        "/run/systemd/user",
        f"{data}/systemd/user",
        "/usr/local/share/systemd/user",
        "/usr/share/systemd/user",
        "/usr/local/lib/systemd/user",
        "/usr/lib/systemd/user",
    ]


def _systemctl(environ: Mapping[str, str], *words: str) -> str | None:
    """The output of `systemctl --user`; None without systemctl or a manager of this user."""
    runtime = f"/run/user/{os.geteuid()}"
    if "XDG_RUNTIME_DIR" not in environ and os.path.isdir(runtime):
        environ = {**environ, "XDG_RUNTIME_DIR": runtime}  # for example after su
    try:
        done = subprocess.run(
            ["systemctl", "--user", *words],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.decode("utf-8", "surrogateescape")


def read_versions(oracled: Path, server: Path) -> tuple[str, str, bool]:
    """oracled's version and protocol version, from its text; whether d-r-s has --tag2upload12.

    The text is read because oracled tells its protocol version to a manager only. Raises OSError.
    """
    text = oracled.read_text("utf-8", "replace")
    version = re.search(r'\$our_version\s*=[^;\n"]*"([^"\n]+)"', text)
    protocol = re.search(r"t2u-oracle-version (\d+)", text)
    mode = "sub mode_tag2upload12" in server.read_text("utf-8", "replace")
    return version[1] if version else "", protocol[1] if protocol else "", mode
