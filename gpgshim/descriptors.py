"""All of it, or an error: what write(2) alone does not promise.

Rule 1: a short write is no error, and is gone on with.
"""

from __future__ import annotations

import os


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError, and then a part of it may be written."""
    while data:
        data = data[os.write(fd, data) :]
