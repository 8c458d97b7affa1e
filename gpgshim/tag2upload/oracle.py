# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examines a machine as a tag2upload oracle: the environment of oracled, and the programs it runs.

Rule 1: nothing is changed, started or queried over a network. The only programs that run are
systemctl, systemd-analyze, systemd's reader of environment.d, and dgit-repos-server without a task.
Rule 2: each source of an environment is listed separately: the one in force may be outdated.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gpgshim.supervisor import stuntcode
from gpgshim.system import places
from gpgshim.system.errors import Misconfigured, Unable
from gpgshim.tag2upload import repos_server

SECONDS = 20.0  #: time limit for a program that we query
UNIT = "tag2upload-oracled.service"
FORCED = "--force-production"  #: oracled's option
#: Reads the files of environment.d(5) for systemd's user manager, and prints their variables.
GENERATOR = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator"
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
    `is_stunt` says whether it is ours. `beside` are other executables in its directory, and
    `job_stunts` stunts of jobs on that PATH. `real` is Debian's program behind the stunt.
    `complaint` is the stunt's message if it does not become the real program. `by_variable` says
    whether DGIT_REPOS_SERVER_TEST named the program.
    """

    source: str
    program: str | None
    is_stunt: bool
    beside: Sequence[str] = ()
    job_stunts: Sequence[str] = ()
    real: str | None = None
    complaint: str = ""
    by_variable: bool = False


class Unit(NamedTuple):
    """oracled's unit, as `source` has it: its file, drop-ins, and --force-production (`forced`)."""

    source: str
    fragment: str
    drop_ins: Sequence[str]
    forced: bool


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
        found.append(Source("the user manager", _printed(shown)))
    elif "PATH" in (configured := environment_d(environ)):
        found.append(Source("environment.d", dict(environ) | configured))
    return found


def running() -> Iterator[Source]:
    """The running tag2upload-oracled of this user; its workers have the same environment.

    Read from /proc/PID/cmdline and /proc/PID/environ: words and assignments that end with NUL.
    """
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda each: int(each.name)):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")[:3]
            if not any(word.rpartition(b"/")[2] == b"tag2upload-oracled" for word in words):
                continue
            if process.stat().st_uid != os.geteuid():
                continue
            entries = (process / "environ").read_bytes().decode("utf-8", "surrogateescape")
            environ = dict(_assignments(entries.split("\0")))
            yield Source(f"tag2upload-oracled[{process.name}]", environ, int(process.name))
            return  # the group leader has the lowest number; the others are its children


def _assignments(entries: Iterable[str]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        name, equals, value = entry.partition("=")
        if equals:
            yield name, value


def _printed(text: str) -> dict[str, str]:
    """The assignments that a program of systemd prints, a line each: NAME=VALUE, perhaps quoted.

    The quotes are "..." with backslashes, or $'...'. Source: shell_maybe_quote() of systemd 252.
    """
    return {name: _unquoted(value) for name, value in _assignments(text.split("\n"))}


def _unquoted(value: str) -> str:
    if value.startswith("$'") and value.endswith("'"):
        return value[2:-1]
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r'\\(["\\$`])', r"\1", value[1:-1])
    return value


def environment_d(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that the files of environment.d(5) set for this user, as systemd reads them.

    Without systemd nothing reads these files, and no variable is set.
    """
    return _printed(_output(environ, GENERATOR) or "")


def deployment(source: Source) -> Deployment:
    """The dgit-repos-server that oracled would run in this environment."""
    search = source.environ.get("PATH", os.defpath)
    given = source.environ.get("DGIT_REPOS_SERVER_TEST")
    program = Path(given) if given else places.find_program("dgit-repos-server", search)
    job_stunts = [str(path) for path in stunts_on(search)]
    if program is None or not os.access(program, os.X_OK):
        return Deployment(source.name, None, False, job_stunts=job_stunts)
    if not places.is_stunt(program):
        return Deployment(
            source.name, str(program), False, job_stunts=job_stunts, by_variable=bool(given)
        )
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
        job_stunts,
        None if real is None else str(real),
        _try_stunt(program, real, source.environ) if real else "",
        bool(given),
    )


def stunts_on(search: str) -> Iterator[Path]:
    """The stunts on the PATH `search` that belong in a job's directory."""
    found = [path for name in stuntcode.STUNTS for path in places.candidates(name, search)]
    for path in dict.fromkeys(found):
        with contextlib.suppress(OSError):
            if places.is_stunt(path):
                yield path


def _try_stunt(program: Path, real: Path, environ: Mapping[str, str]) -> str:
    """Why the stunt does not become the real program, as it must without words; "" if it does.

    Without words the real program has no task, and ends with an error. The stunt ends in the same
    way, after a line of its own.
    """
    try:
        wanted, given = _without_words(real, environ), _without_words(program, environ)
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"no end after {SECONDS:g} s"
    same = (wanted.returncode, wanted.stdout) == (given.returncode, given.stdout)
    if same and given.stderr.endswith(wanted.stderr):
        return ""
    return given.stderr.decode("utf-8", "replace").strip().split("\n")[-1] or "it prints nothing"


def _without_words(program: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [program],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )


def unit(environ: Mapping[str, str]) -> Unit:
    """oracled's unit, from the user manager; without one, from the directories of units.

    Raises Unable if systemd does not name these directories.
    """
    wanted = ("LoadState", "FragmentPath", "DropInPaths", "ExecStart")
    found = _printed(_systemctl(environ, "show", UNIT, "-p", ",".join(wanted)) or "")
    if found.get("LoadState") != "loaded":
        return _unit_in_directories(environ)
    forced = FORCED in found.get("ExecStart", "")
    drop_ins = found.get("DropInPaths", "").split()
    return Unit("systemd", found.get("FragmentPath", ""), drop_ins, forced)


def _unit_in_directories(environ: Mapping[str, str]) -> Unit:
    paths = _output(_of_user(environ), "systemd-analyze", "--user", "unit-paths")
    if paths is None:
        raise Unable(
            "systemd-analyze does not name the directories of units",
            hint="install systemd, or see why `systemd-analyze --user unit-paths` fails",
        )
    fragment, text, drop_ins = "", "", []
    for directory in paths.splitlines():
        with contextlib.suppress(OSError):
            path = Path(directory, UNIT)
            if not fragment and path.is_file():
                fragment, text = str(path), path.read_text("utf-8", "replace")
        for name in DROP_INS:
            with contextlib.suppress(OSError):
                drop_ins += [str(path) for path in sorted(Path(directory, name).glob("*.conf"))]
    commands = [line for line in text.split("\n") if not line.lstrip().startswith(("#", ";"))]
    return Unit("unit files", fragment, drop_ins, any(FORCED in line for line in commands))


def _systemctl(environ: Mapping[str, str], *words: str) -> str | None:
    """The output of `systemctl --user`; None without systemctl or a manager of this user."""
    return _output(_of_user(environ), "systemctl", "--user", *words)


def _of_user(environ: Mapping[str, str]) -> Mapping[str, str]:
    """`environ` with the runtime directory of this user, which it lacks after su, for example."""
    runtime = f"/run/user/{os.geteuid()}"
    if "XDG_RUNTIME_DIR" in environ or not os.path.isdir(runtime):
        return environ
    return {**environ, "XDG_RUNTIME_DIR": runtime}


def _output(environ: Mapping[str, str], *words: str) -> str | None:
    """The output of a program; None if it is not installed, fails, or does not end in time."""
    try:
        done = subprocess.run(
            words,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.decode("utf-8", "surrogateescape")
