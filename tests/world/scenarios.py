"""The scenarios of a tag2upload job, each a row, and what comes of it without us and with us.

1. A row is data: what is wrong with the world, where the job is waited for, what is done there.
2. What must come of it is in the row; None stands only where two processes race, and says so.
3. `check_promises` holds for every gated run, whatever its row says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PRECHECK = "push.dgit.debian.org *policy-client-query*"  # the last step before the first signature
GIT_PUSH = "push.dgit.debian.org git-receive-pack*"  # its first after it
BEFORE, AFTER = range(1, 8), range(8, 11)  # the archive's queries before and after that signature


@dataclass(frozen=True)
class Want:
    """What became of the jobs, in few words."""

    attempts: str  # outcome of each, `+` before it if the commitment was asked for; jobs by ` | `
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
    archive: tuple[str, ...] = ()  # faults, as archive.Fault reads them
    forge: tuple[str, ...] = ()
    held: tuple[str, ...] = ()  # ssh waits at the door
    unreachable: tuple[str, ...] = ()  # ssh finds nobody there
    misdeeds: Mapping[str, str] = field(default_factory=dict)  # the manager's
    tweak: str = ""  # what else is wrong with the world
    moment: str = ""  # where the job is waited for: archive, door, gpg, commit, job
    deed: str = ""  # what is done there
    stay_held: bool = False  # until the outcome is known
    attempts: int = 2
    jobs: int = 1
    workers: int = 1
    timeout: int = 0  # d-r-s's own, in seconds; 0: none
    patience: int = 180


UPLOADED = Want("+uploaded", 4, "git queue", "uploaded")
RETRIED = Want("retriable +uploaded", 4, "git queue", "uploaded")
GIVEN_UP = Want("+irrecoverable", told="irrecoverable")  # the manager had been asked, for nothing
REFUSED = Want("irrecoverable", told="irrecoverable")
TOO_LATE = Want("+irrecoverable", 1, told="irrecoverable")  # the tag was signed
LOST = Want("+lost")
UNANSWERED = Want("+lost", told="irrecoverable")  # by d-r-s; to the manager it is lost


def _rows() -> list[Scenario]:
    row = Scenario
    rows = [row("success", "nothing goes wrong", UPLOADED, UPLOADED)]
    rows += [
        row(f"archive-503-{n:02}", f"the archive answers query {n} of the job with 503, once",
            GIVEN_UP, RETRIED, archive=(f"503 * {n}",))
        for n in BEFORE
    ]  # fmt: skip
    rows += [
        row(f"archive-503-{n:02}", f"likewise query {n}, which the git server makes at the push",
            TOO_LATE, TOO_LATE, archive=(f"503 * {n}",))
        for n in AFTER
    ]  # fmt: skip
    rows += [
        row("archive-slow", "the archive never answers a query, and the job runs out of time",
            GIVEN_UP, RETRIED, archive=("hang * 2",), moment="archive", stay_held=True, timeout=40),
        row("archive-refused", "nobody listens at the archive",
            GIVEN_UP, Want("retriable retriable", told="failed"), tweak="archive down"),
        row("archive-reset", "the archive hangs up on a query",
            GIVEN_UP, RETRIED, archive=("reset * 2",)),
        row("archive-503-last", "the archive answers 503 in the last attempt",
            GIVEN_UP, Want("retriable", told="failed"), archive=("503 * 2",), attempts=1),
        row("forge-500", "the forge answers 500, once",
            Want("+retriable +uploaded", 4, "git queue", "uploaded"), RETRIED,
            forge=("500 * 1-2",)),
        row("quilt", "a package with upstream's tarball besides", UPLOADED, UPLOADED,
            tweak="quilt"),
        row("origs-503", "the archive answers 503 when it is asked for that tarball",
            Want("+retriable +uploaded", 4, "git queue", "uploaded"), RETRIED,
            tweak="quilt", archive=("503 file_in_archive/* 1",)),
        # d-r-s itself says so, and its mail has gone out: not ours to turn.
        row("builder-unreachable", "ssh to the builder fails before dgit is run",
            GIVEN_UP, REFUSED, unreachable=("builder *fetch-inputs*",)),
        row("tag-changed", "the tag at the forge is not the manager's",
            GIVEN_UP, REFUSED, tweak="tag changed"),
        row("tag-mismatch", "the tag contradicts itself",
            GIVEN_UP, REFUSED, tweak="tag mismatch"),
        row("unknown-signer", "the tag's key is in no keyring",
            GIVEN_UP, REFUSED, tweak="unknown signer"),
        row("changelog-mismatch", "the changelog has another version than the tag",
            GIVEN_UP, REFUSED, tweak="changelog mismatch"),
        row("quilt-mismatch", "upstream's files are changed and no patch says so",
            GIVEN_UP, REFUSED, tweak="quilt mismatch"),
        row("no-key", "gpg fails at the first signature",
            GIVEN_UP, GIVEN_UP, moment="job", deed="lose the key"),
        row("push-rejected", "the git server rejects the push",
            TOO_LATE, TOO_LATE, tweak="push rejected"),
        row("dput-fails", "dput finds no queue",
            Want("+irrecoverable", 4, "git", "irrecoverable"),
            Want("+irrecoverable", 4, "git", "irrecoverable"),
            # dgit tries dput again and again, for ten minutes: it is the clock that ends this one.
            tweak="no queue", timeout=40),
        # The git server does not care who has given up.
        row("timeout-after", "the job runs out of time after the first signature",
            Want("+irrecoverable", 1, None, "irrecoverable"),
            Want("+irrecoverable", 1, None, "irrecoverable"),
            held=(GIT_PUSH,), moment="door", stay_held=True, timeout=40),
        # It signs a tag of which the manager and the uploader have heard that there is none.
        row("orphan", "the job runs out of time while dgit is stuck; then dgit goes on",
            Want("+irrecoverable", 1, "", "irrecoverable"), RETRIED,
            held=(PRECHECK,), moment="door", deed="freeze dgit", timeout=40),
        row("fence", "likewise, and our dgit is stuck too: it is d-r-s that gives up, by its alarm",
            None, REFUSED,
            held=(PRECHECK,), moment="door", deed="freeze dgit, stunt dgit", timeout=40),
        row("two-workers", "two jobs at once, and the first archive query fails",
            Want("+irrecoverable | +uploaded", 4, "git queue", "irrecoverable uploaded"),
            Want("+uploaded | retriable +uploaded", 8, "git queue", "uploaded uploaded"),
            archive=("503 * 1",), jobs=2, workers=2),
        row("probe-during-job", "the oracle probes its key for an idle worker while another works",
            UPLOADED, UPLOADED, held=(PRECHECK,), moment="door", deed="probe", workers=2),
        row("round-the-gate", "gpg is called by its path", UPLOADED, UPLOADED,
            tweak="round the gate"),
    ]  # fmt: skip
    rows += [
        row(f"manager-{deed}", f"at the commitment the manager answers by {deed}", LOST, UNANSWERED,
            misdeeds={"go-ahead": deed})
        for deed in ("hang-up", "garbage", "protocol-violation")
    ]  # fmt: skip
    rows.append(
        row("manager-silence", "at the commitment the manager never answers",
            Want("+unfinished"), UNANSWERED,
            misdeeds={"go-ahead": "silence"}, timeout=40, patience=80)
    )  # fmt: skip
    # The killed leave others behind, who sign or publish or are killed in their turn: None.
    killed = {
        "dgit": ((GIVEN_UP, RETRIED), Want("+irrecoverable", None, None, "irrecoverable")),
        "builder": ((GIVEN_UP, RETRIED), Want("+irrecoverable", None, None, "irrecoverable")),
        "d-r-s": ((LOST, RETRIED), Want("+lost", None, None)),
        "supervisor": (
            (None, Want("lost +uploaded", 4, "git queue", "uploaded")),
            Want("+lost", None, None, None),
        ),
    }
    for whom, (before, later) in killed.items():
        stock = None if whom == "supervisor" else later
        rows += [
            row(f"kill-{whom}-before", f"{whom} is killed before the first signature", *before,
                archive=("hang * 2",), moment="archive", deed=f"kill {whom}"),
            row(f"kill-{whom}-at", f"{whom} is killed while gpg makes the first signature",
                stock, later, moment="gpg", deed=f"kill {whom}"),
            row(f"kill-{whom}-after", f"{whom} is killed after the first signature",
                stock, later, held=(GIT_PUSH,), moment="door", deed=f"kill {whom}"),
        ]  # fmt: skip
    rows.append(
        row("kill-supervisor-asking", "the supervisor is killed while it asks the manager",
            None, Want("+lost", told=None),
            misdeeds={"go-ahead": "silence"}, moment="commit", deed="kill supervisor")
    )  # fmt: skip
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
    """Compare what a row leaves open with nothing, all else exactly."""
    return (
        got.attempts == want.attempts
        and want.told in (None, got.told)
        and want.signed in (None, got.signed)
        and want.published in (None, got.published)
    )


def check_promises(report: Mapping[str, Any]) -> list[str]:
    """List what a gated run has done that none may do, whatever was wrong with the world."""
    broken = []
    attempts = [attempt for job in report["jobs"] for attempt in job["attempts"]]
    said = [line.split(" ", 1)[1] for line in report["transcript"]]
    if report["signed"] and "< go-ahead" not in said:
        broken.append("there is a signature that the manager has not allowed")
    for attempt in attempts:
        lines = [line.split(" ", 1)[1] for line in attempt["transcript"]]
        if "> commit-to-public-upload" in lines and attempt["outcome"] == "retriable":
            broken.append("retriable was said after the manager had been asked")
        if any(line.startswith("> email reported") for line in lines):
            id_ = attempt["email"].split()[1]
            mail = [mail for mail in report["mails"] if mail["id"] == id_]
            status = "failed" if attempt["outcome"] == "retriable" else attempt["outcome"]
            if [m["status"] for m in mail if "uploader@" in m["to"]] != [status]:
                broken.append(f"the uploader was not told {status}, but the manager was")
    outcomes = {attempt["outcome"] for attempt in attempts}
    told = {mail["status"] for mail in report["mails"] if "uploader@" in mail["to"]}
    if "irrecoverable" in told and not outcomes & {"irrecoverable", "lost"}:
        broken.append("the uploader was told that it is over, and nobody else was")
    for job in report["jobs"]:
        ids = {mail["status"] for mail in report["mails"] if f" {job['id']}]" in mail["subject"]}
        if job["attempts"][-1]["outcome"] == "uploaded" and "irrecoverable" in ids:
            broken.append("the uploader was told irrecoverable of what has been uploaded")
    if report["remain"] and report["deed"] != "kill supervisor":  # its fence dies with it
        broken.append("something of the job runs on after its outcome")
    return broken
