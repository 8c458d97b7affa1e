# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are conf files read as gpg reads them, and does anything that cannot be known stay unknown?"""

from __future__ import annotations

import errno

import pytest

from gpgshim.gpgargs import conffile, decision, optiontable
from tests.support.commandlines import LINES
from tests.support.gpgs import HOME, IS_NEW, NEW, OLD, TABLES, USER_CONF, VERSIONS, made, read

S, P = decision.SIGN, decision.PASS


@pytest.mark.parametrize(("conf", "line", "old", "new"), LINES)
def test_line(conf: str, line: str, old: str, new: str) -> None:
    for version in VERSIONS:
        reading = read(line, TABLES[version], {USER_CONF: conf})
        assert reading.verdict == (old, new)[IS_NEW[version]], version
        assert not reading.doubt, version


@pytest.mark.parametrize(
    "conf",
    [
        "[if $x = y]\nsign\n[fi]",
        "[getenv x HOME]",
        "armor\n  [verbose]",
        "[command-mode]",
        "[bogus",
        "[",
        "alias a b",
        "sign\0",
        "s\nverify",
    ],
)
def test_a_call_that_could_sign_by_an_unknown_line_sends_a_request(conf: str) -> None:
    for line in ("f", "", "-e -r K f", "-c f", "-s f", "-s f f", "--multifile -s f", "--gen-key f"):
        reading = read(line, NEW, {USER_CONF: conf})
        assert reading.verdict == S, line
        assert USER_CONF in reading.doubt
    for line in ("--verify f", "-k", "--bogus", "--help", "-s -e -s", "--sign-key", "-s --version"):
        assert read(line, NEW, {USER_CONF: conf}).verdict == P, line


def test_a_global_file_may_remove_words() -> None:
    for conf in ("[force]\nsign", "verify\n[ignore]"):
        files: dict[str, str | OSError] = {optiontable.SYSTEM_CONF: conf}
        for line in ("--verify f", "-s -e -s", "f"):
            assert read(line, NEW, files).verdict == S
        for line in ("--bogus", "--help"):
            assert read(line, NEW, files).verdict == P
        assert read("--verify f", NEW, {USER_CONF: conf}).verdict == P
    assert read("--verify f", NEW, {optiontable.SYSTEM_CONF: "[verbose]"}).verdict == P


def test_a_bad_line_is_a_doubt_for_an_untested_gpg() -> None:
    reading = read("f", made("2.6.0"), {USER_CONF: "bogus"})
    assert (reading.verdict, reading.doubt) == (S, f"C6: {USER_CONF}:1: bogus is not an option")


# C1: which files are read.
def test_the_global_file_is_read_despite_no_options() -> None:
    for line in ("f", "--no-options f", "--options /o f"):
        assert read(line, NEW, {optiontable.SYSTEM_CONF: "sign", "/o": ""}).verdict == S


def test_global_then_user_then_command_line() -> None:
    reading = read("-u K f", NEW, {optiontable.SYSTEM_CONF: "armor\nsign", USER_CONF: "encrypt"})
    assert reading.verdict == S
    assert [one.where for one in reading.options] == [
        f"{optiontable.SYSTEM_CONF}:1",
        f"{optiontable.SYSTEM_CONF}:2",
        f"{USER_CONF}:1",
        "",
    ]


def test_the_first_options_file_is_read_in_place_of_the_users() -> None:
    files: dict[str, str | OSError] = {"/o": "sign", "/p": "verify", USER_CONF: "verify"}
    assert read("--options /o --options /p f", NEW, files).verdict == S
    assert read("--options=o f", NEW, {"o": "sign"}).verdict == S
    assert read("--options /o --no-options f", NEW, files).verdict == P


def test_a_missing_options_file_is_an_error() -> None:
    for path in ("/none", "", "~/o"):
        reading = read(["--options", path, "-s", "f"], NEW, {f"{HOME}/o": ""})
        assert (reading.verdict, reading.reason[:2]) == (P, "C1")
    assert read("--options /o -s f", NEW, {"/o": PermissionError(errno.EACCES, "")}).verdict == P


def test_after_a_global_file_2_2_only_warns_of_a_missing_options_file() -> None:
    for system in ("", "bogus", "armor\n"):
        files: dict[str, str | OSError] = {optiontable.SYSTEM_CONF: system, USER_CONF: "verify"}
        assert read("--options /none -s f", OLD, files).verdict == S
        assert read("--options /none -s f", NEW, files).verdict == P
    assert read("--options /none -s f", OLD).verdict == P
    assert read("--options /none -s f", made("2.6.0")).verdict == S


@pytest.mark.parametrize(
    ("table", "order"),
    [
        (OLD, ["-2.2.40", "-2.2", "-2", ""]),
        (NEW, ["-2.4.9", "-2.4", "-2", ""]),
        (made("2.5.1-beta3"), ["-2.5.1-beta3", "-2.5.1", "-2.5", "-2", ""]),
    ],
)
def test_the_file_of_the_version_comes_first(table: optiontable.Table, order: list[str]) -> None:
    files: dict[str, str | OSError] = {USER_CONF + suffix: "verify" for suffix in order}
    for suffix in order:
        files[USER_CONF + suffix] = "sign"
        assert read("f", table, files).verdict == S
        del files[USER_CONF + suffix]
    assert read("f", table, {USER_CONF + "-2.3": "sign"}).verdict == P


