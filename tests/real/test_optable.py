# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the option table that of the gpg that will be run, and is a change of gpg found?"""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gpgshim.gpgargs import decision, exits, optiontable
from gpgshim.stunts import plainfile
from gpgshim.supervisor import optable
from gpgshim.system.errors import Unable
from tests.support import skips
from tests.support.gpgs import NEW, OLD
from tools.world.root import DEBROOT, ROOTS, find_reason_against, how_to_build

GPG = shutil.which("gpg", path="/usr/bin:/bin")
ANOTHER = "apt-get install gnupg  # of a Debian release that is supported"
#: The environment of a job.
ENVIRON = {"PATH": os.defpath, "HOME": "/nonexistent"}
VERSION_LINE = "gpg (GnuPG) 2.4.9\nlibgcrypt 1.12.4\n"
ROWS = (
    "sign:115:128:make a signature:\n:1:512:Options:\nMonitor:1:512:Options:\nverify:544:128:@:\n"
)


def fake(directory: Path, version: str = VERSION_LINE, rows: str | None = ROWS) -> str:
    """A gpg that prints these texts, fails for other arguments, and counts its calls in `calls`."""
    directory.mkdir(exist_ok=True)
    (directory / "version").write_text(version)
    table = f"cat {directory}/rows" if rows is not None else "echo no >&2; exit 2"
    (directory / "rows").write_text(rows or "")
    path = directory / "gpg"
    path.write_text(
        f"#!/bin/sh\necho $1 >>{directory}/calls\n"
        f"case $1 in --version) cat {directory}/version;; --dump-option-table) {table};; esac\n"
    )
    path.chmod(0o755)
    return str(path)


def calls(gpg: str) -> int:
    return len((Path(gpg).parent / "calls").read_text().split())


def without_sources(text: str) -> str:
    """A table without the files that it comes from, which a shipped one does not name."""
    keys = tuple(f"{key}: " for key in optiontable.SOURCES)
    return "".join(line for line in text.splitlines(True) if not line.startswith(keys))


@pytest.mark.parametrize("root", ROOTS)
def test_the_shipped_table_is_what_the_gpg_of_this_root_prints(root: str, tmp_path: Path) -> None:
    why = find_reason_against(root)
    skips.unless(not why, f"the root {root} ({why})", how_to_build(root))
    gpg, world = tmp_path / "gpg", tmp_path / "world"
    world.mkdir()
    words = shlex.join([str(DEBROOT), "enter", root, str(world), "gpg"])
    gpg.write_text(f'#!/bin/sh\nHOME={Path.home()} PATH={os.environ["PATH"]} exec {words} "$@"\n')
    gpg.chmod(0o755)
    text = optable.of(str(gpg), ENVIRON)
    assert (optable.SHIPPED / f"gpg-{optable.version(text)}").read_text() == without_sources(text)


def test_the_shipped_table_is_what_this_gpg_prints() -> None:
    assert GPG
    text = optable.of(GPG, ENVIRON)
    shipped = optable.SHIPPED / f"gpg-{optable.version(text)}"
    skips.unless(shipped.exists(), f"a gpg whose table is shipped, not {shipped.name}", ANOTHER)
    assert shipped.read_text() == without_sources(text)


