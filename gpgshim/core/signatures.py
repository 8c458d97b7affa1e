# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signatures that gpg-agent made through its lock, as far as a journal shows them.

Rule 1: `% forwarded` is synced before gpg-agent gets the command, and the line about its answer is
not. So a crash can only make an answer unknown; it never hides a signature.
Rule 2: a text claims no more than the lock watched. Another way to the same gpg-agent is not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gpgshim.core import records as r
from gpgshim.core.codec import Record


class Signatures(NamedTuple):
    """How many signatures gpg-agent made, and how many more it may have made.

    `by_some` says whether only signatures by the keys of --key were counted.
    """

    made: int
    unknown: int
    by_some: bool = False

    @property
    def may_exist(self) -> bool:
        """Whether there is a signature, or may be one."""
        return self.made > 0 or self.unknown > 0

    @property
    def text(self) -> str:
        """The same for a person, in one clause."""
        made, unknown = _number(self.made), _number(self.unknown)
        way = f"{' with the keys of --key' if self.by_some else ''} through the lock"
        if self.made and self.unknown:
            return f"gpg-agent made {made}{way}, and may have made {self.unknown} more"
        if self.unknown:
            return f"gpg-agent may have made {unknown}{way}"
        return f"gpg-agent made {made}{way}"


def _number(count: int) -> str:
    return f"{count or 'no'} signature{'' if count < 2 else 's'}"


def count(seen: Mapping[type[Record], Sequence[Any]], by_some: bool = False) -> Signatures:
    """The signatures of a journal with these records, by kind; `by_some` as in Signatures."""
    forwarded = {each.signature for each in seen.get(r.Forwarded, ())}
    made = {each.signature for each in seen.get(r.Signed, ())}
    failed = {each.signature for each in seen.get(r.Unsigned, ())}
    return Signatures(len(made), len(forwarded - made - failed), by_some)
