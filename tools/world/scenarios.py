# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenarios of a tag2upload job, each a row, and what comes of it without us and with us.

1. A row is data: the fault of the world, the moment at which the job is stopped, the deed there.
2. The row has the expected results. None is allowed only if two processes race, and is explained.
3. `check_promises` holds for every gated run, for any row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpgshim.core import records as r
from gpgshim.core.gate import State
from gpgshim.core.replay import replay
from gpgshim.core.transcript import Transcript, TranscriptError, parse
from gpgshim.core.verdict import judge

PRECHECK = "push.dgit.debian.org *policy-client-query*"  # the last step before the first signature
GIT_PUSH = "push.dgit.debian.org git-receive-pack*"  # its first after it
BEFORE, AFTER = range(1, 8), range(8, 11)  # the archive's queries before and after that signature


#: The modes with the lock of gpg-agent; in the second one it is the commitment point too.
LOCKED, AT_AGENT = "locked", "at-agent"
LOCKS = (LOCKED, AT_AGENT)


@dataclass(frozen=True)
class Want:
    """What became of the jobs, in few words."""

    attempts: str  # their outcomes, after `+` if a commitment was requested; ` | ` separates jobs
    signed: int | None = 0  # by the oracle's key, its own probes not counted
    published: str | None = ""  # `git`, `queue`
    told: str | None = ""  # the status of each mail to the uploader


@dataclass(frozen=True)
class Scenario:
    """One row. Globs of `held` and `unreachable` are over `HOST COMMAND`, as ssh is called."""

    name: str
    story: str
    stock: Want | None  # None: makes no sense without us
    gated: Want
    locked: Want | None = None  # with the lock of gpg-agent; None: as `gated`
    at_agent: Want | None = None  # with the commitment point there too; None: as `locked`
    archive: tuple[str, ...] = ()  # faults, as archive.Fault reads them
    forge: tuple[str, ...] = ()
    held: tuple[str, ...] = ()  # ssh waits before it connects
    unreachable: tuple[str, ...] = ()  # ssh cannot connect
    misdeeds: Mapping[str, str] = field(default_factory=dict)  # the manager's
    tweak: str = ""  # what else is wrong with the world
    moment: str = ""  # where the job is waited for: archive, door, gpg, commit, job
    deed: str = ""  # what is done there
    stay_held: bool = False  # until the outcome is known
    attempts: int = 2
    jobs: int = 1
    workers: int = 1
    # In times of what a job takes on this machine just now, so that a busy one decides nothing.
    limit: int = 0  # d-r-s's own time limit; 0: none
    patience: int = 60  # how long a play waits for what does not come

    def want(self, mode: str) -> Want | None:
        """What becomes of the jobs in this mode of tools/world/play.py."""
        if mode in ("stock", "observed"):
            return self.stock
        locked = (self.locked if mode in LOCKS else None) or self.gated
        return (self.at_agent if mode == AT_AGENT else None) or locked


UPLOADED = Want("+uploaded", 4, "git queue", "uploaded")
RETRIED = Want("retriable +uploaded", 4, "git queue", "uploaded")
GIVEN_UP = Want("+irrecoverable", told="irrecoverable")  # the manager had been asked, for nothing
REFUSED = Want("irrecoverable", told="irrecoverable")
TOO_LATE = Want("+irrecoverable", 1, told="irrecoverable")  # the tag was signed
LOST = Want("+lost")
LOST_AND_RETRIED = Want("lost +uploaded", 4, "git queue", "uploaded")

#: Recorded scenarios and deeds have an older word for the watchdog.
WATCHDOG = {"keeper": "watchdog", "keeper, supervisor": "watchdog and supervisor"}


