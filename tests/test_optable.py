"""Is the option table that of the very gpg that will be run, and is a kept one to be trusted?"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from gpgshim import argv, optable
from tests import skips
from tests.gpgs import NEW, OLD
from tests.world.root import DEBROOT, ROOTS, find_reason_against, how_to_build

GPG = shutil.which("gpg", path="/usr/bin:/bin")
ANOTHER = "apt-get install gnupg  # of a Debian release that is supported"
VERSION_LINE = "gpg (GnuPG) 2.4.9\nlibgcrypt 1.12.4\n"
ROWS = (
    "sign:115:128:make a signature:\n:1:512:Options:\nMonitor:1:512:Options:\nverify:544:128:@:\n"
)


def fake(directory: Path, version: str = VERSION_LINE, rows: str | None = ROWS) -> str:
    """A gpg that prints these, says no to all else, and counts its calls in `calls`."""
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


def kept(cache: Path) -> Path:
    (only,) = (cache / "gpgshim").iterdir()
    return only


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def environ(cache: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(cache)}


@pytest.mark.parametrize("root", ROOTS)
def test_the_shipped_table_is_what_the_gpg_of_this_root_prints(root: str, tmp_path: Path) -> None:
    why = find_reason_against(root)
    skips.unless(not why, f"the root {root} ({why})", how_to_build(root))
    gpg, world = tmp_path / "gpg", tmp_path / "world"
    world.mkdir()
    words = shlex.join([str(DEBROOT), "enter", root, str(world), "gpg"])
    gpg.write_text(f'#!/bin/sh\nHOME={Path.home()} PATH={os.environ["PATH"]} exec {words} "$@"\n')
    gpg.chmod(0o755)
    text = optable.fresh(str(gpg))
    assert (optable.SHIPPED / f"gpg-{optable.version(text)}").read_text() == text


def test_the_shipped_table_is_what_this_gpg_prints() -> None:
    assert GPG
    text = optable.fresh(GPG)
    shipped = optable.SHIPPED / f"gpg-{optable.version(text)}"
    skips.unless(shipped.exists(), f"a gpg whose table is shipped, not {shipped.name}", ANOTHER)
    assert shipped.read_text() == text


@pytest.mark.parametrize("option", ["compliance", "tofu-default-policy"])
def test_the_choices_are_those_that_this_gpg_lists(option: str, tmp_path: Path) -> None:
    assert GPG
    version = optable.version(optable.fresh(GPG))
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
    assert sorted(listed[1:]) == sorted(argv.CHOICES[option].split())


def test_the_shipped_tables_are_tables() -> None:
    assert len(OLD.rows()) == 404
    assert len(NEW.rows()) == 432
    for path in optable.SHIPPED.iterdir():
        assert path.name == f"gpg-{optable.version(path.read_text())}"


def test_headings_and_descriptions_are_left_out(tmp_path: Path) -> None:
    table = argv.load(optable.fresh(fake(tmp_path)))
    assert table.rows() == [("sign", 115, 128), ("verify", 544, 128)]
    assert (table.version, table.maker) == ("2.4.9", argv.GNUPG)


def test_a_table_is_asked_for_once(tmp_path: Path, environ: dict[str, str]) -> None:
    gpg = fake(tmp_path / "a")
    texts = {optable.of(gpg, environ) for _ in range(3)}
    assert len(texts) == 1
    assert calls(gpg) == 2


def test_another_file_behind_the_name_is_asked_again(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    gpg = fake(tmp_path / "a")
    optable.of(gpg, environ)
    os.utime(gpg, ns=(1, 1))
    optable.of(gpg, environ)
    assert calls(gpg) == 4
    link = tmp_path / "link"
    link.symlink_to(gpg)
    optable.of(str(link), environ)
    assert calls(gpg) == 4
    link.unlink()
    link.symlink_to(fake(tmp_path / "b", VERSION_LINE.replace("2.4.9", "2.4.8")))
    assert optable.version(optable.of(str(link), environ)) == "2.4.8"


@pytest.mark.parametrize("spoil", ["torn", "writable", "link", "directory", "others"])
def test_a_kept_table_that_may_not_be_ours_is_not_used(
    tmp_path: Path,
    environ: dict[str, str],
    cache: Path,
    spoil: str,
) -> None:
    gpg = fake(tmp_path / "a")
    text = optable.of(gpg, environ)
    path = kept(cache)
    if spoil == "torn":
        path.write_text(text[:-20])
    elif spoil == "writable":
        path.chmod(0o622)
    elif spoil == "others":
        skips.unless_root("who can give a file to another user")
        os.chown(path, 65534, 65534)
    else:
        path.rename(path.with_name("elsewhere"))
        if spoil == "link":
            path.symlink_to(path.with_name("elsewhere"))
        else:
            path.mkdir()
    assert optable.of(gpg, environ) == text
    assert calls(gpg) == 4


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    gpg = fake(tmp_path / "a")
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    for environ in ({"XDG_CACHE_HOME": str(in_the_way)}, {"HOME": "relative"}, {}):
        assert optable.version(optable.of(gpg, environ)) == "2.4.9"
    assert calls(gpg) == 6
    assert list(tmp_path.glob("**/.table-*")) == []


def test_a_kept_table_appears_whole_or_not_at_all(
    tmp_path: Path, environ: dict[str, str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "rename", fails)
    assert optable.version(optable.of(fake(tmp_path / "a"), environ)) == "2.4.9"
    assert list((cache / "gpgshim").iterdir()) == []


def test_the_cache_is_where_the_xdg_specification_says(tmp_path: Path) -> None:
    assert optable.cache_directory({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/gpgshim")
    assert optable.cache_directory({"XDG_CACHE_HOME": "c", "HOME": "/h"}) == Path(
        "/h/.cache/gpgshim"
    )
    assert optable.cache_directory({"HOME": ""}) is None


def test_the_process_environment_is_the_default(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    assert optable.of(fake(tmp_path / "a")) == kept(cache).read_text()


def test_a_gpg_that_cannot_print_gets_the_shipped_table_of_its_version(tmp_path: Path) -> None:
    text = optable.fresh(fake(tmp_path, rows=None))
    assert argv.load(text).rows() == NEW.rows()


def test_sequoias_gpg_is_known_by_what_it_says(tmp_path: Path) -> None:
    said = "gpg (GnuPG-compatible Sequoia Chameleon) 2.2.40\nSequoia gpg Chameleon 0.13.1\n"
    table = argv.load(optable.fresh(fake(tmp_path, said, rows=None)))
    assert (table.maker, table.version) == (argv.CHAMELEON, "2.2.40")


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
def test_what_is_no_usable_gpg_is_named(
    tmp_path: Path, version: str, rows: str | None, said: str
) -> None:
    with pytest.raises(optable.NoTable, match=said):
        optable.fresh(fake(tmp_path, version, rows))


def test_a_gpg_that_is_not_there_is_named(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(optable.NoTable, match="No such file"):
        optable.of(str(tmp_path / "none"), environ)
    (tmp_path / "plain").write_text("")
    with pytest.raises(optable.NoTable, match="Permission denied"):
        optable.of(str(tmp_path / "plain"), environ)


def test_a_gpg_that_hangs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optable, "SECONDS", 0.2)
    gpg = tmp_path / "gpg"
    gpg.write_text("#!/bin/sh\nexec sleep 60\n")
    gpg.chmod(0o755)
    with pytest.raises(optable.NoTable, match=r"no end after 0\.2 s"):
        optable.fresh(str(gpg))


def test_gpg_is_asked_with_a_clean_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", "/somewhere")
    gpg = tmp_path / "gpg"
    gpg.write_text(f"#!/bin/sh\nenv >{tmp_path}/env\n")
    gpg.chmod(0o755)
    optable.run(str(gpg), "--version")
    seen = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert seen["LC_ALL"] == "C"
    assert "GNUPGHOME" not in seen
