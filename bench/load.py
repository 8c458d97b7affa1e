# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests does one supervisor answer, how fast, and which costs grow?

Rule 1: the supervisor is an unchanged `gpgshim supervise`. The clients are sockets of this process.
They send the lines that a stunt sends, so two processors are enough for both ends.
Rule 2: a cost that must not grow is measured at several sizes, each many times the one before.
curves.svg shows it.

    python -m bench.load [--runs 200]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import select
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.curves import Curve, draw
from bench.results import SPREAD, Table, markdown, spread
from bench.world import GPG, ROOT, World, world
from gpgshim.core import wire
from gpgshim.history.prune import JOBS as JOBS_KEPT
from gpgshim.history.prune import SHARE
from gpgshim.stunts.ask import ask
from gpgshim.system.files import sync_directory

QUESTION = wire.encode(wire.SIGN)
YES = wire.encode(wire.GO)
PICTURE = Path(__file__).with_name("curves.svg")

CLIENTS = (1, 2, 4, 8, 16, 32, 64)
WAITING = (1, 10, 100, 1000)
JOURNALS = (0, 100, 1000, 10_000, 100_000)
JOBS = 100
STARTS = 40  #: number of starts of each program
SECONDS = 60.0  #: length of the long run; a point of a curve has a twelfth of it
ALL = 200  #: with fewer --runs, the largest sizes become smaller

#: The targets: an upper or a lower limit for each value.
MEANT = {
    "start": 1.5,  # of `import click`
    "memory": 25.0,  # MB
    "grants": 5000.0,  # a second, to 64 at once
    "p99": 20.0,  # ms
    "status": 0.3,  # s
}

#: Prints what the real gpg prints when it is asked for its options; a signature costs nothing.
STAND_IN = f"""\
#!/bin/sh
case "$1" in --version|--dump-option-table) exec {GPG} "$@";; esac
"""

#: An old journal with an outcome. Pruning must read it to find that out.
OLD = """\
format: 2
job: {job}
attempt: {attempt}
gpg: /usr/bin/gpg 2.4.9
authority: nobody
earlier: none

! uncommitted
+0.100 % exit 0
+0.101 unsigned
"""


class Supervisor(NamedTuple):
    """A ready supervisor: its job's directory, its process, and the seconds until it was ready."""

    job: Path
    process: subprocess.Popen[str]
    took: float

    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def processor(self) -> float:
        """Seconds of processor time until now."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9


def gpgshim(here: World, *words: str) -> list[str]:
    """The command `gpgshim words…`, as the installed program starts it."""
    return [str(here.python), "-c", "from gpgshim.__main__ import main; main()", *words]


def environ(here: World, state: Path, warns: bool = False) -> dict[str, str]:
    """The environment of a supervisor; `warns`: it looks for ways past the gate, as by default."""
    silent = {} if warns else {"XDG_CONFIG_HOME": str(here.silent)}
    return here.environ | {"XDG_STATE_HOME": str(state), "PYTHONPATH": str(ROOT)} | silent


@contextlib.contextmanager
def supervisor(here: World, commit: str = "true", warns: bool = False) -> Iterator[Supervisor]:
    """A ready supervisor with a state directory of its own, which is removed at the end."""
    state = Path(tempfile.mkdtemp(dir=here.state))
    words = gpgshim(here, "supervise", "--foreground", "--job", "load", "--commit", commit)
    began = time.perf_counter()
    with subprocess.Popen(
        words,
        env=environ(here, state, warns),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        path = process.stdout.readline().partition("=")[2].partition(":")[0]
        took = time.perf_counter() - began
        job = Path(path.strip("'")).parent
        try:
            yield Supervisor(job, process, took)
        finally:
            ask(str(job), wire.END)
            process.wait()
            shutil.rmtree(job)
            shutil.rmtree(state)


# The start.


class Start(NamedTuple):
    """Measured in turns, in s: `import click`, a supervisor until it is ready, one that also looks
    for ways past the gate, and a file that is put on disk as a journal is. `memory` is the largest
    size of a supervisor in MB.
    """

    click: list[float]
    ready: list[float]
    warned: list[float]
    syncs: list[float]
    memory: float


def measure_start(here: World, starts: int) -> Start:
    click, ready, warned, syncs, memory = [], [], [], [], 0.0
    with supervisor(here):
        """The gpg's option table is kept from now on."""
    for _ in range(starts):
        began = time.perf_counter()
        subprocess.run([here.python, "-c", "import click"], env=here.environ, check=True)
        click.append(time.perf_counter() - began)
        with supervisor(here) as one:
            ready.append(one.took)
            memory = max(memory, one.memory())
        with supervisor(here, warns=True) as one:
            warned.append(one.took)
        began = time.perf_counter()
        put_on_disk(here.state / "journal")
        syncs.append(time.perf_counter() - began)
    return Start(click, ready, warned, syncs, memory)