def _rows() -> list[Scenario]:
    row = Scenario
    rows = [row("success", "nothing goes wrong", UPLOADED, UPLOADED)]
    rows += [
        row(f"archive-503-{n:02}", f"the archive answers query {n} of the job with 503, once",
            GIVEN_UP, RETRIED, archive=(f"503 * {n}",))
        for n in BEFORE
    ]  # fmt: skip
    rows += [
        row(f"archive-503-{n:02}", f"the archive answers query {n}, of the git server, with 503",
            TOO_LATE, TOO_LATE, archive=(f"503 * {n}",))
        for n in AFTER
    ]  # fmt: skip
    rows += [
        row("archive-slow", "the archive never answers a query, and the job runs out of time",
            GIVEN_UP, RETRIED, archive=("hang * 2",), moment="archive", stay_held=True, limit=5),
        row("archive-refused", "the archive refuses connections",
            GIVEN_UP, Want("retriable retriable", told="failed"), tweak="archive down"),
        row("archive-reset", "the archive hangs up on a query",
            GIVEN_UP, RETRIED, archive=("reset * 2",)),
        row("archive-503-last", "the archive answers 503 in the last attempt",
            GIVEN_UP, Want("retriable", told="failed"), archive=("503 * 2",), attempts=1),
        row("forge-500", "the forge answers 500, once",
            Want("+retriable +uploaded", 4, "git queue", "uploaded"), RETRIED,
            forge=("500 * 1-2",)),
        row("quilt", "the package has an upstream tarball too", UPLOADED, UPLOADED,
            tweak="quilt"),
        row("origs-503", "the archive answers the request for an upstream tarball with 503",
            Want("+retriable +uploaded", 4, "git queue", "uploaded"), RETRIED,
            tweak="quilt", archive=("503 file_in_archive/* 1",)),
        # d-r-s itself says so, and its mail has gone out: not ours to turn.
        row("builder-unreachable", "ssh to the builder fails before dgit is run",
            GIVEN_UP, REFUSED, unreachable=("builder *fetch-inputs*",)),
        row("tag-changed", "the forge has another tag than the manager",
            GIVEN_UP, REFUSED, tweak="tag changed"),
        row("tag-mismatch", "the tag contradicts itself",
            GIVEN_UP, REFUSED, tweak="tag mismatch"),
        row("unknown-signer", "the tag's key is in no keyring",
            GIVEN_UP, REFUSED, tweak="unknown signer"),
        row("changelog-mismatch", "the changelog has another version than the tag",
            GIVEN_UP, REFUSED, tweak="changelog mismatch"),
        row("quilt-mismatch", "upstream's files are changed without a patch",
            GIVEN_UP, REFUSED, tweak="quilt mismatch"),
        row("no-key", "gpg fails at the first signature",
            GIVEN_UP, GIVEN_UP, at_agent=RETRIED, moment="job", deed="lose the key"),
        row("push-rejected", "the git server rejects the push",
            TOO_LATE, TOO_LATE, tweak="push rejected"),
        row("dput-fails", "dput finds no queue",
            Want("+irrecoverable", 4, "git", "irrecoverable"),
            Want("+irrecoverable", 4, "git", "irrecoverable"),
            # dgit tries dput again and again, for ten minutes by its clock: see Door.
            tweak="no queue"),
        # The git server does not care who has given up.
        row("timeout-after", "the job runs out of time after the first signature",
            Want("+irrecoverable", 1, None, "irrecoverable"),
            Want("+irrecoverable", 1, None, "irrecoverable"),
            held=(GIT_PUSH,), moment="door", stay_held=True, limit=5),
        # It signs a tag of which the manager and the uploader have heard that there is none.
        row("orphan", "the job runs out of time while dgit is stopped; later dgit continues",
            Want("+irrecoverable", 1, "", "irrecoverable"), RETRIED,
            held=(PRECHECK,), moment="door", deed="freeze dgit", limit=5),
        row("fence", "the same, and the stunt dgit is stopped too: the alarm of d-r-s ends the job",
            None, REFUSED,
            held=(PRECHECK,), moment="door", deed="freeze dgit, stunt dgit", limit=5),
        row("two-workers", "two jobs at once, and the first archive query fails",
            Want("+irrecoverable | +uploaded", 4, "git queue", "irrecoverable uploaded"),
            Want("+uploaded | retriable +uploaded", 8, "git queue", "uploaded uploaded"),
            archive=("503 * 1",), jobs=2, workers=2),
        row("probe-during-job", "the oracle probes its key for an idle worker while another works",
            UPLOADED, UPLOADED, held=(PRECHECK,), moment="door", deed="probe", workers=2),
        row("restart-worker", "the manager restarts the worker between two jobs",
            Want("+uploaded | +uploaded", 8, "git queue", "uploaded uploaded"),
            Want("+uploaded | +uploaded", 8, "git queue", "uploaded uploaded"),
            moment="job", deed="restart the worker", jobs=2),
        row("round-the-gate", "gpg is called by its path", UPLOADED, UPLOADED,
            tweak="round the gate"),
    ]  # fmt: skip
    rows += [
        row(f"manager-{deed}", f"at the commitment the manager answers by {deed}", LOST, LOST,
            misdeeds={"go-ahead": deed})
        for deed in ("hang-up", "garbage", "protocol-violation")
    ]  # fmt: skip
    rows.append(
        row("manager-silence", "at the commitment the manager never answers",
            Want("+unfinished"), LOST,
            misdeeds={"go-ahead": "silence"}, limit=5, patience=8)
    )  # fmt: skip
    # Other processes survive. They may sign or publish, or are killed later: None.
    later = Want("+irrecoverable", None, None, "irrecoverable")
    # The survivor of the two ends the job, and d-r-s reports nothing more.
    ended, ended_late = Want("+lost"), Want("+lost", 1)
    killed = {
        "dgit": ((GIVEN_UP, RETRIED), (later, GIVEN_UP), (later, TOO_LATE)),
        "builder": ((GIVEN_UP, RETRIED), (later, later), (later, later)),
        "ssh": ((GIVEN_UP, RETRIED), (later, later), (later, later)),
        "d-r-s": (
            (LOST, RETRIED),
            (Want("+lost", None, None), ended),
            (Want("+lost", None, None), ended_late),
        ),
        "supervisor": (
            (None, LOST_AND_RETRIED), (None, ended), (None, ended_late),
        ),
        "keeper": (
            (None, LOST_AND_RETRIED), (None, ended), (None, ended_late),
        ),
        # No process is left to end the job. d-r-s dies too, but not its children. They cannot sign
        # without an earlier grant.
        "keeper, supervisor": (
            (None, LOST_AND_RETRIED),
            (None, Want("+lost", 1, None)),
            (None, Want("+lost", 1, None)),
        ),
    }  # fmt: skip
    # If the supervisor dies, so does the connection to the agent: a gpg that waits signs nothing.
    locked = {"keeper, supervisor": Want("+lost", 0, None)}
    # With the commitment point at gpg-agent, a gpg that waits for the agent has committed nothing.
    # dgit has not noticed yet that the builder or ssh is gone, and gpg goes on.
    at_agent = {whom: each[0][1] for whom, each in killed.items()}
    at_agent |= {"builder": later, "ssh": later}
    for whom, (before, at, after) in killed.items():
        name = "both" if "," in whom else whom
        story = f"{WATCHDOG.get(whom, whom)} {'are killed at once' if ',' in whom else 'is killed'}"
        # The survivor must have ended the job before the job continues. The builder has no process
        # of ours.
        held = whom not in ("builder", "ssh")
        rows += [
            row(f"kill-{name}-before", f"{story}, before the first signature", *before,
                archive=("hang * 2",), moment="archive", deed=f"kill {whom}"),
            row(f"kill-{name}-at", f"{story}, while gpg makes the first signature", *at,
                locked=locked.get(whom), at_agent=at_agent[whom],
                moment="gpg", deed=f"kill {whom}", stay_held=held),
            row(f"kill-{name}-after", f"{story}, after the first signature", *after,
                held=(GIT_PUSH,), moment="door", deed=f"kill {whom}", stay_held=held),
        ]  # fmt: skip
    rows += [
        row(f"kill-{whom}-asking",
            f"{WATCHDOG.get(whom, whom)} is killed while it waits for the manager", None, ended,
            misdeeds={"go-ahead": "silence"}, moment="commit", deed=f"kill {whom}")
        for whom in ("supervisor", "keeper")
    ]  # fmt: skip
    return rows


