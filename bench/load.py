"""How many questions does one supervisor answer, how fast, and does it grow?

1. The supervisor is `gpgshim supervise`, as it is; those who ask are sockets of this process, which
   say what a stunt says, so that two processors are enough for both ends.
2. Nothing here is a test: it prints a table, and knows no limit that would fail.

    python -m bench.load [--seconds 60] [--clients 64] [--waiting 1000] [--jobs 100]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gpgshim import wire
from gpgshim.ask import ask

CHECKOUT = Path(__file__).resolve().parents[1]
QUESTION = wire.encode(wire.SIGN)
YES = wire.encode(wire.GO)


def make_environ(scratch: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(scratch),
        "XDG_RUNTIME_DIR": str(scratch),
        "XDG_STATE_HOME": str(scratch / "state"),
        "PYTHONPATH": str(CHECKOUT),
    }


@contextlib.contextmanager
def supervisor(scratch: Path, commit: str) -> Iterator[tuple[Path, int]]:
    """A supervisor that is ready: its job's directory and its process id."""
    command = [sys.executable, "-m", "gpgshim", "supervise", "--foreground", "--job", "load"]
    with subprocess.Popen(
        [*command, "--commit", commit],
        env=make_environ(scratch),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        path = process.stdout.readline().partition("=")[2].partition(":")[0]
        job = Path(path.strip("'")).parent
        try:
            yield job, process.pid
        finally:
            ask(str(job), wire.END)
            process.wait()


def memory(pid: int) -> float:
    """Resident memory in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def call(job: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.connect(f"{job}/socket")
    peer.sendall(QUESTION)
    return peer


def measure_grants(job: Path, clients: int, seconds: float) -> list[float]:
    """Ask from `clients` connections at once, again and again; what each took, in seconds."""
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
    return took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--waiting", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        scratch = Path(name)
        measure_waiting(scratch, options.waiting)
        measure_one(scratch, options.clients, options.seconds)
        measure_jobs(scratch, options.jobs)


def measure_one(scratch: Path, clients: int, seconds: float) -> None:
    with supervisor(scratch, "true") as (job, pid):
        measure_grants(job, clients, min(2.0, seconds))
        before = memory(pid)
        took = sorted(measure_grants(job, clients, seconds))
        p99 = took[int(len(took) * 0.99)] * 1e3
        print(
            f"{len(took) / seconds:.0f} grants/s to {clients} clients for {seconds:.0f} s:"
            f" median {statistics.median(took) * 1e3:.1f} ms, p99 {p99:.1f} ms;"
            f" memory {before:.1f} MB before, {memory(pid):.1f} MB after"
        )


def measure_waiting(scratch: Path, waiting: int) -> None:
    go = scratch / "go"
    with supervisor(scratch, f"sh -c 'until test -e {go}; do sleep 0.1; done'") as (job, pid):
        before = memory(pid)
        peers = [call(job) for _ in range(waiting)]
        journal = scratch / "state/gpgshim/load.1"
        while journal.read_text().count("\n+") < 2 * waiting:
            time.sleep(0.01)
        after = memory(pid)
        go.touch()
        began = time.perf_counter()
        assert all(peer.recv(wire.LONGEST) == YES for peer in peers)
        took = time.perf_counter() - began
    print(
        f"{waiting} wait at once: memory {before:.1f} MB before, {after:.1f} MB then;"
        f" all answered {took * 1e3:.0f} ms after the go-ahead was on its way"
    )


def measure_jobs(scratch: Path, jobs: int) -> None:
    command = [sys.executable, "-m", "gpgshim", "run", "--commit", "true", "--", "true"]
    began = time.perf_counter()
    running = [
        subprocess.Popen(command, env=make_environ(scratch), stderr=subprocess.DEVNULL)
        for _ in range(jobs)
    ]
    failed = sum(process.wait() != 0 for process in running)
    took = time.perf_counter() - began
    print(f"{jobs} jobs at once: {took:.1f} s, {failed} failed")


if __name__ == "__main__":
    main()
