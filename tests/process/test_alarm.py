# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is each missing alarm raised once, by the next reader, and does no reader wait for it?

The alarm command writes a line for each call. A reader that must raise nothing is followed by one
that has something to raise, for an older journal: alarms are raised one after the other, that of
the newest journal first, so the line of a wrong alarm would come first.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from gpgshim.core.need import Alarm
from gpgshim.history import raised
from gpgshim.history.jobs import read_rows
from gpgshim.supervisor import alarm
from gpgshim.supervisor.config import Settings
from tests.support.scratch import PATIENCE, Scratch, hear, wait_for
from tests.support.worker import UPLOADED, Worker

HEAD = "format: 2\njob: {job}\nattempt: {attempt}\ngpg: /g 2.4\nauthority: nobody\n\n"
BEGUN = HEAD + "! uncommitted\n"
CRASHED = BEGUN + "$ gpg -s\n# client 1 / 2/sh\n! unknown\n> commit-to-public-upload\n"
TOLD = CRASHED + "% timeout\n% exit 2\nirrecoverable\n"
RETRIABLE = BEGUN + "% exit 1\nretriable\n"


@pytest.fixture
def directory(scratch: Scratch) -> Path:
    """The directory of journals. Its journals are written by hand, so none is replayed."""
    scratch.differences_wanted = True
    path = scratch.state / "gpgshim"
    path.mkdir(0o700)
    return path


def write(directory: Path, name: str, text: str = CRASHED) -> Path:
    job, _, attempt = name.rpartition(".")
    path = directory / name
    path.write_text(text.format(job=job, attempt=attempt))
    return path


def configure(scratch: Scratch, command: str = "", kinds: str = "") -> None:
    script = scratch.script("call", f'#!/bin/sh\necho "$2 $1" >>{scratch.root}/calls\n')
    path = scratch.root / "home/.config/gpgshim/gpgshim.conf"
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    path.write_text(f'alarm = "{command or script}"\n{kinds}')


def calls(scratch: Scratch) -> list[str]:
    path = scratch.root / "calls"
    return path.read_text().splitlines() if path.exists() else []


def wait_for_calls(scratch: Scratch, number: int) -> list[str]:
    wait_for(lambda: len(calls(scratch)) >= number, f"{number} alarms")
    return calls(scratch)


def wait_for_records(directory: Path, number: int) -> None:
    """The alarm commands have ended well, and that is on disk."""
    wait_for(lambda: len(raised.read(directory).records) >= number, f"{number} records")


READERS: dict[str, tuple[str, ...]] = {
    "status": ("status",),
    "status-json": ("status", "--json"),
    "check": ("status", "--check"),
    "metrics": ("metrics",),
    "run": ("run", "--job", "k", "--", "true"),
    "not-started": ("run", "--job", "j", "--", "true"),
    "not-supervised": ("supervise", "--job", "j"),
}


@pytest.mark.parametrize("words", READERS.values(), ids=READERS)
def test_the_next_reader_raises_the_alarm_of_a_crashed_attempt_once(
    scratch: Scratch, directory: Path, words: tuple[str, ...]
) -> None:
    configure(scratch)
    write(directory, "j.1")
    scratch.gpgshim(*words)
    assert wait_for_calls(scratch, 1) == ["j.1 crashed"]
    wait_for_records(directory, 1)
    scratch.gpgshim(*words)
    os.utime(write(directory, "l.1"), (1e9, 1e9))
    scratch.gpgshim("status")
    assert wait_for_calls(scratch, 2) == ["j.1 crashed", "l.1 crashed"]


def test_a_supervisor_that_was_killed(scratch: Scratch) -> None:
    configure(scratch)
    there = scratch.fifo("there")
    job = scratch.start_run("gpg -s f", "--commit", f"sh -c 'echo >{there}; exec sleep 1000'")
    hear(there)
    assert scratch.gpgshim("status", "--check").status == 0  # it is under way
    job.send_signal(signal.SIGKILL)
    job.wait()

    def needs_a_person() -> bool:
        return scratch.gpgshim("status", "--check").status == 1

    wait_for(needs_a_person, "the end of the lock")
    assert wait_for_calls(scratch, 1) == ["j.1 crashed"]
    assert not any(call != "j.1 crashed" for call in calls(scratch))