SCENARIOS = {row.name: row for row in _rows()}


def summarise(report: Mapping[str, Any]) -> Want:
    """Say in a row's words what a report says."""
    jobs = sorted(
        " ".join(
            ("+" if attempt["committed"] else "") + (attempt["outcome"] or "unfinished")
            for attempt in job["attempts"]
        )
        for job in report["jobs"]
    )
    told = sorted(mail["status"] for mail in report["mails"] if "uploader@" in mail["to"])
    published = [what for what, things in (("git", "refs"), ("queue", "queue")) if report[things]]
    return Want(" | ".join(jobs), report["signed"], " ".join(published), " ".join(told))


def matches(want: Want, got: Want) -> bool:
    """Compare all fields exactly, except those that the row leaves open."""
    return (
        got.attempts == want.attempts
        and want.told in (None, got.told)
        and want.signed in (None, got.signed)
        and want.published in (None, got.published)
    )


def check_promises(report: Mapping[str, Any]) -> list[str]:
    """List what a gated run has done that none may do, whatever was wrong with the world."""
    journals = read_journals(report)
    return [
        *_check_words(report),
        *_check_signatures(report, journals),
        *(text for name in journals for text in _check_journal(report, name, journals[name])),
    ]


def read_journals(report: Mapping[str, Any]) -> dict[str, Transcript]:
    """The journals of a gated run, by job and attempt: `2420.1`."""
    named = {path.rpartition("/")[2]: text for path, text in report["journals"].items()}
    return {name: parse(text.encode()) for name, text in named.items() if name[0] != "."}


