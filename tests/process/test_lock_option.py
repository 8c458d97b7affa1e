# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which form of the lock does a command line want, with the settings of a file?"""

from __future__ import annotations

from pathlib import Path

import pytest

from gpgshim.cli import completion, running  # noqa: F401  the verbs need it
from gpgshim.core.terms import Form
from gpgshim.supervisor import config
from gpgshim.system.errors import Misconfigured
from tests.support.scratch import Scratch

#: The words after `run` -> the form that the command line names, and the command.
LINES: dict[tuple[str, ...], tuple[str | None, tuple[str, ...]]] = {
    ("true",): (None, ("true",)),
    ("--lock-agent", "true"): ("alias", ("true",)),  # the next word is not its value
    ("--lock-agent", "--", "true"): ("alias", ("true",)),
    ("--lock-agent=alias", "true"): ("alias", ("true",)),
    ("--lock-agent=namespace", "--", "true"): ("namespace", ("true",)),
    ("--job", "j", "--lock-agent", "namespace"): ("alias", ("namespace",)),
    ("--job", "--lock-agent", "true"): (None, ("true",)),  # a strange name, as for any option
    ("--lock-agent", "--observe", "true"): ("alias", ("true",)),
    ("--lock-agent=namespace", "--lock-agent", "true"): ("alias", ("true",)),
    ("--observe", "true", "--lock-agent"): (None, ("true", "--lock-agent")),
    ("--", "true", "--lock-agent"): (None, ("true", "--lock-agent")),
    ("--job=j", "sh", "-c", "x", "--lock-agent"): (None, ("sh", "-c", "x", "--lock-agent")),
}


@pytest.mark.parametrize("words", LINES)
def test_a_command_line(words: tuple[str, ...]) -> None:
    given = running.run.make_context("run", list(words)).params
    assert (given["lock_agent"], given["command"]) == LINES[words]


#: The line of a file, and the options -> the form; or words of the error.
FORMS: list[tuple[str, tuple[str, ...], Form | None]] = [
    ("", (), None),
    ("lock-agent = false", (), None),
    ("lock-agent = true", (), Form.ALIAS),
    ('lock-agent = "alias"', (), Form.ALIAS),
    ('lock-agent = "namespace"', (), Form.NAMESPACE),
    ('lock-agent = "namespace"', ("--lock-agent",), Form.ALIAS),
    ('lock-agent = "namespace"', ("--no-lock-agent",), None),
    ("", ("--lock-agent=namespace",), Form.NAMESPACE),
]


@pytest.mark.parametrize(("line", "options", "form"), FORMS)
def test_a_setting(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    options: tuple[str, ...],
    form: Form | None,
) -> None:
    from gpgshim.cli.options import settings_for

    file = tmp_path / config.NAME
    file.parent.mkdir()
    file.write_text(f"{line}\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    given = running.run.make_context("run", [*options, "true"]).params
    chosen = {name: given[name] for name in ("lock_agent", "no_lock_agent")}
    assert settings_for(**chosen).form is form


def test_a_setting_of_no_form(tmp_path: Path) -> None:
    file = tmp_path / config.NAME
    file.parent.mkdir()
    file.write_text('lock-agent = "mount"\n')
    with pytest.raises(Misconfigured) as caught:
        config.load({"XDG_CONFIG_HOME": str(tmp_path)})
    assert 'lock-agent must be true, false, "alias" or "namespace", not "mount"' in str(
        caught.value
    )


@pytest.mark.starts
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lock-agent=mount",), "'mount' is not one of 'alias', 'namespace'"),
        (("--lock-agent", "--no-lock-agent"), "exclude each other"),
        (("--commit-at", "agent"), "--commit-at agent needs --lock-agent"),
    ],
)
def test_a_misuse(scratch: Scratch, words: tuple[str, ...], said: str) -> None:
    done = scratch.gpgshim("run", *words, "--", "true")
    assert (done.status, said in done.err) == (64, True), done.err


@pytest.mark.starts
def test_the_help_and_the_completion_have_the_forms(scratch: Scratch) -> None:
    assert "--lock-agent[=alias|namespace]" in scratch.gpgshim("run", "--help").out
    words = "gpgshim run --lock-agent = "
    env = {"_GPGSHIM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "3"}
    assert scratch.gpgshim(**env).out.split() == ["plain,alias", "plain,namespace"]
