# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does each diagnosis give the right finding, on both sides of each limit?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gpgshim.core.terms import Form
from gpgshim.doctor.catalogue import CHECKS
from gpgshim.doctor.checks import debian, gnupg, host, lock, settings, shell, signers, stunts
from gpgshim.doctor.checks import oracle as oracles
from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.debian import Debuild, Dgit, Variable
from gpgshim.doctor.checks.facts import Key, Place, Process, Stunt, Trial, TrialJob
from gpgshim.doctor.checks.finding import Finding, Result, combine, fault, note, ok
from gpgshim.doctor.checks.gnupg import Conf, ConfLine, Gpg, Keys, Signature
from gpgshim.doctor.checks.host import Inherited
from gpgshim.doctor.checks.lock import Forms
from gpgshim.doctor.checks.oracle import Variables, Versions
from gpgshim.doctor.checks.settings import SettingFault, Settings
from gpgshim.doctor.checks.shell import Sandboxes
from gpgshim.doctor.checks.signers import ROUTES, Git, Gpgme, Others, Setting
from gpgshim.gpgargs.optiontable import CHAMELEON, GNUPG
from gpgshim.tag2upload.oracle import Deployment, Unit
from gpgshim.tag2upload.rehearsal import Rehearsal

OK, NOTE, MEND = Result.OK, Result.NOTE, Result.MEND

KEY = Key("F1", 0, "")
TOKEN = Key("F2", 0, "D276")
SUBKEY = Key("F3", 1, "")
PLACE = Place("/s", True, "", "", "ext4", host.LEAST_FREE, host.LEAST_NAMES)
RETRIABLE = b"message m\nemail unreported <i>\nretriable\n"
REHEARSAL = Rehearsal(True, RETRIABLE, 0, "why")
GOOD = Deployment("oracled", "/o/dgit-repos-server", True, real="/usr/bin/dgit-repos-server")
DEBIANS = "/usr/lib/systemd/user/tag2upload-oracled.service"
UNSET = Variable("", "")


def git(*settings: tuple[str, str]) -> Git:
    return Git([Setting("file:/c", key, value) for key, value in settings])


def process(blocked: Sequence[str] = (), name: str = "sh[1]", ignored: Sequence[str] = ()) -> Any:
    """The facts about this process, with these signals blocked, and about its parent."""
    return [Inherited("we", Process("we[2]", blocked, ()), Process(name, (), ignored))]


def trial(key: Key, tried: Trial) -> Signature:
    return Signature(False, [key], tried)


