# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play one scenario for real, inside a Debian root, and write down what became of it.

1. A report says what happened, and judges nothing; tests/real/test_e2e.py has the checks.
2. A deed is done to a job at a moment at which the job itself waits.
3. The clock only ends a play that would wait for ever, and decides nothing else.

Usage, with an empty /world, as the ordinary user: `-m tools.world.play SCENARIO MODE PACE`, where
MODE is stock, gated, observed, locked (gated, with a lock of gpg-agent), at-agent (the same, with
the commitment point at gpg-agent), or one of deployed.MODES (by systemd), and PACE is how many
seconds a job takes on this machine just now.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.world import deployed
from tools.world import tag2upload as t2u
from tools.world.archive import Archive, Fault
from tools.world.forge import Forge
from tools.world.manager import Job, Line, Manager, Misdeed
from tools.world.scenarios import AT_AGENT, LOCKED, LOCKS, SCENARIOS, Scenario

CHECKOUT = Path(__file__).resolve().parents[2]
FIRST_JOB = 2420
#: The processes of a job on the oracle, by their command line; all others belong to the workers.
JOB_PROCESS = re.compile(
    r"^t2u processor|--tag2upload12| rpush-source |--detach-sign|--clearsign|debsign"
)

#: Mode -> the settings of gpgshim.
SETTINGS = {
    "observed": "observe = true\n",
    LOCKED: "lock-agent = true\n",
    AT_AGENT: 'lock-agent = true\ncommit-at = "agent"\n',
}

REMOTE_PUSH = " remote-push-source"  # what dgit at the builder's is called with


@dataclass(frozen=True)
class Process:
    """One process, zombies excepted."""

    pid: int
    parent: int
    program: str
    command: str
    home: str  # says on which host it is


def list_processes() -> list[Process]:
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            command = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state, parent = (proc / "stat").read_text().rpartition(")")[2].split()[:2]
            program = os.readlink(proc / "exe")
            home = re.search(rb"(?:^|\0)HOME=([^\0]*)", (proc / "environ").read_bytes())
        except OSError:  # it has just ended
            continue
        if state != "Z":
            where = home[1].decode() if home else ""
            found.append(Process(int(proc.name), int(parent), program, command, where))
    return found


def find_job_processes() -> list[Process]:
    return [
        process
        for process in list_processes()
        if process.home == str(t2u.ORACLE)
        and JOB_PROCESS.search(process.command)
        and not process.program.endswith("/ssh")
    ]


def is_ours(process: Process) -> bool:
    """Whether it is the stunt dgit-repos-server: a keeper, or a supervisor."""
    return (
        "/python" in process.program
        and process.home == str(t2u.ORACLE)
        and "--tag2upload12" in process.command
    )


def find_processes(role: str) -> list[Process]:
    """Find whom a deed is about, among those that run."""
    processes = list_processes()
    drs = {process.pid for process in processes if process.command.startswith("t2u processor")}

    ours = {process.pid for process in processes if is_ours(process)}

    def plays(process: Process) -> bool:
        at_oracle = process.home == str(t2u.ORACLE)
        program = "/perl" if role == "dgit" else "/python"
        if role == "builder":
            return process.home == str(t2u.BUILDER) and REMOTE_PUSH in process.command
        if role == "d-r-s":  # its child has the same name
            return process.pid in drs and process.parent not in drs
        if role in ("dgit", "stunt dgit"):
            pushes = "/dgit " in process.command and " rpush-source " in process.command
            return at_oracle and pushes and program in process.program
        if role in ("keeper", "supervisor"):  # both are our dgit-repos-server; one forks the other
            return process.pid in ours and (process.parent in ours) is (role == "supervisor")
        if role == "ssh":  # the one whose other end is dgit at the builder's
            return at_oracle and "/bin/ssh " in process.command and REMOTE_PUSH in process.command
        if role == "gpg":
            return process.program.endswith("/gpg") and "--detach-sign" in process.command
        raise ValueError(role)

    return [process for process in processes if plays(process)]


