"""Does each finding mean what it should, at both sides of each line that is drawn?"""

from __future__ import annotations

import pytest

from gpgshim.doctor.checks import debian, gnupg, host, settings, shell, signers, stunts
from gpgshim.doctor.checks import oracle as oracle_checks
from gpgshim.doctor.checks.finding import Finding, Result, all_of, mend, note, ok
from gpgshim.doctor.checks.gnupg import ConfLine, Key, Trial
from gpgshim.doctor.checks.host import Place
from gpgshim.doctor.checks.settings import SettingFault
from gpgshim.doctor.checks.signers import ROUTES, Setting
from gpgshim.doctor.checks.stunts import Stunt
from gpgshim.gpgargs.optiontable import CHAMELEON, GNUPG
from gpgshim.tag2upload.oracle import Deployment, Unit

OK, NOTE, MEND = Result.OK, Result.NOTE, Result.MEND

KEY = Key("F1", 0, "")
TOKEN = Key("F2", 0, "D276")
SUBKEY = Key("F3", 1, "")
PLACE = Place("/s", True, "", False, host.LEAST_FREE, host.LEAST_NAMES)
REPORTED = b"message m\nemail reported <i>\nretriable\n"
RETRIABLE = b"message m\nemail unreported <i>\nretriable\n"
GOOD = Deployment("oracled", "/o/dgit-repos-server", True, real="/usr/bin/dgit-repos-server")
DEBIANS = "/usr/lib/systemd/user/tag2upload-oracled.service"

