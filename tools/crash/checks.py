# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a job, whatever was done to it, and of the attempt that comes next.

Rule 1: faults() does not know what was done to the job, only to which process.
Rule 2: the second attempt is also a check of the first: nothing may prevent it.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

from gpgshim.core.gate import TEMPFAIL, Outcome, State
from gpgshim.core.replay import replay
from gpgshim.core.transcript import Line, TranscriptError, parse
from gpgshim.core.verdict import judge, judge_bytes
from tools.crash.calls import normal
from tools.crash.locked import LOCKED, faults_of_lock
from tools.crash.standins import COMMIT
from tools.crash.tracer import Deed, Seen, Stuck, Target
from tools.crash.world import OF_THE_JOB, RUNS, Attempt, Base, World, first_role


def end_of(attempt: Attempt) -> str:
    """What an attempt came to, in a word or two."""
    if attempt.journal is None:
        return "not begun"
    verdict = attempt.verdict
    end = f"{verdict.state}, {verdict.outcome}{'' if verdict.told else ' (not written)'}"
    if verdict.signatures and verdict.signatures.may_exist:
        made, unknown, _ = verdict.signatures
        end += f", {made} made, {unknown} unknown"
    return end


def lines_of(journal: bytes) -> list[Line]:
    """The lines of a journal, a torn one left out; none of what is no journal."""
    with contextlib.suppress(TranscriptError):
        return list(parse(journal).lines)
    return []


def has(journal: bytes, state: State) -> bool:
    """Whether a journal holds this state, in a line that is whole."""
    return any((line.sigil, line.text) == ("!", state) for line in lines_of(journal))


def faults(attempt: Attempt, face: str, killed: str) -> list[str]:
    """What is wrong with an attempt in which the process `killed` (a role, or "") was killed."""
    found: list[str] = []
    seen, verdict, journal = attempt.seen, attempt.verdict, attempt.journal

    def wrong(true: object, what: str) -> None:
        if true:
            found.append(what)

    asked = [on_disk for line, on_disk in attempt.heard if line == COMMIT]
    # Promise 1, by what the gpg itself saw.
    wrong(any(not has(each, State.COMMITTED) for each in attempt.signed), "SIGNED UNCOMMITTED")
    wrong(attempt.signed and not asked, "SIGNED, and the manager has not heard")
    wrong(any(not has(each, State.UNKNOWN) for each in asked), "ASKED before `! unknown`")
    wrong(len(asked) > 1, "the manager got two requests")
    grants = sum((line.sigil, line.text) == ("=", "go") for line in lines_of(journal or b""))
    wrong(len(attempt.signed) > grants, f"{len(attempt.signed)} SIGNED, {grants} granted")
    early = seen.moved is not None and not has(seen.moved, State.COMMITTED)
    wrong(early and attempt.signed, "SIGNED, and the journal was moved before `! committed`")
    # Promise 2: by us, by the stunt dgit, to the manager, and by the journal.
    mine = seen.status if not killed or killed != first_role(face) else None
    if asked or attempt.signed:
        wrong(mine == TEMPFAIL, "75 after the manager had heard")
        wrong(verdict.outcome is Outcome.RETRIABLE, "the journal says retriable after commit")
        wrong(any(line == "retriable" for line, _ in attempt.heard), "RETRIABLE after commit")
        for target, status in seen.ends:
            wrong(target.role == "stunt dgit" and status == TEMPFAIL, "dgit says 75 after commit")
    lost = seen.moved is not None  # perhaps after its outcome was written, and before it was read
    # Promise 5: one outcome, the journal's.
    if journal is not None:
        try:
            judge(parse(journal))
        except TranscriptError as error:
            wrong(True, f"the journal does not read: {error}")
        outcomes = [line.text for line in lines_of(journal) if not line.sigil]
        wrong(len(outcomes) > 1, f"outcomes in the journal: {outcomes}")
    if face in RUNS or face == "supervise":
        said = [x for x in attempt.said.splitlines() if x.startswith(f"gpgshim: {attempt.name}: ")]
        wrong(len(said) > 1, "the outcome is reported twice")
        # A supervisor that cannot read the journal back reports `unknown`, not what it remembers.
        doubts = said and ": irrecoverable: unknown: " in said[0]
        wrong(
            said and not doubts and f": {verdict.outcome}: " not in said[0],
            f"said {said}, not {verdict}",
        )
        if mine is not None:
            retriable = journal is not None and verdict.outcome is Outcome.RETRIABLE
            wrong(mine == TEMPFAIL and not retriable, f"75, and it is {verdict.outcome}")
            wrong(retriable and said and not lost and mine != TEMPFAIL, f"{mine}, not 75")
            # main() takes an uncaught OSError for one of stdout, but `run` writes nothing there.
            uncaught = face in RUNS and "gpgshim: stdout: " in attempt.said
            wrong(uncaught, f"an uncaught error: {attempt.said}")
            wrong(mine == 0 and verdict.outcome is not Outcome.UPLOADED, f"0, and {verdict}")
    else:
        told = [line for line, _ in attempt.heard if line != COMMIT]
        wrong(len(told) not in (0, 3), f"half a report: {told}")
        if len(told) == 3:
            wrong(told[2] != verdict.outcome, f"the manager heard {told[2]}, and it is {verdict}")
        wrong(mine == 0 and len(told) != 3, "exit 0, and the manager heard no outcome")
        signs = {"stunt gpg", "real gpg"} & set(seen.late)
        wrong(signs and attempt.signed, "a job ran on to its signature without its watchdog")
    if face in LOCKED:
        found += faults_of_lock(attempt.made, journal, verdict, attempt.own)
        wrong(attempt.holes, f"gpg could start an agent: {attempt.holes}")
    # No process may remain when the caller continues with the next job.
    wrong(left_running(attempt, face, killed), f"left running: {seen.alive}")
    found += tracebacks(attempt.said)
    return found


