# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does each check gather its facts from what the machine answers?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gpgshim.core.terms import Form
from gpgshim.doctor.catalogue import CHECKS
from gpgshim.doctor.checks import debian, gnupg, host, lock, settings, shell, signers, stunts
from gpgshim.doctor.checks import oracle as oracles
from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.facts import Key, NoAnswer, Place, Process, Stunt, Trial, TrialJob
from gpgshim.gpgargs.optiontable import COMMAND, GNUPG, Table, load
from gpgshim.supervisor.config import Loaded, Settings
from gpgshim.tag2upload.oracle import Deployment, Source, Unit
from gpgshim.tag2upload.rehearsal import Rehearsal

CHECKOUT = Path(__file__).resolve().parents[2]
TABLE = load((CHECKOUT / "gpgshim/gpgargs/tables/gpg-2.4.9").read_text())
DEFAULTS = Loaded(Settings(), {}, {})
KEY = Key("F1", 0, "")
PLACE = Place("/state", True, "", "", "ext4", 1, 2)
SOURCE = Source("oracled[7]", {"DGIT_SSH": "ssh"}, 7)
DEPLOYED = Deployment("oracled[7]", "/stunts/dgit-repos-server", True)
UNIT = Unit("systemd", "/usr/lib/x", (), False)
REHEARSED = Rehearsal(True, b"", 0, "")


