# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does gpgshim doctor find the faults of a machine, without changing it?

A machine is a home and a PATH with one fault each; the programs on it are the real ones.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gpgshim.doctor.catalogue import CHECKS
from tests.support import skips
from tests.support.scratch import CHECKOUT, GPG, Done, Scratch, finish, listening
from tools.world.upload import find_processes

#: The programs on PATH: enough for every check, and no others of this machine.
PROGRAMS = (
    *("gpg", "gpgconf", "gpg-agent", "git"),
    *("sh", "bash", "env", "cat", "grep", "rm", "sleep", "true"),
)

NAMES = {check.name for check in CHECKS}
ORACLES = {check.name for check in CHECKS if check.oracle}
NO_GPG = {"gpg", "gpg.conf", "secret key", "trial signature", "trial job", "gpgme"}


class Machine(NamedTuple):
    """A home, and a directory that is all of PATH."""

    scratch: Scratch
    bin: Path
    home: Path

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": str(self.bin), "HOME": str(self.home)}

    def put(self, name: str, text: str = "#!/bin/sh\n") -> Path:
        """A program on PATH."""
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)
        return self.bin / name

    def new_gnupg(self) -> Path:
        """A GnuPG home without a key; its agent is killed at the end of the test."""
        gnupg = self.scratch.root / "gnupg"
        gnupg.mkdir(mode=0o700, exist_ok=True)
        return gnupg

    def make_key(self, name: str, passphrase: str = "") -> None:
        words = ["--batch", "--quiet", "--passphrase", passphrase, "--pinentry-mode", "loopback"]
        words += ["--quick-gen-key", name, "ed25519", "sign", "never"]
        env = {"PATH": os.defpath, "GNUPGHOME": str(self.new_gnupg()), "HOME": str(self.home)}
        subprocess.run([GPG, *words], env=env, check=True, capture_output=True)
        subprocess.run(["gpgconf", "--kill", "all"], env=env, check=True)

    def doctor(self, *words: str | Path, **more: str) -> Done:
        return self.scratch.gpgshim("doctor", *words, **(self.env | more))

    def examine(self, *words: str | Path, **more: str) -> dict[str, Any]:
        """The checks that the doctor reports, by name; its exit status must fit."""
        return report_of(self.doctor("--json", *words, **more))


def report_of(done: Done) -> dict[str, Any]:
    """The checks of a report in JSON, by name; the report must be consistent."""
    assert done.err == ""
    whole = json.loads(done.out)
    checks = {each["name"]: each for each in whole["checks"]}
    assert checks.keys() == NAMES
    assert done.status == (78 if to_mend(checks) else 0)
    assert whole["result"] == ("mend" if to_mend(checks) else "ok")
    for each in checks.values():
        assert each["result"] in ("ok", "note", "mend")
        assert each["found"] and all(line for line in each["found"])
        assert "Traceback" not in str(each)
    return checks


def to_mend(checks: dict[str, Any]) -> set[str]:
    return {name for name, each in checks.items() if each["result"] == "mend"}


def words_of(checks: dict[str, Any], name: str) -> str:
    return "\n".join([*checks[name]["found"], *checks[name]["todo"]])


@pytest.fixture
def machine(scratch: Scratch) -> Machine:
    made = Machine(scratch, scratch.root / "bin", scratch.root / "home")
    made.bin.mkdir()
    shutil.rmtree(scratch.conf.parent)
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found, name
        (made.bin / name).symlink_to(found)
    return made


def test_a_machine_without_faults(machine: Machine) -> None:
    before = machine.scratch.key.signings()
    checks = machine.examine()
    assert to_mend(checks) == set()
    assert machine.scratch.key.fingerprint in words_of(checks, "secret key")
    assert "made and verified" in words_of(checks, "trial signature")
    assert machine.scratch.key.signings() == before + 1
    notes = {name for name, each in checks.items() if each["result"] == "note"}
    # Its parent is Python, which ignores SIGPIPE; Debian's /etc/profile sets PATH.
    absent = {"dgit", "debsign", "debuild", "rpm", "sudo"}
    # The lock of gpg-agent needs rights that this machine may not give.
    assert notes - {"login shells", "lock of gpg-agent"} == ORACLES | absent | {"signals"}
    assert all("not an oracle" in words_of(checks, name) for name in ORACLES)


