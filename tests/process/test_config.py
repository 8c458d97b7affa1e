# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are the settings read from the right files, and does an error in one name its cause?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from gpgshim.summary.metrics import METRICS
from gpgshim.supervisor import config
from gpgshim.system.errors import Misconfigured
from tests.support import skips
from tests.support.scratch import CHECKOUT, Done, Scratch, message
from tests.support.worker import COMMIT, PASSES, SIGN, UPLOADED, Worker

#: Runs `gpgshim` with another file in the place of the one in /etc.
WITH_SYSTEM = """\
import sys
from pathlib import Path
from gpgshim.cli import main as cli
from gpgshim.supervisor import config
config.SYSTEM = Path(sys.argv.pop(1))
cli.main()
"""


@pytest.fixture
def user(scratch: Scratch) -> Path:
    """Where the user's file is to be; its directory is there."""
    scratch.conf.unlink()
    return scratch.conf


def with_system(scratch: Scratch, system: Path, *words: str) -> Done:
    return scratch.call(sys.executable, "-c", WITH_SYSTEM, system, *words)


def in_force(done: Done) -> dict[str, tuple[object, str]]:
    """What `gpgshim config --json` said: (value, where from) by key."""
    assert (done.status, done.err) == (0, "")
    settings = json.loads(done.out)["settings"]
    return {key: (each["value"], each["from"]) for key, each in settings.items()}


def test_without_a_file(scratch: Scratch) -> None:
    scratch.conf.unlink()
    found = in_force(scratch.gpgshim("config", "--json"))
    assert {origin for _, origin in found.values()} == {"default"}
    assert found["deadline"][0] == 600
    assert list(found) == list(config.KEYS)


def test_every_field_is_a_key() -> None:
    fields = {field.replace("_", "-") for field in config.Settings._fields}
    assert fields == set(config.KEYS)
    for key, value in config.Settings()._asdict().items():
        kind, _ = config.KEYS[key.replace("_", "-")]
        assert value is None or kind.fits(value)


def test_the_operator_s_page_has_them_all() -> None:
    page = (CHECKOUT / "doc/OPERATING.md").read_text()
    for name in (*config.KEYS, *METRICS):
        assert f"`{name}" in page, name
    for key in ("deadline", "keep-days", "keep-jobs"):
        value = config.to_toml(getattr(config.Settings(), key.replace("-", "_")))
        assert f"| `{key}` | `{value}` |" in page


def test_without_a_file_nothing_is_paid(scratch: Scratch) -> None:
    words = "import sys, os; from gpgshim.supervisor import config; config.load(os.environ)\n"
    words += "print(*sorted({'tomllib', 'difflib', 'json'} & set(sys.modules)))"

    def loaded() -> str:
        return subprocess.run(
            [sys.executable, "-c", words], env=scratch.env, capture_output=True, text=True
        ).stdout

    scratch.conf.unlink()
    assert loaded() == "\n"
    scratch.conf.write_text("deadline = 3\n")
    assert loaded() == "tomllib\n"


def test_the_later_wins_key_by_key(scratch: Scratch, user: Path) -> None:
    system = scratch.root / "system.toml"
    system.write_text('commit = "a"\n\ndeadline = 1\nkeep-days = 30\n')
    user.write_text('deadline = 2.5\n"commit" = "b c"\n')
    found = in_force(with_system(scratch, system, "config", "--json"))
    assert found["commit"] == ("b c", f"{user}:2")
    assert found["deadline"] == (2.5, f"{user}:1")
    assert found["keep-days"] == (30, f"{system}:4")
    assert found["keep-jobs"][1] == "default"


def test_the_command_line_wins(user: Path, scratch: Scratch) -> None:
    user.write_text("commit = \"sh -c 'exit 77'\"\n")
    assert scratch.run("gpg -s f").status == 77
    assert scratch.journal().head["authority"] == "sh -c 'exit 77'"
    assert scratch.run("gpg -s f", "--commit", "true").status == 0
    assert scratch.journal().head["authority"] == "true"


