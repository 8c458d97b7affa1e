"""`gpgshim doctor`: examines the machine as it is, and says what to repair.

Rule 1: a check is a row of CHECKS. It collects facts, and a function of checks/ judges them. A
check that cannot collect its facts has not passed.
Rule 2: it removes everything that it makes, also signatures. Only gpg's own agent stays, if none
was running before.
Rule 3: inside a job no trial signature is made, because it would bypass that job's gate.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from gpgshim import __version__
from gpgshim.core.transcript import escape
from gpgshim.doctor.checks import debian, gnupg, host, settings, shell, signers, stunts
from gpgshim.doctor.checks import oracle as oracle_checks
from gpgshim.doctor.checks.finding import Finding, Result, all_of, mend, note
from gpgshim.doctor.machine import Machine, time_limit
from gpgshim.gpgargs import conffile, decision, mask, optiontable
from gpgshim.gpgargs.commands import COMMANDS
from gpgshim.stunts.plainfile import file_in
from gpgshim.supervisor import jobdir
from gpgshim.supervisor.attempt import own_umask
from gpgshim.system import places, runnable
from gpgshim.system.errors import GpgshimError, Misconfigured
from gpgshim.tag2upload import oracle, rehearsal

TRIAL_SECONDS = 30.0  #: time limit for a trial signature: a token can be slow

#: The longest job name that fits in the name of its directory.
TRIAL_JOB = "gpgshim-doctor-trial-job"


# --- collecting the facts -------------------------------------------------------------------------


def look_at_settings(machine: Machine) -> Finding:
    loaded = machine.settings
    faults = [
        settings.SettingFault(loaded.origins.get(key, ""), key, value, fault)
        for key, look in _NAMED_BY_SETTINGS.items()
        if (value := getattr(loaded.settings, key)) and (fault := look(value, machine))
    ]
    return settings.settings({str(path): there for path, there in loaded.files.items()}, faults)


def _fault_of_command(command: str, machine: Machine) -> str:
    return runnable.find(shlex.split(command)[0], machine.search)[1]


def _fault_of_commit(commit: str, machine: Machine) -> str:
    kind, _, path = commit.partition(":")
    if commit == "ask":
        return ""
    if kind != "o2m":
        return _fault_of_command(commit, machine)
    places.check_path(Path(path).parent)
    return "" if Path(path).is_socket() else f"there is no socket {path}"


def _fault_of_metrics(file: str, _machine: Machine) -> str:
    directory = Path(file).parent
    if not directory.is_dir():
        return f"there is no directory {directory}"
    return "" if os.access(directory, os.W_OK | os.X_OK) else f"{directory} cannot be written to"


#: Setting -> the fault of the program, directory or socket that it names, or "". The real programs
#: (`gpg`, `dgit`) have their own checks.
_NAMED_BY_SETTINGS: dict[str, Callable[[str, Machine], str]] = {
    "commit": _fault_of_commit,
    "alarm": _fault_of_command,
    "metrics": _fault_of_metrics,
}


def look_at_gpg(machine: Machine) -> Finding:
    table = machine.table
    unknown = [
        name
        for name, _, flags in table.rows()
        if flags & optiontable.COMMAND
        and name not in {*COMMANDS, *decision.NO_COMMAND, *conffile.NOT_IN_CONF}
    ]
    return gnupg.gpg(str(machine.gpg), table.version, table.maker, table.exact, unknown)


def look_at_dgit(machine: Machine) -> Finding:
    found = places.find_real("dgit", machine.search, machine.settings.settings.dgit)
    return debian.dgit(machine.is_oracle, "" if found is None else str(found))


def look_at_conf(machine: Machine) -> Finding:
    options, doubt = conffile.parse_files([], machine.table, machine.environ, file_in("/"))
    lines = [
        gnupg.ConfLine(each.where, each.text, each.fault)
        for each in options
        if each.fault or (each.flags & optiontable.COMMAND and each.name not in decision.NO_COMMAND)
    ]
    return gnupg.conf(lines, str(doubt or ""))


def look_at_keys(machine: Machine) -> Finding:
    return gnupg.keys(machine.is_oracle, str(machine.gnupg_home), machine.keys)


def try_key(machine: Machine) -> Finding:
    if machine.stunts:
        return note("not tried: we are inside of a job, and it would go round its gate")
    if len(machine.keys) != 1:
        return note(f"not tried: {len(machine.keys)} secret keys")
    key = machine.keys[0]
    began = time.monotonic()
    try:
        # With `error`, gpg-agent asks no person for a PIN or a passphrase: it has it, or fails.
        with time_limit(TRIAL_SECONDS):
            gpg = machine.gnupg("--pinentry-mode", "error")
            made = gpg.sign("A trial signature of gpgshim doctor.", keyid=key.fingerprint)
            good = bool(made.data) and gpg.verify(made.data).valid
    except TimeoutError:
        return gnupg.trial(key, gnupg.Trial(False, "", TRIAL_SECONDS, True))
    said = [line for line in str(made.stderr).split("\n") if line.startswith("gpg: ")]
    complaint = said[-1].removeprefix("gpg: ") if said else "it says nothing"
    return gnupg.trial(key, gnupg.Trial(good, complaint, time.monotonic() - began))


def look_at_stunts(machine: Machine) -> Finding:
    return stunts.stunts(machine.stunts)


def try_job(machine: Machine) -> Finding:
    """Make a job's directory at its usual place, and run the stunt in it."""
    base = places.runtime_directory(dict(machine.environ))
    missing = [each for each in (base, *base.parents) if not each.exists()]
    directory = None
    try:
        with own_umask():
            places.make_private(base, places.RUNTIME_HINT)
            directory = jobdir.make(base, TRIAL_JOB, machine.table_text, {"gpg": machine.gpg})
        said = machine.ask(f"{directory}/bin/gpg", "--version")
        real = machine.ask(str(machine.gpg), "--version")
        complaint = "" if said == real else f"a stunt in {base} did not become the real gpg"
    except OSError as error:
        complaint = f"a stunt in {base} cannot be run: {error.strerror} (noexec?)"
    except subprocess.SubprocessError as error:
        complaint = f"a stunt in {base} does not run: {error}"
    finally:
        if directory:
            shutil.rmtree(directory, ignore_errors=True)
        for each in missing:
            with contextlib.suppress(OSError):
                each.rmdir()
    return stunts.trial_job(str(base), complaint)


