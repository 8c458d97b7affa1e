# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings, from two TOML files and the command line.

Rule 1: without a file nothing is parsed; the only cost is one look for each of the two files.
Rule 2: for each key, the later source wins: the machine's file, the user's file, the command line.
Rule 3: an unknown key or bad value is an error that names its file and line, and nothing is
started.
Rule 4: settings name programs that we run. A file that other users can write is an error. It is not
skipped silently, because its author expects it to have an effect.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gpgshim.core.need import Alarm
from gpgshim.core.quoting import escape
from gpgshim.core.terms import Form
from gpgshim.history.prune import DAYS, JOBS
from gpgshim.supervisor.mode import HOLD, OBSERVE, Mode
from gpgshim.system.errors import Misconfigured
from gpgshim.system.places import check_ours, check_path, xdg_directory

NAME = "gpgshim/gpgshim.conf"  #: below each of the two directories
SYSTEM = Path("/etc", NAME)

HINT = "set XDG_CONFIG_HOME to a directory of this user"


#: The programs of which the start of a job warns if they lead past the gate: see doctor/ways.py.
WARNINGS = ("git", "debsign", "debuild", "rpm")


GPG, AGENT = "gpg", "agent"  #: the values of `commit-at`


class Settings(NamedTuple):
    """The settings in force. A field is a key of a file, with `_` for `-`; its default is here."""

    commit: str | None = None
    deadline: float = 600.0
    gpg: str | None = None
    dgit: str | None = None
    lock_agent: bool | str = False
    commit_at: str = GPG
    key: Sequence[str] = ()
    observe: bool = False
    alarm: str | None = None
    alarm_kinds: Sequence[str] = tuple(map(str, Alarm))
    metrics: str | None = None
    keep_days: float = float(DAYS)
    keep_jobs: int = JOBS
    warn: Sequence[str] = WARNINGS

    @property
    def mode(self) -> Mode:
        """The mode of an attempt with these settings."""
        return OBSERVE if self.observe else HOLD

    @property
    def form(self) -> Form | None:
        """The form of the lock of gpg-agent; None without a lock."""
        given = self.lock_agent
        return Form(Form.ALIAS if given is True else given) if given else None

    @property
    def fault_of_lock(self) -> str:
        """Why these settings of the lock do not fit together; "" if they do."""
        if self.commit_at != AGENT:
            why = "a stunt does not know which key will sign"
            return f"--key needs --commit-at agent: {why}" if self.key else ""
        return "" if self.lock_agent else "--commit-at agent needs --lock-agent"

    @property
    def lock(self) -> dict[str, Any]:
        """The fields of a Plan for the lock of gpg-agent."""
        return {
            "lock_agent": self.form,
            "commit_at_agent": self.commit_at == AGENT,
            "keys": tuple(each.upper() for each in self.key),
        }


class Loaded(NamedTuple):
    """The settings, the origin of each (`FILE:LINE`; none for a default), and the files."""

    settings: Settings
    origins: dict[str, str]
    files: dict[Path, bool]  # path -> whether the file exists


_ALARMS = tuple(Alarm)


def is_fingerprint(value: Any) -> bool:
    """Whether the value is the fingerprint of an OpenPGP key, version 4 or later."""
    return (
        isinstance(value, str)
        and re.fullmatch("[0-9A-Fa-f]{40}([0-9A-Fa-f]{24})?", value) is not None
    )


class Kind(NamedTuple):
    """A kind of value: its description, and a test of a value."""

    words: str
    fits: Callable[[Any], bool]


def _is_command(value: Any) -> bool:
    try:
        return isinstance(value, str) and "\0" not in value and bool(shlex.split(value))
    except ValueError:
        return False


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/") and "\0" not in value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


COMMAND = Kind("a command, as a string", _is_command)
PATH = Kind("an absolute path, as a string", _is_path)
SECONDS = Kind(
    "a number of seconds, more than 0 and at most 1000000",
    lambda value: _is_number(value) and 0 < value <= 1e6,
)
AGE = Kind("a number of days, 1 to 100000", lambda value: _is_number(value) and 1 <= value <= 1e5)
COUNT = Kind(
    "a whole number, 1 to 1000000000",
    lambda value: _is_number(value) and isinstance(value, int) and 1 <= value <= 1e9,
)

KINDS = Kind(
    f"a list of one or more of {', '.join(Alarm)}",
    lambda value: (
        isinstance(value, (list, tuple)) and bool(value) and all(x in _ALARMS for x in value)
    ),
)
FINGERPRINTS = Kind(
    "a list of fingerprints, each of 40 or 64 hexadecimal digits",
    lambda value: isinstance(value, (list, tuple)) and all(map(is_fingerprint, value)),
)
PLACE = Kind('"gpg" or "agent"', lambda value: value in (GPG, AGENT))

LOCK = Kind(
    'true, false, "alias" or "namespace"',
    lambda value: isinstance(value, bool) or value in tuple(Form),
)
SWITCH = Kind("true or false", lambda value: isinstance(value, bool))
PROGRAMS = Kind(
    f"a list of {', '.join(map(repr, WARNINGS))}, or of some of them; [] for none",
    lambda value: isinstance(value, (list, tuple)) and all(map(WARNINGS.__contains__, value)),
)

