# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows an attempt of `run --retries`, and the pause before the next attempt.

Rule 1: FOLLOWED and BOUNDS are total, and no other code decides.
Rule 2: only the outcome retriable is followed by another attempt. An attempt without an outcome may
have signed.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

from gpgshim.core.gate import Outcome

LONGEST = 3600.0  #: seconds; the pause stops doubling here
JITTER = 0.25  #: the random part of a pause, at most, as a part of the pause

_DOUBLINGS = 60  #: more change nothing, and 2**1024 is no float


class Limits(NamedTuple):
    """The limits of a series of attempts.

    `retries` is the number of attempts after the first, `wait` the first pause in seconds, and
    `until` the time on the monotonic clock from which on no attempt starts.
    """

    retries: int
    wait: float
    until: float = math.inf


class Bound(StrEnum):
    """The limit that stops a series. Of several, the first of these counts."""

    SIGNAL = "signal"  # a signal to gpgshim
    COUNT = "count"  # there were as many attempts as the caller wants
    TIME = "time"  # the next attempt would start too late
    NONE = "none"


class Follows(StrEnum):
    """What follows an attempt."""

    ATTEMPT = "attempt"
    NOTHING = "nothing"  # the line with the outcome, or with the error, was the last
    STOPPED = "stopped"  # nothing, and a line that names the signal
    NONE_LEFT = "none-left"  # nothing, and a line with the number of the attempts
    TOO_LATE = "too-late"  # nothing, and a line with the time limit


#: The outcome of an attempt -> whether another attempt may follow.
FOLLOWED: dict[Outcome | None, bool] = {
    Outcome.RETRIABLE: True,  # no commitment was requested
    Outcome.UNSIGNED: False,  # the job ended well
    Outcome.UPLOADED: False,  # the job is done
    Outcome.IRRECOVERABLE: False,  # it may be committed, or would fail again
    Outcome.REFUSED: False,  # the authority said no; only a person changes its mind
    Outcome.OBSERVED: False,  # nothing is known about it
    # It was not started, its journal could not be written, or its supervisor was killed.
    None: False,
}

#: What follows an attempt that may be followed by another one.
BOUNDS: dict[Bound, Follows] = {
    Bound.SIGNAL: Follows.STOPPED,  # ^C ends the series, also during a pause
    Bound.COUNT: Follows.NONE_LEFT,
    Bound.TIME: Follows.TOO_LATE,
    Bound.NONE: Follows.ATTEMPT,
}


def bound(limits: Limits, attempts: int, start: float, signal: int = 0) -> Bound:
    """The limit that stops a series after so many attempts.

    `start` is the time on the clock at which another attempt would start, and `signal` the number
    of a signal to gpgshim, or 0.
    """
    if signal:
        return Bound.SIGNAL
    if attempts > limits.retries:
        return Bound.COUNT
    return Bound.TIME if start >= limits.until else Bound.NONE


def follows(outcome: Outcome | None, stop: Bound) -> Follows:
    """The row of the two tables for an attempt with this outcome, or with none."""
    return BOUNDS[stop] if FOLLOWED[outcome] else Follows.NOTHING


def pause(wait: float, attempts: int, chance: float) -> float:
    """The seconds from attempt number `attempts` to the next; `chance` is from 0 to 1.

    It doubles from `wait` to LONGEST; a longer `wait` stays as it is. The random part keeps jobs
    apart that failed at the same moment.
    """
    doubled = wait * 2.0 ** min(attempts - 1, _DOUBLINGS)
    return float(min(doubled, max(wait, LONGEST)) * (1 + JITTER * chance))
