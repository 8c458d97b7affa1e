# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The product, spoilt in one place at a time."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import permutations
from types import ModuleType
from typing import Any, NamedTuple

from gpgshim.agentlock.links import AgentLink
from gpgshim.agentlock.proxy import Proxy
from gpgshim.core import gate, o2m
from gpgshim.core import verdict as verdicts
from gpgshim.core.gate import (
    ADMISSIONS,
    AT_AGENT,
    CONTROLS,
    MEANINGS,
    OUTCOMES,
    REFUSALS,
    STEPS,
    TEMPFAIL,
    Admission,
    Control,
    Effect,
    Ending,
    Outcome,
    Refusal,
    State,
)
from gpgshim.core.o2m import REPLIES, Reply, Said
from gpgshim.core.verdict import ENDINGS
from gpgshim.supervisor.atagent import AgentGate
from gpgshim.supervisor.entrance import Entrance
from gpgshim.supervisor.granted import Granted
from tools.model.shell import LINES, OWN
from tools.model.state import REPORTS, V


class Mutant(NamedTuple):
    """What ships, with one thing in it changed. `row` is a row of STEPS or REPLIES, or None."""

    name: str
    where: Any  # a table, a module, or a class
    what: Any  # its row, or the name that is in it
    value: Any
    row: Any = None


def mutants() -> Iterator[Mutant]:
    """Every row of every table that decides, and every answer of every function beside them, spoilt
    in every small way."""
    yield from mutants_of_steps()
    yield from mutants_of_table(REPLIES, "REPLIES", Reply, walked=True)
    yield from mutants_of_orders(REFUSALS, "REFUSALS", Refusal, walked=True)
    yield from mutants_of_orders(ADMISSIONS, "ADMISSIONS", Admission)
    yield from mutants_of_sets(CONTROLS, "CONTROLS", Control)
    yield from mutants_of_table(OUTCOMES, "OUTCOMES", Outcome)
    yield from mutants_of_table(ENDINGS, "ENDINGS", Ending)
    yield from mutants_of_functions()
    yield from mutants_of_judge()
    yield from mutants_of_methods()
    yield from mutants_of_meanings()


def mutants_of_steps() -> Iterator[Mutant]:
    """Another next state, an effect less, one more, any two the other way round."""
    for key, (state, effects) in STEPS.items():
        name = f"STEPS[{key[0]}, {key[1]}]"
        values = [((other, effects), f"goes to {other}") for other in State if other is not state]
        for at, effect in enumerate(effects):
            values.append(((state, effects[:at] + effects[at + 1 :]), f"without {effect.name}"))
            for to in range(at + 1, len(effects)):
                order = list(effects)
                order[at], order[to] = order[to], order[at]
                swapped = f"{effect.name} and {effects[to].name} change places"
                values.append(((state, tuple(order)), swapped))
        for extra in Effect:
            for at in range(len(effects) + 1):
                if extra not in effects:
                    longer = (*effects[:at], extra, *effects[at:])
                    values.append(((state, longer), f"with {extra.name} as effect {at + 1}"))
        yield from (Mutant(f"{name} {what}", STEPS, key, value, key) for value, what in values)


def mutants_of_table(
    table: dict[Any, Any], name: str, words: type[StrEnum], walked: bool = False
) -> Iterator[Mutant]:
    """Another word in each row."""
    for row, value in table.items():
        at = ", ".join(row) if isinstance(row, tuple) else getattr(row, "__name__", row)
        for other in words:
            if other is not value:
                yield Mutant(f"{name}[{at}] is {other}", table, row, other, row if walked else None)


def mutants_of_orders(
    table: dict[Any, Any], name: str, words: type[StrEnum], walked: bool = False
) -> Iterator[Mutant]:
    """Another sequence of effects in each row."""
    for row, value in table.items():
        at = row if isinstance(row, str) else ", ".join(row)
        for length in range(len(words) + 1):
            for other in permutations(words, length):
                if other != value:
                    shown = ", ".join(other) or "nothing"
                    yield Mutant(
                        f"{name}[{at}] is {shown}", table, row, other, row if walked else None
                    )


