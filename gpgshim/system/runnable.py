# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks whether a program can be executed, before anything depends on it and without running it.

Rule 1: the check follows execve(2) as posix_spawn(3) calls it: a file without a `#!` line is not
run by a shell, because an empty or incomplete file would then end successfully.
Rule 2: only a fault that was seen is reported. Anything that cannot be checked counts as
executable.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

_HEAD = 4096  #: bytes that are read; an interpreter's name is in the first 256
_LINE = 256  #: bytes of a `#!` line that Linux reads (BINPRM_BUF_SIZE)
_DEEPEST = 5  #: nesting of scripts as interpreters; beyond it Linux reports ELOOP
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_PT_INTERP = 3
#: Pairs of ELF machines (e_machine) whose kernels may run the other's programs: amd64 and i386,
#: ARM64 and ARM.
_COMPATIBLE = {(62, 3), (183, 40)}


def find(name: str, search: str) -> tuple[str, str]:
    """(path, fault): the program `name` on the PATH `search`, and why it cannot be run.

    One of the two is empty.
    """
    found = shutil.which(name, path=search)
    if found is None:
        return "", _why_not_found(name, search)
    fault = _fault(found, search)
    return ("", fault) if fault else (found, "")


def _why_not_found(name: str, search: str) -> str:
    places = [name] if "/" in name else [os.path.join(each, name) for each in search.split(":")]
    for path in places:
        try:
            about = os.stat(path)
        except OSError as error:
            if "/" in name:
                return f"there is no program {name}: {error.strerror}"
            continue
        if stat.S_ISDIR(about.st_mode):
            why = "is a directory"
        elif not stat.S_ISREG(about.st_mode):
            why = "is not a plain file"
        elif not about.st_mode & 0o111:
            why = "is not executable: `chmod +x` it"
        elif os.statvfs(path).f_flag & os.ST_NOEXEC:
            why = "is on a file system that is mounted noexec"
        else:
            why = "is not executable for this user"
        return f"{path} {why}"
    return f"there is no program {name!r} on PATH ({search})"


def _fault(path: str, search: str, depth: int = 0) -> str:
    """Why the executable file `path` cannot be executed; empty if no reason is found."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
            if _is_taken_by_binfmt(path, head):
                return ""
            if head.startswith(b"\x7fELF"):
                return _fault_of_elf(path, head)
            if not head.startswith(b"#!"):
                what = (
                    "is empty" if not head else "has no #! line, and is no program of this machine"
                )
                return f"{path} {what}"
    except OSError:
        return ""  # perhaps it can be executed but not read
    line = head[2:_LINE].partition(b"\n")[0].decode("utf-8", "surrogateescape")
    interpreter, _, argument = line.strip(" \t").partition(" ")
    argument = argument.strip(" \t")
    if not interpreter:
        return f"{path} names no interpreter in its #! line"
    if depth == _DEEPEST:
        return f"{path}: too many interpreters that are scripts themselves"
    if not _is_executable(interpreter):
        hint = " (its lines end in CR LF)" if interpreter.endswith("\r") else ""
        its = f"{path}: its interpreter {interpreter.rstrip()!r}"
        return f"{its} is not there, or not executable{hint}"
    return _fault(interpreter, search, depth + 1) or _fault_of_env(
        path, interpreter, argument, search, depth
    )


def _fault_of_env(path: str, interpreter: str, argument: str, search: str, depth: int) -> str:
    """For a script that env(1) starts: why env would not find the program; empty if it would."""
    if os.path.basename(interpreter) != "env" or not argument:
        return ""
    words = [argument]
    for option in ("-S", "--split-string="):
        if argument.startswith(option):
            with contextlib.suppress(ValueError):
                words = shlex.split(argument.removeprefix(option))
    while words and "=" in words[0] and not words[0].startswith(("-", "PATH=")):
        words = words[1:]
    if not words:
        return (
            f"{path}: its #! line gives env(1) no program, so the script would start itself again"
        )
    if words[0].startswith(("-", "PATH=")):
        return ""  # an option of env; its effect is not analysed here
    program = shutil.which(words[0], path=search)
    if program is None:
        return f"{path}: env(1) finds no program {words[0]!r} for it on PATH ({search})"
    return _fault(program, search, depth + 1)


def _fault_of_elf(path: str, head: bytes) -> str:
    try:
        with open("/proc/self/exe", "rb") as file:
            own = file.read(64)
        ours, its = _machine(own), _machine(head)
        if its != ours and (ours[2], its[2]) not in _COMPATIBLE:
            return f"{path} is a program of another machine (ELF machine {its[2]}, not {ours[2]})"
        for loader in _loaders(head):
            if not _is_executable(loader):
                return f"{path}: its loader {loader!r} is not there, or not executable"
    except (OSError, struct.error):
        pass  # the file is shorter than an ELF file, or has its headers elsewhere
    return ""


def _machine(head: bytes) -> tuple[int, int, int]:
    """(word size, byte order, machine) of an ELF file."""
    return head[4], head[5], struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)[0]


def _loaders(head: bytes) -> Iterator[str]:
    """The dynamic loader that an ELF file names, if it does so within `head`."""
    order = "<" if head[5] == 1 else ">"
    if head[4] == 2:
        (table,) = struct.unpack_from(f"{order}Q", head, 32)
        size, count = struct.unpack_from(f"{order}HH", head, 54)
        where, length, field = 8, 32, "Q"
    else:
        (table,) = struct.unpack_from(f"{order}I", head, 28)
        size, count = struct.unpack_from(f"{order}HH", head, 42)
        where, length, field = 4, 16, "I"
    for at in range(table, table + size * count, size or 1):
        (kind,) = struct.unpack_from(f"{order}I", head, at)
        if kind == _PT_INTERP:
            (begin,) = struct.unpack_from(f"{order}{field}", head, at + where)
            (long,) = struct.unpack_from(f"{order}{field}", head, at + length)
            if begin + long <= len(head):
                yield os.fsdecode(head[begin : begin + long].rstrip(b"\0"))


def _is_executable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _is_taken_by_binfmt(path: str, head: bytes) -> bool:
    """Whether a format of binfmt_misc, which the kernel tries first, matches this file."""
    return any("enabled" in each and _claims(each, path, head) for each in _formats())


def _formats() -> Iterator[dict[str, str]]:
    with contextlib.suppress(OSError):
        if (_BINFMT / "status").read_text() != "enabled\n":
            return
        for each in _BINFMT.iterdir():
            if each.name not in ("register", "status"):
                fields = (line.partition(" ") for line in each.read_text().splitlines())
                yield {name: value for name, _, value in fields}


def _claims(entry: dict[str, str], path: str, head: bytes) -> bool:
    if "extension" in entry:
        return path.endswith(entry["extension"])
    with contextlib.suppress(ValueError):
        magic = bytes.fromhex(entry.get("magic", ""))
        mask = bytes.fromhex(entry.get("mask", "ff" * len(magic)))
        at = int(entry.get("offset", "0"))
        part = head[at : at + len(magic)]
        return len(part) == len(magic) > 0 and all(
            (one ^ other) & bit == 0 for one, other, bit in zip(part, magic, mask, strict=False)
        )
    return False