#: A check and the facts -> the result, and words that the finding must have.
FINDINGS: list[tuple[Check[Any], Any, Result, str]] = [
    (settings.SETTINGS, Settings({"/etc/s": False, "/home/s": False}), OK, "the defaults"),
    (settings.SETTINGS, Settings({"/etc/s": True, "/home/s": False}), OK, "read: /etc/s"),
    (
        settings.SETTINGS,
        Settings({"/s": True}, [SettingFault("/s:3", "alarm-kinds", ["unknown"], "no effect")]),
        MEND,
        "/s:3: alarm-kinds = ['unknown']: no effect",
    ),
    (
        settings.SETTINGS,
        Settings({"/s": True}, [SettingFault("/s:3", "alarm", "x", "gone")]),
        MEND,
        "/s:3: alarm = 'x': gone",
    ),
    (gnupg.GPG, Gpg("/g", "2.4.9", GNUPG, True, []), OK, "/g 2.4.9"),
    (gnupg.GPG, Gpg("/g", "2.5.0", GNUPG, False, []), NOTE, "not tested"),
    (gnupg.GPG, Gpg("/g", "2.4.9", GNUPG, True, ["sign-more"]), NOTE, "sign-more"),
    (gnupg.GPG, Gpg("/g", "2.2.40", CHAMELEON, False, ["x"]), NOTE, "chameleon"),
    (gnupg.GPG_CONF, Conf([], ""), OK, ""),
    (gnupg.GPG_CONF, Conf([ConfLine("/c:3", "sign", "")], ""), MEND, "/c:3 has the command sign"),
    (gnupg.GPG_CONF, Conf([ConfLine("/c:3", "sing", "no option")], ""), MEND, "no option"),
    (gnupg.GPG_CONF, Conf([], "C7: /c:1 has [if]"), NOTE, "[if]"),
    (gnupg.SECRET_KEY, Keys(False, "/h", []), NOTE, "no secret key in /h"),
    (gnupg.SECRET_KEY, Keys(False, "/h", [KEY]), OK, "F1"),
    (gnupg.SECRET_KEY, Keys(False, "/h", [SUBKEY]), OK, "F3 with 1 subkey"),
    (gnupg.SECRET_KEY, Keys(False, "/h", [KEY, TOKEN]), NOTE, "2 secret keys"),
    (gnupg.SECRET_KEY, Keys(True, "/h", []), MEND, "finds 0: no key in /h"),
    (gnupg.SECRET_KEY, Keys(True, "/h", [TOKEN]), OK, "on the token D276"),
    (gnupg.SECRET_KEY, Keys(True, "/h", [SUBKEY]), MEND, "finds 2"),
    (gnupg.SECRET_KEY, Keys(True, "/h", [KEY, TOKEN]), MEND, "finds 2"),
    (gnupg.TRIAL_SIGNATURE, Signature(True, (), None), NOTE, "inside a job"),
    (gnupg.TRIAL_SIGNATURE, Signature(False, (), None), NOTE, "there are 0 secret keys"),
    (gnupg.TRIAL_SIGNATURE, trial(KEY, Trial(True, "", 0.3)), OK, "0.3 s"),
    (gnupg.TRIAL_SIGNATURE, trial(KEY, Trial(False, "No pinentry", 0.3)), MEND, "No pinentry"),
    (gnupg.TRIAL_SIGNATURE, trial(TOKEN, Trial(False, "Removed", 0.3)), MEND, "token D276"),
    (gnupg.TRIAL_SIGNATURE, trial(TOKEN, Trial(False, "", 30, True)), MEND, "after 30 s"),
    (stunts.STUNTS, [], OK, ""),
    (stunts.STUNTS, [Stunt("/j/bin/gpg", "/j", True)], MEND, "inside a job (/j)"),
    (stunts.STUNTS, [Stunt("/j/bin/gpg", "/j", False)], MEND, "over"),
    (stunts.STUNTS, [Stunt("/x/gpg", "", False)], MEND, "outside a job's directory"),
    (stunts.TRIAL_JOB, TrialJob("/r", True), OK, "/r"),
    (lock.LOCK, Forms(None, {Form.ALIAS: "", Form.NAMESPACE: ""}), OK, "namespace: possible"),
    (lock.LOCK, Forms(None, {Form.ALIAS: "", Form.NAMESPACE: "x"}), NOTE, "not possible: x"),
    (lock.LOCK, Forms(Form.ALIAS, {Form.ALIAS: "", Form.NAMESPACE: "x"}), NOTE, "alias: possible"),
    (
        lock.LOCK,
        Forms(Form.ALIAS, {Form.ALIAS: "x", Form.NAMESPACE: ""}),
        MEND,
        "lock-agent, alias: not",
    ),
    (
        lock.LOCK,
        Forms(Form.ALIAS, {Form.ALIAS: "x", Form.NAMESPACE: "y"}),
        MEND,
        "namespace: not possible",
    ),
    (stunts.TRIAL_JOB, TrialJob("/r"), MEND, "did not become the real gpg"),
    (stunts.TRIAL_JOB, TrialJob("/r", error="Permission denied"), MEND, "denied (noexec?)"),
    (stunts.TRIAL_JOB, TrialJob("/r", how="gpg ended with status 2"), MEND, "fails: gpg ended"),
    (debian.DGIT, Dgit(False, ""), NOTE, "no dgit"),
    (debian.DGIT, Dgit(True, ""), MEND, "no dgit"),
    (debian.DGIT, Dgit(True, "/d"), OK, "/d"),
    (debian.DEBSIGN, UNSET, OK, ""),
    (debian.DEBSIGN, Variable("gpg", "/d"), OK, ""),
    (debian.DEBSIGN, Variable("gpg2", "/d"), MEND, "/d sets DEBSIGN_PROGRAM=gpg2"),
    (debian.DEBSIGN, Variable("/usr/bin/gpg", "/d"), MEND, "/usr/bin/gpg"),
    (debian.DEBUILD, Debuild(UNSET, ""), NOTE, "--preserve-envvar=PATH"),
    (debian.DEBUILD, Debuild(Variable("PATHS,XPATH", "/d"), ""), NOTE, "sets PATH itself"),
    (debian.DEBUILD, Debuild(Variable("A, PATH", "/d"), "debuild -i"), OK, "/d says"),
    (
        debian.DEBUILD,
        Debuild(UNSET, "debuild"),
        NOTE,
        "--git-builder='debuild --preserve-envvar=PATH'",
    ),
    (debian.DEBUILD, Debuild(UNSET, "/usr/bin/debuild -i"), NOTE, "runs `/usr/bin/debuild -i`"),
    (signers.GIT, git(), OK, ""),
    (signers.GIT, git(("commit.gpgsign", "yes")), NOTE, "git signs each commit"),
    (signers.GIT, git(("commit.gpgsign", "Off")), OK, ""),
    (signers.GIT, git(("tag.forcesignannotated", "1")), NOTE, "with a message"),
    (signers.GIT, Git([], unread=True), NOTE, "cannot read"),
    (signers.GIT, git(("gpg.program", "/x"), ("gpg.program", "gpg")), OK, "gpg on PATH"),
    (signers.GIT, git(("gpg.program", "gpg"), ("gpg.program", "/x")), MEND, "gpg.program = /x"),
    (signers.RPM, "gpg", OK, "on PATH"),
    (signers.RPM, "/usr/bin/gpg2", NOTE, "names /usr/bin/gpg2"),
    (signers.RPM, "%{__gpg}", NOTE, "names no gpg"),
    (signers.GPGME, Gpgme("/g", "/g", True), OK, "gets the stunt gpg"),
    (signers.GPGME, Gpgme("/h", "/g", False), NOTE, "gets /h, and not /g from PATH"),
    (signers.GPGME, Gpgme("", "/g", False), NOTE, "names no gpg"),
    (signers.OTHER_PROGRAMS, Others(False, True, {}), OK, "gpg2"),
    (signers.OTHER_PROGRAMS, Others(False, True, {"gpg2": "/g2"}), NOTE, "/g2"),
    (signers.OTHER_PROGRAMS, Others(False, True, {"gpg-sq": "/sq"}), MEND, "dpkg-buildpackage"),
    (signers.OTHER_PROGRAMS, Others(False, True, {"sq": "/sq"}), MEND, "dpkg-buildpackage"),
    (signers.OTHER_PROGRAMS, Others(False, False, {"sq": "/sq"}), NOTE, "/sq"),
    (signers.OTHER_PROGRAMS, Others(True, True, {"sq": "/sq"}), NOTE, "/sq"),
    (shell.LOGIN_SHELLS, [], OK, ""),
    (shell.LOGIN_SHELLS, ["/a:1", "/b:2"], NOTE, "/a:1, /b:2: PATH is set"),
    (shell.SUDO, None, NOTE, "only root"),
    (shell.SUDO, "Sudo version 1\n", OK, "keeps PATH"),
    (
        shell.SUDO,
        "x\nValue to override user's $PATH with: /a:/b\ny\n",
        NOTE,
        "sets PATH to /a:/b:",
    ),
    (shell.SANDBOX_PROGRAMS, Sandboxes([], "/r"), OK, "none of bwrap"),
    (shell.SANDBOX_PROGRAMS, Sandboxes(["/b/bwrap", "/b/x"], "/r"), NOTE, "/b/bwrap /b/x: if"),
    (host.SIGNALS, process(), OK, "we: no signal"),
    (host.SIGNALS, process(["SIGTERM"], ignored=["SIGINT"]), NOTE, "SIGTERM"),
    (host.SIGNALS, process(["SIGPIPE"]), MEND, "SIGPIPE blocked"),
    (host.SIGNALS, process(["SIGCHLD", "SIGTERM"]), MEND, "SIGCHLD blocked"),
    (host.SIGNALS, process(name="bash[1]", ignored=["SIGPIPE"]), MEND, "bash[1] ignores SIGPIPE"),
    (host.SIGNALS, process(name="java[1]", ignored=["SIGPIPE"]), NOTE, "cannot be seen"),
    (host.SIGNALS, [Inherited("we", None, Process("sh[1]", (), ()))], NOTE, "we has blocked"),
    (host.SIGNALS, [Inherited("we", Process("we[2]", (), ()), None)], NOTE, "parent of we"),
    (host.STATE_DIRECTORY, PLACE, OK, "64 MiB"),
    (host.STATE_DIRECTORY, PLACE._replace(exists=False), OK, "will be created"),
    (host.STATE_DIRECTORY, PLACE._replace(names=None), OK, ""),
    (host.STATE_DIRECTORY, PLACE._replace(names=999), MEND, "room for 999 files"),
    (host.STATE_DIRECTORY, PLACE._replace(free=PLACE.free - 1), MEND, "63 MiB"),
    (host.STATE_DIRECTORY, PLACE._replace(free=1, names=None), MEND, "0 MiB free;"),
    (host.STATE_DIRECTORY, PLACE._replace(fault="others can write"), MEND, "others can"),
    (host.STATE_DIRECTORY, PLACE._replace(fault="theirs", hint="do"), MEND, "theirs"),
    (host.STATE_DIRECTORY, PLACE._replace(kind="tmpfs"), MEND, "in memory"),
    (host.RUNTIME_DIRECTORY, PLACE._replace(kind="tmpfs"), OK, ""),
    (host.RUNTIME_DIRECTORY, PLACE._replace(free=0), MEND, ""),
    (oracles.VERSIONS, Versions("", "17.0", "9", True), OK, "17.0"),
    (oracles.VERSIONS, Versions("", "17.1~bpo13+1", "9", True), OK, "17.1~bpo13+1"),
    (oracles.VERSIONS, Versions("", "17.2", "9", True), NOTE, "17.2"),
    (oracles.VERSIONS, Versions("", "17.2~bpo13+1", "9", True), NOTE, "17.2~bpo13+1"),
    (oracles.VERSIONS, Versions("", "", "9", True), NOTE, "of an unknown version"),
    (oracles.VERSIONS, Versions("", "17.0", "10", True), MEND, "version 10"),
    (oracles.VERSIONS, Versions("", "17.0", "", True), MEND, "version ?"),
    (oracles.VERSIONS, Versions("", "17.0", "9", False), MEND, "--tag2upload12"),
    (oracles.VERSIONS, Versions("oracled"), MEND, "there is no oracled"),
    (oracles.RETRIABLE, REHEARSAL, OK, "email unreported, retriable"),
    (oracles.RETRIABLE, REHEARSAL._replace(reached=False), MEND, "did not run dgit"),
    (oracles.RETRIABLE, REHEARSAL._replace(status=1), MEND, "ended with status 1"),
    (oracles.RETRIABLE, REHEARSAL._replace(status=None), MEND, "did not end"),
    (oracles.RETRIABLE, REHEARSAL._replace(output=RETRIABLE[:-1]), MEND, "complete report"),
    (oracles.RETRIABLE, None, MEND, "no dgit-repos-server"),
    (
        oracles.RETRIABLE,
        REHEARSAL._replace(output=RETRIABLE.replace(b"retriable", b"irrecoverable")),
        MEND,
        "irrecoverable",
    ),
    # Retriable, but the uploader got the final mail.
    (
        oracles.RETRIABLE,
        REHEARSAL._replace(output=RETRIABLE.replace(b"unrep", b"rep")),
        MEND,
        "email reported",
    ),
    (oracles.DEPLOYMENT, [GOOD], OK, "before /usr/bin/dgit-repos-server"),
    (oracles.DEPLOYMENT, [GOOD._replace(by_variable=True, beside=["ssh"])], OK, ""),
    (oracles.DEPLOYMENT, [GOOD._replace(beside=["ssh"])], MEND, "holds ssh"),
    (oracles.DEPLOYMENT, [GOOD._replace(real=None)], MEND, "no real dgit-repos-server"),
    (oracles.DEPLOYMENT, [GOOD._replace(complaint="no click")], MEND, "no click"),
    (oracles.DEPLOYMENT, [GOOD._replace(job_stunts=["/x/gpg"])], MEND, "/x/gpg is on PATH"),
    (oracles.DEPLOYMENT, [GOOD._replace(program=None)], MEND, "no dgit-repos-server"),
    (oracles.DEPLOYMENT, [GOOD._replace(is_stunt=False)], MEND, "PATH leads to"),
    (oracles.DEPLOYMENT, [GOOD._replace(is_stunt=False, by_variable=True)], MEND, "_TEST names"),
    (oracles.DEPLOYMENT, [], MEND, "environment of the oracle is unknown"),
    (oracles.UNIT, Unit("systemd", DEBIANS, [], False), OK, "without drop-ins"),
    (oracles.UNIT, Unit("systemd", DEBIANS[4:], [], False), OK, "/lib/"),
    (oracles.UNIT, Unit("systemd", DEBIANS, ["/d.conf"], False), MEND, "/d.conf"),
    (oracles.UNIT, Unit("systemd", "/home/u", [], False), MEND, "/home/u"),
    (oracles.UNIT, Unit("systemd", "", [], False), MEND, "there is no"),
    (oracles.UNIT, Unit("systemd", "/home/u", ["/d.conf"], True), OK, "--force-production"),
    (oracles.ENVIRONMENT, [Variables("we", {"PATH": "/"})], OK, "we: "),
    (oracles.ENVIRONMENT, [Variables("we", {"DGIT_DRS_DGIT": "dgit", "DGIT_SSH": "s"})], OK, ""),
    (oracles.ENVIRONMENT, [Variables("we", {"DGIT_DRS_DGIT": "/usr/bin/dgit"})], MEND, "runs this"),
    (oracles.ENVIRONMENT, [Variables("we", {"DGIT_SSH": "ssh -v"})], MEND, "DGIT_SSH=ssh -v"),
    (oracles.ENVIRONMENT, [Variables("we", {"DGIT_SSH": ""})], MEND, "DGIT_SSH="),
]