@pytest.mark.parametrize("option", ["compliance", "tofu-default-policy"])
def test_the_choices_are_those_that_this_gpg_lists(option: str, tmp_path: Path) -> None:
    assert GPG
    version = optable.version(optable.of(GPG, ENVIRON))
    known = version.startswith(("2.2.", "2.4."))
    skips.unless(known, f"a gpg whose values argv judges, not {version}", ANOTHER)
    done = subprocess.run(
        [GPG, "--homedir", str(tmp_path), f"--{option}", "help"],
        env={"LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    listed = [line.removeprefix("gpg:   ") for line in done.stderr.splitlines()]
    assert sorted(listed[1:]) == sorted(exits.CHOICES[option].split())


def test_the_shipped_tables_are_tables() -> None:
    assert len(OLD.rows()) == 404
    assert len(NEW.rows()) == 432
    for path in optable.SHIPPED.iterdir():
        assert path.name == f"gpg-{optable.version(path.read_text())}"


def test_headings_and_descriptions_are_left_out(tmp_path: Path) -> None:
    table = optiontable.load(optable.of(fake(tmp_path), ENVIRON))
    assert table.rows() == [("sign", 115, 128), ("verify", 544, 128)]
    assert (table.version, table.maker) == ("2.4.9", optiontable.GNUPG)


def test_a_table_is_asked_for_each_time(tmp_path: Path) -> None:
    """What is behind a wrapper can change, and the wrapper stays the same."""
    gpg = fake(tmp_path / "a")
    before = optable.of(gpg, ENVIRON)
    (tmp_path / "a/rows").write_text(ROWS + "zap:900:128:signs all keys:\n")
    (tmp_path / "a/version").write_text(VERSION_LINE.replace("2.4.9", "2.4.10"))
    after = optiontable.load(optable.of(gpg, ENVIRON))
    assert optiontable.load(before).named("zap") is None
    assert after.named("zap") == ("zap", 900, 128)
    assert after.version == "2.4.10"
    assert calls(gpg) == 4


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A gpg of our own, with a gpgconf beside it that knows of another directory."""
    assert GPG
    (tmp_path / "bin").mkdir()
    shutil.copy(GPG, tmp_path / "bin/gpg")
    gpgconf = tmp_path / "bin/gpgconf"
    gpgconf.write_text("#!/bin/sh\n[ $1,$2 = --list-dirs,sysconfdir ] && echo /other%3aplace\n")
    gpgconf.chmod(0o755)
    return tmp_path / "bin/gpg"


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_the_program_itself_is_no_wrapper(copy: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(copy)
    for path in (copy, link):
        table = optiontable.load(optable.of(str(path), ENVIRON))
        assert table.sources == {str(path): plainfile.identity(copy.stat())}
        assert not table.is_wrapped


def test_the_program_behind_a_wrapper_is_known(copy: Path, tmp_path: Path) -> None:
    wrapper = script(tmp_path / "wrapper", f'exec {copy} "$@"')
    table = optiontable.load(optable.of(wrapper, ENVIRON))
    assert table.is_wrapped
    assert table.sources == {
        str(copy): plainfile.identity(copy.stat()),
        wrapper: plainfile.identity(os.stat(wrapper)),
    }
    assert table.conf == "/other:place/gpg.conf"


def test_a_wrapper_that_waits_is_not_the_program(copy: Path, tmp_path: Path) -> None:
    wrapper = script(tmp_path / "wrapper", f'{copy} "$@"; exit $?')
    table = optiontable.load(optable.of(wrapper, ENVIRON))
    assert table.is_wrapped
    assert list(table.sources) == [wrapper]


def test_a_compiled_wrapper_is_one_too(copy: Path, tmp_path: Path) -> None:
    """env(1) is a program that becomes another one, and is no script."""
    wrapper = tmp_path / "wrapper"
    shutil.copy(shutil.which("env") or "/usr/bin/env", wrapper)
    said = optable.run([str(wrapper), str(copy), "--dump-option-table"], ENVIRON)
    seen: list[str] = []
    words = [str(wrapper), str(copy), "--dump-option-table"]
    assert optable.run(words, ENVIRON, lambda pid: seen.append(optable.look(pid))) == said
    assert optable.source_of(str(wrapper), seen[0]) == (str(copy), str(wrapper))


@pytest.mark.parametrize(
    ("said", "conf"),
    [
        ("echo /etc/other", "/etc/other/gpg.conf"),
        ("echo /etc/gnupg", optiontable.SYSTEM_CONF),
        ("echo relative", optiontable.SYSTEM_CONF),
        ("echo /etc/other; exit 2", optiontable.SYSTEM_CONF),
        ("exit 0", optiontable.SYSTEM_CONF),
    ],
)
def test_the_global_conf_file_is_that_of_this_gpg(copy: Path, said: str, conf: str) -> None:
    script(copy.parent / "gpgconf", said)
    assert optiontable.load(optable.of(str(copy), ENVIRON)).conf == conf


def test_a_gpg_without_a_gpgconf_has_the_usual_conf_file(copy: Path) -> None:
    (copy.parent / "gpgconf").unlink()
    assert optiontable.load(optable.of(str(copy), ENVIRON)).conf == optiontable.SYSTEM_CONF


def test_another_sysconfdir_is_read(copy: Path, tmp_path: Path) -> None:
    """gpgconf.ctl beside gpg names it; gpg reads its gpg.conf, and so do we."""
    (copy.parent / "gpgconf").unlink()
    shutil.copy(shutil.which("gpgconf") or "gpgconf", copy.parent)
    (copy.parent / "gpgconf.ctl").write_text(f"rootdir = {tmp_path}\nsysconfdir = {tmp_path}/sys\n")
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys/gpg.conf").write_text("sign\n")
    table = optiontable.load(optable.of(str(copy), ENVIRON))
    assert table.conf == f"{tmp_path}/sys/gpg.conf"
    words = ["--no-options", "--homedir", str(tmp_path), "--batch", "--verify", "f"]
    reading = decision.read(words, table, {}, plainfile.read)
    assert reading.options[0].where == f"{tmp_path}/sys/gpg.conf:1"
    done = subprocess.run([copy, *words], capture_output=True, text=True, check=False)
    assert "conflicting commands" in done.stderr  # gpg itself has read it


def test_a_name_that_the_table_cannot_hold(copy: Path) -> None:
    odd = copy.parent / "g\npg"
    copy.rename(odd)
    with pytest.raises(optable.NoTable, match="line feed"):
        optable.of(str(odd), ENVIRON)


def test_a_gpg_that_cannot_print_gets_the_shipped_table_of_its_version(tmp_path: Path) -> None:
    text = optable.of(fake(tmp_path, rows=None), ENVIRON)
    assert optiontable.load(text).rows() == NEW.rows()


def test_sequoias_gpg_is_known_by_its_output(tmp_path: Path) -> None:
    said = "gpg (GnuPG-compatible Sequoia Chameleon) 2.2.40\nSequoia gpg Chameleon 0.13.1\n"
    table = optiontable.load(optable.of(fake(tmp_path, said, rows=None), ENVIRON))
    assert (table.maker, table.version) == (optiontable.CHAMELEON, "2.2.40")


@pytest.mark.parametrize(
    ("version", "rows", "said"),
    [
        ("sq 1.2.0\n", ROWS, "not a gpg: --version says 'sq 1.2.0'"),
        ("", ROWS, "not a gpg"),
        ("gpgv (GnuPG) 2.4.9\n", ROWS, "not a gpg"),
        ("gpg (GnuPG) 1.4.23\n", None, "exit 2: no, and no table is shipped for 1.4.23"),
        (VERSION_LINE, "usage: gpg\n", "not a row of an option table: 'usage: gpg'"),
        (VERSION_LINE, "", "a table of 0 rows without --sign"),
        (VERSION_LINE, "verify:1:128:@:\n", "a table of 1 rows without --sign"),
    ],
)
def test_an_unusable_gpg_is_an_error_with_its_cause(
    tmp_path: Path, version: str, rows: str | None, said: str
) -> None:
    with pytest.raises(optable.NoTable, match=said):
        optable.of(fake(tmp_path, version, rows), ENVIRON)


def test_a_gpg_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(optable.NoTable, match="No such file"):
        optable.of(str(tmp_path / "none"), ENVIRON)
    (tmp_path / "plain").write_text("")
    with pytest.raises(optable.NoTable, match="Permission denied"):
        optable.of(str(tmp_path / "plain"), ENVIRON)


def test_a_gpg_that_hangs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optable, "SECONDS", 0.2)
    gpg = tmp_path / "gpg"
    gpg.write_text("#!/bin/sh\nexec sleep 60\n")
    gpg.chmod(0o755)
    with pytest.raises(optable.NoTable, match=r"no end after 0\.2 s"):
        optable.of(str(gpg), ENVIRON)


def test_gpg_is_asked_as_the_job_would_run_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrapper may need its environment and its directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").touch()
    wrapper = script(
        tmp_path / "gpg", f'test -e here && exec "$NEEDED/{os.path.basename(GPG or "")}" "$@"'
    )
    table = optable.of(wrapper, ENVIRON | {"NEEDED": os.path.dirname(GPG or "")})
    assert optiontable.load(table).is_wrapped
    with pytest.raises(optable.NoTable, match="not found"):
        optable.of(wrapper, ENVIRON)


def test_a_version_that_only_help_tells(tmp_path: Path) -> None:
    """gpg 2.4 ends at a bad line of a conf file before it prints its version."""
    gpg = fake(tmp_path / "a")
    text = Path(gpg).read_text()
    Path(gpg).write_text(text.replace("--version) ", "--version) exit 2;; --help) "))
    assert optable.version(optable.of(gpg, ENVIRON)) == "2.4.9"


@pytest.mark.parametrize("language", ["de_DE.UTF-8", "C", "fr_FR.ISO-8859-1"])
def test_the_table_is_the_same_in_every_language(language: str) -> None:
    assert GPG
    texts = {optable.of(GPG, ENVIRON | {"LC_ALL": each}) for each in ("C", language)}
    assert len(texts) == 1


def test_a_gpg_that_prints_too_much_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optable, "LARGEST", 1 << 16)
    with pytest.raises(optable.NoTable, match="more than 65536 bytes"):
        optable.of(script(tmp_path / "gpg", "exec yes"), ENVIRON)


@pytest.mark.parametrize("ask", [optable.of, optable.system_conf])
def test_a_lack_of_descriptors_is_no_answer(
    copy: Path, ask: Callable[[str, dict[str, str]], str]
) -> None:
    """Without the answer of this gpgconf, a command in its global gpg.conf would not be read."""
    script(copy.parent / "gpgconf", "echo /elsewhere")
    free = os.dup(0)
    os.close(free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(Unable, match="Too many open files"):
            ask(str(copy), ENVIRON)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
