# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records the transcripts in fixtures/jobs: real runs of `gpgshim run`, as they were written.

1. A scenario is a row of SCENARIOS: the job, its authority, and what it shows.
2. gpg, the stunts, the supervisor and its sockets are real. The manager is a few lines that follow
   the row. A scenario with dgit is the real upload of the demo.
3. Only text that differs from one run to the next is replaced: times, paths, process ids, the key.

    python -m tools.record [NAME…]
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gpgshim.core.codec import Process, Record, text_of
from gpgshim.core.lockrecords import AtAgent, Forwarded, OtherKey
from gpgshim.core.transcript import FORMAT, OF_ONE_RUN, Line, Transcript, parse, parse_line
from tests.support.login import Login
from tools.demo import LATE
from tools.world.gated import open_manager, read_journal, run_gated
from tools.world.upload import open_world

FIXTURES = Path(__file__).parent.parent / "fixtures" / "jobs"
KEY = "52400D7C@example.org"

#: Lines that the manager says when it has been told to commit; None is: it hangs up.
YES = "go-ahead"


class Scenario(NamedTuple):
    shows: str
    job: str  # a shell script; @TMP@ is a scratch directory with files f and g
    commit: str | None = None  # a command; None and `manager` None: nobody
    manager: str | None = None  # what it answers; `-` hangs up, `~` never answers, `!` is not there
    options: tuple[str, ...] = ()
    resolution: str = ""  # what a person records after it
    before: str = ""  # the script of an attempt before it


NOTES = {"retriable": "it is not in the archive", "uploaded": "it is in the archive"}
SIGN_TWO = "gpg --detach-sign --armor -u @KEY@ f && gpg --clearsign -u @KEY@ g"

SCENARIOS = {
    "success": Scenario(
        "the first signature is the commitment, and the second waits for nobody", SIGN_TWO,
        manager=YES,
    ),
    "fails-before": Scenario(
        "a job that fails before its first signature has done nothing",
        "gpg --list-keys >/dev/null; exit 3", manager=YES,
    ),
    "resolved": Scenario(
        "a person has found out what a job that failed after it has done",
        "gpg --detach-sign f; exit 3", manager=YES, resolution="retriable",
    ),
    "second-attempt": Scenario(
        "the attempt before it failed before its first signature, so nothing stood",
        "gpg --detach-sign f", "true", before="exit 3",
    ),
    "again": Scenario(
        "a person starts an uploaded job again with --again",
        "gpg --yes --detach-sign f", "true", options=("--again",), before="gpg --detach-sign f",
    ),
    "supervisor-killed": Scenario(
        "the supervisor is killed after a grant, and a person resolves the attempt",
        "gpg --detach-sign f; kill -9 $PPID", "true", resolution="uploaded",
    ),
    "interrupted": Scenario(
        "a signal to gpgshim closes the gate and ends the job: exit status 143",
        f"trap '{SIGN_TWO}; exit 3' TERM; kill -TERM $PPID; while :; do sleep 0.1; done", "true",
    ),
    "out-of-time": Scenario(
        "the time for all attempts of a series is over, so the gate closes and the job ends",
        "exec sleep 60", "true", options=("--retries", "1", "--deadline-total", "1"),
    ),
    "ungated": Scenario(
        "the stunts are removed while the job runs, so nobody knows whether it signed",
        'rm -r "${PATH%%/bin:*}/bin"; exit 3', "true",
    ),
    "fails-after": Scenario(
        "a job that fails after it is never called retriable",
        "gpg --detach-sign f; exit 3", manager=YES,
    ),
    "exits-75-after": Scenario(
        "a job's own 75 is not ours", "gpg --detach-sign f; exit 75", manager=YES,
    ),
    "killed-before": Scenario("a job that is killed can be tried again", "kill -9 $$", manager=YES),
    "nothing-to-sign": Scenario("a job that asks for no signature", "gpg --version >/dev/null"),
    "nobody": Scenario("no authority: the journal is all that is wanted", SIGN_TWO),
    "no-such-command": Scenario("a command that is not there will not be there next time", ""),
    "command-yes": Scenario("an authority that is a command: 0 is go-ahead", SIGN_TWO, "true"),
    "command-no": Scenario(
        "77 is refused, and certainly not committed; the last line gives the reason", SIGN_TWO,
        "sh -c 'echo refused not on a Friday; exit 77'",
    ),
    "command-1": Scenario("1 is no word of an authority: a crash gives it too", SIGN_TWO, "false"),
    "command-contradicts": Scenario(
        "0 after a line that refuses is neither", SIGN_TWO, "echo refused not on a Friday",
    ),
    "command-3": Scenario("any other status is nobody knows", SIGN_TWO, "sh -c 'exit 3'"),
    "command-killed": Scenario("so is a signal", SIGN_TWO, "sh -c 'kill -9 $$'"),
    "command-hangs": Scenario(
        "an authority that takes too long", SIGN_TWO, "sleep 60", options=("--deadline", "0.5"),
    ),
    "command-not-there": Scenario(
        "an authority that is removed before it is asked has heard nothing",
        f"rm @TMP@/goes; {SIGN_TWO}", "@TMP@/goes",
    ),
    "manager-hangs-up": Scenario("a manager that hangs up when it is asked", SIGN_TWO, manager="-"),
    "manager-refuses": Scenario(
        "o2m has no word for no", SIGN_TWO, manager="protocol-violation not now",
    ),
    "manager-silent": Scenario(
        "a manager that does not answer", SIGN_TWO, manager="~", options=("--deadline", "0.5"),
    ),
    "manager-gone": Scenario(
        "a manager that is not there has heard nothing", SIGN_TWO, manager="!",
    ),
    "ends-while-asking": Scenario(
        "the job ends while its stunt waits: the orphan gets nothing",
        "gpg --detach-sign f &"
        " until grep -q '^[^ ]* > commit' $STATE/gpgshim/*; do :; done; exit 4",
        manager="~",
    ),
    "killed-while-waiting": Scenario(
        "a stunt is killed while it waits; what was asked stays asked",
        "gpg --detach-sign f & until grep -q '^[^ ]* > commit' $STATE/gpgshim/*; do :; done;"
        " kill -9 $!; wait; touch go; gpg --detach-sign g",
        "sh -c 'until test -e @TMP@/go; do :; done'",
    ),
    "two-at-once": Scenario(
        "two signatures wanted at the same moment: one commitment",
        "gpg --detach-sign f & gpg --detach-sign g &"
        " until test $(grep -c '[$] gpg' $STATE/gpgshim/*) = 2; do :; done; touch go; wait",
        "sh -c 'until test -e @TMP@/go; do :; done'",
    ),
    "observed": Scenario(
        "only observed: what would have been done, and nobody was asked",
        f"gpg --detach-sign f; {SIGN_TWO}; exit 75", "false", options=("--observe",),
    ),
    "odd-words": Scenario(
        "words that a line cannot hold as they are",
        "gpg --detach-sign -o \"$(printf 'a\\nb\\377')\" --set-notation n@x=\"it's\" f",
    ),
}  # fmt: skip