def mutants_of_sets(table: dict[Any, Any], name: str, words: type[StrEnum]) -> Iterator[Mutant]:
    """One word less, or one more, in each row."""
    for row, value in table.items():
        for word in words:
            less = tuple(each for each in value if each is not word)
            other = less if word in value else (*value, word)
            what = f"{name}[{', '.join(row)}] is {', '.join(other) or 'nothing'}"
            yield Mutant(what, table, row, other)


class Lie(NamedTuple):
    """A function that ships, but for one kind of arguments."""

    function: Callable[..., Any]
    kind: Callable[..., Any]
    wrong: Any  # the kind of arguments for which it lies
    value: Any  # what it says then: that, or what that makes of the arguments

    def __call__(self, *arguments: Any) -> Any:
        if self.kind(*arguments) != self.wrong:
            return self.function(*arguments)
        return self.value(*arguments) if callable(self.value) else self.value


def lies(
    module: ModuleType, name: str, kind: Callable[..., Any], arguments: list[Any], others: list[Any]
) -> Iterator[Mutant]:
    """For each of `arguments`, each of `others` that the function does not say anyway."""
    function = getattr(module, name)
    for each in arguments:
        true, wrong = function(*each), kind(*each)
        shown = ", ".join(map(str, wrong))
        for value in others:
            said = value(*each) if callable(value) else value
            if said != true:
                what = f"{name}({shown}) is {value.__name__ if callable(value) else value}"
                yield Mutant(what, module, name, Lie(function, kind, wrong, value))


def mutants_of_functions() -> Iterator[Mutant]:
    """What o2m and gate have in functions: each kind of argument, each other answer."""
    yield from lies(
        o2m,
        "answer_to_commit",
        lambda line: ("go-ahead" if line == o2m.GO_AHEAD else "anything else",),
        [(line,) for line in LINES.values()],
        [V.GO_AHEAD, V.REFUSAL, V.SILENCE],
    )
    said = [(o2m.parse_report(data), data) for data in (*REPORTS.values(), b"message m\n", b"")]
    yield from lies(
        o2m,
        "amount_to",
        lambda report, data, well: (report and report.outcome, len(data) > 0, well),
        [(*each, well) for each in said for well in (True, False)],
        list(Said),
    )

    reports = {Said(report.outcome): report for report, _ in said if report}

    def nothing(reply: Reply, report: o2m.Report | None) -> list[str]:
        return []

    def as_it_is(reply: Reply, report: o2m.Report | None) -> list[str]:
        return report.lines if report else []

    def irrecoverable(reply: Reply, report: o2m.Report | None) -> list[str]:
        return report._replace(outcome=Outcome.IRRECOVERABLE).lines if report else []

    def our_own(reply: Reply, report: o2m.Report | None) -> list[str]:
        return o2m.CRASH.lines

    yield from lies(
        o2m,
        "reply_lines",
        lambda reply, report: (reply, report and report.outcome),
        list({(reply, reports.get(each)) for (_, each), reply in REPLIES.items()}),
        [nothing, as_it_is, irrecoverable, our_own],
    )
    yield from lies(
        gate,
        "exit_status",
        lambda outcome, own: (outcome, own),
        [(outcome, own) for outcome in Outcome for own in OWN.values()],
        [0, 1, gate.TEMPFAIL_TAKEN, TEMPFAIL],
    )
    for outcome in (Outcome.UPLOADED, Outcome.IRRECOVERABLE):
        wrong = o2m.CRASH._replace(outcome=outcome)
        yield Mutant(f"CRASH is {outcome}", o2m, "CRASH", wrong)


