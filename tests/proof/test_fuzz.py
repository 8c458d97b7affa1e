# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do some thousand generated inputs get a refusal at most, over real sockets too?

The million is `make fuzz`.
"""

from __future__ import annotations

import pytest

from gpgshim.core import wire
from gpgshim.gpgargs import parser
from tools import fuzz


def test_a_few_thousand_inputs_under_limits() -> None:
    done = fuzz.in_a_process(5000)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "nothing granted" in done.stdout
    assert int(done.stdout.split(" inputs in all")[0].split()[-1]) >= 5000


def test_a_decoder_that_accepts_anything_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def lax(data: bytes, words: tuple[str, ...]) -> tuple[str, str]:
        return words[0], ""

    monkeypatch.setattr(wire, "decode", lax)
    with pytest.raises(AssertionError):
        fuzz.run_target(fuzz.fuzz_wire, 200)


def test_a_reader_that_fails_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "number", lambda text, flags=0: int(text))
    with pytest.raises(ValueError, match="invalid literal"):
        fuzz.run_target(fuzz.fuzz_command_line, 5000)