def put_on_disk(path: Path) -> None:
    """The minimum for a journal: its first lines are written and synced, and it gets its name."""
    new = path.with_suffix(".new")
    with new.open("w") as file:
        file.write(OLD)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    sync_directory(path.parent)


# Grants.


class Grants(NamedTuple):
    """The results of `clients` clients at once. Memory is in MB."""

    clients: int
    seconds: float
    took: list[float]  # seconds of each request
    processor: float  # µs of the supervisor for each request
    before: float
    after: float

    @property
    def rate(self) -> float:
        return len(self.took) / self.seconds

    @property
    def p99(self) -> float:
        return 1e3 * sorted(self.took)[int(len(self.took) * 0.99)]

    @property
    def row(self) -> tuple[str, ...]:
        median = 1e3 * statistics.median(self.took)
        return (
            f"{self.clients} at once, for {self.seconds:.0f} s",
            f"{self.rate:.0f}",
            f"{median:.1f}",
            f"{self.p99:.1f}",
            f"{1e3 * max(self.took):.0f}",
            f"{self.processor:.0f}",
            f"{self.before:.1f}",
            f"{self.after:.1f}",
        )


def call(job: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.connect(f"{job}/socket")
    peer.sendall(QUESTION)
    return peer


def ask_again_and_again(job: Path, clients: int, seconds: float) -> list[float]:
    """Send requests on `clients` connections at once, repeatedly; the seconds of each request."""
    took: list[float] = []
    poll = select.epoll()
    peers: dict[int, tuple[socket.socket, float]] = {}

    def begin() -> None:
        began = time.perf_counter()
        peer = call(job)
        peers[peer.fileno()] = peer, began
        poll.register(peer, select.EPOLLIN)

    for _ in range(clients):
        begin()
    until = time.monotonic() + seconds
    while peers:
        for fd, _ in poll.poll():
            peer, began = peers.pop(fd)
            answer = peer.recv(wire.LONGEST)
            took.append(time.perf_counter() - began)
            assert answer == YES, answer
            poll.unregister(fd)
            peer.close()
            if time.monotonic() < until:
                begin()
    poll.close()
    return took


def measure_grants(here: World, clients: int, seconds: float) -> Grants:
    with supervisor(here) as one:
        ask_again_and_again(one.job, clients, min(1.0, seconds))
        memory, processor = one.memory(), one.processor()
        took = ask_again_and_again(one.job, clients, seconds)
        each = 1e6 * (one.processor() - processor) / len(took)
        return Grants(clients, seconds, took, each, memory, one.memory())


# Waiting.


class Waiting(NamedTuple):
    """`number` stunts wait for the authority. Memory is in MB."""

    number: int
    before: float
    while_waiting: float
    took: float  # ms from the go-ahead to the last answer

    @property
    def row(self) -> tuple[str, ...]:
        numbers = (self.before, self.while_waiting, self.took)
        return (f"{self.number} wait", *(f"{each:.1f}" for each in numbers))


def measure_waiting(here: World, number: int) -> Waiting:
    go = here.scratch / "go"
    os.mkfifo(go)
    with supervisor(here, f"sh -c 'read -r line <{go}'") as one:
        before = one.memory()
        peers = [call(one.job) for _ in range(number)]
        journal = next(here.state.glob("*/gpgshim/load.1"))
        while journal.read_text().count("\n+") < 2 * number:
            time.sleep(0.01)
        waiting = one.memory()
        began = time.perf_counter()
        go.write_text("\n")
        assert all(peer.recv(wire.LONGEST) == YES for peer in peers)
        took = 1e3 * (time.perf_counter() - began)
        for peer in peers:
            peer.close()
    go.unlink()
    return Waiting(number, before, waiting, took)


# Old journals.


def make_journals(state: Path, number: int, jobs: bool) -> None:
    """Write `number` old journals: of different jobs, or all of the measured job."""
    directory = state / "gpgshim"
    directory.mkdir(mode=0o700)
    for each in range(1, number + 1):
        job, attempt = (f"job{each}", 1) if jobs else ("load", each)
        (directory / f"{job}.{attempt}").write_text(OLD.format(job=job, attempt=attempt))
    (directory / ".pruned").touch()  # pruning was done today


def run_job(here: World, state: Path) -> float:
    """The seconds of a whole job whose command does nothing."""
    words = gpgshim(here, "run", "--job", "load", "--", "true")
    began = time.perf_counter()
    subprocess.run(words, env=environ(here, state), stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


class Last(NamedTuple):
    """The job after which `due` old journals have to be removed. It took `took` seconds; `later`
    seconds after it, `gone` of the journals were removed.
    """

    took: float
    due: int
    gone: int
    later: float


class Among(NamedTuple):
    """The seconds of each job, with `number` old journals in the directory."""

    number: int
    of_others: list[float]
    of_its_own: list[float]


def run_status(here: World, state: Path) -> float:
    """The seconds of processor time of `gpgshim status`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = gpgshim(here, "status")
    subprocess.run(words, env=environ(here, state), stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure_status(here: World, numbers: list[int], starts: int) -> list[tuple[int, list[float]]]:
    """`gpgshim status` with these numbers of journals, in turns; the first one of each counts not.

    That one reads all journals, and writes the list of the settled ones.
    """
    states = {number: Path(tempfile.mkdtemp(dir=here.state)) for number in numbers}
    for number, state in states.items():
        make_journals(state, number, jobs=True)
    time.sleep(1)  # a journal that was changed just now is read again
    for state in states.values():
        run_status(here, state)
    took: dict[int, list[float]] = {number: [] for number in numbers}
    for _ in range(starts):
        for number, state in states.items():
            took[number].append(run_status(here, state))
    for state in states.values():
        shutil.rmtree(state)
    return list(took.items())


def measure_journals(here: World, numbers: list[int], starts: int) -> tuple[list[Among], Last]:
    """Jobs with these numbers of old journals, in turns; and a job after which some are removed."""
    states = {}
    for number in numbers:
        for jobs in (True, False):
            states[number, jobs] = Path(tempfile.mkdtemp(dir=here.state))
            make_journals(states[number, jobs], number, jobs)
    os.sync()
    took: dict[tuple[int, bool], list[float]] = {each: [] for each in states}
    for _ in range(starts):
        for each, state in states.items():
            took[each].append(run_job(here, state))
    last = measure_last(here, states[numbers[-1], True])
    for state in states.values():
        shutil.rmtree(state)
    return [Among(number, took[number, True], took[number, False]) for number in numbers], last


def measure_last(here: World, state: Path) -> Last:
    directory = state / "gpgshim"
    two_days_ago = time.time() - 2 * 86400
    os.utime(directory / ".pruned", (two_days_ago, two_days_ago))
    before = count_journals(directory)
    jobs = len({name.rpartition(".")[0] for name in os.listdir(directory)})
    due = min(max(0, jobs - JOBS_KEPT), jobs // SHARE)
    took = run_job(here, state)
    began = time.perf_counter()
    while (gone := before - count_journals(directory)) < due - 1:  # the job has added one journal
        if time.perf_counter() - began > SECONDS:
            break
        time.sleep(0.1)
    return Last(took, due, max(gone, 0), time.perf_counter() - began)


def count_journals(directory: Path) -> int:
    return sum(not name.startswith(".") for name in os.listdir(directory))


# Jobs.


def measure_jobs(here: World, jobs: int) -> tuple[int, float, float]:
    """`jobs`, the seconds for so many signing jobs at once, and for so many `import click`."""
    stand_in = here.scratch / "stand-in"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o700)
    state = Path(tempfile.mkdtemp(dir=here.state))
    signing = gpgshim(here, "run", "--gpg", str(stand_in), "--commit", "true")
    signing += ["--", "gpg", "-b", str(here.data)]
    subprocess.run(signing, env=environ(here, state), stderr=subprocess.DEVNULL, check=True)
    took = []
    for words in ([str(here.python), "-c", "import click"], signing):
        began = time.perf_counter()
        running = [
            subprocess.Popen(words, env=environ(here, state), stderr=subprocess.DEVNULL)
            for _ in range(jobs)
        ]
        assert [process.wait() for process in running] == [0] * jobs
        took.append(time.perf_counter() - began)
    journals = [path.read_text() for path in (state / "gpgshim").glob("[!.]*")]
    assert len(journals) == jobs + 1
    assert all("\n! committed\n" in drop_times(text) for text in journals)
    shutil.rmtree(state)
    return jobs, took[1], took[0]


def drop_times(journal: str) -> str:
    return "".join(
        f"{line.partition(' ')[2] if line.startswith('+') else line}\n"
        for line in journal.splitlines()
    )


# All tables.


def tables(runs: int) -> Iterator[Table]:
    """All tables; and write curves.svg."""
    part = min(1.0, runs / ALL)
    starts = max(5, int(STARTS * part))
    with world() as here:
        yield start_table(measure_start(here, starts))
        grants = [measure_grants(here, number, SECONDS / 12 * part) for number in CLIENTS]
        yield grants_table([*grants, measure_grants(here, CLIENTS[-1], SECONDS * part)])
        waiting = [measure_waiting(here, number) for number in WAITING]
        yield Table(
            "Stunts that wait for the authority, all at once",
            "",
            ("", "MB before", "MB then", "all answered after, ms"),
            [each.row for each in waiting],
        )
        among, last = measure_journals(here, [int(n * part) for n in JOURNALS], starts // 2)
        yield journals_table(among, last)
        yield status_table(measure_status(here, [int(n * part) for n in JOURNALS], starts // 2))
        yield jobs_table(*measure_jobs(here, max(2, int(JOBS * part))))
    PICTURE.write_text(draw(curves(grants, waiting, among)))


def start_table(start: Start) -> Table:
    click, ready, warned, syncs = (statistics.median(each) for each in start[:4])
    return Table(
        "A supervisor, from its start until it is ready",
        f"Target: {MEANT['start']} of `import click`, and {MEANT['memory']:.0f} MB of memory.",
        ("", *SPREAD, "ratio", "memory, MB"),
        [
            ('python3 -c "import click"', *spread(start.click), "1.00", ""),
            (
                "gpgshim supervise",
                *spread(start.ready),
                f"{ready / click:.2f}",
                f"{start.memory:.1f}",
            ),
            ("of that, a journal on disk", *spread(start.syncs), f"{syncs / click:.2f}", ""),
            ("with the warnings at the start", *spread(start.warned), f"{warned / click:.2f}", ""),
        ],
    )


def grants_table(grants: list[Grants]) -> Table:
    target = (
        f"Target: {MEANT['grants']:.0f} a second to {CLIENTS[-1]} clients at once, 99 of 100 in"
        f" {MEANT['p99']:.0f} ms, and memory that does not grow.\n\n"
        "![What grows with clients, stunts that wait, and old journals](curves.svg)"
    )
    times = ("a second", "median, ms", "99 %, ms", "longest, ms", "processor, us each")
    return Table(
        "Grants, with who asks on disk before each",
        target,
        ("", *times, "MB before", "MB after"),
        [each.row for each in grants],
    )


def journals_table(among: list[Among], last: Last) -> Table:
    text = (
        "`gpgshim run -- true`, start to end. Target: they cost it nothing."
        f" The job that finds {last.due:,} of them due for removal took {1e3 * last.took:.0f} ms;"
        f" {last.gone:,} were gone {last.later:.0f} s later."
    )
    return Table(
        "A whole job among old journals",
        text,
        ("journals", *SPREAD, "of its own name: median, ms", "10 %", "90 %"),
        [(f"{x.number:,}", *spread(x.of_others), *spread(x.of_its_own)) for x in among],
    )


def status_table(took: list[tuple[int, list[float]]]) -> Table:
    none = statistics.median(took[0][1])
    return Table(
        "gpgshim status among old journals",
        f"Processor time. Target: {1e3 * MEANT['status']:.0f} ms at most. The first `status` reads"
        " all journals, and is not counted.",
        ("journals", *SPREAD, "ratio"),
        [
            (f"{number:,}", *spread(each), f"{statistics.median(each) / none:.2f}")
            for number, each in took
        ],
    )


def jobs_table(number: int, took: float, least: float) -> Table:
    return Table(
        f"{number} jobs at once",
        "Each has a supervisor of its own, commits, and is granted a signature.",
        ("", "s", "ratio"),
        [
            (f'{number} times python3 -c "import click"', f"{least:.1f}", "1.00"),
            (f"{number} jobs", f"{took:.1f}", f"{took / least:.2f}"),
        ],
    )


def curves(grants: list[Grants], waiting: list[Waiting], among: list[Among]) -> list[Curve]:
    rates = [(each.clients, each.rate) for each in grants]
    slowest = [(each.clients, each.p99) for each in grants]
    memory = [(each.number, each.while_waiting) for each in waiting]
    others = [(each.number, 1e3 * statistics.median(each.of_others)) for each in among]
    own = [(each.number, 1e3 * statistics.median(each.of_its_own)) for each in among]
    return [
        Curve("grants a second", "clients at once", rates),
        Curve("ms for 99 of 100 grants", "clients at once", slowest, MEANT["p99"]),
        Curve("MB of memory", "stunts that wait", memory, MEANT["memory"]),
        Curve("ms for a whole job", "old journals", others),
        Curve("ms for a whole job", "old journals of its own name", own),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load")
    parser.add_argument("--runs", type=int, default=ALL, help="fewer measure less, and quicker")
    for table in tables(parser.parse_args().runs):
        print(f"{markdown(table)}\n", flush=True)


if __name__ == "__main__":
    main()
