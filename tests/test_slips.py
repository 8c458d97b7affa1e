"""Does a slip on the command line end in one line that says what was seen, and what is true?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.scratch import PATIENCE, Scratch

FULL = Path("/dev/full")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["rnu", "--", "true"], 64, "no verb 'rnu': is it 'run' that is meant?"),
        (["zzz"], 64, "no verb 'zzz': there are run, supervise, close"),
        (["run", "--jbo", "x", "--", "true"], 64, "No such option"),
        (["run", "--jbo", "x", "--", "true"], 64, "(see gpgshim run --help); nothing was done"),
        (["run", "--job", "x"], 64, "Missing argument '-- COMMAND…' (see gpgshim run --help)"),
        (["run", "--job", "a/b", "--", "true"], 64, "--job: 'a/b' cannot be a job's name"),
        (["run", "--job", "", "--", "true"], 64, "--job: a job's name has 1 to 120 characters"),
        (["supervise", "--job", "a b"], 64, "letters, digits and ._+~,- only"),
        (["run", "--gpg", "/nonexistent", "--", "true"], 78, "and was given as the real gpg"),
        (["run", "--gpg", "/bin/true", "--", "true"], 78, "/bin/true: not a gpg: --version says"),
        (["show", "--html"], 64, "requires an argument (see gpgshim show --help)"),
        (["close", "/nonexistent"], 78, "/nonexistent is not, or no longer, a job's directory"),
        (["close"], 64, "nothing was closed"),
        (["metrics", "--textfile", "x.txt"], 64, "x.txt: node_exporter reads only names that end"),
    ],
)
def test_slip(scratch: Scratch, words: list[str], status: int, said: str) -> None:
    done = scratch.gpgshim(*words)
    # A shell may evaluate what `supervise` prints, and what a misspelt `supervise` prints.
    for_shell = words[0] == "supervise" or "no verb" in said
    assert (done.status, done.out) == (status, "false;\n" if for_shell else "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not any(scratch.state.iterdir())  # no job was made of it


def test_no_words_at_all_are_a_call_for_help(scratch: Scratch) -> None:
    done = scratch.gpgshim()
    assert (done.status, done.err) == (0, "")
    assert done.out == scratch.gpgshim("--help").out
    assert "\n  run " in done.out


def test_what_follows_the_command_is_the_command_s(scratch: Scratch) -> None:
    done = scratch.gpgshim("run", "--gpg", scratch.stand_in(), "echo", "--job", "-x")
    assert (done.status, done.out) == (0, "--job -x\n")


def test_a_job_that_is_not_there(scratch: Scratch) -> None:
    state = scratch.state / "gpgshim"
    assert "`gpgshim status --all` has those" in scratch.gpgshim("show", "hello").err
    scratch.gpgshim("run", "--job", "hello", "--gpg", scratch.stand_in(), "--", "true")
    said = f"there is no journal of a job 'helo' in {state}: is 'hello' meant?"
    assert said in scratch.gpgshim("show", "helo").err
    done = scratch.gpgshim("show", "hello.9")
    assert (done.status, "a job 'hello.9' in" in done.err) == (64, True)
    assert "is 'hello' meant?" in done.err
    (scratch.root / "page").write_text("")
    assert "the file of that name is ./page\n" in scratch.gpgshim("show", "page").err


def test_record_that_cannot_be_kept(scratch: Scratch) -> None:
    path = scratch.root / "none/x"
    done = scratch.run("true", "--record", path)
    assert f"--record {path} was not written: No such file or directory; " in done.err


def test_jobs_that_cannot_be_read_are_not_said_to_be_none(scratch: Scratch) -> None:
    scratch.state.mkdir(exist_ok=True)
    (scratch.state / "gpgshim").symlink_to("gpgshim")
    done = scratch.gpgshim("show", "hello")
    assert (done.status, "cannot be read: Too many levels" in done.err) == (74, True)


@pytest.mark.parametrize(
    "words",
    [["status"], ["config"], ["metrics"], ["--version"], ["run", "--help"], ["show", "j"], []],
    ids=" ".join,
)
def test_a_full_disk_under_stdout(scratch: Scratch, words: list[str]) -> None:
    scratch.run("true")
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gpgshim", *words],
            env=scratch.env,
            cwd=scratch.root,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 74
    assert done.stderr.startswith("gpgshim: stdout: No space left on device; ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", ["status", "config", "classify -- -s", "run -- true"])
def test_nowhere_to_say_it_to(scratch: Scratch, words: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m gpgshim {words} >&-"],
        env=scratch.env,
        cwd=scratch.root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