#: Key -> its kind, and its purpose.
KEYS: dict[str, tuple[Kind, str]] = {
    "commit": (
        COMMAND,
        "the authority, which agrees to the commitment; o2m:SOCKET is a manager",
    ),
    "deadline": (SECONDS, "time for the authority to answer"),
    "gpg": (PATH, "the real gpg, if it is not the first on PATH"),
    "dgit": (PATH, "for dgit-repos-server: the real dgit, if it is not the first on PATH"),
    "lock-agent": (LOCK, "put a lock in front of gpg-agent, so that every signature waits"),
    "commit-at": (
        PLACE,
        "the commitment point: the call of gpg, or the first signature at the lock of gpg-agent",
    ),
    "key": (FINGERPRINTS, 'with commit-at = "agent": only signatures by these keys count'),
    "observe": (SWITCH, "hold and refuse nothing; only record what the gate would have done"),
    "alarm": (COMMAND, "run for each attempt that needs a person"),
    "alarm-kinds": (KINDS, "the kinds of need for which the alarm is raised"),
    "metrics": (PATH, "a textfile for node_exporter, written when a job is over"),
    "keep-days": (AGE, "journals of jobs older than this are removed"),
    "keep-jobs": (COUNT, "this number of the newest jobs keep their journals"),
    "warn": (PROGRAMS, "the start of a job warns if these programs lead past the gate"),
}


def user_file(environ: Mapping[str, str]) -> Path | None:
    """The path of the user's file, which may not exist; None for a user without a home."""
    base = xdg_directory(environ, "XDG_CONFIG_HOME", ".config")
    return None if base is None else base / NAME


def load(environ: Mapping[str, str], given: Mapping[str, Any] | None = None) -> Loaded:
    """The settings in force; `given` has the command line's, by field (None: not given).

    `environ` determines the path of the user's file. Raises Misconfigured.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    files = {}
    for path in (SYSTEM, user_file(environ)):
        if path is None:
            continue
        text = _read(path)
        files[path] = text is not None
        if text is not None:
            for key, value in _parse(path, text).items():
                field = key.replace("-", "_")
                values[field] = value
                origins[field] = f"{path}{_line_of(key, text)}"
    for field, value in (given or {}).items():
        if value is not None:
            values[field] = value
            origins[field] = "the command line"
    return Loaded(Settings(**values), origins, files)


def _read(path: Path) -> str | None:
    """The text of a file that only we and root can write; None if there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from error
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode):
        os.close(fd)
        raise Misconfigured(f"{path} is not a plain file")
    with open(fd, "rb") as file:
        check_path(path, HINT)
        check_ours(path, about, hint=HINT)  # the open file itself is checked
        try:
            return file.read().decode("utf-8")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise Misconfigured(f"{path}:{line}: not UTF-8") from None
        except OSError as error:
            raise Misconfigured(f"{path} cannot be read: {error.strerror}") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    """The checked settings in `text`. Raises Misconfigured."""
    import tomllib  # imported here, because only a machine with a file needs it

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{path} is not TOML: {error}") from None
    for key, value in values.items():
        where = f"{path}{_line_of(key, text)}"
        if key not in KEYS and isinstance(value, dict):
            raise Misconfigured(
                f"{where}: no setting {escape(key)!r}: it is a table, and settings have none",
                hint="write each key by itself, as in `deadline = 600`",
            )
        if key not in KEYS:
            raise Misconfigured(f"{where}: no setting {escape(key)!r}", hint=_nearest(key))
        kind = KEYS[key][0]
        if not kind.fits(value):
            raise Misconfigured(
                f"{where}: {key} must be {kind.words}, not {escape(to_toml(value))}"
            )
    return values


def _line_of(key: str, text: str) -> str:
    """`:LINE` of a key; empty if it is written in a way that only a TOML parser understands."""
    for number, line in enumerate(text.splitlines(), 1):
        name = line.partition("=")[0].strip().strip("[]").strip().strip("'\"")
        if name == key:
            return f":{number}"
    return ""


def _nearest(key: str) -> str:
    import difflib

    near = difflib.get_close_matches(key.lower(), KEYS, n=1)
    return f"did you mean {near[0]!r}?" if near else f"the settings are {', '.join(KEYS)}"


def to_toml(value: Any) -> str:
    """A value in TOML syntax."""
    import json

    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # JSON strings are valid in TOML, except for one character.
    return json.dumps(value, ensure_ascii=False, default=str).replace("\x7f", "\\u007f")


def show(loaded: Loaded) -> str:
    """The settings in force with their origins, as a TOML file with the same effect."""
    out = [
        f"# {escape(str(path))}: {'read' if there else 'does not exist'}\n"
        for path, there in loaded.files.items()
    ]
    for key, (_, purpose) in KEYS.items():
        field = key.replace("-", "_")
        value = getattr(loaded.settings, field)
        origin = loaded.origins.get(field, "default")
        what = f"# {key} is not set" if value is None else f"{key} = {to_toml(value)}  # {origin}"
        out.append(f"\n# {purpose}\n{what}\n")
    return "".join(out)


def show_json(loaded: Loaded) -> str:
    """The same as JSON: `{"settings": {KEY: {"value": …, "from": …}}, "files": {…}}`."""
    import json

    settings = {
        key: {
            "value": getattr(loaded.settings, key.replace("-", "_")),
            "from": loaded.origins.get(key.replace("-", "_"), "default"),
        }
        for key in KEYS
    }
    files = {str(path): there for path, there in loaded.files.items()}
    return json.dumps({"settings": settings, "files": files}, indent=2) + "\n"
