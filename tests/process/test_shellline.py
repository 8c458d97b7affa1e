# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a shell that evaluates the output of `supervise` continue only if a supervisor runs?

Each way in which `supervise` can fail is brought about for real, and its output is evaluated as the
documentation says and as people do: `eval "$(gpgshim supervise …)" && make release`.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import skips
from tests.support.scratch import PATIENCE, Done, Scratch, finish, hear, message, wait_for

FORMS = {
    "eval": 'eval "$({})" && : >released',
    "line": 'line=$({}) && eval "$line" && : >released',
}


def release(scratch: Scratch, form: str, words: str, before: str = "", after: str = "") -> Done:
    """A shell that starts a release under a supervisor, if there is one."""
    call = f"{before} {sys.executable} -m gpgshim {words} {after}"
    return scratch.call("/bin/sh", "-c", FORMS[form].format(call))


def left(scratch: Scratch) -> list[str]:
    """What still runs in the world of `scratch`."""
    wanted = os.fsencode(f"={scratch.root}/")
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (each / "environ").read_bytes():
                found.append((each / "cmdline").read_text())
        except OSError:
            pass
    return found


def settings(text: str) -> Callable[[Scratch], None]:
    def write(scratch: Scratch) -> None:
        scratch.conf.write_text(text)

    return write


def without_click(scratch: Scratch) -> None:
    (scratch.root / "broken/click").mkdir(parents=True)
    (scratch.root / "broken/click/__init__.py").write_text("raise ImportError('no click')\n")
    scratch.env["PYTHONPATH"] = f"{scratch.root}/broken:{scratch.env['PYTHONPATH']}"


def no_directory(name: str) -> Callable[[Scratch], None]:
    def spoil(scratch: Scratch) -> None:
        (scratch.root / "file").write_text("")
        scratch.env[name] = f"{scratch.root}/file"

    return spoil


def nothing(scratch: Scratch) -> None:
    pass