#: Reads a variable ($0) as devscripts do; prints the last file that sets it, and its value.
_OF_DEVSCRIPTS = """\
printf -v "$0" ''
for file in /etc/devscripts.conf ~/.devscripts; do
    before=${!0}
    [ -r $file ] && . $file >/dev/null
    [ "${!0}" = "$before" ] || where=$file
done
printf '%s\\0%s' "$where" "${!0}"
"""


def _of_devscripts(machine: Machine, variable: str) -> tuple[str, str]:
    """The value of a variable in devscripts' conf files, and the last file that sets it."""
    where, _, value = machine.ask("bash", "-c", _OF_DEVSCRIPTS, variable).partition("\0")
    return value, where


def look_at_debsign(machine: Machine) -> Finding:
    if not oracle.find_program("debsign", machine.search):
        return note("there is no debsign")
    return debian.debsign(*_of_devscripts(machine, "DEBSIGN_PROGRAM"))


def look_at_debuild(machine: Machine) -> Finding:
    if not oracle.find_program("debuild", machine.search):
        return note("there is no debuild")
    kept, where = _of_devscripts(machine, "DEBUILD_PRESERVE_ENVVARS")
    builder = ""
    if oracle.find_program("gbp", machine.search):
        said = machine.ask("gbp", "config", "buildpackage.builder", here=True)
        builder = said.strip().partition("=")[2] or said.strip()
    return debian.debuild(kept, where, builder)