@dataclass
class Described:
    """A machine as a description: what each program prints, and what each file holds."""

    environ: Mapping[str, str] = field(default_factory=lambda: {"HOME": "/home/u"})
    own_environ: Mapping[str, str] = field(default_factory=lambda: {"PATH": "/own"})
    is_oracle: bool = False
    is_root: bool = True
    programs: Sequence[str] = ()
    printed: Mapping[str, str | Exception] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    settings: Loaded = DEFAULTS
    gpg: str = "/usr/bin/gpg"
    table: Table = TABLE
    dgit: str = "/usr/bin/dgit"
    gnupg_home: str = "/home/u/.gnupg"
    keys: Sequence[Key] = (KEY,)
    stunts: Sequence[Stunt] = ()
    pid: int = 2
    parent: int = 1
    state_directory: str = "/state"
    runtime_directory: str = "/run/gpgshim"
    oracled: str = "/usr/bin/tag2upload-oracled"
    server: str = "/usr/bin/dgit-repos-server"
    sources: Sequence[Source] = ()

    def find(self, name: str) -> str:
        return f"/bin/{name}" if name in self.programs else ""

    def output(self, *words: str, here: bool = False) -> str:
        (answer,) = (
            each for start, each in self.printed.items() if " ".join(words).startswith(start)
        )
        if isinstance(answer, Exception):
            raise answer
        return answer

    def text(self, path: str) -> str:
        try:
            return self.texts[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def files(self, directory: str, ending: str) -> Sequence[str]:
        return [path for path in self.texts if path.startswith(directory) and path.endswith(ending)]

    def resolve(self, path: str) -> str:
        return path.replace("/bin/", "/usr/bin/", 1) if path.startswith("/bin/") else path

    def fault_of_program(self, name: str) -> str:
        return f"no program {name}"

    def fault_of_authority(self, commit: str) -> str:
        return f"no authority {commit}" if commit != "ask" else ""

    def fault_of_textfile(self, path: str) -> str:
        return f"no directory of {path}"

    def conf_file(self, path: str) -> str | None:
        return self.texts.get(path)

    def try_key(self, key: Key) -> Trial:
        return Trial(True, "", 0.5)

    def try_job(self) -> TrialJob:
        return TrialJob("/run/gpgshim", True)

    def fault_of_lock(self, form: Form) -> str:
        return "no mounts" if form is Form.NAMESPACE else ""

    def process(self, pid: int) -> Process | None:
        return Process(f"p[{pid}]", (), ()) if pid != 1 else None

    def place(self, path: str) -> Place:
        return PLACE._replace(path=path)

    def deployment(self, source: Source) -> Deployment:
        return DEPLOYED

    def unit(self) -> Unit:
        return UNIT

    def rehearse(self) -> Rehearsal:
        return REHEARSED


def named(**values: object) -> Loaded:
    origins = {key: f"/s:{number}" for number, key in enumerate(values, 1)}
    return Loaded(Settings(**values), origins, {Path("/s"): True})  # type: ignore[arg-type]


SET = "DEBUILD_PRESERVE_ENVVARS"
GIT = "git --git-dir=/dev/null config"
LISTED = "file:/c\0gpg.program\n/g\0command line:\0commit.gpgsign\0"
READ = [
    signers.Setting("file:/c", "gpg.program", "/g"),
    signers.Setting("command line:", "commit.gpgsign", "true"),
]
ORACLED = 'our $our_version = $v // "17.0";\nprint "t2u-oracle-version 9\\n";\n'

#: Why a form of the lock is not possible on a machine that is described.
FORMS = {Form.ALIAS: "", Form.NAMESPACE: "no mounts"}

#: A check and a machine -> the facts.
GATHERED: list[tuple[Check[Any], Described, Any]] = [
    (settings.SETTINGS, Described(settings=named()), settings.Settings({"/s": True}, [])),
    (
        settings.SETTINGS,
        Described(settings=named(commit="may-we 1", alarm="page 'x y'", metrics="/m")),
        settings.Settings(
            {"/s": True},
            [
                settings.SettingFault("/s:1", "commit", "may-we 1", "no authority may-we 1"),
                settings.SettingFault("/s:2", "alarm", "page 'x y'", "no program page"),
                settings.SettingFault("/s:3", "metrics", "/m", "no directory of /m"),
            ],
        ),
    ),
    (
        settings.SETTINGS,
        Described(settings=named(alarm_kinds=["crashed"])),
        settings.Settings(
            {"/s": True},
            [
                settings.SettingFault(
                    "/s:1",
                    "alarm-kinds",
                    ["crashed"],
                    "it has no effect, because `alarm` is not set",
                )
            ],
        ),
    ),
    (
        settings.SETTINGS,
        Described(settings=named(commit="ask")),
        settings.Settings({"/s": True}, []),
    ),
    (gnupg.GPG, Described(), gnupg.Gpg("/usr/bin/gpg", "2.4.9", GNUPG, True, [])),
    (
        gnupg.GPG,
        Described(table=Table("2.5.0", GNUPG, f"{TABLE.text}bless:599:{COMMAND}\n")),
        gnupg.Gpg("/usr/bin/gpg", "2.5.0", GNUPG, False, ["bless"]),
    ),
    (gnupg.GPG_CONF, Described(), gnupg.Conf([], "")),
    (
        gnupg.GPG_CONF,
        Described(texts={"/home/u/.gnupg/gpg.conf": "no-greeting\nclearsign\nfingerprint\n"}),
        gnupg.Conf([gnupg.ConfLine("/home/u/.gnupg/gpg.conf:2", "clearsign", "")], ""),
    ),
    (gnupg.SECRET_KEY, Described(), gnupg.Keys(False, "/home/u/.gnupg", (KEY,))),
    (
        gnupg.TRIAL_SIGNATURE,
        Described(),
        gnupg.Signature(False, (KEY,), Trial(True, "", 0.5)),
    ),
    (gnupg.TRIAL_SIGNATURE, Described(keys=()), gnupg.Signature(False, (), None)),
    (
        gnupg.TRIAL_SIGNATURE,
        Described(stunts=[Stunt("/j/bin/gpg", "/j", True)]),
        gnupg.Signature(True, (), None),
    ),
    (stunts.STUNTS, Described(), ()),
    (stunts.TRIAL_JOB, Described(), TrialJob("/run/gpgshim", True)),
    (lock.LOCK, Described(), lock.Forms(None, FORMS)),
    (lock.LOCK, Described(settings=named(lock_agent=True)), lock.Forms(Form.ALIAS, FORMS)),
    (debian.DGIT, Described(is_oracle=True), debian.Dgit(True, "/usr/bin/dgit")),
    (
        debian.DEBSIGN,
        Described(printed={"bash": "/d\0gpg2"}),
        debian.Variable("gpg2", "/d"),
    ),
    (
        debian.DEBUILD,
        Described(printed={"bash": "\0"}),
        debian.Debuild(debian.Variable("", ""), ""),
    ),
    (
        debian.DEBUILD,
        Described(
            programs=["gbp"],
            printed={"bash": "/d\0PATH", "gbp": "buildpackage.builder=debuild -i\n"},
        ),
        debian.Debuild(debian.Variable("PATH", "/d"), "debuild -i"),
    ),
    (
        debian.DEBUILD,
        Described(programs=["gbp"], printed={"bash": "\0", "gbp": "debuild -i -I\n"}),
        debian.Debuild(debian.Variable("", ""), "debuild -i -I"),
    ),
    (signers.GIT, Described(printed={"git config": LISTED}), signers.Git(READ)),
    (
        signers.GIT,
        Described(printed={"git config": NoAnswer("git", "ended"), GIT: LISTED}),
        signers.Git(READ, unread=True),
    ),
    (
        signers.GIT,
        Described(printed={"git config": PermissionError(), GIT: ""}),
        signers.Git([], unread=True),
    ),
    (signers.RPM, Described(printed={"rpm --eval": "/usr/bin/gpg2\n"}), "/usr/bin/gpg2"),
    (
        signers.GPGME,
        Described(printed={"gpgconf": "gpg-agent:Private Keys:/x\ngpg:OpenPGP:/bin/gpg\n"}),
        signers.Gpgme("/bin/gpg", "/usr/bin/gpg", True),
    ),
    (
        signers.GPGME,
        Described(printed={"gpgconf": "gpg:OpenPGP:/opt/gpg:1:1\n"}),
        signers.Gpgme("/opt/gpg", "/usr/bin/gpg", False),
    ),
    (
        signers.GPGME,
        Described(printed={"gpgconf": "gpg\nstrange\n"}),
        signers.Gpgme("", "/usr/bin/gpg", False),
    ),
    (
        signers.OTHER_PROGRAMS,
        Described(programs=["sq", "dpkg-buildpackage"]),
        signers.Others(False, True, {"sq": "/bin/sq"}),
    ),
    (
        shell.LOGIN_SHELLS,
        Described(
            texts={
                "/etc/profile.d/a.sh": "PATH=/a\n",
                "/etc/profile.d/b.txt": "PATH=/b\n",
                "/home/u/.profile": "umask 022\nexport PATH=/c\n",
            }
        ),
        ["/etc/profile.d/a.sh:1", "/home/u/.profile:2"],
    ),
    (shell.SUDO, Described(printed={"env LC_ALL=C sudo -V": "Sudo"}), "Sudo"),
    (shell.SUDO, Described(is_root=False), None),
    (
        shell.SANDBOX_PROGRAMS,
        Described(programs=["bwrap"]),
        shell.Sandboxes(["/bin/bwrap"], "/run/gpgshim"),
    ),
    (
        host.SIGNALS,
        Described(sources=[SOURCE, Source("environment.d", {}), Source("gone", {}, 1)]),
        [
            host.Inherited("this process", Process("p[2]", (), ()), None),
            host.Inherited("oracled[7]", Process("p[7]", (), ()), Process("oracled[7]", (), ())),
            host.Inherited("gone", None, None),
        ],
    ),
    (host.STATE_DIRECTORY, Described(), PLACE),
    (host.RUNTIME_DIRECTORY, Described(), PLACE._replace(path="/run/gpgshim")),
    (oracles.VERSIONS, Described(oracled=""), oracles.Versions("tag2upload-oracled")),
    (oracles.VERSIONS, Described(server=""), oracles.Versions("dgit-repos-server")),
    (
        oracles.VERSIONS,
        Described(
            texts={
                "/usr/bin/tag2upload-oracled": ORACLED,
                "/usr/bin/dgit-repos-server": "sub mode_tag2upload12 () {",
            }
        ),
        oracles.Versions("", "17.0", "9", True),
    ),
    (
        oracles.VERSIONS,
        Described(texts={"/usr/bin/tag2upload-oracled": "", "/usr/bin/dgit-repos-server": ""}),
        oracles.Versions(""),
    ),
    (oracles.RETRIABLE, Described(), REHEARSED),
    (oracles.RETRIABLE, Described(server=""), None),
    (oracles.DEPLOYMENT, Described(sources=[SOURCE]), [DEPLOYED]),
    (oracles.DEPLOYMENT, Described(), []),
    (
        oracles.ENVIRONMENT,
        Described(sources=[SOURCE]),
        [oracles.Variables("oracled[7]", {"DGIT_SSH": "ssh"})],
    ),
    (oracles.ENVIRONMENT, Described(), [oracles.Variables("this process", {"PATH": "/own"})]),
    (oracles.UNIT, Described(), UNIT),
]


@pytest.mark.parametrize(("check", "machine", "facts"), GATHERED)
def test_facts(check: Check[Any], machine: Described, facts: Any) -> None:
    assert check.gather(machine) == facts


def test_a_fault_in_a_conf_file() -> None:
    conf = "/home/u/.gnupg/gpg.conf"
    ((line,), doubt) = gnupg.GPG_CONF.gather(Described(texts={conf: "sing\n"}))
    assert (line.where, line.word, bool(line.fault), doubt) == (f"{conf}:1", "sing", True, "")


def test_every_check_gathers() -> None:
    assert {check.name for check, _, _ in GATHERED} == {check.name for check in CHECKS}
