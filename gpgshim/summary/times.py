# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The times of a journal, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def beginning(started: str) -> datetime | None:
    """The time in the head of a journal; None if it is none."""
    try:
        return datetime.strptime(started, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def utc(started: datetime | None, seconds: float | None) -> str | None:
    """The time `seconds` after `started`, as RFC 3339 has it; None if either is not known."""
    if started is None or seconds is None:
        return None
    try:
        time = started + timedelta(seconds=seconds)
    except OverflowError:
        return None  # no real time
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z"
