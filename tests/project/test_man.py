# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the man pages describe exactly the present verbs, options and formats?"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from gpgshim.cli.main import cli
from gpgshim.core import records as r
from gpgshim.core import transcript, wire
from gpgshim.core.codec import KINDS
from gpgshim.core.replay import replay
from gpgshim.core.verdict import judge_bytes
from gpgshim.supervisor import config

MAN = Path(__file__).parents[2] / "doc/man"
PAGES = sorted(MAN.iterdir())

#: Verbs that stand on another's page.
ON_PAGE_OF = {"close": "supervise", "explain": "classify"}


def page_of(verb: str) -> str:
    return (MAN / f"gpgshim-{ON_PAGE_OF.get(verb, verb)}.1").read_text()


def list_options(command: click.Command) -> set[str]:
    return {
        word.lstrip("-")
        for param in command.params
        if isinstance(param, click.Option)
        for word in (*param.opts, *param.secondary_opts)
    }


@pytest.mark.parametrize("verb", sorted(cli.commands))
def test_a_verb_s_page_has_its_options(verb: str) -> None:
    page = page_of(verb)
    shown = {word.lstrip("-") for word in re.findall(r"\bFl (-?[\w-]+)", page)}
    sharing = [each for each in cli.commands if page_of(each) == page]
    wanted = {option for each in sharing for option in list_options(cli.commands[each])}
    assert wanted <= shown
    assert f".Nm gpgshim {verb}\n" in page
    # What a page shows beyond that are words of gpg's and of dgit-repos-server's.
    assert shown - wanted <= {"", "det", "status-fd", "dump-option-table"}


def test_the_help_has_the_whole_first_sentence_of_each_verb() -> None:
    shown = cli.get_help(click.Context(cli, info_name="gpgshim", terminal_width=80))
    overview = shown.partition("Commands:")[2]
    assert all(f"  {verb} " in overview for verb in cli.commands)
    assert "..." not in overview


def test_the_overview_has_every_verb() -> None:
    overview = (MAN / "gpgshim.1").read_text()
    for verb in cli.commands:
        page = f"gpgshim-{ON_PAGE_OF.get(verb, verb)}"
        assert f".It Xr {page} 1\n" in overview
        assert verb not in ON_PAGE_OF or f".Cm {verb}\n" in overview


def test_the_journal_s_page_has_its_words() -> None:
    page = (MAN / "gpgshim-journal.5").read_text().replace("\\&", "")
    listed = re.findall(r"^\.It (.*)$", page, re.MULTILINE)
    words = {word for line in listed for word in re.findall(r"Li (\S+)", line)}
    starts = {word for start in KINDS for word in start.split()[1:]}
    causes = {*r.Cause, r.Killing.OVER, r.Delivery.SHARED}
    assert {*transcript.HEAD_KEYS, *transcript.SIGILS, *starts, *causes} == words
    for cause in (*r.Unread, *r.Killing, *r.Delivery):
        assert re.search(rf"(Li|\|) {cause}\b", page), cause


def test_the_journal_s_example_is_one() -> None:
    page = (MAN / "gpgshim-journal.5").read_text()
    example = page.partition(".Sh EXAMPLES")[2].partition(".Bd")[2].partition(".Ed")[0]
    text = example.partition("\n")[2].replace("\\&", "").replace("\\(aq", "'")
    assert replay(transcript.parse(text.encode())) == []
    verdict = judge_bytes(text.encode())
    assert (verdict.outcome, verdict.told) == ("uploaded", True)


def test_the_settings_example_is_one(tmp_path: Path) -> None:
    page = (MAN / "gpgshim.conf.5").read_text()
    example = page.partition(".Sh EXAMPLES")[2].partition(".Bd")[2].partition(".Ed")[0]
    file = tmp_path / config.NAME
    file.parent.mkdir(0o700)
    file.write_text(example.partition("\n")[2])
    file.chmod(0o600)
    loaded = config.load({"XDG_CONFIG_HOME": str(tmp_path)})
    assert loaded.settings.deadline == 120
    assert set(loaded.origins) == {"alarm", "alarm_kinds", "deadline", "commit"}


def test_the_protocol_s_page_has_its_words() -> None:
    page = (MAN / "gpgshim-protocol.7").read_text()
    words = set(re.findall(r"^\.It Li (\S+)", page, re.MULTILINE))
    assert words == {*wire.REQUESTS, *wire.ANSWERS}
    assert f"Li {wire.VERSION} " in page
    assert f"{wire.LONGEST} bytes" in page


def test_the_settings_page_has_its_keys() -> None:
    page = (MAN / "gpgshim.conf.5").read_text()
    keys = re.findall(r"Li (\S+)", "\n".join(re.findall(r"^\.It (.*)$", page, re.MULTILINE)))
    assert keys == list(config.KEYS)


def test_pages_refer_to_pages_that_are_there() -> None:
    ours = {tuple(page.name.rsplit(".", 1)) for page in PAGES}
    for page in PAGES:
        for name, section in re.findall(r"\.Xr (gpgshim\S*) (\d)", page.read_text()):
            assert (name, section) in ours, page.name


@pytest.mark.starts
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_man_has_no_warnings(page: Path) -> None:
    # As lintian asks it.
    man = shutil.which("man")
    assert man, "install man-db"
    done = subprocess.run(
        [man, "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
        env={"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
