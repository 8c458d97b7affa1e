"""Gets the option table of the very gpg that will be run, and keeps it.

Rule 1: the table is that gpg's own print; a shipped one serves a gpg of that version that cannot.
Rule 2: what is kept serves the same file only (device, inode, size, mtime), and only if nobody else
could have written it.
Rule 3: a cache that cannot be read or written costs time, and is never an error.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from gpgshim import argv
from gpgshim.places import is_trusted

SECONDS = 20.0  #: how long a gpg may take to print; a cold disk takes one, a hung one never ends
SHIPPED = Path(__file__).parent / "tables"
HEADING = 512  #: a row of the table that is a heading of --help


class NoTable(ValueError):
    """There is no gpg here whose options are known: the message says what was seen."""


class Gpg(NamedTuple):
    """What --version says: the version alone, and whose gpg it is (argv.GNUPG, argv.CHAMELEON)."""

    version: str
    maker: str


def of(gpg: str, environ: dict[str, str] | None = None) -> str:
    """The option table of the gpg at this path, as argv.load takes it.

    `environ` (default: the process's) says where it is kept: $XDG_CACHE_HOME/gpgshim, else
    ~/.cache/gpgshim. Raises NoTable where there is no usable gpg.
    """
    directory = cache_directory(dict(os.environ) if environ is None else environ)
    kept = directory / key(gpg) if directory else None
    if kept and (text := read_own(kept)):
        with contextlib.suppress(ValueError):
            argv.load(text)
            return text
    text = fresh(gpg)
    if kept:
        write(kept, text)
    return text


def version(text: str) -> str:
    """The version of the gpg that this table (from `of`) is of, for people: `2.4.9`."""
    return argv.load(text).version


def fresh(gpg: str) -> str:
    """The table, asked of this gpg now. Raises NoTable."""
    who = identify(run(gpg, "--version"))
    try:
        printed = run(gpg, "--dump-option-table")
    except NoTable as problem:
        shipped = SHIPPED / f"gpg-{who.version}"
        if not shipped.exists():
            raise NoTable(f"{problem}, and no table is shipped for {who.version}") from None
        return render(who, shipped.read_text().partition("\n\n")[2])
    return render(who, printed)


def identify(printed: str) -> Gpg:
    """Reads what --version printed. Raises NoTable where it is not gpg's."""
    first = printed.partition("\n")[0]
    match = re.fullmatch(r"gpg \(.+\) (\d+\.\d+[\w.+-]*)", first)
    if not match:
        raise NoTable(f"not a gpg: --version says {first[:60]!r}")
    return Gpg(match[1], argv.CHAMELEON if "chameleon" in printed.lower() else argv.GNUPG)


def render(who: Gpg, printed: str) -> str:
    """The table as argv.load takes it, of `name:number:flags:…` lines. Raises NoTable."""
    rows = []
    for line in printed.splitlines():
        match = re.match(r"([\w-]*):(\d+):(\d+)(?::|$)", line)
        if not match:
            raise NoTable(f"gpg {who.version}: not a row of an option table: {line[:60]!r}")
        name, number, flags = match.groups()
        if name and not int(flags) & HEADING:
            rows.append(f"{name}:{number}:{flags}")
    if not any(row.startswith("sign:") for row in rows):
        raise NoTable(f"gpg {who.version} printed a table of {len(rows)} rows without --sign")
    head = [argv.HEAD, f"gpg: {who.version}", f"maker: {who.maker}", f"rows: {len(rows)}"]
    return "\n".join([*head, "", *rows, ""])


def run(gpg: str, word: str) -> str:
    """What this gpg prints on stdout. Raises NoTable."""
    try:
        import subprocess
    except (ImportError, OSError) as problem:
        raise NoTable(f"{gpg} cannot be asked: {problem}") from problem
    try:
        done = subprocess.run(
            [gpg, word],
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except OSError as problem:
        raise NoTable(f"{gpg} {word}: {problem.strerror}") from problem
    except subprocess.TimeoutExpired:
        raise NoTable(f"{gpg} {word}: no end after {SECONDS:g} s") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-200:]
        raise NoTable(f"{gpg} {word}: exit {done.returncode}: {said}")
    return done.stdout.decode("utf-8", "replace")


def cache_directory(environ: dict[str, str]) -> Path | None:
    """Where tables are kept; None where the environment names no absolute place."""
    base = environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):  # the XDG specification: a relative path is to be ignored
        home = environ.get("HOME", "")
        if not home.startswith("/"):
            return None
        base = f"{home}/.cache"
    return Path(base, "gpgshim")


def key(gpg: str) -> str:
    """The name of the kept table: it changes when the file behind `gpg` does. Raises NoTable."""
    try:
        about = os.stat(gpg)
    except OSError as problem:
        raise NoTable(f"{gpg}: {problem.strerror}") from problem
    # Not a digest: hashlib takes longer to load than all else that is done here.
    what = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
    return "table-" + "-".join(f"{number:x}" for number in what)


def read_own(path: Path) -> str | None:
    """The text of a file that this user owns and nobody else can write; None for any other."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    about = os.fstat(fd)
    mine = is_trusted(about.st_uid) and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not mine or not stat.S_ISREG(about.st_mode):
        os.close(fd)
        return None
    with open(fd, encoding="utf-8", errors="replace") as stream:
        return stream.read()


def write(path: Path, text: str) -> None:
    """Put `text` at `path` whole, or leave things as they are."""
    try:
        import tempfile

        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(prefix=".table-", dir=path.parent)
    except (OSError, ImportError):
        return
    try:
        with open(fd, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.rename(name, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)