def look_at_rpm(machine: Machine) -> Finding:
    if not oracle.find_program("rpm", machine.search):
        return note("there is no rpm")
    return signers.rpm(machine.ask("rpm", "--eval", "%{__gpg}").strip())


def look_at_logins(machine: Machine) -> Finding:
    home = machine.environ.get("HOME", "/nonexistent")
    files = [Path("/etc/profile"), *sorted(Path("/etc/profile.d").glob("*.sh"))]
    files += [Path(home, name) for name in (".bash_profile", ".bash_login", ".profile")]
    resets: list[str] = []
    for file in files:
        with contextlib.suppress(OSError):  # the shell cannot read it either
            resets += shell.path_resets(str(file), file.read_text("utf-8", "replace"))
    return shell.logins(resets)


def look_at_sudo(machine: Machine) -> Finding:
    if not oracle.find_program("sudo", machine.search):
        return note("there is no sudo")
    # An ordinary user would need `sudo -l`, which sudo may report to root by mail.
    said = machine.ask("env", "LC_ALL=C", "sudo", "-V") if os.geteuid() == 0 else None
    return shell.sudo(said)


def look_at_sandboxes(machine: Machine) -> Finding:
    found = [
        str(path) for name in shell.SANDBOXES if (path := oracle.find_program(name, machine.search))
    ]
    return shell.sandboxes(found, str(places.runtime_directory(dict(machine.environ))))


def look_at_git(machine: Machine) -> Finding:
    if not oracle.find_program("git", machine.search):
        return note("there is no git")
    words = ("config", "--list", "--show-origin", "-z")
    unread = ""
    try:
        listed = machine.ask("git", *words, here=True)
    except (OSError, subprocess.CalledProcessError):
        # With an invalid repository, git reads only the settings of the user and of the machine.
        listed = machine.ask("git", "--git-dir=/dev/null", *words)
        unread = "git cannot read the settings of the repository here: it is not known what they do"
    parts = listed.split("\0")
    settings = [
        signers.Setting(origin, *_key_and_value(setting))
        for origin, setting in zip(parts[::2], parts[1::2], strict=False)
    ]
    return signers.git(settings, unread)