@pytest.mark.parametrize(("check", "facts", "result", "words"), FINDINGS)
def test_finding(check: Check[Any], facts: Any, result: Result, words: str) -> None:
    finding = check.diagnose(facts)
    assert finding.result is result, finding
    assert words in "\n".join(finding.found)
    assert all(finding.found)
    # A fault names what to do.
    assert bool(finding.todo) is (result is MEND)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_each_check_can_pass_and_can_fail(check: Check[Any]) -> None:
    results = {result for row, _, result, _ in FINDINGS if row is check}
    assert OK in results and len(results) > 1


def test_the_hint_of_an_error_is_what_to_do() -> None:
    place = PLACE._replace(fault="others can write to /s", hint="chmod go-w /s")
    assert host.STATE_DIRECTORY.diagnose(place).todo == ("chmod go-w /s",)


@pytest.mark.parametrize(
    "builder",
    ["debuild --preserve-envvar=PATH -i", "debuild -i -ePATH", "debuild -i --preserve-envvar PATH",
     "dpkg-buildpackage -i", "mydebuild", "sbuild -A"],
)  # fmt: skip
def test_a_builder_that_keeps_path(builder: str) -> None:
    assert "gbp" not in str(debian.DEBUILD.diagnose(Debuild(UNSET, builder)))