#: Jobs with a lock of gpg-agent, of a user with a login session; f.sig is made past PATH.
PAST = "/usr/bin/gpg --batch --yes -b f"
AGENT = "agent=$(gpg-connect-agent 'GETINFO pid' /bye | sed -n 's/^D //p')"
JOURNAL = "$XDG_STATE_HOME/gpgshim/@JOB@.1"
#: gpg waits at the lock for its authority, the agent is stopped, and gets the command.
STOPPED = (
    f"{AGENT}; {PAST} & until grep -q '^[^ ]* > commit' {JOURNAL}; do sleep 0.1; done;"
    f" kill -STOP $agent; touch go;"
    f" until grep -q '^[^ ]* % forwarded' {JOURNAL}; do sleep 0.1; done"
)
UNTIL_GO = "sh -c 'until test -e go; do sleep 0.1; done'"
AT_AGENT = ("--commit-at", "agent")

LOCKED = {
    "locked-refused": Scenario(
        "a program that did not find the stunts asks at the lock, and is refused",
        f"{PAST}; exit 3", "sh -c 'echo refused not on a Friday; exit 77'",
    ),
    "locked-granted": Scenario(
        "each signature past PATH is a request; the first one is the commitment",
        f"{PAST} && {PAST}", "true",
    ),
    "locked-stunt": Scenario(
        "a gpg that was granted as a stunt passes the lock without a request", "gpg --batch -b f",
        "true",
    ),
    "locked-fails": Scenario(
        "gpg-agent does not make the signature", "gpg-connect-agent PKSIGN /bye; exit 3", "true",
    ),
    "locked-supervisor-killed": Scenario(
        "the supervisor is killed when gpg-agent has the command, and has not answered",
        f"{STOPPED}; kill -9 $PPID; kill -CONT $agent", UNTIL_GO,
    ),
    "locked-agent-killed": Scenario(
        "gpg-agent is killed when it has the command, and has not answered",
        f"{STOPPED}; kill -9 $agent; wait $!; exit 3", UNTIL_GO,
    ),
    "locked-notes": Scenario(
        "a command that can be abused passes the lock, and is noted",
        "gpg-connect-agent 'EXPORT_KEY x' /bye; exit 3", "true",
    ),
    "locked-removed": Scenario(
        "the sockets of the lock are removed while the job runs",
        "d=$(dirname $(gpgconf --list-dirs agent-socket)); chmod 700 $d; rm $d/S.*; exit 3", "true",
    ),
    "at-agent-uncommitted": Scenario(
        "with the commitment point at gpg-agent, a gpg without its key commits nothing",
        "gpg --batch -u nobody@example.org -b f", "true", options=AT_AGENT,
    ),
    "at-agent-committed": Scenario(
        "with the commitment point at gpg-agent, a stunt does not ask", "gpg --batch -b f", "true",
        options=AT_AGENT,
    ),
    "at-agent-key": Scenario(
        "only signatures by the key of --key count; one by another key passes, and is noted",
        "gpg --batch -u other -o g -b f; exit 3", "true", options=(*AT_AGENT, "--key", "@KEY@"),
    ),
}  # fmt: skip

