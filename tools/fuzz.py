# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can any input make a program of ours report a falsehood, hang, grow, or show a traceback?

`python -m tools.fuzz --n 1000000` tries a million inputs; CI tries some thousand.

Rule 1: a target has one documented error. Any other exception is a failure, and so is a grant.
Rule 2: hypothesis makes the inputs, mostly by damaging valid ones, because random bytes are refused
early. Each input seeds a random number generator, which damages it further for a few more inputs.
Rule 3: the kernel limits address space and processor time. It kills a process that hangs or grows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import resource
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gpgshim.authority.authority import Answer, Authority
from gpgshim.authority.manager import Manager
from gpgshim.authority.none import NoAuthority
from gpgshim.core import codec, o2m, wire
from gpgshim.core import records as r
from gpgshim.core.gate import DURABLE, OUTCOMES, Event, Outcome, State
from gpgshim.core.inputs import event_of
from gpgshim.core.question import Occasion, Question
from gpgshim.core.replay import replay
from gpgshim.core.transcript import TranscriptError, parse, parse_line
from gpgshim.core.verdict import judge_bytes
from gpgshim.gpgargs import decision, optiontable
from gpgshim.gpgargs.commands import COMMANDS
from gpgshim.history.journal import Journal
from gpgshim.render.page import job_page
from gpgshim.render.show import show
from gpgshim.render.table import table
from gpgshim.summary.rows import row_of
from gpgshim.supervisor.requester import Inspector
from gpgshim.supervisor.supervisor import Supervisor
from tests.support.pages import read as read_page

PACKAGE = Path(decision.__file__).parents[1]
FIXTURES = PACKAGE.parent / "fixtures"
MEMORY = 2 << 30  #: bytes of address space
SECONDS_AN_INPUT = 0.05  #: of processor time, on average; a hang is far above

TABLE = sorted((PACKAGE / "gpgargs/tables").glob("gpg-*"))[-1].read_text()
LOADED = optiontable.load(TABLE)
JOURNALS = [path.read_bytes() for path in sorted(FIXTURES.glob("**/jobs/*.txt"))]
JOURNALS += [path.read_bytes() for path in sorted(FIXTURES.glob("**/tag2upload/*.txt"))[:40]]


TOKENS = (b"\n", b"\0", b"\xff", b" ", b"! committed\n", b"go", b"\r", b"\x1b[2J", b"9", b":")


