# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does `gpgshim explain` show why the gate applies to a call?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpgshim.gpgargs import explain
from gpgshim.stunts import plainfile
from tests.support.gpgs import HOME, NEW, USER_CONF, made, read


def test_every_word_is_shown_with_its_meaning() -> None:
    reading = read("--det -au 'A B' --status-fd=2 --fingerprint f ''", NEW, {USER_CONF: "batch"})
    expected = f"""\
gpg 2.4.9 reads:
 {USER_CONF}
  1: batch       option
 the command line
  --det          command detach-sign: signs data, detached
  -a             option armor
  -u "A B"       option local-user, and its argument
  --status-fd 2  option, and its argument
  --fingerprint  option
  f              file
  ""             file
sign: T2: --det is detach-sign: signs data, detached
"""
    assert explain.reading(reading, NEW) == expected


def test_a_fault_is_shown_at_its_word() -> None:
    reading = read("-s --bogus --sig f", NEW)
    assert (
        explain.reading(reading, NEW)
        == """\
gpg 2.4.9 reads:
  -s       command sign: signs data
  --bogus  error: --bogus is not an option
  --sig    error: --sig is ambiguous
  f        file
pass: T2: --bogus is not an option
"""
    )


def test_a_doubt_is_shown() -> None:
    reading = read("-s", NEW, {USER_CONF: "[if]"})
    assert f"not known: C7: {USER_CONF}:1 has [if]\n" in explain.reading(reading, NEW)
    asked = read("f", NEW, {USER_CONF: "[if]"})
    assert "not known" not in explain.reading(asked, NEW)


def test_the_reason_for_which_gpg_exits_is_shown() -> None:
    said = explain.reading(read("-batch --vers", NEW), NEW)
    assert "  -h      help: prints and exits\n" in said
    assert "  --vers  version: prints and exits\n" in said


def test_an_empty_command_line() -> None:
    expected = "gpg 2.4.9 reads:\npass: M2: no command that signs\n"
    assert explain.reading(read("", NEW), NEW) == expected


def test_a_command_that_is_not_known() -> None:
    table = made("2.4.9", more="new-command:999:128")
    said = explain.reading(read("--new-c", table), table)
    assert "--new-c  command new-command\n" in said
    assert said.endswith(
        "refuse: T2: --new-c is new-command, a command that gpgshim does not know\n"
    )


def test_bytes_that_are_no_text_can_be_shown() -> None:
    said = explain.reading(read(["-s", "a\udcff\n"], NEW), NEW)
    said.encode("utf-8")
    assert '"a\\udcff\\n"  file' in said


def classify(lines: list[str], more: bool = False) -> str:
    return "".join(explain.classify_json_lines(NEW, lines, plainfile.file_in, {"HOME": HOME}, more))


def test_each_call_has_a_line_in_order(tmp_path: Path) -> None:
    (tmp_path / "gpg.conf").write_bytes(b"comment \xff\nsign\n")
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "gpg.conf").write_text("verify\n")
    cases = [
        ["-s", "f"],
        ["f"],
        {"argv": ["f"], "env": {"GNUPGHOME": str(tmp_path)}},
        {"argv": ["f"], "env": {"GNUPGHOME": "."}, "cwd": str(tmp_path)},
        {"argv": ["--homedir", "g", "f"], "cwd": str(tmp_path)},
        {"argv": ["f"], "env": {}},
        {"argv": ["-s", "\udcff"], "cwd": None, "env": None},
    ]
    said = classify([json.dumps(case) + "\n" for case in cases])
    assert said.split() == ["sign", "pass", "sign", "sign", "pass", "sign", "sign"]


def test_json_lines_can_be_explained() -> None:
    assert classify(['["-s"]'], more=True) == explain.reading(read("-s", NEW), NEW)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "line 2: not JSON: Expecting value"),
        ("{", "line 2: not JSON"),
        ('"-s"', "line 2: argv is not an array of strings"),
        ("[1]", "line 2: argv is not an array of strings"),
        ("{}", "line 2: argv is not an array of strings"),
        ('{"argv": [], "x": 1}', "line 2: unknown key 'x'"),
        ('{"argv": [], "env": []}', "line 2: env is not an object of strings"),
        ('{"argv": [], "env": {"a": 1}}', "line 2: env is not an object of strings"),
        ('{"argv": [], "cwd": 1}', "line 2: cwd is not a string"),
    ],
)
def test_a_bad_line_is_reported_after_the_verdicts_before_it(line: str, said: str) -> None:
    lines = ['["-s"]', line, '["-s"]']
    verdicts = explain.classify_json_lines(NEW, lines, plainfile.file_in, {"HOME": HOME})
    assert next(verdicts) == "sign\n"
    with pytest.raises(explain.BadLine, match=said):
        next(verdicts)