@pytest.mark.parametrize(
    ("line", "resets"),
    [
        ("PATH=/usr/bin", True), ("  PATH='/usr/bin:/bin'", True), ("export PATH=/bin", True),
        ("PATH=$HOME/bin", True), ("PATH=$PATHS", True), ("PATH=/a:$PATH", False),
        ('export PATH="${PATH}:/a"', False), ("PATH=${PATH:-/bin}", False), ("MANPATH=/a", False),
        ("# PATH=/bin", False), ("export PATH", False), ("XPATH=/b", False),
    ],
)  # fmt: skip
def test_a_profile_that_sets_path(line: str, resets: bool) -> None:
    assert shell.path_resets("/p", f"\n{line}\n") == ["/p:2"] * resets


#: A setting of git or dgit -> whether a signature then goes past the gate.
SETTINGS = [
    ("gpg.program", "gpg", False),
    ("gpg.program", "/usr/bin/gpg", True),
    ("gpg.program", "", True),
    ("gpg.openpgp.program", "gpg2", True),
    ("gpg.ssh.program", "ssh-keygen", False),
    ("gpg.format", "openpgp", False),
    ("gpg.format", "ssh", True),
    ("gpg.format", "x509", True),
    ("dgit.default.cmd-gpg", "/usr/bin/gpg", True),
    ("dgit-distro.debian.cmd-gpg", "gpg", False),
    ("dgit-distro.debian/push.cmd-gpg", "sq", True),
    ("dgit-suite.sid.cmd-debsign", "/opt/debsign", True),
    ("dgit.default.cmd-debsign", "debsign", False),
    ("dgit.default.opts-debsign", "-p/usr/bin/gpg", True),
    ("dgit.default.opts-debsign", "-pgpg", False),
    ("dgit.default.opts-debsign", "--re-sign", False),
    ("dgit.default.cmd-git", "/usr/bin/git", False),
    ("user.name", "gpg.program", False),
    ("notdgit.default.cmd-gpg", "/usr/bin/gpg", False),
]