def test_a_crash_before_the_request_needs_no_person(scratch: Scratch, directory: Path) -> None:
    configure(scratch)
    write(directory, "early.1", BEGUN)
    resolved = "% resolved retriable a@h 2026-11-26T01:02:03Z looked\n"
    write(directory, "resolved.1", CRASHED + resolved)
    scratch.gpgshim("status")
    os.utime(write(directory, "l.1"), (1e9, 1e9))
    scratch.gpgshim("status")
    assert wait_for_calls(scratch, 1) == ["l.1 crashed"]


def test_readers_at_the_same_moment_raise_it_once(scratch: Scratch, directory: Path) -> None:
    script = scratch.script("slow", f'#!/bin/sh\necho "$2" >>{scratch.root}/calls; read x <{{}}\n')
    fifo = scratch.fifo("go")
    script.write_text(script.read_text().format(fifo))
    configure(scratch, str(script))
    write(directory, "j.1")
    scratch.gpgshim("status")
    assert wait_for_calls(scratch, 1) == ["j.1"]  # and its command still runs
    os.utime(write(directory, "k.1"), (1e9, 1e9))  # the alarm of the older one is the second
    scratch.gpgshim("status")  # it leaves j.1 to the other process
    assert wait_for_calls(scratch, 2) == ["j.1", "k.1"]


def test_no_reader_waits_for_the_command(scratch: Scratch, directory: Path) -> None:
    fifo = scratch.fifo("fifo")
    configure(scratch, str(scratch.script("hang", f"#!/bin/sh\necho $$ >{fifo}; sleep 1000\n")))
    write(directory, "j.1")
    for words in (("status",), ("metrics",)):
        reader = scratch.start(*words)
        reader.communicate(timeout=PATIENCE)  # to the end of its stdout and stderr
    os.kill(int(hear(fifo)), signal.SIGKILL)


@pytest.mark.parametrize("end", ["kill -9 $PPID", "exit 1"])
def test_an_alarm_that_was_not_recorded_is_raised_again(
    scratch: Scratch, directory: Path, end: str
) -> None:
    script = scratch.script("fails", f'#!/bin/sh\necho "$2" >>{scratch.root}/calls; {end}\n')
    configure(scratch, str(script))
    write(directory, "j.1")
    for number in (1, 2):
        scratch.gpgshim("status")
        assert wait_for_calls(scratch, number) == ["j.1"] * number
        wait_for(lambda: _is_free(directory), "the end of the process that raises the alarm")
    assert not raised.read(directory).records


def _is_free(directory: Path) -> bool:
    with raised.alone(directory, "j.1", since=0) as is_alone:
        return is_alone


def test_without_the_setting_a_reader_raises_nothing(scratch: Scratch, directory: Path) -> None:
    write(directory, "j.1")
    for words in READERS.values():
        scratch.gpgshim(*words)
    assert not (directory / ".alarms").exists()


def test_only_the_selected_kinds(scratch: Scratch, directory: Path) -> None:
    configure(scratch, kinds='alarm-kinds = ["unknown", "irrecoverable"]\n')
    write(directory, "j.1")
    write(directory, "bad.1", "nonsense\n")
    scratch.gpgshim("status")
    assert wait_for_calls(scratch, 1) == ["bad.1 unknown"]
    scratch.run("gpg -s f; exit 3", "--again")
    assert wait_for_calls(scratch, 2) == ["bad.1 unknown", "j.2 irrecoverable"]
    configure(scratch)
    scratch.gpgshim("status")
    assert wait_for_calls(scratch, 3)[2] == "j.1 crashed"