#: A fault -> the words, what spoils the machine, and the exit status by sysexits.h.
FAULTS: dict[str, tuple[str, Callable[[Scratch], None], int]] = {
    "option": ("supervise --comit x", nothing, 64),
    "option of the program": ("--bogus supervise", nothing, 64),
    "deadline": ("supervise --deadline soon", nothing, 64),
    "deadline of 0": ("supervise --deadline 0", nothing, 64),
    "bare commit": ("supervise --commit", nothing, 64),
    "empty commit": ("supervise --commit ''", nothing, 64),
    "job": ("supervise --job 'a b'", nothing, 64),
    "a word too many": ("supervise make", nothing, 64),
    "ask in the background": ("supervise --commit ask", nothing, 78),
    "authority that is not there": ("supervise --commit ./no-such-program", nothing, 78),
    "authority that cannot be executed": ("supervise --commit /dev/null", nothing, 78),
    "gpg that is not there": ("supervise --gpg /nonexistent", nothing, 78),
    "gpg that is none": ("supervise --gpg /bin/true", nothing, 78),
    "no PATH": ("supervise", lambda scratch: scratch.env.update(PATH="/nonexistent"), 78),
    "settings that are not TOML": ("supervise", settings("=\n"), 78),
    "settings with a typo": ("supervise", settings("comit = 'x'\n"), 78),
    "settings that cannot be read": ("supervise", settings("\0"), 78),
    "runtime directory": ("supervise", no_directory("XDG_RUNTIME_DIR"), 74),
    "state directory": ("supervise", no_directory("XDG_STATE_HOME"), 74),
    "runtime path too long": (
        "supervise",
        lambda s: s.env.update(XDG_RUNTIME_DIR=f"{s.root}/{99 * 'x'}"),
        78,
    ),
    "no click": ("supervise", without_click, 74),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_supervisor(scratch: Scratch, fault: str, form: str) -> None:
    words, spoil, status = FAULTS[fault]
    spoil(scratch)
    done = scratch.call(sys.executable, "-m", "gpgshim", *shlex.split(words))
    assert done.out == "false;\n"
    assert done.status == status
    assert message(done.err)[0].endswith(("; nothing was started", "; nothing was done"))
    assert release(scratch, form, words).status
    assert not (scratch.root / "released").exists()
    assert left(scratch) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_supervisor(scratch: Scratch, form: str) -> None:
    words = shlex.join(["supervise", *map(str, scratch.options())])
    assert release(scratch, form, words).status == 0
    assert (scratch.root / "released").exists()
    assert scratch.gpgshim("close", scratch.jobs()[0]).status == 0


@pytest.mark.parametrize(
    ("limit", "why"),
    [("--nofile=5", ""), ("--as=20000000", ""), ("--fsize=10", "")],
    ids=["descriptors", "memory", "file size"],
)
def test_limits(scratch: Scratch, limit: str, why: str) -> None:
    words = shlex.join(["supervise", *map(str, scratch.options())])
    for form in FORMS:
        assert release(scratch, form, words, f"prlimit {limit}").status
    assert not (scratch.root / "released").exists()
    assert left(scratch) == []


@pytest.mark.parametrize("where", ["XDG_RUNTIME_DIR", "XDG_STATE_HOME"])
@pytest.mark.parametrize("inodes", range(2, 14, 2))
def test_a_file_system_without_inodes(scratch: Scratch, where: str, inodes: int) -> None:
    skips.unless_root("who can mount a small tmpfs")
    place = Path(scratch.env[where])
    words = shlex.join(["supervise", *map(str, scratch.options())])
    call = FORMS["eval"].format(f"{sys.executable} -m gpgshim {words}")
    script = f"mount -t tmpfs -o mode=0700,nr_inodes={inodes} tmpfs {place} && {call}"
    done = scratch.call(
        "unshare", "--mount", "sh", "-c", script, PATH=f"{os.defpath}:/usr/sbin:/sbin"
    )
    is_ready = (scratch.root / "released").exists()
    assert (done.status == 0) == is_ready == bool(left(scratch))
    assert ("No space left on device" in done.err) == (not is_ready)
    assert inodes > 2 or not is_ready


@pytest.mark.parametrize("option", ["", "--foreground"])
@pytest.mark.parametrize(
    ("after", "status", "why"),
    [
        (">/dev/full", 74, "No space left on device"),
        (">&-", 64, "stdout is closed"),
        ("1</dev/null", 74, "Bad file descriptor"),
    ],
)
def test_nowhere_to_print_the_line(
    scratch: Scratch, after: str, status: int, why: str, option: str
) -> None:
    words = shlex.join(["supervise", *map(str, scratch.options())])
    done = release(scratch, "eval", f"{words} {option}", "", f"{after}; echo $? >status; false")
    assert (scratch.root / "status").read_text() == f"{status}\n"
    seen, hint = message(done.err)
    assert "stdout" in seen and why in seen and seen.endswith("; nothing was started")
    assert hint == ""
    assert left(scratch) == []
    assert scratch.jobs() == []


@pytest.mark.parametrize("option", ["", "--foreground"])
def test_a_closed_stdout_is_an_error(scratch: Scratch, option: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "gpgshim", "supervise", *map(str, scratch.options())]
    done = subprocess.run(
        [*words, *option.split()], env=scratch.env, stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert done.returncode == 74
    assert done.stderr.count("\n") == 1
    assert left(scratch) == []
    assert scratch.lines()[-2:] == ["% end", "retriable"]


SLOW_GPG = "#!/bin/sh\necho >{}; exec sleep 1000\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
@pytest.mark.parametrize("moment", ["import", "table"])
def test_a_signal_before_it_is_ready(scratch: Scratch, number: signal.Signals, moment: str) -> None:
    fifo = scratch.fifo("fifo")
    gpg = scratch.script("slow", SLOW_GPG.format(fifo))
    if moment == "import":
        (scratch.root / "slow-click").mkdir()
        text = f"import time\nopen({str(fifo)!r}, 'w').close()\ntime.sleep(1000)\n"
        (scratch.root / "slow-click/click.py").write_text(text)
        scratch.env["PYTHONPATH"] = f"{scratch.root}/slow-click:{scratch.env['PYTHONPATH']}"
    process = scratch.start("supervise", "--gpg", gpg)
    hear(fifo)
    process.send_signal(number)
    done = finish(process)
    assert done == (128 + number, "false;\n", "")
    wait_for(lambda: left(scratch) == [], "the end of all")
    assert scratch.jobs() == []


def test_help_is_not_executed(scratch: Scratch) -> None:
    done = scratch.gpgshim("supervise", "--help")
    lines = done.out.splitlines()
    assert lines.pop() == "false;"
    assert len(lines) > 10
    assert all(line.startswith("#") for line in lines)
    assert (done.status, done.err) == (0, "")


def test_a_verb_that_is_misspelt(scratch: Scratch) -> None:
    for words in (["supervize"], ["--supervise"], ["zzz", "--job", "j"]):
        assert scratch.gpgshim(*words).out == "false;\n"


def test_the_line_is_one_write(scratch: Scratch) -> None:
    traced = scratch.root / "trace"
    words = [sys.executable, "-m", "gpgshim", "supervise", *map(str, scratch.options())]
    with subprocess.Popen(
        ["strace", "-f", "-qq", "-e", "trace=write", "-o", traced, *words],
        env=scratch.env,
        cwd=scratch.root,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        (job,) = scratch.jobs()
        assert scratch.gpgshim("close", job).status == 0
        assert process.wait(PATIENCE) == 0
    calls = [line for line in traced.read_text().splitlines() if " write(1, " in line]
    ours = [call for call in calls if '"PATH=' in call or "false" in call]
    assert len(ours) == 1
    assert ours[0].endswith(f" = {len(line)}")