def _key_and_value(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("\n")
    return key, value if equals else "true"  # git-config(1): a key without a value


def look_at_gpgme(machine: Machine) -> Finding:
    if not oracle.find_program("gpgconf", machine.search):
        return note("there is no gpgconf, so gpgme finds no gpg")
    rows = [line.split(":") for line in machine.ask("gpgconf", "--list-components").splitlines()]
    path = next((row[2] for row in rows if row[0] == "gpg" and len(row) > 2), "")
    real = str(machine.gpg)
    is_same = path and os.path.realpath(path) == os.path.realpath(real)
    return signers.gpgme(real if is_same else path, real)


def look_at_others(machine: Machine) -> Finding:
    found = {
        name: str(path)
        for name in signers.OTHERS
        if (path := oracle.find_program(name, machine.search))
    }
    builds = oracle.find_program("dpkg-buildpackage", machine.search) is not None
    return signers.others(machine.is_oracle, builds, found)


def look_at_signals(machine: Machine) -> Finding:
    blocked = [_name(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())]
    parent = os.getppid()
    # Our own inherited signals are not visible any more: CPython ignores SIGPIPE at its start.
    ignored = _in_mask(_status(parent).get("SigIgn", "0"))
    of_us = host.signals("this process", sorted(blocked), _called(parent), ignored)
    return all_of([of_us, *map(_signals_of, machine.sources)], of_us)


def _signals_of(source: oracle.Source) -> Finding:
    if source.pid is None:
        return Finding(Result.OK, ())
    status = _status(source.pid)
    ignored = _in_mask(status.get("SigIgn", "0"))
    blocked = _in_mask(status.get("SigBlk", "0"))
    return host.signals(source.name, blocked, source.name, ignored)


def _status(pid: int) -> dict[str, str]:
    """/proc/PID/status; empty if it cannot be read."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return {}


def _called(pid: int) -> str:
    return f"{_status(pid).get('Name', '?')}[{pid}]"


def _in_mask(mask: str) -> list[str]:
    return [_name(number) for number in range(1, 65) if int(mask, 16) >> (number - 1) & 1]


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def look_at_state(machine: Machine) -> Finding:
    return host.state_directory(_look_at_place(places.state_directory(dict(machine.environ))))


def look_at_runtime(machine: Machine) -> Finding:
    directory = places.runtime_directory(dict(machine.environ))
    return host.runtime_directory(_look_at_place(directory))


def _look_at_place(path: Path) -> host.Place:
    there = next(each for each in (path, *path.parents) if each.exists())
    fault = ""
    try:
        places.check_path(path)  # the existing part of the path; nothing is made
        if there == path and not path.is_dir():
            fault = f"{path} is not a directory"
        elif not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            fault = f"{path} cannot be made: {there} cannot be written to"
            fault = f"{path} cannot be written to" if there == path else fault
    except GpgshimError as error:
        fault = error.seen
    disk = os.statvfs(there)
    names = disk.f_favail if disk.f_files else None
    volatile = _kind_of_disk(there) in ("tmpfs", "ramfs")
    return host.Place(
        str(path), there == path, fault, volatile, disk.f_bavail * disk.f_frsize, names
    )


def _kind_of_disk(path: Path) -> str:
    """The type of the file system, by proc_pid_mountinfo(5); "" if unknown."""
    number = path.stat().st_dev
    wanted = f"{os.major(number)}:{os.minor(number)}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
            before, _, after = line.partition(" - ")
            if before.split()[2] == wanted:
                return after.split()[0]
    return ""


def look_at_versions(machine: Machine) -> Finding:
    if machine.oracled is None or machine.server is None:
        missing = "tag2upload-oracled" if machine.oracled is None else "dgit-repos-server"
        return mend(f"there is no {missing}", "install dgit-infrastructure")
    return oracle_checks.versions(*oracle.read_versions(machine.oracled, machine.server))


def rehearse(machine: Machine) -> Finding:
    if machine.server is None:
        return mend("there is no dgit-repos-server", "install dgit-infrastructure")
    return oracle_checks.rehearsal(*rehearsal.rehearse(machine.server))


def look_at_deployment(machine: Machine) -> Finding:
    findings = [oracle_checks.deployment(oracle.deployment(each)) for each in machine.sources]
    return all_of(
        findings,
        mend(
            "nothing is known of the oracle's environment: of this user no tag2upload-oracled runs,"
            " no user manager answers, and nothing in environment.d sets PATH",
            "run gpgshim doctor as the oracle's user; to deploy it, see gpgshim-tag2upload(7)",
        ),
    )


def look_at_variables(machine: Machine) -> Finding:
    own = oracle.Source("this process", machine.own)
    findings = [
        oracle_checks.variables(each.name, each.environ) for each in machine.sources or [own]
    ]
    return all_of(findings, findings[0])


def look_at_unit(machine: Machine) -> Finding:
    return oracle_checks.unit(oracle.unit(machine.own))


class Check(NamedTuple):
    """A check. `oracle`: it concerns tag2upload's oracle, and does not apply to other machines."""

    name: str
    looks_at: str
    why: str
    look: Callable[[Machine], Finding]
    oracle: bool = False


CHECKS = (
    Check("settings", "/etc/gpgshim/gpgshim.conf and the user's",
          "with one that is not understood no job is started", look_at_settings),
    Check("gpg", "the real gpg, its version and its table of options",
          "a command line is read by the table of the very gpg that runs", look_at_gpg),
    Check("dgit", "the real dgit",
          "dgit-repos-server runs the stunt, and that runs the real one", look_at_dgit),
    Check("gpg.conf", "/etc/gnupg/gpg.conf and the user's",
          "a command in it is in every call: what does not sign would, or fail", look_at_conf),
    Check("secret key", "the secret keys that gpg has",
          "oracled wants one, and says so at its start only", look_at_keys),
    Check("trial signature", "a signature with that key, which is thrown away",
          "after the commitment a failure is final", try_key),
    Check("stunts", "stunts gpg, dgit and gpgconf on PATH",
          "they belong to a job; anywhere else they refuse", look_at_stunts),
    Check("trial job", "a job's directory, and its stunt, run",
          "a stunt that cannot be run is stepped over, to the real gpg", try_job),
    Check("debsign", "DEBSIGN_PROGRAM in /etc/devscripts.conf and ~/.devscripts",
          "debsign then signs round the gate", look_at_debsign),
    Check("debuild", "the PATH that debuild, and gbp buildpackage with it, gives to its programs",
          "what debuild signs goes past the gate where it sets PATH anew", look_at_debuild),
    Check("git", "gpg.program, gpg.format, commit.gpgsign, dgit*.cmd-gpg and their like, here",
          "git or dgit then signs past the gate, or asks with each commit", look_at_git),
    Check("rpm", "the gpg that rpm's macro %__gpg names",
          "rpmsign does not look for gpg on PATH", look_at_rpm),
    Check("login shells", "where /etc/profile and the user's profiles set PATH",
          "what a login shell of a job signs goes past the gate", look_at_logins),
    Check("sudo", "the PATH that sudo gives to its programs (secure_path)",
          "what a job signs through sudo goes past the gate", look_at_sudo),
    Check("sandboxes", "programs on PATH that can hide a job's directory from what they start",
          "PATH then leads to the real gpg", look_at_sandboxes),
    Check("gpgme", "the gpg that gpgconf names",
          "gpgme looks for gpgconf on PATH, not for gpg, and asks that", look_at_gpgme),
    Check("other programs", "gpg2, gpgtar, gpg-sq, sq and programs for sop on PATH",
          "what signs with them signs round the gate", look_at_others),
    Check("signals", "signals that are blocked or ignored here",
          "dgit does not start without SIGPIPE and SIGCHLD", look_at_signals),
    Check("state directory", "where journals are kept: its owner, mode and disk",
          "without a journal no job runs", look_at_state),
    Check("runtime directory", "where jobs have their directories: its owner, mode and disk",
          "without one no job runs", look_at_runtime),
    Check("versions", "the versions of oracled, of its protocol and of dgit-repos-server",
          "with a protocol that we do not know, jobs are not gated", look_at_versions, True),
    Check("retriable", "the installed dgit-repos-server, run with a dgit that exits 75",
          "it says retriable by an accident of perl's, and retries hang on it", rehearse, True),
    Check("deployment", "the PATH of oracled, and DGIT_REPOS_SERVER_TEST",
          "our dgit-repos-server must come before Debian's, and no stunt gpg", look_at_deployment,
          True),
    Check("environment", "variables of oracled's that lead its jobs elsewhere",
          "a job that does not call dgit by PATH has no stunt dgit", look_at_variables, True),
    Check("unit", "the file and the drop-ins of tag2upload-oracled.service",
          "if it is not Debian's own, oracled calls itself `testing`, and gets no jobs",
          look_at_unit, True),
)  # fmt: skip


def examine(machine: Machine, checks: Sequence[Check] = CHECKS) -> Iterator[tuple[Check, Finding]]:
    """Run all checks, and yield each with its finding. Raises nothing.

    A fault that keeps several checks from working is reported by the first of them.
    """
    told_by: dict[str, str] = {}
    for check in checks:
        if check.oracle and not machine.is_oracle:
            yield check, note("not an oracle: there is no dgit-infrastructure")
            continue
        try:
            finding = check.look(machine)
        except GpgshimError as error:
            finding = mend(
                error.seen,
                error.hint or "repair that, and run doctor again",
            )
            first = told_by.setdefault(error.seen, check.name)
            if first != check.name:
                finding = note(f"not looked at, because of what `{first}` found")
        except subprocess.CalledProcessError as error:
            finding = mend(
                f"{error.cmd[0]} ended with {error.returncode}", f"see what it says: {error.cmd[0]}"
            )
        except ImportError as error:
            finding = mend(f"{error.name} is not installed", f"install python3-{error.name}")
        # An error in one check must not stop the others.
        except Exception as error:
            words = str(error).strip().split("\n")[0] or type(error).__name__
            finding = mend(f"could not be looked at: {words}", f"look yourself: {check.looks_at}")
        yield check, _masked(finding)


def _masked(finding: Finding) -> Finding:
    # The findings show settings of other programs, which may be complete command lines.
    return Finding(
        finding.result,
        tuple(map(mask.of_text, finding.found)),
        tuple(map(mask.of_text, finding.todo)),
    )


# --- the output -----------------------------------------------------------------------------------


def main(gpg: str | None, in_json: bool) -> int:
    """The verb: examine the machine, and report on stdout; the exit status, 0 or 78."""
    machine = Machine(gpg)
    results = []
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    if not in_json:
        click.echo(f"gpgshim {__version__}; jobs have the environment of {escape(machine.seen_as)}")
    for check, finding in examine(machine):
        results.append((check, finding))
        if not in_json:
            click.echo(told(check, finding, colour))
    to_mend = count_to_mend(results)
    if in_json:
        click.echo(as_json(machine, results))
    else:
        click.echo(f"{to_mend or 'nothing'} to mend, of {len(results)} checks")
    return Misconfigured.status if to_mend else 0


MARKS = {Result.OK: "ok", Result.NOTE: "-", Result.MEND: "mend"}
COLOURS = {Result.OK: "32", Result.NOTE: "2", Result.MEND: "1;31"}  # SGR: green, dim, bold red
_WIDTH = max(len(check.name) for check in CHECKS)


def told(check: Check, finding: Finding, colour: bool) -> str:
    """A check in lines for people: the mark, its name, and its findings; then what to do."""
    mark = f"{MARKS[finding.result]:4}"
    if colour:
        mark = f"\x1b[{COLOURS[finding.result]}m{mark}\x1b[m"
    margin = " " * (_WIDTH + 8)
    first, *rest = map(escape, finding.found or ("",))
    lines = [f"{mark}  {check.name:{_WIDTH}}  {first}", *(margin + line for line in rest)]
    if finding.result is Result.MEND:
        lines.append(f"{margin}why: {check.why}")
    lines += [f"{margin}do:  {escape(line)}" for line in finding.todo]
    return "\n".join(lines)


def as_json(machine: Machine, results: Sequence[tuple[Check, Finding]]) -> str:
    """The complete result as JSON. Existing fields stay, and more may be added:

    {"doctor": 1, "gpgshim": VERSION, "oracle": BOOL, "environment": WHOSE, "result": R, "checks":
    [{"name", "looks_at", "why", "result": R, "found": [LINE…], "todo": [LINE…]}…]}, where R is
    "ok", "note" or "mend"; the R of the whole is "ok" or "mend".
    """
    checks = [
        {
            "name": check.name,
            "looks_at": check.looks_at,
            "why": check.why,
            "result": finding.result,
            "found": finding.found,
            "todo": finding.todo,
        }
        for check, finding in results
    ]
    whole = {
        "doctor": 1,
        "gpgshim": __version__,
        "oracle": machine.is_oracle,
        "environment": machine.seen_as,
        "result": Result.MEND if count_to_mend(results) else Result.OK,
        "checks": checks,
    }
    return json.dumps(whole, indent=1)


def count_to_mend(results: Sequence[tuple[Check, Finding]]) -> int:
    return sum(finding.result is Result.MEND for _, finding in results)
