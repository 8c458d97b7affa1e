# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names can a job have, and which file is the journal of which attempt?"""

from __future__ import annotations

import pytest

from gpgshim.core import names


@pytest.mark.parametrize("job", ["1", "a.b_c+d~e-f", "x" * names.LONGEST_JOB])
def test_a_job_s_name(job: str) -> None:
    assert names.fault_of(job) == ""


@pytest.mark.parametrize(
    "job", ["", ".", "..", "a/b", "a\n", "-a", "é", "a b", "a\0", "x" * (names.LONGEST_JOB + 1)]
)
def test_no_job_s_name(job: str) -> None:
    assert "a job's name" in names.fault_of(job)
    assert names.fault_of(job).isprintable()


@pytest.mark.parametrize("name", ["a.1", "a.b.12", "1.999999999", "a.1.1", "x..1"])
def test_a_journal_s_name(name: str) -> None:
    job, attempt = names.split(name)
    assert names.journal_of(job, attempt) == name
    assert names.split(f"{name}.7") == (name, 7)  # the name of a job may look like a journal's


@pytest.mark.parametrize(
    "name",
    ["a", "a.", "a.0", "a.01", "a.1234567890", "a.x", "a.1x", ".1", ".new.1", "a.²", "a.\u0661"],
)
def test_no_journal_s_name(name: str) -> None:
    assert names.split(name) == (name, 0)


def test_a_marker_s_name() -> None:
    assert names.marked_by(names.marker_of("a.1")) == "a.1"
    assert names.split(names.marker_of("a.1"))[1] == 0
    assert names.marked_by("a.1") == names.marked_by(".pruned") == ""