#: What was found -> what it comes to, and what the words must hold.
FINDINGS: list[tuple[Finding, Result, str]] = [
    (settings.settings({"/etc/s": False, "/home/s": False}), OK, "the defaults"),
    (settings.settings({"/etc/s": True, "/home/s": False}), OK, "understood: /etc/s"),
    (debian.dgit(False, ""), NOTE, "no dgit"),
    (debian.dgit(True, ""), MEND, "no dgit"),
    (debian.dgit(True, "/d"), OK, "/d"),
    (gnupg.gpg("/g", "2.4.9", GNUPG, True, []), OK, "/g 2.4.9"),
    (gnupg.gpg("/g", "2.5.0", GNUPG, False, []), NOTE, "not tried"),
    (gnupg.gpg("/g", "2.4.9", GNUPG, True, ["sign-more"]), NOTE, "sign-more"),
    (gnupg.gpg("/g", "2.2.40", CHAMELEON, False, ["x"]), NOTE, "chameleon"),
    (gnupg.conf([], ""), OK, ""),
    (gnupg.conf([ConfLine("/c:3", "sign", "")], ""), MEND, "/c:3 has the command sign"),
    (gnupg.conf([ConfLine("/c:3", "sing", "C6: sing is no option")], ""), MEND, "no option"),
    (gnupg.conf([], "C7: /c:1 has [if]"), NOTE, "[if]"),
    (gnupg.keys(False, "/h", []), NOTE, "no secret key in /h"),
    (gnupg.keys(False, "/h", [KEY]), OK, "F1"),
    (gnupg.keys(False, "/h", [SUBKEY]), OK, "F3 with 1 subkey"),
    (gnupg.keys(False, "/h", [KEY, TOKEN]), NOTE, "2 secret keys"),
    (gnupg.keys(True, "/h", []), MEND, "sees 0: nothing in /h"),
    (gnupg.keys(True, "/h", [TOKEN]), OK, "on the token D276"),
    (gnupg.keys(True, "/h", [SUBKEY]), MEND, "sees 2"),
    (gnupg.keys(True, "/h", [KEY, TOKEN]), MEND, "sees 2"),
    (gnupg.trial(KEY, Trial(True, "", 0.3)), OK, "0.3 s"),
    (gnupg.trial(KEY, Trial(False, "No pinentry", 0.3)), MEND, "No pinentry"),
    (gnupg.trial(TOKEN, Trial(False, "Card removed", 0.3)), MEND, "token D276"),
    (gnupg.trial(TOKEN, Trial(False, "", 30, True)), MEND, "after 30 s"),
    (stunts.stunts([]), OK, ""),
    (stunts.stunts([Stunt("/j/bin/gpg", "/j", True)]), MEND, "inside a job (/j)"),
    (stunts.stunts([Stunt("/j/bin/gpg", "/j", False)]), MEND, "over"),
    (stunts.stunts([Stunt("/x/gpg", "", False)]), MEND, "no job's directory"),
    (signers.others(False, True, {}), OK, "gpg2"),
    (signers.others(False, True, {"gpg2": "/g2"}), NOTE, "/g2"),
    (signers.others(False, True, {"gpg-sq": "/sq"}), MEND, "dpkg-buildpackage"),
    (signers.others(False, True, {"sq": "/sq"}), MEND, "dpkg-buildpackage"),
    (signers.others(False, False, {"sq": "/sq"}), NOTE, "/sq"),
    (signers.others(True, True, {"sq": "/sq"}), NOTE, "/sq"),
    (signers.gpgme("/g", "/g"), OK, "told of the stunt gpg"),
    (signers.gpgme("/h", "/g"), NOTE, "elsewhere of /h, not of PATH's /g"),
    (signers.gpgme("", "/g"), NOTE, "names no gpg"),
    (debian.debsign("", ""), OK, ""),
    (debian.debsign("gpg", "/d"), OK, ""),
    (debian.debsign("gpg2", "/d"), MEND, "/d sets DEBSIGN_PROGRAM=gpg2"),
    (debian.debsign("/usr/bin/gpg", "/d"), MEND, "/usr/bin/gpg"),
    (signers.git([]), OK, ""),
    (signers.git([Setting("file:/c", "commit.gpgsign", "yes")]), NOTE, "each commit asks"),
    (signers.git([Setting("file:/c", "commit.gpgsign", "Off")]), OK, ""),
    (signers.git([Setting("file:/c", "tag.forcesignannotated", "1")]), NOTE, "with a message"),
    (signers.git([], "not read"), NOTE, "not read"),
    (
        signers.git([Setting("file:/c", "gpg.program", v) for v in ("/x", "gpg")]),
        OK,
        "by PATH",
    ),
    (
        signers.git([Setting("file:/c", "gpg.program", v) for v in ("gpg", "/x")]),
        MEND,
        "gpg.program = /x",
    ),
    (debian.debuild("", "", ""), NOTE, "--preserve-envvar=PATH"),
    (debian.debuild("PATHS,XPATH", "/d", ""), NOTE, "sets PATH anew"),
    (debian.debuild("A, PATH", "/d", "debuild -i"), OK, "/d says so"),
    (debian.debuild("", "", "debuild"), NOTE, "--git-builder='debuild --preserve-envvar=PATH'"),
    (debian.debuild("", "", "/usr/bin/debuild -i -I"), NOTE, "starts `/usr/bin/debuild -i -I`"),
    (signers.rpm("gpg"), OK, "by PATH"),
    (signers.rpm("/usr/bin/gpg2"), NOTE, "names /usr/bin/gpg2"),
    (signers.rpm("%{__gpg}"), NOTE, "names no gpg"),
    (shell.logins([]), OK, ""),
    (shell.logins(["/a:1", "/b:2"]), NOTE, "/a:1, /b:2: PATH is set anew"),
    (shell.sudo(None), NOTE, "only root"),
    (shell.sudo("Sudo version 1\n"), OK, "keeps PATH"),
    (
        shell.sudo("x\nValue to override user's $PATH with: /a:/b\ny\n"),
        NOTE,
        "sets PATH to /a:/b:",
    ),
    (shell.sandboxes([], "/r"), OK, "none of bwrap"),
    (shell.sandboxes(["/b/bwrap", "/b/schroot"], "/r"), NOTE, "/b/bwrap /b/schroot: where"),
    (
        settings.settings({"/s": True}, [SettingFault("/s:3", "alarm", "x", "gone")]),
        MEND,
        "/s:3: alarm = 'x': gone",
    ),
    (host.signals("we", [], "sh[1]", []), OK, ""),
    (host.signals("we", ["SIGTERM"], "sh[1]", ["SIGINT"]), NOTE, "SIGTERM"),
    (host.signals("we", ["SIGPIPE"], "sh[1]", []), MEND, "SIGPIPE blocked"),
    (host.signals("we", ["SIGCHLD", "SIGTERM"], "sh[1]", []), MEND, "SIGCHLD blocked"),
    (host.signals("we", [], "bash[1]", ["SIGPIPE"]), MEND, "bash[1] ignores SIGPIPE"),
    (host.signals("we", [], "java[1]", ["SIGPIPE"]), NOTE, "cannot be seen"),
    (host.state_directory(PLACE), OK, "64 MiB"),
    (host.state_directory(PLACE._replace(exists=False)), OK, "will be made"),
    (host.state_directory(PLACE._replace(names=None)), OK, ""),
    (host.state_directory(PLACE._replace(names=999)), MEND, "room for 999 files"),
    (host.state_directory(PLACE._replace(free=PLACE.free - 1)), MEND, "63 MiB"),
    (host.state_directory(PLACE._replace(free=1, names=None)), MEND, "0 MiB free;"),
    (host.state_directory(PLACE._replace(fault="others can write")), MEND, "others can"),
    (host.state_directory(PLACE._replace(volatile=True)), MEND, "in memory"),
    (host.runtime_directory(PLACE._replace(volatile=True)), OK, ""),
    (host.runtime_directory(PLACE._replace(free=0)), MEND, ""),
    (stunts.trial_job("/r", ""), OK, "/r"),
    (stunts.trial_job("/r", "noexec"), MEND, "noexec"),
    (oracle_checks.versions("17.0", "9", True), OK, "17.0"),
    (oracle_checks.versions("17.1~bpo13+1", "9", True), OK, "17.1~bpo13+1"),
    (oracle_checks.versions("17.2", "9", True), NOTE, "17.2"),
    (oracle_checks.versions("17.2~bpo13+1", "9", True), NOTE, "17.2~bpo13+1"),
    (oracle_checks.versions("", "9", True), NOTE, "of an unknown version"),
    (oracle_checks.versions("17.0", "10", True), MEND, "version 10"),
    (oracle_checks.versions("17.0", "", True), MEND, "version ?"),
    (oracle_checks.versions("17.0", "9", False), MEND, "--tag2upload12"),
    (oracle_checks.rehearsal(True, RETRIABLE, 0, ""), OK, "email unreported, retriable"),
    (oracle_checks.rehearsal(False, RETRIABLE, 0, "so"), MEND, "did not come to run dgit"),
    (oracle_checks.rehearsal(True, RETRIABLE, 1, "so"), MEND, "ended with 1"),
    (oracle_checks.rehearsal(True, RETRIABLE, None, "so"), MEND, "did not end"),
    (oracle_checks.rehearsal(True, RETRIABLE[:-1], 0, "so"), MEND, "no whole report"),
    (
        oracle_checks.rehearsal(True, RETRIABLE.replace(b"retriable", b"irrecoverable"), 0, ""),
        MEND,
        "irrecoverable",
    ),
    # Retriable, but the uploader has been told that it is over.
    (
        oracle_checks.rehearsal(True, REPORTED, 0, ""),
        MEND,
        "email reported",
    ),
    (oracle_checks.deployment(GOOD), OK, "before /usr/bin/dgit-repos-server"),
    (oracle_checks.deployment(GOOD._replace(by_variable=True, beside=["ssh"])), OK, ""),
    (oracle_checks.deployment(GOOD._replace(beside=["ssh"])), MEND, "holds ssh"),
    (oracle_checks.deployment(GOOD._replace(real=None)), MEND, "no real one behind it"),
    (oracle_checks.deployment(GOOD._replace(complaint="no click")), MEND, "no click"),
    (oracle_checks.deployment(GOOD._replace(gates=["/x/gpg"])), MEND, "/x/gpg is on PATH"),
    (oracle_checks.deployment(GOOD._replace(program=None)), MEND, "no dgit-repos-server"),
    (oracle_checks.deployment(GOOD._replace(stunt=False)), MEND, "PATH leads to"),
    (oracle_checks.deployment(GOOD._replace(stunt=False, by_variable=True)), MEND, "_TEST names"),
    (oracle_checks.unit(Unit("systemd", DEBIANS, [], False)), OK, "without drop-ins"),
    (oracle_checks.unit(Unit("systemd", DEBIANS[4:], [], False)), OK, "/lib/"),
    (oracle_checks.unit(Unit("systemd", DEBIANS, ["/d.conf"], False)), MEND, "/d.conf"),
    (oracle_checks.unit(Unit("systemd", "/home/u", [], False)), MEND, "/home/u"),
    (oracle_checks.unit(Unit("systemd", "", [], False)), MEND, "there is no"),
    (oracle_checks.unit(Unit("systemd", "/home/u", ["/d.conf"], True)), OK, "--force-production"),
    (oracle_checks.variables("we", {"PATH": "/"}), OK, ""),
    (oracle_checks.variables("we", {"DGIT_DRS_DGIT": "dgit", "DGIT_SSH": "ssh"}), OK, ""),
    (oracle_checks.variables("we", {"DGIT_DRS_DGIT": "/usr/bin/dgit"}), MEND, "runs this"),
    (oracle_checks.variables("we", {"DGIT_SSH": "ssh -v"}), MEND, "DGIT_SSH=ssh -v"),
    (oracle_checks.variables("we", {"DGIT_SSH": ""}), MEND, "DGIT_SSH="),
]