def spoil(data: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    """`data` with pieces of it replaced."""
    for at, length, new in cuts:
        at %= len(data) + 1
        data = data[:at] + new + data[at + length :]
    return data


def spoilt(*true: bytes) -> st.SearchStrategy[bytes]:
    """Bytes that are nearly right, beside those that are not."""
    odd = st.sampled_from(TOKENS)
    cut = st.tuples(st.integers(0, 1 << 16), st.integers(0, 40), st.binary(max_size=6) | odd)
    cuts = st.lists(cut, max_size=3)
    return st.builds(spoil, st.sampled_from(true), cuts) | st.binary(max_size=200)


WORD = spoilt(
    *(b"gpgshim/1 %s\n" % word.encode() for word in wire.REQUESTS + wire.ANSWERS),
    b"gpgshim/1 end 75\n",
    b"gpgshim/1 no " + b"x" * 5000 + b"\n",
)


def fuzz_wire(data: bytes) -> None:
    """Both directions: only a line that begins as a go does is one."""
    for words in (wire.REQUESTS, wire.ANSWERS):
        try:
            word, argument = wire.decode(data, words)
        except wire.WireError as error:
            assert len(str(error)) < 500
            continue
        assert data.startswith(f"gpgshim/1 {word}".encode()) and word in words
        assert wire.decode(wire.encode(word, argument), words)[0] == word


REPORT = b"message Uploaded to unstable\nemail reported <1@x>\nuploaded\n"


def fuzz_o2m(data: bytes) -> None:
    """One line is a yes, and a report is whole or none."""
    assert (o2m.answer_to_commit(data) is Event.GO_AHEAD) == (data == b"go-ahead\n")
    report = o2m.parse_report(data)
    for exited_0 in (True, False):
        amount = o2m.amount_to(report, data, exited_0)
        for state in DURABLE:
            lines = o2m.reply_lines(o2m.REPLIES[state, amount], report)
            assert len(lines) in (0, 3)
            assert "retriable" not in lines[2:] or state is State.UNCOMMITTED
            assert not any("\n" in line for line in lines)


def fuzz_journal(data: bytes) -> None:
    """Any bytes have a verdict; those that are no journal are never called harmless."""
    verdict = judge_bytes(data)
    row = row_of("j", 1, "j.1", data, False, 2e9, 2e9)
    assert row.needs or verdict.outcome is not Outcome.IRRECOVERABLE or row.words
    assert all(line.isprintable() for line in table([row], 100)) and json.dumps(row.as_json)
    if verdict.would:
        assert verdict.outcome is Outcome.OBSERVED and b"mode: observe\n" in data
    else:
        assert verdict.outcome is OUTCOMES[verdict.known, verdict.ending]
    assert verdict.meaning
    try:
        transcript = parse(data)
    except TranscriptError as error:
        assert len(str(error)) < 1000
        assert verdict.outcome is Outcome.IRRECOVERABLE
        return
    if b"! unknown\n" in data.replace(b"\r", b"") and verdict.state is State.UNCOMMITTED:
        assert not any(line.sigil == "!" and line.text == "unknown" for line in transcript.lines)
    replay(transcript)
    with contextlib.suppress(TranscriptError):
        assert show(transcript).isascii()
        read_page(job_page(transcript))


def fuzz_table(data: bytes) -> None:
    """A table that is none is a ValueError, at once or when a row of it is read."""
    with contextlib.suppress(ValueError):
        table = optiontable.load(data.decode("utf-8", "surrogateescape"))
        decision.read(["--sign", "-o", "x", "--det", "f"], table, {}, lambda _path: None)


def fuzz_command_line(words: list[str], conf: str) -> None:
    """Any words have a verdict and a reason, and a status descriptor that is one or none."""
    read = decision.read(
        words, LOADED, {"HOME": "/h"}, lambda path: conf if "/h/" in path else None
    )
    assert read.verdict in (decision.SIGN, decision.PASS, decision.UNKNOWN_COMMAND)
    assert read.reason
    assert read.status_fd is None or read.status_fd >= 0


NAMES = [name for name, _, _ in LOADED.rows()]
COMMAND_LINES = st.lists(
    st.sampled_from(["--", "-", "--sign", "-sa", "-b", "-u", "X", "--status-fd", "1", "", "0x9"])
    | st.builds(
        lambda name, cut, value: f"--{name[:cut]}{value}",
        st.sampled_from([*NAMES, *COMMANDS]),
        st.integers(1, 30),
        st.sampled_from(["", "=", "=1", "=x", "=-1", "=99999999999999999999"]),
    )
    | st.text(max_size=12)
    | st.binary(max_size=8).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    max_size=6,
)
CONFS = st.sampled_from(["", "sign\n", "[if]\n", "batch\nstatus-fd 2\n"]) | st.text(max_size=40)

#: Target -> (its kinds of input, its share of all inputs, in thousandths).
TARGETS: dict[Callable[..., None], tuple[tuple[st.SearchStrategy[object], ...], int]] = {
    fuzz_wire: ((WORD,), 220),
    fuzz_o2m: (
        (spoilt(REPORT, b"go-ahead\n", REPORT.replace(b"uploaded\n", b"retriable\n")),),
        200,
    ),
    fuzz_journal: ((spoilt(*JOURNALS, b"job: j\n\n! uncommitted\n"),), 200),
    fuzz_table: ((spoilt(TABLE.encode(), TABLE[:400].encode()),), 100),
    fuzz_command_line: ((COMMAND_LINES, CONFS), 200),
}


FURTHER = 19  #: inputs that are made of each of hypothesis's


def further(inputs: tuple[object, ...]) -> Iterator[tuple[object, ...]]:
    """`inputs`, and then FURTHER others that are a little off it; the same ones each time."""
    yield inputs
    source = random.Random(repr(inputs))
    one, *rest = inputs
    for _ in range(FURTHER):
        if isinstance(one, bytes):
            new = source.choice((b"", source.randbytes(source.randrange(4)), *TOKENS))
            at = source.randrange(len(one) + 1)
            yield one[:at] + new + one[at + source.randrange(8) :], *rest
        else:
            assert isinstance(one, list)
            words = [*one, source.choice(("--" + source.choice(NAMES), "-s", "--", "x"))]
            source.shuffle(words)
            yield words, *rest


def run_target(target: Callable[..., None], count: int) -> int:
    """Give `target` so many inputs; how many it had. Raises what it raises."""
    done = 0

    def counted(inputs: tuple[object, ...]) -> None:
        nonlocal done
        for each in further(inputs):
            done += 1
            try:
                target(*each)
            except Exception as error:
                error.add_note(f"input {done}: {each!r}")
                raise

    strategies, _ = TARGETS[target]
    while done < count:
        before = done
        run = settings(
            max_examples=min((count - done) // (FURTHER + 1) + 1, 5_000),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )(given(st.tuples(*strategies))(counted))
        run()
        assert done > before
    return done


class Never:
    """An authority that says no by silence, so that no grant could be right."""

    pid = 0

    def check(self) -> None:
        pass

    def reach(self) -> None:
        raise OSError(111, "there is nobody")

    def ask(self, question: Question) -> None:
        raise AssertionError("it was asked, but not reached before")

    def fileno(self) -> int:
        return -1

    def answer(self) -> Answer | None:
        return None

    def give_up(self) -> None:
        """Nothing was begun."""


class Target:
    """A real supervisor of a job without a job, in a thread, on a real socket."""

    def __init__(self, root: Path, authority: Authority) -> None:
        self.root = root
        self.journal = Journal.create(root / "state", "fuzz", {})
        self.supervisor = Supervisor(
            root, self.journal, authority, 5.0, Inspector(root, LOADED), starts_elsewhere=False
        )
        reader, self._writer = os.pipe()
        self.supervisor.watch(reader, lambda: self.supervisor.finish(r.Ended()))
        self.thread = threading.Thread(target=self.supervisor.serve)
        self.thread.start()

    def say(self, data: bytes, cut: int) -> bytes:
        """What is answered to `data`, of which `cut` bytes come first."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(60)
            peer.connect(str(self.root / "socket"))
            with contextlib.suppress(OSError):
                peer.sendall(data[:cut])
                peer.sendall(data[cut:])
                peer.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while more := peer.recv(1 << 16):
                    answer += more
            return answer

    def end(self) -> None:
        os.write(self._writer, b"x")
        self.thread.join(60)
        assert not self.thread.is_alive(), "the supervisor hangs"
        self.supervisor.conclude()
        self.supervisor.shut()


def is_question(data: bytes) -> bool:
    """Whether these bytes are one whole line that asks for a grant."""
    one_line = data.endswith(b"\n") and data.count(b"\n") == 1 and len(data) <= wire.LONGEST
    asks = data[:-1].split(b" ")[:2] in (
        [b"gpgshim/1", b"sign"],
        [b"gpgshim/1", b"unknown-command"],
    )
    return one_line and asks and data.isascii()


def to_supervisor(count: int, root: Path, authority: Authority, may_grant: bool) -> int:
    """So many byte strings to a real supervisor: no more than a no, if it may not grant."""
    target = Target(root, authority)
    done = granted = 0

    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(QUESTIONS if may_grant else WORD, st.integers(0, 20))
    def say(data: bytes, cut: int) -> None:
        nonlocal done, granted
        done += 1
        answer = target.say(data, cut)
        assert len(answer) <= wire.LONGEST
        word = wire.decode(answer, wire.ANSWERS)[0] if answer else wire.NO
        # What comes after a whole line, and later, may find it answered.
        asked = is_question(data) or is_question(data[:cut])
        assert word != wire.GO or (may_grant and asked)
        assert word != wire.OPEN or may_grant
        granted += word == wire.GO

    try:
        if may_grant:  # or the first to give up would close it for good
            target.say(b"gpgshim/1 sign\n", 0)
        say()
    finally:
        target.end()
    data = target.journal.path.read_bytes()
    # Not searched for in the text: a client's reason, which is in a note, may say the same.
    grants = sum(line[:2] == ("=", "go") for line in parse(data).lines)
    assert (granted > 0) == may_grant
    assert grants >= granted
    assert may_grant or grants == 0
    verdict = judge_bytes(data)
    assert verdict.state is (State.COMMITTED if may_grant else State.UNCOMMITTED) and verdict.told
    assert not replay(parse(data)), "its own journal does not replay"
    return done


#: Lines that close no gate: after a close all later requests would be refused.
QUESTIONS = spoilt(
    b"gpgshim/1 sign\n", b"gpgshim/1 unknown-command\n", b"gpgshim/1 give-up\n"
).filter(lambda data: b"close" not in data and b"end" not in data)


def to_supervisor_that_cannot(count: int, root: Path) -> int:
    """The authority never answers, so no request is granted."""
    return to_supervisor(count, root, Never(), may_grant=False)


def to_supervisor_that_may(count: int, root: Path) -> int:
    """The authority answers go-ahead at once: only a complete request is granted."""
    return to_supervisor(count, root, NoAuthority(), may_grant=True)


def to_manager(count: int, root: Path) -> int:
    """So many answers to the request to commit, by pipes: one is a yes, and none is read ahead."""
    done = 0

    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(spoilt(b"go-ahead\n", b"go-ahead\ngo-ahead\n", b"protocol-violation x\n"))
    def answer(data: bytes) -> None:
        nonlocal done
        done += 1
        reader, its_writer = os.pipe()
        its_reader, writer = os.pipe()
        manager = Manager(reader, writer)
        manager.reach()
        manager.ask(Question(Occasion("j", 1, "j.1", LOADED)))
        assert os.read(its_reader, 100) == o2m.COMMIT
        assert manager.answer() is None
        os.write(its_writer, data)
        os.close(its_writer)
        said = manager.answer()
        assert said is not None
        first, feed, rest = data.partition(b"\n")
        assert (event_of(said) is Event.GO_AHEAD) == (first + feed == o2m.GO_AHEAD)
        assert event_of(said) in (Event.GO_AHEAD, Event.SILENCE)
        line = parse_line(codec.text_of(said))
        assert codec.read(line.sigil, line.text) == said
        left = os.read(reader, 1 << 16) if rest else b""
        assert left == rest, "it read what is the worker's"
        for fd in (reader, its_reader, writer):
            os.close(fd)

    answer()
    return done


class Answers:
    """A supervisor that sends given bytes as the answer to a real stunt's ask()."""

    def __init__(self, root: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(root / "socket"))
        self.listener.listen()
        self.root = root

    def ask(self, data: bytes) -> str:
        """What ask.ask makes of `data` for an answer: go, no, closed, or "" for NoAnswer."""
        from gpgshim.stunts import ask

        def answer() -> None:
            with self.listener.accept()[0] as peer, contextlib.suppress(OSError):
                peer.recv(4096)
                peer.sendall(data)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            return ask.ask(str(self.root), wire.SIGN)[0]
        except ask.NoAnswer as error:
            assert "\n" not in str(error)
            return ""
        finally:
            thread.join(60)


def to_stunts(count: int, root: Path) -> int:
    """Send `count` answers to a stunt. Only `go` may count as a grant."""
    supervisor = Answers(root)
    done = 0

    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(WORD)
    def hear(data: bytes) -> None:
        nonlocal done
        done += 1
        went = supervisor.ask(data) == wire.GO
        # One line of which the word is go: nothing else at all.
        one_line = data.count(b"\n") == 1 and data.endswith(b"\n") and len(data) <= wire.LONGEST
        assert went == (one_line and data[:-1].isascii() and data[:-1].split(b" ")[:2] == GO)

    with supervisor.listener:
        hear()
    return done


GO = [b"gpgshim/1", b"go"]

#: Targets with real processes, sockets and pipes -> their share of all inputs, in thousandths.
REAL: dict[Callable[[int, Path], int], int] = {
    to_supervisor_that_cannot: 30,
    to_supervisor_that_may: 10,
    to_stunts: 20,
    to_manager: 20,
}


def limit(count: int) -> None:
    """Have the kernel kill this process if it hangs or grows without bound."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    seconds = int(120 + count * SECONDS_AN_INPUT)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def run_share(name: str, count: int) -> tuple[str, int, float, int]:
    """One target's share of `count`: its name, inputs, seconds of this processor, peak MB."""
    began = time.process_time()
    targets = {target.__name__: share for target, (_, share) in TARGETS.items()}
    if name in targets:
        target = next(each for each in TARGETS if each.__name__ == name)
        done = run_target(target, max(1, count * targets[name] // 1000))
    else:
        real = next(each for each in REAL if each.__name__ == name)
        root = Path(tempfile.mkdtemp(prefix="gs."))
        try:
            done = real(max(1, count * REAL[real] // 1000), root)
        finally:
            # An agent that ends removes its own sockets, so a name may be gone already.
            shutil.rmtree(root, ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return name, done, time.process_time() - began, peak


def main() -> int:
    """Share the inputs among all targets, and these among as many processes as processors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--n", type=int, default=1_000_000, help="inputs in all")
    count = parser.parse_args().n
    limit(count)
    total = most = 0
    names = [each.__name__ for each in (*TARGETS, *REAL)]
    # A process that the kernel kills at its limits ends the whole, with an error.
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        shares = [pool.submit(run_share, name, count) for name in names]
        for share in as_completed(shares):
            name, done, seconds, peak = share.result()
            print(f"{name}: {done} inputs, {seconds:.0f} s", flush=True)
            total, most = total + done, max(most, peak)
    print(f"{total} inputs in all; peak memory {most} MB a process; nothing granted")
    return 0


def in_a_process(count: int) -> subprocess.CompletedProcess[str]:
    """The same under its limits, in a process of its own."""
    words = [sys.executable, "-m", "tools.fuzz", "--n", str(count)]
    env = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    print(shlex.join(words))
    return subprocess.run(words, env=env, capture_output=True, text=True, cwd=PACKAGE.parent)


if __name__ == "__main__":
    sys.exit(main())