#: Clauses of verdict: (function, the clause, a wrong version of it).
CLAUSES = (
    ("_last_state", "found != list(DURABLE[: len(found)])", "False"),
    ("_last_state", "found[-1]", "found[0]"),
    ("judge", "State.UNKNOWN if on_disk is None or", "State.UNCOMMITTED if on_disk is None or"),
    ("judge", "unsure = transcript.torn or", "unsure ="),
    ("judge", "past_the_gate = r.Bypassed in seen or", "past_the_gate ="),
    ("judge", "r.Bypassed in seen or ungated", "r.Bypassed in seen"),
    ("judge", "r.Ungated in seen or unlocked", "unlocked"),
    ("judge", "r.Ungated in seen or unlocked", "r.Ungated in seen"),
    ("judge", "if not unlocked else None", "if True else None"),
    ("_signatures_of", '"agent" in transcript.head', "True"),
    ("_signatures_of", '"agent" in transcript.head', '"agent" not in transcript.head'),
    ("_signatures_of", "KEYS in transcript.head", "False"),
    ("_signatures_of", "KEYS in transcript.head", "True"),
    ("judge", '"commit-at" in transcript.head', '"commit-at" not in transcript.head'),
    ("judge", "unlocked=unlocked", "unlocked=False"),
    ("judge", "if _signs_too_early(records)", "if False"),
    ("_signs_too_early", "type(x) is r.Forwarded or", ""),
    ("_signs_too_early", "or x == committed", ""),
    ("_signs_too_early", "first != committed", "False"),
    ("_signs_too_early", "first != committed", "True"),
    ("count", "seen.get(r.Forwarded, ())", "()"),
    ("count", "seen.get(r.Signed, ())", "()"),
    ("count", "seen.get(r.Unsigned, ())", "()"),
    ("count", "forwarded - made - failed", "forwarded - made"),
    ("count", "forwarded - made - failed", "forwarded - failed"),
    ("count", "forwarded - made - failed", "forwarded"),
    ("count", "len(made)", "len(forwarded)"),
    ("judge", "(uncommitted and unsure)", "(not uncommitted and unsure)"),
    ("judge", "uncommitted = on_disk is State.UNCOMMITTED", "uncommitted = True"),
    ("_last_ending", "endings[-1]", "endings[0]"),
    ("_last_ending", "else Ending.UNREPORTED", "else Ending.WELL"),
    ("_last_ending", "else Ending.UNREPORTED", "else Ending.PERMANENT"),
    ("judge", "told and not transcript.torn and", "told and"),
    ("judge", "told != [outcome]", "False"),
    ("judge", "bool(told)", "True"),
    ("judge", "bool(told)", "False"),
    ("judge", "refused = state is State.UNKNOWN and", "refused ="),
    ("judge", "refused = state is State.UNKNOWN and", "refused = not"),
    ("judge", " and not past_the_gate", ""),
    ("judge", "State.REFUSED if refused else state", "state"),
    (
        "judge",
        "bypassed=state is State.UNKNOWN and r.Bypassed in seen",
        "bypassed=r.Bypassed in seen",
    ),
    ("judge", "bypassed=state is State.UNKNOWN and r.Bypassed in seen", "bypassed=False"),
    ("judge", "doubtful=on_disk is None or", "doubtful="),
    ("judge", "(uncommitted and transcript.torn)", "(uncommitted and not transcript.torn)"),
    ("judge", "(uncommitted and transcript.torn)", "transcript.torn"),
    ("judge", "ungated=on_disk is not State.COMMITTED and", "ungated="),
    ("judge", "asked=r.SignRequest in", "asked=r.SignRequest not in"),
    (
        "judge_bytes",
        "            State.UNKNOWN,\n            Ending.UNREPORTED,",
        "            State.UNCOMMITTED,\n            Ending.WELL,",
    ),
    ("judge_bytes", "doubtful=True", "doubtful=False"),
    ("judge_bytes", "OUTCOMES[State.UNKNOWN,", "OUTCOMES[State.UNCOMMITTED,"),
    ("judge_bytes", "told=False", "told=True"),
    ("ending_of", "ENDINGS.get(record) or", ""),
)


def mutants_of_judge() -> Iterator[Mutant]:
    """verdict.py, a clause of it changed."""
    for name, old, new in CLAUSES:
        source = inspect.getsource(getattr(verdicts, name))
        assert source.count(old) == 1, old
        made: dict[str, Any] = {}
        exec(
            "from __future__ import annotations\n" + source.replace(old, new), vars(verdicts), made
        )
        shown = f"{name}: `{' '.join(old.split())}` is `{' '.join(new.split())}`"
        yield Mutant(shown, verdicts, name, made[name])