def find_agent() -> int:
    """Find the oracle's gpg-agent, without whom nothing is signed; its pid."""
    asked = ("gpg-connect-agent", "GETINFO pid", "/bye")
    return int(t2u.run(*asked, cwd=t2u.ORACLE, home=t2u.ORACLE).split()[1])


def wait_for(holds: Callable[[], object], patience: float) -> bool:
    """Look until `holds`; False: it did not, in `patience` seconds."""
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class Stage:
    """One scenario's world while it is played."""

    def __init__(self, scenario: Scenario, mode: str, pace: float) -> None:
        self.scenario = scenario
        self.is_deployed = mode in deployed.MODES
        self.mode = deployed.MODES.get(mode, mode)
        self.limit = math.ceil(scenario.limit * pace)
        self.patience = scenario.patience * pace
        self.events: list[tuple[float, str]] = []
        self.began = time.monotonic()
        fingerprint = t2u.make_places()
        self.used_before = t2u.count_key_uses()  # for the key itself
        self.used_by: dict[str, int] = {}  # at each commitment: how often jobs had used the key
        self.note(f"the oracle's key is {fingerprint}")
        self.archive_opened = time.monotonic()
        self.archive = Archive(
            t2u.ARCHIVE,
            {"sid": "unstable", "experimental": "experimental"},
            [Fault.parse(text) for text in scenario.archive],
        )
        self.forge = Forge(t2u.FORGE, [Fault.parse(text) for text in scenario.forge])
        for home in (t2u.ORACLE, t2u.BUILDER, t2u.PUSH):
            t2u.write_dgit_config(home, self.archive.api, self.archive.mirror)
        self.door = t2u.Door(
            held=list(scenario.held),
            dead=list(scenario.unreachable),
            hurried=[f"builder *{REMOTE_PUSH}*"] * (scenario.tweak == "no queue"),
        )
        self.door.open()
        misdeeds = {word: Misdeed(deed) for word, deed in scenario.misdeeds.items()}
        self.manager = Manager(t2u.WORLD / "o2m.s", misdeeds, self.hear)
        self.agent_stopped = 0
        self.frozen: list[int] = []

    def note(self, text: str) -> None:
        self.events.append((time.monotonic(), text))

    def hear(self, line: Line) -> None:
        self.note(f"{line.mark} {line.text}")
        if (line.mark, line.text) == (">", "commit-to-public-upload"):
            self.used_by[str(line)] = self.count_uses()  # the manager has not answered yet
        # Before anything of the job can run: its first signature will wait for us at the agent.
        if (line.mark, line.text.split()[0]) != ("<", "job"):
            return
        if self.scenario.moment == "gpg" and not self.agent_stopped:
            self.agent_stopped = find_agent()
            os.kill(self.agent_stopped, signal.SIGSTOP)
        elif self.scenario.moment == "job":
            self.do(self.scenario.deed)

    def count_probes(self) -> int:
        """Oracled's, of its key: at its start and at each ayt."""
        return 1 + sum(line.text == "ack" for line in list(self.manager.transcript))

    def count_uses(self) -> int:
        """How often the key was used so far, the probes left out."""
        return t2u.count_key_uses().asked - self.used_before.asked - self.count_probes()

    def make_jobs(self) -> list[Job]:
        jobs = []
        for number in range(self.scenario.jobs):
            tweak = self.scenario.tweak
            quilt = tweak in ("quilt", "quilt mismatch")
            package = t2u.Package(
                f"probe{number or ''}",
                "1.0-1" if quilt else "1.0",
                quilt=quilt,
                broken=tweak == "quilt mismatch",
            )
            package.write()
            tag = package.push_tag()
            if tweak == "changelog mismatch":
                package.change_version("1.1")
                tag = package.replace_tag(tag, {})
            elif tweak == "tag mismatch":
                tag = package.replace_tag(tag, {"version=1.0": "version=1.1"})
            elif tweak == "tag changed":
                package.replace_tag(tag, {" release ": " new release "})
            jobs.append(
                Job(
                    id=str(FIRST_JOB + number),
                    package=package.name,
                    url=f"{self.forge.url}/{package.repository.name}",
                    tag=tag,
                    email=t2u.UPLOADER_ADDRESS,
                    attempts_left=self.scenario.attempts,
                )
            )
        return jobs

    def tweak(self) -> None:
        """Make the world otherwise than it should be."""
        tweak = self.scenario.tweak
        if tweak == "unknown signer":
            t2u.export_key(t2u.ORACLE, t2u.ORACLE / "keyrings/other.pgp")
            os.replace(
                t2u.ORACLE / "keyrings/other.pgp", t2u.ORACLE / "keyrings/debian-keyring.pgp"
            )
        elif tweak == "no queue":
            t2u.QUEUE.rmdir()
        elif tweak == "push rejected":
            (t2u.DISTRO / "suites").write_text("experimental\n")
        elif tweak == "archive down":
            self.archive.close()
        elif tweak == "round the gate":
            (t2u.ORACLE / ".devscripts").write_text("DEBSIGN_PROGRAM=/usr/bin/gpg\n")
            t2u.run("git", "config", "--global", "dgit.default.cmd-gpg", "/usr/bin/gpg",
                    cwd=t2u.ORACLE, home=t2u.ORACLE)  # fmt: skip

    def wait_moment(self) -> bool:
        """Wait until the job stands where the scenario wants it."""
        reached: dict[str, Callable[[], object]] = {
            "archive": lambda: any(query.answer == "hang" for query in list(self.archive.queries)),
            "door": lambda: self.door.waiting,
            "gpg": lambda: find_processes("gpg"),
            "commit": lambda: any(
                line.text == "commit-to-public-upload" for line in list(self.manager.transcript)
            ),
        }
        moment = reached[self.scenario.moment]
        wait_for(lambda: moment() or self.manager.finished, self.patience)
        return bool(moment())

    def do(self, deed: str) -> None:
        self.note(f"% {deed}")
        verb, _, whom = deed.partition(" ")
        signals = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}
        if verb in signals:
            found = []
            for role in whom.split(", "):
                found += (played := find_processes(role))
                if not played:
                    raise RuntimeError(f"there is no {role} to {verb}")
            # Several are stopped first: none of them is to see another's end.
            for number in (*[signal.SIGSTOP] * ("," in whom), signals[verb]):
                for process in found:
                    self.note(f"% {number.name} {process.pid} {process.command}")
                    os.kill(process.pid, number)
            self.frozen += [process.pid for process in found] if verb == "freeze" else []
        elif deed == "lose the key":
            keys, lost = (t2u.ORACLE / ".gnupg" / name for name in ("private-keys-v1.d", "lost"))
            # For one attempt: at the next one it is there again.
            os.rename(*((lost, keys) if lost.exists() else (keys, lost)))
        elif deed == "restart the worker":
            self.manager.order("restart-worker")  # once it waits
        elif deed == "probe":
            self.manager.order("ayt")
            self.manager.wait_until(
                lambda manager: any(line.text == "ack" for line in manager.transcript),
                self.patience,
            )
        elif deed:
            raise ValueError(deed)

    def thaw(self) -> None:
        for pid in self.frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def let_go(self) -> None:
        """Who waits at the door or for the agent runs on."""
        if self.agent_stopped:
            os.kill(self.agent_stopped, signal.SIGCONT)
        self.door.release()

    def play(self) -> dict[str, Any]:
        gate = []
        if self.mode in SETTINGS:
            settings = t2u.ORACLE / ".config/gpgshim/gpgshim.conf"
            settings.parent.mkdir(mode=0o700, parents=True)
            settings.write_text(SETTINGS[self.mode])
        if self.mode != "stock":
            # The deployment: a directory that holds nothing else, first on the oracle's PATH.
            (t2u.ORACLE / "gate").mkdir()
            (t2u.ORACLE / "gate/dgit-repos-server").symlink_to(CHECKOUT / "bin/dgit-repos-server")
            gate.append(t2u.ORACLE / "gate")
        jobs = self.make_jobs()
        self.tweak()
        if self.mode in LOCKS and not self.is_deployed:
            t2u.log_in()
        for job in jobs:
            self.manager.submit(job)
        if self.is_deployed:
            oracle = deployed.start_oracle(gate)
        else:
            oracle = t2u.start_oracle(gate, self.scenario.workers, self.limit)
        reached = True
        if self.scenario.moment not in ("", "job"):
            reached = self.wait_moment()
            if reached:
                self.do(self.scenario.deed)
            if not self.scenario.stay_held:
                self.let_go()
            elif self.agent_stopped:
                # Another attempt needs the agent; if there is none, nothing goes on yet.
                self.manager.wait_until(lambda manager: bool(manager.ended), self.patience)
                if not self.manager.finished:
                    self.let_go()
        finished = self.manager.wait_until(
            lambda manager: len(manager.finished) == len(jobs), self.patience
        )
        if any(line.text.startswith("over: by schedule") for line in self.manager.transcript):
            # It was the manager who went away: the oracle has yet to see that.
            wait_for(lambda: not any(map(is_ours, list_processes())), self.patience)
        # Ours have told the outcome as their last act, and are ending; nothing else may be alive.
        remain = sorted(process.command for process in find_job_processes() if not is_ours(process))
        self.note(f"% {len(remain)} processes remain")
        self.let_go()
        self.thaw()
        if any(query.answer == "hang" for query in self.archive.queries):
            self.archive.close()
        if finished:
            wait_for(lambda: not find_job_processes(), self.patience)
        oracle.send_signal(signal.SIGTERM)
        return self.report(jobs, reached, finished, remain)

    def report(
        self, jobs: list[Job], reached: bool, finished: bool, remain: list[str]
    ) -> dict[str, Any]:
        probes = self.count_probes()
        signed = t2u.count_key_uses().made - self.used_before.made - probes
        return {
            "scenario": self.scenario.name,
            "mode": self.mode,
            "deed": self.scenario.deed,
            "root": Path("/etc/gpgshim-root.name").read_text().strip(),
            "versions": Path("/etc/gpgshim-root.versions").read_text().splitlines(),
            "reached": reached,
            "finished": finished,
            "seconds": round(time.monotonic() - self.began),
            "jobs": [
                {
                    "id": job.id,
                    "attempts": [
                        asdict(attempt) | {"transcript": [str(line) for line in attempt.transcript]}
                        for attempt in job.attempts
                    ],
                }
                for job in jobs
            ],
            "transcript": [str(line) for line in self.manager.transcript],
            "mails": [asdict(mail) for mail in t2u.read_mails()],
            "signed": signed,
            "probes": probes,
            "used": self.count_uses(),
            "used_by": self.used_by,
            **t2u.list_published(),
            "remain": remain,
            "timeline": self.merge_timeline(),
            "oracle_log": (t2u.WORLD / "oracle.log").read_text(errors="replace").splitlines(),
            "journals": {
                str(path.relative_to(t2u.ORACLE)): path.read_text(errors="replace")
                for path in sorted((t2u.ORACLE / ".local/state/gpgshim").rglob("*"))
                if path.is_file()
            },
        }

    def merge_timeline(self) -> list[str]:
        """Everything that anybody saw, in one order: what to read when a scenario surprises."""
        # The archive counts from its own opening, in the same seconds.
        seen = [(at, text) for at, text in self.events]
        seen += [
            (self.archive_opened + query.at, f"archive: {query.answer} {query.asked}")
            for query in self.archive.queries
        ]
        seen += [(call.at, f"ssh {call.host}: {call.command}") for call in self.door.calls]
        return [f"+{at - self.began:07.3f} {text}" for at, text in sorted(seen)]


def main() -> None:
    name, mode, pace = sys.argv[1:]
    try:
        stage = Stage(SCENARIOS[name], mode, float(pace))
        report = stage.play()
        (t2u.WORLD / "report.json").write_text(json.dumps(report, indent=1))
        status = 0
    except BaseException:
        traceback.print_exc()
        status = 70
    # No thread of a stand-in has to be waited for: the namespaces end with this process.
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