UPLOADS = {
    "dgit-retriable": "a real dgit rpush-source: the archive answers 503 late in its work",
    "dgit-uploaded": "the same job again, and the archive answers",
}


def main() -> None:
    """Record the scenarios that are named, or all."""
    wanted = sys.argv[1:] or [*SCENARIOS, *LOCKED, *UPLOADS]
    FIXTURES.mkdir(parents=True, exist_ok=True)
    with open_scratch() as scratch:
        for name in wanted:
            if name in SCENARIOS:
                keep(name, record(scratch, name), SCENARIOS[name].shows, "python -m tools.record")
    if set(LOCKED) & set(wanted):
        login = Login()
        for name in LOCKED:
            if name in wanted:
                transcript = record_locked(login, name)
                keep(name, transcript, LOCKED[name].shows, "python -m tools.record", "locked")
        login.end()
    if set(UPLOADS) & set(wanted):
        for name, transcript in record_uploads().items():
            keep(name, transcript, UPLOADS[name], "python -m tools.record, with the demo's world")


def keep(
    name: str, transcript: Transcript, shows: str, recorded: str, directory: str = "jobs"
) -> None:
    """Write one fixture, and say so."""
    head = {"format": FORMAT, "shows": shows, "recorded": recorded} | transcript.head
    path = FIXTURES.with_name(directory) / f"{name}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(str(transcript._replace(head=head)))
    print(f"{name}: {transcript.lines[-1].text}")


@contextlib.contextmanager
def open_scratch() -> Iterator[Path]:
    """A directory with a key of its own; the key's agent is ended with it."""
    with tempfile.TemporaryDirectory(prefix="gpgshim-") as name:
        home = Path(name, "gnupg")
        home.mkdir(mode=0o700)
        gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
        try:
            make = ["--passphrase", "", "--quick-generate-key", KEY, "ed25519", "sign", "never"]
            subprocess.run([*gpg, *make], check=True, stderr=subprocess.DEVNULL)
            yield Path(name)
        finally:
            subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)


