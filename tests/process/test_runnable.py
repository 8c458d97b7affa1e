# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a command that cannot be executed found before it is needed, and does the kernel agree?

Each program is also executed: it runs if and only if it is called runnable.
"""

from __future__ import annotations

import os
import platform
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gpgshim.system import runnable
from tests.support import skips

PATH = os.defpath
ELF = Path("/bin/true")


def program(path: Path, content: bytes, mode: int = 0o755) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def runs(path: str | Path) -> bool:
    """Whether posix_spawn(3) executes it; it ends well, then."""
    try:
        pid = os.posix_spawn(path, [str(path)], {"PATH": PATH})
    except OSError:
        return False
    return os.waitpid(pid, 0)[1] == 0


def with_loader(loader: bytes) -> bytes:
    """A copy of a dynamic program that names another loader, of the same length at most."""
    data = bytearray(ELF.read_bytes())
    (at,) = struct.unpack_from("<Q", data, 32)
    (count,) = struct.unpack_from("<H", data, 56)
    for each in range(at, at + 56 * count, 56):
        if struct.unpack_from("<I", data, each)[0] == 3:
            where, size = (struct.unpack_from("<Q", data, each + n)[0] for n in (8, 32))
            data[where : where + size] = loader.ljust(size, b"\0")
    return bytes(data)


def of_machine(number: int) -> bytes:
    data = bytearray(ELF.read_bytes())
    struct.pack_into("<H", data, 18, number)
    return bytes(data)


@pytest.mark.parametrize(
    "content",
    [
        b"#!/bin/sh\n",
        b"#! /bin/sh -e \ntrue\n",
        b"#!/bin/sh",
        b"#!/usr/bin/env sh\n",
        b"#!/usr/bin/env -S sh -e\n",
        b"#!/usr/bin/env -S A=b sh\n",
        ELF.read_bytes(),
    ],
)
def test_a_program_that_runs(tmp_path: Path, content: bytes) -> None:
    path = program(tmp_path / "p", content)
    assert runnable.find(str(path), PATH) == (str(path), "")
    assert runs(path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b"exit 0\n", "has no #! line"),
        (b"\n#!/bin/sh\n", "has no #! line"),
        (b"\0\1\2\3", "has no #! line"),
        (b"#!\n", "names no interpreter"),
        (b"#!   \n", "names no interpreter"),
        (b"#!/nonexistent/sh\n", "its interpreter '/nonexistent/sh' is not there"),
        (b"#!/bin\n", "its interpreter '/bin' is not there, or not executable"),
        (b"#!/etc/passwd\n", "its interpreter '/etc/passwd' is not there, or not executable"),
        (b"#!/bin/sh\r\nexit 0\r\n", "not executable (its lines end in CR LF)"),
        (b"#!/usr/bin/env nosuch\n", "env(1) finds no program 'nosuch'"),
        (b"#!/usr/bin/env sh -e\n", "env(1) finds no program 'sh -e'"),
        (b"#!/usr/bin/env -S nosuch -e\n", "env(1) finds no program 'nosuch'"),
    ],
)
def test_a_program_that_does_not_run(tmp_path: Path, content: bytes, fault: str) -> None:
    path = program(tmp_path / "p", content)
    assert fault in runnable.find(str(path), PATH)[1]
    assert bool(runnable.find(str(path), PATH)[1]) == (not runs(path))


@pytest.fixture
def amd64() -> None:
    """The ELF files are made for it."""
    skips.unless(platform.machine() == "x86_64", "amd64", "make test, on such a machine")


@pytest.mark.usefixtures("amd64")
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (lambda: with_loader(b"/lib/nosuch.so.1"), "its loader '/lib/nosuch.so.1' is not there"),
        (lambda: of_machine(22), "a program of another machine (ELF machine 22, not 62)"),
        (lambda: of_machine(243), "a program of another machine (ELF machine 243, not 62)"),
    ],
    ids=["loader", "s390", "riscv"],
)
def test_elf_that_does_not_run(tmp_path: Path, content: Callable[[], bytes], fault: str) -> None:
    path = program(tmp_path / "p", content())
    assert fault in runnable.find(str(path), PATH)[1]
    assert not runs(path)


def test_a_script_that_would_start_itself_for_ever(tmp_path: Path) -> None:
    path = program(tmp_path / "p", b"#!/usr/bin/env A=b\n")
    assert "gives env(1) no program" in runnable.find(str(path), PATH)[1]


def test_interpreters_that_are_scripts(tmp_path: Path) -> None:
    inner = program(tmp_path / "0", b"no line of its own\n")
    for number in range(1, 3):
        inner = program(tmp_path / str(number), f"#!{inner}\n".encode())
    path, fault = runnable.find(str(inner), PATH)
    assert (path, fault.startswith(f"{tmp_path}/0 has no #! line")) == ("", True)
    assert not runs(inner)
    loop = program(tmp_path / "loop", f"#!{tmp_path}/loop\n".encode())
    assert "too many interpreters" in runnable.find(str(loop), PATH)[1]
    assert not runs(loop)


def test_a_program_that_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    program(tmp_path / "plain", b"#!/bin/sh\n", 0o644)
    os.mkfifo(tmp_path / "fifo", 0o755)
    (tmp_path / "dangling").symlink_to("nosuch")
    for name, fault in (
        ("nosuch", "there is no program {}: No such file or directory"),
        ("dangling", "there is no program {}: No such file or directory"),
        ("d", "{} is a directory"),
        ("plain", "{} is not executable: `chmod +x` it"),
        ("plain/x", "there is no program {}: Not a directory"),
    ):
        path = f"{tmp_path}/{name}"
        assert runnable.find(path, PATH) == ("", fault.format(path))
    assert runnable.find("nosuch", "/a:/b") == ("", "there is no program 'nosuch' on PATH (/a:/b)")
    assert runnable.find("plain", f"/a:{tmp_path}")[1].startswith(f"{tmp_path}/plain is not exec")
    program(tmp_path / "d/plain", b"#!/bin/sh\n")
    assert runnable.find("plain", f"{tmp_path}:{tmp_path}/d") == (f"{tmp_path}/d/plain", "")


def test_mounted_noexec(tmp_path: Path) -> None:
    skips.unless_root("who can mount something")
    words = (
        "import sys; from gpgshim.system import runnable; print(runnable.find(*sys.argv[1:])[1])"
    )
    script = 'mount -t tmpfs -o noexec tmpfs "$1" || exit 99; cp /bin/true "$1"/p; '
    script += 'exec "$2" -c "$3" "$1"/p /bin'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", tmp_path, sys.executable, words],
        capture_output=True,
        text=True,
    )
    if done.returncode == 99:
        skips.unless_allowed("mount", done.stderr)
    assert done.stdout == f"{tmp_path}/p is on a file system that is mounted noexec\n"


def test_a_program_that_cannot_be_read_counts_as_runnable(tmp_path: Path) -> None:
    skips.unless(os.geteuid(), "an ordinary user, who cannot read all", "make test, as one")
    path = program(tmp_path / "p", ELF.read_bytes(), 0o111)
    assert runnable.find(str(path), PATH) == (str(path), "")
    assert runs(path)


@pytest.mark.parametrize(
    ("entry", "claimed"),
    [
        ("enabled\ninterpreter /usr/bin/x\nflags: \nextension .jar\n", True),
        ("disabled\ninterpreter /usr/bin/x\nflags: \nextension .jar\n", False),
        ("enabled\ninterpreter /usr/bin/x\nflags: OCF\noffset 2\nmagic 6261\nmask ffdf\n", True),
        ("enabled\ninterpreter /usr/bin/x\nflags: OCF\noffset 2\nmagic 6261\n", False),
        ("enabled\ninterpreter /usr/bin/x\nflags: OCF\noffset 200\nmagic 00\n", False),
        ("enabled\nmagic zz\n", False),
    ],
)
def test_a_binfmt_misc_entry_claims_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, claimed: bool
) -> None:
    formats = tmp_path / "binfmt_misc"
    formats.mkdir()
    (formats / "status").write_text("enabled\n")
    (formats / "register").write_text("")
    (formats / "some").write_text(entry)
    monkeypatch.setattr(runnable, "_BINFMT", formats)
    path = program(tmp_path / "p.jar", b"abbA is no program of this machine\n")
    assert bool(runnable.find(str(path), PATH)[0]) == claimed
    (formats / "status").write_text("disabled\n")
    assert runnable.find(str(path), PATH)[0] == ""