def test_nothing_is_left_behind(machine: Machine) -> None:
    scratch = machine.scratch
    before = sorted(map(str, scratch.root.rglob("*")))
    home = sorted(map(str, scratch.key.home.rglob("*")))
    machine.examine()
    machine.examine(XDG_RUNTIME_DIR=str(scratch.root / "new/run"), GNUPGHOME="")
    assert sorted(map(str, scratch.root.rglob("*"))) == before
    assert sorted(map(str, scratch.key.home.rglob("*"))) == home


def test_settings(machine: Machine) -> None:
    file = machine.home / ".config/gpgshim/gpgshim.conf"
    file.parent.mkdir(mode=0o700, parents=True)
    file.write_text(f'gpg = "{GPG}"\n')
    (machine.bin / "gpg").unlink()
    checks = machine.examine()
    assert to_mend(checks) == set()
    assert f"read: {file}" in words_of(checks, "settings")
    assert GPG in words_of(checks, "gpg")
    file.write_text("gpg = 3\n")
    checks = machine.examine()
    assert to_mend(checks) == {"settings"}  # one mistake, one finding
    assert f"{file}:1: gpg must be an absolute path" in words_of(checks, "settings")
    for name in {"dgit"} | NO_GPG:
        assert checks[name]["result"] == "note"
        assert words_of(checks, name) == "not examined, because of the fault that `settings` found"
    file.write_text('gpg = "/nonexistent"\n')
    assert to_mend(machine.examine()) == {"gpg"}


def test_settings_that_name_missing_files(machine: Machine) -> None:
    file = machine.home / ".config/gpgshim/gpgshim.conf"
    file.parent.mkdir(mode=0o700, parents=True)
    root = machine.scratch.root
    file.write_text(
        f'alarm = "pager --now"\ncommit = "{root}/may-we 1"\nmetrics = "{root}/none/x.prom"\n'
    )
    checks = machine.examine()
    assert to_mend(checks) == {"settings"}
    found = checks["settings"]["found"]
    assert [line.partition(" = ")[0] for line in found] == [
        f"{file}:2: commit", f"{file}:1: alarm", f"{file}:3: metrics",
    ]  # fmt: skip
    assert f"there is no directory {root}/none" in found[2]
    machine.put("pager")
    machine.scratch.script("may-we", "#!/bin/sh\n")
    (root / "none").mkdir()
    assert machine.examine()["settings"]["result"] == "ok"
    file.write_text(f'commit = "o2m:{root}/manager"\n')
    assert f"there is no socket {root}/manager" in words_of(machine.examine(), "settings")
    with listening(root / "manager") as listener:
        assert machine.examine()["settings"]["result"] == "ok"
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()  # the manager is not disturbed
    root.joinpath("none").chmod(0o777)
    file.write_text(f'commit = "o2m:{root}/none/manager"\n')
    assert f"others can write to {root}/none" in words_of(machine.examine(), "settings")
    file.write_text('commit = "ask"\n')
    assert machine.examine()["settings"]["result"] == "ok"


def test_dgit(machine: Machine) -> None:
    dgit = machine.put("dgit")
    assert machine.examine()["dgit"]["found"] == [str(dgit)]
    dgit.unlink()
    dgit.symlink_to(CHECKOUT / "bin/dgit")
    assert to_mend(machine.examine()) == {"dgit", "stunts"}


# --- gpg, its conf file and its keys --------------------------------------------------------------


def test_there_is_no_gpg(machine: Machine) -> None:
    (machine.bin / "gpg").unlink()
    checks = machine.examine()
    assert to_mend(checks) == {"gpg"}
    assert "there is no gpg on PATH" in words_of(checks, "gpg")
    for name in NO_GPG - {"gpg"}:
        assert words_of(checks, name) == "not examined, because of the fault that `gpg` found"


def test_the_gpg_of_the_option_is_examined(machine: Machine) -> None:
    (machine.bin / "gpg").unlink()
    assert to_mend(machine.examine("--gpg", GPG)) == set()


def test_a_program_that_is_not_gpg(machine: Machine) -> None:
    machine.put("gpg", "#!/bin/sh\necho hello\n")
    checks = machine.examine()
    assert {"gpg"} <= to_mend(checks)
    assert "not a gpg" in words_of(checks, "gpg")
    for name in ("gpg.conf", "trial job"):
        assert checks[name]["result"] == "note"