def test_the_output_is_a_settings_file_with_the_same_settings(user: Path, scratch: Scratch) -> None:
    command = "say 'a \\\"b\\\"' \x7f é \t x"
    user.write_text(f"commit = {config.to_toml(command)}\nkeep-days = 2.5\n")
    done = scratch.gpgshim("config")
    assert done.status == 0
    shown = tomllib.loads(done.out)
    assert shown["commit"] == command
    assert shown["keep-days"] == 2.5
    assert f"deadline = {shown['deadline']}  # default\n" in done.out
    assert f"# {user}: read\n" in done.out
    assert "# gpg is not set\n" in done.out


def test_xdg_config_home(scratch: Scratch, user: Path) -> None:
    user.write_text("deadline = 1\n")
    other = scratch.root / "other/gpgshim/gpgshim.conf"
    other.parent.mkdir(0o700, parents=True)
    other.write_text("deadline = 2\n")
    for base, seconds in ((str(scratch.root / "other"), 2), ("", 1), ("other", 1)):
        found = in_force(scratch.gpgshim("config", "--json", XDG_CONFIG_HOME=base))
        assert found["deadline"][0] == seconds


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\ncomit = 'x'", ":2: no setting 'comit'; nothing was started"),
        ("keep_days = 3", "hint: did you mean 'keep-days'?"),
        ("Deadline = 3", "hint: did you mean 'deadline'?"),
        ("zzz = 1", "hint: the settings are commit, deadline, gpg"),
        ("[run]\ncommit = 'x'", ":1: no setting 'run'"),
        (
            "[gpgshim]\ndeadline = 3",
            ":1: no setting 'gpgshim': it is a table, and settings have none",
        ),
        ("deadline = 'soon'", ":1: deadline must be a number of seconds, more than 0 and at most"),
        ("deadline = 0", "not 0"),
        ("deadline = -1", "not -1"),
        ("deadline = nan", "not NaN"),
        ("deadline = inf", "not Infinity"),
        ("deadline = true", "not true"),
        ("deadline = 2000-01-01", 'not "2000-01-01"'),
        ("commit = ['a']", ':1: commit must be a command, as a string, not ["a"]'),
        ("commit = ''", 'not ""'),
        ('commit = "a \'b"', "commit must be a command"),
        ('commit = "a\\u0000"', 'not "a\\u0000"'),
        ("gpg = 'gpg'", ':1: gpg must be an absolute path, as a string, not "gpg"'),
        ("keep-jobs = 1.5", ":1: keep-jobs must be a whole number"),
        ("keep-jobs = 0", "not 0"),
        ("keep-days = 0", "keep-days must be a number of days"),
        ("deadline = 1\ndeadline = 2", "is not TOML: Cannot overwrite a value (at "),
        ("deadline", "is not TOML: Expected '=' after a key"),
        ("# \udce9\n", ":1: not UTF-8"),
        ("\n# \udce9\n", ":2: not UTF-8"),
    ],
)
def test_an_invalid_setting_is_an_error(scratch: Scratch, user: Path, text: str, seen: str) -> None:
    user.write_bytes(text.encode("utf-8", "surrogateescape"))
    job, verb = scratch.run("touch started"), scratch.gpgshim("config")
    assert (job.status, verb.status) == (78, 78)
    assert str(user) in job.err
    assert seen in job.err
    what, hint = message(job.err)
    assert what.endswith("; nothing was started")
    assert message(verb.err) == (
        what.removesuffix("; nothing was started"),
        hint,
    )  # there is no job
    assert not (scratch.root / "started").exists()
    assert scratch.journals() == []


def test_a_file_that_others_can_write(scratch: Scratch, user: Path) -> None:
    user.write_text("deadline = 3\n")
    for mode in (0o646, 0o666, 0o1646):
        user.chmod(mode)
        done = scratch.run("touch started")
        assert done.status == 78
        seen, hint = message(done.err)
        assert seen == f"others can write to {user} (mode {mode:04o}); nothing was started"
        assert hint.startswith(f"`chmod go-w {user}`, or set XDG_")
    user.chmod(0o600)
    for above in (user.parent, user.parent.parent):
        above.chmod(0o707)
        assert f"others can write to {above} " in scratch.run("touch started").err
        above.chmod(0o700)
    assert not (scratch.root / "started").exists()
    assert scratch.run("touch started").status == 0