def record(scratch: Path, name: str) -> Transcript:
    """Run one scenario; its journal, normalised."""
    scenario = SCENARIOS[name]
    work = scratch / "work"
    state = scratch / "state"
    for directory in (work, state):
        subprocess.run(["rm", "-rf", str(directory)], check=True)
        directory.mkdir(mode=0o700)
    for file in ("f", "g"):
        (work / file).write_text("to be signed\n")
    (work / "goes").write_text("#!/bin/sh\n")  # an authority, for a job that removes it
    (work / "goes").chmod(0o700)
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(scratch),
        "GNUPGHOME": str(scratch / "gnupg"),
        "XDG_RUNTIME_DIR": str(scratch),
        "STATE": str(state),
        "XDG_STATE_HOME": str(state),
        "PYTHONPATH": str(FIXTURES.parent.parent),
    }
    command = [sys.executable, "-m", "gpgshim", "run", "--job", name]
    with answering(work / "manager", scenario.manager):
        if scenario.manager is not None:
            command += ["--commit", f"o2m:{work}/manager"]
        elif scenario.commit is not None:
            command += ["--commit", scenario.commit.replace("@TMP@", str(work))]
        script = scenario.job.replace("@TMP@", str(work)).replace("@KEY@", KEY)
        job = ["sh", "-c", script] if script else ["no-such-command"]
        runs = [[*command, *scenario.options, "--", *job]]
        if scenario.before:
            runs.insert(0, [*command, "--", "sh", "-c", scenario.before])
        for each in runs:
            subprocess.run(each, cwd=work, env=environ, check=False, stderr=subprocess.DEVNULL)
    if scenario.resolution:
        words = ["--as", scenario.resolution, "--note", NOTES[scenario.resolution]]
        resolve = [sys.executable, "-m", "gpgshim", "resolve", name, *words]
        subprocess.run(resolve, env=environ, check=True, stderr=subprocess.DEVNULL)
    attempt = 2 if scenario.before else 1
    journal = (state / "gpgshim" / f"{name}.{attempt}").read_bytes()
    who_when = rb"\1 ann@example.org 2026-11-26T00:00:00Z"
    journal = re.sub(rb"(?m)^(% resolved \S+) \S+ \S+", who_when, journal)
    return normalise(parse(journal), {str(work): "@TMP@", str(scratch): "@TMP@", KEY: "@KEY@"})


def record_locked(login: Login, name: str) -> Transcript:
    """The same for a job with a lock of gpg-agent."""
    scenario = LOCKED[name]
    for each in (*login.root.glob("f*"), login.root / "go"):
        each.unlink(missing_ok=True)
    (login.root / "f").write_text("to be signed\n")
    if "--key" in scenario.options:
        login.make_key("other", "ed25519", "sign", "never")
    login.give_away()
    options = [each.replace("@KEY@", login.key.fingerprint) for each in scenario.options]
    assert scenario.commit is not None
    job = scenario.job.replace("@JOB@", name)
    login.locked(job, "--job", name, *options, commit=scenario.commit)
    journal = login.state / "gpgshim" / f"{name}.1"
    replace = {str(login.root): "@TMP@", login.key.fingerprint: "@KEY@"}
    return normalise(parse(journal.read_bytes()), replace)


@contextlib.contextmanager
def answering(path: Path, says: str | None) -> Iterator[None]:
    """A manager at `path` that says what the row says, once, when it has been told something."""
    if says in (None, "!"):
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        over = threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError):
                peer, _ = listener.accept()
                with peer:
                    peer.recv(100)
                    if says == "~":
                        over.wait()
                    elif says != "-":
                        peer.sendall(f"{says}\n".encode())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            over.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def record_uploads() -> dict[str, Transcript]:
    """The demo's two jobs."""
    with open_world(LATE) as world, open_manager(world) as manager:
        replace = {str(world.root): "@TMP@", world.fingerprint: "@KEY@"}
        transcripts = {}
        for attempt, name in enumerate(UPLOADS, 1):
            run_gated(world, manager)
            transcripts[name] = normalise(read_journal(world, attempt), replace)
        return transcripts


def normalise(transcript: Transcript, replace: dict[str, str]) -> Transcript:
    """`transcript` without what differs from one run to the next."""

    def plain(text: str) -> str:
        for old, new in replace.items():
            text = text.replace(old, new)
        return re.sub(r"(@TMP@/tmp)/[\w.]+", r"\1/@DIR@", text)

    head = {key: plain(value) for key, value in transcript.head.items() if key not in OF_ONE_RUN}
    lines = tuple(
        line._replace(text=plain(line.text), at=None) for line in without_pids(transcript)
    )
    return Transcript(head, lines, transcript.torn)


def without_pids(transcript: Transcript) -> list[Line]:
    """The lines of `transcript` (format 2), with 0 in place of each process id.

    A keygrip and the digest of a command to gpg-agent are replaced too.
    """

    of_lock = (Forwarded, AtAgent, OtherKey)

    def plain(kind: type[Record], name: str, value: object) -> object:
        if name == "pid":
            return 0
        if kind in of_lock and name in ("key", "digest") and value != "-":
            return f"@{name.upper()}@"
        if isinstance(value, tuple):
            return tuple(Process(0, each.name) for each in value)
        return value

    lines = []
    for line, (record, _) in zip(transcript.lines, transcript.read(), strict=True):
        kind = type(record)
        values = [plain(kind, *each) for each in zip(record.fields, record.values, strict=True)]
        lines.append(parse_line(text_of(kind(*values)))._replace(at=line.at))
    return lines


if __name__ == "__main__":
    os.umask(0o077)
    main()