#: The same for the methods between the lock and the tables.
METHODS: tuple[tuple[type, str, str, str], ...] = (
    (AgentGate, "ask", "if admission := self._entrance.admit(held):",
     "admission = self._entrance.admit(held)\n        if True:"),
    (AgentGate, "ask", "r.AtAgent(key, algorithm, digest, name)",
     "r.AtAgent(digest, algorithm, key, name)"),
    (AgentGate, "gone", "self._gatekeeper.gone(held)", "pass"),
    (AgentGate, "gone", "self._requests.gone(held)", "pass"),
    (AgentGate, "is_granted", "self._gatekeeper.gpgs.has(pid)", "True"),
    (AgentGate, "is_granted", "self._gatekeeper.gpgs.has(pid)", "False"),
    (AgentGate, "note", "self._entries.note(*records)", "pass"),
    (AgentGate, "sync", "self._entries.write(*records)", "pass"),
    (AgentGate, "sync", "self._entries.sync()", "pass"),
    (AgentGate, "failed", "self._gatekeeper.fail(error).reason", "'the disk is full'"),
    (Entrance, "is_foreign", "!=", "=="),
    (Entrance, "takes", "word in CONTROLS[self._serves, self._origin(client)]", "True"),
    (Entrance, "takes", "word in CONTROLS[self._serves, self._origin(client)]", "False"),
    (Entrance, "admit", "if Admission.TURN_AWAY not in admission:", "if True:"),
    (Entrance, "admit", "if Admission.TURN_AWAY not in admission:", "if False:"),
    (Entrance, "admit", "if origin is Origin.FOREIGN:", "if origin is not Origin.FOREIGN:"),
    (Entrance, "admit", "client.answer(wire.NO, why)", "client.answer(wire.GO)"),
    (Entrance, "_origin", "if self.is_foreign(client):", "if False:"),
    (Entrance, "_origin", "if self._inspector.is_of_job(client.pid)", "if True"),
    (Entrance, "_origin", "if self._inspector.is_of_job(client.pid)", "if False"),
    (Granted, "has", "if pid not in self._gpgs:\n            return False",
     "if pid not in self._gpgs:\n            return True"),
    (Granted, "has", "not poll.poll(0)", "True"),
    (Proxy, "forward_together", "self.gate.sync(*records)", "pass"),
    (Proxy, "forward_together", "why = self.gate.failed(error)", "why = ''"),
    (Proxy, "_batch", "self._pending >= MOST_AT_ONCE", "False"),
    (Proxy, "_batch", "if not link.is_open:", "if False:"),
    (Proxy, "answered", "self._pending -= link.waited", "pass"),
    (AgentLink, "_take_one", "elif self._proxy.gate.is_granted(self.pid):", "elif True:"),
    (AgentLink, "_take_one", "elif self._proxy.gate.is_granted(self.pid):", "elif False:"),
    (AgentLink, "_answered", "if go:", "if True:"),
    (AgentLink, "_answered", "if go:", "if False:"),
)  # fmt: skip


def mutants_of_methods() -> Iterator[Mutant]:
    """A clause of a method changed."""
    for owner, name, old, new in METHODS:
        source = textwrap.dedent(inspect.getsource(getattr(owner, name)))
        old, new = (each.replace("\n    ", "\n") for each in (old, new))
        assert source.count(old) == 1, (name, old)
        made: dict[str, Any] = {}
        scope = vars(sys.modules[owner.__module__])
        exec("from __future__ import annotations\n" + source.replace(old, new), scope, made)
        shown = f"`{' '.join(old.split())}` is `{' '.join(new.split())}`"
        yield Mutant(f"{owner.__name__}.{name}: {shown}", owner, name, made[name])


def mutants_of_meanings() -> Iterator[Mutant]:
    """Each meaning another's. Only people read them."""
    for name, table in (("MEANINGS", MEANINGS), ("AT_AGENT", AT_AGENT)):
        for row, text in table.items():
            for other, said in table.items():
                if said != text:
                    shown = f"{name}[{', '.join(row)}] is that of {', '.join(other)}"
                    yield Mutant(shown, table, row, said)


@contextmanager
def spoilt(mutant: Mutant) -> Iterator[None]:
    """What ships, with one thing in it changed."""
    if isinstance(mutant.where, type):
        was = vars(mutant.where)[mutant.what]
        setattr(mutant.where, mutant.what, mutant.value)
        try:
            yield
        finally:
            setattr(mutant.where, mutant.what, was)
        return
    where: Any = mutant.where if isinstance(mutant.where, dict) else vars(mutant.where)
    was = where[mutant.what]
    where[mutant.what] = mutant.value
    try:
        yield
    finally:
        where[mutant.what] = was