def test_a_link_is_judged_by_its_target(scratch: Scratch, user: Path) -> None:
    there = scratch.root / "there"
    there.mkdir()
    (there / "file").write_text("deadline = 3\n")
    user.symlink_to(there / "file")
    there.chmod(0o707)
    assert f"others can write to {there} " in scratch.gpgshim("config").err
    there.chmod(0o700)
    assert in_force(scratch.gpgshim("config", "--json"))["deadline"] == (3, f"{user}:1")


def test_a_file_of_another_user(scratch: Scratch, user: Path) -> None:
    skips.unless_root("who can give a file to another user")
    user.write_text("deadline = 3\n")
    os.chown(user, 12345, -1)
    done = scratch.gpgshim("config")
    assert (done.status, f"{user} belongs to user id 12345" in done.err) == (78, True)


def test_a_name_that_is_no_plain_file(scratch: Scratch, user: Path) -> None:
    user.mkdir()
    done = scratch.gpgshim("config")
    assert (done.status, "is not a plain file" in done.err) == (78, True)
    user.rmdir()
    os.mkfifo(user)
    done = scratch.gpgshim("config")
    assert (done.status, "is not a plain file" in done.err) == (78, True)


def test_a_file_that_cannot_be_read(scratch: Scratch, user: Path) -> None:
    user.symlink_to(user)  # ELOOP, which root gets too
    done = scratch.gpgshim("config")
    assert (done.status, f"{user} cannot be read: Too many levels" in done.err) == (78, True)


def test_load_raises_one_kind_of_error(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user.write_text("x = 1\n")
    monkeypatch.setattr(config, "SYSTEM", user)
    with pytest.raises(Misconfigured):
        config.load({})


def test_gpg_of_a_file_is_the_one_that_is_read(scratch: Scratch, user: Path) -> None:
    user.write_text(f'gpg = "{scratch.root}/none"\n')
    for verb in ("classify", "explain"):
        done = scratch.gpgshim(verb, "--", "-s")
        assert done.status == 78
        assert f"{scratch.root}/none, which is not a program" in done.err


def test_keep_days(scratch: Scratch, user: Path) -> None:
    assert scratch.run("exit 1").status == 75
    old = scratch.journals()[0]
    os.utime(old, (1e9, 1e9))
    two_days_ago = time.time() - 2 * 86400
    os.utime(old.parent / ".pruned", (two_days_ago, two_days_ago))
    user.write_text("keep-days = 100000\n")
    scratch.gpgshim("run", "--job", "k", "--", "true")
    assert old.exists()
    os.utime(old.parent / ".pruned", (two_days_ago, two_days_ago))
    user.write_text("keep-days = 1\n")
    scratch.gpgshim("run", "--job", "k", "--", "true")
    assert not old.exists()


# Under dgit-repos-server.


def test_time_limit_of_the_manager(worker: Worker, scratch: Scratch, user: Path) -> None:
    user.write_text('deadline = 0.3\ncommit = "true"\n')
    worker.start(f"{SIGN}{UPLOADED}")
    assert worker.hear() == COMMIT
    assert worker.rest() == []
    assert worker.end() != 0
    assert "% timeout" in scratch.lines()
    assert scratch.journal().head["authority"] == "o2m"  # `commit` is not for it


def test_job_that_cannot_be_configured_is_not_started(
    worker: Worker, scratch: Scratch, user: Path
) -> None:
    user.write_text("dedline = 0.3\n")
    worker.start(f"touch started; {PASSES}")
    assert worker.rest() == []
    assert worker.end() == 78
    seen, hint = message(worker.err(), "dgit-repos-server: gpgshim")
    assert seen == f"{user}:1: no setting 'dedline'; nothing was started"
    assert hint == "did you mean 'deadline'?"
    assert not (scratch.root / "started").exists()
    assert scratch.journals() == []


def test_other_modes_ask_no_settings(worker: Worker, scratch: Scratch, user: Path) -> None:
    user.write_text("dedline = 0.3\n")
    worker.install("", template="#!/bin/sh\nexit 7\n")
    worker.start("", words=["--ssh"])
    assert worker.rest() == []
    assert worker.end() == 7