def test_commands_and_faults_in_gpg_conf(machine: Machine) -> None:
    conf = machine.new_gnupg() / "gpg.conf"
    conf.write_text("# ours\nno-greeting\nclearsign\n")
    checks = machine.examine(GNUPGHOME=str(conf.parent))
    assert "gpg.conf" in to_mend(checks)
    assert f"{conf}:3 has the command clearsign" in words_of(checks, "gpg.conf")
    conf.write_text("no-greeting\nfingerprint\n")  # an option, though gpg's table has it otherwise
    assert "gpg.conf" not in to_mend(machine.examine(GNUPGHOME=str(conf.parent)))
    conf.write_text("[if version > 2.0]\nno-greeting\n[fi]\n")
    checks = machine.examine(GNUPGHOME=str(conf.parent))
    assert checks["gpg.conf"]["result"] == "note"


def test_keys(machine: Machine) -> None:
    checks = machine.examine(GNUPGHOME=str(machine.new_gnupg()))
    assert checks["secret key"]["result"] == checks["trial signature"]["result"] == "note"
    assert "no secret key" in words_of(checks, "secret key")
    machine.make_key("one")
    checks = machine.examine(GNUPGHOME=str(machine.new_gnupg()))
    assert checks["secret key"]["result"] == checks["trial signature"]["result"] == "ok"
    machine.make_key("two")
    checks = machine.examine(GNUPGHOME=str(machine.new_gnupg()))
    assert checks["secret key"]["result"] == checks["trial signature"]["result"] == "note"
    assert "not tried, because there are 2 secret keys" in words_of(checks, "trial signature")


def test_a_key_with_a_passphrase_does_not_block(machine: Machine) -> None:
    machine.make_key("locked", "secret")
    checks = machine.examine(GNUPGHOME=str(machine.new_gnupg()))
    assert to_mend(checks) == {"trial signature"}
    assert "gpg made none: [stdin]: clear-sign failed: No pinentry" in words_of(
        checks, "trial signature"
    )
    assert "--clearsign (it asks for a PIN" in words_of(checks, "trial signature")


