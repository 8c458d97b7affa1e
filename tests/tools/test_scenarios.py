# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the checks of `make e2e` find the faults that they are meant to find?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpgshim.core.o2m import OUTCOMES
from tools.world.root import measure
from tools.world.scenarios import SCENARIOS, TOLD, count_queries, list_disagreements
from tools.world.table import RESULTS, WITH_THE_LOCK, insert, write_table

STATUSES = ("uploaded", "irrecoverable", "failed")


def report(outcome: str, *told: str) -> dict[str, Any]:
    """One job with one attempt, whose outcome was mailed to the uploader and to the list."""
    mails = [
        {"to": to, "subject": f"[tag2upload 2420] {status} probe", "status": status}
        for status in told
        for to in ("uploader <uploader@example.org>", "tag2upload-list@example.org")
    ]
    lines = ["+001.500 < job 2420", "+001.600 % something", "+004.000 > uploaded"]
    attempt = {"outcome": outcome, "transcript": lines}
    return {"jobs": [{"id": "2420", "attempts": [attempt]}], "mails": mails}


def test_every_word_of_the_manager_has_its_mail() -> None:
    assert set(TOLD) == {*OUTCOMES, "lost", ""}


@pytest.mark.parametrize("outcome", TOLD)
def test_a_mail_with_another_outcome_is_found(outcome: str) -> None:
    assert list_disagreements(report(outcome, *TOLD[outcome])) == []
    for told in ((), *((status,) for status in STATUSES), ("uploaded", "irrecoverable")):
        if list(told) != TOLD[outcome]:
            assert len(list_disagreements(report(outcome, *told))) == 1, told


def test_the_last_attempt_counts_and_each_job_alone() -> None:
    retried = report("retriable", "uploaded")
    retried["jobs"][0]["attempts"].append({"outcome": "uploaded", "transcript": []})
    assert list_disagreements(retried) == []
    retried["jobs"].append({"id": "2421", "attempts": []})
    assert list_disagreements(retried) == []
    retried["jobs"][1]["attempts"].append({"outcome": "uploaded", "transcript": []})
    assert len(list_disagreements(retried)) == 1


def test_the_measured_times_of_a_report() -> None:
    assert measure(report("uploaded")) == [2.5]
    assert measure(report("lost")) == []
    asked = ["+1 archive: 200 suites", "+2 > commit-to-public-upload", "+3 archive: 503 suites"]
    assert count_queries({"timeline": [*asked, "+4 archive: 200 suites"]}) == (1, 2)


def test_the_table_names_differences_between_the_roots(tmp_path: Path) -> None:
    for root, outcome in (("trixie", "uploaded"), ("sid", "lost")):
        (tmp_path / root).mkdir()
        made = report(outcome, "uploaded") | {"versions": ["dgit\t17"], "signed": 4}
        made |= {"refs": ["tag"], "queue": []}
        made["jobs"][0]["attempts"][0]["committed"] = True
        (tmp_path / root / "success.stock.json").write_text(json.dumps(made))
    text = write_table(tmp_path)
    assert "| nothing goes wrong (`success`) | **C** uploaded | uploaded | 4, git | - |" in text
    assert "trixie (dgit 17): 1 stock and 0 gated runs. Differs from the table: nothing." in text
    assert "Differs from the table: `success`, stock: **C** lost | uploaded | 4, git." in text


def test_a_table_of_the_lock_has_only_what_was_played_with_it(tmp_path: Path) -> None:
    (tmp_path / "trixie").mkdir()
    made = report("uploaded", "uploaded") | {"versions": ["dgit\t17"], "signed": 4}
    made |= {"refs": [], "queue": ["x"], "journals": {}}
    made["jobs"][0]["attempts"][0]["committed"] = True
    (tmp_path / "trixie/no-key.at-agent.json").write_text(json.dumps(made))
    text = write_table(tmp_path, WITH_THE_LOCK)
    head, _, *rows = text.partition("\n\n")[0].splitlines()
    assert head.startswith("| what happens | lock: manager | lock: uploader |")
    assert rows == [
        "| gpg fails at the first signature (`no-key`) | - | - | - | -"
        " | **C** uploaded | uploaded | 4, queue |  |"
    ]
    assert "0 locked and 1 at-agent runs" in text
    assert write_table(tmp_path) == ""  # no run of the other table has a report
    page = "".join(f"{each.begin}old\n<!-- to here -->\n" for each in (RESULTS, WITH_THE_LOCK))
    assert insert(page, "new", WITH_THE_LOCK) == (
        f"{RESULTS.begin}old\n<!-- to here -->\n{WITH_THE_LOCK.begin}\nnew\n<!-- to here -->\n"
    )


def test_a_mode_with_the_lock_wants_as_the_gate_does_unless_its_row_differs() -> None:
    for row in SCENARIOS.values():
        assert row.want("locked") == row.locked or row.want("locked") == row.gated
        assert row.want("at-agent") in (row.at_agent, row.locked, row.gated)
        assert (row.want("stock"), row.want("gated")) == (row.stock, row.gated)
    differ = {name for name, row in SCENARIOS.items() if row.want("at-agent") != row.gated}
    assert "no-key" in differ and "success" not in differ