@pytest.mark.parametrize("problem", [PermissionError(errno.EACCES, ""), NotADirectoryError(20, "")])
def test_a_file_that_gpg_cannot_read_either_is_skipped(problem: OSError) -> None:
    files: dict[str, str | OSError] = {USER_CONF + "-2.4": problem, USER_CONF: "sign"}
    assert read("f", NEW, files).verdict == S
    assert read("f", NEW, {optiontable.SYSTEM_CONF: problem, USER_CONF: problem}).verdict == P


def test_an_unreadable_conf_file_is_a_doubt() -> None:
    for problem, said in ((IsADirectoryError(21, "Is a directory"), "Is a directory"),
                          (OSError("is a pipe"), "is a pipe")):  # fmt: skip
        for path in (USER_CONF, optiontable.SYSTEM_CONF):
            reading = read("f", NEW, {path: problem})
            assert (reading.verdict, reading.doubt) == (S, f"C1: {path}: {said}")


# C2: where the homedir is.
@pytest.mark.parametrize(
    ("line", "environ", "directory"),
    [
        ("f", {"HOME": "/h"}, "/h/.gnupg"),
        ("f", {"HOME": ""}, "/.gnupg"),
        ("f", {"HOME": "/h", "GNUPGHOME": ""}, "/h/.gnupg"),
        ("f", {"HOME": "/h", "GNUPGHOME": "/g/"}, "/g"),
        ("f", {"HOME": "/h", "GNUPGHOME": "~/g"}, "/h/g"),
        ("f", {"GNUPGHOME": "g"}, "g"),
        ("--homedir /d f", {"GNUPGHOME": "/g"}, "/d"),
        ("--homedir /d --homedir=/e// f", {}, "/e"),
        ("--homedir ~ f", {"HOME": "/h"}, "/h"),
        ("--homedir ~/d f", {"HOME": "/h"}, "/h/d"),
        ("--homedir d~ f", {"HOME": "/h"}, "d~"),
        ("--homedir '' f", {"HOME": "/h", "GNUPGHOME": "/g"}, "/g"),
        ("--homedir / f", {}, "/"),
        ("--homedir // f", {}, "/"),
        ("--homed=/d f", {}, "/d"),
    ],
)
def test_the_homedir(line: str, environ: dict[str, str], directory: str) -> None:
    known = Known(environ)
    assert read(line, NEW, {f"{directory}/gpg.conf": "sign"}, known).verdict == S
    assert read(line, NEW, {f"{directory}/gpg.confx": "sign"}, known).verdict == P


class Known(dict[str, str]):
    """An environment that may be asked only for the variables that a stunt passes."""

    def __getitem__(self, name: str) -> str:
        assert name in conffile.VARIABLES
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        assert name in conffile.VARIABLES
        return super().__contains__(name)

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        assert name in conffile.VARIABLES
        return super().get(name, default)


@pytest.mark.parametrize(
    ("line", "environ"),
    [
        ("f", {}),
        ("--homedir ~root f", {"HOME": "/h"}),
        ("--chuid 0 f", {"HOME": "/h"}),
        ("f", {"GNUPGHOME": "~/g"}),
    ],
)
def test_a_homedir_that_needs_the_user_database_is_a_doubt(
    line: str, environ: dict[str, str]
) -> None:
    reading = read(line, NEW, {}, environ)
    assert (reading.verdict, reading.doubt[:2]) == (S, "C2")
    assert read(f"--verify {line}", NEW, {}, environ).verdict == P
    assert read(f"--no-options {line}", NEW, {}, environ).verdict == P


@pytest.mark.parametrize("user", ["bogus", "verify", "status-fd x y", "[b]", "keyid-format bogus"])
def test_an_open_condition_in_the_global_file_reaches_into_the_users(user: str) -> None:
    reading = read("-s f", NEW, {optiontable.SYSTEM_CONF: "sign\n[if $a = b]", USER_CONF: user})
    assert reading.verdict == S
    assert optiontable.SYSTEM_CONF in reading.doubt


def test_an_unreadable_file_may_correct_a_number_of_the_global_file() -> None:
    files: dict[str, str | OSError] = {optiontable.SYSTEM_CONF: "completes-needed 0"}
    assert read("-s f", NEW, files).verdict == P
    files[USER_CONF] = "[verbose]\ncompletes-needed 1"
    assert read("-s f", NEW, files).verdict == S
    assert read("--completes-needed 0 -s f", NEW, files).verdict == P


def test_no_file_is_read_if_the_command_line_has_a_fault() -> None:
    files: dict[str, str | OSError] = {
        USER_CONF: OSError("must not be read"),
        optiontable.SYSTEM_CONF: "[",
    }
    for line in ("--bogus", "-s --help"):
        assert not read(line, NEW, files).doubt


def test_a_conf_file_may_set_status_fd() -> None:
    files: dict[str, str | OSError] = {USER_CONF: "status-fd 5"}
    assert read("-s", NEW, files).status_fd == 5
    assert read("--status-fd 2 -s", NEW, files).status_fd == 2
