# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Escapes foreign text so that it fits on one line of our output.

Rule 1: the stunts import this under `python3 -I -S`: it imports none of our modules and does no
work when it is imported.
"""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` on one line, with every character escaped that is not printable."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(letter: str) -> str:
    code = ord(letter)
    if letter.isprintable():
        return letter
    if letter == "\n":
        return "\\n"
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: a byte that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