@pytest.mark.parametrize(("key", "value", "goes_past"), SETTINGS)
def test_setting(key: str, value: str, goes_past: bool) -> None:
    finding = signers.GIT.diagnose(git((key, value)))
    assert (finding.result is MEND) is goes_past
    assert all("--file /c --unset-all" in line for line in finding.todo)


def test_every_route_is_met() -> None:
    met = {signers.route_of(Setting("", key, value)) for key, value, _ in SETTINGS}
    assert met - {None} == set(ROUTES)


@pytest.mark.parametrize(
    ("origin", "option"),
    [("command line:", "environment"), ("file:.git/config", "--local"), ("file:/c", "--file /c")],
)
def test_how_to_remove_a_setting(origin: str, option: str) -> None:
    finding = signers.GIT.diagnose(Git([Setting(origin, "gpg.program", "/g")]))
    assert option in finding.todo[0]


def test_of_several_findings_the_worst_comes_first_and_counts() -> None:
    worst = fault("c", "do")
    assert combine([ok("a"), note("b"), worst, worst], worst) == Finding(
        MEND, ("c", "c", "b", "a"), ("do",)
    )
    assert combine([], ok("none")) == ok("none")


def test_another_form_of_the_lock_is_advised() -> None:
    def advice(namespace: str) -> str:
        faults = {Form.ALIAS: "x", Form.NAMESPACE: namespace}
        return "".join(lock.LOCK.diagnose(Forms(Form.ALIAS, faults)).todo)

    assert advice("") == 'set lock-agent = "namespace", which is possible here'
    assert "lock-agent = false" in advice("y")