@pytest.mark.parametrize(
    "builder",
    ["debuild --preserve-envvar=PATH -i", "debuild -i -ePATH", "debuild -i --preserve-envvar PATH",
     "dpkg-buildpackage -i", "mydebuild", "sbuild -A"],
)  # fmt: skip
def test_a_builder_that_keeps_path(builder: str) -> None:
    assert "gbp" not in str(debian.debuild("", "", builder))


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


@pytest.mark.parametrize(("finding", "result", "words"), FINDINGS)
def test_finding(finding: Finding, result: Result, words: str) -> None:
    assert finding.result is result, finding
    assert words in "\n".join(finding.found)
    # What is to be mended says what was seen, and what to do.
    assert finding.found
    assert bool(finding.todo) is (result is MEND)


#: What git's or dgit's setting -> whether something then goes round PATH.
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


@pytest.mark.parametrize(("key", "value", "goes_round"), SETTINGS)
def test_setting(key: str, value: str, goes_round: bool) -> None:
    finding = signers.git([Setting("file:/c", key, value)])
    assert (finding.result is MEND) is goes_round
    assert all("--file /c --unset-all" in line for line in finding.todo)


def test_every_route_is_met() -> None:
    met = {signers.route_of(Setting("", key, value)) for key, value, _ in SETTINGS}
    assert met - {None} == set(ROUTES)


def test_a_setting_from_the_environment_is_told_apart() -> None:
    finding = signers.git([Setting("command line:", "gpg.program", "/g")])
    assert "environment" in finding.todo[0]


def test_the_worst_of_several_comes_first_and_counts() -> None:
    mended = mend("c", "do")
    both = all_of([ok("a"), note("b"), mended, mended], mended)
    assert both == Finding(MEND, ("c", "c", "b", "a"), ("do",))
    assert all_of([], ok("none")) == ok("none")