def unreplayable(journal: bytes | None) -> list[str]:
    """Whether the tables would do again what a journal says, such as not to grant after the end."""
    try:
        transcript = None if journal is None else parse(journal)
    except TranscriptError:
        return []  # which faults() has found
    return [f"replay: {each}" for each in (replay(transcript) if transcript else [])]


def left_running(attempt: Attempt, face: str, killed: str) -> bool:
    """Whether a process remained that should not, when the caller's own child had ended.

    `gpgshim run` does not kill the orphans of a killed job, but its gate refuses them. The tracer
    checks that all processes end.
    """
    orphans = face != "repos-server" and killed in OF_THE_JOB
    ended = attempt.seen.status if not killed or killed != first_role(face) else None
    alive = [x for x in attempt.seen.alive if "gpgshim supervise" not in x]  # it has just answered
    return ended is not None and bool(alive) and not orphans


def tracebacks(said: str) -> list[str]:
    """Tracebacks from our functions, which are unexpected errors.

    If a module could not be imported, Python reports that; none of our functions had begun.
    """
    found = []
    for text in said.split("Traceback (most recent call last):\n")[1:]:
        frames = re.findall(r'^  File "(.*)", line (\d+), in (.*)$', text, re.MULTILINE)
        error = next((x for x in text.splitlines() if x[:1].strip()), "")
        ours = [each for each in frames if "gpgshim" in each[0] and each[2] != "<module>"]
        if ours:
            path, line, function = ours[-1]
            found.append(f"a traceback: {path.rpartition('/')[2]}:{line} in {function}: {error}")
    return found


def faults_of_next(world: World, first: Attempt, number: int) -> tuple[list[str], Attempt]:
    """The faults of attempt `number`, which is not disturbed, and the attempt."""
    attempt = world.attempt(number, Target("nobody", 1), Deed())
    found = [*faults(attempt, world.face, "")]
    if attempt.seen.status != 0 or attempt.verdict.outcome is not Outcome.UPLOADED:
        found.append(f"{attempt.seen.status}, {end_of(attempt)}: {attempt.said}")
    if len(attempt.signed) != 2:
        found.append(f"{len(attempt.signed)} signatures")
    kept = first.journal is not None and first.seen.moved is None
    if len(world.journals()) != kept + number - 1:
        found.append(f"journals: {world.journals()}")
    return [f"attempt {number}: {each}" for each in found], attempt


#: Remains that a second attempt has been made upon, and how it went; of this process.
_TRIED: dict[str, tuple[list[str], str]] = {}


def remains_of(root: Path) -> str:
    """The files that an attempt left, without differences between two equal runs."""
    found = []
    for top in ("run", "state", "agents"):
        for path in sorted((root / top).rglob("*")):
            kind = "/" if path.is_dir() else "=" if path.is_socket() else ""
            name = normal(str(path), str(root))
            text = ""
            if top == "state" and path.is_file():
                data = path.read_text("utf-8", "replace").replace(str(root), "")
                text = re.sub(r"(?m)^\+[\d.]+|\[\d+\]|\bpid \d+|^started: .*$", "", data)
            size = path.stat().st_size if path.is_file() and not text else 0
            found.append(f"{name}{kind} {size} {text}")
    return "\n".join(found)


def run_point(
    base: Base, root: Path, face: str, job: str, target: Target | None, deed: Deed
) -> tuple[Attempt, list[str], str]:
    """Do `deed` to `target` in a world of its own; the attempt, what is wrong, how a second went.

    The second attempt is made at once, and in any case: an operator who has asked the manager may
    want it. A third, days later, takes away what was left. They depend on nothing but what the
    first has left, so the same remains are tried once.
    """
    world = World(base, root, face, job)
    try:
        first = world.attempt(1, target, deed)
        killed = target.role if target and deed.what in ("kill", "tear") and first.seen.done else ""
        found = faults(first, face, killed)
        if deed.what in ("", "kill", "tear"):  # where calls fail, notes may be missing
            found += unreplayable(first.journal)
        remains = f"{face}\n{remains_of(root)}"
        if remains not in _TRIED:
            wrong, second = faults_of_next(world, first, 2)
            world.age()
            wrong += faults_of_next(world, first, 3)[0]
            if world.left():
                wrong.append(f"never taken away: {world.left()}")
            _TRIED[remains] = (wrong, end_of(second))
        wrong, end = _TRIED[remains]
        return first, found + wrong, end
    except Stuck as error:
        nothing = Seen(-1, True, {}, [], [], [])
        lost = Attempt(nothing, [], "", None, "", judge_bytes(b""), [], [], "", [])
        return lost, [f"STUCK: {error}"], "not made"
    finally:
        shutil.rmtree(root, ignore_errors=True)