def test_an_alarm_of_its_own_that_was_killed_is_raised_by_a_reader(
    scratch: Scratch, directory: Path
) -> None:
    configure(scratch, "false")
    scratch.run("gpg -s f; exit 3")
    configure(scratch)
    old = write(directory, "old.1", TOLD)
    os.utime(old, (1e9, 1e9))  # an earlier version raised its alarm, and did not record it
    scratch.gpgshim("status")
    assert wait_for_calls(scratch, 1) == ["j.1 irrecoverable"]
    wait_for_records(directory, 1)
    os.utime(write(directory, "l.1"), (1e9, 1e9))
    scratch.gpgshim("status")
    assert wait_for_calls(scratch, 2) == ["j.1 irrecoverable", "l.1 crashed"]


def test_the_second_after_an_attempt_does_not_hide_its_alarm(
    scratch: Scratch, directory: Path
) -> None:
    """The command fails. By then the clock shows a later second than the journal does."""
    journal = write(directory, "j.1", TOLD)
    os.utime(journal, ns=(10**18 - 1, 10**18 - 1))
    settings = Settings(alarm="false")
    alarm.raise_own(alarm.Missing(journal, 10**18 - 1), journal.read_bytes(), settings)
    rows, _ = read_rows(directory)
    assert [each.path.name for each in alarm.missing_of(directory, settings, rows)] == ["j.1"]


def test_under_dgit_repos_server(worker: Worker, scratch: Scratch, directory: Path) -> None:
    configure(scratch)
    write(directory, "old.1")
    worker.start(f"{UPLOADED}; exit 9")
    worker.end()
    assert "old.1 crashed" in wait_for_calls(scratch, 1)


def test_a_fault_of_the_settings_does_not_stop_an_overview(
    scratch: Scratch, directory: Path
) -> None:
    configure(scratch, kinds="alarm-kinds = []\n")
    write(directory, "j.1")
    done = scratch.gpgshim("status")
    assert done.status == 0 and "! j " in done.out
    assert "alarm-kinds must be a list of one or more of bypassed, ungated," in done.err


# --check.


def test_check(scratch: Scratch, directory: Path) -> None:
    assert scratch.gpgshim("status", "--check") == (0, "", "")
    write(directory, "fine.1", RETRIABLE)
    assert scratch.gpgshim("status", "--check") == (0, "", "")
    found = json.loads(scratch.gpgshim("status", "--check", "--json").out)
    assert (found["rows"], found["jobs_in_all"]) == ([], 1)
    path = write(directory, "j.1")
    for number in range(30):
        write(directory, f"k{number}.1", RETRIABLE)
    line = f"j.1: crashed: ask the authority whether it has committed [{path}]\n"
    assert scratch.gpgshim("status", "--check") == (1, line, "")
    done = scratch.gpgshim("status", "--check", "--json")
    assert done.status == 1
    assert [(each["job"], each["alarm"]) for each in json.loads(done.out)["rows"]] == [
        ("j", "crashed")
    ]
    assert scratch.gpgshim("status", "--check", "--all").status == 64
    scratch.gpgshim("resolve", "j", "--as", "retriable", "--note", "looked")
    assert scratch.gpgshim("status", "--check") == (0, "", "")


# The records.


def test_records_survive_a_torn_line(tmp_path: Path) -> None:
    with raised.alone(tmp_path, "j.1", since=3) as is_alone:
        assert is_alone
        raised.record(tmp_path, "j.1", 5, Alarm.CRASHED)
    since = raised.read(tmp_path).since
    with (tmp_path / ".alarms").open("a") as file:
        file.write("\nk.1 7 cra")
    raised.record(tmp_path, "l.1", 9, Alarm.UNKNOWN)
    found = raised.read(tmp_path)
    assert (found.since, set(found.records)) == (since, {("j.1", 5), ("l.1", 9)})


def test_a_name_that_is_used_again_has_an_alarm_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path, "j.1")
    settings = Settings(alarm="true")
    missing: Callable[[], list[alarm.Missing]] = lambda: alarm.missing_of(  # noqa: E731
        tmp_path, settings, read_rows(tmp_path)[0]
    )
    alarm.raise_all(missing(), settings)
    assert missing() == []
    path.unlink()
    write(tmp_path, "j.1")
    assert [each.path for each in missing()] == [path]