def test_with_the_modules_of_debian(machine: Machine) -> None:
    python = "/usr/bin/python3"
    asked = subprocess.run([python, "-c", "import gnupg, click"], capture_output=True, check=False)
    skips.unless_installed("test", asked.returncode == 0)
    process = subprocess.Popen(
        [python, "-m", "gpgshim", "doctor", "--json"],
        env=machine.scratch.env | machine.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    checks = report_of(finish(process))
    assert to_mend(checks) == set()
    assert "made and verified" in words_of(checks, "trial signature")


SLOW = """\
#!/bin/sh
case " $* " in *" --clearsign "*) exec sleep 1000;; esac
exec {gpg} "$@"
"""


def test_a_token_that_waits_for_a_touch_does_not_block(machine: Machine) -> None:
    machine.put("gpg", SLOW.format(gpg=GPG))
    hurry = "from gpgshim.doctor import report, trials; import sys; trials.TRIAL_SECONDS = 1.0\n"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{hurry}sys.exit(report.main(None, True))"],
        env=machine.scratch.env | machine.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    checks = report_of(finish(process))
    assert to_mend(checks) == {"trial signature"}
    assert "after 1 s, and was killed" in words_of(checks, "trial signature")
    assert find_processes(machine.scratch.root) == {}


# --- stunts ---------------------------------------------------------------------------------------


def test_stunts_outside_a_job(machine: Machine) -> None:
    machine.put("dgit")
    checks = machine.examine(PATH=f"{CHECKOUT}/bin:{machine.bin}")
    assert to_mend(checks) == {"stunts", "dgit", "gpg", "gpgme"}
    found = checks["stunts"]["found"]
    assert [line.partition(" ")[0] for line in found] == [
        f"{CHECKOUT}/bin/gpg",
        f"{CHECKOUT}/bin/dgit",
        f"{CHECKOUT}/bin/gpgconf",
    ]
    # A stunt behind the real gpg is not run, but it does not belong there either.
    checks = machine.examine(PATH=f"{machine.bin}:{CHECKOUT}/bin")
    assert to_mend(checks) == {"stunts"}
    assert "not tried" in words_of(checks, "trial signature")


def inside(machine: Machine, command: str) -> tuple[dict[str, Any], int]:
    """Run a shell command in a gated job: the checks of a doctor in it, and the key's signings."""
    before = machine.scratch.key.signings()
    python = f"{sys.executable} -m gpgshim"
    command = f"{command.format(gpgshim=python)}; test $? = 78"
    words = ["--job", "j", "--commit", "true", "--", "sh", "-c", command]
    done = machine.scratch.gpgshim("run", *words, **machine.env)
    assert done.status == 0
    checks = report_of(Done(78, done.out, ""))
    return checks, machine.scratch.key.signings() - before


@pytest.mark.parametrize("words", ["", f" --gpg {GPG}"])
def test_inside_a_job_nothing_is_signed(machine: Machine, words: str) -> None:
    checks, signings = inside(machine, f"{{gpgshim}} doctor --json{words}")
    assert "stunts" in to_mend(checks)
    assert "inside a job" in words_of(checks, "stunts")
    assert "not tried inside a job" in words_of(checks, "trial signature")
    assert signings == 0
    assert [line for line in machine.scratch.lines() if line[0] in "$>="] == []


def test_a_job_that_is_over(machine: Machine) -> None:
    scratch = machine.scratch
    eval_it = scratch.gpgshim("supervise", "--job", "j", **machine.env)
    job = Path(eval_it.out.partition("=")[2].partition("/bin:")[0])
    assert scratch.gpgshim("close", job, **machine.env).status == 0
    checks = machine.examine(PATH=f"{job}/bin:{machine.bin}")
    assert "stunts" in to_mend(checks)
    assert "its job is over" in words_of(checks, "stunts")
    assert f"take {job}/bin off PATH" in words_of(checks, "stunts")


def test_a_stunt_that_does_not_become_the_real_gpg(machine: Machine) -> None:
    # A gpg that prints another version at each call stands for another gpg.
    machine.put("gpg", f'#!/bin/sh\n{GPG} "$@" && case $1 in --version) echo $$;; esac\n')
    checks = machine.examine()
    assert to_mend(checks) == {"trial job"}
    assert "did not become the real gpg" in words_of(checks, "trial job")


# --- routes past PATH -----------------------------------------------------------------------------


def test_devscripts(machine: Machine) -> None:
    machine.put("debsign")
    assert machine.examine()["debsign"]["result"] == "ok"
    conf = machine.home / ".devscripts"
    conf.write_text("DEBSIGN_PROGRAM=gpg\n")
    assert machine.examine()["debsign"]["result"] == "ok"
    # debsign reads the file with a shell.
    conf.write_text('echo hello; mine="$HOME"\nDEBSIGN_PROGRAM="$mine/gpg"\n')
    checks = machine.examine()
    assert to_mend(checks) == {"debsign"}
    assert f"{conf} sets DEBSIGN_PROGRAM={machine.home}/gpg" in words_of(checks, "debsign")
    conf.write_text("exit 3\n")
    assert to_mend(machine.examine()) == {"debsign"}


def test_git(machine: Machine) -> None:
    conf, more = machine.home / ".gitconfig", machine.home / "more"
    conf.write_text(f"[gpg]\n\tprogram = gpg\n[include]\n\tpath = {more}\n")
    assert machine.examine()["git"]["result"] == "ok"
    more.write_text('[gpg]\n\tprogram = /usr/bin/gpg\n[dgit-distro "debian"]\n\tcmd-gpg = gpg2\n')
    checks = machine.examine()
    assert to_mend(checks) == {"git"}
    assert checks["git"]["todo"] == [
        f"git config --file {more} --unset-all gpg.program",
        f"git config --file {more} --unset-all dgit-distro.debian.cmd-gpg",
    ]
    for line in checks["git"]["todo"]:  # each command works unchanged
        subprocess.run(line, shell=True, check=True, env={"PATH": os.defpath})
    assert machine.examine()["git"]["result"] == "ok"
    conf.write_text("[gpg\n")
    assert to_mend(machine.examine()) == {"git"}


def git(*words: str | Path) -> None:
    subprocess.run(["git", *map(str, words)], check=True, capture_output=True)


def test_git_settings_of_the_current_repository(machine: Machine) -> None:
    root = machine.scratch.root  # where the doctor is started
    git("init", "-q", root)
    git("-C", root, "config", "gpg.program", "/opt/gpg")
    checks = machine.examine()
    assert to_mend(checks) == {"git"}
    assert "file:.git/config: gpg.program = /opt/gpg" in words_of(checks, "git")
    assert checks["git"]["todo"] == ["git config --local --unset-all gpg.program"]
    # The repository's own wins over the user's.
    git("-C", root, "config", "gpg.program", "gpg")
    (machine.home / ".gitconfig").write_text("[gpg]\n\tprogram = /opt/gpg\n")
    assert machine.examine()["git"]["result"] == "ok"
    (root / ".git/config").write_text("[gpg\n")
    checks = machine.examine()
    assert "cannot read the settings of the repository here" in words_of(checks, "git")
    assert to_mend(checks) == {"git"}  # by the user's settings


@pytest.mark.parametrize("name", ["commit.gpgSign", "tag.gpgSign", "push.gpgSign"])
def test_git_settings_that_sign_by_themselves(machine: Machine, name: str) -> None:
    conf = machine.home / ".gitconfig"
    section, _, key = name.partition(".")
    conf.write_text(f"[{section}]\n\t{key}\n")
    checks = machine.examine()
    assert checks["git"]["result"] == "note"
    assert f"{name.lower()} = true: git signs each {section}" in words_of(checks, "git")
    conf.write_text(f"[{section}]\n\t{key}\n\t{key} = false\n")
    assert machine.examine()["git"]["result"] == "ok"


def real(machine: Machine, *names: str) -> None:
    """Put real programs on PATH, or skip the test."""
    skips.unless_installed("test", *map(shutil.which, names))
    for name in names:
        (machine.bin / name).symlink_to(str(shutil.which(name)))


def test_debuild(machine: Machine) -> None:
    real(machine, "debuild")
    checks = machine.examine()
    assert checks["debuild"]["result"] == "note"
    assert "--preserve-envvar=PATH" in words_of(checks, "debuild")
    (machine.home / ".devscripts").write_text("DEBUILD_PRESERVE_ENVVARS='CCACHE_DIR,PATH'\n")
    checks = machine.examine()
    assert checks["debuild"]["result"] == "ok"
    assert f"as {machine.home}/.devscripts says" in words_of(checks, "debuild")


def test_the_builder_of_gbp(machine: Machine) -> None:
    real(machine, "debuild", "gbp")
    checks = machine.examine()
    assert "gbp buildpackage runs `debuild -i -I`" in words_of(checks, "debuild")
    conf = machine.home / ".gbp.conf"
    conf.write_text("[buildpackage]\nbuilder = debuild --preserve-envvar=PATH -i\n")
    assert "gbp" not in words_of(machine.examine(), "debuild")


def test_rpm(machine: Machine) -> None:
    real(machine, "rpm")
    macros = machine.home / ".rpmmacros"
    macros.write_text("%__gpg /opt/gpg\n")
    checks = machine.examine()
    assert checks["rpm"]["result"] == "note"
    assert "rpm's macro %__gpg names /opt/gpg" in words_of(checks, "rpm")
    macros.write_text("%__gpg gpg\n")
    assert machine.examine()["rpm"]["result"] == "ok"


def test_login_shells(machine: Machine) -> None:
    profile = machine.home / ".profile"
    profile.write_text('PATH="$HOME/bin:$PATH"\nexport PATH=/opt:${PATH}\n')
    assert f"{profile}:" not in words_of(machine.examine(), "login shells")
    profile.write_text("umask 022\nexport PATH=/usr/bin:/bin\n")
    checks = machine.examine()
    assert checks["login shells"]["result"] == "note"
    assert f"{profile}:2" in words_of(checks, "login shells")


def test_sudo(machine: Machine) -> None:
    real(machine, "sudo")
    checks = machine.examine()
    assert checks["sudo"]["result"] in ("ok", "note")
    seen = "sudo sets PATH to /|only root can see|sudo keeps PATH"
    assert re.search(seen, words_of(checks, "sudo"))
    assert ("only root" in words_of(checks, "sudo")) == (os.geteuid() != 0)


def test_sandboxes(machine: Machine) -> None:
    assert machine.examine()["sandboxes"]["result"] == "ok"
    real(machine, "bwrap")
    checks = machine.examine()
    assert checks["sandboxes"]["result"] == "note"
    assert f"{machine.bin}/bwrap: if the sandbox hides {machine.scratch.runtime}/gpgshim" in (
        words_of(checks, "sandboxes")
    )


def test_other_programs(machine: Machine) -> None:
    machine.put("gpg2")
    machine.put("gpg-sq")
    checks = machine.examine()
    assert checks["other programs"]["result"] == "note"
    machine.put("dpkg-buildpackage")
    checks = machine.examine()
    assert to_mend(checks) == {"other programs"}
    assert f"{machine.bin}/gpg-sq: dpkg-buildpackage" in checks["other programs"]["found"][0]


def test_gpgme(machine: Machine) -> None:
    assert machine.examine()["gpgme"]["result"] == "ok"
    machine.put("gpgconf", "#!/bin/sh\necho gpg:OpenPGP:/opt/gpg\n")
    assert "elsewhere it gets /opt/gpg, and not" in words_of(machine.examine(), "gpgme")
    (machine.bin / "gpgconf").unlink()
    assert machine.examine()["gpgme"]["result"] == "note"


# --- the process and its places -------------------------------------------------------------------


def by_shell(machine: Machine, before: str) -> dict[str, Any]:
    """The checks that the doctor reports, started by a shell after the command `before`."""
    command = f"{before}{sys.executable} -m gpgshim doctor --json; exit $?"
    process = subprocess.Popen(
        ["sh", "-c", command],
        env=machine.scratch.env | machine.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return report_of(finish(process))


def test_signals(machine: Machine) -> None:
    assert by_shell(machine, "")["signals"]["result"] == "ok"
    checks = by_shell(machine, "trap '' PIPE; ")
    assert to_mend(checks) == {"signals"}
    assert "sh[" in words_of(checks, "signals") and "ignores SIGPIPE" in words_of(checks, "signals")
    checks = by_shell(machine, "env --block-signal=PIPE ")
    assert to_mend(checks) == {"signals"}
    assert "this process has SIGPIPE blocked" in words_of(checks, "signals")
    # A worker of oracled blocks these signals.
    assert by_shell(machine, "env --block-signal=TERM ")["signals"]["result"] == "note"


def test_directories(machine: Machine) -> None:
    scratch = machine.scratch
    state = scratch.state / "gpgshim"
    state.mkdir(mode=0o700)
    state.chmod(0o777)
    checks = machine.examine()
    assert to_mend(checks) == {"state directory"}
    assert f"others can write to {state} (mode 0777)" in words_of(checks, "state directory")
    run = scratch.runtime / "gpgshim"
    run.mkdir(mode=0o700, exist_ok=True)
    run.chmod(0o707)
    state.chmod(0o700)
    assert to_mend(machine.examine()) == {"runtime directory", "trial job"}
    run.rmdir()
    run.write_text("")
    checks = machine.examine()
    assert to_mend(checks) == {"runtime directory", "trial job"}
    assert "is not a directory" in words_of(checks, "runtime directory")


def test_a_directory_that_does_not_exist_yet(machine: Machine) -> None:
    open_to_all = machine.scratch.root / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    checks = machine.examine(XDG_STATE_HOME=str(open_to_all / "new"))
    assert to_mend(checks) == {"state directory"}
    assert f"others can write to {open_to_all}" in words_of(checks, "state directory")
    assert list(open_to_all.iterdir()) == []


def test_a_directory_that_cannot_be_made(machine: Machine) -> None:
    file = str(machine.put("file"))
    checks = machine.examine(XDG_STATE_HOME=file)
    assert to_mend(checks) == {"state directory"}


def test_a_path_that_is_too_long_for_a_socket(machine: Machine) -> None:
    deep = machine.scratch.root / ("d" * 90)
    deep.mkdir(mode=0o700)
    checks = machine.examine(XDG_RUNTIME_DIR=str(deep))
    assert to_mend(checks) == {"trial job"}
    assert "the limit is 107" in words_of(checks, "trial job")
    assert list(deep.iterdir()) == []


def mounted(machine: Machine, options: str, name: str) -> dict[str, Any]:
    """The checks that the doctor reports, with a file system of its own at a directory."""
    place = machine.scratch.root / name
    python = f"{sys.executable} -m gpgshim doctor --json"
    mount = f"mount -t tmpfs -o mode=700,{options} tmpfs {place} && exec env PATH={machine.bin}"
    unshare = ["unshare", "--map-root-user", "--mount"]
    tried = subprocess.run([*unshare, "true"], stderr=subprocess.PIPE, text=True, check=False)
    if tried.returncode:
        skips.unless_allowed("a user namespace", tried.stderr)
    words = [*unshare, "sh", "-c", f"{mount} {python}"]
    process = subprocess.Popen(
        words,
        env=machine.scratch.env | machine.env | {"PATH": f"{os.defpath}:/usr/sbin:/sbin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return report_of(finish(process))


def test_a_directory_mounted_noexec(machine: Machine) -> None:
    checks = mounted(machine, "noexec", "run")
    assert to_mend(checks) == {"trial job"}
    assert "noexec" in words_of(checks, "trial job")


def test_journals_in_memory(machine: Machine) -> None:
    checks = mounted(machine, "size=100m", "state")
    assert to_mend(checks) == {"state directory"}
    assert "is in memory" in words_of(checks, "state directory")


def test_a_disk_that_is_full(machine: Machine) -> None:
    checks = mounted(machine, "size=1m", "run")
    assert to_mend(checks) == {"runtime directory"}
    assert "MiB free" in words_of(checks, "runtime directory")


# --- the output -----------------------------------------------------------------------------------


def test_lines_for_people(machine: Machine) -> None:
    machine.put("debsign")
    (machine.home / ".devscripts").write_text("DEBSIGN_PROGRAM=sq\n")
    done = machine.doctor()
    assert done.status == 78 and done.err == ""
    first, *lines, last = done.out.splitlines()
    assert first.startswith("gpgshim ") and last == f"1 to mend, of {len(CHECKS)} checks"
    at = lines[0].index("no file")
    marks = {line.split()[0] for line in lines if not line.startswith(" ")}
    assert marks == {"ok", "-", "mend"}
    heads = [line for line in lines if not line.startswith(" ")]
    assert [line[6:at].strip() for line in heads] == [check.name for check in CHECKS]
    mended = next(at for at, line in enumerate(lines) if line.startswith("mend"))
    assert lines[mended + 1].strip().startswith("why: ")
    assert lines[mended + 2].strip().startswith("do: ")
    assert "\x1b" not in done.out


@pytest.mark.parametrize(("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_on_a_terminal(machine: Machine, more: dict[str, str], coloured: bool) -> None:
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gpgshim", "doctor"],
        env=machine.scratch.env | machine.env | more,
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    said = b""
    while True:
        try:
            said += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert process.wait() == 0
    assert (b"\x1b[32mok" in said) is coloured
    assert (b"\x1b" in said) is coloured


def test_the_examples_in_its_help_work(machine: Machine) -> None:
    said = machine.doctor("--help").out
    examples = said.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    assert len(examples) == 2
    gpgshim = machine.bin / "gpgshim"
    gpgshim.write_text(f'#!/bin/sh\nexec {sys.executable} -m gpgshim "$@"\n')
    gpgshim.chmod(0o755)
    env = machine.scratch.env | machine.env
    for line in examples:
        done = subprocess.run(line.strip(), shell=True, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout


STRANGE: list[Callable[[Machine], dict[str, str]]] = [
    lambda machine: {"HOME": "", "GNUPGHOME": ""},
    lambda machine: {"HOME": "/dev/null/nowhere", "XDG_STATE_HOME": ""},
    lambda machine: {"PATH": ""},
    lambda machine: {"PATH": ":nowhere:/nowhere:."},
    lambda machine: {"GNUPGHOME": str(machine.put("file"))},
    lambda machine: {"XDG_RUNTIME_DIR": "/tmp/no\nwhere"},
    lambda machine: {"LC_ALL": "C", "XDG_STATE_HOME": "/tmp/caf\udce9"},
    lambda machine: {"LC_ALL": "C.UTF-8", "XDG_STATE_HOME": "/tmp/caf\udce9"},
    lambda machine: {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "XDG_STATE_HOME": "/tmp/\xe9"},
    lambda machine: {"PATH": str(machine.put("git", "#!/bin/sh\nexit 9\n").parent)},
    lambda machine: {"PATH": str(machine.put("gpgconf", "\0").parent)},
    lambda machine: {"PATH": str(machine.put("bash", "#!/nowhere\n").parent)},
]


@pytest.mark.parametrize("make", STRANGE)
def test_never_a_traceback(machine: Machine, make: Callable[[Machine], dict[str, str]]) -> None:
    machine.put("debsign")
    more = make(machine)
    report_of(machine.doctor("--json", **more))
    plain = machine.doctor(**more)
    assert "Traceback" not in plain.out + plain.err
    # Every line is the head of a check, or is indented under one.
    heads = [line for line in plain.out.splitlines() if not line.startswith(" " * 8)]
    assert len(heads) == len(CHECKS) + 2