def count_queries(report: Mapping[str, Any]) -> tuple[int, int]:
    """The numbers of archive queries before and after the request to the manager."""
    before = after = 0
    for line in report["timeline"]:
        _, what = line.split(" ", 1)
        if what == "> commit-to-public-upload":
            before, after = after, 0
        after += what.startswith("archive: ")
    return before, after


def is_unsupervised(report: Mapping[str, Any]) -> bool:
    """Whether watchdog and supervisor were killed at once, so that no process could end the job."""
    return bool(report["deed"] == "kill keeper, supervisor")


def count_grants(journal: Transcript) -> int:
    """How many gpgs were let through."""
    return sum((line.sigil, line.text) == ("=", "go") for line in journal.lines)


def count_forwarded(journal: Transcript) -> int:
    """How many commands that sign passed the lock of gpg-agent."""
    return sum(isinstance(record, r.Forwarded) for record, _ in journal.read(("%",)))


def _list_attempts(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The manager's attempts, named as their journals are."""
    return {
        f"{job['id']}.{number}": attempt
        for job in report["jobs"]
        for number, attempt in enumerate(job["attempts"], 1)
    }


def _check_signatures(
    report: Mapping[str, Any], journals: Mapping[str, Transcript]
) -> Iterator[str]:
    """The key was used only with a grant, and only after the request to the manager."""
    attempts = _list_attempts(report)
    granted = {name: count_grants(journal) for name, journal in journals.items()}
    if report["mode"] in LOCKS:
        if report["used"] != (forwarded := sum(map(count_forwarded, journals.values()))):
            yield f"the key was used {report['used']} times, and {forwarded} passed the lock"
    elif report["scenario"] == "round-the-gate":
        if not any("ALARM" in line for line in report["oracle_log"]):
            yield "a signature went round the gate, and there was no alarm"
        if not any(line.text == "bypassed" for each in journals.values() for line in each.lines):
            yield "a signature went round the gate, and no journal says so"
        return
    if report["used"] > sum(granted.values()):
        yield f"the key was used {report['used']} times, and {sum(granted.values())} were granted"
    told = {}  # by attempt: the time of its go-ahead, by the manager's clock
    for name, attempt in attempts.items():
        for line in attempt["transcript"]:
            if line.endswith(" < go-ahead"):
                told[name] = line
    for name, attempt in attempts.items():
        if granted.get(name) and name not in told:
            yield f"{name}: a gpg was let through, and the manager had not said go-ahead"
        for line in attempt["transcript"]:
            if line.endswith(" > commit-to-public-upload"):
                # With one job at a time there is no other job.
                others = sum(granted.get(it, 0) for it in told if it != name and told[it] < line)
                if report["used_by"][line] > others:
                    yield f"{name}: the key was used before the request to the manager"


def _check_journal(report: Mapping[str, Any], name: str, journal: Transcript) -> Iterator[str]:
    """The journal of an attempt alone tells what the manager got."""
    yield from (f"{name}: {difference}" for difference in replay(journal))
    try:
        verdict = judge(journal)
    except TranscriptError:
        return  # the replay has said it
    attempt = _list_attempts(report).get(name)
    if attempt is None:
        yield f"{name} is the journal of no attempt that the manager knows of"
        return
    asked = any(line.endswith(" > commit-to-public-upload") for line in attempt["transcript"])
    lost = "irrecoverable" if asked else "retriable"
    if verdict.outcome != (lost if attempt["outcome"] == "lost" else attempt["outcome"]):
        yield f"{name} says {verdict.outcome}, and the manager got {attempt['outcome']}"
    if asked is (verdict.state is State.UNCOMMITTED):
        yield f"{name} says {verdict.state}, but that the manager was asked is {asked}"
    if not verdict.told and "supervisor" not in report["deed"]:
        yield f"{name} holds no outcome"


#: The manager's last outcome of a job -> the mails that the uploader must have got. If the manager
#: received nothing, the manager itself informs the uploader.
TOLD = {
    "uploaded": ["uploaded"],
    "irrecoverable": ["irrecoverable"],
    "retriable": ["failed"],
    "lost": [],
    "": [],
}


def list_disagreements(report: Mapping[str, Any]) -> list[str]:
    """The jobs whose mails to the uploader differ from the outcome that the manager received."""
    found = []
    for job in report["jobs"]:
        told = [
            mail["status"]
            for mail in report["mails"]
            if f" {job['id']}]" in mail["subject"] and "uploader@" in mail["to"]
        ]
        outcome = job["attempts"][-1]["outcome"] if job["attempts"] else ""
        if told != TOLD[outcome]:
            found.append(
                f"job {job['id']}: the manager got {outcome or 'nothing'},"
                f" and the uploader {', '.join(told) or 'nothing'}"
            )
    return found


def _check_words(report: Mapping[str, Any]) -> Iterator[str]:
    """The reports to the manager and the mails to the uploader agree."""
    attempts = [attempt for job in report["jobs"] for attempt in job["attempts"]]
    names = sorted(read_journals(report))
    if names != sorted(_list_attempts(report)):
        yield f"the attempts are {sorted(_list_attempts(report))}, the journals {names}"
    for attempt in attempts:
        lines = [line.split(" ", 1)[1] for line in attempt["transcript"]]
        if "> commit-to-public-upload" in lines and attempt["outcome"] == "retriable":
            yield "retriable was reported after the request to the manager"
        if any(line.startswith("> email reported") for line in lines):
            id_ = attempt["email"].split()[1]
            mail = [mail for mail in report["mails"] if mail["id"] == id_]
            status = "failed" if attempt["outcome"] == "retriable" else attempt["outcome"]
            if [m["status"] for m in mail if "uploader@" in m["to"]] != [status]:
                yield f"the uploader was not told {status}, but the manager was"
    yield from list_disagreements(report)
    outcomes = {attempt["outcome"] for attempt in attempts}
    told = {mail["status"] for mail in report["mails"] if "uploader@" in mail["to"]}
    if "irrecoverable" in told and not outcomes & {"irrecoverable", "lost"}:
        yield "only the uploader got the outcome irrecoverable"
    for job in report["jobs"]:
        ids = [
            mail["status"]
            for mail in report["mails"]
            if f" {job['id']}]" in mail["subject"] and "uploader@" in mail["to"]
        ]
        if len(ids) > 1:
            yield f"the uploader got several outcomes of one job: {', '.join(ids)}"
        if job["attempts"][-1]["outcome"] == "uploaded" and "irrecoverable" in ids:
            yield "the uploader got irrecoverable for a job that was uploaded"
    if report["remain"] and not is_unsupervised(report):
        yield "something of the job runs on after its outcome"
